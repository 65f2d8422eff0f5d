//! Examples of bodies for `/openapi.json`. A test sends the requests to a server and reads the answers as what they are
//! examples of.

mod answers;

use serde_json::{Value, json};

const MODEL: &str = "0x0000000000000000000000000000000000000000000000000000000000000001";
const BUYER: &str = "0x3c44cdddb6a900fa2b585dd299e03d12fa4293bc";

/// Requests: path and body.
pub(super) fn requests() -> Vec<(&'static str, Value)> {
    let wanted = json!({ "prediction": { "model": MODEL, "input": [1.0, 2.0, 3.0, -1.5] } });
    let message = json!({ "kind": "message", "role": "user", "messageId": "7d1e3a", "parts": [{ "kind": "data", "data": wanted }] });
    vec![
        ("/v1/quotes", json!({ "model": MODEL, "buyer": BUYER, "batch": 64 })),
        ("/v1/commitments", json!({ "model": MODEL, "input": [1.0, 2.0, 3.0, -1.5] })),
        ("/v1/completions", json!({ "model": MODEL, "input": [3.0, 4.0], "max_tokens": 2 })),
        ("/v1/predictions", json!({ "model": MODEL, "input": [1.0, 2.0, 3.0, -1.5] })),
        (
            "/v1/verify",
            json!({ "model": MODEL, "context": MODEL, "input_commitments": [point()], "output_cells": [72, 48], "proof": "0x00ff" }),
        ),
        ("/v1/a2a", a2a(json!({ "method": "message/send", "params": { "message": message } }))),
        ("/v1/webhooks", json!({ "url": "https://shop.example/assay" })),
    ]
}

/// Answers: path, method, status and body.
pub(super) fn answers() -> Vec<(&'static str, &'static str, &'static str, Value)> {
    answers::all()
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

/// A call of the Agent2Agent protocol, or its answer.
fn a2a(mut call: Value) -> Value {
    call["jsonrpc"] = json!("2.0");
    call["id"] = json!(1);
    call
}

fn point() -> String {
    format!("0x{}", "0".repeat(128))
}
