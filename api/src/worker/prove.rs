//! Queued → locking → proving → settlement pending (or proven, if free).
//!
//! A few jobs are driven at a time, so that the chain's delays and the wrap's serial steps of one fall together with
//! the work of another. Only one of them has the turn to make an inner proof and one the turn to wrap, whatever their
//! number: that bounds the memory.

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use alloy::primitives::{B256, keccak256};
use futures_util::future::join_all;
use serde_json::json;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};
use tracing::Instrument;

use super::{IDLE, StepError, batch, capture, escrow, idle, let_go_for, ms, setback, together, with_lease};
use crate::AppState;
use crate::engine::{BatchKey, Cancel, Claim, EngineError, InputOpening, Progress, ProofBundle};
use crate::metrics::Metrics;
use crate::outage::Backoff;
use crate::quiet;
use crate::store::{Batch, Job, Lease, Patch, State, Statement, StoreError};

/// The least time between two looks at the queue.
const WAIT_MIN: Duration = Duration::from_millis(20);

/// Proves until the server stops.
pub(super) async fn run(state: &AppState) {
    join_all((0..state.config.jobs_max.max(1)).map(|_| lane(state))).await;
}

/// Drives one job after the other.
async fn lane(state: &AppState) {
    let (mut changes, mut backoff) = (state.store.changes(), Backoff::default());
    while !state.is_stopping() {
        changes.mark_unchanged();
        let found = claim(state).await;
        if found.is_ok() {
            backoff.over();
        }
        match found {
            Ok(Some(Work::One(job, lease))) => drive(state, *job, &lease).await,
            Ok(Some(Work::Several(jobs))) => batch::drive(state, jobs).await,
            Ok(Some(Work::Company(jobs, key))) => together::drive(state, jobs, key).await,
            Ok(None) if state.config.batch_max > 1 => {
                // jobs that wait for company are not announced when their wait is over
                tokio::select! {
                    () = idle(state, &mut changes) => {}
                    () = tokio::time::sleep(state.config.batch_wait.clamp(WAIT_MIN, IDLE)) => {}
                }
            }
            Ok(None) => idle(state, &mut changes).await,
            Err(error) => {
                quiet::warn("cannot claim a prediction", &error);
                state.store.make_room().await;
                state.pause(backoff.next()).await;
            }
        }
    }
}

/// What a lane drives.
enum Work {
    /// A job that is proven alone.
    One(Box<Job>, Lease),
    /// Orders that are proven and settled together.
    Several(Batch),
    /// Predictions without an order that share a proof under this key.
    Company(Batch, BatchKey),
}

/// A job that was claimed, with those that may share its proof.
async fn with_company(state: &AppState, found: Option<(Job, Lease)>) -> Option<Work> {
    let (job, lease) = found?;
    match together::gather(state, &job, &lease).await {
        Ok(Some((jobs, key))) => return Some(Work::Company(jobs, key)),
        Ok(None) => {}
        Err(error) => quiet::warn("cannot look for company", &error),
    }
    Some(Work::One(Box::new(job), lease))
}

/// What is begun comes first; no new lock while the latest jobs failed. Of what waits, the oldest job is the next,
/// alone or with others.
async fn claim(state: &AppState) -> Result<Option<Work>, StoreError> {
    let (lease_ms, begun) = (ms(state.config.lease), [State::Locking, State::Proving]);
    if let Some(found) = with_company(state, state.store.claim(&begun, None, lease_ms).await?).await {
        return Ok(Some(found));
    }
    if let Some(found) = batch::claim(state, &begun, None).await? {
        return Ok(Some(Work::Several(found)));
    }
    // what would be proven could not be kept
    if let Err(error) = state.check_disk().await {
        quiet::warn("no new prediction is begun", &error);
        return Ok(None);
    }
    let paused = state.breaker().await?.is_some();
    if !paused {
        let alone = state.store.oldest_alone(State::Queued).await?;
        if let Some(found) = batch::claim(state, &[State::Queued], alone).await? {
            return Ok(Some(Work::Several(found)));
        }
    }
    Ok(with_company(state, state.store.claim(&[State::Queued], paused.then_some(false), lease_ms).await?).await)
}

