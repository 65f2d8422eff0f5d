//! `/v1/quotes`.

use alloy::primitives::{Address, B256};
use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::caller::Caller;
use crate::AppState;
use crate::chain::Market;
use crate::demand::suits;
use crate::engine::ModelInfo;
use crate::error::{ApiError, Body, Problem};
use crate::routes::schemas::{Account, Hash};
use crate::terms::Escrow;

/// What a buyer wants a quote for.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct QuoteRequest {
    /// The model.
    #[schema(value_type = Hash)]
    pub model: B256,
    /// Who will pay. The quote is then for this account only.
    #[schema(value_type = Option<Account>)]
    pub buyer: Option<Address>,
    /// Keccak-256 of the input commitments, where they are known already.
    #[schema(value_type = Option<Hash>)]
    pub input_commitment: Option<B256>,
    /// The most inferences, those of other buyers included, that the proof may have; 1 if left out. The quote is for
    /// one of the model's keys with at most as many: the larger, the more ask at the moment.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub batch: Option<u32>,
    /// How many orders one payment is to fund with the quote (`fundBatch`), 1 to 256; 1 if left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 1, maximum = 256)]
    pub jobs: Option<u32>,
}

/// Most jobs of a quote: more would not fit into a block with others.
const JOBS_MAX: u32 = 256;

/// The key under which an inference is best ordered now.
async fn key(
    state: &AppState,
    market: &Market,
    model: &ModelInfo,
    batch: Option<u32>,
    jobs: u32,
) -> Result<B256, ApiError> {
    let asked = state.demand.asked(model.id);
    let most = batch.unwrap_or(1).min(state.config.batch_max);
    if most < 2 || model.batches.is_empty() {
        return Ok(model.key_hash);
    }
    let waiting = u32::try_from(state.store.waiting(model.id).await?).unwrap_or(u32::MAX);
    let mut admitted = Vec::with_capacity(model.batches.len());
    for batch in &model.batches {
        if market.is_admitted(batch.key_hash).await? {
            admitted.push(*batch);
        }
    }
    Ok(suits(&admitted, most, asked.max(waiting.saturating_add(jobs))).map_or(model.key_hash, |batch| batch.key_hash))
}

/// A signed quote and the order that accepts it. Check it against the chain before you sign or fund it: `docs/api.md`
/// says how.
#[utoipa::path(post, path = "/v1/quotes", request_body = QuoteRequest, responses(
    (status = 201, body = Escrow),
    (status = 400, body = Problem, content_type = "application/problem+json"),
    (status = 404, body = Problem, content_type = "application/problem+json"),
    (status = 409, body = Problem, content_type = "application/problem+json"),
    (status = 503, body = Problem, content_type = "application/problem+json")))]
pub async fn create(
    State(state): State<AppState>,
    caller: Caller,
    Body(request): Body<QuoteRequest>,
) -> Result<(StatusCode, Json<Escrow>), ApiError> {
    Ok((StatusCode::CREATED, Json(quote(&state, &caller, &request).await?)))
}

/// The same for whoever asks in another way.
pub(super) async fn quote(state: &AppState, caller: &Caller, request: &QuoteRequest) -> Result<Escrow, ApiError> {
    caller.may_predict(state)?;
    let market = state.market.as_ref().ok_or(ApiError::NoMarket)?;
    let jobs = request.jobs.unwrap_or(1);
    if !(1..=JOBS_MAX).contains(&jobs) {
        return Err(ApiError::InvalidParameter { name: "jobs" });
    }
    let model = state.model(request.model)?;
    if state.is_stopping() {
        return Err(ApiError::Draining);
    }
    if let Some(failures) = state.breaker().await? {
        return Err(ApiError::Paused { failures });
    }
    if !market.is_solvent(&market.config.terms_of(model.id)).await? {
        return Err(ApiError::ProverUnfunded);
    }
    let key_hash = key(state, market, &model, request.batch, jobs).await?;
    Ok(market.quote(&model, key_hash, jobs, request.buyer, request.input_commitment).await?)
}
