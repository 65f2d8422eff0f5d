//! The HTTP interface: `app(state)` is the whole of it, testable without a socket.

mod a2a;
mod agent;
mod caller;
mod client;
mod commitments;
mod compilations;
mod completions;
mod cors;
mod examples;
mod health;
mod history;
mod market;
mod models;
mod openapi;
mod page;
mod payment;
mod predictions;
mod quotes;
pub(crate) mod schemas;
mod seller;
mod site;
mod stream;
mod verify;
mod webhooks;

pub(crate) use client::network;
pub use commitments::{Commitment, CommitmentRequest};
pub use completions::{Completion, CompletionRequest};
pub(crate) use cors::check as check_origins;
pub use health::Ready;
pub use history::History;
pub use market::{MarketHistory, MarketJob, MarketJobPage, MarketModel, MarketProver};
pub use models::{Model, ModelPage, ModelTerms};
pub use openapi::description;
pub(crate) use predictions::withdraw;
pub use predictions::{BatchReceipt, PaymentRef, Prediction, PredictionPage, PredictionRequest, TransactionRef};
pub use quotes::QuoteRequest;
pub use verify::{VerifyRequest, VerifyResponse};
pub use webhooks::{DeliveryList, NewWebhook, WebhookList, WebhookRequest};

use axum::Router;
use axum::extract::{DefaultBodyLimit, Request, State};
use axum::http::HeaderMap;
use axum::middleware::{self, Next};
use axum::response::Response;
use axum::routing::{delete, get, post};
use tracing::Instrument;

use crate::error::ApiError;
use crate::{AppState, trace};

/// The service's routes.
pub fn app(state: AppState) -> Router {
    let router = Router::new()
        .route("/", get(site::index))
        .route("/app/{file}", get(site::file))
        .route("/status", get(page::index))
        .route("/.well-known/agent-card.json", get(agent::card))
        .route("/livez", get(health::livez))
        .route("/readyz", get(health::readyz))
        .route("/metrics", get(health::metrics))
        .route("/openapi.json", get(openapi::openapi))
        .route("/v1/models", get(models::list))
        .route("/v1/models/{id}", get(models::get))
        .route("/v1/models/{id}/key", get(models::key))
        .route("/v1/models/{id}/srs", get(models::srs))
        .route("/v1/models/{id}/lineage", get(models::lineage))
        .route("/v1/models/{id}/drawing", get(models::drawing))
        .route("/v1/history", get(history::list))
        .route("/v1/market", get(market::history))
        .route("/v1/market/jobs", get(market::jobs))
        .route("/v1/quotes", post(quotes::create))
        .route("/v1/commitments", post(commitments::create))
        .route("/v1/completions", post(completions::create))
        .route("/v1/predictions", post(predictions::create).get(predictions::list))
        .route("/v1/predictions/{id}", get(predictions::get))
        .route("/v1/predictions/{id}/cancel", post(predictions::cancel))
        .route("/v1/predictions/{id}/retry", post(predictions::retry))
        .route("/v1/predictions/{id}/proof", get(predictions::proof))
        .route("/v1/predictions/{id}/events", get(stream::events))
        .route("/v1/a2a", post(a2a::call))
        .route("/v1/verify", post(verify::verify))
        .route("/v1/webhooks", post(webhooks::create).get(webhooks::list))
        .route("/v1/webhooks/{id}", delete(webhooks::remove))
        .route("/v1/webhooks/{id}/deliveries", get(webhooks::deliveries))
        .route("/v1/selling", get(seller::selling))
        .route("/v1/seller", get(seller::numbers))
        .merge(compiling(&state))
        .fallback(site::missing)
        .method_not_allowed_fallback(async || ApiError::MethodNotAllowed)
        .layer(DefaultBodyLimit::max(state.config.body_bytes_max))
        .layer(middleware::from_fn_with_state(state.clone(), caller::identify));
    // browsers that ask for leave carry no key: they are answered before anybody is asked for one
    let router = match cors::layer(&state.config.cors) {
        Some(cors) => router.layer(cors),
        None => router,
    };
    router.layer(middleware::from_fn_with_state(state.clone(), observe)).with_state(state)
}

/// The routes of a process that only proves: for those who watch it, and nobody else.
pub(crate) fn worker_app(state: AppState) -> Router {
    Router::new()
        .route("/livez", get(health::livez))
        .route("/metrics", get(health::worker_metrics))
        .fallback(async || ApiError::NoSuchResource)
        .method_not_allowed_fallback(async || ApiError::MethodNotAllowed)
        .with_state(state)
}

/// The routes of models that are uploaded, whose bodies may be larger than others.
fn compiling(state: &AppState) -> Router<AppState> {
    let most =
        state.workshop.as_ref().map_or(state.config.body_bytes_max, |workshop| workshop.config().upload_bytes_max);
    Router::new()
        .route(
            "/v1/compilations",
            post(compilations::create).get(compilations::list).layer(DefaultBodyLimit::max(most)),
        )
        .route("/v1/compilations/{id}", get(compilations::get))
        .route("/v1/compilations/{id}/cancel", post(compilations::cancel))
        .route("/v1/compilations/{id}/events", get(compilations::events))
        .route("/v1/compilations/{id}/drawing", get(compilations::drawing))
        .route("/v1/compilations/{id}/key", get(compilations::key))
        .route("/v1/compilations/{id}/package", get(compilations::package))
        .route("/v1/compilations/{id}/listing", post(compilations::listing))
        .route("/v1/compilations/{id}/offer", post(compilations::offer))
}

/// Counts, logs and traces every response.
async fn observe(State(state): State<AppState>, request: Request, next: Next) -> Response {
    let (method, path) = (request.method().clone(), request.uri().path().to_owned());
    let span = tracing::debug_span!("request", otel.kind = "server", %method, path, status = tracing::field::Empty);
    trace::continue_request(&span, request.headers());
    let start = std::time::Instant::now();
    let response = next.run(request).instrument(span.clone()).await;
    let status = response.status().as_u16();
    span.record("status", status);
    let ms = u64::try_from(start.elapsed().as_millis()).unwrap_or(u64::MAX);
    state.metrics.response(status, ms);
    tracing::debug!(%method, path, status, ms, "request");
    response
}

/// A header's text, `None` if it is absent.
fn header<'a>(headers: &'a HeaderMap, name: &'static str) -> Result<Option<&'a str>, ApiError> {
    headers.get(name).map(|v| v.to_str().map_err(|_| ApiError::InvalidHeader { name })).transpose()
}

/// Runs CPU-bound work off the async runtime, a bounded number at a time.
async fn off_runtime<T: Send + 'static>(
    state: &AppState,
    work: impl FnOnce(&AppState) -> T + Send + 'static,
) -> Result<T, ApiError> {
    let permit = state.light_work.clone().acquire_owned().await.map_err(|_| ApiError::Draining)?;
    let owned = state.clone();
    let done = tokio::task::spawn_blocking(move || {
        let _permit = permit;
        work(&owned)
    });
    done.await.map_err(|_| ApiError::Internal)
}
