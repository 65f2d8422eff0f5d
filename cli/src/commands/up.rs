//! `assay up`: a seller's whole market in one command. What it makes is kept in a folder, and the next time it goes on
//! from there.

use super::demo::market::anvil;
use super::{chain, example, keys, serve, weights};
use crate::args::{Cli, Command, ServeArgs, UpArgs};
use crate::batch;
use crate::exit::{Exit, Failure, Outcome};
use crate::files;
use crate::trust::Checked;
use crate::ui::Ui;
use alloy::primitives::Address;
use alloy::signers::local::PrivateKeySigner;
use assay_api::chain::Rpc;
use assay_api::chain::abi::InferenceMarket;
use assay_api::chain::abi::KeyRegistry::Status;
use assay_api::chain::deploy::{DeployOptions, deploy};
use assay_api::chain::dev::{DEV_KEYS, DevChain};
use assay_circuits::batch::Batch;
use assay_compiler::chunks::log_chunk_for_gas;
use assay_compiler::{Calibration, Options, compile as compile_onnx};
use assay_prover::output::Readers;
use assay_prover::package::{Metadata, Package};
use assay_prover::srs::Srs;
use assay_prover::wrap::System;
use clap::Parser;
use serde::{Deserialize, Serialize};
use serde_json::json;
use std::fs::{File, TryLockError};
use std::path::{Path, PathBuf};

/// The id of development chains, anvil's and Hardhat's. On these everybody has the keys of the accounts.
const DEVELOPMENT: u64 = 31337;
/// Which of the development chain's accounts does what. The treasury must be nobody who sells.
const DEPLOYER: usize = 0;
const SELLER: usize = 1;
const BUYER: usize = 2;
const TREASURY: usize = 3;

/// Log of how many inferences of several buyers a proof of the built-in network may have.
const EXAMPLE_LOG_BATCH: u32 = 3;

/// What a folder knows of its chain.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct State {
    /// Where the chain is.
    chain: String,
    chain_id: u64,
    /// The process of a chain of its own.
    pid: Option<u32>,
    market: Address,
    /// Where the service was last.
    service: String,
}

impl State {
    fn path(dir: &Path) -> PathBuf {
        dir.join("state.json")
    }

    fn read(dir: &Path) -> Outcome<Option<Self>> {
        let path = Self::path(dir);
        let text = match std::fs::read(&path) {
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            other => other.map_err(files::unreadable(&path))?,
        };
        let bad = |e| Failure::message(Exit::Input, format!("{} is not what `assay up` wrote: {e}", path.display()));
        serde_json::from_slice(&text).map(Some).map_err(bad)
    }

    fn write(&self, ui: &Ui, dir: &Path) -> Outcome {
        let text = serde_json::to_string_pretty(self).map_err(|e| Failure::new(Exit::Failed, e))? + "\n";
        files::write(ui, &Self::path(dir), Readers::Default, text.as_bytes())
    }
}

/// The chain, and who does what on it.
struct Place {
    rpc: Rpc,
    url: String,
    chain_id: u64,
    /// A chain of its own: it ends with this.
    own: Option<DevChain>,
    deployer: PrivateKeySigner,
    seller: PrivateKeySigner,
    /// The seller's key, as `assay serve` takes it.
    seller_key: String,
}

fn account(index: usize) -> Outcome<PrivateKeySigner> {
    chain::signer(DEV_KEYS.get(index).copied().unwrap_or_default())
}

