//! Jobs of several buyers that are proven and settled together.

use std::sync::Arc;
use std::sync::atomic::Ordering::SeqCst;
use std::time::Duration;

use alloy::primitives::{Address, B256, U256};
use alloy::signers::local::PrivateKeySigner;
use assay_api::chain::abi::InferenceMarket::State as ChainState;
use assay_api::chain::{account, context_of_batch, jobs};
use assay_api::config::{ServeConfig, Terms};
use assay_api::engine::native::{AddModelError, NativeEngine};
use assay_api::engine::{Claim, Engine, InputOpening, input_digest, output_bytes};
use assay_api::store::State;
use assay_api::terms::Escrow;
use assay_api::{AppState, run_workers};
use assay_prover::wrap::System;
use serde_json::{Value, json};

use crate::fake::{eventually, get, post};
use crate::market::{World, admit, config, crash, deployed, list, stop, until};
use crate::native::{batched, seller};

/// One buyer's request.
pub struct Wish {
    buyer: PrivateKeySigner,
    input: InputOpening,
    escrow: Escrow,
}

impl Wish {
    /// A quote for proofs of at most `batch` inferences, accepted.
    pub async fn new(
        state: &AppState,
        engine: &dyn Engine,
        buyer: &PrivateKeySigner,
        input: InputOpening,
        batch: u32,
    ) -> Self {
        let model = &state.models()[0];
        let commitment = input_digest(&engine.execute(model.id, &input).unwrap().input_commitments);
        let request =
            json!({ "model": model.id, "buyer": buyer.address(), "input_commitment": commitment, "batch": batch });
        let answer = post(state, "/v1/quotes", &[], &request).await;
        assert_eq!(answer.status, 201, "{}", answer.text());
        Self { buyer: buyer.clone(), input, escrow: serde_json::from_value(answer.json()).unwrap() }
    }

    pub async fn send(&self, state: &AppState) -> String {
        let body = json!({
            "model": self.escrow.order.model_id, "input": self.input.data, "blinding": self.input.blinding, "escrow": self.escrow,
        });
        let answer = post(state, "/v1/predictions", &[], &body).await;
        assert_eq!(answer.status, 202, "{}", answer.text());
        answer.json()["id"].as_str().unwrap().to_owned()
    }

    pub async fn fund(&self, state: &AppState) -> B256 {
        let market = state.market.as_ref().unwrap();
        account::fund(&market.rpc, &self.buyer, market.config.market, &self.escrow).await.unwrap().0
    }
}

/// Wishes under the batch's key: quotes are asked for until there is enough demand for it.
pub async fn wishes(
    state: &AppState,
    engine: &dyn Engine,
    buyers: &[PrivateKeySigner],
    inputs: Vec<InputOpening>,
) -> Vec<Wish> {
    let key = state.models()[0].batches[0];
    let mut found = Vec::new();
    for (i, input) in inputs.into_iter().enumerate() {
        loop {
            // two at the same time, so that there is demand however slow the machine is
            let ask = || Wish::new(state, engine, &buyers[i % buyers.len()], input.clone(), key.inferences);
            let (one, two) = tokio::join!(ask(), ask());
            let suiting = [one, two].into_iter().find(|wish| wish.escrow.order.key_hash == key.key_hash);
            if let Some(wish) = suiting {
                found.push(wish);
                break;
            }
        }
    }
    found
}

pub fn input(n: u8) -> InputOpening {
    InputOpening { data: vec![1.0, 2.0, 3.0, f32::from(n)], blinding: vec![B256::repeat_byte(n)] }
}

async fn waiting(state: &AppState, jobs: i64) {
    eventually("all are queued", async || {
        let counts = state.store.counts().await.unwrap();
        counts.iter().any(|(at, n)| *at == State::Queued && *n == jobs)
    })
    .await;
}

