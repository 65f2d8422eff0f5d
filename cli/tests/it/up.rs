//! `assay up`: everything at once, kept across an end by a signal and by `kill -9`.

use crate::tool::{command, copy, fails, fixture, json, s};
use assay_api::chain::dev::{DEV_KEYS, find_anvil};
use serde_json::Value;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

/// A running `assay up`, ended by SIGTERM when dropped.
pub struct Up {
    child: Child,
    dir: PathBuf,
    pub url: String,
}

fn free_port() -> String {
    std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port().to_string()
}

impl Up {
    /// Starts it with its things in `dir`, and waits until it serves.
    pub fn start(dir: &Path, arguments: &[&str]) -> Self {
        Self::start_at(&free_port(), dir, arguments)
    }

    /// The same, with its chain at a port if that is free.
    fn start_at(port: &str, dir: &Path, arguments: &[&str]) -> Self {
        let dir = dir.join("up");
        let log = std::fs::File::options().create(true).append(true).open(dir.with_extension("log")).unwrap();
        let mut child = command()
            .args([
                "--json",
                "up",
                "--dir",
                s(&dir),
                "--bind",
                &format!("127.0.0.1:{}", free_port()),
                "--chain-port",
                port,
            ])
            .args(arguments)
            .stdout(Stdio::piped())
            .stderr(log)
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let said = || std::fs::read_to_string(dir.with_extension("log")).unwrap();
        let ready: Value = serde_json::from_str(&line).unwrap_or_else(|_| panic!("it says {line:?}, and {}", said()));
        Self { child, url: ready["url"].as_str().unwrap().to_owned(), dir }
    }

    fn state(&self) -> Value {
        serde_json::from_slice(&std::fs::read(self.dir.join("state.json")).unwrap()).unwrap()
    }

    fn signal(&mut self, name: &str) -> Option<i32> {
        assert!(Command::new("kill").args([name, &self.child.id().to_string()]).status().unwrap().success());
        self.child.wait().unwrap().code()
    }

    /// Buys an answer. Returns the prediction's id.
    fn buy(&self, key: &Path) -> String {
        let state = self.state();
        let text = |name: &str| state[name].as_str().unwrap().to_owned();
        let input = fixture("digit_7.json");
        let (rpc, market) = (text("chain"), text("market"));
        let place = ["--service", &self.url, "--rpc", &rpc, "--market", &market, "--private-key", DEV_KEYS[2]];
        let bought = json(
            0,
            [&["request", "--key", s(key), "--input", s(&input), "--accept-development-key"], &place[..]].concat(),
        );
        assert_eq!((&bought["state"], &bought["verified"]), (&Value::from("settled"), &Value::from(true)));
        bought["prediction"].as_str().unwrap().to_owned()
    }
}

impl Drop for Up {
    fn drop(&mut self) {
        if self.child.try_wait().is_ok_and(|status| status.is_none()) {
            self.signal("-TERM");
        }
    }
}

/// Two folders, the chain of one where that of the other was before: neither is taken for the other.
#[test]
fn a_chain_is_one_folders() {
    if find_anvil(&Path::new(env!("CARGO_MANIFEST_DIR")).join("..")).is_none() {
        return println!("SKIPPED: anvil is not installed");
    }
    let [one, other] = [(); 2].map(|()| tempfile::tempdir().unwrap());
    let package = copy(one.path());
    let mut first = Up::start(one.path(), &[s(&package)]);
    let port = first.state()["chain"].as_str().unwrap().rsplit_once(':').unwrap().1.to_owned();
    assert_eq!(first.signal("-INT"), Some(0));
    let second = Up::start_at(&port, other.path(), &[s(&package)]);
    let mut again = Up::start(one.path(), &[s(&package)]);
    let [second_state, again_state] = [&second, &again].map(Up::state);
    assert!(second_state["chain"].as_str().unwrap().ends_with(&port));
    assert_eq!(second_state["market"], again_state["market"], "the same address, on another chain");
    assert_ne!(second_state["chain"], again_state["chain"]);
    assert_eq!(again.signal("-INT"), Some(0));
    assert!(is_there(&second_state["pid"]) && !is_there(&again_state["pid"]));
    second.buy(&package.with_extension("key"));
}

