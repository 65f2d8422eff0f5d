//! `assay doctor`: what it finds well, and what it finds wrong.

use crate::tool::{command, json, model, s};
use assay_api::chain::dev::{DEV_KEYS, DevChain, DevChainError};
use serde_json::Value;
use std::path::Path;

fn verdicts<'a>(report: &'a Value, name: &str) -> Vec<&'a str> {
    let checks = report["checks"].as_array().unwrap().iter();
    checks.filter(|check| check["name"] == name).map(|check| check["verdict"].as_str().unwrap()).collect()
}

#[test]
fn a_machine_is_looked_at() {
    let dir = tempfile::tempdir().unwrap();
    let report = json(0, ["doctor", "--models", s(model()), "--data", s(&dir.path().join("data"))]);
    // a development SRS, and the keys over it, are for tests
    assert_eq!((verdicts(&report, "srs"), verdicts(&report, "keys")), (vec!["warning"], vec!["warning"]));
    assert_eq!((verdicts(&report, "disk"), verdicts(&report, "database")), (vec!["ok"], vec!["ok"]));
}

#[test]
fn faults_end_with_one() {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("data");
    std::fs::create_dir(&data).unwrap();
    std::fs::write(data.join("jobs.sqlite"), "this is no database, and long enough to be read as one").unwrap();
    let broken = dir.path().join("broken.assay");
    std::fs::write(&broken, "no package").unwrap();
    let arguments = ["--json", "doctor", "--models", s(&broken), "--data", s(&data), "--rpc", "http://127.0.0.1:9"];
    let output = command().args(arguments).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    let lines = String::from_utf8(output.stdout).unwrap();
    assert_eq!(lines.lines().count(), 1, "one object, also where there is a fault: {lines}");
    let report: Value = serde_json::from_str(&lines).unwrap();
    for name in ["keys", "database", "chain"] {
        assert_eq!(verdicts(&report, name), ["fault"], "{name}: {report}");
    }
}

/// What `doctor` says of a chain, whatever it thinks of the rest.
fn of_chain(chain: &DevChain, market: &str, data: &Path) -> Value {
    let rpc = chain.url();
    let output =
        command().args(["--json", "doctor", "--data", s(data), "--rpc", rpc, "--market", market]).output().unwrap();
    serde_json::from_slice(&output.stdout).unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_chains_clock_and_the_market_are_looked_at() {
    let chain = match DevChain::start(&Path::new(env!("CARGO_MANIFEST_DIR")).join("..")).await {
        Err(e @ DevChainError::NotFound) => return println!("SKIPPED: {e}"),
        other => other.unwrap(),
    };
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("data");
    let mut deploy = command();
    let deployed = deploy.args(["--json", "deploy", "--allow-development"]).env("ASSAY_RPC", chain.url());
    let deployed = deployed.env("ASSAY_PRIVATE_KEY", DEV_KEYS[0]).output().unwrap();
    let at: Value = serde_json::from_slice(&deployed.stdout).unwrap();
    let market = at["market"].as_str().unwrap();
    let said = |report: &Value, name: &str| -> String {
        let of = |check: &&Value| check["name"] == name;
        let texts = report["checks"].as_array().unwrap().iter().filter(of).map(|check| check["detail"].to_string());
        texts.collect::<Vec<_>>().join(" ")
    };

    let report = of_chain(&chain, market, &data);
    assert_eq!(verdicts(&report, "clock"), ["ok"], "{report}");
    assert!(verdicts(&report, "chain").iter().all(|verdict| *verdict != "fault"), "{report}");
    // an account without code, and a contract that is no market
    for other in ["0x00000000000000000000000000000000000000a1", at["keys"].as_str().unwrap()] {
        let report = of_chain(&chain, other, &data);
        assert!(verdicts(&report, "chain").contains(&"fault"), "{report}");
        assert!(
            said(&report, "chain").contains(&other[2..10]) || said(&report, "chain").contains("revert"),
            "{report}"
        );
    }
    // the chain's time is two hours ahead
    chain.pass_secs(7200).await.unwrap();
    let report = of_chain(&chain, market, &data);
    assert_eq!(verdicts(&report, "clock"), ["warning"], "{report}");
    assert!(said(&report, "clock").contains("ahead of this machine's clock"), "{report}");
}
