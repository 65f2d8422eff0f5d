//! What a service needs beside what it computes with: its keys and SRS, its chain, its clock, its disk, its database.

use crate::args::DoctorArgs;
use crate::batch;
use crate::commands::api_keys::database;
use crate::commands::{chain, prove, serve};
use crate::exit::Outcome;
use crate::files;
use crate::trust::Checked;
use crate::ui::Ui;
use alloy::primitives::{Address, B256};
use assay_api::chain::abi::InferenceMarket;
use assay_api::chain::{Head, Market, Rpc};
use assay_api::config::{ChainConfig, Terms};
use assay_api::store::now_ms;
use assay_circuits::batch::Batch;
use assay_prover::srs;
use serde::Serialize;
use std::path::Path;
use std::time::Duration;

/// How long a node or a database may take to answer.
const ASK: Duration = Duration::from_secs(10);
/// Free bytes of a disk below which a service will soon take nothing new.
const DISK_MIN: u64 = 1 << 30;
/// How far clocks may be apart, in seconds: deadlines are measured in minutes.
const CLOCK_SECS: i64 = 5;
/// Age of the newest block that a chain with traffic does not reach.
const BLOCK_SECS: i64 = 600;

/// How a check went.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    /// All is well.
    Ok,
    /// It works, and somebody should look at it.
    Warning,
    /// It does not work.
    Fault,
}

/// A check that was made.
#[derive(Debug, Serialize)]
pub struct Check {
    /// What was looked at.
    pub name: &'static str,
    /// How it went.
    pub verdict: Verdict,
    /// What was found, and what to do about it.
    pub detail: String,
}

impl Check {
    fn new(name: &'static str, verdict: Verdict, detail: impl Into<String>) -> Self {
        Self { name, verdict, detail: detail.into() }
    }

    fn of<T>(name: &'static str, found: Outcome<T>, well: impl FnOnce(T) -> (Verdict, String)) -> Self {
        match found {
            Ok(found) => {
                let (verdict, detail) = well(found);
                Self::new(name, verdict, detail)
            }
            Err(failure) => Self::new(name, Verdict::Fault, failure.text()),
        }
    }

    /// A line for people.
    pub fn line(&self) -> String {
        let word = match self.verdict {
            Verdict::Ok => "ok",
            Verdict::Warning => "WARNING",
            Verdict::Fault => "FAULT",
        };
        format!("{:<10} {word}: {}", self.name, self.detail)
    }
}

/// All checks that the command line has anything for.
pub async fn all(ui: &Ui, args: &DoctorArgs) -> Vec<Check> {
    let mut checks = vec![powers(args)];
    let commitments = models(ui, args, &mut checks);
    checks.push(disk(args));
    if args.database.database_url.is_some() || args.database.data.join("jobs.sqlite").is_file() {
        stored(args, &mut checks).await;
    } else {
        let text = format!("there is none in {} yet: `assay serve` makes it", args.database.data.display());
        checks.push(Check::new("database", Verdict::Ok, text));
    }
    if let Some(url) = &args.rpc {
        on_chain(args, url, &commitments, &mut checks).await;
    }
    checks
}

/// The SRS file.
fn powers(args: &DoctorArgs) -> Check {
    let Some(path) = &args.srs.srs else {
        let text =
            "the development SRS, over which anybody can forge proofs: for tests only (--srs FILE, or ASSAY_SRS)";
        return Check::new("srs", Verdict::Warning, text);
    };
    let found = srs::file::load(path).map_err(|error| files::name(path, error.into()));
    Check::of("srs", found, |srs| {
        let text = format!("{}: 2^{} powers, id {}", path.display(), srs.max_log(), B256::from(srs.id()));
        if srs.development {
            (Verdict::Warning, format!("{text}; a development SRS, for tests only"))
        } else {
            (Verdict::Ok, text)
        }
    })
}

/// The packages with their keys. Returns the commitments of those that are well.
fn models(ui: &Ui, args: &DoctorArgs, checks: &mut Vec<Check>) -> Vec<(String, B256)> {
    if args.models.is_empty() {
        return Vec::new();
    }
    let paths = match serve::packages(&args.models) {
        Ok(paths) => paths,
        Err(failure) => {
            checks.push(Check::new("keys", Verdict::Fault, failure.text()));
            return Vec::new();
        }
    };
    let mut well = Vec::new();
    for path in paths {
        let found = model(ui, args, &path);
        let name = path.display().to_string();
        well.extend(found.as_ref().ok().map(|(commitment, _)| (name.clone(), *commitment)));
        checks.push(Check::of("keys", found, |(_, sound)| match sound {
            true => (Verdict::Ok, format!("{name}: the key was computed again")),
            false => (
                Verdict::Warning,
                format!("{name}: a development key, or one that is its maker's word: for tests only"),
            ),
        }));
    }
    well
}

/// A model's commitment, and whether nobody can forge proofs under its key.
fn model(ui: &Ui, args: &DoctorArgs, path: &Path) -> Outcome<(B256, bool)> {
    let package = files::package(ui, path)?;
    let pk = batch::proving_key(path, Batch::ONE, args.wrap.wrap);
    let key = prove::buyer_key(ui, path, &pk, &package)?;
    let checked = Checked::new(ui, key, args.srs.srs.as_deref())?;
    let sound =
        checked.has_recomputed_wrap() && !checked.key.has_development_wrap() && !checked.key.model.srs.development;
    Ok((B256::from(package.model.commitment()), sound))
}

