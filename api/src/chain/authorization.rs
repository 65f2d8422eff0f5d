//! Payments by signed authorisation: what a token and a chain know of them, who signed one, and what became of it.

use alloy::consensus::Transaction as _;
use alloy::primitives::{Address, B256, Signature, U256};
use alloy::providers::Provider;
use alloy::rpc::types::Filter;
use alloy::sol_types::{Eip712Domain, SolCall, SolEvent};

use super::abi::{Eip3009, Erc20};
use super::create2::PERMIT2;
use super::payments::{COLLECTOR, EXACT_PROXY, Erc1271, ExactProxy, HOLD, Hold, Moves, Permit2, permit2_domain};
use super::{ChainError, Rpc};
use crate::x402::{Domains, Payment, Way};

/// Most gas that a call may take in which a contract of the payer's choice has a part: it checks a signature and moves
/// a token.
pub const PAYMENT_GAS_MAX: u64 = 500_000;
/// What ERC-1271 says of a signature that is good.
const GOOD: [u8; 4] = [0x16, 0x26, 0xba, 0x7e];

/// A token's EIP-712 domain.
#[derive(Clone, Debug)]
pub struct TokenDomain {
    /// Its name.
    pub name: String,
    /// Its version.
    pub version: String,
    /// The whole.
    pub domain: Eip712Domain,
}

/// What the chain says of an authorisation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// It was neither used nor cancelled.
    Open,
    /// The money is held for the payee.
    Held,
    /// The payee was paid, in this transaction.
    Captured(B256),
    /// It can pay no more: the payer cancelled it, or used its nonce for something else, or has back what was held.
    Cancelled,
}

/// The ways in which a chain lets a token be paid with.
#[derive(Clone, Debug)]
pub struct Ways {
    /// The token's domain, where it knows EIP-3009.
    pub token: Option<TokenDomain>,
    /// Whether Permit2 and x402's proxy are there.
    pub permit2: bool,
    /// Whether the contract that holds payments is there, for a token that knows EIP-3009.
    pub hold: bool,
    /// What payers sign under.
    pub domains: Domains,
}

/// In which ways payments in a token can be made. [`ChainError::Unexpected`] if there is none.
pub async fn ways(rpc: &Rpc, token: Address) -> Result<Ways, ChainError> {
    let is_there = async |contract| Ok::<_, ChainError>(!rpc.code(contract).await?.is_empty());
    balance(rpc, token, token).await?;
    let permit2 = is_there(PERMIT2).await? && is_there(EXACT_PROXY).await?;
    let domain = match token_domain(rpc, token).await {
        Err(ChainError::Reverted { .. } | ChainError::Unexpected { .. } | ChainError::Refused { .. }) if permit2 => {
            None
        }
        other => Some(other?),
    };
    let hold = domain.is_some() && is_there(HOLD).await? && is_there(COLLECTOR).await?;
    let domains = Domains {
        token: domain.as_ref().map(|token| token.domain.clone()),
        permit2: permit2_domain(rpc.chain_id().await?),
    };
    Ok(Ways { token: domain, permit2, hold, domains })
}

/// Who signed a hash that should be an account's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Signer {
    /// The account's key.
    Key,
    /// The account is a contract, and says that the signature is good (ERC-1271).
    Contract,
    /// Somebody else.
    Stranger,
}

/// Whether `account` signed.
pub async fn signer(rpc: &Rpc, account: Address, hash: B256, signature: &[u8]) -> Result<Signer, ChainError> {
    let by_key = Signature::from_raw(signature).ok().filter(|_| signature.len() == 65);
    if by_key.and_then(|s| s.recover_address_from_prehash(&hash).ok()) == Some(account) {
        return Ok(Signer::Key);
    }
    if rpc.code(account).await?.is_empty() {
        return Ok(Signer::Stranger);
    }
    let call = Erc1271::isValidSignatureCall { hash, signature: signature.to_vec().into() };
    match rpc.attempt(Address::ZERO, account, call.abi_encode().into(), PAYMENT_GAS_MAX).await {
        Ok(answer) => {
            Ok(if answer.len() == 32 && answer.starts_with(&GOOD) { Signer::Contract } else { Signer::Stranger })
        }
        Err(error) if error.is_transient() => Err(error),
        Err(_) => Ok(Signer::Stranger),
    }
}

/// A token's domain, checked against what its contract computes. [`ChainError::Unexpected`] if the token does not know
/// EIP-3009.
pub async fn token_domain(rpc: &Rpc, token: Address) -> Result<TokenDomain, ChainError> {
    let unexpected = |what| ChainError::Unexpected { what, address: token };
    let name = rpc.call(token, &Eip3009::nameCall {}).await?;
    let version = match rpc.call(token, &Eip3009::versionCall {}).await {
        Err(ChainError::Reverted { .. } | ChainError::Unexpected { .. } | ChainError::Refused { .. }) => "1".to_owned(),
        other => other?,
    };
    let chain_id = U256::from(rpc.chain_id().await?);
    let domain =
        Eip712Domain::new(Some(name.clone().into()), Some(version.clone().into()), Some(chain_id), Some(token), None);
    let computed = rpc.call(token, &Eip3009::DOMAIN_SEPARATORCall {}).await.map_err(|error| match error {
        ChainError::Reverted { .. } | ChainError::Refused { .. } => {
            unexpected("DOMAIN_SEPARATOR, of which EIP-3009 makes use,")
        }
        other => other,
    })?;
    // a token with authorisations answers this for any account
    rpc.call(token, &Eip3009::authorizationStateCall { authorizer: token, nonce: B256::ZERO }).await.map_err(
        |error| match error {
            ChainError::Reverted { .. } | ChainError::Refused { .. } => {
                unexpected("authorizationState, which EIP-3009 defines,")
            }
            other => other,
        },
    )?;
    if computed == domain.separator() {
        Ok(TokenDomain { name, version, domain })
    } else {
        Err(unexpected("DOMAIN_SEPARATOR"))
    }
}

