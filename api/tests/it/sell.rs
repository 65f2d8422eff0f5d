//! Models that the operator uploads: who may, what it may cost, and what becomes of the files. A script stands for the
//! compiler.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use assay_api::AppState;
use assay_api::config::ServeConfig;
use assay_api::engine::ModelInfo;
use assay_api::sell::{SellConfig, Shelf};
use async_trait::async_trait;
use axum::body::Body;
use serde_json::{Value, json};

use crate::fake::{Fake, eventually, free, get, post, send};

const OPERATOR: [(&str, &str); 1] = [("authorization", "Bearer secret")];

/// A compiler that says what it was asked to do. A model called `slow` takes a minute, one called `bad` is refused.
const COMPILER: &str = r#"#!/bin/sh
[ "$2" = explain ] && { echo '<svg xmlns="http://www.w3.org/2000/svg"/>' > model.svg; echo '{}'; exit; }
echo '{"step":"compile","detail":"reading"}' >&2
echo '{"warning":"few samples"}' >&2
case "$*" in
  *--name=slow*) exec sleep 60 ;;
  *--name=bad*) echo '{"error":"model.onnx is not an ONNX model","exit_code":3,"money":null,"page":"docs/operators.md"}'; exit 3 ;;
esac
cp model.onnx model.assay; cp "$5" model.key
echo "{\"file\":\"model.assay\",\"model_commitment\":\"0x01\",\"args\":\"$*\",\"names\":\"$(ls | tr '\n' ' ')\"}"
"#;

/// Offers a model whose card does not say that it is unwanted.
#[derive(Debug)]
struct OneShelf(ModelInfo);

#[async_trait]
impl Shelf for OneShelf {
    async fn offer(&self, package: &Path) -> Result<ModelInfo, String> {
        let card: Value = serde_json::from_slice(&std::fs::read(package.with_extension("card.json")).unwrap()).unwrap();
        if card["description"] == "unwanted" { Err("the card is unwanted".to_owned()) } else { Ok(self.0.clone()) }
    }

    async fn prove_weights(&self, package: &Path) -> String {
        assert!(package.is_file());
        "proven".to_owned()
    }
}

async fn shop(dir: &Path) -> AppState {
    let program = dir.join("compiler");
    std::fs::write(&program, COMPILER).unwrap();
    std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o700)).unwrap();
    let engine = Fake::new();
    let mut sell = SellConfig::new(program);
    (sell.upload_bytes_max, sell.waiting_max, sell.kept_max) = (4096, 1, 2);
    let mut config = ServeConfig::free(dir.join("data"));
    config.operator_token = Some("secret".into());
    config.sell = Some((sell, Arc::new(OneShelf(engine.models[0].clone()))));
    AppState::open(config, engine).await.unwrap()
}

fn task(name: &str) -> Value {
    json!({ "name": name, "onnx": "bW9kZWw=", "samples": "e30=", "format": "json" })
}

async fn upload(state: &AppState, name: &str) -> String {
    let taken = post(state, "/v1/compilations", &OPERATOR, &task(name)).await;
    assert_eq!(taken.status, 202, "{}", taken.text());
    taken.json()["id"].as_str().unwrap().to_owned()
}

async fn state_of(state: &AppState, id: &str) -> Value {
    get(state, &format!("/v1/compilations/{id}")).await.json()
}

async fn until(state: &AppState, id: &str, wanted: &str) -> Value {
    eventually(wanted, || async { state_of(state, id).await["state"] == wanted }).await;
    state_of(state, id).await
}

