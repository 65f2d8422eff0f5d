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

/// Ways in which a node is of no use, each begun while a job is proven: the other one is asked, and the job costs
/// nobody an attempt.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_second_node_is_asked_when_the_first_hangs_refuses_or_is_behind() {
    let w = world!(false);
    let (gateway, url) = Gateway::start(w.anvil.url()).await;
    let (state, workers) = start(&w, |config| {
        let chain = config.chain.as_mut().unwrap();
        chain.request_timeout = Duration::from_millis(500);
        chain.rpc_fallbacks = vec![std::mem::replace(&mut chain.rpc_url, url)];
    })
    .await;
    w.engine.step_ms.store(30, SeqCst);
    type Way<'a> = (&'a str, &'a dyn Fn(bool));
    let head = w.rpc.block_number().await.unwrap();
    let ways: [Way<'_>; 3] = [
        ("hangs", &|on| gateway.hangs.store(on, SeqCst)),
        ("refuses", &|on| gateway.refuses.store(on, SeqCst)),
        ("is behind", &|on| gateway.stands_at.store(if on { head } else { 0 }, SeqCst)),
    ];
    for (jobs, (name, way)) in (1..).zip(ways) {
        let escrow = w.escrow(&state).await;
        let id = w.submit(&state, &escrow).await;
        w.fund(&escrow).await;
        until(&state, &id, State::Proving).await;
        way(true);
        until(&state, &id, State::Settled).await;
        // it stays so, and a whole order goes through
        let escrow = w.escrow(&state).await;
        let whole = w.submit(&state, &escrow).await;
        w.fund(&escrow).await;
        until(&state, &whole, State::Settled).await;
        way(false);
        for id in [&id, &whole] {
            assert_eq!(state.store.job(id).await.unwrap().attempts, 0, "the first node {name}");
        }
        w.paid_for(2 * jobs).await;
    }
    stop(state, workers).await;
}

/// The lock is on its way when the last node goes away, for longer than a receipt is waited for, and is mined
/// meanwhile.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_outage_longer_than_a_receipt_is_waited_for_costs_nothing() {
    let w = world!(false);
    account::deposit(&w.rpc, &w.seller, w.at.market, w.terms.token, U256::from(w.terms.collateral)).await.unwrap();
    let (gateway, url) = Gateway::start(w.anvil.url()).await;
    let receipt_timeout = Duration::from_millis(500);
    let state = {
        let mut config = w.config();
        let chain = config.chain.as_mut().unwrap();
        (chain.rpc_url, chain.receipt_timeout) = (url, receipt_timeout);
        AppState::open(config, w.engine.clone()).await.unwrap()
    };
    let escrow = w.escrow(&state).await;
    let id = w.submit(&state, &escrow).await;
    w.fund(&escrow).await;
    w.anvil_call("evm_setAutomine", json!([false])).await;
    let workers = tokio::spawn(run_workers(state.clone()));
    eventually("the lock is signed", async || !state.store.transactions(&id).await.unwrap().is_empty()).await;
    let lock = state.store.transactions(&id).await.unwrap()[0].1;
    w.in_mempool(lock).await;
    gateway.down.store(true, SeqCst);
    tokio::time::sleep(4 * receipt_timeout).await;
    eventually("a step cannot be done", async || {
        let events = state.store.events(&id, 0, 1000).await.unwrap();
        events.iter().any(|event| event.kind == "retry" && event.data["code"] == "chain-unreachable")
    })
    .await;
    w.anvil_call("evm_mine", json!([])).await;
    w.anvil_call("evm_setAutomine", json!([true])).await;
    gateway.down.store(false, SeqCst);
    until(&state, &id, State::Settled).await;
    let transactions = state.store.transactions(&id).await.unwrap();
    assert_eq!(transactions[0], ("lock".to_owned(), lock, "mined".to_owned()));
    assert_eq!((transactions.len(), state.store.job(&id).await.unwrap().attempts), (2, 0), "{transactions:?}");
    w.paid_for(1).await;
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
    outbid(&w, &state, &id, "lock").await;
    until(&state, &id, State::Settled).await;
    w.paid_for(1).await;
    stop(state, workers).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_settlement_that_waits_is_replaced_by_one_that_pays_more() {
    let w = world!(false);
    let (state, workers) = start(&w, |config| config.chain.as_mut().unwrap().bump_after = Duration::from_secs(1)).await;
    w.engine.step_ms.store(100, SeqCst);
    let escrow = w.escrow(&state).await;
    let id = w.submit(&state, &escrow).await;
    w.fund(&escrow).await;
    until(&state, &id, State::Proving).await;
    w.anvil_call("evm_setAutomine", json!([false])).await;
    outbid(&w, &state, &id, "settle").await;
    until(&state, &id, State::Settled).await;
    assert_eq!((outcomes(&state, &id, "lock").await.len(), w.engine.proofs.load(SeqCst)), (1, 1));
    w.paid_for(1).await;
    stop(state, workers).await;
}

/// While no block is made by itself, a transaction that is signed becomes too cheap, and one that pays more takes its
/// place.
async fn outbid(w: &World, state: &AppState, id: &str, purpose: &str) {
    let signed = async || {
        let all = state.store.transactions(id).await.unwrap();
        all.into_iter().find(|(of, ..)| of == purpose).map(|(_, hash, _)| hash)
    };
    eventually("it is signed", async || signed().await.is_some()).await;
    let first = signed().await.unwrap();
    // a hundred times the fees that it was signed for
    w.anvil_call("anvil_setNextBlockBaseFeePerGas", json!(["0x174876e800"])).await;
    w.anvil_call("evm_mine", json!([])).await;
    assert!(w.rpc.receipt(first).await.unwrap().is_none(), "no block takes it at these fees");
    eventually("one that pays more is mined", async || {
        w.anvil_call("evm_mine", json!([])).await;
        outcomes(state, id, purpose).await.contains(&"mined".to_owned())
    })
    .await;
    w.anvil_call("evm_setAutomine", json!([true])).await;
    let all = outcomes(state, id, purpose).await;
    assert!(all.len() > 1 && all[0] == "replaced", "{all:?}");
    assert_eq!(all.iter().filter(|outcome| *outcome == "mined").count(), 1, "{all:?}");
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
