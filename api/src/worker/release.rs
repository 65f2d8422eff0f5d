//! Gives back what is held for predictions that are over without being paid for. What this server does not give back,
//! the payer can take back after the capture deadline.

use std::time::Duration;

use alloy::primitives::U256;

use super::StepError;
use super::escrow::{market, nonces};
use crate::AppState;
use crate::chain::Market;
use crate::chain::authorization::{Standing, standing};
use crate::outage::Backoff;
use crate::quiet;
use crate::store::Job;
use crate::x402::Payment;

/// How often is looked.
const ROUND: Duration = Duration::from_secs(2);
/// Most predictions of one look.
const BATCH: u32 = 100;

/// Gives back until the server stops.
pub(super) async fn run(state: &AppState) {
    if state.market.is_none() {
        return;
    }
    let mut backoff = Backoff::default();
    while !state.is_stopping() {
        let wait = match round(state).await {
            Ok(()) => {
                backoff.over();
                ROUND
            }
            Err(error) => {
                quiet::warn("cannot give back held payments for now", &error);
                backoff.next()
            }
        };
        state.pause(wait).await;
    }
}

async fn round(state: &AppState) -> Result<(), StepError> {
    let market = market(state)?;
    for job in state.store.held_for_nothing(BATCH).await? {
        let Some(payment) = &job.payment else { continue };
        let over = match standing(&market.rpc, payment).await? {
            Standing::Held => give_back(state, market, &job, payment).await?,
            Standing::Captured(_) | Standing::Cancelled => true,
            // a transaction that holds it may be on its way, until none can be valid any more
            Standing::Open => U256::from(market.rpc.now().await?) > payment.valid_before,
        };
        if over {
            state.store.hold_is_over(&job.id).await?;
        }
    }
    Ok(())
}

/// Sends the payer what is held. Returns whether it was still held.
async fn give_back(state: &AppState, market: &Market, job: &Job, payment: &Payment) -> Result<bool, StepError> {
    let call = payment.give_back().ok_or(StepError::Incomplete { what: "the payment's terms" })?;
    let _nonce = market.nonce_guard().await;
    let _alone = state.store.exclusive(&nonces(market)).await?;
    // another worker may have been first
    if standing(&market.rpc, payment).await? != Standing::Held {
        return Ok(false);
    }
    let receipt = market.rpc.execute(&market.config.prover, Some(call.to), call.input, U256::ZERO).await?;
    tracing::info!(job = job.id, hash = %receipt.transaction_hash, "what was held for the prediction is given back");
    Ok(true)
}
