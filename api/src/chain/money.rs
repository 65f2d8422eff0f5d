//! What gives money back: the seller's refund of a settled job.

use alloy::primitives::{Address, B256, U256};
use alloy::rpc::types::TransactionReceipt;
use alloy::signers::local::PrivateKeySigner;
use alloy::sol_types::SolCall;

use super::abi::{Funding, InferenceMarket};
use super::jobs::{self, Paid};
use super::{ChainError, Rpc, account};

/// The seller returns the payment of a settled job to its buyer's credit, out of the seller's own.
pub async fn refund(
    rpc: &Rpc,
    seller: &PrivateKeySigner,
    market: Address,
    job: B256,
) -> Result<TransactionReceipt, ChainError> {
    let Funding { order, snapshot, .. } = account::funding(rpc, market, job).await?;
    let Paid { prover, output_hash } = jobs::paid(rpc, market, job).await?;
    let call = InferenceMarket::refundCall { order, snapshot, prover, outputHash: output_hash };
    rpc.execute(seller, Some(market), call.abi_encode().into(), U256::ZERO).await
}
