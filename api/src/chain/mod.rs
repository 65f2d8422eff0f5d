//! The chain: a thin JSON-RPC client that signs before it sends, the market as the service sees it, and the calls of
//! sellers and buyers.

pub mod abi;
pub mod account;
pub mod anvil;
pub mod authorization;
mod check;
pub mod create2;
pub mod deploy;
pub mod dev;
mod fees;
pub mod govern;
mod health;
pub mod history;
pub mod jobs;
mod lineage;
pub mod listing;
mod market;
pub mod money;
mod nodes;
pub mod payments;

pub use check::{Listed, OrderError, Wanted, check_order, context, context_of_batch, context_of_weights};
pub use health::Head;
pub use lineage::{Lineage, Part, PartKind};
pub(crate) use market::decode_funding;
pub use market::{Facts, Market, Settlement, WeightsProof};
pub use nodes::REQUEST_TIMEOUT;

use std::sync::Arc;
use std::time::{Duration, Instant};

use alloy::consensus::TxEnvelope;
use alloy::eips::BlockId;
use alloy::eips::eip2718::Encodable2718;
use alloy::network::{EthereumWallet, NetworkTransactionBuilder, TransactionBuilder};
use alloy::primitives::{Address, B256, Bytes, U256};
use alloy::providers::{DynProvider, Provider, ProviderBuilder};
use alloy::rpc::types::{Filter, Log, TransactionReceipt, TransactionRequest};
use alloy::signers::local::PrivateKeySigner;
use alloy::sol_types::{SolCall, SolInterface};
use alloy::transports::{RpcError, TransportErrorKind};
use tokio::sync::OnceCell;

use crate::store::SavedTransaction;

/// How often a receipt is asked for.
const RECEIPT_POLL: Duration = Duration::from_millis(150);
/// How long [`Rpc::execute`] waits before it raises the fees, and how often it does.
const EXECUTE_ROUND: Duration = Duration::from_secs(30);
const EXECUTE_ROUNDS: u32 = 4;

/// What the chain did not do.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ChainError {
    /// The RPC address is not a URL that this build can talk to.
    #[error("{url} is not the address of a node: it begins with {}", crate::tls::ADDRESSES)]
    Url {
        /// The address.
        url: String,
    },
    /// No answer.
    #[error("the chain's RPC does not answer")]
    Unreachable(#[source] RpcError<TransportErrorKind>),
    /// The node refused the request, and not because of the contract.
    #[error("the node refused: {message} ({code})")]
    Refused {
        /// JSON-RPC error code.
        code: i64,
        /// The node's words.
        message: String,
    },
    /// The node takes no transaction with such low fees, or none in the place of the one that it has.
    #[error("the node takes no transaction with such low fees: {message}")]
    Underpriced {
        /// The node's words.
        message: String,
    },
    /// A contract reverted with one of the market's errors.
    #[error("the contract reverted: {0:?}")]
    Market(Box<abi::InferenceMarket::InferenceMarketErrors>),
    /// A contract reverted with something else.
    #[error("the contract reverted with data {data}")]
    Reverted {
        /// The revert data.
        data: Bytes,
    },
    /// A mined transaction failed.
    #[error("transaction {hash} failed")]
    TransactionFailed {
        /// Its hash.
        hash: B256,
    },
    /// A call would take more gas than its sender lets it.
    #[error("the call takes {need} gas, and {max} are allowed for it")]
    Gas {
        /// What it takes.
        need: u64,
        /// What it may take.
        max: u64,
    },
    /// The account cannot pay.
    #[error("account {account} has {have} and needs {need}")]
    InsufficientFunds {
        /// The account.
        account: Address,
        /// What it has, in the smallest unit.
        have: U256,
        /// What it needs.
        need: U256,
    },
    /// The account has not enough credit in the market.
    #[error(
        "the credit of {account} in the market is {have}, which is {missing} too little: `assay deposit {missing}` \
         adds that"
    )]
    InsufficientCredit {
        /// The account.
        account: Address,
        /// What it has there, in the smallest unit.
        have: U256,
        /// What is missing.
        missing: U256,
    },
    /// A transaction is not mined yet.
    #[error("transaction {hash} is not mined after {secs} s")]
    NotMined {
        /// Its hash.
        hash: B256,
        /// How long was waited.
        secs: u64,
    },
    /// An answer is not what the interface says.
    #[error("{what} at {address} does not answer as it should: is it the right contract?")]
    Unexpected {
        /// What was called.
        what: &'static str,
        /// Where.
        address: Address,
    },
    /// An event that must be there is not.
    #[error("there is no {event} event for {id}")]
    NoEvent {
        /// The event.
        event: &'static str,
        /// What it should be about.
        id: B256,
    },
    /// The registry does not list the model as this server has it.
    #[error(
        "the registry does not list model {model} with the weights that this server has, or lists it as deprecated"
    )]
    NotListed {
        /// The model.
        model: B256,
    },
    /// The market would refuse a quote on these terms.
    #[error("a collateral of {have} is too low: the market wants at least {need} for this price")]
    CollateralTooLow {
        /// The terms'.
        have: u128,
        /// The market's.
        need: U256,
    },
    /// The account gets slashed collateral, so it may not put up any.
    #[error("{treasury} is the market's treasury, which can neither sell nor prove: use another account")]
    TreasuryProves {
        /// The treasury.
        treasury: Address,
    },
    /// The same weight commitments are a model already.
    #[error(
        "these weight commitments are registered as model {model}, which pays by its own split; its owner can list it \
         again, and `assay compile` makes other commitments"
    )]
    WeightsTaken {
        /// That model.
        model: U256,
    },
    /// To attest a development key where none is admitted would be to veto it.
    #[error("{key} is a development key, and this registry admits none: it was not attested")]
    DevelopmentKey {
        /// The key's hash.
        key: B256,
    },
    /// The settings of a deployment would let one person admit keys.
    #[error("{what}; `--allow-development` is for chains where no real money moves")]
    WeakGovernance {
        /// What is missing, and what to do.
        what: &'static str,
    },
    /// Signing failed.
    #[error("cannot sign")]
    Sign(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// The deployer that gives contracts the same address on every chain is not there.
    #[error(
        "this chain has no CREATE2 deployer at {factory}: deploy it there first, by the signed transaction that \
         github.com/Arachnid/deterministic-deployment-proxy shows"
    )]
    NoFactory {
        /// Where it should be.
        factory: Address,
    },
    /// What is at a contract's address is not what its creation code gives.
    #[error("the code at {address} is not that of {contract}: do not use it")]
    OtherCode {
        /// The contract.
        contract: &'static str,
        /// Its address.
        address: Address,
    },
    /// A committed contract artifact cannot be read.
    #[error("the artifact of {contract} is unusable")]
    Artifact {
        /// The contract.
        contract: &'static str,
    },
}

