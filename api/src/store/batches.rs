//! Jobs that are proven together and settled in one transaction.
//!
//! A batch is held as a whole: whoever claims it has a lease on each of its jobs, and they change state in one
//! transaction. Its proof is bound to exactly these jobs, so a batch that has lost one is dissolved, and what is left
//! of it is put together anew.

use alloy::primitives::{B256, Bytes};
use serde::{Deserialize, Serialize};
use serde_json::json;
use utoipa::ToSchema;

use super::events::append;
use super::jobs::{claimed, new_id, transition_in};
use super::{Job, Lease, Patch, State, Store, StoreError, Tx, now_ms};
use crate::routes::schemas::{Hash, Point};

/// What the proof of a batch states.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Statement {
    /// Hash of the verifying key.
    #[schema(value_type = Hash)]
    pub key_hash: B256,
    /// How many inferences the proof has. Those behind the last job fill it up.
    pub inferences: u32,
    /// The market's ids of its jobs, in the order of the proof; of predictions without an order, the Keccak-256 of
    /// their own ids.
    #[schema(value_type = Vec<Hash>)]
    pub jobs: Vec<B256>,
    /// Commitments to the inputs of all inferences, 64 bytes each.
    #[schema(value_type = Vec<Point>)]
    pub input_commitments: Vec<Bytes>,
    /// The outputs of all inferences.
    pub output_cells: Vec<i16>,
    /// The number of clamps in all inferences.
    pub clamps: u32,
}

/// A batch and a worker's hold on it.
#[derive(Clone, Debug)]
pub struct Batch {
    /// Its id.
    pub id: String,
    /// Its jobs, in the order of their places.
    pub jobs: Vec<Job>,
    /// The leases on them, in the same order.
    pub leases: Vec<Lease>,
}

/// Jobs that nobody holds and that are due.
pub(super) const FREE: &str = "lease_until_ms <= NOW() AND not_before_ms <= NOW()";
/// The lock of those who put batches together. One after the other, processes find the batches whole; at the same time,
/// each would get some of the jobs.
const CLAIMS: &str = "claims of batches";

impl Store {
    /// Takes the oldest batch that is due and has its jobs in one of `states`; where there is none, makes one of
    /// waiting jobs. `before`: only one whose oldest job is older than this (a `seq`). `wait_ms`: how long a job waits
    /// in the queue for others, unless there are enough. A job that failed before comes alone.
    pub async fn claim_batch(
        &self,
        states: &[State],
        before: Option<i64>,
        wait_ms: i64,
        lease_ms: i64,
    ) -> Result<Option<Batch>, StoreError> {
        if !self.has_batches(states).await? {
            return Ok(None); // without the write lock
        }
        let mut tx = self.begin().await?;
        tx.alone(CLAIMS).await?;
        let Some(first) = self.oldest(&mut tx, states, wait_ms).await? else { return Ok(None) };
        if before.is_some_and(|seq| seq < first.seq) {
            return Ok(None);
        }
        let found = match &first.batch {
            Some(id) => match whole(&mut tx, id).await? {
                Some(jobs) => Some((id.clone(), jobs)),
                None => return self.dissolve_in(tx, id).await.map(|()| None),
            },
            None => gather(&mut tx, &first, states).await?,
        };
        let Some((id, jobs)) = found else { return Ok(None) };
        let batch = take(&mut tx, id, jobs, lease_ms).await?;
        tx.commit().await?;
        Ok(Some(batch))
    }

    async fn has_batches(&self, states: &[State]) -> Result<bool, StoreError> {
        let sql = format!(
            "SELECT 1 FROM jobs WHERE inferences > 1 AND state IN ({}) AND {FREE} {} LIMIT 1",
            marks(states),
            self.ours()
        );
        let mut query = self.query(&sql);
        for state in states {
            query = query.bind(state.as_str());
        }
        for model in self.provable() {
            query = query.bind(model);
        }
        Ok(query.fetch_optional(&self.pool).await?.is_some())
    }

    /// The oldest job that a batch can begin with.
    async fn oldest(&self, tx: &mut Tx, states: &[State], wait_ms: i64) -> Result<Option<Job>, StoreError> {
        let enough = "(SELECT COUNT(*) FROM jobs other WHERE other.company = jobs.company AND other.state = 'queued' \
            AND other.batch IS NULL)";
        let sql = format!(
            "SELECT * FROM jobs WHERE inferences > 1 AND company IS NOT NULL AND state IN ({}) AND {FREE} {} \
             AND (batch IS NOT NULL OR state <> 'queued' OR updated_ms <= NOW() - ? OR {enough} >= inferences) ORDER \
             BY seq LIMIT 1",
            marks(states),
            self.ours()
        );
        let mut query = tx.query(&sql);
        for state in states {
            query = query.bind(state.as_str());
        }
        for model in self.provable() {
            query = query.bind(model);
        }
        let row = query.bind(wait_ms).fetch_optional(tx.on()).await?;
        row.as_ref().map(Job::from_row).transpose()
    }

