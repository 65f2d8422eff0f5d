//! Predictions that no order pays for, proven together: free ones, and those whose payment is held. Each begins and
//! ends by itself; only the proof is shared.

use std::sync::{Arc, Mutex};

use alloy::primitives::{B256, keccak256};
use alloy::sol_types::SolValue;
use futures_util::future::join_all;
use futures_util::{StreamExt, stream};
use tracing::Instrument;

use super::batch::{REQUESTS, proof, span, statement};
use super::prove::{self, unwanted};
use super::{StepError, beating, ms, setback};
use crate::AppState;
use crate::demand::fits;
use crate::engine::{BatchKey, EngineError};
use crate::quiet;
use crate::store::{Batch, Job, Lease, State, StoreError};

/// What the proof of a prediction is bound to that is proven alone, where its client did not say: with others, these
/// are bound.
pub(super) fn context(job: &Job) -> B256 {
    keccak256(&job.id)
}

/// A batch of these jobs. The same ones have the same id again, by which a proof of them is found that could not be
/// recorded.
fn batch(jobs: Vec<Job>, leases: Vec<Lease>) -> Batch {
    let contexts: Vec<B256> = jobs.iter().map(context).collect();
    Batch { id: alloy::hex::encode(&keccak256(contexts.abi_encode_packed())[..16]), jobs, leases }
}

/// Those that wait and may be proven with a job that is held already, with the key to prove them with. `None`: it is
/// better proven alone.
pub(super) async fn gather(
    state: &AppState,
    job: &Job,
    lease: &Lease,
) -> Result<Option<(Batch, BatchKey)>, StoreError> {
    let Some(company) = job.company.filter(|_| job.attempts == 0 && !job.cancel_requested) else { return Ok(None) };
    let Ok(model) = state.model(job.model) else { return Ok(None) };
    let waiting = state.store.company_of(job).await?.saturating_add(1);
    let Some(key) = fits(&model.batches, company.most.min(state.config.batch_max), waiting) else { return Ok(None) };
    let others = state.store.claim_company(job, key.inferences - 1, ms(state.config.lease)).await?;
    if others.is_empty() {
        return Ok(None); // somebody else was quicker
    }
    let all = std::iter::once((job.clone(), lease.clone())).chain(others);
    let (jobs, leases) = all.unzip();
    Ok(Some((batch(jobs, leases), key)))
}

/// Begins the jobs and makes their proof.
pub(super) async fn drive(state: &AppState, all: Batch, key: BatchKey) {
    // those that are still worked on
    let held = Mutex::new(all.leases.clone());
    let still = || held.lock().map(|held| held.clone()).unwrap_or_default();
    let extend = || {
        let leases = still();
        async move { state.store.extend_all(&leases, ms(state.config.lease)).await }
    };
    let steps = async {
        let begun = begin(state, &all, &held).await;
        // one that is left alone is claimed by itself
        if begun.jobs.len() > 1 { make(state, &begun, key).await } else { Ok(()) }
    };
    let done = beating(state, extend, steps).instrument(span(&all, "prove several")).await;
    let released = match done {
        Ok(()) => {
            state.outages.over(&all.id);
            state.store.release_all(&all.leases, 0).await
        }
        // one was withdrawn, nobody wants any, or the server ends: who is left is claimed anew
        Err(
            StepError::Store(StoreError::LeaseLost | StoreError::WrongState { .. })
            | StepError::Engine(EngineError::Cancelled),
        ) => state.store.release_all(&all.leases, 0).await,
        Err(error) if error.is_outage() => {
            quiet::warn("predictions cannot go on for now", &error);
            state.store.release_all(&all.leases, ms(state.outages.next(&all.id))).await
        }
        Err(error) => {
            // whose fault it is nobody knows: next time each is tried alone
            let (why, still) = (Arc::new(error), still());
            for (job, lease) in all.jobs.iter().zip(&all.leases).filter(|(_, lease)| still.contains(lease)) {
                setback(state, job, lease, StepError::Batch(why.clone())).await;
            }
            Ok(())
        }
    };
    if let Err(error) = released {
        quiet::warn("cannot let go of predictions", &error); // the leases run out by themselves
    }
}

/// Brings each job to where its proof can be made. Returns those that are there; the others are not `held` any more.
async fn begin(state: &AppState, all: &Batch, held: &Mutex<Vec<Lease>>) -> Batch {
    let mut each = Vec::with_capacity(all.jobs.len());
    for (job, lease) in all.jobs.iter().zip(&all.leases) {
        each.push(begin_one(state, job, lease, held));
    }
    let begun: Vec<_> = stream::iter(each).buffered(REQUESTS).collect().await;
    let (jobs, leases) = begun.into_iter().flatten().unzip();
    batch(jobs, leases)
}

async fn begin_one(state: &AppState, job: &Job, lease: &Lease, held: &Mutex<Vec<Lease>>) -> Option<(Job, Lease)> {
    let begun = match job.state {
        State::Proving => Ok(job.clone()),
        _ => prove::begin(state, job, lease).await,
    };
    match begun {
        Ok(job) if job.state == State::Proving => return Some((job, lease.clone())),
        Ok(_) => let_go(held, lease), // it is over
        Err(error) => {
            let_go(held, lease);
            setback(state, job, lease, error).await;
        }
    }
    None
}

fn let_go(held: &Mutex<Vec<Lease>>, lease: &Lease) {
    if let Ok(mut held) = held.lock() {
        held.retain(|other| other != lease);
    }
}

/// Makes the proof, puts it on disk, and only then moves the jobs on.
async fn make(state: &AppState, all: &Batch, key: BatchKey) -> Result<(), StepError> {
    let contexts: Vec<B256> = all.jobs.iter().map(context).collect();
    let bound = keccak256(contexts.abi_encode_packed());
    // one whose owner does not want it any more does not stop those of the others
    let nobody = async { drop(join_all(all.jobs.iter().map(|job| unwanted(state, job))).await) };
    let proof = proof(state, all, key.inferences, bound, nobody).await?;
    let statement = statement(key, contexts, &proof);
    let kept = async {
        let hash = state.blobs.put(proof.proof).await?;
        Ok(state.store.keep_together(all, &statement, bound, hash).await?)
    };
    let kept: Result<(), StepError> = kept.await;
    // while the disk or the database refuses it, the proof stays in memory
    if !kept.as_ref().is_err_and(StepError::is_outage) {
        state.forget_proof(&all.id);
    }
    kept
}
