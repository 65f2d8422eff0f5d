//! Durable jobs, in SQLite or PostgreSQL.
//!
//! Every change of a job's state is one transaction that also appends an event, so that the event stream, the audit
//! trail and the state can never disagree. A worker holds a job by a lease with a fencing token: a write that carries
//! an older token than the job's is refused, so a worker that was thought dead cannot undo what its successor did.

mod batches;
mod company;
mod dialect;
mod events;
mod failed;
mod history;
mod job;
mod jobs;
mod keep;
mod keys;
mod market;
mod payments;
mod postgres;
mod sqlite;
mod tally;
mod transactions;
mod unfunded;
mod webhooks;
mod workers;

pub use batches::{Batch, Statement};
pub use events::Event;
pub use history::Ended;
pub use job::{Company, Job, NewJob, State, Text, UnknownState};
pub use jobs::{Created, Lease, Patch};
pub use keys::{ApiKey, DayUse, NewKey, Scope, Tenant};
pub use market::{Checkpoint, Indexed};
pub use payments::NewPayment;
pub use postgres::News;
pub use tally::{FailedJob, Tally};
pub use transactions::{Purpose, SavedTransaction};
pub use unfunded::{Budget, Unfunded};
pub use webhooks::{Attempt, Delivery, DeliveryState, Due, Webhook};
pub use workers::WorkerInfo;

use std::path::Path;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::{SystemTime, UNIX_EPOCH};

use alloy::primitives::{Address, B256, U256};
use sqlx::any::{AnyArguments, AnyConnectOptions, AnyRow};
use sqlx::query::{Query, QueryScalar};
use sqlx::{Any, AnyConnection, AnyPool, ConnectOptions};
use tokio::sync::watch;

use dialect::Dialect;

use crate::metrics::PredictionTimes;

/// How much is written to see whether the database takes anything.
const PROBE_BYTES: usize = 16_384;

/// What the store refuses or cannot do.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// The database failed; a full disk lands here.
    #[error("the job database failed")]
    Database(#[from] sqlx::Error),
    /// The database is from another version of this program.
    #[error("the job database cannot be brought to this version")]
    Migrate(#[from] sqlx::migrate::MigrateError),
    /// The idempotency key was used for another request.
    #[error("the idempotency key was used for another request")]
    KeyReused,
    /// Too many orders wait for their money.
    #[error(
        "{waiting} orders {of} wait for their money, as many as may: fund one of them, or fund this order first and \
         send it then; an order that is funded is always taken"
    )]
    TooManyUnfunded {
        /// How many wait.
        waiting: i64,
        /// Of whom: of this client, or of all.
        of: &'static str,
    },
    /// A key has had its predictions of the day.
    #[error("this key may ask for {limit} predictions a day, and has; the next day begins in {secs} s")]
    QuotaSpent {
        /// How many it may ask for.
        limit: u32,
        /// Seconds until midnight, UTC.
        secs: u32,
    },
    /// No key has this id.
    #[error("no key has this id: `assay api-keys list` has them")]
    NoSuchKey,
    /// No webhook of the key has this id.
    #[error("no webhook of this key has this id")]
    NoSuchWebhook,
    /// The key has as many webhooks as it may.
    #[error("this key has {have} webhooks, as many as it may: remove one first")]
    TooManyWebhooks {
        /// How many.
        have: i64,
    },
    /// Another prediction was paid for with this authorisation.
    #[error("this authorisation pays for another prediction already")]
    PaymentReused,
    /// The payer's payments under way need more than the payer has.
    #[error("{payer} has {have} of the token, and its payments that are under way need {need}")]
    Overdrawn {
        /// Who pays.
        payer: Address,
        /// What the account has.
        have: U256,
        /// What it needs.
        need: U256,
    },
    /// Another prediction already uses this escrow.
    #[error("another prediction already uses this escrow")]
    EscrowReused,
    /// No job has this id.
    #[error("no such prediction")]
    NoSuchJob,
    /// A job that failed too long ago to be run again.
    #[error("its input was deleted since it failed more than a week ago: it cannot be run again")]
    InputForgotten,
    /// The job is not in a state from which this step is possible.
    #[error("the prediction is {state}")]
    WrongState {
        /// Its state.
        state: State,
    },
    /// Another worker took the job over.
    #[error("the lease on the prediction was lost")]
    LeaseLost,
    /// A stored value cannot be read back.
    #[error("column {column} of the job database is corrupt")]
    Corrupt {
        /// The column.
        column: &'static str,
    },
}

/// Milliseconds since the Unix epoch.
pub fn now_ms() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}

/// Milliseconds since the epoch as ISO 8601.
pub(crate) fn iso_time(ms: i64) -> String {
    chrono::DateTime::from_timestamp_millis(ms).unwrap_or_default().to_rfc3339_opts(chrono::SecondsFormat::Millis, true)
}

