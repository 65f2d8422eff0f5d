//! The inner prover: commit to everything, then a constant number of batched sumchecks, and one opening.
//! `docs/protocol.md` sections 2 to 7.
//!
//! Only [`prove`] touches the transcript's order; the modules below are its reductions and kernels.

mod leaves;
pub(crate) mod level;
mod lookup;
mod opening;
mod operand;
mod product;
mod region;
pub mod small;
mod tiles;
pub(crate) mod witness;

pub use leaves::{FlatLeaves, Leaves};
pub use region::Committed;
pub use witness::TableRows;

use crate::backend;
use crate::control::{Cancelled, Control, Phase};
use crate::pcs::{self, Mask, Opening, PcsError};
use crate::poly::eq_table;
use crate::secret::Secret;
use crate::srs::Srs;
use crate::statement::{Statement, output_sum};
use ark_bn254::G1Affine;
use ark_ff::{AdditiveGroup, UniformRand};
use assay_circuits::Fr;
use assay_circuits::exec::Trace;
use assay_circuits::shape::Shape;
use assay_circuits::system::RowTable;
use assay_circuits::verifier::{self, Challenges, Claimed, InnerProof, Reduced};
use assay_circuits::wrap::{PublicInputs, public_data};
use rand::SeedableRng;
use rand::rngs::StdRng;
use region::{Cells, Owned};
use std::sync::Arc;

/// Why no proof was made.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum InnerError {
    /// The work was cancelled.
    #[error(transparent)]
    Cancelled(#[from] Cancelled),
    /// The SRS has too few powers for the model's chunks.
    #[error(
        "the SRS has 2^{have} powers and the model's chunks need 2^{need}: use a larger SRS or compile with smaller \
         chunks"
    )]
    SrsTooSmall {
        /// Log of the powers there are.
        have: u32,
        /// Log of the powers needed.
        need: u32,
    },
    /// The opening failed.
    #[error(transparent)]
    Opening(#[from] PcsError),
}

/// Chunks whose cells a backend holds.
pub struct Held {
    /// The chunks.
    pub committed: Committed,
    cells: Arc<dyn backend::Cells>,
}

impl Held {
    /// Gives the cells to the backend of the SRS.
    pub fn new(srs: &Srs, committed: Committed) -> Self {
        Self { cells: srs.backend().cells(Arc::clone(&committed.cells)), committed }
    }

    fn owned(&self) -> Owned<'_> {
        Owned { cells: &self.committed.cells, held: self.cells.as_ref(), blinding: &self.committed.blinding }
    }
}

/// By table of rows: the rows of its block of weights, each combined by `eq(r, ·)`.
fn combined_rows(shape: &Shape, weights: &Held, r: &[Fr]) -> Vec<Vec<Fr>> {
    let combine = |table: &RowTable| {
        let block = shape.layout.block(table.matrix);
        let factors = eq_table(&r[..table.bits.into()]);
        let Some(cut) = shape.system.cut(table.matrix) else {
            return weights.cells.dot_rows(block.offset, &factors, block.size() >> table.bits);
        };
        tiles::dot_rows(cut, &factors, |tile, factors, rows| {
            weights.cells.dot_rows(block.tile(tile).offset, factors, rows)
        })
    };
    shape.system.row_tables.iter().map(combine).collect()
}

/// Everything that one model's proofs share.
pub struct InnerProver<'a> {
    /// The shape.
    pub shape: &'a Shape,
    /// The SRS.
    pub srs: &'a Srs,
    /// The seller's chunks.
    pub weights: &'a Held,
    /// Public table chunks.
    pub tables: &'a Held,
    /// Rows of the activation tables.
    pub rows: &'a [TableRows],
}

