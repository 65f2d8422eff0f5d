//! The real prover behind the seam: packages, their SRS and their keys, on this machine's CPU.

use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use alloy::primitives::{B256, Bytes};
use ark_bn254::{Fr, G1Affine};
use ark_ff::AdditiveGroup;
use assay_circuits::exec::Trace;
use assay_circuits::exec::{self, DecodeError, ExecError, dequantise_output, quantise_input};
use assay_circuits::model::Architecture;
use assay_circuits::shape::Shape;
use assay_prover::control::{Control, Phase};
use assay_prover::native::{self, ProofError};
use assay_prover::package::{BuyerKey, points_from_bytes};
use assay_prover::pcs::encode;
use assay_prover::seller::{self, ProveError, Seller};
use assay_prover::srs;
use assay_prover::wrap::{self, WrappedProof};

use super::{
    BatchKey, Cancel, Claim, Clamped, Engine, EngineError, Execution, InputOpening, ModelInfo, Progress, ProofBundle,
    Report, Wrap,
};

pub use assay_verifier::proof_file::context_scalar;
pub use assay_verifier::tensors::{inputs, outputs};

/// The prover and the key of one size of proof.
struct Keyed {
    seller: Seller,
    key: BuyerKey,
}

/// One model with everything that proving and verifying it takes.
struct Served {
    info: ModelInfo,
    single: Keyed,
    /// Of several inferences in a proof.
    batches: Vec<Keyed>,
}

impl Served {
    /// What proves and verifies so many inferences at once.
    fn keyed(&self, inferences: usize) -> Result<&Keyed, EngineError> {
        let all = std::iter::once(&self.single).chain(&self.batches);
        let found = all.into_iter().find(|keyed| keyed.seller.shape().batch.inferences() == inferences);
        found.ok_or(EngineError::NoBatchKey { inferences })
    }
}

/// An [`Engine`] of sellers. Models can be added while it proves others.
#[derive(Default)]
pub struct NativeEngine {
    models: RwLock<Vec<Arc<Served>>>,
}

/// Whether the key that proofs are verified with is the prover's, and not just one that somebody says is the model's.
fn belong_together(seller: &Seller, key: &BuyerKey) -> bool {
    let model = &seller.package.model;
    let same = key.model.shape.digest == model.shape.digest
        && key.model.weights == model.weights
        && key.model.srs == model.srs;
    same && key.model.tables == model.tables && seller.verifying_key() == Some(&key.wrap)
}

/// Why a model cannot be served.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AddModelError {
    /// The key is for another model.
    #[error("the key is not the package's: make it again with `assay setup`")]
    WrongKey,
    /// Another model has the same id.
    #[error("two models have the id {id}")]
    Duplicate {
        /// The id.
        id: B256,
    },
    /// A batch's key that is no use for several buyers, or a size that is there already.
    #[error(
        "a batch needs a key of its own for several inferences with separate inputs: `assay setup --batch N --separate`"
    )]
    WrongBatch,
}

/// Weights and biases of a network, as they are laid out.
fn parameters(architecture: &Architecture) -> u64 {
    let weights: u64 = architecture.matrices.iter().map(|block| block.stored() as u64).sum();
    weights + architecture.biases.iter().map(|block| 1u64 << block.log_size).sum::<u64>()
}

/// The layers of which an execution clamped cells, by name.
pub fn clamped(shape: &Shape, names: &[String], trace: &Trace) -> Vec<Clamped> {
    let name = |layer: usize| names.get(layer).cloned().unwrap_or_else(|| format!("layer {layer}"));
    let counts = trace.clamped(&shape.architecture, &shape.system).into_iter();
    counts.map(|(layer, cells)| Clamped { layer: name(layer), cells }).collect()
}