/// Queued → proving, of a job without an order.
pub(super) async fn begin(state: &AppState, job: &Job, lease: &Lease) -> Result<Job, StepError> {
    let patch = Patch { context: Some(job.context.unwrap_or_else(|| together::context(job))), ..Patch::default() };
    match job.payment {
        Some(_) => capture::begin(state, job, lease, patch).await,
        None => Ok(state.store.transition(&job.id, Some(lease), &[State::Queued], State::Proving, patch).await?),
    }
}

/// Brings one job as far as it goes.
async fn drive(state: &AppState, mut job: Job, lease: &Lease) {
    loop {
        let span = crate::trace::step!("step", job.id, job.trace.as_deref());
        span.record("otel.name", job.state.as_str());
        let step = with_lease(state, lease, async {
            match (job.state, job.chain_job) {
                (State::Queued, None) => begin(state, &job, lease).await,
                (State::Queued, Some(chain_job)) => escrow::begin(state, &job, lease, chain_job).await,
                (State::Locking, Some(chain_job)) => escrow::lock(state, &job, lease, chain_job).await,
                (State::Proving, _) => prove(state, &job, lease).await,
                _ => Err(StepError::Incomplete { what: "a step to take" }),
            }
        })
        .instrument(span)
        .await;
        match step {
            // the settler takes over, or it is over
            Ok(next) if !matches!(next.state, State::Queued | State::Locking | State::Proving) => {
                state.outages.over(&job.id);
                state.forget_proof(&job.id);
                return let_go(state, lease).await;
            }
            Ok(next) => {
                state.outages.over(&job.id);
                job = next;
            }
            Err(StepError::Engine(EngineError::Cancelled)) => return stopped(state, &job, lease).await,
            Err(error) => return setback(state, &job, lease, error).await,
        }
        if state.is_stopping() {
            return let_go(state, lease).await;
        }
    }
}

pub(super) async fn let_go(state: &AppState, lease: &Lease) {
    let_go_for(state, lease, Duration::ZERO).await;
}

/// A proof was stopped: because its owner wished it, or because the server ends (then it starts again later).
async fn stopped(state: &AppState, job: &Job, lease: &Lease) {
    match state.store.job(&job.id).await {
        Ok(now) if now.cancel_requested => {
            if let Err(error) = state
                .store
                .transition(&job.id, Some(lease), &[State::Proving], State::Cancelled, Patch::default())
                .await
            {
                tracing::warn!(job = job.id, %error, "cannot record a cancellation");
            }
        }
        _ => let_go(state, lease).await,
    }
}

/// Resolves when the job's owner asks for its end, or when somebody else has ended it.
pub(super) async fn unwanted(state: &AppState, job: &Job) {
    let mut changes = state.store.changes();
    loop {
        changes.mark_unchanged();
        if state.store.job(&job.id).await.is_ok_and(|now| now.cancel_requested || now.state != State::Proving) {
            return;
        }
        idle(state, &mut changes).await;
        if state.is_stopping() {
            tokio::time::sleep(IDLE).await; // `idle` no longer sleeps
        }
    }
}

