//! Durable jobs in SQLite.
//!
//! Every change of a job's state is one transaction that also appends an event, so that the event stream, the audit trail and the
//! state can never disagree. A worker holds a job by a lease with a fencing token: a write that carries an older token than the
//! job's is refused, so a worker that was thought dead cannot undo what its successor did.

mod batches;
mod events;
mod history;
mod job;
mod jobs;
mod keep;
mod transactions;
mod unfunded;

pub use batches::{Batch, Statement};
pub use events::Event;
pub use history::Ended;
pub use job::{Job, NewJob, State, UnknownState};
pub use jobs::{Created, Lease, Patch};
pub use transactions::{Purpose, SavedTransaction};
pub use unfunded::{Budget, Unfunded};

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use sqlx::sqlite::SqliteConnection;
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous};
use sqlx::{Connection, SqlitePool};
use tokio::sync::watch;

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
        "{waiting} orders {of} wait for their money, as many as may: fund one of them, or fund this order first and send it then; \
         an order that is funded is always taken"
    )]
    TooManyUnfunded {
        /// How many wait.
        waiting: i64,
        /// Of whom: of this client, or of all.
        of: &'static str,
    },
    /// Another prediction already uses this escrow.
    #[error("another prediction already uses this escrow")]
    EscrowReused,
    /// No job has this id.
    #[error("no such prediction")]
    NoSuchJob,
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

/// Bounds the size of the database as this connection sees it, in pages. SQLite forgets it with the connection.
async fn limit(connection: &mut SqliteConnection, pages: u32) -> Result<(), sqlx::Error> {
    // the largest that SQLite knows stands for no bound
    let pages = if pages == 0 { u32::MAX - 1 } else { pages };
    sqlx::query(sqlx::AssertSqlSafe(format!("PRAGMA max_page_count = {pages}"))).execute(connection).await.map(drop)
}

/// Milliseconds since the Unix epoch.
pub fn now_ms() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}

/// The job database. Clones share it.
#[derive(Clone, Debug)]
pub struct Store {
    pool: SqlitePool,
    /// Most pages of the database; 0: as many as the disk takes.
    pages_max: Arc<AtomicU32>,
    /// Ticks after every committed event, for the streams that wait for one.
    changed: watch::Sender<u64>,
}

impl Store {
    /// Opens the database, makes it if it does not exist, and brings its schema up to date.
    pub async fn open(path: &Path) -> Result<Self, StoreError> {
        let options = SqliteConnectOptions::new()
            .filename(path)
            .create_if_missing(true)
            .foreign_keys(true)
            .journal_mode(SqliteJournalMode::Wal)
            // FULL, since a transaction's hash must be on disk before the transaction is sent
            .synchronous(SqliteSynchronous::Full)
            // a log that grew once does not keep its room
            .pragma("journal_size_limit", "4194304")
            .busy_timeout(Duration::from_secs(10));
        let pages_max = Arc::new(AtomicU32::new(0));
        let [fresh, idle] = [pages_max.clone(), pages_max.clone()];
        let pool = SqlitePoolOptions::new()
            .max_connections(8)
            .after_connect(move |connection, _| Box::pin(limit(connection, fresh.load(Ordering::Relaxed))))
            .before_acquire(move |connection, _| {
                let pages = idle.load(Ordering::Relaxed);
                Box::pin(async move { limit(connection, pages).await.map(|()| true) })
            })
            // where the disk is full, SQLite rolls back by itself, and the connection still counts itself into a transaction: every
            // later use of it would fail. The ping waits for a rollback that is on its way
            .after_release(|connection, _| Box::pin(async move { Ok(connection.ping().await.is_ok() && !connection.is_in_transaction()) }))
            .connect_with(options)
            .await?;
        sqlx::migrate!("./migrations").run(&pool).await?;
        Ok(Self { pool, pages_max, changed: watch::Sender::new(0) })
    }

    /// Closes all connections.
    pub async fn close(&self) {
        self.pool.close().await;
    }

    /// Whether the database answers.
    pub async fn ping(&self) -> Result<(), StoreError> {
        sqlx::query("SELECT 1").execute(&self.pool).await?;
        Ok(())
    }

    /// Whether the database takes what is new: writes some pages and takes them away again.
    pub async fn probe(&self) -> Result<(), StoreError> {
        let mut tx = self.begin().await?;
        sqlx::query("INSERT INTO probe (room) VALUES (zeroblob(16384))").execute(&mut *tx).await?;
        sqlx::query("DELETE FROM probe").execute(&mut *tx).await?;
        tx.commit().await?;
        Ok(())
    }

    /// Gives the log's room back to the disk: what is in it is moved into the database's own pages. On a full disk that
    /// can be all the room there is. It is tried and no more: a reader may hold the log.
    pub async fn make_room(&self) {
        if let Err(error) = sqlx::query("PRAGMA wal_checkpoint(TRUNCATE)").execute(&self.pool).await {
            tracing::debug!(%error, "the log is not emptied");
        }
    }

    /// Bounds the database's size, in pages of 4096 bytes: what does not fit is refused as a full disk refuses it. 0 takes the bound away.
    pub fn limit_pages(&self, pages: u32) {
        self.pages_max.store(pages, Ordering::Relaxed);
    }

    /// Changes whenever an event is committed by this process.
    pub fn changes(&self) -> watch::Receiver<u64> {
        self.changed.subscribe()
    }

    fn notify(&self) {
        self.changed.send_modify(|n| *n = n.wrapping_add(1));
    }

    /// A transaction that takes the write lock at once: a read inside it cannot be outdated by the time it writes.
    async fn begin(&self) -> Result<sqlx::Transaction<'static, sqlx::Sqlite>, StoreError> {
        Ok(self.pool.begin_with("BEGIN IMMEDIATE").await?)
    }

    /// The block up to which (inclusive) `name` was read.
    pub async fn cursor(&self, name: &str) -> Result<Option<u64>, StoreError> {
        let block: Option<i64> =
            sqlx::query_scalar("SELECT block FROM cursors WHERE name = ?").bind(name).fetch_optional(&self.pool).await?;
        Ok(block.and_then(|b| u64::try_from(b).ok()))
    }

    /// Records that `name` was read up to `block`, inclusive.
    pub async fn set_cursor(&self, name: &str, block: u64) -> Result<(), StoreError> {
        sqlx::query("INSERT INTO cursors (name, block) VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET block = excluded.block")
            .bind(name)
            .bind(i64::try_from(block).unwrap_or(i64::MAX))
            .execute(&self.pool)
            .await?;
        Ok(())
    }
}
