//! A development chain with the contracts on it, a listed model, a server, and a buyer.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use alloy::primitives::{Address, B256, Bytes, U256, hex, keccak256};
use alloy::providers::Provider;
use alloy::signers::local::PrivateKeySigner;
use assay_api::chain::deploy::{DeployOptions, Deployment, OWNER, PROVER, deploy, deploy_code};
use assay_api::chain::dev::{DEV_KEYS, DevChain, DevChainError};
use assay_api::chain::{Rpc, abi, account};
use assay_api::config::{ChainConfig, ServeConfig, Terms};
use assay_api::engine::{BatchKey, Engine, InputOpening, ModelInfo, input_digest};
use assay_api::store::State;
use assay_api::terms::Escrow;
use assay_api::{AppState, run_workers};
use assay_prover::wrap::System;
use serde_json::{Value, json};
use tokio::task::JoinHandle;

use crate::fake::{Fake, eventually, post};

/// A verifier that accepts everything: `600160005260206000f3` returns 1.
const YES: &str = "69600160005260206000f3600052600a6016f3";

/// A paid server's settings, with short delays.
pub fn config(dir: &Path, rpc: &str, at: &Deployment, seller: &PrivateKeySigner, terms: Terms) -> ServeConfig {
    let mut chain = ChainConfig::new(rpc, at.market, at.models, seller.clone(), terms);
    chain.poll = Duration::from_millis(50);
    chain.receipt_timeout = Duration::from_secs(20);
    chain.bump_after = Duration::from_secs(600); // tests that stop the chain's blocks do not mean that
    let mut config = ServeConfig::paid(dir, chain);
    config.drain = Duration::from_millis(300);
    config
}

/// Everything that a test needs of a market.
pub struct World {
    pub anvil: DevChain,
    pub rpc: Rpc,
    pub at: Deployment,
    pub seller: PrivateKeySigner,
    pub buyer: PrivateKeySigner,
    pub model: ModelInfo,
    pub engine: Arc<Fake>,
    pub dir: tempfile::TempDir,
    pub terms: Terms,
}

/// A development chain with the contracts on it. `honest`: the real verifier, which accepts no fake.
pub async fn deployed(honest: bool) -> Option<(DevChain, Deployment)> {
    let anvil = match DevChain::start(&Path::new(env!("CARGO_MANIFEST_DIR")).join("..")).await {
        Ok(anvil) => anvil,
        Err(e @ DevChainError::NotFound) => {
            println!("SKIPPED: {e}");
            return None;
        }
        Err(e) => panic!("{e}"),
    };
    let (rpc, deployer) = (anvil.rpc().unwrap(), anvil.accounts().remove(0));
    let yes = hex::decode(YES).unwrap().into();
    let verifier = if honest { None } else { Some(deploy_code(&rpc, &deployer, yes, "mock").await.unwrap().0) };
    let options = DeployOptions { verifier, ..DeployOptions::development(deployer.address(), deployer.address()) };
    let at = deploy(&rpc, &deployer, &options).await.unwrap();
    Some((anvil, at))
}

/// Admits a key. Returns its hash.
pub async fn admit(anvil: &DevChain, at: &Deployment, key: &[u8]) -> B256 {
    let (rpc, accounts) = (anvil.rpc().unwrap(), anvil.accounts());
    let hash = account::propose_key(&rpc, &accounts[1], at.keys, key).await.unwrap();
    let status = account::attest_key(&rpc, &accounts[0], at.keys, hash, true).await.unwrap();
    assert_eq!(status, abi::KeyRegistry::Status::Admitted);
    hash
}

