//! Payments that are authorised and not captured yet: each authorisation pays for one prediction, and nobody authorises
//! more than they have.

use alloy::primitives::U256;
use serde_json::json;

use super::events::append;
use super::{Job, Lease, State, Store, StoreError, Tx};
use crate::x402::Payment;

/// A payment of a new prediction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewPayment {
    /// What was authorised.
    pub payment: Payment,
    /// What the payer has of the token, and lets be taken.
    pub balance: U256,
}

impl NewPayment {
    /// Refuses an authorisation that was sent before, and one that the payer's other ones leave no money for.
    pub(super) async fn check(&self, tx: &mut Tx) -> Result<(), StoreError> {
        let payment = &self.payment;
        tx.alone(&format!("payments of {}", payment.payer)).await?;
        if tx
            .query("SELECT 1 FROM jobs WHERE payment_id = ?")
            .bind(payment.id())
            .fetch_optional(tx.on())
            .await?
            .is_some()
        {
            return Err(StoreError::PaymentReused);
        }
        let sql = "SELECT payment FROM jobs WHERE payer = ? AND state IN ('queued', 'proving', 'settlement_pending')";
        let others: Vec<String> = tx.scalar(sql).bind(payment.payer.to_string()).fetch_all(tx.on()).await?;
        let mut need = payment.value();
        for text in others {
            let other: Payment = serde_json::from_str(&text).map_err(|_| StoreError::Corrupt { column: "payment" })?;
            // what is held has left the payer's account
            if (&other.network, other.asset, other.transaction, other.held)
                == (&payment.network, payment.asset, None, false)
            {
                need = need.saturating_add(other.value());
            }
        }
        if need > self.balance {
            return Err(StoreError::Overdrawn { payer: payment.payer, have: self.balance, need });
        }
        Ok(())
    }
}

impl Store {
    /// Whether an authorisation pays for a prediction already.
    pub async fn has_payment(&self, id: &str) -> Result<bool, StoreError> {
        Ok(self.query("SELECT 1 FROM jobs WHERE payment_id = ?").bind(id).fetch_optional(&self.pool).await?.is_some())
    }

    /// Notes of held jobs that they are paid for, in a block that the chain may still take back: their output is shown
    /// from now on.
    pub async fn note_paid(&self, leases: &[Lease]) -> Result<(), StoreError> {
        let mut tx = self.begin().await?;
        for lease in leases {
            tx.hold(&lease.job).await?;
            let noted = tx
                .query("SELECT 1 FROM events WHERE job = ? AND kind = 'paid'")
                .bind(&lease.job)
                .fetch_optional(tx.on())
                .await?;
            if noted.is_none() {
                append(&mut tx, &lease.job, "paid", &json!({ "reason": "its block is not deep enough yet" })).await?;
            }
        }
        tx.commit().await?;
        self.notify();
        Ok(())
    }

    /// Whether a prediction is paid for, or free and proven, so that its output is shown. The chain may still take the
    /// payment back.
    pub async fn is_paid_for(&self, job: &Job) -> Result<bool, StoreError> {
        match job.state {
            State::Settled | State::Proven => Ok(true),
            State::SettlementPending => {
                let noted = self.query("SELECT 1 FROM events WHERE job = ? AND kind = 'paid'").bind(&job.id);
                Ok(noted.fetch_optional(&self.pool).await?.is_some())
            }
            _ => Ok(false),
        }
    }

    /// Writes down what became of the payment of a held job.
    pub async fn save_payment(&self, lease: &Lease, payment: &Payment) -> Result<(), StoreError> {
        let sql = "UPDATE jobs SET payment = ? WHERE id = ? AND lease_token = ?";
        let done = self
            .query(sql)
            .bind(json!(payment).to_string())
            .bind(&lease.job)
            .bind(lease.token)
            .execute(&self.pool)
            .await?;
        if done.rows_affected() != 1 {
            return Err(StoreError::LeaseLost);
        }
        self.notify();
        Ok(())
    }

    /// Predictions that are over without being paid for, whose money may be held: up to `limit`, oldest first.
    pub async fn held_for_nothing(&self, limit: u32) -> Result<Vec<Job>, StoreError> {
        let sql = "SELECT * FROM jobs WHERE hold_open = 1 AND state IN ('failed', 'cancelled', 'expired') ORDER BY \
            updated_ms LIMIT ?";
        let rows = self.query(sql).bind(i64::from(limit)).fetch_all(&self.pool).await?;
        rows.iter().map(Job::from_row).collect()
    }

    /// Notes that nothing is held any more for a prediction.
    pub async fn hold_is_over(&self, id: &str) -> Result<(), StoreError> {
        self.query("UPDATE jobs SET hold_open = 0 WHERE id = ?").bind(id).execute(&self.pool).await?;
        Ok(())
    }
}
