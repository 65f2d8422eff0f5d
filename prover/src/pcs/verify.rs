//! The opening's verifier: field arithmetic of logarithmic size, one small multi-scalar multiplication, two pairings.

use super::{
    Challenges, Companion, MAX_LOG, MIN_LOG, Opening, PcsError, Transcript, companion::common, open::Powers,
    poly::eval_eq, transcript::inverse_of_vanishing,
};
use crate::msm::msm;
use ark_bn254::{Bn254, Fr, G1Affine, G1Projective, G2Affine};
use ark_ec::{
    AffineRepr, CurveGroup,
    pairing::{MillerLoopOutput, Pairing},
};
use ark_ff::{AdditiveGroup, Field, Zero};

/// Checks that the polynomial behind `C_T = Σ scalar·point` over `commitment_terms` has the multilinear evaluation
/// `value` at `point` (`c` coordinates, lowest variable first). `h = [1]_2`, `tau_h = [τ]_2`. `seed` must bind the
/// terms, the point and the value.
///
/// # Errors
/// [`PcsError::Rejected`] if the opening does not show it, [`PcsError::ChunkLog`], [`PcsError::DegenerateChallenge`].
pub fn verify(
    h: G2Affine,
    tau_h: G2Affine,
    commitment_terms: &[(Fr, G1Affine)],
    point: &[Fr],
    value: Fr,
    seed: [u8; 32],
    opening: &Opening,
) -> Result<(), PcsError> {
    let (left, right) = pairing_inputs(commitment_terms, point, value, seed, opening)?;
    let (f, g) = rayon::join(|| Bn254::miller_loop(left.into_affine(), h), || Bn254::miller_loop(-right, tau_h));
    let product = Bn254::final_exponentiation(MillerLoopOutput(f.0 * g.0));
    if product.is_some_and(|product| product.is_zero()) { Ok(()) } else { Err(PcsError::Rejected) }
}

/// The two points `(C_L + x·C_W', C_W')` of the opening's check `e(left, [1]_2) = e(right, [τ]_2)`, for a caller that
/// merges it with other pairings. **The claim is shown only if the caller discharges that equation.**
///
/// # Errors
/// [`PcsError::ChunkLog`], [`PcsError::DegenerateChallenge`].
pub fn pairing_inputs(
    commitment_terms: &[(Fr, G1Affine)],
    point: &[Fr],
    value: Fr,
    seed: [u8; 32],
    opening: &Opening,
) -> Result<(G1Projective, G1Affine), PcsError> {
    pairing_inputs_with(commitment_terms, point, value, Transcript::new(&seed), opening, &[])
}

/// [`pairing_inputs`] for an opening with companions, whose commitments and residues the transcript must bind as well.
///
/// # Errors
/// As [`pairing_inputs`].
pub fn pairing_inputs_with(
    commitment_terms: &[(Fr, G1Affine)],
    point: &[Fr],
    value: Fr,
    transcript: Transcript,
    opening: &Opening,
    companions: &[Companion<G1Affine>],
) -> Result<(G1Projective, G1Affine), PcsError> {
    let c = point.len();
    if !(MIN_LOG..=MAX_LOG).contains(&c) {
        return Err(PcsError::ChunkLog { log: c });
    }
    let (u1, u2) = point.split_at(c.div_ceil(2));
    let b = 1u64 << u1.len();
    let ch = Challenges::replay(transcript, opening)?;
    let Challenges { alpha, z, zi, eta, x, .. } = ch;
    let o = opening;
    let h_alpha = folded_evaluation(&ch, u1, u2, value, o)?;

    // the interpolants at x: a constant, a line through z and 1/z, a parabola through z, 1/z and α
    let (vz, vzi, va) = (x - z, x - zi, x - alpha);
    let inverse = |d: Fr, which| d.inverse().ok_or(PcsError::DegenerateChallenge { which });
    let through = Nodes { z, zi, inverse: inverse(z - zi, super::Challenge::Z)? };
    let da = inverse((alpha - z) * (alpha - zi), super::Challenge::Alpha)?;
    let parabola = through.line(o.h_z, o.h_zi, x) + (h_alpha - through.line(o.h_z, o.h_zi, alpha)) * da * vz * vzi;

    let e = Powers::new(eta);
    let others = common(companions, x);
    let (only_z, both, all) = (others * vzi * va, others * va, others);
    let mut values = only_z * e.1 * z.pow([b - 1]) * o.g_zi
        + both * (e.2 * through.line(o.g_z, o.g_zi, x) + e.3 * through.line(o.s_z, o.s_zi, x))
        + all * e.4 * parabola;
    let mut own = vec![
        (alpha - x.pow([b]), o.q),
        (only_z * e.1, o.d),
        (both * e.2 - Fr::ONE, o.g),
        (both * e.3, o.s),
        (all * e.4, o.h),
        (-(others * vz * vzi * va), o.w),
        (x, o.w_prime),
    ];
    let mut scale = e.4 * vz * vzi * va * others;
    for companion in companions {
        scale *= eta;
        let factor = scale * inverse_of_vanishing(companion, x)?;
        let interpolant =
            companion.interpolant(x).ok_or(PcsError::DegenerateChallenge { which: super::Challenge::X })?;
        values += factor * interpolant;
        own.push((factor, companion.polynomial));
    }
    own.push((-values, G1Affine::generator()));
    let terms = commitment_terms.iter().copied().chain(own);
    let (scalars, points): (Vec<Fr>, Vec<G1Affine>) = terms.unzip();
    Ok((msm(&points, &scalars), o.w_prime))
}

/// Two points to interpolate through: `inverse` is `1/(z − zi)`.
///
/// A method and not two closures: rustc 1.95 may hand the same memory to two closures that are called with the same
/// large `Copy` arguments, and the first one changes it (rust-lang/rust#155241; docs/security.md, "Found and fixed").
struct Nodes {
    z: Fr,
    zi: Fr,
    inverse: Fr,
}

impl Nodes {
    /// The line with the values `at_z` and `at_zi` at the two points, evaluated at `at`.
    fn line(&self, at_z: Fr, at_zi: Fr, at: Fr) -> Fr {
        (at_z * (at - self.zi) - at_zi * (at - self.z)) * self.inverse
    }
}

/// `h(α)` from the product identity at `z`; `α` folds `h` and `g` alike, so a wrong inner product shows as a wrong
/// evaluation of `h`.
fn folded_evaluation(ch: &Challenges, u1: &[Fr], u2: &[Fr], value: Fr, o: &Opening) -> Result<Fr, PcsError> {
    let Challenges { gamma, z, zi, .. } = *ch;
    let products =
        o.g_z * eval_eq(u1, zi) + o.g_zi * eval_eq(u1, z) + gamma * (o.h_z * eval_eq(u2, zi) + o.h_zi * eval_eq(u2, z));
    let twice = products - z * o.s_z - zi * o.s_zi;
    let half = Fr::ONE.double().inverse().ok_or(PcsError::Rejected)?;
    Ok(twice * half - gamma * value)
}
