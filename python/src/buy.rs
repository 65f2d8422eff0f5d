//! Buying a proven answer: nothing that the service says is believed.

use crate::refused;
use alloy::primitives::{Address, B256, Bytes};
use alloy::signers::local::PrivateKeySigner;
use assay_api::PredictionRequest;
use assay_api::chain::{Rpc, Wanted, account, check_order, context, jobs};
use assay_api::client::Client;
use assay_api::engine::{Inputs, input_digest};
use assay_api::store::State;
use assay_circuits::batch::Batch;
use assay_circuits::exec::quantise_input;
use assay_compiler::{Calibration, wanted};
use assay_prover::derived::Nowhere;
use assay_prover::package::BuyerKey;
use assay_prover::pcs::encode;
use assay_prover::seller::InputOpening;
use assay_prover::srs::{Srs, file};
use assay_verifier::proof_file::{Answer, ProofFile};
use pyo3::prelude::*;
use serde_json::json;
use std::path::{Path, PathBuf};

/// Where it is bought, and who pays.
struct Place {
    service: String,
    rpc: String,
    market: String,
    private_key: String,
    max_price: u128,
    accept_development_key: bool,
}

/// An input that was committed to.
struct Committed {
    data: Vec<f32>,
    blinding: Vec<B256>,
    commitments: Vec<Bytes>,
}

fn commit(key: &BuyerKey, input: Vec<f32>, path: Option<&Path>) -> PyResult<Committed> {
    let shape = &key.model.shape;
    let samples = Calibration::from_samples(vec![input]).samples(&wanted(&shape.architecture)).map_err(refused)?;
    let [sample] = &samples[..] else { return Err(refused(format!("there are {} inputs, and one is needed", samples.len()))) };
    let log = key.wrap.srs_log(shape);
    let srs = path.map_or_else(|| Ok(Srs::development(log)), file::load).map_err(refused)?;
    let powers = |_| Ok::<_, assay_prover::key::KeyError>(srs.clone());
    key.model.recompute(Some(&key.wrap), powers, &Nowhere).map_err(refused)?;
    let opening = InputOpening::private(shape, quantise_input(&shape.architecture, sample).map_err(refused)?.cells);
    let points = opening.commit(shape, &srs).map_err(refused)?.commitments;
    Ok(Committed {
        data: sample.concat(),
        blinding: opening.blinding.iter().map(|value| encode::fr_word(value).into()).collect(),
        commitments: points.iter().map(|point| Bytes::copy_from_slice(&encode::g1_bytes(point))).collect(),
    })
}

/// Quotes, pays, waits and verifies. Returns the proof file.
async fn settle(place: Place, key: BuyerKey, input: Committed) -> PyResult<ProofFile> {
    let bad = |what: &str| refused(format!("{what} is not one"));
    let market: Address = place.market.parse().map_err(|_| bad("the market's address"))?;
    let buyer: PrivateKeySigner = place.private_key.parse().map_err(|_| bad("the private key"))?;
    let (client, rpc) = (Client::new(&place.service).map_err(refused)?, Rpc::new(&place.rpc).map_err(refused)?);
    let (commitment, key_hash) = (B256::from(key.model.commitment()), B256::from(key.wrap.hash(&key.model)));
    let models = client.models().await.map_err(refused)?;
    let model = models.into_iter().find(|model| model.model_commitment == commitment && model.key_hash == key_hash);
    let model = model.ok_or_else(|| refused("the service does not serve the model of this key"))?.id;
    let input_commitment = input_digest(&input.commitments);
    let escrow = client.quote(model, Some(buyer.address()), Some(input_commitment)).await.map_err(refused)?;
    if escrow.order.model_commitment != commitment {
        return Err(refused("the order is for other weights than the key's"));
    }
    let wanted = Wanted { model, key_hash, input_commitment, buyer: buyer.address(), price_max: place.max_price, token: Address::ZERO };
    check_order(&rpc, market, &escrow, &wanted, place.accept_development_key).await.map_err(refused)?;
    let request = PredictionRequest {
        max_tokens: None,
        model,
        input: Inputs::List(input.data),
        blinding: input.blinding,
        allow_clamping: false,
        escrow: Some(escrow.clone()),
        context: None,
    };
    let posted = client.predict(&request, Some(&format!("{:x}", B256::random())), None).await.map_err(refused)?;
    let (job, _) = account::fund(&rpc, &buyer, market, &escrow).await.map_err(refused)?;
    let done = client.follow(&posted.id, |_| ()).await.map_err(refused)?;
    if done.state != State::Settled {
        let why = done.error_detail.unwrap_or_default();
        return Err(refused(format!("the prediction ended as {} {why}; the job {job} is refunded by the market", done.state)));
    }
    let paid = jobs::paid(&rpc, market, job).await.map_err(refused)?;
    let proof = client.proof(&done).await.map_err(refused)?;
    let (Some(output_cells), Some(output)) = (done.output_cells, done.output) else {
        return Err(refused("the prediction has no output"));
    };
    // input and context are the buyer's own
    let answer = Answer {
        input_commitments: input.commitments,
        output_cells,
        output,
        clamps: done.clamps,
        context: context(rpc.chain_id().await.map_err(refused)?, market, job, paid.prover),
        shared: None,
    };
    let file = ProofFile::of_answer(&key.model, &key.wrap, answer, proof).map_err(refused)?;
    file.verify(&key.model, Some(&key.wrap)).map_err(refused)?;
    Ok(file)
}

/// Buys one proven answer, and returns its proof file, which was verified.
#[pyfunction]
#[pyo3(signature = (service, key, input, rpc, market, private_key, max_price, accept_development_key=false, srs_file=None))]
#[allow(clippy::too_many_arguments, reason = "Python names them")]
pub fn buy(
    py: Python<'_>,
    service: String,
    key: Vec<u8>,
    input: Vec<f32>,
    rpc: String,
    market: String,
    private_key: String,
    max_price: u128,
    accept_development_key: bool,
    srs_file: Option<PathBuf>,
) -> PyResult<String> {
    py.detach(|| {
        let key = BuyerKey::from_bytes(key, Path::new("the key")).map_err(refused)?;
        if key.model.shape.batch != Batch::ONE {
            return Err(refused("the key is for several inferences in a proof: pass the model's key for one"));
        }
        let input = commit(&key, input, srs_file.as_deref())?;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(refused)?;
        let file = runtime.block_on(settle(Place { service, rpc, market, private_key, max_price, accept_development_key }, key, input))?;
        serde_json::to_string(&json!(file)).map_err(refused)
    })
}
