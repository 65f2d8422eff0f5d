//! Steps that touch the chain: what the market says of a job, and how it is locked.

use alloy::primitives::{Address, B256};
use alloy::sol_types::SolValue;
use serde_json::json;

use super::StepError;
use super::transact::{Call, Subject, close_mined, transact};
use crate::AppState;
use crate::chain::abi::{Funding, InferenceMarket, locked_by};
use crate::chain::{ChainError, Head, Market, decode_funding};
use crate::engine::EngineError;
use crate::store::{Job, Lease, Patch, Purpose, State, StoreError};
use crate::terms::{Escrow, EscrowError};

/// The lock of those who take nonces of the prover's account, in all processes that share the database.
pub(super) fn nonces(market: &Market) -> String {
    format!("nonces {}", market.config.prover.address())
}

/// The lock of those who bring locks onto the chain.
pub(super) fn locks(market: &Market) -> String {
    format!("locks {}", market.config.prover.address())
}

/// Deposits what the prover's credit lacks of `need`, while no other process signs for the same account.
pub(super) async fn ensure_credit(
    state: &AppState,
    market: &Market,
    token: Address,
    need: u128,
) -> Result<(), StepError> {
    let _alone = state.store.exclusive(&nonces(market)).await?;
    Ok(market.ensure_credit(token, need).await?)
}

/// All states in which a job is not over.
pub(super) const LIVE: [State; 5] =
    [State::AwaitingPayment, State::Queued, State::Locking, State::Proving, State::SettlementPending];

/// Why an order ends that has no money, and can get none any more.
const UNFUNDED: &str = "nobody funded the quote in time";

/// What the market says of a job.
pub(super) struct Reconciled {
    /// Its record.
    pub record: InferenceMarket::Job,
    /// The newest block's time, unix seconds.
    pub now: u64,
    /// Unix seconds until which the market takes a lock, inclusive.
    pub lock_by: u64,
    /// Unix seconds until which the lock's prover can settle, inclusive.
    pub prove_by: u64,
    /// The stored job in its terminal state, if the chain has ended it.
    pub over: Option<Job>,
}

pub(super) fn market(state: &AppState) -> Result<&Market, StepError> {
    state.market.as_deref().ok_or(StepError::Incomplete { what: "a market" })
}

pub(super) fn escrow(job: &Job) -> Result<Escrow, StepError> {
    let text = job.escrow.as_deref().ok_or(StepError::Incomplete { what: "the escrow" })?;
    serde_json::from_str(text).map_err(|_| StepError::Incomplete { what: "the escrow" })
}

impl Reconciled {
    /// Why nobody can go on with the job, if nobody can although it is not over: what the chain may still take back, or
    /// has taken back.
    pub fn hindrance(&self) -> Option<StepError> {
        match self.record.state {
            _ if self.over.is_some() => None,
            InferenceMarket::State::Settled => Some(StepError::Shallow),
            InferenceMarket::State::None => Some(StepError::Unfunded),
            _ => None,
        }
    }
}

/// Reads the market's record of a job and, if the job is over there, ends it here. The chain's word is final, whoever
/// holds the job.
pub(super) async fn reconcile(state: &AppState, job: &Job, chain_job: B256) -> Result<Reconciled, StepError> {
    let head = market(state)?.rpc.newest().await?;
    reconcile_at(state, job, chain_job, head).await
}

/// The same for whoever wants to go on with the job: an error while the chain leaves nothing to do but to wait.
pub(super) async fn ready(state: &AppState, job: &Job, chain_job: B256) -> Result<Reconciled, StepError> {
    let found = reconcile(state, job, chain_job).await?;
    found.hindrance().map_or(Ok(found), Err)
}

