//! What the store does while another process has the database: it reads on, and its log has no statements.

use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use assay_api::store::Store;
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};
use sqlx::{ConnectOptions, Executor};

/// A connection that writes, and lets nobody else write.
async fn writing(path: &Path) -> SqliteConnection {
    let options = SqliteConnectOptions::new().filename(path).busy_timeout(Duration::from_secs(10));
    let mut connection = options.connect().await.unwrap();
    connection.execute("BEGIN IMMEDIATE").await.unwrap();
    connection
}

#[tokio::test]
async fn looking_for_messages_writes_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("jobs.sqlite");
    let store = Store::open(&path).await.unwrap();
    let _busy = writing(&path).await;
    // a write would wait for ten seconds, and fail then
    assert!(store.claim_delivery(60_000).await.unwrap().is_none());
}

/// A log that tests read.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl std::io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[tokio::test]
async fn statements_that_wait_are_not_logged() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("jobs.sqlite");
    let store = Store::open(&path).await.unwrap();
    let log = Log::default();
    let inside = log.clone();
    let subscriber =
        tracing_subscriber::fmt().with_max_level(tracing::Level::WARN).with_writer(move || inside.clone()).finish();
    // for all threads: SQLite has one of its own
    tracing::subscriber::set_global_default(subscriber).unwrap();
    let mut busy = writing(&path).await;
    let over = async {
        tokio::time::sleep(Duration::from_millis(1500)).await;
        busy.execute("ROLLBACK").await.unwrap();
    };
    // the library's own way says so of a statement that takes longer than a second
    let loud = async {
        let mut other =
            SqliteConnectOptions::new().filename(&path).busy_timeout(Duration::from_secs(10)).connect().await.unwrap();
        other.execute("DELETE FROM probe WHERE room = x'010203'").await.unwrap();
    };
    let (probed, (), ()) = tokio::join!(store.probe(), loud, over);
    probed.unwrap();
    let text = String::from_utf8(log.0.lock().unwrap().clone()).unwrap();
    assert!(text.contains("x'010203'"), "the test sees what is logged: {text}");
    assert!(!text.contains("BEGIN IMMEDIATE") && !text.contains("INSERT INTO probe"), "{text}");
}
