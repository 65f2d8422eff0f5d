//! A prediction as an answer shows it.

use alloy::primitives::{Address, B256, Bytes};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::AppState;
use crate::engine::{Clamped, Outputs};
use crate::routes::schemas::{Account, Amount, Hash, Point};
use crate::store::{Job, State as JobState, Statement, StoreError, Text};

/// A transaction of a prediction.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct TransactionRef {
    /// `lock` or `settle`.
    pub purpose: String,
    /// Its hash.
    #[schema(value_type = Hash)]
    pub hash: B256,
    /// `pending`, `mined`, `reverted`, `bumped` (one that pays higher fees was sent in its place, and one of them will
    /// be mined) or `replaced`.
    pub state: String,
}

/// A payment by x402, which was authorised with the request and is captured when the proof is there.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct PaymentRef {
    /// The chain: `eip155:` and its number.
    pub network: String,
    /// The token.
    #[schema(value_type = Account)]
    pub asset: Address,
    /// Who pays.
    #[schema(value_type = Account)]
    pub payer: Address,
    /// How much, in the token's smallest unit.
    #[schema(value_type = Amount)]
    pub amount: String,
    /// The transaction that captured it, once one has.
    #[schema(value_type = Option<Hash>)]
    pub transaction: Option<B256>,
}

/// What the proof of a batch states, and which of its inferences is the prediction's.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct BatchReceipt {
    /// The place of the prediction's inference in the proof, from 0.
    pub index: u32,
    /// All of it.
    #[serde(flatten)]
    pub statement: Statement,
}

/// A prediction. What is paid for is shown once it is paid: output and proof are null before the payment is in a block.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct Prediction {
    /// Its id. Who knows it may read and cancel it.
    pub id: String,
    /// The model.
    #[schema(value_type = Hash)]
    pub model: B256,
    /// Where it is.
    pub state: JobState,
    /// Whether nothing comes after. Only the operator can have one that failed run again.
    pub terminal: bool,
    /// The market's job id of a paid prediction.
    #[schema(value_type = Option<Hash>)]
    pub job_id: Option<B256>,
    /// The payment of one that is paid by x402.
    #[serde(default)]
    pub payment: Option<PaymentRef>,
    /// Commitments to the input, 64 bytes each.
    #[schema(value_type = Vec<Point>)]
    pub input_commitments: Vec<Bytes>,
    /// The output in real units: a list, or one for each output where the model has several.
    pub output: Option<Outputs>,
    /// Of a prompt that was continued: the answer's tokens, which are the outputs from the prompt's last place on.
    #[serde(default)]
    pub tokens: Option<Vec<f32>>,
    /// How many tokens of the input are the prompt; null where none was continued.
    #[serde(default)]
    pub prompt_tokens: Option<u32>,
    /// The output as the proof states it.
    pub output_cells: Option<Vec<i16>>,
    /// How many elements of the input are outside the published range. Shown from the start, so that nobody pays for an
    /// answer without meaning.
    pub outside: usize,
    /// Layers in which cells were clamped, by this server's word. Shown from the start.
    pub clamped: Vec<Clamped>,
    /// The number of clamps that the proof states: 0 exactly where no cell was clamped. This server's word until there
    /// is a proof.
    pub clamps: u32,
    /// Of a proof of several clients' inferences: all that it states. Shown with the output.
    #[serde(default)]
    pub batch: Option<BatchReceipt>,
    /// What the proof is bound to.
    #[schema(value_type = Option<Hash>)]
    pub context: Option<B256>,
    /// Keccak-256 of the proof.
    #[schema(value_type = Option<Hash>)]
    pub proof_hash: Option<B256>,
    /// Where to fetch the proof.
    pub proof_url: Option<String>,
    /// Transactions, oldest first.
    pub transactions: Vec<TransactionRef>,
    /// Failed attempts so far.
    pub attempts: u32,
    /// Code of what went wrong.
    pub error_code: Option<String>,
    /// What went wrong, in words.
    pub error_detail: Option<String>,
    /// Milliseconds since the epoch.
    pub created_ms: i64,
    /// Milliseconds since the epoch.
    pub updated_ms: i64,
}

impl Prediction {
    pub(in crate::routes) async fn load(state: &AppState, job: Job) -> Result<Self, StoreError> {
        let transactions = if job.is_paid() { state.store.transactions(&job.id).await? } else { Vec::new() };
        let done = state.store.is_paid_for(&job).await?;
        let batch = if done { receipt(state, &job).await? } else { None };
        let (error_code, error_detail) = job.error.unzip();
        let shown_tokens = |text: Text| job.output_real.get(text.output_places()).map(<[f32]>::to_vec);
        let tokens = job.text.filter(|_| done).and_then(shown_tokens);
        Ok(Self {
            proof_url: job.proof_hash.filter(|_| done).map(|_| format!("/v1/predictions/{}/proof", job.id)),
            id: job.id,
            model: job.model,
            state: job.state,
            terminal: job.state.is_terminal(),
            job_id: job.chain_job,
            payment: job.payment.map(|paid| PaymentRef {
                network: paid.network,
                asset: paid.asset,
                payer: paid.payer,
                amount: paid.amount,
                transaction: paid.transaction,
            }),
            input_commitments: job.input_commitments,
            output: done.then(|| {
                Outputs::cut(job.output_real, &state.model(job.model).map(|model| model.outputs).unwrap_or_default())
            }),
            tokens,
            prompt_tokens: job.text.map(|text| text.prompt),
            outside: job.outside,
            clamped: job.clamped,
            clamps: job.clamps,
            output_cells: done.then_some(job.output_cells),
            batch,
            context: job.context,
            proof_hash: job.proof_hash.filter(|_| done),
            transactions: transactions
                .into_iter()
                .map(|(purpose, hash, state)| TransactionRef { purpose, hash, state })
                .collect(),
            attempts: job.attempts,
            error_code,
            error_detail,
            created_ms: job.created_ms,
            updated_ms: job.updated_ms,
        })
    }
}

/// What the proof of the job's batch states, if this server made one.
async fn receipt(state: &AppState, job: &Job) -> Result<Option<BatchReceipt>, StoreError> {
    let (Some(batch), Some(slot), Some(_)) = (&job.batch, job.slot, job.proof_hash) else { return Ok(None) };
    let index = u32::try_from(slot).map_err(|_| StoreError::Corrupt { column: "slot" })?;
    Ok(state.store.statement(batch).await?.map(|statement| BatchReceipt { index, statement }))
}

/// A page of predictions, newest first.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct PredictionPage {
    /// The predictions.
    pub data: Vec<Prediction>,
    /// Cursor of the next page; null on the last.
    pub next: Option<String>,
}
