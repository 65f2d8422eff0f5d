//! Forgets predictions that have been over for long enough, and inputs of those that failed.

use std::time::Duration;

use super::ms;
use crate::AppState;
use crate::quiet;
use crate::store::{StoreError, now_ms};

/// How often is looked.
const ROUND: Duration = Duration::from_secs(60);
/// Most predictions that one transaction forgets: it holds the database.
const BATCH: u32 = 100;

/// How long a prediction that failed can be run again: until then its input is kept.
const FAILED: Duration = Duration::from_secs(7 * 24 * 3600);

/// How long a webhook message that was delivered, or given up, is shown.
const DELIVERIES: Duration = Duration::from_secs(30 * 24 * 3600);

/// Tidies until the server stops.
pub(super) async fn run(state: &AppState) {
    while !state.is_stopping() {
        if let Err(error) = state.store.forget_failed(ms(FAILED)).await {
            quiet::warn("cannot delete inputs of predictions that failed", &error);
        }
        if let Err(error) = state.store.forget_deliveries(ms(DELIVERIES)).await {
            quiet::warn("cannot forget old webhook messages", &error);
        }
        let before_ms = state.config.keep.map(|keep| now_ms().saturating_sub(ms(keep)));
        match before_ms {
            None => {}
            Some(before_ms) => match tidy(state, before_ms).await {
                Ok(0) => {}
                Ok(forgotten) => tracing::info!(forgotten, "predictions that were over are forgotten"),
                Err(error) => quiet::warn("cannot forget old predictions", &error),
            },
        }
        state.pause(ROUND).await;
    }
}

async fn tidy(state: &AppState, before_ms: i64) -> Result<usize, StoreError> {
    let mut forgotten = 0;
    loop {
        let (jobs, proofs) = state.store.purge(before_ms, BATCH).await?;
        forgotten += jobs;
        for proof in proofs {
            if let Err(error) = state.blobs.remove(proof).await {
                quiet::warn("cannot remove an old proof", &error); // it stays, and nothing names it
            }
        }
        if jobs < BATCH as usize || state.is_stopping() {
            return Ok(forgotten);
        }
    }
}
