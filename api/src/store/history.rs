//! What everybody may know of the predictions that are over: how they ended, how long they took and what was paid. No
//! ids: who knows one may read the prediction.

use alloy::primitives::B256;
use serde::{Deserialize, Serialize};
use sqlx::Row;
use utoipa::ToSchema;

use super::job::State;
use super::{Store, StoreError};
use crate::routes::schemas::{Amount, Hash};

/// A prediction that is over.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Ended {
    /// The model.
    #[schema(value_type = Hash)]
    pub model: B256,
    /// How it ended.
    pub state: State,
    /// The price in the token's smallest unit; null if it was free.
    #[schema(value_type = Option<Amount>)]
    pub price: Option<String>,
    /// When it was asked for, milliseconds since the epoch.
    pub created_ms: i64,
    /// When it ended.
    pub ended_ms: i64,
}

impl Store {
    /// The latest predictions that are over, the newest first.
    pub async fn ended(&self, limit: u32) -> Result<Vec<Ended>, StoreError> {
        let over: Vec<String> =
            State::ALL.iter().filter(|state| state.is_terminal()).map(|state| format!("'{state}'")).collect();
        let sql = format!(
            "SELECT model, state, QUOTED_PRICE AS price, created_ms, updated_ms FROM jobs WHERE state IN ({}) \
             ORDER BY updated_ms DESC LIMIT ?",
            over.join(", ")
        );
        let rows = self.query(&sql).bind(i64::from(limit)).fetch_all(&self.pool).await?;
        rows.iter()
            .map(|row| {
                let (model, state): (String, String) = (row.try_get("model")?, row.try_get("state")?);
                Ok(Ended {
                    model: model.parse().map_err(|_| StoreError::Corrupt { column: "model" })?,
                    state: state.parse().map_err(|_| StoreError::Corrupt { column: "state" })?,
                    price: row.try_get("price")?,
                    created_ms: row.try_get("created_ms")?,
                    ended_ms: row.try_get("updated_ms")?,
                })
            })
            .collect()
    }
}
