//! The command line.

use alloy::primitives::{Address, B256};
use clap::{Args, Parser, Subcommand, ValueEnum};
use std::net::SocketAddr;
use std::path::PathBuf;

/// Verifiable inference: prove that an output is what a committed model computes, without showing the model.
#[derive(Debug, Parser)]
#[command(
    name = "assay",
    version,
    max_term_width = 120,
    arg_required_else_help = true,
    after_help = "\
A first round trip:
  assay compile model.onnx --calibrate inputs.json -o model.assay
  assay setup --dev model.assay                       # writes model.pk and model.key
  assay prove model.assay --input input.json -o proof.json
  assay verify proof.json --model model.key

The whole market on this machine, with a chain of its own:
  assay demo

Exit codes: 0 done; 1 a check or a proof does not hold; 2 wrong command line; 3 bad input; 4 files or network;
130 cancelled."
)]
pub struct Cli {
    /// Print one JSON object on stdout, with seconds per phase and sizes in bytes; warnings and progress stay on stderr
    #[arg(long, global = true)]
    pub json: bool,
    /// What to do
    #[command(subcommand)]
    pub command: Command,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Turn an ONNX model into a package that can be proven
    Compile(CompileArgs),
    /// Show what a package (MODEL.assay) or a key (MODEL.key) holds
    Inspect(InspectArgs),
    /// Run the exact integer network: the function that proofs are about
    Run(RunArgs),
    /// Make the proving key (MODEL.pk) and the buyer's key (MODEL.key) of a package
    Setup(SetupArgs),
    /// Prove one inference
    Prove(ProveArgs),
    /// Verify a proof file
    Verify(VerifyArgs),
    /// Recompute a buyer's key from the public model description
    VerifyKey(VerifyKeyArgs),
    /// Structured reference strings: make, import, show
    #[command(subcommand)]
    Srs(SrsCommand),
    /// Deploy the contracts to a chain
    Deploy(DeployArgs),
    /// List a model on chain: propose its key, attest it where allowed, register its weights
    Publish(PublishArgs),
    /// Serve proofs over HTTP
    Serve(ServeArgs),
    /// Buy a proven inference: quote, escrow, proof, check
    Request(RequestArgs),
    /// Run the whole market on this machine and show what holds and what fails
    Demo(DemoArgs),
    /// Print a completion script for a shell
    Completions(CompletionsArgs),
}

/// What to optimise chunk sizes for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Objective {
    /// Few commitments: cheap to settle on chain
    Gas,
    /// Small commitments: quick to prove
    Latency,
}

/// An SRS file.
#[derive(Debug, Args)]
pub struct SrsArg {
    /// SRS file that `assay srs import` wrote; left out: the insecure development SRS
    #[arg(long, value_name = "FILE", env = "ASSAY_SRS")]
    pub srs: Option<PathBuf>,
}

/// `assay compile`.
#[derive(Debug, Args)]
#[command(after_help = "\
INPUTS is EZKL's JSON, {\"input_data\": [[…], […]]} with one list of numbers per sample, or a NumPy file (.npy, .npz).
Use a few dozen representative inputs: scales and table widths follow from them.

  assay compile lenet.onnx --calibrate inputs.json
  assay compile lenet.onnx --calibrate inputs.npz --optimize latency -o fast.assay

