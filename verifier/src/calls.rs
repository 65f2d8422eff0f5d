//! The verifier for callers that speak JSON, such as a browser: a [`Session`] that holds keys, and calls with their
//! answers.
//!
//! Files come as bytes beside a call. Randomness comes from the caller.

use crate::proof_file::{Answer, Invalid, ProofFile, parse_context};
use crate::tensors::{TensorInfo, inputs, outputs};
use alloy_primitives::{B256, Bytes};
use ark_bn254::{Fr, G1Affine};
use ark_ff::PrimeField;
use assay_circuits::batch::Batch;
use assay_circuits::exec::{ExecError, quantise_input};
use assay_circuits::model::Architecture;
use assay_circuits::shape::Shape;
use assay_prover::derived::{Nowhere, Recomputed};
use assay_prover::key::KeyError;
use assay_prover::package::{BuyerKey, FileError};
use assay_prover::pcs::encode::{self, Reader};
use assay_prover::seller::{InputOpening, ProveError};
use assay_prover::srs::{Srs, SrsError, file};
use assay_prover::wrap::{System, WrapVerifyingKey};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::cell::Cell;
use std::path::Path;

/// Bytes of randomness that a blinding value is made of.
pub const ENTROPY_BYTES: usize = 64;

/// What a caller asks for.
#[derive(Debug, Deserialize)]
#[serde(tag = "call", rename_all = "snake_case")]
pub enum Call {
    /// Opens a key; the bytes are those of the KEY file.
    Open,
    /// Forgets a key.
    Close {
        /// Its number.
        key: usize,
    },
    /// Takes powers of tau for keys that are not over the development SRS; the bytes are those of the SRS file.
    Srs,
    /// Computes a key again.
    Recompute {
        /// Its number.
        key: usize,
    },
    /// Derives the key of the same model for proofs of several buyers' inferences.
    Batched {
        /// The key's number.
        key: usize,
        /// How many inferences, a power of two.
        inferences: usize,
    },
    /// Verifies a proof.
    Verify(Box<Verify>),
    /// Commits to an input.
    Commit(Commit),
}

/// What is to be verified.
#[derive(Debug, Deserialize)]
pub struct Verify {
    /// The number of the key.
    key: usize,
    /// The text of a proof file.
    #[serde(default)]
    file: Option<String>,
    /// What a service answered; the bytes are the proof.
    #[serde(default)]
    answer: Option<Answer>,
    /// The context that the proof must be bound to.
    #[serde(default)]
    context: Option<String>,
    /// The commitment of the model that it must be of.
    #[serde(default)]
    model_commitment: Option<B256>,
    /// Public inputs that it must be about: those of the first inferences, each with all tensors one after the other.
    #[serde(default)]
    inputs: Vec<Vec<f32>>,
}

/// What is to be committed to.
#[derive(Debug, Deserialize)]
pub struct Commit {
    /// The number of the key.
    key: usize,
    /// An input for each inference, with all tensors one after the other. The last one fills a batch up.
    inputs: Vec<Vec<f32>>,
    /// A blinding value for each input chunk.
    #[serde(default)]
    blinding: Option<Vec<B256>>,
    /// Instead of them, [`ENTROPY_BYTES`] random bytes for each.
    #[serde(default)]
    entropy: Option<Bytes>,
}

