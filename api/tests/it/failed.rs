//! Predictions that failed for good: looked at, and run again.

use std::sync::atomic::Ordering::SeqCst;

use assay_api::store::State;
use axum::body::Body;

use crate::fake::{Answer, Fake, get, send};
use crate::jobs::{start, stop, submit, until};
use crate::market::world;

const OPERATOR: [(&str, &str); 1] = [("authorization", "Bearer secret")];

async fn retry(state: &assay_api::AppState, id: &str, headers: &[(&str, &str)]) -> Answer {
    send(state, "POST", &format!("/v1/predictions/{id}/retry"), headers, Body::empty()).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_failed_is_listed_and_run_again() {
    let (dir, engine) = (tempfile::tempdir().unwrap(), Fake::new());
    let (state, workers) = start(dir.path(), engine.clone()).await;
    engine.fail.store(3, SeqCst);
    let failed = submit(&state, &[]).await;
    until(&state, &failed, State::Failed).await;
    let fine = submit(&state, &[]).await;
    until(&state, &fine, State::Proven).await;
    assert!(state.store.job(&failed).await.unwrap().input.is_some(), "kept, so that it can be run again");
    assert!(state.store.job(&fine).await.unwrap().input.is_none());

    let list = send(&state, "GET", "/v1/predictions?state=failed", &OPERATOR, Body::empty()).await.json();
    let listed = list["data"].as_array().unwrap();
    assert_eq!((listed.len(), &listed[0]["id"]), (1, &failed.as_str().into()));
    assert_eq!(listed[0]["error_code"], "prover-failed");
    send(&state, "GET", "/v1/predictions?state=lost", &OPERATOR, Body::empty())
        .await
        .is_problem(400, "invalid-parameter");

    retry(&state, &failed, &[]).await.is_problem(401, "unauthorized");
    retry(&state, &fine, &OPERATOR).await.is_problem(409, "wrong-state");
    retry(&state, "nothing", &OPERATOR).await.is_problem(404, "no-such-prediction");
    assert_eq!(retry(&state, &failed, &OPERATOR).await.status, 202);
    until(&state, &failed, State::Proven).await;
    let now = get(&state, &format!("/v1/predictions/{failed}")).await.json();
    assert_eq!(
        (&now["attempts"], &now["error_code"]),
        (&0.into(), &serde_json::Value::Null),
        "as if it had never been tried"
    );

    engine.fail.store(3, SeqCst);
    let forgotten = submit(&state, &[]).await;
    until(&state, &forgotten, State::Failed).await;
    assert_eq!(state.store.forget_failed(0).await.unwrap(), 1);
    retry(&state, &forgotten, &OPERATOR).await.is_problem(409, "input-forgotten");
    stop(state, workers).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_paid_one_that_failed_is_settled_after_all() {
    let w = world!(false);
    let mut config = w.config();
    config.operator_token = Some("secret".to_owned().into());
    let state = assay_api::AppState::open(config, w.engine.clone()).await.unwrap();
    let workers = tokio::spawn(assay_api::run_workers(state.clone()));
    w.engine.fail.store(3, SeqCst);
    let escrow = w.escrow(&state).await;
    let id = w.submit(&state, &escrow).await;
    w.fund(&escrow).await;
    crate::market::until(&state, &id, State::Failed).await;
    assert_eq!(retry(&state, &id, &OPERATOR).await.status, 202);
    crate::market::until(&state, &id, State::Settled).await;
    w.paid_for(1).await;
    crate::market::stop(state, workers).await;
}