/// All inputs, one after the other, cut apart.
fn split_inputs(architecture: &Architecture, data: &[f32]) -> Result<Vec<Vec<f32>>, EngineError> {
    let ports = &architecture.input.ports;
    let need = ports.iter().map(|port| port.cells.len()).sum();
    if data.len() != need {
        return Err(EngineError::InputLength { have: data.len(), need });
    }
    let mut rest = data.iter().copied();
    Ok(ports.iter().map(|port| rest.by_ref().take(port.cells.len()).collect()).collect())
}

impl NativeEngine {
    /// An engine without models.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a model. `id`: its id on chain; its model commitment where it is not listed. `seller` has its proving key.
    pub fn add(&self, id: Option<B256>, seller: Seller, key: BuyerKey) -> Result<ModelInfo, AddModelError> {
        if !belong_together(&seller, &key) {
            return Err(AddModelError::WrongKey);
        }
        let model = &seller.package.model;
        let id = id.unwrap_or_else(|| model.commitment().into());
        let mut models = self.write();
        if models.iter().any(|m| m.info.id == id) {
            return Err(AddModelError::Duplicate { id });
        }
        let architecture = &model.shape.architecture;
        let info = ModelInfo {
            id,
            name: seller.package.metadata.name.clone(),
            shape_digest: model.shape.model_digest.into(),
            model_commitment: model.commitment().into(),
            key_hash: key.wrap.hash(&key.model).into(),
            batches: Vec::new(),
            wrap: key.wrap.system().name().to_owned(),
            inputs: inputs(architecture),
            outputs: outputs(architecture),
            input_chunks: u32::try_from(model.shape.layout.input_region.chunks).unwrap_or(u32::MAX),
            text_length: exec::text_length(architecture).and_then(|length| u32::try_from(length).ok()),
            parameters: parameters(architecture),
            development: key.is_development(),
        };
        models.push(Arc::new(Served { info: info.clone(), single: Keyed { seller, key }, batches: Vec::new() }));
        Ok(info)
    }

    /// Adds a key for several inferences with separate inputs to a model that is there. `seller` has its proving key.
    pub fn add_batch(&self, id: B256, seller: Seller, key: BuyerKey) -> Result<BatchKey, AddModelError> {
        let mut models = self.write();
        let served =
            models.iter_mut().find(|m| m.info.id == id).and_then(Arc::get_mut).ok_or(AddModelError::WrongKey)?;
        let commitment = B256::from(seller.package.model.commitment());
        if !belong_together(&seller, &key) || commitment != served.info.model_commitment {
            return Err(AddModelError::WrongKey);
        }
        let batch = key.model.shape.batch;
        let there = served.info.batches.iter().any(|have| have.inferences as usize == batch.inferences());
        if !batch.is_separate() || there {
            return Err(AddModelError::WrongBatch);
        }
        let inferences = u32::try_from(batch.inferences()).map_err(|_| AddModelError::WrongBatch)?;
        let added = BatchKey { inferences, key_hash: key.wrap.hash(&key.model).into() };
        served.info.batches.push(added);
        served.info.batches.sort_by_key(|batch| batch.inferences);
        served.batches.push(Keyed { seller, key });
        Ok(added)
    }

    fn served(&self, id: B256) -> Result<Arc<Served>, EngineError> {
        self.read().iter().find(|m| m.info.id == id).cloned().ok_or(EngineError::UnknownModel { id })
    }

    // whoever panicked with the lock had changed nothing by halves: models are pushed whole
    fn read(&self) -> RwLockReadGuard<'_, Vec<Arc<Served>>> {
        self.models.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, Vec<Arc<Served>>> {
        self.models.write().unwrap_or_else(PoisonError::into_inner)
    }
}

fn internal(error: impl std::error::Error + Send + Sync + 'static) -> EngineError {
    EngineError::Internal(Box::new(error))
}

fn from_exec(error: ExecError) -> EngineError {
    match error {
        ExecError::InputElements { have, need, .. } => EngineError::InputLength { have, need },
        ExecError::InputNotFinite { index, .. } => EngineError::InputNotFinite { index },
        other => internal(other),
    }
}

