//! `assay request`: the buyer's side. Nothing that the service says is believed.

use super::{chain, money, request_many};
use crate::args::{CommitArgs, RequestArgs, ResumeArgs};
use crate::batch::{self, BatchError};
use crate::card;
use crate::clamp;
use crate::exit::{Context, Exit, Failure, Outcome};
use crate::files;
use crate::generate::{self, Text};
use crate::inputs;
use crate::orders::{self, Saved};
use crate::powers;
use crate::proof_file;
use crate::trust::Checked;
use crate::ui::{Ui, say};
use alloy::primitives::{Address, B256, Bytes, U256};
use alloy::signers::local::PrivateKeySigner;
use assay_api::chain::abi::InferenceMarket;
use assay_api::chain::{Rpc, Wanted, account, check_order};
use assay_api::client::{Client, ClientError};
use assay_api::engine::{Inputs, ModelInfo, Outputs, input_digest};
use assay_api::preparation::Preparation;
use assay_api::receipt;
use assay_api::store::State;
use assay_api::terms::Escrow;
use assay_api::{CompletionRequest, Model, Prediction, PredictionRequest, QuoteRequest};
use assay_circuits::batch::Batch;
use assay_circuits::exec::quantise_input;
use assay_compiler::Sample;
use assay_prover::output::Readers;
use assay_prover::package::BuyerKey;
use assay_prover::pcs::encode;
use assay_prover::seller::InputOpening;
use assay_prover::shown;
use assay_prover::srs::Srs;
use assay_prover::wrap::System;
use assay_verifier::ProofFile;
use serde_json::json;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// A client of a service, with the key that the buyer has there, if there is one.
pub fn service(url: &str) -> Result<Client, ClientError> {
    let key = std::env::var("ASSAY_API_KEY").ok().filter(|key| !key.is_empty());
    Client::with_key(url, key.as_deref())
}

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
    /// The committed cells, chunk after chunk.
    cells: Arc<Vec<i32>>,
    /// The powers that they are over.
    srs: Srs,
}

/// Commits to an input. One outside the published range is refused, before anything is paid, unless that is allowed.
pub fn open_input(
    ui: &Ui,
    key: &BuyerKey,
    sample: Sample,
    srs: Option<&Path>,
    public: bool,
    allow_clamping: bool,
) -> Outcome<Opened> {
    let shape = &key.model.shape;
    if shape.batch != Batch::ONE {
        return Err(BatchError::NotSingle { inferences: shape.batch.inferences() }.into());
    }
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
        blinding: if public {
            Vec::new()
        } else {
            opening.blinding.iter().map(|b| encode::fr_word(b).into()).collect()
        },
        commitments: committed.commitments.iter().map(|p| Bytes::copy_from_slice(&encode::g1_bytes(p))).collect(),
        cells: committed.cells,
        srs,
    })
}

/// The service's model with the buyer's key.
pub async fn find_model(client: &Client, key: &BuyerKey, wanted: Option<B256>) -> Outcome<Model> {
    if let Some(id) = wanted {
        return Ok(client.offer(id).await?);
    }
    let (commitment, hash) = (B256::from(key.model.commitment()), B256::from(key.wrap.hash(&key.model)));
    let models = client.offers().await?;
    let found = models.into_iter().find(|m| m.info.model_commitment == commitment && m.info.key_hash == hash);
    found.ok_or_else(|| Failure::message(Exit::Failed, "the service does not serve the model of this key"))
}

/// The key for as many inferences as an order's proof has, which the service says: derived here, it is nobody's word.
pub fn key_of_order(ui: &Ui, key: &BuyerKey, inferences: u32, srs: Option<&Path>) -> Outcome<BuyerKey> {
    let inferences = inferences as usize;
    if inferences == key.model.shape.batch.inferences() {
        return Ok(key.clone());
    }
    Ok(Checked::batched(ui, key, batch::of(inferences, true)?, srs)?.key)
}

/// The buyer's account on a chain.
pub struct Buyer {
    /// The chain.
    pub rpc: Rpc,
    /// Its address.
    pub url: String,
    /// The market.
    pub market: Address,
    /// Who pays.
    pub account: PrivateKeySigner,
    /// The token that is paid in; zero is the native coin.
    pub token: Address,
}

