//! `/v1/compilations`: models that the operator uploads, and their way to the market.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::path::Path as FilePath;
use std::sync::Arc;
use std::time::Duration;

use alloy::primitives::{Address, Bytes};
use assay_prover::package::BuyerKey;
use axum::Json;
use axum::extract::{Path, Request, State};
use axum::http::{HeaderMap, StatusCode, header as names};
use axum::response::sse::{Event as SseEvent, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use futures_util::stream;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use tokio::sync::watch;
use utoipa::ToSchema;

use super::caller::Caller;
use super::off_runtime;
use super::{header, schemas::Account};
use crate::AppState;
use crate::chain::listing::{Listing, Next};
use crate::error::{ApiError, Body, Problem, read_json};
use crate::sell::{Compilation, Task, Workshop};
use crate::store::Event;

/// How much longer than another body an upload may take.
const UPLOAD_PATIENCE: u32 = 10;
/// A drawing is a picture: nothing in it runs.
pub(super) const DRAWING_POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'";

fn workshop(state: &AppState) -> Result<&Arc<Workshop>, ApiError> {
    state.workshop.as_ref().ok_or(ApiError::NotSelling)
}

/// The workshop, for the operator.
fn operators<'a>(state: &'a AppState, caller: &Caller) -> Result<&'a Arc<Workshop>, ApiError> {
    let workshop = workshop(state)?;
    caller.only_operator()?;
    Ok(workshop)
}

/// Compilations, the newest first.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct Compilations {
    /// All that this service keeps.
    pub data: Vec<Compilation>,
}

/// Has a model compiled; for the operator, where the service runs with `--sell`. One is compiled at a time.
#[utoipa::path(post, path = "/v1/compilations", request_body = Task, security(("operator" = [])), responses(
    (status = 202, body = Compilation), (status = 401, body = Problem, content_type = "application/problem+json"),
    (status = 403, body = Problem, content_type = "application/problem+json"),
    (status = 413, body = Problem, content_type = "application/problem+json"),
    (status = 422, body = Problem, content_type = "application/problem+json"),
    (status = 429, body = Problem, content_type = "application/problem+json")))]
pub async fn create(State(state): State<AppState>, caller: Caller, request: Request) -> Result<Response, ApiError> {
    // before anything is read of the upload
    let workshop = operators(&state, &caller)?.clone();
    if state.is_stopping() {
        return Err(ApiError::Draining);
    }
    state.check_disk().await?;
    let limit = state.config.http.body_timeout.saturating_mul(UPLOAD_PATIENCE);
    let task: Task = read_json(request, &state, limit, workshop.config().upload_bytes_max).await?;
    let taken = workshop.take(task)?;
    Ok((StatusCode::ACCEPTED, [(names::LOCATION, format!("/v1/compilations/{}", taken.id))], Json(taken))
        .into_response())
}

/// What was compiled here; for the operator.
#[utoipa::path(get, path = "/v1/compilations", security(("operator" = [])), responses(
    (status = 200, body = Compilations), (status = 401, body = Problem, content_type = "application/problem+json"),
    (status = 403, body = Problem, content_type = "application/problem+json")))]
pub async fn list(State(state): State<AppState>, caller: Caller) -> Result<Json<Compilations>, ApiError> {
    Ok(Json(Compilations { data: operators(&state, &caller)?.list() }))
}

/// One compilation.
#[utoipa::path(get, path = "/v1/compilations/{id}", params(("id" = String, Path)), responses(
    (status = 200, body = Compilation), (status = 403, body = Problem, content_type = "application/problem+json"),
    (status = 404, body = Problem, content_type = "application/problem+json")))]
pub async fn get(State(state): State<AppState>, Path(id): Path<String>) -> Result<Json<Compilation>, ApiError> {
    Ok(Json(workshop(&state)?.get(&id)?))
}

/// Stops a compilation.
#[utoipa::path(post, path = "/v1/compilations/{id}/cancel", params(("id" = String, Path)), responses(
    (status = 202, body = Compilation), (status = 403, body = Problem, content_type = "application/problem+json"),
    (status = 404, body = Problem, content_type = "application/problem+json")))]
