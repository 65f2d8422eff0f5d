//! The verifier: replays the challenges, computes what the quotient must be at `y`, and hands over the claims that an
//! opening has to show.

use super::prove::Challenges;
use super::quotient::{Point, numerator};
use super::{Evaluations, INTERLEAVED, KEY_COMMITMENTS, LOG_ROWS, Proof, VerifyingKey};
use crate::pcs::{Challenge, Companion, PcsError, Transcript};
use ark_bn254::G1Affine;
use ark_ff::{FftField, Field};
use assay_circuits::Fr;
use assay_circuits::wrap::PublicInputs;

/// What the polynomials are claimed to be.
pub(super) struct Claims {
    pub(super) y: Fr,
    /// `ωy`.
    pub(super) next: Fr,
    pub(super) evaluations: Evaluations,
    /// The quotient at `y`.
    pub(super) quotient: Fr,
}

impl Claims {
    /// Key commitments, advice, `z` and quotient, in this order.
    pub(super) fn companions<P>(&self, polynomials: impl IntoIterator<Item = P>) -> Vec<Companion<P>> {
        let Evaluations { preprocessed, advice, next, product } = &self.evaluations;
        let at_y = |values: &[Fr]| (self.y, values.to_vec());
        let at_next = |values: &[Fr]| (self.next, values.to_vec());
        let key = preprocessed.chunks(INTERLEAVED).map(|part| (INTERLEAVED, vec![at_y(part)]));
        let own = [
            (INTERLEAVED, vec![at_y(advice), at_next(next)]),
            (1, vec![at_y(&product[..1]), at_next(&product[1..])]),
            (1, vec![at_y(&[self.quotient])]),
        ];
        let claims = polynomials.into_iter().zip(key.chain(own));
        claims.map(|(polynomial, (step, residues))| Companion { polynomial, step, residues }).collect()
    }
}

/// What is left to show of a proof.
pub struct Statement {
    /// The claims on the commitments.
    pub companions: Vec<Companion<G1Affine>>,
    /// The transcript, for the opening.
    pub transcript: Transcript,
}

/// The transcript's start: it binds the key, and by `K` the public data with `D`.
pub(super) fn begin(key: &VerifyingKey, public: &PublicInputs) -> Transcript {
    let commitments: Vec<u8> = key.commitments.iter().flat_map(crate::pcs::encode::g1_bytes).collect();
    Transcript::tagged(b"assay-plonk-v1", &[&public.hash, &commitments])
}

/// All values are absorbed before the opening's first challenge.
pub(super) fn bind_values(mut transcript: Transcript, evaluations: &Evaluations) -> Transcript {
    transcript.scalars(&evaluations.to_vec());
    transcript
}

/// Verifies a proof up to the opening. **The claim is shown only if the caller verifies the opening with
/// [`Statement::companions`].** Errors: [`PcsError::DegenerateChallenge`]. Total.
pub fn verify(key: &VerifyingKey, public: &PublicInputs, proof: &Proof) -> Result<Statement, PcsError> {
    let mut transcript = begin(key, public);
    let permutation = [transcript.points(&[proof.advice]), transcript.again()];
    let challenges = Challenges::new(permutation, transcript.points(&[proof.product]));
    let y = transcript.points(&[proof.quotient]);

    let degenerate = PcsError::DegenerateChallenge { which: Challenge::Y };
    if !LOG_ROWS.contains(&key.log_rows) {
        return Err(degenerate);
    }
    let n = Fr::from(1u64 << key.log_rows);
    let root = Fr::get_root_of_unity(1 << key.log_rows).ok_or(degenerate)?;
    let vanishing = y.pow([1 << key.log_rows]) - Fr::ONE;
    let inverse = vanishing.inverse().filter(|_| y != Fr::from(0u64)).ok_or(degenerate)?;
    // L_i(y) = ω^i·(y^n - 1) / (n·(y - ω^i)); y is no row's point, since those are roots of y^n - 1
    let lagrange = |point: Fr| (n * (y - point)).inverse().map(|inverse| point * vanishing * inverse).ok_or(degenerate);
    let (mut public_at_y, mut point) = (Fr::from(0u64), Fr::ONE);
    for input in public.to_array() {
        public_at_y += input * lagrange(point)?;
        point *= root;
    }
    let Evaluations { preprocessed, advice, next, product } = proof.evaluations;
    let point = Point { advice, next, preprocessed, product, public: public_at_y, first: lagrange(Fr::ONE)?, x: y };
    let quotient = numerator(&point, &challenges) * inverse;
    let claims = Claims { y, next: y * root, evaluations: proof.evaluations, quotient };
    let commitments: [G1Affine; KEY_COMMITMENTS] = key.commitments;
    let companions = claims.companions(commitments.into_iter().chain([proof.advice, proof.product, proof.quotient]));
    Ok(Statement { companions, transcript: bind_values(transcript, &proof.evaluations) })
}
