//! Buying a proven answer: nothing that the service says is believed.

use crate::refused;
use alloy::primitives::{Address, B256, Bytes};
use alloy::signers::local::PrivateKeySigner;
use assay_api::chain::abi::InferenceMarket::State as OnChain;
use assay_api::chain::{Rpc, Wanted, account, check_order, context, jobs};
use assay_api::client::{Client, ClientError};
use assay_api::engine::{Inputs, input_digest};
use assay_api::orders::{self, Saved};
use assay_api::receipt;
use assay_api::terms::Escrow;
use assay_api::{PredictionRequest, QuoteRequest};
use assay_circuits::batch::Batch;
use assay_circuits::exec::quantise_input;
use assay_compiler::{Calibration, wanted};
use assay_prover::package::BuyerKey;
use assay_prover::pcs::encode;
use assay_prover::seller::InputOpening;
use assay_prover::srs::{Srs, file};
use assay_prover::wrap::System;
use assay_verifier::calls::batched;
use assay_verifier::proof_file::ProofFile;
use pyo3::prelude::*;
use serde_json::json;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

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
    fn new(
        rpc: &str,
        market: &str,
        private_key: &str,
        price_max: u128,
        accept_development_key: bool,
    ) -> PyResult<Self> {
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

/// The powers of a key's SRS: those in the file that is named, or those of the development SRS.
fn powers(key: &BuyerKey, path: Option<&Path>) -> PyResult<Srs> {
    path.map_or_else(|| Ok(Srs::development(key.wrap.srs_log(&key.model.shape))), file::load).map_err(refused)
}

/// Hides an input, under a key that is computed again before.
fn commit(key: &BuyerKey, input: Vec<f32>, srs: &Srs) -> PyResult<Committed> {
    let shape = &key.model.shape;
    let samples = Calibration::from_samples(vec![input]).samples(&wanted(&shape.architecture)).map_err(refused)?;
    let [sample] = &samples[..] else {
        return Err(refused(format!("there are {} inputs, and one is needed", samples.len())));
    };
    key.recompute(srs).map_err(refused)?;
    let opening = InputOpening::private(shape, quantise_input(&shape.architecture, sample).map_err(refused)?.cells);
    let points = opening.commit(shape, srs).map_err(refused)?.commitments;
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

/// What a buyer asks a service for.
struct Wish<'a> {
    service: &'a str,
    /// The chain's address, as it is kept with the order.
    rpc: &'a str,
    key: &'a BuyerKey,
    input: Committed,
    /// Most inferences, those of other buyers included, that the proof may have.
    batch: u32,
    /// Powers of the key's SRS, where it is not the development SRS.
    powers: Option<&'a Srs>,
}

/// Quotes and checks, and keeps the order. Nothing is paid.
async fn order(wish: Wish<'_>, payment: &Payment) -> PyResult<Saved> {
    let Wish { service, rpc, key, input, batch, powers } = wish;
    let client = Client::new(service).map_err(refused)?;
    let (commitment, key_hash) = (B256::from(key.model.commitment()), B256::from(key.wrap.hash(&key.model)));
    let models = client.models().await.map_err(refused)?;
    let model = models.into_iter().find(|model| model.model_commitment == commitment && model.key_hash == key_hash);
    let model = model.ok_or_else(|| refused("the service does not serve the model of this key"))?;
    let input_commitment = input_digest(&input.commitments);
    let batch = if key.wrap.system() == System::Universal { batch } else { 1 };
    let (buyer, input_of) = (payment.buyer.address(), Some(input_commitment));
    let wanted = QuoteRequest {
        model: model.id,
        buyer: Some(buyer),
        input_commitment: input_of,
        batch: Some(batch),
        jobs: None,
    };
    let escrow = client.quote_for(&wanted).await.map_err(refused)?;
    let inferences = model.inferences_of(escrow.order.key_hash).unwrap_or(1);
    if inferences > batch {
        return Err(refused(format!("the quote is for a proof of {inferences} inferences")));
    }
    let key_of_order = of_order(key, inferences, powers)?;
    payment.check(&escrow, &Goods { model: model.id, key: &key_of_order, input_commitment }).await?;
    let request = PredictionRequest {
        max_tokens: None,
        model: model.id,
        input: Inputs::List(input.data),
        blinding: input.blinding,
        allow_clamping: false,
        batch: None,
        escrow: Some(escrow.clone()),
        context: None,
    };
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let saved = Saved {
        version: Saved::VERSION,
        job: escrow.order.job_id(&account::domain(&payment.rpc, payment.market).await.map_err(refused)?),
        created: now.as_secs(),
        service: service.to_owned(),
        rpc: rpc.to_owned(),
        chain_id: payment.rpc.chain_id().await.map_err(refused)?,
        market: payment.market,
        escrow,
        request: Some(request),
        idempotency_key: format!("{:x}", B256::random()),
        prediction: None,
        commitments: input.commitments,
        key: orders::keep_key(key).map_err(refused)?,
        inferences,
        output: None,
        from_balance: false,
        batch: None,
    };
    saved.save().map_err(refused)?;
    Ok(saved)
}

/// The key that an order names, derived from the model's key for one inference.
fn of_order(key: &BuyerKey, inferences: u32, powers: Option<&Srs>) -> PyResult<BuyerKey> {
    let batch = Batch::of(inferences as usize, true)
        .ok_or_else(|| refused("the service says that the proof has a number of inferences which no proof has"))?;
    if batch == key.model.shape.batch { Ok(key.clone()) } else { batched(key, batch, powers).map_err(refused) }
}

/// Sends an order. The same order is the same prediction, however often it is sent. `false`: the service takes it only
/// once it is paid for.
async fn post(client: &Client, saved: &mut Saved) -> PyResult<bool> {
    let Some(request) = &saved.request else {
        return Err(refused("the order's input is not kept any more: its proof was here already"));
    };
    match client.predict(request, Some(&saved.idempotency_key), None).await {
        Ok(prediction) => saved.prediction = Some(prediction.id),
        Err(ClientError::Problem(problem)) if problem.code == "too-many-unfunded" => return Ok(false),
        Err(error) => return Err(refused(error)),
    }
    saved.save().map_err(refused)?;
    Ok(true)
}

/// Sends a kept order, pays for it where `buyer` is to, waits, verifies. Returns the proof file.
async fn deliver(
    saved: &mut Saved,
    rpc: &Rpc,
    buyer: Option<&PrivateKeySigner>,
    key: &BuyerKey,
) -> PyResult<ProofFile> {
    let client = Client::new(&saved.service).map_err(refused)?;
    let posted = saved.request.is_none() || post(&client, saved).await?;
    if let Some(buyer) = buyer {
        account::fund_from(rpc, buyer, saved.market, &saved.escrow, saved.pay_from()).await.map_err(refused)?;
    }
    if !posted && !post(&client, saved).await? {
        return Err(refused("the service takes no more orders without money, and has not seen the payment yet"));
    }
    let id = saved.prediction.clone().ok_or_else(|| refused("the service does not know the order"))?;
    let done = client.follow(&id, |_| ()).await.map_err(refused)?;
    if done.output.is_none() {
        return Err(refused(format!(
            "the prediction ended as {} {}",
            done.state,
            done.error_detail.unwrap_or_default()
        )));
    }
    let settled = receipt::settlement(saved, &done).await.map_err(refused)?;
    let proof = client.proof(&done).await.map_err(refused)?;
    let file = receipt::verified(key, &done, proof, &saved.commitments, settled.context).map_err(refused)?;
    settled.check(&file).map_err(refused)?;
    saved.request = None;
    saved.save().map_err(refused)?;
    Ok(file)
}

/// Says of whatever failed where the order's money may be.
fn with_money<T>(saved: &Saved, result: PyResult<T>) -> PyResult<T> {
    result.map_err(|error| {
        let why = Python::attach(|py| error.value(py).to_string());
        refused(format!("{why}; {}", orders::perhaps(saved)))
    })
}

/// Buys one proven answer, and returns its proof file, which was verified. The order is kept before it is paid.
#[pyfunction]
#[pyo3(signature = (service, key, input, rpc, market, private_key, max_price, accept_development_key=false, srs_file=None, batch=64))]
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
    batch: u32,
) -> PyResult<String> {
    py.detach(|| {
        let key = open(key)?;
        let srs = powers(&key, srs_file.as_deref())?;
        let input = commit(&key, input, &srs)?;
        let payment = Payment::new(&rpc, &market, &private_key, max_price, accept_development_key)?;
        let file = wait(async {
            let wish = Wish { service: &service, rpc: &rpc, key: &key, input, batch: batch.max(1), powers: Some(&srs) };
            let mut saved = order(wish, &payment).await?;
            let key = of_order(&key, saved.inferences, Some(&srs))?;
            let delivered = deliver(&mut saved, &payment.rpc, Some(&payment.buyer), &key).await;
            with_money(&saved, delivered)
        })?;
        serde_json::to_string(&json!(file)).map_err(refused)
    })
}

