//! `assay request`: the buyer's side. Nothing that the service says is believed.

use super::chain;
use crate::args::RequestArgs;
use crate::batch::BatchError;
use crate::clamp;
use crate::exit::{Context, Exit, Failure, Outcome};
use crate::files;
use crate::proof_file::ProofFile;
use crate::ui::Ui;
use alloy::primitives::{Address, B256, Bytes, U256};
use alloy::signers::local::PrivateKeySigner;
use assay_api::chain::abi::InferenceMarket;
use assay_api::chain::{Rpc, Wanted, account, check_order, context, jobs};
use assay_api::client::Client;
use assay_api::engine::{Inputs, input_digest};
use assay_api::store::State;
use assay_api::terms::Escrow;
use assay_api::{Prediction, PredictionRequest};
use assay_circuits::batch::Batch;
use assay_circuits::exec::quantise_input;
use assay_compiler::read_input;
use assay_prover::package::BuyerKey;
use assay_prover::pcs::encode;
use assay_prover::seller::InputOpening;
use serde_json::json;
use std::path::Path;

/// A buyer's input: as the service gets it, and its commitments.
pub struct Opened {
    /// Real values.
    pub data: Vec<f32>,
    /// Scalars that open the commitments.
    pub blinding: Vec<B256>,
    /// Commitments, 64 bytes each.
    pub commitments: Vec<Bytes>,
    /// How many elements are outside the published range.
    pub outside: usize,
    /// Whether the key of the wrap was derived; else it is its maker's word.
    pub wrap_recomputed: bool,
}

/// Reads an input and commits to it. One outside the published range is refused, before anything is paid, unless that is allowed.
pub fn open_input(ui: &Ui, key: &BuyerKey, input: &Path, srs: Option<&Path>, public: bool, allow_clamping: bool) -> Outcome<Opened> {
    let shape = &key.model.shape;
    if shape.batch != Batch::ONE {
        return Err(BatchError::NotSingle { inferences: shape.batch.inferences() }.into());
    }
    let sample = read_input(input, &shape.architecture)?;
    let outside = clamp::check(ui, &shape.architecture, std::slice::from_ref(&sample), allow_clamping)?;
    let cells = quantise_input(&shape.architecture, &sample)?.cells;
    let srs = files::srs_of(ui, srs, &key.model.srs, key.wrap.srs_log(shape))?;
    let wrap_recomputed = ui.phase("recompute key", |_| key.recompute(&srs))?.wrap;
    let opening = if public { InputOpening::public(shape, cells) } else { InputOpening::private(shape, cells) };
    let committed = ui.phase("commit input", |_| opening.commit(shape, &srs))?;
    Ok(Opened {
        data: sample.concat(),
        outside,
        wrap_recomputed,
        blinding: if public { Vec::new() } else { opening.blinding.iter().map(|b| encode::fr_word(b).into()).collect() },
        commitments: committed.commitments.iter().map(|p| Bytes::copy_from_slice(&encode::g1_bytes(p))).collect(),
    })
}

/// Makes a proof file of what the service returned, and verifies it against what the *buyer* knows: key, input, context.
pub fn check(key: &BuyerKey, prediction: &Prediction, proof: Vec<u8>, commitments: &[Bytes], context: B256) -> Outcome<ProofFile> {
    let Some(cells) = prediction.output_cells.clone() else {
        return Err(Failure::message(Exit::Failed, "the service gives no output"));
    };
    let file = ProofFile::of_bytes(&key.model, Some(&key.wrap), context, commitments.to_vec(), (cells, prediction.clamps), proof);
    file.verify(&key.model, Some(&key.wrap)).context("the service's proof does not hold")?;
    Ok(file)
}

/// The service's model with the buyer's key.
async fn find_model(client: &Client, key: &BuyerKey, wanted: Option<B256>) -> Outcome<B256> {
    if let Some(id) = wanted {
        return Ok(id);
    }
    let (commitment, hash) = (B256::from(key.model.commitment()), B256::from(key.wrap.hash(&key.model)));
    let models = client.models().await?;
    let found = models.iter().find(|m| m.model_commitment == commitment && m.key_hash == hash);
    found.map(|m| m.id).ok_or_else(|| Failure::message(Exit::Failed, "the service does not serve the model of this key"))
}

/// The buyer's account on a chain.
struct Buyer {
    rpc: Rpc,
    market: Address,
    account: PrivateKeySigner,
}

impl Buyer {
    fn new(args: &RequestArgs) -> Outcome<Option<Self>> {
        let (Some(url), Some(market), Some(key), false) = (&args.rpc, args.market, &args.private_key, args.free) else { return Ok(None) };
        Ok(Some(Self { rpc: Rpc::new(url)?, market, account: chain::signer(key)? }))
    }

