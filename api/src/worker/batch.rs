//! Jobs of several buyers, proven together: queued → locking → proving → settlement pending → settled, all of them at
//! once.
//!
//! A proof is bound to the jobs of its batch and to their order. Where one of them drops out, because its owner or the
//! chain ended it or its time is over, the batch is dissolved, and the others are claimed again, in a new one, each in
//! the state that it has.

use std::future::Future;
use std::time::{Duration, Instant};

use alloy::primitives::{B256, Bytes, keccak256};
use alloy::sol_types::SolValue;
use futures_util::{StreamExt, TryStreamExt, stream};
use serde_json::json;
use tracing::{Instrument, Span};

use super::escrow::{Reconciled, ensure_credit, expire, funding, locks, market, provable, reconcile_at, too_late};
use super::prove::{Making, make};
use super::settle::load;
use super::transact::{Call, Subject, transact};
use super::{StepError, look_again, ms, setback};
use crate::AppState;
use crate::chain::abi::{BatchJob, Funding, Inference, InferenceMarket, Order, locked_by};
use crate::chain::{ChainError, context_of_batch};
use crate::engine::{BatchKey, EngineError, InputOpening, ProofBundle, output_bytes};
use crate::quiet;
use crate::store::{Batch, Job, Lease, Patch, Purpose, State, Statement, StoreError};

/// How many requests about the jobs of a batch are under way at a time.
pub(super) const REQUESTS: usize = 16;

/// How long batches are locked after one has lost a job, perhaps with its proof made already.
const LOCKS_FOR: Duration = Duration::from_secs(600);

/// Hash of what the orders of a batch must share: all but buyer, maximal price, input and salt, and what the market
/// noted when they were funded.
pub(super) fn company(funding: &Funding) -> String {
    keccak256((template(&funding.order), funding.snapshot.clone(), funding.provers.clone()).abi_encode()).to_string()
}

/// An order without what those of a batch do not share.
fn template(order: &Order) -> Order {
    Order { buyer: Default::default(), maxPrice: 0, inputCommitment: B256::ZERO, salt: B256::ZERO, ..order.clone() }
}

/// What of an order those of a batch do not share.
fn own(order: &Order) -> BatchJob {
    BatchJob { buyer: order.buyer, maxPrice: order.maxPrice, salt: order.salt }
}

/// Jobs in one of `states` that are proven together. `before`: only if the oldest of them is older than this one (a
/// `seq`).
pub(super) async fn claim(
    state: &AppState,
    states: &[State],
    before: Option<i64>,
) -> Result<Option<Batch>, StoreError> {
    if state.market.is_none() {
        return Ok(None);
    }
    state.store.claim_batch(states, before, ms(state.config.batch_wait), ms(state.config.lease)).await
}

/// Brings a batch to its proof, as far as it goes.
pub(super) async fn drive(state: &AppState, batch: Batch) {
    let done =
        with_leases(state, &batch.leases, to_proof(state, &batch)).instrument(span(&batch, "prove a batch")).await;
    finish(state, &batch, done).await;
}

/// Settles a batch that is proven.
pub(super) async fn settle(state: &AppState, batch: Batch) {
    let done =
        with_leases(state, &batch.leases, to_end(state, &batch)).instrument(span(&batch, "settle a batch")).await;
    finish(state, &batch, done).await;
}

/// A span of a batch's step, in the trace of its first job.
pub(super) fn span(batch: &Batch, name: &'static str) -> Span {
    let span = crate::trace::step!("batch", batch.id, batch.jobs.first().and_then(|job| job.trace.as_deref()));
    span.record("otel.name", name);
    span
}

/// What became of a batch.
enum Outcome {
    /// It is whole, and a step further, or waits for its next step.
    Whole,
    /// Some of its jobs dropped out.
    Broken,
}

