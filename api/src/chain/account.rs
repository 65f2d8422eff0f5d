//! What sellers and buyers do on chain, one call each: list a key and a model, deposit, fund, take back, withdraw.

use std::time::{Duration, Instant};

use alloy::primitives::{Address, B256, Bytes, U256, keccak256};
use alloy::rpc::types::TransactionReceipt;
use alloy::signers::local::PrivateKeySigner;
use alloy::sol_types::{Eip712Domain, SolCall, SolEvent, SolValue};

use super::abi::{self, Erc20, Funding, InferenceMarket, KeyRegistry, ModelRegistry};
use super::jobs::{self, Blocks};
use super::{ChainError, Rpc};
use crate::terms::{Escrow, Order, model_id};

/// How often the chain's time is asked for while a registration's commitment ages.
const COMMIT_POLL: Duration = Duration::from_secs(1);
/// How much longer than the registry's delay is waited by this machine's clock.
const COMMIT_SLACK: Duration = Duration::from_secs(2);

/// Pays `amount` of `token` (zero: the native coin) into the account's credit in the market.
pub async fn deposit(
    rpc: &Rpc,
    from: &PrivateKeySigner,
    market: Address,
    token: Address,
    amount: U256,
) -> Result<(), ChainError> {
    let call = InferenceMarket::depositCall { token, amount };
    let value = if token.is_zero() {
        amount
    } else {
        approve(rpc, from, market, token, amount).await?;
        U256::ZERO
    };
    rpc.execute(from, Some(market), call.abi_encode().into(), value).await.map(drop)
}

/// Lets the market take `amount` of an ERC-20, if it may not already.
async fn approve(
    rpc: &Rpc,
    from: &PrivateKeySigner,
    market: Address,
    token: Address,
    amount: U256,
) -> Result<(), ChainError> {
    let account = from.address();
    let have = rpc.call(token, &Erc20::balanceOfCall { account }).await?;
    if have < amount {
        return Err(ChainError::InsufficientFunds { account, have, need: amount });
    }
    if rpc.call(token, &Erc20::allowanceCall { owner: account, spender: market }).await? >= amount {
        return Ok(());
    }
    rpc.execute(from, Some(token), Erc20::approveCall { spender: market, amount }.abi_encode().into(), U256::ZERO)
        .await
        .map(drop)
}

/// Credit of an account in the market.
pub async fn credit(rpc: &Rpc, market: Address, token: Address, account: Address) -> Result<U256, ChainError> {
    rpc.call(market, &InferenceMarket::balanceOfCall { token, account }).await
}

/// Takes credit out of the market, to the account itself.
pub async fn withdraw(
    rpc: &Rpc,
    from: &PrivateKeySigner,
    market: Address,
    token: Address,
    amount: U256,
) -> Result<TransactionReceipt, ChainError> {
    let call = InferenceMarket::withdrawCall { token, amount, to: from.address() };
    rpc.execute(from, Some(market), call.abi_encode().into(), U256::ZERO).await
}

/// The market's EIP-712 domain, checked against its address and its chain.
pub async fn domain(rpc: &Rpc, market: Address) -> Result<Eip712Domain, ChainError> {
    let chain_id = U256::from(rpc.chain_id().await?);
    let d = rpc.call(market, &InferenceMarket::eip712DomainCall {}).await?;
    if d.verifyingContract != market || d.chainId != chain_id {
        return Err(ChainError::Unexpected { what: "eip712Domain", address: market });
    }
    Ok(Eip712Domain::new(Some(d.name.into()), Some(d.version.into()), Some(d.chainId), Some(market), None))
}

/// A model's record in the registry.
pub async fn model(rpc: &Rpc, registry: Address, id: B256) -> Result<ModelRegistry::Model, ChainError> {
    rpc.call(registry, &ModelRegistry::modelCall { modelId: model_id(id) }).await
}