impl ChainError {
    /// Whether trying again later makes sense without changing anything.
    pub fn is_transient(&self) -> bool {
        matches!(self, Self::Unreachable(_) | Self::NotMined { .. } | Self::Underpriced { .. })
    }
}

impl From<RpcError<TransportErrorKind>> for ChainError {
    fn from(error: RpcError<TransportErrorKind>) -> Self {
        let Some(response) = error.as_error_resp() else { return Self::Unreachable(error) };
        match response.as_revert_data() {
            Some(data) => match abi::InferenceMarket::InferenceMarketErrors::abi_decode(&data) {
                Ok(decoded) => Self::Market(Box::new(decoded)),
                Err(_) => Self::Reverted { data },
            },
            None if fees::is_underpriced(&response.message) => {
                Self::Underpriced { message: response.message.to_string() }
            }
            None => Self::Refused { code: response.code, message: response.message.to_string() },
        }
    }
}

/// A JSON-RPC client.
#[derive(Clone, Debug)]
pub struct Rpc {
    provider: DynProvider,
    /// The chain's id, as the first node that was asked has it: nothing is signed for another chain.
    chain: Arc<OnceCell<u64>>,
}

impl Rpc {
    /// A client for `url`. Connects on first use.
    pub fn new(url: &str) -> Result<Self, ChainError> {
        Self::with_fallbacks(url, &[], REQUEST_TIMEOUT)
    }

    /// A client that asks other nodes of the same chain when the one at `url` does not answer within `timeout`, says
    /// that it was asked too often, or is behind them.
    pub fn with_fallbacks(url: &str, others: &[String], timeout: Duration) -> Result<Self, ChainError> {
        let provider = ProviderBuilder::new()
            .disable_recommended_fillers()
            .connect_client(nodes::client(url, others, timeout)?)
            .erased();
        Ok(Self { provider, chain: Arc::default() })
    }

    /// The provider, for calls that are not wrapped here.
    pub fn provider(&self) -> &DynProvider {
        &self.provider
    }

