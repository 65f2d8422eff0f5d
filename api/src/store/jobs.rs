//! Jobs: made once per idempotency key, claimed by lease, moved from state to state.

use alloy::primitives::B256;
use serde_json::{Value, json};
use sqlx::Row;
use sqlx::any::AnyRow;

use super::events::append;
use super::job::{f32_bytes, i16_bytes};
use super::{Job, NewJob, State, Store, StoreError, Tx, now_ms, webhooks};

/// The answer to a request for a job.
#[derive(Clone, Debug)]
pub struct Created {
    /// The job.
    pub job: Job,
    /// Whether it is new; `false` if the idempotency key already had it.
    pub fresh: bool,
}

/// A worker's hold on a job.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lease {
    /// The job.
    pub job: String,
    /// The fencing token: greater than that of any earlier lease on the job.
    pub token: i64,
}

/// The job of a row that a claim has just changed, and the hold on it.
pub(super) fn claimed(row: &AnyRow) -> Result<(Job, Lease), StoreError> {
    let job = Job::from_row(row)?;
    let lease = Lease { job: job.id.clone(), token: row.try_get("lease_token")? };
    Ok((job, lease))
}

/// What a change of state also writes. Fields that are `None` stay as they are.
#[derive(Clone, Debug, Default)]
pub struct Patch {
    /// ABI-encoded data of the market's `JobFunded` event.
    pub funding: Option<Vec<u8>>,
    /// Of an order that is proven with others: hash of what they must share.
    pub company: Option<String>,
    /// The proof's binding context.
    pub context: Option<B256>,
    /// The proof's blob.
    pub proof_hash: Option<B256>,
    /// What became of a payment, as JSON.
    pub payment: Option<String>,
    /// Why it failed: a problem code and a sentence.
    pub error: Option<(&'static str, String)>,
    /// More fields for the event.
    pub event: Option<Value>,
}

impl Patch {
    /// The patch of a failure.
    pub fn error(code: &'static str, detail: impl std::fmt::Display) -> Self {
        Self { error: Some((code, detail.to_string())), ..Self::default() }
    }
}

pub(super) fn new_id() -> String {
    alloy::hex::encode(&B256::random()[..16])
}

impl Store {
    /// Stores a new job in `state`, or finds the one that the same idempotency key and request made before.
    pub async fn create(&self, new: &NewJob, state: State) -> Result<Created, StoreError> {
        match self.insert(new, state).await {
            // another process was quicker with the same key or escrow, and now it can be seen
            Err(StoreError::Database(sqlx::Error::Database(e))) if e.is_unique_violation() => {
                self.insert(new, state).await
            }
            other => other,
        }
    }