The package holds the weights and is the seller's secret. Operators: docs/compiler.md.")]
pub struct CompileArgs {
    /// The ONNX file
    #[arg(value_name = "MODEL.onnx")]
    pub model: PathBuf,
    /// Representative inputs
    #[arg(long, value_name = "INPUTS")]
    pub calibrate: PathBuf,
    /// The package to write [default: MODEL.assay]
    #[arg(short, long, value_name = "MODEL.assay")]
    pub output: Option<PathBuf>,
    /// A name for people [default: the file's]
    #[arg(long)]
    pub name: Option<String>,
    /// What to choose the chunk size for
    #[arg(long, value_enum, default_value = "gas")]
    pub optimize: Objective,
    /// Log of the chunk size, chosen by hand
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(4..=24))]
    pub log_chunk: Option<u32>,
    /// Width of activation tables in bits, 4 to 16 [default: chosen by the cost model]
    #[arg(long, value_name = "BITS")]
    pub table_bits: Option<u8>,
    /// Most bits of a weight, 4 to 16
    #[arg(long, value_name = "BITS", default_value_t = 16)]
    pub weight_bits: u8,
    /// Allowed mean error as a share of the largest output
    #[arg(long, default_value_t = 0.005)]
    pub tolerance: f64,
    /// Share of samples whose top-1 must agree with the float model
    #[arg(long, default_value_t = 0.99)]
    pub min_agreement: f64,
    #[command(flatten)]
    pub srs: SrsArg,
}

/// `assay inspect`.
#[derive(Debug, Args)]
pub struct InspectArgs {
    /// A package or a key
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
}

