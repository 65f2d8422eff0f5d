//! The tree of fractions, its levels, and the rounds of a level's sumcheck. No transcript here.

use super::leaves::{Leaves, Lookups};
use crate::backend::Fractions;
use crate::poly::{SERIAL, add, eq_tables, filled, filled_with_room, sum_of_parts};
use crate::simd::{self, Isa, Nodes};
use ark_ff::{AdditiveGroup, Field};
use assay_circuits::Fr;
use assay_circuits::verifier::lookup::combine;
use rayon::prelude::*;
use std::ops::Range;

/// Nodes that a thread combines or binds at a time.
const PART: usize = 256;

/// Elements by which a level may still grow, at most: it is filled up to a multiple of its arity, and then to two
/// nodes.
pub const ROOM: usize = 8;

/// All levels.
pub struct Tree<'a> {
    /// From the leaves on, the root last; one whose rounds have begun is empty.
    levels: Vec<Level<'a>>,
    arities: Vec<usize>,
    played: Option<Played<'a>>,
}

/// The level whose rounds go on.
struct Played<'a> {
    rounds: Rounds<'a>,
    arity: usize,
    /// By round; those that are over are empty.
    weights: Vec<Vec<Fr>>,
    /// Number of the next round.
    next: usize,
}

impl<'a> Tree<'a> {
    /// Over leaves.
    pub fn new(leaves: &Leaves<'a>) -> Self {
        let (arities, mut levels) = (leaves.arities(), vec![leaves.level()]);
        for (i, arity) in arities.iter().enumerate() {
            let parent = levels[i].parent(*arity);
            levels.push(parent);
        }
        Self { levels, arities, played: None }
    }
}

impl Fractions for Tree<'_> {
    fn root(&self) -> [Fr; 2] {
        self.levels.last().map_or([Fr::ZERO, Fr::ONE], Level::first)
    }

    fn begin(&mut self, level: usize, lambda: &Fr, r: &[Fr]) -> [Fr; 5] {
        let (level, arity) = (std::mem::take(&mut self.levels[level]), self.arities[level]);
        let mut weights = eq_tables(r.get(1..).unwrap_or_default(), level.len(arity).div_ceil(2));
        // the level at the root has no rounds, and may have the other arity; all others have arity four
        let first = if r.is_empty() { Vec::new() } else { std::mem::take(&mut weights[0]) };
        let (rounds, message) = Rounds::new(level, *lambda, &first);
        self.played = Some(Played { rounds, arity, weights, next: 1 });
        message
    }

    fn bind(&mut self, x: &Fr) -> [Fr; 5] {
        let Some(Played { rounds, weights, next, .. }) = &mut self.played else { return [Fr::ZERO; 5] };
        let weights = weights.get_mut(*next).map(std::mem::take).unwrap_or_default();
        *next += 1;
        rounds.bind(x, &weights)
    }

    fn children(&mut self) -> Vec<Fr> {
        self.played.take().map_or_else(Vec::new, |played| played.rounds.into_children(played.arity))
    }
}

/// A level as the tree has it: pieces one after the other, all but the last with a multiple of 4 nodes of arity four.
#[derive(Default)]
pub struct Level<'a>(Vec<Piece<'a>>);

/// Consecutive nodes.
pub enum Piece<'a> {
    /// Numerators and denominators of the children, node by node.
    Rows(Vec<Fr>, Vec<Fr>),
    /// For nodes of arity four: `p_0, p_1 + λ·d_1, p_2, p_3, d_0, …, d_3`, which merges numerator and denominator into
    /// the single polynomial `P + λD = g`.
    Columns([Vec<Fr>; 8]),
    /// For nodes of arity four: `d_0, …, d_3`, all numerators being 1.
    Units([Vec<Fr>; 4]),
    /// The same, of leaves that are looked up where they are needed: most of a large proof's memory would be theirs.
    Looked(Lookups<'a>),
}

impl<'a> Level<'a> {
    /// Joins pieces that are no [`Piece::Columns`].
    pub fn new(pieces: Vec<Piece<'a>>) -> Self {
        Self(pieces)
    }

