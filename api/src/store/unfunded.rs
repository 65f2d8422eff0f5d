//! Orders that wait for their money: how many each client may have, and which of them the chain is asked about.

use alloy::primitives::B256;

use sqlx::Row;

use super::{Job, Store, StoreError, Tx};

/// How many orders may wait for their money.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Budget {
    /// Of one client.
    pub per_client: u32,
    /// Of all clients together.
    pub all: u32,
}

/// An order that nobody has paid for yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unfunded {
    /// Who sent it.
    pub client: String,
    /// Until when it can be paid for, unix seconds.
    pub until: u64,
    /// How many there may be.
    pub budget: Budget,
}

const WAITING: &str = "state = 'awaiting_payment' AND funded = 0";

impl Unfunded {
    /// Refuses one order too many.
    pub(super) async fn check(&self, tx: &mut Tx) -> Result<(), StoreError> {
        // several servers count one after the other, until what they count is written
        tx.alone("orders that wait for their money").await?;
        let sql = format!("SELECT COUNT(*) FROM jobs WHERE {WAITING} AND client = ?");
        let mine: i64 = tx.scalar(&sql).bind(&self.client).fetch_one(tx.on()).await?;
        if mine >= i64::from(self.budget.per_client) {
            return Err(StoreError::TooManyUnfunded { waiting: mine, of: "of this client" });
        }
        let sql = format!("SELECT COUNT(*) FROM jobs WHERE {WAITING}");
        let all: i64 = tx.scalar(&sql).fetch_one(tx.on()).await?;
        if all >= i64::from(self.budget.all) {
            return Err(StoreError::TooManyUnfunded { waiting: all, of: "of all clients together" });
        }
        Ok(())
    }
}

impl Store {
    /// Whether a client has spent its budget: what is asked before any work is done for it.
    pub async fn has_spent(&self, client: &str, budget: Budget) -> Result<bool, StoreError> {
        let sql = format!("SELECT COUNT(*), COUNT(*) FILTER (WHERE client = ?) FROM jobs WHERE {WAITING}");
        let row = self.query(&sql).bind(client).fetch_one(&self.pool).await?;
        let (all, mine): (i64, i64) = (row.try_get(0)?, row.try_get(1)?);
        Ok(mine >= i64::from(budget.per_client) || all >= i64::from(budget.all))
    }

    /// Notes that the market has an order's money, or may have it, so that the watcher looks.
    pub async fn mark_funded(&self, id: &str) -> Result<(), StoreError> {
        self.query("UPDATE jobs SET funded = 1 WHERE id = ?").bind(id).execute(&self.pool).await?;
        Ok(())
    }

    /// How many predictions wait for the prover: those whose money is in the market, and unless they are counted alone
    /// (`paid`) free ones.
    pub async fn queued(&self, paid: bool) -> Result<i64, StoreError> {
        let sql = "SELECT COUNT(*) FROM jobs WHERE (state = 'queued' OR (state = 'awaiting_payment' AND funded = 1)) \
            AND (chain_job IS NOT NULL OR payment IS NOT NULL OR ? = 0)";
        Ok(self.scalar(sql).bind(i64::from(paid)).fetch_one(&self.pool).await?)
    }

    /// How many paid predictions of a model wait for the prover.
    pub async fn waiting(&self, model: B256) -> Result<i64, StoreError> {
        let sql = "SELECT COUNT(*) FROM jobs WHERE model = ? AND chain_job IS NOT NULL \
                   AND (state IN ('queued', 'locking') OR (state = 'awaiting_payment' AND funded = 1))";
        Ok(self.scalar(sql).bind(model.to_string()).fetch_one(&self.pool).await?)
    }

    /// Paid jobs that are to be compared with the market, oldest first: those whose money may be there. `all`: also
    /// those under way.
    pub async fn funded_escrows(&self, all: bool) -> Result<Vec<Job>, StoreError> {
        let under_way = if all { "state IN ('queued', 'locking', 'proving', 'settlement_pending') OR" } else { "" };
        let sql = format!(
            "SELECT * FROM jobs WHERE chain_job IS NOT NULL AND ({under_way} (state = 'awaiting_payment' AND funded = \
             1)) ORDER BY seq"
        );
        let rows = self.query(&sql).fetch_all(&self.pool).await?;
        rows.iter().map(Job::from_row).collect()
    }

    /// The time until which the next unfunded order can be paid for, unix seconds; `None` if there is no such order.
    pub async fn next_lapse(&self) -> Result<Option<u64>, StoreError> {
        let sql = format!("SELECT MIN(fund_until) FROM jobs WHERE {WAITING}");
        let first: Option<i64> = self.scalar(&sql).fetch_one(&self.pool).await?;
        Ok(first.and_then(|secs| u64::try_from(secs).ok()))
    }

    /// Up to `limit` unfunded orders that could be paid for until before `now`, unix seconds.
    pub async fn lapsed(&self, now: u64, limit: u32) -> Result<Vec<Job>, StoreError> {
        let sql = format!("SELECT * FROM jobs WHERE {WAITING} AND fund_until < ? ORDER BY fund_until LIMIT ?");
        let now = i64::try_from(now).unwrap_or(i64::MAX);
        let rows = self.query(&sql).bind(now).bind(i64::from(limit)).fetch_all(&self.pool).await?;
        rows.iter().map(Job::from_row).collect()
    }
}
