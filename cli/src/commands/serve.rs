//! `assay serve`.

use super::shelf::{self, SiteShelf};
use super::{chain, explain, prove};
use crate::args::{BackupArgs, SellingArgs, ServeArgs, WorkerArgs};
use crate::batch::{self, BatchError};
use crate::card;
use crate::device;
use crate::exit::{Exit, Failure, Outcome};
use crate::files;
use crate::inputs::BadInput;
use crate::trust::Checked;
use crate::ui::Ui;
use alloy::primitives::{Address, B256};
use assay_api::chain::abi::InferenceMarket;
use assay_api::chain::{Market, REQUEST_TIMEOUT, Rpc, account};
use assay_api::config::{ByModel, Card, ChainConfig, Role, ServeConfig, Terms};
use assay_api::engine::Engine;
use assay_api::engine::native::{NativeEngine, inputs, outputs};
use assay_api::objects::Bucket;
use assay_api::x402::X402Config;
use assay_circuits::batch::Batch;
use assay_prover::seller::Seller;
use serde_json::json;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

/// Copies models that lie in a bucket to the data folder. Returns where all of them are on this machine.
async fn local(ui: &Ui, args: &SellingArgs) -> Outcome<Vec<PathBuf>> {
    let mut paths = Vec::with_capacity(args.models.len());
    for (n, path) in args.models.iter().enumerate() {
        let Some(url) = path.to_str().filter(|text| Bucket::is_address(text)) else {
            paths.push(path.clone());
            continue;
        };
        let dir = args.data.join("models").join(n.to_string());
        let copied = ui.phase_async("fetch", Bucket::from_env(url)?.fetch_models(&dir)).await?;
        ui.line(format!("{url}: {copied} files are new here"));
        paths.push(dir);
    }
    Ok(paths)
}

/// The packages among files and folders, sorted. There must be some.
pub fn packages(paths: &[PathBuf]) -> Outcome<Vec<PathBuf>> {
    let found = all_packages(paths)?;
    if found.is_empty() {
        Err(Failure::message(Exit::Input, "there is no package (MODEL.assay) in the folders given"))
    } else {
        Ok(found)
    }
}

/// The packages among files and folders, sorted.
fn all_packages(paths: &[PathBuf]) -> Outcome<Vec<PathBuf>> {
    let mut found = Vec::new();
    for path in paths {
        let unreadable = files::unreadable(path);
        if std::fs::metadata(path).map_err(unreadable)?.is_dir() {
            let entries = std::fs::read_dir(path).map_err(unreadable)?;
            let files = entries.flatten().map(|e| e.path()).filter(|p| p.extension().is_some_and(|e| e == "assay"));
            found.extend(files);
        } else {
            found.push(path.clone());
        }
    }
    found.sort();
    found.dedup();
    Ok(found)
}

/// The terms of models whose card names no others.
fn default_terms(args: &SellingArgs) -> Terms {
    Terms {
        token: args.token.unwrap_or_default(),
        price: args.price,
        collateral: args.collateral.unwrap_or_default(),
        prove_secs: args.prove_secs,
        expire_secs: args.expire_secs,
        ..Terms::default()
    }
}

/// Where models are listed, and by whom.
#[derive(Clone, Debug)]
pub struct Listing {
    rpc: Rpc,
    registry: Address,
    owner: Address,
}

/// Refuses other nodes that are of another chain. One that does not answer now may answer later.
async fn same_chain(ui: &Ui, rpc: &Rpc, others: &[String]) -> Outcome {
    for other in others {
        match Rpc::new(other)?.chain_id().await {
            Ok(id) if id == rpc.chain_id().await? => {}
            Ok(id) => {
                let text = format!(
                    "--rpc-fallback {other} is a node of chain {id}, and --rpc is one of chain {}",
                    rpc.chain_id().await?
                );
                return Err(Failure::message(Exit::Usage, text));
            }
            Err(error) => ui.warn(format!("--rpc-fallback {other}: {error}")),
        }
    }
    Ok(())
}

