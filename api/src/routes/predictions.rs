//! `/v1/predictions`.

use std::num::NonZeroU32;
use std::time::Duration;

use alloy::primitives::{Address, B256, Bytes, keccak256};
use axum::Json;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Path, Query, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header as names};
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::caller::Caller;
use super::client::Client;
use super::completions::read_input;
use super::models::{PageParams, PageQuery, page_query};
use super::payment;
use super::{header, off_runtime};
use crate::AppState;
use crate::chain::abi::InferenceMarket::State as ChainState;
use crate::engine::{Clamped, EngineError, InputOpening, Inputs, ModelInfo, Outputs, input_digest, outside};
use crate::error::{ApiError, Body, Problem};
use crate::routes::schemas::{Account, Amount, Hash, Point};
use crate::store::{
    Company, Job, NewJob, NewPayment, Patch, Scope, State as JobState, Statement, StoreError, Text, Unfunded, now_ms,
};
use crate::terms::{Escrow, EscrowError, Expected};
use crate::x402::PaymentError;

/// A request for a proven inference. Debug output shows neither input nor blinding.
#[derive(Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PredictionRequest {
    /// The model.
    #[schema(value_type = Hash)]
    pub model: B256,
    /// The inputs in real units, each row-major in its shape: one list with all of them one after the other, or an
    /// object with a list for each name. With `max_tokens` a prompt: as many tokens as it has.
    pub input: Inputs,
    /// Continues the input as a prompt by so many tokens, each the model's likeliest, and proves all of them in one
    /// inference. For models with a `text_length`; not with `escrow`, which names its input beforehand (`POST
    /// /v1/completions`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<u32>, minimum = 1)]
    pub max_tokens: Option<NonZeroU32>,
    /// Scalars that open the input commitment, one per input chunk; left out for a public input.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schema(value_type = Vec<Hash>)]
    pub blinding: Vec<B256>,
    /// Whether to prove an input outside the published range. The answer says how much of it is, and what was clamped.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub allow_clamping: bool,
    /// The most inferences, those of other clients included, that the proof may have; 1 if left out. More than 1:
    /// whoever shares the proof sees each other's outputs. Without `escrow`, where the quote says it, and without
    /// `context`; a payment by x402 must be held (`auth-capture`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<u32>, minimum = 1)]
    pub batch: Option<NonZeroU32>,
    /// What pays for it; left out for a free one.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "crate::error::object_or_null")]
    pub escrow: Option<Escrow>,
    /// Free predictions only: what the proof is bound to. Keccak-256 of the prediction's id if left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Hash>)]
    pub context: Option<B256>,
}

impl std::fmt::Debug for PredictionRequest {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { model, input: _, max_tokens, blinding: _, allow_clamping, batch, escrow, context } = self;
        let mut shown = f.debug_struct("PredictionRequest");
        shown
            .field("model", model)
            .field("max_tokens", max_tokens)
            .field("allow_clamping", allow_clamping)
            .field("batch", batch)
            .field("escrow", escrow)
            .field("context", context);
        shown.finish_non_exhaustive()
    }
}

/// A transaction of a prediction.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct TransactionRef {
    /// `lock` or `settle`.
    pub purpose: String,
    /// Its hash.
    #[schema(value_type = Hash)]
    pub hash: B256,
    /// `pending`, `mined`, `reverted`, `bumped` (one that pays higher fees was sent in its place, and one of them will
    /// be mined) or `replaced`.
    pub state: String,
}

/// A payment by x402, which was authorised with the request and is captured when the proof is there.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct PaymentRef {
    /// The chain: `eip155:` and its number.
    pub network: String,
    /// The token.
    #[schema(value_type = Account)]
    pub asset: Address,
    /// Who pays.
    #[schema(value_type = Account)]
    pub payer: Address,
    /// How much, in the token's smallest unit.
    #[schema(value_type = Amount)]
    pub amount: String,
    /// The transaction that captured it, once one has.
    #[schema(value_type = Option<Hash>)]
    pub transaction: Option<B256>,
}

