//! The demo's world: a compiled model with keys, a chain with the contracts, a running service.

use super::super::{chain, keys};
use super::hold;
use crate::args::OwnModelArgs;
use crate::device;
use crate::exit::{Context, Exit, Failure, Outcome};
use crate::files;
use crate::kept;
use crate::ui::{Ui, say};
use alloy::primitives::B256;
use alloy::signers::local::PrivateKeySigner;
use assay_api::chain::deploy::{DeployOptions, Deployment, deploy};
use assay_api::chain::dev::{DevChain, find_anvil};
use assay_api::chain::{Rpc, anvil as fetched};
use assay_api::config::{ChainConfig, ServeConfig, Terms};
use assay_api::engine::Engine;
use assay_api::engine::native::NativeEngine;
use assay_compiler::chunks::log_chunk_for_gas;
use assay_compiler::{Calibration, Options, Sample, compile, read_input};
use assay_prover::package::{BuyerKey, Metadata, Package, read_proving_key, write_proving_key};
use assay_prover::seller::Seller;
use assay_prover::srs;
use assay_prover::wrap::System;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

/// A network trained on scikit-learn's handwritten digits; `fixtures/train_digits.py` made it.
pub const MODEL: &[u8] = include_bytes!("../../../../fixtures/models/digits_cnn.onnx");
pub const CALIBRATION: &[u8] = include_bytes!("../../../../fixtures/models/digits_calibration.json");
/// A picture that the network was not trained on.
pub const PICTURE: &[u8] = include_bytes!("../../../../fixtures/models/digit_7.json");

/// What the demo sells.
pub enum Goods {
    /// The built-in network and picture.
    Digits,
    /// The caller's.
    Own {
        /// ONNX file, which may have others beside it.
        model: PathBuf,
        /// Samples.
        calibration: PathBuf,
        /// What the buyer asks about.
        input: PathBuf,
    },
}

impl Goods {
    /// By the command's arguments, which name all three files or none.
    pub fn of(own: OwnModelArgs) -> Self {
        match (own.model, own.calibrate, own.input) {
            (Some(model), Some(calibration), Some(input)) => Self::Own { model, calibration, input },
            _ => Self::Digits,
        }
    }

    /// Whether it is the built-in network.
    pub fn is_digits(&self) -> bool {
        matches!(self, Self::Digits)
    }

    /// Its name on the market.
    fn name(&self) -> String {
        match self {
            Self::Digits => "digits".to_owned(),
            Self::Own { model, .. } => model.file_stem().unwrap_or_default().to_string_lossy().into_owned(),
        }
    }

    /// Puts the input where the demo reads it, and says where ONNX file and samples are.
    fn place(&self, dir: &Path) -> Outcome<[PathBuf; 2]> {
        match self {
            Self::Digits => {
                let files = [path(dir, "onnx"), path(dir, "calibration.json")];
                std::fs::write(&files[0], MODEL)?;
                std::fs::write(&files[1], CALIBRATION)?;
                std::fs::write(path(dir, "input.json"), PICTURE)?;
                Ok(files)
            }
            Self::Own { model, calibration, input } => {
                std::fs::copy(input, path(dir, "input.json")).context(format!("cannot read {}", input.display()))?;
                Ok([model.clone(), calibration.clone()])
            }
        }
    }
}

/// Everything that the demo needs.
pub struct World {
    dir: tempfile::TempDir,
    _chain: DevChain,
    /// The chain.
    pub rpc: Rpc,
    /// The contracts.
    pub at: Deployment,
    /// Deploys and attests.
    pub deployer: PrivateKeySigner,
    /// Owns the model, proves.
    pub seller: PrivateKeySigner,
    /// Buys.
    pub buyer: PrivateKeySigner,
    /// The buyer's key of the model.
    pub key: BuyerKey,
    /// Price and deadlines.
    pub terms: Terms,
}

