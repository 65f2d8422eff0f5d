//! The quotient of all constraints by the vanishing polynomial of the rows.
//!
//! Columns come as [`Rows::interpolate`] leaves them, and their values are needed on the cosets of the rows. Here is
//! what the processor does; a device computes the same, and both run a [`Program`].

#![allow(
    clippy::indexing_slicing,
    reason = "lengths are constants or the number of rows, of which a proof chooses none"
)]

use super::PREPROCESSED;
use super::permutation::{places, product};
use super::program::Program;
use super::prove::Challenges;
use super::rows::Rows;
use crate::backend::Quotients;
use crate::ntt::Coset;
use crate::poly::filled;
use crate::simd::{Isa, Limbs, Prepared};
use ark_ff::AdditiveGroup;
use assay_circuits::Fr;
use assay_circuits::plonk::{ADVICE, CONSTRAINTS, DEGREE, FIXED, WIRES, Weighted, constraints};
use assay_circuits::scalar::Scalar;
use rayon::prelude::*;
use std::sync::{Arc, OnceLock};

/// Points that a thread works on at a time.
const PART: usize = 128;

/// Columns of a key: fixed columns, permutation, `L_0`, and the point itself.
pub const KEY_COLUMNS: usize = PREPROCESSED + 2;
/// Columns of a witness: advice, `PI`, `z`.
pub const WITNESS_COLUMNS: usize = ADVICE + 2;

/// One of the columns that the constraints look at.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Column {
    /// Of the [`KEY_COLUMNS`].
    Key(usize),
    /// Of the [`WITNESS_COLUMNS`].
    Witness(usize),
}

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

impl<S: Scalar> Point<S> {
    /// From what a column has in the row, or in the next.
    pub fn read(read: impl Fn(Column, bool) -> S) -> Self {
        let [key, witness, next] = [
            &(|column| read(Column::Key(column), false)) as &dyn Fn(usize) -> S,
            &|column| read(Column::Witness(column), false),
            &|column| read(Column::Witness(column), true),
        ];
        Self {
            advice: std::array::from_fn(witness),
            next: std::array::from_fn(next),
            preprocessed: std::array::from_fn(key),
            product: [witness(ADVICE + 1), next(ADVICE + 1)],
            public: witness(ADVICE),
            first: key(PREPROCESSED),
            x: key(PREPROCESSED + 1),
        }
    }

    fn fixed(&self) -> [S; FIXED] {
        std::array::from_fn(|i| self.preprocessed[i].clone())
    }

    /// The copy constraints' part of the numerator: `L_0·(z - 1)`, and `z`'s step.
    fn copies(&self, challenges: &Challenges) -> S {
        let (wires, permutation) = (&self.advice[..WIRES], &self.preprocessed[FIXED..]);
        let [z, z_next] = &self.product;
        let moved = z_next.clone() * product(wires, permutation.iter().cloned(), &challenges.permutation);
        let step = moved - z.clone() * product(wires, places(&self.x), &challenges.permutation);
        let start = (z.clone() - S::one()) * &self.first;
        start.times(challenges.alphas[CONSTRAINTS]) + step.times(challenges.alphas[CONSTRAINTS + 1])
    }
}

/// The constraints' sum with powers of `α`: those of the rows, `L_0·(z - 1)`, and `z`'s step.
pub fn numerator<S: Scalar>(point: &Point<S>, challenges: &Challenges) -> S {
    let slots: [S; CONSTRAINTS] = constraints(&point.advice, &point.next, &point.fixed(), &point.public);
    let terms = slots.iter().zip(&challenges.alphas).map(|(slot, alpha)| slot.times(*alpha));
    terms.fold(point.copies(challenges), |sum, term| sum + term)
}

/// [`numerator`] with fewer multiplications, for many points.
pub struct Numerators<'a> {
    challenges: &'a Challenges,
    slots: Weighted,
}

impl<'a> Numerators<'a> {
    /// With these challenges.
    pub fn new(challenges: &'a Challenges) -> Self {
        Self { challenges, slots: Weighted::new(std::array::from_fn(|i| challenges.alphas[i])) }
    }

    /// At one point, or at several.
    pub fn at<S: Scalar>(&self, point: &Point<S>) -> S {
        self.slots.value(&point.advice, &point.next, &point.fixed(), &point.public) + point.copies(self.challenges)
    }
}

/// What quotients of one key have in common.
#[derive(Debug)]
pub struct Preprocessed {
    /// The rows.
    pub rows: Arc<Rows>,
    /// The [`KEY_COLUMNS`].
    pub columns: Vec<Vec<Fr>>,
}

