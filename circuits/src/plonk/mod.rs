//! The wrap circuit as rows of one fixed gate set, for a proof system with a universal setup (PLONK: Gabizon,
//! Williamson and Ciobotaru, ePrint 2019/953).
//!
//! A table of `n = 2^k` rows. Its [`FIXED`] fixed columns and the permutation of its wires are the circuit; its
//! [`ADVICE`] advice columns are the witness. [`constraints`] is what every row and the next one must satisfy, the last
//! row's next being the first. The [`WIRES`] first advice columns are wires: their cells are equal where the
//! permutation says so. The public inputs `D, χ, h` are the values of `PI` in rows 0 to 2, and 0 is its value in all
//! others. The last [`BLINDING_ROWS`] rows, and all others from [`Circuit::used_rows`] on, say nothing: a prover may
//! fill their cells as it likes.
//!
//! The circuit says the same as [`crate::wrap::constraints`]: both are what [`crate::verifier::verify`] does to
//! [`crate::r1cs::Symbol`], but here permutations and sumcheck rounds are kept whole, and what remains is lowered to
//! rows of sums and products.

pub mod gates;
pub mod hash;
mod lower;
mod sums;
#[cfg(test)]
mod tests;

pub use gates::{ADVICE, CONSTANTS, CONSTRAINTS, DEGREE, FIXED, Kind, WIRES, Weighted, constraints};

use crate::Fr;
use crate::r1cs::{LinearCombination, System, Tape};
use crate::scalar::VerifyError;
use crate::shape::Shape;
use crate::verifier::InnerProof;
use crate::verifier::lookup;
use crate::wrap::{self, PUBLIC_INPUTS, PublicInputs};
use ark_ff::{AdditiveGroup, Field};
use lower::Rows;
use rayon::prelude::*;

/// Rows at the end that say nothing: at as many points a column's values are shown (`docs/protocol.md` section 9).
pub const BLINDING_ROWS: usize = 5;

/// A shape's circuit.
#[derive(Clone, Debug)]
pub struct Circuit {
    /// `k`: there are `2^k` rows.
    pub log_rows: u32,
    /// Rows that are in use, from the first.
    pub used_rows: usize,
    /// `2^k` values each: [`CONSTANTS`] constants, then `s` and `t` ([`Kind::code`]).
    pub fixed: [Vec<Fr>; FIXED],
    /// For each cell `row + 2^k·column` of the wires the next of those that are equal to it, in a cycle.
    pub permutation: Vec<u32>,
    rows: Rows,
    shape: Shape,
    srs_id: [u8; 32],
}

/// What a check found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Violation {
    /// A slot of [`constraints`] in this row is not zero.
    Row {
        /// The row.
        row: usize,
        /// The slot.
        slot: usize,
    },
    /// Two wires of a cycle differ.
    Copy {
        /// One of them.
        cell: usize,
    },
}

impl Circuit {
    /// The circuit of a shape. Deterministic: anyone re-derives it. Errors: [`VerifyError::CircuitSize`].
    pub fn new(shape: &Shape, srs_id: &[u8; 32]) -> Result<Self, VerifyError> {
        wrap::check_size(shape)?;
        let (system, public) = System::whole(PUBLIC_INPUTS);
        let statement = system.witness();
        let proof = InnerProof::zero(shape, true).map(|_| system.witness());
        wrap::synthesise(shape, srs_id, &public, &statement, &proof)?;
        drop((public, statement, proof));
        let rows = lower::lower(&system.into_constraints());

        let used_rows = rows.rows.len();
        let n = (used_rows + BLINDING_ROWS).next_power_of_two();
        let mut fixed: [Vec<Fr>; FIXED] = std::array::from_fn(|_| vec![Fr::ZERO; n]);
        let mut permutation: Vec<u32> = (0..(WIRES * n) as u32).collect();
        let mut last = vec![None; rows.variables + rows.added.len()];
        for (at, row) in rows.rows.iter().enumerate() {
            let values = row.constants.iter().copied().chain(row.kind.code());
            fixed.iter_mut().zip(values).for_each(|(column, value)| column[at] = value);
            for (column, variable) in row.wires.iter().enumerate() {
                let Some(variable) = variable else { continue };
                let cell = column * n + at;
                // into the cycle, after the variable's last cell
                if let Some(before) = last[*variable as usize].replace(cell) {
                    permutation.swap(before, cell);
                }
            }
        }
        Ok(Self { log_rows: n.ilog2(), used_rows, fixed, permutation, rows, shape: shape.clone(), srs_id: *srs_id })
    }

    /// How many rows of each kind there are.
    pub fn count(&self, kind: Kind) -> usize {
        self.rows.rows.iter().filter(|row| row.kind == kind).count()
    }

