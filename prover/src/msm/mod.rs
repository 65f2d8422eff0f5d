//! Multi-scalar multiplication over BN254's G1: `Σ s_i · P_i`.
//!
//! Pippenger's bucket method with signed digits. A bucket is summed as a tree of pairwise *affine* additions whose inversions are shared
//! (Montgomery's trick), which costs about 6 multiplications for an addition instead of 11. Every exceptional case of the affine law
//! (identity, doubling, inverse points) is handled, so bases may repeat, cancel or be the identity.
//!
//! [`reference`](reference()) is the readable definition which the tests compare everything else with.

mod buckets;
mod digits;
mod tree;

use ark_bn254::{Fr, G1Affine, G1Projective};
use ark_ec::{AffineRepr, PrimeGroup};
use ark_ff::{AdditiveGroup, PrimeField, Zero};
use buckets::Window;
use digits::{FullDigits, SmallDigits};
use rayon::prelude::*;

/// `Σ scalars[i] · bases[i]` for full-width scalars.
///
/// # Panics
/// If the lengths differ, which is a mistake of the caller and never depends on the data.
pub fn msm(bases: &[G1Affine], scalars: &[Fr]) -> G1Projective {
    assert_eq!(bases.len(), scalars.len(), "one scalar for each base");
    if scalars.is_empty() {
        return G1Projective::zero();
    }
    let digits = FullDigits::new(scalars.iter().filter(|s| !s.is_zero()).count());
    let canonical: Vec<[u64; 4]> = scalars.par_iter().map(|s| digits.shift(s.into_bigint().0)).collect();
    combine(digits.width(), digits.windows(), |j| {
        Window { bases, buckets: digits.buckets(j) }.sum(&|i| canonical.get(i).map_or(0, |s| digits.digit(s, j)))
    })
}

/// `Σ scalars[i] · bases[i]` for small signed scalars, exact for every `i32`; time falls with the number of bits and of nonzero scalars.
///
/// # Panics
/// If the lengths differ, which is a mistake of the caller and never depends on the data.
pub fn msm_small(bases: &[G1Affine], scalars: &[i32]) -> G1Projective {
    assert_eq!(bases.len(), scalars.len(), "one scalar for each base");
    let Some(digits) = SmallDigits::new(scalars) else { return G1Projective::zero() };
    combine(digits.width(), digits.windows(), |j| {
        Window { bases, buckets: digits.buckets(j) }.sum(&|i| scalars.get(i).map_or(0, |s| digits.digit(*s, j)))
    })
}

/// The definition: one double-and-add for each term. Slow; for tests.
pub fn reference(bases: &[G1Affine], scalars: &[Fr]) -> G1Projective {
    bases.iter().zip(scalars).map(|(p, s)| p.into_group().mul_bigint(s.into_bigint())).sum()
}

/// `Σ_j 2^(width·j) · window(j)`, the windows in parallel.
fn combine(width: u32, windows: u32, window: impl Fn(u32) -> G1Projective + Sync + Send) -> G1Projective {
    let sums: Vec<G1Projective> = (0..windows).into_par_iter().map(window).collect();
    sums.iter().rev().fold(G1Projective::zero(), |mut total, sum| {
        for _ in 0..width {
            total.double_in_place();
        }
        total + sum
    })
}
