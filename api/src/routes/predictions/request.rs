//! A request for a prediction, and what is checked before it becomes a job.

use std::num::NonZeroU32;

use alloy::primitives::{B256, keccak256};
use axum::http::HeaderMap;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::AppState;
use crate::chain::abi::InferenceMarket::State as ChainState;
use crate::engine::{EngineError, InputOpening, Inputs, ModelInfo, input_digest, outside};
use crate::error::ApiError;
use crate::routes::caller::Caller;
use crate::routes::completions::read_input;
use crate::routes::schemas::Hash;
use crate::routes::{header, off_runtime, payment};
use crate::store::{Company, Job, NewJob, NewPayment, State as JobState, StoreError, Unfunded, now_ms};
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

/// A request, and what is said beside it.
pub(in crate::routes) struct Asked {
    /// What is to be proven.
    pub request: PredictionRequest,
    /// Makes the same request of the same caller the same prediction.
    pub idempotency_key: Option<String>,
    /// When it is withdrawn, in milliseconds since the epoch.
    pub cancel_after_ms: Option<i64>,
}

impl Asked {
    pub(super) fn new(request: PredictionRequest, headers: &HeaderMap) -> Result<Self, ApiError> {
        let (idempotency_key, cancel_after_ms) = (idempotency_key(headers)?, cancel_after_ms(headers)?);
        Ok(Self { request, idempotency_key, cancel_after_ms })
    }
}

/// Takes a request, or finds what it stands for already; returns whether it did. `headers` may hold a payment by x402.
pub(in crate::routes) async fn take(
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
pub(in crate::routes) fn check_input(model: &ModelInfo, input: &InputOpening) -> Result<(), EngineError> {
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
