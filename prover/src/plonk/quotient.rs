//! The quotient of all constraints by the vanishing polynomial of the rows.

#![allow(clippy::indexing_slicing, reason = "lengths are constants or the number of rows, of which a proof chooses none")]

use super::permutation::{places, product};
use super::prove::Challenges;
use super::{PREPROCESSED, key::ProvingKey};
use crate::backend::Backend;
use crate::ntt::Coset;
use crate::poly::filled;
use crate::simd::{Isa, Wide};
use ark_ff::{AdditiveGroup, Field};
use assay_circuits::Fr;
use assay_circuits::plonk::{ADVICE, CONSTRAINTS, DEGREE, FIXED, WIRES, constraints};
use assay_circuits::scalar::Scalar;
use rayon::prelude::*;

/// Points that a thread works on at a time.
const PART: usize = 128;

/// Everything that the constraints look at, at one point or at several.
pub struct Point<S> {
    /// Advice columns.
    pub advice: [S; ADVICE],
    /// Advice columns in the next row.
    pub next: [S; ADVICE],
    /// Fixed columns, then permutation.
    pub preprocessed: [S; PREPROCESSED],
    /// `z`, and `z` in the next row.
    pub product: [S; 2],
    /// `PI`.
    pub public: S,
    /// `L_0`.
    pub first: S,
    /// The point.
    pub x: S,
}

/// The constraints' sum with powers of `α`: those of the rows, `L_0·(z - 1)`, and `z`'s step.
pub fn numerator<S: Scalar>(point: &Point<S>, challenges: &Challenges) -> S {
    let (fixed, permutation) = point.preprocessed.split_at(FIXED);
    let fixed: [S; FIXED] = std::array::from_fn(|i| fixed[i].clone());
    let slots: [S; CONSTRAINTS] = constraints(&point.advice, &point.next, &fixed, &point.public);
    let wires = &point.advice[..WIRES];
    let [z, z_next] = &point.product;
    let moved = z_next.clone() * product(wires, permutation.iter().cloned(), &challenges.permutation);
    let step = moved - z.clone() * product(wires, places(&point.x), &challenges.permutation);
    let terms = slots.into_iter().chain([(z.clone() - S::one()) * &point.first, step]);
    let sum = terms.zip(&challenges.alphas).map(|(term, alpha)| term.times(*alpha)).reduce(|sum, term| sum + term);
    sum.unwrap_or_else(S::zero)
}

/// Columns on a coset of the rows.
struct Columns<'a> {
    advice: &'a [Vec<Fr>],
    preprocessed: &'a [Vec<Fr>],
    product: &'a [Fr],
    public: &'a [Fr],
    points: &'a [Fr],
    shift: Fr,
}

impl Columns<'_> {
    /// The points from `row` on, by what reads them from a column.
    fn at<S: Scalar>(&self, row: usize, read: impl Fn(&[Fr], usize) -> S) -> Point<S> {
        let next = (row + 1) % self.points.len();
        Point {
            advice: std::array::from_fn(|column| read(&self.advice[column], row)),
            next: std::array::from_fn(|column| read(&self.advice[column], next)),
            preprocessed: std::array::from_fn(|column| read(&self.preprocessed[column], row)),
            product: [read(self.product, row), read(self.product, next)],
            public: read(self.public, row),
            first: read(&self.preprocessed[PREPROCESSED], row),
            x: read(self.points, row).times(self.shift),
        }
    }

    /// [`numerator`] of the rows from `start` on.
    fn numerators(&self, start: usize, challenges: &Challenges, out: &mut [Fr]) {
        let n = self.points.len();
        let mut done = 0;
        if let Some(isa) = Isa::best() {
            let lanes = isa.lanes();
            // a vector's next rows may not go beyond the end
            while done + lanes <= out.len() && start + done + lanes < n {
                let point = self.at(start + done, |column, row| Wide::load(isa, &column[row..]));
                numerator(&point, challenges).store(&mut out[done..done + lanes]);
                done += lanes;
            }
        }
        for (i, out) in out.iter_mut().enumerate().skip(done) {
            *out = numerator(&self.at(start + i, |column, row| column[row]), challenges);
        }
    }
}

/// The quotient's coefficients. The polynomials are as [`super::key::Rows::interpolate`] leaves them; `tail` is what `z` has times `X^n - 1`.
pub fn quotient(
    backend: &dyn Backend,
    key: &ProvingKey,
    advice: &[Vec<Fr>],
    product: &[Fr],
    tail: &[Fr],
    public: &[Fr],
    challenges: &Challenges,
) -> Vec<Fr> {
    let (rows, n) = (&key.rows, key.rows.len());
    let mut values = filled(Fr::ZERO, DEGREE * n);
    for (coset, shift) in rows.cosets.iter().map(Coset::factor).enumerate() {
        let vanishing = shift.pow([n as u64]) - Fr::ONE;
        // never zero: the shift is outside every subgroup of order 2^i
        let inverse = Field::inverse(&vanishing).unwrap_or_default();
        let mut columns: Vec<Vec<Fr>> =
            advice.par_iter().map(|p| &p[..]).chain([product, public]).map(|p| rows.on_coset(backend, p, coset)).collect();
        let public = columns.pop().unwrap_or_default();
        let mut product = columns.pop().unwrap_or_default();
        product.par_iter_mut().zip(&rows.points).with_min_len(512).for_each(|(z, point)| {
            let x = *shift * point;
            *z += vanishing * tail.iter().rev().fold(Fr::ZERO, |sum, c| sum * x + c);
        });
        let columns = Columns {
            advice: &columns,
            preprocessed: &key.on_cosets[coset],
            product: &product,
            public: &public,
            points: &rows.points,
            shift: *shift,
        };
        values.par_chunks_mut(DEGREE * PART).enumerate().for_each(|(part, values)| {
            let mut numerators = [Fr::ZERO; PART];
            let numerators = &mut numerators[..values.len() / DEGREE];
            columns.numerators(part * PART, challenges, numerators);
            values.chunks_mut(DEGREE).zip(numerators).for_each(|(values, numerator)| values[coset] = *numerator * inverse);
        });
    }
    backend.to_coefficients(&rows.large, &mut values, Some(&rows.from_cosets));
    (0..values.len()).map(|i| values[rows.large.place(i)]).collect()
}