/// Why a call has no answer.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CallError {
    /// The call is malformed.
    #[error("the call is malformed: {0}")]
    Call(#[from] serde_json::Error),
    /// No such key.
    #[error("no key {0} is open")]
    Closed(usize),
    /// The bytes are no key, or a degenerate one.
    #[error(transparent)]
    File(#[from] FileError),
    /// The key is not what its model's description gives.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// The bytes are no SRS.
    #[error(transparent)]
    Srs(#[from] SrsError),
    /// There are no powers of tau for this key.
    #[error("the key is over the SRS {0}, whose powers are not here: load its SRS file first")]
    NoSrs(B256),
    /// A Groth16 key for another number of inferences.
    #[error(
        "the proof is of {0}, and only a universal key gives the keys of other numbers of inferences: open the Groth16 \
         key of that number"
    )]
    Batch(Batch),
    /// The input does not fit the model.
    #[error(transparent)]
    Input(#[from] ExecError),
    /// The number of inputs is wrong.
    #[error("there are {have} inputs and a proof under the key has 1 to {most}")]
    Inputs {
        /// How many there are.
        have: usize,
        /// How many there may be.
        most: usize,
    },
    /// A blinding value is no field element.
    #[error("blinding value {0} is not below the field's order")]
    Blinding(usize),
    /// The randomness has the wrong length.
    #[error("there are {have} random bytes, and {need} are needed")]
    Entropy {
        /// How many there are.
        have: usize,
        /// How many are needed.
        need: usize,
    },
    /// The commitment fails.
    #[error(transparent)]
    Commit(#[from] ProveError),
    /// There is nothing to verify, or too much.
    #[error("pass a proof file or a service's answer, one of them")]
    Nothing,
    /// No proof has so many inferences.
    #[error("a proof of several buyers' inferences has a power of two of them, from 2 to \
        {}", 1 << assay_circuits::batch::MAX_LOG_BATCH)]
    Size,
    /// The context that is asked for is none.
    #[error("a context is 0x and 64 hex digits, or a text that does not begin with 0x")]
    Context,
}

impl CallError {
    /// A short name for programs.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Call(_) | Self::Nothing | Self::Context | Self::Size => "malformed_call",
            Self::Closed(_) => "closed",
            Self::File(_) => "malformed_key",
            Self::Key(_) => "false_key",
            Self::Srs(_) => "malformed_srs",
            Self::NoSrs(_) => "no_srs",
            Self::Batch(_) => "no_batch",
            Self::Input(_) | Self::Inputs { .. } => "input",
            Self::Blinding(_) | Self::Entropy { .. } | Self::Commit(_) => "blinding",
        }
    }
}

/// A key, and what of it was computed again.
struct Opened {
    key: BuyerKey,
    recomputed: Option<Recomputed>,
    /// Keys of the same model for proofs of several buyers' inferences, derived from it.
    batches: Vec<(Batch, BuyerKey)>,
}

impl Opened {
    /// The key for a batch, if it was derived.
    fn of(&self, batch: Option<Batch>) -> &BuyerKey {
        self.batches.iter().find(|(of, _)| Some(*of) == batch).map_or(&self.key, |(_, key)| key)
    }
}

/// What is to be verified.
enum Subject {
    File(Box<ProofFile>),
    Answer(Box<Answer>),
}

/// Keys and powers of tau that calls are about.
#[derive(Default)]
pub struct Session {
    keys: Vec<Option<Opened>>,
    srs: Option<Srs>,
    /// Whether these are the powers of one number, which takes long to find out.
    srs_checked: Cell<bool>,
}

/// What a key is for.
#[derive(Serialize)]
struct Description {
    key: usize,
    name: String,
    model_commitment: B256,
    key_hash: B256,
    shape_digest: B256,
    srs_id: B256,
    /// Whether it is over the development SRS, which is known to everybody.
    development_srs: bool,
    /// Of another SRS: log of the powers that committing to an input takes, and of those that computing the key again
    /// takes.
    chunk_log: u32,
    srs_log: u32,
    wrap: &'static str,
    development: bool,
    inferences: usize,
    separate_inputs: bool,
    input_chunks: usize,
    inputs: Vec<TensorInfo>,
    outputs: Vec<TensorInfo>,
}

impl Session {
    /// Answers a call: JSON with the answer, or with `error`, a `code` and a `message`.
    pub fn answer(&mut self, call: &[u8], bytes: Vec<u8>) -> Value {
        let called = serde_json::from_slice(call).map_err(CallError::from).and_then(|call| self.call(call, bytes));
        called.unwrap_or_else(|error| json!({ "error": { "code": error.code(), "message": error.to_string() } }))
    }

