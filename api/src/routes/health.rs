//! `/livez`, `/readyz`, `/metrics`.

use std::future::Future;
use std::sync::atomic::Ordering;
use std::time::Duration;

use axum::Json;
use axum::extract::State;
use axum::http::header;
use axum::response::IntoResponse;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::AppState;
use crate::chain::{Head, Market};
use crate::config::Role;
use crate::error::{ApiError, Problem};
use crate::metrics::Gauges;
use crate::store::now_ms;

/// How long ago a worker may have given a sign of life to be counted.
const WORKER_AGE_MAX_MS: i64 = 60_000;

/// How metrics are written.
const TEXT: [(header::HeaderName, &str); 1] = [(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")];

/// What a server that is ready says of itself.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Ready {
    /// `ok`.
    pub status: String,
    /// How many models it proves.
    pub models: usize,
    /// How many predictions wait for the prover.
    pub queued: i64,
    /// How many worker processes gave a sign of life in the last minute, where others than this one prove.
    pub workers: Option<usize>,
    /// Free bytes of the data folder's disk, where the system says.
    pub disk_free_bytes: Option<u64>,
    /// The chain's newest block, where predictions are paid.
    pub block: Option<u64>,
    /// Its age in seconds.
    pub block_age_secs: Option<u64>,
}

/// What a process says of itself that answers.
#[derive(Debug, Serialize, ToSchema)]
pub struct Live {
    /// `ok`.
    pub status: &'static str,
}

/// The process answers.
#[utoipa::path(get, path = "/livez", tag = "health", responses((status = 200, body = Live)))]
pub async fn livez() -> Json<Live> {
    Json(Live { status: "ok" })
}

/// The server can take work: the store takes a write, the disk and the queue have room, the market is there and
/// answers, the prover has funds, the chain was read a moment ago, the latest jobs did not all fail, somebody proves,
/// and nobody is shutting the server down. It answers within a few seconds, whatever hangs.
#[utoipa::path(get, path = "/readyz", tag = "health", responses((status = 200, body = Ready), (status = 503, body = Problem, content_type = "application/problem+json")))]
pub async fn readyz(State(state): State<AppState>) -> Result<Json<Ready>, ApiError> {
    check(&state).await.map(Json).map_err(|error| match error {
        ApiError::Draining => ApiError::Draining,
        other => ApiError::NotReady(Box::new(other)),
    })
}

/// Gives work a time.
async fn within<T, E: Into<ApiError>>(
    limit: Duration,
    what: &'static str,
    code: &'static str,
    work: impl Future<Output = Result<T, E>>,
) -> Result<T, ApiError> {
    match tokio::time::timeout(limit, work).await {
        Ok(done) => done.map_err(Into::into),
        Err(_) => Err(ApiError::Silent { what, code, secs: limit.as_secs() }),
    }
}

async fn check(state: &AppState) -> Result<Ready, ApiError> {
    if state.is_stopping() {
        return Err(ApiError::Draining);
    }
    state.check_disk().await?;
    let (queued, workers) =
        within(state.config.ready_timeout, "the store", "storage-unavailable", store(state)).await?;
    let head = match &state.market {
        Some(market) => {
            Some(within(state.config.ready_timeout, "the chain", "chain-unreachable", chain(state, market)).await?)
        }
        None => None,
    };
    Ok(Ready {
        status: "ok".to_owned(),
        models: state.models().len(),
        queued,
        workers,
        disk_free_bytes: state.disk_free().await?,
        block: head.map(|head| head.number),
        block_age_secs: head.map(block_age_secs),
    })
}

/// What the store says: that it takes a write, that the latest jobs did not all fail, and that somebody proves. The
/// queue's length, and how many other processes prove.
async fn store(state: &AppState) -> Result<(i64, Option<usize>), ApiError> {
    state.store.probe().await?;
    if let Some(failures) = state.breaker().await? {
        return Err(ApiError::Paused { failures });
    }
    let queued = state.store.queued(state.market.is_some()).await?;
    if queued >= i64::from(state.config.queue_max) {
        return Err(ApiError::QueueFull { queued });
    }
    if state.config.role != Role::Api {
        return Ok((queued, None));
    }
    let workers = state.store.workers(WORKER_AGE_MAX_MS).await?.len();
    if workers == 0 { Err(ApiError::NoWorkers) } else { Ok((queued, Some(workers))) }
}

/// What the chain says, and when the watcher heard of it for the last time.
async fn chain(state: &AppState, market: &Market) -> Result<Head, ApiError> {
    let (head, solvent) = tokio::try_join!(market.head(), market.is_solvent(&market.config.terms))?;
    if !solvent {
        return Err(ApiError::ProverUnfunded);
    }
    let seen_ms =
        i64::try_from(state.metrics.seen_ms.load(Ordering::Relaxed)).unwrap_or(i64::MAX).max(state.started_ms);
    let secs = u64::try_from(now_ms().saturating_sub(seen_ms) / 1000).unwrap_or_default();
    if secs > state.config.watch_age_max.as_secs() {
        return Err(ApiError::Stale { what: "what this server has read of the chain", secs });
    }
    let secs = block_age_secs(head);
    match state.config.block_age_max {
        Some(limit) if secs > limit.as_secs() => Err(ApiError::Stale { what: "the chain's newest block", secs }),
        _ => Ok(head),
    }
}

fn block_age_secs(head: Head) -> u64 {
    let now = u64::try_from(now_ms() / 1000).unwrap_or_default();
    now.saturating_sub(head.time)
}

/// Prometheus metrics.
#[utoipa::path(get, path = "/metrics", tag = "health", responses((status = 200, content_type = "text/plain")))]
pub async fn metrics(State(state): State<AppState>) -> Result<impl IntoResponse, ApiError> {
    let disk_free_bytes = state.disk_free().await.unwrap_or_default();
    let gauges = async {
        Ok::<_, ApiError>(Gauges {
            jobs: state.store.counts().await?,
            oldest: state.store.oldest_in_state().await?,
            workers: state.store.workers(WORKER_AGE_MAX_MS).await?,
            deliveries: state.store.delivery_counts().await?,
            disk_free_bytes,
        })
    };
    let gauges = within(state.config.ready_timeout, "the store", "storage-unavailable", gauges).await?;
    Ok((TEXT, state.metrics.render(&gauges, state.store.times())))
}

/// The metrics of a process that only proves.
pub async fn worker_metrics(State(state): State<AppState>) -> impl IntoResponse {
    let disk_free_bytes = state.disk_free().await.unwrap_or_default();
    (TEXT, state.metrics.render_worker(disk_free_bytes, state.store.times()))
}
