//! Signed transactions: on disk before they are on the wire.

use alloy::primitives::{B256, Bytes};
use serde_json::json;
use sqlx::Row;

use super::events::append;
use super::{Lease, Store, StoreError};

/// What a transaction is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// Locks a job with collateral.
    Lock,
    /// Settles a job with its proof.
    Settle,
    /// Has the money of a payment held until the proof is there.
    Authorize,
    /// Moves the money of a payment that was authorised with the request.
    Capture,
}

impl Purpose {
    /// The name in the database and in events.
    pub const fn as_str(self) -> &'static str {
        match self {
            Purpose::Lock => "lock",
            Purpose::Settle => "settle",
            Purpose::Authorize => "authorize",
            Purpose::Capture => "capture",
        }
    }
}

/// A transaction that was signed and perhaps sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SavedTransaction {
    /// Its hash.
    pub hash: B256,
    /// Its nonce.
    pub nonce: u64,
    /// The signed bytes.
    pub raw: Bytes,
}

impl Store {
    /// Stores a signed transaction of held jobs, before it is sent. `subject`: the job's id, or that of the batch of
    /// these jobs. One that was mined in a block which the chain took back may be signed once more, bit by bit the
    /// same.
    pub async fn save_transaction(
        &self,
        subject: &str,
        leases: &[Lease],
        purpose: Purpose,
        signed: &SavedTransaction,
    ) -> Result<(), StoreError> {
        self.save_in_place(subject, leases, purpose, signed, None).await
    }

    /// The same for one that takes the place of another with the same nonce. That one may be mined all the same.
    pub async fn save_in_place(
        &self,
        subject: &str,
        leases: &[Lease],
        purpose: Purpose,
        signed: &SavedTransaction,
        of: Option<B256>,
    ) -> Result<(), StoreError> {
        let mut tx = self.begin().await?;
        for lease in leases {
            let token: Option<i64> = tx
                .scalar("SELECT lease_token FROM jobs WHERE id = ? FOR_UPDATE")
                .bind(&lease.job)
                .fetch_optional(tx.on())
                .await?;
            if token != Some(lease.token) {
                return Err(StoreError::LeaseLost);
            }
        }
        let first = leases.first().ok_or(StoreError::LeaseLost)?;
        if let Some(old) = of {
            let sql = "UPDATE transactions SET state = 'bumped' WHERE hash = ? AND state = 'pending'";
            tx.query(sql).bind(old.to_string()).execute(tx.on()).await?;
        }
        let sql = "INSERT INTO transactions (hash, job, subject, purpose, nonce, raw, state, created_ms) \
                   VALUES (?, ?, ?, ?, ?, ?, 'pending', NOW()) \
                   ON CONFLICT (hash) DO UPDATE SET state = 'pending', created_ms = excluded.created_ms";
        tx.query(sql)
            .bind(signed.hash.to_string())
            .bind(&first.job)
            .bind(subject)
            .bind(purpose.as_str())
            .bind(i64::try_from(signed.nonce).unwrap_or(i64::MAX))
            .bind(signed.raw.to_vec())
            .execute(tx.on())
            .await?;
        for lease in leases {
            append(&mut tx, &lease.job, "transaction", &json!({ "purpose": purpose.as_str(), "hash": signed.hash }))
                .await?;
        }
        tx.commit().await?;
        self.notify();
        Ok(())
    }

    /// How long ago a transaction was signed, in milliseconds.
    pub async fn transaction_age_ms(&self, hash: B256) -> Result<i64, StoreError> {
        let age: Option<i64> = self
            .scalar("SELECT NOW() - created_ms FROM transactions WHERE hash = ?")
            .bind(hash.to_string())
            .fetch_optional(&self.pool)
            .await?;
        Ok(age.unwrap_or(0))
    }

