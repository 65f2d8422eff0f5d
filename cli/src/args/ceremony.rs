//! Arguments of `assay srs` and `assay ceremony`.

use super::BatchArgs;
use clap::{Args, Subcommand};
use std::path::PathBuf;

/// `assay srs`.
#[derive(Debug, Subcommand)]
pub enum SrsCommand {
    /// Make an insecure development SRS
    Dev {
        /// Log of the number of powers
        #[arg(long, value_name = "N", default_value_t = 16, value_parser = clap::value_parser!(u32).range(4..=20))]
        log: u32,
        /// The file to write; `-` is stdout
        #[arg(short, long, value_name = "FILE")]
        output: PathBuf,
    },
    /// Say where the powers of tau of a large public ceremony are, and their hash
    Where(SrsSize),
    /// Read a ceremony's powers-of-tau file, check every point and contribution, and keep what is needed of it
    #[command(after_help = SRS_IMPORT)]
    Import {
        /// The file of the ceremony (snarkjs format)
        #[arg(value_name = "FILE.ptau")]
        ptau: PathBuf,
        /// The file to write [default: one in the cache folder, where commands find it by the SRS id of a model]
        #[arg(short, long, value_name = "FILE")]
        output: Option<PathBuf>,
        #[command(flatten)]
        size: SrsSize,
        /// BLAKE2b-512 of the file, in hex, as its publisher says; of the files that `assay srs where` names it is
        /// known
        #[arg(long, value_name = "HEX")]
        blake2b: Option<String>,
    },
    /// Show an SRS file and check all of its points
    Show {
        /// The file
        #[arg(value_name = "FILE")]
        file: PathBuf,
    },
    /// Start a ceremony of powers of tau
    #[command(after_help = CEREMONY)]
    Start {
        /// Log of the number of powers
        #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=24))]
        log: u32,
        /// The file to write
        #[arg(short, long, value_name = "FILE.ptau")]
        output: PathBuf,
    },
    /// Contribute to a ceremony of powers of tau
    #[command(after_help = CEREMONY)]
    Contribute(ContributeArgs),
    /// End a ceremony of powers of tau with a public random beacon
    #[command(after_help = CEREMONY)]
    Beacon(BeaconArgs),
    /// Verify a ceremony's file: all contributions and all points
    VerifyCeremony {
        /// The file
        #[arg(value_name = "FILE.ptau")]
        file: PathBuf,
        /// The beacon that was announced, in hex: the last contribution must be its
        #[arg(long, value_name = "HEX")]
        beacon: Option<String>,
        /// The hash of a contribution that must be among them, as its maker keeps it
        #[arg(long, value_name = "HASH")]
        contribution: Option<String>,
    },
}

const SRS_IMPORT: &str = "\
Example:
  assay srs where --model model.assay                  # names file, address and hash
  assay srs import powersOfTau28_hez_final_14.ptau     # checks all of it; commands find it from now on";

const CEREMONY: &str = "\
A ceremony's secrets are the product of everybody's factors. As long as one of them forgot his, nobody knows them.
  assay srs start --log 14 -o 0.ptau
  assay srs contribute 0.ptau --name Ada -o 1.ptau           # keep the hash that is printed
  assay srs contribute 1.ptau --name Grace -o 2.ptau
  assay srs beacon 2.ptau --value 00…7f -o final.ptau        # a value that was announced before anybody knew it
  assay srs verify-ceremony final.ptau --beacon 00…7f
Files are snarkjs' (.ptau), which can contribute to them and verify them as well.";

/// How many powers.
#[derive(Debug, Args)]
pub struct SrsSize {
    /// Log of the number of powers [default: as many as the model needs, or 18 where no model is named]
    #[arg(long, value_name = "N", conflicts_with = "model", value_parser = clap::value_parser!(u32).range(1..=28))]
    pub log: Option<u32>,
    /// A package or key, for whose proofs the powers must suffice
    #[arg(long, value_name = "MODEL.assay|KEY")]
    pub model: Option<PathBuf>,
}

