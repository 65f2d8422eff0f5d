//! Forgets predictions that have been over for long enough.

use std::time::Duration;

use super::ms;
use crate::AppState;
use crate::quiet;
use crate::store::{StoreError, now_ms};

/// How often is looked.
const ROUND: Duration = Duration::from_secs(60);
/// Most predictions that one transaction forgets: it holds the database.
const BATCH: u32 = 100;

/// Tidies until the server stops.
pub(super) async fn run(state: &AppState) {
    let Some(keep) = state.config.keep else { return };
    while !state.is_stopping() {
        match tidy(state, now_ms().saturating_sub(ms(keep))).await {
            Ok(0) => {}
            Ok(forgotten) => tracing::info!(forgotten, "predictions that were over are forgotten"),
            Err(error) => quiet::warn("cannot forget old predictions", &error),
        }
        state.pause(ROUND).await;
    }
}

async fn tidy(state: &AppState, before_ms: i64) -> Result<usize, StoreError> {
    let mut forgotten = 0;
    loop {
        let (jobs, proofs) = state.store.purge(before_ms, BATCH).await?;
        forgotten += jobs;
        let blobs = state.blobs.clone();
        let removed = tokio::task::spawn_blocking(move || proofs.into_iter().try_for_each(|proof| blobs.remove(proof))).await;
        if let Ok(Err(error)) = removed {
            quiet::warn("cannot remove an old proof", &error); // it stays, and nothing names it
        }
        if jobs < BATCH as usize || state.is_stopping() {
            return Ok(forgotten);
        }
    }
}
