//! `kill -9` of `assay serve --free` while it proves: after a restart the job ends, once.

use crate::tool::{command, fixture, model, s};
use assay_api::PredictionRequest;
use assay_api::client::Client;
use assay_api::store::{State, Store};
use serde_json::Value;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Stdio};
use std::time::Duration;

/// Starts the server and waits until it listens. Returns its process and its address.
fn start(data: &Path, port: u16) -> (Child, String) {
    let mut child = command()
        .args([
            "--json",
            "serve",
            "--free",
            "--models",
            s(model().parent().unwrap()),
            "--data",
            s(data),
            "--bind",
            &format!("127.0.0.1:{port}"),
        ])
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut line = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
    let ready: Value = serde_json::from_str(&line).unwrap_or_else(|_| panic!("the server says {line:?}"));
    (child, ready["url"].as_str().unwrap().to_owned())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_killed_server_finishes_its_job_once() {
    let dir = tempfile::tempdir().unwrap();
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let (mut server, url) = start(dir.path(), port);
    let client = Client::new(&url).unwrap();
    let models = client.models().await.unwrap();
    let input: Value = serde_json::from_slice(&std::fs::read(fixture("digit_7.json")).unwrap()).unwrap();
    let request = PredictionRequest {
        model: models[0].id,
        input: serde_json::from_value(input["input_data"][0].clone()).unwrap(),
        blinding: Vec::new(),
        allow_clamping: false,
        escrow: None,
        context: None,
    };
    let made = client.predict(&request, Some("once"), None).await.unwrap();
    let mut kills = 0;
    for _ in 0..2 {
        let state = loop {
            let now = client.prediction(&made.id).await.unwrap();
            if now.state != State::Queued {
                break now.state;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        };
        kills += u32::from(state == State::Proving);
        server.kill().unwrap(); // SIGKILL
        server.wait().unwrap();
        server = start(dir.path(), port).0;
    }
    assert!(kills > 0, "the server was killed while it proved");
    let again = client.predict(&request, Some("once"), None).await.unwrap();
    assert_eq!(again.id, made.id, "the key is remembered through the kill");
    let done = client.follow(&made.id, |_| {}).await.unwrap();
    assert_eq!(done.state, State::Proven, "{:?}", done.error_detail);
    assert!(!client.proof(&done).await.unwrap().is_empty());
    server.kill().unwrap();
    server.wait().unwrap();
    let store = Store::open(&dir.path().join("jobs.sqlite")).await.unwrap();
    let events = store.events(&made.id, 0, 10_000).await.unwrap();
    let ends = events.iter().filter(|e| e.kind == "state" && e.data["state"] == "proven").count();
    assert_eq!(ends, 1, "exactly one end");
}
