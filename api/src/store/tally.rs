//! A seller's numbers.

use alloy::primitives::{B256, U256};
use serde::{Deserialize, Serialize};
use sqlx::Row;
use utoipa::ToSchema;

use super::job::State;
use super::{Store, StoreError};
use crate::routes::schemas::Hash;

/// How many of a model's jobs are in a state, and what their quotes say together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tally {
    /// The model.
    pub model: B256,
    /// The state.
    pub state: State,
    /// How many.
    pub jobs: u64,
    /// The sum of their prices.
    pub paid: U256,
}

/// A prediction that failed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct FailedJob {
    /// The prediction, which the operator can have run again.
    pub prediction: String,
    /// The model.
    #[schema(value_type = Hash)]
    pub model: B256,
    /// What went wrong: docs/api.md.
    pub error_code: Option<String>,
    /// In words.
    pub error_detail: Option<String>,
    /// When, milliseconds since the epoch.
    pub failed_ms: i64,
}

impl Store {
    /// The jobs of each model in each state.
    pub async fn tallies(&self) -> Result<Vec<Tally>, StoreError> {
        let sql = "SELECT model, state, QUOTED_PRICE AS price, COUNT(*) AS jobs FROM jobs GROUP BY model, state, \
            QUOTED_PRICE ORDER BY model, state";
        let mut tallies: Vec<Tally> = Vec::new();
        for row in self.query(sql).fetch_all(&self.pool).await? {
            let (model, state): (String, String) = (row.try_get("model")?, row.try_get("state")?);
            let model: B256 = model.parse().map_err(|_| StoreError::Corrupt { column: "model" })?;
            let state: State = state.parse().map_err(|_| StoreError::Corrupt { column: "state" })?;
            let jobs = u64::try_from(row.try_get::<i64, _>("jobs")?).unwrap_or_default();
            let price: Option<String> = row.try_get("price")?;
            let price: U256 = price
                .map_or(Ok(U256::ZERO), |text| text.parse())
                .map_err(|_| StoreError::Corrupt { column: "escrow" })?;
            // a database adds decimals that are longer than its numbers wrongly, so they are added here
            let paid = price.saturating_mul(U256::from(jobs));
            match tallies.last_mut().filter(|last| last.model == model && last.state == state) {
                Some(last) => (last.jobs, last.paid) = (last.jobs + jobs, last.paid.saturating_add(paid)),
                None => tallies.push(Tally { model, state, jobs, paid }),
            }
        }
        Ok(tallies)
    }

    /// The latest jobs that failed, the newest first.
    pub async fn failures(&self, limit: u32) -> Result<Vec<FailedJob>, StoreError> {
        let sql = "SELECT id, model, error_code, error_detail, updated_ms FROM jobs WHERE state = 'failed' ORDER BY \
            updated_ms DESC LIMIT ?";
        let rows = self.query(sql).bind(i64::from(limit)).fetch_all(&self.pool).await?;
        rows.iter()
            .map(|row| {
                let model: String = row.try_get("model")?;
                Ok(FailedJob {
                    prediction: row.try_get("id")?,
                    model: model.parse().map_err(|_| StoreError::Corrupt { column: "model" })?,
                    error_code: row.try_get("error_code")?,
                    error_detail: row.try_get("error_detail")?,
                    failed_ms: row.try_get("updated_ms")?,
                })
            })
            .collect()
    }
}
