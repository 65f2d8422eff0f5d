//! `/v1/models`.

use alloy::primitives::B256;
use axum::Json;
use axum::extract::{Path, Query, State};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::AppState;
use crate::engine::ModelInfo;
use crate::error::{ApiError, Problem};

/// Most entries of a page.
pub(super) const PAGE_MAX: u32 = 100;

/// Which page of a list.
#[derive(Debug, Deserialize, IntoParams)]
pub struct PageQuery {
    /// `next` of the page before.
    pub cursor: Option<String>,
    /// Entries wanted, 1 to 100; 20 if left out.
    pub limit: Option<u32>,
}

impl PageQuery {
    pub(super) fn limit(&self) -> Result<u32, ApiError> {
        let limit = self.limit.unwrap_or(20);
        if (1..=PAGE_MAX).contains(&limit) { Ok(limit) } else { Err(ApiError::InvalidParameter { name: "limit" }) }
    }
}

/// Query parameters, or a problem.
pub(super) type PageParams = Result<Query<PageQuery>, axum::extract::rejection::QueryRejection>;

pub(super) fn page_query(params: PageParams) -> Result<PageQuery, ApiError> {
    params.map(|Query(query)| query).map_err(|_| ApiError::InvalidParameter { name: "query" })
}

/// A page of models.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct ModelPage {
    /// The models.
    pub data: Vec<ModelInfo>,
    /// Cursor of the next page; null on the last.
    pub next: Option<String>,
}

/// The models that this server proves.
#[utoipa::path(get, path = "/v1/models", params(PageQuery), responses(
    (status = 200, body = ModelPage), (status = 400, body = Problem, content_type = "application/problem+json")))]
pub async fn list(State(state): State<AppState>, params: PageParams) -> Result<Json<ModelPage>, ApiError> {
    let query = page_query(params)?;
    let limit = query.limit()? as usize;
    let start = match &query.cursor {
        None => 0,
        Some(cursor) => {
            let id: B256 = cursor.parse().map_err(|_| ApiError::InvalidParameter { name: "cursor" })?;
            state.models.iter().position(|m| m.id == id).ok_or(ApiError::InvalidParameter { name: "cursor" })? + 1
        }
    };
    let data: Vec<ModelInfo> = state.models.iter().skip(start).take(limit).cloned().collect();
    let more = start + data.len() < state.models.len();
    let next = data.last().filter(|_| more).map(|m| m.id.to_string());
    Ok(Json(ModelPage { data, next }))
}

/// One model.
#[utoipa::path(get, path = "/v1/models/{id}", params(("id" = String, Path, description = "Model id, 0x and 64 hex digits")), responses(
    (status = 200, body = ModelInfo), (status = 404, body = Problem, content_type = "application/problem+json")))]
pub async fn get(State(state): State<AppState>, Path(id): Path<String>) -> Result<Json<ModelInfo>, ApiError> {
    let id = id.parse().map_err(|_| ApiError::InvalidParameter { name: "id" })?;
    Ok(Json(state.model(id)?.clone()))
}