    fn call(&mut self, call: Call, bytes: Vec<u8>) -> Result<Value, CallError> {
        match call {
            Call::Open => Ok(serde_json::to_value(self.open(bytes)?)?),
            Call::Close { key } => {
                self.keys.get_mut(key).and_then(Option::take).ok_or(CallError::Closed(key))?;
                Ok(json!({}))
            }
            Call::Srs => {
                let srs = file::from_bytes(&bytes)?;
                let answer = json!({ "srs_id": B256::from(srs.id()), "powers": srs.g1.len() });
                (self.srs, self.srs_checked) = (Some(srs), Cell::new(false));
                Ok(answer)
            }
            Call::Recompute { key } => {
                let recomputed = self.recompute(key)?;
                let BuyerKey { model, .. } = &self.opened(key)?.key;
                Ok(json!({
                    "shape": true, "tables": recomputed.is_some(), "wrap": recomputed.is_some_and(|done| done.wrap),
                    "srs_id": B256::from(model.srs.id), "development_srs": model.srs.development,
                }))
            }
            Call::Batched { key, inferences } => {
                let batch = Batch::of(inferences, true).ok_or(CallError::Size)?;
                self.recompute(key)?;
                self.derive_for(key, batch)?;
                let BuyerKey { model, wrap, .. } = self.opened(key)?.of(Some(batch));
                Ok(json!({ "inferences": inferences, "key_hash": B256::from(wrap.hash(model)) }))
            }
            Call::Verify(verify) => self.verify(*verify, bytes),
            Call::Commit(commit) => self.commit(commit),
        }
    }

    fn opened(&self, key: usize) -> Result<&Opened, CallError> {
        self.keys.get(key).and_then(Option::as_ref).ok_or(CallError::Closed(key))
    }

    fn open(&mut self, bytes: Vec<u8>) -> Result<Description, CallError> {
        let key = BuyerKey::from_bytes(bytes, Path::new("the key"))?;
        let (shape, srs) = (&key.model.shape, &key.model.srs);
        let description = Description {
            key: self.keys.len(),
            name: key.metadata.name.clone(),
            model_commitment: key.model.commitment().into(),
            key_hash: key.wrap.hash(&key.model).into(),
            shape_digest: shape.model_digest.into(),
            srs_id: srs.id.into(),
            development_srs: srs.development,
            chunk_log: shape.layout.log_chunk,
            srs_log: key.wrap.srs_log(shape),
            wrap: key.wrap.system().name(),
            development: key.is_development(),
            inferences: shape.batch.inferences(),
            separate_inputs: shape.batch.is_separate(),
            input_chunks: shape.layout.input_region.chunks,
            inputs: inputs(&shape.architecture),
            outputs: outputs(&shape.architecture),
        };
        self.keys.push(Some(Opened { key, recomputed: None, batches: Vec::new() }));
        Ok(description)
    }

    /// The powers of a key's SRS, if as many as `2^log` were given. The development SRS needs none.
    fn powers(&self, key: &BuyerKey, log: u32) -> Option<&Srs> {
        self.srs.as_ref().filter(|srs| srs.id() == key.model.srs.id && srs.max_log() >= log)
    }

    /// Computes a key again, once. `None` where that takes powers that were not given. Errors: [`CallError::Key`] for a
    /// false key, which is closed.
    fn recompute(&mut self, at: usize) -> Result<Option<Recomputed>, CallError> {
        let Opened { key, recomputed, .. } = self.opened(at)?;
        if recomputed.is_some() {
            return Ok(*recomputed);
        }
        let done = match (key.model.srs.development, self.powers(key, key.wrap.srs_log(&key.model.shape))) {
            (true, _) => key.model.recompute_development(Some(&key.wrap)).map(Some),
            (false, Some(srs)) => {
                key.model.recompute::<KeyError>(Some(&key.wrap), |_| Ok(srs.clone()), &Nowhere).map(Some)
            }
            (false, None) => Ok(None),
        };
        // a false key is not there to be used all the same
        let place = self.keys.get_mut(at).ok_or(CallError::Closed(at))?;
        match &done {
            Ok(done) => place.iter_mut().for_each(|opened| opened.recomputed = *done),
            Err(_) => *place = None,
        }
        Ok(done?)
    }

    /// The key for `batch` inferences in a proof, derived once from a key of the same model for another number.
    fn derive_for(&mut self, at: usize, batch: Batch) -> Result<(), CallError> {
        let Opened { key, batches, .. } = self.opened(at)?;
        if key.model.shape.batch == batch || batches.iter().any(|(of, _)| *of == batch) {
            return Ok(());
        }
        let key = batched(key, batch, self.powers(key, 0))?;
        let place = self.keys.get_mut(at).and_then(Option::as_mut).ok_or(CallError::Closed(at))?;
        place.batches.push((batch, key));
        Ok(())
    }

