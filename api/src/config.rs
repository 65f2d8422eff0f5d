//! What `assay serve` is told.

use std::collections::HashMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::str::FromStr;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use alloy::primitives::{Address, B256};
use alloy::signers::local::PrivateKeySigner;
use assay_prover::secret::Secret;

use crate::chain::REQUEST_TIMEOUT;
use crate::objects::Bucket;
use crate::preparation::Preparation;
use crate::presentation::Presentation;
use crate::sell::{SellConfig, Shelf};
use crate::webhooks::WebhookConfig;
use crate::x402::X402Config;

/// The service's settings. Start from [`ServeConfig::free`] or [`ServeConfig::paid`] and change fields.
#[derive(Clone, Debug)]
pub struct ServeConfig {
    /// What the seller says of each model.
    pub cards: ByModel<Card>,
    /// Where HTTP listens.
    pub bind: SocketAddr,
    /// The SQLite database, where there is no [`Self::database_url`].
    pub database: PathBuf,
    /// A PostgreSQL database that several processes share: `postgres://…`.
    pub database_url: Option<Secret<String>>,
    /// What this process proves with, for people.
    pub device: String,
    /// What of the service this process does.
    pub role: Role,
    /// Where HTTP listens for those who watch a process that only proves, if anywhere.
    pub worker_bind: Option<SocketAddr>,
    /// Folder for proofs and the lock file.
    pub data_dir: PathBuf,
    /// Where proofs are kept instead of that folder.
    pub proofs: Option<Bucket>,
    /// Whether predictions without escrow are proven.
    pub free: bool,
    /// Whether prompts are continued without a proof, also where proofs are paid for.
    pub completions: bool,
    /// The chain, where predictions are paid.
    pub chain: Option<ChainConfig>,
    /// Largest request body, in bytes.
    pub body_bytes_max: usize,
    /// Most predictions that may wait for the prover at one time, paid for or free; more are refused with 429.
    pub queue_max: u32,
    /// Most orders that may wait for their money at one time. They take no place in the queue.
    pub unfunded_max: u32,
    /// The same for one client, by its address.
    pub unfunded_per_client: u32,
    /// Whether all requests come through a proxy, which names the client at the end of `X-Forwarded-For`.
    pub behind_proxy: bool,
    /// Messages to clients whose predictions are over.
    pub webhooks: WebhookConfig,
    /// Connections.
    pub http: HttpLimits,
    /// How many jobs are driven at a time, at least 1. While one waits for the chain or is wrapped, the next is locked
    /// and its inner proof made. Memory for proofs does not grow with it: never more than one inner proof and one wrap
    /// are made at once.
    pub jobs_max: u32,
    /// Most inferences of several buyers in one proof; 1: each is proven alone.
    pub batch_max: u32,
    /// How long a job whose order allows company waits for it in the queue.
    pub batch_wait: Duration,
    /// Whether the jobs of a batch are locked before their proof is made. Without locks a job costs less gas, and the
    /// proof is made again when a buyer takes the money back in between; then batches are locked for some minutes.
    pub batch_locks: bool,
    /// Most seconds that `Prefer: wait` holds a request.
    pub wait_secs_max: u64,
    /// Attempts at a job before it fails.
    pub attempts_max: u32,
    /// How long a worker holds a job without a sign of life.
    pub lease: Duration,
    /// How long a proof that is being made may go on after a shutdown was asked for; the job resumes at the next start.
    pub drain: Duration,
    /// How long a check of readiness waits for the store, and for the chain.
    pub ready_timeout: Duration,
    /// How long ago the chain may have been read for the last time for the server to be ready.
    pub watch_age_max: Duration,
    /// How old the chain's newest block may be for the server to be ready; a development chain makes none by itself.
    pub block_age_max: Option<Duration>,
    /// How long a prediction is kept after its end, with its events and its proof; `None`: for ever.
    pub keep: Option<Duration>,
    /// Free bytes of the data folder's disk below which nothing new is taken; what is begun goes on.
    pub disk_bytes_min: u64,
    /// How many failures in a row stop new locks, and for how long.
    pub breaker: Breaker,
    /// Whether those who show no key may ask for predictions.
    pub anonymous: bool,
    /// Most requests in a minute of one address that shows no key; `None`: any number.
    pub anonymous_per_minute: Option<u32>,
    /// Origins whose pages may call the service from a browser; `*`: all.
    pub cors: Vec<String>,
    /// Bearer token that lists all predictions. Without one, only keys that may operate the service do.
    pub operator_token: Option<Secret<String>>,
    /// How models are compiled for the operator, and where they are offered then; `None`: they are not.
    pub sell: Option<(SellConfig, Arc<dyn Shelf>)>,
}

/// Something for each of some models, which may come while the service runs. Clones share it.
#[derive(Clone, Debug)]
pub struct ByModel<T>(Arc<RwLock<HashMap<B256, T>>>);

impl<T> Default for ByModel<T> {
    fn default() -> Self {
        Self(Arc::default())
    }
}