/// What the proof of a batch states, and which of its inferences is the prediction's.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct BatchReceipt {
    /// The place of the prediction's inference in the proof, from 0.
    pub index: u32,
    /// All of it.
    #[serde(flatten)]
    pub statement: Statement,
}

/// A prediction. What is paid for is shown once it is paid: output and proof are null before the payment is in a block.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct Prediction {
    /// Its id. Who knows it may read and cancel it.
    pub id: String,
    /// The model.
    #[schema(value_type = Hash)]
    pub model: B256,
    /// Where it is.
    pub state: JobState,
    /// Whether nothing comes after. Only the operator can have one that failed run again.
    pub terminal: bool,
    /// The market's job id of a paid prediction.
    #[schema(value_type = Option<Hash>)]
    pub job_id: Option<B256>,
    /// The payment of one that is paid by x402.
    #[serde(default)]
    pub payment: Option<PaymentRef>,
    /// Commitments to the input, 64 bytes each.
    #[schema(value_type = Vec<Point>)]
    pub input_commitments: Vec<Bytes>,
    /// The output in real units: a list, or one for each output where the model has several.
    pub output: Option<Outputs>,
    /// Of a prompt that was continued: the answer's tokens, which are the outputs from the prompt's last place on.
    #[serde(default)]
    pub tokens: Option<Vec<f32>>,
    /// How many tokens of the input are the prompt; null where none was continued.
    #[serde(default)]
    pub prompt_tokens: Option<u32>,
    /// The output as the proof states it.
    pub output_cells: Option<Vec<i16>>,
    /// How many elements of the input are outside the published range. Shown from the start, so that nobody pays for an
    /// answer without meaning.
    pub outside: usize,
    /// Layers in which cells were clamped, by this server's word. Shown from the start.
    pub clamped: Vec<Clamped>,
    /// The number of clamps that the proof states: 0 exactly where no cell was clamped. This server's word until there
    /// is a proof.
    pub clamps: u32,
    /// Of a proof of several clients' inferences: all that it states. Shown with the output.
    #[serde(default)]
    pub batch: Option<BatchReceipt>,
    /// What the proof is bound to.
    #[schema(value_type = Option<Hash>)]
    pub context: Option<B256>,
    /// Keccak-256 of the proof.
    #[schema(value_type = Option<Hash>)]
    pub proof_hash: Option<B256>,
    /// Where to fetch the proof.
    pub proof_url: Option<String>,
    /// Transactions, oldest first.
    pub transactions: Vec<TransactionRef>,
    /// Failed attempts so far.
    pub attempts: u32,
    /// Code of what went wrong.
    pub error_code: Option<String>,
    /// What went wrong, in words.
    pub error_detail: Option<String>,
    /// Milliseconds since the epoch.
    pub created_ms: i64,
    /// Milliseconds since the epoch.
    pub updated_ms: i64,
}

impl Prediction {
    pub(super) async fn load(state: &AppState, job: Job) -> Result<Self, StoreError> {
        let transactions = if job.is_paid() { state.store.transactions(&job.id).await? } else { Vec::new() };
        let done = state.store.is_paid_for(&job).await?;
        let batch = if done { receipt(state, &job).await? } else { None };
        let (error_code, error_detail) = job.error.unzip();
        let shown_tokens = |text: Text| job.output_real.get(text.output_places()).map(<[f32]>::to_vec);
        let tokens = job.text.filter(|_| done).and_then(shown_tokens);
        Ok(Self {
            proof_url: job.proof_hash.filter(|_| done).map(|_| format!("/v1/predictions/{}/proof", job.id)),
            id: job.id,
            model: job.model,
            state: job.state,
            terminal: job.state.is_terminal(),
            job_id: job.chain_job,
            payment: job.payment.map(|paid| PaymentRef {
                network: paid.network,
                asset: paid.asset,
                payer: paid.payer,
                amount: paid.amount,
                transaction: paid.transaction,
            }),
            input_commitments: job.input_commitments,
            output: done.then(|| {
                Outputs::cut(job.output_real, &state.model(job.model).map(|model| model.outputs).unwrap_or_default())
            }),
            tokens,
            prompt_tokens: job.text.map(|text| text.prompt),
            outside: job.outside,
            clamped: job.clamped,
            clamps: job.clamps,
            output_cells: done.then_some(job.output_cells),
            batch,
            context: job.context,
            proof_hash: job.proof_hash.filter(|_| done),
            transactions: transactions
                .into_iter()
                .map(|(purpose, hash, state)| TransactionRef { purpose, hash, state })
                .collect(),
            attempts: job.attempts,
            error_code,
            error_detail,
            created_ms: job.created_ms,
            updated_ms: job.updated_ms,
        })
    }
}