    fn verify(&mut self, verify: Verify, proof: Vec<u8>) -> Result<Value, CallError> {
        let wanted = verify.context.as_deref().map(|text| parse_context(text).ok_or(CallError::Context)).transpose()?;
        let recomputed = self.recompute(verify.key)?;
        let file = match (verify.file, verify.answer) {
            (Some(text), None) => match ProofFile::parse(text.as_bytes()) {
                Ok(file) => Subject::File(Box::new(file)),
                Err(invalid) => return Ok(refused(&invalid)),
            },
            (None, Some(answer)) => Subject::Answer(Box::new(answer)),
            _ => return Err(CallError::Nothing),
        };
        let batch = match &file {
            Subject::File(file) => file.shared_batch(),
            Subject::Answer(answer) => match answer.batch() {
                Some(batch) => answer.shared.is_some().then_some(batch),
                None => return Ok(refused(&Invalid::Size)),
            },
        };
        if let Some(batch) = batch {
            self.derive_for(verify.key, batch)?;
        }
        let key = self.opened(verify.key)?.of(batch);
        let file = match file {
            Subject::File(file) => Ok(*file),
            Subject::Answer(answer) => ProofFile::of_answer(&key.model, &key.wrap, *answer, proof),
        };
        let checked = file.and_then(|file| file.verify(&key.model, Some(&key.wrap)).map(|()| file));
        let file = match checked {
            Ok(file) => file,
            Err(invalid) => return Ok(refused(&invalid)),
        };
        if wanted.is_some_and(|context| context != file.context) {
            return Ok(refused(&format_args!("the proof is valid and bound to another context, {}", file.context)));
        }
        if verify.model_commitment.is_some_and(|commitment| commitment != file.model_commitment) {
            return Ok(refused(&format_args!("the proof is valid and of another model, {}", file.model_commitment)));
        }
        if !verify.inputs.is_empty() && !self.is_about(key, &file, &verify.inputs)? {
            return Ok(refused(&"the proof is about another input, or about a private one"));
        }
        Ok(json!({
            "valid": true, "kind": file.kind, "proof_bytes": file.proof.len(), "development": key.is_development(),
            "model_commitment": file.model_commitment, "key_hash": file.key_hash, "wrap_recomputed": recomputed.is_some_and(|done| done.wrap),
            "srs_id": B256::from(key.model.srs.id), "inferences": file.inferences, "separate_inputs": file.separate_inputs,
            "context": file.context, "input_commitments": file.input_commitments, "output": file.output, "clamps": file.clamps,
            "output_data": file.output_data, "index": file.index,
        }))
    }

    /// Whether public inputs are the proof's: all of them; or the first ones, or those from the buyer's place on, where
    /// each has commitments of its own.
    fn is_about(&self, key: &BuyerKey, file: &ProofFile, samples: &[Vec<f32>]) -> Result<bool, CallError> {
        let model = key.model.batched(Batch::of(file.inferences, file.separate_inputs).unwrap_or(Batch::ONE))?;
        let (cells, _) = cells(&model.shape, samples)?;
        let have = self.points(key, &model.shape, &InputOpening::public(&model.shape, cells))?;
        let wanted = file.input_commitments.get(file.commitments_of(samples.len()));
        Ok(wanted.is_some_and(|wanted| have.starts_with(wanted)))
    }

    /// The commitments to an input, 64 bytes each.
    fn points(&self, key: &BuyerKey, shape: &Shape, opening: &InputOpening) -> Result<Vec<Bytes>, CallError> {
        let points: Vec<G1Affine> = if key.model.srs.development {
            opening.commit_development(shape)?
        } else {
            let srs = self.powers(key, shape.layout.log_chunk).ok_or(CallError::NoSrs(key.model.srs.id.into()))?;
            // with false powers another input could have this commitment
            if !self.srs_checked.get() {
                srs.check()?;
                self.srs_checked.set(true);
            }
            opening.commit(shape, srs)?.commitments
        };
        Ok(points.iter().map(|point| Bytes::copy_from_slice(&encode::g1_bytes(point))).collect())
    }

