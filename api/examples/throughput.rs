//! Predictions per second and gas per job of the whole service, for 1, 8 and 64 waiting LeNet-5 orders of as many
//! buyers: proven together, with locks and without, and one by one; and the same for free predictions, which no chain
//! takes part in. `cargo run --release --locked --workspace --example throughput`; it needs anvil, and takes some
//! minutes.

use std::collections::BTreeSet;
use std::error::Error;
use std::num::NonZeroU32;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use alloy::primitives::{B256, U256};
use alloy::providers::Provider;
use alloy::signers::local::PrivateKeySigner;
use assay_api::chain::deploy::{DeployOptions, Deployment, OWNER, PROVER, deploy};
use assay_api::chain::dev::DevChain;
use assay_api::chain::{Rpc, abi, account};
use assay_api::client::Client;
use assay_api::config::{ChainConfig, ServeConfig, Terms};
use assay_api::engine::native::NativeEngine;
use assay_api::engine::{Engine, InputOpening, Inputs, ModelInfo, input_digest};
use assay_api::store::State;
use assay_api::{PredictionRequest, QuoteRequest};
use assay_circuits::batch::Batch;
use assay_circuits::sample;
use assay_circuits::shape::Shape;
use assay_prover::package::{BuyerKey, Metadata, Package};
use assay_prover::seller::Seller;
use assay_prover::srs::Srs;
use assay_prover::wrap::{System, WrapProvingKey};

type Done<T> = Result<T, Box<dyn Error + Send + Sync>>;

const LOG_CHUNK: u32 = 17;
const SIZES: [u32; 2] = [3, 6];

/// The prover and the key of one size of proof.
fn keyed(package: &Path, srs: &Srs, batch: Batch) -> Done<(Seller, BuyerKey)> {
    let mut package = Package::read(package)?;
    package.model = package.model.batched(batch)?;
    let proving = WrapProvingKey::universal(&package.model.shape, srs)?;
    let key = BuyerKey::new(&package, proving.verifying_key(), false);
    Ok((Seller::new(package, srs.clone())?.with_wrap_key(proving), key))
}

/// A chain with the contracts on it, and the model listed under all its keys.
struct World {
    anvil: DevChain,
    at: Deployment,
    engine: Arc<NativeEngine>,
    buyers: Vec<PrivateKeySigner>,
}

impl World {
    async fn new(dir: &Path) -> Done<Self> {
        let (architecture, weights) = sample::lenet5();
        let log = |batch| -> Done<u32> {
            Ok(WrapProvingKey::srs_log(System::Universal, &Shape::batched(architecture.clone(), LOG_CHUNK, batch)?)?)
        };
        let logs = [log(Batch::ONE)?, log(Batch::separate(SIZES[0]))?, log(Batch::separate(SIZES[1]))?];
        let srs = Srs::development(logs.into_iter().max().unwrap_or_default());
        let file = dir.join("lenet.assay");
        Package::new(Metadata::default(), architecture.clone(), weights, LOG_CHUNK, &srs)?.write(&file)?;

        let anvil = DevChain::start(&Path::new(env!("CARGO_MANIFEST_DIR")).join("..")).await?;
        let (rpc, accounts) = (anvil.rpc()?, anvil.accounts());
        let [deployer, seller, ..] = &accounts[..] else { return Err("anvil has no accounts".into()) };
        let at = deploy(&rpc, deployer, &DeployOptions::development(deployer.address(), deployer.address())).await?;
        let admit = async |key: &BuyerKey| -> Done<()> {
            let hash = account::propose_key(&rpc, seller, at.keys, &key.wrap.contract_bytes(&key.model)).await?;
            account::attest_key(&rpc, deployer, at.keys, hash, true).await?;
            Ok(())
        };
        let engine = NativeEngine::new();
        let (prover, key) = keyed(&file, &srs, Batch::ONE)?;
        admit(&key).await?;
        let registration = abi::Registration {
            shapeDigest: key.model.shape.model_digest.into(),
            weightCommitments: key.model.weights_bytes().into(),
            uri: String::new(),
            cardHash: B256::ZERO,
            royaltyBps: Default::default(),
            split: vec![abi::Payee { account: OWNER, bps: 9000 }, abi::Payee { account: PROVER, bps: 1000 }],
        };
        let (id, _) = account::register_model(&rpc, seller, at.models, registration).await?;
        engine.add(Some(id), prover, key)?;
        for size in SIZES {
            let (prover, key) = keyed(&file, &srs, Batch::separate(size))?;
            admit(&key).await?;
            engine.add_batch(id, prover, key)?;
        }
        let buyers: Vec<_> = (0..64).map(|_| PrivateKeySigner::random()).collect();
        for buyer in &buyers {
            let coins = U256::from(10).pow(U256::from(20));
            let _: serde_json::Value =
                rpc.provider().raw_request("anvil_setBalance".into(), (buyer.address(), coins)).await?;
        }
        Ok(Self { anvil, at, engine: Arc::new(engine), buyers })
    }

