//! Reads the market's and its registry's events into the store, block by block, and undoes what the chain takes back.

use super::StepError;
use crate::AppState;
use crate::chain::{Market, history};
use crate::index;
use crate::outage::Backoff;
use crate::quiet;
use crate::store::Checkpoint;

/// Most blocks per request for logs; public nodes refuse more than a few thousand.
const BLOCKS_MAX: u64 = 2000;

/// Reads until the server stops.
pub(super) async fn run(state: &AppState) {
    let Some(market) = state.market.clone() else { return };
    let mut backoff = Backoff::default();
    while !state.is_stopping() {
        let wait = match round(state, &market).await {
            Ok(()) => {
                backoff.over();
                market.config.poll
            }
            Err(error) => {
                quiet::warn("the market's events cannot be read for now", &error);
                backoff.next()
            }
        };
        state.pause(wait).await;
    }
}

/// Whether the chain has the block.
async fn has(market: &Market, at: Checkpoint) -> Result<bool, StepError> {
    Ok(market.rpc.block_hash(at.block).await? == Some(at.hash))
}

/// Reads from the latest checkpoint that the chain still has to its newest block.
async fn round(state: &AppState, market: &Market) -> Result<(), StepError> {
    let (name, head) = (index::name(market), market.rpc.block_number().await?);
    let mut base = checked(state, market, &name).await?;
    while !state.is_stopping() {
        let from = base.map_or(market.config.from_block, |base| base.block + 1);
        if from > head {
            return Ok(());
        }
        let to = head.min(from + BLOCKS_MAX - 1);
        let Some(hash) = market.rpc.block_hash(to).await? else { return Ok(()) };
        let upto = Checkpoint { block: to, hash };
        let logs = history::logs(&market.rpc, [market.config.market, market.config.registry], from, to).await?;
        // what was read belongs together if the chain has both ends of it still
        let whole = has(market, upto).await?
            && match base {
                Some(base) => has(market, base).await?,
                None => true,
            };
        if !whole || !state.store.index(&name, base, &logs, upto).await? {
            return Ok(()); // the next round looks again
        }
        base = Some(upto);
    }
    Ok(())
}

/// The latest checkpoint that the chain still has. What was read after it is forgotten.
async fn checked(state: &AppState, market: &Market, name: &str) -> Result<Option<Checkpoint>, StepError> {
    let known = state.store.checkpoints(name).await?;
    let Some(newest) = known.first().copied() else { return Ok(None) };
    for at in known {
        if has(market, at).await? {
            if at != newest {
                tracing::info!(
                    from = newest.block,
                    to = at.block,
                    "the chain took blocks back, and so do we their events"
                );
                state.store.unindex(name, Some(at)).await?;
            }
            return Ok(Some(at));
        }
    }
    tracing::warn!("the chain has none of the blocks that were read: its events are read anew");
    state.store.unindex(name, None).await?;
    Ok(None)
}