/// The chain that is there, or one that is started: from where it was, if it was before.
async fn place(ui: &Ui, args: &UpArgs, known: Option<&State>) -> Outcome<Place> {
    if let Some(url) = &args.chain {
        let rpc = Rpc::new(url)?;
        let chain_id = rpc.chain_id().await?;
        let own_key = args.private_key.as_ref().map(|key| (**key).clone());
        let Some(seller_key) = own_key.or_else(|| (chain_id == DEVELOPMENT).then(|| DEV_KEYS[SELLER].to_owned()))
        else {
            let text = format!(
                "the chain {chain_id} is no development chain: pass the seller's account with --private-key, or set \
                 ASSAY_PRIVATE_KEY"
            );
            return Err(Failure::message(Exit::Usage, text));
        };
        let seller = chain::signer(&seller_key)?;
        let deployer = if chain_id == DEVELOPMENT { account(DEPLOYER)? } else { seller.clone() };
        return Ok(Place { rpc, url: url.clone(), chain_id, own: None, deployer, seller, seller_key });
    }
    let state = std::path::absolute(args.dir.join("chain.json"))?;
    let own = match running(known, &state).await {
        Some(chain) => chain,
        None => {
            let port = known.and_then(|known| known.chain.rsplit_once(':')?.1.parse().ok()).unwrap_or(args.chain_port);
            let anvil = anvil(ui, args.root.as_deref()).await?;
            ui.phase_async("start anvil", DevChain::start_kept(&anvil, port, &state)).await?
        }
    };
    let (rpc, url) = (own.rpc()?, own.url().to_owned());
    let seller_key = DEV_KEYS[SELLER].to_owned();
    Ok(Place {
        rpc,
        url,
        chain_id: DEVELOPMENT,
        own: Some(own),
        deployer: account(DEPLOYER)?,
        seller: account(SELLER)?,
        seller_key,
    })
}

/// The folder's chain, where an earlier process was killed and could not end it.
async fn running(known: Option<&State>, state: &Path) -> Option<DevChain> {
    let known = known?;
    let chain = DevChain::adopt(&known.chain, known.pid?, state)?;
    // one that does not answer is asked to end, since it has the file
    chain.rpc().ok()?.call(known.market, &InferenceMarket::modelsCall {}).await.ok()?;
    Some(chain)
}

/// The market: the one that is named, the folder's, or a new one.
async fn market(ui: &Ui, args: &UpArgs, place: &Place, known: Option<&State>) -> Outcome<Address> {
    let known = known.filter(|known| known.chain_id == place.chain_id).map(|known| known.market);
    if let Some(market) = args.market.or(known) {
        let there = place.rpc.call(market, &InferenceMarket::modelsCall {}).await;
        return there.map(|_| market).map_err(|e| {
            let (url, dir) = (&place.url, args.dir.display());
            let text = format!(
                "the market {market} is not on the chain at {url} ({e}): name another one with \
                --market, or begin anew without the folder {dir}"
            );
            Failure::message(Exit::Failed, text)
        });
    }
    if place.chain_id != DEVELOPMENT {
        let text = format!(
            "there is no market on the chain {} that this folder knows: pass --market; `assay deploy` makes one",
            place.chain_id
        );
        return Err(Failure::message(Exit::Usage, text));
    }
    let options = DeployOptions {
        development_srs: vec![Srs::development(4).id().into()],
        ..DeployOptions::development(place.deployer.address(), account(TREASURY)?.address())
    };
    Ok(ui.phase_async("deploy", deploy(&place.rpc, &place.deployer, &options)).await?.market)
}

/// The packages that are sold.
fn packages(ui: &Ui, args: &UpArgs) -> Outcome<Vec<PathBuf>> {
    let mut models = args.models.clone();
    if args.example {
        models.push(example(ui, &args.dir.join("models"), args.srs.srs.as_deref())?);
    }
    if !models.is_empty() {
        return serve::packages(&models);
    }
    serve::packages(&[PathBuf::from(".")]).map_err(|_| {
        let text = "there is no package (MODEL.assay) in this folder: name one, make one with `assay compile`, or try \
            --example";
        Failure::message(Exit::Input, text)
    })
}

/// Writes the built-in network, its keys, its card and a picture into a folder, unless they are there.
fn example(ui: &Ui, dir: &Path, srs: Option<&Path>) -> Outcome<PathBuf> {
    let package_file = dir.join("digits.assay");
    if package_file.exists() {
        return Ok(package_file);
    }
    std::fs::create_dir_all(dir)?;
    let file = |name: &str| dir.join(name);
    let card = json!({
        "description": example::DESCRIPTION, "labels": example::labels(),
        "prepare": { "kind": "image", "width": 8, "height": 8, "channels": 1 },
    });
    example::write(dir)?;
    std::fs::write(file("digits.card.json"), format!("{card:#}\n"))?;
    let calibration = Calibration::read(&file(example::SAMPLES))?;
    let made =
        ui.phase("compile", |_| compile_onnx(&file("digits.onnx"), &calibration, &Options::default(), &mut |_| ()))?;
    let log = log_chunk_for_gas(&made.architecture).map_err(|e| Failure::new(Exit::Input, e))?;
    let metadata = Metadata { name: "digits".to_owned(), layer_names: made.layer_names };
    let powers = files::srs(ui, srs, log)?;
    let mut package = ui.phase("commit", |_| Package::new(metadata, made.architecture, made.weights, log, &powers))?;
    Checked::derive(ui, &package, Batch::ONE, srs)?.key.write(&files::beside(&package_file, "key"))?;
    // buyers who come at the same time share a proof
    let several = Batch::separate(EXAMPLE_LOG_BATCH);
    let of_several = package.model.batched(several)?;
    let alone = std::mem::replace(&mut package.model, of_several);
    keys::write(ui, &package, System::Universal, srs, &batch::proving_key(&package_file, several, System::Universal))?;
    package.model = alone;
    // the package last: where it is, everything is
    package.write(&package_file)?;
    Ok(package_file)
}

