//! The lookup argument, prover's side. See [`assay_circuits::verifier::lookup`] for the claim and the equation.
//!
//! Levels are not padded: what lies beyond their end is the fraction 0/1, whose share of a round's message is known in
//! closed form.

use crate::backend::Fractions;
use ark_ff::Field;
use assay_circuits::Fr;
use assay_circuits::transcript::Transcript;
use assay_circuits::verifier::lookup::{LeafClaims, select};
use assay_circuits::verifier::sumcheck::quartic_at;
use assay_circuits::verifier::{LevelProof, level_arities};

/// Proves that the fractions sum to zero. Returns the root, the levels and the claims on the leaves that remain.
pub fn prove(
    mut tree: Box<dyn Fractions + '_>,
    log_leaves: u32,
    transcript: &mut Transcript<Fr>,
) -> ([Fr; 2], Vec<LevelProof<Fr>>, LeafClaims<Fr>) {
    let root = tree.root();
    transcript.absorb_all(&root);
    let mut claims = LeafClaims { point: Vec::new(), numerator: root[0], denominator: root[1] };
    let arities = level_arities(log_leaves);
    let mut levels = Vec::with_capacity(arities.len());
    for (i, &arity) in arities.iter().enumerate() {
        let (proof, next) = prove_level(tree.as_mut(), arities.len() - 1 - i, arity, claims, transcript);
        levels.push(proof);
        claims = next;
    }
    (root, levels, claims)
}

fn prove_level(
    tree: &mut dyn Fractions,
    level: usize,
    arity: usize,
    claims: LeafClaims<Fr>,
    transcript: &mut Transcript<Fr>,
) -> (LevelProof<Fr>, LeafClaims<Fr>) {
    let lambda = transcript.challenge();
    let r = claims.point;
    // Challenges are hash outputs; should one be 0, its inverse stays 0, the claim that follows is false and the proof
    // is refused.
    let mut inverses = r.clone();
    ark_ff::batch_inversion(&mut inverses);
    let mut claim = claims.numerator + claims.denominator * lambda;
    let (mut point, mut messages) = (Vec::with_capacity(r.len()), Vec::with_capacity(r.len()));
    let mut sums = tree.begin(level, &lambda, &r);
    for (i, r_i) in r.iter().enumerate() {
        let [values @ .., mass] = sums;
        // Beyond the end g = P + λD = λ, a constant.
        let tail = lambda * (Fr::ONE - mass);
        let [zero, minus_one, two] = [values[0] + tail, values[1] + tail, values[2] + tail];
        let message = vec![zero, minus_one, two, values[3]];
        transcript.absorb_all(&message);
        let x = transcript.challenge();
        let at_one = (claim - (Fr::ONE - r_i) * zero) * inverses[i];
        claim = quartic_at([&zero, &minus_one, &two, &values[3]], &at_one, &x);
        sums = tree.bind(&x);
        point.push(x);
        messages.push(message);
    }
    let children = tree.children();
    transcript.absorb_all(&children);
    let child = transcript.challenges(arity);
    let (numerators, denominators) = children.split_at(1 << arity);
    let (numerator, denominator) = (select(numerators, &child), select(denominators, &child));
    let point = child.into_iter().chain(point).collect();
    (LevelProof { rounds: messages, children }, LeafClaims { point, numerator, denominator })
}
