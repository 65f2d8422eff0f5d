//! Jobs that failed for good. They keep their input for a while, and the operator can have them run again.

use serde_json::json;
use sqlx::Row;

use super::events::append;
use super::{Job, State, Store, StoreError};

impl Store {
    /// Puts a job that failed back into the queue, as if it had never been tried. What the chain says of it meanwhile
    /// is found out when it is claimed.
    pub async fn run_again(&self, id: &str) -> Result<Job, StoreError> {
        let mut tx = self.begin().await?;
        let found =
            tx.query("SELECT state, input FROM jobs WHERE id = ? FOR_UPDATE").bind(id).fetch_optional(tx.on()).await?;
        let found = found.ok_or(StoreError::NoSuchJob)?;
        let state: String = found.try_get("state")?;
        let state: State = state.parse().map_err(|_| StoreError::Corrupt { column: "state" })?;
        if state != State::Failed {
            return Err(StoreError::WrongState { state });
        }
        if found.try_get::<Option<Vec<u8>>, _>("input")?.is_none() {
            return Err(StoreError::InputForgotten);
        }
        let sql = "UPDATE jobs SET state = 'queued', attempts = 0, error_code = NULL, error_detail = NULL, batch = \
            NULL, slot = NULL, cancel_requested = 0, cancel_after_ms = NULL, not_before_ms = 0, lease_until_ms = 0, \
            lease_token = lease_token + 1, updated_ms = NOW() WHERE id = ? RETURNING *";
        let job = Job::from_row(&tx.query(sql).bind(id).fetch_one(tx.on()).await?)?;
        append(&mut tx, id, "state", &json!({ "state": State::Queued, "reason": "the operator has it run again" }))
            .await?;
        tx.commit().await?;
        self.notify();
        tracing::info!(job = id, "a prediction that failed is run again");
        Ok(job)
    }

    /// Deletes the inputs of jobs that failed so long ago. Returns how many there were.
    pub async fn forget_failed(&self, after_ms: i64) -> Result<u64, StoreError> {
        let sql = "UPDATE jobs SET input = NULL, blinding = NULL WHERE state = 'failed' AND input IS NOT NULL AND \
            updated_ms <= NOW() - ?";
        Ok(self.query(sql).bind(after_ms).execute(&self.pool).await?.rows_affected())
    }
}
