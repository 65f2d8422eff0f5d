//! The lookup argument, prover's side. See [`assay_circuits::verifier::lookup`] for the claim and the equation.
//!
//! Arrays are not padded: what lies beyond their end is the fraction 0/1, whose share of a round's message is known in closed form.

use super::poly::{add, bind_serial, eq_table_prefix, sum_of_parts};
use crate::simd::{self, Isa};
use ark_ff::{AdditiveGroup, Field};
use assay_circuits::Fr;
use assay_circuits::transcript::Transcript;
use assay_circuits::verifier::lookup::{LeafClaims, combine, select};
use assay_circuits::verifier::sumcheck::{quadratic_at, quartic_at};
use assay_circuits::verifier::{LevelProof, level_arities};
use rayon::prelude::*;

/// Nodes that a thread combines at a time.
const PART: usize = 256;

/// Numerators and denominators of one level.
pub struct Fractions {
    /// Numerators.
    pub p: Vec<Fr>,
    /// Denominators.
    pub d: Vec<Fr>,
}

impl Fractions {
    /// The next level towards the root.
    fn parent(&mut self, arity: usize) -> Self {
        let width = 1 << arity;
        while !self.p.len().is_multiple_of(width) {
            self.p.push(Fr::ZERO);
            self.d.push(Fr::ONE);
        }
        let len = self.p.len() / width;
        let mut next = Self { p: vec![Fr::ZERO; len], d: vec![Fr::ONE; len] };
        let (p, d) = (self.p.par_chunks(PART * width), self.d.par_chunks(PART * width));
        let (next_p, next_d) = (next.p.par_chunks_mut(PART), next.d.par_chunks_mut(PART));
        p.zip(d).zip(next_p.zip(next_d)).for_each(|((p, d), (next_p, next_d))| parents(width, p, d, next_p, next_d));
        next
    }
}

/// Nodes from their `width` children each.
fn parents(width: usize, p: &[Fr], d: &[Fr], next_p: &mut [Fr], next_d: &mut [Fr]) {
    let vectors = Isa::best().filter(|_| width == 4);
    let done = vectors.map_or(0, |isa| simd::combine(isa, p, d, next_p, next_d));
    let children = p.chunks(width).zip(d.chunks(width));
    for ((next_p, next_d), (p, d)) in next_p.iter_mut().zip(next_d).zip(children).skip(done) {
        let mut children = [Fr::ZERO; 8];
        children[..width].copy_from_slice(p);
        children[width..2 * width].copy_from_slice(d);
        (*next_p, *next_d) = combine(&children[..2 * width]);
    }
}

