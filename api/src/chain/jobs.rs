//! What events say of a job: its funding, alone or in a batch, and who has locked it.

use alloy::primitives::{Address, B256, keccak256};
use alloy::rpc::types::{Filter, Log};
use alloy::sol_types::SolEvent;

use super::abi::{Funding, InferenceMarket};
use super::{ChainError, Rpc};

/// Blocks to look in.
#[derive(Clone, Copy, Debug, Default)]
pub struct Blocks {
    /// The first.
    pub from: u64,
    /// The last; the newest if there is none.
    pub to: Option<u64>,
}

/// What the job's funding said. [`ChainError::NoEvent`] if it is not funded in these blocks.
pub async fn funding(rpc: &Rpc, market: Address, job: B256, blocks: Blocks) -> Result<Funding, ChainError> {
    let single = logs(rpc, market, InferenceMarket::JobFunded::SIGNATURE_HASH, job, blocks).await?;
    if let Some(event) = single.iter().find_map(|log| InferenceMarket::JobFunded::decode_log(&log.inner).ok()) {
        return Ok(Funding {
            order: event.order.clone(),
            snapshot: event.snapshot.clone(),
            provers: event.provers.clone(),
        });
    }
    let batched = logs(rpc, market, InferenceMarket::JobFundedInBatch::SIGNATURE_HASH, job, blocks).await?;
    for log in &batched {
        if let Some(funding) = in_batch(rpc, market, log).await? {
            return Ok(funding);
        }
    }
    Err(ChainError::NoEvent { event: "JobFunded", id: job })
}

/// The funding of a job of a batch: the batch's own event has the rest of the order.
async fn in_batch(rpc: &Rpc, market: Address, log: &Log) -> Result<Option<Funding>, ChainError> {
    let Ok(job) = InferenceMarket::JobFundedInBatch::decode_log(&log.inner) else { return Ok(None) };
    let Some(batch) = of_batch::<InferenceMarket::BatchFunded>(rpc, market, log).await? else { return Ok(None) };
    let mut order = batch.template;
    (order.inputCommitment, order.salt) = (job.inputCommitment, job.salt);
    Ok(Some(Funding { order, snapshot: batch.snapshot, provers: batch.provers }))
}

/// A batch's own event, which follows those of its jobs in the same transaction.
async fn of_batch<E: SolEvent>(rpc: &Rpc, market: Address, log: &Log) -> Result<Option<E>, ChainError> {
    let Some(block) = log.block_number else { return Ok(None) };
    let filter = Filter::new().address(market).from_block(block).to_block(block).event_signature(E::SIGNATURE_HASH);
    let batches = rpc.logs(&filter).await?;
    let batch = batches.iter().find(|b| b.transaction_hash == log.transaction_hash && b.log_index > log.log_index);
    Ok(batch.and_then(|b| E::decode_log(&b.inner).ok()).map(|event| event.data))
}

/// Who has locked the job; zero if nobody has.
pub async fn locker(rpc: &Rpc, market: Address, job: B256, from: u64) -> Result<Address, ChainError> {
    let locks = logs(rpc, market, InferenceMarket::JobLocked::SIGNATURE_HASH, job, Blocks { from, to: None }).await?;
    let lock = locks.iter().rev().find_map(|log| InferenceMarket::JobLocked::decode_log(&log.inner).ok());
    Ok(lock.map(|event| event.prover).unwrap_or_default())
}

/// What a job was paid for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Paid {
    /// Whose proof it is.
    pub prover: Address,
    /// The market's hash of the output, with the number of clamps.
    pub output_hash: B256,
}

/// What a settled job was paid for, alone or in a batch. [`ChainError::NoEvent`] if it was not.
pub async fn paid(rpc: &Rpc, market: Address, job: B256) -> Result<Paid, ChainError> {
    let none = || ChainError::NoEvent { event: "JobSettled", id: job };
    if let Some(event) = settled_alone(rpc, market, job).await? {
        return Ok(Paid { prover: event.prover, output_hash: keccak256(&event.output) });
    }
    let batched = logs(rpc, market, InferenceMarket::JobSettledInBatch::SIGNATURE_HASH, job, Blocks::default()).await?;
    let log = batched.first().ok_or_else(none)?;
    let batch = of_batch::<InferenceMarket::BatchSettled>(rpc, market, log).await?.ok_or_else(none)?;
    let at = batch.jobIds.iter().position(|id| *id == job).ok_or_else(none)?;
    let size = batch.output.len() / batch.jobIds.len();
    let part = batch.output.get(at * size..(at + 1) * size).ok_or_else(none)?;
    Ok(Paid { prover: batch.prover, output_hash: keccak256([part, &batch.clamps.to_be_bytes()].concat()) })
}

/// Who was paid for a job that was settled by itself, and whose proof it is.
pub async fn payee(rpc: &Rpc, market: Address, job: B256) -> Result<Address, ChainError> {
    let event = settled_alone(rpc, market, job).await?;
    event.map(|event| event.prover).ok_or(ChainError::NoEvent { event: "JobSettled", id: job })
}

/// The event of a job that was settled by itself.
async fn settled_alone(
    rpc: &Rpc,
    market: Address,
    job: B256,
) -> Result<Option<InferenceMarket::JobSettled>, ChainError> {
    let settled = logs(rpc, market, InferenceMarket::JobSettled::SIGNATURE_HASH, job, Blocks::default()).await?;
    Ok(settled.iter().find_map(|log| InferenceMarket::JobSettled::decode_log(&log.inner).ok()).map(|event| event.data))
}

/// The market's events of one kind about one job.
async fn logs(rpc: &Rpc, market: Address, event: B256, job: B256, blocks: Blocks) -> Result<Vec<Log>, ChainError> {
    let mut filter = Filter::new().address(market).from_block(blocks.from).event_signature(event).topic1(job);
    if let Some(to) = blocks.to {
        filter = filter.to_block(to);
    }
    rpc.logs(&filter).await
}
