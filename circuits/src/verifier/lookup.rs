//! The lookup argument, verifier's side: one fractional sum over all lookups of all layers, by GKR over a tree of
//! fractions.
//!
//! Claim: `Σ_i p_i / d_i = 0` over the leaves, all `d_i ≠ 0` (LogUp, Haböck, ePrint 2022/1530; GKR for fractions,
//! Papini and Haböck, ePrint 2023/1284). A node of arity 4 is `P/D = Σ p_j/d_j` over its children, `D = Π d_j`. See
//! `docs/protocol.md` section 5.

use super::eq::eq_bit;
use super::proof::{InnerProof, LevelProof, level_arities};
use super::sumcheck::{quadratic_at, quartic_at};
use crate::scalar::{Check, Scalar, VerifyError};
use crate::transcript::Transcript;

/// Claims on the leaves, which the caller must discharge: their numerators' and denominators' extensions at `point`.
pub struct LeafClaims<S> {
    /// `u`, `ℓ` coordinates.
    pub point: Vec<S>,
    /// Extension of the numerators at `u`.
    pub numerator: S,
    /// Extension of the denominators at `u`.
    pub denominator: S,
}

/// Numerator and denominator of a node from its children's: numerators first. `children` has 4 or 8 entries.
pub fn combine<S: Scalar>(children: &[S]) -> (S, S) {
    match children {
        [p0, p1, d0, d1] => pair(p0, p1, d0, d1),
        [p0, p1, p2, p3, d0, d1, d2, d3] => {
            let (p_low, d_low) = pair(p0, p1, d0, d1);
            let (p_high, d_high) = pair(p2, p3, d2, d3);
            pair(&p_low, &p_high, &d_low, &d_high)
        }
        _ => (S::zero(), S::zero()),
    }
}

fn pair<S: Scalar>(p0: &S, p1: &S, d0: &S, d1: &S) -> (S, S) {
    (p0.clone() * d1 + p1.clone() * d0, d0.clone() * d1)
}

/// The multilinear polynomial with these values on the hypercube, at `point`.
pub fn select<S: Scalar>(values: &[S], point: &[S]) -> S {
    let mut values = values.to_vec();
    for x in point {
        let kept: Vec<S> = values.into_iter().map(S::keep).collect();
        let between = |pair: &[S]| match pair {
            [low, high] => low.clone() + (high.clone() - low) * x,
            alone => alone.first().cloned().unwrap_or_else(S::zero),
        };
        values = kept.chunks(2).map(between).collect();
    }
    values.into_iter().next().unwrap_or_else(S::zero)
}

/// Verifies the tree from the root down. Expects checked lengths. Errors: [`VerifyError`] of the failing check.
pub fn verify<S: Scalar>(
    log_leaves: u32,
    proof: &InnerProof<S>,
    transcript: &mut Transcript<S>,
) -> Result<LeafClaims<S>, VerifyError> {
    let [numerator, denominator] = &proof.root;
    numerator.require_equal(&S::zero(), Check::LookupRoot)?;
    denominator.inverse()?;
    transcript.absorb_all([numerator, denominator]);
    let mut claims = LeafClaims { point: Vec::new(), numerator: numerator.clone(), denominator: denominator.clone() };
    for (level, &arity) in proof.levels.iter().zip(&level_arities(log_leaves)) {
        claims = verify_level(level, arity, claims, transcript)?;
    }
    Ok(claims)
}

fn verify_level<S: Scalar>(
    level: &LevelProof<S>,
    arity: usize,
    claims: LeafClaims<S>,
    transcript: &mut Transcript<S>,
) -> Result<LeafClaims<S>, VerifyError> {
    let lambda = transcript.challenge();
    let mut claim = claims.numerator + claims.denominator * &lambda;
    let mut point = Vec::with_capacity(claims.point.len() + arity);
    for (message, r) in level.rounds.iter().zip(&claims.point) {
        transcript.absorb_all(message);
        let x = transcript.challenge();
        claim = round(&claim, message, r, &x)?;
        point.push(x);
    }
    let (p, d) = combine(&level.children);
    (p + d * &lambda).require_equal(&claim, Check::LookupLevel)?;
    transcript.absorb_all(&level.children);
    let child = transcript.challenges(arity);
    let (numerators, denominators) = level.children.split_at(level.children.len() / 2);
    let (numerator, denominator) = (select(numerators, &child), select(denominators, &child));
    Ok(LeafClaims { point: child.into_iter().chain(point).collect(), numerator, denominator })
}

/// One round of `Σ_x eq(r, x)·g(x)`: the factor `eq` of the round's own variable is known, so only `g` is sent (Gruen,
/// ePrint 2024/108), and `g(1) = (claim - (1 - r)·g(0)) / r`. Returns `g(x)`.
fn round<S: Scalar>(claim: &S, message: &[S], r: &S, x: &S) -> Result<S, VerifyError> {
    match message {
        [at_zero, leading] => Ok(quadratic_at(at_zero, &at_one(claim, at_zero, r)?, leading, x)),
        [at_zero, minus_one, two, leading] => S::quartic_round(claim, [at_zero, minus_one, two, leading], r, x),
        _ => Err(VerifyError::ZeroDivisor),
    }
}

/// A round whose `g` has degree 4: from `g(0), g(-1), g(2)` and the leading coefficient. Returns `g(x)`. Errors:
/// [`VerifyError::ZeroDivisor`] if `r` is zero.
pub fn quartic_round<S: Scalar>(claim: &S, message: [&S; 4], r: &S, x: &S) -> Result<S, VerifyError> {
    let [at_zero, ..] = message;
    Ok(quartic_at(message, &at_one(claim, at_zero, r)?, x))
}

fn at_one<S: Scalar>(claim: &S, at_zero: &S, r: &S) -> Result<S, VerifyError> {
    Ok(((claim.clone() - eq_bit(r, &S::zero()) * at_zero) * r.inverse()?).seal())
}
