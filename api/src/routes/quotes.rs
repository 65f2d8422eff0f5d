//! `/v1/quotes`.

use alloy::primitives::{Address, B256};
use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::AppState;
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
}

/// A signed quote and the order that accepts it. Check it against the chain before you sign or fund it: `docs/api.md` says how.
#[utoipa::path(post, path = "/v1/quotes", request_body = QuoteRequest, responses(
    (status = 201, body = Escrow),
    (status = 404, body = Problem, content_type = "application/problem+json"),
    (status = 409, body = Problem, content_type = "application/problem+json"),
    (status = 503, body = Problem, content_type = "application/problem+json")))]
pub async fn create(State(state): State<AppState>, Body(request): Body<QuoteRequest>) -> Result<(StatusCode, Json<Escrow>), ApiError> {
    let market = state.market.as_ref().ok_or(ApiError::NoMarket)?;
    let model = state.model(request.model)?;
    if state.is_stopping() {
        return Err(ApiError::Draining);
    }
    if let Some(failures) = state.breaker().await? {
        return Err(ApiError::Paused { failures });
    }
    if !market.is_solvent(market.config.terms_of(model.id)).await? {
        return Err(ApiError::ProverUnfunded);
    }
    Ok((StatusCode::CREATED, Json(market.quote(model, request.buyer, request.input_commitment).await?)))
}
