//! The real prover behind the service: a small network, a real proof, over HTTP.

use std::sync::Arc;

use alloy::primitives::{Address, B256, U256};
use assay_api::chain::{Wanted, account, check_order};
use assay_api::config::{ServeConfig, Terms};
use assay_api::engine::native::{AddModelError, NativeEngine};
use assay_api::engine::{Cancel, Claim, Engine, EngineError, InputOpening, ModelInfo, input_digest};
use assay_api::store::State;
use assay_api::terms::Escrow;
use assay_api::{AppState, run_workers};
use assay_circuits::batch::Batch;
use assay_circuits::sample;
use assay_circuits::shape::Shape;
use assay_prover::package::{BuyerKey, Metadata, Package};
use assay_prover::seller::Seller;
use assay_prover::srs::Srs;
use assay_prover::wrap::{System, WrapProvingKey, WrapVerifyingKey};
use serde_json::json;

use crate::fake::{get, post};
use crate::market::{config, deployed, list, until};

const LOG_CHUNK: u32 = 9;

/// A small seller and its buyers' key.
pub fn seller(wrap: System) -> (Seller, BuyerKey) {
    let (architecture, weights) = sample::random_network(3);
    let shape = Shape::new(architecture.clone(), LOG_CHUNK).unwrap();
    let srs = Srs::development(WrapProvingKey::srs_log(wrap, &shape).unwrap());
    let package =
        Package::new(Metadata { name: "small".into(), ..Metadata::default() }, architecture, weights, LOG_CHUNK, &srs)
            .unwrap();
    let proving = match wrap {
        System::Universal => WrapProvingKey::universal(&package.model.shape, &srs).unwrap(),
        System::Groth16 => WrapProvingKey::development(&package.model.shape, &package.model.srs.id).unwrap(),
    };
    let key = BuyerKey::new(&package, proving.verifying_key(), wrap == System::Groth16);
    (Seller::new(package, srs).unwrap().with_wrap_key(proving), key)
}

/// The same model with several inferences of different buyers in a proof.
pub fn batched(one: &Seller, key: &BuyerKey, log: u32) -> (Seller, BuyerKey) {
    let (single, dir) = (&one.package, tempfile::tempdir().unwrap());
    single.write(&dir.path().join("small.assay")).unwrap();
    let mut package = Package::read(&dir.path().join("small.assay")).unwrap();
    package.model = package.model.batched(Batch::separate(log)).unwrap();
    let srs = Srs::development(WrapProvingKey::srs_log(key.wrap.system(), &package.model.shape).unwrap());
    let proving = WrapProvingKey::universal(&package.model.shape, &srs).unwrap();
    let key = BuyerKey::new(&package, proving.verifying_key(), false);
    (Seller::new(package, srs).unwrap().with_wrap_key(proving), key)
}

/// PC9: what is served is verified with the prover's own key, and not with one that is said to be the model's.
#[test]
fn a_key_that_is_not_the_provers_is_refused() {
    for wrap in System::ALL {
        let (one, mut key) = seller(wrap);
        let (other, false_key) = seller(wrap);
        match &mut key.wrap {
            WrapVerifyingKey::Universal(wrap) => wrap.commitments.swap(0, 1),
            WrapVerifyingKey::Groth16(_) => key.wrap = false_key.wrap.clone(),
        }
        let engine = NativeEngine::new();
        assert!(matches!(engine.add(None, one, key), Err(AddModelError::WrongKey)), "{wrap}");
        let package = other.package;
        let key = BuyerKey::new(&package, false_key.wrap, false);
        let keyless = Seller::new(package, other.srs).unwrap();
        assert!(
            matches!(engine.add(None, keyless, key), Err(AddModelError::WrongKey)),
            "{wrap}, without a proving key"
        );
        assert!(engine.models().is_empty());
    }
}

pub fn input(model: &ModelInfo) -> InputOpening {
    let data = (0..model.input_len().unwrap()).map(|i| (i as f32 * 0.37).sin()).collect();
    InputOpening { data, blinding: vec![B256::left_padding_from(&[5]); model.input_chunks as usize] }
}

