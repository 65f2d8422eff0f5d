//! Orders that a buyer made on this machine, kept so that what is paid for is never forgotten: written before anything
//! is paid, one file each. The command and the Python package keep them in the same place, so either goes on with what
//! the other began.

use std::io::Write;
use std::path::{Path, PathBuf};

use alloy::primitives::{Address, B256, Bytes, U256, utils::format_ether};
use assay_prover::output::{self, Readers};
use assay_prover::package::{BuyerKey, FileError};
use serde::{Deserialize, Serialize};

use crate::chain::abi::InferenceMarket::{Job, State};
use crate::chain::account::PayFrom;
use crate::routes::PredictionRequest;
use crate::terms::Escrow;

/// The version of the format.
const VERSION: u32 = 1;

/// Why orders cannot be kept, or not be found.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OrdersError {
    /// A file cannot be written.
    #[error("cannot keep orders: {}", .path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// A file or the folder cannot be read.
    #[error("cannot read {}", .path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// A key cannot be written.
    #[error(transparent)]
    Key(#[from] FileError),
    /// A file is no order.
    #[error("{} is no saved order, or is damaged", .path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// Why.
        source: serde_json::Error,
    },
    /// A file of another version.
    #[error("{} has the version {have}, and this program reads {}", .path.display(), VERSION)]
    Version {
        /// The file.
        path: PathBuf,
        /// Its version.
        have: u32,
    },
    /// Several orders begin with what was given.
    #[error("{count} orders begin with {job}: write more of the job's id")]
    Several {
        /// What was given.
        job: String,
        /// How many there are.
        count: usize,
    },
}

/// One order, with all that it takes to go on with it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Saved {
    /// Version of the format.
    pub version: u32,
    /// The market's job id.
    pub job: B256,
    /// When it was made, unix seconds.
    pub created: u64,
    /// The service.
    pub service: String,
    /// The chain's JSON-RPC address.
    pub rpc: String,
    /// The chain's id.
    pub chain_id: u64,
    /// The market.
    pub market: Address,
    /// Order, quote and signature.
    pub escrow: Escrow,
    /// The request with the input and its blinding; gone once the proof is here.
    pub request: Option<PredictionRequest>,
    /// The key under which it is sent.
    pub idempotency_key: String,
    /// The service's name for it.
    pub prediction: Option<String>,
    /// Commitments to the input.
    pub commitments: Vec<Bytes>,
    /// The buyer's key of the model.
    pub key: PathBuf,
    /// How many inferences the proof has, those of other buyers included.
    #[serde(default = "one")]
    pub inferences: u32,
    /// Where the proof file goes.
    pub output: Option<PathBuf>,
    /// Whether it is paid for with the buyer's credit in the market.
    #[serde(default)]
    pub from_balance: bool,
    /// Of orders that are paid for together: their common name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub batch: Option<String>,
}

/// What orders of older versions bought.
fn one() -> u32 {
    1
}

/// Where orders are: `$ASSAY_HOME/orders`, else the user's data folder. It is no cache: what is lost there is
/// forgotten.
fn folder() -> PathBuf {
    home().join("orders")
}

/// Where a buyer's things are: `$ASSAY_HOME`, else the user's data folder.
pub fn home() -> PathBuf {
    let named = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let data = || {
        named("XDG_DATA_HOME")
            .or_else(|| named("HOME").map(|home| home.join(".local/share")))
            .unwrap_or_else(std::env::temp_dir)
    };
    named("ASSAY_HOME").unwrap_or_else(|| data().join("assay"))
}

impl Saved {
    /// The format's version.
    pub const VERSION: u32 = VERSION;

    /// The order's file.
    pub fn path(&self) -> PathBuf {
        folder().join(format!("{:x}.json", self.job))
    }

    /// Writes the order down, for nobody else to read: it opens the input's commitment.
    ///
    /// # Errors
    /// The folder cannot be written to.
    pub fn save(&self) -> Result<(), OrdersError> {
        let path = self.path();
        let text =
            serde_json::to_vec_pretty(self).map_err(|source| OrdersError::Damaged { path: path.clone(), source })?;
        keep(&path, &text)
    }

    /// What it is paid for with.
    pub fn pay_from(&self) -> PayFrom {
        if self.from_balance { PayFrom::Credit } else { PayFrom::Account }
    }

    /// Where the money is that was not paid.
    pub fn purse(&self) -> &'static str {
        if self.from_balance { "your credit in the market" } else { "your account" }
    }

    /// The price, for people.
    pub fn price(&self) -> String {
        amount(U256::from(self.escrow.quote.price), self.escrow.order.token)
    }
}

/// An amount of a token, for people.
pub fn amount(amount: U256, token: Address) -> String {
    if token.is_zero() { format!("{} coins", format_ether(amount)) } else { format!("{amount} of the token {token}") }
}

