//! `/v1/predictions`: asking for them, waiting for them, and what an answer looks like.

mod request;
mod view;

use std::time::Duration;

use axum::Json;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Path, Query, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header as names};
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use utoipa::IntoParams;

use super::caller::Caller;
use super::client::Client;
use super::header;
use super::models::{PageParams, PageQuery, page_query};
use super::payment;
use crate::AppState;
use crate::error::{ApiError, Body, Problem};
use crate::store::{Job, Patch, Scope, State as JobState, StoreError};

pub use request::PredictionRequest;
pub(super) use request::{Asked, check_input, take};
pub use view::{BatchReceipt, PaymentRef, Prediction, PredictionPage, TransactionRef};

/// Seconds of `Prefer: wait=n`; without a number, as long as the server lets. Other preferences are ignored, as RFC
/// 7240 asks.
fn wait_secs(headers: &HeaderMap) -> Result<Option<u64>, ApiError> {
    let Some(text) = header(headers, "prefer")? else { return Ok(None) };
    let mut preferences = text.split([',', ';']).map(|part| part.trim().split_once('=').unwrap_or((part.trim(), "")));
    let Some((_, n)) = preferences.find(|(name, _)| name.trim().eq_ignore_ascii_case("wait")) else { return Ok(None) };
    match n.trim().trim_matches('"') {
        "" => Ok(Some(u64::MAX)),
        n => n.parse().map(Some).map_err(|_| ApiError::InvalidHeader { name: "prefer" }),
    }
}

/// Asks for a proven inference. The same `Idempotency-Key` with the same body is the same prediction, however often it
/// is sent.
#[utoipa::path(post, path = "/v1/predictions", request_body = PredictionRequest,
    params(("Idempotency-Key" = Option<String>, Header), ("Prefer" = Option<String>, Header, description = "wait=seconds, or wait"),
        ("Cancel-After" = Option<String>, Header, description = "90s, 5m, 1h")),
    responses((status = 201, body = Prediction, description = "over already"), (status = 202, body = Prediction, description = "accepted"),
        (status = 402, body = Problem, content_type = "application/problem+json"),
        (status = 412, body = Problem, content_type = "application/problem+json", description = "Permit2 has no allowance"),
        (status = 422, body = Problem, content_type = "application/problem+json"),
        (status = 429, body = Problem, content_type = "application/problem+json"),
        (status = 503, body = Problem, content_type = "application/problem+json")))]
pub async fn create(
    State(state): State<AppState>,
    caller: Caller,
    Client(client): Client,
    headers: HeaderMap,
    Body(request): Body<PredictionRequest>,
) -> Result<Response, ApiError> {
    let wait = wait_secs(&headers)?;
    let asked = Asked::new(request, &headers)?;
    let model = asked.request.model;
    let taken = match take(&state, &caller, client, &headers, asked).await {
        Ok((job, replayed)) => respond(&state, job, replayed, wait).await,
        Err(error) => Err(error),
    };
    match taken {
        Err(error) if matches!(error.parts().0, StatusCode::PAYMENT_REQUIRED | StatusCode::PRECONDITION_FAILED) => {
            let (why, model) = (error.parts().1, state.model(model)?);
            let mut answer = error.into_response();
            payment::require(&state, &headers, &model, why, &mut answer).await;
            Ok(answer)
        }
        other => other,
    }
}

/// Whether nothing more is to be waited for: the prediction is over, or its output is shown.
async fn is_ready(state: &AppState, job: &Job) -> Result<bool, StoreError> {
    Ok(job.state.is_terminal() || state.store.is_paid_for(job).await?)
}

/// Waits for the output of a prediction or its end, for as long as the client wishes and the server lets. Returns how
/// long that is, too.
pub(super) async fn waited(state: &AppState, mut job: Job, wait: Option<u64>) -> Result<(Job, Option<u64>), ApiError> {
    let Some(secs) = wait.map(|n| n.min(state.config.wait_secs_max)) else { return Ok((job, None)) };
    let mut changes = state.store.changes();
    let deadline = tokio::time::Instant::now() + Duration::from_secs(secs);
    while !is_ready(state, &job).await? {
        changes.mark_unchanged();
        job = state.store.job(&job.id).await?;
        if is_ready(state, &job).await? {
            break;
        }
        tokio::select! {
            changed = changes.changed() => if changed.is_err() { break },
            () = tokio::time::sleep_until(deadline) => break,
            () = state.stopped() => break,
        }
    }
    Ok((job, Some(secs)))
}

