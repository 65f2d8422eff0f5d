//! The lookup argument, prover's side. See [`assay_circuits::verifier::lookup`] for the claim and the equation.
//!
//! Arrays are not padded: what lies beyond their end is the fraction 0/1, whose share of a round's message is known in closed form.

use crate::poly::{SERIAL, add, eq_tables, filled, sum_of_parts};
use crate::simd::{self, Isa, Nodes};
use ark_ff::{AdditiveGroup, Field};
use assay_circuits::Fr;
use assay_circuits::transcript::Transcript;
use assay_circuits::verifier::lookup::{LeafClaims, combine, select};
use assay_circuits::verifier::sumcheck::quartic_at;
use assay_circuits::verifier::{LevelProof, level_arities};
use rayon::prelude::*;
use std::ops::Range;

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
        let mut next = Self { p: filled(Fr::ZERO, len), d: filled(Fr::ZERO, len) };
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

/// A level's nodes while its rounds go on.
enum Level {
    /// As the tree has it.
    Rows(Fractions),
    /// Bound at least once: `p_0, p_1 + λ·d_1, p_2, p_3, d_0, …, d_3`, which merges numerator and denominator into the single polynomial `P + λD = g`.
    Columns([Vec<Fr>; 8]),
}

/// Columns that are no longer needed, whose memory is.
type Spare = Option<[Vec<Fr>; 8]>;

impl Level {
    /// Number of nodes.
    fn len(&self) -> usize {
        match self {
            Self::Rows(level) => level.p.len() / 4,
            Self::Columns(columns) => columns[0].len(),
        }
    }

    /// Adds the node 0/1 where the number of nodes is odd.
    fn make_even(&mut self, lambda: &Fr) {
        if self.len().is_multiple_of(2) {
            return;
        }
        match self {
            Self::Rows(level) => {
                level.p.extend([Fr::ZERO; 4]);
                level.d.extend([Fr::ONE; 4]);
            }
            Self::Columns(columns) => {
                let tail = |i: usize| {
                    if i >= 4 {
                        Fr::ONE
                    } else if i == 1 {
                        *lambda
                    } else {
                        Fr::ZERO
                    }
                };
                columns.iter_mut().enumerate().for_each(|(i, column)| column.push(tail(i)));
            }
        }
    }

    /// The nodes `2 · range.start … 2 · range.end`.
    fn nodes<'a>(&'a self, lambda: &'a Fr, range: &Range<usize>) -> Nodes<'a> {
        match self {
            Self::Rows(level) => {
                let range = 8 * range.start..8 * range.end;
                Nodes::Rows(&level.p[range.clone()], &level.d[range], lambda)
            }
            Self::Columns(columns) => Nodes::Columns(std::array::from_fn(|i| &columns[i][2 * range.start..2 * range.end])),
        }
    }

    /// The weighted sums of `g` at 0, -1, 2, of its leading coefficient, and of the weights.
    fn message(&self, lambda: &Fr, weights: &[Fr]) -> [Fr; 5] {
        sum_of_parts(weights.len(), |range| {
            let (nodes, weights) = (self.nodes(lambda, &range), &weights[range.clone()]);
            let (message, done) = Isa::best().map_or(([Fr::ZERO; 5], 0), |isa| simd::quartic_message(isa, nodes, weights));
            (done..weights.len()).fold(message, |sum, j| add(sum, weighted(&node(&nodes, 2 * j), &node(&nodes, 2 * j + 1), &weights[j])))
        })
    }