fn purposes(prediction: &Value) -> Vec<(String, String)> {
    let text = |t: &Value, name: &str| t[name].as_str().unwrap().to_owned();
    prediction["transactions"].as_array().unwrap().iter().map(|t| (text(t, "purpose"), text(t, "hash"))).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn waiting_jobs_are_proven_and_settled_together() {
    let Some(w) = World::with_batch(2).await else { return };
    let (state, workers) = w.start().await;
    let accounts = w.anvil.accounts();
    w.engine.step_ms.store(20, SeqCst);
    // one more than a proof holds
    let all = wishes(&state, w.engine.as_ref(), &accounts[2..4], (1..=5).map(input).collect()).await;
    let mut ids = Vec::new();
    for wish in &all {
        ids.push(wish.send(&state).await);
    }
    let mut chain_jobs = Vec::new();
    for wish in &all {
        chain_jobs.push(wish.fund(&state).await);
    }
    for id in &ids {
        until(&state, id, State::Settled).await;
    }
    assert!(w.engine.proofs.load(SeqCst) < 5, "fewer proofs than jobs");
    w.paid_for(5).await;
    let chain_id = w.rpc.chain_id().await.unwrap();
    let mut settlements = Vec::new();
    for ((id, job), wish) in ids.iter().zip(&chain_jobs).zip(&all) {
        assert_eq!(account::job(&w.rpc, w.at.market, *job).await.unwrap().state, ChainState::Settled);
        let answer = get(&state, &format!("/v1/predictions/{id}")).await.json();
        let own: Vec<i16> = serde_json::from_value(answer["output_cells"].clone()).unwrap();
        assert_eq!(own, w.engine.execute(w.model.id, &wish.input).unwrap().output_cells);
        let receipt: assay_api::BatchReceipt = serde_json::from_value(answer["batch"].clone()).unwrap();
        let (all, index) = (&receipt.statement, receipt.index as usize);
        assert_eq!((all.inferences, all.jobs[index]), (4, *job));
        assert_eq!((all.input_commitments.len(), all.output_cells.len()), (4, 8), "fillers included");
        assert_eq!(all.output_cells[2 * index..2 * index + 2], own);
        assert_eq!(input_digest(&all.input_commitments[index..=index]), wish.escrow.order.input_commitment);
        // the receipt is what the proof states and what the transaction paid for
        let paid = jobs::paid(&w.rpc, w.at.market, *job).await.unwrap();
        assert_eq!(paid.output_hash, alloy::primitives::keccak256(output_bytes(&own, all.clamps)));
        let context = context_of_batch(chain_id, w.at.market, &all.jobs, paid.prover);
        assert_eq!(answer["context"], json!(context));
        let proof = get(&state, &format!("/v1/predictions/{id}/proof")).await.bytes;
        let claim = Claim {
            context,
            input_commitments: all.input_commitments.clone(),
            output_cells: all.output_cells.clone(),
            clamps: all.clamps,
            proof: proof.into(),
        };
        w.engine.verify(w.model.id, &claim).unwrap();
        let mut sent = purposes(&answer);
        settlements.push(sent.pop().unwrap().1);
        assert_eq!(sent.last().unwrap().0, "lock");
    }
    settlements.sort();
    settlements.dedup();
    assert_eq!(settlements.len(), w.engine.proofs.load(SeqCst) as usize, "one transaction for each proof");
    stop(state, workers).await;
}

/// Nobody who asks alone is kept waiting for others, and who wants no company gets none.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lone_job_is_proven_alone() {
    let Some(w) = World::with_batch(2).await else { return };
    let (state, workers) = w.start().await;
    let lone = Wish::new(&state, w.engine.as_ref(), &w.buyer, input(1), 64).await;
    assert_eq!(lone.escrow.order.key_hash, w.model.key_hash);
    for _ in 0..3 {
        let alone = Wish::new(&state, w.engine.as_ref(), &w.buyer, input(1), 1).await;
        assert_eq!(alone.escrow.order.key_hash, w.model.key_hash, "whatever the demand is");
    }
    let id = lone.send(&state).await;
    lone.fund(&state).await;
    until(&state, &id, State::Settled).await;
    assert_eq!(get(&state, &format!("/v1/predictions/{id}")).await.json()["batch"], Value::Null);

    // one whose order allows company and finds none is not kept for ever
    let all = wishes(&state, w.engine.as_ref(), std::slice::from_ref(&w.buyer), vec![input(2)]).await;
    let id = all[0].send(&state).await;
    all[0].fund(&state).await;
    until(&state, &id, State::Settled).await;
    let answer = get(&state, &format!("/v1/predictions/{id}")).await.json();
    assert_eq!((answer["batch"]["jobs"].as_array().unwrap().len(), &answer["batch"]["index"]), (1, &json!(0)));
    stop(state, workers).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_drops_out_of_a_batch_does_not_hold_up_the_others() {
    let Some(w) = World::with_batch(2).await else { return };
    // no workers but the watcher's word: jobs are put in the queue by hand
    let state = w.open().await;
    let all = wishes(&state, w.engine.as_ref(), std::slice::from_ref(&w.buyer), (1..=3).map(input).collect()).await;
    let mut ids = Vec::new();
    for wish in &all {
        ids.push(wish.send(&state).await);
        wish.fund(&state).await;
    }
    let market = state.market.clone().unwrap();
    // the second buyer takes the money back before anything is locked
    let second = all[1].escrow.order.job_id(&account::domain(&w.rpc, w.at.market).await.unwrap());
    account::cancel(&market.rpc, &w.buyer, w.at.market, second).await.unwrap();
    let workers = tokio::spawn(run_workers(state.clone()));
    for (i, id) in ids.iter().enumerate() {
        until(&state, id, if i == 1 { State::Cancelled } else { State::Settled }).await;
    }
    w.paid_for(2).await;
    stop(state, workers).await;
}

/// A server with its workers that settles batches without locks.
async fn without_locks(w: &World) -> (AppState, tokio::task::JoinHandle<()>) {
    let config = ServeConfig { batch_locks: false, ..w.config() };
    let state = AppState::open(config, w.engine.clone()).await.unwrap();
    let workers = tokio::spawn(run_workers(state.clone()));
    (state, workers)
}

/// Where the operator wants no locks, a batch is one transaction, and takes no collateral.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn batches_are_settled_without_locks() {
    let Some(w) = World::with_batch(2).await else { return };
    let (state, workers) = without_locks(&w).await;
    let all = wishes(&state, w.engine.as_ref(), std::slice::from_ref(&w.buyer), (1..=4).map(input).collect()).await;
    let mut ids = Vec::new();
    for wish in &all {
        ids.push(wish.send(&state).await);
        wish.fund(&state).await;
    }
    for id in &ids {
        until(&state, id, State::Settled).await;
        let sent = purposes(&get(&state, &format!("/v1/predictions/{id}")).await.json());
        assert_eq!(sent.iter().map(|(purpose, _)| purpose.as_str()).collect::<Vec<_>>(), ["settle"]);
    }
    assert_eq!(w.credit(w.seller.address()).await, U256::from(4_000_000), "no collateral was put up");
    stop(state, workers).await;
}