impl Buyer {
    /// An account on a chain.
    pub fn open(url: &str, market: Address, key: &str, token: Address) -> Outcome<Self> {
        Ok(Self { rpc: Rpc::new(url)?, url: url.to_owned(), market, account: chain::signer(key)?, token })
    }

    fn new(args: &RequestArgs) -> Outcome<Option<Self>> {
        let (Some(url), Some(market), Some(key), false) = (&args.rpc, args.market, &args.private_key, args.free) else {
            return Ok(None);
        };
        Self::open(url, market, key, args.token.unwrap_or_default()).map(Some)
    }

    /// A quote, checked against the chain, and the key that it is for.
    pub async fn order(
        &self,
        ui: &Ui,
        args: &RequestArgs,
        client: &Client,
        key: &BuyerKey,
        model: &ModelInfo,
        input: B256,
        jobs: u32,
    ) -> Outcome<Ordered> {
        let buyer = self.account.address();
        let batch = (key.wrap.system() == System::Universal).then_some(args.batch_max);
        let several = (jobs > 1).then_some(jobs);
        let request =
            QuoteRequest { model: model.id, buyer: Some(buyer), input_commitment: Some(input), batch, jobs: several };
        let mut escrow = client.quote_for(&request).await?;
        if escrow.quote.uses != 0 && escrow.quote.uses < jobs {
            return Err(Failure::message(
                Exit::Failed,
                format!("the quote is for {} jobs, and {jobs} were asked for", escrow.quote.uses),
            ));
        }
        let inferences = model.inferences_of(escrow.order.key_hash).unwrap_or(1);
        if inferences > args.batch_max {
            return Err(Failure::message(Exit::Failed, format!("the quote is for a proof of {inferences} inferences")));
        }
        let key = key_of_order(ui, key, inferences, args.srs.srs.as_deref())?;
        let wanted = Wanted {
            model: model.id,
            key_hash: key.wrap.hash(&key.model).into(),
            input_commitment: input,
            buyer,
            price_max: args.max_price,
            token: self.token,
        };
        if escrow.order.model_commitment != B256::from(key.model.commitment()) {
            return Err(Failure::message(Exit::Failed, "the order is for other weights than the key's"));
        }
        let checked = check_order(&self.rpc, self.market, &escrow, &wanted, args.accept_development_key).await;
        if !checked.context("the quote is not acceptable")?.weights_proven {
            ui.warn(
                "nobody has proven to know this model's weights, or that they are in range: it may be one that \
                cannot be proven",
            );
        }
        if args.from_balance {
            let price = U256::from(escrow.quote.price).saturating_mul(U256::from(jobs));
            account::check_credit(&self.rpc, self.market, self.token, buyer, price).await?;
        }
        // the order is the buyer's: the seller signs the quote only
        escrow.order.unclamped = args.unclamped;
        Ok(Ordered { escrow, key, inferences })
    }

    /// What is kept of an order.
    pub async fn saved(
        &self,
        args: &RequestArgs,
        request: &PredictionRequest,
        opened: &Opened,
        inferences: u32,
    ) -> Outcome<Saved> {
        let escrow = request.escrow.clone().ok_or_else(|| Failure::message(Exit::Failed, "there is no order"))?;
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
        Ok(Saved {
            version: Saved::VERSION,
            job: escrow.order.job_id(&account::domain(&self.rpc, self.market).await?),
            created: now.as_secs(),
            service: args.service.clone(),
            rpc: self.url.clone(),
            chain_id: self.rpc.chain_id().await?,
            market: self.market,
            escrow,
            request: Some(request.clone()),
            idempotency_key: format!("{:x}", B256::random()),
            prediction: None,
            commitments: opened.commitments.clone(),
            key: std::path::absolute(&args.key)?,
            inferences,
            from_balance: args.from_balance,
            output: args.output.as_ref().filter(|path| !files::is_stdout(path)).map(std::path::absolute).transpose()?,
            batch: None,
        })
    }
}

