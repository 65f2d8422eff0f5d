//! A prediction as it is stored, and the states it goes through.

use std::ops::Range;

use alloy::primitives::{B256, Bytes};
use serde::{Deserialize, Serialize};
use sqlx::Row;
use sqlx::any::AnyRow;
use utoipa::ToSchema;

use super::{NewPayment, StoreError, Tenant, Unfunded};
use crate::engine::{Clamped, InputOpening};
use crate::x402::Payment;

/// Where a prediction is in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// Paid predictions only: the escrow was not yet seen on chain.
    AwaitingPayment,
    /// Waiting for the prover.
    Queued,
    /// Paid predictions only: the collateral is being locked on chain.
    Locking,
    /// The proof is being made.
    Proving,
    /// Paid predictions only: the proof is on disk and on its way to the chain.
    SettlementPending,
    /// Over: the contract accepted the proof and paid.
    Settled,
    /// Over: a free prediction's proof is ready.
    Proven,
    /// Over: this server gave up, unless its operator has it run again. A paid buyer gets the escrow back after its
    /// expiry.
    Failed,
    /// Over: withdrawn before it was locked.
    Cancelled,
    /// Over: the escrow went back to the buyer.
    Refunded,
    /// Over: nobody paid, or the time to prove ran out.
    Expired,
}

/// A state's name that no state has.
#[derive(Debug, thiserror::Error)]
#[error("unknown state")]
pub struct UnknownState;

impl State {
    /// All states, in the order of a prediction's life.
    pub const ALL: [State; 11] = [
        State::AwaitingPayment,
        State::Queued,
        State::Locking,
        State::Proving,
        State::SettlementPending,
        State::Settled,
        State::Proven,
        State::Failed,
        State::Cancelled,
        State::Refunded,
        State::Expired,
    ];

    /// The name on the wire and in the database.
    pub const fn as_str(self) -> &'static str {
        match self {
            State::AwaitingPayment => "awaiting_payment",
            State::Queued => "queued",
            State::Locking => "locking",
            State::Proving => "proving",
            State::SettlementPending => "settlement_pending",
            State::Settled => "settled",
            State::Proven => "proven",
            State::Failed => "failed",
            State::Cancelled => "cancelled",
            State::Refunded => "refunded",
            State::Expired => "expired",
        }
    }

    /// Whether nothing comes after.
    pub const fn is_terminal(self) -> bool {
        matches!(
            self,
            State::Settled | State::Proven | State::Failed | State::Cancelled | State::Refunded | State::Expired
        )
    }

    /// Whether a job may go from `self` to `next`. Whatever the chain says of a live job is final, so every live state
    /// may end.
    pub const fn may_become(self, next: State) -> bool {
        match next {
            State::AwaitingPayment => false,
            // back to the queue: a lock that failed without touching the chain is tried again
            State::Queued => matches!(self, State::AwaitingPayment | State::Locking),
            State::Locking => matches!(self, State::Queued),
            // back from settlement: the proof was lost from the disk and is made again
            State::Proving => matches!(self, State::Queued | State::Locking | State::SettlementPending),
            State::SettlementPending => matches!(self, State::Proving),
            State::Proven => matches!(self, State::Proving),
            _ => !self.is_terminal(),
        }
    }
}

impl std::fmt::Display for State {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

impl std::str::FromStr for State {
    type Err = UnknownState;

    fn from_str(name: &str) -> Result<Self, UnknownState> {
        State::ALL.into_iter().find(|s| s.as_str() == name).ok_or(UnknownState)
    }
}

/// Which tokens of an input are a prompt, and which its answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Text {
    /// Tokens of the prompt, from the first on.
    pub prompt: u32,
    /// Tokens of the answer, which come right behind.
    pub answer: u32,
}

impl Text {
    /// Where the answer is in the input.
    pub fn answer_places(self) -> Range<usize> {
        let start = self.prompt as usize;
        start..start.saturating_add(self.answer as usize)
    }

    /// Where the answer is in the output: each token is the output at the place before its own.
    pub fn output_places(self) -> Range<usize> {
        let Range { start, end } = self.answer_places();
        start.saturating_sub(1)..end.saturating_sub(1)
    }
}

/// Whom a prediction without an order may be proven with: others of the same model that say the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Company {
    /// Whether a payment is held for each of them. Free ones are not proven together with paid ones.
    pub held: bool,
    /// Most inferences of a proof that its owner takes part in.
    pub most: u32,
}

impl std::fmt::Display for Company {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {}", if self.held { "held" } else { "free" }, self.most)
    }
}

