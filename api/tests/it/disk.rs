//! A disk that is full for a while: nothing is wedged, nothing is proven twice, and what was refused happens when there
//! is room.

use std::sync::Arc;
use std::sync::atomic::Ordering::SeqCst;
use std::time::Duration;

use assay_api::AppState;
use assay_api::store::State;
use serde_json::json;

use crate::fake::{Fake, eventually, get, post};
use crate::jobs::{request, start, stop, submit, until};

/// Lets the database grow no more, and fills what room its pages have left.
async fn fill(state: &AppState, job: &str) {
    state.store.limit_pages(1);
    let mut size = 4000;
    while size > 0 {
        if state.store.note(job, "filler", &json!("x".repeat(size))).await.is_err() {
            size /= 2;
        }
    }
}

/// A server with a finished proof that its database does not take, and the job.
async fn stuck(dir: &std::path::Path, engine: &Arc<Fake>) -> (AppState, tokio::task::JoinHandle<()>, String) {
    // the proof takes longer than to fill the disk, however slow that is
    engine.step_ms.store(2000, SeqCst);
    let (state, workers) = start(dir, engine.clone()).await;
    let id = submit(&state, &[]).await;
    until(&state, &id, State::Proving).await;
    fill(&state, &id).await;
    engine.step_ms.store(20, SeqCst);
    eventually("the proof is made", async || engine.proofs.load(SeqCst) == 1).await;
    eventually("the proof is on disk", async || std::fs::read_dir(dir.join("proofs")).unwrap().count() == 2).await;
    assert_eq!(state.store.job(&id).await.unwrap().state, State::Proving, "the database has no room to say so");
    (state, workers, id)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_disk_wedges_nothing() {
    let (dir, engine) = (tempfile::tempdir().unwrap(), Fake::new());
    let (state, workers, id) = stuck(dir.path(), &engine).await;
    // more refused requests than there are connections
    for _ in 0..20 {
        post(&state, "/v1/predictions", &[], &request()).await.is_problem(503, "storage-unavailable");
    }
    assert_eq!(get(&state, &format!("/v1/predictions/{id}")).await.status, 200, "reading goes on");
    get(&state, "/readyz").await.is_problem(503, "storage-unavailable");
    state.store.limit_pages(0);
    assert_eq!(get(&state, "/readyz").await.status, 200);
    for _ in 0..20 {
        assert_eq!(post(&state, "/v1/predictions", &[], &request()).await.status, 202);
    }
    until(&state, &id, State::Proven).await;
    eventually("the others are proven", async || engine.proofs.load(SeqCst) == 21).await;
    stop(state, workers).await;
    assert_eq!(engine.proofs.load(SeqCst), 21, "no proof was made twice");
    assert_eq!(std::fs::read_dir(dir.path().join("proofs")).unwrap().filter(|f| is_note(f)).count(), 0);
}

fn is_note(file: &std::io::Result<std::fs::DirEntry>) -> bool {
    file.as_ref().unwrap().path().extension().is_some_and(|e| e == "of")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_proof_on_disk_is_not_made_again_after_a_crash() {
    let (dir, engine) = (tempfile::tempdir().unwrap(), Fake::new());
    let (state, workers, id) = stuck(dir.path(), &engine).await;
    crate::market::crash(state, workers).await;
    tokio::time::sleep(Duration::from_millis(200)).await; // the file lock goes with the last task
    let (state, workers) = start(dir.path(), engine.clone()).await;
    until(&state, &id, State::Proven).await;
    assert_eq!(engine.proofs.load(SeqCst), 1);
    stop(state, workers).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_new_is_taken_where_the_disk_is_almost_full() {
    let dir = tempfile::tempdir().unwrap();
    let mut state = crate::fake::free(dir.path(), Fake::new()).await;
    let mut config = (*state.config).clone();
    config.disk_bytes_min = u64::MAX;
    state.config = config.into();
    let answer = post(&state, "/v1/predictions", &[], &request()).await;
    answer.is_problem(503, "storage-unavailable");
    get(&state, "/readyz").await.is_problem(503, "storage-unavailable");
    assert!(answer.headers.contains_key("retry-after"));
}