/// The chain's settings, where predictions are paid.
async fn chain_config(ui: &Ui, args: &SellingArgs) -> Outcome<Option<(ChainConfig, Listing)>> {
    let (Some(url), Some(market)) = (&args.rpc, args.market) else { return Ok(None) };
    let Some(key) = &args.private_key else {
        return Err(Failure::message(
            Exit::Usage,
            "a paid service needs the account that owns the models: --private-key, or ASSAY_PRIVATE_KEY",
        ));
    };
    if let Some(margin) = args.lock_margin_secs
        && margin >= args.prove_secs
    {
        let text = format!(
            "--lock-margin-secs {margin} leaves no time to lock anything: it must be less than --prove-secs {}",
            args.prove_secs
        );
        return Err(Failure::message(Exit::Usage, text));
    }
    let account = chain::signer(key)?;
    let rpc = Rpc::with_fallbacks(url, &args.rpc_fallback, REQUEST_TIMEOUT)?;
    same_chain(ui, &rpc, &args.rpc_fallback).await?;
    let registry = match args.registry {
        Some(registry) => registry,
        None => rpc.call(market, &InferenceMarket::modelsCall {}).await?,
    };
    let collateral = match args.collateral {
        Some(collateral) => collateral,
        None => account::least_collateral(&rpc, market, args.price).await?.saturating_to(),
    };
    let terms = Terms { collateral, ..default_terms(args) };
    let listing = Listing { rpc, registry, owner: account.address() };
    let mut config = ChainConfig::new(url, market, registry, account, terms);
    config.rpc_fallbacks = args.rpc_fallback.clone();
    config.confirmations = args.confirmations;
    config.from_block = args.from_block;
    config.lock_margin_secs = args.lock_margin_secs;
    Market::new(config.clone())?.check_terms(&config.terms).await?;
    Ok(Some((config, listing)))
}

/// A model that is served.
pub struct Added {
    /// Its id.
    pub id: B256,
    /// What its seller says of it.
    pub card: Card,
    /// Terms of its own.
    pub terms: Option<Terms>,
    /// Whether its wrap's key was derived.
    recomputed: bool,
}

/// Adds one package with its keys to the engine.
pub async fn add(
    ui: &Ui,
    args: &SellingArgs,
    engine: &NativeEngine,
    path: &Path,
    of_service: Terms,
    listing: Option<&Listing>,
) -> Outcome<Added> {
    let package = files::package(ui, path)?;
    // before the model is there, since it may be added to a service that runs
    let (inputs, outputs) = (inputs(&package.model.shape.architecture), outputs(&package.model.shape.architecture));
    let elements = outputs.iter().filter_map(|output| output.len()).sum();
    let (mut card, terms) = card::read(path, elements, &of_service)?;
    card.presentation
        .check(&inputs, &outputs)
        .map_err(|e| files::name(path, BadInput::failure(format!("the model's card: {e}"))))?;
    card.drawing = Some(explain::drawing(&package.metadata, &package.model.shape.architecture));
    check_margin(args, terms.as_ref()).map_err(|e| files::name(path, e))?;
    let pk = batch::proving_key(path, Batch::ONE, args.wrap.wrap);
    let key = prove::buyer_key(ui, path, &pk, &package)?;
    if key.model.shape.batch != Batch::ONE {
        return Err(files::name(path, BatchError::NotSingle { inferences: key.model.shape.batch.inferences() }.into()));
    }
    let checked =
        Checked::new(ui, key, args.srs.srs.as_deref()).map_err(|e| files::name(&files::beside(&pk, "key"), e))?;
    let recomputed = checked.has_recomputed_wrap();
    let key = checked.key;
    let commitment = B256::from(package.model.commitment());
    let id = match listing {
        None => None,
        Some(at) => chain::find_model(&at.rpc, at.registry, commitment, at.owner).await?,
    };
    if listing.is_some() && id.is_none() {
        let text = format!("{} is not listed by this account: `assay publish` lists it", path.display());
        if !args.free {
            return Err(Failure::message(Exit::Failed, text));
        }
        ui.warn(format!("{text}; it is served for free only"));
    }
    files::warn_key(ui, &key);
    let srs = files::srs_of(ui, args.srs.srs.as_deref(), &package.model.srs, key.wrap.srs_log(&key.model.shape))?;
    let proving = prove::proving_key(ui, &pk, &key, &srs)?;
    let seller = ui.phase("prepare", |_| Seller::new(package, device::for_serving(srs)))?.with_wrap_key(proving);
    let id = engine.add(id, seller, key).map_err(|e| files::name(path, e.into()))?.id;
    add_batches(ui, args, engine, path, id)?;
    Ok(Added { id, card, terms, recomputed })
}