    /// The advice columns for an inner proof, `2^k` values each; cells that nothing is said about are 0. Errors:
    /// [`VerifyError`] if the inner proof does not verify, or not with these public inputs.
    pub fn advice(
        &self,
        statement: Fr,
        proof: &InnerProof<Fr>,
        public: PublicInputs,
    ) -> Result<[Vec<Fr>; ADVICE], VerifyError> {
        let (tape, inputs) = Tape::whole(&public.to_array());
        let statement = tape.witness(statement);
        let proof = proof.map(|v| tape.witness(*v));
        wrap::synthesise(&self.shape, &self.srs_id, &inputs, &statement, &proof)?;
        drop((inputs, statement, proof));
        Ok(self.fill(self.derive(tape.into_assignment())))
    }

    /// The values of all variables from those of the constraints.
    fn derive(&self, mut values: Vec<Fr>) -> Vec<Fr> {
        for polynomial in &self.rows.added {
            values.push(polynomial.value(&values));
        }
        values
    }

    fn fill(&self, values: Vec<Fr>) -> [Vec<Fr>; ADVICE] {
        let mut advice: [Vec<Fr>; ADVICE] = std::array::from_fn(|_| vec![Fr::ZERO; 1 << self.log_rows]);
        for (at, row) in self.rows.rows.iter().enumerate() {
            for (column, variable) in row.wires.iter().enumerate() {
                if let Some(variable) = variable {
                    advice[column][at] = values[*variable as usize];
                }
            }
        }
        let hashed = self.rows.permutations.par_iter().map(|place| {
            let state = place.input.each_ref().map(|lc| evaluate(lc, &values));
            (place.row, evaluate(&place.capacity, &values), hash::cells(&state))
        });
        for (start, capacity, (cells, result)) in hashed.collect::<Vec<_>>() {
            advice[6][start] = capacity;
            for (at, cells) in cells.iter().enumerate() {
                let kept = if at == 0 { 4..6 } else { 0..0 };
                for column in (0..ADVICE).filter(|column| !kept.contains(column)) {
                    advice[column][start + 1 + at] = cells[column];
                }
            }
            advice[6][start + hash::ROWS] = result[0];
        }
        for (at, row) in self.rows.rows.iter().enumerate() {
            let w: [Fr; ADVICE] = std::array::from_fn(|column| advice[column][at]);
            let q = &row.constants;
            match row.kind {
                Kind::Sum if q[7] != Fr::ZERO => {
                    let (low, high) = (w[0] * w[1], w[2] * w[3]);
                    // the last constant is -1 wherever a sum goes on
                    advice[6][at + 1] = q[0] * low
                        + q[1] * high
                        + q[2] * w[4] * w[5]
                        + q[3] * low * high
                        + q[4] * w[4]
                        + q[5] * w[5]
                        + q[6] * w[6];
                }
                Kind::Round => {
                    advice[7][at] = Field::inverse(&w[1]).unwrap_or_default();
                    let message = [&w[0], &w[2], &w[3], &w[4]];
                    advice[6][at + 1] = lookup::quartic_round(&w[6], message, &w[1], &w[5]).unwrap_or_default();
                }
                _ => {}
            }
        }
        advice
    }

    /// The first thing that advice columns violate.
    pub fn first_violated(&self, advice: &[Vec<Fr>; ADVICE], public: [Fr; PUBLIC_INPUTS]) -> Option<Violation> {
        let n = 1usize << self.log_rows;
        let copied = |cell: usize, next: u32| {
            let value = |cell: usize| advice[cell / n][cell % n];
            (value(cell) != value(next as usize)).then_some(Violation::Copy { cell })
        };
        (0..n)
            .find_map(|row| self.violated_in(row, advice, public))
            .or_else(|| self.permutation.iter().enumerate().find_map(|(cell, next)| copied(cell, *next)))
    }

    fn violated_in(&self, row: usize, advice: &[Vec<Fr>; ADVICE], public: [Fr; PUBLIC_INPUTS]) -> Option<Violation> {
        let next = (row + 1) % (1 << self.log_rows);
        let at = |row: usize| std::array::from_fn(|column| advice[column][row]);
        let fixed = std::array::from_fn(|column| self.fixed[column][row]);
        let slots = constraints(&at(row), &at(next), &fixed, &public.get(row).copied().unwrap_or_default());
        slots.iter().position(|slot| *slot != Fr::ZERO).map(|slot| Violation::Row { row, slot })
    }
}

fn evaluate(lc: &LinearCombination, values: &[Fr]) -> Fr {
    lc.iter().map(|(v, c)| values[*v as usize] * c).sum()
}