/// Writes a file of the buyer's, for nobody else to read.
fn keep(path: &Path, bytes: &[u8]) -> Result<(), OrdersError> {
    let write = || {
        path.parent().map(std::fs::create_dir_all).transpose()?;
        output::whole(path, Readers::Owner, |file| file.write_all(bytes))
    };
    write().map_err(|source| OrdersError::Write { path: path.to_owned(), source })
}

/// Keeps a buyer's key beside the orders, under its hash, for orders that were made with no file of it. Returns where
/// it is.
///
/// # Errors
/// The folder cannot be written to.
pub fn keep_key(key: &BuyerKey) -> Result<PathBuf, OrdersError> {
    let folder = home().join("keys");
    let path = folder.join(format!("{:x}.key", B256::from(key.wrap.hash(&key.model))));
    std::fs::create_dir_all(&folder).map_err(|source| OrdersError::Write { path: path.clone(), source })?;
    key.write(&path)?;
    Ok(path)
}

/// Reads an order's file.
///
/// # Errors
/// It cannot be read, or is none of this version.
pub fn read(path: &Path) -> Result<Saved, OrdersError> {
    let text = std::fs::read(path).map_err(|source| OrdersError::Read { path: path.to_owned(), source })?;
    let order: Saved =
        serde_json::from_slice(&text).map_err(|source| OrdersError::Damaged { path: path.to_owned(), source })?;
    if order.version == VERSION {
        Ok(order)
    } else {
        Err(OrdersError::Version { path: path.to_owned(), have: order.version })
    }
}

/// All saved orders, oldest first; and why others cannot be read.
///
/// # Errors
/// The folder cannot be read.
pub fn all() -> Result<(Vec<Saved>, Vec<OrdersError>), OrdersError> {
    let entries = match std::fs::read_dir(folder()) {
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(Default::default()),
        other => other.map_err(|source| OrdersError::Read { path: folder(), source })?,
    };
    let paths =
        entries.flatten().map(|entry| entry.path()).filter(|path| path.extension().is_some_and(|e| e == "json"));
    let (mut orders, mut unreadable) = (Vec::new(), Vec::new());
    for path in paths {
        match read(&path) {
            Ok(order) => orders.push(order),
            Err(error) => unreadable.push(error),
        }
    }
    orders.sort_by_key(|order| (order.created, order.job));
    Ok((orders, unreadable))
}

/// The order among these whose job id begins so. `None` if there is none.
///
/// # Errors
/// Several begin so.
pub fn beginning(orders: Vec<Saved>, job: &str) -> Result<Option<Saved>, OrdersError> {
    let begins = job.trim().trim_start_matches("0x").to_lowercase();
    let mut found: Vec<Saved> =
        orders.into_iter().filter(|order| format!("{:x}", order.job).starts_with(&begins)).collect();
    match found.len() {
        0 | 1 => Ok(found.pop()),
        count => Err(OrdersError::Several { job: job.to_owned(), count }),
    }
}

/// Where an order's money is, by the market's record and the chain's time, and which command brings it back.
pub fn whereabouts(order: &Saved, record: &Job, now: u64) -> String {
    let (job, price, purse) = (order.job, order.price(), order.purse());
    let funded_at = record.time.to::<u64>(); // while it is not over
    let expire_by = funded_at + u64::from(order.escrow.order.expire_secs);
    let refund = if now > expire_by {
        format!("`assay refund {job}` takes it back")
    } else {
        format!("`assay refund {job}` takes it back in {} s", expire_by - now + 1)
    };
    match record.state {
        State::None if now <= order.escrow.quote.valid_until => {
            format!("nothing is paid for job {job}: {price} are in {purse}; `assay resume {job}` pays and goes on")
        }
        State::None => format!("nothing was paid for job {job}, and its quote has lapsed: {price} are in {purse}"),
        State::Funded => format!(
            "{price} are in the market's escrow for job {job}, which nobody has locked: `assay cancel {job}` takes \
             them back now, `assay resume {job}` goes on"
        ),
        State::Locked => {
            format!(
                "{price} are in the market's escrow for job {job}, which a prover has locked: `assay resume {job}` \
                 goes on, {refund}"
            )
        }
        State::Settled => {
            format!("{price} were paid to the seller for a valid proof of job {job}: `assay resume {job}` fetches it")
        }
        State::Cancelled | State::Expired | State::Refunded => format!(
            "job {job} is over without a proof that was paid for: if it was paid for, {price} went back to your credit \
             in the market, and `assay withdraw` takes it out"
        ),
        State::__Invalid => format!("the market has an unknown record of job {job}"),
    }
}

/// The same where the chain cannot be asked.
pub fn perhaps(order: &Saved) -> String {
    let (job, price) = (order.job, order.price());
    format!(
        "{price} may be in the market's escrow for job {job}: `assay jobs` says where they are, `assay resume {job}` \
         goes on, `assay cancel {job}` takes them back while nobody has locked the job, and `assay refund {job}` after \
         its expiry, {} s after the payment",
        order.escrow.order.expire_secs
    )
}
