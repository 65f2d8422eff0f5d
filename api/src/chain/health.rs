//! What a server asks of its market before it says that it is ready.

use super::abi::InferenceMarket;
use super::{ChainError, Market};

/// The newest block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Head {
    /// Its number.
    pub number: u64,
    /// Its time, unix seconds.
    pub time: u64,
}

impl Market {
    /// The newest block, if the market is still there as it was. Nothing is remembered: a market can vanish with its
    /// chain.
    pub async fn head(&self) -> Result<Head, ChainError> {
        let address = self.config.market;
        let verifier = self.rpc.call(address, &InferenceMarket::verifierCall {}).await?;
        if verifier != self.facts().await?.verifier {
            return Err(ChainError::Unexpected { what: "the market", address });
        }
        self.rpc.newest().await
    }
}
