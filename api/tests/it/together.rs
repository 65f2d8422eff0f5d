//! Predictions without an order that are proven together: free ones, and those whose payment is held.

use std::sync::Arc;
use std::sync::atomic::Ordering::SeqCst;

use alloy::primitives::{B256, keccak256};
use alloy::sol_types::SolValue;
use assay_api::config::ServeConfig;
use assay_api::engine::native::NativeEngine;
use assay_api::engine::{BatchKey, Engine, InputOpening, ModelInfo, input_digest};
use assay_api::store::State;
use assay_api::{AppState, BatchReceipt, run_workers};
use assay_prover::wrap::System;
use serde_json::{Value, json};
use tokio::task::JoinHandle;

use crate::fake::{Fake, get, post};
use crate::market::{crash, stop, until};
use crate::native::{self, batched, seller};
use crate::x402::{PRICE, Shop, cancel, header};
use crate::x402_held;

/// A model with keys for one inference and for four.
fn with_batch(model: ModelInfo) -> Arc<Fake> {
    Fake::with_model(ModelInfo {
        batches: vec![BatchKey { inferences: 4, key_hash: keccak256("key of four") }],
        ..model
    })
}

/// A server that drives one thing after the other, without its workers.
async fn open(config: ServeConfig, engine: Arc<dyn Engine>) -> AppState {
    let config = ServeConfig { jobs_max: 1, ..config };
    loop {
        match AppState::open(config.clone(), engine.clone()).await {
            // the lock goes when the last task of a dead server does
            Err(assay_api::ServeError::Locked { .. }) => tokio::time::sleep(std::time::Duration::from_millis(50)).await,
            other => return other.unwrap(),
        }
    }
}

fn work(state: &AppState) -> JoinHandle<()> {
    tokio::spawn(run_workers(state.clone()))
}

fn request(model: &ModelInfo, n: u8) -> Value {
    json!({ "model": model.id, "input": [1.0, 2.0, 3.0, f32::from(n)], "blinding": [B256::repeat_byte(n)], "batch": 64 })
}

async fn ask(state: &AppState, request: &Value) -> String {
    let answer = post(state, "/v1/predictions", &[], request).await;
    assert_eq!(answer.status, 202, "{}", answer.text());
    answer.json()["id"].as_str().unwrap().to_owned()
}

async fn ask_all(state: &AppState, model: &ModelInfo, all: std::ops::RangeInclusive<u8>) -> Vec<String> {
    let mut ids = Vec::new();
    for n in all {
        ids.push(ask(state, &request(model, n)).await);
    }
    ids
}

async fn prediction(state: &AppState, id: &str) -> Value {
    get(state, &format!("/v1/predictions/{id}")).await.json()
}

/// The answer to the `n`-th request is right, and verifies by itself together with `with`.
async fn verifies(state: &AppState, engine: &Fake, id: &str, n: u8, with: &[&String]) {
    let model = &engine.models[0];
    let answer = prediction(state, id).await;
    let input = InputOpening { data: vec![1.0, 2.0, 3.0, f32::from(n)], blinding: vec![B256::repeat_byte(n)] };
    let executed = engine.execute(model.id, &input).unwrap();
    assert_eq!(answer["output_cells"], json!(executed.output_cells));
    let receipt: BatchReceipt = serde_json::from_value(answer["batch"].clone()).unwrap();
    let (all, index) = (&receipt.statement, receipt.index as usize);
    let contexts: Vec<B256> = with.iter().map(|id| keccak256(id.as_str())).collect();
    assert_eq!((all.inferences, all.key_hash, &all.jobs), (4, model.batches[0].key_hash, &contexts));
    assert_eq!(all.jobs[index], keccak256(id));
    assert_eq!(answer["context"], json!(keccak256(contexts.abi_encode_packed())), "all of them are bound");
    assert_eq!((all.input_commitments.len(), all.output_cells.len()), (4, 8), "fillers included");
    assert_eq!(all.output_cells[2 * index..2 * index + 2], executed.output_cells);
    assert_eq!(input_digest(&all.input_commitments[index..=index]), input_digest(&executed.input_commitments));
    let proof = get(state, &format!("/v1/predictions/{id}/proof")).await;
    assert_eq!(json!(keccak256(&proof.bytes)), answer["proof_hash"]);
    let claim = json!({ "model": model.id, "context": answer["context"], "input_commitments": all.input_commitments,
        "output_cells": all.output_cells, "clamps": all.clamps, "proof": alloy::hex::encode_prefixed(&proof.bytes) });
    assert_eq!(post(state, "/v1/verify", &[], &claim).await.json()["valid"], true);
}

