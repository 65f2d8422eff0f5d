//! Orders that nobody pays for: a budget by client, no polling, and no place in anybody's way.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use alloy::primitives::B256;
use assay_api::store::State;
use axum::Router;
use axum::body::{Body, Bytes};
use axum::http::header::CONTENT_TYPE;
use axum::response::IntoResponse;
use axum::routing::post as route;
use serde_json::Value;

use crate::fake::{eventually, post};
use crate::market::{stop, until, world};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_without_money_is_in_nobodys_way() {
    let w = world!(false);
    let mut config = w.config();
    config.unfunded_per_client = 3;
    config.queue_max = 1; // unfunded orders take no place in it
    config.behind_proxy = true;
    let state = assay_api::AppState::open(config, w.engine.clone()).await.unwrap();
    let workers = tokio::spawn(assay_api::run_workers(state.clone()));
    let mallory = [("x-forwarded-for", "9.9.9.9, 10.0.0.1")];
    let mut escrows = Vec::new();
    for _ in 0..3 {
        let escrow = w.escrow(&state).await;
        let answer = post(&state, "/v1/predictions", &mallory, &w.request(&escrow)).await;
        assert_eq!(answer.status, 202, "{}", answer.text());
        escrows.push((escrow, answer.json()["id"].as_str().unwrap().to_owned()));
    }
    let more = w.escrow(&state).await;
    // whatever the client says in front of what the proxy adds
    let disguised = [("x-forwarded-for", "1.2.3.4, 10.0.0.1")];
    let answer = post(&state, "/v1/predictions", &disguised, &w.request(&more)).await;
    answer.is_problem(429, "too-many-unfunded");
    assert!(answer.headers.contains_key("retry-after"));
    // somebody else
    let honest = w.escrow(&state).await;
    let answer = post(&state, "/v1/predictions", &[("x-forwarded-for", "10.0.0.2")], &w.request(&honest)).await;
    assert_eq!(answer.status, 202, "{}", answer.text());
    w.fund(&honest).await;
    until(&state, answer.json()["id"].as_str().unwrap(), State::Settled).await;
    // whoever pays first is taken, budget or not
    w.fund(&more).await;
    let answer = post(&state, "/v1/predictions", &mallory, &w.request(&more)).await;
    assert_eq!(answer.status, 202, "{}", answer.text());
    until(&state, answer.json()["id"].as_str().unwrap(), State::Settled).await;
    // an order that is paid for leaves the budget
    let (paid, id) = escrows.remove(0);
    w.fund(&paid).await;
    until(&state, &id, State::Settled).await;
    let next = w.escrow(&state).await;
    assert_eq!(post(&state, "/v1/predictions", &mallory, &w.request(&next)).await.status, 202);
    // and so does one that lapses
    w.pass_secs(w.terms.quote_secs + 10).await;
    until(&state, &escrows[0].1, State::Expired).await;
    let budget = state.budget();
    eventually("the budget is free", async || !state.store.has_spent("10.0.0.1", budget).await.unwrap()).await;
    stop(state, workers).await;
}

/// A node that counts what it is asked, by method.
async fn counting(node: String) -> (String, Arc<Mutex<HashMap<String, u32>>>) {
    let counts: Arc<Mutex<HashMap<String, u32>>> = Arc::default();
    let (seen, client) = (counts.clone(), assay_api::tls::client_builder().no_proxy().build().unwrap());
    let forward = move |body: Bytes| {
        let (seen, client, node) = (seen.clone(), client.clone(), node.clone());
        async move {
            let request: Value = serde_json::from_slice(&body).unwrap();
            *seen.lock().unwrap().entry(request["method"].as_str().unwrap().to_owned()).or_default() += 1;
            let answer = client.post(node).header("content-type", "application/json").body(body).send().await.unwrap();
            ([(CONTENT_TYPE, "application/json")], Body::from(answer.bytes().await.unwrap())).into_response()
        }
    };
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, Router::new().route("/", route(forward))).await.unwrap() });
    (url, counts)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_order_without_money_is_not_asked_about() {
    let w = world!(false);
    let (url, counts) = counting(w.anvil.url().to_owned()).await;
    let mut config = w.config();
    config.chain.as_mut().unwrap().rpc_url = url;
    let state = assay_api::AppState::open(config, w.engine.clone()).await.unwrap();
    let workers = tokio::spawn(assay_api::run_workers(state.clone()));
    let mut last = (w.escrow(&state).await, String::new());
    for _ in 0..5 {
        last.0 = w.escrow(&state).await;
        last.1 = w.submit(&state, &last.0).await;
    }
    let count = |method: &str| counts.lock().unwrap().get(method).copied().unwrap_or_default();
    let (polls, calls) = (count("eth_blockNumber"), count("eth_call"));
    eventually("the chain is polled", async || count("eth_blockNumber") >= polls + 20).await;
    assert_eq!(count("eth_call"), calls, "nothing is asked about five orders in twenty polls");
    // the event says it
    let job: B256 = w.fund(&last.0).await;
    until(&state, &last.1, State::Settled).await;
    assert_eq!(state.store.job(&last.1).await.unwrap().chain_job, Some(job));
    stop(state, workers).await;
}
