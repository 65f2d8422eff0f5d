//! The command line of what has to do with chains and services.

use super::{ClampingArg, SrsArg, WrapArg};
use alloy::primitives::{Address, B256};
use assay_prover::secret::Secret;
use clap::Args;
use std::net::SocketAddr;
use std::path::PathBuf;

/// A chain and an account.
#[derive(Debug, Args)]
pub struct ChainArgs {
    /// The chain's JSON-RPC address
    #[arg(long, value_name = "URL", env = "ASSAY_RPC")]
    pub rpc: String,
    /// The account's private key; better in the environment than on the command line
    #[arg(long, value_name = "KEY", env = "ASSAY_PRIVATE_KEY", hide_env_values = true)]
    pub private_key: Secret<String>,
}

/// `assay deploy`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  assay deploy --rpc http://127.0.0.1:8545 --allow-development --json > contracts.json")]
pub struct DeployArgs {
    #[command(flatten)]
    pub chain: ChainArgs,
    /// Who attests keys; may be given several times [default: the account]
    #[arg(long, value_name = "ADDRESS")]
    pub attestor: Vec<Address>,
    /// Attestations that a key needs
    #[arg(long, default_value_t = 1)]
    pub threshold: u64,
    /// Seconds between the last attestation and a key's admission
    #[arg(long, value_name = "SECS", default_value_t = 0)]
    pub timelock: u64,
    /// Admit development keys; never where real money moves
    #[arg(long)]
    pub allow_development: bool,
    /// Who gets slashed collateral [default: the account]
    #[arg(long, value_name = "ADDRESS")]
    pub treasury: Option<Address>,
}

/// `assay publish`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  export ASSAY_PRIVATE_KEY=0x…
  assay publish model.assay --rpc http://127.0.0.1:8545 --market 0x…
  assay publish model.assay --key model.x64s.key --rpc http://127.0.0.1:8545 --market 0x…

The key is recomputed, proposed to the market's key registry, and attested if the account is one of its attestors; the
model is registered, and the account gets its token. Doing it again does nothing that is done already.")]
pub struct PublishArgs {
    /// The package
    #[arg(value_name = "MODEL.assay")]
    pub model: PathBuf,
    /// The buyer's key to propose, for one inference or for a batch [default: MODEL.key]
    #[arg(long, value_name = "KEY")]
    pub key: Option<PathBuf>,
    #[command(flatten)]
    pub chain: ChainArgs,
    /// InferenceMarket, which names the registries
    #[arg(long, value_name = "ADDRESS", env = "ASSAY_MARKET")]
    pub market: Address,
    /// Address of the model card
    #[arg(long, default_value = "")]
    pub uri: String,
    /// Royalty on sales of the model's token, in 1/10,000
    #[arg(long, value_name = "BPS", default_value_t = 0, value_parser = clap::value_parser!(u16).range(0..=10_000))]
    pub royalty_bps: u16,
    /// The prover's share of revenue, in 1/10,000; the rest is the owner's
    #[arg(long, value_name = "BPS", default_value_t = 0, value_parser = clap::value_parser!(u16).range(0..=10_000))]
    pub prover_bps: u16,
    #[command(flatten)]
    pub srs: SrsArg,
}

/// `assay attest`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  export ASSAY_PRIVATE_KEY=0x…
  assay attest 0x… --model model.key --srs ceremony.srs --rpc http://127.0.0.1:8545 --market 0x…

An attestor says that the key which is proposed under KEYHASH is its shape's. The key is derived from the model's
description in the file and from the SRS, and attested if it has this hash. A Groth16 key cannot be derived: it is attested
as a development key, which registries for real money refuse.")]
pub struct AttestArgs {
    /// Hash of the proposed key
    #[arg(value_name = "KEYHASH")]
    pub key_hash: B256,
    /// Where the model's description is: its buyers' key, or a package for one inference with the universal wrap
    #[arg(long, value_name = "MODEL.assay|KEY")]
    pub model: PathBuf,
    #[command(flatten)]
    pub chain: ChainArgs,
    /// InferenceMarket, which names the key registry
    #[arg(long, value_name = "ADDRESS", env = "ASSAY_MARKET")]
    pub market: Address,
    #[command(flatten)]
    pub srs: SrsArg,
}

/// `assay serve`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  assay serve --models models/ --free
  assay serve --models model.assay --rpc http://127.0.0.1:8545 --market 0x… --price 1000000000000000

