//! What attestors and sellers decide on chain, by command: vetoes, replacements, restorations, the end of quotes.

use crate::tool::{command, model, s};
use alloy::primitives::{B256, U256, keccak256};
use alloy::providers::Provider;
use alloy::signers::local::PrivateKeySigner;
use alloy::sol_types::SolValue;
use assay_api::chain::abi::KeyRegistry;
use assay_api::chain::dev::{DEV_KEYS, DevChain, DevChainError};
use serde_json::{Value, json};
use std::path::Path;

const TIMELOCK_SECS: u64 = 1000;
/// The registry's status of a frozen key.
const FROZEN: u64 = 3;

struct Chain {
    chain: DevChain,
    market: String,
}

impl Chain {
    /// With three attestors, accounts 2 to 4, two of whom decide; the model of account 1 is listed and its key
    /// proposed.
    async fn new() -> Option<(Self, B256, String)> {
        let chain = match DevChain::start(&Path::new(env!("CARGO_MANIFEST_DIR")).join("..")).await {
            Err(e @ DevChainError::NotFound) => {
                println!("SKIPPED: {e}");
                return None;
            }
            other => other.unwrap(),
        };
        let mut made = Self { chain, market: String::new() };
        let attestors = [2, 3, 4].map(address);
        let timelock = TIMELOCK_SECS.to_string();
        let mut deploy = vec!["deploy", "--allow-development", "--threshold", "2", "--timelock", &timelock];
        attestors.iter().for_each(|one| deploy.extend(["--attestor", one]));
        made.market = made.json(0, 0, &deploy)["market"].as_str().unwrap().to_owned();
        let listed = made.json(0, 1, &["publish", s(model()), "--no-weights-proof"]);
        assert_eq!(listed["key_status"], "proposed", "{listed}");
        let hash = listed["key_hash"].as_str().unwrap().parse().unwrap();
        Some((made, hash, listed["model"].as_str().unwrap().to_owned()))
    }

    fn json(&self, code: i32, account: usize, arguments: &[&str]) -> Value {
        let mut command = command();
        command.env("ASSAY_RPC", self.chain.url()).env("ASSAY_PRIVATE_KEY", DEV_KEYS[account]);
        if !self.market.is_empty() {
            command.env("ASSAY_MARKET", &self.market);
        }
        let done = command.arg("--json").args(arguments).output().unwrap();
        assert_eq!(done.status.code(), Some(code), "{arguments:?}: {}", String::from_utf8_lossy(&done.stderr));
        serde_json::from_slice(&done.stdout).unwrap()
    }

    fn refused(&self, account: usize, arguments: &[&str], why: &str) {
        let said = self.json(1, account, arguments);
        assert!(said["error"].as_str().unwrap().contains(why), "{said}");
    }

    /// Writes into the registry's storage what two contradicting proofs would: that a key is frozen.
    async fn freeze(&self, hash: B256) {
        let rpc = self.chain.rpc().unwrap();
        let keys = self.json(0, 0, &["attestors", "show"])["keys"].as_str().unwrap().parse().unwrap();
        let pointer = rpc.call(keys, &KeyRegistry::keyCall { keyHash: hash }).await.unwrap().pointer;
        for mapping in 0..32u64 {
            let slot = U256::from_be_bytes(keccak256((hash, U256::from(mapping)).abi_encode()).0);
            let word = rpc.provider().get_storage_at(keys, slot).await.unwrap();
            // a record begins with the pointer, then the status
            if (word << 96_usize) >> 96_usize == U256::from_be_slice(pointer.as_slice()) && !word.is_zero() {
                let frozen = (word & !(U256::from(255) << 160_usize)) | (U256::from(FROZEN) << 160_usize);
                let _: Value = rpc
                    .provider()
                    .raw_request("anvil_setStorageAt".into(), (keys, B256::from(slot), B256::from(frozen)))
                    .await
                    .unwrap();
                return;
            }
        }
        panic!("the record of {hash} was not found");
    }