/// What the proof of the job's batch states, if this server made one.
async fn receipt(state: &AppState, job: &Job) -> Result<Option<BatchReceipt>, StoreError> {
    let (Some(batch), Some(slot), Some(_)) = (&job.batch, job.slot, job.proof_hash) else { return Ok(None) };
    let index = u32::try_from(slot).map_err(|_| StoreError::Corrupt { column: "slot" })?;
    Ok(state.store.statement(batch).await?.map(|statement| BatchReceipt { index, statement }))
}

/// A page of predictions, newest first.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct PredictionPage {
    /// The predictions.
    pub data: Vec<Prediction>,
    /// Cursor of the next page; null on the last.
    pub next: Option<String>,
}

/// Seconds of `Prefer: wait=n`; without a number, as long as the server lets. Other preferences are ignored, as RFC
/// 7240 asks.
fn wait_secs(headers: &HeaderMap) -> Result<Option<u64>, ApiError> {
    let Some(text) = header(headers, "prefer")? else { return Ok(None) };
    let mut preferences = text.split([',', ';']).map(|part| part.trim().split_once('=').unwrap_or((part.trim(), "")));
    let Some((_, n)) = preferences.find(|(name, _)| name.trim().eq_ignore_ascii_case("wait")) else { return Ok(None) };
    match n.trim().trim_matches('"') {
        "" => Ok(Some(u64::MAX)),
        n => n.parse().map(Some).map_err(|_| ApiError::InvalidHeader { name: "prefer" }),
    }
}

/// Most digits of `Cancel-After`.
const CANCEL_AFTER_DIGITS: usize = 6;

/// Milliseconds of `Cancel-After`: a number with `s` (or nothing), `m` or `h`.
fn cancel_after_ms(headers: &HeaderMap) -> Result<Option<i64>, ApiError> {
    let bad = || ApiError::InvalidHeader { name: "cancel-after" };
    let Some(text) = header(headers, "cancel-after")? else { return Ok(None) };
    let text = text.trim();
    let (digits, unit_ms) = match text.as_bytes().last() {
        Some(b'h') => (&text[..text.len() - 1], 3_600_000),
        Some(b'm') => (&text[..text.len() - 1], 60_000),
        Some(b's') => (&text[..text.len() - 1], 1000),
        _ => (text, 1000),
    };
    if digits.len() > CANCEL_AFTER_DIGITS || !digits.bytes().all(|digit| digit.is_ascii_digit()) {
        return Err(bad());
    }
    match digits.parse::<i64>() {
        Ok(n) if n > 0 => Ok(Some(now_ms().saturating_add(n.saturating_mul(unit_ms)))),
        _ => Err(bad()),
    }
}

fn idempotency_key(headers: &HeaderMap) -> Result<Option<String>, ApiError> {
    let key = header(headers, "idempotency-key")?.map(|k| k.trim().trim_matches('"').to_owned());
    let is_key = |key: &String| (1..=255).contains(&key.len()) && !key.contains('"') && key.trim() == key;
    if key.as_ref().is_some_and(|key| !is_key(key)) {
        return Err(ApiError::InvalidHeader { name: "idempotency-key" });
    }
    Ok(key)
}

