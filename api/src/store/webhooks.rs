//! Webhooks and their messages. A message is written in the transaction that ends its prediction, so that none is lost.

use alloy::primitives::B256;
use assay_prover::secret::Secret;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use sqlx::Row;
use sqlx::any::AnyRow;
use utoipa::ToSchema;

use super::{Job, Store, StoreError, Tx, iso_time};

/// Most webhooks of one key.
const EACH_MAX: i64 = 10;

/// Where a client wants to be told. The secret is shown once, when it is made.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Webhook {
    /// Its id.
    pub id: String,
    /// Where messages are posted.
    pub url: String,
    /// When it was made, milliseconds since the epoch.
    pub created_ms: i64,
    /// When it was switched off, since its receiver said that it is gone (410).
    pub disabled_ms: Option<i64>,
}

/// What became of a message so far.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum DeliveryState {
    /// It is tried, now or again later.
    Pending,
    /// The receiver took it.
    Delivered,
    /// It was tried for the last time.
    Failed,
}

impl DeliveryState {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Pending, Self::Delivered, Self::Failed];

    /// The name in the database and on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Delivered => "delivered",
            Self::Failed => "failed",
        }
    }
}

/// A message, as its sender lists it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Delivery {
    /// Its id: the header `webhook-id`, the same in each attempt.
    pub id: String,
    /// The prediction that it is about.
    pub prediction: String,
    /// What became of it.
    pub state: DeliveryState,
    /// Attempts so far.
    pub attempts: u32,
    /// What went wrong in the latest attempt.
    pub error: Option<String>,
    /// When it was written, milliseconds since the epoch.
    pub created_ms: i64,
}

/// A message that is due, with all that it takes to send it.
#[derive(Clone, Debug)]
pub struct Due {
    /// Its id.
    pub id: String,
    /// The webhook's id.
    pub webhook: String,
    /// The prediction that it is about.
    pub job: String,
    /// Where it goes.
    pub url: String,
    /// What signs it: `whsec_` and base64.
    pub secret: Secret<String>,
    /// What is posted.
    pub body: String,
    /// Attempts, with the one that follows.
    pub attempts: u32,
}

/// What came of an attempt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Attempt {
    /// The receiver took the message.
    Delivered,
    /// It did not; the next attempt is so much later.
    Again {
        /// Milliseconds.
        after_ms: i64,
        /// Why.
        error: String,
    },
    /// It did not, for the last time.
    Failed {
        /// Why.
        error: String,
    },
    /// The receiver is gone for good: so is the webhook.
    Gone,
}

/// The condition that a message is due, and no other one of its webhook is on its way.
const DUE: &str = "state = 'pending' AND next_ms <= NOW() AND lease_until_ms <= NOW() AND NOT EXISTS (SELECT 1 FROM \
    deliveries other WHERE other.webhook = deliveries.webhook AND other.lease_until_ms > NOW())";

fn read(row: &AnyRow) -> Result<Webhook, StoreError> {
    Ok(Webhook {
        id: row.try_get("id")?,
        url: row.try_get("url")?,
        created_ms: row.try_get("created_ms")?,
        disabled_ms: row.try_get("disabled_ms")?,
    })
}

fn attempts(row: &AnyRow) -> Result<u32, StoreError> {
    u32::try_from(row.try_get::<i64, _>("attempts")?).map_err(|_| StoreError::Corrupt { column: "attempts" })
}

/// What a message says. Whoever gets it asks the service for the rest.
fn message(job: &Job) -> Value {
    json!({
        "type": format!("prediction.{}", job.state),
        "timestamp": iso_time(job.updated_ms),
        "data": {
            "id": job.id, "model": job.model, "state": job.state, "job_id": job.chain_job, "proof_hash": job.proof_hash,
            "error_code": job.error.as_ref().map(|(code, _)| code), "url": format!("/v1/predictions/{}", job.id),
        },
    })
}