/// Lets go of a batch after a step: whole, or for its jobs to find other company.
async fn finish(state: &AppState, batch: &Batch, done: Result<Outcome, StepError>) {
    let result = match done {
        Ok(Outcome::Whole) => {
            state.outages.over(&batch.id);
            state.store.release_all(&batch.leases, 0).await
        }
        Ok(Outcome::Broken) | Err(StepError::Store(StoreError::LeaseLost | StoreError::WrongState { .. })) => {
            if let Ok(mut until) = state.locks_until.lock() {
                *until = Some(Instant::now() + LOCKS_FOR);
            }
            break_up(state, batch).await
        }
        Err(StepError::Engine(EngineError::Cancelled)) => state.store.release_all(&batch.leases, 0).await,
        Err(StepError::Shallow) => state.store.release_all(&batch.leases, ms(look_again(state))).await,
        Err(error) if error.is_outage() => {
            quiet::warn("a batch cannot go on for now", &error);
            state.store.release_all(&batch.leases, ms(state.outages.next(&batch.id))).await
        }
        Err(error) => fail(state, batch, error).await,
    };
    if let Err(error) = result {
        quiet::warn("cannot let go of a batch", &error); // the leases run out by themselves
    }
}

async fn break_up(state: &AppState, batch: &Batch) -> Result<(), StoreError> {
    state.forget_proof(&batch.id);
    state.store.dissolve(&batch.id, &batch.leases).await?;
    state.store.release_all(&batch.leases, 0).await
}

/// A batch failed, and whose fault that is nobody knows: an attempt is counted for each job, and next time each is
/// tried alone.
async fn fail(state: &AppState, batch: &Batch, error: StepError) -> Result<(), StoreError> {
    state.forget_proof(&batch.id);
    state.store.dissolve(&batch.id, &batch.leases).await?;
    let why = std::sync::Arc::new(error);
    for (job, lease) in batch.jobs.iter().zip(&batch.leases) {
        setback(state, job, lease, StepError::Batch(why.clone())).await;
    }
    Ok(())
}

/// Keeps all leases alive while `work` runs; gives `work` up if one is lost.
async fn with_leases<T>(
    state: &AppState,
    leases: &[Lease],
    work: impl Future<Output = Result<T, StepError>>,
) -> Result<T, StepError> {
    super::beating(state, || state.store.extend_all(leases, ms(state.config.lease)), work).await
}

/// The market's records of all jobs, as of one block. What the chain has ended is ended here. [`StepError::Shallow`]:
/// they are paid for, in a block that the chain may still take back.
async fn records(state: &AppState, batch: &Batch) -> Result<Vec<Reconciled>, StepError> {
    let head = market(state)?.rpc.newest().await?;
    let mut asked = Vec::with_capacity(batch.jobs.len());
    for job in &batch.jobs {
        asked.extend(job.chain_job.map(|id| reconcile_at(state, job, id, head)));
    }
    let all: Vec<Reconciled> = stream::iter(asked).buffered(REQUESTS).try_collect().await?;
    if all.iter().any(|found| matches!(found.hindrance(), Some(StepError::Shallow))) {
        return Err(StepError::Shallow);
    }
    if all.len() == batch.jobs.len() { Ok(all) } else { Err(StepError::Incomplete { what: "the market's job id" }) }
}

async fn fundings(state: &AppState, batch: &Batch) -> Result<Vec<Funding>, StepError> {
    let mut asked = Vec::with_capacity(batch.jobs.len());
    for job in &batch.jobs {
        asked.extend(job.chain_job.map(|id| funding(state, job, id)));
    }
    stream::iter(asked).buffered(REQUESTS).try_collect().await
}

/// What orders of a batch share, and what they do not.
fn shared(fundings: &[Funding]) -> Result<(&Funding, Vec<BatchJob>), StepError> {
    let first = fundings.first().ok_or(StepError::Incomplete { what: "jobs" })?;
    Ok((first, fundings.iter().map(|funding| own(&funding.order)).collect()))
}

fn ids(batch: &Batch) -> Vec<B256> {
    batch.jobs.iter().filter_map(|job| job.chain_job).collect()
}