/// Refuses a card whose time to prove is shorter than the margin of this service's locks.
fn check_margin(args: &SellingArgs, terms: Option<&Terms>) -> Outcome {
    if let (Some(margin), Some(terms)) = (args.lock_margin_secs, terms)
        && margin >= terms.prove_secs
    {
        let text = format!(
            "--lock-margin-secs {margin} leaves no time to lock anything: it must be less than the card's prove_secs \
             {}",
            terms.prove_secs
        );
        return Err(Failure::message(Exit::Usage, text));
    }
    Ok(())
}

/// Adds the keys for several buyers' inferences in a proof that lie beside a package.
fn add_batches(ui: &Ui, args: &SellingArgs, engine: &NativeEngine, path: &Path, id: B256) -> Outcome {
    for log in 1..=args.batch_max.ilog2() {
        let batch = Batch::separate(log);
        let pk = batch::proving_key(path, batch, args.wrap.wrap);
        if !pk.exists() {
            continue;
        }
        let package = files::package(ui, path)?;
        let key = prove::buyer_key(ui, path, &pk, &package)?;
        let key =
            Checked::new(ui, key, args.srs.srs.as_deref()).map_err(|e| files::name(&files::beside(&pk, "key"), e))?.key;
        let srs = files::srs_of(ui, args.srs.srs.as_deref(), &package.model.srs, key.wrap.srs_log(&key.model.shape))?;
        let proving = prove::proving_key(ui, &pk, &key, &srs)?;
        let seller =
            ui.phase("prepare", |_| Ok::<_, Failure>(Seller::new(package, device::for_serving(srs))?.batched(batch)?))?;
        let added = engine.add_batch(id, seller.with_wrap_key(proving), key).map_err(|e| files::name(&pk, e.into()))?;
        ui.line(format!("{}: {}", pk.display(), batch));
        tracing::debug!(key = %added.key_hash, "a batch's key");
    }
    Ok(())
}

/// What is served, and how.
struct Offer {
    engine: Arc<NativeEngine>,
    config: ServeConfig,
    /// The terms of models without others.
    terms: Terms,
    listing: Option<Listing>,
    /// Of each model, whether its wrap's key was derived.
    derived: Vec<bool>,
}

/// Reads the models with their keys and terms.
async fn offer(ui: &Ui, args: &SellingArgs, may_be_nothing: bool) -> Outcome<Offer> {
    if !args.free && args.market.is_none() {
        return Err(Failure::message(Exit::Usage, "nothing to serve: pass --free, or --rpc and --market"));
    }
    let chain = chain_config(ui, args).await?;
    let (engine, mut derived) = (NativeEngine::new(), Vec::new());
    let of_service = chain.as_ref().map_or_else(|| default_terms(args), |(config, _)| config.terms);
    let (cards, own_terms) = (ByModel::default(), ByModel::default());
    let mut paths = local(ui, args).await?;
    paths.extend(assay_api::sell::offered(&args.data));
    for path in if may_be_nothing { all_packages(&paths)? } else { packages(&paths)? } {
        let Added { id, card, terms, recomputed } =
            add(ui, args, &engine, &path, of_service, chain.as_ref().map(|(_, listing)| listing)).await?;
        let key = if recomputed { "" } else { ", under a Groth16 key that is its maker's word" };
        ui.line(format!("{} as {id}{key}", path.display()));
        derived.push(recomputed);
        cards.insert(id, card);
        if let (Some(terms), Some((config, _))) = (&terms, &chain) {
            Market::new(config.clone())?.check_terms(terms).await.map_err(|e| files::name(&path, e.into()))?;
        }
        if let Some(terms) = terms {
            own_terms.insert(id, terms);
        }
    }
    let mut config = ServeConfig::free(&args.data);
    config.proofs = args.proofs.as_deref().map(Bucket::from_env).transpose()?;
    config.free = args.free;
    config.completions = args.completions;
    config.jobs_max = args.jobs_max;
    config.batch_max = args.batch_max;
    config.batch_wait = Duration::from_millis(args.batch_wait_ms);
    config.batch_locks = !args.batch_unlocked;
    let (chain, listing) = chain.unzip();
    config.chain = chain;
    if let Some(chain) = &mut config.chain {
        chain.model_terms = own_terms;
    }
    config.cards = cards;
    config.device = device::name();
    Ok(Offer { engine: Arc::new(engine), config, terms: of_service, listing, derived })
}

/// Refuses a token that payments by x402 cannot be in, and models without a price in it.
async fn check_x402(chain: &ChainConfig) -> Outcome {
    Market::new(chain.clone())?.payment_ways().await?;
    let terms = std::iter::once(chain.terms).chain(chain.model_terms.values());
    let unpriced = terms.into_iter().any(|terms| Some(terms.token) != chain.x402.map(|x402| x402.token));
    if unpriced && chain.x402.is_some_and(|x402| x402.price.is_none()) {
        return Err(Failure::message(
            Exit::Usage,
            "models are priced in another token than --x402-token: pass --x402-price as well",
        ));
    }
    Ok(())
}

