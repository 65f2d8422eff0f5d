//! The nodes that are asked: one, and others for when it does not answer.

use std::collections::HashSet;
use std::num::NonZeroUsize;
use std::time::Duration;

use alloy::rpc::client::RpcClient;
use alloy::transports::http::Http;
use alloy::transports::layers::FallbackLayer;
use tower::Layer;

use super::ChainError;

/// How long one request to one node may take.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(20);
/// Everything that is asked. Nodes are asked one after the other and not at the same time: answers of two that have seen different blocks
/// would be mixed, and a transaction's second copy would be refused as known.
const METHODS: [&str; 14] = [
    "eth_blockNumber",
    "eth_call",
    "eth_chainId",
    "eth_estimateGas",
    "eth_feeHistory",
    "eth_gasPrice",
    "eth_getBalance",
    "eth_getBlockByNumber",
    "eth_getCode",
    "eth_getLogs",
    "eth_getTransactionByHash",
    "eth_getTransactionCount",
    "eth_getTransactionReceipt",
    "eth_sendRawTransaction",
];

/// A connection to one node.
fn node(url: &str) -> Result<Http<reqwest::Client>, ChainError> {
    let bad = || ChainError::Url { url: url.to_owned() };
    let parsed: reqwest::Url = url.parse().map_err(|_| bad())?;
    if !crate::tls::is_usable(&parsed) {
        return Err(bad());
    }
    let client = crate::client::http(&parsed).timeout(REQUEST_TIMEOUT).build().map_err(|_| bad())?;
    Ok(Http::with_client(client, parsed))
}

/// A client of the node at `url`. Where there are others, whichever answered most reliably is asked first, and the next one when it does
/// not answer.
pub(super) fn client(url: &str, others: &[String]) -> Result<RpcClient, ChainError> {
    let first = node(url)?;
    let local = first.guess_local();
    if others.is_empty() {
        return Ok(RpcClient::new(first, local));
    }
    let mut all = vec![first];
    for other in others {
        all.push(node(other)?);
    }
    let layer = FallbackLayer::default()
        .with_active_transport_count(NonZeroUsize::new(all.len()).unwrap_or(NonZeroUsize::MIN))
        .with_sequential_methods(METHODS.iter().map(|method| (*method).to_owned()).collect::<HashSet<_>>());
    Ok(RpcClient::new(layer.layer(all), local))
}