/// Writes the messages that a prediction is over, one for each webhook of its key. A key that was revoked is told
/// nothing.
pub(super) async fn enqueue(tx: &mut Tx, job: &Job) -> Result<(), StoreError> {
    let Some(tenant) = &job.tenant else { return Ok(()) };
    let sql = "SELECT webhooks.id FROM webhooks JOIN api_keys ON api_keys.id = webhooks.tenant \
               WHERE webhooks.tenant = ? AND webhooks.disabled_ms IS NULL AND api_keys.revoked_ms IS NULL";
    let hooks: Vec<String> = tx.scalar(sql).bind(tenant).fetch_all(tx.on()).await?;
    for hook in hooks {
        let sql =
            "INSERT INTO deliveries (id, webhook, job, body, state, created_ms) VALUES (?, ?, ?, ?, 'pending', NOW())";
        tx.query(sql)
            .bind(format!("msg_{}", alloy::hex::encode(&B256::random()[..16])))
            .bind(hook)
            .bind(&job.id)
            .bind(message(job).to_string())
            .execute(tx.on())
            .await?;
    }
    Ok(())
}

impl Store {
    /// Registers a webhook of a key.
    pub async fn make_webhook(&self, tenant: &str, url: &str, secret: &str) -> Result<Webhook, StoreError> {
        let mut tx = self.begin().await?;
        tx.alone("webhooks").await?;
        let have: i64 =
            tx.scalar("SELECT COUNT(*) FROM webhooks WHERE tenant = ?").bind(tenant).fetch_one(tx.on()).await?;
        if have >= EACH_MAX {
            return Err(StoreError::TooManyWebhooks { have });
        }
        let sql = "INSERT INTO webhooks (id, tenant, url, secret, created_ms) VALUES (?, ?, ?, ?, NOW()) RETURNING *";
        let id = format!("wh_{}", alloy::hex::encode(&B256::random()[..8]));
        let row = tx.query(sql).bind(id).bind(tenant).bind(url).bind(secret).fetch_one(tx.on()).await?;
        tx.commit().await?;
        read(&row)
    }

    /// The webhooks of a key, the oldest first.
    pub async fn webhooks(&self, tenant: &str) -> Result<Vec<Webhook>, StoreError> {
        let sql = "SELECT * FROM webhooks WHERE tenant = ? ORDER BY created_ms, id";
        let rows = self.query(sql).bind(tenant).fetch_all(&self.pool).await?;
        rows.iter().map(read).collect()
    }

    /// Removes a webhook of a key, with its messages.
    pub async fn remove_webhook(&self, tenant: &str, id: &str) -> Result<(), StoreError> {
        let mut tx = self.begin().await?;
        let sql = "SELECT 1 FROM webhooks WHERE id = ? AND tenant = ? FOR_UPDATE";
        if tx.query(sql).bind(id).bind(tenant).fetch_optional(tx.on()).await?.is_none() {
            return Err(StoreError::NoSuchWebhook);
        }
        for sql in ["DELETE FROM deliveries WHERE webhook = ?", "DELETE FROM webhooks WHERE id = ?"] {
            tx.query(sql).bind(id).execute(tx.on()).await?;
        }
        tx.commit().await
    }

    /// The latest messages of a webhook of a key, the newest first.
    pub async fn deliveries(&self, tenant: &str, webhook: &str, limit: u32) -> Result<Vec<Delivery>, StoreError> {
        let sql = "SELECT 1 FROM webhooks WHERE id = ? AND tenant = ?";
        if self.query(sql).bind(webhook).bind(tenant).fetch_optional(&self.pool).await?.is_none() {
            return Err(StoreError::NoSuchWebhook);
        }
        let sql = "SELECT * FROM deliveries WHERE webhook = ? ORDER BY created_ms DESC, id LIMIT ?";
        let rows = self.query(sql).bind(webhook).bind(i64::from(limit)).fetch_all(&self.pool).await?;
        rows.iter()
            .map(|row| {
                let name: String = row.try_get("state")?;
                let state = DeliveryState::ALL.into_iter().find(|state| state.as_str() == name);
                Ok(Delivery {
                    id: row.try_get("id")?,
                    prediction: row.try_get("job")?,
                    state: state.ok_or(StoreError::Corrupt { column: "state" })?,
                    attempts: attempts(row)?,
                    error: row.try_get("error")?,
                    created_ms: row.try_get("created_ms")?,
                })
            })
            .collect()
    }