    /// A quote, checked against the chain.
    async fn order(&self, args: &RequestArgs, client: &Client, key: &BuyerKey, model: B256, input: B256) -> Outcome<Escrow> {
        let buyer = self.account.address();
        let mut escrow = client.quote(model, Some(buyer), Some(input)).await?;
        let wanted = Wanted {
            model,
            key_hash: key.wrap.hash(&key.model).into(),
            input_commitment: input,
            buyer,
            price_max: args.max_price,
            token: args.token.unwrap_or_default(),
        };
        if escrow.order.model_commitment != B256::from(key.model.commitment()) {
            return Err(Failure::message(Exit::Failed, "the order is for other weights than the key's"));
        }
        check_order(&self.rpc, self.market, &escrow, &wanted, args.accept_development_key).await.context("the quote is not acceptable")?;
        // the order is the buyer's: the seller signs the quote only
        escrow.order.unclamped = args.unclamped;
        Ok(escrow)
    }

    /// What the market paid for a job, if it did, and the context of its proof.
    async fn settled(&self, job: B256) -> Outcome<B256> {
        let record = account::job(&self.rpc, self.market, job).await?;
        if record.state != InferenceMarket::State::Settled {
            return Err(Failure::message(Exit::Failed, format!("the market's job is {:?}, not settled", record.state)));
        }
        let prover = jobs::payee(&self.rpc, self.market, job).await?;
        Ok(context(self.rpc.chain_id().await?, self.market, job, prover))
    }
}

/// Follows a prediction to its end, with its events on stderr.
async fn follow(ui: &Ui, client: &Client, id: &str) -> Outcome<Prediction> {
    let work = client.follow(id, |event| {
        if event.kind != "progress" && !ui.json {
            eprintln!("  {} {}", event.kind, event.data);
        }
    });
    ui.phase_async("follow", work).await
}

/// Buys (or asks for) one proven inference.
pub async fn request(ui: &Ui, args: RequestArgs) -> Outcome {
    let client = Client::new(&args.service)?;
    let buyer = Buyer::new(&args)?;
    let key = files::key(ui, &args.key)?;
    files::warn_key(ui, &key);
    let opened = open_input(ui, &key, &args.input, args.srs.srs.as_deref(), args.public_input, args.clamping.allow_clamping)?;
    let model = find_model(&client, &key, args.model).await?;
    // a free proof is bound to a context of the buyer's choice, so that no older proof can be passed off as this one
    let free_context = B256::random();
    let mut request = PredictionRequest {
        model,
        input: Inputs::List(opened.data),
        blinding: opened.blinding,
        allow_clamping: args.clamping.allow_clamping,
        escrow: None,
        context: buyer.is_none().then_some(free_context),
    };
    if let Some(buyer) = &buyer {
        let order = buyer.order(&args, &client, &key, model, input_digest(&opened.commitments));
        request.escrow = Some(ui.phase_async("quote", order).await?);
    }
    let idempotency = format!("{:x}", B256::random());
    let prediction = ui.phase_async("post", client.predict(&request, Some(&idempotency), None)).await?;
    clamp::report(ui, &prediction.clamped);
    let mut gas = None;
    let job = match (&buyer, &request.escrow) {
        (Some(buyer), Some(escrow)) => {
            let job = escrow.order.job_id(&account::domain(&buyer.rpc, buyer.market).await?);
            eprintln!("job {job}, prediction {}", prediction.id);
            let (_, receipt) = ui.phase_async("fund", account::fund(&buyer.rpc, &buyer.account, buyer.market, escrow)).await?;
            gas = Some(receipt.gas_used);
            Some(job)
        }
        _ => None,
    };
    let done = follow(ui, &client, &prediction.id).await?;
    if !matches!(done.state, State::Settled | State::Proven) {
        let why = done.error_detail.clone().unwrap_or_default();
        let back = if job.is_some() { "; the contract gives the money back after the job's expiry" } else { "" };
        return Err(Failure::message(Exit::Failed, format!("the prediction ended as {} {why}{back}", done.state)));
    }
    let context = match (&buyer, job) {
        (Some(buyer), Some(job)) => buyer.settled(job).await?,
        _ => free_context,
    };
    let proof = ui.phase_async("fetch proof", client.proof(&done)).await?;
    let file = ui.phase("verify", |_| check(&key, &done, proof, &opened.commitments, context))?;
    if let Some(path) = &args.output {
        file.write(path)?;
    }
    let price = request.escrow.as_ref().map(|e| U256::from(e.quote.price).to_string());
    ui.finish(
        json!({
            "output_data": file.output_data, "output": file.output, "prediction": done.id, "job": job, "state": done.state, "price": price,
            "fund_gas": gas, "transactions": done.transactions, "proof_bytes": file.proof.len(), "context": context, "file": args.output,
            "verified": true, "wrap_recomputed": opened.wrap_recomputed, "development": key.is_development(), "outside": opened.outside, "clamped": done.clamped,
            "clamps": file.clamps,
        }),
        format!("{}", json!({ "output_data": file.output_data })),
    );
    Ok(())
}