/// Room on the disk of the data folder, or of the folder that it will be in.
fn disk(args: &DoctorArgs) -> Check {
    let data = &args.database.data;
    let at = data.ancestors().find(|path| path.is_dir()).unwrap_or_else(|| Path::new("."));
    let Some(free) = assay_api::free_bytes(at) else {
        return Check::new("disk", Verdict::Warning, "the system does not say what is free");
    };
    if let Err(error) = tempfile::NamedTempFile::new_in(at) {
        return Check::new("disk", Verdict::Fault, format!("{} takes no file: {error}", at.display()));
    }
    let text = format!("{} MiB are free in {}", free >> 20, at.display());
    if free < DISK_MIN {
        Check::new("disk", Verdict::Warning, format!("{text}, less than 1 GiB"))
    } else {
        Check::new("disk", Verdict::Ok, text)
    }
}

/// Seconds by which another clock is ahead of this machine's, as a check.
fn apart(what: &str, other_ms: i64) -> Check {
    let ahead = (other_ms - now_ms()) / 1000;
    match ahead.abs() <= CLOCK_SECS {
        true => Check::new("clock", Verdict::Ok, format!("{what} is {ahead} s ahead of this machine's clock")),
        false => {
            let text =
                format!("{what} is {ahead} s ahead of this machine's clock: synchronise it (timedatectl, chrony)");
            Check::new("clock", Verdict::Warning, text)
        }
    }
}

/// The database: that it opens and takes a write, and what its clock says.
async fn stored(args: &DoctorArgs, checks: &mut Vec<Check>) {
    let asked = tokio::time::timeout(ASK, async {
        let store = database(&args.database).await?;
        store.probe().await.map_err(assay_api::ServeError::from)?;
        let clock = store.clock_ms().await.map_err(assay_api::ServeError::from)?;
        let counts = store.counts().await.map_err(assay_api::ServeError::from)?;
        store.close().await;
        Outcome::Ok((clock, counts.iter().map(|(_, n)| n).sum::<i64>(), store.is_shared()))
    });
    match asked.await {
        Err(_) => {
            checks.push(Check::new("database", Verdict::Fault, format!("it did not answer within {} s", ASK.as_secs())))
        }
        Ok(found) => {
            if let Ok((clock, _, true)) = &found {
                checks.push(apart("the database's clock", *clock));
            }
            checks.push(Check::of("database", found, |(_, jobs, _)| {
                (Verdict::Ok, format!("it takes writes, and has {jobs} predictions"))
            }));
        }
    }
}

/// The chain: nodes, market, account, and the models' listings.
async fn on_chain(args: &DoctorArgs, url: &str, models: &[(String, B256)], checks: &mut Vec<Check>) {
    for node in std::iter::once(url).chain(args.rpc_fallback.iter().map(String::as_str)) {
        match tokio::time::timeout(ASK, async { Outcome::Ok(Rpc::new(node)?.chain_id().await?) }).await {
            Err(_) => checks.push(Check::new(
                "chain",
                Verdict::Fault,
                format!("{node} did not answer within {} s", ASK.as_secs()),
            )),
            Ok(found) => {
                checks.push(Check::of("chain", found, |id| (Verdict::Ok, format!("{node} is a node of chain {id}"))))
            }
        }
    }
    if let Some(market) = args.market {
        match tokio::time::timeout(3 * ASK, market_checks(args, url, market, models, checks)).await {
            Err(_) => {
                checks.push(Check::new("chain", Verdict::Fault, "the node takes too long to answer about the market"))
            }
            Ok(Err(failure)) => checks.push(Check::new("chain", Verdict::Fault, failure.text())),
            Ok(Ok(())) => {}
        }
    }
}

async fn market_checks(
    args: &DoctorArgs,
    url: &str,
    at: Address,
    models: &[(String, B256)],
    checks: &mut Vec<Check>,
) -> Outcome {
    let rpc = Rpc::new(url)?;
    let registry = rpc.call(at, &InferenceMarket::modelsCall {}).await?;
    let time = rpc.now().await?;
    checks.push(block_time(i64::try_from(time).unwrap_or_default().saturating_mul(1000)));
    let Some(key) = &args.private_key else {
        checks.push(Check::new(
            "chain",
            Verdict::Warning,
            format!("the market {at} answers; the account was not looked at (--private-key)"),
        ));
        return Ok(());
    };
    let account = chain::signer(key)?;
    let owner = account.address();
    let market = Market::new(ChainConfig::new(url, at, registry, account, Terms::default()))?;
    let Head { number, .. } = market.head().await?;
    let block = format!("the market {at} answers, and the newest block is {number}");
    checks.push(Check::new("chain", Verdict::Ok, block));
    let coins = rpc.balance(owner).await?;
    let text = format!("{owner} has {coins} wei");
    checks.push(match market.is_solvent(&market.config.terms).await? {
        true => Check::new("account", Verdict::Ok, text),
        false => {
            Check::new("account", Verdict::Fault, format!("{text}: too little for gas and the collateral of one job"))
        }
    });
    for (name, commitment) in models {
        checks.push(match chain::find_model(&rpc, registry, *commitment, owner).await? {
            Some(id) => Check::new("listing", Verdict::Ok, format!("{name} is model {id}")),
            None => Check::new(
                "listing",
                Verdict::Warning,
                format!("{name} is not listed by {owner}: `assay publish` lists it"),
            ),
        });
    }
    Ok(())
}

/// The newest block's time: a chain with traffic is never far behind, and never ahead.
fn block_time(block_ms: i64) -> Check {
    let age = (now_ms() - block_ms) / 1000;
    if age < -CLOCK_SECS {
        return apart("the newest block's time", block_ms);
    }
    if age < BLOCK_SECS {
        return Check::new("clock", Verdict::Ok, format!("the newest block is {age} s old by this machine's clock"));
    }
    Check::new(
        "clock",
        Verdict::Warning,
        format!("the newest block is {age} s old: the chain stands still, or the node is behind"),
    )
}
