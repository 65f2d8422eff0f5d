//! The demo's world: a compiled model with keys, a chain with the contracts, a running service.

use super::super::{chain, keys};
use super::hold;
use crate::args::Objective;
use crate::commands::compile::choose_log_chunk;
use crate::device;
use crate::exit::{Exit, Failure, Outcome};
use crate::files;
use crate::ui::Ui;
use alloy::primitives::B256;
use alloy::signers::local::PrivateKeySigner;
use assay_api::chain::Rpc;
use assay_api::chain::deploy::{DeployOptions, Deployment, deploy};
use assay_api::chain::dev::DevChain;
use assay_api::config::{ChainConfig, ServeConfig, Terms};
use assay_api::engine::Engine;
use assay_api::engine::native::NativeEngine;
use assay_compiler::{Calibration, Options, compile, read_input};
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
const MODEL: &[u8] = include_bytes!("../../../../fixtures/models/digits_cnn.onnx");
const CALIBRATION: &[u8] = include_bytes!("../../../../fixtures/models/digits_calibration.json");
/// A picture that the network was not trained on.
const PICTURE: &[u8] = include_bytes!("../../../../fixtures/models/digit_7.json");

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
    /// The picture, 8 × 8.
    pub digit: Vec<f32>,
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
fn root(given: Option<&Path>) -> PathBuf {
    let candidates = [given.map(Path::to_owned), std::env::current_dir().ok(), Some(Path::new(env!("CARGO_MANIFEST_DIR")).join(".."))];
    let mut there = candidates.into_iter().flatten();
    let found = if given.is_some() { there.next() } else { there.find(|p| p.join("verifier-contracts").is_dir()) };
    found.unwrap_or_default()
}

impl World {
    /// A file of the model.
    pub fn file(&self, name: &str) -> PathBuf {
        path(self.dir.path(), name)
    }

    /// Starts a chain, deploys the contracts, compiles the model and makes its keys.
    pub async fn prepare(ui: &Ui, given: Option<&Path>, wrap: System) -> Outcome<Self> {
        let chain = ui.phase_async("start anvil", DevChain::start(&root(given))).await?;
        let rpc = chain.rpc()?;
        let accounts = chain.accounts();
        let [deployer, seller, buyer, treasury, ..] = &accounts[..] else {
            return Err(Failure::message(Exit::Io, "the development chain has no accounts"));
        };
        let options = DeployOptions {
            attestors: vec![deployer.address()],
            threshold: 1,
            timelock_secs: 0,
            allow_development: true,
            development_srs: vec![srs::Srs::development(4).id().into()],
            treasury: treasury.address(),
            verifier: None,
        };
        let at = ui.phase_async("deploy", deploy(&rpc, deployer, &options)).await?;
        ui.line(format!("{:6.2} s  contracts deployed to a fresh anvil: market {}, {} gas", ui.seconds("deploy"), at.market, at.gas));
        let dir = tempfile::tempdir()?;
        let key = make_model(ui, dir.path(), wrap)?;
        let terms = Terms { price: 10_000_000_000_000_000, collateral: 1_000_000_000_000_000, ..Terms::default() };
        let (deployer, seller, buyer) = (deployer.clone(), seller.clone(), buyer.clone());
        Ok(Self { dir, _chain: chain, rpc, at, deployer, seller, buyer, key, terms })
    }

    /// Settings of the service, and of the manual steps that go around it.
    pub fn chain_config(&self) -> ChainConfig {
        let mut config = ChainConfig::new(self._chain.url(), self.at.market, self.at.models, self.seller.clone(), self.terms);
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
            let mut engine = NativeEngine::new();
            engine.add(Some(model), Seller::new(package, device::on_device(srs))?.with_wrap_key(proving), self.key.clone())?;
            Ok::<_, Failure>(Arc::new(engine))
        })?;
        let listed = chain::find_model(&self.rpc, self.at.models, self.key.model.commitment().into(), self.seller.address()).await?;
        hold(listed == Some(model), "the registry lists the model")?;
        let digit = read_input(&self.file("input.json"), &self.key.model.shape.architecture)?.concat();
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
        Ok(Running { url: format!("http://{address}"), digit, engine, stop, task })
    }
}

fn path(dir: &Path, name: &str) -> PathBuf {
    if name.contains('.') { dir.join(name) } else { dir.join("digits").with_extension(name) }
}

/// Compiles the model, makes its keys, and writes all files as the commands do. Returns the buyer's key as read back.
fn make_model(ui: &Ui, dir: &Path, wrap: System) -> Outcome<BuyerKey> {
    let file = |name: &str| path(dir, name);
    std::fs::write(file("onnx"), MODEL)?;
    std::fs::write(file("calibration.json"), CALIBRATION)?;
    std::fs::write(file("input.json"), PICTURE)?;
    let calibration = Calibration::read(&file("calibration.json"))?;
    let compiled = ui.phase("compile", |_| compile(&file("onnx"), &calibration, &Options::default(), &mut |_| ()))?;
    let report = &compiled.report;
    hold(report.accuracy_met, "the integer network is as accurate as was asked for")?;
    ui.line(format!(
        "{:6.2} s  compiled a CNN for digits: {} parameters, {} MACs, top-1 agreement {:.1} % with the float model",
        ui.seconds("compile"),
        report.parameters,
        report.macs,
        100.0 * report.accuracy.top1_agreement
    ));
    let log = choose_log_chunk(&compiled.architecture, Objective::Gas).map_err(|e| Failure::new(Exit::Input, e))?;
    let srs = files::srs(ui, None, log)?;
    let metadata = Metadata { name: "digits".into(), layer_names: compiled.layer_names };
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