/// A buyer who takes the money back from an unlocked batch costs the others a second proof, before which they are
/// locked.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_unlocked_batch_that_loses_a_job_is_locked_next_time() {
    let Some(w) = World::with_batch(2).await else { return };
    w.engine.step_ms.store(200, SeqCst);
    let (state, workers) = without_locks(&w).await;
    let all = wishes(&state, w.engine.as_ref(), std::slice::from_ref(&w.buyer), (1..=3).map(input).collect()).await;
    let (mut ids, mut jobs) = (Vec::new(), Vec::new());
    for wish in &all {
        ids.push(wish.send(&state).await);
        jobs.push(wish.fund(&state).await);
    }
    until(&state, &ids[1], State::Proving).await;
    account::cancel(&w.rpc, &w.buyer, w.at.market, jobs[1]).await.unwrap();
    for (i, id) in ids.iter().enumerate() {
        until(&state, id, if i == 1 { State::Cancelled } else { State::Settled }).await;
    }
    let sent = purposes(&get(&state, &format!("/v1/predictions/{}", ids[2])).await.json());
    assert_eq!(sent.last().unwrap().0, "settle");
    assert!(sent.iter().any(|(purpose, _)| purpose == "lock"), "{sent:?}");
    w.paid_for(2).await;
    stop(state, workers).await;
}

