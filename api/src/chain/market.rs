//! The market as the service sees it: facts that never change, a job's record, and the calldata of its steps.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use alloy::eips::BlockId;
use alloy::primitives::{Address, B256, Bytes, U256};
use alloy::rpc::types::Filter;
use alloy::signers::SignerSync;
use alloy::sol_types::{Eip712Domain, SolCall, SolEvent, SolValue};
use serde::{Deserialize, Serialize};
use tokio::sync::{Mutex, MutexGuard, OnceCell};
use utoipa::ToSchema;

use super::abi::{self, Funding, InferenceMarket, KeyRegistry, ModelRegistry, Payee};
use super::authorization::{Ways, ways};
use super::jobs::{self, Blocks};
use super::{ChainError, Lineage, Rpc};
use crate::config::{ChainConfig, Terms};
use crate::engine::ModelInfo;
use crate::terms::{Escrow, Order, Quote, model_id};

/// Facts about a market that never change.
#[derive(Clone, Debug)]
pub struct Facts {
    /// The chain.
    pub chain_id: u64,
    /// EIP-712 domain of orders and quotes.
    pub domain: Eip712Domain,
    /// The verifier contract that the market calls.
    pub verifier: Address,
    /// The registry of keys.
    pub keys: Address,
    /// Who gets slashed collateral, and can neither sell nor prove.
    pub treasury: Address,
    /// The least collateral that the market takes, in basis points of the price.
    pub collateral_bps: U256,
}

/// Whether the registry was shown that somebody knows a model's weights, and that they have the width that its
/// architecture names.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct WeightsProof {
    /// When, in the chain's unix seconds; null if it was not.
    pub proven_secs: Option<u64>,
    /// Whether the proof is under a development key, and shows nothing.
    pub development: bool,
}

/// How long it is believed that weights are not proven, or that their proof shows nothing.
const WEIGHTS_AGE_MAX: Duration = Duration::from_secs(15);

/// How a job is settled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Settlement {
    /// Locked by this server's prover, in time.
    Locked,
    /// Not locked (the locker is zero), or by a prover whose time is over.
    Open {
        /// Who has locked it.
        locker: Address,
    },
}

/// A market, its chain, and this server's accounts in it.
#[derive(Debug)]
pub struct Market {
    /// Addresses, accounts, terms.
    pub config: ChainConfig,
    /// The chain.
    pub rpc: Rpc,
    facts: OnceCell<Facts>,
    /// In which ways payments by x402 are taken.
    ways: OnceCell<Ways>,
    /// Keys that the registry has admitted.
    admitted: Mutex<HashSet<B256>>,
    splits: Mutex<HashMap<B256, Arc<Vec<Payee>>>>,
    /// What was found out of weights, and when.
    weights: Mutex<HashMap<B256, (Instant, WeightsProof)>>,
    /// Where models come from, and when that was found out.
    pub(super) lineages: Mutex<HashMap<B256, (Instant, Lineage)>>,
    /// The code of splitters, which follows from the market's address.
    pub(super) splitter_code: OnceCell<Bytes>,
    sending: Mutex<()>,
    locking: Mutex<()>,
    /// The nonces of this server's quotes: a random start, so that they differ from those of other runs, and a count.
    nonces: (B256, AtomicU64),
}

impl Market {
    /// A market. Connects on first use, so that a server starts where the chain is not up yet.
    pub fn new(config: ChainConfig) -> Result<Self, ChainError> {
        let rpc = Rpc::with_fallbacks(&config.rpc_url, &config.rpc_fallbacks, config.request_timeout)?;
        Ok(Self {
            config,
            rpc,
            lineages: Mutex::default(),
            splitter_code: OnceCell::new(),
            facts: OnceCell::new(),
            ways: OnceCell::new(),
            admitted: Mutex::default(),
            splits: Mutex::default(),
            weights: Mutex::default(),
            sending: Mutex::default(),
            locking: Mutex::default(),
            nonces: (B256::random(), AtomicU64::new(0)),
        })
    }

