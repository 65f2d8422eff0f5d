//! The batch opening's sumcheck, prover's side: `Σ_x G(x)·L(x)` without laying `L` out where it is a product.
//!
//! On most of `G` the functional `L` is a sum of few terms `coefficient · eq(point, ·)`; those of the lookup argument
//! have prefixes of one point. For the first `t` rounds such a term is replaced by its marginals over the high
//! coordinates, `2^t` values from one pass over small integers. What is no product (the sources of convolutions, blocks
//! of fewer than `2^t` cells) is laid out. After `t` rounds a second pass folds `G` to `1/2^t` of its length, and all
//! terms join in one dense sumcheck.

use super::region::Cells;
use super::small::{Combination, pair_message};
use crate::backend::Backend;
use crate::poly::{bind, eq_table, filled, product_message, scaled_eq_table};
use ark_ff::{AdditiveGroup, Field};
use assay_circuits::Fr;
use assay_circuits::layout::Block;
use assay_circuits::shape::Shape;
use assay_circuits::transcript::Transcript;
use assay_circuits::verifier::{Functional, FunctionalTerm};
use rayon::prelude::*;
use std::ops::Range;

/// Rounds that parts play on their own.
const SPLIT: u32 = 8;

/// Zeros that are laid out rather than begin another stretch.
const HOLE: usize = 1 << 12;

/// Terms that are products of `eq(low_point, ·)` and of something in the high coordinates.
struct Structured<'a> {
    low_point: &'a [Fr],
    /// What they are in the high coordinates: number of the first row of `2^t` cells, and a value for each row.
    high: Vec<(usize, Vec<Fr>)>,
    low: Vec<Fr>,
    marginals: Vec<Fr>,
}

/// A stretch on which `L` is laid out.
struct Dense<'a> {
    /// Its first cell.
    offset: usize,
    cells: &'a [i32],
    values: Vec<Fr>,
    weights: Vec<Fr>,
}

/// Proves it. Returns the messages, the final point and `G` there.
pub fn prove(
    backend: &dyn Backend,
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

    let mut product = backend.product(fold(cells, &point, variables), join(&structured, dense, &point, variables));
    for _ in split as usize..variables {
        let message = product.message();
        transcript.absorb_all(&message);
        let x = transcript.challenge();
        product.bind(&x);
        rounds.push(message);
        point.push(x);
    }
    let [g, _] = product.first();
    (rounds, point, g)
}

fn parts<'a>(
    cells: &Cells<'a>,
    functional: &'a Functional<Fr>,
    u: &'a [Fr],
    split: u32,
) -> (Vec<Structured<'a>>, Vec<Dense<'a>>) {
    let unit = 1usize << split;
    let is_product = |block: &Block| if block.gap == 0 { block.log_size >= split } else { block.log_item >= split };
    let mut leaves: Vec<(usize, Vec<Fr>)> =
        cells.stretches().map(|(start, part)| (start / unit, vec![Fr::ZERO; part.len().div_ceil(unit)])).collect();
    let (mut products, mut rest) = (Vec::new(), Vec::new());
    for term in &functional.terms {
        let block = term.block();
        let tiles = term.coefficients().iter().enumerate().map(|(tile, coefficient)| (block.tile(tile), *coefficient));
        match term {
            FunctionalTerm::Leaf { coefficient, .. } if is_product(&block) => {
                let high = scaled_eq_table(*coefficient, &u[split as usize..block.log_size as usize]);
                for (row, values) in rows(&block, &high, unit) {
                    let owner = leaves.partition_point(|(start, _)| *start <= row) - 1;
                    let (start, sums) = &mut leaves[owner];
                    sums[row - *start..].iter_mut().zip(values).for_each(|(sum, value)| *sum += value);
                }
            }
            FunctionalTerm::Eq { point, .. } if is_product(&block) => {
                let (low_point, high_point) = point.split_at(split as usize);
                let on_tile = |(block, coefficient): (Block, Fr)| {
                    let high = scaled_eq_table(coefficient, high_point);
                    rows(&block, &high, unit).map(|(row, values)| (row, values.to_vec())).collect::<Vec<_>>()
                };
                products.push((low_point, tiles.flat_map(on_tile).collect()));
            }
            term => rest.extend(tiles.map(|(block, coefficient)| Rest { term, block, coefficient })),
        }
    }
    if let Some(low_point) = u.get(..split as usize) {
        products.push((low_point, leaves));
    }
    let structured =
        products.into_par_iter().map(|(low_point, high)| Structured::new(cells, low_point, high)).collect();
    (structured, lay_out(cells, &rest, u, split))
}

/// A term that is no product of low and high coordinates, on one tile of its block.
struct Rest<'a> {
    term: &'a FunctionalTerm<Fr>,
    block: Block,
    coefficient: Fr,
}

/// A block's values in the high coordinates, by the row of `unit` cells at which they begin.
fn rows<'a>(block: &Block, high: &'a [Fr], unit: usize) -> impl Iterator<Item = (usize, &'a [Fr])> {
    let len = block.pieces().next().map_or(1, |piece| piece.len() / unit);
    block.pieces().map(move |piece| piece.start / unit).zip(high.chunks(len))
}

