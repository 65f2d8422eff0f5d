//! What `assay serve` is told.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use alloy::primitives::Address;
use alloy::signers::local::PrivateKeySigner;
use assay_prover::secret::Secret;

/// The service's settings. Start from [`ServeConfig::free`] or [`ServeConfig::paid`] and change fields.
#[derive(Clone, Debug)]
pub struct ServeConfig {
    /// Where HTTP listens.
    pub bind: SocketAddr,
    /// The SQLite database.
    pub database: PathBuf,
    /// Folder for proofs and the lock file.
    pub data_dir: PathBuf,
    /// Whether predictions without escrow are proven.
    pub free: bool,
    /// The chain, where predictions are paid.
    pub chain: Option<ChainConfig>,
    /// Largest request body, in bytes.
    pub body_bytes_max: usize,
    /// Most predictions that may wait at one time; more are refused with 429.
    pub queue_max: u32,
    /// How many jobs are driven at a time, at least 1. While one waits for the chain or is wrapped, the next is locked and its inner proof
    /// made. Memory for proofs does not grow with it: never more than one inner proof and one wrap are made at once.
    pub jobs_max: u32,
    /// Most seconds that `Prefer: wait` holds a request.
    pub wait_secs_max: u64,
    /// Attempts at a job before it fails.
    pub attempts_max: u32,
    /// How long a worker holds a job without a sign of life.
    pub lease: Duration,
    /// How long a proof that is being made may go on after a shutdown was asked for; the job resumes at the next start.
    pub drain: Duration,
    /// How many failures in a row stop new locks, and for how long.
    pub breaker: Breaker,
    /// Bearer token that lists all predictions. Without one, there is no list.
    pub operator_token: Option<Secret<String>>,
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
    /// First block that can hold events of these contracts.
    pub from_block: u64,
    /// Blocks that must be on top of an event's (counting its own) before it is believed.
    pub confirmations: u64,
    /// How often the chain is asked for news.
    pub poll: Duration,
    /// How long a sent transaction may take to be mined before the step is tried again later.
    pub receipt_timeout: Duration,
    /// Seconds that must be left to prove for a job to be locked, beside the time of the jobs that can be ahead of it
    /// ([`AppState::margin_secs`](crate::AppState::margin_secs)); half of the order's `prove_secs` if left out. Less than a proof and its
    /// transactions take, and a buyer who asks late can have the collateral slashed.
    pub lock_margin_secs: Option<u32>,
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
    /// A server on a local port that proves for free, with its data in `data_dir`.
    pub fn free(data_dir: impl Into<PathBuf>) -> Self {
        let data_dir = data_dir.into();
        Self {
            bind: SocketAddr::from((Ipv4Addr::LOCALHOST, 8080)),
            database: data_dir.join("jobs.sqlite"),
            data_dir,
            free: true,
            chain: None,
            body_bytes_max: 16 << 20,
            queue_max: 1000,
            jobs_max: 2,
            wait_secs_max: 60,
            attempts_max: 3,
            lease: Duration::from_secs(30),
            drain: Duration::from_secs(20),
            breaker: Breaker { failures: 3, pause: Duration::from_secs(60) },
            operator_token: None,
        }
    }

    /// A server on a local port that proves what is paid through `chain`, with its data in `data_dir`.
    pub fn paid(data_dir: impl Into<PathBuf>, chain: ChainConfig) -> Self {
        Self { free: false, chain: Some(chain), ..Self::free(data_dir) }
    }
}

impl ChainConfig {
    /// One account as seller and prover, modest durations, confirmations of a development chain.
    pub fn new(rpc_url: impl Into<String>, market: Address, registry: Address, account: PrivateKeySigner, terms: Terms) -> Self {
        Self {
            rpc_url: rpc_url.into(),
            market,
            registry,
            prover: account.clone(),
            seller: account,
            terms,
            from_block: 0,
            confirmations: 1,
            poll: Duration::from_millis(500),
            receipt_timeout: Duration::from_secs(60),
            lock_margin_secs: None,
        }
    }

    /// Seconds that must be left of `prove_secs` for a job to be locked that has none ahead of it.
    pub fn margin_secs(&self, prove_secs: u32) -> u64 {
        self.lock_margin_secs.unwrap_or(prove_secs / 2).into()
    }
}

impl Default for Terms {
    /// 0.001 native coins, no collateral, ten minutes to prove, an hour to expiry.
    fn default() -> Self {
        Self { token: Address::ZERO, price: 1_000_000_000_000_000, collateral: 0, prove_secs: 600, expire_secs: 3600, quote_secs: 600 }
    }
}