/// [`reconcile`] as of a block: record and time are of the same one, whichever node is asked for them.
pub(super) async fn reconcile_at(
    state: &AppState,
    job: &Job,
    chain_job: B256,
    head: Head,
) -> Result<Reconciled, StepError> {
    let market = market(state)?;
    let (record, now) = (market.job_at(chain_job, head.number).await?, head.time);
    let Escrow { order, quote, .. } = escrow(job)?;
    let funded_at = record.time.to::<u64>(); // while it is not over
    let (prove_by, expire_by) = (funded_at + u64::from(order.prove_secs), funded_at + u64::from(order.expire_secs));
    let end = match record.state {
        // a block that is taken back takes the payment with it: until it is deep, the settlement is pending
        InferenceMarket::State::Settled if market.is_settled_for_good(chain_job, head.number).await? => {
            Some((State::Settled, "the market paid"))
        }
        InferenceMarket::State::Cancelled => Some((State::Cancelled, "the buyer took the escrow back")),
        InferenceMarket::State::Expired | InferenceMarket::State::Refunded => {
            Some((State::Refunded, "the market refunded the buyer"))
        }
        InferenceMarket::State::Funded if now > prove_by => {
            Some((State::Expired, "the time to lock ran out; the buyer can cancel"))
        }
        // a proof of several inferences settles no job that is late
        InferenceMarket::State::Locked if now > if job.inferences > 1 { prove_by } else { expire_by } => {
            Some((State::Expired, "the time to prove ran out; the buyer can claim the refund"))
        }
        InferenceMarket::State::None if now > quote.valid_until => Some((State::Expired, UNFUNDED)),
        _ => None,
    };
    let over = match end {
        Some((end, why)) => Some(end_by_chain(state, job, chain_job, end, why).await?),
        None => None,
    };
    Ok(Reconciled { record, now, lock_by: funded_at + u64::from(order.prove_secs / 2), prove_by, over })
}

/// Ends a job as the chain says.
async fn end_by_chain(state: &AppState, job: &Job, chain_job: B256, end: State, why: &str) -> Result<Job, StepError> {
    let market = market(state)?;
    for subject in std::iter::once(&job.id).chain(&job.batch) {
        for purpose in [Purpose::Lock, Purpose::Settle] {
            close_mined(state, market, subject, purpose).await?;
        }
    }
    let prover = market.locker(chain_job).await?;
    let error = (why == UNFUNDED).then(|| ("quote-expired", why.to_owned()));
    let patch = Patch { error, event: Some(json!({ "reason": why, "prover": prover })), ..Patch::default() };
    match state.store.transition(&job.id, None, &LIVE, end, patch).await {
        Err(StoreError::WrongState { state: now }) if now.is_terminal() => Ok(state.store.job(&job.id).await?),
        other => Ok(other?),
    }
}

/// The stored funding, or the chain's.
pub(super) async fn funding(state: &AppState, job: &Job, chain_job: B256) -> Result<Funding, StepError> {
    match job.funding.as_deref().and_then(decode_funding) {
        Some(funding) => Ok(funding),
        None => Ok(market(state)?.funding(chain_job, None).await?),
    }
}

/// Queued → locking, if the escrow is there and this server may prove.
pub(super) async fn begin(state: &AppState, job: &Job, lease: &Lease, chain_job: B256) -> Result<Job, StepError> {
    let found = ready(state, job, chain_job).await?;
    if let Some(over) = found.over {
        return Ok(over);
    }
    let market = market(state)?;
    if found.record.state == InferenceMarket::State::Funded
        && let Some(late) = too_late(state, market, job, found.now, found.prove_by)?
    {
        return expire(state, job, lease, &late).await;
    }
    let funding = funding(state, job, chain_job).await?;
    if !funding.provers.contains(&market.config.prover.address()) {
        return Err(StepError::Taken);
    }
    let context = Some(market.context(chain_job).await?);
    let patch = Patch { funding: Some(funding.abi_encode()), context, ..Patch::default() };
    Ok(state.store.transition(&job.id, Some(lease), &[State::Queued], State::Locking, patch).await?)
}