/// What waits shares a proof; who wants no company, or has said what the proof is bound to, gets none, and nobody waits
/// for anybody.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn free_predictions_that_wait_are_proven_together() {
    let dir = tempfile::tempdir().unwrap();
    let engine = with_batch(Fake::new().models[0].clone());
    let state = open(ServeConfig::free(dir.path()), engine.clone()).await;
    let model = &engine.models[0];
    let mut alone = Vec::new();
    for change in [json!({ "batch": 1 }), json!({ "batch": 3 }), json!({ "context": keccak256("mine") })] {
        let mut body = request(model, 9);
        body.as_object_mut().unwrap().extend(change.as_object().unwrap().clone());
        alone.push(ask(&state, &body).await);
    }
    let ids = ask_all(&state, model, 1..=6).await;
    let workers = work(&state);
    for id in ids.iter().chain(&alone) {
        until(&state, id, State::Proven).await;
    }
    assert_eq!(engine.proofs.load(SeqCst), 5, "four, two, and three alone");
    for (part, first) in [(&ids[..4], 1), (&ids[4..], 5)] {
        for (i, id) in part.iter().enumerate() {
            verifies(&state, &engine, id, first + i as u8, &part.iter().collect::<Vec<_>>()).await;
        }
    }
    for (id, bound) in alone.iter().zip([keccak256(&alone[0]), keccak256(&alone[1]), keccak256("mine")]) {
        let answer = prediction(&state, id).await;
        assert_eq!((&answer["batch"], &answer["context"]), (&Value::Null, &json!(bound)));
    }
    // a lone one is proven at once, and alone
    let lone = ask(&state, &request(model, 7)).await;
    until(&state, &lone, State::Proven).await;
    assert_eq!(prediction(&state, &lone).await["batch"], Value::Null);
    stop(state, workers).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_withdraws_does_not_hold_up_the_others() {
    let dir = tempfile::tempdir().unwrap();
    let engine = with_batch(Fake::new().models[0].clone());
    engine.step_ms.store(50, SeqCst);
    let state = open(ServeConfig::free(dir.path()), engine.clone()).await;
    let ids = ask_all(&state, &engine.models[0], 1..=3).await;
    let workers = work(&state);
    until(&state, &ids[1], State::Proving).await;
    assert_eq!(post(&state, &format!("/v1/predictions/{}/cancel", ids[1]), &[], &json!({})).await.status, 202);
    for (id, end) in ids.iter().zip([State::Proven, State::Cancelled, State::Proven]) {
        until(&state, id, end).await;
    }
    assert_eq!(engine.proofs.load(SeqCst), 1);
    for (n, id) in [(1, &ids[0]), (3, &ids[2])] {
        verifies(&state, &engine, id, n, &ids.iter().collect::<Vec<_>>()).await;
    }
    let cancelled = prediction(&state, &ids[1]).await;
    assert_eq!(
        (&cancelled["output"], &cancelled["batch"], &cancelled["proof_hash"]),
        (&Value::Null, &Value::Null, &Value::Null)
    );
    // one that nobody wants any more is not made to its end
    engine.step_ms.store(500, SeqCst);
    let ids = ask_all(&state, &engine.models[0], 4..=5).await;
    for id in &ids {
        until(&state, id, State::Proving).await;
        post(&state, &format!("/v1/predictions/{id}/cancel"), &[], &json!({})).await;
    }
    for id in &ids {
        until(&state, id, State::Cancelled).await;
    }
    assert_eq!(engine.proofs.load(SeqCst), 1);
    stop(state, workers).await;
}