/// Lists a package, if it is not listed yet, with the keys of batches that lie beside it, and sees to it that its own
/// key does. `batch_max`: how many inferences a proof of several buyers may have.
async fn publish(ui: &Ui, args: &UpArgs, place: &Place, market: Address, path: &Path, batch_max: u32) -> Outcome {
    let package = files::package(ui, path)?;
    let checked = chain::key_of(ui, path, None, &package, args.srs.srs.as_deref())?;
    let key_file = files::beside(path, "key");
    if !key_file.exists() {
        checked.key.write(&key_file)?;
    }
    files::warn_key(ui, &checked.key);
    let listing =
        chain::publish_model(&place.rpc, &place.seller, &place.deployer, market, &checked, chain::Card::default());
    let done = ui.phase_async("publish", listing).await.map_err(|e| files::name(path, e))?;
    if done.status != Status::Admitted {
        let why = done.attestation.unwrap_or_else(|| "its timelock is not over: start again after it".to_owned());
        ui.warn(format!("{}: the key is not admitted yet, and nobody can buy: {why}", path.display()));
    }
    for log in 1..=batch_max.ilog2() {
        let key = files::beside(&batch::proving_key(path, Batch::separate(log), System::Universal), "key");
        if key.exists() {
            let checked = chain::key_of(ui, path, Some(&key), &package, args.srs.srs.as_deref())?;
            let listing = chain::publish_model(
                &place.rpc,
                &place.seller,
                &place.deployer,
                market,
                &checked,
                chain::Card::default(),
            );
            ui.phase_async("publish", listing).await.map_err(|e| files::name(&key, e))?;
        }
    }
    let listing =
        weights::Listing { rpc: &place.rpc, seller: &place.seller, attestor: &place.deployer, market, id: done.model };
    let weights = weights::prove(ui, listing, package, args.srs.srs.as_deref()).await?;
    if !weights.are_proven() {
        ui.warn(format!("{}: the weights are {weights}", path.display()));
    }
    Ok(())
}

/// Whether answers are given for free as well: on a chain of its own, where money is worth nothing, so that visitors
/// without a wallet can try the models. Not where x402 is to be seen: whoever asks without paying is told there what it
/// costs.
fn is_free(args: &UpArgs, place: &Place) -> bool {
    let x402 = args.serve.iter().any(|word| word.starts_with("--x402"));
    args.free || (place.own.is_some() && !args.paid_only && !x402)
}

/// What `assay serve` is told.
fn serve_args(args: &UpArgs, place: &Place, market: Address, models: &[PathBuf]) -> Outcome<ServeArgs> {
    let text = |path: &Path| path.to_string_lossy().into_owned();
    let mut words: Vec<String> = ["assay", "serve", "--models"].map(str::to_owned).to_vec();
    words.extend(models.iter().map(|path| text(path)));
    words.extend(["--rpc".to_owned(), place.url.clone(), "--market".to_owned(), market.to_string()]);
    words.extend(["--private-key".to_owned(), place.seller_key.clone(), "--bind".to_owned(), args.bind.to_string()]);
    words.extend(["--data".to_owned(), text(&args.dir.join("service")), "--price".to_owned(), args.price.to_string()]);
    words.extend(args.srs.srs.iter().flat_map(|srs| ["--srs".to_owned(), text(srs)]));
    words.extend(is_free(args, place).then(|| "--free".to_owned()));
    // a development chain makes blocks only for transactions, so a second one may never come
    if place.chain_id == DEVELOPMENT && !args.serve.iter().any(|word| word.starts_with("--confirmations")) {
        words.extend(["--confirmations".to_owned(), "0".to_owned()]);
    }
    words.extend(args.serve.iter().cloned());
    match Cli::try_parse_from(words) {
        Ok(Cli { command: Command::Serve(args), .. }) => Ok(args),
        Ok(_) => Err(Failure::message(Exit::Usage, "what follows -- are options of `assay serve`")),
        Err(error) => {
            Err(Failure::message(Exit::Usage, format!("what follows -- are options of `assay serve`: {error}")))
        }
    }
}

