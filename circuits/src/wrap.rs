//! The wrap circuit: "I verified an inner proof of this shape", with three public inputs.
//!
//! `docs/protocol.md` section 8. The circuit holds its own copy of the public data `d`, exposes the transcript's last
//! squeeze `D`, which binds `d`, and `h = Σ d_i χ^i` for a `χ` that is a hash of the outside's `d` and of `D`. Whoever
//! checks the proof computes `χ` and `h` from its own `d`.

#![cfg_attr(not(test), deny(clippy::indexing_slicing))]

use crate::Fr;
use crate::model::{Index, Run};
use crate::r1cs::{Constraints, System, Tape};
use crate::scalar::{Check, Scalar, VerifyError};
use crate::shape::Shape;
use crate::system::ColumnId;
use crate::verifier::{self, InnerProof, Reduced};
use ark_ff::{BigInteger, PrimeField};
use sha3::{Digest, Keccak256};

/// Number of public inputs: `D`, `χ`, `h`.
pub const PUBLIC_INPUTS: usize = 3;

/// `d_1 … d_n`, in the order of section 8.
pub fn public_data<S: Scalar>(statement: &S, reduced: &Reduced<S>) -> Vec<S> {
    let mut data = vec![statement.clone(), reduced.delta.clone(), reduced.output_sum.clone()];
    data.extend(reduced.point.iter().cloned());
    data.push(reduced.value.clone());
    data.extend(reduced.rho.clone());
    data
}

/// `Σ_{i>=1} d_i χ^i`.
pub fn fold_public_data<S: Scalar>(data: &[S], chi: &S) -> S {
    S::powers_sum(data, chi)
}

/// The public inputs of a wrap proof and the hash that they and the opening's transcript come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PublicInputs {
    /// `K = keccak256(d ‖ D)`.
    pub hash: [u8; 32],
    /// `D`.
    pub digest: Fr,
    /// `χ = K mod r`.
    pub chi: Fr,
    /// `h`.
    pub fold: Fr,
}

impl PublicInputs {
    /// From the public data and `D`.
    pub fn new(data: &[Fr], digest: Fr) -> Self {
        let mut hash = Keccak256::new();
        for value in data.iter().chain([&digest]) {
            hash.update(value.into_bigint().to_bytes_be());
        }
        let hash: [u8; 32] = hash.finalize().into();
        let chi = Fr::from_be_bytes_mod_order(&hash);
        Self { hash, digest, chi, fold: fold_public_data(data, &chi) }
    }

    /// In the circuit's order.
    pub fn to_array(self) -> [Fr; PUBLIC_INPUTS] {
        [self.digest, self.chi, self.fold]
    }
}

/// The circuit, on whatever it runs: constraints or a witness.
pub(crate) fn synthesise<S: Scalar>(
    shape: &Shape,
    srs_id: &[u8; 32],
    public: &[S],
    statement: &S,
    proof: &InnerProof<S>,
) -> Result<(), VerifyError> {
    let [digest, chi, fold] = public else {
        return Err(VerifyError::Length { part: "public inputs", have: public.len(), need: PUBLIC_INPUTS });
    };
    let reduced = verifier::verify(shape, srs_id, statement, proof)?;
    reduced.digest.require_equal(digest, Check::PublicInput)?;
    fold_public_data(&public_data(statement, &reduced), chi).require_equal(fold, Check::PublicInput)
}

/// Most values of the tables that a circuit computes.
pub(crate) const MOST_VALUES: usize = 1 << 18;

