//! The seller's prover: a package, its SRS and its proving key, ready to serve.

use crate::control::{Cancelled, Control, Phase};
use crate::derived::public;
use crate::inner::{self, Committed, Held, InnerError, InnerProver, Proved, TableRows};
use crate::key::KeyError;
use crate::native::{self, Claim, NativeProof, ProofError, Unopened};
use crate::package::{FileError, Package};
use crate::secret::Secret;
use crate::srs::Srs;
use crate::wrap::{self, WrapError, WrapProvingKey, WrapVerifyingKey, WrappedProof};
use ark_bn254::G1Affine;
use ark_ff::AdditiveGroup;
use assay_circuits::Fr;
use assay_circuits::batch::Batch;
use assay_circuits::exec::{self, ExecError, Trace};
use assay_circuits::shape::Shape;
use assay_circuits::verifier::InnerProof;
use rand::rngs::StdRng;
use rayon::prelude::*;

/// Why there is no proof.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ProveError {
    /// The input does not fit the model.
    #[error(transparent)]
    Execute(#[from] ExecError),
    /// The inner proof failed.
    #[error(transparent)]
    Inner(#[from] InnerError),
    /// The wrap failed.
    #[error(transparent)]
    Wrap(#[from] WrapError),
    /// The work was cancelled.
    #[error(transparent)]
    Cancelled(#[from] Cancelled),
    /// There is no proving key.
    #[error("there is no proving key for this model: run `assay setup`")]
    NoWrapKey,
    /// There are not as many inputs as the batch has inferences.
    #[error("there are {have} inputs and a proof of this batch has {need}: fill it up with any valid inputs")]
    Inputs {
        /// How many there are.
        have: usize,
        /// How many there must be.
        need: usize,
    },
    /// The blinding has another length than the input's chunks.
    #[error("the input has {have} blinding values, the model's input needs {need}")]
    Blinding {
        /// How many there are.
        have: usize,
        /// How many there must be.
        need: usize,
    },
    /// The model is too large for one proof of weights.
    #[error("the proof of weights would look up {cells} cells and can look up {max}: publish the model without \
        it", max = crate::registration::MAX_CELLS)]
    TooManyWeights {
        /// Cells of weights, digits of biases and rows of ranges.
        cells: usize,
    },
    /// The proof that was made does not verify: memory or files are damaged.
    #[error("the proof that was made does not verify (a damaged key or model file?): {0}")]
    SelfCheck(#[from] ProofError),
}

/// The input of a proof with the blinding of its commitment; all-zero blinding makes it public.
#[derive(Clone, Debug)]
pub struct InputOpening {
    /// The input blocks of all inferences, one after the other.
    pub cells: Secret<Vec<i32>>,
    /// One value per input chunk.
    pub blinding: Secret<Vec<Fr>>,
}

impl InputOpening {
    /// A public input: anyone who knows it recomputes its commitment.
    pub fn public(shape: &Shape, cells: Vec<i32>) -> Self {
        Self { cells: cells.into(), blinding: vec![Fr::ZERO; shape.layout.input_region.chunks].into() }
    }

    /// A private input, with fresh blinding.
    pub fn private(shape: &Shape, cells: Vec<i32>) -> Self {
        let blinding = inner::random_scalars(&mut inner::fresh_rng(), shape.layout.input_region.chunks);
        Self { cells: cells.into(), blinding: blinding.into() }
    }

    /// [`Self::commit`] over the development SRS, whose τ is public: it takes no powers. Errors:
    /// [`ProveError::Blinding`].
    pub fn commit_development(&self, shape: &Shape) -> Result<Vec<G1Affine>, ProveError> {
        let need = shape.layout.input_region.chunks;
        if self.blinding.len() != need {
            return Err(ProveError::Blinding { have: self.blinding.len(), need });
        }
        let (tau, log) = (crate::srs::development_tau(), shape.layout.log_chunk);
        let cells = shape.layout.spread_input(&self.cells);
        let mut chunks = cells.chunks(1 << log);
        let blinded = |blinding: &Fr| public::commit_blinded(chunks.next().unwrap_or_default(), *blinding, log, tau);
        Ok(self.blinding.iter().map(blinded).collect())
    }

    /// Commits it. Errors: [`ProveError::Blinding`], [`InnerError::SrsTooSmall`].
    pub fn commit(&self, shape: &Shape, srs: &Srs) -> Result<Committed, ProveError> {
        if !srs.holds_chunks(shape.layout.log_chunk) {
            return Err(InnerError::SrsTooSmall { have: srs.max_log(), need: shape.layout.log_chunk }.into());
        }
        let need = shape.layout.input_region.chunks;
        if self.blinding.len() != need {
            return Err(ProveError::Blinding { have: self.blinding.len(), need });
        }
        Ok(Committed::new(srs, shape.layout.log_chunk, shape.layout.spread_input(&self.cells), self.blinding.clone()))
    }
}

/// A hiding inner proof that is to be wrapped: the first half of a proof. Witness and tables are gone, so it is small.
pub struct Unwrapped {
    claim: Claim,
    proved: Proved,
}

/// Serves proofs of one model.
pub struct Seller {
    /// The model.
    pub package: Package,
    /// Its SRS.
    pub srs: Srs,
    rows: Vec<TableRows>,
    weights: Held,
    tables: Held,
    wrap: Option<(WrapProvingKey, WrapVerifyingKey)>,
}

impl Seller {
    /// Takes a package and its SRS. Errors: [`FileError::Srs`].
    pub fn new(package: Package, srs: Srs) -> Result<Self, FileError> {
        package.check_srs(&srs)?;
        let rows = TableRows::all(&package.model.shape);
        let (weights, tables) = (Held::new(&srs, package.committed.clone()), Held::new(&srs, package.tables.clone()));
        Ok(Self { package, srs, rows, weights, tables, wrap: None })
    }

    /// Adds the proving key, which then computes where the SRS does.
    pub fn with_wrap_key(mut self, key: WrapProvingKey) -> Self {
        let key = key.on(self.srs.backend().as_ref());
        let verifying = key.verifying_key();
        self.wrap = Some((key, verifying));
        self
    }

    /// The verifying half of the proving key, which was derived with it if it is universal.
    pub fn verifying_key(&self) -> Option<&WrapVerifyingKey> {
        self.wrap.as_ref().map(|(_, verifying)| verifying)
    }

    /// The chunks of weights.
    pub fn held_weights(&self) -> &Held {
        &self.weights
    }

    /// The shape.
    pub fn shape(&self) -> &Shape {
        &self.package.model.shape
    }

    /// The same model with several inferences in a proof, without a proving key: that depends on the batch. Errors:
    /// [`KeyError::Shape`].
    pub fn batched(mut self, batch: Batch) -> Result<Self, KeyError> {
        self.package.model = self.package.model.batched(batch)?;
        self.wrap = None;
        Ok(self)
    }

    /// Runs the exact executor on every inference's input. Errors: [`ProveError::Execute`], [`ProveError::Inputs`].
    pub fn execute(&self, input: &InputOpening) -> Result<Trace, ProveError> {
        let Shape { architecture, system, layout, batch, .. } = self.shape();
        let (need, len) = (batch.inferences(), 1 << layout.input.log_item);
        // architecture and weights were validated when the package was made or read
        let run = |cells: &[i32]| exec::run(architecture, system, &self.package.weights, cells);
        if need == 1 {
            return Ok(run(&input.cells)?);
        }
        if input.cells.len() != need * len {
            return Err(ProveError::Inputs { have: input.cells.len() / len, need });
        }
        let traces: Vec<Trace> = input.cells.par_chunks(len).map(run).collect::<Result<_, _>>()?;
        Ok(Trace::join(traces))
    }

    /// The native proof, not zero-knowledge; it verifies. Errors: [`ProveError`].
    pub fn prove_native(
        &self,
        input: &InputOpening,
        context: Fr,
        control: &Control<'_>,
    ) -> Result<(Claim, NativeProof), ProveError> {
        among_workers(|| {
            let (claim, proved) = self.inner(input, context, false, control)?;
            let model = &self.package.model;
            // the whole of `native::verify`, most of it while the opening is made
            let (opening, unopened) = rayon::join(
                || proved.open(&model.shape, &self.srs, control),
                || {
                    native::verify_messages(model, &claim, &proved.witness, proved.mask.as_ref(), &proved.proof)
                        .map(Unopened::summed)
                },
            );
            let proof = NativeProof {
                witness: proved.witness,
                mask: proved.mask,
                inner: InnerProof::clone(&proved.proof),
                opening: opening?,
            };
            unopened?.verify(model, &proof.opening)?;
            Ok((claim, proof))
        })
    }

    /// The wrapped, zero-knowledge proof; it verifies. Errors: [`ProveError`].
    pub fn prove_wrapped(
        &self,
        input: &InputOpening,
        context: Fr,
        control: &Control<'_>,
    ) -> Result<(Claim, WrappedProof), ProveError> {
        among_workers(|| self.wrap(self.prove_unwrapped(input, context, control)?, control))
    }

    /// The first half of [`Self::prove_wrapped`]. It is for [`Self::wrap`] only. Errors: [`ProveError`].
    pub fn prove_unwrapped(
        &self,
        input: &InputOpening,
        context: Fr,
        control: &Control<'_>,
    ) -> Result<Unwrapped, ProveError> {
        if self.wrap.is_none() {
            return Err(ProveError::NoWrapKey);
        }
        let (claim, proved) = self.inner(input, context, true, control)?;
        Ok(Unwrapped { claim, proved })
    }

    /// The second half of [`Self::prove_wrapped`]; the proof verifies. Errors: [`ProveError`].
    pub fn wrap(&self, first: Unwrapped, control: &Control<'_>) -> Result<(Claim, WrappedProof), ProveError> {
        let (key, verifying) = self.wrap.as_ref().ok_or(ProveError::NoWrapKey)?;
        let Unwrapped { claim, proved } = first;
        let proof = wrap::prove(self.shape(), &self.srs, key, proved, control)?;
        wrap::verify(&self.package.model, verifying, &claim, &proof)?;
        Ok((claim, proof))
    }

    fn inner(
        &self,
        input: &InputOpening,
        context: Fr,
        hiding: bool,
        control: &Control<'_>,
    ) -> Result<(Claim, Proved), ProveError> {
        let both = || rayon::join(|| self.execute(input), || input.commit(self.shape(), &self.srs));
        let (trace, committed) = control.phase(Phase::Execute, both)?;
        let (trace, committed) = (trace?, committed?);
        let proved = self.prove_trace(&committed, &trace, context, hiding, control)?;
        Ok((Claim::of(&proved, committed.commitments, context), proved))
    }

    /// Proves a given trace, true or false; a false one gives a proof that does not verify. Errors: [`InnerError`].
    pub fn prove_trace(
        &self,
        input: &Committed,
        trace: &Trace,
        context: Fr,
        hiding: bool,
        control: &Control<'_>,
    ) -> Result<Proved, InnerError> {
        inner::prove(&self.prover(), input, trace, context, hiding, control)
    }

    /// [`Self::prove_trace`] with the caller's randomness: see [`inner::prove_with`]. Errors: [`InnerError`].
    #[doc(hidden)]
    pub fn prove_trace_with(
        &self,
        input: &Committed,
        trace: &Trace,
        context: Fr,
        hiding: bool,
        rng: &mut StdRng,
        control: &Control<'_>,
    ) -> Result<Proved, InnerError> {
        inner::prove_with(&self.prover(), input, trace, context, hiding, rng, control)
    }

    fn prover(&self) -> InnerProver<'_> {
        InnerProver {
            shape: self.shape(),
            srs: &self.srs,
            weights: &self.weights,
            tables: &self.tables,
            rows: &self.rows,
        }
    }

    /// Commitments to an input.
    pub fn commit_input(&self, input: &InputOpening) -> Result<Vec<G1Affine>, ProveError> {
        Ok(input.commit(self.shape(), &self.srs)?.commitments)
    }
}

/// Runs `work` on one of the threads that share the work: each loop that they run then costs a push and a pop, and no
/// thread is put to sleep.
fn among_workers<T: Send>(work: impl FnOnce() -> T + Send) -> T {
    rayon::scope(|_| work())
}
