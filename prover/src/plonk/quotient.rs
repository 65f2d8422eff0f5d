//! The quotient of all constraints by the vanishing polynomial of the rows.

use super::permutation::{places, product};
use super::prove::Challenges;
use super::{PREPROCESSED, key::ProvingKey};
use crate::ntt::multiply;
use crate::poly::filled;
use ark_ff::{AdditiveGroup, FftField, Field};
use assay_circuits::Fr;
use assay_circuits::plonk::{ADVICE, CONSTRAINTS, DEGREE, FIXED, WIRES, constraints};
use rayon::prelude::*;

/// Points that a thread works on at a time.
const PART: usize = 256;

/// Everything that the constraints look at, at one point.
pub struct Point {
    /// Advice columns.
    pub advice: [Fr; ADVICE],
    /// Advice columns in the next row.
    pub next: [Fr; ADVICE],
    /// Fixed columns, then permutation.
    pub preprocessed: [Fr; PREPROCESSED],
    /// `z`, and `z` in the next row.
    pub product: [Fr; 2],
    /// `PI`.
    pub public: Fr,
    /// `L_0`.
    pub first: Fr,
    /// The point.
    pub x: Fr,
}

/// The constraints' sum with powers of `α`: those of the rows, `L_0·(z - 1)`, and `z`'s step.
pub fn numerator(point: &Point, challenges: &Challenges) -> Fr {
    let mut fixed = [Fr::ZERO; FIXED];
    fixed.copy_from_slice(&point.preprocessed[..FIXED]);
    let slots: [Fr; CONSTRAINTS] = constraints(&point.advice, &point.next, &fixed, &point.public);
    let wires = &point.advice[..WIRES];
    let [z, z_next] = point.product;
    let permutation = point.preprocessed[FIXED..].iter().copied();
    let step = z_next * product(wires, permutation, &challenges.permutation) - z * product(wires, places(point.x), &challenges.permutation);
    let terms = slots.into_iter().chain([point.first * (z - Fr::ONE), step]);
    terms.zip(&challenges.alphas).map(|(term, alpha)| term * alpha).sum()
}

/// The quotient's coefficients. The polynomials are as [`super::key::Rows::interpolate`] leaves them; `tail` is what `z` has times `X^n - 1`.
pub fn quotient(key: &ProvingKey, advice: &[Vec<Fr>], product: &[Fr], tail: &[Fr], public: &[Fr], challenges: &Challenges) -> Vec<Fr> {
    let (rows, n) = (&key.rows, key.rows.len());
    let mut values = filled(Fr::ZERO, DEGREE * n);
    for (coset, (shift, _)) in rows.cosets.iter().enumerate() {
        let vanishing = shift.pow([n as u64]) - Fr::ONE;
        // never zero: the shift is outside every subgroup of order 2^i
        let inverse = Field::inverse(&vanishing).unwrap_or_default();
        let mut columns: Vec<Vec<Fr>> =
            advice.par_iter().map(|p| &p[..]).chain([product, public]).map(|p| rows.on_coset(p, coset)).collect();
        let public = columns.pop().unwrap_or_default();
        let mut product = columns.pop().unwrap_or_default();
        product.par_iter_mut().zip(&rows.points).with_min_len(512).for_each(|(z, point)| {
            let x = *shift * point;
            *z += vanishing * tail.iter().rev().fold(Fr::ZERO, |sum, c| sum * x + c);
        });
        let fixed = &key.on_cosets[coset];
        values.par_chunks_mut(DEGREE * PART).enumerate().for_each(|(part, values)| {
            for (i, values) in values.chunks_mut(DEGREE).enumerate() {
                let row = part * PART + i;
                let next = (row + 1) % n;
                let point = Point {
                    advice: std::array::from_fn(|column| columns[column][row]),
                    next: std::array::from_fn(|column| columns[column][next]),
                    preprocessed: std::array::from_fn(|column| fixed[column][row]),
                    product: [product[row], product[next]],
                    public: public[row],
                    first: fixed[PREPROCESSED][row],
                    x: *shift * rows.points[row],
                };
                values[coset] = numerator(&point, challenges) * inverse;
            }
        });
    }
    rows.large.to_coefficients(&mut values);
    let back = Field::inverse(&Fr::GENERATOR).unwrap_or_default();
    multiply(&mut values, &rows.large.powers(back));
    (0..values.len()).map(|i| values[rows.large.place(i)]).collect()
}
