//! Examples of bodies for `/openapi.json`. A test sends the requests to a server and reads the answers as what they are examples of.

use serde_json::{Value, json};

const MODEL: &str = "0x0000000000000000000000000000000000000000000000000000000000000001";
const BUYER: &str = "0x3c44cdddb6a900fa2b585dd299e03d12fa4293bc";

/// Requests: path and body.
pub(super) fn requests() -> Vec<(&'static str, Value)> {
    vec![
        ("/v1/quotes", json!({ "model": MODEL, "buyer": BUYER, "batch": 64 })),
        ("/v1/commitments", json!({ "model": MODEL, "input": [1.0, 2.0, 3.0, -1.5] })),
        ("/v1/completions", json!({ "model": MODEL, "input": [3.0, 4.0], "max_tokens": 2 })),
        ("/v1/predictions", json!({ "model": MODEL, "input": [1.0, 2.0, 3.0, -1.5] })),
        (
            "/v1/verify",
            json!({ "model": MODEL, "context": MODEL, "input_commitments": [point()], "output_cells": [72, 48], "proof": "0x00ff" }),
        ),
        ("/v1/webhooks", json!({ "url": "https://shop.example/assay" })),
    ]
}

/// Answers: path, method, status and body.
pub(super) fn answers() -> Vec<(&'static str, &'static str, &'static str, Value)> {
    vec![
        ("/v1/predictions", "post", "202", prediction("queued")),
        ("/v1/predictions/{id}", "get", "200", prediction("proven")),
        ("/v1/commitments", "post", "200", json!({ "input_commitments": [point()], "input_commitment": MODEL, "outside": 0 })),
        ("/v1/completions", "post", "200", json!({ "tokens": [5.0, 6.0], "input": [3.0, 4.0, 5.0, 6.0] })),
        ("/v1/verify", "post", "200", json!({ "valid": false, "reason": "the proof does not verify", "development": true })),
        (
            "/readyz",
            "get",
            "200",
            json!({ "status": "ok", "models": 1, "queued": 0, "disk_free_bytes": 18_253_611_008_u64, "block": 1042, "block_age_secs": 3 }),
        ),
        (
            "/v1/webhooks",
            "post",
            "201",
            json!({
                "id": "wh_5c1f0a2b9d3e4f60", "url": "https://shop.example/assay", "created_ms": 1_795_221_569_000_i64, "disabled_ms": null,
                "secret": "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
            }),
        ),
    ]
}

/// The body of every problem.
pub(super) fn problem(status: u16) -> Value {
    let code = match status {
        400 => "invalid-parameter",
        401 => "unauthorized",
        402 => "payment-required",
        403 => "scope-missing",
        404 => "no-such-prediction",
        429 => "rate-limited",
        503 => "storage-unavailable",
        _ => "internal",
    };
    json!({ "type": format!("urn:assay:problem:{code}"), "title": code.replace('-', " "), "status": status, "detail": "what happened this time", "code": code })
}

fn point() -> String {
    format!("0x{}", "0".repeat(128))
}

fn prediction(state: &str) -> Value {
    let done = state == "proven";
    let or_null = |value: Value| if done { value } else { Value::Null };
    json!({
        "id": "5b0f6c1c9f2d4e8ab3c0d1e2f3a4b5c6", "model": MODEL, "state": state, "terminal": done, "job_id": null, "payment": null,
        "input_commitments": [point()], "output": or_null(json!([4.5, 3.0])), "output_cells": or_null(json!([72, 48])),
        "outside": 0, "clamped": [], "clamps": 0, "batch": null, "context": or_null(json!(MODEL)), "proof_hash": or_null(json!(MODEL)),
        "proof_url": or_null(json!("/v1/predictions/5b0f6c1c9f2d4e8ab3c0d1e2f3a4b5c6/proof")), "transactions": [], "attempts": 0,
        "error_code": null, "error_detail": null, "created_ms": 1_795_221_569_000_i64, "updated_ms": 1_795_221_571_804_i64,
    })
}