/// The server dies again and again while a batch is under way: every job is paid once.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_batch_survives_crashes() {
    let Some(w) = World::with_batch(2).await else { return };
    w.engine.step_ms.store(50, SeqCst);
    let (mut state, mut workers) = w.start().await;
    let all = wishes(&state, w.engine.as_ref(), std::slice::from_ref(&w.buyer), (1..=4).map(input).collect()).await;
    let mut ids = Vec::new();
    for wish in &all {
        ids.push(wish.send(&state).await);
        wish.fund(&state).await;
    }
    for ms in [150, 300, 450, 600] {
        tokio::time::sleep(Duration::from_millis(ms)).await;
        crash(state, workers).await;
        (state, workers) = w.start().await;
    }
    for id in &ids {
        until(&state, id, State::Settled).await;
        let ends = state.store.events(id, 0, 1000).await.unwrap();
        let ends = ends.iter().filter(|e| e.kind == "state" && e.data["state"] == json!("settled")).count();
        assert_eq!(ends, 1, "one end");
    }
    w.paid_for(4).await;
    stop(state, workers).await;
}

/// A batch that fails is taken apart, and a job that always fails does not take the others with it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_failed_batch_is_tried_one_by_one() {
    let Some(w) = World::with_batch(2).await else { return };
    let state = w.open().await;
    w.engine.fail.store(1, SeqCst);
    let all = wishes(&state, w.engine.as_ref(), std::slice::from_ref(&w.buyer), (1..=3).map(input).collect()).await;
    let mut ids = Vec::new();
    for wish in &all {
        ids.push(wish.send(&state).await);
        wish.fund(&state).await;
    }
    let workers = tokio::spawn(run_workers(state.clone()));
    for id in &ids {
        until(&state, id, State::Settled).await;
    }
    let mut companies = Vec::new();
    for id in &ids {
        let job = state.store.job(id).await.unwrap();
        companies.push((job.attempts, job.batch.unwrap()));
    }
    let failed = companies.iter().filter(|(attempts, _)| *attempts == 1).count();
    assert!(failed >= 1, "{companies:?}");
    let alone: Vec<_> = companies.iter().filter(|(attempts, _)| *attempts == 1).map(|(_, batch)| batch).collect();
    assert!(
        alone.iter().enumerate().all(|(i, batch)| !alone[..i].contains(batch)),
        "those that failed have no company: {companies:?}"
    );
    stop(state, workers).await;
}