    async fn status(&self, hash: B256) -> KeyRegistry::Status {
        let keys = self.json(0, 0, &["attestors", "show"])["keys"].as_str().unwrap().parse().unwrap();
        self.chain.rpc().unwrap().call(keys, &KeyRegistry::keyCall { keyHash: hash }).await.unwrap().status
    }
}

fn address(account: usize) -> String {
    DEV_KEYS[account].parse::<PrivateKeySigner>().unwrap().address().to_string()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn attestors_decide_together() {
    let Some((m, hash, id)) = Chain::new().await else { return };
    let key = hash.to_string();

    // a veto, once, by an attestor
    m.refused(1, &["veto", &key], "no attestor");
    assert_eq!(m.json(0, 2, &["veto", &key])["attestations_needed"], "3");
    m.refused(2, &["veto", &key], "vetoed this key before");
    m.refused(2, &["veto", &B256::repeat_byte(9).to_string()], "not proposed");

    // one attestor of three is replaced, by two and after the timelock
    let (out, into) = (address(4), address(0));
    let replace = ["attestors", "replace", &out, &into];
    m.refused(1, &replace, "no attestor");
    m.refused(2, &["attestors", "replace", &into, &out], "no attestor");
    m.refused(2, &["attestors", "replace", &out, &address(3)], "is an attestor already");
    assert_eq!(m.json(0, 2, &replace)["state"], "open");
    assert_eq!(m.json(0, 2, &replace)["state"], "open", "twice is once");
    let ready = m.json(0, 3, &replace);
    assert!(ready["state"] == "ready" && ready["ready_at"].is_string(), "{ready}");
    assert_eq!(m.json(0, 1, &replace)["state"], "ready", "anyone may look");
    m.chain.pass_secs(TIMELOCK_SECS + 1).await.unwrap();
    assert_eq!(m.json(0, 1, &replace)["state"], "done", "and anyone may do it");
    let now = m.json(0, 1, &["attestors", "show"]);
    assert_eq!((&now["threshold"], &now["timelock_secs"]), (&json!("2"), &json!(TIMELOCK_SECS.to_string())));
    let list: Vec<&str> = now["attestors"].as_array().unwrap().iter().map(|one| one.as_str().unwrap()).collect();
    assert!(
        list.iter().any(|one| one.eq_ignore_ascii_case(&into))
            && !list.iter().any(|one| one.eq_ignore_ascii_case(&out)),
        "{now}"
    );

    // the veto is outvoted, by the new attestor among others
    let description = model().with_extension("key");
    let attest = |account| m.json(0, account, &["attest", &key, "--model", s(&description)]);
    assert_eq!((&attest(2)["key_status"], &attest(3)["key_status"]), (&json!("proposed"), &json!("proposed")));
    m.chain.pass_secs(TIMELOCK_SECS + 1).await.unwrap();
    assert_eq!(attest(0)["key_status"], "admitted");
    m.refused(3, &["veto", &key], "admitted already");

    // a frozen key comes back, by two and after the timelock
    m.refused(2, &["restore", &key], "not frozen");
    m.freeze(hash).await;
    assert_eq!(m.status(hash).await, KeyRegistry::Status::Frozen);
    m.refused(1, &["restore", &key], "no attestor");
    assert_eq!(m.json(0, 0, &["restore", &key])["state"], "open");
    assert_eq!(m.json(0, 3, &["restore", &key])["state"], "ready");
    m.chain.pass_secs(TIMELOCK_SECS + 1).await.unwrap();
    assert_eq!(m.json(0, 1, &["restore", &key])["state"], "done");
    assert_eq!(m.status(hash).await, KeyRegistry::Status::Admitted);

    // the holder of a model ends its quotes
    m.refused(2, &["revoke", "--quotes", &id], "only its holder");
    m.refused(1, &["revoke", "--quotes", &B256::repeat_byte(9).to_string()], "there is no model");
    assert_eq!(m.json(0, 1, &["revoke", "--quotes", &id])["quote_epoch"], 1);
    assert_eq!(m.json(0, 1, &["revoke", "--quotes", &id])["quote_epoch"], 2);
}
