//! The nodes that are asked: one, and others for when it does not answer, has enough of us, or is behind.

use std::collections::HashSet;
use std::num::NonZeroUsize;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use alloy::primitives::U64;
use alloy::rpc::client::RpcClient;
use alloy::rpc::json_rpc::{ErrorPayload, RequestPacket, ResponsePacket};
use alloy::transports::http::Http;
use alloy::transports::layers::FallbackLayer;
use alloy::transports::{TransportError, TransportErrorKind, TransportFut};
use tower::{Layer, Service};

use super::ChainError;

/// How long one request to one node may take, if nothing else is said.
pub const REQUEST_TIMEOUT: Duration = Duration::from_secs(20);
/// How often nodes are asked for their newest blocks, to see which are behind.
const COMPARED: Duration = Duration::from_secs(5);
/// How many blocks a node may be behind another one and be asked all the same.
const BEHIND_MAX: u64 = 2;
/// Everything that is asked. Nodes are asked one after the other and not at the same time: answers of two that have
/// seen different blocks would be mixed, and a transaction's second copy would be refused as known.
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

/// The newest blocks of several nodes, as far as is known.
#[derive(Debug)]
struct Heads {
    nodes: Vec<RpcClient>,
    newest: Vec<AtomicU64>,
    asked: Mutex<Option<Instant>>,
}

impl Heads {
    fn new(nodes: Vec<RpcClient>) -> Self {
        Self { newest: nodes.iter().map(|_| AtomicU64::new(0)).collect(), nodes, asked: Mutex::default() }
    }

    /// Asks all nodes now and then. Nobody waits for that.
    fn compare(self: &Arc<Self>) {
        let Ok(mut asked) = self.asked.lock() else { return };
        if asked.is_some_and(|at| at.elapsed() < COMPARED) {
            return;
        }
        *asked = Some(Instant::now());
        for (place, node) in self.nodes.iter().enumerate() {
            let (heads, node) = (self.clone(), node.clone());
            tokio::spawn(async move {
                // one that does not answer is as far behind as can be
                let newest = node.request_noparams::<U64>("eth_blockNumber").await.unwrap_or_default();
                heads.newest[place].store(newest.to(), Ordering::Relaxed);
            });
        }
    }

    fn is_behind(&self, place: usize) -> bool {
        let best = self.newest.iter().map(|newest| newest.load(Ordering::Relaxed)).max().unwrap_or_default();
        let own = self.newest.get(place).map_or(0, |newest| newest.load(Ordering::Relaxed));
        best > own.saturating_add(BEHIND_MAX)
    }
}

/// Whether a node means with this error that another one should be asked, or this one later: it has had too many
/// requests, or does not have the block that is asked about. Nodes have no common code for that.
fn is_for_another(error: &ErrorPayload) -> bool {
    let message = error.message.to_lowercase();
    let no_block =
        ["header not found", "block not found", "unknown block", "blockoutofrange", "block number out of range"];
    error.is_retry_err() || no_block.iter().any(|said| message.contains(said))
}

/// A connection to one node. What it does not know, or will not say, is no answer.
#[derive(Clone, Debug)]
struct Node {
    http: Http<reqwest::Client>,
    /// Where there are several: which one it is.
    among: Option<(usize, Arc<Heads>)>,
}

impl Service<RequestPacket> for Node {
    type Response = ResponsePacket;
    type Error = TransportError;
    type Future = TransportFut<'static>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), TransportError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: RequestPacket) -> Self::Future {
        if let Some((place, heads)) = &self.among {
            heads.compare();
            if heads.is_behind(*place) {
                return Box::pin(async { Err(TransportErrorKind::custom_str("the node is behind the others")) });
            }
        }
        let answer = self.http.call(request);
        Box::pin(async move {
            let answer = answer.await?;
            let refusal =
                answer.iter_errors().find(|error| is_for_another(error)).map(|error| error.message.to_string());
            refusal.map_or(Ok(answer), |message| Err(TransportErrorKind::custom_str(&message)))
        })
    }
}

fn http(url: &str, timeout: Duration) -> Result<Http<reqwest::Client>, ChainError> {
    let bad = || ChainError::Url { url: url.to_owned() };
    let parsed: reqwest::Url = url.parse().map_err(|_| bad())?;
    if !crate::tls::is_usable(&parsed) {
        return Err(bad());
    }
    let client = crate::client::http(&parsed).timeout(timeout).build().map_err(|_| bad())?;
    Ok(Http::with_client(client, parsed))
}

/// A client of the node at `url`. Where there are others, whichever answered most reliably is asked first, and the next
/// one when it does not answer within `timeout`, or is behind.
pub(super) fn client(url: &str, others: &[String], timeout: Duration) -> Result<RpcClient, ChainError> {
    let first = http(url, timeout)?;
    let local = first.guess_local();
    if others.is_empty() {
        return Ok(RpcClient::new(Node { http: first, among: None }, local));
    }
    let mut all = vec![first];
    for other in others {
        all.push(http(other, timeout)?);
    }
    let heads = Arc::new(Heads::new(all.iter().map(|http| RpcClient::new(http.clone(), local)).collect()));
    let all: Vec<Node> =
        all.into_iter().enumerate().map(|(place, http)| Node { http, among: Some((place, heads.clone())) }).collect();
    let layer = FallbackLayer::default()
        .with_active_transport_count(NonZeroUsize::new(all.len()).unwrap_or(NonZeroUsize::MIN))
        .with_sequential_methods(METHODS.iter().map(|method| (*method).to_owned()).collect::<HashSet<_>>());
    Ok(RpcClient::new(layer.layer(all), local))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn heads(newest: &[u64]) -> Heads {
        let heads =
            Heads::new(newest.iter().map(|_| client("http://127.0.0.1:1", &[], REQUEST_TIMEOUT).unwrap()).collect());
        heads.newest.iter().zip(newest).for_each(|(known, newest)| known.store(*newest, Ordering::Relaxed));
        heads
    }

    #[test]
    fn a_node_is_behind_if_another_one_has_three_blocks_more() {
        let behind =
            |newest: &[u64]| (0..newest.len()).filter(|place| heads(newest).is_behind(*place)).collect::<Vec<_>>();
        assert!(behind(&[0, 0, 0]).is_empty(), "nothing is known yet");
        assert!(behind(&[98, 100]).is_empty());
        assert_eq!(behind(&[97, 100, 0]), [0, 2]);
    }

    #[test]
    fn what_another_node_may_know_is_no_answer() {
        let error = |code, message: &'static str| ErrorPayload { code, message: message.into(), data: None };
        assert!(is_for_another(&error(-32005, "limit exceeded")) && is_for_another(&error(-32000, "header not found")));
        assert!(is_for_another(&error(-32602, "BlockOutOfRangeError: block height is 5 but requested was 9")));
        assert!(!is_for_another(&error(3, "execution reverted")) && !is_for_another(&error(-32000, "nonce too low")));
    }
}
