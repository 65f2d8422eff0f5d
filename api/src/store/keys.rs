//! Keys of clients who are known: what each may do, how often, and how much of that is used.
//!
//! A key is `assay_`, its id, `_` and 256 random bits. The database has its hash, so that a copy of the database opens
//! nothing.

use alloy::primitives::{B256, keccak256};
use assay_prover::secret::Secret;
use serde::{Deserialize, Serialize};
use serde_json::json;
use sqlx::Row;
use sqlx::any::AnyRow;
use utoipa::ToSchema;

use super::{Store, StoreError, Tx};

/// What every key begins with.
const PREFIX: &str = "assay_";
/// Milliseconds of a day. Days begin at midnight, UTC.
const DAY_MS: i64 = 86_400_000;

/// What a key allows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Scope {
    /// Ask for quotes, commitments, verifications and predictions, and withdraw one's own predictions.
    Predict,
    /// Read and list one's own predictions.
    Read,
    /// Register webhooks for one's own predictions, and remove them.
    Webhooks,
    /// What the operator may do: read all predictions, and run those that failed again.
    Operate,
}

impl Scope {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Predict, Self::Read, Self::Webhooks, Self::Operate];

    /// The name on the wire and in the database.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Predict => "predict",
            Self::Read => "read",
            Self::Webhooks => "webhooks",
            Self::Operate => "operate",
        }
    }
}

impl std::fmt::Display for Scope {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

impl std::str::FromStr for Scope {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        let known = Self::ALL.into_iter().find(|scope| scope.as_str() == name);
        known.ok_or_else(|| format!("there is no such scope; there are {}", Self::ALL.map(Self::as_str).join(", ")))
    }
}

/// A key that is to be made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewKey {
    /// Whose it is, for people.
    pub name: String,
    /// What it allows.
    pub scopes: Vec<Scope>,
    /// Most requests in a minute; `None`: any number.
    pub per_minute: Option<u32>,
    /// Most predictions in a day; `None`: any number.
    pub per_day: Option<u32>,
}

/// A key, without what opens it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ApiKey {
    /// Its id, which stands in the key itself.
    pub id: String,
    /// Whose it is, for people.
    pub name: String,
    /// What it allows.
    pub scopes: Vec<Scope>,
    /// Most requests in a minute; `None`: any number.
    pub per_minute: Option<u32>,
    /// Most predictions in a day; `None`: any number.
    pub per_day: Option<u32>,
    /// When it was made, milliseconds since the epoch.
    pub created_ms: i64,
    /// When it was revoked, if it was.
    pub revoked_ms: Option<i64>,
}

/// Whose a new prediction is, and how many more they may ask for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tenant {
    /// The key's id.
    pub key: String,
    /// Most predictions in a day.
    pub per_day: Option<u32>,
}

/// How much of a day's predictions is left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DayUse {
    /// Predictions asked for since midnight.
    pub used: u32,
    /// Seconds until the next midnight.
    pub resets_secs: u32,
}

fn number(row: &AnyRow, column: &'static str) -> Result<Option<u32>, StoreError> {
    let stored: Option<i64> = row.try_get(column)?;
    stored.map(|n| u32::try_from(n).map_err(|_| StoreError::Corrupt { column })).transpose()
}

fn read(row: &AnyRow) -> Result<ApiKey, StoreError> {
    Ok(ApiKey {
        id: row.try_get("id")?,
        name: row.try_get("name")?,
        scopes: serde_json::from_str(row.try_get("scopes")?).map_err(|_| StoreError::Corrupt { column: "scopes" })?,
        per_minute: number(row, "per_minute")?,
        per_day: number(row, "per_day")?,
        created_ms: row.try_get("created_ms")?,
        revoked_ms: row.try_get("revoked_ms")?,
    })
}

fn resets_secs(now_ms: i64) -> u32 {
    u32::try_from((DAY_MS - now_ms.rem_euclid(DAY_MS)).div_euclid(1000)).unwrap_or_default().max(1)
}

