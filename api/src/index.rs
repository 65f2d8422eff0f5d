//! The market's history as the service's store has it: the events that were read from the chain, folded once and kept at hand.

use tokio::sync::Mutex;

use crate::chain::Market;
use crate::chain::history::History;
use crate::store::{Checkpoint, Store, StoreError};

/// The name of a market's events in the store.
pub(crate) fn name(market: &Market) -> String {
    format!("{:?}", market.config.market)
}

/// The history, as far as it was folded.
#[derive(Debug, Default)]
pub struct Index {
    folded: Mutex<(Option<Checkpoint>, History)>,
}

impl Index {
    /// Shows the history at the latest checkpoint to `look`. `None`: nothing was read yet.
    pub async fn at_latest<T>(
        &self,
        store: &Store,
        market: &Market,
        look: impl FnOnce(Checkpoint, &History) -> T,
    ) -> Result<Option<T>, StoreError> {
        let mut folded = self.folded.lock().await;
        let (at, history) = &mut *folded;
        let Some(news) = store.indexed_since(&name(market), *at).await? else { return Ok(None) };
        if news.anew {
            *history = History::default();
        }
        news.logs.iter().for_each(|log| history.take(log));
        *at = Some(news.at);
        Ok(Some(look(news.at, history)))
    }
}
