//! Proof files: a claim and its proof, as JSON. Nothing in a file is believed: [`ProofFile::verify`] recomputes what
//! can be recomputed.

use crate::tensors::{Outputs, real_outputs};
use alloy_primitives::{B256, Bytes};
use ark_bn254::Fr;
use ark_ff::PrimeField;
use assay_circuits::batch::Batch;
use assay_prover::key::{KeyError, PublicModel};
use assay_prover::native::{self, Claim, NativeProof, ProofError};
use assay_prover::package::points_from_bytes;
use assay_prover::pcs::encode;
use assay_prover::wrap::{self, WrapVerifyingKey, WrappedProof};
use serde::{Deserialize, Serialize};

/// The version of the format.
const VERSION: u32 = 3;

/// Which proof a file holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// The wrapped proof: zero-knowledge, for contracts.
    Wrapped,
    /// The inner proof: not zero-knowledge.
    Inner,
}

/// A claim and its proof.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ProofFile {
    /// Version of the format.
    pub version: u32,
    /// Which proof it is.
    pub kind: Kind,
    /// Digest of the shape and the weight commitments.
    pub model_commitment: B256,
    /// Hash of the verifying key of a wrapped proof.
    pub key_hash: Option<B256>,
    /// How many inferences the proof is of.
    pub inferences: usize,
    /// Whether each has input commitments of its own.
    pub separate_inputs: bool,
    /// What the proof is bound to, before reduction by the field's order.
    pub context: B256,
    /// Commitments to the inputs, 64 bytes each.
    pub input_commitments: Vec<Bytes>,
    /// Output cells of all inferences, one after the other.
    pub output: Vec<i16>,
    /// How many clamps the proof states, in all inferences: 0 exactly where no value had to be clamped to fit its
    /// width.
    pub clamps: u32,
    /// The outputs in real units, for each inference a list, or one for each output where the model has several.
    pub output_data: Vec<Outputs>,
    /// Of a proof that was bought together with others': which inference is the buyer's, from 0.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub index: Option<usize>,
    /// The proof.
    pub proof: Bytes,
}

/// The statement of a proof that several buyers share, and a buyer's place in it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Shared {
    /// Which inference is the buyer's, from 0.
    pub index: usize,
    /// How many inferences the proof is of.
    pub inferences: usize,
    /// Commitments to all inputs.
    pub input_commitments: Vec<Bytes>,
    /// The cells of all outputs.
    pub output_cells: Vec<i16>,
    /// How many clamps the proof states, in all inferences.
    pub clamps: u32,
}

/// What of a service's answer a proof is about.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Answer {
    /// Commitments to the input, 64 bytes each.
    pub input_commitments: Vec<Bytes>,
    /// The output's cells.
    pub output_cells: Vec<i16>,
    /// The output in real units.
    pub output: Outputs,
    /// How many clamps the proof states.
    pub clamps: u32,
    /// What the proof is bound to.
    pub context: B256,
    /// Where the proof is of other buyers' inferences too.
    #[serde(default)]
    pub shared: Option<Shared>,
}

