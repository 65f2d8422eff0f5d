//! The lookup argument, prover's side. See [`assay_circuits::verifier::lookup`] for the claim and the equation.
//!
//! Levels are not padded: what lies beyond their end is the fraction 0/1, whose share of a round's message is known in closed form.

use super::level::{Level, Rounds};
use crate::poly::eq_tables;
use ark_ff::{AdditiveGroup, Field};
use assay_circuits::Fr;
use assay_circuits::transcript::Transcript;
use assay_circuits::verifier::lookup::{LeafClaims, select};
use assay_circuits::verifier::sumcheck::quartic_at;
use assay_circuits::verifier::{LevelProof, level_arities};

/// Proves that the fractions sum to zero. Returns the root, the levels and the claims on the leaves that remain.
pub fn prove(leaves: Level, log_leaves: u32, transcript: &mut Transcript<Fr>) -> ([Fr; 2], Vec<LevelProof<Fr>>, LeafClaims<Fr>) {
    let arities = level_arities(log_leaves);
    let mut tree = vec![leaves];
    for &arity in arities.iter().rev() {
        let last = tree.len() - 1;
        let parent = tree[last].parent(arity);
        tree.push(parent);
    }
    let root = tree.pop().map_or([Fr::ZERO, Fr::ONE], |level| level.first());
    transcript.absorb_all(&root);
    let mut claims = LeafClaims { point: Vec::new(), numerator: root[0], denominator: root[1] };
    let mut levels = Vec::new();
    for &arity in &arities {
        let Some(level) = tree.pop() else { break };
        let (proof, next) = prove_level(level, arity, claims, transcript);
        levels.push(proof);
        claims = next;
    }
    (root, levels, claims)
}

fn prove_level(level: Level, arity: usize, claims: LeafClaims<Fr>, transcript: &mut Transcript<Fr>) -> (LevelProof<Fr>, LeafClaims<Fr>) {
    let lambda = transcript.challenge();
    let r = claims.point;
    // Challenges are hash outputs; should one be 0, its inverse stays 0, the claim that follows is false and the proof is refused.
    let mut inverses = r.clone();
    ark_ff::batch_inversion(&mut inverses);
    let mut claim = claims.numerator + claims.denominator * lambda;
    let (mut point, mut messages) = (Vec::with_capacity(r.len()), Vec::with_capacity(r.len()));
    let weights = eq_tables(r.get(1..).unwrap_or_default(), level.len(arity).div_ceil(2));
    // The level at the root has no rounds, and may have the other arity; all others have arity four.
    let (mut rounds, mut sums) = Rounds::new(level, lambda, if r.is_empty() { &[] } else { &weights[0] });
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
        sums = rounds.bind(&x, weights.get(i + 1).map_or(&[], Vec::as_slice));
        point.push(x);
        messages.push(message);
    }
    let children = rounds.into_children(arity);
    transcript.absorb_all(&children);
    let child = transcript.challenges(arity);
    let (numerators, denominators) = children.split_at(1 << arity);
    let (numerator, denominator) = (select(numerators, &child), select(denominators, &child));
    let point = child.into_iter().chain(point).collect();
    (LevelProof { rounds: messages, children }, LeafClaims { point, numerator, denominator })
}