fn files(dir: &Path) -> Vec<PathBuf> {
    let mut all: Vec<PathBuf> = std::fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path()).collect();
    all.sort();
    all
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn only_the_operator_and_only_if_the_service_sells() {
    let dir = tempfile::tempdir().unwrap();
    let closed = free(&dir.path().join("closed"), Fake::new()).await;
    post(&closed, "/v1/compilations", &OPERATOR, &task("x")).await.is_problem(403, "not-selling");
    get(&closed, "/v1/compilations/00").await.is_problem(403, "not-selling");
    assert_eq!(get(&closed, "/v1/selling").await.json()["compiles"], false);

    let state = shop(dir.path()).await;
    assert_eq!(get(&state, "/v1/selling").await.json()["upload_bytes_max"], 4096);
    post(&state, "/v1/compilations", &[], &task("x")).await.is_problem(401, "unauthorized");
    post(&state, "/v1/compilations", &[("authorization", "Bearer other")], &task("x"))
        .await
        .is_problem(401, "unauthorized");
    get(&state, "/v1/compilations").await.is_problem(401, "unauthorized");
    get(&state, "/v1/seller").await.is_problem(401, "unauthorized");
    let id = upload(&state, "x").await;
    until(&state, &id, "done").await;
    get(&state, &format!("/v1/compilations/{id}/package")).await.is_problem(401, "unauthorized");
    post(&state, &format!("/v1/compilations/{id}/offer"), &[], &json!({})).await.is_problem(401, "unauthorized");
    let lister = json!({ "account": "0x3c44cdddb6a900fa2b585dd299e03d12fa4293bc" });
    post(&state, &format!("/v1/compilations/{id}/listing"), &[], &lister).await.is_problem(401, "unauthorized");
    post(&state, &format!("/v1/compilations/{id}/listing"), &OPERATOR, &lister).await.is_problem(409, "no-market");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn uploads_are_bounded_and_name_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let state = shop(dir.path()).await;
    let mut large = task("large");
    large["onnx"] = "AAAA".repeat(1100).into();
    post(&state, "/v1/compilations", &OPERATOR, &large).await.is_problem(413, "body-too-large");
    let with = |field: &str, value: Value| {
        let mut other = task("x");
        other[field] = value;
        other
    };
    for bad in [
        with("onnx", json!("no base 64!")),
        with("format", json!("../x")),
        with("name", json!("")),
        with("path", json!("/tmp/x")),
    ] {
        post(&state, "/v1/compilations", &OPERATOR, &bad).await.is_problem(422, "invalid-body");
    }
    assert_eq!(files(&dir.path().join("data/compilations")), Vec::<PathBuf>::new());

    let id = upload(&state, "../../etc/passwd --json").await;
    let done = until(&state, &id, "done").await;
    let said = &done["result"];
    assert_eq!(
        said["args"],
        "--json compile model.onnx --calibrate samples.json -o model.assay --name=../../etc/passwd --json"
    );
    assert_eq!(said["names"], "model.assay model.key model.onnx samples.json ");
    assert!(said["file"].is_null(), "where it lies is nobody's business: {said}");
    assert_eq!(done["warnings"], json!(["few samples"]));
    let folder = dir.path().join("data/compilations").join(&id);
    assert!(!folder.join("model.onnx").exists() && !folder.join("samples.json").exists(), "uploads are not kept");
    assert_eq!(files(&dir.path().join("data/compilations")), [folder]);
    let path = format!("/v1/compilations/{id}");
    assert_eq!(get(&state, &format!("{path}/drawing")).await.headers["content-type"], "image/svg+xml");
    assert_eq!(get(&state, &format!("{path}/key")).await.bytes, b"{}");
    assert_eq!(send(&state, "GET", &format!("{path}/package"), &OPERATOR, Body::empty()).await.bytes, b"model");
    get(&state, "/v1/compilations/..%2Fx").await.is_problem(404, "no-such-compilation");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_refusal_says_what_the_compiler_says() {
    let dir = tempfile::tempdir().unwrap();
    let state = shop(dir.path()).await;
    let id = upload(&state, "bad").await;
    let failed = until(&state, &id, "failed").await;
    let why = json!({ "code": "refused", "detail": "model.onnx is not an ONNX model", "page": "docs/operators.md" });
    assert_eq!(failed["error"], why);
    get(&state, &format!("/v1/compilations/{id}/key")).await.is_problem(409, "wrong-state");
    post(&state, &format!("/v1/compilations/{id}/offer"), &OPERATOR, &json!({})).await.is_problem(409, "wrong-state");
    let events = get(&state, &format!("/v1/compilations/{id}/events")).await.text();
    let kinds: Vec<&str> = events.lines().filter_map(|line| line.strip_prefix("event: ")).collect();
    assert_eq!(kinds, ["state", "state", "step", "warning", "state"]);
    let last =
        send(&state, "GET", &format!("/v1/compilations/{id}/events"), &[("last-event-id", "5")], Body::empty()).await;
    assert_eq!(last.status, 204, "a browser does not come back");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_at_a_time_and_each_can_be_stopped() {
    let dir = tempfile::tempdir().unwrap();
    let state = shop(dir.path()).await;
    let (first, second) = (upload(&state, "slow").await, upload(&state, "slow").await);
    until(&state, &first, "running").await;
    assert_eq!(state_of(&state, &second).await["state"], "waiting");
    post(&state, "/v1/compilations", &OPERATOR, &task("third")).await.is_problem(429, "queue-full");
    for id in [&second, &first] {
        assert_eq!(post(&state, &format!("/v1/compilations/{id}/cancel"), &[], &json!({})).await.status, 202);
    }
    assert_eq!(until(&state, &first, "cancelled").await["error"]["code"], "cancelled");
    until(&state, &second, "cancelled").await;

    // older ones make room for newer ones
    let third = upload(&state, "third").await;
    until(&state, &third, "done").await;
    let mut known = Vec::new();
    for id in [&first, &second, &third] {
        known.extend((get(&state, &format!("/v1/compilations/{id}")).await.status == 200).then_some(id));
    }
    assert!(known.len() == 2 && known.contains(&&third), "{known:?}");
    assert_eq!(files(&dir.path().join("data/compilations")).len(), 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_offered_moves_and_what_is_done_outlives_the_service() {
    let dir = tempfile::tempdir().unwrap();
    let state = shop(dir.path()).await;
    let (kept, sold) = (upload(&state, "kept").await, upload(&state, "sold").await);
    until(&state, &kept, "done").await;
    until(&state, &sold, "done").await;
    let offer = format!("/v1/compilations/{sold}/offer");
    let unwanted = post(&state, &offer, &OPERATOR, &json!({ "card": { "description": "unwanted" } })).await;
    unwanted.is_problem(422, "offer-refused");
    assert!(unwanted.text().contains("the card is unwanted"));
    post(&state, &offer, &OPERATOR, &json!({ "card": [] })).await.is_problem(422, "invalid-body");
    let offered = post(&state, &offer, &OPERATOR, &json!({ "card": { "description": "wanted" } })).await.json();
    let id = state.models()[0].id.to_string();
    assert_eq!(offered["model"], id);
    post(&state, &offer, &OPERATOR, &json!({})).await.is_problem(409, "offered-already");
    eventually("the weights", || async { state_of(&state, &sold).await["weights"] == "proven" }).await;
    let package = dir.path().join("data/offered").join(&sold).join("model.assay");
    assert_eq!(assay_api::sell::offered(&dir.path().join("data")), [package], "where the service looks when it starts");
    let slow = upload(&state, "slow").await;
    until(&state, &slow, "running").await;
    state.stopping.send_replace(true);
    post(&state, "/v1/compilations", &OPERATOR, &task("x")).await.is_problem(503, "draining");
    until(&state, &slow, "cancelled").await;
    drop(state);
    let state = shop(dir.path()).await;
    assert_eq!(state_of(&state, &kept).await["state"], "done");
    assert_eq!(state_of(&state, &sold).await["model"], id);
    let listed = send(&state, "GET", "/v1/compilations", &OPERATOR, Body::empty()).await.json();
    assert_eq!(listed["data"].as_array().unwrap().len(), 3);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_sellers_numbers() {
    let dir = tempfile::tempdir().unwrap();
    let engine = Fake::new();
    let (state, workers) = crate::jobs::start(dir.path(), engine.clone()).await;
    let good = crate::jobs::submit(&state, &[]).await;
    crate::jobs::until(&state, &good, assay_api::store::State::Proven).await;
    engine.fail.store(3, std::sync::atomic::Ordering::SeqCst);
    let bad = crate::jobs::submit(&state, &[]).await;
    crate::jobs::until(&state, &bad, assay_api::store::State::Failed).await;
    let numbers = send(&state, "GET", "/v1/seller", &OPERATOR, Body::empty()).await.json();
    let of = &numbers["models"].as_array().unwrap()[0];
    assert_eq!((&of["jobs"], &of["paid"]), (&json!({ "proven": 1, "failed": 1 }), &json!("0")));
    let failure = &numbers["failures"].as_array().unwrap()[0];
    assert_eq!((&failure["prediction"], &failure["error_code"]), (&json!(bad), &json!("prover-failed")));
    assert!(numbers["account"].is_null() && numbers["coins"].is_null());
    crate::jobs::stop(state, workers).await;
}