/// Why a proof file does not hold, or cannot be looked at.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Invalid {
    /// The text is no proof file.
    #[error("no proof file, or a truncated one: {0}")]
    Json(#[from] serde_json::Error),
    /// Another version of the format.
    #[error("the file has the version {have}, and this program reads {VERSION}")]
    Version {
        /// The file's.
        have: u32,
    },
    /// There is no key for it.
    #[error("a wrapped proof is verified with the buyer's key: pass MODEL.key")]
    NoKey,
    /// Another model's proof.
    #[error("the proof is for another model")]
    OtherModel,
    /// A proof under another key.
    #[error("the proof is for another key of the model")]
    OtherKey,
    /// A proof under a key for another batch.
    #[error("the proof is of {proof} and the key is for {key}: pass the key that it was made with")]
    OtherBatch {
        /// The proof's.
        proof: Batch,
        /// The key's.
        key: Batch,
    },
    /// The number of inferences is no batch.
    #[error("a batch is a power of two from 2 to {}", 1 << assay_circuits::batch::MAX_LOG_BATCH)]
    Size,
    /// One inference that says that its input is separate.
    #[error("the input of one inference cannot be separate")]
    Separate,
    /// A buyer's place that is none.
    #[error("index is {0}, and the proof is of one buyer, or of fewer inferences")]
    Index(usize),
    /// An inner proof that names a key.
    #[error("an inner proof has no key: key_hash must be null")]
    InnerKey,
    /// An input commitment is malformed.
    #[error("an input commitment is not a point of the curve")]
    InputCommitment,
    /// The numbers beside the cells are others.
    #[error("output_data is not what the output's cells say")]
    OutputData,
    /// The service's numbers are others than its cells.
    #[error("the prediction's output is not what its cells say")]
    AnswerOutput,
    /// The shared proof has something else in the buyer's place.
    #[error("the {0} is another inference's")]
    OtherInference(&'static str),
    /// The proof does not verify.
    #[error(transparent)]
    Proof(#[from] ProofError),
    /// The model cannot be used.
    #[error(transparent)]
    Key(#[from] KeyError),
}

impl Invalid {
    /// Whether the user passed the wrong thing, and nothing is said about the proof.
    pub fn is_input(&self) -> bool {
        matches!(self, Self::Json(_) | Self::Version { .. } | Self::NoKey)
    }
}

/// The binding context as a scalar: reduced modulo the field's order, as the market does.
pub fn context_scalar(context: B256) -> Fr {
    Fr::from_be_bytes_mod_order(context.as_slice())
}

/// A context as people write it: 0x and 64 digits, or a text, whose hash is taken. `None` for another number of digits.
pub fn parse_context(text: &str) -> Option<B256> {
    if text.starts_with("0x") { text.parse().ok() } else { Some(encode::keccak(&[text.as_bytes()]).into()) }
}

impl Answer {
    /// What the key has to be for: one inference, or as many as several buyers' share a proof. `None`: there is no such
    /// proof.
    pub fn batch(&self) -> Option<Batch> {
        Batch::of(self.shared.as_ref().map_or(1, |shared| shared.inferences), true)
    }
}

impl ProofFile {
    /// A file for a claim.
    pub fn new(
        model: &PublicModel,
        key: Option<&WrapVerifyingKey>,
        context: B256,
        claim: &Claim,
        proof: Vec<u8>,
    ) -> Self {
        let commitments = claim.input.iter().map(|p| Bytes::copy_from_slice(&encode::g1_bytes(p))).collect();
        Self::of_bytes(model, key, context, commitments, (claim.output.clone(), claim.clamps), proof)
    }

    /// A file for a claim that is not decoded.
    pub fn of_bytes(
        model: &PublicModel,
        key: Option<&WrapVerifyingKey>,
        context: B256,
        input_commitments: Vec<Bytes>,
        (output, clamps): (Vec<i16>, u32),
        proof: Vec<u8>,
    ) -> Self {
        Self {
            version: VERSION,
            kind: if key.is_some() { Kind::Wrapped } else { Kind::Inner },
            model_commitment: model.commitment().into(),
            key_hash: key.map(|k| k.hash(model).into()),
            inferences: model.shape.batch.inferences(),
            separate_inputs: model.shape.batch.is_separate(),
            context,
            input_commitments,
            output_data: real_outputs(&model.shape, &output),
            output,
            clamps,
            index: None,
            proof: proof.into(),
        }
    }

    /// What a service answered, as a file. Model and key are the user's, and for as many inferences as
    /// [`Answer::batch`] says. Errors: [`Invalid::AnswerOutput`], [`Invalid::OtherInference`].
    pub fn of_answer(
        model: &PublicModel,
        key: &WrapVerifyingKey,
        answer: Answer,
        proof: Vec<u8>,
    ) -> Result<Self, Invalid> {
        let Answer { input_commitments, output_cells, output, clamps, context, shared } = answer;
        let file = match shared {
            None => Self::of_bytes(model, Some(key), context, input_commitments, (output_cells, clamps), proof),
            Some(all) => {
                let part = |len: usize| all.index.saturating_mul(len)..all.index.saturating_add(1).saturating_mul(len);
                if all.output_cells.get(part(output_cells.len())) != Some(&output_cells) {
                    return Err(Invalid::OtherInference("output"));
                }
                if all.input_commitments.get(part(input_commitments.len())) != Some(&input_commitments) {
                    return Err(Invalid::OtherInference("input"));
                }
                let file = Self::of_bytes(
                    model,
                    Some(key),
                    context,
                    all.input_commitments,
                    (all.output_cells, all.clamps),
                    proof,
                );
                Self { index: Some(all.index), ..file }
            }
        };
        if file.own_output_data().first() == Some(&output) { Ok(file) } else { Err(Invalid::AnswerOutput) }
    }

    /// The buyer's output cells, where the proof is one that was bought.
    pub fn own_output(&self) -> &[i16] {
        let Some(index) = self.index else { return &self.output };
        let len = self.output.len() / self.inferences.max(1);
        self.output.get(index.saturating_mul(len)..index.saturating_add(1).saturating_mul(len)).unwrap_or_default()
    }

    /// The same in real units.
    pub fn own_output_data(&self) -> &[Outputs] {
        let Some(index) = self.index else { return &self.output_data };
        self.output_data.get(index..index.saturating_add(1)).unwrap_or_default()
    }

    /// Of a proof that was bought together with others', what its key has to be for: it is derived from the buyer's key
    /// for one inference.
    pub fn shared_batch(&self) -> Option<Batch> {
        self.index.and_then(|_| Batch::of(self.inferences, self.separate_inputs))
    }

    /// Which of the proof's input commitments are those of `inputs` samples: the buyer's place, or the first ones. All
    /// of them where a batch's inputs are committed to together.
    pub fn commitments_of(&self, samples: usize) -> std::ops::Range<usize> {
        let all = self.input_commitments.len();
        let one = all / self.inferences.max(1);
        match self.index {
            _ if !self.separate_inputs => 0..all,
            None => 0..one.saturating_mul(samples).min(all),
            Some(index) => {
                index.saturating_mul(one).min(all)..index.saturating_add(samples).saturating_mul(one).min(all)
            }
        }
    }

    /// Reads a file's text. Errors: [`Invalid::Json`], [`Invalid::Version`].
    pub fn parse(text: &[u8]) -> Result<Self, Invalid> {
        let file: Self = serde_json::from_slice(text)?;
        if file.version == VERSION { Ok(file) } else { Err(Invalid::Version { have: file.version }) }
    }

    /// The claim, with its points decoded.
    fn claim(&self) -> Result<Claim, Invalid> {
        let mut input = Vec::new();
        for bytes in &self.input_commitments {
            input.extend(points_from_bytes(bytes).filter(|points| points.len() == 1).ok_or(Invalid::InputCommitment)?);
        }
        Ok(Claim { input, output: self.output.clone(), clamps: self.clamps, context: context_scalar(self.context) })
    }

    /// Verifies everything that the file says; `model` is the key's where there is one. **What the key says of itself
    /// is not looked at**: see [`PublicModel::recompute`]. Errors: [`Invalid`].
    pub fn verify(&self, model: &PublicModel, key: Option<&WrapVerifyingKey>) -> Result<(), Invalid> {
        if self.model_commitment != B256::from(model.commitment()) {
            return Err(Invalid::OtherModel);
        }
        let claim = self.claim()?;
        let batch = Batch::of(self.inferences, self.separate_inputs).ok_or(Invalid::Size)?;
        if batch.is_separate() != self.separate_inputs {
            return Err(Invalid::Separate);
        }
        if let Some(index) = self.index.filter(|index| *index >= self.inferences || !self.separate_inputs) {
            return Err(Invalid::Index(index));
        }
        match (self.kind, key) {
            (Kind::Wrapped, None) => return Err(Invalid::NoKey),
            (Kind::Wrapped, Some(key)) => {
                if batch != model.shape.batch {
                    return Err(Invalid::OtherBatch { proof: batch, key: model.shape.batch });
                }
                if self.key_hash != Some(key.hash(model).into()) {
                    return Err(Invalid::OtherKey);
                }
                let proof = WrappedProof::from_bytes(&model.shape, key.system(), &self.proof)?;
                wrap::verify(model, key, &claim, &proof)?;
            }
            (Kind::Inner, _) if self.key_hash.is_some() => return Err(Invalid::InnerKey),
            (Kind::Inner, _) => {
                let model = model.batched(batch)?;
                native::verify(&model, &claim, &NativeProof::from_bytes(&model, &self.proof)?)?;
            }
        }
        // the proof is about the cells: the real numbers beside them must say the same
        if self.output_data == real_outputs(&model.shape, &self.output) { Ok(()) } else { Err(Invalid::OutputData) }
    }
}
