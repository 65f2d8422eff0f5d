//! `/v1/history`: what the market did here, as everybody may know it.

use axum::Json;
use axum::extract::State;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::AppState;
use crate::error::ApiError;
use crate::store::Ended;

/// How many predictions the history has.
const LATEST: u32 = 1000;

/// The latest predictions that are over.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct History {
    /// The newest first, at most 1000; those that are no longer kept are not there.
    pub data: Vec<Ended>,
}

/// How the latest predictions ended: model, price, how long they took. It names neither buyers nor inputs, and no id
/// with which a prediction could be read.
#[utoipa::path(get, path = "/v1/history", responses((status = 200, body = History)))]
pub async fn list(State(state): State<AppState>) -> Result<Json<History>, ApiError> {
    Ok(Json(History { data: state.store.ended(LATEST).await? }))
}
