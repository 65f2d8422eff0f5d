//! Payments by x402: looked at before the proof is begun, captured when it is made and verified. What the token's contract says is final.

use alloy::primitives::U256;
use alloy::sol_types::SolCall;
use serde_json::json;

use super::escrow::{LIVE, market};
use super::prove::verified;
use super::settle::load;
use super::transact::{Call, Subject, close_mined, transact};
use super::{StepError, ms};
use crate::AppState;
use crate::chain::authorization::{Standing, balance, standing};
use crate::store::{Job, Lease, Patch, Purpose, State, StoreError, now_ms};
use crate::x402::Payment;

/// How long before its end an authorisation is given up: a transaction must be in a block by then.
const LAST_SECS: u64 = 12;

fn payment(job: &Job) -> Result<&Payment, StepError> {
    job.payment.as_ref().ok_or(StepError::Incomplete { what: "the payment" })
}

/// Ends a job whose payment cannot be captured. Its output is not shown.
async fn unpaid(state: &AppState, job: &Job, lease: &Lease, code: &'static str, why: &str) -> Result<Job, StepError> {
    Ok(state.store.transition(&job.id, Some(lease), &LIVE, State::Expired, Patch::error(code, why)).await?)
}

/// Why an authorisation cannot be captured any more, if it cannot: a problem code and a sentence.
async fn hindrance(state: &AppState, payment: &Payment, now: u64) -> Result<Option<(&'static str, &'static str)>, StepError> {
    let market = market(state)?;
    if U256::from(now.saturating_add(LAST_SECS)) >= payment.valid_before {
        return Ok(Some(("payment-expired", "the authorisation ended before it was captured; nothing was paid")));
    }
    if balance(&market.rpc, payment.asset, payment.payer).await? < payment.value() {
        return Ok(Some(("payment-funds", "the payer does not have the price any more; nothing was paid")));
    }
    Ok(None)
}

/// Unix seconds: the later of the chain's newest block and this machine's time.
async fn now(state: &AppState) -> Result<u64, StepError> {
    Ok(market(state)?.rpc.now().await?.max(u64::try_from(now_ms() / 1000).unwrap_or_default()))
}

/// Queued → proving, if the money is still there.
pub(super) async fn begin(state: &AppState, job: &Job, lease: &Lease, patch: Patch) -> Result<Job, StepError> {
    let payment = payment(job)?;
    match standing(&market(state)?.rpc, payment).await? {
        Standing::Captured(_) => {}
        Standing::Cancelled => return cancelled(state, job, lease).await,
        Standing::Open => {
            if let Some((code, why)) = hindrance(state, payment, now(state).await?).await? {
                return unpaid(state, job, lease, code, why).await;
            }
        }
    }
    Ok(state.store.transition(&job.id, Some(lease), &[State::Queued], State::Proving, patch).await?)
}

async fn cancelled(state: &AppState, job: &Job, lease: &Lease) -> Result<Job, StepError> {
    unpaid(state, job, lease, "payment-cancelled", "the payer cancelled the authorisation; nothing was paid").await
}

/// Settlement pending → settled: verifies the proof once more as it is on disk, and only then has the money moved.
pub(super) async fn settle(state: &AppState, job: &Job, lease: &Lease) -> Result<Job, StepError> {
    let (market, payment) = (market(state)?, payment(job)?);
    if !proof_holds(state, job).await? {
        tracing::warn!(job = job.id, "the proof is gone from the disk, or does not verify; proving again");
        return Ok(state.store.transition(&job.id, Some(lease), &[State::SettlementPending], State::Proving, Patch::default()).await?);
    }
    if let Some(over) = ended(state, job, lease).await? {
        return Ok(over);
    }
    let call = async {
        // asked only before a transaction is signed: one that may be on the wire already is followed up
        if let Some((code, why)) = hindrance(state, payment, now(state).await?).await? {
            return Err(StepError::Unpaid { code, why });
        }
        let call = payment.call().ok_or(StepError::Incomplete { what: "the payer's signature" })?;
        Ok(Call { to: payment.asset, input: call.abi_encode().into() })
    };
    let sent = transact(state, Subject::job(lease), Purpose::Capture, call).await;
    close_mined(state, market, &job.id, Purpose::Capture).await?;
    match (ended(state, job, lease).await?, sent) {
        (Some(over), _) => Ok(over),
        (None, Err(StepError::Unpaid { code, why })) => unpaid(state, job, lease, code, why).await,
        (None, Err(error)) if error.is_outage() => Err(error),
        // the token's contract refused: because of something that can be named, or for a reason of its own
        (None, Err(error)) => match hindrance(state, payment, now(state).await?).await? {
            Some((code, why)) => unpaid(state, job, lease, code, why).await,
            None => Err(error),
        },
        (None, Ok(())) => Err(StepError::Incomplete { what: "the token's event of the payment" }),
    }
}

/// The job at its end, if the chain says that the money moved, or never will.
async fn ended(state: &AppState, job: &Job, lease: &Lease) -> Result<Option<Job>, StepError> {
    let payment = payment(job)?;
    match standing(&market(state)?.rpc, payment).await? {
        Standing::Open => Ok(None),
        Standing::Cancelled => cancelled(state, job, lease).await.map(Some),
        Standing::Captured(hash) => {
            let paid = Payment { transaction: Some(hash), ..payment.clone() };
            let patch = Patch {
                payment: Some(json!(paid).to_string()),
                event: Some(json!({ "reason": "the payment was captured", "transaction": hash })),
                ..Patch::default()
            };
            let moved = state.store.transition(&job.id, Some(lease), &[State::SettlementPending], State::Settled, patch).await;
            match moved {
                Err(StoreError::WrongState { state: now }) if now.is_terminal() => Ok(Some(state.store.job(&job.id).await?)),
                other => Ok(Some(other?)),
            }
        }
    }
}

/// Whether the proof on disk is a valid one of what the job says.
async fn proof_holds(state: &AppState, job: &Job) -> Result<bool, StepError> {
    let Some(proof) = load(state, job).await? else { return Ok(false) };
    let began = std::time::Instant::now();
    let verified = verified(state, job, proof).await?.is_some();
    tracing::debug!(job = job.id, verified, ms = ms(began.elapsed()), "a proof is verified before its payment is captured");
    Ok(verified)
}