/// A quote that was accepted.
pub struct Ordered {
    /// Order, quote and signature.
    pub escrow: Escrow,
    /// The key that the order names.
    pub key: BuyerKey,
    /// How many inferences a proof under it has.
    pub inferences: u32,
}

/// Sends a saved order to its service. The same key makes it the same prediction, however often it is sent.
pub async fn post(ui: &Ui, client: &Client, saved: &mut Saved) -> Outcome<Prediction> {
    let Some(request) = &saved.request else {
        return Err(Failure::message(
            Exit::Failed,
            "the order's input is not kept any more: its proof was here already",
        ));
    };
    let prediction = ui.phase_async("post", client.predict(request, Some(&saved.idempotency_key), None)).await?;
    saved.prediction = Some(prediction.id.clone());
    saved.save()?;
    clamp::report(ui, &prediction.clamped);
    Ok(prediction)
}

/// Whether a service refuses an order only since it is not paid for.
pub fn must_pay_first(failure: &Failure) -> bool {
    matches!(failure.error.downcast_ref::<ClientError>(), Some(ClientError::Problem(problem)) if problem.code == "too-many-unfunded")
}

/// Pays for a saved order. From here on every failure says where the money is.
pub async fn pay(ui: &Ui, rpc: &Rpc, account: &PrivateKeySigner, saved: &Saved) -> Outcome<u64> {
    ui.set_aftermath(Some(orders::perhaps(saved)));
    let (_, receipt) =
        ui.phase_async("fund", account::fund_from(rpc, account, saved.market, &saved.escrow, saved.pay_from())).await?;
    Ok(receipt.gas_used)
}

/// Waits for a saved order's proof and verifies it against what the buyer knows.
pub async fn collect(ui: &Ui, client: &Client, key: &BuyerKey, saved: &mut Saved) -> Outcome<(Prediction, ProofFile)> {
    let Some(id) = saved.prediction.clone() else {
        return Err(Failure::message(Exit::Failed, "the service does not know the order"));
    };
    let done = follow(ui, client, &id).await?;
    if done.output.is_none() {
        let why = done.error_detail.clone().unwrap_or_default();
        return Err(Failure::message(Exit::Failed, format!("the prediction ended as {} {why}", done.state)));
    }
    let settled = receipt::settlement(saved, &done).await?;
    let proof = ui.phase_async("fetch proof", client.proof(&done)).await?;
    let file = ui.phase("verify", |_| receipt::verified(key, &done, proof, &saved.commitments, settled.context))?;
    settled.check(&file)?;
    Ok((done, file))
}

/// Says of whatever failed where the order's money is.
async fn with_money<T>(ui: &Ui, saved: &Saved, result: Outcome<T>) -> Outcome<T> {
    if result.is_err() {
        ui.set_aftermath(Some(money::money_of(saved).await));
    }
    result
}

/// A bought answer: what it says, and what its elements stand for.
struct Answer<'a> {
    done: &'a Prediction,
    file: &'a ProofFile,
    labels: &'a [String],
    /// A prompt that the service continued.
    text: Option<&'a Text>,
}

/// Writes the proof and prints.
fn finish(ui: &Ui, key: &BuyerKey, output: Option<&Path>, answer: &Answer<'_>, more: serde_json::Value) -> Outcome {
    let Answer { done, file, labels, text } = answer;
    let labels = inputs::winners(file.own_output_data().iter().map(Outputs::elements), labels);
    if let Some(path) = output {
        proof_file::write(ui, file, path)?;
    }
    let mut object = json!({
        "output_data": file.own_output_data(), "output": file.own_output(), "inferences": file.inferences, "prediction": done.id, "state": done.state, "transactions": done.transactions,
        "proof_bytes": file.proof.len(), "context": file.context, "file": output, "verified": true, "development": key.is_development(),
        "clamped": done.clamped, "clamps": file.clamps, "labels": labels,
    });
    if let (Some(fields), serde_json::Value::Object(more)) = (object.as_object_mut(), more) {
        fields.extend(more);
    }
    if let Some(text) = text {
        text.check(&file.own_output_data().first().map(Outputs::elements).unwrap_or_default())?;
        if let Some(path) = output.filter(|path| !files::is_stdout(path)) {
            files::write(ui, &generate::beside(path), Readers::Default, text.to_json().to_string().as_bytes())?;
        }
        object["tokens"] = json!(text.answer());
        ui.finish(object, json!({ "tokens": text.answer() }));
        return Ok(());
    }
    let data = file.own_output_data();
    ui.finish(
        object,
        if labels.is_empty() {
            json!({ "output_data": data })
        } else {
            json!({ "labels": labels, "output_data": data })
        },
    );
    Ok(())
}