    async fn insert(&self, new: &NewJob, state: State) -> Result<Created, StoreError> {
        let mut tx = self.begin().await?;
        if let Some(key) = &new.idempotency_key
            && let Some(row) =
                tx.query("SELECT * FROM jobs WHERE idempotency_key = ?").bind(key).fetch_optional(tx.on()).await?
        {
            let hash: String = row.try_get("request_hash")?;
            if hash != new.request_hash.to_string() {
                return Err(StoreError::KeyReused);
            }
            return Ok(Created { job: Job::from_row(&row)?, fresh: false });
        }
        let chain_job = new.escrow.as_ref().map(|(_, id)| id.to_string());
        if let Some(chain_job) = &chain_job
            && tx
                .query("SELECT 1 FROM jobs WHERE chain_job = ?")
                .bind(chain_job)
                .fetch_optional(tx.on())
                .await?
                .is_some()
        {
            return Err(StoreError::EscrowReused);
        }
        if let Some(unfunded) = &new.unfunded {
            unfunded.check(&mut tx).await?;
        }
        if let Some(payment) = &new.payment {
            payment.check(&mut tx).await?;
        }
        if let Some(tenant) = &new.tenant {
            tenant.count(&mut tx).await?;
        }
        let (id, now) = (new_id(), now_ms());
        let blinding: Vec<u8> = new.input.blinding.iter().flat_map(|b| b.0).collect();
        let commitments: Vec<u8> = new.input_commitments.iter().flat_map(|c| c.iter().copied()).collect();
        let row = tx
            .query(
                "INSERT INTO jobs (id, idempotency_key, request_hash, model, input, blinding, input_commitments, \
             output_cells, output_real, outside, clamped, clamps, inferences, company, escrow, chain_job, state, \
             context, cancel_after_ms, client, fund_until, funded, tenant, payment, payment_id, payer, hold_open, \
             trace, text, created_ms, updated_ms) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, \
             ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) RETURNING *",
            )
            .bind(&id)
            .bind(&new.idempotency_key)
            .bind(new.request_hash.to_string())
            .bind(new.model.to_string())
            .bind(f32_bytes(&new.input.data))
            .bind(blinding)
            .bind(commitments)
            .bind(i16_bytes(&new.output_cells))
            .bind(f32_bytes(&new.output_real))
            .bind(i64::try_from(new.outside).unwrap_or(i64::MAX))
            .bind(json!(new.clamped).to_string())
            .bind(i64::from(new.clamps))
            .bind(i64::from(new.inferences))
            .bind(new.company.map(|company| company.to_string()))
            .bind(new.escrow.as_ref().map(|(json, _)| json.clone()))
            .bind(chain_job)
            .bind(state.as_str())
            .bind(new.context.map(|c| c.to_string()))
            .bind(new.cancel_after_ms)
            .bind(new.unfunded.as_ref().map(|u| u.client.clone()))
            .bind(new.unfunded.as_ref().map(|u| i64::try_from(u.until).unwrap_or(i64::MAX)))
            .bind(i64::from(new.escrow.is_some() && new.unfunded.is_none()))
            .bind(new.tenant.as_ref().map(|tenant| tenant.key.clone()))
            .bind(new.payment.as_ref().map(|new| json!(new.payment).to_string()))
            .bind(new.payment.as_ref().map(|new| new.payment.id()))
            .bind(new.payment.as_ref().map(|new| new.payment.payer.to_string()))
            .bind(i64::from(new.payment.as_ref().is_some_and(|new| new.payment.hold().is_some())))
            .bind(&new.trace)
            .bind(new.text.map(|text| json!(text).to_string()))
            .bind(now)
            .bind(now)
            .fetch_one(tx.on())
            .await?;
        append(&mut tx, &id, "state", &json!({ "state": state })).await?;
        tx.commit().await?;
        self.notify();
        tracing::info!(job = id, %state, paid = new.escrow.is_some() || new.payment.is_some(), model = %new.model, "a new prediction");
        Ok(Created { job: Job::from_row(&row)?, fresh: true })
    }

    /// The job with this id.
    pub async fn job(&self, id: &str) -> Result<Job, StoreError> {
        let row = self.query("SELECT * FROM jobs WHERE id = ?").bind(id).fetch_optional(&self.pool).await?;
        Job::from_row(&row.ok_or(StoreError::NoSuchJob)?)
    }

    /// What an idempotency key already stands for: the request's hash and the job.
    pub async fn by_key(&self, key: &str) -> Result<Option<(B256, Job)>, StoreError> {
        let row =
            self.query("SELECT * FROM jobs WHERE idempotency_key = ?").bind(key).fetch_optional(&self.pool).await?;
        row.map(|row| {
            let hash: String = row.try_get("request_hash")?;
            Ok((hash.parse().map_err(|_| StoreError::Corrupt { column: "request_hash" })?, Job::from_row(&row)?))
        })
        .transpose()
    }

    /// The job that uses this escrow.
    pub async fn by_chain_job(&self, chain_job: B256) -> Result<Option<Job>, StoreError> {
        let row = self
            .query("SELECT * FROM jobs WHERE chain_job = ?")
            .bind(chain_job.to_string())
            .fetch_optional(&self.pool)
            .await?;
        row.as_ref().map(Job::from_row).transpose()
    }

