//! Escrows with too little time left: whoever locks them loses the collateral.

use std::sync::atomic::Ordering::SeqCst;

use alloy::primitives::{Address, B256, U256};
use assay_api::chain::abi::InferenceMarket::State as ChainState;
use assay_api::chain::{Market, account};
use assay_api::store::{Patch, Purpose, State};
use assay_api::{AppState, run_workers};

use crate::fake::post;
use crate::market::{World, stop, until, world};

/// Half of the time to prove, and a little.
fn too_long(w: &World) -> u64 {
    u64::from(w.terms.prove_secs) / 2 + 10
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_escrow_funded_long_ago_is_not_taken() {
    let w = world!(false);
    let state = w.open().await;
    let escrow = w.escrow(&state).await;
    let job = w.fund(&escrow).await;
    w.pass_secs(too_long(&w)).await;
    let answer = post(&state, "/v1/predictions", &[], &w.request(&escrow)).await;
    answer.is_problem(422, "escrow-too-late");
    let detail = answer.json()["detail"].as_str().unwrap().to_owned();
    let funded_at: u64 = account::job(&w.rpc, w.at.market, job).await.unwrap().time.to();
    assert!(detail.contains(&(funded_at + u64::from(w.terms.prove_secs)).to_string()), "{detail}");
    assert_eq!(state.store.counts().await.unwrap(), []);
    account::cancel(&w.rpc, &w.buyer, w.at.market, job).await.unwrap();
    assert_eq!(w.credit(w.buyer.address()).await, U256::from(1_000_000), "the buyer has the money back");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_job_that_waited_too_long_is_not_locked() {
    let w = world!(false);
    let state = w.open().await; // no workers yet
    let market = Market::new(w.config().chain.unwrap()).unwrap();
    let (waiting, queued) = (w.escrow(&state).await, w.escrow(&state).await);
    let locking = w.escrow(&state).await;
    let ids = [w.submit(&state, &waiting).await, w.submit(&state, &queued).await, w.submit(&state, &locking).await];
    let jobs = [w.fund(&waiting).await, w.fund(&queued).await, w.fund(&locking).await];
    state.store.transition(&ids[1], None, &[State::AwaitingPayment], State::Queued, Patch::default()).await.unwrap();
    // a crash before the lock was signed
    state.store.transition(&ids[2], None, &[State::AwaitingPayment], State::Queued, Patch::default()).await.unwrap();
    let patch = Patch { context: Some(market.context(jobs[2]).await.unwrap()), ..Patch::default() };
    state.store.transition(&ids[2], None, &[State::Queued], State::Locking, patch).await.unwrap();
    w.pass_secs(too_long(&w)).await;
    let workers = tokio::spawn(run_workers(state.clone()));
    for (id, job) in ids.iter().zip(jobs) {
        until(&state, id, State::Expired).await;
        assert_eq!(state.store.job(id).await.unwrap().error.unwrap().0, "escrow-too-late");
        assert_eq!(
            account::job(&w.rpc, w.at.market, job).await.unwrap().state,
            ChainState::Funded,
            "the buyer can cancel"
        );
        assert_eq!(state.store.transactions(id).await.unwrap(), []);
    }
    assert_eq!(w.credit(w.seller.address()).await, U256::ZERO, "no collateral was put up");
    assert_eq!(w.engine.proofs.load(SeqCst), 0);
    stop(state, workers).await;
}

/// A job whose lock is signed and saved; whether it was sent, nobody knows. Returns its id and the lock's hash.
async fn signed_lock(w: &World) -> (String, B256) {
    let state = w.open().await;
    let market = Market::new(w.config().chain.unwrap()).unwrap();
    market.ensure_credit(Address::ZERO, 200_000).await.unwrap();
    let escrow = w.escrow(&state).await;
    let id = w.submit(&state, &escrow).await;
    let job = w.fund(&escrow).await;
    state.store.transition(&id, None, &[State::AwaitingPayment], State::Queued, Patch::default()).await.unwrap();
    let (_, lease) = state.store.claim(&[State::Queued], None, 60_000).await.unwrap().unwrap();
    let patch = Patch { context: Some(market.context(job).await.unwrap()), ..Patch::default() };
    state.store.transition(&id, Some(&lease), &[State::Queued], State::Locking, patch).await.unwrap();
    let funding = market.funding(job, None).await.unwrap();
    let lock = w.rpc.sign(&w.seller, Some(w.at.market), market.lock_call(&funding), U256::ZERO).await.unwrap();
    state.store.save_transaction(&lease.job, std::slice::from_ref(&lease), Purpose::Lock, &lock).await.unwrap();
    (id, lock.hash)
}

/// To forget it, because the server's own margin has passed meanwhile, could be to lose the collateral.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lock_that_is_signed_is_followed_up() {
    let w = world!(false);
    let (id, lock) = signed_lock(&w).await;
    let mut config = w.config();
    config.chain.as_mut().unwrap().lock_margin_secs = Some(w.terms.prove_secs - 10);
    w.pass_secs(60).await;
    let state = AppState::open(config, w.engine.clone()).await.unwrap();
    let workers = tokio::spawn(run_workers(state.clone()));
    until(&state, &id, State::Settled).await;
    assert_eq!(state.store.transactions(&id).await.unwrap()[0].1, lock);
    stop(state, workers).await;
}

/// The market takes no lock after half of the time to prove, so one that is sent later costs its gas and no collateral.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lock_that_is_sent_too_late_costs_no_collateral() {
    let w = world!(false);
    let (id, lock) = signed_lock(&w).await;
    w.pass_secs(too_long(&w)).await;
    let (state, workers) = w.start().await;
    until(&state, &id, State::Expired).await;
    let transactions = state.store.transactions(&id).await.unwrap();
    assert_eq!((transactions[0].1, transactions[0].2.as_str()), (lock, "reverted"));
    assert_eq!(w.credit(w.seller.address()).await, U256::from(200_000), "the collateral is free");
    stop(state, workers).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_operator_sets_the_margin() {
    let w = world!(false);
    let mut config = w.config();
    let margin = w.terms.prove_secs - 100; // more than the market wants
    config.chain.as_mut().unwrap().lock_margin_secs = Some(margin);
    let state = AppState::open(config, w.engine.clone()).await.unwrap();
    let workers = tokio::spawn(run_workers(state.clone()));
    let (good, late) = (w.escrow(&state).await, w.escrow(&state).await);
    w.fund(&good).await;
    w.fund(&late).await;
    w.pass_secs(50).await;
    let id = w.submit(&state, &good).await;
    until(&state, &id, State::Settled).await;
    w.pass_secs(60).await;
    post(&state, "/v1/predictions", &[], &w.request(&late)).await.is_problem(422, "escrow-too-late");
    stop(state, workers).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_jobs_ahead_count() {
    let w = world!(false);
    let escrow = {
        let state = w.open().await;
        w.escrow(&state).await
    };
    w.fund(&escrow).await;
    // two jobs can be ahead of it, each as long as a third of its time to prove; half of that must be left for itself
    let slow = async |jobs_max| {
        let mut config = w.config();
        config.jobs_max = jobs_max;
        let state = AppState::open(config, w.engine.clone()).await.unwrap();
        state.metrics.proofs.store(2, SeqCst);
        state.metrics.proof_ms.store(2 * 1000 * u64::from(w.terms.prove_secs) / 3, SeqCst);
        state
    };
    let state = slow(3).await;
    post(&state, "/v1/predictions", &[], &w.request(&escrow)).await.is_problem(422, "escrow-too-late");
    drop(state);
    let state = slow(1).await;
    let id = w.submit(&state, &escrow).await;
    drop(state);
    // the worker asks again before it locks
    let state = slow(3).await;
    let workers = tokio::spawn(run_workers(state.clone()));
    until(&state, &id, State::Expired).await;
    assert_eq!(state.store.job(&id).await.unwrap().error.unwrap().0, "escrow-too-late");
    stop(state, workers).await;
}
