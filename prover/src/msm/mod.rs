//! Multi-scalar multiplication over BN254's G1 and G2: `Σ s_i · P_i`.
//!
//! Pippenger's bucket method with signed digits. A bucket is summed as a tree of pairwise *affine* additions whose
//! inversions are shared (Montgomery's trick), which costs about 6 multiplications for an addition instead of 11, in
//! vector lanes where the processor has them ([`Isa`]). Every exceptional case of the affine law (identity, doubling,
//! inverse points) is handled, so bases may repeat, cancel or be the identity.
//!
//! [`reference`](reference()) is the readable definition which the tests compare everything else with.

mod buckets;
mod digits;
mod tree;

pub use crate::simd::Isa;

use crate::simd::VectorCurve;
use ark_bn254::{Fr, G1Affine, G1Projective, G2Affine, G2Projective};
use ark_ec::short_weierstrass::{Affine, Projective};
use ark_ec::{AffineRepr, PrimeGroup};
use ark_ff::PrimeField;
use digits::{FullDigits, SmallDigits};
use rayon::prelude::*;

/// `Σ scalars[i] · bases[i]` for full-width scalars.
///
/// # Panics
/// If the lengths differ, which is a mistake of the caller and never depends on the data.
pub fn msm(bases: &[G1Affine], scalars: &[Fr]) -> G1Projective {
    full(Isa::best(), bases, scalars)
}

/// [`msm`] over G2.
///
/// # Panics
/// As [`msm`].
pub fn msm_g2(bases: &[G2Affine], scalars: &[Fr]) -> G2Projective {
    full(Isa::best(), bases, scalars)
}

/// `Σ scalars[k][i] · bases[i]` for each list of small signed scalars, exact for every `i32`; time falls with the
/// number of bits and of nonzero scalars, and lists are cheaper together than one by one. A list may be shorter than
/// the bases.
///
/// # Panics
/// If a list is longer than the bases, which is a mistake of the caller and never depends on the data.
pub fn msm_small(bases: &[G1Affine], scalars: &[&[i32]]) -> Vec<G1Projective> {
    small(Isa::best(), bases, scalars)
}

/// Each function above on given instructions, or on none; for tests and benchmarks.
pub mod with {
    use super::*;

    /// See [`super::msm`].
    pub fn msm(isa: Option<Isa>, bases: &[G1Affine], scalars: &[Fr]) -> G1Projective {
        full(isa, bases, scalars)
    }

    /// See [`super::msm_g2`].
    pub fn msm_g2(isa: Option<Isa>, bases: &[G2Affine], scalars: &[Fr]) -> G2Projective {
        full(isa, bases, scalars)
    }

    /// See [`super::msm_small`].
    pub fn msm_small(isa: Option<Isa>, bases: &[G1Affine], scalars: &[&[i32]]) -> Vec<G1Projective> {
        small(isa, bases, scalars)
    }
}

/// The definition: one double-and-add for each term. Slow; for tests.
pub fn reference<A: AffineRepr<ScalarField = Fr>>(bases: &[A], scalars: &[Fr]) -> A::Group {
    bases.iter().zip(scalars).map(|(p, s)| p.into_group().mul_bigint(s.into_bigint())).sum()
}

fn full<C: VectorCurve<ScalarField = Fr>>(isa: Option<Isa>, bases: &[Affine<C>], scalars: &[Fr]) -> Projective<C> {
    assert_eq!(bases.len(), scalars.len(), "one scalar for each base");
    buckets::sums(isa, bases, &[FullDigits::new(scalars)]).into_iter().sum()
}

fn small(isa: Option<Isa>, bases: &[G1Affine], scalars: &[&[i32]]) -> Vec<G1Projective> {
    assert!(scalars.iter().all(|scalars| scalars.len() <= bases.len()), "a base for each scalar");
    let digits: Vec<SmallDigits<'_>> = scalars.par_iter().map(|scalars| SmallDigits::new(scalars)).collect();
    buckets::sums(isa, bases, &digits)
}