impl Tenant {
    /// Counts one more prediction, or refuses it.
    pub(super) async fn count(&self, tx: &mut Tx) -> Result<(), StoreError> {
        let now_ms: i64 = tx.scalar("SELECT NOW()").fetch_one(tx.on()).await?;
        let sql = "INSERT INTO key_usage (key_id, day, predictions) VALUES (?, ?, 1) \
                   ON CONFLICT (key_id, day) DO UPDATE SET predictions = key_usage.predictions + 1 RETURNING \
                   predictions";
        let used: i64 = tx.scalar(sql).bind(&self.key).bind(now_ms.div_euclid(DAY_MS)).fetch_one(tx.on()).await?;
        match self.per_day {
            Some(limit) if used > i64::from(limit) => Err(StoreError::QuotaSpent { limit, secs: resets_secs(now_ms) }),
            _ => Ok(()),
        }
    }
}

impl Store {
    /// Makes a key. What is returned beside it is the key as its owner uses it: it is shown once and stored nowhere.
    pub async fn make_key(&self, new: &NewKey) -> Result<(ApiKey, Secret<String>), StoreError> {
        let id = alloy::hex::encode(&B256::random()[..8]);
        let whole: Secret<String> = format!("{PREFIX}{id}_{}", alloy::hex::encode(B256::random())).into();
        let sql = "INSERT INTO api_keys (id, hash, name, scopes, per_minute, per_day, created_ms) VALUES (?, ?, ?, ?, \
            ?, ?, NOW()) RETURNING *";
        let row = self
            .query(sql)
            .bind(&id)
            .bind(keccak256(whole.as_bytes()).to_string())
            .bind(&new.name)
            .bind(json!(new.scopes).to_string())
            .bind(new.per_minute.map(i64::from))
            .bind(new.per_day.map(i64::from))
            .fetch_one(&self.pool)
            .await?;
        Ok((read(&row)?, whole))
    }

    /// All keys, the oldest first, revoked ones too.
    pub async fn keys(&self) -> Result<Vec<ApiKey>, StoreError> {
        let rows = self.query("SELECT * FROM api_keys ORDER BY created_ms, id").fetch_all(&self.pool).await?;
        rows.iter().map(read).collect()
    }

    /// Ends a key, at once and for ever. Its predictions go on. Revoking it again changes nothing.
    pub async fn revoke_key(&self, id: &str) -> Result<ApiKey, StoreError> {
        let sql = "UPDATE api_keys SET revoked_ms = COALESCE(revoked_ms, NOW()) WHERE id = ? RETURNING *";
        let row = self.query(sql).bind(id).fetch_optional(&self.pool).await?;
        read(&row.ok_or(StoreError::NoSuchKey)?)
    }

    /// The key that a client shows, unless it is unknown or revoked.
    pub async fn key(&self, shown: &str) -> Result<Option<ApiKey>, StoreError> {
        let Some((id, _)) = shown.strip_prefix(PREFIX).and_then(|rest| rest.split_once('_')) else { return Ok(None) };
        let sql = "SELECT * FROM api_keys WHERE id = ? AND hash = ? AND revoked_ms IS NULL";
        let row = self.query(sql).bind(id).bind(keccak256(shown).to_string()).fetch_optional(&self.pool).await?;
        row.as_ref().map(read).transpose()
    }

    /// How many predictions a key asked for since midnight, UTC.
    pub async fn used_today(&self, key: &str) -> Result<DayUse, StoreError> {
        let now_ms: i64 = self.scalar("SELECT NOW()").fetch_one(&self.pool).await?;
        let sql = "SELECT predictions FROM key_usage WHERE key_id = ? AND day = ?";
        let used: Option<i64> =
            self.scalar(sql).bind(key).bind(now_ms.div_euclid(DAY_MS)).fetch_optional(&self.pool).await?;
        Ok(DayUse { used: u32::try_from(used.unwrap_or(0)).unwrap_or(u32::MAX), resets_secs: resets_secs(now_ms) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_day_ends_at_midnight() {
        assert_eq!(resets_secs(0), 86_400);
        assert_eq!(resets_secs(DAY_MS - 1), 1, "never nought");
        assert_eq!(resets_secs(DAY_MS + 60_000), 86_340);
    }

    #[test]
    fn scopes_have_names() {
        for scope in Scope::ALL {
            assert_eq!(scope.as_str().parse(), Ok(scope));
            assert_eq!(json!(scope), json!(scope.as_str()));
        }
        assert!("everything".parse::<Scope>().unwrap_err().contains("predict, read"));
    }
}