/// What a buyer pays with.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum PayFrom {
    /// Coins or tokens of the account.
    #[default]
    Account,
    /// The account's credit in the market: what was deposited, and what came back of earlier jobs.
    Credit,
}

/// Refuses what an account's credit in the market does not cover.
pub async fn check_credit(
    rpc: &Rpc,
    market: Address,
    token: Address,
    account: Address,
    need: U256,
) -> Result<(), ChainError> {
    let have = credit(rpc, market, token, account).await?;
    if have < need { Err(ChainError::InsufficientCredit { account, have, missing: need - have }) } else { Ok(()) }
}

/// Prepares a payment. Returns how many coins go with it.
async fn charge(
    rpc: &Rpc,
    buyer: &PrivateKeySigner,
    market: Address,
    token: Address,
    amount: U256,
    from: PayFrom,
) -> Result<U256, ChainError> {
    match from {
        PayFrom::Credit => check_credit(rpc, market, token, buyer.address(), amount).await.map(|()| U256::ZERO),
        PayFrom::Account if token.is_zero() => Ok(amount),
        PayFrom::Account => approve(rpc, buyer, market, token, amount).await.map(|()| U256::ZERO),
    }
}

/// The buyer pays for the escrow's order, at the quoted price. Returns the market's job id and the receipt.
pub async fn fund(
    rpc: &Rpc,
    buyer: &PrivateKeySigner,
    market: Address,
    escrow: &Escrow,
) -> Result<(B256, TransactionReceipt), ChainError> {
    fund_from(rpc, buyer, market, escrow, PayFrom::Account).await
}

/// The same, with what the buyer chooses to pay with.
pub async fn fund_from(
    rpc: &Rpc,
    buyer: &PrivateKeySigner,
    market: Address,
    escrow: &Escrow,
    from: PayFrom,
) -> Result<(B256, TransactionReceipt), ChainError> {
    let job = escrow.order.job_id(&domain(rpc, market).await?);
    let value = charge(rpc, buyer, market, escrow.order.token, U256::from(escrow.quote.price), from).await?;
    let call = InferenceMarket::fundCall {
        order: (&escrow.order).into(),
        quote: (&escrow.quote).into(),
        sellerSignature: escrow.signature.clone(),
        fromBalance: from == PayFrom::Credit,
    };
    let receipt = rpc.execute(buyer, Some(market), call.abi_encode().into(), value).await?;
    Ok((job, receipt))
}

/// The buyer pays for several orders under one quote, with one transaction. They differ in input and salt only.
pub async fn fund_batch(
    rpc: &Rpc,
    buyer: &PrivateKeySigner,
    market: Address,
    escrows: &[&Escrow],
    from: PayFrom,
) -> Result<TransactionReceipt, ChainError> {
    let Some(first) = escrows.first() else {
        return Err(ChainError::Unexpected { what: "a batch without orders", address: market });
    };
    let price = U256::from(first.quote.price).saturating_mul(U256::from(escrows.len()));
    let value = charge(rpc, buyer, market, first.order.token, price, from).await?;
    let call = InferenceMarket::fundBatchCall {
        template: (&first.order).into(),
        quote: (&first.quote).into(),
        sellerSignature: first.signature.clone(),
        orders: escrows
            .iter()
            .map(|e| abi::BatchOrder { inputCommitment: e.order.input_commitment, salt: e.order.salt })
            .collect(),
        fromBalance: from == PayFrom::Credit,
    };
    rpc.execute(buyer, Some(market), call.abi_encode().into(), value).await
}

/// What a job's funding said.
pub async fn funding(rpc: &Rpc, market: Address, job: B256) -> Result<Funding, ChainError> {
    jobs::funding(rpc, market, job, Blocks::default()).await
}

/// The least collateral that the market takes for a price.
pub async fn least_collateral(rpc: &Rpc, market: Address, price: u128) -> Result<U256, ChainError> {
    let bps = rpc.call(market, &InferenceMarket::MIN_COLLATERAL_BPSCall {}).await?;
    Ok(share(price, bps))
}

