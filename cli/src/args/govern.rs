//! The command line of those who attest keys.

use super::ChainArgs;
use alloy::primitives::{Address, B256};
use clap::{Args, Subcommand};

/// An account at the key registry of a market.
#[derive(Debug, Args)]
pub struct RegistryArgs {
    #[command(flatten)]
    pub chain: ChainArgs,
    /// InferenceMarket, which names the key registry
    #[arg(long, value_name = "ADDRESS", env = "ASSAY_MARKET")]
    pub market: Address,
}

/// `assay veto`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  export ASSAY_PRIVATE_KEY=0x…
  assay veto 0x… --rpc http://127.0.0.1:8545 --market 0x…

For 30 days the key needs one attestation more. An attestor vetoes a key once, before it is admitted; nobody can
take an admitted key back.")]
pub struct VetoArgs {
    /// Hash of the proposed key
    #[arg(value_name = "KEYHASH")]
    pub key_hash: B256,
    #[command(flatten)]
    pub registry: RegistryArgs,
}

/// `assay restore`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  export ASSAY_PRIVATE_KEY=0x…
  assay restore 0x… --rpc http://127.0.0.1:8545 --market 0x…

Two proofs of one model that contradict each other freeze its key. An attestor who finds that the weights were to
blame, and not the key, runs this; so do the others. Once enough of them have, and the timelock is over, anyone runs
it again to restore the key. Where the key itself was wrong, `assay publish` proposes a mended one, which takes its
place.")]
pub struct RestoreArgs {
    /// Hash of the frozen key
    #[arg(value_name = "KEYHASH")]
    pub key_hash: B256,
    #[command(flatten)]
    pub registry: RegistryArgs,
}

/// `assay attestors`.
#[derive(Debug, Subcommand)]
pub enum AttestorsCommand {
    /// Show attestors, threshold and timelock
    Show {
        /// The chain's JSON-RPC address
        #[arg(long, value_name = "URL", env = "ASSAY_RPC")]
        rpc: String,
        /// InferenceMarket, which names the key registry
        #[arg(long, value_name = "ADDRESS", env = "ASSAY_MARKET")]
        market: Address,
    },
    /// Put another account in an attestor's place
    Replace(ReplaceArgs),
    /// Deploy a council that can be an attestor: OpenZeppelin's Governor and its timelock
    Council(CouncilArgs),
}

/// `assay attestors council`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  export ASSAY_PRIVATE_KEY=0x…
  assay attestors council --member 0x… --member 0x… --member 0x… --rpc http://127.0.0.1:8545

The timelock that it prints is the account to name as an attestor, with `assay deploy --attestor` or `assay
attestors replace`. Nobody administers it: members propose, vote and queue at the governor, and anyone executes what
is due. The account only pays for the deployment. The same settings give the same addresses, and running it again
finds them.")]
pub struct CouncilArgs {
    /// A member with one vote; given once for each
    #[arg(long, value_name = "ADDRESS", required_unless_present = "votes", conflicts_with = "votes")]
    pub member: Vec<Address>,
    /// A token with votes (OpenZeppelin's IVotes) instead of members
    #[arg(long, value_name = "ADDRESS")]
    pub votes: Option<Address>,
    /// Seconds from a decision to its execution
    #[arg(long, value_name = "SECS", default_value_t = 172_800, value_parser = clap::value_parser!(u64).range(1..=31_536_000))]
    pub timelock: u64,
    /// Seconds from a proposal to its vote
    #[arg(long, value_name = "SECS", default_value_t = 3600, value_parser = clap::value_parser!(u64).range(0..=31_536_000))]
    pub delay: u64,
    /// Seconds of a vote
    #[arg(long, value_name = "SECS", default_value_t = 259_200, value_parser = clap::value_parser!(u64).range(1..=31_536_000))]
    pub period: u64,
    /// The part of all votes, in percent, that must be for a proposal or abstain
    #[arg(long, value_name = "PERCENT", default_value_t = 50, value_parser = clap::value_parser!(u64).range(1..=100))]
    pub quorum: u64,
    /// Tells councils of the same settings apart
    #[arg(long, value_name = "TEXT", default_value = "assay")]
    pub salt: String,
    #[command(flatten)]
    pub chain: ChainArgs,
}

/// `assay attestors replace`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  export ASSAY_PRIVATE_KEY=0x…
  assay attestors replace 0xOUT 0xINTO --rpc http://127.0.0.1:8545 --market 0x…

An attestor who runs this agrees; so do the others. Once enough of them have, and the timelock is over, anyone runs
it again to replace the attestor. What that one attested, approved or vetoed counts no more.")]
pub struct ReplaceArgs {
    /// The attestor who goes
    #[arg(value_name = "OUT")]
    pub out: Address,
    /// Who comes
    #[arg(value_name = "INTO")]
    pub into: Address,
    #[command(flatten)]
    pub registry: RegistryArgs,
}
