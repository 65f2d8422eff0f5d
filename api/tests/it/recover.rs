//! Paid predictions through crashes and outages.

use std::sync::atomic::Ordering::SeqCst;

use alloy::primitives::{Address, U256};
use assay_api::chain::abi::InferenceMarket::State as ChainState;
use assay_api::chain::{Market, account};
use assay_api::store::{Purpose, State};
use serde_json::json;

use crate::fake::{eventually, get, post};
use crate::market::{World, crash, stop, until, world};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_crash_at_any_step_ends_in_one_settlement() {
    let w = world!(false);
    // while the lock is in flight
    let (state, workers) = w.start().await;
    let escrow = w.escrow(&state).await;
    let id = w.submit(&state, &escrow).await;
    w.anvil_call("evm_setAutomine", json!([true])).await;
    let job = w.fund(&escrow).await;
    until(&state, &id, State::Settled).await; // warm-up: the collateral is deposited
    assert_eq!(account::job(&w.rpc, w.at.market, job).await.unwrap().state, ChainState::Settled);

    let escrow = w.escrow(&state).await;
    let id = w.submit(&state, &escrow).await;
    crash(state, workers).await; // in awaiting_payment
    let job = w.fund(&escrow).await;
    w.anvil_call("evm_setAutomine", json!([false])).await;
    let (state, workers) = w.start().await;
    eventually("the lock is signed", async || {
        state.store.pending_transaction(&id, Purpose::Lock).await.unwrap().is_some()
    })
    .await;
    let lock = state.store.pending_transaction(&id, Purpose::Lock).await.unwrap().unwrap();
    w.in_mempool(lock.hash).await; // it is saved before it is sent
    crash(state, workers).await; // in locking
    let (state, workers) = w.start().await;
    w.engine.step_ms.store(300, SeqCst);
    w.anvil_call("evm_mine", json!([])).await;
    until(&state, &id, State::Proving).await;
    crash(state, workers).await; // in proving
    w.engine.step_ms.store(0, SeqCst);
    let (state, workers) = w.start().await;
    eventually("the settlement is signed", async || {
        state.store.pending_transaction(&id, Purpose::Settle).await.unwrap().is_some()
    })
    .await;
    let settle = state.store.pending_transaction(&id, Purpose::Settle).await.unwrap().unwrap();
    w.in_mempool(settle.hash).await;
    // the pending block has the settlement in it, and only blocks count
    assert_eq!(account::job(&w.rpc, w.at.market, job).await.unwrap().state, ChainState::Locked);
    assert_eq!(state.store.job(&id).await.unwrap().state, State::SettlementPending);
    crash(state, workers).await; // in settlement_pending
    w.anvil_call("evm_mine", json!([])).await; // while the server is down
    assert!(w.rpc.receipt(settle.hash).await.unwrap().is_some());
    let (state, workers) = w.start().await;
    until(&state, &id, State::Settled).await;
    let transactions = state.store.transactions(&id).await.unwrap();
    let expected =
        [("lock".to_owned(), lock.hash, "mined".to_owned()), ("settle".to_owned(), settle.hash, "mined".to_owned())];
    assert_eq!(transactions, expected, "nothing was signed twice");
    let events = state.store.events(&id, 0, 100).await.unwrap();
    let ends = events
        .iter()
        .filter(|e| e.kind == "state" && e.data["state"].as_str().unwrap().parse::<State>().unwrap().is_terminal());
    assert_eq!(ends.count(), 1, "exactly one terminal state");
    assert_eq!(w.credit(w.seller.address()).await, U256::from(2_000_000 + 100_000));
    stop(state, workers).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_transaction_signed_before_a_crash_is_the_one_that_is_sent() {
    let w = world!(false);
    let state = w.open().await;
    let mut config = w.config().chain.unwrap();
    config.poll = std::time::Duration::from_secs(1);
    let market = Market::new(config).unwrap();
    market.ensure_credit(Address::ZERO, 200_000).await.unwrap();
    let mut signed = Vec::new();
    let mut ids = Vec::new();
    for _ in 0..2 {
        let escrow = w.escrow(&state).await;
        let id = w.submit(&state, &escrow).await;
        let job = w.fund(&escrow).await;
        let funding = market.funding(job, None).await.unwrap();
        state.store.transition(&id, None, &[State::AwaitingPayment], State::Queued, Default::default()).await.unwrap();
        let (_, lease) = state.store.claim(&[State::Queued], None, 60_000).await.unwrap().unwrap();
        let context = Some(market.context(job).await.unwrap());
        let patch = assay_api::store::Patch { context, ..Default::default() };
        state.store.transition(&id, Some(&lease), &[State::Queued], State::Locking, patch).await.unwrap();
        let tx = w.rpc.sign(&w.seller, Some(w.at.market), market.lock_call(&funding), U256::ZERO).await.unwrap();
        state.store.save_transaction(&lease.job, std::slice::from_ref(&lease), Purpose::Lock, &tx).await.unwrap();
        signed.push(tx); // saved, and the process dies before it is sent
        ids.push(id);
    }
    assert_eq!(signed[0].nonce, signed[1].nonce, "the second did not know of the first");
    drop(state);
    let (state, workers) = w.start().await;
    until(&state, &ids[0], State::Settled).await;
    until(&state, &ids[1], State::Settled).await;
    let first = state.store.transactions(&ids[0]).await.unwrap();
    assert_eq!((first[0].1, first[0].2.as_str()), (signed[0].hash, "mined"));
    let second = state.store.transactions(&ids[1]).await.unwrap();
    assert_eq!((second[0].1, second[0].2.as_str()), (signed[1].hash, "replaced"), "its nonce was taken");
    assert_eq!((second[1].0.as_str(), second[1].2.as_str()), ("lock", "mined"));
    stop(state, workers).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_proof_lost_from_the_disk_is_made_again() {
    let w = world!(false);
    let (state, workers) = w.start().await;
    let escrow = w.escrow(&state).await;
    let id = w.submit(&state, &escrow).await;
    w.engine.step_ms.store(100, SeqCst);
    w.fund(&escrow).await;
    until(&state, &id, State::Proving).await;
    w.anvil_call("evm_setAutomine", json!([false])).await;
    until(&state, &id, State::SettlementPending).await;
    crash(state, workers).await;
    for file in std::fs::read_dir(w.dir.path().join("proofs")).unwrap() {
        std::fs::write(file.unwrap().path(), b"rot").unwrap();
    }
    w.anvil_call("anvil_dropAllTransactions", json!([])).await;
    w.anvil_call("evm_setAutomine", json!([true])).await;
    let (state, workers) = w.start().await;
    until(&state, &id, State::Settled).await;
    assert_eq!(w.engine.proofs.load(SeqCst), 2);
    stop(state, workers).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_chain_that_is_away_is_waited_for() {
    let w = world!(false);
    let (state, workers) = w.start().await;
    let escrow = w.escrow(&state).await;
    let id = w.submit(&state, &escrow).await;
    stop(state, workers).await;
    let World { anvil, dir, engine, model, at, seller, terms, .. } = w;
    let url = anvil.url().to_owned();
    drop(anvil);
    let mut config = assay_api::config::ServeConfig::paid(
        dir.path(),
        assay_api::config::ChainConfig::new(&url, at.market, at.models, seller, terms),
    );
    config.drain = std::time::Duration::from_millis(100);
    let state = assay_api::AppState::open(config, engine).await.unwrap();
    let workers = tokio::spawn(assay_api::run_workers(state.clone()));
    let answer = post(&state, "/v1/quotes", &[], &json!({ "model": model.id })).await;
    answer.is_problem(503, "chain-unreachable");
    assert_eq!(answer.headers["retry-after"], "5");
    get(&state, "/readyz").await.is_problem(503, "chain-unreachable");
    assert_eq!(get(&state, "/livez").await.status, 200);
    eventually("the watcher notices", async || {
        let metrics = get(&state, "/metrics").await.text();
        !metrics.contains("assay_chain_errors_total 0\n")
    })
    .await;
    let job = state.store.job(&id).await.unwrap();
    assert_eq!((job.state, job.attempts), (State::AwaitingPayment, 0), "nothing is lost and nobody is blamed");
    stop(state, workers).await;
}
