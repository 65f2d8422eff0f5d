//! `/v1/verify`.

use alloy::primitives::B256;
use axum::Json;
use axum::extract::State;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::caller::Caller;
use super::off_runtime;
use crate::AppState;
use crate::engine::{Claim, EngineError};
use crate::error::{ApiError, Body, Problem};
use crate::routes::schemas::Hash;

/// A claim about a model.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct VerifyRequest {
    /// The model.
    #[schema(value_type = Hash)]
    pub model: B256,
    /// The claim.
    #[serde(flatten)]
    pub claim: Claim,
}

/// What the native verifier says.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct VerifyResponse {
    /// Whether the claim is proven.
    pub valid: bool,
    /// Why not.
    pub reason: Option<String>,
    /// Whether the model's keys are development keys, which prove nothing to anybody.
    pub development: bool,
}

/// Verifies a proof. Convenience only: who does not trust this server verifies it themselves.
#[utoipa::path(post, path = "/v1/verify", request_body = VerifyRequest, responses(
    (status = 200, body = VerifyResponse), (status = 404, body = Problem, content_type = "application/problem+json")))]
pub async fn verify(
    State(state): State<AppState>,
    caller: Caller,
    Body(request): Body<VerifyRequest>,
) -> Result<Json<VerifyResponse>, ApiError> {
    caller.may_predict(&state)?;
    let development = state.model(request.model)?.development;
    match off_runtime(&state, move |s| s.engine.verify(request.model, &request.claim)).await? {
        Ok(()) => Ok(Json(VerifyResponse { valid: true, reason: None, development })),
        Err(EngineError::Rejected(why)) => {
            Ok(Json(VerifyResponse { valid: false, reason: Some(why.to_string()), development }))
        }
        Err(e) => Err(e.into()),
    }
}
