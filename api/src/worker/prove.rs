//! Queued → locking → proving → settlement pending (or proven, if free). One job at a time, since a proof uses every core.

use std::sync::atomic::Ordering;
use std::time::Instant;

use alloy::primitives::{B256, keccak256};
use serde_json::json;
use tokio::sync::mpsc;

use super::{StepError, escrow, idle, ms, setback, with_lease};
use crate::AppState;
use crate::engine::{Cancel, EngineError, Progress, ProofBundle};
use crate::metrics::Metrics;
use crate::store::{Job, Lease, Patch, State, StoreError};

/// Proves until the server stops.
pub(super) async fn run(state: &AppState) {
    let mut changes = state.store.changes();
    while !state.is_stopping() {
        changes.mark_unchanged();
        match claim(state).await {
            Ok(Some((job, lease))) => drive(state, job, &lease).await,
            Ok(None) => idle(state, &mut changes).await,
            Err(error) => {
                tracing::warn!(%error, "cannot claim a prediction");
                state.pause(super::OUTAGE).await;
            }
        }
    }
}

/// What is begun comes first; no new lock while the latest jobs failed.
async fn claim(state: &AppState) -> Result<Option<(Job, Lease)>, StoreError> {
    let lease_ms = ms(state.config.lease);
    if let Some(found) = state.store.claim(&[State::Locking, State::Proving], None, lease_ms).await? {
        return Ok(Some(found));
    }
    let paused = state.breaker().await?.is_some();
    state.store.claim(&[State::Queued], paused.then_some(false), lease_ms).await
}

/// Brings one job as far as it goes.
async fn drive(state: &AppState, mut job: Job, lease: &Lease) {
    loop {
        let step = with_lease(state, lease, async {
            match (job.state, job.chain_job) {
                (State::Queued, None) => {
                    let context = job.context.unwrap_or_else(|| keccak256(&job.id));
                    let patch = Patch { context: Some(context), ..Patch::default() };
                    Ok(state.store.transition(&job.id, Some(lease), &[State::Queued], State::Proving, patch).await?)
                }
                (State::Queued, Some(chain_job)) => escrow::begin(state, &job, lease, chain_job).await,
                (State::Locking, Some(chain_job)) => escrow::lock(state, &job, lease, chain_job).await,
                (State::Proving, _) => prove(state, &job, lease).await,
                _ => Err(StepError::Incomplete { what: "a step to take" }),
            }
        })
        .await;
        match step {
            // the settler takes over, or it is over
            Ok(next) if !matches!(next.state, State::Queued | State::Locking | State::Proving) => {
                if let Err(error) = state.store.release(lease, 0, false).await {
                    tracing::warn!(job = job.id, %error, "cannot release a lease");
                }
                return;
            }
            Ok(next) => job = next,
            Err(StepError::Engine(EngineError::Cancelled)) => return stopped(state, &job, lease).await,
            Err(error) => return setback(state, &job, lease, error).await,
        }
        if state.is_stopping() {
            return let_go(state, lease).await;
        }
    }
}

async fn let_go(state: &AppState, lease: &Lease) {
    if let Err(error) = state.store.release(lease, 0, false).await {
        tracing::warn!(%error, "cannot release a lease");
    }
}

/// A proof was stopped: because its owner wished it, or because the server ends (then it starts again later).
async fn stopped(state: &AppState, job: &Job, lease: &Lease) {
    match state.store.job(&job.id).await {
        Ok(now) if now.cancel_requested => {
            if let Err(error) = state.store.transition(&job.id, Some(lease), &[State::Proving], State::Cancelled, Patch::default()).await {
                tracing::warn!(job = job.id, %error, "cannot record a cancellation");
            }
        }
        _ => let_go(state, lease).await,
    }
}

