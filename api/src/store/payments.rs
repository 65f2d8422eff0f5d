//! Payments that are authorised and not captured yet: each authorisation pays for one prediction, and nobody authorises more than they have.

use alloy::primitives::U256;

use super::{Job, Store, StoreError, Tx};
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
        if tx.query("SELECT 1 FROM jobs WHERE payment_id = ?").bind(payment.id()).fetch_optional(tx.on()).await?.is_some() {
            return Err(StoreError::PaymentReused);
        }
        let sql = "SELECT payment FROM jobs WHERE payer = ? AND state IN ('queued', 'proving', 'settlement_pending')";
        let others: Vec<String> = tx.scalar(sql).bind(payment.payer.to_string()).fetch_all(tx.on()).await?;
        let mut need = payment.value();
        for text in others {
            let other: Payment = serde_json::from_str(&text).map_err(|_| StoreError::Corrupt { column: "payment" })?;
            // what is held has left the payer's account
            if (&other.network, other.asset, other.transaction, other.held) == (&payment.network, payment.asset, None, false) {
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

    /// Predictions that are over without being paid for, whose money may be held: up to `limit`, oldest first.
    pub async fn held_for_nothing(&self, limit: u32) -> Result<Vec<Job>, StoreError> {
        let sql = "SELECT * FROM jobs WHERE hold_open = 1 AND state IN ('failed', 'cancelled', 'expired') ORDER BY updated_ms LIMIT ?";
        let rows = self.query(sql).bind(i64::from(limit)).fetch_all(&self.pool).await?;
        rows.iter().map(Job::from_row).collect()
    }

    /// Notes that nothing is held any more for a prediction.
    pub async fn hold_is_over(&self, id: &str) -> Result<(), StoreError> {
        self.query("UPDATE jobs SET hold_open = 0 WHERE id = ?").bind(id).execute(&self.pool).await?;
        Ok(())
    }
}
