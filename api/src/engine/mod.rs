//! The seam between the service and the proof system: what the service needs of a prover, and nothing else.
//!
//! The service never looks inside a proof. It gives an [`Engine`] real-valued inputs and gets outputs, commitments and
//! proof bytes (`docs/protocol.md`, section 8). Every method is blocking and CPU-bound: the service calls them off the
//! async runtime.

pub mod native;
mod tensors;

pub use assay_circuits::exec::DecodeError;
pub use assay_prover::statement::output_bytes;
pub use tensors::{Inputs, Outputs, Outside, TensorInfo, outside};

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::routes::schemas::{Hash, Hex, Point};
use alloy::primitives::{B256, Bytes, keccak256};
use serde::{Deserialize, Serialize};
use tokio::sync::Notify;
use utoipa::ToSchema;

/// A model that this server can prove.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct ModelInfo {
    /// The id under which requests name it: the on-chain `modelId` where it is listed.
    #[schema(value_type = Hash)]
    pub id: B256,
    /// A name for people.
    pub name: String,
    /// Digest of the circuit shape (`docs/protocol.md`, section 8).
    #[schema(value_type = Hash)]
    pub shape_digest: B256,
    /// Digest of the weight commitments.
    #[schema(value_type = Hash)]
    pub model_commitment: B256,
    /// Hash of the verifying key.
    #[schema(value_type = Hash)]
    pub key_hash: B256,
    /// Keys under which inferences of several buyers are proven together, the smallest first.
    #[serde(default)]
    pub batches: Vec<BatchKey>,
    /// The proof system of that key: `universal`, whose keys anybody derives, or `groth16`.
    pub wrap: String,
    /// The input tensors, with the ranges that the model is made for.
    pub inputs: Vec<TensorInfo>,
    /// The output tensors.
    pub outputs: Vec<TensorInfo>,
    /// How many 32-byte blinding scalars a private input has: one per committed input chunk.
    pub input_chunks: u32,
    /// How many tokens prompt and answer may have together, of a model that takes tokens and gives the likeliest next
    /// one for each.
    #[serde(default)]
    pub text_length: Option<u32>,
    /// Weights and biases as they are stored, with what pads their axes: what else there is of a model is not public.
    pub parameters: u64,
    /// Whether proofs under the key can be forged: by the maker of a Groth16 key, or by anybody over the development
    /// SRS.
    pub development: bool,
}

/// A key of a model for several inferences in one proof, each with input commitments of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct BatchKey {
    /// How many inferences a proof has.
    pub inferences: u32,
    /// Hash of the verifying key.
    #[schema(value_type = Hash)]
    pub key_hash: B256,
}

impl ModelInfo {
    /// How many inferences the proofs under a key have; `None` if the key is none of the model's.
    pub fn inferences_of(&self, key_hash: B256) -> Option<u32> {
        let batch = || self.batches.iter().find(|batch| batch.key_hash == key_hash).map(|batch| batch.inferences);
        if key_hash == self.key_hash { Some(1) } else { batch() }
    }

    /// Number of elements of all inputs. `None` if a shape overflows.
    pub fn input_len(&self) -> Option<usize> {
        self.inputs.iter().try_fold(0usize, |n, input| n.checked_add(input.len()?))
    }
}

/// Cells of a layer that were clamped: what was computed there did not fit, and the nearest number that does stands for
/// it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Clamped {
    /// The layer's name.
    pub layer: String,
    /// How many cells.
    pub cells: usize,
}

/// An input in real units and what opens its commitment. Debug output shows how long they are.
#[derive(Clone, PartialEq)]
pub struct InputOpening {
    /// All inputs one after the other, each row-major.
    pub data: Vec<f32>,
    /// One canonical scalar (big-endian) per input chunk; empty means zero blinding: a public input.
    pub blinding: Vec<B256>,
}

impl std::fmt::Debug for InputOpening {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { data, blinding } = self;
        f.debug_struct("InputOpening").field("data", &data.len()).field("blinding", &blinding.len()).finish()
    }
}

/// What the exact executor computes, before any proof.
#[derive(Clone, Debug, PartialEq)]
pub struct Execution {
    /// Output cells: the integers that the proof is about.
    pub output_cells: Vec<i16>,
    /// The same in real units.
    pub output_real: Vec<f32>,
    /// Commitments to the input, 64 bytes (`x ‖ y`, big-endian) per chunk.
    pub input_commitments: Vec<Bytes>,
    /// Layers in which cells were clamped where that changes what is read of them.
    pub clamped: Vec<Clamped>,
    /// The number of clamps that a proof states: 0 exactly where no cell was clamped.
    pub clamps: u32,
}