/// Proves that the fractions sum to zero. Returns the root, the levels and the claims on the leaves that remain.
pub fn prove(leaves: Fractions, log_leaves: u32, transcript: &mut Transcript<Fr>) -> ([Fr; 2], Vec<LevelProof<Fr>>, LeafClaims<Fr>) {
    let arities = level_arities(log_leaves);
    let mut tree = vec![leaves];
    for &arity in arities.iter().rev() {
        let last = tree.len() - 1;
        let parent = tree[last].parent(arity);
        tree.push(parent);
    }
    let root = tree.pop().map_or([Fr::ZERO, Fr::ONE], |level| [level.p[0], level.d[0]]);
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

/// The children of one level, one array per position; `p[1]` holds `p_1 + λ·d_1`, which merges numerator and denominator into
/// the single polynomial `P + λD = g`.
struct Children {
    p: Vec<Vec<Fr>>,
    d: Vec<Vec<Fr>>,
}

impl Children {
    fn new(level: &Fractions, width: usize, lambda: &Fr) -> Self {
        let columns = |values: &[Fr]| -> Vec<Vec<Fr>> {
            let column = |j: usize| {
                // room for a tail
                let mut column = Vec::with_capacity(values.len() / width + 1);
                column.extend(values.iter().skip(j).step_by(width));
                column
            };
            (0..width).into_par_iter().map(column).collect()
        };
        let (mut p, d) = rayon::join(|| columns(&level.p), || columns(&level.d));
        p[1].par_iter_mut().zip(d[1].par_iter()).with_min_len(512).for_each(|(p, d)| *p += *lambda * d);
        Self { p, d }
    }

    fn len(&self) -> usize {
        self.p[0].len()
    }

    fn make_even(&mut self, lambda: &Fr) {
        if self.len() % 2 == 1 {
            for (j, (p, d)) in self.p.iter_mut().zip(&mut self.d).enumerate() {
                p.push(if j == 1 { *lambda } else { Fr::ZERO });
                d.push(Fr::ONE);
            }
        }
    }

    fn bind(&mut self, x: &Fr) {
        let parallel = self.len() >= 2 * PART;
        let columns = self.p.iter_mut().chain(&mut self.d);
        if parallel {
            columns.collect::<Vec<_>>().into_par_iter().for_each(|values| bind_serial(values, x, Fr::ZERO));
        } else {
            columns.for_each(|values| bind_serial(values, x, Fr::ZERO));
        }
    }

    /// Values of the round's `g` at its message points, and the sum of the weights.
    fn message(&self, weights: &[Fr]) -> (Vec<Fr>, Fr) {
        if self.p.len() == 2 {
            let [zero, leading, mass] = sum_of_parts(weights.len(), |range| {
                range.fold([Fr::ZERO; 3], |sums, j| {
                    let (v, step) = self.pair(j);
                    add(sums, [weights[j] * g2(&v), weights[j] * g2(&step), weights[j]])
                })
            });
            return (vec![zero, leading], mass);
        }
        let [zero, minus_one, two, leading, mass] = sum_of_parts(weights.len(), |range| {
            let columns = || self.p.iter().chain(&self.d).map(|column| &column[2 * range.start..2 * range.end]);
            let columns: [&[Fr]; 8] = std::array::from_fn(|i| columns().nth(i).unwrap_or_default());
            let weights = &weights[range.clone()];
            let (message, done) = Isa::best().map_or(([Fr::ZERO; 5], 0), |isa| simd::quartic_message(isa, &columns, weights));
            (range.start + done..range.end).zip(&weights[done..]).fold(message, |message, (j, weight)| {
                let (v, step) = self.pair(j);
                let minus = std::array::from_fn(|i| v[i] - step[i]);
                let plus = std::array::from_fn(|i| v[i] + step[i].double());
                add(message, [*weight * g4(&v), *weight * g4(&minus), *weight * g4(&plus), *weight * g4(&step), *weight])
            })
        });
        (vec![zero, minus_one, two, leading], mass)
    }

    /// Values at 0 and differences, numerators first.
    #[inline]
    fn pair(&self, j: usize) -> ([Fr; 8], [Fr; 8]) {
        let width = self.p.len();
        let (mut v, mut step) = ([Fr::ZERO; 8], [Fr::ZERO; 8]);
        for (i, values) in self.p.iter().chain(&self.d).enumerate() {
            let slot = if i < width { i } else { 4 + i - width };
            v[slot] = values[2 * j];
            step[slot] = values[2 * j + 1] - v[slot];
        }
        (v, step)
    }
}

#[inline]
fn g2(v: &[Fr; 8]) -> Fr {
    v[0] * v[5] + v[1] * v[4]
}

#[inline]
fn g4(v: &[Fr; 8]) -> Fr {
    (v[0] * v[5] + v[1] * v[4]) * (v[6] * v[7]) + (v[2] * v[7] + v[3] * v[6]) * (v[4] * v[5])
}

fn prove_level(
    level: Fractions,
    arity: usize,
    claims: LeafClaims<Fr>,
    transcript: &mut Transcript<Fr>,
) -> (LevelProof<Fr>, LeafClaims<Fr>) {
    let lambda = transcript.challenge();
    let mut children = Children::new(&level, 1 << arity, &lambda);
    drop(level);
    let r = claims.point;
    // Challenges are hash outputs; should one be 0, its inverse stays 0, the claim that follows is false and the proof is refused.
    let mut inverses = r.clone();
    ark_ff::batch_inversion(&mut inverses);
    let mut claim = claims.numerator + claims.denominator * lambda;
    let mut point = Vec::with_capacity(r.len());
    let mut rounds = Vec::with_capacity(r.len());
    for (i, r_i) in r.iter().enumerate() {
        children.make_even(&lambda);
        let weights = eq_table_prefix(&r[i + 1..], children.len() / 2);
        let (mut message, mass) = children.message(&weights);
        // Beyond the end g = P + λD = λ, a constant.
        let tail = lambda * (Fr::ONE - mass);
        let values = message.len() - 1;
        message[..values].iter_mut().for_each(|m| *m += tail);
        transcript.absorb_all(&message);
        let x = transcript.challenge();
        let at_one = (claim - (Fr::ONE - r_i) * message[0]) * inverses[i];
        claim = match message.as_slice() {
            [zero, leading] => quadratic_at(zero, &at_one, leading, &x),
            [zero, minus_one, two, leading] => quartic_at([zero, minus_one, two, leading], &at_one, &x),
            _ => claim,
        };
        children.bind(&x);
        point.push(x);
        rounds.push(message);
    }
    let mut values: Vec<Fr> = children.p.iter().chain(&children.d).map(|v| v[0]).collect();
    let width = 1 << arity;
    let merged = lambda * values[width + 1];
    values[1] -= merged;
    transcript.absorb_all(&values);
    let child = transcript.challenges(arity);
    let (numerator, denominator) = (select(&values[..width], &child), select(&values[width..], &child));
    let point = child.into_iter().chain(point).collect();
    (LevelProof { rounds, children: values }, LeafClaims { point, numerator, denominator })
}