    /// The hashes of a transaction and of those with the same nonce that it took the place of, the newest first: at
    /// most one of them will be mined.
    pub async fn versions(&self, subject: &str, purpose: Purpose, nonce: u64) -> Result<Vec<B256>, StoreError> {
        let sql = "SELECT hash FROM transactions WHERE subject = ? AND purpose = ? AND nonce = ? AND state IN \
            ('pending', 'bumped') ORDER BY created_ms DESC";
        let nonce = i64::try_from(nonce).unwrap_or(i64::MAX);
        let hashes: Vec<String> =
            self.scalar(sql).bind(subject).bind(purpose.as_str()).bind(nonce).fetch_all(&self.pool).await?;
        hashes.iter().map(|hash| hash.parse().map_err(|_| StoreError::Corrupt { column: "hash" })).collect()
    }

    /// The pending transaction of a job, or of a batch, for `purpose`.
    pub async fn pending_transaction(
        &self,
        subject: &str,
        purpose: Purpose,
    ) -> Result<Option<SavedTransaction>, StoreError> {
        self.transaction_in("pending", subject, purpose).await
    }

    async fn transaction_in(
        &self,
        state: &str,
        subject: &str,
        purpose: Purpose,
    ) -> Result<Option<SavedTransaction>, StoreError> {
        let sql = "SELECT hash, nonce, raw FROM transactions WHERE subject = ? AND purpose = ? AND state = ? ORDER BY \
            nonce DESC LIMIT 1";
        let row = self.query(sql).bind(subject).bind(purpose.as_str()).bind(state).fetch_optional(&self.pool).await?;
        row.map(|row| {
            let hash: String = row.try_get("hash")?;
            let nonce: i64 = row.try_get("nonce")?;
            Ok(SavedTransaction {
                hash: hash.parse().map_err(|_| StoreError::Corrupt { column: "hash" })?,
                nonce: u64::try_from(nonce).map_err(|_| StoreError::Corrupt { column: "nonce" })?,
                raw: row.try_get::<Vec<u8>, _>("raw")?.into(),
            })
        })
        .transpose()
    }

    /// The latest transaction of a job, or of a batch, for `purpose` that was seen in a block. The chain may have taken
    /// the block back.
    pub async fn mined_transaction(
        &self,
        subject: &str,
        purpose: Purpose,
    ) -> Result<Option<SavedTransaction>, StoreError> {
        self.transaction_in("mined", subject, purpose).await
    }

    /// Notes that a transaction which was mined is in no block any more.
    pub async fn reopen_transaction(&self, hash: B256) -> Result<(), StoreError> {
        let sql = "UPDATE transactions SET state = 'pending', created_ms = NOW() WHERE hash = ? AND state = 'mined'";
        self.query(sql).bind(hash.to_string()).execute(&self.pool).await?;
        Ok(())
    }

    /// Records what became of a transaction: `mined`, `reverted`, or `replaced` if its nonce went to another. The other
    /// versions of it are replaced then.
    pub async fn close_transaction(&self, hash: B256, outcome: &'static str) -> Result<(), StoreError> {
        let hash = hash.to_string();
        let mut tx = self.begin().await?;
        tx.query("UPDATE transactions SET state = ? WHERE hash = ?").bind(outcome).bind(&hash).execute(tx.on()).await?;
        let sql = "UPDATE transactions SET state = 'replaced' WHERE hash <> ? AND state IN ('pending', 'bumped') AND \
            EXISTS (SELECT 1 FROM transactions this WHERE this.hash = ? AND this.subject = transactions.subject AND \
            this.purpose = transactions.purpose AND this.nonce = transactions.nonce)";
        tx.query(sql).bind(&hash).bind(&hash).execute(tx.on()).await?;
        tx.commit().await
    }

    /// All transactions of a job and of its batch as `(purpose, hash, state)`, oldest first.
    pub async fn transactions(&self, job: &str) -> Result<Vec<(String, B256, String)>, StoreError> {
        let sql = "SELECT purpose, hash, state FROM transactions WHERE subject = ? OR subject = (SELECT batch FROM \
            jobs WHERE id = ?) ORDER BY created_ms, nonce";
        let rows = self.query(sql).bind(job).bind(job).fetch_all(&self.pool).await?;
        rows.iter()
            .map(|row| {
                let hash: String = row.try_get("hash")?;
                Ok((
                    row.try_get("purpose")?,
                    hash.parse().map_err(|_| StoreError::Corrupt { column: "hash" })?,
                    row.try_get("state")?,
                ))
            })
            .collect()
    }
}
