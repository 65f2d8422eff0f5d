//! The real prover behind the service: a small network, a real proof, over HTTP.

use std::sync::Arc;

use alloy::primitives::B256;
use assay_api::config::ServeConfig;
use assay_api::engine::native::NativeEngine;
use assay_api::engine::{Cancel, Claim, Engine, EngineError, InputOpening};
use assay_api::{AppState, run_workers};
use assay_circuits::sample;
use assay_prover::package::{BuyerKey, Metadata, Package};
use assay_prover::seller::Seller;
use assay_prover::srs::Srs;
use assay_prover::wrap::WrapProvingKey;
use serde_json::json;

use crate::fake::{get, post};

const LOG_CHUNK: u32 = 9;

fn engine() -> NativeEngine {
    let (architecture, weights) = sample::random_network(3);
    let srs = Srs::development(LOG_CHUNK);
    let package = Package::new(Metadata { name: "small".into(), ..Metadata::default() }, architecture, weights, LOG_CHUNK, &srs).unwrap();
    let proving = WrapProvingKey::development(&package.model.shape, &package.model.srs.id).unwrap();
    let key = BuyerKey::new(&package, proving.verifying_key(), true);
    let seller = Seller::new(package, srs).unwrap().with_wrap_key(proving);
    let mut engine = NativeEngine::new();
    let info = engine.add(None, seller, key).unwrap();
    assert_eq!(info.id, info.model_commitment);
    assert!(info.development && info.parameters > 0);
    engine
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_real_proof_over_http() {
    let engine = Arc::new(engine());
    let model = engine.models().remove(0);
    let data: Vec<f32> = (0..model.input_len().unwrap()).map(|i| (i as f32 * 0.37).sin()).collect();
    let blinding = vec![B256::left_padding_from(&[5]); model.input_chunks as usize];

    // what does not fit is refused before anything is proven
    let input = InputOpening { data: data.clone(), blinding: vec![] };
    assert!(matches!(engine.execute(B256::ZERO, &input), Err(EngineError::UnknownModel { .. })));
    let with = |data: &[f32], blinding: &[B256]| InputOpening { data: data.to_vec(), blinding: blinding.to_vec() };
    let mut longer = data.clone();
    longer.push(0.0);
    assert!(matches!(engine.execute(model.id, &with(&longer, &[])), Err(EngineError::InputLength { .. })));
    let mut nan = data.clone();
    nan[0] = f32::NAN;
    assert!(matches!(engine.execute(model.id, &with(&nan, &[])), Err(EngineError::InputNotFinite { index: 0 })));
    let too_many = vec![B256::ZERO; blinding.len() + 1];
    assert!(matches!(engine.execute(model.id, &with(&data, &too_many)), Err(EngineError::BlindingLength { .. })));
    let too_large = vec![B256::repeat_byte(0xff); blinding.len()];
    assert!(matches!(engine.execute(model.id, &with(&data, &too_large)), Err(EngineError::BlindingNotCanonical { index: 0 })));
    let cancel = Cancel::new();
    cancel.cancel();
    assert!(matches!(engine.prove(model.id, &input, B256::ZERO, &cancel, &|_| {}), Err(EngineError::Cancelled)));
    let (public, private) = (engine.execute(model.id, &input).unwrap(), engine.execute(model.id, &with(&data, &blinding)).unwrap());
    assert_eq!(public.output_cells, private.output_cells);
    assert_ne!(public.input_commitments, private.input_commitments);

    let dir = tempfile::tempdir().unwrap();
    let state = AppState::open(ServeConfig::free(dir.path()), engine.clone()).await.unwrap();
    let workers = tokio::spawn(run_workers(state.clone()));
    // above the field's order, so that its reduction matters
    let context = B256::repeat_byte(0xee);
    let request = json!({ "model": model.id, "input": data, "blinding": blinding, "context": context });
    let done = post(&state, "/v1/predictions", &[("prefer", "wait=60")], &request).await.json();
    assert_eq!(done["state"], "proven", "{done}");
    assert_eq!(done["output_cells"], json!(private.output_cells));
    assert_eq!(done["input_commitments"], json!(private.input_commitments));
    let proof = get(&state, done["proof_url"].as_str().unwrap()).await.bytes;

    let good = Claim { context, input_commitments: private.input_commitments, output_cells: private.output_cells, proof: proof.into() };
    engine.verify(model.id, &good).unwrap();
    let changes: [&dyn Fn(&mut Claim); 6] = [
        &|c| c.context = B256::ZERO,
        &|c| c.output_cells[0] ^= 1,
        &|c| c.output_cells.clear(),
        &|c| c.input_commitments = public.input_commitments.clone(),
        &|c| c.input_commitments.clear(),
        &|c| c.proof = c.proof.slice(1..),
    ];
    for (i, change) in changes.iter().enumerate() {
        let mut claim = good.clone();
        change(&mut claim);
        assert!(matches!(engine.verify(model.id, &claim), Err(EngineError::Rejected(_))), "change {i}");
    }
    state.stopping.send_replace(true);
    workers.await.unwrap();
}
