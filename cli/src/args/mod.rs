//! The command line.

mod ceremony;
mod govern;
mod market;
mod money;
mod operate;
mod serve;

pub use ceremony::{BeaconArgs, CeremonyCommand, CircuitArgs, ContributeArgs, ShownArgs, SrsCommand, SrsSize};
pub use govern::{AttestorsCommand, CouncilArgs, RegistryArgs, ReplaceArgs, RestoreArgs, VetoArgs};
pub use market::{AttestArgs, ChainArgs, CommitArgs, DeployArgs, MarketArgs, PublishArgs, RequestArgs, RevokeArgs};
pub use money::{AccountArgs, BalanceArgs, DepositArgs, JobArgs, JobsArgs, ResumeArgs, WithdrawArgs};
pub use operate::{ApiKeysCommand, CreateKeyArgs, DatabaseArgs, DoctorArgs, RevokeKeyArgs};
pub use serve::{BackupArgs, InitArgs, McpArgs, SellingArgs, ServeArgs, UpArgs, WorkerArgs, WorkshopArgs};

use crate::logs::LogFormat;
use crate::page::Page;
use alloy::primitives::B256;
use assay_circuits::model::Architecture;
use assay_circuits::shape::ShapeError;
use assay_compiler::chunks::{LATENCY_LOG, log_chunk_for_gas};
use assay_prover::wrap::System;
use clap::builder::{PossibleValuesParser, TypedValueParser};
use clap::{Args, Parser, Subcommand, ValueEnum};
use std::path::PathBuf;

/// Verifiable inference: prove that an output is what a committed model computes, without showing the model.
#[derive(Debug, Parser)]
#[command(
    name = "assay",
    version,
    max_term_width = 120,
    arg_required_else_help = true,
    after_help = "\
A folder to begin with, and the commands that come next:
  assay init shop

A first round trip:
  assay compile model.onnx --calibrate inputs.json -o model.assay    # and model.key, for buyers
  assay prove model.assay --input input.json -o proof.json
  assay verify proof.json --model model.key

The whole market on this machine, with a chain of its own:
  assay demo                                          # what holds, and what fails
  assay up model.assay                                # to sell, with a site; it stays until Ctrl-C

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
    /// Begin a folder to sell from: a card, a .gitignore, a network to try it with, and what comes next
    Init(InitArgs),
    /// Turn an ONNX model into a package that can be proven
    Compile(CompileArgs),
    /// Commit to a package's weights anew: in chunks of another size, or over another SRS
    Recommit(RecommitArgs),
    /// Show what a package (MODEL.assay) or a key (MODEL.key) holds
    Inspect(InspectArgs),
    /// Draw a model's network with the cost and the error of each layer
    Explain(ExplainArgs),
    /// List the operators that `assay compile` takes, and what they become
    Operators(OperatorsArgs),
    /// Run the exact integer network: the function that proofs are about
    Run(RunArgs),
    /// Make the proving key (MODEL.pk) and the buyer's key (MODEL.key) of a package
    Setup(SetupArgs),
    /// Prove an inference, or several in one proof
    Prove(ProveArgs),
    /// Verify a proof file
    Verify(VerifyArgs),
    /// Recompute a buyer's key from the public model description
    VerifyKey(VerifyKeyArgs),
    /// Structured reference strings: make, import, show, or hold a ceremony for one
    #[command(subcommand)]
    Srs(SrsCommand),
    /// Hold the ceremony of a shape's Groth16 key
    #[command(subcommand)]
    Ceremony(CeremonyCommand),
    /// Deploy the contracts to a chain
    Deploy(DeployArgs),
    /// List a model on chain: propose its key, attest it where allowed, register its weights
    Publish(PublishArgs),
    /// Attest a proposed key: derive it, compare, sign
    Attest(AttestArgs),
    /// Veto a proposed key, as an attestor
    Veto(VetoArgs),
    /// Take back a key that was frozen for what its model's weights did, as an attestor
    Restore(RestoreArgs),
    /// Show who attests keys, or put another in an attestor's place
    #[command(subcommand)]
    Attestors(AttestorsCommand),
    /// Serve proofs over HTTP
    Serve(ServeArgs),
    /// Start a market of your own: a development chain, the contracts, your models, the service and its site
    Up(UpArgs),
    /// Prove and settle for servers that share a database
    Worker(WorkerArgs),
    /// Keys of a service's clients: make, list, revoke
    #[command(subcommand)]
    ApiKeys(ApiKeysCommand),
    /// Copy a service's data folder, also while it runs
    Backup(BackupArgs),
    /// Commit to an input, to buy an inference over HTTP with a program of one's own
    Commit(CommitArgs),
    /// Buy a proven inference: quote, escrow, proof, check
    Request(RequestArgs),
    /// Give an agent tools to find, buy and verify proven answers, within a budget
    Mcp(McpArgs),
    /// List the orders that were made here with where their money is, or a service's predictions
    Jobs(JobsArgs),
    /// Go on with an order: pay, wait for the proof, check it
    Resume(ResumeArgs),
    /// Take back the money of a job that nobody has locked
    #[command(after_help = "\