/// The checks of an input that hold for every engine.
pub(super) fn check_input(model: &ModelInfo, input: &InputOpening) -> Result<(), EngineError> {
    let need = model.input_len().unwrap_or(usize::MAX);
    if input.data.len() != need {
        return Err(EngineError::InputLength { have: input.data.len(), need });
    }
    if let Some(index) = input.data.iter().position(|v| !v.is_finite()) {
        return Err(EngineError::InputNotFinite { index });
    }
    let need = model.input_chunks as usize;
    if !input.blinding.is_empty() && input.blinding.len() != need {
        return Err(EngineError::BlindingLength { have: input.blinding.len(), need });
    }
    Ok(())
}

/// Whom a prediction without an order may be proven with, if it may be. One that is bound to what its client chose is
/// proven alone; so is one whose payer may still withdraw the money, since the others' receipts would show the answer
/// that nobody has paid for.
fn company(
    state: &AppState,
    model: &ModelInfo,
    request: &PredictionRequest,
    payment: Option<&NewPayment>,
) -> Option<Company> {
    let most = request.batch.map_or(1, NonZeroU32::get).min(state.config.batch_max);
    let held = payment.map(|new| new.payment.hold().is_some());
    if request.escrow.is_some() || request.context.is_some() || held == Some(false) {
        return None;
    }
    let most = model.batches.iter().map(|key| key.inferences).filter(|inferences| *inferences <= most).max()?;
    Some(Company { held: held.is_some(), most })
}

/// Checks an escrow against the request and the chain. Returns the market's job id, and whether the market has the
/// money.
async fn check_escrow(
    state: &AppState,
    escrow: &Escrow,
    model: &ModelInfo,
    input: B256,
) -> Result<(B256, bool), ApiError> {
    let market = state.market.as_ref().ok_or(ApiError::NoMarket)?;
    let facts = market.facts().await?;
    let (seller, prover) = (market.config.seller.address(), market.config.prover.address());
    let job = escrow.check(&Expected { model, input, seller, prover, domain: &facts.domain })?;
    let (record, now) = (market.job(job).await?, market.rpc.now().await?);
    match record.state {
        ChainState::None if now > escrow.quote.valid_until => {
            Err(EscrowError::QuoteExpired { valid_until: escrow.quote.valid_until }.into())
        }
        ChainState::None => Ok((job, false)),
        ChainState::Funded => {
            // a buyer who funds early and asks late would have the collateral slashed
            let prove_by = record.time.to::<u64>() + u64::from(escrow.order.prove_secs);
            let margin_secs = state.margin_secs(&market.config, escrow.order.prove_secs);
            let late = now + margin_secs > prove_by;
            if late { Err(EscrowError::TooLate { prove_by, margin_secs }.into()) } else { Ok((job, true)) }
        }
        over => Err(EscrowError::Spent { state: over as u8 }.into()),
    }
}

/// Whether the server takes anything at all.
async fn admit(state: &AppState, paid: bool) -> Result<(), ApiError> {
    if state.is_stopping() {
        return Err(ApiError::Draining);
    }
    if !paid && !state.config.free {
        return Err(ApiError::PaymentRequired);
    }
    if paid && let Some(failures) = state.breaker().await? {
        return Err(ApiError::Paused { failures });
    }
    state.check_disk().await
}

/// Refuses an order of a client that has spent its budget, before any work is done for it, unless the market has the
/// money.
async fn admit_unfunded(state: &AppState, client: &str, escrow: &Escrow) -> Result<(), ApiError> {
    let (market, budget) = (state.market.as_ref().ok_or(ApiError::NoMarket)?, state.budget());
    if !state.store.has_spent(client, budget).await? {
        return Ok(());
    }
    let job = escrow.order.job_id(&market.facts().await?.domain);
    if market.job(job).await?.state == ChainState::Funded {
        return Ok(());
    }
    Err(StoreError::TooManyUnfunded { waiting: budget.per_client.into(), of: "of this client, or of all together," }
        .into())
}

/// Refuses what finds no place in the queue. Orders that wait for their money take none, and free predictions none of
/// the paid ones'.
async fn admit_to_queue(state: &AppState, paid: bool) -> Result<(), ApiError> {
    let queued = state.store.queued(paid).await?;
    if queued >= i64::from(state.config.queue_max) { Err(ApiError::QueueFull { queued }) } else { Ok(()) }
}

