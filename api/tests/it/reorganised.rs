//! Blocks that the chain takes back: a funding, a settlement, that of a batch, a capture. Nothing is forgotten, and
//! nothing is paid twice.

use std::sync::atomic::Ordering::SeqCst;

use alloy::primitives::{B256, U256};
use assay_api::chain::abi::InferenceMarket::State as ChainState;
use assay_api::chain::{Market, account};
use assay_api::config::ServeConfig;
use assay_api::store::{Patch, State};
use assay_api::x402::SettleResponse;
use assay_api::{AppState, run_workers};
use serde_json::{Value, json};
use tokio::task::JoinHandle;

use crate::batches::{input, wishes};
use crate::fake::{eventually, get};
use crate::market::{World, stop, until, world};
use crate::x402::{PRICE, Shop, read};

/// How deep a block must be here.
const CONFIRMATIONS: u64 = 3;

/// A server that believes no block before it is deep.
async fn careful(mut config: ServeConfig, w: &World) -> (AppState, JoinHandle<()>) {
    config.chain.as_mut().unwrap().confirmations = CONFIRMATIONS;
    let state = AppState::open(config, w.engine.clone()).await.unwrap();
    (state.clone(), tokio::spawn(run_workers(state)))
}

async fn shown(state: &AppState, id: &str) -> Value {
    get(state, &format!("/v1/predictions/{id}")).await.json()
}

async fn ends(state: &AppState, id: &str) -> Vec<State> {
    let events = state.store.events(id, 0, 1000).await.unwrap();
    let states = events.iter().filter(|event| event.kind == "state");
    states
        .map(|event| event.data["state"].as_str().unwrap().parse::<State>().unwrap())
        .filter(|state| state.is_terminal())
        .collect()
}

async fn on_chain(w: &World, job: B256) -> ChainState {
    account::job(&w.rpc, w.at.market, job).await.unwrap().state
}