/// What an account has of a token.
pub async fn balance(rpc: &Rpc, token: Address, account: Address) -> Result<U256, ChainError> {
    rpc.call(token, &Erc20::balanceOfCall { account }).await
}

/// What Permit2 may take of an account's tokens.
pub async fn permit2_allowance(rpc: &Rpc, token: Address, owner: Address) -> Result<U256, ChainError> {
    rpc.call(token, &Erc20::allowanceCall { owner, spender: PERMIT2 }).await
}

/// What became of a payment's authorisation. Whoever had it used, it paid the same amount to the same account.
pub async fn standing(rpc: &Rpc, payment: &Payment) -> Result<Standing, ChainError> {
    match payment.way {
        Way::Eip3009 => by_transfer(rpc, payment).await,
        Way::Permit2 => by_permit2(rpc, payment).await,
        Way::AuthCapture(_) => by_hold(rpc, payment).await,
    }
}

async fn is_used(rpc: &Rpc, payment: &Payment) -> Result<bool, ChainError> {
    rpc.call(payment.asset, &Eip3009::authorizationStateCall { authorizer: payment.payer, nonce: payment.nonce }).await
}

async fn by_transfer(rpc: &Rpc, payment: &Payment) -> Result<Standing, ChainError> {
    if !is_used(rpc, payment).await? {
        return Ok(Standing::Open);
    }
    let filter = Filter::new()
        .address(payment.asset)
        .from_block(payment.block)
        .event_signature(Eip3009::AuthorizationUsed::SIGNATURE_HASH)
        .topic1(payment.payer.into_word())
        .topic2(payment.nonce);
    let moved = rpc.logs(&filter).await?.into_iter().find_map(|log| log.transaction_hash);
    Ok(moved.map_or(Standing::Cancelled, Standing::Captured))
}

/// Permit2's proxy says in no event which permission it used, so the transaction's own words count: a transfer of the
/// same amount may belong to another permission.
async fn by_permit2(rpc: &Rpc, payment: &Payment) -> Result<Standing, ChainError> {
    let nonce: U256 = payment.nonce.into();
    let spent = rpc.call(PERMIT2, &Permit2::nonceBitmapCall { owner: payment.payer, word: nonce >> 8 }).await?;
    if !spent.bit(usize::from(payment.nonce[31])) {
        return Ok(Standing::Open);
    }
    let filter = Filter::new()
        .address(payment.asset)
        .from_block(payment.block)
        .event_signature(Moves::Transfer::SIGNATURE_HASH)
        .topic1(payment.payer.into_word())
        .topic2(payment.pay_to.into_word());
    for log in rpc.logs(&filter).await? {
        let Some(hash) = log.transaction_hash else { continue };
        let Some(transaction) = rpc.provider().get_transaction_by_hash(hash).await? else { continue };
        if transaction.to() == Some(EXACT_PROXY) && pays_by_permit2(transaction.input(), payment) {
            return Ok(Standing::Captured(hash));
        }
    }
    Ok(Standing::Cancelled)
}

/// Whether a call of the proxy, which went through, used the payment's permission.
fn pays_by_permit2(input: &[u8], payment: &Payment) -> bool {
    let settled = ExactProxy::settleCall::abi_decode(input).map(|call| (call.permit, call.owner, call.witness));
    let with_permit =
        || ExactProxy::settleWithPermitCall::abi_decode(input).map(|call| (call.permit, call.owner, call.witness));
    let Ok((permit, owner, witness)) = settled.or_else(|_| with_permit()) else { return false };
    (owner, permit.nonce, witness.to) == (payment.payer, payment.nonce.into(), payment.pay_to)
        && (permit.permitted.token, permit.permitted.amount) == (payment.asset, payment.value())
}

async fn by_hold(rpc: &Rpc, payment: &Payment) -> Result<Standing, ChainError> {
    let Some(hash) = payment.hold_hash(false) else { return Ok(Standing::Cancelled) };
    let state = rpc.call(HOLD, &Hold::paymentStateCall { paymentInfoHash: hash }).await?;
    if !state.hasCollectedPayment {
        return Ok(if is_used(rpc, payment).await? { Standing::Cancelled } else { Standing::Open });
    }
    if state.capturableAmount.to::<U256>() >= payment.value() {
        return Ok(Standing::Held);
    }
    let filter = Filter::new()
        .address(HOLD)
        .from_block(payment.block)
        .event_signature(Hold::PaymentCaptured::SIGNATURE_HASH)
        .topic1(hash);
    let moved = rpc.logs(&filter).await?.into_iter().find_map(|log| log.transaction_hash);
    Ok(moved.map_or(Standing::Cancelled, Standing::Captured))
}