/// The service in its task.
pub struct Running {
    /// Its address.
    pub url: String,
    /// What the buyer asks about: the picture, 8 × 8, unless the model is the caller's.
    pub input: Vec<f32>,
    engine: Arc<NativeEngine>,
    stop: oneshot::Sender<()>,
    task: JoinHandle<Result<(), assay_api::ServeError>>,
}

impl Running {
    /// Stops the service and returns its engine.
    pub async fn stop(self) -> Outcome<Arc<NativeEngine>> {
        // a service that is gone already shows in its result
        let _ = self.stop.send(());
        self.task.await.map_err(|e| Failure::new(Exit::Failed, e))??;
        Ok(self.engine)
    }
}

/// Where npm installed anvil: the folder given, the current one, or the checkout that this program was built from.
pub fn root(given: Option<&Path>) -> PathBuf {
    let candidates = [
        given.map(Path::to_owned),
        std::env::current_dir().ok(),
        Some(Path::new(env!("CARGO_MANIFEST_DIR")).join("..")),
    ];
    let mut there = candidates.into_iter().flatten();
    let found = if given.is_some() { there.next() } else { there.find(|p| p.join("verifier-contracts").is_dir()) };
    found.unwrap_or_default()
}

/// anvil, the program of a chain: the one that is there, or else one that is fetched once and kept.
pub async fn anvil(ui: &Ui, given: Option<&Path>) -> Outcome<PathBuf> {
    if let Some(path) = find_anvil(&root(given)) {
        return Ok(path);
    }
    let folder = files::home().join("programs");
    let path = folder.join(fetched::name());
    if kept::is_own(&path) {
        return Ok(path);
    }
    kept::create(&folder)?;
    say("anvil, the chain's program, is not here: fetching it from npm's registry, this once");
    Ok(ui.phase_async("fetch anvil", fetched::fetch(&folder)).await?)
}

impl World {
    /// A file of the model.
    pub fn file(&self, name: &str) -> PathBuf {
        path(self.dir.path(), name)
    }

    /// What the buyer asks about.
    pub fn input(&self) -> Outcome<Sample> {
        Ok(read_input(&self.file("input.json"), &self.key.model.shape.architecture)?)
    }

    /// Starts a chain, deploys the contracts, compiles the model and makes its keys.
    pub async fn prepare(ui: &Ui, given: Option<&Path>, goods: &Goods, wrap: System) -> Outcome<Self> {
        let chain = ui.phase_async("start anvil", DevChain::start_program(&anvil(ui, given).await?)).await?;
        let rpc = chain.rpc()?;
        let accounts = chain.accounts();
        let [deployer, seller, buyer, treasury, ..] = &accounts[..] else {
            return Err(Failure::message(Exit::Io, "the development chain has no accounts"));
        };
        let options = DeployOptions {
            development_srs: vec![srs::Srs::development(4).id().into()],
            ..DeployOptions::development(deployer.address(), treasury.address())
        };
        let at = ui.phase_async("deploy", deploy(&rpc, deployer, &options)).await?;
        ui.line(format!(
            "{:6.2} s  contracts deployed to a fresh anvil: market {}, {} gas",
            ui.seconds("deploy"),
            at.market,
            at.gas
        ));
        let dir = tempfile::tempdir()?;
        let key = make_model(ui, dir.path(), goods, wrap)?;
        let terms = Terms { price: 10_000_000_000_000_000, collateral: 1_000_000_000_000_000, ..Terms::default() };
        let (deployer, seller, buyer) = (deployer.clone(), seller.clone(), buyer.clone());
        Ok(Self { dir, _chain: chain, rpc, at, deployer, seller, buyer, key, terms })
    }

    /// Settings of the service, and of the manual steps that go around it.
    pub fn chain_config(&self) -> ChainConfig {
        let mut config =
            ChainConfig::new(self._chain.url(), self.at.market, self.at.models, self.seller.clone(), self.terms);
        config.poll = Duration::from_millis(100);
        config
    }

    /// Lets the chain's time pass.
    pub async fn pass_secs(&self, secs: u64) -> Outcome {
        Ok(self._chain.pass_secs(secs).await?)
    }

