//! All transactions of the demo's chain, by the function that they call.

use crate::exit::Outcome;
use alloy::consensus::Transaction;
use alloy::eips::BlockId;
use alloy::providers::Provider;
use alloy::sol_types::SolCall;
use assay_api::chain::abi::{InferenceMarket as Market, KeyRegistry, ModelRegistry};
use assay_api::chain::{ChainError, Rpc};
use serde::Serialize;

/// A mined transaction.
#[derive(Clone, Debug, Serialize)]
pub struct Mined {
    /// The function called; `deploy` for a new contract.
    pub call: &'static str,
    /// Gas used.
    pub gas: u64,
    /// Whether it succeeded.
    pub ok: bool,
}

fn name(input: &[u8]) -> &'static str {
    let names = [
        (KeyRegistry::proposeCall::SELECTOR, "propose"),
        (KeyRegistry::attestCall::SELECTOR, "attest"),
        (ModelRegistry::commitRegistrationCall::SELECTOR, "commit"),
        (ModelRegistry::registerCall::SELECTOR, "register"),
        (ModelRegistry::proveWeightsCall::SELECTOR, "proveWeights"),
        (Market::depositCall::SELECTOR, "deposit"),
        (Market::fundCall::SELECTOR, "fund"),
        (Market::lockCall::SELECTOR, "lock"),
        (Market::settleCall::SELECTOR, "settle"),
        (Market::claimRefundCall::SELECTOR, "claimRefund"),
        (Market::withdrawCall::SELECTOR, "withdraw"),
    ];
    names.into_iter().find(|(selector, _)| input.starts_with(selector)).map_or("?", |(_, name)| name)
}

/// All of them, oldest first.
pub async fn all(rpc: &Rpc) -> Outcome<Vec<Mined>> {
    let mut all = Vec::new();
    for number in 0..=rpc.block_number().await? {
        let block = rpc.provider().get_block(BlockId::number(number)).full().await.map_err(ChainError::from)?;
        for transaction in block.iter().flat_map(|b| b.transactions.txns()) {
            let hash = *transaction.inner.tx_hash();
            let Some(receipt) = rpc.receipt(hash).await? else { continue };
            let call = if transaction.to().is_none() { "deploy" } else { name(transaction.input()) };
            all.push(Mined { call, gas: receipt.gas_used, ok: receipt.status() });
        }
    }
    Ok(all)
}