impl<T: Clone> ByModel<T> {
    /// A model's.
    pub fn get(&self, model: B256) -> Option<T> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).get(&model).cloned()
    }

    /// Those of all models.
    pub fn values(&self) -> Vec<T> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).values().cloned().collect()
    }

    /// Sets a model's.
    pub fn insert(&self, model: B256, value: T) {
        self.0.write().unwrap_or_else(PoisonError::into_inner).insert(model, value);
    }
}

/// What of the service a process does. Only with a shared database are there several processes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Role {
    /// All of it.
    #[default]
    Whole,
    /// Takes requests and watches the chain.
    Api,
    /// Proves and settles.
    Worker,
}

/// What a seller says of a model.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Card {
    /// For people.
    pub description: Option<String>,
    /// What the output's elements stand for, where they are scores of classes.
    pub labels: Vec<String>,
    /// What a buyer may do with answers.
    pub licence: Option<String>,
    /// How pictures or texts become its input.
    pub prepare: Option<Preparation>,
    /// What its inputs and outputs are, for people.
    pub presentation: Presentation,
    /// The network, drawn as SVG. It is no part of what is said: it follows from the architecture.
    pub drawing: Option<String>,
}

/// How many connections there may be, and how long each may take its time.
#[derive(Clone, Copy, Debug)]
pub struct HttpLimits {
    /// Time for the head of a request, and for silence between two requests.
    pub header_timeout: Duration,
    /// Time for the body of a request.
    pub body_timeout: Duration,
    /// Time for a write that does not go on since the client reads nothing.
    pub write_timeout: Duration,
    /// Most connections at a time; fewer where the system allows few open files.
    pub connections_max: u32,
    /// Most connections of one client, and never more than half of all. Behind a proxy only the other bound holds.
    pub connections_per_client: u32,
}

impl Default for HttpLimits {
    fn default() -> Self {
        Self {
            header_timeout: Duration::from_secs(15),
            body_timeout: Duration::from_secs(30),
            write_timeout: Duration::from_secs(30),
            connections_max: 1024,
            connections_per_client: 128,
        }
    }
}

/// Stops new locks after failures.
#[derive(Clone, Copy, Debug)]
pub struct Breaker {
    /// Failures in a row that open it.
    pub failures: u32,
    /// How long it stays open after the last failure.
    pub pause: Duration,
}

/// Where and on what terms paid predictions are served.
#[derive(Clone, Debug)]
pub struct ChainConfig {
    /// JSON-RPC address.
    pub rpc_url: String,
    /// Other nodes of the same chain, which are asked when that one does not answer.
    pub rpc_fallbacks: Vec<String>,
    /// How long one request to one node may take.
    pub request_timeout: Duration,
    /// `InferenceMarket`.
    pub market: Address,
    /// `ModelRegistry`.
    pub registry: Address,
    /// The account that locks with collateral, settles, and pays gas.
    pub prover: PrivateKeySigner,
    /// The holder of the models' tokens, who signs quotes; the prover where it is the same.
    pub seller: PrivateKeySigner,
    /// Terms of the quotes that this server signs.
    pub terms: Terms,
    /// Terms of models that are sold on other ones.
    pub model_terms: ByModel<Terms>,
    /// What payments by x402 are taken in, where they are.
    pub x402: Option<X402Config>,
    /// Where people look at the chain's transactions, where the operator says so.
    pub explorer: Option<Explorer>,
    /// First block that can hold events of these contracts.
    pub from_block: u64,
    /// Blocks that must be on top of an event's (counting its own) before it is believed.
    pub confirmations: u64,
    /// How often the chain is asked for news.
    pub poll: Duration,
    /// How long a sent transaction may take to be mined before the step is tried again later.
    pub receipt_timeout: Duration,
    /// How long a sent transaction may wait before one with the same nonce and higher fees replaces it.
    pub bump_after: Duration,
    /// Seconds that must be left to prove for a job to be locked, beside the time of the jobs that can be ahead of it
    /// ([`AppState::margin_secs`](crate::AppState::margin_secs)); half of the order's `prove_secs` if left out, and
    /// never less, since the market takes no lock after that. Less than a proof and its transactions take, and a buyer
    /// who asks late can have the collateral slashed.
    pub lock_margin_secs: Option<u32>,
}

/// The address of a block explorer: a transaction's page is `/tx/` and its hash behind it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Explorer(String);

/// Why a text is no address of an explorer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "it is the address of a page that begins with https:// or http://, such as https://etherscan.io, without ? and #"
)]
pub struct NoExplorer;

impl FromStr for Explorer {
    type Err = NoExplorer;

    fn from_str(text: &str) -> Result<Self, NoExplorer> {
        let url: reqwest::Url = text.parse().map_err(|_| NoExplorer)?;
        // the site makes links of it, which must lead to a page and do nothing else
        let is_page = matches!(url.scheme(), "https" | "http") && url.query().is_none() && url.fragment().is_none();
        if is_page { Ok(Self(url.as_str().trim_end_matches('/').to_owned())) } else { Err(NoExplorer) }
    }
}

impl std::fmt::Display for Explorer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

