//! The processes that prove, as they announce themselves.

use serde::{Deserialize, Serialize};
use serde_json::json;
use sqlx::Row;

use super::{Store, StoreError};
use alloy::primitives::B256;

/// What a process that proves says of its machine.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct WorkerInfo {
    /// Its name: other than that of any other.
    pub id: String,
    /// Processor cores.
    pub cores: u32,
    /// Memory, in bytes; 0 where the system does not say.
    pub memory_bytes: u64,
    /// What heavy computation is done on.
    pub device: String,
    /// The models that it has.
    pub models: Vec<B256>,
}

impl Store {
    /// Says that a worker is there.
    pub async fn announce(&self, worker: &WorkerInfo) -> Result<(), StoreError> {
        let sql = "INSERT INTO workers (id, cores, memory_bytes, device, models, seen_ms) VALUES (?, ?, ?, ?, ?, \
            NOW()) ON CONFLICT (id) DO UPDATE SET seen_ms = excluded.seen_ms";
        self.query(sql)
            .bind(&worker.id)
            .bind(i64::from(worker.cores))
            .bind(i64::try_from(worker.memory_bytes).unwrap_or(i64::MAX))
            .bind(&worker.device)
            .bind(json!(worker.models).to_string())
            .execute(&self.pool)
            .await?;
        Ok(())
    }

    /// Says that a worker is gone.
    pub async fn retire(&self, id: &str) -> Result<(), StoreError> {
        self.query("DELETE FROM workers WHERE id = ?").bind(id).execute(&self.pool).await?;
        Ok(())
    }

    /// The workers that gave a sign of life in the last `within_ms`.
    pub async fn workers(&self, within_ms: i64) -> Result<Vec<WorkerInfo>, StoreError> {
        let rows = self
            .query("SELECT * FROM workers WHERE seen_ms >= NOW() - ? ORDER BY id")
            .bind(within_ms)
            .fetch_all(&self.pool)
            .await?;
        let number = |row: &sqlx::any::AnyRow, column: &'static str| -> Result<u64, StoreError> {
            u64::try_from(row.try_get::<i64, _>(column)?).map_err(|_| StoreError::Corrupt { column })
        };
        rows.iter()
            .map(|row| {
                Ok(WorkerInfo {
                    id: row.try_get("id")?,
                    cores: u32::try_from(number(row, "cores")?).map_err(|_| StoreError::Corrupt { column: "cores" })?,
                    memory_bytes: number(row, "memory_bytes")?,
                    device: row.try_get("device")?,
                    models: serde_json::from_str(row.try_get("models")?)
                        .map_err(|_| StoreError::Corrupt { column: "models" })?,
                })
            })
            .collect()
    }
}