/// A finished proof with what it is a proof of.
#[derive(Clone, Debug, PartialEq)]
pub struct ProofBundle {
    /// Proof bytes as the contract takes them.
    pub proof: Vec<u8>,
    /// Output cells.
    pub output_cells: Vec<i16>,
    /// The number of clamps.
    pub clamps: u32,
    /// Commitments to the input, 64 bytes per chunk.
    pub input_commitments: Vec<Bytes>,
}

/// Everything that the proof system's verifier is given.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Claim {
    /// The binding context. Reduced modulo the scalar field's order by the engine.
    #[schema(value_type = Hash)]
    pub context: B256,
    /// Commitments to the input, 64 bytes per chunk.
    #[schema(value_type = Vec<Point>)]
    pub input_commitments: Vec<Bytes>,
    /// Output cells.
    pub output_cells: Vec<i16>,
    /// The number of clamps that the proof states.
    #[serde(default)]
    pub clamps: u32,
    /// Proof bytes.
    #[schema(value_type = Hex)]
    pub proof: Bytes,
}

/// `keccak256` of the concatenated input commitments: what an order names.
pub fn input_digest(commitments: &[Bytes]) -> B256 {
    keccak256(commitments.iter().flat_map(|c| c.iter().copied()).collect::<Vec<u8>>())
}

/// How far a proof is.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Progress {
    /// The phase, e.g. `commit`, `lookup`, `open`, `wrap`.
    pub phase: &'static str,
    /// Share of the whole proof that is done, 0 to 1.
    pub fraction: f32,
}

/// Is told how far a proof is, with growing fractions.
pub type Report<'a> = &'a (dyn Fn(Progress) + Send + Sync);

