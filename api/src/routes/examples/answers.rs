//! Examples of answers with status 2xx.

use serde_json::{Value, json};

use super::{BUYER, MODEL, a2a, point};

/// Path, method, status and body.
type Answer = (&'static str, &'static str, &'static str, Value);

/// What a prediction is called.
const PREDICTION: &str = "5b0f6c1c9f2d4e8ab3c0d1e2f3a4b5c6";
const SELLER: &str = "0x70997970c51812dc3a010c7d01b50e0d17dc79c8";
const MARKET: &str = "0x5fbdb2315678afecb367f032d93f642f64180aa3";
const REGISTRY: &str = "0xe7f1725e7734ce288f8367e1bb143e90bb3f0512";
const COIN: &str = "0x0000000000000000000000000000000000000000";
const HASH: &str = "0x9ca5d3b1f0e2c4a68b7d5f3e1c0a9b8d7f6e5d4c3b2a19080f1e2d3c4b5a6978";
const JOB: &str = "0x2ff3a1b2c3d4e5f60718293a4b5c6d7e8f90a1b2c3d4e5f60718293a4b5c6d7e";
const CREATED_MS: i64 = 1_795_221_569_000;
const CREATED_SECS: i64 = 1_795_221_569;

/// All of them.
pub(super) fn all() -> Vec<Answer> {
    let mut all = service();
    all.extend(models());
    all.extend(market());
    all.extend(predictions());
    all.extend(webhooks());
    all.extend(selling());
    all
}

fn service() -> Vec<Answer> {
    let ready = json!({
        "status": "ok", "models": 1, "queued": 0, "workers": null, "disk_free_bytes": 18_253_611_008_u64, "block": 1042, "block_age_secs": 3,
    });
    let card = json!({
        "protocolVersion": "0.3.0", "name": "Assay", "url": "https://prover.example/v1/a2a", "preferredTransport": "JSONRPC",
        "capabilities": { "streaming": false, "pushNotifications": false }, "defaultInputModes": ["application/json"],
        "skills": [{ "id": MODEL, "name": "digits", "description": "Reads handwritten digits.", "tags": ["machine-learning", "paid"] }],
    });
    let task = json!({
        "kind": "task", "id": PREDICTION, "contextId": MODEL, "status": { "state": "submitted", "timestamp": "2026-11-21T00:39:29.000Z" },
        "metadata": { "prediction": format!("https://prover.example/v1/predictions/{PREDICTION}") },
    });
    vec![
        ("/livez", "get", "200", json!({ "status": "ok" })),
        ("/readyz", "get", "200", ready),
        ("/.well-known/agent-card.json", "get", "200", card),
        ("/v1/a2a", "post", "200", a2a(json!({ "result": task }))),
    ]
}

fn model() -> Value {
    json!({
        "id": MODEL, "name": "digits", "model_commitment": HASH, "shape_digest": HASH, "key_hash": JOB, "wrap": "universal", "development": false,
        "parameters": 4474, "input_chunks": 1, "batches": [{ "inferences": 8, "key_hash": HASH }],
        "inputs": [{ "name": "image", "shape": [1, 8, 8], "scale": 7, "range": [0.0, 1.0] }],
        "outputs": [{ "name": "scores", "shape": [2], "scale": 4 }],
        "description": "Tells ones from sevens.", "labels": ["1", "7"], "licence": "any use", "free": false,
        "prepare": { "kind": "image", "width": 8, "height": 8, "channels": 1 },
        "terms": {
            "market": MARKET, "chain_id": 8453, "token": COIN, "price": "1000000000000000", "collateral": "100000000000000", "prove_secs": 600,
            "expire_secs": 3600, "quote_secs": 600, "explorer": "https://basescan.org",
        },
        "weights": { "proven_secs": CREATED_SECS, "development": false },
    })
}

fn models() -> Vec<Answer> {
    let part = |account: &str, kind: &str, share: f64| json!({ "account": account, "kind": kind, "share": share, "models": [] });
    let lineage = json!({
        "registrant": SELLER, "registered_secs": CREATED_SECS, "uri": "https://prover.example/digits",
        "parts": [part(SELLER, "owner", 0.9), part(BUYER, "account", 0.1)],
    });
    vec![
        ("/v1/models", "get", "200", json!({ "data": [model()], "next": null })),
        ("/v1/models/{id}", "get", "200", model()),
        ("/v1/models/{id}/lineage", "get", "200", lineage),
        (
            "/v1/commitments",
            "post",
            "200",
            json!({ "input_commitments": [point()], "input_commitment": MODEL, "outside": 0 }),
        ),
        ("/v1/completions", "post", "200", json!({ "tokens": [5.0, 6.0], "input": [3.0, 4.0, 5.0, 6.0] })),
        (
            "/v1/verify",
            "post",
            "200",
            json!({ "valid": false, "reason": "the proof does not verify", "development": true }),
        ),
    ]
}

fn market() -> Vec<Answer> {
    let job = json!({
        "job": JOB, "model": MODEL, "buyer": BUYER, "prover": SELLER, "token": COIN, "price": "1000000000000000", "paid": "1000000000000000",
        "state": "settled", "late": false, "funded_secs": CREATED_SECS, "ended_secs": CREATED_SECS + 9,
    });
    let history = json!({
        "market": MARKET, "registry": REGISTRY, "from_block": 1000, "block": 1042, "block_hash": HASH, "jobs": 1, "latest": [job],
        "models": [{
            "model": MODEL, "model_commitment": HASH, "owner": SELLER, "registered_secs": CREATED_SECS - 3600, "deprecated": false,
            "weights_proven_at": CREATED_SECS - 3000, "funded": 1, "settled": 1, "late": 0, "returned": 0, "earned": { COIN: "1000000000000000" },
        }],
        "provers": [{ "prover": SELLER, "settled": 1, "late": 0, "missed": 0, "refunded": 0, "buyers": 1, "earned": { COIN: "1000000000000000" } }],
    });
    let ended = json!({
        "model": MODEL, "state": "settled", "price": "1000000000000000", "created_ms": CREATED_MS, "ended_ms": CREATED_MS + 9000,
    });
    vec![
        ("/v1/history", "get", "200", json!({ "data": [ended] })),
        ("/v1/market", "get", "200", history),
        ("/v1/market/jobs", "get", "200", json!({ "data": [job], "next": null, "block": 1042, "block_hash": HASH })),
        ("/v1/quotes", "post", "201", quote()),
    ]
}

fn quote() -> Value {
    json!({
        "order": {
            "buyer": BUYER, "model_id": MODEL, "model_commitment": HASH, "input_commitment": JOB, "key_hash": JOB, "verifier": MARKET, "token": COIN,
            "max_price": "1000000", "fee_split_hash": HASH, "prove_secs": 600, "expire_secs": 3600, "collateral": "100000", "prover": COIN,
            "salt": HASH, "unclamped": false,
        },
        "quote": {
            "model_id": MODEL, "key_hash": JOB, "token": COIN, "price": "1000000", "collateral": "100000", "prove_secs": 600, "expire_secs": 3600,
            "buyer": BUYER, "provers": [SELLER], "valid_from": CREATED_SECS, "valid_until": CREATED_SECS + 600, "inferences": 1, "uses": 1,
            "epoch": 0, "nonce": HASH,
        },
        "signature": format!("0x{}1b", "5e".repeat(64)),
    })
}

fn prediction(state: &str) -> Value {
    let proven = state == "proven";
    let or_null = |value: Value| if proven { value } else { Value::Null };
    json!({
        "id": PREDICTION, "model": MODEL, "state": state, "terminal": proven || state == "cancelled", "job_id": null, "payment": null,
        "input_commitments": [point()], "output": or_null(json!([4.5, 3.0])), "output_cells": or_null(json!([72, 48])),
        "outside": 0, "clamped": [], "clamps": 0, "batch": null, "context": or_null(json!(MODEL)), "proof_hash": or_null(json!(MODEL)),
        "proof_url": or_null(json!(format!("/v1/predictions/{PREDICTION}/proof"))), "transactions": [], "attempts": 0,
        "error_code": null, "error_detail": null, "created_ms": CREATED_MS, "updated_ms": CREATED_MS + 2804,
    })
}

fn predictions() -> Vec<Answer> {
    vec![
        ("/v1/predictions", "post", "201", prediction("proven")),
        ("/v1/predictions", "post", "202", prediction("queued")),
        (
            "/v1/predictions",
            "get",
            "200",
            json!({ "data": [prediction("proven"), prediction("queued")], "next": null }),
        ),
        ("/v1/predictions/{id}", "get", "200", prediction("proven")),
        ("/v1/predictions/{id}/cancel", "post", "200", prediction("cancelled")),
        ("/v1/predictions/{id}/cancel", "post", "202", prediction("proving")),
        ("/v1/predictions/{id}/retry", "post", "202", prediction("queued")),
    ]
}

fn webhooks() -> Vec<Answer> {
    let hook = json!({ "id": "wh_5c1f0a2b9d3e4f60", "url": "https://shop.example/assay", "created_ms": CREATED_MS, "disabled_ms": null });
    let mut made = hook.clone();
    made["secret"] = json!("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw");
    let delivery = json!({
        "id": "msg_0f1e2d3c4b5a69788796a5b4c3d2e1f0", "prediction": PREDICTION, "state": "pending", "attempts": 1,
        "error": "the receiver answered with status 500", "created_ms": CREATED_MS,
    });
    vec![
        ("/v1/webhooks", "post", "201", made),
        ("/v1/webhooks", "get", "200", json!({ "data": [hook] })),
        ("/v1/webhooks/{id}/deliveries", "get", "200", json!({ "data": [delivery] })),
    ]
}

fn compilation(state: &str) -> Value {
    json!({
        "id": "0011223344556677", "name": "digits", "state": state, "warnings": [], "listing": true,
        "model": if state == "done" { json!(MODEL) } else { Value::Null }, "error": null, "result": null, "weights": null,
        "created_ms": CREATED_MS, "updated_ms": CREATED_MS + 41_000,
    })
}

fn selling() -> Vec<Answer> {
    let failure = json!({
        "prediction": PREDICTION, "model": MODEL, "error_code": "chain-refused", "error_detail": "the key is frozen", "failed_ms": CREATED_MS,
    });
    let numbers = json!({
        "account": SELLER, "coins": "2000000000000000000", "credit": [{ "token": COIN, "credit": "1000000000000000" }],
        "models": [{ "model": MODEL, "jobs": { "settled": 1, "failed": 1 }, "paid": "1000000000000000" }], "failures": [failure],
    });
    let selling = json!({
        "compiles": true, "market": MARKET, "seller": SELLER, "memory_mib": 4096, "compile_secs": 600, "upload_bytes_max": 67_108_864,
    });
    let next = json!({ "next": "send", "to": REGISTRY, "data": "0x00ff", "what": "register the model" });
    vec![
        ("/v1/selling", "get", "200", selling),
        ("/v1/seller", "get", "200", numbers),
        ("/v1/compilations", "post", "202", compilation("waiting")),
        ("/v1/compilations", "get", "200", json!({ "data": [compilation("done")] })),
        ("/v1/compilations/{id}", "get", "200", compilation("running")),
        ("/v1/compilations/{id}/cancel", "post", "202", compilation("cancelled")),
        ("/v1/compilations/{id}/listing", "post", "200", next),
        ("/v1/compilations/{id}/offer", "post", "200", compilation("done")),
    ]
}