/// Goes on with a kept order, which is paid for by `private_key` where it is not yet. Returns its proof file, which was
/// verified.
#[pyfunction]
#[pyo3(signature = (job, private_key=None, srs_file=None))]
pub fn resume(py: Python<'_>, job: String, private_key: Option<String>, srs_file: Option<PathBuf>) -> PyResult<String> {
    py.detach(|| {
        let (all, _) = orders::all().map_err(refused)?;
        let saved = orders::beginning(all, &job).map_err(refused)?;
        let mut saved =
            saved.ok_or_else(|| refused(format!("no order that was made on this machine begins with {job}")))?;
        let key = BuyerKey::read(&saved.key).map_err(refused)?;
        let srs = powers(&key, srs_file.as_deref())?;
        key.recompute(&srs).map_err(refused)?;
        let key = of_order(&key, saved.inferences, Some(&srs))?;
        let file = wait(async {
            let rpc = Rpc::new(&saved.rpc).map_err(refused)?;
            let record = account::job(&rpc, saved.market, saved.job).await.map_err(refused)?;
            let buyer = match record.state {
                OnChain::None => {
                    if rpc.now().await.map_err(refused)? > saved.escrow.quote.valid_until {
                        return Err(refused("the quote has lapsed and nothing was paid: buy anew"));
                    }
                    let given =
                        private_key.as_deref().ok_or_else(|| refused("the order is not paid for: pass private_key"))?;
                    Some(signer(given)?)
                }
                OnChain::Funded | OnChain::Locked | OnChain::Settled => None,
                _ => return Err(refused("the order is over, and nothing is left to go on with")),
            };
            let delivered = deliver(&mut saved, &rpc, buyer.as_ref(), &key).await;
            with_money(&saved, delivered)
        })?;
        serde_json::to_string(&json!(file)).map_err(refused)
    })
}

/// The orders that were kept on this machine, oldest first, without their inputs: job, service, prediction, price,
/// where their files are.
#[pyfunction]
pub fn kept_orders() -> PyResult<String> {
    let (all, _) = orders::all().map_err(refused)?;
    let rows: Vec<_> = all
        .iter()
        .map(|order| {
            json!({
                "job": order.job, "service": order.service, "prediction": order.prediction, "price": order.escrow.quote.price.to_string(),
                "token": order.escrow.order.token, "created": order.created, "market": order.market, "chain_id": order.chain_id,
                "done": order.request.is_none(), "file": order.path(),
            })
        })
        .collect();
    serde_json::to_string(&rows).map_err(refused)
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
        let escrow: Escrow =
            serde_json::from_str(&escrow).map_err(|e| refused(format!("the order is not one: {e}")))?;
        let (model, input_commitment) =
            (hash(&model, "the model's id")?, hash(&input_commitment, "the input's commitment")?);
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