The money becomes the account's credit in the market; `assay withdraw`, or --withdraw here, takes it out.
A job that a prover has locked is refunded after its expiry: `assay refund`.")]
    Cancel(JobArgs),
    /// Take back the money of an expired job; as the seller of a settled one, return the payment
    Refund(JobArgs),
    /// Show an account's coins, its credit in the market, and what its orders hold in escrow
    Balance(BalanceArgs),
    /// Pay into the account's credit in the market
    Deposit(DepositArgs),
    /// Take credit out of the market
    Withdraw(WithdrawArgs),
    /// Show a market's models, jobs, earnings and provers, by the chain's events alone
    Market(MarketArgs),
    /// Take back an order that was signed for somebody else to fund, or all quotes of a model
    Revoke(RevokeArgs),
    /// Run the whole market on this machine and show what holds and what fails
    Demo(DemoArgs),
    /// Check a machine for a service: what it computes with, keys, SRS, chain, clock, disk, database
    Doctor(DoctorArgs),
    /// Print a completion script for a shell
    Completions(CompletionsArgs),
}

impl Command {
    /// How its log lines look.
    pub fn log_format(&self) -> LogFormat {
        match self {
            Self::Serve(args) => args.selling.log_format,
            Self::Worker(args) => args.selling.log_format,
            _ => LogFormat::default(),
        }
    }

    /// The page that says more where no other one is about what went wrong.
    pub fn page(&self) -> Page {
        match self {
            Self::Compile(_) | Self::Recommit(_) => Page::Compiler,
            Self::Explain(_) => Page::Drawing,
            Self::Operators(_) => Page::Operators,
            Self::Run(_) => Page::Inputs,
            Self::Setup(_) | Self::Prove(_) => Page::Proving,
            Self::Verify(_) => Page::InvalidProof,
            Self::VerifyKey(_) | Self::Srs(_) => Page::Srs,
            Self::Ceremony(_) => Page::Ceremonies,
            Self::Deploy(_) | Self::Publish(_) | Self::Attest(_) | Self::Veto(_) | Self::Restore(_) => Page::Market,
            Self::Attestors(_) | Self::Revoke(_) | Self::Market(_) => Page::Market,
            Self::Jobs(_) | Self::Resume(_) | Self::Cancel(_) | Self::Refund(_) => Page::Market,
            Self::Balance(_) | Self::Deposit(_) | Self::Withdraw(_) => Page::Market,
            Self::Serve(_) | Self::Worker(_) | Self::ApiKeys(_) | Self::Backup(_) => Page::Serving,
            Self::Init(_) | Self::Up(_) => Page::Up,
            Self::Commit(_) | Self::Request(_) => Page::Buying,
            Self::Mcp(_) => Page::Agents,
            Self::Demo(_) => Page::Demo,
            Self::Doctor(_) => Page::Doctor,
            Self::Inspect(_) | Self::Completions(_) => Page::Command,
        }
    }
}

/// What to optimise chunk sizes for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Objective {
    /// Few commitments: cheap to settle on chain
    Gas,
    /// Small commitments: quick to prove
    Latency,
}