/// Follows a prediction to its end, with its events on stderr.
async fn follow(ui: &Ui, client: &Client, id: &str) -> Outcome<Prediction> {
    let work = client.follow(id, |event| {
        if event.kind != "progress" && !ui.json {
            say(format_args!("  {} {}", event.kind, event.data));
        }
    });
    ui.phase_async("follow", work).await
}

/// What a contract that buys takes of a public input: `PublicInput.Shown`.
fn show(key: &BuyerKey, opened: &Opened) -> Outcome<serde_json::Value> {
    let commitments: Bytes = opened.commitments.concat().into();
    let shown = shown::show(&opened.srs, key.model.shape.layout.log_chunk, &opened.cells, &commitments)?;
    Ok(
        json!({ "commitments": commitments, "cells": Bytes::from(shown.cells), "opening": Bytes::copy_from_slice(&shown.opening) }),
    )
}

/// Commits to an input for somebody who asks a service on their own.
pub fn commit(ui: &Ui, args: CommitArgs) -> Outcome {
    let key = files::key(ui, &args.key)?;
    files::warn_key(ui, &key);
    let sample = inputs::one(&args.input, &key.model.shape.architecture, card::beside(&args.key)?.prepare.as_ref())?;
    let opened =
        open_input(ui, &key, sample, args.srs.srs.as_deref(), args.public_input, args.clamping.allow_clamping)?;
    let digest = input_digest(&opened.commitments);
    let shown = if args.for_contract { Some(show(&key, &opened)?) } else { None };
    let object = json!({
        "model_commitment": B256::from(key.model.commitment()), "key_hash": B256::from(key.wrap.hash(&key.model)), "input": opened.data,
        "blinding": opened.blinding, "input_commitments": opened.commitments, "input_commitment": digest, "outside": opened.outside, "shown": shown,
    });
    files::write(ui, &args.output, Readers::Owner, format!("{object}\n").as_bytes())?;
    if !files::is_stdout(&args.output) {
        ui.finish(object, format!("input commitment {digest}\nwrote {}", args.output.display()));
    }
    Ok(())
}

/// How pictures and texts become numbers: what the card beside the key says, or the service.
async fn preparation(client: &Client, key: &BuyerKey, args: &RequestArgs) -> Outcome<Option<Preparation>> {
    let own = card::beside(&args.key)?.prepare;
    if own.is_some() || !args.input.iter().any(|path| inputs::needs_card(path)) {
        return Ok(own);
    }
    let said = find_model(client, key, args.model).await?.prepare;
    if let Some(said) = &said {
        said.check().map_err(|e| {
            Failure::message(Exit::Failed, format!("what the service says of inputs cannot be used: {e}"))
        })?;
    }
    Ok(said)
}

/// The prompt in a file with the answer that the service gives.
async fn continued(client: &Client, model: &ModelInfo, inputs: &[PathBuf], count: u32) -> Outcome<Text> {
    let [path] = inputs else {
        return Err(Failure::message(Exit::Usage, "--generate continues one prompt: pass one --input"));
    };
    let prompt = generate::prompt(path)?;
    let max_tokens = count.try_into().map_err(|_| Failure::message(Exit::Usage, "--generate takes 1 or more"))?;
    let wanted = CompletionRequest { model: model.id, input: Inputs::List(prompt.clone()), max_tokens };
    let tokens = client.complete(&wanted).await?.input;
    let text = Text { prompt: prompt.len(), answer: count as usize, tokens };
    if text.tokens.get(..prompt.len()) != Some(&prompt[..]) || text.answer().len() != count as usize {
        return Err(Failure::message(Exit::Failed, "the service continued another prompt than this one"));
    }
    Ok(text)
}