    /// Up to `limit` jobs older than `before` (a `seq`), newest first: all, or those in one state, or those of one key.
    pub async fn list(
        &self,
        state: Option<State>,
        tenant: Option<&str>,
        before: Option<i64>,
        limit: u32,
    ) -> Result<Vec<Job>, StoreError> {
        let rows = self
            .query(
                "SELECT * FROM jobs WHERE seq < ? AND (state = ? OR ? = 1) AND (tenant = ? OR ? = 1) ORDER BY seq \
                DESC LIMIT ?",
            )
            .bind(before.unwrap_or(i64::MAX))
            .bind(state.map(State::as_str))
            .bind(i64::from(state.is_none()))
            .bind(tenant)
            .bind(i64::from(tenant.is_none()))
            .bind(i64::from(limit))
            .fetch_all(&self.pool)
            .await?;
        rows.iter().map(Job::from_row).collect()
    }

    /// All paid jobs that are not over, oldest first; also orders that wait for their money.
    pub async fn live_escrows(&self) -> Result<Vec<Job>, StoreError> {
        let rows = self
            .query(
                "SELECT * FROM jobs WHERE chain_job IS NOT NULL AND \
             state IN ('awaiting_payment', 'queued', 'locking', 'proving', 'settlement_pending') ORDER BY seq",
            )
            .fetch_all(&self.pool)
            .await?;
        rows.iter().map(Job::from_row).collect()
    }

    /// How many jobs are in each state.
    pub async fn counts(&self) -> Result<Vec<(State, i64)>, StoreError> {
        let rows = self.query("SELECT state, COUNT(*) AS n FROM jobs GROUP BY state").fetch_all(&self.pool).await?;
        rows.iter()
            .map(|row| {
                let state: String = row.try_get("state")?;
                Ok((state.parse().map_err(|_| StoreError::Corrupt { column: "state" })?, row.try_get("n")?))
            })
            .collect()
    }

    /// For how many seconds the oldest job of each state has been in it, of those that wait for the prover or for their
    /// settlement.
    pub async fn oldest_in_state(&self) -> Result<Vec<(State, i64)>, StoreError> {
        let sql = "SELECT state, (NOW() - MIN(updated_ms)) / 1000 AS secs FROM jobs WHERE state IN ('queued', \
            'settlement_pending') GROUP BY state";
        let rows = self.query(sql).fetch_all(&self.pool).await?;
        rows.iter()
            .map(|row| {
                let state: String = row.try_get("state")?;
                Ok((state.parse().map_err(|_| StoreError::Corrupt { column: "state" })?, row.try_get("secs")?))
            })
            .collect()
    }

    /// How many of the latest paid jobs that this server worked on failed in a row, and when the newest of them did.
    pub async fn failures_in_a_row(&self) -> Result<(u32, i64), StoreError> {
        let rows = self
            .query(
                "SELECT state, updated_ms FROM jobs WHERE (chain_job IS NOT NULL OR payment IS NOT NULL) AND state IN \
             ('settled', 'failed') ORDER BY updated_ms DESC, seq DESC LIMIT 16",
            )
            .fetch_all(&self.pool)
            .await?;
        let (mut failures, mut latest) = (0, 0);
        for row in &rows {
            if row.try_get::<String, _>("state")? != State::Failed.as_str() {
                break;
            }
            failures += 1;
            latest = latest.max(row.try_get("updated_ms")?);
        }
        Ok((failures, latest))
    }