/// Admits a key and lists a model under it. Returns the model's id and the key's hash.
pub async fn list(anvil: &DevChain, at: &Deployment, key: &[u8], weights: Bytes) -> (B256, B256) {
    let rpc = anvil.rpc().unwrap();
    let [deployer, seller, ..] = &anvil.accounts()[..] else { panic!("anvil has accounts") };
    let key_hash = account::propose_key(&rpc, seller, at.keys, key).await.unwrap();
    assert_eq!(
        account::propose_key(&rpc, seller, at.keys, key).await.unwrap(),
        key_hash,
        "proposing twice is harmless"
    );
    let status = account::attest_key(&rpc, deployer, at.keys, key_hash, true).await.unwrap();
    assert_eq!(status, abi::KeyRegistry::Status::Admitted);
    let registration = abi::Registration {
        shapeDigest: B256::from_slice(&key[32..64]),
        weightCommitments: weights,
        uri: "ipfs://card".into(),
        cardHash: B256::ZERO,
        royaltyBps: alloy::primitives::Uint::from(500),
        split: vec![abi::Payee { account: OWNER, bps: 9000 }, abi::Payee { account: PROVER, bps: 1000 }],
    };
    let (id, _) = account::register_model(&rpc, seller, at.models, registration).await.unwrap();
    (id, key_hash)
}

impl World {
    /// Contracts, an admitted key, a listed model.
    pub async fn new(honest: bool) -> Option<Self> {
        Self::with_key(honest, include_str!("../../../fixtures/golden/wrapped.json")).await
    }

    /// The same with a real model's key for one inference and another for `2^log` of different buyers.
    pub async fn with_batch(log: u32) -> Option<Self> {
        let (anvil, at) = deployed(false).await?;
        let (seller, key) = crate::native::seller(System::Universal);
        let (_, batch) = crate::native::batched(&seller, &key, log);
        let bytes = key.wrap.contract_bytes(&key.model);
        let (id, key_hash) = list(&anvil, &at, &bytes, key.model.weights_bytes().into()).await;
        let batch_hash = admit(&anvil, &at, &batch.wrap.contract_bytes(&batch.model)).await;
        let mut model = Fake::new().models[0].clone();
        (model.id, model.key_hash, model.model_commitment) = (id, key_hash, key.model.commitment().into());
        model.shape_digest = key.model.shape.model_digest.into();
        model.batches = vec![BatchKey { inferences: 1 << log, key_hash: batch_hash }];
        Some(Self::of(anvil, at, model))
    }

    fn of(anvil: DevChain, at: Deployment, model: ModelInfo) -> Self {
        let engine = Fake::with_model(model.clone());
        let terms = Terms { price: 1_000_000, collateral: 100_000, ..Terms::default() };
        let [_, seller, buyer, ..]: [PrivateKeySigner; 5] = DEV_KEYS.map(|k| k.parse().unwrap());
        let rpc = anvil.rpc().unwrap();
        Self { anvil, rpc, at, seller, buyer, model, engine, dir: tempfile::tempdir().unwrap(), terms }
    }

    /// The same with the key of a golden proof.
    pub async fn with_key(honest: bool, golden: &str) -> Option<Self> {
        let (anvil, at) = deployed(honest).await?;
        let data: Value = serde_json::from_str(golden).unwrap();
        let [key, weights] = ["key", "weights"].map(|name| data[name].as_str().unwrap().parse::<Bytes>().unwrap());
        let (id, key_hash) = list(&anvil, &at, &key, weights.clone()).await;
        let mut model = Fake::new().models[0].clone();
        model.id = id;
        model.key_hash = key_hash;
        model.shape_digest = B256::from_slice(&key[32..64]);
        model.model_commitment = keccak256([&key[32..64], &weights].concat());
        Some(Self::of(anvil, at, model))
    }

    pub fn config(&self) -> ServeConfig {
        config(self.dir.path(), self.anvil.url(), &self.at, &self.seller, self.terms)
    }

    /// A server without its workers.
    pub async fn open(&self) -> AppState {
        for _ in 0..200 {
            match AppState::open(self.config(), self.engine.clone()).await {
                Ok(state) => return state,
                // the lock goes when the last task of a dead server does
                Err(assay_api::ServeError::Locked { .. }) => tokio::time::sleep(Duration::from_millis(50)).await,
                Err(e) => panic!("{e}"),
            }
        }
        panic!("the data folder stays locked");
    }

    pub async fn start(&self) -> (AppState, JoinHandle<()>) {
        let state = self.open().await;
        let workers = tokio::spawn(run_workers(state.clone()));
        (state, workers)
    }

    pub fn input(&self) -> InputOpening {
        InputOpening { data: vec![1.0, 2.0, 3.0, -1.5], blinding: vec![B256::repeat_byte(7)] }
    }