/// What quotients of one key differ in.
pub struct Witness<'a> {
    /// Advice columns.
    pub advice: &'a [Vec<Fr>],
    /// `PI`.
    pub public: &'a [Fr],
    /// `z`, but for what follows.
    pub product: &'a [Fr],
    /// The coefficients of what `z` has times `X^n - 1`: [`BLINDING_ROWS`] of them.
    pub tail: &'a [Fr],
}

impl Witness<'_> {
    /// The [`WITNESS_COLUMNS`] on a coset.
    fn on_coset(&self, rows: &Rows, coset: &Coset) -> Vec<Vec<Fr>> {
        let scale = rows.vanishing(coset) * Fr::from(rows.len() as u64);
        let product = || {
            let mut product = self.product.to_vec();
            self.tail.iter().enumerate().for_each(|(i, c)| product[rows.place(i)] += scale * c);
            product
        };
        let columns = self.advice.par_iter().map(Vec::as_slice).chain([self.public]).map(<[Fr]>::to_vec);
        columns.chain(rayon::iter::once(()).map(|()| product())).map(|column| rows.on_coset(column, coset)).collect()
    }
}

/// The processor's quotients.
#[derive(Debug)]
pub struct OnHost {
    key: Arc<Preprocessed>,
    /// Values of the key's columns on each coset, once a quotient was wanted.
    on_cosets: OnceLock<Vec<Vec<Vec<Fr>>>>,
}

impl OnHost {
    /// For quotients of this key.
    pub fn new(key: Arc<Preprocessed>) -> Self {
        Self { key, on_cosets: OnceLock::new() }
    }

    fn on_cosets(&self) -> &[Vec<Vec<Fr>>] {
        let Preprocessed { rows, columns } = self.key.as_ref();
        let on_coset = |coset| columns.par_iter().map(|column| rows.on_coset(column.clone(), coset)).collect();
        self.on_cosets.get_or_init(|| rows.cosets.iter().map(on_coset).collect())
    }
}

impl Quotients for OnHost {
    fn quotient(&self, witness: &Witness<'_>, challenges: &Challenges) -> Vec<Fr> {
        let rows = &self.key.rows;
        let program = Program::new(&Numerators::new(challenges));
        let prepared = Prepared::new(&program);
        let mut values = filled(Fr::ZERO, DEGREE * rows.len());
        let inverses = rows.inverse_vanishing();
        for (i, (coset, key)) in rows.cosets.iter().zip(self.on_cosets()).enumerate() {
            let witness = witness.on_coset(rows, coset);
            let columns = Columns { key, witness: &witness };
            values.par_chunks_mut(DEGREE * PART).enumerate().for_each_init(
                || prepared.memory(),
                |memory, (part, values)| {
                    let mut here = [Fr::ZERO; PART];
                    let here = &mut here[..values.len() / DEGREE];
                    columns.numerators(part * PART, &program, &prepared, memory, here);
                    values
                        .chunks_mut(DEGREE)
                        .zip(here)
                        .for_each(|(values, numerator)| values[i] = *numerator * inverses[i]);
                },
            );
        }
        rows.large.to_coefficients(&mut values, Some(&rows.from_cosets));
        (0..values.len()).map(|i| values[rows.large.place(i)]).collect()
    }
}

/// Columns on a coset of the rows.
struct Columns<'a> {
    key: &'a [Vec<Fr>],
    witness: &'a [Vec<Fr>],
}

impl Columns<'_> {
    fn of(&self, column: Column) -> &[Fr] {
        match column {
            Column::Key(column) => &self.key[column],
            Column::Witness(column) => &self.witness[column],
        }
    }

    /// The program's results in the rows from `start` on.
    fn numerators(
        &self,
        start: usize,
        program: &Program,
        prepared: &Prepared<'_>,
        memory: &mut [Limbs],
        out: &mut [Fr],
    ) {
        let n = self.key[0].len();
        let (mut done, mut rest) = (0, &mut out[..]);
        if let Some(isa) = Isa::best() {
            // the last row's next row is the first
            let whole = rest.len().min(n - 1 - start);
            done = prepared.run(isa, &|column| self.of(column), start, memory, &mut rest[..whole]);
            rest = &mut rest[done..];
        }
        for (row, out) in (start + done..).zip(rest) {
            *out = program.run(|column, next| self.of(column)[if next { (row + 1) % n } else { row }]);
        }
    }
}