    /// Takes the oldest job that is in one of `states`, due, held by nobody, and proven alone. `paid`: only paid (or
    /// only free) jobs.
    pub async fn claim(
        &self,
        states: &[State],
        paid: Option<bool>,
        lease_ms: i64,
    ) -> Result<Option<(Job, Lease)>, StoreError> {
        let marks = vec!["?"; states.len()].join(", ");
        let paid = match paid {
            None => "",
            Some(true) => "AND (chain_job IS NOT NULL OR payment IS NOT NULL)",
            Some(false) => "AND chain_job IS NULL AND payment IS NULL",
        };
        let sql = format!(
            "UPDATE jobs SET lease_token = lease_token + 1, lease_until_ms = NOW() + ? WHERE seq = (SELECT seq FROM \
             jobs WHERE state IN ({marks}) AND inferences = 1 AND lease_until_ms <= NOW() AND not_before_ms <= NOW() \
             {paid} {} ORDER BY seq LIMIT 1 SKIP_LOCKED) RETURNING *",
            self.ours()
        );
        let mut query = self.query(&sql).bind(lease_ms);
        for state in states {
            query = query.bind(state.as_str());
        }
        for model in self.provable() {
            query = query.bind(model);
        }
        query.fetch_optional(&self.pool).await?.as_ref().map(claimed).transpose()
    }

    /// The oldest job (its `seq`) in a state that is due, held by nobody, and proven alone.
    pub async fn oldest_alone(&self, state: State) -> Result<Option<i64>, StoreError> {
        let ours = self.ours();
        let sql = format!(
            "SELECT MIN(seq) FROM jobs WHERE state = ? AND inferences = 1 AND lease_until_ms <= NOW() AND \
             not_before_ms <= NOW() {ours}"
        );
        let mut query = self.scalar(&sql).bind(state.as_str());
        for model in self.provable() {
            query = query.bind(model);
        }
        Ok(query.fetch_one(&self.pool).await?)
    }

    /// Holds a job for longer. [`StoreError::LeaseLost`] if somebody else has it.
    pub async fn extend(&self, lease: &Lease, lease_ms: i64) -> Result<(), StoreError> {
        let done = self
            .query("UPDATE jobs SET lease_until_ms = NOW() + ? WHERE id = ? AND lease_token = ?")
            .bind(lease_ms)
            .bind(&lease.job)
            .bind(lease.token)
            .execute(&self.pool)
            .await?;
        if done.rows_affected() == 1 { Ok(()) } else { Err(StoreError::LeaseLost) }
    }

    /// Lets a job go, not to be claimed before `delay_ms` have passed. `failed` counts an attempt.
    pub async fn release(&self, lease: &Lease, delay_ms: i64, failed: bool) -> Result<(), StoreError> {
        self.query(
            "UPDATE jobs SET lease_until_ms = 0, not_before_ms = NOW() + ?, attempts = attempts + ? WHERE id = ? AND \
             lease_token = ?",
        )
        .bind(delay_ms)
        .bind(i64::from(failed))
        .bind(&lease.job)
        .bind(lease.token)
        .execute(&self.pool)
        .await?;
        Ok(())
    }

    /// Ends all leases. Only for a process that has the data folder to itself, when it starts.
    pub async fn break_leases(&self) -> Result<(), StoreError> {
        self.query(
            "UPDATE jobs SET lease_until_ms = 0, not_before_ms = 0, lease_token = lease_token + 1 WHERE \
            lease_until_ms > 0 OR not_before_ms > 0",
        )
        .execute(&self.pool)
        .await?;
        Ok(())
    }

    /// Moves a job to `next`, in one transaction with its event. With a lease, only as its holder; without one (the
    /// owner's cancellation, the chain's word), whoever holds the job loses it.
    pub async fn transition(
        &self,
        id: &str,
        lease: Option<&Lease>,
        from: &[State],
        next: State,
        patch: Patch,
    ) -> Result<Job, StoreError> {
        let mut tx = self.begin().await?;
        let job = transition_in(&mut tx, id, lease, from, next, patch).await?;
        tx.commit().await?;
        self.notify();
        Ok(job)
    }

    /// Asks whoever works on the job to stop; the worker ends it. [`StoreError::WrongState`] if it is over.
    pub async fn request_cancel(&self, id: &str) -> Result<Job, StoreError> {
        let mut tx = self.begin().await?;
        let row = tx
            .query("UPDATE jobs SET cancel_requested = 1 WHERE id = ? RETURNING *")
            .bind(id)
            .fetch_optional(tx.on())
            .await?;
        let job = Job::from_row(&row.ok_or(StoreError::NoSuchJob)?)?;
        if job.state.is_terminal() {
            return Err(StoreError::WrongState { state: job.state });
        }
        append(&mut tx, id, "cancel_requested", &json!({})).await?;
        tx.commit().await?;
        self.notify();
        Ok(job)
    }