/// Raises `cancel` when the proof is not wanted any more, or when the time to drain is over.
async fn watch_cancel(state: &AppState, unwanted: impl Future<Output = ()>, cancel: &Cancel) {
    let drained = async {
        state.stopped().await;
        tokio::time::sleep(state.config.drain).await;
    };
    tokio::select! {
        () = unwanted => {}
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

/// A waiting job's place in the metrics.
struct Waiting<'a>(&'a AtomicU64);

impl<'a> Waiting<'a> {
    fn new(gauge: &'a AtomicU64) -> Self {
        Metrics::count(gauge);
        Self(gauge)
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Waits in line for a turn: first come first served. Ends at once when the proof is cancelled.
async fn turn(state: &AppState, turn: &Arc<Semaphore>, cancel: &Cancel) -> Result<OwnedSemaphorePermit, EngineError> {
    let _waiting = Waiting::new(&state.metrics.waiting);
    tokio::select! {
        biased;
        () = cancel.cancelled() => Err(EngineError::Cancelled),
        turn = turn.clone().acquire_owned() => turn.map_err(|_| EngineError::Cancelled), // it is never closed
    }
}

/// Does one half of a proof on a thread of its own. Also returns how long it took.
async fn half<T: Send + 'static>(
    name: &'static str,
    work: impl FnOnce() -> Result<T, EngineError> + Send + 'static,
) -> Result<(T, Duration), StepError> {
    let start = Instant::now();
    let span = tracing::debug_span!("half of a proof", otel.name = name);
    let done = tokio::task::spawn_blocking(work).instrument(span).await.map_err(|_| StepError::Panicked)??;
    Ok((done, start.elapsed()))
}

/// Makes both halves of a proof, each in its turn. A turn is held by the thread that does the half, until that has
/// ended: a proof that nobody waits for any more still takes its memory. The inner turn is kept until the proof has the
/// wrap's, so that finished inner proofs do not pile up either.
async fn halves(
    state: &AppState,
    making: Making<'_>,
    cancel: &Cancel,
    report: impl Fn(Progress) + Send + Sync + 'static,
) -> Result<ProofBundle, StepError> {
    let Making { subject, leases: _, model, inputs, context } = making;
    let (engine, report) = (state.engine.clone(), Arc::new(report));
    let inner_turn = tokio::select! {
        biased;
        () = state.stopped() => return Err(EngineError::Cancelled.into()), // no proof begins any more
        turn = turn(state, &state.inner_turn, cancel) => turn?,
    };
    let (flag, told) = (cancel.clone(), report.clone());
    let ((wrap, inner_turn), inner) = half("inner proof", move || {
        Ok((engine.prove_inner(model, &inputs, context, &flag, told.as_ref())?, inner_turn))
    })
    .await?;
    let wrap_turn = turn(state, &state.wrap_turn, cancel).await?;
    drop(inner_turn);
    let flag = cancel.clone();
    let told = report.clone();
    let ((proof, _), outer) = half("wrap", move || Ok((wrap(&flag, told.as_ref())?, wrap_turn))).await?;
    report(Progress { phase: "done", fraction: 1.0 });
    Metrics::count(&state.metrics.proofs);
    tracing::info!(
        job = subject,
        inner_ms = inner.as_millis() as u64,
        wrap_ms = outer.as_millis() as u64,
        bytes = proof.proof.len(),
        "a proof is made"
    );
    state.metrics.proof_ms.fetch_add(u64::try_from((inner + outer).as_millis()).unwrap_or(u64::MAX), Ordering::Relaxed);
    Ok(proof)
}

/// Makes the proof, puts it on disk, and only then moves the job on.
async fn prove(state: &AppState, job: &Job, lease: &Lease) -> Result<Job, StepError> {
    if let Some(chain_job) = job.chain_job
        && let Some(over) = escrow::ready(state, job, chain_job).await?.over
    {
        return Ok(over);
    }
    if let Some(proof) = finished(state, job).await? {
        return keep(state, job, lease, proof).await;
    }
    let input = job.input.clone().ok_or(StepError::Incomplete { what: "the input" })?;
    let context = job.context.ok_or(StepError::Incomplete { what: "the context" })?;
    let making = Making {
        subject: &job.id,
        leases: std::slice::from_ref(lease),
        model: job.model,
        inputs: vec![input],
        context,
    };
    let proof = make(state, making, unwanted(state, job)).await?;
    if let Ok(mut all) = state.finished.lock() {
        all.insert(job.id.clone(), proof.clone());
    }
    keep(state, job, lease, proof).await
}

/// A proof that is to be made.
pub(super) struct Making<'a> {
    /// The job's id, or the batch's.
    pub subject: &'a str,
    /// The holds on all jobs that it is for.
    pub leases: &'a [Lease],
    /// The model.
    pub model: B256,
    /// The inputs of all inferences.
    pub inputs: Vec<InputOpening>,
    /// What it is bound to.
    pub context: B256,
}

/// Makes a proof, and writes down how far it is. `unwanted` resolves when nobody wants it any more.
pub(super) async fn make(
    state: &AppState,
    making: Making<'_>,
    unwanted: impl Future<Output = ()>,
) -> Result<ProofBundle, StepError> {
    let (sender, mut progress) = mpsc::unbounded_channel::<Progress>();
    let (cancel, leases) = (Cancel::new(), making.leases);
    // if this future is dropped (the lease is lost), the thread is told to stop
    let _stop = StopOnDrop(cancel.clone());
    let notes = async {
        // ends when the sender is dropped, with the last half
        while let Some(p) = progress.recv().await {
            if let Err(error) =
                state.store.note_all(leases, "progress", &json!({ "phase": p.phase, "fraction": p.fraction })).await
            {
                tracing::debug!(%error, "progress not recorded");
            }
        }
    };
    tokio::select! {
        (done, ()) = async { tokio::join!(halves(state, making, &cancel, reporter(sender)), notes) } => done,
        () = watch_cancel(state, unwanted, &cancel) => Err(StepError::Panicked), // it never ends
    }
}

/// What the job says, or the batch that it shares its proof with, with this proof, if it is a valid one of that.
pub(super) async fn verified(state: &AppState, job: &Job, proof: Vec<u8>) -> Result<Option<Claim>, StepError> {
    let Some(context) = job.context else { return Ok(None) };
    let (engine, model) = (state.engine.clone(), job.model);
    let shared = match &job.batch {
        Some(batch) => state.store.statement(batch).await?,
        None => None,
    };
    let proof = proof.into();
    let claim = match shared {
        Some(Statement { input_commitments, output_cells, clamps, .. }) => {
            Claim { context, input_commitments, output_cells, clamps, proof }
        }
        None => Claim {
            context,
            input_commitments: job.input_commitments.clone(),
            output_cells: job.output_cells.clone(),
            clamps: job.clamps,
            proof,
        },
    };
    let verified = tokio::task::spawn_blocking(move || engine.verify(model, &claim).ok().map(|()| claim));
    verified.await.map_err(|_| StepError::Panicked)
}

/// The job's proof, if an earlier attempt made it and could not record it: it is in memory, or on disk and noted there.
async fn finished(state: &AppState, job: &Job) -> Result<Option<ProofBundle>, StepError> {
    if let Some(proof) = state.finished.lock().ok().and_then(|all| all.get(&job.id).cloned()) {
        return Ok(Some(proof));
    }
    let Some(hash) = state.blobs.noted(&job.id).await else { return Ok(None) };
    let Ok(Some(proof)) = state.blobs.get(hash).await else { return Ok(None) };
    // a note proves nothing: the proof must be this job's
    Ok(verified(state, job, proof).await?.map(|claim| ProofBundle {
        proof: claim.proof.to_vec(),
        output_cells: claim.output_cells,
        clamps: claim.clamps,
        input_commitments: claim.input_commitments,
    }))
}

struct StopOnDrop(Cancel);

impl Drop for StopOnDrop {
    fn drop(&mut self) {
        self.0.cancel();
    }
}

async fn keep(state: &AppState, job: &Job, lease: &Lease, proof: ProofBundle) -> Result<Job, StepError> {
    if proof.output_cells != job.output_cells
        || proof.clamps != job.clamps
        || proof.input_commitments != job.input_commitments
    {
        let proven: B256 = keccak256(proof.output_cells.iter().flat_map(|c| c.to_be_bytes()).collect::<Vec<u8>>());
        state.forget_proof(&job.id); // the next attempt makes another one
        return Err(StepError::Diverged { proven });
    }
    let hash = state.blobs.put(proof.proof).await?;
    state.blobs.note(&job.id, hash).await?;
    let next = if job.is_paid() { State::SettlementPending } else { State::Proven };
    let patch = Patch { proof_hash: Some(hash), event: Some(json!({ "proof_hash": hash })), ..Patch::default() };
    let moved = state.store.transition(&job.id, Some(lease), &[State::Proving], next, patch).await;
    if matches!(moved, Ok(_) | Err(StoreError::WrongState { .. })) {
        state.forget_proof(&job.id);
    }
    Ok(moved?)
}