/// The second half of a proof: blocking and CPU-bound like the first, it makes what that left into a proof that may
/// leave this machine. It checks the [`Cancel`] now and then.
pub type Wrap = Box<dyn FnOnce(&Cancel, Report<'_>) -> Result<ProofBundle, EngineError> + Send>;

/// Asks a proof to stop, whether it is being made or waits for its turn. Clones share one flag.
#[derive(Clone, Debug, Default)]
pub struct Cancel(Arc<Flag>);

#[derive(Debug, Default)]
struct Flag {
    raised: AtomicBool,
    told: Notify,
}

impl Cancel {
    /// A flag that is not raised.
    pub fn new() -> Self {
        Self::default()
    }

    /// Raises the flag. The proof ends with [`EngineError::Cancelled`] at its next check.
    pub fn cancel(&self) {
        self.0.raised.store(true, Ordering::Relaxed);
        self.0.told.notify_waiters();
    }

    /// The flag itself.
    pub fn flag(&self) -> &AtomicBool {
        &self.0.raised
    }

    /// Whether the flag is raised.
    pub fn is_cancelled(&self) -> bool {
        self.0.raised.load(Ordering::Relaxed)
    }

    /// Resolves when the flag is raised.
    pub async fn cancelled(&self) {
        // made before the flag is looked at, so that nothing is missed in between
        let told = self.0.told.notified();
        if !self.is_cancelled() {
            told.await;
        }
    }
}

/// Why the engine did not do what it was asked.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum EngineError {
    /// No such model.
    #[error("model {id} is not served here")]
    UnknownModel {
        /// The id that was asked for.
        id: B256,
    },
    /// There is no key for so many inferences in a proof.
    #[error("the model has no key here for {inferences} inferences in a proof")]
    NoBatchKey {
        /// How many.
        inferences: usize,
    },
    /// The key that an order names is not here any more.
    #[error(
        "the order is for proofs of {inferences} inferences under key {key_hash}, which is not here: put its files \
         back beside the package"
    )]
    KeyGone {
        /// The key that the order names.
        key_hash: B256,
        /// How many inferences its proofs have.
        inferences: u32,
    },
    /// The input has another number of elements than the model's.
    #[error("the input has {have} values and the model takes {need}")]
    InputLength {
        /// Values given.
        have: usize,
        /// Values needed.
        need: usize,
    },
    /// An input value is NaN or infinite.
    #[error("input value {index} is not a finite number")]
    InputNotFinite {
        /// Its position.
        index: usize,
    },
    /// The request names inputs and this one is missing.
    #[error("input {name:?} is missing")]
    InputMissing {
        /// The input.
        name: String,
    },
    /// The request names an input that the model does not have.
    #[error("the model has no input {name:?}")]
    InputUnknown {
        /// The name.
        name: String,
    },
    /// The input that the request names has the wrong number of values.
    #[error("input {name:?} has {have} values and the model takes {need}")]
    InputElements {
        /// The input.
        name: String,
        /// Number of values given.
        have: usize,
        /// Number of values needed.
        need: usize,
    },
    /// A value that the model is not made for.
    #[error(
        "value {index} of input {name:?} is {value}, and the model is made for {low} to {high}: what it answers there \
         means little (`allow_clamping`, or `--allow-clamping` of the command, proves it all the same)"
    )]
    OutsideRange {
        /// The input.
        name: String,
        /// The value's position in it.
        index: usize,
        /// The value.
        value: f32,
        /// The smallest that the model is made for.
        low: f32,
        /// The largest.
        high: f32,
    },
    /// Wrong number of blinding scalars.
    #[error("{have} blinding scalars given; the model takes none (public input) or {need}")]
    BlindingLength {
        /// Scalars given.
        have: usize,
        /// Scalars needed.
        need: usize,
    },
    /// A blinding scalar is not below the field's order.
    #[error("blinding scalar {index} is not a canonical field element")]
    BlindingNotCanonical {
        /// Its position.
        index: usize,
    },
    /// The prompt cannot be continued.
    #[error(transparent)]
    Decode(DecodeError),
    /// The proof was stopped through its [`Cancel`].
    #[error("the proof was cancelled")]
    Cancelled,
    /// The claim does not verify.
    #[error("the proof does not verify")]
    Rejected(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// The prover failed.
    #[error("the prover failed")]
    Internal(#[source] Box<dyn std::error::Error + Send + Sync>),
}

/// A prover and verifier for a fixed set of models.
pub trait Engine: Send + Sync + 'static {
    /// The models, in a stable order.
    fn models(&self) -> Vec<ModelInfo>;

    /// Runs the exact executor and commits to the input. Errors: an unknown model, or an input that does not fit it.
    fn execute(&self, model: B256, input: &InputOpening) -> Result<Execution, EngineError>;

    /// Commits to an input. Errors: as [`Engine::execute`].
    fn commit(&self, model: B256, input: &InputOpening) -> Result<Vec<Bytes>, EngineError> {
        Ok(self.execute(model, input)?.input_commitments)
    }

    /// The prompt, `answer` more tokens, each the likeliest behind those before it, and token 0 up to the model's
    /// length: the input whose output shows all of the answer. Checks `cancel` before each token. Errors: an unknown
    /// model, [`EngineError::Decode`].
    fn decode(&self, model: B256, _prompt: &[f32], _answer: usize, _cancel: &Cancel) -> Result<Vec<f32>, EngineError> {
        let known = self.models().iter().any(|info| info.id == model);
        Err(if known {
            EngineError::Decode(DecodeError::NotGenerative)
        } else {
            EngineError::UnknownModel { id: model }
        })
    }

    /// The first half of a proof of one inference, or of as many as one of the model's [`BatchKey`]s has, bound to
    /// `context`: everything up to the inner proof. The bundle is of all of them, one after the other. Checks `cancel`
    /// now and then. What it returns makes the rest, and holds little memory until then. The service makes one first
    /// half and one second half at a time, so an engine needs memory for one of each.
    fn prove_inner(
        &self,
        model: B256,
        inputs: &[InputOpening],
        context: B256,
        cancel: &Cancel,
        progress: Report<'_>,
    ) -> Result<Wrap, EngineError>;

    /// Both halves of a proof of one inference, one after the other.
    fn prove(
        &self,
        model: B256,
        input: &InputOpening,
        context: B256,
        cancel: &Cancel,
        progress: Report<'_>,
    ) -> Result<ProofBundle, EngineError> {
        self.prove_inner(model, std::slice::from_ref(input), context, cancel, progress)?(cancel, progress)
    }

    /// The bytes of a model's KEY file: what a buyer recomputes and verifies with. Errors: an unknown model.
    fn key(&self, model: B256) -> Result<Vec<u8>, EngineError>;

    /// The bytes of an SRS file with the first `2^log + 1` powers of tau of the SRS that a model is over; at most, and
    /// without `log`, as many as computing its key again takes. Errors: an unknown model.
    fn srs(&self, model: B256, log: Option<u32>) -> Result<Vec<u8>, EngineError>;

    /// Verifies a claim natively, under the key for as many inferences as it has input commitments.
    /// [`EngineError::Rejected`] if it is false or malformed.
    fn verify(&self, model: B256, claim: &Claim) -> Result<(), EngineError>;
}
