//! `assay veto`, `restore` and `attestors`: what those who attest keys decide.

use super::chain::signer;
use crate::args::{AttestorsCommand, CouncilArgs, RegistryArgs, ReplaceArgs, RestoreArgs, VetoArgs};
use crate::exit::{Exit, Failure, Outcome};
use crate::ui::Ui;
use alloy::primitives::{Address, keccak256};
use alloy::signers::local::PrivateKeySigner;
use assay_api::chain::abi::KeyRegistry::{self, KeyRegistryErrors};
use assay_api::chain::abi::{CouncilSetup, InferenceMarket};
use assay_api::chain::create2::{CouncilTerms, Deployer};
use assay_api::chain::govern::{self, Decision};
use assay_api::chain::{ChainError, Rpc};
use serde_json::{Value, json};

/// A key registry, and an account that calls it.
struct Registry {
    rpc: Rpc,
    account: PrivateKeySigner,
    keys: Address,
}

impl Registry {
    async fn open(args: &RegistryArgs) -> Outcome<Self> {
        let (rpc, account) = (Rpc::new(&args.chain.rpc)?, signer(&args.chain.private_key)?);
        let keys = rpc.call(args.market, &InferenceMarket::keysCall {}).await?;
        Ok(Self { rpc, account, keys })
    }
}

/// The registry's refusals in words.
fn explain(error: ChainError) -> Failure {
    let text = match govern::refusal(&error) {
        Some(KeyRegistryErrors::NotAttestor(e)) => {
            format!("{} is no attestor of this registry: `assay attestors show` lists them", e.account)
        }
        Some(KeyRegistryErrors::NotProposed(e)) => {
            format!(
                "the key {} is not proposed, or admitted already: only what waits for admission is vetoed",
                e.keyHash
            )
        }
        Some(KeyRegistryErrors::AlreadyVetoed(e)) => {
            format!("{} has vetoed this key before, and an attestor does so once", e.attestor)
        }
        Some(KeyRegistryErrors::NotFrozen(e)) => {
            format!("the key {} is not frozen, so there is nothing to restore", e.keyHash)
        }
        Some(KeyRegistryErrors::SlotTaken(e)) => format!("the key {} has taken the frozen one's place", e.keyHash),
        Some(KeyRegistryErrors::InvalidAttestors(_)) => {
            "the account that comes is an attestor already, or zero".to_owned()
        }
        _ => return error.into(),
    };
    Failure::message(Exit::Failed, text)
}

async fn explained<T>(work: impl Future<Output = Result<T, ChainError>>) -> Outcome<T> {
    work.await.map_err(explain)
}

/// Makes a proposed key need one attestation more.
pub async fn veto(ui: &Ui, args: VetoArgs) -> Outcome {
    let Registry { rpc, account, keys } = Registry::open(&args.registry).await?;
    let hash = args.key_hash;
    let receipt = ui.phase_async("veto", explained(govern::veto(&rpc, &account, keys, hash))).await?;
    let needed = rpc.call(keys, &KeyRegistry::attestationsNeededCall { keyHash: hash }).await?;
    ui.finish(
        json!({ "key_hash": hash, "attestations_needed": needed.to_string(), "gas": receipt.gas_used, "transaction": receipt.transaction_hash }),
        format!("vetoed {hash}: for 30 days it needs {needed} attestations ({} gas)", receipt.gas_used),
    );
    Ok(())
}

/// Agrees to restore a frozen key, or restores it.
pub async fn restore(ui: &Ui, args: RestoreArgs) -> Outcome {
    let Registry { rpc, account, keys } = Registry::open(&args.registry).await?;
    let hash = args.key_hash;
    let decision = ui.phase_async("restore", explained(govern::restore(&rpc, &account, keys, hash))).await?;
    report(ui, decision, json!({ "key_hash": hash }), &format!("the key {hash} is restored"));
    Ok(())
}

/// Shows attestors, or replaces one.
pub async fn attestors(ui: &Ui, command: AttestorsCommand) -> Outcome {
    match command {
        AttestorsCommand::Show { rpc, market } => show(ui, &Rpc::new(&rpc)?, market).await,
        AttestorsCommand::Replace(args) => replace(ui, args).await,
        AttestorsCommand::Council(args) => council(ui, args).await,
    }
}

async fn show(ui: &Ui, rpc: &Rpc, market: Address) -> Outcome {
    let keys = rpc.call(market, &InferenceMarket::keysCall {}).await?;
    let found = govern::attestors(rpc, keys).await?;
    let list: Vec<String> = found.attestors.iter().map(ToString::to_string).collect();
    let text = format!(
        "attestors {}\nthreshold {}\ntimelock  {} s",
        list.join("\n          "),
        found.threshold,
        found.timelock_secs
    );
    let (threshold, timelock) = (found.threshold.to_string(), found.timelock_secs.to_string());
    ui.finish(
        json!({ "keys": keys, "attestors": found.attestors, "threshold": threshold, "timelock_secs": timelock }),
        text,
    );
    Ok(())
}

async fn replace(ui: &Ui, args: ReplaceArgs) -> Outcome {
    let Registry { rpc, account, keys } = Registry::open(&args.registry).await?;
    let ReplaceArgs { out, into, .. } = args;
    // the registry would call both the wrong one "no attestor", and not say which
    if !rpc.call(keys, &KeyRegistry::isAttestorCall { account: out }).await? {
        return Err(Failure::message(Exit::Failed, format!("{out} is no attestor, so nobody can take its place")));
    }
    let decision = ui.phase_async("replace", explained(govern::replace(&rpc, &account, keys, out, into))).await?;
    report(ui, decision, json!({ "out": out, "into": into }), &format!("{into} is an attestor in the place of {out}"));
    Ok(())
}

/// Deploys a council, or finds it.
async fn council(ui: &Ui, args: CouncilArgs) -> Outcome {
    let (rpc, account) = (Rpc::new(&args.chain.rpc)?, signer(&args.chain.private_key)?);
    let terms = CouncilTerms {
        timelock_secs: args.timelock,
        delay_secs: args.delay,
        period_secs: args.period,
        quorum_percent: args.quorum,
    };
    let mut deployer = Deployer::new(&rpc, &account, keccak256(args.salt.as_bytes())).await?;
    let setup = ui.phase_async("deploy", deployer.council(args.votes, args.member, terms)).await?;
    let timelock = rpc.call(setup, &CouncilSetup::timelockCall {}).await?;
    let governor = rpc.call(setup, &CouncilSetup::governorCall {}).await?;
    ui.finish(
        json!({ "attestor": timelock, "timelock": timelock, "governor": governor, "contracts": deployer.placed, "gas": deployer.gas }),
        format!("attestor {timelock}, the council's timelock\ngovernor {governor}\ngas      {}", deployer.gas),
    );
    Ok(())
}

/// Says how far a decision is.
fn report(ui: &Ui, decision: Decision, mut about: Value, done: &str) {
    let (state, text) = match decision {
        Decision::Done => ("done", done.to_owned()),
        Decision::ReadyAt(time) => {
            about["ready_at"] = json!(time.to_string());
            ("ready", format!("enough attestors agree; after unix time {time}, run this again"))
        }
        Decision::Open => ("open", "approved; other attestors have to agree as well".to_owned()),
    };
    about["state"] = json!(state);
    ui.finish(about, text);
}
