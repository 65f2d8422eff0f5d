//! What attestors decide together: each approves, and when enough have and the timelock is over, anyone does it.

use alloy::primitives::{Address, B256, U256};
use alloy::rpc::types::TransactionReceipt;
use alloy::signers::local::PrivateKeySigner;
use alloy::sol_types::{SolCall, SolInterface};

use super::abi::KeyRegistry::{self, KeyRegistryErrors};
use super::{ChainError, Rpc};

/// Who attests keys, and how.
#[derive(Clone, Debug)]
pub struct Attestors {
    /// Today's.
    pub attestors: Vec<Address>,
    /// How many must agree.
    pub threshold: U256,
    /// Seconds between the last approval and its effect.
    pub timelock_secs: U256,
}

/// How far a decision is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decision {
    /// It took effect just now.
    Done,
    /// Enough attestors agree, and the timelock runs until this time.
    ReadyAt(U256),
    /// Others have to agree.
    Open,
}

/// What the key registry said when it refused a call.
pub fn refusal(error: &ChainError) -> Option<KeyRegistryErrors> {
    let ChainError::Reverted { data } = error else { return None };
    KeyRegistryErrors::abi_decode(data).ok()
}

/// The attestors of a key registry.
pub async fn attestors(rpc: &Rpc, keys: Address) -> Result<Attestors, ChainError> {
    Ok(Attestors {
        attestors: rpc.call(keys, &KeyRegistry::attestorsCall {}).await?,
        threshold: rpc.call(keys, &KeyRegistry::thresholdCall {}).await?,
        timelock_secs: rpc.call(keys, &KeyRegistry::timelockSecsCall {}).await?,
    })
}

/// An attestor makes a proposed key need one attestation more.
pub async fn veto(
    rpc: &Rpc,
    attestor: &PrivateKeySigner,
    keys: Address,
    hash: B256,
) -> Result<TransactionReceipt, ChainError> {
    send(rpc, attestor, keys, &KeyRegistry::vetoCall { keyHash: hash }).await
}

/// Brings the restoration of a frozen key as far as this account can.
pub async fn restore(rpc: &Rpc, from: &PrivateKeySigner, keys: Address, hash: B256) -> Result<Decision, ChainError> {
    let approve = KeyRegistry::approveRestorationCall { keyHash: hash };
    decide(rpc, from, keys, &approve, &KeyRegistry::restoreCall { keyHash: hash }).await
}

/// Brings the replacement of an attestor as far as this account can.
pub async fn replace(
    rpc: &Rpc,
    from: &PrivateKeySigner,
    keys: Address,
    out: Address,
    into: Address,
) -> Result<Decision, ChainError> {
    let approve = KeyRegistry::approveReplacementCall { out, into };
    decide(rpc, from, keys, &approve, &KeyRegistry::replaceAttestorCall { out, into }).await
}

async fn send<C: SolCall>(
    rpc: &Rpc,
    from: &PrivateKeySigner,
    keys: Address,
    call: &C,
) -> Result<TransactionReceipt, ChainError> {
    rpc.execute(from, Some(keys), call.abi_encode().into(), U256::ZERO).await
}

/// Does what is approved and ready; else approves it, which may make it ready.
async fn decide<A: SolCall, D: SolCall>(
    rpc: &Rpc,
    from: &PrivateKeySigner,
    keys: Address,
    approve: &A,
    act: &D,
) -> Result<Decision, ChainError> {
    let before = attempt(rpc, from, keys, act).await?;
    if before != Decision::Open {
        return Ok(before);
    }
    match send(rpc, from, keys, approve).await {
        Err(error) if matches!(refusal(&error), Some(KeyRegistryErrors::AlreadyApproved(_))) => Ok(Decision::Open),
        Err(error) => Err(error),
        Ok(_) => attempt(rpc, from, keys, act).await,
    }
}

/// A call that is too early is refused before anything is sent.
async fn attempt<D: SolCall>(
    rpc: &Rpc,
    from: &PrivateKeySigner,
    keys: Address,
    act: &D,
) -> Result<Decision, ChainError> {
    match send(rpc, from, keys, act).await {
        Ok(_) => Ok(Decision::Done),
        Err(error) => match refusal(&error) {
            Some(KeyRegistryErrors::ActionNotReady(early)) if early.readyAt.is_zero() => Ok(Decision::Open),
            Some(KeyRegistryErrors::ActionNotReady(early)) if early.readyAt > U256::from(rpc.now().await?) => {
                Ok(Decision::ReadyAt(early.readyAt))
            }
            // an attestor who agreed was replaced meanwhile
            Some(KeyRegistryErrors::ActionNotReady(_)) => Ok(Decision::Open),
            _ => Err(error),
        },
    }
}