fn is_there(pid: &Value) -> bool {
    Command::new("kill").args(["-0", &pid.to_string()]).stderr(Stdio::null()).status().unwrap().success()
}

/// The built-in network has a key for several buyers' inferences from the start, which the registry admits: who comes
/// together shares a proof.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn buyers_of_the_example_share_proofs() {
    if find_anvil(&Path::new(env!("CARGO_MANIFEST_DIR")).join("..")).is_none() {
        return println!("SKIPPED: anvil is not installed");
    }
    let dir = tempfile::tempdir().unwrap();
    let up = Up::start(dir.path(), &["--example", "--", "--explorer", "https://scan.example/"]);
    let client = assay_api::client::Client::new(&up.url).unwrap();
    let offer = client.offers().await.unwrap().remove(0);
    assert_eq!(offer.terms.unwrap().explorer.as_deref(), Some("https://scan.example"));
    let [several] = offer.info.batches[..] else { panic!("{:?}", offer.info.batches) };
    assert_eq!(several.inferences, 8);
    let wanted = assay_api::QuoteRequest {
        model: offer.info.id,
        buyer: None,
        input_commitment: None,
        batch: Some(64),
        jobs: Some(2),
    };
    // two orders at once are demand enough, and only admitted keys are quoted for
    assert_eq!(client.quote_for(&wanted).await.unwrap().order.key_hash, several.key_hash);
    let alone = assay_api::QuoteRequest { batch: Some(1), ..wanted };
    assert_eq!(client.quote_for(&alone).await.unwrap().order.key_hash, offer.info.key_hash);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_market_is_kept_across_restarts() {
    if find_anvil(&Path::new(env!("CARGO_MANIFEST_DIR")).join("..")).is_none() {
        return println!("SKIPPED: anvil is not installed");
    }
    let dir = tempfile::tempdir().unwrap();
    let package = copy(dir.path());
    // neither of the two is needed: both are derived
    for extension in ["pk", "key"] {
        std::fs::remove_file(package.with_extension(extension)).unwrap();
    }
    let key = package.with_extension("key");
    let mut up = Up::start(dir.path(), &[s(&package)]);
    let first = up.state();
    let bought = up.buy(&key);
    let second = fails(4, ["up", s(&package), "--dir", s(&dir.path().join("up"))]);
    assert!(second.contains("another `assay up`"), "{second}");
    assert_eq!(up.signal("-INT"), Some(0));
    assert!(!is_there(&first["pid"]), "the chain ended too");

    let mut up = Up::start(dir.path(), &[s(&package)]);
    let again = up.state();
    assert_eq!(
        (&again["market"], &again["chain"]),
        (&first["market"], &first["chain"]),
        "the same contracts, at the same address"
    );
    let client = assay_api::client::Client::new(&up.url).unwrap();
    assert!(client.offers().await.unwrap()[0].free, "whoever has no wallet can try it");
    assert_eq!(client.prediction(&bought).await.unwrap().state, assay_api::store::State::Settled);
    up.buy(&key);
    assert_eq!(up.signal("-KILL"), None);
    assert!(is_there(&again["pid"]), "nobody could end the chain");

    let mut up = Up::start(dir.path(), &[s(&package), "--paid-only"]);
    let client = assay_api::client::Client::new(&up.url).unwrap();
    assert!(!client.offers().await.unwrap()[0].free);
    assert_eq!(up.state()["pid"], again["pid"], "the chain that was left is used, and not a second one");
    up.buy(&key);
    assert_eq!(up.signal("-TERM"), Some(0));
    assert!(!is_there(&again["pid"]));

    // another chain is another folder's
    let other = fails(2, ["up", s(&package), "--dir", s(&dir.path().join("up")), "--chain", "http://127.0.0.1:1"]);
    assert!(other.contains("--dir"), "{other}");
    let empty = tempfile::tempdir().unwrap();
    let nothing = command().arg("up").current_dir(empty.path()).output().unwrap();
    assert_eq!(nothing.status.code(), Some(3));
    assert!(String::from_utf8_lossy(&nothing.stderr).contains("--example"));
    let wrong = fails(2, ["up", s(&package), "--dir", s(&empty.path().join("up")), "--", "--no-such-option"]);
    assert!(wrong.contains("assay serve"), "{wrong}");
}