    /// Takes the message that has been due for the longest. A webhook has one on its way at a time, so that a receiver
    /// who takes its time holds up nobody else.
    pub async fn claim_delivery(&self, lease_ms: i64) -> Result<Option<Due>, StoreError> {
        // lanes look all the time, and most of the time nothing is due: that must not be a write
        if self
            .query(&format!("SELECT 1 FROM deliveries WHERE {DUE} LIMIT 1"))
            .fetch_optional(&self.pool)
            .await?
            .is_none()
        {
            return Ok(None);
        }
        let sql = format!(
            "UPDATE deliveries SET lease_until_ms = NOW() + ?, attempts = attempts + 1 WHERE id = (SELECT id FROM \
             deliveries WHERE {DUE} ORDER BY next_ms, created_ms LIMIT 1 SKIP_LOCKED) RETURNING *"
        );
        let Some(row) = self.query(&sql).bind(lease_ms).fetch_optional(&self.pool).await? else { return Ok(None) };
        let webhook: String = row.try_get("webhook")?;
        let hook = self
            .query("SELECT url, secret FROM webhooks WHERE id = ?")
            .bind(&webhook)
            .fetch_optional(&self.pool)
            .await?;
        let Some(hook) = hook else { return Ok(None) }; // it was removed just now, and its messages with it
        Ok(Some(Due {
            id: row.try_get("id")?,
            webhook,
            job: row.try_get("job")?,
            url: hook.try_get("url")?,
            secret: hook.try_get::<String, _>("secret")?.into(),
            body: row.try_get("body")?,
            attempts: attempts(&row)?,
        }))
    }

    /// Writes down what came of an attempt.
    pub async fn close_delivery(&self, due: &Due, attempt: Attempt) -> Result<(), StoreError> {
        let mut tx = self.begin().await?;
        if attempt == Attempt::Gone {
            let sql = "UPDATE webhooks SET disabled_ms = NOW() WHERE id = ?";
            tx.query(sql).bind(&due.webhook).execute(tx.on()).await?;
            let sql = "UPDATE deliveries SET state = 'failed', lease_until_ms = 0, error = 'the receiver is gone' \
                WHERE webhook = ? AND state = 'pending'";
            tx.query(sql).bind(&due.webhook).execute(tx.on()).await?;
            return tx.commit().await;
        }
        let (state, after_ms, error) = match attempt {
            Attempt::Delivered => (DeliveryState::Delivered, 0, None),
            Attempt::Again { after_ms, error } => (DeliveryState::Pending, after_ms, Some(error)),
            Attempt::Failed { error } => (DeliveryState::Failed, 0, Some(error)),
            Attempt::Gone => return Ok(()),
        };
        let sql = "UPDATE deliveries SET state = ?, lease_until_ms = 0, next_ms = NOW() + ?, error = ? WHERE id = ?";
        tx.query(sql).bind(state.as_str()).bind(after_ms).bind(error).bind(&due.id).execute(tx.on()).await?;
        tx.commit().await
    }

    /// How many messages are in each state.
    pub async fn delivery_counts(&self) -> Result<Vec<(DeliveryState, i64)>, StoreError> {
        let rows =
            self.query("SELECT state, COUNT(*) AS n FROM deliveries GROUP BY state").fetch_all(&self.pool).await?;
        let mut counts = Vec::new();
        for row in &rows {
            let (name, n): (String, i64) = (row.try_get("state")?, row.try_get("n")?);
            counts.extend(DeliveryState::ALL.into_iter().find(|state| state.as_str() == name).map(|state| (state, n)));
        }
        Ok(counts)
    }

    /// Forgets messages that were delivered, or given up, so long ago.
    pub async fn forget_deliveries(&self, after_ms: i64) -> Result<u64, StoreError> {
        let sql = "DELETE FROM deliveries WHERE state <> 'pending' AND created_ms <= NOW() - ?";
        Ok(self.query(sql).bind(after_ms).execute(&self.pool).await?.rows_affected())
    }
}
