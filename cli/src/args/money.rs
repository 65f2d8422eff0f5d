//! The command line of what has to do with money.

use super::{ChainArgs, SrsArg};
use alloy::primitives::Address;
use assay_api::store::State;
use assay_prover::secret::Secret;
use clap::Args;
use std::path::PathBuf;

/// `assay jobs`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  assay jobs                                                        # the orders that were made here, and where their \
    money is
  assay jobs --service http://127.0.0.1:8080 --operator-token …     # a service's predictions, for its operator
  assay jobs --service … --operator-token … --state failed          # those that failed for good, and why
  assay jobs --service … --operator-token … --retry ID ID           # have them run again, from the queue; --retry \
    all: all of them

A prediction that failed keeps its input for a week, so that it can be run again.
`assay request` keeps every order in $ASSAY_HOME/orders (else ~/.local/share/assay/orders) before anything is paid.")]
pub struct JobsArgs {
    /// List this service's predictions
    #[arg(long, value_name = "URL", requires = "operator_token")]
    pub service: Option<String>,
    /// The service's operator token
    #[arg(long, value_name = "TOKEN", env = "ASSAY_OPERATOR_TOKEN", hide_env_values = true)]
    pub operator_token: Option<Secret<String>>,
    /// Only predictions in this state: queued, proving, settled, failed, …
    #[arg(long, value_name = "STATE", requires = "service", value_parser = state)]
    pub state: Option<State>,
    /// Have failed predictions run again: their ids, or `all`
    #[arg(long, value_name = "ID", requires = "service", conflicts_with = "state", num_args = 1..)]
    pub retry: Vec<String>,
}

/// A state's name.
fn state(name: &str) -> Result<State, String> {
    name.parse().map_err(|_| format!("there is no such state; there are {}", State::ALL.map(State::as_str).join(", ")))
}

/// `assay cancel` and `assay refund`.
#[derive(Debug, Args)]
pub struct JobArgs {
    /// The job's id; of an order that was made here, its beginning is enough
    #[arg(value_name = "JOB")]
    pub job: String,
    /// The chain's JSON-RPC address [default: the order's]
    #[arg(long, value_name = "URL", env = "ASSAY_RPC")]
    pub rpc: Option<String>,
    /// InferenceMarket [default: the order's]
    #[arg(long, value_name = "ADDRESS", env = "ASSAY_MARKET")]
    pub market: Option<Address>,
    /// The account's private key; better in the environment than on the command line
    #[arg(long, value_name = "KEY", env = "ASSAY_PRIVATE_KEY", hide_env_values = true)]
    pub private_key: Secret<String>,
    /// Also take the money out of the market
    #[arg(long)]
    pub withdraw: bool,
}

/// `assay resume`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  export ASSAY_PRIVATE_KEY=0x…
  assay resume 0x81c2 -o proof.json

Goes on with an order that `assay request` kept: sends it to the service again, pays for it if that was not done and \
    its quote
still holds, waits for the proof and verifies it. Nothing is paid twice.")]
pub struct ResumeArgs {
    /// The job's id, or its beginning; or batch-… for orders that are paid for together
    #[arg(value_name = "JOB")]
    pub job: String,
    /// Where to keep the proof file; `-` is stdout [default: the order's]
    #[arg(short, long, value_name = "PROOF")]
    pub output: Option<PathBuf>,
    /// The service, if it moved [default: the order's]
    #[arg(long, value_name = "URL")]
    pub service: Option<String>,
    /// The buyer's key of the model, if it moved [default: the order's]
    #[arg(long, value_name = "KEY")]
    pub key: Option<PathBuf>,
    /// The account's private key: needed where the order is not paid for
    #[arg(long, value_name = "KEY", env = "ASSAY_PRIVATE_KEY", hide_env_values = true)]
    pub private_key: Option<Secret<String>>,
    #[command(flatten)]
    pub srs: SrsArg,
}

/// `assay balance`.
#[derive(Debug, Args)]
pub struct BalanceArgs {
    /// The chain's JSON-RPC address
    #[arg(long, value_name = "URL", env = "ASSAY_RPC")]
    pub rpc: String,
    /// InferenceMarket
    #[arg(long, value_name = "ADDRESS", env = "ASSAY_MARKET")]
    pub market: Address,
    /// Whose [default: the private key's]
    #[arg(long, value_name = "ADDRESS")]
    pub account: Option<Address>,
    /// The account's private key
    #[arg(long, value_name = "KEY", env = "ASSAY_PRIVATE_KEY", hide_env_values = true)]
    pub private_key: Option<Secret<String>>,
    /// ERC-20 [default: the native coin]
    #[arg(long, value_name = "ADDRESS")]
    pub token: Option<Address>,
}

/// An account in a market.
#[derive(Debug, Args)]
pub struct AccountArgs {
    #[command(flatten)]
    pub chain: ChainArgs,
    /// InferenceMarket
    #[arg(long, value_name = "ADDRESS", env = "ASSAY_MARKET")]
    pub market: Address,
    /// ERC-20 [default: the native coin]
    #[arg(long, value_name = "ADDRESS")]
    pub token: Option<Address>,
}

/// `assay deposit`.
#[derive(Debug, Args)]
pub struct DepositArgs {
    /// How much, in the token's smallest unit
    #[arg(value_name = "AMOUNT")]
    pub amount: u128,
    #[command(flatten)]
    pub account: AccountArgs,
}

/// `assay withdraw`.
#[derive(Debug, Args)]
pub struct WithdrawArgs {
    /// How much, in the token's smallest unit [default: all]
    #[arg(value_name = "AMOUNT")]
    pub amount: Option<u128>,
    #[command(flatten)]
    pub account: AccountArgs,
}
