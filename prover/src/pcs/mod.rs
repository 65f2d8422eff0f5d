//! The polynomial commitment: KZG commitments to chunks of `2^c` cells plus a blinding coefficient at `X^(2^c)`, and
//! one constant-size opening of a multilinear evaluation. The opening is Mercury (ePrint 2025/385) whose univariate
//! evaluations are batched as in SHPLONK (ePrint 2020/081); `docs/protocol.md` section 7 has every step and byte.
//!
//! **Claim** of an opening: the polynomial `T` behind `C_T` satisfies `Σ_{i<2^c} eq(point, i)·T_i = value`.
//! Coefficients from `X^(2^c)` on do not count: whatever a larger SRS would let a prover put there becomes a row of `h`
//! that the inner product with `eq(u_2, ·)` ignores. The transcript is seeded by `seed`, which must bind `C_T`, `point`
//! and `value`: the caller's `K` does.

#![cfg_attr(not(test), deny(clippy::indexing_slicing))]

mod companion;
pub mod encode;
mod mask;
mod open;
mod opening;
mod poly;
mod transcript;
mod verify;

use crate::srs::Srs;
use ark_bn254::{Fr, G1Affine, G1Projective};
use ark_ec::CurveGroup;
use ark_ff::Zero;
pub use companion::Companion;
pub use encode::{EncodeError, word};
pub use mask::Mask;
pub use open::{open, open_with};
pub use opening::{OPENING_BYTES, Opening};
pub(crate) use poly::{eval, remainder};
pub use transcript::{Challenges, Transcript};
pub use verify::{pairing_inputs, pairing_inputs_with, verify};

/// The smallest `c` of an opening.
pub const MIN_LOG: usize = 1;
/// The largest `c` of an opening: that of the largest powers-of-tau ceremony.
pub const MAX_LOG: usize = 28;

/// A challenge of the opening, named as in the specification.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Challenge {
    /// `z = 0`, or `z² = 1`.
    Z,
    /// `α` is `z` or `1/z`.
    Alpha,
    /// `x` is among the points opened.
    X,
    /// `y` is 0 or a row's point.
    Y,
}

/// Why there is no commitment or opening, or why one is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PcsError {
    /// The SRS has too few powers for the polynomial.
    #[error("the SRS has {have} powers of tau, {need} are needed")]
    SrsTooSmall {
        /// Powers there are.
        have: usize,
        /// Powers needed.
        need: usize,
    },
    /// `c` is outside `MIN_LOG..=MAX_LOG`.
    #[error("a chunk cannot have 2^{log} cells")]
    ChunkLog {
        /// The `c` asked for.
        log: usize,
    },
    /// The number of cells or coefficients is not the one that belongs to the chunk.
    #[error("{have} coefficients, {need} are needed")]
    CoefficientCount {
        /// Coefficients found.
        have: usize,
        /// Coefficients needed.
        need: usize,
    },
    /// The prover was asked to open to a value which the polynomial does not take.
    #[error("the polynomial does not take the claimed value at the point")]
    WrongValue,
    /// A challenge for which a denominator vanishes (probability about `2^-250`).
    #[error("degenerate challenge {which:?}")]
    DegenerateChallenge {
        /// Which one.
        which: Challenge,
    },
    /// Bytes that are not an opening.
    #[error(transparent)]
    Encoding(#[from] EncodeError),
    /// The pairing equation does not hold: the opening does not show the claim.
    #[error("the opening does not show the claimed evaluation")]
    Rejected,
}

/// Commits to a chunk of small cells, `blinding` at `X^len` (zero for a chunk that is not hidden). `cells` has a power
/// of two as length.
///
/// # Errors
/// [`PcsError::CoefficientCount`] for another length, [`PcsError::SrsTooSmall`].
pub fn commit_small(srs: &Srs, cells: &[i32], blinding: Fr) -> Result<G1Affine, PcsError> {
    let n = cells.len();
    if !n.is_power_of_two() {
        return Err(PcsError::CoefficientCount { have: n, need: n.next_power_of_two() });
    }
    let powers = powers(srs, if blinding.is_zero() { n } else { n + 1 })?;
    let sum: G1Projective = srs.g1.msm_small(&[cells]).into_iter().sum();
    Ok(match powers.get(n) {
        Some(top) => sum + *top * blinding,
        None => sum,
    }
    .into_affine())
}

/// Commits to `Σ coeffs[i]·X^i`.
///
/// # Errors
/// [`PcsError::SrsTooSmall`].
pub fn commit(srs: &Srs, coeffs: &[Fr]) -> Result<G1Affine, PcsError> {
    powers(srs, coeffs.len())?;
    Ok(srs.g1.msm(coeffs).into_affine())
}

fn powers(srs: &Srs, need: usize) -> Result<&[G1Affine], PcsError> {
    srs.g1.get(..need).ok_or(PcsError::SrsTooSmall { have: srs.g1.len(), need })
}