    /// Number of nodes.
    pub fn len(&self, arity: usize) -> usize {
        self.0.iter().map(|piece| piece.len(arity)).sum()
    }

    /// The first fraction: the root, where there is no other.
    pub fn first(&self) -> [Fr; 2] {
        match self.0.first() {
            Some(Piece::Rows(p, d)) => [p[0], d[0]],
            Some(Piece::Units([d, ..])) => [Fr::ONE, d[0]],
            Some(Piece::Looked(lookups)) => [Fr::ONE, lookups.nodes(0..1)[0][0]],
            Some(Piece::Columns(_)) | None => [Fr::ZERO, Fr::ONE],
        }
    }

    /// The next level towards the root.
    pub fn parent(&mut self, arity: usize) -> Level<'a> {
        let width = 1 << arity;
        if let Some(Piece::Rows(p, d)) = self.0.last_mut() {
            p.resize(p.len().next_multiple_of(width), Fr::ZERO);
            d.resize(d.len().next_multiple_of(width), Fr::ONE);
        }
        let len = self.len(arity);
        let [mut p, mut d] = std::array::from_fn(|_| filled_with_room(Fr::ZERO, len, ROOM));
        let (mut rest_p, mut rest_d) = (&mut p[..], &mut d[..]);
        for piece in &self.0 {
            let (next_p, next_d);
            (next_p, rest_p) = rest_p.split_at_mut(piece.len(arity));
            (next_d, rest_d) = rest_d.split_at_mut(piece.len(arity));
            let parts = next_p.par_chunks_mut(PART).zip(next_d.par_chunks_mut(PART)).enumerate();
            parts.for_each(|(k, (next_p, next_d))| piece.parents(width, k * PART, next_p, next_d));
        }
        Level(vec![Piece::Rows(p, d)])
    }
}