impl Company {
    /// What the database has; `None` for the hash that an order has there.
    fn parse(text: &str) -> Option<Self> {
        let (kind, most) = text.split_once(' ')?;
        Some(Self { held: kind == "held", most: most.parse().ok()? })
    }
}

/// A prediction that is to be stored. Its preflight is done: the output is known.
#[derive(Clone, Debug)]
pub struct NewJob {
    /// The model.
    pub model: B256,
    /// The input.
    pub input: InputOpening,
    /// Commitments to it.
    pub input_commitments: Vec<Bytes>,
    /// The output, as cells.
    pub output_cells: Vec<i16>,
    /// The outputs in real units, one after the other.
    pub output_real: Vec<f32>,
    /// How many elements of the input are outside the published range.
    pub outside: usize,
    /// Layers in which cells were clamped.
    pub clamped: Vec<Clamped>,
    /// How many clamps the proof states.
    pub clamps: u32,
    /// Of a prompt that was continued: which part of the input is what.
    pub text: Option<Text>,
    /// How many inferences a proof under the order's key has.
    pub inferences: u32,
    /// Without an order: whom it may be proven with.
    pub company: Option<Company>,
    /// The escrow as JSON, and its job id in the market.
    pub escrow: Option<(String, B256)>,
    /// The proof's binding context, where it is known beforehand: free jobs.
    pub context: Option<B256>,
    /// Of an order that nobody has paid for: whose it is, and until when it can be paid for.
    pub unfunded: Option<Unfunded>,
    /// The context of the request's trace.
    pub trace: Option<String>,
    /// A payment that is captured when the proof is there.
    pub payment: Option<NewPayment>,
    /// Of a client who is known: whose it is.
    pub tenant: Option<Tenant>,
    /// When to give the prediction up if it is not over by then, milliseconds since the epoch.
    pub cancel_after_ms: Option<i64>,
    /// Hash of the request, by which a repeated one is known.
    pub request_hash: B256,
    /// The client's idempotency key.
    pub idempotency_key: Option<String>,
}

/// A stored prediction.
#[derive(Clone, Debug)]
pub struct Job {
    /// Its place in the order of creation.
    pub seq: i64,
    /// Its public id: 128 random bits in hex.
    pub id: String,
    /// The model.
    pub model: B256,
    /// The input; `None` once the job is over. Of one that failed it is kept for some days, so that it can be run
    /// again.
    pub input: Option<InputOpening>,
    /// Commitments to it, 64 bytes each.
    pub input_commitments: Vec<Bytes>,
    /// The output, as cells.
    pub output_cells: Vec<i16>,
    /// The outputs in real units, one after the other.
    pub output_real: Vec<f32>,
    /// How many elements of the input are outside the published range.
    pub outside: usize,
    /// Layers in which cells were clamped.
    pub clamped: Vec<Clamped>,
    /// How many clamps a proof of it alone states.
    pub clamps: u32,
    /// Of a prompt that was continued: which part of the input is what.
    pub text: Option<Text>,
    /// The context of the request's trace.
    pub trace: Option<String>,
    /// A payment that is captured when the proof is there.
    pub payment: Option<Payment>,
    /// The id of the key that asked for it; `None`: nobody who is known.
    pub tenant: Option<String>,
    /// How many inferences a proof under the order's key has; of more than one the others are other buyers'.
    pub inferences: u32,
    /// Without an order: whom it may be proven with.
    pub company: Option<Company>,
    /// The batch that it is proven in, and its place there. Without an order, once there is a proof.
    pub batch: Option<String>,
    /// See [`Self::batch`].
    pub slot: Option<i64>,
    /// The escrow as JSON; `None` for a free job.
    pub escrow: Option<String>,
    /// The escrow's job id in the market.
    pub chain_job: Option<B256>,
    /// ABI-encoded data of the market's `JobFunded` event, once it was seen.
    pub funding: Option<Vec<u8>>,
    /// Where it is.
    pub state: State,
    /// Failed attempts so far.
    pub attempts: u32,
    /// When to give up.
    pub cancel_after_ms: Option<i64>,
    /// Whether its owner asked to stop it.
    pub cancel_requested: bool,
    /// The proof's binding context, once known.
    pub context: Option<B256>,
    /// The proof's blob.
    pub proof_hash: Option<B256>,
    /// Why it failed: a problem code and a sentence.
    pub error: Option<(String, String)>,
    /// When it was made, milliseconds since the epoch.
    pub created_ms: i64,
    /// When it last changed.
    pub updated_ms: i64,
}