/// A proof that fails is made one by one; a crash loses none and ends none twice.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn failures_and_crashes_are_survived() {
    let dir = tempfile::tempdir().unwrap();
    let engine = with_batch(Fake::new().models[0].clone());
    engine.fail.store(1, SeqCst);
    let state = open(ServeConfig::free(dir.path()), engine.clone()).await;
    let ids = ask_all(&state, &engine.models[0], 1..=3).await;
    let workers = work(&state);
    for id in &ids {
        until(&state, id, State::Proven).await;
        let job = state.store.job(id).await.unwrap();
        assert_eq!((job.attempts, job.batch), (1, None));
    }
    stop(state, workers).await;
    engine.step_ms.store(50, SeqCst);
    let state = open(ServeConfig::free(dir.path()), engine.clone()).await;
    let ids = ask_all(&state, &engine.models[0], 4..=7).await;
    let workers = work(&state);
    until(&state, &ids[3], State::Proving).await;
    crash(state, workers).await;
    let state = open(ServeConfig::free(dir.path()), engine.clone()).await;
    let workers = work(&state);
    for id in &ids {
        until(&state, id, State::Proven).await;
        let ends = state.store.events(id, 0, 1000).await.unwrap();
        assert_eq!(ends.iter().filter(|e| e.data["state"] == json!("proven")).count(), 1, "one end");
        assert!(prediction(&state, id).await["batch"].is_object());
    }
    stop(state, workers).await;
}

/// The same with the real prover, and the real verifier.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn free_predictions_share_a_real_proof() {
    let (single, key) = seller(System::Universal);
    let (several, batch_key) = batched(&single, &key, 2);
    let engine = NativeEngine::new();
    let id = engine.add(None, single, key).unwrap().id;
    engine.add_batch(id, several, batch_key).unwrap();
    let (dir, engine) = (tempfile::tempdir().unwrap(), Arc::new(engine));
    let state = open(ServeConfig::free(dir.path()), engine.clone()).await;
    let model = state.models().remove(0);
    let mut ids = Vec::new();
    for n in 0..3u8 {
        let mut input = native::input(&model);
        input.data.iter_mut().for_each(|v| *v *= 1.0 - 0.1 * f32::from(n));
        ids.push(
            ask(&state, &json!({ "model": id, "input": input.data, "blinding": input.blinding, "batch": 4 })).await,
        );
    }
    let workers = work(&state);
    for (n, id) in ids.iter().enumerate() {
        until(&state, id, State::Proven).await;
        let answer = prediction(&state, id).await;
        let BatchReceipt { index, statement } = serde_json::from_value(answer["batch"].clone()).unwrap();
        assert_eq!((index as usize, statement.inferences, statement.jobs.len()), (n, 4, 3));
        let mut claim = json!({ "model": model.id, "context": answer["context"], "input_commitments": statement.input_commitments,
            "output_cells": statement.output_cells, "clamps": statement.clamps,
            "proof": alloy::primitives::Bytes::from(get(&state, &format!("/v1/predictions/{id}/proof")).await.bytes) });
        assert_eq!(post(&state, "/v1/verify", &[], &claim).await.json()["valid"], json!(true));
        claim["context"] = json!(keccak256(id));
        assert_eq!(
            post(&state, "/v1/verify", &[], &claim).await.json()["valid"],
            json!(false),
            "all of them are bound"
        );
    }
    stop(state, workers).await;
}

