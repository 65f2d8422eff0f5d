//! `assay deploy`: the same addresses everywhere, nothing twice, and code that is what it should be; and a council.

use crate::tool::{command, s};
use alloy::primitives::Address;
use alloy::providers::Provider;
use alloy::signers::local::PrivateKeySigner;
use assay_api::chain::dev::{DEV_KEYS, DevChain, DevChainError};
use serde_json::{Value, json};
use std::path::Path;

async fn chain() -> Option<DevChain> {
    match DevChain::start(&Path::new(env!("CARGO_MANIFEST_DIR")).join("..")).await {
        Err(e @ DevChainError::NotFound) => {
            println!("SKIPPED: {e}");
            None
        }
        other => Some(other.unwrap()),
    }
}

/// Runs as account `from`; the object, and what was said besides.
fn run(chain: &DevChain, code: i32, from: usize, arguments: &[&str]) -> (Value, String) {
    let mut command = command();
    command.env("ASSAY_RPC", chain.url()).env("ASSAY_PRIVATE_KEY", DEV_KEYS[from]);
    let done = command.arg("--json").args(arguments).output().unwrap();
    let said = String::from_utf8_lossy(&done.stderr).into_owned();
    assert_eq!(done.status.code(), Some(code), "{arguments:?}: {said}");
    (serde_json::from_slice(&done.stdout).unwrap(), said)
}

fn address(account: usize) -> String {
    DEV_KEYS[account].parse::<PrivateKeySigner>().unwrap().address().to_string()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn addresses_follow_from_what_is_deployed() {
    let (Some(one), Some(two)) = (chain().await, chain().await) else { return };
    let dir = tempfile::tempdir().unwrap();
    let folder = dir.path().join("deployments");
    let (first, second, treasury) = (address(2), address(3), address(4));
    let strict =
        ["deploy", "--attestor", &first, "--attestor", &second, "--treasury", &treasury, "--deployments", s(&folder)];
    let (made, said) = run(&one, 0, 0, &strict);
    assert!(made["gas"].as_u64().unwrap() > 1_000_000 && made["checklist"].as_array().unwrap().len() > 5, "{made}");
    assert!(said.contains("check: the attestors have different owners"), "{said}");

    // again, with more: what is there is found, and checked
    let (again, _) = run(&one, 0, 1, &[&strict[..], &["--around"]].concat());
    assert_eq!((&again["market"], &again["keys"]), (&made["market"], &made["keys"]));
    assert_eq!(again["contracts"].as_array().unwrap().len(), 11, "{again}");
    let (nothing, _) = run(&one, 0, 1, &[&strict[..], &["--around"]].concat());
    assert_eq!((&nothing["gas"], &nothing["contracts"]), (&json!(0), &again["contracts"]));

    // another chain, another account: the same addresses; another salt or setting: others
    let (elsewhere, _) = run(&two, 0, 1, &strict);
    assert_eq!(elsewhere["market"], made["market"]);
    let (salted, _) = run(&two, 0, 1, &[&strict[..], &["--salt", "another"]].concat());
    assert_ne!(salted["market"], made["market"]);
    let (slower, _) = run(&two, 0, 1, &[&strict[..], &["--timelock", "5"]].concat());
    assert_ne!(slower["keys"], made["keys"]);
    assert_eq!(slower["verifier"], made["verifier"]);

    // the file of the chain keeps what it said before
    let file: Value = serde_json::from_slice(&std::fs::read(folder.join("31337.json")).unwrap()).unwrap();
    assert_eq!((&file["chain_id"], &file["timelock_secs"]), (&json!(31337), &json!(5)));
    let before: Vec<&Value> =
        file["previous"].as_array().unwrap().iter().flat_map(|d| d["contracts"].as_array().unwrap()).collect();
    assert!(before.iter().any(|contract| contract["address"] == made["market"]), "{file}");
    std::fs::write(folder.join("31337.json"), "mine").unwrap();
    let (refused, _) = run(&two, 3, 1, &strict);
    assert!(refused["error"].as_str().unwrap().contains("left as it is"), "{refused}");

    // code that somebody put there in another way is not taken for ours
    let market: Address = made["market"].as_str().unwrap().parse().unwrap();
    let _: Value = one.rpc().unwrap().provider().raw_request("anvil_setCode".into(), (market, "0x6001")).await.unwrap();
    let (refused, _) = run(&one, 1, 0, &[&strict[..7], &["--deployments", s(dir.path())]].concat());
    assert!(refused["error"].as_str().unwrap().contains("is not that of InferenceMarket"), "{refused}");

    // a chain without the deployer
    let factory = "0x4e59b44847b379578588920cA78FbF26c0B4956C";
    let _: Value = two.rpc().unwrap().provider().raw_request("anvil_setCode".into(), (factory, "0x")).await.unwrap();
    let (refused, _) = run(&two, 1, 0, &[&strict[..7], &["--deployments", s(dir.path())]].concat());
    assert!(refused["error"].as_str().unwrap().contains("no CREATE2 deployer"), "{refused}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_council_can_be_an_attestor() {
    let Some(chain) = chain().await else { return };
    let members = [1, 2, 3].map(address);
    let mut council = vec!["attestors", "council"];
    members.iter().for_each(|one| council.extend(["--member", one]));
    let (made, _) = run(&chain, 0, 0, &council);
    let (again, _) = run(&chain, 0, 4, &council);
    assert_eq!((&again["attestor"], &again["gas"]), (&made["attestor"], &json!(0)));
    let seat = made["attestor"].as_str().unwrap();
    let (refused, _) = run(&chain, 1, 0, &["attestors", "council", "--member", &members[0], "--member", &members[0]]);
    assert!(refused["error"].as_str().unwrap().contains("revert"), "{refused}");

    let folder = tempfile::tempdir().unwrap();
    let (other, treasury) = (address(4), "0x0000000000000000000000000000000000000099");
    let deploy =
        ["deploy", "--attestor", seat, "--attestor", &other, "--treasury", treasury, "--deployments", s(folder.path())];
    let (at, _) = run(&chain, 0, 0, &deploy);
    let (shown, _) = run(&chain, 0, 0, &["attestors", "show", "--market", at["market"].as_str().unwrap()]);
    assert_eq!(
        (&shown["attestors"], &shown["threshold"]),
        (&json!([seat.to_lowercase(), other.to_lowercase()]), &json!("2"))
    );
}