/// Refuses a shape whose circuit would be too large to be made, before anything is made of it: a shape may come from
/// anybody. What grows faster than with the logarithm of the network are tables of `eq` over axes that maps and windows
/// follow, the places that a window's kernel meets, the entries of maps, tiles of weights, and output cells that lie
/// apart; and every view of a column takes its coordinates, as does every block of leaves. Errors:
/// [`VerifyError::CircuitSize`].
pub(crate) fn check_size(shape: &Shape) -> Result<(), VerifyError> {
    let table = |log: u32| 1usize.checked_shl(log).unwrap_or(usize::MAX);
    let sum = |values: &[usize]| values.iter().fold(0usize, |sum, value| sum.saturating_add(*value));
    // what a claim on a block of weights takes for its tiles: `eq` of each cut's numbers, a factor for each tile, and
    // where each is
    let tiles = |column: ColumnId| {
        let Some(block) = shape.system.cut(column) else { return 0 };
        let above = shape.layout.variables().saturating_sub(block.log_tile() as usize);
        let numbers = block.cuts.iter().map(|cut| 2 * cut.len as usize + usize::from(cut.bits)).sum();
        sum(&[numbers, block.tiles(), table(above as u32).min(block.tiles().saturating_mul(above))])
    };
    let mut have = shape.system.row_tables.iter().fold(0usize, |have, of| have.saturating_add(tiles(of.matrix)));
    for output in &shape.architecture.outputs {
        let runs = verifier::runs::count(output.cells.iter().map(|cell| *cell as usize));
        let log_output = shape.layout.block(shape.system.source(output.source)).log_item;
        have = sum(&[have, runs, table(log_output).min(runs.saturating_mul(log_output as usize))]);
    }
    let leaves = &shape.layout.leaves;
    have = sum(&[have, leaves.len().saturating_mul(shape.layout.log_leaves as usize + shape.layout.variables())]);
    for summand in shape.system.equations.iter().flat_map(|equation| &equation.summands) {
        let axis = |axis: u8| table(summand.axes.get(usize::from(axis)).copied().unwrap_or(0).into());
        let values = |run: &Run| match &run.index {
            Index::Axis(_) => 0,
            Index::Map { axis, entries } if verifier::first::is_cheap(*axis, entries, run.log_len) => 0,
            Index::Map { axis: of, entries } => sum(&[of.map_or(0, axis), table(run.log_len.into()), entries.len()]),
            Index::Window { out, kernel, window } => {
                let taps = (window.outputs as usize).saturating_mul(window.kernel as usize);
                sum(&[axis(*out), axis(*kernel), table(run.log_len.into()), taps])
            }
        };
        for view in std::iter::once(&summand.left).chain(&summand.right) {
            have =
                view.runs.iter().map(values).fold(have.saturating_add(shape.layout.variables()), usize::saturating_add);
            have = have.saturating_add(tiles(view.column));
        }
    }
    if have > MOST_VALUES { Err(VerifyError::CircuitSize { have, most: MOST_VALUES }) } else { Ok(()) }
}

/// The constraints of a shape's circuit. Deterministic: anyone re-derives them. Errors: [`VerifyError::CircuitSize`].
pub fn constraints(shape: &Shape, srs_id: &[u8; 32]) -> Result<Constraints, VerifyError> {
    check_size(shape)?;
    let (system, public) = System::new(PUBLIC_INPUTS);
    let statement = system.witness();
    let proof = InnerProof::zero(shape, true).map(|_| system.witness());
    synthesise(shape, srs_id, &public, &statement, &proof)?;
    drop((public, statement, proof));
    Ok(system.into_constraints())
}

/// The assignment of all variables for one proof: one, public inputs, witness. Errors: [`VerifyError`] if the inner
/// proof does not verify.
pub fn assignment(
    shape: &Shape,
    srs_id: &[u8; 32],
    statement: Fr,
    proof: &InnerProof<Fr>,
    public: PublicInputs,
) -> Result<Vec<Fr>, VerifyError> {
    let (tape, public) = Tape::new(&public.to_array());
    let statement = tape.witness(statement);
    let proof = proof.map(|v| tape.witness(*v));
    synthesise(shape, srs_id, &public, &statement, &proof)?;
    drop((public, statement, proof));
    Ok(tape.into_assignment())
}
