//! The copy constraints: a product over all rows that is 1 if the wires' cells are permuted values of themselves
//! (PLONK, section 5).

#![allow(clippy::indexing_slicing, reason = "only the prover runs this")]

use super::coset;
use crate::poly::filled;
use ark_ff::{AdditiveGroup, Field};
use assay_circuits::Fr;
use assay_circuits::plonk::{ADVICE, WIRES};
use assay_circuits::scalar::Scalar;
use rayon::prelude::*;

/// Rows that a thread works on at a time.
const PART: usize = 512;

/// `Π_i (w_i + β·place_i + γ)`.
pub fn product<S: Scalar>(wires: &[S], places: impl IntoIterator<Item = S>, [beta, gamma]: &[Fr; 2]) -> S {
    let gamma = S::constant(*gamma);
    let factors = wires.iter().zip(places).map(|(w, place)| place.times(*beta) + w + &gamma);
    factors.reduce(|product, factor| product * factor).unwrap_or_else(S::one)
}

/// The number of column `i`'s cell at a point `x` of its row.
pub fn places<S: Scalar>(x: &S) -> [S; WIRES] {
    std::array::from_fn(|i| x.times(coset(i)))
}

/// `z` on the rows: 1 in the first, and times its row's fraction in the next. `permutation` are the numbers that cells
/// are sent to, by columns.
pub fn products(advice: &[Vec<Fr>; ADVICE], permutation: &[Vec<Fr>], points: &[Fr], challenges: &[Fr; 2]) -> Vec<Fr> {
    let n = points.len();
    let (mut numerators, mut denominators) = (filled(Fr::ZERO, n), filled(Fr::ZERO, n));
    let parts = numerators.par_chunks_mut(PART).zip(denominators.par_chunks_mut(PART)).enumerate();
    parts.for_each(|(part, (numerators, denominators))| {
        for (i, (numerator, denominator)) in numerators.iter_mut().zip(denominators.iter_mut()).enumerate() {
            let row = part * PART + i;
            let wires: [Fr; WIRES] = std::array::from_fn(|column| advice[column][row]);
            *numerator = product(&wires, places(&points[row]), challenges);
            *denominator = product(&wires, permutation.iter().map(|column| column[row]), challenges);
        }
        ark_ff::batch_inversion(denominators);
    });
    let mut value = Fr::ONE;
    numerators
        .iter()
        .zip(&denominators)
        .map(|(numerator, inverse)| {
            let next = value * numerator * inverse;
            std::mem::replace(&mut value, next)
        })
        .collect()
}