/// Waits until a job has been tried in vain since its funding is gone.
async fn missed(state: &AppState, id: &str) {
    eventually("the funding is missed", async || {
        let events = state.store.events(id, 0, 1000).await.unwrap();
        events.iter().any(|event| event.kind == "retry" && event.data["code"] == "escrow-unfunded")
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fundings_that_the_chain_took_back_are_waited_for() {
    let w = world!(false);
    let state = w.open().await; // no workers yet
    let market = Market::new(w.config().chain.unwrap()).unwrap();
    let (mut escrows, mut ids) = (Vec::new(), Vec::new());
    for _ in 0..4 {
        let escrow = w.escrow(&state).await;
        ids.push(w.submit(&state, &escrow).await);
        escrows.push(escrow);
    }
    let before = w.snapshot().await;
    for (escrow, id) in escrows.iter().zip(&ids) {
        w.fund(escrow).await;
        state.store.transition(id, None, &[State::AwaitingPayment], State::Queued, Patch::default()).await.unwrap();
    }
    // one was about to be locked
    let domain = account::domain(&w.rpc, w.at.market).await.unwrap();
    let context = Some(market.context(escrows[0].order.job_id(&domain)).await.unwrap());
    state
        .store
        .transition(&ids[0], None, &[State::Queued], State::Locking, Patch { context, ..Patch::default() })
        .await
        .unwrap();
    w.take_back(before).await;
    let workers = tokio::spawn(run_workers(state.clone()));
    for id in &ids {
        missed(&state, id).await;
    }
    for id in &ids {
        let job = state.store.job(id).await.unwrap();
        assert!(!job.state.is_terminal() && job.attempts == 0, "{job:?}");
    }
    assert_eq!(get(&state, "/readyz").await.status, 200, "nobody is blamed, so quotes are signed as before");
    // three fundings are in blocks again, and that of the fourth never is
    for escrow in &escrows[..3] {
        w.fund(escrow).await;
    }
    for id in &ids[..3] {
        until(&state, id, State::Settled).await;
        assert_eq!(ends(&state, id).await, [State::Settled]);
    }
    w.pass_secs(w.terms.quote_secs + 10).await;
    until(&state, &ids[3], State::Expired).await;
    assert_eq!(shown(&state, &ids[3]).await["error_code"], "quote-expired");
    w.paid_for(3).await;
    stop(state, workers).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_settlement_that_the_chain_took_back_is_sent_again() {
    let w = world!(false);
    account::deposit(&w.rpc, &w.seller, w.at.market, w.terms.token, U256::from(w.terms.collateral)).await.unwrap();
    let (state, workers) = careful(w.config(), &w).await;
    w.engine.step_ms.store(200, SeqCst);
    let escrow = w.escrow(&state).await;
    let id = w.submit(&state, &escrow).await;
    let job = w.fund(&escrow).await;
    assert_eq!(state.store.job(&id).await.unwrap().state, State::AwaitingPayment, "the funding is in the newest block");
    w.mine(CONFIRMATIONS).await;
    until(&state, &id, State::Proving).await;
    let before = w.snapshot().await;
    // the answer is there as soon as it is paid for, and it is not over
    let ready = get_waiting(&state, &id).await;
    assert_eq!(
        (&ready["state"], &ready["terminal"], &ready["output"]),
        (&json!("settlement_pending"), &json!(false), &json!([4.5, 3.0]))
    );
    assert_eq!(on_chain(&w, job).await, ChainState::Settled);
    assert_eq!(get(&state, ready["proof_url"].as_str().unwrap()).await.status, 200);
    w.take_back(before).await;
    assert_eq!(on_chain(&w, job).await, ChainState::Locked);
    eventually("it is settled on the new branch", async || on_chain(&w, job).await == ChainState::Settled).await;
    assert_eq!(ends(&state, &id).await, [], "it is in the newest block only");
    w.mine(CONFIRMATIONS).await;
    until(&state, &id, State::Settled).await;
    assert_eq!(ends(&state, &id).await, [State::Settled]);
    let settlements: Vec<_> =
        state.store.transactions(&id).await.unwrap().into_iter().filter(|(purpose, ..)| purpose == "settle").collect();
    assert!(settlements.len() == 1 && settlements[0].2 == "mined", "the same bytes were sent again: {settlements:?}");
    assert_eq!(w.engine.proofs.load(SeqCst), 1);
    w.paid_for(1).await;
    stop(state, workers).await;
}

/// A prediction, once it is paid for.
async fn get_waiting(state: &AppState, id: &str) -> Value {
    let answer = crate::fake::send(
        state,
        "GET",
        &format!("/v1/predictions/{id}"),
        &[("prefer", "wait")],
        axum::body::Body::empty(),
    )
    .await;
    answer.json()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_batch_that_the_chain_took_back_is_settled_again() {
    let Some(w) = World::with_batch(1).await else { return };
    let collateral = U256::from(2 * w.terms.collateral);
    account::deposit(&w.rpc, &w.seller, w.at.market, w.terms.token, collateral).await.unwrap();
    let (state, workers) =
        careful(ServeConfig { batch_wait: std::time::Duration::from_secs(60), ..w.config() }, &w).await;
    w.engine.step_ms.store(200, SeqCst);
    let both = wishes(&state, w.engine.as_ref(), &w.anvil.accounts()[2..4], vec![input(1), input(2)]).await;
    let (mut ids, mut jobs) = (Vec::new(), Vec::new());
    for wish in &both {
        ids.push(wish.send(&state).await);
        jobs.push(wish.fund(&state).await);
    }
    w.mine(CONFIRMATIONS).await;
    until(&state, &ids[0], State::Proving).await;
    let before = w.snapshot().await;
    for id in &ids {
        let ready = get_waiting(&state, id).await;
        assert!(ready["state"] == "settlement_pending" && ready["batch"]["inferences"] == 2, "{ready}");
    }
    w.take_back(before).await;
    assert_eq!(on_chain(&w, jobs[1]).await, ChainState::Locked);
    eventually("they are settled on the new branch", async || on_chain(&w, jobs[1]).await == ChainState::Settled).await;
    w.mine(CONFIRMATIONS).await;
    for (place, id) in ids.iter().enumerate() {
        until(&state, id, State::Settled).await;
        assert_eq!(ends(&state, id).await, [State::Settled]);
        let receipt = &shown(&state, id).await["batch"];
        assert!(receipt["index"] == place && receipt["jobs"] == json!(jobs), "{receipt}");
    }
    assert_eq!(w.engine.proofs.load(SeqCst), 1, "one proof for both, and none for the new branch");
    w.paid_for(2).await;
    stop(state, workers).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_capture_that_the_chain_took_back_is_sent_again() {
    let Some(shop) = Shop::open().await else { return };
    let (state, workers) = careful(shop.config(), &shop.w).await;
    let offer = shop.required(&state).await.accepts[0].clone();
    shop.w.engine.step_ms.store(100, SeqCst);
    let before = shop.w.snapshot().await;
    let id = shop.send(&state, &shop.payment(&offer, 1)).await.json()["id"].as_str().unwrap().to_owned();
    let answer = crate::fake::send(
        &state,
        "GET",
        &format!("/v1/predictions/{id}"),
        &[("prefer", "wait")],
        axum::body::Body::empty(),
    )
    .await;
    let (ready, receipt) = (answer.json(), read::<SettleResponse>(&answer, "payment-response"));
    assert_eq!(
        (&ready["state"], &ready["output"], receipt.success),
        (&json!("settlement_pending"), &json!([4.5, 3.0]), true)
    );
    assert_eq!(shop.balance(shop.w.seller.address()).await, PRICE);
    shop.w.take_back(before).await;
    assert_eq!(shop.balance(shop.w.seller.address()).await, 0);
    eventually("it is captured on the new branch", async || shop.balance(shop.w.seller.address()).await == PRICE).await;
    assert_eq!(ends(&state, &id).await, []);
    shop.w.mine(CONFIRMATIONS).await;
    until(&state, &id, State::Settled).await;
    assert_eq!(ends(&state, &id).await, [State::Settled]);
    let paid = shown(&state, &id).await["payment"]["transaction"].clone();
    let mined = shop.w.rpc.receipt(paid.as_str().unwrap().parse().unwrap()).await.unwrap();
    assert!(mined.is_some_and(|receipt| receipt.status()), "the transaction that is named is in a block");
    assert_eq!(shop.balance(shop.w.seller.address()).await, PRICE, "once");
    assert_eq!(shop.w.engine.proofs.load(SeqCst), 1);
    stop(state, workers).await;
}