/// The whole of it: a buyer pays, the service proves, the contract verifies the real proof and pays.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_real_proof_releases_a_real_escrow() {
    for wrap in System::ALL {
        releases_escrow(wrap).await;
    }
}

async fn releases_escrow(wrap: System) {
    let Some((anvil, at)) = deployed(true).await else { return };
    let (seller, key) = seller(wrap);
    let weights = seller.package.model.weights_bytes();
    let (id, key_hash) = list(&anvil, &at, &key.wrap.contract_bytes(&key.model), weights.into()).await;
    let engine = NativeEngine::new();
    let model = engine.add(Some(id), seller, key).unwrap();
    assert_eq!(model.key_hash, key_hash, "the prover and the registry hash the same bytes");
    let engine = Arc::new(engine);

    let [_, prover, buyer, ..] = &anvil.accounts()[..] else { panic!("anvil has accounts") };
    let terms = Terms { price: 1_000_000, collateral: 100_000, ..Terms::default() };
    let dir = tempfile::tempdir().unwrap();
    let state = AppState::open(config(dir.path(), anvil.url(), &at, prover, terms), engine.clone()).await.unwrap();
    let workers = tokio::spawn(run_workers(state.clone()));
    let rpc = anvil.rpc().unwrap();
    let input = input(&model);
    let commitments = engine.execute(model.id, &input).unwrap().input_commitments;
    let input_commitment = input_digest(&commitments);
    let quote = json!({ "model": model.id, "buyer": buyer.address(), "input_commitment": input_commitment });
    let escrow: Escrow = serde_json::from_value(post(&state, "/v1/quotes", &[], &quote).await.json()).unwrap();
    let (token, price_max) = (Address::ZERO, 1_000_000);
    let wanted = Wanted { model: model.id, key_hash, input_commitment, buyer: buyer.address(), price_max, token };
    check_order(&rpc, at.market, &escrow, &wanted, true).await.unwrap();
    let request = json!({ "model": model.id, "input": input.data, "blinding": input.blinding, "escrow": escrow });
    let made = post(&state, "/v1/predictions", &[], &request).await.json();
    account::fund(&rpc, buyer, at.market, &escrow).await.unwrap();
    until(&state, made["id"].as_str().unwrap(), State::Settled).await;
    assert_eq!(account::credit(&rpc, at.market, token, prover.address()).await.unwrap(), U256::from(1_100_000));
    state.stopping.send_replace(true);
    workers.await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_real_proof_over_http() {
    for wrap in System::ALL {
        over_http(wrap).await;
    }
}

async fn over_http(wrap: System) {
    let (seller, key) = seller(wrap);
    let engine = NativeEngine::new();
    let model = engine.add(None, seller, key).unwrap();
    assert_eq!(model.id, model.model_commitment);
    assert!(model.development && model.parameters > 0);
    assert_eq!(model.wrap, wrap.name());
    let engine = Arc::new(engine);
    let InputOpening { data, blinding } = input(&model);

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
    assert!(matches!(
        engine.execute(model.id, &with(&data, &too_large)),
        Err(EngineError::BlindingNotCanonical { index: 0 })
    ));
    let cancel = Cancel::new();
    cancel.cancel();
    assert!(matches!(engine.prove(model.id, &input, B256::ZERO, &cancel, &|_| {}), Err(EngineError::Cancelled)));
    let cancel = Cancel::new();
    let wrap = engine.prove_inner(model.id, std::slice::from_ref(&input), B256::ZERO, &cancel, &|_| {}).unwrap();
    cancel.cancel();
    assert!(matches!(wrap(&cancel, &|_| {}), Err(EngineError::Cancelled)), "between the halves");
    let (public, private) =
        (engine.execute(model.id, &input).unwrap(), engine.execute(model.id, &with(&data, &blinding)).unwrap());
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

    let good = Claim {
        context,
        input_commitments: private.input_commitments,
        output_cells: private.output_cells,
        clamps: 0,
        proof: proof.into(),
    };
    engine.verify(model.id, &good).unwrap();
    let changes: [&dyn Fn(&mut Claim); 7] = [
        &|c| c.context = B256::ZERO,
        &|c| c.output_cells[0] ^= 1,
        &|c| c.output_cells.clear(),
        &|c| c.clamps = 1,
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
