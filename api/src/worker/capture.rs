//! Payments by x402: looked at before the proof is begun, or held from then on, and captured when it is made and
//! verified. What the contracts say is final.

use alloy::primitives::{B256, U256};
use serde_json::json;

use super::escrow::{LIVE, market};
use super::prove::verified;
use super::settle::load;
use super::transact::{Call, Subject, close_mined, transact};
use super::{StepError, ms, together};
use crate::AppState;
use crate::chain::authorization::{PAYMENT_GAS_MAX, Standing, balance, permit2_allowance, standing};
use crate::chain::{ChainError, Market};
use crate::store::{Job, Lease, Patch, Purpose, State, StoreError, now_ms};
use crate::x402::{Payment, PaymentCall, Way};

/// How long before its end an authorisation is given up: a transaction must be in a block by then.
const LAST_SECS: u64 = 12;

fn payment(job: &Job) -> Result<&Payment, StepError> {
    job.payment.as_ref().ok_or(StepError::Incomplete { what: "the payment" })
}

/// Ends a job whose payment cannot be captured. Its output is not shown.
async fn unpaid(state: &AppState, job: &Job, lease: &Lease, code: &'static str, why: &str) -> Result<Job, StepError> {
    Ok(state.store.transition(&job.id, Some(lease), &LIVE, State::Expired, Patch::error(code, why)).await?)
}

/// Why an authorisation cannot be used any more, if it cannot: a problem code and a sentence.
type Hindrance = Option<(&'static str, &'static str)>;

/// What hinders the money from being taken from the payer.
async fn hindrance(state: &AppState, payment: &Payment, now: u64) -> Result<Hindrance, StepError> {
    let market = market(state)?;
    if U256::from(now.saturating_add(LAST_SECS)) >= payment.valid_before {
        return Ok(Some(("payment-expired", "the authorisation ended before it was captured; nothing was paid")));
    }
    if balance(&market.rpc, payment.asset, payment.payer).await? < payment.value() {
        return Ok(Some(("payment-funds", "the payer does not have the price any more; nothing was paid")));
    }
    if payment.way == Way::Permit2
        && permit2_allowance(&market.rpc, payment.asset, payment.payer).await? < payment.value()
    {
        return Ok(Some(("payment-allowance", "Permit2 may not take the price any more; nothing was paid")));
    }
    Ok(None)
}

/// What hinders a payment from being captured whose money is held.
fn held_hindrance(payment: &Payment, now: u64) -> Hindrance {
    let over = payment.hold().is_some_and(|hold| now.saturating_add(LAST_SECS) >= hold.capture_deadline);
    over.then_some((
        "payment-expired",
        "the time to capture what was held is over; the payer has it back, or can take it back",
    ))
}

/// A call of the payment's, with the gas that it may take: contracts of the payer's choice have a part in it.
fn limited(call: Option<PaymentCall>) -> Result<Call, StepError> {
    let PaymentCall { to, input } = call.ok_or(StepError::Incomplete { what: "the payer's signature" })?;
    Ok(Call { to, input, gas_max: PAYMENT_GAS_MAX })
}

/// Unix seconds: the later of the chain's newest block and this machine's time.
async fn now(state: &AppState) -> Result<u64, StepError> {
    Ok(market(state)?.rpc.now().await?.max(u64::try_from(now_ms() / 1000).unwrap_or_default()))
}

/// Queued → proving, if the money is still there, or held.
pub(super) async fn begin(state: &AppState, job: &Job, lease: &Lease, patch: Patch) -> Result<Job, StepError> {
    let payment = payment(job)?;
    let mut patch = patch;
    match standing(&market(state)?.rpc, payment).await? {
        Standing::Captured(_) | Standing::Held => {}
        Standing::Cancelled => return cancelled(state, job, lease).await,
        Standing::Open if payment.hold().is_some() => {
            if let Some(over) = hold(state, job, lease).await? {
                return Ok(over);
            }
        }
        Standing::Open => {
            if let Some((code, why)) = hindrance(state, payment, now(state).await?).await? {
                return unpaid(state, job, lease, code, why).await;
            }
        }
    }
    if payment.hold().is_some() {
        patch.payment = Some(json!(Payment { held: true, ..payment.clone() }).to_string());
    }
    Ok(state.store.transition(&job.id, Some(lease), &[State::Queued], State::Proving, patch).await?)
}

/// Has the money of a payment held. Returns the job at its end if it cannot be.
async fn hold(state: &AppState, job: &Job, lease: &Lease) -> Result<Option<Job>, StepError> {
    let (market, payment) = (market(state)?, payment(job)?);
    let call = async {
        match hindrance(state, payment, now(state).await?).await? {
            Some((code, why)) => Err(StepError::Unpaid { code, why }),
            None => limited(payment.take()),
        }
    };
    let sent = transact(state, Subject::job(lease), Purpose::Authorize, call).await;
    close_mined(state, market, &job.id, Purpose::Authorize).await?;
    match (standing(&market.rpc, payment).await?, sent) {
        (Standing::Held | Standing::Captured(_), _) => Ok(None),
        (Standing::Cancelled, _) => cancelled(state, job, lease).await.map(Some),
        (Standing::Open, Err(error)) => refused(state, job, lease, error).await.map(Some),
        (Standing::Open, Ok(())) => Err(StepError::Incomplete { what: "the money that should be held" }),
    }
}