    /// Starts the service on a free port.
    pub async fn serve(&self, ui: &Ui, model: B256) -> Outcome<Running> {
        let engine = ui.phase("load service", |_| {
            let package = Package::read(&self.file("assay"))?;
            let srs = srs::file::load(&self.file("srs"))?;
            let proving = read_proving_key(&self.file("pk"), &package.model, &srs)?;
            let engine = NativeEngine::new();
            engine.add(
                Some(model),
                Seller::new(package, device::for_serving(srs))?.with_wrap_key(proving),
                self.key.clone(),
            )?;
            Ok::<_, Failure>(Arc::new(engine))
        })?;
        let listed =
            chain::find_model(&self.rpc, self.at.models, self.key.model.commitment().into(), self.seller.address())
                .await?;
        hold(listed == Some(model), "the registry lists the model")?;
        let input = self.input()?.concat();
        let mut config = ServeConfig::paid(self.dir.path().join("service"), self.chain_config());
        config.bind.set_port(0);
        config.drain = Duration::from_secs(2);
        let (stop, stopped) = oneshot::channel();
        let (ready, address) = oneshot::channel();
        let shared: Arc<dyn Engine> = engine.clone();
        let task = tokio::spawn(assay_api::serve(
            config,
            shared,
            async move {
                // a dropped sender is a demo that has ended
                let _ = stopped.await;
            },
            move |address| {
                // nobody waits for it if the demo has ended
                let _ = ready.send(address);
            },
        ));
        let Ok(address) = address.await else {
            task.await.map_err(|e| Failure::new(Exit::Failed, e))??;
            return Err(Failure::message(Exit::Failed, "the service ended before it listened"));
        };
        Ok(Running { url: format!("http://{address}"), input, engine, stop, task })
    }
}

fn path(dir: &Path, name: &str) -> PathBuf {
    if name.contains('.') { dir.join(name) } else { dir.join("model").with_extension(name) }
}

/// Compiles the model, makes its keys, and writes all files as the commands do. Returns the buyer's key as read back.
fn make_model(ui: &Ui, dir: &Path, goods: &Goods, wrap: System) -> Outcome<BuyerKey> {
    let file = |name: &str| path(dir, name);
    let [onnx, calibration] = goods.place(dir)?;
    let calibration = Calibration::read(&calibration)?;
    let compiled = ui.phase("compile", |_| compile(&onnx, &calibration, &Options::default(), &mut |_| ()))?;
    let report = &compiled.report;
    if goods.is_digits() {
        hold(report.accuracy_met, "the integer network is as accurate as was asked for")?;
    }
    ui.line(format!(
        "{:6.2} s  compiled {}: {} parameters, {} MACs, top-1 agreement {:.1} % with the float model",
        ui.seconds("compile"),
        if goods.is_digits() { "a CNN for digits".to_owned() } else { goods.name() },
        report.parameters,
        report.macs,
        100.0 * report.accuracy.top1_agreement
    ));
    let log = log_chunk_for_gas(&compiled.architecture).map_err(|e| Failure::new(Exit::Input, e))?;
    let srs = files::srs(ui, None, log)?;
    let metadata = Metadata { name: goods.name(), layer_names: compiled.layer_names };
    let package = ui.phase("commit", |_| Package::new(metadata, compiled.architecture, compiled.weights, log, &srs))?;
    package.write(&file("assay"))?;
    // the wrap may take more powers than the chunks
    let srs = keys::srs(ui, None, &package, wrap)?;
    srs::file::save(&srs, &file("srs"))?;
    let (proving, key) = ui.phase("setup", |_| keys::make(&package, &srs, wrap))?;
    write_proving_key(&file("pk"), &proving, &package.model)?;
    key.write(&file("key"))?;
    ui.line(format!("{:6.2} s  keys of the {wrap} wrap, {} {}", ui.seconds("setup"), proving.size(), wrap.unit()));
    Ok(BuyerKey::read(&file("key"))?)
}