    /// Seconds from a server's start to the last of `jobs` paid orders that wait for it, and gas per job: of locks, and
    /// of settlements.
    async fn round(&self, jobs: usize, batch: u32, batch_locks: bool) -> Done<(f64, f64, f64)> {
        let (dir, rpc) = (tempfile::tempdir()?, self.anvil.rpc()?);
        let orders = self.orders(dir.path(), &rpc, jobs, batch).await?;
        let began = Instant::now();
        let server = Server::start(ServeConfig { batch_locks, ..self.config(dir.path()) }, self.engine.clone()).await?;
        server.all_end(&orders, State::Settled).await?;
        let secs = began.elapsed().as_secs_f64();
        let mut gas = [0u64; 2];
        let mut seen = BTreeSet::new();
        for id in &orders {
            for transaction in server.client.prediction(id).await?.transactions {
                if transaction.state == "mined" && seen.insert(transaction.hash) {
                    let receipt = rpc.receipt(transaction.hash).await?.ok_or("no receipt")?;
                    gas[usize::from(transaction.purpose == "settle")] += receipt.gas_used;
                }
            }
        }
        server.stop().await?;
        let [lock, settle] = gas.map(|gas| gas as f64 / jobs as f64);
        Ok((secs, lock, settle))
    }

    /// Seconds from a server's start to the last of `jobs` free predictions that wait for it, in proofs of up to
    /// `batch`.
    async fn free(&self, jobs: usize, batch: u32) -> Done<f64> {
        let dir = tempfile::tempdir()?;
        let config = || {
            let mut config = ServeConfig::free(dir.path());
            config.bind = ([127, 0, 0, 1], 0).into();
            config
        };
        let server = Server::start(config(), Arc::new(Idle(self.engine.clone()))).await?;
        let model = server.client.models().await?.swap_remove(0);
        let mut ids = Vec::new();
        for i in 0..jobs {
            let input = input(&model, i)?;
            let request = PredictionRequest {
                max_tokens: None,
                model: model.id,
                input: Inputs::List(input.data),
                blinding: input.blinding,
                allow_clamping: true,
                batch: NonZeroU32::new(batch),
                escrow: None,
                context: None,
            };
            ids.push(server.client.predict(&request, None, None).await?.id);
        }
        server.stop().await?;
        let began = Instant::now();
        let server = Server::start(config(), self.engine.clone()).await?;
        server.all_end(&ids, State::Proven).await?;
        let secs = began.elapsed().as_secs_f64();
        server.stop().await?;
        Ok(secs)
    }

    fn config(&self, dir: &Path) -> ServeConfig {
        let seller = self.anvil.accounts().swap_remove(1);
        let mut chain = ChainConfig::new(self.anvil.url(), self.at.market, self.at.models, seller, Terms::default());
        chain.poll = Duration::from_millis(100);
        let mut config = ServeConfig::paid(dir, chain);
        config.bind = ([127, 0, 0, 1], 0).into();
        config.unfunded_per_client = 1000;
        config
    }

    /// Orders under the key for `batch` inferences, sent to a server that stops before it has proven any, and paid.
    async fn orders(&self, dir: &Path, rpc: &Rpc, jobs: usize, batch: u32) -> Done<Vec<String>> {
        // it makes no proofs, and nothing is paid while it runs
        let server =
            Server::start(ServeConfig { jobs_max: 1, ..self.config(dir) }, Arc::new(Idle(self.engine.clone()))).await?;
        let model = server.client.models().await?.swap_remove(0);
        let (mut ids, mut escrows) = (Vec::new(), Vec::new());
        for (i, buyer) in self.buyers.iter().take(jobs).enumerate() {
            let input = input(&model, i)?;
            let commitment = input_digest(&self.engine.commit(model.id, &input)?);
            let ask = QuoteRequest {
                model: model.id,
                buyer: Some(buyer.address()),
                input_commitment: Some(commitment),
                batch: Some(batch),
                jobs: None,
            };
            // the first ones are for few inferences, as long as few ask
            let escrow = loop {
                let escrow = server.client.quote_for(&ask).await?;
                if model.inferences_of(escrow.order.key_hash) == Some(batch) {
                    break escrow;
                }
            };
            let request = PredictionRequest {
                max_tokens: None,
                model: model.id,
                input: Inputs::List(input.data),
                blinding: input.blinding,
                allow_clamping: true,
                batch: None,
                escrow: Some(escrow.clone()),
                context: None,
            };
            ids.push(server.client.predict(&request, None, None).await?.id);
            escrows.push((buyer, escrow));
        }
        server.stop().await?;
        for (buyer, escrow) in escrows {
            account::fund(rpc, buyer, self.at.market, &escrow).await?;
        }
        Ok(ids)
    }
}

