//! How long jobs are kept, and copies of the database.

use std::path::Path;

use alloy::primitives::B256;
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{ConnectOptions, Connection, Row};

use super::{Store, StoreError};

/// States after which a job can be forgotten.
const OVER: &str = "state IN ('settled', 'proven', 'failed', 'cancelled', 'refunded', 'expired')";

impl Store {
    /// Forgets up to `limit` jobs that were over before `before_ms`, with their events and transactions. Returns how
    /// many there were, and the proofs that no other job has.
    pub async fn purge(&self, before_ms: i64, limit: u32) -> Result<(usize, Vec<B256>), StoreError> {
        let mut tx = self.begin().await?;
        let sql = format!(
            "SELECT id, proof_hash, batch FROM jobs WHERE {OVER} AND updated_ms < ? ORDER BY updated_ms LIMIT ?"
        );
        let rows = tx.query(&sql).bind(before_ms).bind(i64::from(limit)).fetch_all(tx.on()).await?;
        let mut proofs = Vec::new();
        for row in &rows {
            let id: String = row.try_get("id")?;
            for sql in [
                "DELETE FROM events WHERE job = ?",
                "DELETE FROM transactions WHERE job = ?",
                "DELETE FROM jobs WHERE id = ?",
            ] {
                tx.query(sql).bind(&id).execute(tx.on()).await?;
            }
            let batch: Option<String> = row.try_get("batch")?;
            tx.query("DELETE FROM batches WHERE id = ? AND NOT EXISTS (SELECT 1 FROM jobs WHERE batch = batches.id)")
                .bind(batch)
                .execute(tx.on())
                .await?;
            proofs.extend(row.try_get::<Option<String>, _>("proof_hash")?);
        }
        let mut alone = Vec::new();
        for hash in proofs {
            let other = tx.query("SELECT 1 FROM jobs WHERE proof_hash = ?").bind(&hash).fetch_optional(tx.on()).await?;
            if other.is_none() {
                alone.push(hash.parse().map_err(|_| StoreError::Corrupt { column: "proof_hash" })?);
            }
        }
        tx.commit().await?;
        Ok((rows.len(), alone))
    }

    /// Copies the database at `from`, which a server may be working on, to a new file: as it is at one moment.
    pub async fn copy(from: &Path, to: &Path) -> Result<(), StoreError> {
        let mut connection = SqliteConnectOptions::new().filename(from).create_if_missing(false).connect().await?;
        let copied =
            sqlx::query("VACUUM INTO ?").bind(to.to_string_lossy().into_owned()).execute(&mut connection).await;
        connection.close().await?;
        copied?;
        Ok(())
    }
}