/// The money may have come while the order was being stored, and the watcher may have passed over its event.
async fn look_again(state: &AppState, id: &str, chain_job: B256) -> Result<(), ApiError> {
    let market = state.market.as_ref().ok_or(ApiError::NoMarket)?;
    // where the chain does not say, the watcher asks it
    if market.job(chain_job).await.map_or(true, |record| record.state != ChainState::None) {
        state.store.mark_funded(id).await?;
    }
    Ok(())
}

/// Asks for a proven inference. The same `Idempotency-Key` with the same body is the same prediction, however often it
/// is sent.
#[utoipa::path(post, path = "/v1/predictions", request_body = PredictionRequest,
    params(("Idempotency-Key" = Option<String>, Header), ("Prefer" = Option<String>, Header, description = "wait=seconds, or wait"),
        ("Cancel-After" = Option<String>, Header, description = "90s, 5m, 1h")),
    responses((status = 201, body = Prediction, description = "over already"), (status = 202, body = Prediction, description = "accepted"),
        (status = 402, body = Problem, content_type = "application/problem+json"),
        (status = 412, body = Problem, content_type = "application/problem+json", description = "Permit2 has no allowance"),
        (status = 422, body = Problem, content_type = "application/problem+json"),
        (status = 429, body = Problem, content_type = "application/problem+json"),
        (status = 503, body = Problem, content_type = "application/problem+json")))]
pub async fn create(
    State(state): State<AppState>,
    caller: Caller,
    Client(client): Client,
    headers: HeaderMap,
    Body(request): Body<PredictionRequest>,
) -> Result<Response, ApiError> {
    let wait = wait_secs(&headers)?;
    let asked =
        Asked { request, idempotency_key: idempotency_key(&headers)?, cancel_after_ms: cancel_after_ms(&headers)? };
    let model = asked.request.model;
    let taken = match take(&state, &caller, client, &headers, asked).await {
        Ok((job, replayed)) => respond(&state, job, replayed, wait).await,
        Err(error) => Err(error),
    };
    match taken {
        Err(error) if matches!(error.parts().0, StatusCode::PAYMENT_REQUIRED | StatusCode::PRECONDITION_FAILED) => {
            let (why, model) = (error.parts().1, state.model(model)?);
            let mut answer = error.into_response();
            payment::require(&state, &headers, &model, why, &mut answer).await;
            Ok(answer)
        }
        other => other,
    }
}

/// A request, and what is said beside it.
pub(super) struct Asked {
    /// What is to be proven.
    pub request: PredictionRequest,
    /// Makes the same request of the same caller the same prediction.
    pub idempotency_key: Option<String>,
    /// When it is withdrawn, in milliseconds since the epoch.
    pub cancel_after_ms: Option<i64>,
}