pub(super) fn f32_bytes(values: &[f32]) -> Vec<u8> {
    values.iter().flat_map(|v| v.to_le_bytes()).collect()
}

pub(super) fn i16_bytes(values: &[i16]) -> Vec<u8> {
    values.iter().flat_map(|v| v.to_le_bytes()).collect()
}

fn chunks<const N: usize>(bytes: &[u8]) -> impl Iterator<Item = [u8; N]> + '_ {
    bytes.chunks_exact(N).filter_map(|c| c.try_into().ok())
}

fn hash(text: Option<String>, column: &'static str) -> Result<Option<B256>, StoreError> {
    text.map(|t| t.parse().map_err(|_| StoreError::Corrupt { column })).transpose()
}

fn text(row: &AnyRow) -> Result<Option<Text>, StoreError> {
    let text: Option<String> = row.try_get("text")?;
    text.map(|text| serde_json::from_str(&text).map_err(|_| StoreError::Corrupt { column: "text" })).transpose()
}

fn payment(row: &AnyRow) -> Result<Option<Payment>, StoreError> {
    let text: Option<String> = row.try_get("payment")?;
    text.map(|text| serde_json::from_str(&text).map_err(|_| StoreError::Corrupt { column: "payment" })).transpose()
}

impl Job {
    /// Whether somebody pays for it, by escrow or by a payment that is captured at its end.
    pub fn is_paid(&self) -> bool {
        self.chain_job.is_some() || self.payment.is_some()
    }

    pub(super) fn from_row(row: &AnyRow) -> Result<Self, StoreError> {
        let input: Option<Vec<u8>> = row.try_get("input")?;
        let blinding: Option<Vec<u8>> = row.try_get("blinding")?;
        let commitments: Vec<u8> = row.try_get("input_commitments")?;
        let state: String = row.try_get("state")?;
        let code: Option<String> = row.try_get("error_code")?;
        let detail: Option<String> = row.try_get("error_detail")?;
        Ok(Self {
            seq: row.try_get("seq")?,
            id: row.try_get("id")?,
            model: hash(row.try_get("model")?, "model")?.ok_or(StoreError::Corrupt { column: "model" })?,
            input: input.map(|data| InputOpening {
                data: chunks(&data).map(f32::from_le_bytes).collect(),
                blinding: chunks(&blinding.unwrap_or_default()).map(B256::from).collect(),
            }),
            input_commitments: chunks::<64>(&commitments).map(|c| Bytes::copy_from_slice(&c)).collect(),
            output_cells: chunks(&row.try_get::<Vec<u8>, _>("output_cells")?).map(i16::from_le_bytes).collect(),
            output_real: chunks(&row.try_get::<Vec<u8>, _>("output_real")?).map(f32::from_le_bytes).collect(),
            outside: usize::try_from(row.try_get::<i64, _>("outside")?)
                .map_err(|_| StoreError::Corrupt { column: "outside" })?,
            clamps: u32::try_from(row.try_get::<i64, _>("clamps")?)
                .map_err(|_| StoreError::Corrupt { column: "clamps" })?,
            clamped: serde_json::from_str(row.try_get("clamped")?)
                .map_err(|_| StoreError::Corrupt { column: "clamped" })?,
            inferences: u32::try_from(row.try_get::<i64, _>("inferences")?)
                .map_err(|_| StoreError::Corrupt { column: "inferences" })?,
            text: text(row)?,
            trace: row.try_get("trace")?,
            payment: payment(row)?,
            tenant: row.try_get("tenant")?,
            company: row.try_get::<Option<String>, _>("company")?.as_deref().and_then(Company::parse),
            batch: row.try_get("batch")?,
            slot: row.try_get("slot")?,
            escrow: row.try_get("escrow")?,
            chain_job: hash(row.try_get("chain_job")?, "chain_job")?,
            funding: row.try_get("funding")?,
            state: state.parse().map_err(|_| StoreError::Corrupt { column: "state" })?,
            attempts: u32::try_from(row.try_get::<i64, _>("attempts")?)
                .map_err(|_| StoreError::Corrupt { column: "attempts" })?,
            cancel_after_ms: row.try_get("cancel_after_ms")?,
            cancel_requested: row.try_get::<i64, _>("cancel_requested")? != 0,
            context: hash(row.try_get("context")?, "context")?,
            proof_hash: hash(row.try_get("proof_hash")?, "proof_hash")?,
            error: code.map(|c| (c, detail.unwrap_or_default())),
            created_ms: row.try_get("created_ms")?,
            updated_ms: row.try_get("updated_ms")?,
        })
    }
}
