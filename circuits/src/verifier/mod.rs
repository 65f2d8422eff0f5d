//! The inner verifier: field arithmetic and hashing only, generic over [`Scalar`].
//!
//! It reduces "the output is what the executor computes" to one claim on an opening of a folded commitment
//! ([`Reduced`]), which the caller must discharge with a pairing. `docs/protocol.md` sections 4 to 7; the order of this
//! file is the order of the protocol.

#![cfg_attr(not(test), deny(clippy::indexing_slicing))]

pub mod axis;
pub mod eq;
pub mod first;
pub mod functional;
pub mod lookup;
pub mod products;
mod proof;
pub mod runs;
pub mod sumcheck;
pub mod table;

pub use functional::{Claimed, Functional, FunctionalTerm};
pub use products::{Place, Product, Products, products};
pub use proof::{InnerProof, LevelProof, Reduced, level_arities, level_lengths};

use crate::Fr;
use crate::scalar::{Check, Scalar, VerifyError, integer, power_of_two};
use crate::shape::Shape;
use crate::transcript::Transcript;
use ark_ff::{Field, PrimeField};
use lookup::LeafClaims;

/// `2^-(rounds before)`: what a shorter summand is scaled by, since it is repeated over the rounds that it does not
/// take part in.
pub fn repetition(rounds: usize, variables: usize) -> Fr {
    Field::inverse(&power_of_two((rounds - variables) as u32)).unwrap_or_default()
}

/// Starts the transcript: protocol, shape, SRS, and the statement's hash, which binds everything that is fixed before
/// the first challenge.
pub fn begin<S: Scalar>(shape: &Shape, srs_id: &[u8; 32], hiding: bool, statement: &S, salt: &S) -> Transcript<S> {
    let mut transcript = Transcript::new();
    let tag = Fr::from_be_bytes_mod_order(b"assay-inner-v3");
    for constant in [tag, shape.digest_scalar(), Fr::from_be_bytes_mod_order(srs_id), Fr::from(u64::from(hiding))] {
        transcript.absorb(&S::constant(constant));
    }
    transcript.absorb_all([statement, salt]);
    transcript
}

/// Verifies an inner proof about what `statement` is the hash of, up to what is left to check outside: [`Reduced`].
/// Errors: [`VerifyError`]. Total: no input makes it panic.
pub fn verify<S: Scalar>(
    shape: &Shape,
    srs_id: &[u8; 32],
    statement: &S,
    proof: &InnerProof<S>,
) -> Result<Reduced<S>, VerifyError> {
    proof.check_lengths(shape)?;

    let mut transcript = begin(shape, srs_id, proof.mask.is_some(), statement, &proof.salt);
    let [beta, gamma] = [transcript.challenge(), transcript.challenge()];
    let row = transcript.challenges(shape.system.row_variables());
    let leaves = lookup::verify(shape.layout.log_leaves, proof, &mut transcript)?;
    let lambda = transcript.challenge();
    let product_point = verify_products(shape, proof, &lambda, &leaves.point, &mut transcript)?;
    let delta = transcript.challenge().seal();
    transcript.absorb(&proof.output_sum);

    let challenges = Challenges { beta, gamma, row, leaves, lambda, product_point, delta };
    let InnerProof { product_sum, product_evaluations, output_sum, .. } = proof;
    let functional = functional::build(shape, &challenges, &Claimed { product_sum, product_evaluations, output_sum });
    let (point, claim) = sumcheck::quadratic_rounds(functional.target.clone(), &proof.opening_rounds, &mut transcript);
    let weight = functional.evaluate(&challenges.leaves.point, &point);
    (weight * &proof.evaluation).require_equal(&claim, Check::Opening)?;
    transcript.absorb(&proof.evaluation);

    let (value, rho) = verify_mask(proof, &mut transcript)?;
    Ok(Reduced {
        delta: challenges.delta,
        output_sum: output_sum.clone(),
        point,
        value,
        rho,
        digest: transcript.challenge(),
    })
}

/// Everything drawn before the batch opening, and the claims that it joins.
pub struct Challenges<S> {
    /// Separates lookups from table rows.
    pub beta: S,
    /// Joins the columns of a lookup.
    pub gamma: S,
    /// `r`, by which the cells of rows are combined; empty without tables of rows.
    pub row: Vec<S>,
    /// The lookup argument's point and claims.
    pub leaves: LeafClaims<S>,
    /// Joins equations.
    pub lambda: S,
    /// The product sumcheck's point.
    pub product_point: Vec<S>,
    /// Joins claims.
    pub delta: S,
}

/// `Σ_e λ^e Σ_products coefficient · Σ_y eq(u_b, y_b)·P(y)·Q(y) = V`, one sumcheck for all. Returns its point; the
/// evaluations are absorbed.
#[allow(
    clippy::indexing_slicing,
    reason = "places follow from the shape, and lengths of proofs were checked against it"
)]
fn verify_products<S: Scalar>(
    shape: &Shape,
    proof: &InnerProof<S>,
    lambda: &S,
    u: &[S],
    transcript: &mut Transcript<S>,
) -> Result<Vec<S>, VerifyError> {
    transcript.absorb(&proof.product_sum);
    let (point, claim) = sumcheck::rounds(proof.product_sum.clone(), &proof.product_rounds, transcript);
    let weights = powers(lambda, shape.system.equations.len());
    let mut sum = S::zero();
    for (product, [left, right]) in products(&shape.system, shape.batch).all.iter().zip(&proof.product_evaluations) {
        let scale = repetition(point.len(), product.variables) * integer(product.coefficient);
        let s = &point[point.len() - product.variables..];
        let mut value = left.clone() * right * &weights[product.equation];
        for (of_u, of_s) in product.batch() {
            value = value * eq::eq(&u[of_u], &s[of_s]);
        }
        sum = sum + value.times(scale);
    }
    sum.require_equal(&claim, Check::Product)?;
    transcript.absorb_all(proof.product_evaluations.iter().flatten());
    Ok(point)
}

/// The mask, whose commitment the statement binds. `a` and `m` come before `ρ`, so that neither can depend on it.
fn verify_mask<S: Scalar>(
    proof: &InnerProof<S>,
    transcript: &mut Transcript<S>,
) -> Result<(S, Option<S>), VerifyError> {
    let Some([m, s]) = &proof.mask else { return Ok((proof.evaluation.clone(), None)) };
    transcript.absorb(m);
    let rho = transcript.challenge().seal();
    rho.inverse()?;
    (proof.evaluation.clone() + rho.clone() * m).require_equal(s, Check::Mask)?;
    Ok((s.clone(), Some(rho)))
}

/// `1, x, x², …`, `n` of them.
pub fn powers<S: Scalar>(x: &S, n: usize) -> Vec<S> {
    std::iter::successors(Some(S::one()), |p| Some(p.clone() * x)).take(n).collect()
}
