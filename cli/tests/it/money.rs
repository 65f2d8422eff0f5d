//! Orders survive whatever fails, every failure says where the money is, and a command brings it back.

use crate::tool::{command, copy, fixture, model, s};
use alloy::consensus::Transaction;
use alloy::primitives::{Address, B256, U256};
use alloy::providers::Provider;
use alloy::rpc::types::Filter;
use alloy::signers::local::PrivateKeySigner;
use assay_api::chain::abi::InferenceMarket::State;
use assay_api::chain::dev::{DEV_KEYS, DevChain, DevChainError};
use assay_api::chain::{Rpc, account};
use assay_api::client::Client;
use assay_api::terms::Escrow;
use serde_json::{Value, json};
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::Duration;

/// Smallest units that an inference costs.
const PRICE: u64 = 1_000_000;

/// A server that ends with the test, however that ends.
pub struct Server(Child);

impl Drop for Server {
    fn drop(&mut self) {
        // it may be gone already
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

pub struct Market {
    chain: DevChain,
    rpc: Rpc,
    market: Address,
    dir: tempfile::TempDir,
    port: u16,
}

impl Market {
    /// A chain with the contracts and the model on it.
    pub async fn new() -> Option<Self> {
        let chain = match DevChain::start(&Path::new(env!("CARGO_MANIFEST_DIR")).join("..")).await {
            Err(e @ DevChainError::NotFound) => {
                println!("SKIPPED: {e}");
                return None;
            }
            other => other.unwrap(),
        };
        let seller: PrivateKeySigner = DEV_KEYS[1].parse().unwrap();
        let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let mut made =
            Self { rpc: chain.rpc().unwrap(), chain, market: Address::ZERO, dir: tempfile::tempdir().unwrap(), port };
        let at = made.json(0, 0, &["deploy", "--allow-development", "--attestor", &seller.address().to_string()]);
        made.market = at["market"].as_str().unwrap().parse().unwrap();
        made.json(0, 1, &["publish", s(model())]);
        Some(made)
    }

    /// The command as one of the accounts, with a home of its own.
    fn command(&self, account: usize) -> Command {
        let mut command = command();
        command.env("ASSAY_RPC", self.chain.url()).env("ASSAY_PRIVATE_KEY", DEV_KEYS[account]);
        if !self.market.is_zero() {
            command.env("ASSAY_MARKET", self.market.to_string());
        }
        command.env("ASSAY_HOME", self.dir.path().join("home"));
        command
    }

    fn run(&self, code: i32, account: usize, arguments: &[&str]) -> Output {
        let done = self.command(account).args(arguments).output().unwrap();
        assert_eq!(done.status.code(), Some(code), "{arguments:?}: {}", String::from_utf8_lossy(&done.stderr));
        done
    }

    pub fn json(&self, code: i32, account: usize, arguments: &[&str]) -> Value {
        serde_json::from_slice(&self.run(code, account, &[&["--json"], arguments].concat()).stdout).unwrap()
    }

    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    fn serve(&self, more: &[&str]) -> Server {
        self.serve_package(model(), more)
    }

    fn serve_package(&self, package: &Path, more: &[&str]) -> Server {
        self.serve_with(package, more, &[])
    }

    /// The same with variables in its environment.
    pub fn serve_with(&self, package: &Path, more: &[&str], variables: &[(&str, &str)]) -> Server {
        let data = self.dir.path().join("data");
        let bind = format!("127.0.0.1:{}", self.port);
        let price = PRICE.to_string();
        let mut child = self
            .command(1)
            .envs(variables.iter().copied())
            .args([
                "--json",
                "serve",
                "--models",
                s(package),
                "--data",
                s(&data),
                "--bind",
                &bind,
                "--price",
                &price,
                "--operator-token",
                "secret",
            ])
            .args(more)
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        assert!(line.contains("http://"), "the server says {line:?}");
        Server(child)
    }

    fn orders(&self) -> Vec<PathBuf> {
        let folder = std::fs::read_dir(self.dir.path().join("home/orders"));
        folder
            .into_iter()
            .flatten()
            .map(|entry| entry.unwrap().path())
            .filter(|path| path.extension().is_some_and(|e| e == "json"))
            .collect()
    }

    async fn state(&self, job: B256) -> State {
        account::job(&self.rpc, self.market, job).await.unwrap().state
    }

    /// The coins that went along with the transaction which paid for a job.
    async fn coins_with(&self, job: B256) -> U256 {
        let logs = self.rpc.logs(&Filter::new().address(self.market).from_block(0).topic1(job)).await.unwrap();
        let paid =
            self.rpc.provider().get_transaction_by_hash(logs[0].transaction_hash.unwrap()).await.unwrap().unwrap();
        paid.value()
    }

    /// Waits until the order that a running command kept is paid for.
    async fn paid_for(&self, child: &mut Child) -> B256 {
        loop {
            let kept = self.orders().first().map(|path| path.file_stem().unwrap().to_str().unwrap().parse().unwrap());
            match kept {
                Some(job) if self.state(job).await != State::None => return job,
                _ => assert!(child.try_wait().unwrap().is_none(), "the command ended before it paid"),
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// Pays for another order like a saved one, and keeps it as `assay request` would.
    async fn order_like(&self, template: &Value, escrow: Escrow) -> B256 {
        let buyer: PrivateKeySigner = DEV_KEYS[2].parse().unwrap();
        let (job, _) = account::fund(&self.rpc, &buyer, self.market, &escrow).await.unwrap();
        let mut order = template.clone();
        order["job"] = json!(job);
        order["escrow"] = json!(escrow);
        order["prediction"] = Value::Null;
        std::fs::write(self.dir.path().join(format!("home/orders/{job:x}.json")), order.to_string()).unwrap();
        job
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_that_is_paid_for_is_forgotten() {
    let Some(m) = Market::new().await else { return };
    let server = m.serve(&[]);
    let (key, input, proof) = (model().with_extension("key"), fixture("digit_7.json"), m.dir.path().join("proof.json"));
    let url = m.url();
    let buy = [
        "request",
        "--service",
        &url,
        "--key",
        s(&key),
        "--input",
        s(&input),
        "--accept-development-key",
        "-o",
        s(&proof),
    ];
    let mut child = m.command(2).args(buy).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let job = m.paid_for(&mut child).await;
    drop(server); // SIGKILL, with the money in escrow
    let failed = child.wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&failed.stderr);
    assert!(!failed.status.success(), "{said}");
    let money = said
        .lines()
        .find(|line| line.starts_with("money: "))
        .unwrap_or_else(|| panic!("not a word of the money: {said}"));
    assert!(money.contains(&job.to_string()) && money.contains(&format!("assay resume {job}")), "{money}");
    let template: Value = serde_json::from_slice(&std::fs::read(&m.orders()[0]).unwrap()).unwrap();
    let listed = m.json(0, 2, &["jobs"]);
    assert_eq!(listed["jobs"][0]["job"], json!(job));
    assert!(["funded", "locked", "settled"].contains(&listed["jobs"][0]["state"].as_str().unwrap()), "{listed}");

    // the service comes back, and the order goes on where it was
    let server = m.serve(&["--unfunded-per-client", "0"]);
    let resumed = m.json(0, 2, &["resume", &job.to_string()[..10]]);
    assert_eq!(
        (&resumed["verified"], &resumed["job"], &resumed["fund_gas"]),
        (&json!(true), &json!(job), &Value::Null)
    );
    m.run(0, 2, &["verify", s(&proof), "--model", s(&key)]);
    assert_eq!(m.state(job).await, State::Settled);
    assert_eq!(m.json(0, 2, &["resume", &job.to_string()])["output"], resumed["output"], "the proof is fetched again");
    let served = m.json(0, 1, &["jobs", "--service", &url, "--operator-token", "secret"]);
    assert_eq!(
        (&served["predictions"][0]["state"], &served["predictions"][0]["job_id"]),
        (&json!("settled"), &json!(job))
    );
    m.run(1, 2, &["refund", &job.to_string()]); // only its seller returns a payment
    assert_eq!(m.json(0, 1, &["refund", &job.to_string()])["state"], "refunded");
    assert_eq!(m.json(0, 2, &["balance"])["credit"], PRICE.to_string());

    // where no order without money is taken, it is paid for first
    assert_eq!(m.json(0, 2, &buy)["state"], "settled");

    // orders that nobody serves any more
    let quoted: Escrow = serde_json::from_value(template["escrow"].clone()).unwrap();
    let client = Client::new(&url).unwrap();
    let again = async || {
        client
            .quote(quoted.order.model_id, Some(quoted.order.buyer), Some(quoted.order.input_commitment))
            .await
            .unwrap()
    };
    let (first, second) = (again().await, again().await);
    drop(server);
    let [first, second] = [m.order_like(&template, first).await, m.order_like(&template, second).await];
    assert_eq!(m.json(0, 2, &["balance"])["escrowed"], (2 * PRICE).to_string());
    let cancelled = m.json(0, 2, &["cancel", &first.to_string(), "--withdraw"]);
    assert_eq!((&cancelled["state"], &cancelled["withdrawn"]), (&json!("cancelled"), &json!(PRICE.to_string())));
    let early = m.json(1, 2, &["refund", &second.to_string()]);
    assert!(early["error"].as_str().unwrap().contains("expires in"), "{early}");
    m.chain.pass_secs(u64::from(quoted.order.expire_secs) + 10).await.unwrap();
    assert_eq!(m.json(0, 2, &["refund", &second.to_string()])["state"], "expired");
    let states: Vec<Value> =
        m.json(0, 2, &["jobs"])["jobs"].as_array().unwrap().iter().map(|row| row["state"].clone()).collect();
    for state in ["refunded", "cancelled", "expired"] {
        assert!(states.contains(&json!(state)), "{states:?}");
    }
    let over = m.json(1, 2, &["cancel", &second.to_string()]);
    assert!(over["error"].as_str().unwrap().contains("assay withdraw"), "{over}");
    assert_eq!(m.json(0, 2, &["withdraw"])["withdrawn"], (2 * PRICE).to_string());
    assert_eq!(m.json(0, 2, &["deposit", "5"])["credit"], "5");
    m.run(1, 2, &["withdraw", "6"]);
    assert_eq!(m.json(0, 2, &["withdraw", "5"])["credit"], "0");
}

/// Where others ask at the same time, an inference is bought in a proof with theirs, under a key that the buyer
/// derives.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_purchase_may_have_company() {
    let Some(m) = Market::new().await else { return };
    let package = copy(m.dir.path());
    let made = m.json(0, 1, &["setup", s(&package), "--batch", "2", "--separate"]);
    let batch_key = package.with_extension("x2s.key");
    m.json(0, 1, &["publish", s(&package), "--key", s(&batch_key)]);
    let _server = m.serve_package(&package, &[]);
    let (client, key) = (Client::new(&m.url()).unwrap(), package.with_extension("key"));
    let served = client.models().await.unwrap().swap_remove(0);
    assert_eq!(json!(served.batches), json!([{ "inferences": 2, "key_hash": made["key_hash"] }]));
    // some who ask all the time
    let mut crowd = tokio::task::JoinSet::<()>::new();
    for _ in 0..4 {
        let (client, model) = (client.clone(), served.id);
        crowd.spawn(async move {
            loop {
                let _ = client.quote(model, None, None).await;
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        });
    }
    let (url, input, proof) = (m.url(), fixture("digit_7.json"), m.dir.path().join("proof.json"));
    let request = ["request", "--service", &url, "--key", s(&key), "--input", s(&input), "--accept-development-key"];
    let alone = m.json(0, 2, &[&request[..], &["--batch-max", "1"]].concat());
    let bought = m.json(0, 2, &[&request[..], &["-o", s(&proof)]].concat());
    crowd.abort_all();
    assert_eq!((&alone["inferences"], &bought["inferences"]), (&json!(1), &json!(2)));
    assert_eq!(alone["output_data"], bought["output_data"]);
    assert_eq!(bought["output_data"].as_array().unwrap().len(), 1, "the buyer's own");

    let checked = m.json(0, 2, &["verify", s(&proof), "--model", s(&batch_key)]);
    assert_eq!((&checked["inferences"], &checked["key_hash"]), (&json!(2), &made["key_hash"]));
    let prediction = format!("{url}/v1/predictions/{}", bought["prediction"].as_str().unwrap());
    let again = m.json(0, 2, &["verify", "--prediction", &prediction, "--model", s(&key)]);
    assert_eq!((&again["valid"], &again["context"]), (&json!(true), &checked["context"]));
    // what is said of another inference does not hold
    let mut file: Value = serde_json::from_slice(&std::fs::read(&proof).unwrap()).unwrap();
    assert_eq!(file["index"], json!(0));
    file["output"].as_array_mut().unwrap().rotate_left(1);
    std::fs::write(&proof, file.to_string()).unwrap();
    m.run(1, 2, &["verify", s(&proof), "--model", s(&batch_key)]);
}

/// What was deposited pays for orders, one by one and several at once, and no coins leave the account but for gas.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn credit_in_the_market_pays_for_orders() {
    let Some(m) = Market::new().await else { return };
    let _server = m.serve(&[]);
    let (url, key, input, proofs) =
        (m.url(), model().with_extension("key"), fixture("digit_7.json"), m.dir.path().join("proofs"));
    let buy = [
        "request",
        "--service",
        &url,
        "--key",
        s(&key),
        "--accept-development-key",
        "--from-balance",
        "--batch-max",
        "1",
        "--input",
    ];
    let one = [&buy[..], &[s(&input)]].concat();
    let refused = m.json(1, 2, &one);
    let missing = format!("is 0, which is {PRICE} too little: `assay deposit {PRICE}`");
    assert!(refused["error"].as_str().unwrap().contains(&missing), "{refused}");
    assert!(m.orders().is_empty(), "nothing was ordered");

    m.json(0, 2, &["deposit", &(3 * PRICE).to_string()]);
    let bought = m.json(0, 2, &one);
    assert_eq!((&bought["verified"], &bought["state"]), (&json!(true), &json!("settled")));
    assert_eq!(m.json(0, 2, &["balance"])["credit"], (2 * PRICE).to_string());
    let several = m.json(0, 2, &[&buy[..], &[s(&input), s(&input), "-o", s(&proofs)]].concat());
    assert_eq!(several["orders"].as_array().unwrap().len(), 2);
    assert_eq!(m.json(0, 2, &["balance"])["credit"], "0");
    for job in [&bought["job"], &several["orders"][1]["job"]] {
        assert_eq!(m.coins_with(job.as_str().unwrap().parse().unwrap()).await, U256::ZERO);
    }
    // of two, the whole price is missing
    let poor = m.json(1, 2, &[&buy[..], &[s(&input), s(&input), "-o", s(&proofs)]].concat());
    assert!(poor["error"].as_str().unwrap().contains(&format!("{} too little", 2 * PRICE)), "{poor}");
}

/// Several inputs are paid for with one transaction; each is an order of its own, and what a dead command left goes on.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn several_inputs_are_paid_for_with_one_transaction() {
    let Some(m) = Market::new().await else { return };
    let server = m.serve(&["--unfunded-per-client", "2"]);
    let (key, inputs, proofs) =
        (model().with_extension("key"), m.dir.path().join("inputs.json"), m.dir.path().join("proofs"));
    let calibration: Value =
        serde_json::from_slice(&std::fs::read(fixture("digits_calibration.json")).unwrap()).unwrap();
    let three: Vec<Value> = calibration["input_data"].as_array().unwrap().iter().take(3).cloned().collect();
    std::fs::write(&inputs, json!({ "input_data": three }).to_string()).unwrap();
    let url = m.url();
    let one = fixture("digit_7.json");
    let buy =
        ["request", "--service", &url, "--key", s(&key), "--accept-development-key", "--input", s(&inputs), s(&one)];
    let into = [&buy[..], &["-o", s(&proofs)]].concat();
    let refused = m.json(2, 2, &buy);
    assert!(refused["error"].as_str().unwrap().contains("--output"), "{refused}");
    let free = m.json(2, 2, &[&into[..], &["--free"]].concat());
    assert!(free["error"].as_str().unwrap().contains("one by one"), "{free}");

    let before = m.rpc.mined_nonce(DEV_KEYS[2].parse::<PrivateKeySigner>().unwrap().address()).await.unwrap();
    let bought = m.json(0, 2, &into);
    let after = m.rpc.mined_nonce(DEV_KEYS[2].parse::<PrivateKeySigner>().unwrap().address()).await.unwrap();
    assert_eq!(after - before, 1, "one transaction for all");
    let orders = bought["orders"].as_array().unwrap();
    assert_eq!(orders.len(), 4);
    for (n, order) in orders.iter().enumerate() {
        assert_eq!((&order["verified"], &order["state"]), (&json!(true), &json!("settled")));
        let file = proofs.join(format!("{:04}.proof.json", n + 1));
        assert_eq!(m.json(0, 2, &["verify", s(&file), "--model", s(&key)])["context"], order["context"]);
        assert_eq!(m.state(order["job"].as_str().unwrap().parse().unwrap()).await, State::Settled);
    }
    let alone = m.json(0, 2, &[&buy[..6], &["--input", s(&one), "--batch-max", "1"]].concat());
    assert_eq!(orders[3]["output_data"], alone["output_data"], "the answers are in the order of the inputs");

    // the command dies once its orders are kept
    let kept: Vec<PathBuf> = m.orders();
    let other = m.dir.path().join("others");
    let mut child =
        m.command(2).args(&buy).args(["-o", s(&other)]).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    while m.orders().len() < kept.len() + 4 {
        assert!(child.try_wait().unwrap().is_none(), "it ended before it kept its orders");
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    child.kill().unwrap();
    child.wait().unwrap();
    let new: Vec<PathBuf> = m.orders().into_iter().filter(|path| !kept.contains(path)).collect();
    let batch = serde_json::from_slice::<Value>(&std::fs::read(&new[0]).unwrap()).unwrap()["batch"]
        .as_str()
        .unwrap()
        .to_owned();
    // also where the service is away for now: nothing is lost, and the failure names the way on
    drop(server);
    let failed = m.command(2).args(["resume", &batch]).output().unwrap();
    assert!(!failed.status.success());
    let _server = m.serve(&[]);
    let resumed = m.json(0, 2, &["resume", &batch]);
    assert_eq!(resumed["orders"].as_array().unwrap().len(), 4);
    for (n, order) in resumed["orders"].as_array().unwrap().iter().enumerate() {
        assert_eq!(order["output_data"], orders[n]["output_data"]);
        assert!(other.join(format!("{:04}.proof.json", n + 1)).is_file());
    }
    // one of them is an order like any other
    let job = resumed["orders"][1]["job"].as_str().unwrap();
    assert_eq!(m.json(0, 2, &["resume", job])["output_data"], orders[1]["output_data"]);
    // and the service's index of the market, which may be a poll behind, is the chain's
    let mut seen = Value::Null;
    for _ in 0..100 {
        seen = m.json(0, 2, &["market", "--service", &url]);
        assert_eq!(seen["agrees"], json!(true));
        if seen["provers"][0]["settled"] == 9 {
            break;
        }
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    assert_eq!((seen["jobs"].as_array().unwrap().len(), &seen["provers"][0]["settled"]), (9, &json!(9)));
}