    /// Unlocked jobs whose `Cancel-After` has passed, and free ones in any live state.
    pub async fn overdue(&self) -> Result<Vec<Job>, StoreError> {
        let rows = self
            .query(
                "SELECT * FROM jobs WHERE cancel_after_ms <= ? AND cancel_requested = 0 AND \
             (state IN ('awaiting_payment', 'queued') OR (state = 'proving' AND chain_job IS NULL))",
            )
            .bind(now_ms())
            .fetch_all(&self.pool)
            .await?;
        rows.iter().map(Job::from_row).collect()
    }
}

/// [`Store::transition`] as a part of a transaction.
pub(super) async fn transition_in(
    tx: &mut Tx,
    id: &str,
    lease: Option<&Lease>,
    from: &[State],
    next: State,
    patch: Patch,
) -> Result<Job, StoreError> {
    let row = tx
        .query("SELECT state, lease_token FROM jobs WHERE id = ? FOR_UPDATE")
        .bind(id)
        .fetch_optional(tx.on())
        .await?;
    let row = row.ok_or(StoreError::NoSuchJob)?;
    if lease.is_some_and(|l| row.try_get::<i64, _>("lease_token").is_ok_and(|token| token != l.token)) {
        return Err(StoreError::LeaseLost);
    }
    let state: String = row.try_get("state")?;
    let state: State = state.parse().map_err(|_| StoreError::Corrupt { column: "state" })?;
    if !from.contains(&state) || !state.may_become(next) {
        return Err(StoreError::WrongState { state });
    }
    let (code, detail) = patch.error.unzip();
    let over = next.is_terminal();
    let forget = over && next != State::Failed;
    let row = tx
        .query(
            "UPDATE jobs SET state = ?, updated_ms = NOW(), funding = COALESCE(?, funding), company = COALESCE(?, \
             company), context = COALESCE(?, context), proof_hash = COALESCE(?, proof_hash), payment = COALESCE(?, \
             payment), error_code = COALESCE(?, error_code), error_detail = COALESCE(?, error_detail), not_before_ms = \
             0, client = NULL, lease_token = lease_token + ?, lease_until_ms = CASE WHEN ? = 1 THEN 0 ELSE \
             lease_until_ms END, input = CASE WHEN ? = 1 THEN NULL ELSE input END, blinding = CASE WHEN ? = 1 THEN \
             NULL ELSE blinding END WHERE id = ? RETURNING *",
        )
        .bind(next.as_str())
        .bind(patch.funding)
        .bind(patch.company)
        .bind(patch.context.map(|c| c.to_string()))
        .bind(patch.proof_hash.map(|h| h.to_string()))
        .bind(patch.payment)
        .bind(code)
        .bind(detail.clone())
        .bind(i64::from(lease.is_none()))
        .bind(i64::from(over || lease.is_none()))
        .bind(i64::from(forget))
        .bind(i64::from(forget))
        .bind(id)
        .fetch_one(tx.on())
        .await?;
    let why = code.map(|code| format!("{code}: {}", detail.as_deref().unwrap_or_default()));
    let mut event = json!({ "state": next });
    if let Some(map) = event.as_object_mut() {
        if let Some(code) = code {
            map.insert("error".into(), json!({ "code": code, "detail": detail }));
        }
        if let Some(Value::Object(more)) = patch.event {
            map.extend(more);
        }
    }
    append(tx, id, "state", &event).await?;
    tracing::info!(job = id, from = %state, state = %next, why, "a prediction moves");
    let job = Job::from_row(&row)?;
    if matches!(next, State::Settled | State::Proven) {
        tx.ended_ms.extend(u64::try_from(job.updated_ms - job.created_ms));
    }
    if over {
        webhooks::enqueue(tx, &job).await?;
    }
    Ok(job)
}