/// The whole of it with the real prover and the real verifier.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_real_batch_releases_real_escrows() {
    let Some((anvil, at)) = deployed(true).await else { return };
    let (single, key) = seller(System::Universal);
    let (several, batch_key) = batched(&single, &key, 2);
    let weights = single.package.model.weights_bytes();
    let (id, _) = list(&anvil, &at, &key.wrap.contract_bytes(&key.model), weights.into()).await;
    let admitted = admit(&anvil, &at, &batch_key.wrap.contract_bytes(&batch_key.model)).await;
    let engine = NativeEngine::new();
    engine.add(Some(id), single, key.clone()).unwrap();
    let (joint, _) = seller(System::Universal);
    assert!(matches!(engine.add_batch(id, joint, key), Err(AddModelError::WrongKey)), "other weights");
    let added = engine.add_batch(id, several, batch_key).unwrap();
    assert_eq!((added.inferences, added.key_hash), (4, admitted));

    let engine = Arc::new(engine);
    let [_, prover, buyers @ ..] = &anvil.accounts()[..] else { panic!("anvil has accounts") };
    let terms = Terms { price: 1_000_000, collateral: 100_000, ..Terms::default() };
    let dir = tempfile::tempdir().unwrap();
    let state = AppState::open(config(dir.path(), anvil.url(), &at, prover, terms), engine.clone()).await.unwrap();
    let (rpc, model) = (anvil.rpc().unwrap(), state.models()[0].clone());
    let inputs = (0..3).map(|n| {
        let mut input = crate::native::input(&model);
        input.data.iter_mut().for_each(|v| *v *= 1.0 - 0.1 * n as f32);
        input
    });
    let all = wishes(&state, engine.as_ref(), buyers, inputs.collect()).await;
    let workers = tokio::spawn(run_workers(state.clone()));
    let mut ids = Vec::new();
    for wish in &all {
        ids.push(wish.send(&state).await);
        wish.fund(&state).await;
    }
    for id in &ids {
        until(&state, id, State::Settled).await;
        let answer = get(&state, &format!("/v1/predictions/{id}")).await.json();
        let receipt: assay_api::BatchReceipt = serde_json::from_value(answer["batch"].clone()).unwrap();
        let claim = json!({
            "model": model.id, "context": answer["context"], "input_commitments": receipt.statement.input_commitments,
            "output_cells": receipt.statement.output_cells, "clamps": receipt.statement.clamps,
            "proof": alloy::primitives::Bytes::from(get(&state, &format!("/v1/predictions/{id}/proof")).await.bytes),
        });
        assert_eq!(post(&state, "/v1/verify", &[], &claim).await.json()["valid"], json!(true));
        let mut other = claim.clone();
        other["output_cells"][0] = json!(other["output_cells"][0].as_i64().unwrap() ^ 1);
        assert_eq!(post(&state, "/v1/verify", &[], &other).await.json()["valid"], json!(false));
    }
    let credit = account::credit(&rpc, at.market, Address::ZERO, prover.address()).await.unwrap();
    assert!(
        (U256::from(3_100_000)..=U256::from(3_300_000)).contains(&credit),
        "three prices, and the collateral: {credit}"
    );
    stop(state, workers).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn jobs_wait_for_company_only_until_a_proof_is_full() {
    let Some(w) = World::with_batch(1).await else { return };
    let mut config = w.config();
    config.batch_wait = Duration::from_secs(3600);
    let state = AppState::open(config, w.engine.clone()).await.unwrap();
    let workers = tokio::spawn(run_workers(state.clone()));
    let all = wishes(&state, w.engine.as_ref(), std::slice::from_ref(&w.buyer), (1..=2).map(input).collect()).await;
    let first = all[0].send(&state).await;
    all[0].fund(&state).await;
    waiting(&state, 1).await;
    let second = all[1].send(&state).await;
    all[1].fund(&state).await;
    for id in [&first, &second] {
        until(&state, id, State::Settled).await;
    }
    assert_eq!(w.engine.proofs.load(SeqCst), 1);
    stop(state, workers).await;
}

/// Whoever takes a batch's key away while orders under it are open locks none of them: the buyers take their money
/// back.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn jobs_whose_key_is_gone_are_not_locked() {
    let Some(w) = World::with_batch(2).await else { return };
    let state = w.open().await;
    let accounts = w.anvil.accounts();
    let all = wishes(&state, w.engine.as_ref(), &accounts[2..4], (1..=2).map(input).collect()).await;
    let (mut ids, mut chain_jobs) = (Vec::new(), Vec::new());
    for wish in &all {
        ids.push(wish.send(&state).await);
        chain_jobs.push(wish.fund(&state).await);
    }
    drop(state);
    let mut model = w.model.clone();
    model.batches.clear();
    let bare = crate::fake::Fake::with_model(model);
    let state = AppState::open(w.config(), bare.clone()).await.unwrap();
    let workers = tokio::spawn(run_workers(state.clone()));
    for id in &ids {
        until(&state, id, State::Failed).await;
        let job = state.store.job(id).await.unwrap();
        assert!(job.error.as_ref().is_some_and(|(_, detail)| detail.contains("put its files back")), "{:?}", job.error);
        assert!(state.store.transactions(id).await.unwrap().is_empty());
    }
    for (wish, job) in all.iter().zip(&chain_jobs) {
        assert_eq!(account::job(&w.rpc, w.at.market, *job).await.unwrap().state, ChainState::Funded);
        account::cancel(&w.rpc, &wish.buyer, w.at.market, *job).await.unwrap();
    }
    assert_eq!(bare.proofs.load(SeqCst), 0);
    stop(state, workers).await;
}
