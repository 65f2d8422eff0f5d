//! The chain watcher: reads the market's events from a persisted block cursor and moves the jobs that they are about.

use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use alloy::primitives::{B256, Bytes};
use alloy::rpc::types::Log;
use alloy::sol_types::{SolEvent, SolValue};

use super::StepError;
use super::escrow::reconcile;
use crate::AppState;
use crate::chain::Market;
use crate::chain::abi::InferenceMarket::{self, State as ChainState};
use crate::chain::abi::settled;
use crate::metrics::Metrics;
use crate::outage::Backoff;
use crate::quiet;
use crate::store::{Job, Patch, State, StoreError, now_ms};

/// Most blocks per request for logs; public nodes refuse more than a few thousand.
const BLOCKS_MAX: u64 = 2000;
/// How often every live job is compared with the chain, events or not.
const SWEEP: Duration = Duration::from_secs(30);
/// Most orders whose time to be paid for is over that are looked at in one poll.
const LAPSED_MAX: u32 = 100;

/// Watches until the server stops.
pub(super) async fn run(state: &AppState) {
    let Some(market) = state.market.clone() else { return };
    let (mut swept, mut backoff) = (None::<Instant>, Backoff::default());
    while !state.is_stopping() {
        let all = swept.is_none_or(|at| at.elapsed() > SWEEP);
        match poll(state, &market, all, swept.is_none()).await {
            Ok(()) => {
                backoff.over();
                state.metrics.seen_ms.store(u64::try_from(now_ms()).unwrap_or_default(), Ordering::Relaxed);
                if all {
                    match market.is_solvent(&market.config.terms).await {
                        Ok(is) => state.metrics.solvent(is),
                        Err(error) => quiet::warn("cannot see what the prover's account has", &error),
                    }
                    swept = Some(Instant::now());
                }
                state.pause(market.config.poll).await;
            }
            Err(error) => {
                Metrics::count(&state.metrics.chain_errors);
                quiet::warn("the chain watcher cannot go on for now", &error);
                state.pause(backoff.next()).await;
            }
        }
    }
}

/// Reads the new blocks, then compares jobs with the market's records: those whose money may be there and has no event
/// yet, or all that are under way. An order without money costs nothing here until its time is over; `first`: it may
/// have been funded while no server was there to write that down.
async fn poll(state: &AppState, market: &Market, all: bool, first: bool) -> Result<(), StepError> {
    let head = market.rpc.block_number().await?;
    let Some(safe) = market.believed(head) else { return Ok(()) };
    let name = format!("market {:?}", market.config.market);
    let mut from = state.store.cursor(&name).await?.map_or(market.config.from_block, |block| block + 1);
    if from > safe + 1 {
        // the chain is shorter than what was read of it: what comes now are other blocks
        state.store.set_cursor(&name, safe).await?;
    }
    while from <= safe && !state.is_stopping() {
        let to = safe.min(from + BLOCKS_MAX - 1);
        for log in market.rpc.logs(&market.filter(from, to)).await? {
            spare(handle(state, &log).await)?;
        }
        state.store.set_cursor(&name, to).await?;
        state.metrics.block.store(to, Ordering::Relaxed);
        from = to + 1;
    }
    let jobs = if first { state.store.live_escrows().await? } else { state.store.funded_escrows(all).await? };
    for job in jobs {
        if let Some(chain_job) = job.chain_job {
            spare(compare(state, market, &job, chain_job, safe).await)?;
        }
    }
    if state.store.next_lapse().await?.is_some() {
        let now = market.rpc.now().await?;
        for job in state.store.lapsed(now, LAPSED_MAX).await? {
            if let Some(chain_job) = job.chain_job {
                spare(compare(state, market, &job, chain_job, safe).await)?;
            }
        }
    }
    Ok(())
}

/// One job that cannot be dealt with must not keep the watcher from the others; an outage must.
fn spare(result: Result<(), StepError>) -> Result<(), StepError> {
    match result {
        Err(error) if !error.is_outage() => {
            tracing::warn!(%error, "the watcher passes over a prediction");
            Ok(())
        }
        other => other,
    }
}

/// Moves the jobs that an event is about. Those that nobody asked this server for are not its business.
async fn handle(state: &AppState, log: &Log) -> Result<(), StepError> {
    // a batch settles many jobs in one event
    for (chain_job, output) in settled(&log.inner) {
        spare(settle(state, chain_job, &output).await)?;
    }
    let Some(chain_job) = log.inner.topics().get(1).copied() else { return Ok(()) };
    let Some(job) = state.store.by_chain_job(chain_job).await? else { return Ok(()) };
    match log.inner.topics().first() {
        Some(&InferenceMarket::JobFunded::SIGNATURE_HASH) => {
            let Ok(event) = InferenceMarket::JobFunded::decode_log(&log.inner) else { return Ok(()) };
            let data = event.data;
            funded(
                state,
                &job,
                crate::chain::abi::Funding { order: data.order, snapshot: data.snapshot, provers: data.provers },
            )
            .await
        }
        // the rest of its order is in the batch's event
        Some(&InferenceMarket::JobFundedInBatch::SIGNATURE_HASH) => {
            let Some(market) = &state.market else { return Ok(()) };
            funded(state, &job, market.funding(chain_job, log.block_number).await?).await
        }
        Some(
            &InferenceMarket::JobCancelled::SIGNATURE_HASH
            | &InferenceMarket::JobExpired::SIGNATURE_HASH
            | &InferenceMarket::JobRefunded::SIGNATURE_HASH,
        ) if !job.state.is_terminal() => reconcile(state, &job, chain_job).await.map(drop),
        _ => Ok(()),
    }
}

/// The market paid for a job, whoever sent the proof.
async fn settle(state: &AppState, chain_job: B256, output: &Bytes) -> Result<(), StepError> {
    let Some(job) = state.store.by_chain_job(chain_job).await? else { return Ok(()) };
    if output.iter().copied().ne(job.output_cells.iter().flat_map(|y| y.to_be_bytes())) {
        // two outputs of one input: the key is broken, or this server's model is not the one that is listed
        tracing::error!(job = job.id, %chain_job, "the market paid for another output than this server computes");
    }
    if job.state.is_terminal() { Ok(()) } else { reconcile(state, &job, chain_job).await.map(drop) }
}

/// The escrow is there: the job can be worked on.
async fn funded(state: &AppState, job: &Job, funding: crate::chain::abi::Funding) -> Result<(), StepError> {
    let company = (job.inferences > 1).then(|| super::batch::company(&funding));
    let patch = Patch { funding: Some(funding.abi_encode()), company, ..Patch::default() };
    match state.store.transition(&job.id, None, &[State::AwaitingPayment], State::Queued, patch).await {
        Ok(_) | Err(StoreError::WrongState { .. }) => Ok(()), // seen before
        Err(e) => Err(e.into()),
    }
}

/// Compares one job with the market's record.
async fn compare(state: &AppState, market: &Market, job: &Job, chain_job: B256, safe: u64) -> Result<(), StepError> {
    let found = reconcile(state, job, chain_job).await?;
    if found.over.is_some() || job.state != State::AwaitingPayment {
        return Ok(());
    }
    match found.record.state {
        ChainState::Funded | ChainState::Locked => {
            state.store.mark_funded(&job.id).await?;
            let funding = market.funding(chain_job, Some(safe)).await;
            match funding {
                Ok(funding) => funded(state, job, funding).await,
                Err(crate::chain::ChainError::NoEvent { .. }) => Ok(()), // not deep enough yet
                Err(e) => Err(e.into()),
            }
        }
        _ => Ok(()),
    }
}