    /// Holds all jobs of a batch for longer. [`StoreError::LeaseLost`] if one of them is somebody else's, or over.
    pub async fn extend_all(&self, leases: &[Lease], lease_ms: i64) -> Result<(), StoreError> {
        let mut tx = self.begin().await?;
        for lease in leases {
            let done = tx
                .query("UPDATE jobs SET lease_until_ms = NOW() + ? WHERE id = ? AND lease_token = ?")
                .bind(lease_ms)
                .bind(&lease.job)
                .bind(lease.token)
                .execute(tx.on())
                .await?;
            if done.rows_affected() != 1 {
                return Err(StoreError::LeaseLost);
            }
        }
        Ok(tx.commit().await?)
    }

    /// Lets all jobs of a batch go that were not let go of one by one.
    pub async fn release_all(&self, leases: &[Lease], delay_ms: i64) -> Result<(), StoreError> {
        let mut tx = self.begin().await?;
        for lease in leases {
            tx.query(
                "UPDATE jobs SET lease_until_ms = 0, not_before_ms = NOW() + ? WHERE id = ? AND lease_token = ? AND \
                 lease_until_ms > 0",
            )
            .bind(delay_ms)
            .bind(&lease.job)
            .bind(lease.token)
            .execute(tx.on())
            .await?;
        }
        Ok(tx.commit().await?)
    }

    /// Moves the jobs of a batch that are in one of `from` to `next`, all or none, each with its event.
    pub async fn transition_all(
        &self,
        batch: &Batch,
        from: &[State],
        next: State,
        patch: Patch,
    ) -> Result<Vec<Job>, StoreError> {
        let mut tx = self.begin().await?;
        let mut moved = Vec::with_capacity(batch.jobs.len());
        for (job, lease) in batch.jobs.iter().zip(&batch.leases) {
            moved.push(match from.contains(&job.state) {
                true => transition_in(&mut tx, &job.id, Some(lease), from, next, patch.clone()).await?,
                false => job.clone(),
            });
        }
        tx.commit().await?;
        self.notify();
        tracing::info!(batch = batch.id, jobs = moved.len(), state = %next, "a batch moves");
        Ok(moved)
    }

    /// Writes the same event for every held job.
    pub async fn note_all(&self, leases: &[Lease], kind: &str, data: &serde_json::Value) -> Result<(), StoreError> {
        let mut tx = self.begin().await?;
        for lease in leases {
            tx.hold(&lease.job).await?;
            append(&mut tx, &lease.job, kind, data).await?;
        }
        tx.commit().await?;
        self.notify();
        Ok(())
    }

    /// Keeps what the proof of a batch states.
    pub async fn save_statement(&self, batch: &str, statement: &Statement) -> Result<(), StoreError> {
        let text = json!(statement).to_string();
        self.query("UPDATE batches SET statement = ? WHERE id = ?").bind(text).bind(batch).execute(&self.pool).await?;
        Ok(())
    }

    /// What the proof of a batch states, once there is one.
    pub async fn statement(&self, batch: &str) -> Result<Option<Statement>, StoreError> {
        let text: Option<Option<String>> =
            self.scalar("SELECT statement FROM batches WHERE id = ?").bind(batch).fetch_optional(&self.pool).await?;
        let corrupt = |_| StoreError::Corrupt { column: "statement" };
        text.flatten().map(|text| serde_json::from_str(&text).map_err(corrupt)).transpose()
    }

    /// Lets the jobs of a batch that are not over find other company. Their proof, if there is one, is of no use any
    /// more. `leases`: those of the caller; if somebody else holds the batch by now, it is left as it is.
    pub async fn dissolve(&self, batch: &str, leases: &[Lease]) -> Result<(), StoreError> {
        let mut tx = self.begin().await?;
        for job in live(&mut tx, batch).await? {
            let mine = leases.iter().find(|lease| lease.job == job.id).map_or(0, |lease| lease.token);
            let others = tx
                .query("SELECT 1 FROM jobs WHERE id = ? AND lease_token <> ? AND lease_until_ms > NOW()")
                .bind(&job.id)
                .bind(mine);
            if others.fetch_optional(tx.on()).await?.is_some() {
                return Ok(());
            }
        }
        self.dissolve_in(tx, batch).await
    }