impl<'a> Structured<'a> {
    fn new(cells: &Cells<'a>, low_point: &'a [Fr], high: Vec<(usize, Vec<Fr>)>) -> Self {
        let unit = 1usize << low_point.len();
        let mut marginals = vec![Fr::ZERO; unit];
        for (row, values) in &high {
            let part = cells.fold_rows(row * unit, values, unit);
            marginals.iter_mut().zip(part).for_each(|(sum, value)| *sum += value);
        }
        Self { low_point, high, low: eq_table(low_point), marginals }
    }
}

/// Lays out the terms that are left over the stretches that they touch.
fn lay_out<'a>(cells: &Cells<'a>, terms: &[Rest<'_>], u: &[Fr], split: u32) -> Vec<Dense<'a>> {
    let unit = 1usize << split;
    let mut dense = Vec::new();
    for (start, part) in cells.stretches() {
        let mine: Vec<_> =
            terms.iter().filter(|rest| (start..start + part.len()).contains(&rest.block.offset)).collect();
        let values: Vec<Vec<Fr>> = mine.par_iter().map(|rest| values_of(rest, u)).collect();
        let mut pieces: Vec<(Range<usize>, &[Fr])> = Vec::new();
        for (on_block, values) in mine.iter().zip(&values) {
            let mut rest = &values[..];
            for range in on_block.block.pieces() {
                let (piece, after) = rest.split_at(range.len());
                pieces.push((range, piece));
                rest = after;
            }
        }
        pieces.sort_by_key(|(range, _)| range.start);
        for pieces in pieces.chunk_by(|(a, _), (b, _)| b.start < a.end.next_multiple_of(unit) + HOLE) {
            let first = pieces[0].0.start / unit * unit;
            let last = pieces.iter().map(|(range, _)| range.end).max().unwrap_or(first).next_multiple_of(unit);
            let mut weights = filled(Fr::ZERO, last - first);
            for (range, values) in pieces {
                weights[range.start - first..range.end - first]
                    .iter_mut()
                    .zip(*values)
                    .for_each(|(sum, value)| *sum += value);
            }
            dense.push(Dense { offset: first, cells: cells.get(first..last), values: Vec::new(), weights });
        }
    }
    dense
}

/// A term's values over a tile's own cells.
fn values_of(rest: &Rest<'_>, u: &[Fr]) -> Vec<Fr> {
    let Rest { term, block, coefficient } = rest;
    match term {
        FunctionalTerm::Leaf { .. } => scaled_eq_table(*coefficient, &u[..block.log_size as usize]),
        FunctionalTerm::Eq { point, .. } => scaled_eq_table(*coefficient, point),
        FunctionalTerm::Tensor { axes, inferences, .. } => {
            let lowest = axes.first().map_or_else(|| vec![Fr::ONE], |axis| axis.values(u));
            let factors = axes.iter().skip(1).rev().fold(scaled_eq_table(*coefficient, inferences), |factors, axis| {
                let values = axis.values(u);
                factors.iter().flat_map(|factor| values.iter().map(move |value| *factor * value)).collect()
            });
            let mut values = filled(Fr::ZERO, factors.len() * lowest.len());
            values.par_chunks_mut(lowest.len()).zip(&factors).with_min_len(16).for_each(|(values, factor)| {
                values.iter_mut().zip(&lowest).for_each(|(value, column)| *value = *factor * column);
            });
            values
        }
        FunctionalTerm::Powers { cells, inferences, .. } => by_inference(
            block,
            inferences.cells().map(|(_, factor)| factor * coefficient),
            cells.cells().collect::<Vec<_>>().into_iter(),
        ),
        FunctionalTerm::Rails { rails, .. } => {
            let width = block.size() / 2;
            let rail =
                |counts: bool| (0..width / 2).map(move |v| if counts && v > 0 { *coefficient } else { Fr::ZERO });
            std::iter::repeat_n(Fr::ZERO, width).chain(rail(rails.high)).chain(rail(rails.low)).collect()
        }
    }
}

/// The values of cells of an inference, times a factor for each inference.
fn by_inference(
    block: &Block,
    factors: impl Iterator<Item = Fr>,
    cells: impl Iterator<Item = (usize, Fr)> + Clone,
) -> Vec<Fr> {
    let mut values = vec![Fr::ZERO; block.size()];
    for (values, factor) in values.chunks_mut(1 << block.log_item).zip(factors) {
        cells.clone().for_each(|(cell, value)| values[cell] += value * factor);
    }
    values
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

/// `G` after the split rounds.
fn fold(cells: &Cells<'_>, point: &[Fr], variables: usize) -> Vec<Fr> {
    let unit = 1usize << point.len();
    let mut g = filled(Fr::ZERO, 1 << (variables - point.len()));
    let e = eq_table(point);
    for (start, part) in cells.stretches() {
        let rows = part.len().div_ceil(unit);
        g[start / unit..][..rows].copy_from_slice(&cells.dot_rows(start, &e, rows));
    }
    g
}

/// `L` after the split rounds.
fn join(structured: &[Structured<'_>], dense: Vec<Dense<'_>>, point: &[Fr], variables: usize) -> Vec<Fr> {
    let unit = 1usize << point.len();
    let mut l = filled(Fr::ZERO, 1 << (variables - point.len()));
    for part in structured {
        let low = assay_circuits::verifier::eq::eq(part.low_point, point);
        for (row, high) in &part.high {
            l[*row..].par_iter_mut().zip(high).with_min_len(512).for_each(|(l, high)| *l += *high * low);
        }
    }
    for part in dense {
        l[part.offset / unit..].iter_mut().zip(part.weights).for_each(|(l, weight)| *l += weight);
    }
    l
}