/// Says in an answer that its client's wish to wait was heard.
fn set_applied(answer: &mut Response, applied: Option<u64>) {
    if let Some(Ok(value)) = applied.map(|n| HeaderValue::try_from(format!("wait={n}"))) {
        answer.headers_mut().insert(HeaderName::from_static("preference-applied"), value);
    }
}

/// A prediction as an answer, after waiting for its output or its end as long as the client wishes. `status` says which
/// status a state has.
async fn answer(
    state: &AppState,
    job: Job,
    wait: Option<u64>,
    status: fn(JobState) -> StatusCode,
) -> Result<Response, ApiError> {
    let (job, applied) = waited(state, job, wait).await?;
    let (status, report) = (status(job.state), payment::report(&job));
    let mut answer = (status, Json(Prediction::load(state, job).await?)).into_response();
    payment::set_report(&mut answer, report);
    set_applied(&mut answer, applied);
    Ok(answer)
}

/// 201 if a new prediction is over, else 202.
async fn respond(state: &AppState, job: Job, replayed: bool, wait: Option<u64>) -> Result<Response, ApiError> {
    let location = HeaderValue::try_from(format!("/v1/predictions/{}", job.id));
    let made = |state: JobState| if state.is_terminal() { StatusCode::CREATED } else { StatusCode::ACCEPTED };
    let mut answer = answer(state, job, wait, made).await?;
    if let Ok(location) = location {
        answer.headers_mut().insert(names::LOCATION, location);
    }
    if replayed {
        answer.headers_mut().insert(HeaderName::from_static("idempotency-replayed"), HeaderValue::from_static("true"));
    }
    Ok(answer)
}

/// Which predictions.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct StateQuery {
    /// Those in this state; all if left out.
    pub state: Option<JobState>,
}

/// Predictions, newest first: those that the key asked for, or all of them for the operator.
#[utoipa::path(get, path = "/v1/predictions", params(PageQuery, StateQuery), security(("key" = []), ("operator" = [])), responses(
    (status = 200, body = PredictionPage), (status = 401, body = Problem, content_type = "application/problem+json")))]
pub async fn list(
    State(state): State<AppState>,
    caller: Caller,
    params: PageParams,
    which: Result<Query<StateQuery>, QueryRejection>,
) -> Result<Json<PredictionPage>, ApiError> {
    let tenant = if caller.operates() { None } else { Some(caller.key(Scope::Read)?.id.as_str()) };
    let query = page_query(params)?;
    let Query(which) = which.map_err(|_| ApiError::InvalidParameter { name: "state" })?;
    let limit = query.limit()?;
    let before =
        query.cursor.map(|c| c.parse().map_err(|_| ApiError::InvalidParameter { name: "cursor" })).transpose()?;
    let mut jobs = state.store.list(which.state, tenant, before, limit + 1).await?;
    let more = jobs.len() > limit as usize;
    jobs.truncate(limit as usize);
    let next = jobs.last().filter(|_| more).map(|j| j.seq.to_string());
    let mut data = Vec::with_capacity(jobs.len());
    for job in jobs {
        data.push(Prediction::load(&state, job).await?);
    }
    Ok(Json(PredictionPage { data, next }))
}

/// One prediction; with `Prefer: wait`, as it is at its end.
#[utoipa::path(get, path = "/v1/predictions/{id}", params(("id" = String, Path), ("Prefer" = Option<String>, Header, description = "wait=seconds, or wait")), responses(
    (status = 200, body = Prediction), (status = 404, body = Problem, content_type = "application/problem+json")))]
pub async fn get(
    State(state): State<AppState>,
    caller: Caller,
    headers: HeaderMap,
    Path(id): Path<String>,
) -> Result<Response, ApiError> {
    let wait = wait_secs(&headers)?;
    let job = caller.prediction(&state, &id, Scope::Read).await?;
    answer(&state, job, wait, |_| StatusCode::OK).await
}