impl Piece<'_> {
    /// Whether it has nothing at all.
    pub fn is_empty(&self) -> bool {
        self.len(0) == 0
    }

    fn len(&self, arity: usize) -> usize {
        match self {
            Self::Rows(p, _) => p.len() >> arity,
            Self::Columns(columns) => columns[0].len(),
            Self::Units(columns) => columns[0].len(),
            Self::Looked(lookups) => lookups.len(),
        }
    }

    /// The fractions of the nodes from `start` on.
    fn parents(&self, width: usize, start: usize, next_p: &mut [Fr], next_d: &mut [Fr]) {
        if let (Self::Rows(p, d), true) = (self, width != 4) {
            for (j, (next_p, next_d)) in next_p.iter_mut().zip(next_d).enumerate() {
                let at = width * (start + j);
                (*next_p, *next_d) = combine(&[&p[at..][..width], &d[at..][..width]].concat());
            }
            return;
        }
        self.read(&Fr::ZERO, start..start + next_p.len(), |nodes| {
            let done = Isa::best().map_or(0, |isa| match nodes {
                Nodes::Rows(p, d, _) => simd::combine(isa, p, d, next_p, next_d),
                Nodes::Units(d, _) => simd::combine_units(isa, d, next_p, next_d),
                Nodes::Columns(_) => 0,
            });
            for (j, (next_p, next_d)) in next_p.iter_mut().zip(next_d.iter_mut()).enumerate().skip(done) {
                (*next_p, *next_d) = combine(&node(&nodes, j));
            }
        });
    }

    /// `f` of some nodes of arity four.
    fn read<T>(&self, lambda: &Fr, range: Range<usize>, f: impl FnOnce(Nodes<'_>) -> T) -> T {
        match self {
            Self::Rows(p, d) => {
                f(Nodes::Rows(&p[4 * range.start..4 * range.end], &d[4 * range.start..4 * range.end], lambda))
            }
            Self::Columns(columns) => f(Nodes::Columns(columns.each_ref().map(|column| &column[range.clone()]))),
            Self::Units(columns) => f(Nodes::Units(columns.each_ref().map(|column| &column[range.clone()]), lambda)),
            Self::Looked(lookups) => f(Nodes::Units(lookups.nodes(range).each_ref().map(Vec::as_slice), lambda)),
        }
    }

    /// Adds the node 0/1 where the number of nodes is odd. Not for units.
    fn make_even(&mut self, lambda: &Fr) {
        match self {
            Self::Rows(p, d) if !p.len().is_multiple_of(8) => {
                p.extend([Fr::ZERO; 4]);
                d.extend([Fr::ONE; 4]);
            }
            Self::Columns(columns) if !columns[0].len().is_multiple_of(2) => {
                let tail = [Fr::ZERO, *lambda, Fr::ZERO, Fr::ZERO, Fr::ONE, Fr::ONE, Fr::ONE, Fr::ONE];
                columns.iter_mut().zip(tail).for_each(|(column, tail)| column.push(tail));
            }
            _ => {}
        }
    }

    /// The weighted sums of `g` at 0, -1, 2, of its leading coefficient, and of the weights.
    fn message(&self, lambda: &Fr, weights: &[Fr]) -> [Fr; 5] {
        sum_of_parts(weights.len(), |range| {
            self.read(lambda, 2 * range.start..2 * range.end, |nodes| {
                let weights = &weights[range];
                let (message, done) =
                    Isa::best().map_or(([Fr::ZERO; 5], 0), |isa| simd::quartic_message(isa, nodes, weights));
                (done..weights.len()).fold(message, |sum, j| {
                    add(sum, weighted(&node(&nodes, 2 * j), &node(&nodes, 2 * j + 1), &weights[j]))
                })
            })
        })
    }

    /// Binds the lowest variable to `x`; the message of the next round, for which `weights` are.
    fn bind(&mut self, lambda: &Fr, x: &Fr, weights: &[Fr], spare: &mut Spare) -> [Fr; 5] {
        let len = self.len(2) / 2;
        let bound = match self {
            Self::Units(_) | Self::Looked(_) => Self::Units(std::array::from_fn(|_| spare.take(len))),
            _ => Self::Columns(std::array::from_fn(|_| spare.take(len))),
        };
        let old = std::mem::replace(self, bound);
        let message = self.bound(&old, lambda, x, weights);
        spare.keep(old);
        if len.is_multiple_of(2) || weights.is_empty() {
            return message;
        }
        // the last node had no partner
        self.make_even(lambda);
        let last =
            self.read(lambda, len - 1..len + 1, |last| weighted(&node(&last, 0), &node(&last, 1), &weights[len / 2]));
        add(message, last)
    }

    /// Fills columns with what comes of `old`, and the message of the pairs.
    fn bound(&mut self, old: &Self, lambda: &Fr, x: &Fr, weights: &[Fr]) -> [Fr; 5] {
        let columns: &mut [Vec<Fr>] = match self {
            Self::Units(columns) => columns,
            Self::Columns(columns) => columns,
            Self::Rows(..) | Self::Looked(_) => &mut [],
        };
        let (len, units) = (columns.first().map_or(0, Vec::len), columns.len() == 4);
        let mut parts: Vec<Vec<&mut [Fr]>> = (0..len.div_ceil(PART)).map(|_| Vec::with_capacity(8)).collect();
        for column in columns {
            column.chunks_mut(PART).zip(&mut parts).for_each(|(chunk, part)| part.push(chunk));
        }
        let work = |(k, out): (usize, &mut Vec<&mut [Fr]>)| {
            let range = k * PART..k * PART + out[0].len();
            let weights = weights.get(range.start / 2..range.end / 2).unwrap_or_default();
            let (message, done) = old.read(lambda, 2 * range.start..2 * range.end, |nodes| {
                let (message, done) =
                    Isa::best().map_or(([Fr::ZERO; 5], 0), |isa| simd::quartic_bind(isa, nodes, x, weights, out));
                for j in done..range.len() {
                    let (low, high) = (node(&nodes, 2 * j), node(&nodes, 2 * j + 1));
                    let skipped = if units { 4 } else { 0 };
                    out.iter_mut().enumerate().for_each(|(i, out)| {
                        let (low, high) = (low[i + skipped], high[i + skipped]);
                        out[j] = low + *x * (high - low);
                    });
                }
                (message, done)
            });
            let bound = match out.as_slice() {
                [d0, d1, d2, d3] => Nodes::Units([d0, d1, d2, d3], lambda),
                _ => Nodes::Columns(std::array::from_fn(|i| &*out[i])),
            };
            (done / 2..weights.len())
                .fold(message, |sum, j| add(sum, weighted(&node(&bound, 2 * j), &node(&bound, 2 * j + 1), &weights[j])))
        };
        if len < SERIAL / 4 {
            parts.iter_mut().enumerate().map(work).fold([Fr::ZERO; 5], add)
        } else {
            parts.par_iter_mut().enumerate().map(work).reduce(|| [Fr::ZERO; 5], add)
        }
    }
}