/// Says where everything is, and how it is bought from.
fn describe(ui: &Ui, place: &Place, state: &State, models: &[PathBuf], dir: &Path, free: bool) {
    ui.line(format!(
        "chain    {} (id {}){}",
        state.chain,
        state.chain_id,
        if place.own.is_some() { ", started here" } else { "" }
    ));
    ui.line(format!("market   {}\nseller   {}", state.market, place.seller.address()));
    if let (true, Some(model)) = (place.chain_id == DEVELOPMENT, models.first()) {
        let (key, picture) = (files::beside(model, "key"), model.with_file_name(example::INPUT));
        let input = if picture.exists() { picture.display().to_string() } else { "INPUT".to_owned() };
        ui.line(format!(
            "to buy   ASSAY_PRIVATE_KEY=0x{} assay request --service {} \\\n           --rpc {} --market \
             {} \\\n           --key {} --accept-development-key --input {input}",
            DEV_KEYS[BUYER],
            state.service,
            state.chain,
            state.market,
            key.display()
        ));
    }
    if free {
        ui.line("free     answers cost nothing here, with a wallet or without; --paid-only ends that");
    }
    ui.line(format!(
        "site     {}\nCtrl-C stops everything; the same command goes on from {}",
        state.service,
        dir.display()
    ));
}

/// What has to be there before anything is sold.
async fn prepared(ui: &Ui, args: &UpArgs) -> Outcome<(Place, ServeArgs)> {
    let models = packages(ui, args)?;
    let known = State::read(&args.dir)?;
    // a folder's own chain is not another one's
    if let (Some(known), Some(url)) = (&known, &args.chain)
        && known.pid.is_some()
    {
        let text = format!(
            "the folder {} has a chain of its own, and {url} is another: name another folder with --dir",
            args.dir.display()
        );
        return Err(Failure::message(Exit::Usage, text));
    }
    let place = place(ui, args, known.as_ref()).await?;
    let market = market(ui, args, &place, known.as_ref()).await?;
    let state = State {
        chain: place.url.clone(),
        chain_id: place.chain_id,
        pid: place.own.as_ref().map(DevChain::pid),
        market,
        service: format!("http://{}", args.bind),
    };
    state.write(ui, &args.dir)?;
    let serve = serve_args(args, &place, market, &models)?;
    for model in &models {
        publish(ui, args, &place, market, model, serve.selling.batch_max).await?;
    }
    describe(ui, &place, &state, &models, &args.dir, serve.selling.free);
    Ok((place, serve))
}

/// Holds the folder: two processes with one chain would end it for each other.
fn hold(dir: &Path) -> Outcome<File> {
    std::fs::create_dir_all(dir)?;
    let lock = File::create(dir.join("lock"))?;
    match lock.try_lock() {
        Ok(()) => Ok(lock),
        Err(TryLockError::WouldBlock) => {
            Err(Failure::message(Exit::Io, format!("another `assay up` is running in {}", dir.display())))
        }
        Err(TryLockError::Error(error)) => Err(error.into()),
    }
}

/// Starts everything, and serves until a signal.
pub async fn up(ui: &Ui, args: UpArgs) -> Outcome {
    let _held = hold(&args.dir)?;
    // one listener for all of it: what comes while models are read ends the service as soon as it serves
    let mut stop = Box::pin(assay_api::signalled());
    let (place, serve) = tokio::select! {
        prepared = prepared(ui, &args) => prepared?,
        () = &mut stop => return Err(Failure::message(Exit::Cancelled, "cancelled")),
    };
    let served = serve::serve_until(ui, serve, || stop).await;
    // the service needs the chain to its end
    drop(place);
    served
}
