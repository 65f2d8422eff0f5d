//! The command line of whoever deploys, sells or buys: what has to do with a chain.

use super::{ClampingArg, ShownArgs, SrsArg};
use alloy::primitives::{Address, B256};
use assay_api::chain::create2::PERMIT2;
use assay_prover::secret::Secret;
use clap::Args;
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
  assay deploy --rpc http://127.0.0.1:8545 --allow-development --json > contracts.json
  assay deploy --rpc https://… --attestor 0x… --attestor 0x… --treasury 0x… --around

Addresses follow from the contracts, their settings and the salt (CREATE2): they are the same on every chain,
running it again deploys what is missing, and code that is there is compared with what the committed bytecode gives.
What was deployed is written to a file for the chain; for a chain with real money a list of what to check is
printed.")]
pub struct DeployArgs {
    #[command(flatten)]
    pub chain: ChainArgs,
    /// Who attests keys, each of another owner; given at least twice [default with --allow-development: the account]
    #[arg(long, value_name = "ADDRESS")]
    pub attestor: Vec<Address>,
    /// Attestations that a key needs, at least 2 [default: 2; with --allow-development 1]
    #[arg(long, value_name = "N")]
    pub threshold: Option<u64>,
    /// Seconds between the last attestation and a key's admission [default: 172800; with --allow-development 0]
    #[arg(long, value_name = "SECS")]
    pub timelock: Option<u64>,
    /// Seconds between the commitment of a model's registration and the registration [default: 60; with
    /// --allow-development 0]
    #[arg(long, value_name = "SECS")]
    pub commit_secs: Option<u64>,
    /// For development chains only: admit development keys, at the word of one account and at once
    #[arg(long)]
    pub allow_development: bool,
    /// Who gets slashed collateral: nobody who sells or proves [default with --allow-development: the account]
    #[arg(long, value_name = "ADDRESS")]
    pub treasury: Option<Address>,
    /// Also deploy the contracts around the market: for contracts that buy, gasless buyers, splitters, rising prices,
    /// reputation, ERC-8183 and ERC-8004
    #[arg(long)]
    pub around: bool,
    /// Permit2, for gasless buyers
    #[arg(long, value_name = "ADDRESS", default_value_t = PERMIT2, requires = "around")]
    pub permit2: Address,
    /// Tells deployments of the same settings apart: another text gives other addresses
    #[arg(long, value_name = "TEXT", default_value = "assay")]
    pub salt: String,
    /// Folder for what was deployed, one file for each chain [default: deployments in $ASSAY_HOME]
    #[arg(long, value_name = "DIR")]
    pub deployments: Option<PathBuf>,
}

/// `assay market`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  assay market --rpc http://127.0.0.1:8545 --market 0x…
  assay market --rpc http://127.0.0.1:8545 --market 0x… --model 0x… --jobs

Reads the events of the market and of its registry of models from a node, and no service; with --service, up to the \
    block
that the service has read, and fails if the service says anything else of them. What is earned is what was
paid out for settled jobs, to all payees; whoever buys from himself has earned nothing, and the number of buyers is
what the chain knows of that.")]
pub struct MarketArgs {
    /// The chain's JSON-RPC address
    #[arg(long, value_name = "URL", env = "ASSAY_RPC")]
    pub rpc: String,
    /// InferenceMarket
    #[arg(long, value_name = "ADDRESS", env = "ASSAY_MARKET")]
    pub market: Address,
    /// The first block to read: that of the deployment is early enough
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub from_block: u64,
    /// Only this model
    #[arg(long, value_name = "ID")]
    pub model: Option<B256>,
    /// Also list the jobs
    #[arg(long)]
    pub jobs: bool,
    /// Compare what this service has of the market with the chain, model by model, prover by prover and job by job
    #[arg(long, value_name = "URL", conflicts_with_all = ["model", "jobs"])]
    pub service: Option<String>,
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
    /// A further payee and its share of revenue, in 1/10,000, such as a splitter; may be repeated
    #[arg(long = "payee", value_name = "ADDRESS=BPS", value_parser = payee)]
    pub payees: Vec<(Address, u16)>,
    /// Leave out the proof that the weights are what the architecture says and that you know them
    #[arg(long)]
    pub no_weights_proof: bool,
    #[command(flatten)]
    pub shown: ShownArgs,
    #[command(flatten)]
    pub srs: SrsArg,
}

/// `--payee`.
fn payee(argument: &str) -> Result<(Address, u16), String> {
    let parsed = argument.split_once('=').and_then(|(account, bps)| Some((account.parse().ok()?, bps.parse().ok()?)));
    let parsed = parsed.filter(|(account, bps): &(Address, u16)| !account.is_zero() && (1..=10_000).contains(bps));
    parsed.ok_or_else(|| {
        "write ADDRESS=BPS with BPS from 1 to 10000, as in --payee 0x3c44cdddb6a900fa2b585dd299e03d12fa4293bc=500"
            .to_owned()
    })
}

/// `assay attest`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  export ASSAY_PRIVATE_KEY=0x…
  assay attest 0x… --model model.key --srs ceremony.srs --rpc http://127.0.0.1:8545 --market 0x…