fn from_decode(error: DecodeError) -> EngineError {
    match error {
        DecodeError::Cancelled => EngineError::Cancelled,
        DecodeError::Exec(error) => from_exec(error),
        other => EngineError::Decode(other),
    }
}

fn from_prove(error: ProveError) -> EngineError {
    match error {
        ProveError::Cancelled(_)
        | ProveError::Inner(assay_prover::inner::InnerError::Cancelled(_))
        | ProveError::Wrap(wrap::WrapError::Cancelled(_)) => EngineError::Cancelled,
        ProveError::Blinding { have, need } => EngineError::BlindingLength { have, need },
        ProveError::Execute(e) => from_exec(e),
        other => internal(other),
    }
}

fn rejected(error: ProofError) -> EngineError {
    EngineError::Rejected(Box::new(error))
}

/// The input's cells and its blinding as field elements.
fn open(seller: &Seller, input: &InputOpening) -> Result<seller::InputOpening, EngineError> {
    let shape = seller.shape();
    let cells =
        quantise_input(&shape.architecture, &split_inputs(&shape.architecture, &input.data)?).map_err(from_exec)?.cells;
    let need = shape.layout.input_region.chunks;
    if input.blinding.is_empty() {
        return Ok(seller::InputOpening { cells: cells.into(), blinding: vec![Fr::ZERO; need].into() });
    }
    if input.blinding.len() != need {
        return Err(EngineError::BlindingLength { have: input.blinding.len(), need });
    }
    let scalar = |(index, word): (usize, &B256)| {
        encode::Reader::new(word.as_slice()).fr().map_err(|_| EngineError::BlindingNotCanonical { index })
    };
    let blinding = input.blinding.iter().enumerate().map(scalar).collect::<Result<Vec<_>, _>>()?;
    Ok(seller::InputOpening { cells: cells.into(), blinding: blinding.into() })
}

/// The inputs of all inferences of a proof, one after the other. `seller` proves one at a time.
fn open_all(seller: &Seller, inputs: &[InputOpening]) -> Result<seller::InputOpening, EngineError> {
    let (mut cells, mut blinding) = (Vec::new(), Vec::new());
    for input in inputs {
        let one = open(seller, input)?;
        cells.extend_from_slice(&one.cells);
        blinding.extend_from_slice(&one.blinding);
    }
    Ok(seller::InputOpening { cells: cells.into(), blinding: blinding.into() })
}

fn points(points: &[G1Affine]) -> Vec<Bytes> {
    points.iter().map(|p| Bytes::copy_from_slice(&encode::g1_bytes(p))).collect()
}

/// A phase's name, and the share of a typical proof's time that is over when it begins. The wrap takes most of it.
fn phase(phase: Phase) -> Progress {
    let (name, fraction) = match phase {
        Phase::Execute => ("execute", 0.0),
        Phase::Witness => ("witness", 0.01),
        Phase::Commit => ("commit", 0.02),
        Phase::Lookup => ("lookup", 0.04),
        Phase::Linear => ("linear", 0.07),
        Phase::Batch => ("batch", 0.08),
        Phase::WrapWitness => ("wrap_witness", 0.1),
        Phase::WrapColumns => ("wrap_columns", 0.2),
        Phase::WrapPermutation => ("wrap_permutation", 0.3),
        Phase::WrapQuotient => ("wrap_quotient", 0.35),
        Phase::WrapValues => ("wrap_values", 0.7),
        Phase::Opening => ("opening", 0.72),
        Phase::Groth16 => ("groth16", 0.75),
    };
    Progress { phase: name, fraction }
}

impl Engine for NativeEngine {
    fn models(&self) -> Vec<ModelInfo> {
        self.read().iter().map(|m| m.info.clone()).collect()
    }