/// How a database is connected to. Statements are not logged, slow ones neither: they are whole pages, and under stress
/// all are slow.
fn quiet_options(url: &str) -> Result<AnyConnectOptions, sqlx::Error> {
    Ok(url.parse::<AnyConnectOptions>()?.disable_statement_logging())
}

/// A lock that only one process has. It is released when it is dropped, and when the process dies.
pub(crate) struct Exclusive(#[allow(dead_code)] Tx);

/// The job database: SQLite in a file, or a PostgreSQL that several machines share. Clones share it.
#[derive(Clone, Debug)]
pub struct Store {
    pool: AnyPool,
    dialect: Dialect,
    /// Most pages of an SQLite database; 0: as many as the disk takes.
    pages_max: Arc<AtomicU32>,
    /// The models whose jobs this process claims; all of them if it was not said.
    models: Arc<OnceLock<Vec<String>>>,
    /// Ticks after every committed event, for the streams that wait for one.
    changed: watch::Sender<u64>,
    /// How long the predictions took that this process brought to their end.
    times: Arc<PredictionTimes>,
}

/// A transaction.
pub(crate) struct Tx {
    inner: sqlx::Transaction<'static, Any>,
    dialect: Dialect,
    /// How long the predictions took, in milliseconds, that it brings to their end.
    ended_ms: Vec<u64>,
    times: Arc<PredictionTimes>,
}

impl Tx {
    fn query<'q>(&self, text: &str) -> Query<'q, Any, AnyArguments> {
        sqlx::query(self.dialect.sql(text))
    }

    fn scalar<'q, T>(&self, text: &str) -> QueryScalar<'q, Any, T, AnyArguments>
    where
        (T,): for<'r> sqlx::FromRow<'r, AnyRow>,
    {
        sqlx::query_scalar(self.dialect.sql(text))
    }

    fn on(&mut self) -> &mut AnyConnection {
        &mut self.inner
    }

    /// Waits until no other transaction has the lock of this name, and has it until its own end. SQLite's transactions
    /// have the whole database.
    async fn alone(&mut self, name: &str) -> Result<(), StoreError> {
        if self.dialect == Dialect::Postgres {
            let hash = alloy::primitives::keccak256(name);
            let key = i64::from_be_bytes(std::array::from_fn(|i| hash[i]));
            // what the function returns has no type that is read here
            self.query("SELECT CAST(pg_advisory_xact_lock(?) AS TEXT)").bind(key).execute(self.on()).await?;
        }
        Ok(())
    }

    /// Waits until no other transaction writes to this job: events of one job are committed in the order of their
    /// numbers.
    async fn hold(&mut self, job: &str) -> Result<(), StoreError> {
        if self.dialect == Dialect::Postgres {
            self.query("SELECT 1 FROM jobs WHERE id = ? FOR_UPDATE").bind(job).execute(self.on()).await?;
        }
        Ok(())
    }

    async fn commit(self) -> Result<(), StoreError> {
        self.inner.commit().await?;
        for ms in self.ended_ms {
            self.times.observe(ms);
        }
        Ok(())
    }
}

impl Store {
    /// Opens the database in a file, makes it if it does not exist, and brings its schema up to date.
    pub async fn open(path: &Path) -> Result<Self, StoreError> {
        let pages_max = Arc::new(AtomicU32::new(0));
        let pool = sqlite::pool(path, &pages_max).await?;
        sqlx::migrate!("./migrations").run(&pool).await?;
        Ok(Self {
            pool,
            dialect: Dialect::Sqlite,
            pages_max,
            models: Arc::default(),
            changed: watch::Sender::new(0),
            times: Arc::default(),
        })
    }

    /// Opens the database that an address names: `postgres://…`. `news`: what this process wants to hear of others.
    pub async fn connect(url: &str, news: News) -> Result<Self, StoreError> {
        let pool = postgres::pool(url).await?;
        sqlx::migrate!("./migrations/postgres").run(&pool).await?;
        let changed = watch::Sender::new(0);
        postgres::listen(url, news, &pool, changed.clone()).await?;
        Ok(Self {
            pool,
            dialect: Dialect::Postgres,
            pages_max: Arc::default(),
            models: Arc::default(),
            changed,
            times: Arc::default(),
        })
    }

    /// Claims no jobs of other models than these from now on: processes that share a database may have different ones.
    pub fn prove_only(&self, models: &[B256]) {
        let _ = self.models.set(models.iter().map(B256::to_string).collect()); // the first word counts
    }

    /// The models whose jobs this process claims, where that was said.
    fn provable(&self) -> Vec<String> {
        self.models.get().cloned().unwrap_or_default()
    }

    /// The condition that a job is of one of these models. Its parameters are [`Self::provable`].
    fn ours(&self) -> String {
        match self.models.get() {
            None => String::new(),
            Some(models) if models.is_empty() => "AND 1 = 0".to_owned(),
            Some(models) => format!("AND model IN ({})", vec!["?"; models.len()].join(", ")),
        }
    }

    /// Whether several processes may work on it.
    pub fn is_shared(&self) -> bool {
        self.dialect == Dialect::Postgres
    }

    fn query<'q>(&self, text: &str) -> Query<'q, Any, AnyArguments> {
        sqlx::query(self.dialect.sql(text))
    }

    fn scalar<'q, T>(&self, text: &str) -> QueryScalar<'q, Any, T, AnyArguments>
    where
        (T,): for<'r> sqlx::FromRow<'r, AnyRow>,
    {
        sqlx::query_scalar(self.dialect.sql(text))
    }

    /// Closes all connections.
    pub async fn close(&self) {
        self.pool.close().await;
    }

    /// Whether the database answers.
    pub async fn ping(&self) -> Result<(), StoreError> {
        self.query("SELECT 1").execute(&self.pool).await?;
        Ok(())
    }

    /// The database's time, milliseconds since the epoch: this machine's for the embedded one.
    pub async fn clock_ms(&self) -> Result<i64, StoreError> {
        Ok(self.scalar("SELECT NOW()").fetch_one(&self.pool).await?)
    }

    /// Whether the database takes what is new: writes some pages and takes them away again.
    pub async fn probe(&self) -> Result<(), StoreError> {
        let mut tx = self.begin().await?;
        tx.query("INSERT INTO probe (room) VALUES (?)").bind(vec![0u8; PROBE_BYTES]).execute(tx.on()).await?;
        tx.query("DELETE FROM probe").execute(tx.on()).await?;
        tx.commit().await?;
        Ok(())
    }

    /// Gives the log's room back to the disk: what is in it is moved into the database's own pages. On a full disk that
    /// can be all the room there is. It is tried and no more: a reader may hold the log.
    pub async fn make_room(&self) {
        if self.dialect == Dialect::Postgres {
            return;
        }
        if let Err(error) = self.query("PRAGMA wal_checkpoint(TRUNCATE)").execute(&self.pool).await {
            tracing::debug!(%error, "the log is not emptied");
        }
    }

    /// Bounds the database's size, in pages of 4096 bytes: what does not fit is refused as a full disk refuses it. 0
    /// takes the bound away.
    pub fn limit_pages(&self, pages: u32) {
        self.pages_max.store(pages, Ordering::Relaxed);
    }

    /// Changes whenever an event is committed by this process, and when another one has news for it.
    pub fn changes(&self) -> watch::Receiver<u64> {
        self.changed.subscribe()
    }

    /// How long the predictions took that this process brought to their end.
    pub fn times(&self) -> &PredictionTimes {
        &self.times
    }

    fn notify(&self) {
        self.changed.send_modify(|n| *n = n.wrapping_add(1));
    }

    /// A transaction. SQLite's takes the write lock at once: a read inside it cannot be outdated by the time it writes.
    async fn begin(&self) -> Result<Tx, StoreError> {
        let inner = match self.dialect {
            Dialect::Sqlite => self.pool.begin_with("BEGIN IMMEDIATE").await?,
            Dialect::Postgres => self.pool.begin().await?,
        };
        Ok(Tx { inner, dialect: self.dialect, ended_ms: Vec::new(), times: self.times.clone() })
    }

    /// While it is held, no other process that shares the database holds the same one. Within one process callers see
    /// to that.
    pub(crate) async fn exclusive(&self, name: &str) -> Result<Option<Exclusive>, StoreError> {
        if self.dialect == Dialect::Sqlite {
            return Ok(None); // the database is this process's alone
        }
        let mut tx = self.begin().await?;
        tx.alone(name).await?;
        Ok(Some(Exclusive(tx)))
    }

    /// The block up to which (inclusive) `name` was read.
    pub async fn cursor(&self, name: &str) -> Result<Option<u64>, StoreError> {
        let block: Option<i64> =
            self.scalar("SELECT block FROM cursors WHERE name = ?").bind(name).fetch_optional(&self.pool).await?;
        Ok(block.and_then(|b| u64::try_from(b).ok()))
    }

    /// Records that `name` was read up to `block`, inclusive.
    pub async fn set_cursor(&self, name: &str, block: u64) -> Result<(), StoreError> {
        self.query(
            "INSERT INTO cursors (name, block) VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET block = excluded.block",
        )
        .bind(name)
        .bind(i64::try_from(block).unwrap_or(i64::MAX))
        .execute(&self.pool)
        .await?;
        Ok(())
    }
}
