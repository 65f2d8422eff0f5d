//! `kill -9`, again and again, while paid predictions are under way.

use std::path::Path;
use std::sync::atomic::Ordering::SeqCst;
use std::time::Duration;

use alloy::primitives::U256;
use assay_api::chain::abi::InferenceMarket::State as ChainState;
use assay_api::chain::account;
use assay_api::chain::deploy::Deployment;
use assay_api::chain::dev::DEV_KEYS;
use assay_api::client::Client;
use assay_api::config::Terms;
use assay_api::engine::ModelInfo;
use assay_api::store::{State, Store};
use serde::{Deserialize, Serialize};

use crate::fake::Fake;
use crate::market::{World, config};
use crate::process::{Process, end_with_parent};

/// What the server's process is told.
#[derive(Serialize, Deserialize)]
struct Told {
    dir: String,
    rpc: String,
    at: Deployment,
    model: ModelInfo,
    port: u16,
    price: u64,
    collateral: u64,
}

/// The server that is killed: this test binary, started again with [`Told`] in its environment.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "it is the server of `killed_nine_times`"]
async fn server() {
    let Ok(told) = std::env::var("ASSAY_TEST_SERVER") else { return };
    end_with_parent();
    let told: Told = serde_json::from_str(&told).unwrap();
    let terms = Terms { price: told.price.into(), collateral: told.collateral.into(), ..Terms::default() };
    let mut config = config(Path::new(&told.dir), &told.rpc, &told.at, &DEV_KEYS[1].parse().unwrap(), terms);
    config.bind = ([127, 0, 0, 1], told.port).into();
    let engine = Fake::with_model(told.model);
    engine.step_ms.store(30, SeqCst);
    assay_api::serve(config, engine, std::future::pending(), |_| {}).await.unwrap();
}

fn start(told: &Told) -> Process {
    Process::of_test("kill::server", "ASSAY_TEST_SERVER", &serde_json::to_string(told).unwrap())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killed_nine_times() {
    let Some(w) = World::new(false).await else { return };
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let told = Told {
        dir: w.dir.path().display().to_string(),
        rpc: w.anvil.url().to_owned(),
        at: w.at.clone(),
        model: w.model.clone(),
        port,
        price: 1_000_000,
        collateral: 100_000,
    };
    let mut server = start(&told);
    let client = Client::new(&format!("http://127.0.0.1:{port}")).unwrap();
    let mut ids = Vec::new();
    for n in 0..4 {
        // the client tries again with the same key until the server is there
        let escrow = loop {
            match client.quote(w.model.id, Some(w.buyer.address()), Some(w.commitment())).await {
                Ok(escrow) => break escrow,
                Err(_) => tokio::time::sleep(Duration::from_millis(50)).await,
            }
        };
        let request = serde_json::from_value(w.request(&escrow)).unwrap();
        let made = client.predict(&request, Some(&format!("request {n}")), None).await.unwrap();
        let job = w.fund(&escrow).await;
        assert_eq!(made.job_id, Some(job));
        ids.push((made.id, job));
    }
    for round in 0..9u64 {
        tokio::time::sleep(Duration::from_millis(150 + 70 * round)).await;
        server.kill();
        server = start(&told);
    }
    for (id, job) in &ids {
        let done = client.follow(id, |_| {}).await.unwrap();
        assert_eq!(done.state, State::Settled, "{done:?}");
        assert_eq!(account::job(&w.rpc, w.at.market, *job).await.unwrap().state, ChainState::Settled);
    }
    server.kill();
    // each job is paid once; the collateral is free again (a kill while it was deposited may have deposited it twice)
    let free = w.credit(w.seller.address()).await - U256::from(4_000_000);
    assert!(
        free >= U256::from(100_000) && free <= U256::from(1_000_000) && free % U256::from(100_000) == U256::ZERO,
        "{free}"
    );
    let store = Store::open(&w.dir.path().join("jobs.sqlite")).await.unwrap();
    for (id, _) in &ids {
        let events = store.events(id, 0, 1000).await.unwrap();
        let ends = events.iter().filter(|e| e.kind == "state" && e.data["state"] == "settled").count();
        assert_eq!(ends, 1, "exactly one end");
        let mined = store.transactions(id).await.unwrap().into_iter().filter(|t| t.2 == "mined").count();
        assert_eq!(mined, 2, "one lock, one settlement");
    }
}