/// So many basis points of a price, rounded up.
pub(super) fn share(price: u128, bps: U256) -> U256 {
    U256::from(price).saturating_mul(bps).div_ceil(U256::from(10_000))
}

/// The buyer makes sure that an order which is not funded yet never will be. Returns its job id and the receipt.
pub async fn revoke(
    rpc: &Rpc,
    buyer: &PrivateKeySigner,
    market: Address,
    order: &Order,
) -> Result<(B256, TransactionReceipt), ChainError> {
    let job = order.job_id(&domain(rpc, market).await?);
    let call = InferenceMarket::revokeCall { order: order.into() };
    Ok((job, rpc.execute(buyer, Some(market), call.abi_encode().into(), U256::ZERO).await?))
}

/// The holder of a model's token ends all quotes that were signed for it so far.
pub async fn revoke_quotes(
    rpc: &Rpc,
    holder: &PrivateKeySigner,
    registry: Address,
    id: B256,
) -> Result<TransactionReceipt, ChainError> {
    let call = ModelRegistry::revokeQuotesCall { modelId: model_id(id) };
    rpc.execute(holder, Some(registry), call.abi_encode().into(), U256::ZERO).await
}

/// The buyer takes back a job that nobody has locked.
pub async fn cancel(
    rpc: &Rpc,
    buyer: &PrivateKeySigner,
    market: Address,
    job: B256,
) -> Result<TransactionReceipt, ChainError> {
    let Funding { order, snapshot, .. } = funding(rpc, market, job).await?;
    let call = InferenceMarket::cancelCall { order, snapshot };
    rpc.execute(buyer, Some(market), call.abi_encode().into(), U256::ZERO).await
}

/// Anyone returns an expired job's escrow to its buyer's credit.
pub async fn claim_refund(
    rpc: &Rpc,
    from: &PrivateKeySigner,
    market: Address,
    job: B256,
) -> Result<TransactionReceipt, ChainError> {
    let Funding { order, snapshot, .. } = funding(rpc, market, job).await?;
    let locker = match self::job(rpc, market, job).await?.state {
        InferenceMarket::State::Locked => jobs::locker(rpc, market, job, 0).await?,
        _ => Address::ZERO,
    };
    let call = InferenceMarket::claimRefundCall { order, snapshot, locker };
    rpc.execute(from, Some(market), call.abi_encode().into(), U256::ZERO).await
}

/// The record of a job.
pub async fn job(rpc: &Rpc, market: Address, job: B256) -> Result<InferenceMarket::Job, ChainError> {
    rpc.call(market, &InferenceMarket::jobCall { jobId: job }).await
}

/// Proposes a verifying key (`docs/protocol.md`, section 8), unless it is known already. Returns its hash.
pub async fn propose_key(rpc: &Rpc, from: &PrivateKeySigner, keys: Address, key: &[u8]) -> Result<B256, ChainError> {
    let hash = alloy::primitives::keccak256(key);
    if rpc.call(keys, &KeyRegistry::keyCall { keyHash: hash }).await?.status == KeyRegistry::Status::Unknown {
        let call = KeyRegistry::proposeCall { key: Bytes::copy_from_slice(key) };
        rpc.execute(from, Some(keys), call.abi_encode().into(), U256::ZERO).await?;
    }
    Ok(hash)
}

/// An attestor says that they recomputed the key. Returns the key's status afterwards.
pub async fn attest_key(
    rpc: &Rpc,
    attestor: &PrivateKeySigner,
    keys: Address,
    hash: B256,
    development: bool,
) -> Result<KeyRegistry::Status, ChainError> {
    if rpc.call(keys, &KeyRegistry::keyCall { keyHash: hash }).await?.status == KeyRegistry::Status::Proposed {
        if development && !rpc.call(keys, &KeyRegistry::allowDevelopmentCall {}).await? {
            return Err(ChainError::DevelopmentKey { key: hash });
        }
        let call = KeyRegistry::attestCall { keyHash: hash, development };
        rpc.execute(attestor, Some(keys), call.abi_encode().into(), U256::ZERO).await?;
    }
    admit_key(rpc, attestor, keys, hash).await
}

