//! The market's history as the service's store has it: the events that were read from the chain, folded once and kept
//! at hand.

use tokio::sync::{Mutex, MutexGuard};

use crate::chain::Market;
use crate::chain::history::History;
use crate::routes::MarketHistory;
use crate::store::{Checkpoint, Store, StoreError};

/// The name of a market's events in the store.
pub(crate) fn name(market: &Market) -> String {
    format!("{:?}", market.config.market)
}

/// The history, as far as it was folded.
#[derive(Debug, Default)]
struct Folded {
    at: Option<Checkpoint>,
    history: History,
    /// How it is shown, once somebody has asked.
    shown: Option<MarketHistory>,
}

impl Folded {
    /// Takes what was read since. Who asks while there is nothing new costs one small query.
    async fn bring_up(&mut self, store: &Store, market: &Market) -> Result<(), StoreError> {
        let name = name(market);
        if store.latest_checkpoint(&name).await? == self.at {
            return Ok(());
        }
        *self = match store.indexed_since(&name, self.at).await? {
            None => Self::default(),
            Some(news) => {
                let mut history = if news.anew { History::default() } else { std::mem::take(&mut self.history) };
                news.logs.iter().for_each(|log| history.take(log));
                Self { at: Some(news.at), history, shown: None }
            }
        };
        Ok(())
    }
}

/// The history at the latest block that was read.
#[derive(Debug, Default)]
pub struct Index {
    folded: Mutex<Folded>,
}

impl Index {
    async fn latest(&self, store: &Store, market: &Market) -> Result<MutexGuard<'_, Folded>, StoreError> {
        let mut folded = self.folded.lock().await;
        folded.bring_up(store, market).await?;
        Ok(folded)
    }

    /// Models, provers and numbers.
    pub async fn shown(&self, store: &Store, market: &Market) -> Result<MarketHistory, StoreError> {
        let mut folded = self.latest(store, market).await?;
        let Folded { at, history, shown } = &mut *folded;
        let config = &market.config;
        let show = || MarketHistory::new(config.market, config.registry, config.from_block, *at, history);
        Ok(shown.get_or_insert_with(show).clone())
    }

    /// Shows the whole history to `look`, with the block that it is at; `None`: nothing was read yet.
    pub async fn look<T>(
        &self,
        store: &Store,
        market: &Market,
        look: impl FnOnce(Option<Checkpoint>, &History) -> T,
    ) -> Result<T, StoreError> {
        let folded = self.latest(store, market).await?;
        Ok(look(folded.at, &folded.history))
    }
}