/// Columns that are no longer needed, whose memory is.
#[derive(Default)]
struct Spare(Vec<Vec<Fr>>);

impl Spare {
    /// `len` elements of any value, with room for one more.
    fn take(&mut self, len: usize) -> Vec<Fr> {
        let large_enough = self.0.iter().enumerate().filter(|(_, column)| column.len() >= len);
        let found = large_enough.min_by_key(|(_, column)| column.len()).map(|(i, _)| i);
        let mut column = found.map_or_else(|| filled(Fr::ZERO, len + 1), |i| self.0.swap_remove(i));
        column.truncate(len);
        column
    }

    fn keep(&mut self, piece: Piece<'_>) {
        match piece {
            Piece::Rows(p, d) => self.0.extend([p, d]),
            Piece::Columns(columns) => self.0.extend(columns),
            Piece::Units(columns) => self.0.extend(columns),
            Piece::Looked(_) => {}
        }
    }
}

/// A level while its rounds go on.
pub struct Rounds<'a> {
    pieces: Vec<Piece<'a>>,
    lambda: Fr,
    spare: Spare,
}

impl<'a> Rounds<'a> {
    /// With the first message: the weighted sums of `g` at 0, -1, 2, of its leading coefficient, and of the weights.
    /// Without weights there are no rounds.
    pub fn new(level: Level<'a>, lambda: Fr, weights: &[Fr]) -> (Self, [Fr; 5]) {
        let mut rounds = Self { pieces: level.0, lambda, spare: Spare::default() };
        if weights.is_empty() {
            return (rounds, [Fr::ZERO; 5]);
        }
        rounds.make_even();
        let message = rounds.each(weights, 2, |piece, weights, _| piece.message(&lambda, weights));
        (rounds, message)
    }

    /// Binds the lowest variable to `x`; the message of the next round, for which `weights` are.
    pub fn bind(&mut self, x: &Fr, weights: &[Fr]) -> [Fr; 5] {
        let lambda = self.lambda;
        self.make_even();
        self.each(weights, 4, |piece, weights, spare| piece.bind(&lambda, x, weights, spare))
    }

    /// Only the last piece may have a number of nodes with which its result has a node without a partner: else they
    /// become one.
    fn make_even(&mut self) {
        let ends_well = |(i, piece): (usize, &Piece<'_>)| {
            let last = i + 1 == self.pieces.len() && !matches!(piece, Piece::Units(_) | Piece::Looked(_));
            last || piece.len(2).is_multiple_of(4)
        };
        if !self.pieces.iter().enumerate().all(ends_well) {
            let mut joined: [Vec<Fr>; 8] = Default::default();
            for piece in &self.pieces {
                piece.read(&self.lambda, 0..piece.len(2), |nodes| {
                    for j in 0..piece.len(2) {
                        joined.iter_mut().zip(node(&nodes, j)).for_each(|(column, value)| column.push(value));
                    }
                });
            }
            self.pieces = vec![Piece::Columns(joined)];
        }
        if let Some(last) = self.pieces.last_mut() {
            last.make_even(&self.lambda);
        }
    }