/// `assay run`.
#[derive(Debug, Args)]
#[command(after_help = "\
Prints {\"output_data\": [[…]]} in real units. A file with several samples gives one list per sample.

  assay run model.assay --input input.json")]
pub struct RunArgs {
    /// The package
    #[arg(value_name = "MODEL.assay")]
    pub model: PathBuf,
    /// The input, as for `assay compile --calibrate`
    #[arg(long, value_name = "INPUT")]
    pub input: PathBuf,
}

/// `assay setup`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  assay setup --dev model.assay      # model.pk for the prover, model.key for buyers

A development key is made by one party, who could forge proofs under it. It is marked as such in the key file, and
contracts refuse it unless they were deployed for development. Keys from a ceremony are not available yet.")]
pub struct SetupArgs {
    /// Make a development key, insecure: its maker can forge proofs
    #[arg(long)]
    pub dev: bool,
    /// The package
    #[arg(value_name = "MODEL.assay")]
    pub model: PathBuf,
    /// The proving key to write; the buyer's key goes beside it [default: MODEL.pk]
    #[arg(short, long, value_name = "MODEL.pk")]
    pub output: Option<PathBuf>,
}

/// `assay prove`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  assay prove model.assay --input input.json -o proof.json
  assay prove model.assay --input input.json -o proof.json --context 0x…   # bound to a context, e.g. a market's job
  assay prove model.assay --input input.json -o proof.json --inner         # no key needed; not zero-knowledge

The proof file holds the claim (model, context, input commitments, output) and the proof. The input is committed to with
fresh blinding, so that the proof says nothing about it; with --public-input anybody who knows the input can check that it
is the one.")]
pub struct ProveArgs {
    /// The package
    #[arg(value_name = "MODEL.assay")]
    pub model: PathBuf,
    /// The input, as for `assay compile --calibrate`
    #[arg(long, value_name = "INPUT")]
    pub input: PathBuf,
    /// The proof file to write
    #[arg(short, long, value_name = "PROOF")]
    pub output: PathBuf,
    /// Make the inner proof only: no key, quicker, but not zero-knowledge
    #[arg(long)]
    pub inner: bool,
    /// The proving key [default: MODEL.pk]
    #[arg(long, value_name = "FILE")]
    pub pk: Option<PathBuf>,
    /// What the proof is bound to: 0x and 64 hex digits, or a text, whose Keccak-256 is taken [default: 0]
    #[arg(long, value_name = "HEX|TEXT")]
    pub context: Option<String>,
    /// Commit to the input without blinding
    #[arg(long)]
    pub public_input: bool,
    #[command(flatten)]
    pub srs: SrsArg,
}

/// `assay verify`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  assay verify proof.json --model model.key
  assay verify proof.json --model model.key --context 0x… --input input.json

Exit code 0: the proof holds. 1: it does not. Everything is recomputed from the two files. What the proof says is printed,
so look at it: a valid proof of another output, in another context, is a valid proof. --context and --input demand theirs.")]
pub struct VerifyArgs {
    /// The proof file
    #[arg(value_name = "PROOF")]
    pub proof: PathBuf,
    /// The buyer's key, or the package
    #[arg(long, value_name = "MODEL.assay|KEY")]
    pub model: PathBuf,
    /// Demand this context, as for `assay prove`
    #[arg(long, value_name = "HEX|TEXT")]
    pub context: Option<String>,
    /// Demand this input; it must be a public one
    #[arg(long, value_name = "INPUT")]
    pub input: Option<PathBuf>,
    #[command(flatten)]
    pub srs: SrsArg,
}

/// `assay verify-key`.
#[derive(Debug, Args)]
#[command(after_help = "\
Recomputes shape digest, table commitments and SRS points from the architecture in the key, and checks that the Groth16
key is not degenerate. That the Groth16 key is this circuit's only a ceremony's transcript can show; a development key's
maker can forge proofs.

  assay verify-key model.key --srs ceremony.srs")]
pub struct VerifyKeyArgs {
    /// The buyer's key
    #[arg(value_name = "KEY")]
    pub key: PathBuf,
    #[command(flatten)]
    pub srs: SrsArg,
}

/// `assay srs`.
#[derive(Debug, Subcommand)]
pub enum SrsCommand {
    /// Make an insecure development SRS
    Dev {
        /// Log of the number of powers
        #[arg(long, value_name = "N", default_value_t = 16, value_parser = clap::value_parser!(u32).range(4..=20))]
        log: u32,
        /// The file to write
        #[arg(short, long, value_name = "FILE")]
        output: PathBuf,
    },
    /// Read a ceremony's powers-of-tau file, check every point, and keep what is needed of it
    Import {
        /// The file of the ceremony (snarkjs format)
        #[arg(value_name = "FILE.ptau")]
        ptau: PathBuf,
        /// The file to write
        #[arg(short, long, value_name = "FILE")]
        output: PathBuf,
        /// Log of the number of powers to keep
        #[arg(long, value_name = "N", default_value_t = 18, value_parser = clap::value_parser!(u32).range(1..=28))]
        log: u32,
    },
    /// Show an SRS file and check all of its points
    Show {
        /// The file
        #[arg(value_name = "FILE")]
        file: PathBuf,
    },
}

/// A chain and an account.
#[derive(Debug, Args)]
pub struct ChainArgs {
    /// The chain's JSON-RPC address
    #[arg(long, value_name = "URL", env = "ASSAY_RPC")]
    pub rpc: String,
    /// The account's private key; better in the environment than on the command line
    #[arg(long, value_name = "KEY", env = "ASSAY_PRIVATE_KEY", hide_env_values = true)]
    pub private_key: String,
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

The key is proposed to the market's key registry and attested if the account is one of its attestors; the model is
registered, and the account gets its token. Doing it again does nothing that is done already.")]
pub struct PublishArgs {
    /// The package; its key (MODEL.key) is beside it
    #[arg(value_name = "MODEL.assay")]
    pub model: PathBuf,
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
    pub private_key: Option<String>,
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
    /// Blocks on top of an event before it is believed
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub confirmations: u64,
    /// First block that can hold the contracts' events
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub from_block: u64,
    /// Bearer token for the list of all predictions
    #[arg(long, value_name = "TOKEN", env = "ASSAY_OPERATOR_TOKEN", hide_env_values = true)]
    pub operator_token: Option<String>,
    #[command(flatten)]
    pub srs: SrsArg,
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
    pub private_key: Option<String>,
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
    #[command(flatten)]
    pub srs: SrsArg,
}

/// `assay demo`.
#[derive(Debug, Args)]
#[command(after_help = "\
Needs anvil: $ANVIL, or `npm ci` in verifier-contracts, or on the path. Everything is asserted: a step that does not hold
ends the demo with exit code 1.")]
pub struct DemoArgs {
    /// The repository, where npm installed anvil [default: the current folder]
    #[arg(long, value_name = "DIR")]
    pub root: Option<PathBuf>,
}

/// `assay completions`.
#[derive(Debug, Args)]
pub struct CompletionsArgs {
    /// The shell
    pub shell: clap_complete::Shell,
}
