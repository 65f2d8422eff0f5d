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

/// Whether a node means with these words that it does not have a block. Nodes have no code for it.
pub(super) fn is_unknown_block(message: &str) -> bool {
    let message = message.to_lowercase();
    ["header not found", "block not found", "unknown block", "blockoutofrange", "block number out of range"]
        .iter()
        .any(|said| message.contains(said))
}

impl Market {
    /// The newest block, if the market is still there as it was. Nothing is remembered: a market can vanish with its chain.
    pub async fn head(&self) -> Result<Head, ChainError> {
        let address = self.config.market;
        let verifier = self.rpc.call(address, &InferenceMarket::verifierCall {}).await?;
        if verifier != self.facts().await?.verifier {
            return Err(ChainError::Unexpected { what: "the market", address });
        }
        self.rpc.newest().await
    }
}