/// What an inner proof consists of.
pub struct Proved {
    /// The hash of what was proven.
    pub statement: Fr,
    /// The output's cells that it states.
    pub output: Vec<i16>,
    /// The number of clamps that it states.
    pub clamps: u32,
    /// Commitments to the prover's chunks.
    pub witness: Vec<G1Affine>,
    /// Commitment to the mask, if hiding.
    pub mask: Option<G1Affine>,
    /// The messages.
    pub proof: Secret<InnerProof<Fr>>,
    /// What the opening shows.
    pub reduced: Reduced<Fr>,
    /// The hash of all public data.
    pub public: PublicInputs,
    /// The polynomial that is to be opened at the first coordinates of the final point: the folded chunks, masked if
    /// hiding.
    pub folded: Secret<Vec<Fr>>,
}

impl Proved {
    /// What an opening is about: the polynomial, where, and the value there. **A mask hides one opening**: whoever
    /// opens twice, as by wrapping twice, shows more than is hidden.
    pub fn claim(&self, shape: &Shape) -> (&[Fr], &[Fr], Fr) {
        (&self.folded, &self.reduced.point[..shape.layout.log_chunk as usize], self.reduced.value)
    }

    /// The opening, if nothing else is opened with it. Errors: [`InnerError`].
    pub fn open(&self, shape: &Shape, srs: &Srs, control: &Control<'_>) -> Result<Opening, InnerError> {
        let (polynomial, point, value) = self.claim(shape);
        Ok(control.phase(Phase::Opening, || pcs::open(srs, polynomial, point, value, self.public.hash))??)
    }
}

/// A generator seeded by the operating system.
pub fn fresh_rng() -> StdRng {
    StdRng::from_os_rng()
}

/// `n` uniformly random field elements.
pub fn random_scalars(rng: &mut StdRng, n: usize) -> Vec<Fr> {
    (0..n).map(|_| Fr::rand(&mut RngBridge(rng))).collect()
}

/// arkworks draws from the traits of an earlier `rand_core`.
pub(crate) struct RngBridge<'a>(pub &'a mut StdRng);

impl ark_std::rand::RngCore for RngBridge<'_> {
    fn next_u32(&mut self) -> u32 {
        rand::RngCore::next_u32(self.0)
    }
    fn next_u64(&mut self) -> u64 {
        rand::RngCore::next_u64(self.0)
    }
    fn fill_bytes(&mut self, dest: &mut [u8]) {
        rand::RngCore::fill_bytes(self.0, dest);
    }
    fn try_fill_bytes(&mut self, dest: &mut [u8]) -> Result<(), ark_std::rand::Error> {
        rand::RngCore::fill_bytes(self.0, dest);
        Ok(())
    }
}

impl ark_std::rand::CryptoRng for RngBridge<'_> {}

/// Proves that `trace` is the model's execution on the committed input, up to the opening. With `hiding` the
/// commitments are blinded and the opening is masked, from fresh randomness; without, the proof reveals evaluations of
/// the weights. A false trace gives a proof that does not verify. Errors: [`InnerError`].
pub fn prove(
    prover: &InnerProver<'_>,
    input: &Committed,
    trace: &Trace,
    context: Fr,
    hiding: bool,
    control: &Control<'_>,
) -> Result<Proved, InnerError> {
    prove_with(prover, input, trace, context, hiding, &mut fresh_rng(), control)
}

