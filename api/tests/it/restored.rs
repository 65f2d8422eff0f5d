//! Yesterday's copy in the place of what was lost: jobs that the original has ended meanwhile are neither locked nor
//! settled again.

use std::path::Path;
use std::sync::atomic::Ordering::SeqCst;

use alloy::primitives::U256;
use assay_api::chain::account;
use assay_api::config::{Role, ServeConfig};
use assay_api::store::{Purpose, State, Store};
use assay_api::{AppState, backup, run_workers};
use serde_json::json;

use crate::fake::{eventually, get};
use crate::market::{World, config, stop, until, world};
use crate::postgres::Postgres;

/// What the prover has done on chain: how many transactions, and its credit.
async fn done_on_chain(w: &World) -> (u64, U256) {
    let me = w.seller.address();
    (w.rpc.mined_nonce(me).await.unwrap(), w.credit(me).await)
}

/// Two paid jobs: of the first the settlement is signed and in no block yet, the second is locked and being proven. No
/// block is made by itself then.
async fn two_jobs(w: &World, state: &AppState) -> [String; 2] {
    w.engine.step_ms.store(400, SeqCst);
    let (one, two) = (w.escrow(state).await, w.escrow(state).await);
    let ids = [w.submit(state, &one).await, w.submit(state, &two).await];
    w.fund(&one).await;
    w.fund(&two).await;
    for id in &ids {
        until(state, id, State::Proving).await;
    }
    w.anvil_call("evm_setAutomine", json!([false])).await;
    eventually("a settlement is signed", async || settling(state, &ids).await.is_some()).await;
    let first = settling(state, &ids).await.unwrap();
    let settlement = state.store.pending_transaction(&ids[first], Purpose::Settle).await.unwrap().unwrap();
    w.in_mempool(settlement.hash).await;
    // the other proof stays where it is until the copy is made
    w.engine.step_ms.store(10_000, SeqCst);
    [ids[first].clone(), ids[1 - first].clone()]
}

async fn settling(state: &AppState, ids: &[String; 2]) -> Option<usize> {
    for (place, id) in ids.iter().enumerate() {
        if state.store.pending_transaction(id, Purpose::Settle).await.unwrap().is_some() {
            return Some(place);
        }
    }
    None
}

/// The states that a copy has of two jobs.
async fn copied(store: &Store, ids: &[String; 2]) -> [State; 2] {
    [store.job(&ids[0]).await.unwrap().state, store.job(&ids[1]).await.unwrap().state]
}

/// The original goes on to the end. Returns what it did on chain.
async fn to_the_end(w: &World, state: &AppState, ids: &[String; 2]) -> (u64, U256) {
    w.engine.step_ms.store(10, SeqCst);
    w.anvil_call("evm_setAutomine", json!([true])).await;
    w.anvil_call("evm_mine", json!([])).await;
    for id in ids {
        until(state, id, State::Settled).await;
    }
    w.paid_for(2).await;
    done_on_chain(w).await
}

/// What was restored comes to the same end, shows its proofs, and sends nothing.
async fn same_end(w: &World, restored: &AppState, ids: &[String; 2], before: (u64, U256)) {
    for id in ids {
        until(restored, id, State::Settled).await;
    }
    w.mine(1).await;
    assert_eq!(done_on_chain(w).await, before, "nothing was sent once more");
    assert_eq!(w.engine.proofs.load(SeqCst), 2, "nothing was proven once more");
    let first = get(restored, &format!("/v1/predictions/{}/proof", ids[0])).await;
    assert_eq!(first.status, 200, "the copy has the proof that was there");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_copy_from_before_neither_locks_nor_settles_again() {
    let w = world!(false);
    account::deposit(&w.rpc, &w.seller, w.at.market, w.terms.token, U256::from(2 * w.terms.collateral)).await.unwrap();
    let (state, workers) = w.start().await;
    let ids = two_jobs(&w, &state).await;
    let copy = tempfile::tempdir().unwrap();
    backup(w.dir.path(), copy.path()).await.unwrap();
    let before = to_the_end(&w, &state, &ids).await;
    stop(state, workers).await;
    let restored = config(copy.path(), w.anvil.url(), &w.at, &w.seller, w.terms);
    let state = AppState::open(restored, w.engine.clone()).await.unwrap();
    assert_eq!(copied(&state.store, &ids).await, [State::SettlementPending, State::Proving], "the copy is from before");
    let workers = tokio::spawn(run_workers(state.clone()));
    same_end(&w, &state, &ids, before).await;
    stop(state, workers).await;
}

/// A service of one server and one worker on a database.
async fn shared(w: &World, dir: &Path, url: &str, role: Role) -> AppState {
    let config = config(dir, w.anvil.url(), &w.at, &w.seller, w.terms);
    let lease = std::time::Duration::from_secs(2);
    let config = ServeConfig { database_url: Some(url.to_owned().into()), role, lease, ..config };
    AppState::open(config, w.engine.clone()).await.unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_dump_of_postgresql_is_a_service_again() {
    let Some((server, url)) = Postgres::database() else { return };
    let w = world!(false);
    account::deposit(&w.rpc, &w.seller, w.at.market, w.terms.token, U256::from(2 * w.terms.collateral)).await.unwrap();
    let (api, worker) =
        (shared(&w, w.dir.path(), &url, Role::Api).await, shared(&w, w.dir.path(), &url, Role::Worker).await);
    let running = [tokio::spawn(run_workers(api.clone())), tokio::spawn(run_workers(worker.clone()))];
    let ids = two_jobs(&w, &api).await;
    let (_server, other) = server.make();
    let dump = w.dir.path().join("dump");
    tokio::task::block_in_place(|| Postgres::copy(&url, &other, &dump));
    let before = to_the_end(&w, &api, &ids).await;
    for (state, task) in [api, worker].into_iter().zip(running) {
        stop(state, task).await;
    }
    let (api, worker) =
        (shared(&w, w.dir.path(), &other, Role::Api).await, shared(&w, w.dir.path(), &other, Role::Worker).await);
    assert_eq!(copied(&api.store, &ids).await, [State::SettlementPending, State::Proving], "the dump is from before");
    let running = [tokio::spawn(run_workers(api.clone())), tokio::spawn(run_workers(worker.clone()))];
    same_end(&w, &api, &ids, before).await;
    for (state, task) in [api, worker].into_iter().zip(running) {
        stop(state, task).await;
    }
}
