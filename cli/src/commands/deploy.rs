//! `assay deploy`: the contracts, at the same addresses on every chain, with a file that says what is where.

use super::chain::signer;
use crate::args::DeployArgs;
use crate::exit::{Exit, Failure, Outcome};
use crate::files;
use crate::orders;
use crate::ui::{Ui, say};
use alloy::primitives::{Address, B256, keccak256};
use assay_api::chain::Rpc;
use assay_api::chain::create2::{Deployer, FACTORY, Placed};
use assay_api::chain::deploy::DeployOptions;
use assay_prover::output::Readers;
use assay_prover::srs::Srs;
use serde::{Deserialize, Serialize};
use serde_json::json;
use std::path::{Path, PathBuf};

/// Two days for a veto.
const TIMELOCK_SECS: u64 = 172_800;
/// Long enough for a registration to be mined before somebody who saw it can commit to the same one.
const COMMIT_SECS: u64 = 60;

/// What is on a chain, in a file of its own.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Deployment {
    chain_id: u64,
    factory: Address,
    salt: B256,
    attestors: Vec<Address>,
    threshold: u64,
    timelock_secs: u64,
    commit_secs: u64,
    treasury: Address,
    allow_development: bool,
    contracts: Vec<Placed>,
    /// What the file said before it was written with other addresses.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    previous: Vec<Deployment>,
}

impl Deployment {
    fn addresses(&self) -> impl Iterator<Item = Address> {
        self.contracts.iter().map(|contract| contract.address)
    }

    /// Whether all that another one names is here.
    fn has_all_of(&self, other: &Self) -> bool {
        other.addresses().all(|address| self.addresses().any(|mine| mine == address))
    }
}

/// Deploys what is missing of verifier, registries, market and, if asked for, the contracts around them.
pub async fn deploy(ui: &Ui, args: DeployArgs) -> Outcome {
    let (rpc, from) = (Rpc::new(&args.chain.rpc)?, signer(&args.chain.private_key)?);
    let (salt, folder) = (keccak256(args.salt.as_bytes()), folder(&args));
    let (around, permit2) = (args.around, args.permit2);
    let options = options(args, from.address());
    options.check(from.address())?;
    if options.allow_development {
        ui.warn("these contracts admit development keys, whose makers can forge proofs; for tests only");
    }
    let mut deployer = Deployer::new(&rpc, &from, salt).await?;
    let work = async {
        let market = deployer.market(&options).await?;
        if around {
            deployer.around(market, permit2).await?;
        }
        Ok::<_, Failure>(market)
    };
    let [verifier, keys, models, market] = ui.phase_async("deploy", work).await?;
    let gas = deployer.gas;
    let deployment = Deployment {
        chain_id: rpc.chain_id().await?,
        factory: FACTORY,
        salt,
        attestors: options.attestors.clone(),
        threshold: options.threshold,
        timelock_secs: options.timelock_secs,
        commit_secs: options.commit_secs,
        treasury: options.treasury,
        allow_development: options.allow_development,
        contracts: deployer.placed,
        previous: Vec::new(),
    };
    let file = folder.join(format!("{}.json", deployment.chain_id));
    let (deployment, checklist) = keep(ui, &file, deployment, &options)?;
    let mut text = format!("verifier {verifier}\nkeys     {keys}\nmodels   {models}\nmarket   {market}");
    for more in deployment.contracts.iter().skip(4) {
        text += &format!("\n{} {}", more.name, more.address);
    }
    text += &format!("\ngas      {gas}\nwrote    {}", file.display());
    ui.finish(
        json!({
            "verifier": verifier, "keys": keys, "models": models, "market": market, "gas": gas, "chain_id": deployment.chain_id,
            "contracts": deployment.contracts, "file": file, "checklist": checklist,
        }),
        text,
    );
    Ok(())
}

fn folder(args: &DeployArgs) -> PathBuf {
    args.deployments.clone().unwrap_or_else(|| orders::home().join("deployments"))
}

fn options(args: DeployArgs, me: Address) -> DeployOptions {
    let development = args.allow_development;
    let by_default = |in_development, else_| if development { in_development } else { else_ };
    DeployOptions {
        attestors: if args.attestor.is_empty() && development { vec![me] } else { args.attestor },
        threshold: args.threshold.unwrap_or(by_default(1, 2)),
        timelock_secs: args.timelock.unwrap_or(by_default(0, TIMELOCK_SECS)),
        allow_development: development,
        development_srs: vec![Srs::development(4).id().into()],
        treasury: args.treasury.unwrap_or(me),
        commit_secs: args.commit_secs.unwrap_or(by_default(0, COMMIT_SECS)),
        verifier: None,
    }
}

/// Writes the chain's file; what it said of other contracts stays in it. Where real money may move, says what to check.
fn keep(
    ui: &Ui,
    file: &Path,
    mut deployment: Deployment,
    options: &DeployOptions,
) -> Outcome<(Deployment, Vec<String>)> {
    if let Some(mut before) = read(file)? {
        deployment.previous.append(&mut before.previous);
        // development chains are thrown away
        if !before.allow_development && !deployment.has_all_of(&before) {
            ui.warn(format_args!(
                "{} named other contracts for this chain; they stay in it under \"previous\"",
                file.display()
            ));
            deployment.previous.insert(0, before);
        }
    }
    if let Some(folder) = file.parent() {
        std::fs::create_dir_all(folder)?;
    }
    let text = serde_json::to_string_pretty(&deployment).map_err(|e| Failure::new(Exit::Io, e))?;
    files::write(ui, file, Readers::Default, format!("{text}\n").as_bytes())?;
    let checklist = if options.allow_development { Vec::new() } else { checklist(options, file) };
    for item in &checklist {
        say(format_args!("check: {item}"));
    }
    Ok((deployment, checklist))
}

fn read(file: &Path) -> Outcome<Option<Deployment>> {
    let text = match std::fs::read(file) {
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        other => other?,
    };
    let bad = |e| {
        Failure::message(
            Exit::Input,
            format!("{} is no file of deployments, so it is left as it is: {e}", file.display()),
        )
    };
    serde_json::from_slice(&text).map(Some).map_err(bad)
}

/// What no command can see of a deployment that real money moves in.
fn checklist(options: &DeployOptions, file: &Path) -> Vec<String> {
    let attestors: Vec<String> = options.attestors.iter().map(ToString::to_string).collect();
    vec![
        format!("the attestors have different owners, who do not sell: {}", attestors.join(", ")),
        format!(
            "each of them knows `assay attest` and has {} s for a veto before a key is admitted",
            options.timelock_secs
        ),
        format!(
            "the treasury {} proves for nobody and sells nothing, and somebody who is named can take out of it",
            options.treasury
        ),
        "the SRS is that of a ceremony (`assay srs import`), and its file is published with its id".to_owned(),
        "the sources are verified at the chain's explorer, with the constructor arguments in the file".to_owned(),
        "`verifier-contracts/build.sh --check` gives this bytecode at the commit that is announced".to_owned(),
        format!("{} is published, so that others can compare", file.display()),
        "the same command was run on a test chain first, and gave the same addresses".to_owned(),
        "nobody has audited these contracts (docs/security.md): say so, and bound what can be lost".to_owned(),
    ]
}