/// Takes a request, or finds what it stands for already; returns whether it did. `headers` may hold a payment by x402.
pub(super) async fn take(
    state: &AppState,
    caller: &Caller,
    client: String,
    headers: &HeaderMap,
    Asked { request, idempotency_key, cancel_after_ms }: Asked,
) -> Result<(Job, bool), ApiError> {
    caller.may_predict(state)?;
    let idempotency_key = idempotency_key.map(|key| caller.scoped(key));
    let request_hash = keccak256(serde_json::to_vec(&request).map_err(|_| ApiError::Internal)?);
    if let Some(key) = &idempotency_key
        && let Some((hash, job)) = state.store.by_key(key).await?
    {
        if hash != request_hash {
            return Err(StoreError::KeyReused.into());
        }
        return Ok((job, true));
    }
    let model = state.model(request.model)?;
    if request.escrow.is_some() && request.max_tokens.is_some() {
        return Err(ApiError::TokensOrdered);
    }
    if request.escrow.is_some() && payment::is_sent(headers) {
        return Err(PaymentError::Twice.into());
    }
    admit(state, request.escrow.is_some() || payment::is_sent(headers)).await?;
    match &request.escrow {
        Some(escrow) => admit_unfunded(state, &client, escrow).await?,
        None => admit_to_queue(state, payment::is_sent(headers)).await?,
    }
    let payment = payment::sent(state, &model, headers).await?;
    let company = company(state, &model, &request, payment.as_ref());
    let (data, text) = read_input(state, &model, request.input, request.max_tokens).await?;
    let input = InputOpening { data, blinding: request.blinding };
    check_input(&model, &input)?;
    let outside = outside(&model.inputs, &input.data);
    if let Some(first) = outside.first.filter(|_| !request.allow_clamping) {
        return Err(first.into());
    }
    let (input, executed) = off_runtime(state, move |s| {
        let executed = s.engine.execute(request.model, &input);
        (input, executed)
    })
    .await?;
    let executed = executed?;
    let (mut unfunded, mut inferences) = (None, 1);
    let escrow = match &request.escrow {
        None => None,
        Some(escrow) => {
            if escrow.order.unclamped && executed.clamps > 0 {
                return Err(EscrowError::Clamped { clamps: executed.clamps }.into());
            }
            let (job, has_money) =
                check_escrow(state, escrow, &model, input_digest(&executed.input_commitments)).await?;
            if has_money {
                admit_to_queue(state, true).await?;
            } else {
                unfunded = Some(Unfunded { client, until: escrow.quote.valid_until, budget: state.budget() });
            }
            inferences = model.inferences_of(escrow.order.key_hash).unwrap_or(1);
            Some((serde_json::to_string(escrow).map_err(|_| ApiError::Internal)?, job))
        }
    };
    let first = if escrow.is_some() { JobState::AwaitingPayment } else { JobState::Queued };
    let new = NewJob {
        model: model.id,
        input,
        input_commitments: executed.input_commitments,
        output_cells: executed.output_cells,
        output_real: executed.output_real,
        outside: outside.elements,
        clamped: executed.clamped,
        clamps: executed.clamps,
        text,
        inferences,
        company,
        context: if escrow.is_some() { None } else { request.context },
        escrow,
        unfunded,
        trace: crate::trace::current(),
        payment,
        tenant: caller.tenant(),
        cancel_after_ms,
        request_hash,
        idempotency_key,
    };
    let created = state.store.create(&new, first).await?;
    if let (true, Some((_, chain_job)), Some(_)) = (created.fresh, &new.escrow, &new.unfunded) {
        look_again(state, &created.job.id, *chain_job).await?;
    }
    Ok((created.job, !created.fresh))
}

/// Whether nothing more is to be waited for: the prediction is over, or its output is shown.
async fn is_ready(state: &AppState, job: &Job) -> Result<bool, StoreError> {
    Ok(job.state.is_terminal() || state.store.is_paid_for(job).await?)
}

/// Waits for the output of a prediction or its end, for as long as the client wishes and the server lets. Returns how
/// long that is, too.
pub(super) async fn waited(state: &AppState, mut job: Job, wait: Option<u64>) -> Result<(Job, Option<u64>), ApiError> {
    let Some(secs) = wait.map(|n| n.min(state.config.wait_secs_max)) else { return Ok((job, None)) };
    let mut changes = state.store.changes();
    let deadline = tokio::time::Instant::now() + Duration::from_secs(secs);
    while !is_ready(state, &job).await? {
        changes.mark_unchanged();
        job = state.store.job(&job.id).await?;
        if is_ready(state, &job).await? {
            break;
        }
        tokio::select! {
            changed = changes.changed() => if changed.is_err() { break },
            () = tokio::time::sleep_until(deadline) => break,
            () = state.stopped() => break,
        }
    }
    Ok((job, Some(secs)))
}

/// Says in an answer that its client's wish to wait was heard.
fn set_applied(answer: &mut Response, applied: Option<u64>) {
    if let Some(Ok(value)) = applied.map(|n| HeaderValue::try_from(format!("wait={n}"))) {
        answer.headers_mut().insert(HeaderName::from_static("preference-applied"), value);
    }
}

