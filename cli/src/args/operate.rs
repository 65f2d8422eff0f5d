//! The command line of those who run a service.

use super::{SrsArg, WrapArg};
use alloy::primitives::Address;
use assay_api::store::Scope;
use assay_prover::secret::Secret;
use clap::{Args, Subcommand};
use std::path::PathBuf;

/// A service's database.
#[derive(Debug, Args)]
pub struct DatabaseArgs {
    /// The service's data folder; the service may be running
    #[arg(long, value_name = "DIR", default_value = "assay-data")]
    pub data: PathBuf,
    /// The PostgreSQL database that the service's processes share, instead of that folder
    #[arg(long, value_name = "URL", env = "DATABASE_URL", hide_env_values = true)]
    pub database_url: Option<Secret<String>>,
}

/// `assay api-keys`.
#[derive(Debug, Subcommand)]
pub enum ApiKeysCommand {
    /// Make a key for a client, and show it once
    #[command(after_help = "Examples:
  assay api-keys create shop --data assay-data
  assay api-keys create shop --scope predict,read --per-minute 60 --per-day 1000

Scopes: predict (quotes, predictions, and withdrawing one's own), read (one's own predictions), webhooks (to be told \
        when one's
own predictions are over), operate (all that the operator may do). The client sends the key as `Authorization: Bearer \
        assay_…`.")]
    Create(CreateKeyArgs),
    /// List keys, without what opens them
    List(DatabaseArgs),
    /// End a key, at once and for ever
    Revoke(RevokeKeyArgs),
}

/// `assay api-keys create`.
#[derive(Debug, Args)]
pub struct CreateKeyArgs {
    /// Whose it is, for people
    #[arg(value_name = "NAME")]
    pub name: String,
    /// What it allows
    #[arg(long, value_name = "SCOPE", value_delimiter = ',', default_values_t = [Scope::Predict, Scope::Read, Scope::Webhooks], value_parser = scope)]
    pub scope: Vec<Scope>,
    /// Most requests in a minute, as each process of the service counts them [default: any number]
    #[arg(long, value_name = "N")]
    pub per_minute: Option<u32>,
    /// Most predictions in a day, from midnight to midnight UTC [default: any number]
    #[arg(long, value_name = "N")]
    pub per_day: Option<u32>,
    #[command(flatten)]
    pub database: DatabaseArgs,
}

/// `assay api-keys revoke`.
#[derive(Debug, Args)]
pub struct RevokeKeyArgs {
    /// The key's id: what stands in it between the first two `_`
    #[arg(value_name = "ID")]
    pub id: String,
    #[command(flatten)]
    pub database: DatabaseArgs,
}

/// `assay doctor`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  assay doctor                                                          # what this machine proves with
  assay doctor --models models/ --data assay-data --rpc http://127.0.0.1:8545 --market 0x…    # all that `assay serve` \
    needs

Each check says ok, WARNING or FAULT; the command ends with 1 if there is a fault.

A device is found through libassay_gpu.so, which gpu/cuda/build.sh makes: in $ASSAY_GPU_LIBRARY (\"none\": use no \
    device), beside this program, in ../lib, or where the
system looks. $ASSAY_GPU_DEVICE is the number of the device, 0 if not set.")]
pub struct DoctorArgs {
    /// Packages, or folders with packages, whose keys are computed again
    #[arg(long, value_name = "DIR|FILE", num_args = 1..)]
    pub models: Vec<PathBuf>,
    #[command(flatten)]
    pub database: DatabaseArgs,
    /// The chain's JSON-RPC address
    #[arg(long, value_name = "URL", env = "ASSAY_RPC")]
    pub rpc: Option<String>,
    /// Another node of the same chain
    #[arg(long, value_name = "URL", env = "ASSAY_RPC_FALLBACK", num_args = 1.., value_delimiter = ',')]
    pub rpc_fallback: Vec<String>,
    /// InferenceMarket
    #[arg(long, value_name = "ADDRESS", env = "ASSAY_MARKET", requires = "rpc")]
    pub market: Option<Address>,
    /// Key of the account that owns the models, proves and settles
    #[arg(long, value_name = "KEY", env = "ASSAY_PRIVATE_KEY", hide_env_values = true)]
    pub private_key: Option<Secret<String>>,
    #[command(flatten)]
    pub wrap: WrapArg,
    #[command(flatten)]
    pub srs: SrsArg,
}

fn scope(name: &str) -> Result<Scope, String> {
    name.parse()
}
