//! The command line of those who run a service.

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

Scopes: predict (quotes, predictions, and withdrawing one's own), read (one's own predictions), webhooks (to be told when one's
own predictions are over), operate (all that the operator may do). The client sends the key as `Authorization: Bearer assay_…`.")]
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

fn scope(name: &str) -> Result<Scope, String> {
    name.parse()
}
