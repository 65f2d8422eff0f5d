//! Predictions that no order pays for and that are proven together. Each is claimed, begun and ended by itself: they
//! share no more than a proof, and are a batch only once that is there.

use alloy::primitives::B256;
use serde_json::json;

use super::batches::FREE;
use super::jobs::{claimed, transition_in};
use super::{Batch, Job, Lease, Patch, State, Statement, Store, StoreError, now_ms};

/// Of jobs in one state that wait as this one does, and were not tried before.
const COMPANY: &str = "state = ? AND model = ? AND company = ? AND attempts = 0 AND cancel_requested = 0";

impl Store {
    /// How many more jobs wait that may be proven with this one.
    pub async fn company_of(&self, job: &Job) -> Result<u32, StoreError> {
        let Some(company) = job.company else { return Ok(0) };
        let sql = format!("SELECT COUNT(*) FROM jobs WHERE {COMPANY} AND {FREE} AND seq <> ?");
        let query =
            self.scalar::<i64>(&sql).bind(job.state.as_str()).bind(job.model.to_string()).bind(company.to_string());
        Ok(u32::try_from(query.bind(job.seq).fetch_one(&self.pool).await?).unwrap_or(u32::MAX))
    }

    /// Takes up to so many of them, the oldest first.
    pub async fn claim_company(&self, job: &Job, most: u32, lease_ms: i64) -> Result<Vec<(Job, Lease)>, StoreError> {
        let Some(company) = job.company else { return Ok(Vec::new()) };
        let sql = format!(
            "UPDATE jobs SET lease_token = lease_token + 1, lease_until_ms = NOW() + ? WHERE seq IN (SELECT seq FROM \
             jobs WHERE {COMPANY} AND {FREE} AND seq <> ? ORDER BY seq LIMIT ? SKIP_LOCKED) RETURNING *"
        );
        let query = self
            .query(&sql)
            .bind(lease_ms)
            .bind(job.state.as_str())
            .bind(job.model.to_string())
            .bind(company.to_string());
        let rows = query.bind(job.seq).bind(i64::from(most)).fetch_all(&self.pool).await?;
        let mut taken = rows.iter().map(claimed).collect::<Result<Vec<_>, _>>()?;
        taken.sort_by_key(|(job, _)| job.seq);
        Ok(taken)
    }

    /// Keeps the proof of several jobs: free ones are proven, those with a payment are to be captured, and who asked
    /// for its end has it. Those that somebody else has taken meanwhile are left as they are. `context`: what the proof
    /// is bound to.
    pub async fn keep_together(
        &self,
        batch: &Batch,
        statement: &Statement,
        context: B256,
        proof: B256,
    ) -> Result<(), StoreError> {
        let mut tx = self.begin().await?;
        // the same jobs have had a proof before, if that was lost from the disk
        let sql = "INSERT INTO batches (id, jobs, statement, created_ms) VALUES (?, ?, ?, ?) \
                   ON CONFLICT (id) DO UPDATE SET jobs = excluded.jobs, statement = excluded.statement";
        tx.query(sql)
            .bind(&batch.id)
            .bind(i64::try_from(batch.jobs.len()).unwrap_or(i64::MAX))
            .bind(json!(statement).to_string())
            .bind(now_ms())
            .execute(tx.on())
            .await?;
        for (slot, (job, lease)) in batch.jobs.iter().zip(&batch.leases).enumerate() {
            let row =
                tx.query("SELECT * FROM jobs WHERE id = ? FOR_UPDATE").bind(&job.id).fetch_optional(tx.on()).await?;
            let Some(now) = row.as_ref().map(Job::from_row).transpose()? else { continue };
            let (next, patch) = match (now.payment.is_some(), now.cancel_requested) {
                (false, true) => (State::Cancelled, Patch::default()),
                (paid, _) => {
                    let event = Some(json!({ "proof_hash": proof, "batch": batch.jobs.len() }));
                    let patch = Patch { proof_hash: Some(proof), context: Some(context), event, ..Patch::default() };
                    (if paid { State::SettlementPending } else { State::Proven }, patch)
                }
            };
            match transition_in(&mut tx, &job.id, Some(lease), &[State::Proving], next, patch).await {
                Err(StoreError::LeaseLost | StoreError::WrongState { .. }) => continue,
                other => other?,
            };
            if next != State::Cancelled {
                let place = tx.query("UPDATE jobs SET batch = ?, slot = ? WHERE id = ?").bind(&batch.id);
                place.bind(i64::try_from(slot).unwrap_or(i64::MAX)).bind(&job.id).execute(tx.on()).await?;
            }
        }
        tx.commit().await?;
        self.notify();
        Ok(())
    }

    /// Takes a job out of the batch whose proof is gone: from then on its proof is bound to `context` again.
    pub async fn leave_batch(&self, lease: &Lease, context: B256) -> Result<(), StoreError> {
        let sql = "UPDATE jobs SET batch = NULL, slot = NULL, context = ? WHERE id = ? AND lease_token = ?";
        let done =
            self.query(sql).bind(context.to_string()).bind(&lease.job).bind(lease.token).execute(&self.pool).await?;
        if done.rows_affected() == 1 { Ok(()) } else { Err(StoreError::LeaseLost) }
    }
}
