//! `/v1/predictions/{id}/events`: server-sent events, resumable.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::time::Duration;

use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::sse::{Event as SseEvent, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use futures_util::stream;
use tokio::sync::watch;

use super::caller::Caller;
use super::header;
use crate::AppState;
use crate::error::{ApiError, Problem};
use crate::store::{Event, Scope, State as JobState};

/// Events read from the database at a time.
const BATCH: u32 = 64;

struct Cursor {
    state: AppState,
    job: String,
    after: i64,
    changes: watch::Receiver<u64>,
    ready: VecDeque<Event>,
    over: bool,
}

fn ends(event: &Event) -> bool {
    let state = event.data.get("state").and_then(|s| s.as_str()).and_then(|s| s.parse::<JobState>().ok());
    event.kind == "state" && state.is_some_and(JobState::is_terminal)
}

impl Cursor {
    /// The next event; `None` after the terminal one, at shutdown, or if the database fails (the client comes back with
    /// its last id).
    async fn next(mut self) -> Option<(Result<SseEvent, Infallible>, Self)> {
        loop {
            if let Some(event) = self.ready.pop_front() {
                self.after = event.id;
                self.over = ends(&event);
                let sse = SseEvent::default().id(event.id.to_string()).event(event.kind.clone());
                let sse = sse.json_data(&event).unwrap_or_default();
                return Some((Ok(sse), self));
            }
            if self.over || self.state.is_stopping() {
                return None;
            }
            // mark before reading: an event that is committed in between wakes us at once
            self.changes.mark_unchanged();
            self.ready = self.state.store.events(&self.job, self.after, BATCH).await.ok()?.into();
            if self.ready.is_empty() {
                // already over, and the client has seen everything
                if self.state.store.job(&self.job).await.ok()?.state.is_terminal()
                    && self.state.store.events(&self.job, self.after, 1).await.ok()?.is_empty()
                {
                    return None;
                }
                tokio::select! {
                    changed = self.changes.changed() => changed.ok()?,
                    () = self.state.stopped() => return None,
                }
            }
        }
    }
}

/// Everything that happens to a prediction, from its beginning or from after `Last-Event-ID`, until it is over.
#[utoipa::path(get, path = "/v1/predictions/{id}/events", params(("id" = String, Path), ("Last-Event-ID" = Option<i64>, Header)), responses(
    (status = 200, content_type = "text/event-stream"),
    (status = 204, description = "the prediction is over, and the client has seen everything: a browser does not come \
        back after that"),
    (status = 404, body = Problem, content_type = "application/problem+json")))]
pub async fn events(
    State(state): State<AppState>,
    caller: Caller,
    Path(id): Path<String>,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let after = match header(&headers, "last-event-id")? {
        None => 0,
        Some(text) => text.trim().parse().map_err(|_| ApiError::InvalidHeader { name: "last-event-id" })?,
    };
    let job = caller.prediction(&state, &id, Scope::Read).await?;
    // a browser opens a stream that has ended again and again, until it is told that there is no more
    if after > 0 && job.state.is_terminal() && state.store.events(&job.id, after, 1).await?.is_empty() {
        return Ok(StatusCode::NO_CONTENT.into_response());
    }
    let changes = state.store.changes();
    let cursor = Cursor { state, job: job.id, after, changes, ready: VecDeque::new(), over: false };
    let events =
        Sse::new(stream::unfold(cursor, Cursor::next)).keep_alive(KeepAlive::new().interval(Duration::from_secs(15)));
    Ok(events.into_response())
}
