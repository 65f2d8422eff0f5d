//! A database that several machines share.

use std::time::Duration;

use sqlx::AnyPool;
use sqlx::any::AnyPoolOptions;
use sqlx::postgres::PgListener;
use tokio::sync::watch;

/// What a process wants to hear of others. A trigger in the database says it, with each transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum News {
    /// Every event: for streams of events.
    Events,
    /// That there is something to prove, to settle or to stop.
    Work,
}

impl News {
    fn channel(self) -> &'static str {
        match self {
            Self::Events => "assay_events",
            Self::Work => "assay_work",
        }
    }
}

/// How long a connection that broke is left alone.
const PAUSE: Duration = Duration::from_secs(1);

/// Connections to the database.
pub(super) async fn pool(url: &str) -> Result<AnyPool, sqlx::Error> {
    sqlx::any::install_default_drivers();
    let options = super::quiet_options(url)?;
    AnyPoolOptions::new().max_connections(16).acquire_timeout(Duration::from_secs(10)).connect_with(options).await
}

/// Ticks `changed` whenever any process has news, until the connections are closed.
pub(super) async fn listen(
    url: &str,
    news: News,
    pool: &AnyPool,
    changed: watch::Sender<u64>,
) -> Result<(), sqlx::Error> {
    let mut listener = PgListener::connect(url).await?;
    listener.listen(news.channel()).await?;
    let mut closed = pool.close_event();
    tokio::spawn(async move {
        loop {
            tokio::select! {
                () = &mut closed => return,
                // nothing is heard, too, when the connection is lost: it connects again by itself, and news may have
                // been missed
                heard = listener.try_recv() => {
                    if let Err(error) = heard {
                        tracing::debug!(%error, "the database's notices are interrupted");
                        tokio::time::sleep(PAUSE).await;
                    }
                    changed.send_modify(|n| *n = n.wrapping_add(1));
                }
            }
        }
    });
    Ok(())
}