    pub fn commitment(&self) -> B256 {
        input_digest(&self.engine.execute(self.model.id, &self.input()).unwrap().input_commitments)
    }

    /// A quote from the server, accepted for the input.
    pub async fn escrow(&self, state: &AppState) -> Escrow {
        let request =
            json!({ "model": self.model.id, "buyer": self.buyer.address(), "input_commitment": self.commitment() });
        let answer = post(state, "/v1/quotes", &[], &request).await;
        assert_eq!(answer.status, 201, "{}", answer.text());
        serde_json::from_value(answer.json()).unwrap()
    }

    pub fn request(&self, escrow: &Escrow) -> Value {
        let input = self.input();
        json!({ "model": self.model.id, "input": input.data, "blinding": input.blinding, "escrow": escrow })
    }

    pub async fn fund(&self, escrow: &Escrow) -> B256 {
        account::fund(&self.rpc, &self.buyer, self.at.market, escrow).await.unwrap().0
    }

    /// Submits a prediction and returns its id.
    pub async fn submit(&self, state: &AppState, escrow: &Escrow) -> String {
        let answer = post(state, "/v1/predictions", &[], &self.request(escrow)).await;
        assert_eq!(answer.status, 202, "{}", answer.text());
        answer.json()["id"].as_str().unwrap().to_owned()
    }

    /// The prover was paid for so many jobs, once each, and has all its collateral back. How much of that it put up
    /// depends on how many jobs were locked at the same time.
    pub async fn paid_for(&self, jobs: u64) {
        let credit = self.credit(self.seller.address()).await.to::<u64>();
        let collateral = credit.checked_sub(jobs * 1_000_000).unwrap();
        assert!(
            collateral.is_multiple_of(100_000) && (100_000..=jobs * 100_000).contains(&collateral),
            "{credit} for {jobs} jobs"
        );
    }

    pub async fn credit(&self, of: Address) -> U256 {
        account::credit(&self.rpc, self.at.market, self.terms.token, of).await.unwrap()
    }

    /// A call of anvil's own.
    pub async fn anvil_call(&self, method: &'static str, arguments: Value) {
        let _: Value = self.rpc.provider().raw_request(method.into(), arguments).await.unwrap();
    }

    /// Waits until the node knows a transaction, mined or not.
    pub async fn in_mempool(&self, hash: B256) {
        eventually("the transaction is sent", async || {
            self.rpc.provider().get_transaction_by_hash(hash).await.unwrap().is_some()
        })
        .await;
    }

    /// The chain as it is now, for [`Self::take_back`].
    pub async fn snapshot(&self) -> Value {
        self.rpc.provider().raw_request("evm_snapshot".into(), ()).await.unwrap()
    }

    /// Takes back all blocks since a snapshot, and forgets the transactions in them.
    pub async fn take_back(&self, to: Value) {
        assert!(self.rpc.provider().raw_request::<_, bool>("evm_revert".into(), [to]).await.unwrap());
    }

    pub async fn mine(&self, blocks: u64) {
        self.anvil_call("anvil_mine", json!([format!("{blocks:#x}")])).await;
    }

    pub async fn pass_secs(&self, secs: u64) {
        self.anvil.pass_secs(secs).await.unwrap();
    }
}

/// Kills the workers as a crash would: no drain, no release.
pub async fn crash(state: AppState, workers: JoinHandle<()>) {
    workers.abort();
    let _ = workers.await;
    drop(state);
}

pub async fn stop(state: AppState, workers: JoinHandle<()>) {
    state.stopping.send_replace(true);
    workers.await.unwrap();
}

pub async fn until(state: &AppState, id: &str, wanted: State) {
    eventually(&format!("{id} is {wanted}"), async || {
        let job = state.store.job(id).await.unwrap();
        assert!(!job.state.is_terminal() || job.state == wanted, "{id} ended as {}: {:?}", job.state, job.error);
        job.state == wanted
    })
    .await;
}

/// A [`World`], or the end of the test where there is no anvil.
macro_rules! world {
    ($honest:expr) => {
        match crate::market::World::new($honest).await {
            Some(world) => world,
            None => return,
        }
    };
}

pub(crate) use world;