async fn to_proof(state: &AppState, batch: &Batch) -> Result<Outcome, StepError> {
    let market = market(state)?;
    let records = records(state, batch).await?;
    if !all_in_time(state, batch, &records).await? {
        return Ok(Outcome::Broken);
    }
    let fundings = fundings(state, batch).await?;
    let mut batch = batch.clone();
    let chain_id = market.facts().await?.chain_id;
    let me = market.config.prover.address();
    let context = context_of_batch(chain_id, market.config.market, &ids(&batch), me);
    let patch = Patch { context: Some(context), ..Patch::default() };
    batch.jobs = state.store.transition_all(&batch, &[State::Queued], State::Locking, patch).await?;
    if !locked(state, &batch, records, &fundings).await? {
        return Ok(Outcome::Broken);
    }
    batch.jobs = state.store.transition_all(&batch, &[State::Locking], State::Proving, Patch::default()).await?;
    prove(state, &batch, context).await?;
    Ok(Outcome::Whole)
}

/// Whether all jobs are alive and can be locked, or are. Those that came too late end here; those whose funding the
/// chain took back wait for it by themselves.
async fn all_in_time(state: &AppState, batch: &Batch, records: &[Reconciled]) -> Result<bool, StepError> {
    let (market, mut all) = (market(state)?, true);
    for ((job, lease), record) in batch.jobs.iter().zip(&batch.leases).zip(records) {
        if record.over.is_some() {
            all = false;
        } else if let Some(hindrance) = record.hindrance() {
            setback(state, job, lease, hindrance).await;
            all = false;
        } else if record.record.state == InferenceMarket::State::Funded
            && let Some(late) = too_late(state, market, job, record.now, record.prove_by)?
        {
            expire(state, job, lease, &late).await?;
            all = false;
        }
    }
    Ok(all)
}

/// Whether batches are locked before they are proven: as the operator wishes, and for a while after one without locks
/// lost a job.
fn wants_locks(state: &AppState) -> bool {
    state.config.batch_locks
        || state.locks_until.lock().is_ok_and(|until| until.is_some_and(|until| Instant::now() < until))
}

/// Whether this server can settle all jobs as they are: locked by it, or by nobody. `false` if one dropped out.
async fn unlocked(
    state: &AppState,
    batch: &Batch,
    records: &[Reconciled],
    fundings: &[Funding],
) -> Result<bool, StepError> {
    let me = market(state)?.config.prover.address();
    batch.jobs.iter().try_for_each(|job| provable(state, job))?;
    for ((job, record), funding) in batch.jobs.iter().zip(records).zip(fundings) {
        match record.record.state {
            InferenceMarket::State::Funded if funding.provers.contains(&me) => {}
            InferenceMarket::State::Locked if locked_by(&record.record, &funding.snapshot, me) => {}
            InferenceMarket::State::Funded | InferenceMarket::State::Locked => return taken(state, batch, job).await,
            _ => return Ok(false),
        }
    }
    Ok(true)
}

/// Sees to it that all jobs are locked by this server, by one transaction for those that are not; where no locks are
/// wanted, or the market takes none any more, that they can be settled without. `false` if one dropped out.
async fn locked(
    state: &AppState,
    batch: &Batch,
    mut records: Vec<Reconciled>,
    fundings: &[Funding],
) -> Result<bool, StepError> {
    if !wants_locks(state) || records.iter().any(|record| record.now > record.lock_by) {
        return unlocked(state, batch, &records, fundings).await;
    }
    let market = market(state)?;
    let _guard = market.lock_guard().await;
    let _alone = state.store.exclusive(&locks(market)).await?;
    // one round to see which locks are needed, one to see them
    for round in 0..2 {
        let mut open = Vec::new();
        for ((job, record), funding) in batch.jobs.iter().zip(&records).zip(fundings) {
            match record.record.state {
                InferenceMarket::State::Funded => open.push(funding.clone()),
                InferenceMarket::State::Locked
                    if locked_by(&record.record, &funding.snapshot, market.config.prover.address()) => {}
                InferenceMarket::State::Locked => return taken(state, batch, job).await,
                _ => return Ok(false),
            }
        }
        if open.is_empty() {
            return Ok(true);
        }
        if round == 0 {
            lock(state, batch, &open).await?;
            records = self::records(state, batch).await?;
        }
    }
    Err(ChainError::NoEvent { event: "JobLocked", id: ids(batch).first().copied().unwrap_or_default() }.into())
}

