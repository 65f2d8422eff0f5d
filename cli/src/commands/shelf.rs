//! Models that come to a service while it runs: the page *Sell* has them compiled and listed, and they are offered
//! here.

use super::serve::{self, Added, Listing};
use crate::args::{SellingArgs, WorkshopArgs};
use crate::exit::Outcome;
use crate::ui::Ui;
use alloy::primitives::B256;
use assay_api::chain::Market;
use assay_api::config::{ByModel, Card, ChainConfig, ServeConfig, Terms};
use assay_api::engine::native::NativeEngine;
use assay_api::engine::{Engine, ModelInfo};
use assay_api::sell::{Limits, Run, SellConfig, Shelf};
use async_trait::async_trait;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

/// The time for the proof of a model's weights, which comes from the same machine as the others.
const WEIGHTS_TIME: Duration = Duration::from_secs(3600);

/// How models are compiled.
pub fn settings(args: &WorkshopArgs, program: PathBuf, srs: Option<&Path>) -> Outcome<SellConfig> {
    let memory_bytes = args.sell_memory_mib << 20;
    let limits = Limits { memory_bytes, file_bytes: memory_bytes, time: Duration::from_secs(args.sell_secs) };
    Ok(SellConfig {
        // the compiler works in a folder of its own
        srs: srs.map(std::path::absolute).transpose()?,
        upload_bytes_max: (args.sell_upload_mib as usize) << 20,
        limits,
        ..SellConfig::new(program)
    })
}

/// A service's engine, cards and terms.
#[derive(Clone)]
pub struct SiteShelf {
    args: Arc<SellingArgs>,
    engine: Arc<NativeEngine>,
    cards: ByModel<Card>,
    chain: Option<ChainConfig>,
    terms: Terms,
    listing: Option<Listing>,
    program: PathBuf,
}

impl std::fmt::Debug for SiteShelf {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SiteShelf").field("program", &self.program).finish_non_exhaustive()
    }
}

impl SiteShelf {
    /// The shelf of a service with these settings.
    pub fn new(
        args: SellingArgs,
        engine: Arc<NativeEngine>,
        config: &ServeConfig,
        terms: Terms,
        listing: Option<Listing>,
        program: PathBuf,
    ) -> Self {
        Self {
            args: Arc::new(args),
            engine,
            cards: config.cards.clone(),
            chain: config.chain.clone(),
            terms,
            listing,
            program,
        }
    }

    async fn add(&self, package: &Path) -> Outcome<B256> {
        let ui = Ui::new(true);
        let Added { id, card, terms, .. } =
            serve::add(&ui, &self.args, &self.engine, package, self.terms, self.listing.as_ref()).await?;
        self.cards.insert(id, card);
        if let (Some(terms), Some(chain)) = (terms, &self.chain) {
            chain.model_terms.insert(id, terms);
        }
        Ok(id)
    }

    /// Refuses terms that the market would not fund, before the model is offered on them.
    async fn check(&self, package: &Path) -> Outcome {
        let Some(chain) = &self.chain else { return Ok(()) };
        if let Some(terms) = crate::card::terms(package, &self.terms)? {
            Market::new(chain.clone())?.check_terms(&terms).await?;
        }
        Ok(())
    }
}

#[async_trait]
impl Shelf for SiteShelf {
    async fn offer(&self, package: &Path) -> Result<ModelInfo, String> {
        let (shelf, package, runtime) = (self.clone(), package.to_owned(), tokio::runtime::Handle::current());
        // keys are derived and weights read, which would hold up requests
        let work = tokio::task::spawn_blocking(move || {
            runtime.block_on(async {
                shelf.check(&package).await?;
                shelf.add(&package).await
            })
        });
        let id = work.await.map_err(|_| "the model cannot be read".to_owned())?.map_err(|failure| failure.text())?;
        self.engine
            .models()
            .into_iter()
            .find(|info| info.id == id)
            .ok_or_else(|| "the engine lost its model".to_owned())
    }

    async fn prove_weights(&self, package: &Path) -> String {
        let (Some(chain), Some(key), Some(dir)) = (&self.chain, &self.args.private_key, package.parent()) else {
            return "not proven, since there is no chain".to_owned();
        };
        let mut args: Vec<String> = ["publish", "model.assay"].map(str::to_owned).to_vec();
        args.push(format!("--market={}", chain.market));
        args.extend(
            self.args
                .srs
                .srs
                .as_deref()
                .and_then(|path| std::path::absolute(path).ok())
                .map(|path| format!("--srs={}", path.display())),
        );
        let mut env: Vec<(String, String)> = ["ASSAY_HOME", "HOME", "PATH", "TMPDIR"]
            .iter()
            .filter_map(|name| Some(((*name).to_owned(), std::env::var(name).ok()?)))
            .collect();
        env.push(("ASSAY_RPC".to_owned(), chain.rpc_url.clone()));
        // where other users of the machine do not see it
        env.push(("ASSAY_PRIVATE_KEY".to_owned(), (**key).clone()));
        let limits = Limits { memory_bytes: u64::MAX, file_bytes: u64::MAX, time: WEIGHTS_TIME };
        let run = Run { program: self.program.clone(), folder: dir.to_owned(), args, env, limits };
        let done = tokio::task::spawn_blocking(move || run.wait(&|| false, |_| ())).await;
        let again = format!("`assay publish {}` tries again", package.display());
        match done {
            Ok(Ok(said)) if said["weights"]["proven"] == true => "proven".to_owned(),
            Ok(Ok(said)) => {
                format!("not proven: {}; {again}", said["weights"]["why"].as_str().unwrap_or("it is not said why"))
            }
            Ok(Err(fault)) => format!("not proven: {}; {again}", fault.detail),
            Err(_) => format!("not proven; {again}"),
        }
    }
}
