//! Where the prover's heavy computation is done: the seam between the protocol, which knows the transcript, and
//! kernels, which do not.
//!
//! Whoever makes a prover chooses a backend, and what depends on data moves with it: powers of tau
//! ([`crate::srs::Srs::on`]), weights, the witness. Every backend gives the same field elements and the same points, so
//! proofs do not depend on it; [`conformance`] is what it must pass. A backend always answers: one that has a device
//! which fails or is full does the work otherwise.
//!
//! [`Cpu`] is the default: all cores, vector instructions found at run time. [`Reference`] is the readable definition
//! of everything here, far too slow for use.

pub mod conformance;
mod cpu;
mod reference;

pub use cpu::Cpu;
pub use reference::Reference;

use crate::inner::Leaves;
use crate::ntt::{Coset, Domain};
use crate::plonk;
use crate::plonk::quotient::{Preprocessed, Witness};
use ark_bn254::{G1Affine, G1Projective, G2Affine, G2Projective};
use assay_circuits::Fr;
use std::fmt::Debug;
use std::sync::Arc;

/// Computes.
pub trait Backend: Debug + Send + Sync {
    /// What it is, in a few words for a log.
    fn name(&self) -> String;

    /// Takes bases for many sums.
    fn bases(&self, points: Arc<Vec<G1Affine>>) -> Arc<dyn Bases>;

    /// `Σ scalars[i] · bases[i]`, once. There is a scalar for each base.
    fn msm(&self, bases: &[G1Affine], scalars: &[Fr]) -> G1Projective;

    /// [`Self::msm`] in G2.
    fn msm_g2(&self, bases: &[G2Affine], scalars: &[Fr]) -> G2Projective;

    /// [`Domain::to_coefficients`].
    fn to_coefficients(&self, domain: &Domain, values: &mut [Fr], coset: Option<&Coset>);

    /// [`Domain::to_values`].
    fn to_values(&self, domain: &Domain, coefficients: &mut [Fr], coset: Option<&Coset>);

    /// Takes cells for many sums.
    fn cells(&self, cells: Arc<Vec<i32>>) -> Arc<dyn Cells>;

    /// Begins the sumcheck of `Σ_x a(x)·b(x)`; lengths are equal powers of two.
    fn product(&self, a: Vec<Fr>, b: Vec<Fr>) -> Box<dyn Product>;

    /// The lookup argument's tree over these leaves.
    fn fractions<'a>(&self, leaves: Leaves<'a>) -> Box<dyn Fractions + 'a>;

    /// Takes a key's columns for many quotients.
    fn quotients(&self, key: Arc<Preprocessed>) -> Arc<dyn Quotients>;
}

/// Quotients of one circuit of the universal wrap.
pub trait Quotients: Debug + Send + Sync {
    /// The coefficients of the polynomial that is the numerator ([`plonk::quotient::numerator`]) over `X^n - 1` on the
    /// coset of `DEGREE · n` points that the generator begins.
    fn quotient(&self, witness: &Witness<'_>, challenges: &plonk::Challenges) -> Vec<Fr>;
}

/// Points of G1 that many sums share.
pub trait Bases: Debug + Send + Sync {
    /// `Σ scalars[i] · points[i]`; there are no more scalars than points.
    fn msm(&self, scalars: &[Fr]) -> G1Projective;

    /// The same for each list of small scalars, exact for every `i32`; a list is no longer than the points.
    fn msm_small(&self, scalars: &[&[i32]]) -> Vec<G1Projective>;
}

/// Small integers that many sums share: a part of the committed vector. What is beyond the end is 0.
pub trait Cells: Debug + Send + Sync {
    /// `out[j] = Σ_r factors[r] · cells[from + r·width + j]`, `width` values.
    fn fold_rows(&self, from: usize, factors: &[Fr], width: usize) -> Vec<Fr>;

    /// `out[r] = Σ_j factors[j] · cells[from + r·factors.len() + j]`, `rows` values.
    fn dot_rows(&self, from: usize, factors: &[Fr], rows: usize) -> Vec<Fr>;
}

/// A sumcheck of products, the lowest variable first.
pub trait Product: Send {
    /// The next round's message: `Σ a(0, x)·b(0, x)` and `Σ (a(1, x) - a(0, x))·(b(1, x) - b(0, x))`. A variable is
    /// left.
    fn message(&mut self) -> [Fr; 2];

    /// Binds the lowest variable.
    fn bind(&mut self, x: &Fr);

    /// `a` and `b` where no variable is left.
    fn first(&mut self) -> [Fr; 2];
}

/// A tree of fractions and the sumcheck of one of its levels ([`assay_circuits::verifier::lookup`]).
pub trait Fractions: Send {
    /// Numerator and denominator of the sum of all.
    fn root(&self) -> [Fr; 2];

    /// Begins the sumcheck of a level (0: the leaves), each of which is wanted once, the root's first: `Σ_node eq(r,
    /// node)·g(node)`. The message has five sums over pairs of nodes, weighted with `eq(r[1..], ·)`: of `g` at 0, at
    /// -1, at 2, of its leading coefficient, and of the weights. Beyond the level's end nothing is summed, but for a
    /// last node's partner, 0/1. Without variables it is zeros.
    fn begin(&mut self, level: usize, lambda: &Fr, r: &[Fr]) -> [Fr; 5];

    /// Binds the lowest variable; the message of the next round, zeros after the last.
    fn bind(&mut self, x: &Fr) -> [Fr; 5];

    /// Numerators, then denominators, of the node that is left.
    fn children(&mut self) -> Vec<Fr>;
}
