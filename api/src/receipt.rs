//! What comes back for an order, checked against what the buyer knows and what the chain says: the command and the
//! Python package share it.

use alloy::primitives::{B256, Bytes, keccak256};
use assay_prover::package::BuyerKey;
use assay_verifier::proof_file::{Answer, Invalid, ProofFile, Shared};

use crate::chain::abi::InferenceMarket;
use crate::chain::{ChainError, Rpc, account, context, context_of_batch, jobs};
use crate::engine::output_bytes;
use crate::orders::Saved;
use crate::routes::Prediction;
use crate::store::State;

/// Why a prediction is not the answer that was ordered.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ReceiptError {
    /// It is not proven, or not yet.
    #[error("the prediction is {state} and has no {what}")]
    Missing {
        /// Its state.
        state: State,
        /// What it lacks.
        what: &'static str,
    },
    /// The market has not paid for it.
    #[error("the market's job is {state:?}, not settled")]
    NotSettled {
        /// The job's state there.
        state: InferenceMarket::State,
    },
    /// Its proof is about others' orders.
    #[error("the service's proof does not hold: it is of other jobs")]
    OtherJobs,
    /// The market paid for something else.
    #[error("the market paid for another output than the service gives")]
    OtherOutput,
    /// Its proof does not hold.
    #[error("the proof does not hold")]
    Invalid(#[from] Invalid),
    /// The chain does not say what it should.
    #[error(transparent)]
    Chain(#[from] ChainError),
}

/// What the chain says of an order that it paid for.
#[derive(Clone, Copy, Debug)]
pub struct Settlement {
    /// What the proof must be bound to.
    pub context: B256,
    /// Hash of the output that was paid for, with its clamps.
    output_hash: B256,
}

impl Settlement {
    /// Refuses a proof of another output.
    pub fn check(&self, file: &ProofFile) -> Result<(), ReceiptError> {
        let same = keccak256(output_bytes(file.own_output(), file.clamps)) == self.output_hash;
        if same { Ok(()) } else { Err(ReceiptError::OtherOutput) }
    }
}

/// Asks the chain what it paid for. `done`: the order's prediction, as its service answers it.
pub async fn settlement(saved: &Saved, done: &Prediction) -> Result<Settlement, ReceiptError> {
    let rpc = Rpc::new(&saved.rpc)?;
    let record = account::job(&rpc, saved.market, saved.job).await?;
    if record.state != InferenceMarket::State::Settled {
        return Err(ReceiptError::NotSettled { state: record.state });
    }
    let paid = jobs::paid(&rpc, saved.market, saved.job).await?;
    let chain_id = rpc.chain_id().await?;
    let context = match &done.batch {
        None => context(chain_id, saved.market, saved.job, paid.prover),
        Some(batch) if batch.statement.jobs.get(batch.index as usize) == Some(&saved.job) => {
            context_of_batch(chain_id, saved.market, &batch.statement.jobs, paid.prover)
        }
        Some(_) => return Err(ReceiptError::OtherJobs),
    };
    Ok(Settlement { context, output_hash: paid.output_hash })
}

/// The proof file of a prediction, as its service answers it; nothing of it is verified. `key` is for as many
/// inferences as the proof has.
pub fn proof_file(key: &BuyerKey, prediction: &Prediction, proof: Vec<u8>) -> Result<ProofFile, ReceiptError> {
    let missing = |what| ReceiptError::Missing { state: prediction.state, what };
    let shared = prediction.batch.as_ref().map(|batch| Shared {
        index: batch.index as usize,
        inferences: batch.statement.inferences as usize,
        input_commitments: batch.statement.input_commitments.clone(),
        output_cells: batch.statement.output_cells.clone(),
        clamps: batch.statement.clamps,
    });
    let answer = Answer {
        output_cells: prediction.output_cells.clone().ok_or_else(|| missing("output"))?,
        output: prediction.output.clone().ok_or_else(|| missing("output"))?,
        context: prediction.context.ok_or_else(|| missing("context"))?,
        input_commitments: prediction.input_commitments.clone(),
        clamps: prediction.clamps,
        shared,
    };
    Ok(ProofFile::of_answer(&key.model, &key.wrap, answer, proof)?)
}

/// The same, verified against what the buyer knows: key, commitments to the input, and what the proof must be bound to.
pub fn verified(
    key: &BuyerKey,
    prediction: &Prediction,
    proof: Vec<u8>,
    commitments: &[Bytes],
    context: B256,
) -> Result<ProofFile, ReceiptError> {
    let prediction =
        Prediction { input_commitments: commitments.to_vec(), context: Some(context), ..prediction.clone() };
    let file = proof_file(key, &prediction, proof)?;
    file.verify(&key.model, Some(&key.wrap))?;
    Ok(file)
}
