//! Free predictions with the workers running: proofs, events, waiting, cancelling, failing, draining, restarting.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering::SeqCst;
use std::time::Duration;

use alloy::primitives::keccak256;
use assay_api::store::State;
use assay_api::{AppState, run_workers};
use axum::body::Body;
use axum::http::StatusCode;
use serde_json::{Value, json};
use tokio::task::JoinHandle;

use crate::fake::{Fake, eventually, free, get, model_id, post, send};

pub async fn start(dir: &Path, engine: Arc<Fake>) -> (AppState, JoinHandle<()>) {
    let state = free(dir, engine).await;
    let workers = tokio::spawn(run_workers(state.clone()));
    (state, workers)
}

pub async fn stop(state: AppState, workers: JoinHandle<()>) {
    state.stopping.send_replace(true);
    workers.await.unwrap();
}

pub fn request() -> Value {
    json!({ "model": model_id(1), "input": [1.0, 2.0, 3.0, -1.5] })
}

pub async fn submit(state: &AppState, headers: &[(&str, &str)]) -> String {
    post(state, "/v1/predictions", headers, &request()).await.json()["id"].as_str().unwrap().to_owned()
}

pub async fn until(state: &AppState, id: &str, wanted: State) {
    eventually(&format!("{id} is {wanted}"), async || state.store.job(id).await.unwrap().state == wanted).await;
}