/// Buys (or asks for) one proven inference.
pub async fn request(ui: &Ui, args: RequestArgs) -> Outcome {
    let client = service(&args.service)?;
    let buyer = Buyer::new(&args)?;
    let key = files::key(ui, &args.key)?;
    files::warn_key(ui, &key);
    if powers::are_missing(&key, args.srs.srs.as_deref()) {
        let model = find_model(&client, &key, args.model).await?;
        powers::fetch(ui, &client, model.info.id, &key).await?;
    }
    let (text, found) = match args.generate {
        Some(count) => {
            let model = find_model(&client, &key, args.model).await?;
            (Some(ui.phase_async("generate", continued(&client, &model.info, &args.input, count)).await?), Some(model))
        }
        None => (None, None),
    };
    let mut samples = match &text {
        Some(text) => vec![vec![text.tokens.clone()]],
        None => inputs::samples(
            &args.input,
            &key.model.shape.architecture,
            preparation(&client, &key, &args).await?.as_ref(),
        )?,
    };
    if samples.len() > 1 {
        return request_many::request(ui, args, &client, buyer, &key, samples).await;
    }
    let sample = samples.pop().ok_or_else(|| Failure::message(Exit::Input, "there is no input"))?;
    let opened =
        open_input(ui, &key, sample, args.srs.srs.as_deref(), args.public_input, args.clamping.allow_clamping)?;
    let Model { info: model, labels, .. } = match found {
        Some(model) => model,
        None => find_model(&client, &key, args.model).await?,
    };
    // a free proof is bound to a context of the buyer's choice, so that no older proof can be passed off as this one
    let free_context = B256::random();
    let mut request = PredictionRequest {
        model: model.id,
        input: Inputs::List(opened.data.clone()),
        max_tokens: None,
        blinding: opened.blinding.clone(),
        allow_clamping: args.clamping.allow_clamping,
        batch: None,
        escrow: None,
        context: buyer.is_none().then_some(free_context),
    };
    let Some(buyer) = buyer else {
        let key_of_request = format!("{:x}", B256::random());
        let prediction = ui.phase_async("post", client.predict(&request, Some(&key_of_request), None)).await?;
        clamp::report(ui, &prediction.clamped);
        let done = follow(ui, &client, &prediction.id).await?;
        if done.state != State::Proven {
            let why = done.error_detail.clone().unwrap_or_default();
            return Err(Failure::message(Exit::Failed, format!("the prediction ended as {} {why}", done.state)));
        }
        let proof = ui.phase_async("fetch proof", client.proof(&done)).await?;
        let file = ui.phase("verify", |_| receipt::verified(&key, &done, proof, &opened.commitments, free_context))?;
        let more = json!({ "job": null, "price": null, "fund_gas": null, "wrap_recomputed": opened.wrap_recomputed, "outside": opened.outside });
        let answer = Answer { done: &done, file: &file, labels: &labels, text: text.as_ref() };
        return finish(ui, &key, args.output.as_deref(), &answer, more);
    };
    let order = buyer.order(ui, &args, &client, &key, &model, input_digest(&opened.commitments), 1);
    let Ordered { escrow, key, inferences } = ui.phase_async("quote", order).await?;
    request.escrow = Some(escrow);
    // taken down before anything is paid for it
    let mut saved = buyer.saved(&args, &request, &opened, inferences).await?;
    saved.save()?;
    ui.set_aftermath(Some(format!("nothing was paid: {} are in {}", saved.price(), saved.purse())));
    // a service that takes no more orders without money takes this one once it is paid for
    let posted = match post(ui, &client, &mut saved).await {
        Err(failure) if must_pay_first(&failure) => None,
        other => Some(other?),
    };
    let prediction = posted.map_or("after the payment".to_owned(), |prediction| prediction.id);
    say(format_args!("job {}, prediction {prediction}, kept in {}", saved.job, saved.path().display()));
    let gas = pay(ui, &buyer.rpc, &buyer.account, &saved).await;
    let gas = with_money(ui, &saved, gas).await?;
    if saved.prediction.is_none() {
        let posted = post(ui, &client, &mut saved).await;
        with_money(ui, &saved, posted).await?;
    }
    let collected = collect(ui, &client, &key, &mut saved).await;
    let (done, file) = with_money(ui, &saved, collected).await?;
    let more = json!({
        "job": saved.job, "price": U256::from(saved.escrow.quote.price).to_string(), "fund_gas": gas,
        "wrap_recomputed": opened.wrap_recomputed, "outside": opened.outside,
    });
    let answer = Answer { done: &done, file: &file, labels: &labels, text: text.as_ref() };
    over(ui, &key, args.output.as_deref(), saved, &answer, more)
}

