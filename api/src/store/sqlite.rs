//! The embedded database: a file of this process alone.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use sqlx::AnyPool;
use sqlx::any::AnyPoolOptions;
use sqlx::{AnyConnection, Connection};

/// What every connection is told.
const SETTINGS: [&str; 5] = [
    "PRAGMA busy_timeout = 10000",
    "PRAGMA foreign_keys = ON",
    "PRAGMA journal_mode = WAL",
    // since a transaction's hash must be on disk before the transaction is sent
    "PRAGMA synchronous = FULL",
    // a log that grew once does not keep its room
    "PRAGMA journal_size_limit = 4194304",
];

/// Bounds the size of the database as this connection sees it, in pages. SQLite forgets it with the connection.
async fn limit(connection: &mut AnyConnection, pages: u32) -> Result<(), sqlx::Error> {
    // the largest that SQLite knows stands for no bound
    let pages = if pages == 0 { u32::MAX - 1 } else { pages };
    sqlx::query(sqlx::AssertSqlSafe(format!("PRAGMA max_page_count = {pages}"))).execute(connection).await.map(drop)
}

/// The address of a file.
fn url(path: &Path) -> Result<String, sqlx::Error> {
    let path = std::path::absolute(path).map_err(sqlx::Error::Io)?;
    let encoded: String = path.to_string_lossy().bytes().map(escape).collect();
    Ok(format!("sqlite://{encoded}?mode=rwc"))
}

/// A byte as addresses have it.
fn escape(byte: u8) -> String {
    let plain = byte.is_ascii_alphanumeric() || b"/-_.".contains(&byte);
    if plain { char::from(byte).to_string() } else { format!("%{byte:02X}") }
}

/// Connections to a database, which is made if it is not there.
pub(super) async fn pool(path: &Path, pages_max: &Arc<AtomicU32>) -> Result<AnyPool, sqlx::Error> {
    sqlx::any::install_default_drivers();
    let [fresh, idle] = [pages_max.clone(), pages_max.clone()];
    AnyPoolOptions::new()
        .max_connections(8)
        .after_connect(move |connection, _| {
            let pages = fresh.load(Ordering::Relaxed);
            Box::pin(async move {
                for setting in SETTINGS {
                    sqlx::query(setting).execute(&mut *connection).await?;
                }
                limit(connection, pages).await
            })
        })
        .before_acquire(move |connection, _| {
            let pages = idle.load(Ordering::Relaxed);
            Box::pin(async move { limit(connection, pages).await.map(|()| true) })
        })
        // where the disk is full, SQLite rolls back by itself, and the connection still counts itself into a
        // transaction: every later use of it would fail. The ping waits for a rollback that is on its way
        .after_release(|connection, _| {
            Box::pin(async move { Ok(connection.ping().await.is_ok() && !connection.is_in_transaction()) })
        })
        .connect_with(super::quiet_options(&url(path)?)?)
        .await
}
