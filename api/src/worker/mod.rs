//! The workers: one proves, one settles, one watches the chain. Each claims jobs by lease and may die at any point;
//! whoever claims the job next goes on from its state.

mod announce;
mod batch;
mod capture;
mod escrow;
mod index;
mod prove;
mod release;
mod settle;
mod tidy;
mod together;
mod transact;
mod watch;

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use alloy::primitives::B256;

use crate::AppState;
use crate::blobs::BlobError;
use crate::chain::ChainError;
use crate::config::Role;
use crate::engine::EngineError;
use crate::outage::Backoff;
use crate::quiet;
use crate::store::{Job, Lease, Patch, State, StoreError};
use crate::terms::EscrowError;

/// How long a worker that found nothing waits at most before it looks again; changes wake it earlier.
const IDLE: Duration = Duration::from_millis(500);
/// Delay before a step is tried again, doubled with each failed attempt.
const BACKOFF: Duration = Duration::from_millis(500);

/// Why a step did not bring its job forward.
#[derive(Debug, thiserror::Error)]
enum StepError {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Chain(#[from] ChainError),
    #[error(transparent)]
    Engine(#[from] EngineError),
    #[error(transparent)]
    Blob(#[from] BlobError),
    #[error("the prover panicked")]
    Panicked,
    #[error("the stored job lacks {what}")]
    Incomplete { what: &'static str },
    #[error("another prover holds the job")]
    Taken,
    #[error("the chain took the escrow's funding back: it must be funded once more")]
    Unfunded,
    #[error("the chain may still take back the block in which it was paid")]
    Shallow,
    #[error(transparent)]
    Late(EscrowError),
    #[error("{why}")]
    Unpaid { code: &'static str, why: &'static str },
    #[error("its batch failed")]
    Batch(#[source] Arc<StepError>),
    #[error("the prover's output {proven:?} is not what the preflight computed")]
    Diverged { proven: B256 },
}

impl StepError {
    fn code(&self) -> &'static str {
        match self {
            Self::Store(_) | Self::Blob(_) => "storage-unavailable",
            Self::Chain(ChainError::InsufficientFunds { .. }) => "prover-unfunded",
            Self::Chain(e) if e.is_transient() => "chain-unreachable",
            Self::Chain(_) => "chain-refused",
            Self::Engine(_) | Self::Panicked | Self::Diverged { .. } => "prover-failed",
            Self::Incomplete { .. } => "internal",
            Self::Taken => "escrow-taken",
            Self::Unfunded => "escrow-unfunded",
            Self::Shallow => "not-deep-enough",
            Self::Late(e) => e.code(),
            Self::Unpaid { code, .. } => code,
            Self::Batch(why) => why.code(),
        }
    }

    /// Whether it is the world's fault and not the job's, so that no attempt is counted.
    fn is_outage(&self) -> bool {
        match self {
            Self::Store(_) | Self::Blob(BlobError::Io { .. } | BlobError::Object(_)) => true,
            Self::Chain(e) => e.is_transient() || matches!(e, ChainError::InsufficientFunds { .. }),
            Self::Batch(why) => why.is_outage(),
            Self::Unfunded | Self::Shallow => true,
            _ => false,
        }
    }
}

/// Runs all workers until the server stops. Returns when the last one has let go of its job.
pub async fn run(state: AppState) {
    let role = state.config.role;
    let proofs = async {
        if role != Role::Api {
            tokio::join!(prove::run(&state), settle::run(&state), release::run(&state), announce::run(&state));
        }
    };
    let watch = async {
        if role != Role::Worker {
            tokio::join!(
                watch::run(&state),
                index::run(&state),
                sweep(&state),
                tidy::run(&state),
                crate::webhooks::run(&state)
            );
        }
    };
    tokio::join!(proofs, watch);
}

/// Withdraws jobs whose `Cancel-After` has passed.
async fn sweep(state: &AppState) {
    let mut backoff = Backoff::default();
    while !state.is_stopping() {
        match state.store.overdue().await {
            Ok(jobs) => {
                backoff.over();
                for job in jobs {
                    if let Err(error) = crate::routes::withdraw(state, &job.id, "its time was over").await {
                        tracing::debug!(job = job.id, %error, "not withdrawn");
                    }
                }
            }
            Err(error) => {
                quiet::warn("cannot look for overdue predictions", &error);
                state.pause(backoff.next()).await;
            }
        }
        state.pause(IDLE).await;
    }
}

/// Waits for a change of the store, a while, or the end.
async fn idle(state: &AppState, changes: &mut tokio::sync::watch::Receiver<u64>) {
    tokio::select! {
        _ = changes.changed() => {}
        () = tokio::time::sleep(IDLE) => {}
        () = state.stopped() => {}
    }
}

fn ms(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}

/// Keeps the lease alive while `work` runs; gives `work` up if the lease is lost.
async fn with_lease<T>(
    state: &AppState,
    lease: &Lease,
    work: impl Future<Output = Result<T, StepError>>,
) -> Result<T, StepError> {
    beating(state, || state.store.extend(lease, ms(state.config.lease)), work).await
}

/// When a paid job is looked at again whose payment the chain may still take back. Its end the watcher sees at once.
fn look_again(state: &AppState) -> Duration {
    state.market.as_ref().map_or(IDLE, |market| market.config.poll.saturating_mul(10))
}

/// Lets a job go, not to be claimed before some time has passed.
async fn let_go_for(state: &AppState, lease: &Lease, delay: Duration) {
    // a lease that cannot be released runs out by itself
    if let Err(error) = state.store.release(lease, ms(delay), false).await {
        quiet::warn("cannot release a lease", &error);
    }
}

/// Calls `extend` now and then while `work` runs; gives `work` up if a lease is lost.
async fn beating<T, F: Future<Output = Result<(), StoreError>>>(
    state: &AppState,
    extend: impl Fn() -> F,
    work: impl Future<Output = Result<T, StepError>>,
) -> Result<T, StepError> {
    let beat = async {
        loop {
            tokio::time::sleep(state.config.lease / 3).await;
            match extend().await {
                Ok(()) => {}
                Err(StoreError::LeaseLost) => return StepError::from(StoreError::LeaseLost),
                // the lease may still hold; the next write will tell
                Err(error) => quiet::warn("cannot extend a lease", &error),
            }
        }
    };
    tokio::select! {
        done = work => done,
        lost = beat => Err(lost),
    }
}

/// Decides what becomes of a job whose step failed: later again, or never.
async fn setback(state: &AppState, job: &Job, lease: &Lease, error: StepError) {
    if matches!(error, StepError::Store(StoreError::LeaseLost | StoreError::WrongState { .. })) {
        tracing::info!(job = job.id, %error, "somebody else has moved the prediction");
        return;
    }
    if matches!(error, StepError::Shallow) {
        return let_go_for(state, lease, look_again(state)).await;
    }
    let mut causes = vec![error.to_string()];
    let mut cause = std::error::Error::source(&error);
    while let Some(e) = cause {
        causes.push(e.to_string());
        cause = e.source();
    }
    let detail = causes.join(": ");
    let outage = error.is_outage();
    if !outage {
        tracing::warn!(job = job.id, state = %job.state, error = detail, "a step failed");
    } else if let Some(held_back) = quiet::news("a step cannot be done for now", error.code()) {
        tracing::warn!(job = job.id, state = %job.state, error = detail, held_back, "a step cannot be done for now");
    }
    crate::metrics::Metrics::count(&state.metrics.retries);
    let mut backoff = Backoff::default();
    loop {
        let Err(refused) = record(state, job, lease, &error, &detail).await else { return };
        if matches!(refused, StoreError::LeaseLost | StoreError::WrongState { .. }) {
            return;
        }
        quiet::warn("cannot record a failed step", &refused);
        state.store.make_room().await;
        if state.is_stopping() {
            return; // the next start ends the lease
        }
        // nothing else can be done here before the database works again
        state.pause(backoff.next()).await;
    }
}

/// Writes down what becomes of a job whose step failed, and lets go of it.
async fn record(state: &AppState, job: &Job, lease: &Lease, error: &StepError, detail: &str) -> Result<(), StoreError> {
    let outage = error.is_outage();
    let final_now = matches!(error, StepError::Taken | StepError::Incomplete { .. });
    let attempts = job.attempts.saturating_add(1);
    if !outage && (final_now || attempts >= state.config.attempts_max) {
        let from = [State::Queued, State::Locking, State::Proving, State::SettlementPending];
        return state
            .store
            .transition(&job.id, Some(lease), &from, State::Failed, Patch::error(error.code(), detail))
            .await
            .map(drop);
    }
    let delay = if outage { state.outages.next(&job.id) } else { BACKOFF.saturating_mul(1 << job.attempts.min(8)) };
    let note = serde_json::json!({ "code": error.code(), "detail": detail, "retry_ms": ms(delay) });
    state.store.note(&job.id, "retry", &note).await?;
    state.store.release(lease, ms(delay), !outage).await
}