/// The size of chunks.
#[derive(Debug, Args)]
pub struct ChunkArgs {
    /// What to choose the chunk size for
    #[arg(long, value_enum, default_value = "gas")]
    pub optimize: Objective,
    /// Log of the chunk size, chosen by hand
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(4..=24))]
    pub log_chunk: Option<u32>,
}

impl ChunkArgs {
    /// The log that the user named, or the one that fits what he optimises for.
    pub fn log(&self, architecture: &Architecture) -> Result<u32, ShapeError> {
        match (self.log_chunk, self.optimize) {
            (Some(log), _) => Ok(log),
            (None, Objective::Latency) => Ok(LATENCY_LOG),
            (None, Objective::Gas) => log_chunk_for_gas(architecture),
        }
    }
}

/// What is written beside a package.
#[derive(Debug, Args)]
pub struct BesideArgs {
    /// Do not write the buyer's key (MODEL.key) beside the package
    #[arg(long)]
    pub no_key: bool,
}

/// An SRS file.
#[derive(Debug, Args)]
pub struct SrsArg {
    /// SRS file that `assay srs import` wrote; left out: the insecure development SRS
    #[arg(long, value_name = "FILE", env = "ASSAY_SRS")]
    pub srs: Option<PathBuf>,
}

/// `--wrap`.
fn wraps() -> impl TypedValueParser<Value = System> {
    let named = |name: String| System::ALL.into_iter().find(|wrap| wrap.name() == name).unwrap_or_default();
    PossibleValuesParser::new(System::ALL.map(System::name)).map(named)
}

/// Which wrap.
#[derive(Debug, Args)]
pub struct WrapArg {
    /// The proof system that proofs are wrapped in
    #[arg(long, value_parser = wraps(), default_value_t = System::default())]
    pub wrap: System,
}

/// How many inferences a proof has.
#[derive(Debug, Args)]
pub struct BatchArgs {
    /// Inferences in a proof: a power of two from 2 to 4096 [default: one inference]
    #[arg(long = "batch", value_name = "N", value_parser = crate::batch::parse)]
    pub inferences: Option<usize>,
    /// Commit to every input on its own, as inferences of different buyers need it
    #[arg(long, requires = "inferences")]
    pub separate: bool,
}

/// What happens to inputs that the model is not made for.
#[derive(Debug, Args)]
pub struct ClampingArg {
    /// Take inputs outside the range that the model is made for, where what it answers means little; else they are bad
    /// input
    #[arg(long)]
    pub allow_clamping: bool,
}

/// `--dim`.
fn dim(argument: &str) -> Result<(String, u64), String> {
    let parsed = argument
        .split_once('=')
        .and_then(|(name, size)| Some((name.to_owned(), size.parse().ok().filter(|n| *n > 0)?)));
    parsed
        .filter(|(name, _)| !name.is_empty())
        .ok_or_else(|| "write NAME=N with N at least 1, as in --dim sequence=64".to_owned())
}