    /// Binds the lowest variable to `x`; the message of the next round, for which `weights` are.
    fn bind(&mut self, lambda: &Fr, x: &Fr, weights: &[Fr], spare: &mut Spare) -> [Fr; 5] {
        let len = self.len() / 2;
        let mut bound = spare.take().unwrap_or_default();
        for column in &mut bound {
            if column.len() < len {
                // with room for a tail
                *column = filled(Fr::ZERO, len + 1);
            }
            column.truncate(len);
        }
        let mut parts: Vec<[&mut [Fr]; 8]> = (0..len.div_ceil(PART)).map(|_| Default::default()).collect();
        for (i, column) in bound.iter_mut().enumerate() {
            column.chunks_mut(PART).zip(&mut parts).for_each(|(chunk, part)| part[i] = chunk);
        }
        // the last node has no partner where their number is odd: its pair is added below
        let work = |(k, out): (usize, &mut [&mut [Fr]; 8])| {
            let range = k * PART..k * PART + out[0].len();
            let nodes = self.nodes(lambda, &range);
            let weights = weights.get(range.start / 2..range.end / 2).unwrap_or_default();
            let (message, done) = Isa::best().map_or(([Fr::ZERO; 5], 0), |isa| simd::quartic_bind(isa, nodes, x, weights, out));
            (done..range.len()).for_each(|j| {
                let (low, high) = (node(&nodes, 2 * j), node(&nodes, 2 * j + 1));
                (0..8).for_each(|i| out[i][j] = low[i] + *x * (high[i] - low[i]));
            });
            let columns = Nodes::Columns(std::array::from_fn(|i| &*out[i]));
            (done / 2..weights.len())
                .fold(message, |sum, j| add(sum, weighted(&node(&columns, 2 * j), &node(&columns, 2 * j + 1), &weights[j])))
        };
        let message = if len < SERIAL {
            parts.iter_mut().enumerate().map(work).fold([Fr::ZERO; 5], add)
        } else {
            parts.par_iter_mut().enumerate().map(work).reduce(|| [Fr::ZERO; 5], add)
        };
        drop(parts);
        if let Self::Columns(old) = std::mem::replace(self, Self::Columns(bound)) {
            *spare = Some(old);
        }
        if len.is_multiple_of(2) || weights.is_empty() {
            return message;
        }
        self.make_even(lambda);
        let last = self.nodes(lambda, &(len / 2..len / 2 + 1));
        add(message, weighted(&node(&last, 0), &node(&last, 1), &weights[len / 2]))
    }

    /// The only node that is left, as the tree has it.
    fn into_children(self, arity: usize, lambda: &Fr) -> Vec<Fr> {
        match self {
            Self::Rows(level) => [&level.p[..1 << arity], &level.d[..1 << arity]].concat(),
            Self::Columns(columns) => {
                let mut children = columns.map(|column| column[0]);
                children[1] -= *lambda * children[5];
                children.to_vec()
            }
        }
    }
}

/// Node `j`, in the order of [`Level::Columns`].
#[inline]
fn node(nodes: &Nodes<'_>, j: usize) -> [Fr; 8] {
    match nodes {
        Nodes::Rows(p, d, lambda) => {
            let mut node: [Fr; 8] = std::array::from_fn(|i| if i < 4 { p[4 * j + i] } else { d[4 * j + i - 4] });
            node[1] += **lambda * node[5];
            node
        }
        Nodes::Columns(columns) => std::array::from_fn(|i| columns[i][j]),
    }
}

/// What a pair of nodes adds to a message.
#[inline]
fn weighted(low: &[Fr; 8], high: &[Fr; 8], weight: &Fr) -> [Fr; 5] {
    let step: [Fr; 8] = std::array::from_fn(|i| high[i] - low[i]);
    let minus = std::array::from_fn(|i| low[i] - step[i]);
    let plus = std::array::from_fn(|i| high[i] + step[i]);
    [*weight * g(low), *weight * g(&minus), *weight * g(&plus), *weight * g(&step), *weight]
}

#[inline]
fn g(v: &[Fr; 8]) -> Fr {
    (v[0] * v[5] + v[1] * v[4]) * (v[6] * v[7]) + (v[2] * v[7] + v[3] * v[6]) * (v[4] * v[5])
}

fn prove_level(
    level: Fractions,
    arity: usize,
    claims: LeafClaims<Fr>,
    transcript: &mut Transcript<Fr>,
) -> (LevelProof<Fr>, LeafClaims<Fr>) {
    let lambda = transcript.challenge();
    let mut level = Level::Rows(level);
    let r = claims.point;
    // Challenges are hash outputs; should one be 0, its inverse stays 0, the claim that follows is false and the proof is refused.
    let mut inverses = r.clone();
    ark_ff::batch_inversion(&mut inverses);
    let mut claim = claims.numerator + claims.denominator * lambda;
    let (mut point, mut rounds) = (Vec::with_capacity(r.len()), Vec::with_capacity(r.len()));
    // The level at the root has no rounds, and may have the other arity; all others have arity four.
    let (mut sums, mut spare) = ([Fr::ZERO; 5], None);
    let weights = eq_tables(r.get(1..).unwrap_or_default(), level.len().div_ceil(2));
    if !r.is_empty() {
        level.make_even(&lambda);
        sums = level.message(&lambda, &weights[0]);
    }
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
        sums = level.bind(&lambda, &x, weights.get(i + 1).map_or(&[], Vec::as_slice), &mut spare);
        point.push(x);
        rounds.push(message);
    }
    let children = level.into_children(arity, &lambda);
    transcript.absorb_all(&children);
    let child = transcript.challenges(arity);
    let (numerators, denominators) = children.split_at(1 << arity);
    let (numerator, denominator) = (select(numerators, &child), select(denominators, &child));
    let point = child.into_iter().chain(point).collect();
    (LevelProof { rounds, children }, LeafClaims { point, numerator, denominator })
}