/// Raises `cancel` when the job's owner asks for it, when somebody else ends the job, or when the time to drain is over.
async fn watch_cancel(state: &AppState, job: &Job, cancel: &Cancel) {
    let wanted = async {
        let mut changes = state.store.changes();
        loop {
            changes.mark_unchanged();
            if state.store.job(&job.id).await.is_ok_and(|now| now.cancel_requested || now.state != State::Proving) {
                return;
            }
            idle(state, &mut changes).await;
            if state.is_stopping() {
                tokio::time::sleep(super::IDLE).await; // `idle` no longer sleeps
            }
        }
    };
    let drained = async {
        state.stopped().await;
        tokio::time::sleep(state.config.drain).await;
    };
    tokio::select! {
        () = wanted => {}
        () = drained => {}
    }
    cancel.cancel();
    std::future::pending().await
}

/// Notes a phase when it begins, and every tenth of the whole.
fn reporter(sender: mpsc::UnboundedSender<Progress>) -> impl Fn(Progress) + Send + Sync {
    let last = std::sync::Mutex::new(None::<Progress>);
    move |progress| {
        let Ok(mut last) = last.lock() else { return };
        let news = last.is_none_or(|l| l.phase != progress.phase || progress.fraction - l.fraction >= 0.1);
        if news {
            *last = Some(progress);
            let _ = sender.send(progress); // nobody listens when the step is over
        }
    }
}

/// Makes the proof on a thread of its own, puts it on disk, and only then moves the job on.
async fn prove(state: &AppState, job: &Job, lease: &Lease) -> Result<Job, StepError> {
    if let Some(chain_job) = job.chain_job
        && let Some(over) = escrow::reconcile(state, job, chain_job).await?.over
    {
        return Ok(over);
    }
    let input = job.input.clone().ok_or(StepError::Incomplete { what: "the input" })?;
    let context = job.context.ok_or(StepError::Incomplete { what: "the context" })?;
    let (sender, mut progress) = mpsc::unbounded_channel();
    let cancel = Cancel::new();
    if job.cancel_requested {
        cancel.cancel();
    }
    let (engine, model, flag, start) = (state.engine.clone(), job.model, cancel.clone(), Instant::now());
    let proving = tokio::task::spawn_blocking(move || {
        let report = reporter(sender);
        engine.prove(model, &input, context, &flag, &report)
    });
    // if this future is dropped (the lease is lost), the thread is told to stop
    let _stop = StopOnDrop(cancel.clone());
    let notes = async {
        // ends when the prover's thread drops its sender
        while let Some(p) = progress.recv().await {
            if let Err(error) = state.store.note(&job.id, "progress", &json!({ "phase": p.phase, "fraction": p.fraction })).await {
                tracing::debug!(%error, "progress not recorded");
            }
        }
    };
    let proof = tokio::select! {
        (done, ()) = async { tokio::join!(proving, notes) } => done.map_err(|_| StepError::Panicked)??,
        () = watch_cancel(state, job, &cancel) => return Err(StepError::Panicked), // it never ends
    };
    Metrics::count(&state.metrics.proofs);
    state.metrics.proof_ms.fetch_add(u64::try_from(start.elapsed().as_millis()).unwrap_or(u64::MAX), Ordering::Relaxed);
    keep(state, job, lease, proof).await
}

struct StopOnDrop(Cancel);

impl Drop for StopOnDrop {
    fn drop(&mut self) {
        self.0.cancel();
    }
}

async fn keep(state: &AppState, job: &Job, lease: &Lease, proof: ProofBundle) -> Result<Job, StepError> {
    if proof.output_cells != job.output_cells || proof.input_commitments != job.input_commitments {
        let proven: B256 = keccak256(proof.output_cells.iter().flat_map(|c| c.to_be_bytes()).collect::<Vec<u8>>());
        return Err(StepError::Diverged { proven });
    }
    let blobs = state.blobs.clone();
    let hash = tokio::task::spawn_blocking(move || blobs.put(&proof.proof)).await.map_err(|_| StepError::Panicked)??;
    let next = if job.chain_job.is_some() { State::SettlementPending } else { State::Proven };
    let patch = Patch { proof_hash: Some(hash), event: Some(json!({ "proof_hash": hash })), ..Patch::default() };
    Ok(state.store.transition(&job.id, Some(lease), &[State::Proving], next, patch).await?)
}