pub async fn cancel(State(state): State<AppState>, Path(id): Path<String>) -> Result<Response, ApiError> {
    Ok((StatusCode::ACCEPTED, Json(workshop(&state)?.cancel(&id)?)).into_response())
}

struct Cursor {
    state: AppState,
    workshop: Arc<Workshop>,
    id: String,
    after: i64,
    changes: watch::Receiver<u64>,
    ready: VecDeque<Event>,
    over: bool,
}

impl Cursor {
    /// The next event; `None` after the last one, and at shutdown.
    async fn next(mut self) -> Option<(Result<SseEvent, Infallible>, Self)> {
        loop {
            if let Some(event) = self.ready.pop_front() {
                self.after = event.id;
                let sse = SseEvent::default().id(event.id.to_string()).event(event.kind.clone());
                return Some((Ok(sse.json_data(&event).unwrap_or_default()), self));
            }
            if self.over || self.state.is_stopping() {
                return None;
            }
            self.changes.mark_unchanged();
            let (events, over) = self.workshop.events(&self.id, self.after).ok()?;
            (self.ready, self.over) = (events.into(), over);
            if self.ready.is_empty() && !self.over {
                tokio::select! {
                    changed = self.changes.changed() => changed.ok()?,
                    () = self.state.stopped() => return None,
                }
            }
        }
    }
}

/// What happens to a compilation: `state`, `step` with what the compiler does, `warning`. It ends with the compilation.
#[utoipa::path(get, path = "/v1/compilations/{id}/events", params(("id" = String, Path), ("Last-Event-ID" = Option<i64>, Header)), responses(
    (status = 200, content_type = "text/event-stream"),
    (status = 204, description = "it is over, and the client has seen everything"),
    (status = 403, body = Problem, content_type = "application/problem+json"),
    (status = 404, body = Problem, content_type = "application/problem+json")))]
pub async fn events(
    State(state): State<AppState>,
    Path(id): Path<String>,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let after = match header(&headers, "last-event-id")? {
        None => 0,
        Some(text) => text.trim().parse().map_err(|_| ApiError::InvalidHeader { name: "last-event-id" })?,
    };
    let workshop = workshop(&state)?.clone();
    let (ready, over) = workshop.events(&id, after)?;
    if ready.is_empty() && over {
        return Ok(StatusCode::NO_CONTENT.into_response());
    }
    let changes = workshop.changes();
    let cursor = Cursor { state, workshop, id, after, changes, ready: ready.into(), over };
    let events =
        Sse::new(stream::unfold(cursor, Cursor::next)).keep_alive(KeepAlive::new().interval(Duration::from_secs(15)));
    Ok(events.into_response())
}

/// The network, drawn, with cost and error of each layer.
#[utoipa::path(get, path = "/v1/compilations/{id}/drawing", params(("id" = String, Path)), responses(
    (status = 200, content_type = "image/svg+xml"), (status = 403, body = Problem, content_type = "application/problem+json"),
    (status = 404, body = Problem, content_type = "application/problem+json"),
    (status = 409, body = Problem, content_type = "application/problem+json")))]
pub async fn drawing(State(state): State<AppState>, Path(id): Path<String>) -> Result<Response, ApiError> {
    let headers = [(names::CONTENT_TYPE, "image/svg+xml"), (names::CONTENT_SECURITY_POLICY, DRAWING_POLICY)];
    Ok((headers, workshop(&state)?.drawing(&id)?).into_response())
}

/// The buyers' key.
#[utoipa::path(get, path = "/v1/compilations/{id}/key", params(("id" = String, Path)), responses(
    (status = 200, content_type = "application/octet-stream"), (status = 403, body = Problem, content_type = "application/problem+json"),
    (status = 404, body = Problem, content_type = "application/problem+json"),
    (status = 409, body = Problem, content_type = "application/problem+json")))]
pub async fn key(State(state): State<AppState>, Path(id): Path<String>) -> Result<Response, ApiError> {
    Ok(([(names::CONTENT_TYPE, "application/octet-stream")], workshop(&state)?.key(&id)?).into_response())
}

