//! The batch opening's sumcheck, prover's side: `Σ_x G(x)·L(x)` without ever laying `L` out over the weights.
//!
//! `L` on a weight block is a single `coefficient · eq(point, ·)`. For the first `t` rounds such a block is replaced by its marginals over the
//! high coordinates, `2^t` values from one pass over small integers; a second pass then folds it to `1/2^t` of its length. Everything else, the size of the
//! activations, is laid out. After `t` rounds all parts join in one dense sumcheck.

use super::poly::{bind, eq_table, product_message, scaled_eq_table};
use super::region::Cells;
use super::small::{Combination, dot_with_total, fold_rows, pair_message};
use ark_ff::{AdditiveGroup, Field};
use assay_circuits::Fr;
use assay_circuits::shape::Shape;
use assay_circuits::transcript::Transcript;
use assay_circuits::verifier::{Functional, FunctionalTerm};
use rayon::prelude::*;
use std::ops::Range;

/// Rounds that parts play on their own.
const SPLIT: u32 = 8;

/// Zeros that are laid out rather than begin another stretch.
const HOLE: usize = 1 << 12;

/// A block on which `L` is one `eq`.
struct Structured<'a> {
    offset: usize,
    cells: &'a [i32],
    /// `coefficient · eq` of the high coordinates.
    high: Vec<Fr>,
    low_point: &'a [Fr],
    low: Vec<Fr>,
    marginals: Vec<Fr>,
}

/// A stretch on which `L` is laid out.
struct Dense<'a> {
    offset: usize,
    cells: &'a [i32],
    values: Vec<Fr>,
    weights: Vec<Fr>,
}

/// Proves it. Returns the messages, the final point and `G` there.
pub fn prove(
    shape: &Shape,
    cells: &Cells<'_>,
    terms: &Functional<Fr>,
    u: &[Fr],
    transcript: &mut Transcript<Fr>,
) -> (Vec<[Fr; 2]>, Vec<Fr>, Fr) {
    let variables = shape.layout.variables();
    let split = SPLIT.min(shape.layout.log_chunk);
    let (mut structured, mut dense) = parts(cells, terms, u, split);
    let (mut rounds, mut point) = (Vec::with_capacity(variables), Vec::with_capacity(variables));

    for round in 0..split {
        let mut message = [Fr::ZERO; 2];
        let add = |message: &mut [Fr; 2], part: [Fr; 2]| message.iter_mut().zip(part).for_each(|(m, p)| *m += p);
        structured.iter().for_each(|part| add(&mut message, product_message(&part.low, &part.marginals)));
        dense.iter().for_each(|part| add(&mut message, part.message(round)));
        transcript.absorb_all(&message);
        let x = transcript.challenge();
        for part in &mut structured {
            bind(&mut part.low, &x, Fr::ZERO);
            bind(&mut part.marginals, &x, Fr::ZERO);
        }
        dense.iter_mut().for_each(|part| part.bind(round, &x));
        rounds.push(message);
        point.push(x);
    }

    let (mut g, mut l) = join(&structured, dense, &point, variables as u32 - split);
    for _ in split as usize..variables {
        let message = product_message(&g, &l);
        transcript.absorb_all(&message);
        let x = transcript.challenge();
        bind(&mut g, &x, Fr::ZERO);
        bind(&mut l, &x, Fr::ZERO);
        rounds.push(message);
        point.push(x);
    }
    (rounds, point, g[0])
}

fn parts<'a>(cells: &Cells<'a>, functional: &'a Functional<Fr>, u: &[Fr], split: u32) -> (Vec<Structured<'a>>, Vec<Dense<'a>>) {
    let mut structured = Vec::new();
    let mut rest = Vec::new();
    // The seller's part comes first, largest blocks first, and each of its blocks has one term.
    let seller = cells.parts().next().map_or(0, |(start, cells)| start + cells.len());
    for term in &functional.terms {
        match term {
            FunctionalTerm::Eq { block, coefficient, point } if block.offset < seller && block.log_size >= split => {
                let (low_point, high_point) = point.split_at(split as usize);
                let high = scaled_eq_table(*coefficient, high_point);
                let cells = cells.get(block.range());
                let marginals = fold_rows(cells, &high, 1 << split);
                structured.push(Structured { offset: block.offset, cells, high, low_point, low: eq_table(low_point), marginals });
            }
            term => rest.push(term),
        }
    }
    (structured, lay_out(cells, &rest, u, split))
}