/// What becomes of a job whose payment was not taken or captured: over, where that can be named, or where it was tried
/// often enough. It then ends as unpaid and not as failed, since no payer should make it look as if the prover failed.
async fn refused(state: &AppState, job: &Job, lease: &Lease, error: StepError) -> Result<Job, StepError> {
    const REFUSED: (&str, &str) =
        ("payment-refused", "the contracts that should move the payment refuse it; nothing was paid");
    let (code, why) = match error {
        StepError::Unpaid { code, why } => (code, why),
        StepError::Chain(ChainError::Gas { .. }) => REFUSED,
        error if error.is_outage() => return Err(error),
        error => match hindrance(state, payment(job)?, now(state).await?).await? {
            Some(named) => named,
            None if job.attempts.saturating_add(1) >= state.config.attempts_max => REFUSED,
            None => return Err(error),
        },
    };
    unpaid(state, job, lease, code, why).await
}

async fn cancelled(state: &AppState, job: &Job, lease: &Lease) -> Result<Job, StepError> {
    unpaid(
        state,
        job,
        lease,
        "payment-cancelled",
        "the payer cancelled the authorisation, or used it for something else; nothing was paid",
    )
    .await
}

/// Settlement pending → settled: verifies the proof once more as it is on disk, and only then has the money moved.
pub(super) async fn settle(state: &AppState, job: &Job, lease: &Lease) -> Result<Job, StepError> {
    let (market, payment) = (market(state)?, payment(job)?);
    // it was verified before the payment that the chain may still take back
    if payment.transaction.is_none() && !proof_holds(state, job).await? {
        tracing::warn!(job = job.id, "the proof is gone from the disk, or does not verify; proving again");
        if job.batch.is_some() {
            state.store.leave_batch(lease, together::context(job)).await?;
        }
        return Ok(state
            .store
            .transition(&job.id, Some(lease), &[State::SettlementPending], State::Proving, Patch::default())
            .await?);
    }
    if let Some(over) = ended(state, job, lease).await? {
        return Ok(over);
    }
    let held = payment.hold().is_some();
    // a block that held the money may have been taken back
    if held
        && standing(&market.rpc, payment).await? == Standing::Open
        && let Some(over) = hold(state, job, lease).await?
    {
        return Ok(over);
    }
    let call = async {
        // asked only before a transaction is signed: one that may be on the wire already is followed up
        let time = now(state).await?;
        match if held { held_hindrance(payment, time) } else { hindrance(state, payment, time).await? } {
            Some((code, why)) => Err(StepError::Unpaid { code, why }),
            None => limited(payment.capture()),
        }
    };
    let sent = transact(state, Subject::job(lease), Purpose::Capture, call).await;
    close_mined(state, market, &job.id, Purpose::Capture).await?;
    match (ended(state, job, lease).await?, sent) {
        (Some(over), _) => Ok(over),
        (None, Err(error)) if held => held_back(state, job, lease, error).await,
        (None, Err(error)) => refused(state, job, lease, error).await,
        (None, Ok(())) => Err(StepError::Incomplete { what: "the token's event of the payment" }),
    }
}

/// What becomes of a job whose payment is held and could not be captured.
async fn held_back(state: &AppState, job: &Job, lease: &Lease, error: StepError) -> Result<Job, StepError> {
    match error {
        StepError::Unpaid { code, why } => unpaid(state, job, lease, code, why).await,
        error if error.is_outage() => Err(error),
        error => match held_hindrance(payment(job)?, now(state).await?) {
            Some((code, why)) => unpaid(state, job, lease, code, why).await,
            None => Err(error),
        },
    }
}

/// Whether the block of a transaction is deep enough to be believed.
async fn is_deep(market: &Market, hash: B256) -> Result<bool, StepError> {
    let head = market.rpc.block_number().await?;
    let block = market.rpc.receipt(hash).await?.and_then(|receipt| receipt.block_number);
    Ok(block.is_some_and(|block| market.believed(head).is_some_and(|believed| block <= believed)))
}

/// The job at its end, if the chain says that the money moved, or never will. [`StepError::Shallow`]: it moved, in a
/// block that the chain may still take back.
async fn ended(state: &AppState, job: &Job, lease: &Lease) -> Result<Option<Job>, StepError> {
    let (market, payment) = (market(state)?, payment(job)?);
    match standing(&market.rpc, payment).await? {
        Standing::Open | Standing::Held => {
            if payment.transaction.is_some() {
                tracing::info!(job = job.id, "the chain took the block back in which the payment was captured");
                state.store.save_payment(lease, &Payment { transaction: None, ..payment.clone() }).await?;
            }
            Ok(None)
        }
        Standing::Captured(hash) if !is_deep(market, hash).await? => {
            if payment.transaction != Some(hash) {
                state.store.save_payment(lease, &Payment { transaction: Some(hash), ..payment.clone() }).await?;
            }
            state.store.note_paid(std::slice::from_ref(lease)).await?;
            Err(StepError::Shallow)
        }
        Standing::Cancelled => cancelled(state, job, lease).await.map(Some),
        Standing::Captured(hash) => {
            let paid = Payment { transaction: Some(hash), ..payment.clone() };
            let patch = Patch {
                payment: Some(json!(paid).to_string()),
                event: Some(json!({ "reason": "the payment was captured", "transaction": hash })),
                ..Patch::default()
            };
            let moved =
                state.store.transition(&job.id, Some(lease), &[State::SettlementPending], State::Settled, patch).await;
            match moved {
                Err(StoreError::WrongState { state: now }) if now.is_terminal() => {
                    Ok(Some(state.store.job(&job.id).await?))
                }
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
    tracing::debug!(
        job = job.id,
        verified,
        ms = ms(began.elapsed()),
        "a proof is verified before its payment is captured"
    );
    Ok(verified)
}