    async fn dissolve_in(&self, mut tx: Tx, batch: &str) -> Result<(), StoreError> {
        for job in live(&mut tx, batch).await? {
            if job.state == State::SettlementPending {
                transition_in(&mut tx, &job.id, None, &[State::SettlementPending], State::Proving, Patch::default())
                    .await?;
            }
            tx.query("UPDATE jobs SET batch = NULL, slot = NULL WHERE id = ?").bind(&job.id).execute(tx.on()).await?;
        }
        tx.commit().await?;
        self.notify();
        tracing::info!(batch, "a batch is dissolved");
        Ok(())
    }
}

fn marks(states: &[State]) -> String {
    vec!["?"; states.len()].join(", ")
}

/// The jobs of a batch that are not over, by their places.
async fn live(tx: &mut Tx, batch: &str) -> Result<Vec<Job>, StoreError> {
    let rows =
        tx.query("SELECT * FROM jobs WHERE batch = ? ORDER BY slot FOR_UPDATE").bind(batch).fetch_all(tx.on()).await?;
    let jobs = rows.iter().map(Job::from_row).collect::<Result<Vec<_>, _>>()?;
    Ok(jobs.into_iter().filter(|job| !job.state.is_terminal()).collect())
}

/// The jobs of a batch, if none of them is over, or those that are left of one that is paid for: all of it is then, but
/// the chain is asked about one job after the other.
async fn whole(tx: &mut Tx, batch: &str) -> Result<Option<Vec<Job>>, StoreError> {
    let count: i64 = tx.scalar("SELECT jobs FROM batches WHERE id = ?").bind(batch).fetch_one(tx.on()).await?;
    let jobs = live(tx, batch).await?;
    let paid = tx
        .query("SELECT 1 FROM jobs WHERE batch = ? AND state = 'settled' LIMIT 1")
        .bind(batch)
        .fetch_optional(tx.on())
        .await?;
    let left = paid.is_some() && jobs.iter().all(|job| job.state == State::SettlementPending);
    Ok((left || i64::try_from(jobs.len()) == Ok(count)).then_some(jobs))
}

/// A new batch of a job and those that may be proven with it. A job that failed before comes alone. `None`: others took
/// them meanwhile.
async fn gather(tx: &mut Tx, first: &Job, states: &[State]) -> Result<Option<(String, Vec<Job>)>, StoreError> {
    let (which, most) = match first.attempts {
        0 => ("company = (SELECT company FROM jobs WHERE seq = ?) AND attempts = 0", first.inferences),
        _ => ("seq = ?", 1),
    };
    let sql = format!(
        "SELECT * FROM jobs WHERE {which} AND batch IS NULL AND state IN ({}) AND {FREE} ORDER BY seq LIMIT ? \
         SKIP_LOCKED",
        marks(states)
    );
    let mut query = tx.query(&sql).bind(first.seq);
    for state in states {
        query = query.bind(state.as_str());
    }
    let rows = query.bind(i64::from(most)).fetch_all(tx.on()).await?;
    let jobs = rows.iter().map(Job::from_row).collect::<Result<Vec<_>, _>>()?;
    if jobs.is_empty() {
        return Ok(None);
    }
    let id = new_id();
    tx.query("INSERT INTO batches (id, jobs, created_ms) VALUES (?, ?, ?)")
        .bind(&id)
        .bind(i64::try_from(jobs.len()).unwrap_or(i64::MAX))
        .bind(now_ms())
        .execute(tx.on())
        .await?;
    Ok(Some((id, jobs)))
}

/// Leases the jobs of a batch, and gives them their places.
async fn take(tx: &mut Tx, id: String, jobs: Vec<Job>, lease_ms: i64) -> Result<Batch, StoreError> {
    let mut batch = Batch { id, jobs: Vec::with_capacity(jobs.len()), leases: Vec::with_capacity(jobs.len()) };
    for (slot, job) in jobs.iter().enumerate() {
        let row = tx
            .query(
                "UPDATE jobs SET batch = ?, slot = ?, lease_token = lease_token + 1, lease_until_ms = NOW() + ? WHERE \
                 seq = ? RETURNING *",
            )
            .bind(&batch.id)
            .bind(job.slot.unwrap_or(i64::try_from(slot).unwrap_or(i64::MAX)))
            .bind(lease_ms)
            .bind(job.seq)
            .fetch_one(tx.on())
            .await?;
        let (job, lease) = claimed(&row)?;
        batch.leases.push(lease);
        batch.jobs.push(job);
    }
    Ok(batch)
}