    /// Facts, fetched once.
    pub async fn facts(&self) -> Result<&Facts, ChainError> {
        self.facts
            .get_or_try_init(|| async {
                let address = self.config.market;
                let chain_id = self.rpc.chain_id().await?;
                let domain = super::account::domain(&self.rpc, address).await?;
                let verifier = self.rpc.call(address, &InferenceMarket::verifierCall {}).await?;
                let keys = self.rpc.call(address, &InferenceMarket::keysCall {}).await?;
                let treasury = self.rpc.call(address, &InferenceMarket::treasuryCall {}).await?;
                let collateral_bps = self.rpc.call(address, &InferenceMarket::MIN_COLLATERAL_BPSCall {}).await?;
                Ok(Facts { chain_id, domain, verifier, keys, treasury, collateral_bps })
            })
            .await
    }

    /// In which ways payments by x402 are taken, found out once.
    pub async fn payment_ways(&self) -> Result<&Ways, ChainError> {
        let token = self.config.x402.map(|x402| x402.token).unwrap_or_default();
        self.ways.get_or_try_init(|| ways(&self.rpc, token)).await
    }

    /// While held, nobody else in this process takes a nonce of the prover's account.
    pub async fn nonce_guard(&self) -> MutexGuard<'_, ()> {
        self.sending.lock().await
    }

    /// While held, nobody else in this process brings a lock onto the chain: a lock takes credit that the next one must
    /// not count on.
    pub async fn lock_guard(&self) -> MutexGuard<'_, ()> {
        self.locking.lock().await
    }

    /// The record of a job.
    pub async fn job(&self, job: B256) -> Result<InferenceMarket::Job, ChainError> {
        self.rpc.call(self.config.market, &InferenceMarket::jobCall { jobId: job }).await
    }

    /// The record of a job as it was in a block.
    pub async fn job_at(&self, job: B256, block: u64) -> Result<InferenceMarket::Job, ChainError> {
        self.rpc.call_at(BlockId::number(block), self.config.market, &InferenceMarket::jobCall { jobId: job }).await
    }

    /// The block up to which what has happened is believed, where `head` is the newest; `None`: the chain is too short.
    pub fn believed(&self, head: u64) -> Option<u64> {
        (head + 1).checked_sub(self.config.confirmations.max(1))
    }

    /// Whether a job that is settled in block `head` was so already in the last block that is believed.
    pub async fn is_settled_for_good(&self, job: B256, head: u64) -> Result<bool, ChainError> {
        match self.believed(head) {
            None => Ok(false),
            Some(block) if block == head => Ok(true),
            Some(block) => match self.job_at(job, block).await {
                // there was no market yet in that block
                Err(ChainError::Unexpected { .. }) => Ok(false),
                record => Ok(record?.state == InferenceMarket::State::Settled),
            },
        }
    }

    /// Logs of the market from block `from` to `to`, inclusive.
    pub fn filter(&self, from: u64, to: u64) -> Filter {
        Filter::new().address(self.config.market).from_block(from).to_block(to)
    }

    /// What the job's funding said, if it happened up to block `to`. [`ChainError::NoEvent`] if it is not funded.
    pub async fn funding(&self, job: B256, to: Option<u64>) -> Result<Funding, ChainError> {
        jobs::funding(&self.rpc, self.config.market, job, Blocks { from: self.config.from_block, to }).await
    }

    /// Who has locked a job; zero if nobody has.
    pub async fn locker(&self, job: B256) -> Result<Address, ChainError> {
        jobs::locker(&self.rpc, self.config.market, job, self.config.from_block).await
    }

    /// A model's revenue split, from its registration.
    pub async fn split(&self, model: B256) -> Result<Arc<Vec<Payee>>, ChainError> {
        let mut splits = self.splits.lock().await;
        if let Some(split) = splits.get(&model) {
            return Ok(split.clone());
        }
        let filter = Filter::new()
            .address(self.config.registry)
            .from_block(self.config.from_block)
            .event_signature(ModelRegistry::ModelRegistered::SIGNATURE_HASH)
            .topic1(model);
        let logs = self.rpc.logs(&filter).await?;
        let event = logs.iter().find_map(|log| ModelRegistry::ModelRegistered::decode_log(&log.inner).ok());
        let split = Arc::new(event.ok_or(ChainError::NoEvent { event: "ModelRegistered", id: model })?.split.clone());
        splits.insert(model, split.clone());
        Ok(split)
    }

    /// The context that a proof for `job` by this server's prover is bound to, before reduction by the field's order.
    pub async fn context(&self, job: B256) -> Result<B256, ChainError> {
        Ok(super::context(self.facts().await?.chain_id, self.config.market, job, self.config.prover.address()))
    }

    /// Credit of the prover in a token, less what its transactions on their way take.
    pub async fn credit(&self, token: Address) -> Result<U256, ChainError> {
        let account = self.config.prover.address();
        self.rpc
            .call_at(BlockId::pending(), self.config.market, &InferenceMarket::balanceOfCall { token, account })
            .await
    }

    /// Deposits what the prover's credit lacks of `need`. Harmless to repeat: the credit stays the prover's.
    pub async fn ensure_credit(&self, token: Address, need: u128) -> Result<(), ChainError> {
        let have = self.credit(token).await?;
        let Some(missing) = U256::from(need).checked_sub(have).filter(|m| !m.is_zero()) else { return Ok(()) };
        let _nonce = self.nonce_guard().await;
        super::account::deposit(&self.rpc, &self.config.prover, self.config.market, token, missing).await
    }

    /// Whether the prover could put up the collateral of one more job on these terms, and has anything to pay gas with.
    pub async fn is_solvent(&self, terms: &Terms) -> Result<bool, ChainError> {
        let account = self.config.prover.address();
        let coins = self.rpc.balance(account).await?;
        if coins.is_zero() {
            return Ok(false);
        }
        let credit = self.credit(terms.token).await?;
        let own = if terms.token.is_zero() {
            coins
        } else {
            self.rpc.call(terms.token, &abi::Erc20::balanceOfCall { account }).await?
        };
        Ok(credit.saturating_add(own) >= U256::from(terms.collateral))
    }

    /// A quote for so many jobs, of an inference each, under one of the model's keys on this server's terms, signed,
    /// with the order that accepts it. Where `buyer` or `input` is not known, the order holds zeros for the buyer to
    /// fill in.
    pub async fn quote(
        &self,
        model: &ModelInfo,
        key_hash: B256,
        jobs: u32,
        buyer: Option<Address>,
        input: Option<B256>,
    ) -> Result<Escrow, ChainError> {
        let (terms, facts) = (self.config.terms_of(model.id), self.facts().await?);
        // a quote for a model that cannot be funded, or not be proven, helps nobody
        let not_listed = || ChainError::NotListed { model: model.id };
        let listed = match self
            .rpc
            .call(self.config.registry, &ModelRegistry::modelCall { modelId: model_id(model.id) })
            .await
        {
            Err(ChainError::Reverted { .. } | ChainError::Market(_)) => return Err(not_listed()),
            other => other?,
        };
        if listed.deprecated
            || listed.modelCommitment != model.model_commitment
            || listed.shapeDigest != model.shape_digest
        {
            return Err(not_listed());
        }
        self.check_terms(&terms).await?;
        let now = self.rpc.now().await?;
        let quote = Quote {
            model_id: model.id,
            key_hash,
            token: terms.token,
            price: terms.price,
            collateral: terms.collateral,
            prove_secs: terms.prove_secs,
            expire_secs: terms.expire_secs,
            buyer: buyer.unwrap_or_default(),
            provers: vec![self.config.prover.address()],
            valid_from: now,
            valid_until: now.saturating_add(terms.quote_secs),
            inferences: 1,
            uses: jobs,
            epoch: listed.quoteEpoch,
            nonce: self.next_nonce(),
        };
        let signature = self
            .config
            .seller
            .sign_hash_sync(&quote.digest(&facts.domain))
            .map_err(|e| ChainError::Sign(Box::new(e)))?;
        let order = Order {
            buyer: buyer.unwrap_or_default(),
            model_id: model.id,
            model_commitment: listed.modelCommitment,
            input_commitment: input.unwrap_or_default(),
            key_hash,
            verifier: facts.verifier,
            token: terms.token,
            max_price: terms.price,
            fee_split_hash: listed.splitHash,
            prove_secs: terms.prove_secs,
            expire_secs: terms.expire_secs,
            collateral: terms.collateral,
            prover: Address::ZERO,
            salt: B256::random(),
            unclamped: false,
        };
        Ok(Escrow { order, quote, signature: signature.as_bytes().into() })
    }

    /// What the registry says of a model's weights. Errors: also if the model is not listed.
    pub async fn weights(&self, model: B256) -> Result<WeightsProof, ChainError> {
        let known = self.weights.lock().await.get(&model).copied();
        if let Some((at, proof)) = known
            && ((proof.proven_secs.is_some() && !proof.development) || at.elapsed() < WEIGHTS_AGE_MAX)
        {
            return Ok(proof);
        }
        let listed = super::account::model(&self.rpc, self.config.registry, model).await?;
        let at = listed.weightsProvenAt.to::<u64>();
        let proof = WeightsProof { proven_secs: (at > 0).then_some(at), development: listed.weightsDevelopment };
        self.weights.lock().await.insert(model, (Instant::now(), proof));
        Ok(proof)
    }

    /// Whether the market's registry admits a key. What it admits it may freeze later; then funding fails.
    pub async fn is_admitted(&self, key_hash: B256) -> Result<bool, ChainError> {
        let mut admitted = self.admitted.lock().await;
        if admitted.contains(&key_hash) {
            return Ok(true);
        }
        let key = self.rpc.call(self.facts().await?.keys, &KeyRegistry::keyCall { keyHash: key_hash }).await?;
        let is = key.status == KeyRegistry::Status::Admitted;
        if is {
            admitted.insert(key_hash);
        }
        Ok(is)
    }

    /// Whether the market would fund a quote on these terms.
    pub async fn check_terms(&self, terms: &Terms) -> Result<(), ChainError> {
        let facts = self.facts().await?;
        if [self.config.seller.address(), self.config.prover.address()].contains(&facts.treasury) {
            return Err(ChainError::TreasuryProves { treasury: facts.treasury });
        }
        let need = super::account::share(terms.price, facts.collateral_bps);
        if U256::from(terms.collateral) < need {
            return Err(ChainError::CollateralTooLow { have: terms.collateral, need });
        }
        Ok(())
    }

    /// A nonce that no other quote of this seller has. Neighbours share a word of the market's storage, which makes all
    /// but the first cheap.
    fn next_nonce(&self) -> B256 {
        let (start, count) = &self.nonces;
        let mut nonce = *start;
        nonce[24..].copy_from_slice(&count.fetch_add(1, Ordering::Relaxed).to_be_bytes());
        nonce
    }

    /// Calldata of `lock`.
    pub fn lock_call(&self, funding: &Funding) -> Bytes {
        let Funding { order, snapshot, provers } = funding.clone();
        InferenceMarket::lockCall { order, snapshot, provers }.abi_encode().into()
    }

    /// Calldata of `lockBatch`. `of`: what the orders share; `inputs`: the input commitment of each.
    pub fn lock_batch_call(&self, of: &Funding, jobs: Vec<abi::BatchJob>, inputs: Vec<B256>) -> Bytes {
        let Funding { order: template, snapshot, provers } = of.clone();
        InferenceMarket::lockBatchCall { template, snapshot, jobs, inputCommitments: inputs, provers }
            .abi_encode()
            .into()
    }

    /// Calldata of `settleBatch`. `of`: what the orders share.
    pub async fn settle_batch_call(
        &self,
        of: &Funding,
        jobs: Vec<abi::BatchJob>,
        inference: abi::Inference,
    ) -> Result<Bytes, ChainError> {
        let split = self.split(B256::from(of.order.modelId)).await?.as_ref().clone();
        let Funding { order: template, snapshot, provers } = of.clone();
        let prover = self.config.prover.address();
        Ok(InferenceMarket::settleBatchCall { template, snapshot, jobs, split, inference, prover, provers }
            .abi_encode()
            .into())
    }

    /// Calldata of `settle`, or of `settleOpen`.
    pub async fn settle_call(
        &self,
        funding: &Funding,
        inference: abi::Inference,
        how: Settlement,
    ) -> Result<Bytes, ChainError> {
        let split = self.split(B256::from(funding.order.modelId)).await?.as_ref().clone();
        let Funding { order, snapshot, provers } = funding.clone();
        let prover = self.config.prover.address();
        Ok(match how {
            Settlement::Locked => {
                InferenceMarket::settleCall { order, snapshot, split, inference, prover }.abi_encode().into()
            }
            Settlement::Open { locker } => {
                InferenceMarket::settleOpenCall { order, snapshot, split, inference, prover, provers, locker }
                    .abi_encode()
                    .into()
            }
        })
    }
}

/// Decodes a stored [`Funding`].
pub(crate) fn decode_funding(bytes: &[u8]) -> Option<Funding> {
    Funding::abi_decode(bytes).ok()
}
