//! The market's events as they were read from the chain, and the blocks up to which they were.

use alloy::primitives::B256;
use alloy::rpc::types::Log;
use serde::{Deserialize, Serialize};
use sqlx::Row;
use sqlx::any::AnyRow;

use super::{Store, StoreError, Tx};

/// How many of the latest checkpoints are kept: a chain that takes back more than these is read anew.
const CHECKPOINTS: i64 = 1000;

/// A block up to which (inclusive) everything was read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Checkpoint {
    /// Its number.
    pub block: u64,
    /// Its hash.
    pub hash: B256,
}

impl Checkpoint {
    fn from_row(row: &AnyRow) -> Result<Self, StoreError> {
        let (block, hash): (i64, String) = (row.try_get("block")?, row.try_get("hash")?);
        Ok(Self {
            block: u64::try_from(block).map_err(|_| StoreError::Corrupt { column: "block" })?,
            hash: hash.parse().map_err(|_| StoreError::Corrupt { column: "hash" })?,
        })
    }

    fn number(self) -> i64 {
        i64::try_from(self.block).unwrap_or(i64::MAX)
    }
}

/// What was read since a checkpoint.
#[derive(Clone, Debug)]
pub struct Indexed {
    /// Up to where.
    pub at: Checkpoint,
    /// Whether the chain has taken that checkpoint back, or there was none: then the events are all there are.
    pub anew: bool,
    /// The events, in their order.
    pub logs: Vec<Log>,
}

/// The latest checkpoint, in a transaction that no other process indexes beside.
async fn latest(tx: &mut Tx, market: &str) -> Result<Option<Checkpoint>, StoreError> {
    tx.alone(&format!("index {market}")).await?;
    tx.query(LATEST).bind(market).fetch_optional(tx.on()).await?.as_ref().map(Checkpoint::from_row).transpose()
}

/// The newest checkpoint of a market.
const LATEST: &str = "SELECT block, hash FROM market_blocks WHERE market = ? ORDER BY block DESC LIMIT 1";

impl Store {
    /// The latest checkpoint of a market.
    pub async fn latest_checkpoint(&self, market: &str) -> Result<Option<Checkpoint>, StoreError> {
        self.query(LATEST).bind(market).fetch_optional(&self.pool).await?.as_ref().map(Checkpoint::from_row).transpose()
    }

    /// The latest checkpoints of a market, the newest first.
    pub async fn checkpoints(&self, market: &str) -> Result<Vec<Checkpoint>, StoreError> {
        let sql = "SELECT block, hash FROM market_blocks WHERE market = ? ORDER BY block DESC";
        self.query(sql).bind(market).fetch_all(&self.pool).await?.iter().map(Checkpoint::from_row).collect()
    }

    /// Adds what was read between two checkpoints. `false`, and nothing is added, if `base` is not the latest any more:
    /// another process was faster.
    pub async fn index(
        &self,
        market: &str,
        base: Option<Checkpoint>,
        logs: &[Log],
        upto: Checkpoint,
    ) -> Result<bool, StoreError> {
        let mut tx = self.begin().await?;
        if latest(&mut tx, market).await? != base {
            return Ok(false);
        }
        for log in logs {
            let (block, position) = (log.block_number.unwrap_or(upto.block), log.log_index.unwrap_or_default());
            let json = serde_json::to_string(log).map_err(|_| StoreError::Corrupt { column: "log" })?;
            tx.query("INSERT INTO market_logs (market, block, position, log) VALUES (?, ?, ?, ?)")
                .bind(market)
                .bind(i64::try_from(block).unwrap_or(i64::MAX))
                .bind(i64::try_from(position).unwrap_or(i64::MAX))
                .bind(json)
                .execute(tx.on())
                .await?;
        }
        tx.query("INSERT INTO market_blocks (market, block, hash) VALUES (?, ?, ?)")
            .bind(market)
            .bind(upto.number())
            .bind(upto.hash.to_string())
            .execute(tx.on())
            .await?;
        let old = "DELETE FROM market_blocks WHERE market = ? AND block <= (SELECT block FROM market_blocks WHERE \
            market = ? ORDER BY block DESC LIMIT 1 OFFSET ?)";
        tx.query(old).bind(market).bind(market).bind(CHECKPOINTS).execute(tx.on()).await?;
        tx.commit().await?;
        Ok(true)
    }

    /// Forgets what was read after a checkpoint, or all of it, since the chain has taken it back.
    pub async fn unindex(&self, market: &str, to: Option<Checkpoint>) -> Result<(), StoreError> {
        let mut tx = self.begin().await?;
        tx.alone(&format!("index {market}")).await?;
        let last = to.map_or(-1, Checkpoint::number);
        for sql in [
            "DELETE FROM market_logs WHERE market = ? AND block > ?",
            "DELETE FROM market_blocks WHERE market = ? AND block > ?",
        ] {
            tx.query(sql).bind(market).bind(last).execute(tx.on()).await?;
        }
        tx.commit().await
    }

    /// What was read since a checkpoint; all of it if there was none. `None`: nothing was read yet.
    pub async fn indexed_since(&self, market: &str, known: Option<Checkpoint>) -> Result<Option<Indexed>, StoreError> {
        let mut tx = self.begin().await?;
        let Some(at) = latest(&mut tx, market).await? else { return Ok(None) };
        let still = match known {
            None => None,
            Some(known) => tx
                .query("SELECT 1 FROM market_blocks WHERE market = ? AND block = ? AND hash = ?")
                .bind(market)
                .bind(known.number())
                .bind(known.hash.to_string())
                .fetch_optional(tx.on())
                .await?
                .map(|_| known),
        };
        let sql = "SELECT log FROM market_logs WHERE market = ? AND block > ? ORDER BY block, position";
        let texts: Vec<String> =
            tx.scalar(sql).bind(market).bind(still.map_or(-1, Checkpoint::number)).fetch_all(tx.on()).await?;
        tx.commit().await?;
        let logs =
            texts.iter().map(|text| serde_json::from_str(text).map_err(|_| StoreError::Corrupt { column: "log" }));
        Ok(Some(Indexed { at, anew: still.is_none(), logs: logs.collect::<Result<_, _>>()? }))
    }
}