/// Another prover holds one of the jobs, which ends it here.
async fn taken(state: &AppState, batch: &Batch, job: &Job) -> Result<bool, StepError> {
    if let Some(lease) = batch.leases.iter().find(|lease| lease.job == job.id) {
        setback(state, job, lease, StepError::Taken).await;
    }
    Ok(false)
}

async fn lock(state: &AppState, batch: &Batch, open: &[Funding]) -> Result<(), StepError> {
    let call = async {
        let market = market(state)?;
        batch.jobs.iter().try_for_each(|job| provable(state, job))?;
        let (first, jobs) = shared(open)?;
        let collateral = first.order.collateral.saturating_mul(open.len() as u128);
        ensure_credit(state, market, first.order.token, collateral).await?;
        let inputs = open.iter().map(|funding| funding.order.inputCommitment).collect();
        Ok(Call::new(market.config.market, market.lock_batch_call(first, jobs, inputs)))
    };
    transact(state, Subject { id: &batch.id, leases: &batch.leases }, Purpose::Lock, call).await
}

/// The input that fills up a proof: somebody's, so that it clamps no more than theirs, under a commitment of its own.
fn filler(of: &InputOpening) -> InputOpening {
    let fresh = |_: &B256| {
        let mut scalar = B256::random();
        scalar[0] &= 0x1f; // below the field's order
        scalar
    };
    InputOpening { data: of.data.clone(), blinding: of.blinding.iter().map(fresh).collect() }
}

/// A proof of so many inferences, those of a batch first: the one that an earlier attempt made and could not record, or
/// a new one. `unwanted` resolves when nobody wants it any more. [`StepError::Diverged`] if it is not of what the
/// preflights computed.
pub(super) async fn proof(
    state: &AppState,
    batch: &Batch,
    inferences: u32,
    context: B256,
    unwanted: impl Future<Output = ()>,
) -> Result<ProofBundle, StepError> {
    let first = batch.jobs.first().ok_or(StepError::Incomplete { what: "jobs" })?;
    if let Some(made) = state.finished.lock().ok().and_then(|all| all.get(&batch.id).cloned()) {
        return Ok(made);
    }
    let inputs = batch.jobs.iter().map(|job| job.input.clone().ok_or(StepError::Incomplete { what: "the input" }));
    let mut inputs = inputs.collect::<Result<Vec<_>, _>>()?;
    if let Some(last) = inputs.last().cloned() {
        inputs.resize_with((inferences as usize).max(inputs.len()), || filler(&last));
    }
    let making = Making { subject: &batch.id, leases: &batch.leases, model: first.model, inputs, context };
    let proof = make(state, making, unwanted).await?;
    if !is_of(batch, &proof) {
        let proven: B256 = keccak256(proof.output_cells.iter().flat_map(|c| c.to_be_bytes()).collect::<Vec<u8>>());
        return Err(StepError::Diverged { proven });
    }
    if let Ok(mut all) = state.finished.lock() {
        all.insert(batch.id.clone(), proof.clone());
    }
    Ok(proof)
}

/// Whether the proof is of what the preflights computed.
fn is_of(batch: &Batch, proof: &ProofBundle) -> bool {
    let outputs = batch.jobs.iter().flat_map(|job| &job.output_cells);
    let inputs = batch.jobs.iter().flat_map(|job| &job.input_commitments);
    let starts = proof.output_cells.iter().take(outputs.clone().count()).eq(outputs);
    starts && proof.input_commitments.iter().take(inputs.clone().count()).eq(inputs)
}