/// Why a job must not be locked any more, if the time left is too short: the collateral would be lost.
pub(super) fn too_late(
    state: &AppState,
    market: &Market,
    job: &Job,
    now: u64,
    prove_by: u64,
) -> Result<Option<EscrowError>, StepError> {
    let mut margin_secs = state.margin_secs(&market.config, escrow(job)?.order.prove_secs);
    if job.state == State::SettlementPending {
        // the proof is there, and two transactions are all that is left to do
        margin_secs = margin_secs.min(2 * market.config.receipt_timeout.as_secs());
    }
    Ok((now.saturating_add(margin_secs) > prove_by).then_some(EscrowError::TooLate { prove_by, margin_secs }))
}

/// Refuses a job whose key this process does not have, before any collateral is locked for it: a model or a batch's key
/// may have been taken away while orders under it were open.
pub(super) fn provable(state: &AppState, job: &Job) -> Result<(), StepError> {
    let key_hash = escrow(job)?.order.key_hash;
    match state.model(job.model)?.inferences_of(key_hash) {
        Some(inferences) if inferences == job.inferences => Ok(()),
        _ => Err(EngineError::KeyGone { key_hash, inferences: job.inferences }.into()),
    }
}

/// Ends a job that this server will not lock. The buyer can cancel it on chain.
pub(super) async fn expire(state: &AppState, job: &Job, lease: &Lease, why: &EscrowError) -> Result<Job, StepError> {
    let patch = Patch::error(why.code(), why.to_string());
    Ok(state.store.transition(&job.id, Some(lease), &LIVE, State::Expired, patch).await?)
}

/// Locking → proving, once the market has this server's lock.
pub(super) async fn lock(state: &AppState, job: &Job, lease: &Lease, chain_job: B256) -> Result<Job, StepError> {
    if let Some(over) = ensure_locked(state, job, lease, chain_job).await? {
        return Ok(over);
    }
    Ok(state.store.transition(&job.id, Some(lease), &[State::Locking], State::Proving, Patch::default()).await?)
}

/// Sees to it that the market's record says "locked by this server". `Some` if the job is over instead.
pub(super) async fn ensure_locked(
    state: &AppState,
    job: &Job,
    lease: &Lease,
    chain_job: B256,
) -> Result<Option<Job>, StepError> {
    let market = market(state)?;
    let me = market.config.prover.address();
    let mut guard = None;
    // one round to see that a lock is needed, one to make it, one to see it
    for _ in 0..3 {
        let found = ready(state, job, chain_job).await?;
        if found.over.is_some() {
            return Ok(found.over);
        }
        match found.record.state {
            InferenceMarket::State::Locked => {
                let funding = funding(state, job, chain_job).await?;
                if !locked_by(&found.record, &funding.snapshot, me) {
                    return Err(StepError::Taken);
                }
                close_mined(state, market, &job.id, Purpose::Lock).await?;
                return Ok(None);
            }
            _ => {} // funded: the others are over, or hinder
        }
        if guard.is_none() {
            guard = Some((market.lock_guard().await, state.store.exclusive(&locks(market)).await?));
            continue; // time has passed
        }
        let funding = funding(state, job, chain_job).await?;
        let call = async {
            // asked only before a new transaction is signed: a lock that may be on the wire already must be followed up
            if let Some(late) = too_late(state, market, job, found.now, found.prove_by)? {
                return Err(StepError::Late(late));
            }
            provable(state, job)?;
            ensure_credit(state, market, funding.order.token, funding.order.collateral).await?;
            Ok(Call::new(market.config.market, market.lock_call(&funding)))
        };
        match transact(state, Subject::job(lease), Purpose::Lock, call).await {
            Err(StepError::Late(late)) => return expire(state, job, lease, &late).await.map(Some),
            other => other?,
        }
    }
    Err(ChainError::NoEvent { event: "JobLocked", id: chain_job }.into())
}