    fn execute(&self, model: B256, input: &InputOpening) -> Result<Execution, EngineError> {
        let served = self.served(model)?;
        let seller = &served.single.seller;
        let opening = open(seller, input)?;
        let Shape { architecture, system, .. } = seller.shape();
        let trace = seller.execute(&opening).map_err(from_prove)?;
        Ok(Execution {
            output_cells: trace.output_cells(architecture, system),
            output_real: dequantise_output(architecture, &trace.output(architecture, system)).concat(),
            clamps: trace.clamps(architecture, system),
            clamped: clamped(seller.shape(), &seller.package.metadata.layer_names, &trace),
            input_commitments: points(&seller.commit_input(&opening).map_err(from_prove)?),
        })
    }

    fn commit(&self, model: B256, input: &InputOpening) -> Result<Vec<Bytes>, EngineError> {
        let served = self.served(model)?;
        let seller = &served.single.seller;
        Ok(points(&seller.commit_input(&open(seller, input)?).map_err(from_prove)?))
    }

    fn decode(&self, model: B256, prompt: &[f32], answer: usize, cancel: &Cancel) -> Result<Vec<f32>, EngineError> {
        let served = self.served(model)?;
        let seller = &served.single.seller;
        let Shape { architecture, system, .. } = seller.shape();
        let network = (architecture, system);
        exec::decode(network, &seller.package.weights, prompt, answer, &|| cancel.is_cancelled()).map_err(from_decode)
    }

    fn prove_inner(
        &self,
        model: B256,
        inputs: &[InputOpening],
        context: B256,
        cancel: &Cancel,
        progress: Report<'_>,
    ) -> Result<Wrap, EngineError> {
        let (served, inferences) = (self.served(model)?, inputs.len());
        let opening = open_all(&served.single.seller, inputs)?;
        let report = |p: Phase| progress(phase(p));
        let control = Control::new().cancelled_by(cancel.flag()).reporting_to(&report);
        let first = served
            .keyed(inferences)?
            .seller
            .prove_unwrapped(&opening, context_scalar(context), &control)
            .map_err(from_prove)?;
        Ok(Box::new(move |cancel, progress| {
            let report = |p: Phase| progress(phase(p));
            let control = Control::new().cancelled_by(cancel.flag()).reporting_to(&report);
            let (claim, proof) = served.keyed(inferences)?.seller.wrap(first, &control).map_err(from_prove)?;
            Ok(ProofBundle {
                proof: proof.to_bytes(),
                output_cells: claim.output,
                clamps: claim.clamps,
                input_commitments: points(&claim.input),
            })
        }))
    }

    fn key(&self, model: B256) -> Result<Vec<u8>, EngineError> {
        let served = self.served(model)?;
        served.single.key.to_bytes().ok_or_else(|| EngineError::Internal("the key cannot be encoded".into()))
    }

    fn srs(&self, model: B256, log: Option<u32>) -> Result<Vec<u8>, EngineError> {
        let served = self.served(model)?;
        let Keyed { seller, key } = &served.single;
        let most = key.wrap.srs_log(seller.shape());
        Ok(srs::file::to_bytes(&seller.srs, log.unwrap_or(most).min(most)))
    }

    fn verify(&self, model: B256, claim: &Claim) -> Result<(), EngineError> {
        let served = self.served(model)?;
        let inferences = claim.input_commitments.len() / served.info.input_chunks.max(1) as usize;
        let key = &served.keyed(inferences).map_err(|e| EngineError::Rejected(Box::new(e)))?.key;
        let proof = WrappedProof::from_bytes(&key.model.shape, key.wrap.system(), &claim.proof).map_err(rejected)?;
        let mut input = Vec::new();
        for bytes in &claim.input_commitments {
            let malformed = || EngineError::Rejected("an input commitment is not a point of the curve".into());
            input.extend(points_from_bytes(bytes).filter(|p| p.len() == 1).ok_or_else(malformed)?);
        }
        let claim = native::Claim {
            input,
            output: claim.output_cells.clone(),
            clamps: claim.clamps,
            context: context_scalar(claim.context),
        };
        wrap::verify(&key.model, &key.wrap, &claim, &proof).map_err(rejected)
    }
}
