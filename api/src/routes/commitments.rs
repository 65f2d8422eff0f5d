//! `/v1/commitments`: what buys a public input without a program of one's own.

use alloy::primitives::{B256, Bytes};
use axum::Json;
use axum::extract::State;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::caller::Caller;
use super::off_runtime;
use super::predictions::check_input;
use crate::AppState;
use crate::engine::{InputOpening, Inputs, input_digest, outside};
use crate::error::{ApiError, Body};
use crate::routes::schemas::{Hash, Point};

/// A public input.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CommitmentRequest {
    /// The model.
    #[schema(value_type = Hash)]
    pub model: B256,
    /// The inputs in real units, as of a prediction.
    pub input: Inputs,
    /// Whether to commit to an input outside the published range.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub allow_clamping: bool,
}

/// The commitment to a public input: what a quote and an order name.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Commitment {
    /// Commitments, 64 bytes each.
    #[schema(value_type = Vec<Point>)]
    pub input_commitments: Vec<Bytes>,
    /// Keccak-256 of them, one after the other.
    #[schema(value_type = Hash)]
    pub input_commitment: B256,
    /// How many elements are outside the published range.
    pub outside: usize,
}

/// Commits to a public input, without blinding: whoever knows the input gets the same. A private input is committed to
/// by its owner (`assay commit`), since whoever blinds it knows it. Check what you are about to pay for: `assay commit
/// --public-input` computes this on your own machine.
#[utoipa::path(post, path = "/v1/commitments", request_body = CommitmentRequest, responses((status = 200, body = Commitment)))]
pub async fn create(
    State(state): State<AppState>,
    caller: Caller,
    Body(request): Body<CommitmentRequest>,
) -> Result<Json<Commitment>, ApiError> {
    caller.may_predict(&state)?;
    let model = state.model(request.model)?;
    let input = InputOpening { data: request.input.in_order(&model.inputs)?, blinding: Vec::new() };
    check_input(&model, &input)?;
    let outside = outside(&model.inputs, &input.data);
    if let Some(first) = outside.first.filter(|_| !request.allow_clamping) {
        return Err(first.into());
    }
    let input_commitments = off_runtime(&state, move |s| s.engine.commit(model.id, &input)).await??;
    Ok(Json(Commitment {
        input_commitment: input_digest(&input_commitments),
        input_commitments,
        outside: outside.elements,
    }))
}