/// A prediction as an answer, after waiting for its output or its end as long as the client wishes. `status` says which
/// status a state has.
async fn answer(
    state: &AppState,
    job: Job,
    wait: Option<u64>,
    status: fn(JobState) -> StatusCode,
) -> Result<Response, ApiError> {
    let (job, applied) = waited(state, job, wait).await?;
    let (status, report) = (status(job.state), payment::report(&job));
    let mut answer = (status, Json(Prediction::load(state, job).await?)).into_response();
    payment::set_report(&mut answer, report);
    set_applied(&mut answer, applied);
    Ok(answer)
}

/// 201 if a new prediction is over, else 202.
async fn respond(state: &AppState, job: Job, replayed: bool, wait: Option<u64>) -> Result<Response, ApiError> {
    let location = HeaderValue::try_from(format!("/v1/predictions/{}", job.id));
    let made = |state: JobState| if state.is_terminal() { StatusCode::CREATED } else { StatusCode::ACCEPTED };
    let mut answer = answer(state, job, wait, made).await?;
    if let Ok(location) = location {
        answer.headers_mut().insert(names::LOCATION, location);
    }
    if replayed {
        answer.headers_mut().insert(HeaderName::from_static("idempotency-replayed"), HeaderValue::from_static("true"));
    }
    Ok(answer)
}

/// Which predictions.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct StateQuery {
    /// Those in this state; all if left out.
    pub state: Option<JobState>,
}

/// Predictions, newest first: those that the key asked for, or all of them for the operator.
#[utoipa::path(get, path = "/v1/predictions", params(PageQuery, StateQuery), security(("key" = []), ("operator" = [])), responses(
    (status = 200, body = PredictionPage), (status = 401, body = Problem, content_type = "application/problem+json")))]
pub async fn list(
    State(state): State<AppState>,
    caller: Caller,
    params: PageParams,
    which: Result<Query<StateQuery>, QueryRejection>,
) -> Result<Json<PredictionPage>, ApiError> {
    let tenant = if caller.operates() { None } else { Some(caller.key(Scope::Read)?.id.as_str()) };
    let query = page_query(params)?;
    let Query(which) = which.map_err(|_| ApiError::InvalidParameter { name: "state" })?;
    let limit = query.limit()?;
    let before =
        query.cursor.map(|c| c.parse().map_err(|_| ApiError::InvalidParameter { name: "cursor" })).transpose()?;
    let mut jobs = state.store.list(which.state, tenant, before, limit + 1).await?;
    let more = jobs.len() > limit as usize;
    jobs.truncate(limit as usize);
    let next = jobs.last().filter(|_| more).map(|j| j.seq.to_string());
    let mut data = Vec::with_capacity(jobs.len());
    for job in jobs {
        data.push(Prediction::load(&state, job).await?);
    }
    Ok(Json(PredictionPage { data, next }))
}

/// One prediction; with `Prefer: wait`, as it is at its end.
#[utoipa::path(get, path = "/v1/predictions/{id}", params(("id" = String, Path), ("Prefer" = Option<String>, Header, description = "wait=seconds, or wait")), responses(
    (status = 200, body = Prediction), (status = 404, body = Problem, content_type = "application/problem+json")))]
pub async fn get(
    State(state): State<AppState>,
    caller: Caller,
    headers: HeaderMap,
    Path(id): Path<String>,
) -> Result<Response, ApiError> {
    let wait = wait_secs(&headers)?;
    let job = caller.prediction(&state, &id, Scope::Read).await?;
    answer(&state, job, wait, |_| StatusCode::OK).await
}

/// Withdraws a prediction. A paid one can be withdrawn until the server locks it; the money then comes back by the
/// market's `cancel`.
#[utoipa::path(post, path = "/v1/predictions/{id}/cancel", params(("id" = String, Path), ("Prefer" = Option<String>, Header, description = "wait=seconds, or wait")), responses(
    (status = 200, body = Prediction, description = "cancelled"), (status = 202, body = Prediction, description = "will be cancelled"),
    (status = 404, body = Problem, content_type = "application/problem+json"),
    (status = 409, body = Problem, content_type = "application/problem+json")))]
