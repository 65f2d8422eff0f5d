//! The events of a job, in the order in which they were committed.

use serde::{Deserialize, Serialize};
use serde_json::Value;
use sqlx::Row;
use utoipa::ToSchema;

use super::{Store, StoreError, Tx, now_ms};

/// One thing that happened to a prediction.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Event {
    /// Grows by at least one from event to event: what `Last-Event-ID` names.
    pub id: i64,
    /// `state` for a change of state, else `progress`, `transaction`, `paid`, `retry`, `cancel_requested`.
    pub kind: String,
    /// Its content; `{"state": …}` for a change of state.
    pub data: Value,
    /// When, milliseconds since the epoch.
    pub at_ms: i64,
}

pub(super) async fn append(tx: &mut Tx, job: &str, kind: &str, data: &Value) -> Result<(), StoreError> {
    tx.query("INSERT INTO events (job, kind, data, at_ms) VALUES (?, ?, ?, ?)")
        .bind(job)
        .bind(kind)
        .bind(data.to_string())
        .bind(now_ms())
        .execute(tx.on())
        .await?;
    Ok(())
}

impl Store {
    /// Up to `limit` events of `job` after event `after`, oldest first.
    pub async fn events(&self, job: &str, after: i64, limit: u32) -> Result<Vec<Event>, StoreError> {
        let rows = self
            .query("SELECT id, kind, data, at_ms FROM events WHERE job = ? AND id > ? ORDER BY id LIMIT ?")
            .bind(job)
            .bind(after)
            .bind(i64::from(limit))
            .fetch_all(&self.pool)
            .await?;
        rows.iter()
            .map(|row| {
                let data: String = row.try_get("data")?;
                Ok(Event {
                    id: row.try_get("id")?,
                    kind: row.try_get("kind")?,
                    data: serde_json::from_str(&data).map_err(|_| StoreError::Corrupt { column: "data" })?,
                    at_ms: row.try_get("at_ms")?,
                })
            })
            .collect()
    }

    /// Appends an event that is not a change of state.
    pub async fn note(&self, job: &str, kind: &str, data: &Value) -> Result<(), StoreError> {
        let mut tx = self.begin().await?;
        tx.hold(job).await?;
        append(&mut tx, job, kind, data).await?;
        tx.commit().await?;
        self.notify();
        Ok(())
    }
}
