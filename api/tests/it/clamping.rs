//! What does not fit: inputs outside the published range are refused unless allowed, and what was clamped is said.
//! Several inputs and outputs.

use assay_api::engine::TensorInfo;
use assay_api::{AppState, run_workers};
use axum::http::StatusCode;
use serde_json::{Value, json};

use crate::fake::{Fake, free, get, model_id, post};

const URL: &str = "/v1/predictions";

/// By default nothing is proven whose input the model is not made for, and the problem says which value it is.
#[tokio::test]
async fn inputs_outside_the_published_range_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    let state = free(dir.path(), Fake::new()).await;
    assert_eq!(get(&state, "/v1/models").await.json()["data"][0]["inputs"][0]["range"], json!([-100.0, 100.0]));
    let request = |input: Value| json!({ "model": model_id(1), "input": input });
    for (input, index, value) in
        [(json!([1, 2, 100.1, -500]), 2, "100.1"), (json!({ "x": [1, -3000.5, 2, 3] }), 1, "-3000.5")]
    {
        let answer = post(&state, URL, &[], &request(input)).await;
        answer.is_problem(422, "input-outside-range");
        let detail = answer.json()["detail"].as_str().unwrap().to_owned();
        for part in [&format!("value {index} of input \"x\" is {value}"), "-100 to 100", "allow_clamping"] {
            assert!(detail.contains(part), "{part}: {detail}");
        }
    }
    assert_eq!(state.store.counts().await.unwrap(), [], "what is refused leaves no job");
    let inside = post(&state, URL, &[], &request(json!([100, -100, 0, 1]))).await.json();
    assert_eq!((&inside["outside"], &inside["clamped"]), (&json!(0), &json!([])));
}

/// Who allows clamping is told before paying how much is outside, and what was clamped.
#[tokio::test]
async fn clamping_is_proven_where_it_is_allowed_and_said() {
    let dir = tempfile::tempdir().unwrap();
    let state = free(dir.path(), Fake::new()).await;
    let allowed = |input: Value| json!({ "model": model_id(1), "input": input, "allow_clamping": true });
    let made = post(&state, URL, &[("idempotency-key", "k")], &allowed(json!([101, 3000, 0, 0]))).await;
    assert_eq!(made.status, StatusCode::ACCEPTED);
    let made = made.json();
    assert_eq!((&made["outside"], &made["clamped"]), (&json!(2), &json!([{ "layer": "sum", "cells": 1 }])));
    assert_eq!(made["clamps"], json!(1));
    let again = get(&state, &format!("{URL}/{}", made["id"].as_str().unwrap())).await.json();
    assert_eq!(again, made, "the counts are kept with the job");
    let mild = post(&state, URL, &[], &allowed(json!([101, 0, 0, 0]))).await.json();
    assert_eq!((&mild["outside"], &mild["clamped"]), (&json!(1), &json!([])));
    let other = json!({ "model": model_id(1), "input": [101, 3000, 0, 0] });
    post(&state, URL, &[("idempotency-key", "k")], &other).await.is_problem(422, "idempotency-key-reused");
}

async fn two_by_two(dir: &std::path::Path) -> AppState {
    let mut model = Fake::new().models[0].clone();
    let tensor = |name: &str, len: u32, range| TensorInfo { name: name.into(), shape: vec![len], scale: 4, range };
    model.inputs = vec![tensor("tokens", 3, Some([0.0, 9.0])), tensor("mask", 1, Some([0.0, 1.0]))];
    model.outputs = vec![tensor("sum", 1, None), tensor("max", 1, None)];
    free(dir, Fake::with_model(model)).await
}

/// Inputs go by name or one after the other, and are the same prediction either way; several outputs come as a list
/// each.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn several_inputs_and_outputs() {
    let dir = tempfile::tempdir().unwrap();
    let state = two_by_two(dir.path()).await;
    let workers = tokio::spawn(run_workers(state.clone()));
    let request = |input: Value| json!({ "model": model_id(1), "input": input });
    let prove = async |input: Value| post(&state, URL, &[("prefer", "wait=60")], &request(input)).await.json();
    let (flat, named) = (prove(json!([1, 2, 3, 1])).await, prove(json!({ "mask": [1], "tokens": [1, 2, 3] })).await);
    for done in [&flat, &named] {
        assert_eq!((&done["state"], &done["output"]), (&json!("proven"), &json!([[7.0], [3.0]])), "{done}");
    }
    assert_eq!(flat["input_commitments"], named["input_commitments"]);

    for (input, code, part) in [
        (json!({ "tokens": [1, 2, 3] }), "input-missing", "mask"),
        (json!({ "tokens": [1, 2, 3], "mask": [1], "masks": [1] }), "input-unknown", "masks"),
        (json!({ "tokens": [1, 2], "mask": [1] }), "input-length", "tokens"),
        (json!([1, 2, 3]), "input-length", "4"),
        (json!({ "tokens": [1, 2, 3], "mask": [2] }), "input-outside-range", "mask"),
        (json!({ "tokens": 1, "mask": [1] }), "invalid-body", "input"),
    ] {
        let answer = post(&state, URL, &[], &request(input)).await;
        answer.is_problem(422, code);
        assert!(answer.json()["detail"].as_str().unwrap().contains(part), "{}", answer.text());
    }
    state.stopping.send_replace(true);
    workers.await.unwrap();
}