/// Price and durations of a quote.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Terms {
    /// ERC-20, or zero for the native coin.
    pub token: Address,
    /// Price in the token's smallest unit.
    pub price: u128,
    /// Collateral in the same unit.
    pub collateral: u128,
    /// Seconds from funding in which the lock's prover must prove.
    pub prove_secs: u32,
    /// Seconds from funding after which the buyer takes the escrow back.
    pub expire_secs: u32,
    /// Seconds for which a quote can be funded.
    pub quote_secs: u64,
}

impl ServeConfig {
    /// Whether prompts are continued without a proof.
    pub fn gives_completions(&self) -> bool {
        self.free || self.completions
    }

    /// A server on a local port that proves for free, with its data in `data_dir`.
    pub fn free(data_dir: impl Into<PathBuf>) -> Self {
        let data_dir = data_dir.into();
        Self {
            cards: ByModel::default(),
            bind: SocketAddr::from((Ipv4Addr::LOCALHOST, 8080)),
            database: data_dir.join("jobs.sqlite"),
            database_url: None,
            device: "processor".to_owned(),
            role: Role::Whole,
            worker_bind: None,
            data_dir,
            proofs: None,
            free: true,
            completions: false,
            chain: None,
            body_bytes_max: 16 << 20,
            queue_max: 1000,
            unfunded_max: 1000,
            unfunded_per_client: 16,
            behind_proxy: false,
            webhooks: WebhookConfig::default(),
            http: HttpLimits::default(),
            ready_timeout: Duration::from_secs(2),
            watch_age_max: Duration::from_secs(60),
            block_age_max: None,
            jobs_max: 2,
            batch_max: 64,
            batch_wait: Duration::from_millis(250),
            batch_locks: true,
            wait_secs_max: 60,
            attempts_max: 3,
            lease: Duration::from_secs(30),
            drain: Duration::from_secs(20),
            keep: None,
            disk_bytes_min: 64 << 20,
            breaker: Breaker { failures: 3, pause: Duration::from_secs(60) },
            anonymous: true,
            anonymous_per_minute: None,
            cors: Vec::new(),
            operator_token: None,
            sell: None,
        }
    }

    /// A server on a local port that proves what is paid through `chain`, with its data in `data_dir`.
    pub fn paid(data_dir: impl Into<PathBuf>, chain: ChainConfig) -> Self {
        Self { free: false, chain: Some(chain), ..Self::free(data_dir) }
    }
}

impl ChainConfig {
    /// One account as seller and prover, modest durations, confirmations of a development chain.
    pub fn new(
        rpc_url: impl Into<String>,
        market: Address,
        registry: Address,
        account: PrivateKeySigner,
        terms: Terms,
    ) -> Self {
        Self {
            rpc_url: rpc_url.into(),
            rpc_fallbacks: Vec::new(),
            request_timeout: REQUEST_TIMEOUT,
            market,
            registry,
            prover: account.clone(),
            seller: account,
            terms,
            x402: None,
            explorer: None,
            model_terms: ByModel::default(),
            from_block: 0,
            confirmations: 1,
            poll: Duration::from_millis(500),
            receipt_timeout: Duration::from_secs(60),
            bump_after: Duration::from_secs(30),
            lock_margin_secs: None,
        }
    }

    /// The terms of a model.
    pub fn terms_of(&self, model: B256) -> Terms {
        self.model_terms.get(model).unwrap_or(self.terms)
    }

    /// The price of a model's inference by x402, where it has one: that of its terms, if they are in the same token.
    pub fn x402_price(&self, model: B256) -> Option<u128> {
        let (x402, terms) = (self.x402?, self.terms_of(model));
        if terms.token == x402.token { Some(terms.price) } else { x402.price }
    }

    /// Seconds that must be left of `prove_secs` for a job to be locked that has none ahead of it.
    pub fn margin_secs(&self, prove_secs: u32) -> u64 {
        let market = prove_secs.div_ceil(2);
        self.lock_margin_secs.unwrap_or(market).max(market).into()
    }
}

impl Default for Terms {
    /// 0.001 native coins, a tenth of it as collateral (the least that the market takes), ten minutes to prove, an hour
    /// to expiry.
    fn default() -> Self {
        Self {
            token: Address::ZERO,
            price: 1_000_000_000_000_000,
            collateral: 100_000_000_000_000,
            prove_secs: 600,
            expire_secs: 3600,
            quote_secs: 600,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Only pages can be linked to: no scripts, and nothing behind which a transaction's address would be lost.
    #[test]
    fn an_explorer_is_a_page() {
        for (text, read) in [
            ("https://etherscan.io/", "https://etherscan.io"),
            ("http://localhost:4000", "http://localhost:4000"),
            ("https://scan.example/rollup/", "https://scan.example/rollup"),
        ] {
            assert_eq!(text.parse::<Explorer>().map(|explorer| explorer.to_string()), Ok(read.to_owned()));
        }
        for text in [
            "javascript:alert(1)",
            "etherscan.io",
            "https://scan.example/?chain=1",
            "https://scan.example/#/",
            "ftp://scan.example",
            "",
        ] {
            assert_eq!(text.parse::<Explorer>(), Err(NoExplorer), "{text}");
        }
    }
}