/// A contribution to a ceremony.
#[derive(Debug, Args)]
pub struct ContributeArgs {
    /// The file so far
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
    /// What the transcript calls you
    #[arg(long, default_value = "")]
    pub name: String,
    /// The file to write
    #[arg(short, long, value_name = "FILE")]
    pub output: PathBuf,
}

/// The end of a ceremony.
#[derive(Debug, Args)]
pub struct BeaconArgs {
    #[command(flatten)]
    pub contribution: ContributeArgs,
    /// The beacon, in hex, such as the hash of a block that was announced before it was mined
    #[arg(long, value_name = "HEX")]
    pub value: String,
    /// Log of how often it is hashed
    #[arg(long, value_name = "N", default_value_t = 10, value_parser = clap::value_parser!(u32).range(10..=26))]
    pub log_iterations: u32,
}

/// `assay ceremony`.
#[derive(Debug, Subcommand)]
pub enum CeremonyCommand {
    /// Start the ceremony of a shape's Groth16 key, over a finished ceremony of powers of tau
    #[command(after_help = PHASE2)]
    Start {
        #[command(flatten)]
        circuit: CircuitArgs,
        /// The file to write
        #[arg(short, long, value_name = "FILE")]
        output: PathBuf,
    },
    /// Contribute
    #[command(after_help = PHASE2)]
    Contribute {
        #[command(flatten)]
        circuit: CircuitArgs,
        #[command(flatten)]
        contribution: ContributeArgs,
    },
    /// End it with a public random beacon
    #[command(after_help = PHASE2)]
    Beacon {
        #[command(flatten)]
        circuit: CircuitArgs,
        #[command(flatten)]
        beacon: BeaconArgs,
    },
    /// Verify all contributions, and the key against circuit and powers of tau
    Verify {
        #[command(flatten)]
        circuit: CircuitArgs,
        /// The file
        #[arg(value_name = "FILE")]
        file: PathBuf,
        /// The beacon that was announced, in hex: the last contribution must be its
        #[arg(long, value_name = "HEX")]
        beacon: Option<String>,
        /// The hash of a contribution that must be among them, as its maker keeps it
        #[arg(long, value_name = "HASH")]
        contribution: Option<String>,
    },
    /// Verify all of it, and write the proving key, the buyer's key and the transcript
    Finish {
        #[command(flatten)]
        circuit: CircuitArgs,
        /// The file
        #[arg(value_name = "FILE")]
        file: PathBuf,
        /// The proving key to write; buyer's key and transcript (.transcript) go beside it [default: MODEL.groth16.pk]
        #[arg(short, long, value_name = "MODEL.groth16.pk")]
        output: Option<PathBuf>,
    },
}

const PHASE2: &str = "\
Example:
  assay ceremony start --model model.assay --powers final.ptau -o 0.draft
  assay ceremony contribute 0.draft --model model.assay --powers final.ptau --name Ada -o 1.draft    # keep the hash
  assay ceremony beacon 1.draft --model model.assay --powers final.ptau --value 00…7f -o 2.draft
  assay ceremony finish 2.draft --model model.assay --powers final.ptau
`publish` and `attest` take the transcript with --transcript and the powers with --powers. The model must be over the
SRS of these powers.";

/// Which circuit, over which powers.
#[derive(Debug, Args)]
pub struct CircuitArgs {
    /// The package
    #[arg(long, value_name = "MODEL.assay")]
    pub model: PathBuf,
    /// The file of the finished ceremony of powers of tau, whole
    #[arg(long, value_name = "FILE.ptau")]
    pub powers: PathBuf,
    #[command(flatten)]
    pub batch: BatchArgs,
}

/// What shows that a Groth16 key is a ceremony's.
#[derive(Debug, Args)]
pub struct ShownArgs {
    /// The transcript of the ceremony of a Groth16 key, without which it counts as a development key
    #[arg(long, value_name = "FILE", requires = "powers")]
    pub transcript: Option<PathBuf>,
    /// The powers of tau that the ceremony was held over
    #[arg(long, value_name = "FILE.ptau", requires = "transcript")]
    pub powers: Option<PathBuf>,
}
