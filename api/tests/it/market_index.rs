//! What the service has of the market is what the chain has, also after the chain took blocks back and after a restart.

use std::sync::atomic::Ordering::SeqCst;

use alloy::primitives::B256;
use alloy::providers::Provider;
use assay_api::chain::account::{self, PayFrom};
use assay_api::chain::history::History;
use assay_api::store::{Checkpoint, State};
use assay_api::terms::{Escrow, Order};
use assay_api::{AppState, MarketHistory, MarketJob, MarketJobPage};
use serde_json::{Value, json};

use crate::fake::{eventually, get, post};
use crate::market::{World, stop, until, world};

async fn said(state: &AppState) -> MarketHistory {
    serde_json::from_value(get(state, "/v1/market").await.json()).unwrap()
}

async fn jobs(state: &AppState, query: &str) -> MarketJobPage {
    serde_json::from_value(get(state, &format!("/v1/market/jobs{query}")).await.json()).unwrap()
}

/// Waits until the service has read the chain's newest block, and compares all that it says with the chain.
async fn agrees(w: &World, state: &AppState) -> MarketHistory {
    let newest = async || {
        let block = w.rpc.block_number().await.unwrap();
        Checkpoint { block, hash: w.rpc.block_hash(block).await.unwrap().unwrap() }
    };
    eventually("the newest block is read", async || said(state).await.block_hash == Some(newest().await.hash)).await;
    let at = newest().await;
    let history = History::read(&w.rpc, w.at.market, 0).await.unwrap();
    let said = said(state).await;
    assert_eq!(said, MarketHistory::new(w.at.market, w.at.models, 0, Some(at), &history));
    let page = jobs(state, "?limit=100").await;
    assert_eq!(page.data, history.jobs.values().map(MarketJob::from).collect::<Vec<_>>());
    said
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_index_has_what_the_chain_has() {
    let w = world!(false);
    let (state, workers) = w.start().await;
    let before = agrees(&w, &state).await;
    assert_eq!((before.models.len(), before.jobs, before.provers.len()), (1, 0, 0));
    assert_eq!((before.models[0].owner, before.models[0].deprecated), (w.seller.address(), false));
    // one that is proven, and one that nobody asked the service for
    let escrow = w.escrow(&state).await;
    let id = w.submit(&state, &escrow).await;
    let proven = w.fund(&escrow).await;
    until(&state, &id, State::Settled).await;
    let waiting = w.fund(&w.escrow(&state).await).await;
    let after = agrees(&w, &state).await;
    let model = &after.models[0];
    assert_eq!((model.funded, model.settled, model.returned, after.jobs), (2, 1, 0, 2));
    let prover = &after.provers[0];
    assert_eq!((prover.prover, prover.settled, prover.buyers), (w.seller.address(), 1, 1));
    assert_eq!(prover.earned, [(w.terms.token.to_string(), "1000000".to_owned())].into());
    // pages
    let first = jobs(&state, "?limit=1").await;
    let second = jobs(&state, &format!("?limit=1&cursor={}", first.next.clone().unwrap())).await;
    let mut seen: Vec<(B256, String)> =
        [first, second.clone()].into_iter().flat_map(|p| p.data).map(|j| (j.job, j.state.to_string())).collect();
    let mut wanted = vec![(proven, "settled".to_owned()), (waiting, "funded".to_owned())];
    (seen.sort(), wanted.sort());
    assert_eq!((seen, second.next), (wanted, None));
    get(&state, "/v1/market/jobs?cursor=x").await.is_problem(400, "invalid-parameter");
    // another process goes on where this one was
    stop(state, workers).await;
    let state = w.open().await;
    assert_eq!(said(&state).await, after, "from the store, before anything is read");
    let workers = tokio::spawn(assay_api::run_workers(state.clone()));
    agrees(&w, &state).await;
    stop(state, workers).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_the_chain_takes_back_is_undone() {
    let w = world!(false);
    let (state, workers) = w.start().await;
    agrees(&w, &state).await;
    let provider = w.rpc.provider();
    let snapshot = async || -> Value { provider.raw_request("evm_snapshot".into(), ()).await.unwrap() };
    let revert = async |to: Value| assert!(provider.raw_request::<_, bool>("evm_revert".into(), [to]).await.unwrap());
    // while it runs
    let kept = snapshot().await;
    let first = w.fund(&w.escrow(&state).await).await;
    assert_eq!(agrees(&w, &state).await.jobs, 1);
    revert(kept).await;
    w.pass_secs(1).await;
    assert_eq!(agrees(&w, &state).await.jobs, 0, "the payment never happened");
    let kept = snapshot().await;
    let second = w.fund(&w.escrow(&state).await).await;
    assert_eq!(jobs_of(&w, &state).await, [second]);
    // while nobody looks, and the other chain is longer and has another job
    let escrow = w.escrow(&state).await;
    stop(state, workers).await;
    revert(kept).await;
    w.pass_secs(1).await;
    let third = w.fund(&escrow).await;
    w.pass_secs(1).await;
    assert!(first != second && second != third);
    let (state, workers) = w.start().await;
    assert_eq!(jobs_of(&w, &state).await, [third]);
    stop(state, workers).await;
    assert_eq!(w.engine.proofs.load(SeqCst), 0);
}

async fn jobs_of(w: &World, state: &AppState) -> Vec<B256> {
    agrees(w, state).await;
    jobs(state, "").await.data.into_iter().map(|job| job.job).collect()
}

/// A service without a market has no history of one.
#[tokio::test]
async fn without_a_market_there_is_none() {
    let dir = tempfile::tempdir().unwrap();
    let state = crate::fake::free(dir.path(), crate::fake::Fake::new()).await;
    get(&state, "/v1/market").await.is_problem(409, "no-market");
}

/// One quote and one transaction pay for several orders, which the market, the index and the service take as one each.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_quote_for_several_jobs_funds_them_together() {
    let w = world!(false);
    let (state, workers) = w.start().await;
    let ask = async |jobs: u32| {
        let request = json!({ "model": w.model.id, "buyer": w.buyer.address(), "input_commitment": w.commitment(), "jobs": jobs });
        post(&state, "/v1/quotes", &[], &request).await
    };
    for jobs in [0, 257] {
        ask(jobs).await.is_problem(400, "invalid-parameter");
    }
    let quoted: Escrow = serde_json::from_value(ask(3).await.json()).unwrap();
    assert_eq!(quoted.quote.uses, 3);
    let order =
        |salt: u8| Escrow { order: Order { salt: B256::repeat_byte(salt), ..quoted.order.clone() }, ..quoted.clone() };
    let orders = [order(1), order(2), order(3)];
    let mut ids = Vec::new();
    for order in &orders {
        ids.push(w.submit(&state, order).await);
    }
    let receipt =
        account::fund_batch(&w.rpc, &w.buyer, w.at.market, &orders.each_ref(), PayFrom::Account).await.unwrap();
    assert!(receipt.status());
    for id in &ids {
        until(&state, id, State::Settled).await;
    }
    let said = agrees(&w, &state).await;
    assert_eq!((said.jobs, said.models[0].settled, said.provers[0].buyers), (3, 3, 1));
    // the quote is used up
    assert!(account::fund(&w.rpc, &w.buyer, w.at.market, &order(4)).await.is_err());
    assert!(account::fund_batch(&w.rpc, &w.buyer, w.at.market, &[], PayFrom::Account).await.is_err());
    stop(state, workers).await;
}