An attestor says that the key which is proposed under KEYHASH is its shape's. The key is derived from the model's
description in the file and from the SRS, and attested if it has this hash. A Groth16 key cannot be derived: it is \
    attested
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
    pub shown: ShownArgs,
    #[command(flatten)]
    pub srs: SrsArg,
}

/// `assay revoke`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  export ASSAY_PRIVATE_KEY=0x…
  assay revoke order.json --rpc http://127.0.0.1:8545 --market 0x…
  assay revoke --quotes 0x… --rpc http://127.0.0.1:8545 --market 0x…

ORDER is an order as JSON, or the answer of POST /v1/quotes, which holds one. Revoking takes back a signature: an order
that was signed for somebody else to fund (`fundFor`) and is not funded yet never will be. A job that is funded \
    already is
taken back with the market's `cancel` or `claimRefund`.

A seller who gives a model's id ends all quotes that were signed for it so far. Jobs that they funded go on.")]
pub struct RevokeArgs {
    /// The order
    #[arg(value_name = "ORDER", required_unless_present = "quotes")]
    pub order: Option<PathBuf>,
    /// The model whose quotes end, by the holder of its token
    #[arg(long, value_name = "ID", conflicts_with = "order")]
    pub quotes: Option<B256>,
    #[command(flatten)]
    pub chain: ChainArgs,
    /// InferenceMarket
    #[arg(long, value_name = "ADDRESS", env = "ASSAY_MARKET")]
    pub market: Address,
}

/// `assay commit`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  assay commit --key model.key --input input.json -o commitment.json

Commits to an input as `assay request` does, for buyers who speak HTTP themselves (docs/api.md). The answer has the \
    fields
of a prediction's request (input, blinding) and of a quote's (input_commitment). The blinding opens the commitment: \
    keep it
to yourself and the service, and never use it twice.")]
pub struct CommitArgs {
    /// The buyer's key of the model
    #[arg(long, value_name = "KEY")]
    pub key: PathBuf,
    /// The input, as for `assay compile --calibrate`
    #[arg(long, value_name = "INPUT")]
    pub input: PathBuf,
    /// The file to write, for nobody else to read; `-` is stdout
    #[arg(short, long, value_name = "FILE", default_value = "-")]
    pub output: PathBuf,
    /// Commit to the input without blinding
    #[arg(long)]
    pub public_input: bool,
    /// Also make what a contract that buys takes: the input's cells, and an opening which shows that the commitment is
    /// theirs
    #[arg(long, requires = "public_input")]
    pub for_contract: bool,
    #[command(flatten)]
    pub clamping: ClampingArg,
    #[command(flatten)]
    pub srs: SrsArg,
}

/// `assay request`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  export ASSAY_PRIVATE_KEY=0x…
  assay request --service http://127.0.0.1:8080 --rpc http://127.0.0.1:8545 --market 0x… --key model.key --input \
    input.json
  assay request --service http://127.0.0.1:8080 --rpc http://127.0.0.1:8545 --market 0x… --key model.key --input \
    *.json -o proofs
  assay request --service http://127.0.0.1:8080 --key model.key --input input.json --free

The key is recomputed, the input committed to with fresh blinding, the quote checked against the chain (never against \
    the
service), the escrow funded, and the proof that comes back verified here. The order is kept before anything is paid: \
    if this
command or the service fails, `assay jobs` says where the money is, `assay resume` goes on, and `assay cancel` or, \
    after the
job's expiry, `assay refund` takes it back.")]
pub struct RequestArgs {
    /// The service
    #[arg(long, value_name = "URL")]
    pub service: String,
    /// The buyer's key of the model
    #[arg(long, value_name = "KEY")]
    pub key: PathBuf,
    /// The inputs, as for `assay compile --calibrate`. Several, in one file or in more, are paid for with one
    /// transaction
    #[arg(long, value_name = "INPUT", required = true, num_args = 1..)]
    pub input: Vec<PathBuf>,
    /// The input is a prompt (a list of token numbers): have the service continue it by so many tokens, and buy a proof
    /// of the text. That the tokens are the model's is the service's word until the proof is there
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    pub generate: Option<u32>,
    /// Where to keep the proof file; `-` is stdout. For several inputs a folder: a proof file for each, in their order
    #[arg(short, long, value_name = "PROOF|DIR")]
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
    #[arg(
        long,
        value_name = "KEY",
        env = "ASSAY_PRIVATE_KEY",
        hide_env_values = true,
        required_unless_present = "free"
    )]
    pub private_key: Option<Secret<String>>,
    /// The most to pay, in the token's smallest unit [default: 0.01 coins]
    #[arg(long, value_name = "AMOUNT", default_value_t = 10_000_000_000_000_000)]
    pub max_price: u128,
    /// ERC-20 to pay in [default: the native coin]
    #[arg(long, value_name = "ADDRESS")]
    pub token: Option<Address>,
    /// Pay with the account's credit in the market (`assay deposit`, and what came back of earlier jobs)
    #[arg(long, conflicts_with = "free")]
    pub from_balance: bool,
    /// Most inferences, those of other buyers included, that the proof may have; the service takes fewer where few ask.
    /// 1: a proof of this one alone. The key for so many is derived here
    #[arg(long, value_name = "N", default_value_t = 64, conflicts_with = "free", value_parser = clap::value_parser!(u32).range(1..=4096))]
    pub batch_max: u32,
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