/// Lays out the terms that are left over the stretches that they touch.
fn lay_out<'a>(cells: &Cells<'a>, terms: &[&FunctionalTerm<Fr>], u: &[Fr], split: u32) -> Vec<Dense<'a>> {
    let unit = 1usize << split;
    let mut dense = Vec::new();
    for (start, part) in cells.parts() {
        let mine: Vec<_> = terms.iter().filter(|t| (start..start + part.len()).contains(&t.block().offset)).collect();
        let values: Vec<Vec<Fr>> = mine.par_iter().map(|term| values_of(term, u)).collect();
        let mut pieces: Vec<(Range<usize>, &[Fr])> = Vec::new();
        for (term, values) in mine.iter().zip(&values) {
            let mut rest = &values[..];
            for range in term.block().pieces() {
                let (piece, after) = rest.split_at(range.len());
                pieces.push((range, piece));
                rest = after;
            }
        }
        pieces.sort_by_key(|(range, _)| range.start);
        for pieces in pieces.chunk_by(|(a, _), (b, _)| b.start < a.end.next_multiple_of(unit) + HOLE) {
            let first = pieces[0].0.start / unit * unit;
            let last = pieces.iter().map(|(range, _)| range.end).max().unwrap_or(first).next_multiple_of(unit);
            let mut weights = vec![Fr::ZERO; last - first];
            for (range, values) in pieces {
                weights[range.start - first..range.end - first].iter_mut().zip(*values).for_each(|(sum, value)| *sum += value);
            }
            dense.push(Dense { offset: first, cells: cells.get(first..last), values: Vec::new(), weights });
        }
    }
    dense
}

/// A term's values over its block's own cells.
fn values_of(term: &FunctionalTerm<Fr>, u: &[Fr]) -> Vec<Fr> {
    match term {
        FunctionalTerm::Leaf { block, coefficient } => scaled_eq_table(*coefficient, &u[..block.log_size as usize]),
        FunctionalTerm::Eq { coefficient, point, .. } => scaled_eq_table(*coefficient, point),
        FunctionalTerm::Tensor { coefficient, channels, rows, columns, .. } => {
            let channels = scaled_eq_table(*coefficient, channels);
            let factors = channels.iter().flat_map(|channel| rows.iter().map(move |row| *channel * row));
            factors.flat_map(|factor| columns.iter().map(move |column| factor * column)).collect()
        }
        FunctionalTerm::Cells { block, cells, inferences } => {
            let mut values = vec![Fr::ZERO; block.size()];
            for (values, factor) in values.chunks_mut(1 << block.log_item).zip(inferences) {
                cells.iter().for_each(|(cell, value)| values[*cell] += *value * factor);
            }
            values
        }
    }
}

impl Dense<'_> {
    fn message(&self, round: u32) -> [Fr; 2] {
        if round > 0 {
            return product_message(&self.values, &self.weights);
        }
        pair_message(self.cells, &self.weights)
    }

    fn bind(&mut self, round: u32, x: &Fr) {
        if round == 0 {
            let fold = Combination::new([Fr::ONE - x, *x]);
            let at = |i: usize| self.cells.get(i).copied().unwrap_or(0);
            let value = |j: usize| match (at(2 * j), at(2 * j + 1)) {
                (0, 0) => Fr::ZERO,
                (a, b) => fold.of([a, b]),
            };
            self.values = (0..self.weights.len() / 2).into_par_iter().with_min_len(2048).map(value).collect();
        } else {
            bind(&mut self.values, x, Fr::ZERO);
        }
        bind(&mut self.weights, x, Fr::ZERO);
    }
}

/// `G` and `L` after the split rounds, over the remaining variables.
fn join(structured: &[Structured<'_>], dense: Vec<Dense<'_>>, point: &[Fr], variables: u32) -> (Vec<Fr>, Vec<Fr>) {
    let unit = 1usize << point.len();
    let (mut g, mut l) = (vec![Fr::ZERO; 1 << variables], vec![Fr::ZERO; 1 << variables]);
    let e = eq_table(point);
    for part in structured {
        let rows = part.offset / unit..part.offset / unit + part.high.len();
        let one = Fr::ONE;
        g[rows.clone()].par_iter_mut().zip(part.cells.par_chunks(unit)).with_min_len(16).for_each(|(g, cells)| {
            *g = if cells.len() == unit {
                dot_with_total(cells, &e, &one)
            } else {
                cells.iter().zip(&e).map(|(c, e)| Fr::from(*c) * e).sum()
            };
        });
        let low = assay_circuits::verifier::eq::eq(part.low_point, point);
        l[rows].par_iter_mut().zip(&part.high).with_min_len(512).for_each(|(l, high)| *l = *high * low);
    }
    for part in dense {
        let first = part.offset / unit;
        for (i, (value, weight)) in part.values.into_iter().zip(part.weights).enumerate() {
            g[first + i] += value;
            l[first + i] += weight;
        }
    }
    (g, l)
}