/// Payments that are held share a proof, and each is captured by itself. One that only is authorised could be withdrawn
/// while the others' receipts show its answer: it is proven alone.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn held_payments_share_a_proof_and_are_captured_one_by_one() {
    let Some(mut shop) = x402_held::open().await else { return };
    let engine = with_batch(shop.w.model.clone());
    (shop.w.engine, shop.w.model) = (engine.clone(), engine.models[0].clone());
    shop.mint(shop.w.buyer.address(), 2 * PRICE).await; // enough for five
    let state = open(shop.config(), engine.clone()).await;
    let offer = x402_held::offer(&shop, &state).await;
    let mut ids = Vec::new();
    for n in 1..=4u8 {
        let payment = x402_held::payment(&shop, &offer, n, |_| ());
        ids.push(send(&state, &shop, n, &header(&payment)).await);
        if n == 2 {
            cancel(&shop, payment.payload.authorization.as_ref().unwrap().nonce).await;
        }
    }
    let exact = shop.required(&state).await.accepts.into_iter().find(|offer| offer.scheme == "exact").unwrap();
    let exact = send(&state, &shop, 5, &header(&shop.payment(&exact, 5))).await;
    let workers = work(&state);
    for (n, id) in ids.iter().enumerate() {
        until(&state, id, if n == 1 { State::Expired } else { State::Settled }).await;
    }
    until(&state, &exact, State::Settled).await;
    assert_eq!(engine.proofs.load(SeqCst), 2);
    let with = [&ids[0], &ids[2], &ids[3]];
    for (n, id) in [1, 3, 4].into_iter().zip(with) {
        verifies(&state, &engine, id, n, &with).await;
        let answer = prediction(&state, id).await;
        let purposes: Vec<_> =
            answer["transactions"].as_array().unwrap().iter().map(|t| t["purpose"].clone()).collect();
        assert_eq!(purposes, ["authorize", "capture"]);
    }
    assert_eq!(prediction(&state, &exact).await["batch"], Value::Null);
    assert_eq!(shop.balance(shop.w.seller.address()).await, 4 * PRICE);
    stop(state, workers).await;
}

async fn send(state: &AppState, shop: &Shop, n: u8, payment: &str) -> String {
    let answer = post(state, "/v1/predictions", &[("payment-signature", payment)], &request(&shop.w.model, n)).await;
    assert_eq!(answer.status, 202, "{}", answer.text());
    answer.json()["id"].as_str().unwrap().to_owned()
}

/// A shared proof that is gone from the disk before its payments are captured is made again, by itself for each.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_shared_proof_that_is_lost_is_made_again() {
    let Some(mut shop) = x402_held::open().await else { return };
    let engine = with_batch(shop.w.model.clone());
    (shop.w.engine, shop.w.model) = (engine.clone(), engine.models[0].clone());
    let state = open(shop.config(), engine.clone()).await;
    let offer = x402_held::offer(&shop, &state).await;
    let mut ids = Vec::new();
    for n in 1..=2u8 {
        ids.push(send(&state, &shop, n, &header(&x402_held::payment(&shop, &offer, n, |_| ()))).await);
    }
    engine.step_ms.store(50, SeqCst);
    let workers = work(&state);
    until(&state, &ids[0], State::Proving).await;
    shop.w.anvil_call("evm_setAutomine", json!([false])).await; // nothing is captured
    until(&state, &ids[0], State::SettlementPending).await;
    let hash = state.store.job(&ids[0]).await.unwrap().proof_hash.unwrap();
    crash(state, workers).await;
    shop.w.anvil_call("anvil_dropAllTransactions", json!([])).await;
    shop.w.anvil_call("evm_setAutomine", json!([true])).await;
    let state = open(shop.config(), engine.clone()).await;
    std::fs::write(state.config.data_dir.join("proofs").join(format!("{hash:x}")), b"torn").unwrap();
    let workers = work(&state);
    for (n, id) in [1, 2].into_iter().zip(&ids) {
        until(&state, id, State::Settled).await;
        let answer = prediction(&state, id).await;
        let shared = answer["batch"].is_object();
        assert!(
            answer["proof_hash"] != json!(hash) && (shared || answer["context"] == json!(keccak256(id))),
            "{n}: {answer}"
        );
        assert!(!get(&state, &format!("/v1/predictions/{id}/proof")).await.bytes.is_empty());
    }
    assert_eq!(shop.balance(shop.w.seller.address()).await, 2 * PRICE);
    stop(state, workers).await;
}