    fn commit(&mut self, commit: Commit) -> Result<Value, CallError> {
        let Opened { key, .. } = self.opened(commit.key)?;
        let shape = &key.model.shape;
        let (cells, outside) = cells(shape, &commit.inputs)?;
        let chunks = shape.layout.input_region.chunks;
        let blinding = match (commit.blinding, commit.entropy) {
            (Some(words), _) => Some(scalars(&words)?),
            (None, Some(bytes)) => Some(drawn(&bytes, chunks)?),
            (None, None) => None,
        };
        let words: Vec<B256> = blinding.iter().flatten().map(|value| encode::fr_word(value).into()).collect();
        let opening = match blinding {
            Some(blinding) => InputOpening { cells: cells.into(), blinding: blinding.into() },
            None => InputOpening::public(shape, cells),
        };
        let points = self.points(key, shape, &opening)?;
        let parts: Vec<&[u8]> = points.iter().map(|point| &point[..]).collect();
        Ok(json!({
            "model_commitment": B256::from(key.model.commitment()), "key_hash": B256::from(key.wrap.hash(&key.model)),
            "blinding": words, "input_commitments": points, "input_commitment": B256::from(encode::keccak(&parts)), "outside": outside,
        }))
    }
}

/// The key of the same model for `batch` inferences in a proof, derived. `powers` are those of its SRS; the development
/// SRS needs none. Errors: [`CallError::Batch`] for a Groth16 key, [`CallError::NoSrs`], [`CallError::Key`].
pub fn batched(key: &BuyerKey, batch: Batch, powers: Option<&Srs>) -> Result<BuyerKey, CallError> {
    if key.wrap.system() != System::Universal {
        return Err(CallError::Batch(batch));
    }
    let model = key.model.batched(batch)?;
    let derived = match (model.srs.development, powers) {
        (true, _) => model.derive_development(Some(System::Universal))?,
        (false, Some(srs)) => model.derive::<KeyError>(Some(System::Universal), |_| Ok(srs.clone()), &Nowhere)?,
        (false, None) => return Err(CallError::NoSrs(model.srs.id.into())),
    };
    if derived.tables != model.tables {
        return Err(KeyError::Mismatch("a table commitment").into());
    }
    let wrap = derived.universal.map(WrapVerifyingKey::Universal).ok_or(KeyError::Mismatch("the wrap's key"))?;
    Ok(BuyerKey { metadata: key.metadata.clone(), model, wrap, wrap_development: false })
}

fn refused(reason: &dyn std::fmt::Display) -> Value {
    json!({ "valid": false, "reason": reason.to_string() })
}

/// The cells of a batch's inputs, and how many elements are outside the published ranges. The last input fills the
/// batch up.
fn cells(shape: &Shape, samples: &[Vec<f32>]) -> Result<(Vec<i32>, usize), CallError> {
    let (have, most) = (samples.len(), shape.batch.inferences());
    let Some(last) = samples.last().filter(|_| have <= most) else { return Err(CallError::Inputs { have, most }) };
    let (mut cells, mut outside) = (Vec::new(), 0);
    for (i, sample) in samples.iter().chain(std::iter::repeat_n(last, most - have)).enumerate() {
        let quantised = quantise_input(&shape.architecture, &tensors(&shape.architecture, sample)?)?;
        outside += if i < have { quantised.outside } else { 0 };
        cells.extend(quantised.cells);
    }
    Ok((cells, outside))
}

/// Cuts an input into its tensors.
fn tensors(architecture: &Architecture, sample: &[f32]) -> Result<Vec<Vec<f32>>, ExecError> {
    let ports = &architecture.input.ports;
    let need = ports.iter().map(|port| port.cells.len()).sum();
    match (sample.len() == need, ports.first()) {
        (false, Some(port)) => Err(ExecError::InputElements {
            name: port.name.clone(),
            have: sample.len(),
            need,
            shape: port.shape.clone(),
        }),
        _ => {
            let mut rest = sample.iter().copied();
            Ok(ports.iter().map(|port| rest.by_ref().take(port.cells.len()).collect()).collect())
        }
    }
}

fn scalars(words: &[B256]) -> Result<Vec<Fr>, CallError> {
    let scalar = |(i, word): (usize, &B256)| Reader::new(word.as_slice()).fr().map_err(|_| CallError::Blinding(i));
    words.iter().enumerate().map(scalar).collect()
}

/// Blinding from random bytes: as uniform as twice the field's length makes it.
fn drawn(bytes: &[u8], chunks: usize) -> Result<Vec<Fr>, CallError> {
    let need = ENTROPY_BYTES * chunks;
    if bytes.len() != need {
        return Err(CallError::Entropy { have: bytes.len(), need });
    }
    Ok(bytes.chunks(ENTROPY_BYTES).map(Fr::from_be_bytes_mod_order).collect())
}