    /// The chain's id.
    pub async fn chain_id(&self) -> Result<u64, ChainError> {
        self.chain.get_or_try_init(async || Ok(self.provider.get_chain_id().await?)).await.copied()
    }

    /// Number of the newest block.
    pub async fn block_number(&self) -> Result<u64, ChainError> {
        Ok(self.provider.get_block_number().await?)
    }

    /// The hash of a block; `None` if the chain is shorter.
    pub async fn block_hash(&self, number: u64) -> Result<Option<B256>, ChainError> {
        let block = self.provider.get_block(BlockId::number(number)).await?;
        Ok(block.map(|block| block.header.hash))
    }

    /// The time of a block, unix seconds.
    pub async fn block_time(&self, number: u64) -> Result<Option<u64>, ChainError> {
        let block = self.provider.get_block(BlockId::number(number)).await?;
        Ok(block.map(|block| block.header.timestamp))
    }

    /// The newest block.
    pub async fn newest(&self) -> Result<Head, ChainError> {
        let block = self.provider.get_block(BlockId::latest()).await?;
        let none = || ChainError::Unreachable(TransportErrorKind::custom_str("the node has no newest block"));
        let header = block.ok_or_else(none)?.header;
        Ok(Head { number: header.number, time: header.timestamp })
    }

    /// Time of the newest block, unix seconds.
    pub async fn now(&self) -> Result<u64, ChainError> {
        Ok(self.newest().await?.time)
    }

    /// The code that a contract would have if it were deployed with this creation code.
    pub async fn created(&self, creation: Bytes) -> Result<Bytes, ChainError> {
        let request = TransactionRequest::default().with_kind(alloy::primitives::TxKind::Create).with_input(creation);
        Ok(self.provider.call(request).await?)
    }

    /// Native coins of an account, in wei.
    pub async fn balance(&self, account: Address) -> Result<U256, ChainError> {
        Ok(self.provider.get_balance(account).await?)
    }

    /// The code at an address; none if there is no contract.
    pub async fn code(&self, address: Address) -> Result<Bytes, ChainError> {
        Ok(self.provider.get_code_at(address).await?)
    }

    /// Transactions of an account that are in blocks.
    pub async fn mined_nonce(&self, account: Address) -> Result<u64, ChainError> {
        Ok(self.provider.get_transaction_count(account).latest().await?)
    }

    /// Logs that match.
    pub async fn logs(&self, filter: &Filter) -> Result<Vec<Log>, ChainError> {
        Ok(self.provider.get_logs(filter).await?)
    }

    /// A view call on the newest block.
    pub async fn call<C: SolCall>(&self, to: Address, call: &C) -> Result<C::Return, ChainError> {
        self.call_at(BlockId::latest(), to, call).await
    }

    /// A view call on any block. The pending one shows what transactions that are only on their way would do: not what
    /// has happened.
    pub async fn call_at<C: SolCall>(&self, block: BlockId, to: Address, call: &C) -> Result<C::Return, ChainError> {
        let request = TransactionRequest::default().with_to(to).with_input(call.abi_encode());
        let data = self.provider.call(request).block(block).await?;
        C::abi_decode_returns(&data).map_err(|_| ChainError::Unexpected { what: C::SIGNATURE, address: to })
    }

    /// Has the node try a call from an account, with so much gas, and keep nothing of it. Returns what the contract
    /// answers.
    pub async fn attempt(&self, from: Address, to: Address, input: Bytes, gas: u64) -> Result<Bytes, ChainError> {
        let request = TransactionRequest::default().with_from(from).with_to(to).with_input(input).with_gas_limit(gas);
        Ok(self.provider.call(request).await?)
    }

    /// Signs a transaction with the account's next nonce, gas estimated (so a call that would revert is refused here,
    /// with its reason) and fees of the moment. Nothing is sent. The caller sees to it that one account signs one
    /// transaction at a time.
    pub async fn sign(
        &self,
        from: &PrivateKeySigner,
        to: Option<Address>,
        input: Bytes,
        value: U256,
    ) -> Result<SavedTransaction, ChainError> {
        self.sign_within(from, to, input, value, u64::MAX).await
    }

