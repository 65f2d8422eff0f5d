//! Commitments over the development SRS. Its τ is public, so the commitment to a polynomial is its value at τ times the
//! generator: that takes one multiplication of a point instead of one for every coefficient, and no powers. Nothing
//! here is any use over another SRS.

use crate::plonk::{INTERLEAVED, KEY_COMMITMENTS, VerifyingKey};
use ark_bn254::{G1Affine, G1Projective};
use ark_ec::{CurveGroup, PrimeGroup};
use ark_ff::{AdditiveGroup, FftField, Field, batch_inversion};
use assay_circuits::Fr;
use assay_circuits::plonk::Circuit;

fn commitment(value: Fr) -> G1Affine {
    (G1Projective::generator() * value).into_affine()
}

fn value(cells: &[i32], tau: Fr) -> Fr {
    cells.iter().rev().fold(Fr::ZERO, |sum, cell| sum * tau + Fr::from(*cell))
}

/// To a chunk's cells, without blinding.
pub fn commit_cells(cells: &[i32], tau: Fr) -> G1Affine {
    commitment(value(cells, tau))
}

/// To a chunk's cells, with the blinding at `X^(2^log_chunk)`.
pub fn commit_blinded(cells: &[i32], blinding: Fr, log_chunk: u32, tau: Fr) -> G1Affine {
    commitment(value(cells, tau) + blinding * tau.pow([1 << log_chunk]))
}

/// A circuit's key: its columns are interleaved as [`crate::plonk::ProvingKey::new`] interleaves them. `None` for more
/// rows than the field has roots of unity for.
pub fn universal_key(circuit: &Circuit, tau: Fr) -> Option<VerifyingKey> {
    let rows = Rows::new(circuit.log_rows, tau.pow([INTERLEAVED as u64]))?;
    let n = rows.points.len();
    // a cell's number is its row's point, in the coset of its column
    let number = |cell: &u32| {
        let (column, row) = (*cell as usize / n, *cell as usize % n);
        Field::pow(&Fr::GENERATOR, [column as u64]) * rows.points.get(row).copied().unwrap_or_default()
    };
    let fixed = circuit.fixed.iter().map(|column| rows.value(column.iter().copied()));
    let permutation = circuit.permutation.chunks(n).map(|column| rows.value(column.iter().map(number)));
    let values: Vec<Fr> = fixed.chain(permutation).collect();
    let mut commitments = [G1Affine::default(); KEY_COMMITMENTS];
    for (slot, packed) in commitments.iter_mut().zip(values.chunks(INTERLEAVED)) {
        *slot = commitment(packed.iter().rev().fold(Fr::ZERO, |sum, value| sum * tau + value));
    }
    Some(VerifyingKey { log_rows: circuit.log_rows, commitments })
}

/// The rows' domain, and what a polynomial's values there count for at one point outside of it.
struct Rows {
    points: Vec<Fr>,
    weights: Vec<Fr>,
}

impl Rows {
    fn new(log: u32, at: Fr) -> Option<Self> {
        let root = Fr::get_root_of_unity(1 << log)?;
        let points: Vec<Fr> = std::iter::successors(Some(Fr::ONE), |x| Some(*x * root)).take(1 << log).collect();
        // L_i(x) = ω^i·(x^n - 1) / (n·(x - ω^i))
        let mut weights: Vec<Fr> = points.iter().map(|point| at - point).collect();
        batch_inversion(&mut weights);
        let scale = (at.pow([1 << log]) - Fr::ONE) * Field::inverse(&Fr::from(1u64 << log))?;
        weights.iter_mut().zip(&points).for_each(|(weight, point)| *weight *= scale * point);
        Some(Self { points, weights })
    }

    fn value(&self, values: impl Iterator<Item = Fr>) -> Fr {
        let terms = values.zip(&self.weights).filter(|(value, _)| *value != Fr::ZERO);
        terms.map(|(value, weight)| value * weight).sum()
    }
}