/// `(id, kind, data)` of each server-sent event.
async fn events(state: &AppState, id: &str, last: Option<&str>) -> Vec<(String, String, Value)> {
    let headers: Vec<_> = last.map(|l| ("last-event-id", l)).into_iter().collect();
    let answer = send(state, "GET", &format!("/v1/predictions/{id}/events"), &headers, Body::empty()).await;
    assert_eq!(answer.headers["content-type"], "text/event-stream");
    let text = answer.text();
    text.split("\n\n")
        .filter(|block| block.contains("data:"))
        .map(|block| {
            let field = |name: &str| block.lines().find_map(|l| l.strip_prefix(name)).unwrap().trim().to_owned();
            (field("id:"), field("event:"), serde_json::from_str(&field("data:")).unwrap())
        })
        .collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_prediction_is_proven_and_its_proof_verifies() {
    let dir = tempfile::tempdir().unwrap();
    let (state, workers) = start(dir.path(), Fake::new()).await;
    let done = post(&state, "/v1/predictions", &[("prefer", "respond-async, wait=20")], &request()).await;
    assert_eq!(done.status, StatusCode::CREATED);
    assert_eq!(done.headers["preference-applied"], "wait=20");
    let waited = post(&state, "/v1/predictions", &[("prefer", "wait")], &request()).await;
    assert_eq!(
        (waited.status, &waited.headers["preference-applied"]),
        (StatusCode::CREATED, &"wait=60".parse().unwrap())
    );
    let done = done.json();
    assert_eq!((&done["state"], &done["terminal"]), (&json!("proven"), &json!(true)));
    assert_eq!(done["output"], json!([4.5, 3.0]));
    let proof = get(&state, done["proof_url"].as_str().unwrap()).await;
    assert_eq!(json!(keccak256(&proof.bytes)), done["proof_hash"]);
    let id = done["id"].as_str().unwrap();
    assert_eq!(done["context"], json!(keccak256(id)));
    let claim = json!({ "model": done["model"], "context": done["context"], "input_commitments": done["input_commitments"],
        "output_cells": done["output_cells"], "proof": alloy::hex::encode_prefixed(&proof.bytes) });
    assert_eq!(post(&state, "/v1/verify", &[], &claim).await.json()["valid"], true);
    post(&state, &format!("/v1/predictions/{id}/cancel"), &[], &json!({})).await.is_problem(409, "not-cancellable");
    let metrics = get(&state, "/metrics").await.text();
    assert!(
        metrics.contains("assay_proofs_total 2\n") && metrics.contains("assay_jobs{state=\"proven\"} 2\n"),
        "{metrics}"
    );
    stop(state, workers).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_stream_tells_everything_once_and_resumes() {
    let dir = tempfile::tempdir().unwrap();
    let (state, workers) = start(dir.path(), Fake::new()).await;
    state.store.ping().await.unwrap();
    let id = submit(&state, &[]).await;
    let live = events(&state, &id, None).await; // ends with the job
    let states: Vec<_> =
        live.iter().filter(|e| e.1 == "state").map(|e| e.2["data"]["state"].as_str().unwrap()).collect();
    assert_eq!(states, ["queued", "proving", "proven"]);
    let phases: Vec<_> =
        live.iter().filter(|e| e.1 == "progress").map(|e| e.2["data"]["phase"].as_str().unwrap()).collect();
    assert!(phases.contains(&"commit") && phases.contains(&"wrap_quotient"), "{phases:?}");
    assert_eq!(events(&state, &id, None).await, live, "a later reader sees the same");
    let resumed = events(&state, &id, Some(&live[1].0)).await;
    assert_eq!(resumed, live[2..]);
    let fractions: Vec<f64> = live.iter().filter_map(|e| e.2["data"]["fraction"].as_f64()).collect();
    assert!(fractions.is_sorted() && fractions.last() == Some(&1.0), "{fractions:?}");
    let seen = [("last-event-id", live.last().unwrap().0.as_str())];
    let answer = send(&state, "GET", &format!("/v1/predictions/{id}/events"), &seen, Body::empty()).await;
    assert_eq!((answer.status, answer.bytes.len()), (StatusCode::NO_CONTENT, 0), "a browser is told not to come back");
    let answer =
        send(&state, "GET", &format!("/v1/predictions/{id}/events"), &[("last-event-id", "x")], Body::empty()).await;
    answer.is_problem(400, "invalid-header");
    stop(state, workers).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_running_proof_is_cancelled() {
    let dir = tempfile::tempdir().unwrap();
    let engine = Fake::new();
    engine.step_ms.store(3000, SeqCst);
    let (state, workers) = start(dir.path(), engine.clone()).await;
    let id = submit(&state, &[]).await;
    until(&state, &id, State::Proving).await;
    let answer = post(&state, &format!("/v1/predictions/{id}/cancel"), &[], &json!({})).await;
    assert_eq!(answer.status, StatusCode::ACCEPTED);
    until(&state, &id, State::Cancelled).await;
    assert_eq!(engine.proofs.load(SeqCst), 0);
    stop(state, workers).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn time_runs_out() {
    let dir = tempfile::tempdir().unwrap();
    let engine = Fake::new();
    engine.step_ms.store(1000, SeqCst);
    let (state, workers) = start(dir.path(), engine).await;
    let (running, waiting) =
        (submit(&state, &[("cancel-after", "1s")]).await, submit(&state, &[("cancel-after", "1")]).await);
    until(&state, &waiting, State::Cancelled).await;
    until(&state, &running, State::Cancelled).await;
    let answer = post(&state, "/v1/predictions", &[("prefer", "wait=1")], &request()).await;
    assert_eq!(answer.status, StatusCode::ACCEPTED, "waiting ends before the proof");
    stop(state, workers).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn failures_are_retried_up_to_the_cap() {
    let dir = tempfile::tempdir().unwrap();
    let engine = Fake::new();
    let (state, workers) = start(dir.path(), engine.clone()).await;
    engine.fail.store(1, SeqCst);
    engine.panic.store(1, SeqCst);
    let id = submit(&state, &[]).await;
    until(&state, &id, State::Proven).await;
    let retries = state.store.events(&id, 0, 100).await.unwrap().into_iter().filter(|e| e.kind == "retry").count();
    assert_eq!((retries, state.store.job(&id).await.unwrap().attempts), (2, 2));

    engine.fail.store(3, SeqCst);
    let id = submit(&state, &[]).await;
    until(&state, &id, State::Failed).await;
    let failed = get(&state, &format!("/v1/predictions/{id}")).await.json();
    assert_eq!(failed["error_code"], "prover-failed");
    assert_eq!(failed["error_detail"], "the prover failed: asked to fail");
    assert_eq!(engine.fail.load(SeqCst), 0);
    let id = submit(&state, &[]).await;
    until(&state, &id, State::Proven).await;
    stop(state, workers).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_drained_proof_goes_on_after_a_restart() {
    let dir = tempfile::tempdir().unwrap();
    let engine = Fake::new();
    engine.step_ms.store(500, SeqCst);
    let (state, workers) = start(dir.path(), engine.clone()).await;
    let (first, second) = (submit(&state, &[]).await, submit(&state, &[]).await);
    let third = submit(&state, &[]).await;
    until(&state, &first, State::Proving).await;
    until(&state, &second, State::Proving).await; // it waits for its turn
    stop(state.clone(), workers).await;
    assert_eq!(state.store.job(&first).await.unwrap().state, State::Proving, "longer than the drain");
    assert_eq!(state.store.job(&second).await.unwrap().state, State::Proving);
    assert_eq!(state.store.job(&third).await.unwrap().state, State::Queued, "two at a time");
    drop(state);

    engine.step_ms.store(0, SeqCst);
    let (state, workers) = start(dir.path(), engine.clone()).await;
    until(&state, &first, State::Proven).await;
    until(&state, &second, State::Proven).await;
    until(&state, &third, State::Proven).await;
    assert_eq!(engine.proofs.load(SeqCst), 3);
    stop(state, workers).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_proof_that_dies_with_its_process_is_made_again() {
    let dir = tempfile::tempdir().unwrap();
    let engine = Fake::new();
    engine.step_ms.store(200, SeqCst);
    let (state, workers) = start(dir.path(), engine.clone()).await;
    let id = submit(&state, &[]).await;
    until(&state, &id, State::Proving).await;
    workers.abort(); // no drain, no release: the lease stays in the database
    let _ = workers.await;
    drop(state);
    let mut state = None;
    for _ in 0..100 {
        // the file lock goes when the last task of the dead server does
        let mut config = assay_api::config::ServeConfig::free(dir.path());
        config.operator_token = None;
        match AppState::open(config, engine.clone()).await {
            Ok(opened) => {
                state = Some(opened);
                break;
            }
            Err(_) => tokio::time::sleep(Duration::from_millis(50)).await,
        }
    }
    let state = state.unwrap();
    engine.step_ms.store(0, SeqCst);
    let workers = tokio::spawn(run_workers(state.clone()));
    until(&state, &id, State::Proven).await;
    let ends = state.store.events(&id, 0, 100).await.unwrap();
    assert_eq!(ends.iter().filter(|e| e.data["state"] == "proven").count(), 1);
    stop(state, workers).await;
}

#[tokio::test]
async fn one_server_per_data_folder() {
    let dir = tempfile::tempdir().unwrap();
    let first = free(dir.path(), Fake::new()).await;
    let config = assay_api::config::ServeConfig::free(dir.path());
    let second = AppState::open(config.clone(), Fake::new()).await;
    assert!(matches!(second.err(), Some(assay_api::ServeError::Locked { .. })));
    drop(first);
    assert!(AppState::open(config, Fake::new()).await.is_ok());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_proof_waits_for_a_disk_that_can_take_it() {
    let (dir, engine) = (tempfile::tempdir().unwrap(), Fake::new());
    let (state, workers) = start(dir.path(), engine.clone()).await;
    std::fs::remove_dir(dir.path().join("proofs")).unwrap(); // stands for a full disk: every write fails
    let id = submit(&state, &[]).await;
    eventually("a retry", async || state.store.events(&id, 0, 100).await.unwrap().iter().any(|e| e.kind == "retry"))
        .await;
    assert_eq!(state.store.job(&id).await.unwrap().attempts, 0, "an outage is not the job's fault");
    std::fs::create_dir(dir.path().join("proofs")).unwrap();
    until(&state, &id, State::Proven).await;
    assert_eq!(engine.proofs.load(SeqCst), 1, "a finished proof is kept until the disk takes it");
    stop(state, workers).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn serve_answers_and_ends() {
    let dir = tempfile::tempdir().unwrap();
    let mut config = assay_api::config::ServeConfig::free(dir.path());
    config.bind = ([127, 0, 0, 1], 0).into();
    let (end, ended) = tokio::sync::oneshot::channel::<()>();
    let (tell, told) = tokio::sync::oneshot::channel();
    let server = tokio::spawn(assay_api::serve(
        config,
        Fake::new(),
        async move {
            let _ = ended.await;
        },
        move |address| {
            let _ = tell.send(address);
        },
    ));
    let url = format!("http://{}", told.await.unwrap());
    let client = assay_api::client::Client::new(&url).unwrap();
    assert_eq!(client.models().await.unwrap().len(), 3);
    let request = serde_json::from_value(request()).unwrap();
    let made = client.predict(&request, Some("key"), None).await.unwrap();
    let mut seen = Vec::new();
    let done = client.follow(&made.id, |event| seen.push(event.kind.clone())).await.unwrap();
    assert_eq!(done.state, State::Proven);
    assert!(seen.contains(&"progress".to_owned()) && seen.contains(&"state".to_owned()));
    let proof = client.proof(&done).await.unwrap();
    assert_eq!(Some(keccak256(&proof)), done.proof_hash);
    let problem = client.prediction("none").await.unwrap_err();
    assert!(matches!(problem, assay_api::client::ClientError::Problem(p) if p.code == "no-such-prediction"));
    end.send(()).unwrap();
    server.await.unwrap().unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_copy_of_a_running_server_is_the_server() {
    let (dir, copies) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let (state, workers) = start(dir.path(), Fake::new()).await;
    let id = submit(&state, &[]).await;
    until(&state, &id, State::Proven).await;
    let copy = copies.path().join("copy");
    let made = assay_api::backup(dir.path(), &copy).await.unwrap();
    assert_eq!(made.proofs, 1);
    assert!(assay_api::backup(dir.path(), &copy).await.is_err(), "nothing is written over");
    assert!(assay_api::backup(copies.path(), &copies.path().join("other")).await.is_err(), "there is no database");
    let later = submit(&state, &[]).await;
    stop(state, workers).await;
    let (state, workers) = start(&copy, Fake::new()).await;
    assert_eq!(get(&state, &format!("/v1/predictions/{id}/proof")).await.status, StatusCode::OK);
    get(&state, &format!("/v1/predictions/{later}")).await.is_problem(404, "no-such-prediction");
    stop(state, workers).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_over_long_ago_is_forgotten() {
    let (dir, engine) = (tempfile::tempdir().unwrap(), Fake::new());
    let (state, workers) = start(dir.path(), engine.clone()).await;
    let over = submit(&state, &[]).await;
    until(&state, &over, State::Proven).await;
    engine.step_ms.store(1000, SeqCst);
    let running = submit(&state, &[]).await;
    until(&state, &running, State::Proving).await;
    stop(state.clone(), workers).await;
    let files = || std::fs::read_dir(dir.path().join("proofs")).unwrap().count();
    assert_eq!((state.store.purge(0, 10).await.unwrap(), files()), ((0, vec![]), 1), "nothing is that old");
    drop(state);
    tokio::time::sleep(Duration::from_millis(50)).await;
    let mut config = assay_api::config::ServeConfig::free(dir.path());
    config.keep = Some(Duration::ZERO);
    config.drain = Duration::from_millis(100);
    let state = AppState::open(config, engine).await.unwrap();
    let workers = tokio::spawn(run_workers(state.clone()));
    eventually("it is forgotten", async || state.store.job(&over).await.is_err() && files() == 0).await;
    assert_eq!(state.store.events(&over, 0, 10).await.unwrap(), []);
    assert!(state.store.job(&running).await.is_ok(), "what is not over is kept");
    stop(state, workers).await;
}
