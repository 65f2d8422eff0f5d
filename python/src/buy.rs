//! Buying a proven answer: nothing that the service says is believed.

use crate::refused;
use alloy::primitives::{Address, B256, Bytes};
use alloy::signers::local::PrivateKeySigner;
use assay_api::PredictionRequest;
use assay_api::chain::{Rpc, Wanted, account, check_order, context, jobs};
use assay_api::client::Client;
use assay_api::engine::{Inputs, input_digest};
use assay_api::terms::Escrow;
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

/// Who pays what, and where.
struct Payment {
    rpc: Rpc,
    market: Address,
    buyer: PrivateKeySigner,
    price_max: u128,
    accept_development_key: bool,
}

/// What is paid for.
struct Goods<'a> {
    model: B256,
    key: &'a BuyerKey,
    input_commitment: B256,
}

fn hash(text: &str, what: &str) -> PyResult<B256> {
    text.parse().map_err(|_| refused(format!("{what} is not one: it is 0x and 64 hex digits")))
}

fn signer(private_key: &str) -> PyResult<PrivateKeySigner> {
    private_key.parse().map_err(|_| refused("the private key is not one: it is 0x and 64 hex digits"))
}

/// A chain and its market.
fn place(rpc: &str, market: &str) -> PyResult<(Rpc, Address)> {
    let market = market.parse().map_err(|_| refused("the market's address is not one: it is 0x and 40 hex digits"))?;
    Ok((Rpc::new(rpc).map_err(refused)?, market))
}

impl Payment {
    fn new(rpc: &str, market: &str, private_key: &str, price_max: u128, accept_development_key: bool) -> PyResult<Self> {
        let (rpc, market) = place(rpc, market)?;
        Ok(Self { rpc, market, buyer: signer(private_key)?, price_max, accept_development_key })
    }

    /// Refuses an order that is not for the goods, or not what the chain says.
    async fn check(&self, escrow: &Escrow, goods: &Goods<'_>) -> PyResult<()> {
        let Goods { model, key, input_commitment } = *goods;
        if escrow.order.model_commitment != B256::from(key.model.commitment()) {
            return Err(refused("the order is for other weights than the key's"));
        }
        let key_hash = B256::from(key.wrap.hash(&key.model));
        let (buyer, price_max) = (self.buyer.address(), self.price_max);
        let wanted = Wanted { model, key_hash, input_commitment, buyer, price_max, token: Address::ZERO };
        check_order(&self.rpc, self.market, escrow, &wanted, self.accept_development_key).await.map_err(refused)?;
        Ok(())
    }

    /// Pays into escrow. Returns the job.
    async fn pay(&self, escrow: &Escrow) -> PyResult<B256> {
        Ok(account::fund(&self.rpc, &self.buyer, self.market, escrow).await.map_err(refused)?.0)
    }
}

/// A buyer's key, for one inference.
fn open(bytes: Vec<u8>) -> PyResult<BuyerKey> {
    let key = BuyerKey::from_bytes(bytes, Path::new("the key")).map_err(refused)?;
    if key.model.shape.batch != Batch::ONE {
        return Err(refused("the key is for several inferences in a proof: pass the model's key for one"));
    }
    Ok(key)
}

/// Waits for what is done over the network.
fn wait<T>(work: impl Future<Output = PyResult<T>>) -> PyResult<T> {
    tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(refused)?.block_on(work)
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

/// What a settled job's proof is bound to, by the chain.
async fn binding(rpc: &Rpc, market: Address, job: B256) -> PyResult<B256> {
    let paid = jobs::paid(rpc, market, job).await.map_err(refused)?;
    Ok(context(rpc.chain_id().await.map_err(refused)?, market, job, paid.prover))
}

/// Quotes, pays, waits and verifies. Returns the proof file.
async fn settle(service: &str, payment: Payment, key: BuyerKey, input: Committed) -> PyResult<ProofFile> {
    let client = Client::new(service).map_err(refused)?;
    let (commitment, key_hash) = (B256::from(key.model.commitment()), B256::from(key.wrap.hash(&key.model)));
    let models = client.models().await.map_err(refused)?;
    let model = models.into_iter().find(|model| model.model_commitment == commitment && model.key_hash == key_hash);
    let model = model.ok_or_else(|| refused("the service does not serve the model of this key"))?.id;
    let input_commitment = input_digest(&input.commitments);
    let escrow = client.quote(model, Some(payment.buyer.address()), Some(input_commitment)).await.map_err(refused)?;
    payment.check(&escrow, &Goods { model, key: &key, input_commitment }).await?;
    let request = PredictionRequest {
        max_tokens: None,
        model,
        input: Inputs::List(input.data),
        blinding: input.blinding,
        allow_clamping: false,
        batch: None,
        escrow: Some(escrow.clone()),
        context: None,
    };
    let posted = client.predict(&request, Some(&format!("{:x}", B256::random())), None).await.map_err(refused)?;
    let job = payment.pay(&escrow).await?;
    let done = client.follow(&posted.id, |_| ()).await.map_err(refused)?;
    if done.output.is_none() {
        let why = done.error_detail.unwrap_or_default();
        return Err(refused(format!("the prediction ended as {} {why}; the job {job} is refunded by the market", done.state)));
    }
    let bound_to = binding(&payment.rpc, payment.market, job).await?;
    let proof = client.proof(&done).await.map_err(refused)?;
    let (Some(output_cells), Some(output)) = (done.output_cells, done.output) else {
        return Err(refused("the prediction has no output"));
    };
    // input and context are the buyer's own
    let answer =
        Answer { input_commitments: input.commitments, output_cells, output, clamps: done.clamps, context: bound_to, shared: None };
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
        let key = open(key)?;
        let input = commit(&key, input, srs_file.as_deref())?;
        let payment = Payment::new(&rpc, &market, &private_key, max_price, accept_development_key)?;
        let file = wait(settle(&service, payment, key, input))?;
        serde_json::to_string(&json!(file)).map_err(refused)
    })
}

/// Checks an order, given as a service answers it, against the key and the chain, and pays for it. Returns the job.
#[pyfunction]
#[allow(clippy::too_many_arguments, reason = "Python names them")]
pub fn pay(
    py: Python<'_>,
    escrow: String,
    model: String,
    key: Vec<u8>,
    input_commitment: String,
    rpc: String,
    market: String,
    private_key: String,
    max_price: u128,
    accept_development_key: bool,
) -> PyResult<String> {
    py.detach(|| {
        let escrow: Escrow = serde_json::from_str(&escrow).map_err(|e| refused(format!("the order is not one: {e}")))?;
        let (model, input_commitment) = (hash(&model, "the model's id")?, hash(&input_commitment, "the input's commitment")?);
        let key = open(key)?;
        let payment = Payment::new(&rpc, &market, &private_key, max_price, accept_development_key)?;
        wait(async {
            payment.check(&escrow, &Goods { model, key: &key, input_commitment }).await?;
            Ok(payment.pay(&escrow).await?.to_string())
        })
    })
}

/// What a settled job's proof is bound to.
#[pyfunction]
pub fn job_context(py: Python<'_>, job: String, rpc: String, market: String) -> PyResult<String> {
    py.detach(|| {
        let ((rpc, market), job) = (place(&rpc, &market)?, hash(&job, "the job")?);
        wait(async { Ok(binding(&rpc, market, job).await?.to_string()) })
    })
}

/// The account of a private key.
#[pyfunction]
pub fn account_of(private_key: &str) -> PyResult<String> {
    Ok(signer(private_key)?.address().to_string())
}