/// `assay compile`.
#[derive(Debug, Args)]
#[command(after_help = "\
INPUTS is EZKL's JSON, {\"input_data\": [[…], […]]} with one list of numbers per sample, a NumPy file (.npy, .npz), a \
table (.csv),
or a folder of pictures where MODEL.card.json beside the package says how they become numbers (docs/cli.md, Inputs).
A model with several inputs takes a list for each in turn, or {\"inputs\": [{\"name\": […], …}, …]} with an object per \
    sample.
Use a few dozen representative inputs: scales, table widths and the published range of each input follow from them.

  assay compile lenet.onnx --calibrate inputs.json
  assay compile lenet.onnx --calibrate inputs.npz --optimize latency -o fast.assay
  assay compile gpt.onnx --calibrate tokens.npz --dim sequence=64 --check held_back.npz

The package holds the weights and is the seller's secret. Beside it come MODEL.key, which buyers get, and \
    MODEL.report.json,
which `assay explain` draws. Operators: `assay operators`.")]
pub struct CompileArgs {
    /// The ONNX file
    #[arg(value_name = "MODEL.onnx")]
    pub model: PathBuf,
    /// Representative inputs
    #[arg(long, value_name = "INPUTS")]
    pub calibrate: PathBuf,
    /// The package to write; `-` is stdout [default: MODEL.assay]
    #[arg(short, long, value_name = "MODEL.assay")]
    pub output: Option<PathBuf>,
    /// A name for people [default: the file's]
    #[arg(long)]
    pub name: Option<String>,
    #[command(flatten)]
    pub chunks: ChunkArgs,
    /// Width of activation tables in bits, 4 to 16 [default: chosen by the cost model]
    #[arg(long, value_name = "BITS")]
    pub table_bits: Option<u8>,
    /// Most bits of a weight, 4 to 16
    #[arg(long, value_name = "BITS", default_value_t = 16)]
    pub weight_bits: u8,
    /// Allowed mean error as a share of each output's range; the largest may be five times as much. More is quicker to
    /// prove, less is more accurate
    #[arg(long, value_name = "SHARE", default_value_t = 0.001)]
    pub target_error: f64,
    /// Bits of room above the calibrated range of each input, 0 to 8: with 1 the published range is twice as wide
    #[arg(long, value_name = "BITS", default_value_t = 0.0)]
    pub headroom: f64,
    /// Size of a symbolic axis; may be given several times
    #[arg(long, value_name = "NAME=N", value_parser = dim)]
    pub dim: Vec<(String, u64)>,
    /// Inputs that were held back from calibration: report the errors on them too
    #[arg(long, value_name = "INPUTS")]
    pub check: Option<PathBuf>,
    #[command(flatten)]
    pub beside: BesideArgs,
    /// Share of samples whose top-1 must agree with the float model
    #[arg(long, default_value_t = 0.99)]
    pub min_agreement: f64,
    #[command(flatten)]
    pub srs: SrsArg,
}

/// `assay recommit`.
#[derive(Debug, Args)]
#[command(after_help = "\
  assay recommit model.assay --log-chunk 20 -o cheaper.assay       # fewer commitments: cheaper to settle, slower to \
  prove
  assay recommit model.assay --srs powers.srs -o production.assay  # from the development SRS to a real one

The network, its weights and its answers stay the same, and nothing is compiled. The commitments and with them the \
    keys are new ones:
publish the new package as a model of its own.")]
pub struct RecommitArgs {
    /// The package
    #[arg(value_name = "MODEL.assay")]
    pub model: PathBuf,
    /// The package to write
    #[arg(short, long, value_name = "NEW.assay")]
    pub output: PathBuf,
    #[command(flatten)]
    pub chunks: ChunkArgs,
    #[command(flatten)]
    pub beside: BesideArgs,
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

/// `assay explain`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  assay explain model.assay                    # writes model.svg
  assay explain model.key -o model.svg         # a buyer sees the same network, without the errors

Each box is a layer: its rule, its cells and lookups, and its share of the inner proof's predicted time. What rounding \
    adds to
the error in each layer comes from MODEL.report.json, which `assay compile` writes beside the package.")]
pub struct ExplainArgs {
    /// A package or a key
    #[arg(value_name = "MODEL.assay|KEY")]
    pub model: PathBuf,
    /// The drawing to write; `-` is stdout [default: MODEL.svg]
    #[arg(short, long, value_name = "FILE.svg")]
    pub output: Option<PathBuf>,
    /// The report with the errors [default: MODEL.report.json, if it is there]
    #[arg(long, value_name = "FILE")]
    pub report: Option<PathBuf>,
}

/// `assay operators`.
#[derive(Debug, Args)]
pub struct OperatorsArgs {
    /// Print docs/operators.md
    #[arg(long)]
    pub markdown: bool,
}

/// `assay run`.
#[derive(Debug, Args)]
#[command(after_help = "\
Prints {\"output_data\": [[…]]} in real units. A file with several samples gives one list per sample; a model with \
several
outputs gives a list for each. Inputs outside the published range are refused, and what was clamped is said on stderr.

  assay run model.assay --input input.json")]
pub struct RunArgs {
    /// The package
    #[arg(value_name = "MODEL.assay")]
    pub model: PathBuf,
    /// The input, as for `assay compile --calibrate`
    #[arg(long, value_name = "INPUT")]
    pub input: PathBuf,
    #[command(flatten)]
    pub clamping: ClampingArg,
}

/// `assay setup`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  assay setup model.assay                         # model.pk for the prover, model.key for buyers
  assay setup --batch 64 model.assay              # model.x64.pk and model.x64.key, for 64 inferences in a proof
  assay setup --wrap groth16 --dev model.assay    # model.groth16.pk and model.groth16.key

The universal wrap's keys follow from the model's description and the SRS: whoever repeats this gets the same, and
`assay verify-key` does. They are as good as the SRS. Groth16's keys need a ceremony, which is not available yet: with
--dev one party makes them, who could forge proofs under them. Such keys are marked in their files, and contracts refuse
them, like all keys over the development SRS, unless they were deployed for development.")]
pub struct SetupArgs {
    /// Make Groth16's keys without a ceremony, insecure: their maker can forge proofs. Universal keys need no ceremony
    #[arg(long)]
    pub dev: bool,
    /// The package
    #[arg(value_name = "MODEL.assay")]
    pub model: PathBuf,
    /// The proving key to write; the buyer's key goes beside it [default: MODEL.pk, of a batch MODEL.x64.pk or
    /// MODEL.x64s.pk, with Groth16 MODEL.groth16.pk]
    #[arg(short, long, value_name = "MODEL.pk")]
    pub output: Option<PathBuf>,
    #[command(flatten)]
    pub wrap: WrapArg,
    #[command(flatten)]
    pub batch: BatchArgs,
    #[command(flatten)]
    pub srs: SrsArg,
}

/// `assay prove`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  assay prove model.assay --input input.json -o proof.json
  assay prove model.assay --input input.json -o proof.json --context 0x…   # bound to a context, e.g. a market's job
  assay prove model.assay --input input.json -o proof.json --inner         # no key needed; not zero-knowledge
  assay prove model.assay --input inputs.json -o proof.json --batch 64     # 64 inferences, with the keys of that batch

Where there are no files of keys, those of the universal wrap are derived: they follow from the package and the SRS.

The proof file holds the claim (model, context, input commitments, output) and the proof. The input is committed to with
fresh blinding, so that the proof says nothing about it; with --public-input anybody who knows the input can check it.
A batch takes as many inputs as it has inferences, from files with several samples or from several --input; where there
are fewer, the last one is repeated.")]
pub struct ProveArgs {
    /// The package
    #[arg(value_name = "MODEL.assay")]
    pub model: PathBuf,
    /// The input, as for `assay compile --calibrate`; for a batch, several samples or several times
    #[arg(long, value_name = "INPUT", required = true)]
    pub input: Vec<PathBuf>,
    /// The proof file to write; `-` is stdout
    #[arg(short, long, value_name = "PROOF")]
    pub output: PathBuf,
    /// Make the inner proof only: no key, quicker, but not zero-knowledge
    #[arg(long)]
    pub inner: bool,
    /// The proving key; its buyer's key, which says how many inferences a proof has, is beside it [default: MODEL.pk,
    /// with --batch and --wrap those of that batch and wrap]
    #[arg(long, value_name = "FILE", conflicts_with_all = ["inferences", "separate", "wrap"])]
    pub pk: Option<PathBuf>,
    #[command(flatten)]
    pub wrap: WrapArg,
    #[command(flatten)]
    pub batch: BatchArgs,
    /// What the proof is bound to: 0x and 64 hex digits, or a text, whose Keccak-256 is taken [default: 0]
    #[arg(long, value_name = "HEX|TEXT")]
    pub context: Option<String>,
    /// Commit to the input without blinding
    #[arg(long)]
    pub public_input: bool,
    /// Continue the prompt in the input by so many tokens, each the likeliest, and prove all of them at once; the model
    /// gives the next token at every position. The text goes to PROOF.tokens.json
    #[arg(long, value_name = "N", conflicts_with_all = ["inferences", "separate"], value_parser = clap::value_parser!(u32).range(1..))]
    pub generate: Option<u32>,
    #[command(flatten)]
    pub clamping: ClampingArg,
    #[command(flatten)]
    pub srs: SrsArg,
}

/// `assay verify`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  assay verify proof.json --model model.key
  assay verify proof.json --model model.key --context 0x… --input input.json
  assay verify --prediction http://127.0.0.1:8080/v1/predictions/5b0f… --model model.key
  assay verify proof.bin --prediction prediction.json --model model.key    # both as a service gave them

Exit code 0: the proof holds. 1: it does not. Of the key nothing is believed that follows from the model's description \
    and
the SRS: it is recomputed, and kept in the cache folder for the next time. The SRS is the one that --srs names. What the
proof says is printed, so look at it: a valid proof of another output, in another context or of another model is a valid
proof. --context, --input and --model-commitment demand theirs.")]
pub struct VerifyArgs {
    /// The proof file; with --prediction FILE the proof's bytes
    #[arg(value_name = "PROOF", required_unless_present = "prediction")]
    pub proof: Option<PathBuf>,
    /// Verify what a service answered: a prediction's address, with its proof fetched from there, or a file with the
    /// answer
    #[arg(long, value_name = "URL|FILE")]
    pub prediction: Option<String>,
    /// The buyer's key, or the package
    #[arg(long, value_name = "MODEL.assay|KEY")]
    pub model: PathBuf,
    /// Demand this context, as for `assay prove`
    #[arg(long, value_name = "HEX|TEXT")]
    pub context: Option<String>,
    /// Demand this model, by the commitment that its owner published: 0x and 64 hex digits
    #[arg(long, value_name = "HEX")]
    pub model_commitment: Option<B256>,
    /// Demand this input; it must be a public one. For a batch, several samples or several times, as for `assay prove`;
    /// where inputs are separate, those of the first inferences will do
    #[arg(long, value_name = "INPUT")]
    pub input: Vec<PathBuf>,
    /// Demand that the input is a text whose tokens behind the first N are the model's own, each the output at the
    /// position before it; says how many
    #[arg(long, value_name = "N", requires = "input", value_parser = clap::value_parser!(u32).range(1..))]
    pub prompt: Option<u32>,
    #[command(flatten)]
    pub srs: SrsArg,
}

/// `assay verify-key`.
#[derive(Debug, Args)]
#[command(after_help = "\
Recomputes shape digest, table commitments and SRS points from the architecture in the key, and a universal wrap's key:
then nothing in it is anybody's word. A Groth16 key is checked not to be degenerate; that it is this circuit's only its
ceremony's transcript can show, and a development key's maker can forge proofs.

  assay verify-key model.key --srs ceremony.srs")]
pub struct VerifyKeyArgs {
    /// The buyer's key
    #[arg(value_name = "KEY")]
    pub key: PathBuf,
    #[command(flatten)]
    pub srs: SrsArg,
}

/// `assay demo`.
#[derive(Debug, Args)]
#[command(after_help = "\
The chain's program is anvil: $ANVIL, or the one that `npm ci` installed in verifier-contracts, or the one on the \
path, or else
one that is fetched once from npm's registry. Everything is asserted: a step that does not hold ends the demo with \
    exit code 1.")]
pub struct DemoArgs {
    /// The repository, where npm installed anvil [default: the current folder]
    #[arg(long, value_name = "DIR")]
    pub root: Option<PathBuf>,
    #[command(flatten)]
    pub own: OwnModelArgs,
    #[command(flatten)]
    pub wrap: WrapArg,
}

/// A model that the demo sells instead of its own.
#[derive(Debug, Args)]
pub struct OwnModelArgs {
    /// Sell this ONNX model instead of the built-in one; needs --calibrate and --input
    #[arg(long, value_name = "ONNX", requires = "calibrate", requires = "input")]
    pub model: Option<PathBuf>,
    /// Samples of the model's inputs, as for `assay compile`
    #[arg(long, value_name = "FILE", requires = "model")]
    pub calibrate: Option<PathBuf>,
    /// The input that the buyer asks about
    #[arg(long, value_name = "FILE", requires = "model")]
    pub input: Option<PathBuf>,
}

/// `assay completions`.
#[derive(Debug, Args)]
pub struct CompletionsArgs {
    /// The shell
    pub shell: clap_complete::Shell,
}