    /// `f` of every piece, with a weight for `per_weight` of its nodes.
    fn each(
        &mut self,
        weights: &[Fr],
        per_weight: usize,
        mut f: impl FnMut(&mut Piece<'a>, &[Fr], &mut Spare) -> [Fr; 5],
    ) -> [Fr; 5] {
        let (mut sums, mut start) = ([Fr::ZERO; 5], 0);
        for piece in &mut self.pieces {
            let end = weights.len().min(start + piece.len(2).div_ceil(per_weight));
            sums = add(sums, f(piece, &weights[start..end], &mut self.spare));
            start = end;
        }
        sums
    }

    /// The only node that is left, as the tree has it: numerators, then denominators.
    pub fn into_children(self, arity: usize) -> Vec<Fr> {
        match self.pieces.into_iter().next() {
            Some(Piece::Rows(p, d)) => [&p[..1 << arity], &d[..1 << arity]].concat(),
            Some(piece) => {
                let mut children = piece.read(&self.lambda, 0..1, |nodes| node(&nodes, 0));
                children[1] -= self.lambda * children[5];
                children.to_vec()
            }
            None => Vec::new(),
        }
    }
}

/// Node `j`, in the order of [`Piece::Columns`].
#[inline]
fn node(nodes: &Nodes<'_>, j: usize) -> [Fr; 8] {
    let merged = |mut node: [Fr; 8], lambda: &Fr| {
        node[1] += *lambda * node[5];
        node
    };
    match nodes {
        Nodes::Rows(p, d, lambda) => {
            merged(std::array::from_fn(|i| if i < 4 { p[4 * j + i] } else { d[4 * j + i - 4] }), lambda)
        }
        Nodes::Columns(columns) => std::array::from_fn(|i| columns[i][j]),
        Nodes::Units(d, lambda) => merged(std::array::from_fn(|i| if i < 4 { Fr::ONE } else { d[i - 4][j] }), lambda),
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

#[cfg(test)]
mod tests {
    use super::*;
    use ark_ff::UniformRand;

    /// The same level in one piece and in several: the same parents, messages and last node.
    #[test]
    fn pieces_are_the_level_that_they_are_cut_from() {
        let mut rng = ark_std::test_rng();
        let mut random = |n: usize| -> Vec<Fr> { (0..n).map(|_| Fr::rand(&mut rng)).collect() };
        for (before, units, after) in
            [(0, 4, 0), (4, 64, 1), (1024, 512, 37), (256, 2048, 0), (0, 640, 3), (4, 4, 4), (0, 1024, 1)]
        {
            let count: usize = before + units + after;
            let mut p = random(4 * count);
            p[4 * before..4 * (before + units)].fill(Fr::ONE);
            let d = random(4 * count);
            let piece =
                |from: usize, to: usize| Piece::Rows(p[4 * from..4 * to].to_vec(), d[4 * from..4 * to].to_vec());
            let columns = std::array::from_fn(|i| (before..before + units).map(|node| d[4 * node + i]).collect());
            let mut pieces = vec![piece(0, before), Piece::Units(columns), piece(before + units, count)];
            pieces.retain(|piece| !piece.is_empty());
            let (mut whole, mut cut) = (Level::new(vec![piece(0, count)]), Level::new(pieces));
            assert_eq!((whole.len(2), cut.len(2)), (count, count));

            let (Piece::Rows(p, d), Piece::Rows(cut_p, cut_d)) = (&whole.parent(2).0[0], &cut.parent(2).0[0]) else {
                panic!("parents are rows")
            };
            assert!(p == cut_p && d == cut_d, "{before} {units} {after}");

            let variables = count.next_power_of_two().trailing_zeros() as usize;
            let (r, x, lambda) = (random(variables), random(variables), random(1)[0]);
            let weights = eq_tables(&r[1..], count.div_ceil(2));
            let (mut whole, first) = Rounds::new(whole, lambda, &weights[0]);
            let (mut cut, cut_first) = Rounds::new(cut, lambda, &weights[0]);
            assert_eq!(first, cut_first);
            for (i, x) in x.iter().enumerate() {
                let weights = weights.get(i + 1).map_or(&[][..], Vec::as_slice);
                let message = whole.bind(x, weights);
                assert_eq!(message, cut.bind(x, weights), "{before} {units} {after}, round {i}");
            }
            assert_eq!(whole.into_children(2), cut.into_children(2));
        }
    }
}
