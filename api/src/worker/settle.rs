//! Settlement pending → settled.

use alloy::primitives::{Address, B256};
use tracing::Instrument;

use super::escrow::{ensure_locked, funding, market, ready, reconcile};
use super::prove::let_go;
use super::transact::{Call, Subject, transact};
use super::{StepError, batch, capture, idle, ms, setback, with_lease};
use crate::AppState;
use crate::blobs::BlobError;
use crate::chain::abi::{Inference, InferenceMarket};
use crate::chain::{ChainError, Settlement};
use crate::engine::output_bytes;
use crate::outage::Backoff;
use crate::quiet;
use crate::store::{Job, Lease, Patch, Purpose, State};

/// Settles until the server stops.
pub(super) async fn run(state: &AppState) {
    if state.market.is_none() {
        return;
    }
    let (mut changes, mut backoff) = (state.store.changes(), Backoff::default());
    while !state.is_stopping() {
        changes.mark_unchanged();
        match batch::claim(state, &[State::SettlementPending], None).await {
            Ok(Some(jobs)) => {
                backoff.over();
                batch::settle(state, jobs).await;
                continue;
            }
            Ok(None) => {}
            Err(error) => quiet::warn("cannot claim a batch to settle", &error), // nor anything else, then
        }
        let found = state.store.claim(&[State::SettlementPending], Some(true), ms(state.config.lease)).await;
        if found.is_ok() {
            backoff.over();
        }
        match found {
            Ok(Some((job, lease))) => match with_lease(state, &lease, settle(state, &job, &lease))
                .instrument(crate::trace::step!("settle", job.id, job.trace.as_deref()))
                .await
            {
                Ok(_) => {
                    state.outages.over(&job.id);
                    let_go(state, &lease).await;
                }
                Err(error) => setback(state, &job, &lease, error).await,
            },
            Ok(None) => idle(state, &mut changes).await,
            Err(error) => {
                quiet::warn("cannot claim a prediction to settle", &error);
                state.pause(backoff.next()).await;
            }
        }
    }
}

/// Sends the proof, and lets the market's record decide what came of it.
async fn settle(state: &AppState, job: &Job, lease: &Lease) -> Result<Job, StepError> {
    if job.payment.is_some() {
        return capture::settle(state, job, lease).await;
    }
    let chain_job = job.chain_job.ok_or(StepError::Incomplete { what: "the market's job id" })?;
    let found = ready(state, job, chain_job).await?;
    if let Some(over) = found.over {
        return Ok(over);
    }
    // a chain reorganisation may have taken the lock away, and the market takes none late
    let unlocked = found.record.state == InferenceMarket::State::Funded && found.now > found.lock_by;
    let open = unlocked || found.now > found.prove_by;
    if !open && let Some(over) = ensure_locked(state, job, lease, chain_job).await? {
        return Ok(over);
    }
    let Some(proof) = load(state, job).await? else {
        tracing::warn!(job = job.id, "the proof is gone from the disk; proving again");
        return Ok(state
            .store
            .transition(&job.id, Some(lease), &[State::SettlementPending], State::Proving, Patch::default())
            .await?);
    };
    let funding = funding(state, job, chain_job).await?;
    let inference = Inference {
        inputCommitments: job.input_commitments.iter().flat_map(|c| c.iter().copied()).collect(),
        output: output_bytes(&job.output_cells, job.clamps).into(),
        proof: proof.into(),
    };
    let call = async {
        let market = market(state)?;
        let how = match (open, unlocked) {
            (false, _) => Settlement::Locked,
            (true, true) => Settlement::Open { locker: Address::ZERO },
            (true, false) => Settlement::Open { locker: market.locker(chain_job).await? },
        };
        Ok(Call::new(market.config.market, market.settle_call(&funding, inference, how).await?))
    };
    if let Err(error) = transact(state, Subject::job(lease), Purpose::Settle, call).await {
        // somebody else may have been first, in which case there is nothing left to do
        return ready(state, job, chain_job).await?.over.ok_or(error);
    }
    let found = reconcile(state, job, chain_job).await?;
    if matches!(found.hindrance(), Some(StepError::Shallow)) {
        state.store.note_paid(std::slice::from_ref(lease)).await?;
    }
    let over = found.hindrance().map_or(Ok(found.over), Err)?;
    over.ok_or(ChainError::NoEvent { event: "JobSettled", id: chain_job }.into())
}

/// The proof, `None` if it is missing or corrupt.
pub(super) async fn load(state: &AppState, job: &Job) -> Result<Option<Vec<u8>>, StepError> {
    let Some(hash): Option<B256> = job.proof_hash else { return Ok(None) };
    match state.blobs.get(hash).await {
        Err(BlobError::Corrupt { .. }) => Ok(None),
        other => Ok(other?),
    }
}