/// The input of the `i`-th buyer.
fn input(model: &ModelInfo, i: usize) -> Done<InputOpening> {
    let data: Vec<f32> = (0..model.input_len().ok_or("no inputs")?).map(|v| ((v + i) as f32 * 0.37).sin()).collect();
    Ok(InputOpening { data, blinding: vec![B256::left_padding_from(&[i as u8 + 1]); model.input_chunks as usize] })
}

/// The same models, and no proofs.
struct Idle(Arc<NativeEngine>);

impl Engine for Idle {
    fn models(&self) -> Vec<ModelInfo> {
        self.0.models()
    }

    fn execute(
        &self,
        model: B256,
        input: &InputOpening,
    ) -> Result<assay_api::engine::Execution, assay_api::engine::EngineError> {
        self.0.execute(model, input)
    }

    fn prove_inner(
        &self,
        _: B256,
        _: &[InputOpening],
        _: B256,
        _: &assay_api::engine::Cancel,
        _: assay_api::engine::Report<'_>,
    ) -> Result<assay_api::engine::Wrap, assay_api::engine::EngineError> {
        Err(assay_api::engine::EngineError::Cancelled)
    }

    fn key(&self, model: B256) -> Result<Vec<u8>, assay_api::engine::EngineError> {
        self.0.key(model)
    }

    fn srs(&self, model: B256, log: Option<u32>) -> Result<Vec<u8>, assay_api::engine::EngineError> {
        self.0.srs(model, log)
    }

    fn verify(&self, model: B256, claim: &assay_api::engine::Claim) -> Result<(), assay_api::engine::EngineError> {
        self.0.verify(model, claim)
    }
}

/// A running service.
struct Server {
    client: Client,
    end: tokio::sync::oneshot::Sender<()>,
    task: tokio::task::JoinHandle<Result<(), assay_api::ServeError>>,
}

impl Server {
    async fn start(config: ServeConfig, engine: Arc<dyn Engine>) -> Done<Self> {
        let (end, ended) = tokio::sync::oneshot::channel::<()>();
        let (tell, told) = tokio::sync::oneshot::channel();
        let shutdown = async { drop(ended.await) };
        let ready = |address| {
            let _ = tell.send(address);
        };
        let task = tokio::spawn(assay_api::serve(config, engine, shutdown, ready));
        Ok(Self { client: Client::new(&format!("http://{}", told.await?))?, end, task })
    }

    /// Waits until all predictions are over, which must be in this state.
    async fn all_end(&self, ids: &[String], state: State) -> Done<()> {
        for id in ids {
            let end = self.client.follow(id, |_| ()).await?;
            if end.state != state {
                return Err(format!("{id} ended as {}: {:?}", end.state, end.error_detail).into());
            }
        }
        Ok(())
    }

    async fn stop(self) -> Done<()> {
        drop((self.client, self.end));
        Ok(self.task.await??)
    }
}

#[tokio::main]
async fn main() -> Done<()> {
    let dir = tempfile::tempdir()?;
    let world = World::new(dir.path()).await?;
    println!("{} threads, chunks of 2^{LOG_CHUNK}", std::thread::available_parallelism().map_or(0, usize::from));
    println!("| waiting | proof of | seconds | predictions/s | gas of locks, each | gas of settlement, each |");
    world.round(1, 1, true).await?; // the first round warms up
    for (jobs, batch, locks) in
        [(1, 1, true), (8, 1, true), (8, 8, true), (64, 1, true), (64, 64, true), (64, 64, false)]
    {
        let (secs, lock, settle) = world.round(jobs, batch, locks).await?;
        println!("| {jobs} | {batch} | {secs:.2} | {:.2} | {lock:.0} | {settle:.0} |", jobs as f64 / secs);
    }
    println!("\nFree:\n\n| waiting | proof of up to | seconds | predictions/s |");
    for (jobs, batch) in [(1, 64), (8, 1), (8, 64), (64, 1), (64, 64)] {
        let secs = world.free(jobs, batch).await?;
        println!("| {jobs} | {batch} | {secs:.2} | {:.2} |", jobs as f64 / secs);
    }
    Ok(())
}
