//! Transfers by signed authorisation (EIP-3009): the token's domain, and what became of an authorisation.

use alloy::primitives::{Address, B256, U256};
use alloy::rpc::types::Filter;
use alloy::sol_types::{Eip712Domain, SolEvent};

use super::abi::{Eip3009, Erc20};
use super::{ChainError, Rpc};
use crate::x402::Payment;

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
    /// The money moved, in this transaction.
    Captured(B256),
    /// The payer cancelled it.
    Cancelled,
}

/// A token's domain, checked against what its contract computes. [`ChainError::Unexpected`] if the token does not know EIP-3009.
pub async fn token_domain(rpc: &Rpc, token: Address) -> Result<TokenDomain, ChainError> {
    let unexpected = |what| ChainError::Unexpected { what, address: token };
    let name = rpc.call(token, &Eip3009::nameCall {}).await?;
    let version = match rpc.call(token, &Eip3009::versionCall {}).await {
        Err(ChainError::Reverted { .. } | ChainError::Unexpected { .. } | ChainError::Refused { .. }) => "1".to_owned(),
        other => other?,
    };
    let chain_id = U256::from(rpc.chain_id().await?);
    let domain = Eip712Domain::new(Some(name.clone().into()), Some(version.clone().into()), Some(chain_id), Some(token), None);
    let computed = rpc.call(token, &Eip3009::DOMAIN_SEPARATORCall {}).await.map_err(|error| match error {
        ChainError::Reverted { .. } | ChainError::Refused { .. } => unexpected("DOMAIN_SEPARATOR, of which EIP-3009 makes use,"),
        other => other,
    })?;
    // a token with authorisations answers this for any account
    rpc.call(token, &Eip3009::authorizationStateCall { authorizer: token, nonce: B256::ZERO }).await.map_err(|error| match error {
        ChainError::Reverted { .. } | ChainError::Refused { .. } => unexpected("authorizationState, which EIP-3009 defines,"),
        other => other,
    })?;
    if computed == domain.separator() { Ok(TokenDomain { name, version, domain }) } else { Err(unexpected("DOMAIN_SEPARATOR")) }
}

/// What an account has of a token.
pub async fn balance(rpc: &Rpc, token: Address, account: Address) -> Result<U256, ChainError> {
    rpc.call(token, &Erc20::balanceOfCall { account }).await
}

/// What became of a payment's authorisation. Whoever had it used, it paid the same amount to the same account.
pub async fn standing(rpc: &Rpc, payment: &Payment) -> Result<Standing, ChainError> {
    let used = Eip3009::authorizationStateCall { authorizer: payment.payer, nonce: payment.nonce };
    if !rpc.call(payment.asset, &used).await? {
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
