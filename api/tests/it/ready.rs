//! `/readyz` says the truth, and says it soon.

use std::time::Duration;

use alloy::primitives::Address;
use alloy::signers::local::PrivateKeySigner;
use assay_api::config::{ChainConfig, ServeConfig, Terms};
use assay_api::{AppState, Disk};
use serde_json::json;

use crate::fake::{Fake, free, get, post};
use crate::jobs::request;
use crate::market::world;

#[tokio::test]
async fn a_full_queue_is_not_ready() {
    let dir = tempfile::tempdir().unwrap();
    let mut state = free(dir.path(), Fake::new()).await;
    let mut config = (*state.config).clone();
    config.queue_max = 1;
    state.config = config.into();
    assert_eq!(get(&state, "/readyz").await.status, 200);
    post(&state, "/v1/predictions", &[], &request()).await;
    get(&state, "/readyz").await.is_problem(503, "queue-full");
    assert_eq!(get(&state, "/livez").await.status, 200);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_vanished_market_and_an_empty_purse_are_not_ready() {
    let w = world!(false);
    let state = w.open().await;
    let ready = get(&state, "/readyz").await;
    assert_eq!(ready.status, 200, "{}", ready.text());
    assert!(ready.json()["block"].as_u64().unwrap() > 0 && ready.json()["block_age_secs"].is_u64());
    w.anvil_call("anvil_setBalance", json!([w.seller.address(), "0x0"])).await;
    get(&state, "/readyz").await.is_problem(503, "prover-unfunded");
    w.anvil_call("anvil_setBalance", json!([w.seller.address(), "0xde0b6b3a7640000"])).await;
    assert_eq!(get(&state, "/readyz").await.status, 200);
    w.anvil_call("anvil_setCode", json!([w.at.market, "0x"])).await;
    get(&state, "/readyz").await.is_problem(503, "chain-refused");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_chain_that_stands_still_is_not_ready() {
    let w = world!(false);
    let mut state = w.open().await; // nobody watches
    let with = |state: &mut AppState, change: &dyn Fn(&mut ServeConfig)| {
        let mut config = (*state.config).clone();
        change(&mut config);
        state.config = config.into();
    };
    tokio::time::sleep(Duration::from_millis(2100)).await;
    with(&mut state, &|config| config.block_age_max = Some(Duration::from_secs(1)));
    get(&state, "/readyz").await.is_problem(503, "chain-stale");
    with(&mut state, &|config| {
        config.block_age_max = None;
        config.watch_age_max = Duration::from_secs(1);
    });
    let stale = get(&state, "/readyz").await;
    stale.is_problem(503, "chain-stale");
    assert!(stale.json()["detail"].as_str().unwrap().contains("read of the chain"));
}

/// A disk of which nobody hears holds up neither the check nor the metrics, however often they are asked for.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_disk_that_hangs_does_not_hang_the_check() {
    let dir = tempfile::tempdir().unwrap();
    let mut state = free(dir.path(), Fake::new()).await;
    let mut config = (*state.config).clone();
    config.ready_timeout = Duration::from_millis(100);
    state.config = config.into();
    let (let_go, hang) = std::sync::mpsc::channel::<()>();
    let hang = std::sync::Mutex::new(hang);
    // it hangs until the other end is gone
    state.disk = Disk::asked(move || hang.lock().ok()?.recv().ok().map(|()| 0));
    let answers = async {
        for _ in 0..3 {
            let answer = get(&state, "/readyz").await;
            answer.is_problem(503, "storage-unavailable");
            assert!(answer.json()["detail"].as_str().unwrap().contains("disk did not answer"), "{}", answer.text());
            post(&state, "/v1/predictions", &[], &request()).await.is_problem(503, "storage-unavailable");
            let metrics = get(&state, "/metrics").await;
            assert!(
                metrics.status == 200 && !metrics.text().contains("\nassay_disk_free_bytes "),
                "{}",
                metrics.text()
            );
        }
    };
    tokio::time::timeout(Duration::from_secs(30), answers).await.expect("nothing hangs");
    drop(let_go);
    state.disk = Disk::of(dir.path());
    assert_eq!(get(&state, "/readyz").await.status, 200);
}

/// A node that accepts connections and never answers.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_that_hangs_does_not_hang_the_check() {
    let node = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", node.local_addr().unwrap());
    let silence = tokio::spawn(async move {
        let mut held = Vec::new();
        while let Ok(connection) = node.accept().await {
            held.push(connection);
        }
    });
    let dir = tempfile::tempdir().unwrap();
    let chain = ChainConfig::new(
        url,
        Address::repeat_byte(1),
        Address::repeat_byte(2),
        PrivateKeySigner::random(),
        Terms::default(),
    );
    let mut config = ServeConfig::paid(dir.path(), chain);
    config.ready_timeout = Duration::from_millis(200);
    let state = AppState::open(config, Fake::new()).await.unwrap();
    // a request to the node itself ends after 20 s
    let answer =
        tokio::time::timeout(Duration::from_secs(15), get(&state, "/readyz")).await.expect("the check is bounded");
    answer.is_problem(503, "chain-unreachable");
    assert!(answer.json()["detail"].as_str().unwrap().contains("did not answer"), "{}", answer.text());
    silence.abort();
}