/// What a proof of a batch states. `jobs`: their ids, in the order of the proof.
pub(super) fn statement(key: BatchKey, jobs: Vec<B256>, proof: &ProofBundle) -> Statement {
    Statement {
        key_hash: key.key_hash,
        inferences: key.inferences,
        jobs,
        input_commitments: proof.input_commitments.clone(),
        output_cells: proof.output_cells.clone(),
        clamps: proof.clamps,
    }
}

/// Makes the proof, puts it on disk, and only then moves the jobs on.
async fn prove(state: &AppState, batch: &Batch, context: B256) -> Result<(), StepError> {
    let first = batch.jobs.first().ok_or(StepError::Incomplete { what: "jobs" })?;
    let proof = proof(state, batch, first.inferences, context, std::future::pending()).await?;
    let key = state.model(first.model)?.batches.iter().find(|key| key.inferences == first.inferences).copied();
    let key = key.ok_or(EngineError::NoBatchKey { inferences: first.inferences as usize })?;
    let statement = statement(key, ids(batch), &proof);
    let hash = state.blobs.put(proof.proof).await?;
    state.store.save_statement(&batch.id, &statement).await?;
    let patch = Patch {
        proof_hash: Some(hash),
        event: Some(json!({ "proof_hash": hash, "batch": batch.jobs.len() })),
        ..Patch::default()
    };
    state.store.transition_all(batch, &[State::Proving], State::SettlementPending, patch).await?;
    state.forget_proof(&batch.id);
    Ok(())
}

async fn to_end(state: &AppState, batch: &Batch) -> Result<Outcome, StepError> {
    let records = records(state, batch).await?;
    if !all_in_time(state, batch, &records).await? {
        return Ok(Outcome::Broken);
    }
    let first = batch.jobs.first().ok_or(StepError::Incomplete { what: "jobs" })?;
    let (Some(proof), Some(statement)) = (load(state, first).await?, state.store.statement(&batch.id).await?) else {
        tracing::warn!(batch = batch.id, "the proof is gone from the disk; proving again");
        return Ok(Outcome::Broken);
    };
    if statement.jobs != ids(batch) {
        return Ok(Outcome::Broken); // the proof is of others as well, which are over
    }
    let fundings = fundings(state, batch).await?;
    // the chain may have taken the locks back, or there were none
    if !locked(state, batch, records, &fundings).await? {
        return Ok(Outcome::Broken);
    }
    let call = async {
        let (first, jobs) = shared(&fundings)?;
        let inference = Inference {
            inputCommitments: statement.input_commitments.iter().flat_map(|c: &Bytes| c.iter().copied()).collect(),
            output: output_bytes(&statement.output_cells, statement.clamps).into(),
            proof: proof.into(),
        };
        let market = market(state)?;
        Ok(Call::new(market.config.market, market.settle_batch_call(first, jobs, inference).await?))
    };
    let subject = Subject { id: &batch.id, leases: &batch.leases };
    if let Err(error) = transact(state, subject, Purpose::Settle, call).await {
        // somebody may have ended one of the jobs, in which case the others need another proof
        let over = self::records(state, batch).await?.iter().any(|record| record.over.is_some());
        return if over { Ok(Outcome::Broken) } else { Err(error) };
    }
    let market = market(state)?;
    let head = market.rpc.newest().await?;
    if let Some(id) = first.chain_job
        && !market.is_settled_for_good(id, head.number).await?
    {
        state.store.note_paid(&batch.leases).await?;
        return Err(StepError::Shallow);
    }
    let event = Some(json!({ "reason": "the market paid", "prover": market.config.prover.address() }));
    match state
        .store
        .transition_all(batch, &[State::SettlementPending], State::Settled, Patch { event, ..Patch::default() })
        .await
    {
        // the watcher was quicker
        Err(StoreError::LeaseLost | StoreError::WrongState { .. }) => self::records(state, batch).await.map(drop)?,
        other => drop(other?),
    }
    Ok(Outcome::Whole)
}
