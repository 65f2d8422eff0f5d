//! `assay serve` and `assay worker` with one PostgreSQL database, and `assay jobs` for the service's operator.

use crate::postgres::Postgres;
use crate::tool::{Running, command, fails, fixture, json, model, s};
use assay_api::PredictionRequest;
use assay_api::client::Client;
use assay_api::store::State;
use serde_json::Value;
use std::path::Path;

/// `assay serve` or `assay worker`, ready.
fn start(part: &str, url: &str, data: &Path, more: &[&str]) -> (Running, Value) {
    let mut process = command();
    process.args(["--json", part, "--free", "--models", s(model().parent().unwrap()), "--data", s(data)]).args(more);
    process.env("DATABASE_URL", url).env("ASSAY_OPERATOR_TOKEN", "secret");
    process.stderr(std::fs::File::create(data.with_extension(part)).unwrap());
    Running::start(&mut process)
}

async fn get(url: &str, path: &str) -> (u16, String) {
    let client = assay_api::tls::client_builder().no_proxy().build().unwrap();
    let answer = client.get(format!("{url}{path}")).send().await.unwrap();
    (answer.status().as_u16(), answer.text().await.unwrap())
}

/// The value of a metric without labels.
fn value(metrics: &str, name: &str) -> Option<f64> {
    metrics.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' ')?.parse().ok())
}

/// A worker that has made one proof says so, and what only servers know it does not say.
async fn watched(server: &str, worker: &str) {
    assert_eq!(get(worker, "/livez").await.0, 200);
    assert_eq!(get(worker, "/v1/models").await.0, 404, "a worker takes no requests");
    let (status, text) = get(worker, "/metrics").await;
    assert_eq!(status, 200);
    assert_eq!(value(&text, "assay_proofs_total"), Some(1.0), "{text}");
    assert_eq!(value(&text, "assay_prediction_seconds_count"), Some(1.0), "{text}");
    assert!(value(&text, "assay_proof_seconds_total").unwrap() > 0.0, "{text}");
    assert!(text.contains("# TYPE assay_retries_total counter") && !text.contains("assay_jobs"), "{text}");
    let (_, text) = get(server, "/metrics").await;
    assert_eq!(value(&text, "assay_proofs_total"), Some(0.0), "what a worker counts is counted once");
    assert_eq!(value(&text, "assay_workers"), Some(1.0), "{text}");
    assert!(value(&text, "assay_http_request_seconds_count").unwrap() > 0.0, "{text}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_takes_what_a_worker_proves() {
    let Some((_database, url)) = Postgres::database() else { return };
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("data");
    let (_server, ready) = start("serve", &url, &data, &["--bind", "127.0.0.1:0"]);
    let service = ready["url"].as_str().unwrap();
    let client = Client::new(service).unwrap();
    let input: Value = serde_json::from_slice(&std::fs::read(fixture("digit_7.json")).unwrap()).unwrap();
    let request = PredictionRequest {
        max_tokens: None,
        model: client.models().await.unwrap()[0].id,
        input: serde_json::from_value(input["input_data"][0].clone()).unwrap(),
        blinding: Vec::new(),
        allow_clamping: false,
        batch: None,
        escrow: None,
        context: None,
    };
    let made = client.predict(&request, None, None).await.unwrap();
    assert_eq!(made.state, State::Queued, "nobody proves yet");
    let (status, text) = get(service, "/readyz").await;
    assert!(status == 503 && text.contains("no-workers"), "{text}");
    let (worker, ready) = start("worker", &url, &data, &["--bind", "127.0.0.1:0"]);
    assert_eq!(ready["models"].as_array().unwrap().len(), 1);
    let done = client.follow(&made.id, |_| {}).await.unwrap();
    assert_eq!(done.state, State::Proven, "{:?}", done.error_detail);
    let (status, text) = get(service, "/readyz").await;
    assert!(status == 200 && text.contains("\"workers\":1"), "{text}");
    watched(service, ready["url"].as_str().unwrap()).await;
    assert!(!client.proof(&done).await.unwrap().is_empty(), "the server has it from the worker");
    drop(worker);

    let operator = ["jobs", "--service", service, "--operator-token", "secret"];
    let list = json(0, operator);
    assert_eq!(list["predictions"][0]["id"].as_str(), Some(made.id.as_str()));
    assert_eq!(json(0, operator.iter().chain(&["--state", "failed"]))["predictions"], serde_json::json!([]));
    assert_eq!(json(0, operator.iter().chain(&["--retry", "all"]))["predictions"], serde_json::json!([]));
    let text = fails(1, operator.iter().chain(&["--retry", &made.id]));
    assert!(text.contains("proven"), "{text}");
    let text = fails(2, operator.iter().chain(&["--state", "lost"]));
    assert!(text.contains("awaiting_payment"), "{text}");
}