/// The package, which is the seller's secret; for the operator.
#[utoipa::path(get, path = "/v1/compilations/{id}/package", params(("id" = String, Path)), security(("operator" = [])), responses(
    (status = 200, content_type = "application/octet-stream"), (status = 401, body = Problem, content_type = "application/problem+json"),
    (status = 403, body = Problem, content_type = "application/problem+json"),
    (status = 404, body = Problem, content_type = "application/problem+json"),
    (status = 409, body = Problem, content_type = "application/problem+json")))]
pub async fn package(
    State(state): State<AppState>,
    caller: Caller,
    Path(id): Path<String>,
) -> Result<Response, ApiError> {
    let package = operators(&state, &caller)?.package(&id)?;
    Ok(([(names::CONTENT_TYPE, "application/octet-stream"), (names::CACHE_CONTROL, "no-store")], package)
        .into_response())
}

/// Who lists a model.
#[derive(Clone, Copy, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Lister {
    /// The wallet's account.
    #[schema(value_type = Account)]
    pub account: Address,
}

/// The next transaction with which an account lists a model in the market's registries; for the operator. Ask again
/// after each.
#[utoipa::path(post, path = "/v1/compilations/{id}/listing", request_body = Lister, params(("id" = String, Path)), security(("operator" = [])),
    responses((status = 200, body = Next), (status = 401, body = Problem, content_type = "application/problem+json"),
        (status = 403, body = Problem, content_type = "application/problem+json"),
        (status = 404, body = Problem, content_type = "application/problem+json"),
        (status = 409, body = Problem, content_type = "application/problem+json")))]
pub async fn listing(
    State(state): State<AppState>,
    caller: Caller,
    Path(id): Path<String>,
    Body(lister): Body<Lister>,
) -> Result<Json<Next>, ApiError> {
    let workshop = operators(&state, &caller)?;
    let market = state.market.as_ref().ok_or(ApiError::NoMarket)?;
    let bytes = workshop.key(&id)?;
    workshop.begin_listing(&id)?;
    let (account, holder) = (lister.account, market.config.seller.address());
    let listing = off_runtime(&state, move |_| listing_of(bytes, account, holder)).await??;
    Ok(Json(listing.next(&market.rpc, market.config.market).await?))
}

fn listing_of(key: Vec<u8>, account: Address, holder: Address) -> Result<Listing, ApiError> {
    // what was compiled here is a key, unless the disk is damaged
    let key = BuyerKey::from_bytes(key, FilePath::new("model.key")).map_err(|_| ApiError::Internal)?;
    Ok(Listing {
        key: Bytes::from(key.wrap.contract_bytes(&key.model)),
        development: key.is_development(),
        shape_digest: key.model.shape.model_digest.into(),
        weights: key.model.weights_bytes().into(),
        account,
        holder,
    })
}

/// What a seller says of a model that is offered.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Offer {
    /// The model's card: description, labels, preparation of inputs, price and times, as in `MODEL.card.json`
    /// (docs/cli.md). All may be left out.
    #[serde(default)]
    #[schema(value_type = Object)]
    pub card: serde_json::Map<String, Value>,
}

/// Offers a model here, once it is listed; for the operator. It is sold from then on, also after a restart.
#[utoipa::path(post, path = "/v1/compilations/{id}/offer", request_body = Offer, params(("id" = String, Path)), security(("operator" = [])),
    responses((status = 200, body = Compilation), (status = 401, body = Problem, content_type = "application/problem+json"),
        (status = 403, body = Problem, content_type = "application/problem+json"),
        (status = 404, body = Problem, content_type = "application/problem+json"),
        (status = 409, body = Problem, content_type = "application/problem+json"),
        (status = 422, body = Problem, content_type = "application/problem+json")))]
pub async fn offer(
    State(state): State<AppState>,
    caller: Caller,
    Path(id): Path<String>,
    Body(offer): Body<Offer>,
) -> Result<Json<Compilation>, ApiError> {
    let workshop = operators(&state, &caller)?;
    Ok(Json(workshop.offer(&id, &Value::Object(offer.card)).await?))
}