/// The end of a paid order: the proof is written, and the input need not be kept any longer.
fn over(
    ui: &Ui,
    key: &BuyerKey,
    output: Option<&Path>,
    mut saved: Saved,
    answer: &Answer<'_>,
    more: serde_json::Value,
) -> Outcome {
    finish(ui, key, output, answer, more)?;
    ui.set_aftermath(None);
    saved.request = None;
    Ok(saved.save()?)
}

/// Goes on with a saved order.
pub async fn resume(ui: &Ui, args: ResumeArgs) -> Outcome {
    let together = orders::together(ui, &args.job)?;
    if !together.is_empty() {
        return request_many::resume(ui, args, together).await;
    }
    let saved = orders::find(ui, &args.job)?;
    let mut saved = saved.ok_or_else(|| {
        Failure::message(Exit::Input, format!("no order that was made here begins with {}", args.job))
    })?;
    if let Some(service) = args.service {
        saved.service = service;
    }
    if let Some(path) = args.key {
        saved.key = std::path::absolute(path)?;
    }
    let output = args.output.or_else(|| saved.output.clone());
    let resumed =
        resume_order(ui, args.srs.srs.as_deref(), args.private_key.as_deref().map(String::as_str), &mut saved).await;
    let (key, done, file, gas) = with_money(ui, &saved, resumed).await?;
    let more = json!({ "job": saved.job, "price": U256::from(saved.escrow.quote.price).to_string(), "fund_gas": gas, "wrap_recomputed": true });
    let labels = card::beside(&saved.key)?.labels;
    over(ui, &key, output.as_deref(), saved, &Answer { done: &done, file: &file, labels: &labels, text: None }, more)
}

/// Does what is left to do for an order, by the market's record of it.
async fn resume_order(
    ui: &Ui,
    srs: Option<&Path>,
    private_key: Option<&str>,
    saved: &mut Saved,
) -> Outcome<(BuyerKey, Prediction, ProofFile, Option<u64>)> {
    ui.set_aftermath(Some(orders::perhaps(saved)));
    let (record, now) = money::record(saved).await?;
    use InferenceMarket::State as Market;
    let unpaid = match record.state {
        Market::None if now > saved.escrow.quote.valid_until => {
            return Err(Failure::message(Exit::Failed, "the quote has lapsed: ask again with `assay request`"));
        }
        Market::None => true,
        Market::Funded | Market::Locked | Market::Settled => false,
        _ => return Err(Failure::message(Exit::Failed, "the order is over, and nothing is left to go on with")),
    };
    let key = Checked::new(ui, files::key(ui, &saved.key)?, srs).map_err(|e| files::name(&saved.key, e))?.key;
    files::warn_key(ui, &key);
    let key = key_of_order(ui, &key, saved.inferences, srs)?;
    let client = service(&saved.service)?;
    // a settled order that the service knows need not be sent again
    if record.state != Market::Settled || saved.prediction.is_none() {
        post(ui, &client, saved).await?;
    }
    let mut gas = None;
    if unpaid {
        let account = private_key.ok_or_else(|| {
            Failure::message(Exit::Usage, "the order is not paid for: pass --private-key, or set ASSAY_PRIVATE_KEY")
        })?;
        gas = Some(pay(ui, &Rpc::new(&saved.rpc)?, &chain::signer(account)?, saved).await?);
    }
    let (done, file) = collect(ui, &client, &key, saved).await?;
    Ok((key, done, file, gas))
}
