//! `/livez`, `/readyz`, `/metrics`.

use axum::Json;
use axum::extract::State;
use axum::http::header;
use axum::response::IntoResponse;
use serde_json::{Value, json};

use crate::AppState;
use crate::error::{ApiError, Problem};

/// The process answers.
#[utoipa::path(get, path = "/livez", responses((status = 200)))]
pub async fn livez() -> Json<Value> {
    Json(json!({ "status": "ok" }))
}

/// The server can take work: the database and the chain answer, the latest jobs did not all fail, nobody is shutting it down.
#[utoipa::path(get, path = "/readyz", responses((status = 200), (status = 503, body = Problem, content_type = "application/problem+json")))]
pub async fn readyz(State(state): State<AppState>) -> Result<Json<Value>, ApiError> {
    if state.is_stopping() {
        return Err(ApiError::Draining);
    }
    state.store.ping().await?;
    if let Some(failures) = state.breaker().await? {
        return Err(ApiError::Paused { failures });
    }
    let block = match &state.market {
        Some(market) => {
            market.facts().await?;
            Some(market.rpc.block_number().await?)
        }
        None => None,
    };
    Ok(Json(json!({ "status": "ok", "models": state.models.len(), "block": block })))
}

/// Prometheus metrics.
#[utoipa::path(get, path = "/metrics", responses((status = 200, content_type = "text/plain")))]
pub async fn metrics(State(state): State<AppState>) -> Result<impl IntoResponse, ApiError> {
    let jobs = state.store.counts().await?;
    Ok(([(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], state.metrics.render(&jobs)))
}