/// Serves until a signal.
pub async fn serve(ui: &Ui, args: ServeArgs) -> Outcome {
    serve_until(ui, args, assay_api::signalled).await
}

/// Serves until `stop` resolves, which is called once all models are read.
pub async fn serve_until<S: Future<Output = ()> + Send>(ui: &Ui, args: ServeArgs, stop: impl FnOnce() -> S) -> Outcome {
    let Offer { engine, mut config, terms, listing, derived } = offer(ui, &args.selling, args.workshop.sell).await?;
    config.bind = args.bind;
    if args.database_url.is_some() {
        (config.database_url, config.role) = (args.database_url, Role::Api);
    }
    if let (Some(token), Some(chain)) = (args.x402_token, &mut config.chain) {
        chain.x402 = Some(X402Config { token, price: args.x402_price });
        check_x402(chain).await?;
    }
    if let Some(chain) = &mut config.chain {
        chain.explorer = args.explorer;
    }
    let limits = &args.limits;
    config.webhooks.leave.loopback = limits.webhooks_loopback;
    config.queue_max = limits.queue_max;
    config.unfunded_max = limits.unfunded_max;
    config.unfunded_per_client = limits.unfunded_per_client;
    config.behind_proxy = limits.behind_proxy;
    config.anonymous = !limits.require_key;
    config.anonymous_per_minute = limits.anonymous_per_minute;
    config.cors = limits.cors_origin.clone();
    config.body_bytes_max = (limits.body_max_mib as usize) << 20;
    config.http.connections_max = limits.connections_max;
    config.block_age_max = limits.block_age_max_secs.map(Duration::from_secs);
    config.keep = limits.keep_days.map(|days| Duration::from_secs(u64::from(days) * 24 * 3600));
    config.disk_bytes_min = limits.disk_min_mib << 20;
    config.operator_token = args.operator_token;
    if args.workshop.sell {
        let program = std::env::current_exe()?;
        let sell = shelf::settings(&args.workshop, program.clone(), args.selling.srs.srs.as_deref())?;
        let shelf = SiteShelf::new(args.selling, engine.clone(), &config, terms, listing, program);
        config.sell = Some((sell, Arc::new(shelf)));
    }
    let served = engine.models();
    let models = served.iter().zip(derived);
    let models: Vec<_> =
        models.map(|(m, recomputed)| json!({ "id": m.id, "name": m.name, "wrap_recomputed": recomputed })).collect();
    let ready = |address: std::net::SocketAddr| {
        if ui.json {
            // a server's one object comes when it is ready, since scripts wait for that
            ui.print(json!({ "url": format!("http://{address}"), "models": models }));
        } else {
            ui.print(format_args!("listening on http://{address}"));
        }
    };
    assay_api::serve(config, engine, stop(), ready).await?;
    Ok(())
}

/// Proves for servers that share a database, until a signal.
pub async fn work(ui: &Ui, args: WorkerArgs) -> Outcome {
    let Offer { engine, mut config, .. } = offer(ui, &args.selling, false).await?;
    config.database_url = Some(args.database_url);
    config.worker_bind = args.bind;
    let models: Vec<_> = engine.models().into_iter().map(|m| json!({ "id": m.id, "name": m.name })).collect();
    let ready = |bound: Option<std::net::SocketAddr>| {
        let url = bound.map(|address| format!("http://{address}"));
        match (ui.json, url) {
            (true, url) => ui.print(json!({ "url": url, "models": models })),
            (false, Some(url)) => ui.print(format_args!("waiting for work; metrics on {url}/metrics")),
            (false, None) => ui.print("waiting for work"),
        }
    };
    assay_api::work(config, engine, assay_api::signalled(), ready).await?;
    Ok(())
}

/// Copies a data folder.
pub async fn backup(ui: &Ui, args: BackupArgs) -> Outcome {
    let made = ui.phase_async("copy", assay_api::backup(&args.data, &args.output)).await?;
    let text = format!("{}: {} bytes of jobs, {} proofs", args.output.display(), made.database_bytes, made.proofs);
    ui.finish(json!({ "folder": args.output, "database_bytes": made.database_bytes, "proofs": made.proofs }), text);
    Ok(())
}
