//! The command line of services and of what runs beside them.

use super::{SrsArg, WrapArg};
use crate::logs::LogFormat;
use alloy::primitives::Address;
use assay_api::config::Explorer;
use assay_prover::secret::Secret;
use clap::Args;
use std::net::SocketAddr;
use std::path::PathBuf;
/// `assay serve`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  assay serve --models models/ --free
  assay serve --models model.assay --rpc http://127.0.0.1:8545 --market 0x… --price 1000000000000000

Each package has MODEL.key beside it, which `assay compile` writes, and MODEL.card.json if it has a description, \
    labels or terms of its own:
  {\"description\": \"…\", \"labels\": \
    [\"cat\", \"dog\"], \"price\": \"1000000000000000\", \"collateral\": \"100000000000000\", \"prove_secs\": 600}

Jobs survive a kill: start the server again on the same data
folder. The HTTP interface: docs/api.md, or /openapi.json of the running server.")]
pub struct ServeArgs {
    /// Where HTTP listens
    #[arg(long, value_name = "ADDRESS:PORT", default_value = "127.0.0.1:8080")]
    pub bind: SocketAddr,
    /// Bearer token for the list of all predictions
    #[arg(long, value_name = "TOKEN", env = "ASSAY_OPERATOR_TOKEN", hide_env_values = true)]
    pub operator_token: Option<Secret<String>>,
    #[command(flatten)]
    pub selling: SellingArgs,
    /// Also take payments by x402, in this ERC-20, in the ways that it and its chain have: docs/api.md
    #[arg(long, value_name = "ADDRESS", requires = "market")]
    pub x402_token: Option<Address>,
    /// Price by x402 of models whose terms are in another token, in that token's smallest unit
    #[arg(long, value_name = "AMOUNT", requires = "x402_token")]
    pub x402_price: Option<u128>,
    /// The chain's block explorer, as in https://etherscan.io: receipts on the site link to URL/tx/HASH [default: the
    /// one that the site knows of well-known chains]
    #[arg(long, value_name = "URL", requires = "market")]
    pub explorer: Option<Explorer>,
    #[command(flatten)]
    pub limits: LimitArgs,
    #[command(flatten)]
    pub workshop: WorkshopArgs,
    /// A PostgreSQL database that several processes share: this one then takes requests and watches the chain, and
    /// `assay worker` proves [default: an embedded database in the data folder]
    #[arg(long, value_name = "URL", env = "DATABASE_URL", hide_env_values = true)]
    pub database_url: Option<Secret<String>>,
}

/// What the operator has this service do with models that are uploaded.
#[derive(Debug, Args)]
pub struct WorkshopArgs {
    /// Let whoever has the operator's token upload models, have them compiled here and sell them: the page *Sell*
    #[arg(long, requires = "operator_token", conflicts_with = "database_url")]
    pub sell: bool,
    /// Most memory that compiling such a model may take
    #[arg(long, value_name = "MIB", default_value_t = 4096, requires = "sell", value_parser = clap::value_parser!(u64).range(256..))]
    pub sell_memory_mib: u64,
    /// The time that it may take
    #[arg(long, value_name = "SECS", default_value_t = 600, requires = "sell", value_parser = clap::value_parser!(u64).range(1..))]
    pub sell_secs: u64,
    /// Most bytes of an upload, in MiB; a third of them is lost to its encoding
    #[arg(long, value_name = "MIB", default_value_t = 64, requires = "sell", value_parser = clap::value_parser!(u32).range(1..=2048))]
    pub sell_upload_mib: u32,
}

/// What is sold, and on which chain: the same for all processes of a service.
#[derive(Debug, Args)]
pub struct SellingArgs {
    /// Packages, folders with packages, or s3://BUCKET/PREFIX, from where they are copied to the data folder
    #[arg(long, value_name = "DIR|FILE|URL", required = true, num_args = 1..)]
    pub models: Vec<PathBuf>,
    /// Folder for jobs and proofs
    #[arg(long, value_name = "DIR", default_value = "assay-data")]
    pub data: PathBuf,
    /// s3://BUCKET/PREFIX to keep proofs in, with the account and the store that AWS_ACCESS_KEY_ID,
    /// AWS_SECRET_ACCESS_KEY, AWS_REGION and AWS_ENDPOINT name [default: in the data folder]
    #[arg(long, value_name = "URL")]
    pub proofs: Option<String>,
    /// Prove without payment
    #[arg(long)]
    pub free: bool,
    /// Say how a model continues a prompt, without a proof and before anything is paid, so that buyers can order a
    /// proof of the text; with --free always
    #[arg(long)]
    pub completions: bool,
    /// The chain's JSON-RPC address
    #[arg(long, value_name = "URL", env = "ASSAY_RPC", requires = "market")]
    pub rpc: Option<String>,
    /// Another node of the same chain, which is asked when that one does not answer
    #[arg(long, value_name = "URL", env = "ASSAY_RPC_FALLBACK", requires = "rpc", num_args = 1.., value_delimiter = ',')]
    pub rpc_fallback: Vec<String>,
    /// InferenceMarket
    #[arg(long, value_name = "ADDRESS", env = "ASSAY_MARKET", requires = "rpc")]
    pub market: Option<Address>,
    /// ModelRegistry [default: the market's]
    #[arg(long, value_name = "ADDRESS")]
    pub registry: Option<Address>,
    /// Key of the account that owns the models, proves and settles
    #[arg(long, value_name = "KEY", env = "ASSAY_PRIVATE_KEY", hide_env_values = true)]
    pub private_key: Option<Secret<String>>,
    /// Price of an inference, in the token's smallest unit, of models whose card names none
    #[arg(long, value_name = "AMOUNT", default_value_t = 1_000_000_000_000_000)]
    pub price: u128,
    /// Collateral put up per job [default: the least that the market takes, a tenth of the price]
    #[arg(long, value_name = "AMOUNT")]
    pub collateral: Option<u128>,
    /// ERC-20 to be paid in [default: the native coin]
    #[arg(long, value_name = "ADDRESS")]
    pub token: Option<Address>,
    /// Seconds from funding in which a proof is promised
    #[arg(long, value_name = "SECS", default_value_t = 600)]
    pub prove_secs: u32,
    /// Seconds from funding after which the buyer takes the money back
    #[arg(long, value_name = "SECS", default_value_t = 3600)]
    pub expire_secs: u32,
    /// Seconds that must be left to prove for a job to be locked: more than a proof and its transactions take, and at
    /// least half of --prove-secs, which the market wants [default: half of --prove-secs]
    #[arg(long, value_name = "SECS")]
    pub lock_margin_secs: Option<u32>,
    /// Jobs that are worked on at a time: while one waits for the chain or is wrapped, the next one's inner proof is
    /// made
    #[arg(long, value_name = "N", default_value_t = 2, value_parser = clap::value_parser!(u32).range(1..=16))]
    pub jobs_max: u32,
    /// Most inferences of several buyers in one proof; 1 proves each alone. Sizes are those whose keys lie beside the
    /// package (MODEL.x8s.pk, MODEL.x64s.pk, as `assay setup --batch N --separate` makes them)
    #[arg(long, value_name = "N", default_value_t = 64, value_parser = clap::value_parser!(u32).range(1..=4096))]
    pub batch_max: u32,
    /// How long an order that may have company in its proof waits for it, if there is not enough
    #[arg(long, value_name = "MS", default_value_t = 250)]
    pub batch_wait_ms: u64,
    /// Settle batches without locking their jobs first: a quarter less gas a job, no collateral, a transaction less. A
    /// buyer can take the money back until the settlement is in a block: not for chains on which others see
    /// transactions before that
    #[arg(long)]
    pub batch_unlocked: bool,
    /// How log lines on stderr look; what is logged, $ASSAY_LOG says
    #[arg(long, value_enum, value_name = "FORMAT", default_value = "text")]
    pub log_format: LogFormat,
    /// Blocks, an event's own among them, before a funding is believed, and the payment that ends a job
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub confirmations: u64,
    /// First block that can hold the contracts' events
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub from_block: u64,
    #[command(flatten)]
    pub wrap: WrapArg,
    #[command(flatten)]
    pub srs: SrsArg,
}

/// `assay up`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  assay up model.assay                     # a chain of its own, the contracts, the model listed, the service and its \
    site
  assay up --example                       # the same with a model that reads handwritten digits
  assay up model.assay -- --jobs-max 4     # what follows -- goes to `assay serve`
  assay up model.assay --chain http://127.0.0.1:8545 --market 0x…

Chain, contracts, jobs and proofs are kept in the folder: Ctrl-C stops everything, and the same command goes on where it
was. DIR/state.json says where chain and contracts are. The accounts of a chain of its own are anvil's, whose keys \
    everybody
knows: it is for trying things out, and so are the keys that its contracts admit.")]
pub struct UpArgs {
    /// Packages, or folders with packages [default: those of this folder]
    #[arg(value_name = "MODEL.assay")]
    pub models: Vec<PathBuf>,
    /// Sell a small network that reads handwritten digits
    #[arg(long)]
    pub example: bool,
    /// Where everything is kept
    #[arg(long, value_name = "DIR", default_value = "assay-up")]
    pub dir: PathBuf,
    /// Where the service and its site listen
    #[arg(long, value_name = "ADDRESS:PORT", default_value = "127.0.0.1:8080")]
    pub bind: SocketAddr,
    /// Price of an inference, in wei, of models whose card names none
    #[arg(long, value_name = "AMOUNT", default_value_t = 1_000_000_000_000_000)]
    pub price: u128,
    /// Prove without payment as well: so it is on a chain of its own, but for x402
    #[arg(long)]
    pub free: bool,
    /// Prove nothing without payment on a chain of its own either
    #[arg(long, conflicts_with = "free")]
    pub paid_only: bool,
    /// Use a chain that is there instead of starting one
    #[arg(long, value_name = "URL")]
    pub chain: Option<String>,
    /// The market on that chain [default: contracts are deployed, if it is a development chain]
    #[arg(long, value_name = "ADDRESS", requires = "chain")]
    pub market: Option<Address>,
    /// The seller's account on that chain [default: an account of the development chain]
    #[arg(long, value_name = "KEY", env = "ASSAY_PRIVATE_KEY", hide_env_values = true)]
    pub private_key: Option<Secret<String>>,
    /// The port of the chain; if it is taken, another one
    #[arg(long, value_name = "PORT", default_value_t = 8545)]
    pub chain_port: u16,
    /// Folder with verifier-contracts/node_modules, where npm installed anvil [default: this checkout]
    #[arg(long, value_name = "DIR")]
    pub root: Option<PathBuf>,
    #[command(flatten)]
    pub srs: SrsArg,
    /// Further options of `assay serve`
    #[arg(last = true, value_name = "OPTION")]
    pub serve: Vec<String>,
}

/// `assay init`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  assay init shop                             # with a small network that reads handwritten digits
  assay init shop --model network.onnx        # with a card for a network of yours
  assay init shop --model network.assay       # the same for a package

Writes a card that says what the model is and what an answer costs, with a comment for each field, a .gitignore that \
    keeps
secrets out of git, and the network with samples; then it says which commands come next. Files that are there already \
    stay as
they are.")]
pub struct InitArgs {
    /// The folder, which is made if it is not there
    #[arg(value_name = "DIR", default_value = ".")]
    pub dir: PathBuf,
    /// A network, or a package, whose shape the card is written for [default: the network that comes with the program]
    #[arg(long, value_name = "MODEL.onnx|MODEL.assay")]
    pub model: Option<PathBuf>,
}

/// `assay mcp`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  assay mcp --service http://127.0.0.1:8080                                  # free answers, and proofs of others
  export ASSAY_PRIVATE_KEY=0x… ASSAY_RPC=http://127.0.0.1:8545 ASSAY_MARKET=0x…
  assay mcp --service http://127.0.0.1:8080 --budget 10000000000000000 --max-price 1000000000000000

Speaks the Model Context Protocol on stdin and stdout, as agents start it, or over HTTP with --http. Its tools find \
    models,
quote, pay within the budget, wait for the answer, and verify its proof. The budget is for all that was ever paid by the
ledger: starting again does not lift it. docs/agents.md")]
pub struct McpArgs {
    /// A service to buy from; may be given several times, and the first is asked where the agent names none
    #[arg(long, value_name = "URL")]
    pub service: Vec<String>,
    /// The chain's JSON-RPC address
    #[arg(long, value_name = "URL", env = "ASSAY_RPC", requires = "market")]
    pub rpc: Option<String>,
    /// InferenceMarket
    #[arg(long, value_name = "ADDRESS", env = "ASSAY_MARKET", requires = "rpc")]
    pub market: Option<Address>,
    /// Key of the account that pays
    #[arg(long, value_name = "KEY", env = "ASSAY_PRIVATE_KEY", hide_env_values = true)]
    pub private_key: Option<Secret<String>>,
    /// The most that the agent may spend, in the token's smallest unit; needed to pay at all
    #[arg(long, value_name = "AMOUNT")]
    pub budget: Option<u128>,
    /// The most that one answer may cost [default: the budget]
    #[arg(long, value_name = "AMOUNT")]
    pub max_price: Option<u128>,
    /// Where it is written down what was spent [default: spent.json in the folder of orders]
    #[arg(long, value_name = "FILE")]
    pub ledger: Option<PathBuf>,
    /// ERC-20 to pay in [default: the native coin]
    #[arg(long, value_name = "ADDRESS")]
    pub token: Option<Address>,
    /// Pay with the account's credit in the market (`assay deposit`): the agent then has no hold on the account's
    /// coins, but for gas
    #[arg(long)]
    pub from_balance: bool,
    /// Most inferences, those of other buyers included, that a proof may have
    #[arg(long, value_name = "N", default_value_t = 64, value_parser = clap::value_parser!(u32).range(1..=4096))]
    pub batch_max: u32,
    /// Pay for proofs under a development key, whose maker can forge them
    #[arg(long)]
    pub accept_development_key: bool,
    /// Listen for agents over HTTP, at /mcp
    #[arg(long, value_name = "ADDRESS:PORT")]
    pub http: Option<SocketAddr>,
    /// The bearer token of callers over HTTP [default: drawn, and shown]
    #[arg(long, value_name = "TOKEN", env = "ASSAY_MCP_TOKEN", hide_env_values = true, requires = "http")]
    pub http_token: Option<Secret<String>>,
    #[command(flatten)]
    pub srs: SrsArg,
}

/// `assay worker`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  export DATABASE_URL=postgres://assay@db/assay
  assay worker --models models/ --data /shared/assay --rpc http://127.0.0.1:8545 --market 0x…

Proves and settles for servers (`assay serve`) that share its database and its data folder. Any number may run. On \
    SIGTERM the
proof at hand may finish; what a worker that dies had begun is taken up by another one: docs/scale.md.")]
pub struct WorkerArgs {
    /// The PostgreSQL database that all processes share
    #[arg(long, value_name = "URL", env = "DATABASE_URL", hide_env_values = true)]
    pub database_url: Secret<String>,
    /// Where HTTP listens for those who watch the worker: /livez and /metrics, and nothing else [default: nowhere]
    #[arg(long, value_name = "ADDRESS:PORT")]
    pub bind: Option<SocketAddr>,
    #[command(flatten)]
    pub selling: SellingArgs,
}

/// How much the service takes and keeps.
#[derive(Debug, Args)]
pub struct LimitArgs {
    /// Most predictions that wait for the prover, paid for or free
    #[arg(long, value_name = "N", default_value_t = 1000)]
    pub queue_max: u32,
    /// Most orders that wait for their money; they take no place in the queue
    #[arg(long, value_name = "N", default_value_t = 1000)]
    pub unfunded_max: u32,
    /// The same of one client, by its address
    #[arg(long, value_name = "N", default_value_t = 16)]
    pub unfunded_per_client: u32,
    /// All requests come through a proxy, which names the client at the end of X-Forwarded-For
    #[arg(long)]
    pub behind_proxy: bool,
    /// Serve only those who show a key (`assay api-keys`): others see what is offered, and get no quotes and
    /// predictions
    #[arg(long)]
    pub require_key: bool,
    /// Most requests in a minute of one address that shows no key [default: any number]
    #[arg(long, value_name = "N")]
    pub anonymous_per_minute: Option<u32>,
    /// Origin whose pages may call the service from a browser, as in https://shop.example; may be given several times;
    /// `*`: all
    #[arg(long, value_name = "ORIGIN")]
    pub cors_origin: Vec<String>,
    /// For development: webhooks may go to this machine, over http
    #[arg(long)]
    pub webhooks_loopback: bool,
    /// Largest body of a request
    #[arg(long, value_name = "MIB", default_value_t = 16, value_parser = clap::value_parser!(u32).range(1..=1024))]
    pub body_max_mib: u32,
    /// Most HTTP connections at a time; fewer where the system allows few open files
    #[arg(long, value_name = "N", default_value_t = 1024)]
    pub connections_max: u32,
    /// Not ready while the chain's newest block is older than this [default: however old it is]
    #[arg(long, value_name = "SECS")]
    pub block_age_max_secs: Option<u64>,
    /// Days after its end for which a prediction is kept, with its events and proof [default: for ever]
    #[arg(long, value_name = "DAYS")]
    pub keep_days: Option<u32>,
    /// Free space of the data folder's disk below which nothing new is taken
    #[arg(long, value_name = "MIB", default_value_t = 64)]
    pub disk_min_mib: u64,
}

/// `assay backup`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  assay backup --data assay-data -o backups/monday
  assay serve --data backups/monday …          # a restored service

The server may be running. The copy holds its jobs as they are at one moment, and all proofs. Never run a copy and its
original at the same time with the same account: both would lock and settle the same jobs.")]
pub struct BackupArgs {
    /// The service's data folder
    #[arg(long, value_name = "DIR", default_value = "assay-data")]
    pub data: PathBuf,
    /// The folder to write, which must not be there or be empty
    #[arg(short, long, value_name = "DIR")]
    pub output: PathBuf,
}