pub async fn cancel(
    State(state): State<AppState>,
    caller: Caller,
    headers: HeaderMap,
    Path(id): Path<String>,
) -> Result<Response, ApiError> {
    let wait = wait_secs(&headers)?;
    let job = caller.prediction(&state, &id, Scope::Predict).await?;
    let job = withdraw(&state, &job.id, "the client asked for it").await?;
    answer(&state, job, wait, |state| if state.is_terminal() { StatusCode::OK } else { StatusCode::ACCEPTED }).await
}

/// Runs a prediction that failed again, from the queue; for the operator. Its input is kept for a week after it failed.
#[utoipa::path(post, path = "/v1/predictions/{id}/retry", params(("id" = String, Path), ("Prefer" = Option<String>, Header, description = "wait=seconds, or wait")), security(("operator" = [])), responses(
    (status = 202, body = Prediction), (status = 401, body = Problem, content_type = "application/problem+json"),
    (status = 404, body = Problem, content_type = "application/problem+json"),
    (status = 409, body = Problem, content_type = "application/problem+json")))]
pub async fn retry(
    State(state): State<AppState>,
    caller: Caller,
    headers: HeaderMap,
    Path(id): Path<String>,
) -> Result<Response, ApiError> {
    caller.only_operator()?;
    let wait = wait_secs(&headers)?;
    let job = state.store.run_again(&id).await?;
    answer(&state, job, wait, |_| StatusCode::ACCEPTED).await
}

/// Cancels a job that nobody works on; asks the worker to stop on a free one that is being proven.
pub(crate) async fn withdraw(state: &AppState, id: &str, why: &'static str) -> Result<Job, ApiError> {
    let patch = Patch { event: Some(serde_json::json!({ "reason": why })), ..Patch::default() };
    match state
        .store
        .transition(id, None, &[JobState::AwaitingPayment, JobState::Queued], JobState::Cancelled, patch)
        .await
    {
        Err(StoreError::WrongState { state: JobState::Cancelled }) => Ok(state.store.job(id).await?),
        Err(StoreError::WrongState { state: now }) => {
            let job = state.store.job(id).await?;
            let capturing = now == JobState::SettlementPending;
            // what is held was paid for with two transactions already
            let held = job.payment.as_ref().is_some_and(|payment| payment.hold().is_some());
            if now.is_terminal() || job.chain_job.is_some() || capturing || held {
                return Err(ApiError::NotCancellable { state: now });
            }
            match state.store.request_cancel(id).await {
                Err(StoreError::WrongState { state }) => Err(ApiError::NotCancellable { state }),
                other => Ok(other?),
            }
        }
        other => Ok(other?),
    }
}

/// The proof's bytes; with `Prefer: wait`, once they are there.
#[utoipa::path(get, path = "/v1/predictions/{id}/proof", params(("id" = String, Path), ("Prefer" = Option<String>, Header, description = "wait=seconds, or wait")), responses(
    (status = 200, content_type = "application/octet-stream"), (status = 404, body = Problem, content_type = "application/problem+json"),
    (status = 409, body = Problem, content_type = "application/problem+json")))]
pub async fn proof(
    State(state): State<AppState>,
    caller: Caller,
    headers: HeaderMap,
    Path(id): Path<String>,
) -> Result<Response, ApiError> {
    let wait = wait_secs(&headers)?;
    let (job, applied) = waited(&state, caller.prediction(&state, &id, Scope::Read).await?, wait).await?;
    let done = state.store.is_paid_for(&job).await?;
    let Some(hash) = job.proof_hash.filter(|_| done) else { return Err(ApiError::NoProof { state: job.state }) };
    let bytes = state.blobs.get(hash).await?;
    let bytes = bytes.ok_or(ApiError::NoProof { state: job.state })?;
    let headers = [(names::CONTENT_TYPE, "application/octet-stream".to_owned()), (names::ETAG, format!("\"{hash}\""))];
    let mut answer = (headers, bytes).into_response();
    set_applied(&mut answer, applied);
    Ok(answer)
}
