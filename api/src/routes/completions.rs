//! `/v1/completions`: text of a model that continues prompts, without a proof; and how a prediction continues one.

use std::num::NonZeroU32;

use alloy::primitives::B256;
use axum::Json;
use axum::extract::State;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::caller::Caller;
use crate::AppState;
use crate::engine::{Cancel, Inputs, ModelInfo};
use crate::error::{ApiError, Body, Problem};
use crate::routes::schemas::Hash;
use crate::store::Text;

/// A prompt.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CompletionRequest {
    /// The model: one with a `text_length`.
    #[schema(value_type = Hash)]
    pub model: B256,
    /// The tokens of the prompt, one at least.
    pub input: Inputs,
    /// How many tokens to put behind it.
    #[schema(value_type = u32, minimum = 1)]
    pub max_tokens: NonZeroU32,
}

/// A prompt with its answer, by this server's word. Who wants a proof orders a prediction of `input`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Completion {
    /// The answer's tokens.
    pub tokens: Vec<f32>,
    /// Prompt, answer, and token 0 up to the model's length: the input that a prediction of all of it has.
    pub input: Vec<f32>,
}

/// Stops the engine when nobody waits for it any more.
struct StopOnDrop(Cancel);

impl Drop for StopOnDrop {
    fn drop(&mut self) {
        self.0.cancel();
    }
}

/// The model's input of a request: as it is, or as a prompt that is continued. Of the second also which part is which.
pub(super) async fn read_input(
    state: &AppState,
    model: &ModelInfo,
    input: Inputs,
    max_tokens: Option<NonZeroU32>,
) -> Result<(Vec<f32>, Option<Text>), ApiError> {
    let Some(max_tokens) = max_tokens else { return Ok((input.in_order(&model.inputs)?, None)) };
    let prompt = input.only(&model.inputs)?;
    let text = Text { prompt: u32::try_from(prompt.len()).unwrap_or(u32::MAX), answer: max_tokens.get() };
    let stop = StopOnDrop(Cancel::new());
    let turn = state.decode_turn.clone().acquire_owned().await.map_err(|_| ApiError::Draining)?;
    let (engine, model, cancel) = (state.engine.clone(), model.id, stop.0.clone());
    let decoding = tokio::task::spawn_blocking(move || {
        let _turn = turn;
        engine.decode(model, &prompt, max_tokens.get() as usize, &cancel)
    });
    Ok((decoding.await.map_err(|_| ApiError::Internal)??, Some(text)))
}

/// Continues a prompt, each token the model's likeliest, without a proof. Where proofs are sold, what is to be proven
/// has to be known before it is paid for: this says it. A prediction whose input is `input` then proves all of the
/// answer's tokens at once.
#[utoipa::path(post, path = "/v1/completions", request_body = CompletionRequest, responses((status = 200, body = Completion),
    (status = 403, body = Problem, content_type = "application/problem+json"),
    (status = 422, body = Problem, content_type = "application/problem+json")))]
pub async fn create(
    State(state): State<AppState>,
    caller: Caller,
    Body(request): Body<CompletionRequest>,
) -> Result<Json<Completion>, ApiError> {
    caller.may_predict(&state)?;
    if !state.config.gives_completions() {
        return Err(ApiError::NoCompletions);
    }
    let model = state.model(request.model)?;
    let (input, text) = read_input(&state, &model, request.input, Some(request.max_tokens)).await?;
    let tokens = text.and_then(|text| input.get(text.answer_places())).unwrap_or_default().to_vec();
    Ok(Json(Completion { tokens, input }))
}