/// Admits a proposed key whose timelock is over. Returns the key's status afterwards.
pub async fn admit_key(
    rpc: &Rpc,
    from: &PrivateKeySigner,
    keys: Address,
    hash: B256,
) -> Result<KeyRegistry::Status, ChainError> {
    let key = KeyRegistry::keyCall { keyHash: hash };
    let found = rpc.call(keys, &key).await?;
    let ready = !found.readyAt.is_zero() && U256::from(found.readyAt) <= U256::from(rpc.now().await?);
    if found.status == KeyRegistry::Status::Proposed && ready {
        rpc.execute(from, Some(keys), KeyRegistry::admitCall { keyHash: hash }.abi_encode().into(), U256::ZERO).await?;
    }
    Ok(rpc.call(keys, &key).await?.status)
}

/// Lists a model in two steps, a commitment and, once it is old enough, the registration itself; the account gets the
/// model's token. A commitment that is there already (from a run that was interrupted) is used. Returns the model's id.
pub async fn register_model(
    rpc: &Rpc,
    seller: &PrivateKeySigner,
    registry: Address,
    registration: abi::Registration,
) -> Result<(B256, TransactionReceipt), ChainError> {
    let weights_hash = keccak256(&registration.weightCommitments);
    let taken = rpc.call(registry, &ModelRegistry::modelOfWeightsCall { weightsHash: weights_hash }).await?;
    if !taken.is_zero() {
        return Err(ChainError::WeightsTaken { model: taken });
    }
    commit_registration(rpc, seller, registry, &registration).await?;
    let call = ModelRegistry::registerCall { registration };
    let receipt = rpc.execute(seller, Some(registry), call.abi_encode().into(), U256::ZERO).await?;
    let event = receipt.inner.logs().iter().find_map(|log| ModelRegistry::ModelRegistered::decode_log(&log.inner).ok());
    let id = event.ok_or(ChainError::NoEvent { event: "ModelRegistered", id: receipt.transaction_hash })?.modelId;
    Ok((B256::from(id), receipt))
}

/// Brings the proof of a model's weights, under an admitted key of such proofs.
pub async fn prove_weights(
    rpc: &Rpc,
    from: &PrivateKeySigner,
    registry: Address,
    model: B256,
    key_hash: B256,
    proof: Bytes,
) -> Result<TransactionReceipt, ChainError> {
    let call = ModelRegistry::proveWeightsCall { modelId: model_id(model), keyHash: key_hash, proof };
    rpc.execute(from, Some(registry), call.abi_encode().into(), U256::ZERO).await
}

/// Commits to a registration and waits until the registry takes it.
async fn commit_registration(
    rpc: &Rpc,
    seller: &PrivateKeySigner,
    registry: Address,
    registration: &abi::Registration,
) -> Result<(), ChainError> {
    let commitment = keccak256((seller.address(), registration.clone()).abi_encode_params());
    let since = ModelRegistry::committedAtCall { commitment };
    if rpc.call(registry, &since).await?.is_zero() {
        let call = ModelRegistry::commitRegistrationCall { commitment };
        rpc.execute(seller, Some(registry), call.abi_encode().into(), U256::ZERO).await?;
    }
    let secs = rpc.call(registry, &ModelRegistry::commitSecsCall {}).await?;
    let ready = rpc.call(registry, &since).await?.saturating_add(secs);
    // a chain without traffic makes no blocks, and its newest one stays old: then the next one's time is as good as
    // this machine's
    let patience = Duration::from_secs(secs.saturating_to()).saturating_add(COMMIT_SLACK);
    let began = Instant::now();
    while U256::from(rpc.now().await?) < ready && began.elapsed() < patience {
        tokio::time::sleep(COMMIT_POLL).await;
    }
    Ok(())
}