Each package has its MODEL.pk and MODEL.key beside it. Jobs survive a kill: start the server again on the same data
folder. The HTTP interface: docs/api.md, or /openapi.json of the running server.")]
pub struct ServeArgs {
    /// Packages, or folders with packages
    #[arg(long, value_name = "DIR|FILE", required = true, num_args = 1..)]
    pub models: Vec<PathBuf>,
    /// Where HTTP listens
    #[arg(long, value_name = "ADDRESS:PORT", default_value = "127.0.0.1:8080")]
    pub bind: SocketAddr,
    /// Folder for jobs and proofs
    #[arg(long, value_name = "DIR", default_value = "assay-data")]
    pub data: PathBuf,
    /// Prove without payment
    #[arg(long)]
    pub free: bool,
    /// The chain's JSON-RPC address
    #[arg(long, value_name = "URL", env = "ASSAY_RPC", requires = "market")]
    pub rpc: Option<String>,
    /// InferenceMarket
    #[arg(long, value_name = "ADDRESS", env = "ASSAY_MARKET", requires = "rpc")]
    pub market: Option<Address>,
    /// ModelRegistry [default: the market's]
    #[arg(long, value_name = "ADDRESS")]
    pub registry: Option<Address>,
    /// Key of the account that owns the models, proves and settles
    #[arg(long, value_name = "KEY", env = "ASSAY_PRIVATE_KEY", hide_env_values = true)]
    pub private_key: Option<Secret<String>>,
    /// Price of an inference, in the token's smallest unit
    #[arg(long, value_name = "AMOUNT", default_value_t = 1_000_000_000_000_000)]
    pub price: u128,
    /// Collateral put up per job
    #[arg(long, value_name = "AMOUNT", default_value_t = 0)]
    pub collateral: u128,
    /// ERC-20 to be paid in [default: the native coin]
    #[arg(long, value_name = "ADDRESS")]
    pub token: Option<Address>,
    /// Seconds from funding in which a proof is promised
    #[arg(long, value_name = "SECS", default_value_t = 600)]
    pub prove_secs: u32,
    /// Seconds from funding after which the buyer takes the money back
    #[arg(long, value_name = "SECS", default_value_t = 3600)]
    pub expire_secs: u32,
    /// Seconds that must be left to prove for a job to be locked: more than a proof and its transactions take [default:
    /// half of --prove-secs]
    #[arg(long, value_name = "SECS")]
    pub lock_margin_secs: Option<u32>,
    /// Jobs that are worked on at a time: while one waits for the chain or is wrapped, the next one's inner proof is made
    #[arg(long, value_name = "N", default_value_t = 2, value_parser = clap::value_parser!(u32).range(1..=16))]
    pub jobs_max: u32,
    /// Blocks on top of an event before it is believed
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub confirmations: u64,
    /// First block that can hold the contracts' events
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub from_block: u64,
    /// Bearer token for the list of all predictions
    #[arg(long, value_name = "TOKEN", env = "ASSAY_OPERATOR_TOKEN", hide_env_values = true)]
    pub operator_token: Option<Secret<String>>,
    #[command(flatten)]
    pub wrap: WrapArg,
    #[command(flatten)]
    pub srs: SrsArg,
}

/// `assay revoke`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  export ASSAY_PRIVATE_KEY=0x…
  assay revoke order.json --rpc http://127.0.0.1:8545 --market 0x…

ORDER is an order as JSON, or the answer of POST /v1/quotes, which holds one. Revoking takes back a signature: an order
that was signed for somebody else to fund (`fundFor`) and is not funded yet never will be. A job that is funded already is
taken back with the market's `cancel` or `claimRefund`.")]
pub struct RevokeArgs {
    /// The order
    #[arg(value_name = "ORDER")]
    pub order: PathBuf,
    #[command(flatten)]
    pub chain: ChainArgs,
    /// InferenceMarket
    #[arg(long, value_name = "ADDRESS", env = "ASSAY_MARKET")]
    pub market: Address,
}

/// `assay request`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  export ASSAY_PRIVATE_KEY=0x…
  assay request --service http://127.0.0.1:8080 --rpc http://127.0.0.1:8545 --market 0x… --key model.key --input input.json
  assay request --service http://127.0.0.1:8080 --key model.key --input input.json --free

The key is recomputed, the input committed to with fresh blinding, the quote checked against the chain (never against the
service), the escrow funded, and the proof that comes back verified here. If the service fails, the contract gives the
money back; the job's id is printed before anything is paid.")]
pub struct RequestArgs {
    /// The service
    #[arg(long, value_name = "URL")]
    pub service: String,
    /// The buyer's key of the model
    #[arg(long, value_name = "KEY")]
    pub key: PathBuf,
    /// The input, as for `assay compile --calibrate`
    #[arg(long, value_name = "INPUT")]
    pub input: PathBuf,
    /// Where to keep the proof file
    #[arg(short, long, value_name = "PROOF")]
    pub output: Option<PathBuf>,
    /// The model's id on chain [default: the service's model with this key]
    #[arg(long, value_name = "ID")]
    pub model: Option<B256>,
    /// Ask without payment
    #[arg(long, conflicts_with = "max_price")]
    pub free: bool,
    /// The chain's JSON-RPC address
    #[arg(long, value_name = "URL", env = "ASSAY_RPC", required_unless_present = "free")]
    pub rpc: Option<String>,
    /// InferenceMarket
    #[arg(long, value_name = "ADDRESS", env = "ASSAY_MARKET", required_unless_present = "free")]
    pub market: Option<Address>,
    /// Key of the account that pays
    #[arg(long, value_name = "KEY", env = "ASSAY_PRIVATE_KEY", hide_env_values = true, required_unless_present = "free")]
    pub private_key: Option<Secret<String>>,
    /// The most to pay, in the token's smallest unit [default: 0.01 coins]
    #[arg(long, value_name = "AMOUNT", default_value_t = 10_000_000_000_000_000)]
    pub max_price: u128,
    /// ERC-20 to pay in [default: the native coin]
    #[arg(long, value_name = "ADDRESS")]
    pub token: Option<Address>,
    /// Pay for proofs under a development key, whose maker can forge them
    #[arg(long)]
    pub accept_development_key: bool,
    /// Commit to the input without blinding
    #[arg(long)]
    pub public_input: bool,
    /// Pay only for a proof which says that no value had to be clamped to fit its width
    #[arg(long, conflicts_with = "free")]
    pub unclamped: bool,
    #[command(flatten)]
    pub clamping: ClampingArg,
    #[command(flatten)]
    pub srs: SrsArg,
}
