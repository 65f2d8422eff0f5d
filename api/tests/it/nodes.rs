//! Nodes that do not answer, answers that are lost, transactions that wait, blocks that are taken back.

use std::sync::atomic::Ordering::SeqCst;
use std::time::Duration;

use alloy::primitives::U256;
use alloy::providers::Provider;
use assay_api::chain::account;
use assay_api::config::ServeConfig;
use assay_api::store::State;
use assay_api::{AppState, run_workers};
use serde_json::{Value, json};
use tokio::task::JoinHandle;

use crate::fake::eventually;
use crate::gateway::Gateway;
use crate::market::{World, stop, until, world};

async fn start(w: &World, change: impl FnOnce(&mut ServeConfig)) -> (AppState, JoinHandle<()>) {
    let mut config = w.config();
    change(&mut config);
    let state = AppState::open(config, w.engine.clone()).await.unwrap();
    (state.clone(), tokio::spawn(run_workers(state)))
}

/// The states of a job's transactions for one purpose, oldest first.
async fn outcomes(state: &AppState, id: &str, purpose: &str) -> Vec<String> {
    let all = state.store.transactions(id).await.unwrap();
    all.into_iter().filter(|(of, ..)| of == purpose).map(|(.., outcome)| outcome).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_second_node_is_asked_when_the_first_does_not_answer() {
    let w = world!(false);
    let (gateway, url) = Gateway::start(w.anvil.url()).await;
    let (state, workers) = start(&w, |config| {
        let chain = config.chain.as_mut().unwrap();
        chain.rpc_fallbacks = vec![std::mem::replace(&mut chain.rpc_url, url)];
    })
    .await;
    eventually("the first node is asked", async || gateway.passed.load(SeqCst) > 0).await;
    w.engine.step_ms.store(30, SeqCst);
    let escrow = w.escrow(&state).await;
    let id = w.submit(&state, &escrow).await;
    w.fund(&escrow).await;
    until(&state, &id, State::Proving).await;
    gateway.down.store(true, SeqCst);
    until(&state, &id, State::Settled).await;
    // it stays down, and a whole order goes through
    let escrow = w.escrow(&state).await;
    let id = w.submit(&state, &escrow).await;
    w.fund(&escrow).await;
    until(&state, &id, State::Settled).await;
    w.paid_for(2).await;
    stop(state, workers).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn while_no_node_answers_jobs_wait_and_nobody_is_blamed() {
    let w = world!(false);
    let (gateway, url) = Gateway::start(w.anvil.url()).await;
    let (state, workers) = start(&w, |config| config.chain.as_mut().unwrap().rpc_url = url).await;
    w.engine.step_ms.store(100, SeqCst);
    let mut ids = Vec::new();
    for _ in 0..3 {
        let escrow = w.escrow(&state).await;
        ids.push(w.submit(&state, &escrow).await);
        w.fund(&escrow).await;
    }
    // one is being proven, the others wait to be locked
    until(&state, &ids[0], State::Proving).await;
    gateway.down.store(true, SeqCst);
    eventually("a step cannot be done", async || {
        let mut events = Vec::new();
        for id in &ids {
            events.extend(state.store.events(id, 0, 1000).await.unwrap());
        }
        events.iter().any(|event| event.kind == "retry" && event.data["code"] == "chain-unreachable")
    })
    .await;
    tokio::time::sleep(Duration::from_secs(3)).await;
    for id in &ids {
        let job = state.store.job(id).await.unwrap();
        assert!(!job.state.is_terminal() && job.attempts == 0, "{job:?}");
    }
    gateway.down.store(false, SeqCst);
    for id in &ids {
        until(&state, id, State::Settled).await;
    }
    w.paid_for(3).await;
    stop(state, workers).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_transaction_whose_answer_is_lost_is_not_sent_as_another_one() {
    let w = world!(false);
    // what is deposited when it is needed has no place in the database
    account::deposit(&w.rpc, &w.seller, w.at.market, w.terms.token, U256::from(w.terms.collateral)).await.unwrap();
    let (gateway, url) = Gateway::start(w.anvil.url()).await;
    let (state, workers) = start(&w, |config| config.chain.as_mut().unwrap().rpc_url = url).await;
    let escrow = w.escrow(&state).await;
    let id = w.submit(&state, &escrow).await;
    gateway.lose.store(2, SeqCst); // of the lock and of the settlement
    w.fund(&escrow).await;
    until(&state, &id, State::Settled).await;
    assert_eq!(gateway.lose.load(SeqCst), 0, "both answers were lost");
    eventually("both are noted", async || outcomes(&state, &id, "settle").await == ["mined"]).await;
    assert_eq!(outcomes(&state, &id, "lock").await, ["mined"]);
    assert_eq!(state.store.job(&id).await.unwrap().attempts, 0);
    w.paid_for(1).await;
    stop(state, workers).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_transaction_that_waits_is_replaced_by_one_that_pays_more() {
    let w = world!(false);
    account::deposit(&w.rpc, &w.seller, w.at.market, w.terms.token, U256::from(w.terms.collateral)).await.unwrap();
    let mut config = w.config();
    config.chain.as_mut().unwrap().bump_after = Duration::from_secs(1);
    let state = AppState::open(config, w.engine.clone()).await.unwrap();
    let escrow = w.escrow(&state).await;
    let id = w.submit(&state, &escrow).await;
    w.fund(&escrow).await;
    w.anvil_call("evm_setAutomine", json!([false])).await;
    let workers = tokio::spawn(run_workers(state.clone()));
    eventually("the lock is signed", async || !state.store.transactions(&id).await.unwrap().is_empty()).await;
    let first = state.store.transactions(&id).await.unwrap()[0].1;
    // a hundred times the fees that it was signed for
    w.anvil_call("anvil_setNextBlockBaseFeePerGas", json!(["0x174876e800"])).await;
    w.anvil_call("evm_mine", json!([])).await;
    assert!(w.rpc.receipt(first).await.unwrap().is_none(), "no block takes it at these fees");
    eventually("one that pays more is mined", async || {
        w.anvil_call("evm_mine", json!([])).await;
        outcomes(&state, &id, "lock").await.contains(&"mined".to_owned())
    })
    .await;
    w.anvil_call("evm_setAutomine", json!([true])).await;
    until(&state, &id, State::Settled).await;
    let locks = outcomes(&state, &id, "lock").await;
    assert!(locks.len() > 1 && locks[0] == "replaced", "{locks:?}");
    assert_eq!(locks.iter().filter(|outcome| *outcome == "mined").count(), 1, "{locks:?}");
    w.paid_for(1).await;
    stop(state, workers).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lock_that_the_chain_took_back_is_made_again() {
    let w = world!(false);
    account::deposit(&w.rpc, &w.seller, w.at.market, w.terms.token, U256::from(w.terms.collateral)).await.unwrap();
    let state = w.open().await;
    w.engine.step_ms.store(200, SeqCst);
    let escrow = w.escrow(&state).await;
    let id = w.submit(&state, &escrow).await;
    w.fund(&escrow).await;
    let before: Value = w.rpc.provider().raw_request("evm_snapshot".into(), ()).await.unwrap();
    let workers = tokio::spawn(run_workers(state.clone()));
    until(&state, &id, State::Proving).await;
    // the blocks after the funding are others now, without the lock
    let reverted: bool = w.rpc.provider().raw_request("evm_revert".into(), [before]).await.unwrap();
    assert!(reverted);
    until(&state, &id, State::Settled).await;
    // the lock on the new branch may be the same bit by bit
    assert!(outcomes(&state, &id, "lock").await.iter().all(|outcome| outcome == "mined"));
    assert_eq!(w.engine.proofs.load(SeqCst), 1, "the proof is as good on the new branch");
    w.paid_for(1).await;
    stop(state, workers).await;
}