    /// The same for a call of somebody else's choice: one that would take more gas than `gas_max` is refused.
    pub async fn sign_within(
        &self,
        from: &PrivateKeySigner,
        to: Option<Address>,
        input: Bytes,
        value: U256,
        gas_max: u64,
    ) -> Result<SavedTransaction, ChainError> {
        let account = from.address();
        let mut request = TransactionRequest::default().with_from(account).with_input(input).with_value(value);
        request = match to {
            Some(to) => request.with_to(to),
            None => request.with_kind(alloy::primitives::TxKind::Create),
        };
        let fees = self.provider.estimate_eip1559_fees().await?;
        // the node says so only in words, and each in its own: look first
        let have = self.balance(account).await?;
        if have <= value {
            return Err(ChainError::InsufficientFunds { account, have, need: value.saturating_add(U256::from(1)) });
        }
        let gas = self.provider.estimate_gas(request.clone()).await?;
        if gas > gas_max {
            return Err(ChainError::Gas { need: gas, max: gas_max });
        }
        let gas = gas.saturating_add(gas / 5);
        let need = U256::from(gas).saturating_mul(U256::from(fees.max_fee_per_gas)).saturating_add(value);
        if have < need {
            return Err(ChainError::InsufficientFunds { account, have, need });
        }
        let nonce = self.provider.get_transaction_count(account).pending().await?;
        request = request
            .with_nonce(nonce)
            .with_chain_id(self.chain_id().await?)
            .with_gas_limit(gas)
            .with_max_fee_per_gas(fees.max_fee_per_gas)
            .with_max_priority_fee_per_gas(fees.max_priority_fee_per_gas);
        let wallet = EthereumWallet::from(from.clone());
        let signed: TxEnvelope = request.build(&wallet).await.map_err(|e| ChainError::Sign(Box::new(e)))?;
        Ok(SavedTransaction { hash: *signed.tx_hash(), nonce, raw: signed.encoded_2718().into() })
    }

    /// Sends a signed transaction. Sending it again is harmless.
    pub async fn send(&self, signed: &SavedTransaction) -> Result<(), ChainError> {
        match self.provider.send_raw_transaction(&signed.raw).await {
            Ok(_) => Ok(()),
            // "already known", "nonce too low", "already imported": whether it is in is for the receipt to say
            Err(e) if e.as_error_resp().is_some() && self.is_known(signed.hash).await? => Ok(()),
            Err(e) => Err(e.into()),
        }
    }

    /// Whether the node has a transaction, in a block or waiting for one.
    pub async fn is_known(&self, hash: B256) -> Result<bool, ChainError> {
        Ok(self.provider.get_transaction_by_hash(hash).await?.is_some())
    }

    /// The receipt of a transaction, `None` while it is not mined.
    pub async fn receipt(&self, hash: B256) -> Result<Option<TransactionReceipt>, ChainError> {
        Ok(self.provider.get_transaction_receipt(hash).await?)
    }

    /// The receipt of the one of several transactions with the same nonce that is mined, if one is.
    pub async fn receipt_of(&self, versions: &[B256]) -> Result<Option<TransactionReceipt>, ChainError> {
        for hash in versions {
            if let Some(receipt) = self.receipt(*hash).await? {
                return Ok(Some(receipt));
            }
        }
        Ok(None)
    }

    /// Waits until one of several transactions with the same nonce is mined, whether it succeeded or not; `None` after
    /// the timeout.
    pub async fn mined(&self, versions: &[B256], timeout: Duration) -> Result<Option<TransactionReceipt>, ChainError> {
        let start = Instant::now();
        loop {
            let receipt = self.receipt_of(versions).await?;
            if receipt.is_some() || start.elapsed() > timeout {
                return Ok(receipt);
            }
            tokio::time::sleep(RECEIPT_POLL).await;
        }
    }

    /// Signs, sends and waits: for callers that need not survive a crash in between. Fees are raised while it waits.
    pub async fn execute(
        &self,
        from: &PrivateKeySigner,
        to: Option<Address>,
        input: Bytes,
        value: U256,
    ) -> Result<TransactionReceipt, ChainError> {
        let mut signed = self.sign(from, to, input, value).await?;
        let mut versions = vec![signed.hash];
        self.send(&signed).await?;
        for _ in 0..EXECUTE_ROUNDS {
            if let Some(receipt) = self.mined(&versions, EXECUTE_ROUND).await? {
                let hash = receipt.transaction_hash;
                return if receipt.status() { Ok(receipt) } else { Err(ChainError::TransactionFailed { hash }) };
            }
            if let Some(dearer) = self.dearer(from, &signed).await? {
                versions.push(dearer.hash);
                self.send(&dearer).await?;
                signed = dearer;
            }
        }
        Err(ChainError::NotMined { hash: signed.hash, secs: EXECUTE_ROUND.as_secs() * u64::from(EXECUTE_ROUNDS) })
    }
}