/// [`prove`] with the caller's randomness, for known answers. **Whoever can guess it learns what the proof hides**: for
/// tests only. Errors: as [`prove`].
#[doc(hidden)]
pub fn prove_with(
    prover: &InnerProver<'_>,
    input: &Committed,
    trace: &Trace,
    context: Fr,
    hiding: bool,
    rng: &mut StdRng,
    control: &Control<'_>,
) -> Result<Proved, InnerError> {
    let (shape, srs) = (prover.shape, prover.srs);
    let layout = &shape.layout;
    if !srs.holds_chunks(layout.log_chunk) {
        return Err(InnerError::SrsTooSmall { have: srs.max_log(), need: layout.log_chunk });
    }
    let mut witness =
        control.phase(Phase::Witness, || witness::build(shape, prover.rows, &prover.weights.committed.cells, trace))?;

    let log_chunk = layout.log_chunk as usize;
    let mask = hiding.then(|| Mask::new(log_chunk, random_scalars(rng, Mask::len(log_chunk))));
    let blinding =
        if hiding { random_scalars(rng, layout.witness.chunks) } else { vec![Fr::ZERO; layout.witness.chunks] };
    let (committed, mask_commitment) = control.phase(Phase::Commit, || {
        let cells = std::mem::take(&mut witness.cells);
        rayon::join(
            || Held::new(srs, Committed::new(srs, layout.log_chunk, cells, blinding)),
            || mask.as_ref().map(|mask| mask.commit(srs)),
        )
    })?;
    let input = Held::new(srs, input.clone());

    let output = trace.output_cells(&shape.architecture, &shape.system);
    let clamps = trace.clamps(&shape.architecture, &shape.system);
    let statement = Statement {
        context,
        weights: &prover.weights.committed.commitments,
        tables: &prover.tables.committed.commitments,
        input: &input.committed.commitments,
        output: &output,
        clamps,
        witness: &committed.committed.commitments,
        mask: mask_commitment.as_ref(),
    };
    let statement = statement.hash();
    let salt = Fr::rand(&mut RngBridge(rng));
    let mut transcript = verifier::begin(shape, &srs.id(), hiding, &statement, &salt);
    let [beta, gamma] = [transcript.challenge(), transcript.challenge()];
    let row = transcript.challenges(shape.system.row_variables());

    let (root, levels, leaves) = control.phase(Phase::Lookup, || {
        let combined = combined_rows(shape, prover.weights, &row);
        let cells = &committed.committed.cells[..];
        let leaves = Leaves {
            shape,
            tables: prover.rows,
            trace,
            cells,
            rows: &witness.rows,
            beta,
            gamma,
            row: &row,
            combined: &combined,
        };
        lookup::prove(srs.backend().fractions(leaves), layout.log_leaves, &mut transcript)
    })?;

    let cells = Cells::new(layout, [prover.weights, prover.tables, &input, &committed].map(Held::owned));
    let lambda = transcript.challenge();
    let products = control
        .phase(Phase::Linear, || product::prove(shape, &cells, trace, &leaves.point, lambda, &mut transcript))?;
    let delta = transcript.challenge();
    let output_sum = output_sum(&output, clamps, &delta);
    transcript.absorb(&output_sum);

    let challenges = Challenges { beta, gamma, row: row.clone(), leaves, lambda, product_point: products.point, delta };
    let (opening_rounds, point, evaluation, mut folded) = control.phase(Phase::Batch, || {
        let claimed =
            Claimed { product_sum: &products.sum, product_evaluations: &products.evaluations, output_sum: &output_sum };
        let functional = verifier::functional::build(shape, &challenges, &claimed);
        let (rounds, point, evaluation) = opening::prove(
            srs.backend().as_ref(),
            shape,
            &cells,
            &functional,
            &challenges.leaves.point,
            &mut transcript,
        );
        let chunk_weights = eq_table(&point[layout.log_chunk as usize..]);
        let folded = cells.fold_chunks(&chunk_weights);
        (rounds, point, evaluation, folded)
    })?;
    transcript.absorb(&evaluation);

    let low = &point[..log_chunk];
    let (mut value, mut rho, mut masked) = (evaluation, None, None);
    if let Some(mask) = &mask {
        let m = mask.evaluate(low);
        transcript.absorb(&m);
        let r = transcript.challenge();
        mask.add_to(&mut folded, &r);
        value = evaluation + r * m;
        (rho, masked) = (Some(r), Some([m, value]));
    }
    let reduced = Reduced { delta: challenges.delta, output_sum, point, value, rho, digest: transcript.challenge() };
    let public = PublicInputs::new(&public_data(&statement, &reduced), reduced.digest);
    let proof = InnerProof {
        salt,
        root,
        levels,
        product_sum: products.sum,
        product_rounds: products.rounds,
        product_evaluations: products.evaluations,
        output_sum,
        opening_rounds,
        evaluation,
        mask: masked,
    };
    let witness = committed.committed.commitments;
    Ok(Proved {
        statement,
        output,
        clamps,
        witness,
        mask: mask_commitment,
        proof: proof.into(),
        reduced,
        public,
        folded: folded.into(),
    })
}