/// Withdraws a prediction. A paid one can be withdrawn until the server locks it; the money then comes back by the
/// market's `cancel`.
#[utoipa::path(post, path = "/v1/predictions/{id}/cancel", params(("id" = String, Path), ("Prefer" = Option<String>, Header, description = "wait=seconds, or wait")), responses(
    (status = 200, body = Prediction, description = "cancelled"), (status = 202, body = Prediction, description = "will be cancelled"),
    (status = 404, body = Problem, content_type = "application/problem+json"),
    (status = 409, body = Problem, content_type = "application/problem+json")))]
pub async fn cancel(
    State(state): State<AppState>,
    caller: Caller,
    headers: HeaderMap,
    Path(id): Path<String>,
) -> Result<Response, ApiError> {
    let wait = wait_secs(&headers)?;
    let job = caller.prediction(&state, &id, Scope::Predict).await?;
    let job = withdraw(&state, &job.id, "the client asked for it").await?;
    answer(&state, job, wait, |state| if state.is_terminal() { StatusCode::OK } else { StatusCode::ACCEPTED }).await
}

/// Runs a prediction that failed again, from the queue; for the operator. Its input is kept for a week after it failed.
#[utoipa::path(post, path = "/v1/predictions/{id}/retry", params(("id" = String, Path), ("Prefer" = Option<String>, Header, description = "wait=seconds, or wait")), security(("operator" = [])), responses(
    (status = 202, body = Prediction), (status = 401, body = Problem, content_type = "application/problem+json"),
    (status = 404, body = Problem, content_type = "application/problem+json"),
    (status = 409, body = Problem, content_type = "application/problem+json")))]
pub async fn retry(
    State(state): State<AppState>,
    caller: Caller,
    headers: HeaderMap,
    Path(id): Path<String>,
) -> Result<Response, ApiError> {
    caller.only_operator()?;
    let wait = wait_secs(&headers)?;
    let job = state.store.run_again(&id).await?;
    answer(&state, job, wait, |_| StatusCode::ACCEPTED).await
}

/// Cancels a job that nobody works on; asks the worker to stop on a free one that is being proven.
pub(crate) async fn withdraw(state: &AppState, id: &str, why: &'static str) -> Result<Job, ApiError> {
    let patch = Patch { event: Some(serde_json::json!({ "reason": why })), ..Patch::default() };
    match state
        .store
        .transition(id, None, &[JobState::AwaitingPayment, JobState::Queued], JobState::Cancelled, patch)
        .await
    {
        Err(StoreError::WrongState { state: JobState::Cancelled }) => Ok(state.store.job(id).await?),
        Err(StoreError::WrongState { state: now }) => {
            let job = state.store.job(id).await?;
            let capturing = now == JobState::SettlementPending;
            // what is held was paid for with two transactions already
            let held = job.payment.as_ref().is_some_and(|payment| payment.hold().is_some());
            if now.is_terminal() || job.chain_job.is_some() || capturing || held {
                return Err(ApiError::NotCancellable { state: now });
            }
            match state.store.request_cancel(id).await {
                Err(StoreError::WrongState { state }) => Err(ApiError::NotCancellable { state }),
                other => Ok(other?),
            }
        }
        other => Ok(other?),
    }
}

/// The proof's bytes; with `Prefer: wait`, once they are there.
#[utoipa::path(get, path = "/v1/predictions/{id}/proof", params(("id" = String, Path), ("Prefer" = Option<String>, Header, description = "wait=seconds, or wait")), responses(
    (status = 200, content_type = "application/octet-stream"), (status = 404, body = Problem, content_type = "application/problem+json"),
    (status = 409, body = Problem, content_type = "application/problem+json")))]
pub async fn proof(
    State(state): State<AppState>,
    caller: Caller,
    headers: HeaderMap,
    Path(id): Path<String>,
) -> Result<Response, ApiError> {
    let wait = wait_secs(&headers)?;
    let (job, applied) = waited(&state, caller.prediction(&state, &id, Scope::Read).await?, wait).await?;
    let done = state.store.is_paid_for(&job).await?;
    let Some(hash) = job.proof_hash.filter(|_| done) else { return Err(ApiError::NoProof { state: job.state }) };
    let bytes = state.blobs.get(hash).await?;
    let bytes = bytes.ok_or(ApiError::NoProof { state: job.state })?;
    let headers = [(names::CONTENT_TYPE, "application/octet-stream".to_owned()), (names::ETAG, format!("\"{hash}\""))];
    let mut answer = (headers, bytes).into_response();
    set_applied(&mut answer, applied);
    Ok(answer)
}
