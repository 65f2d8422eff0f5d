//! An operand of a product, as the product sumcheck sees it: a table over the product's variables.
//!
//! The column's runs are dimensions of a tensor. What a run is weighted with at the lookup argument's point is folded
//! away; what is a variable stays, or is picked from the run's numbers; a window becomes its kernel's places (so the
//! patch matrix of a convolution is never built). At the end the dimensions are brought into the order of the
//! variables.

use super::small::{Values, fold_rows};
use crate::poly::eq_table;
use ark_ff::AdditiveGroup;
use assay_circuits::Fr;
use assay_circuits::model::{Entry, Index, Run};
use assay_circuits::verifier::{Place, Product};
use rayon::prelude::*;
use std::ops::Range;

/// Numbers of a tensor that a thread works on at a time.
const GRAIN: usize = 1 << 10;

/// The values of a tensor.
pub enum Numbers<'a> {
    /// Cells of a column.
    Small(&'a [i32]),
    /// What they were folded to.
    Folded(Vec<Fr>),
}

/// What is left of a run: which variables its numbers are, none where it has one number.
type Dimension = (usize, Range<usize>);

/// The table of an operand over the product's variables. `numbers` are its column's cells, of `2^log_inferences`
/// inferences; `u` is the lookup argument's point.
pub fn table(product: &Product, runs: &[Run], numbers: Numbers<'_>, log_inferences: u32, u: &[Fr]) -> Vec<Fr> {
    let mut tensor = Tensor { numbers, done: Vec::new() };
    let mut rest: Vec<usize> = runs.iter().map(|run| run.log_len.into()).collect();
    if log_inferences > 0 {
        rest.push(log_inferences as usize);
        let last = match product.places.last() {
            Some(Place::Inferences(range)) => range.clone(),
            _ => {
                let from = usize::from(product.log_size);
                tensor.fold(&mut rest, runs.len(), &eq_table(&u[from..from + log_inferences as usize]));
                0..0
            }
        };
        tensor.done.push((rest[runs.len()], last));
    }
    // from the highest run down: what is folded there shortens all that follows
    for (at, run) in runs.iter().enumerate().rev() {
        let variables = tensor.run(&mut rest, at, run, product, u);
        tensor.done.push((rest[at], variables));
    }
    tensor.done.reverse();
    tensor.in_order(product.variables)
}

struct Tensor<'a> {
    numbers: Numbers<'a>,
    /// Dimensions that are as they stay, the highest first until all are.
    done: Vec<Dimension>,
}

impl Tensor<'_> {
    /// Brings a run to what the sumcheck sees of it; its variables.
    fn run(&mut self, rest: &mut [usize], at: usize, run: &Run, product: &Product, u: &[Fr]) -> Range<usize> {
        let place = |axis: &u8| &product.places[usize::from(*axis)];
        let numbers = 1usize << run.log_len;
        match &run.index {
            Index::Axis(axis) => match place(axis) {
                Place::Output(range) => self.fold(rest, at, &eq_table(&u[range.clone()])),
                Place::Variables(range) | Place::Inferences(range) => return range.clone(),
            },
            Index::Map { axis: None, entries } => self.fold(rest, at, &weights(entries, &[Fr::from(1u64)], numbers)),
            Index::Map { axis: Some(axis), entries } => match place(axis) {
                Place::Output(range) => self.fold(rest, at, &weights(entries, &eq_table(&u[range.clone()]), numbers)),
                Place::Variables(range) | Place::Inferences(range) => {
                    // in a product a map selects
                    let mut picked = vec![None; 1 << product.axes[usize::from(*axis)]];
                    entries.iter().for_each(|entry| picked[entry.to as usize] = Some(entry.from as usize));
                    self.pick(rest, at, &picked);
                    return range.clone();
                }
            },
            Index::Window { out, kernel, window } => {
                let log = |axis: &u8| usize::from(product.axes[usize::from(*axis)]);
                match (place(out), place(kernel)) {
                    (Place::Output(o), Place::Output(k)) => {
                        let (e_o, e_k) = (eq_table(&u[o.clone()]), eq_table(&u[k.clone()]));
                        let mut table = vec![Fr::ZERO; numbers];
                        window.taps().for_each(|(o, k, from)| table[from] += e_o[o] * e_k[k]);
                        self.fold(rest, at, &table);
                    }
                    (Place::Output(o), Place::Variables(range) | Place::Inferences(range)) => {
                        let (e, mut tables) =
                            (eq_table(&u[o.clone()]), vec![vec![Fr::ZERO; numbers]; 1 << log(kernel)]);
                        window.taps().for_each(|(o, k, from)| tables[k][from] += e[o]);
                        self.spread(rest, at, &tables);
                        return range.clone();
                    }
                    (Place::Variables(range) | Place::Inferences(range), Place::Output(k)) => {
                        let (e, mut tables) = (eq_table(&u[k.clone()]), vec![vec![Fr::ZERO; numbers]; 1 << log(out)]);
                        window.taps().for_each(|(o, k, from)| tables[o][from] += e[k]);
                        self.spread(rest, at, &tables);
                        return range.clone();
                    }
                    (Place::Variables(o) | Place::Inferences(o), Place::Variables(k) | Place::Inferences(k)) => {
                        // both axes' places, those of the lower variables first
                        let (low, high) = if k.start < o.start { (kernel, o) } else { (out, k) };
                        let mut picked = vec![None; 1 << (log(out) + log(kernel))];
                        window.taps().for_each(|(o, k, from)| {
                            let (low_place, high_place) = if low == kernel { (k, o) } else { (o, k) };
                            picked[low_place | high_place << log(low)] = Some(from);
                        });
                        self.pick(rest, at, &picked);
                        self.done.push((high.len(), high.clone()));
                        rest[at] = log(low);
                        let lowest = o.start.min(k.start);
                        return lowest..lowest + log(low);
                    }
                }
            }
        }
        0..0
    }

    /// Number of values below a dimension, of its own, and above it.
    fn sizes(rest: &[usize], at: usize, done: &[Dimension]) -> [usize; 3] {
        let above: usize = done.iter().map(|(log, _)| log).sum();
        [1 << rest[..at].iter().sum::<usize>(), 1 << rest[at], 1 << above]
    }

    /// `Σ_n weights[n] · x[.., n, ..]`.
    fn fold(&mut self, rest: &mut [usize], at: usize, weights: &[Fr]) {
        let [low, own, _] = Self::sizes(rest, at, &self.done);
        rest[at] = 0;
        let folded = match &self.numbers {
            Numbers::Small(cells) if low == 1 => {
                let mut out = vec![Fr::ZERO; cells.len() / own];
                Values::new(weights).dot_rows(cells, &mut out);
                out
            }
            Numbers::Small(cells) => {
                cells.par_chunks(low * own).flat_map_iter(|cells| fold_rows(cells, weights, low)).collect()
            }
            Numbers::Folded(values) => {
                let one = |values: &[Fr]| {
                    let mut sums = vec![Fr::ZERO; low];
                    for (row, weight) in values.chunks(low).zip(weights) {
                        sums.iter_mut().zip(row).for_each(|(sum, value)| *sum += *value * weight);
                    }
                    sums
                };
                values.par_chunks(low * own).with_min_len(GRAIN.div_ceil(low * own)).flat_map_iter(one).collect()
            }
        };
        self.numbers = Numbers::Folded(folded);
    }

    /// `Σ_n tables[k][n] · x[.., n, ..]` for each `k`, which replaces `n`.
    fn spread(&mut self, rest: &mut [usize], at: usize, tables: &[Vec<Fr>]) {
        let [low, own, _] = Self::sizes(rest, at, &self.done);
        rest[at] = tables.len().ilog2() as usize;
        let spread = match &self.numbers {
            Numbers::Small(cells) if low == 1 => {
                let small: Vec<Values<'_>> = tables.iter().map(|table| Values::new(table)).collect();
                let rows = GRAIN.div_ceil(own);
                let part = |cells: &[i32]| {
                    let mut out = vec![Fr::ZERO; cells.len() / own * tables.len()];
                    let mut sums = vec![Fr::ZERO; cells.len() / own];
                    for (k, table) in small.iter().enumerate() {
                        table.dot_rows(cells, &mut sums);
                        out.iter_mut().skip(k).step_by(tables.len()).zip(&sums).for_each(|(out, sum)| *out = *sum);
                    }
                    out
                };
                cells.par_chunks(own * rows).flat_map_iter(part).collect()
            }
            Numbers::Small(cells) => {
                let part =
                    |cells: &[i32]| tables.iter().flat_map(|table| fold_rows(cells, table, low)).collect::<Vec<Fr>>();
                cells.par_chunks(own * low).flat_map_iter(part).collect()
            }
            Numbers::Folded(values) => {
                let part = |values: &[Fr]| {
                    let mut out = vec![Fr::ZERO; tables.len() * low];
                    for (out, table) in out.chunks_mut(low).zip(tables) {
                        for (row, weight) in values.chunks(low).zip(table).filter(|(_, weight)| **weight != Fr::ZERO) {
                            out.iter_mut().zip(row).for_each(|(sum, value)| *sum += *value * weight);
                        }
                    }
                    out
                };
                values.par_chunks(low * own).with_min_len(GRAIN.div_ceil(low * own)).flat_map_iter(part).collect()
            }
        };
        self.numbers = Numbers::Folded(spread);
    }

    /// `x[.., picked[k], ..]` for each `k`, which replaces the number; 0 where nothing is picked.
    fn pick(&mut self, rest: &mut [usize], at: usize, picked: &[Option<usize>]) {
        let [low, own, _] = Self::sizes(rest, at, &self.done);
        rest[at] = picked.len().ilog2() as usize;
        let values = std::mem::replace(&mut self.numbers, Numbers::Small(&[])).into_values();
        let mut out = Vec::with_capacity(values.len() / own * picked.len());
        for values in values.chunks(low * own) {
            for from in picked {
                match from {
                    Some(from) => out.extend_from_slice(&values[from * low..(from + 1) * low]),
                    None => out.resize(out.len() + low, Fr::ZERO),
                }
            }
        }
        self.numbers = Numbers::Folded(out);
    }

    /// The values in the order of the variables.
    fn in_order(self, variables: usize) -> Vec<Fr> {
        let values = self.numbers.into_values();
        let mut at = 0;
        let mut moved = false;
        // for each dimension: its lowest bit here, its lowest variable, its length
        let mut parts = Vec::new();
        for (log, range) in self.done.iter().filter(|(log, _)| *log > 0) {
            moved |= range.start != at;
            parts.push((at, range.start, *log));
            at += log;
        }
        if !moved {
            return values;
        }
        let from = |index: usize| {
            parts.iter().fold(0, |from, (here, there, log)| from | ((index >> there) & ((1 << log) - 1)) << here)
        };
        (0..1usize << variables).into_par_iter().with_min_len(GRAIN).map(|index| values[from(index)]).collect()
    }
}

impl Numbers<'_> {
    fn into_values(self) -> Vec<Fr> {
        match self {
            Numbers::Small(cells) => cells.par_iter().with_min_len(GRAIN).map(|v| Fr::from(*v)).collect(),
            Numbers::Folded(values) => values,
        }
    }
}

/// `Σ_to e[to] · coefficient` for each number.
fn weights(entries: &[Entry], e: &[Fr], numbers: usize) -> Vec<Fr> {
    let mut table = vec![Fr::ZERO; numbers];
    entries.iter().for_each(|entry| table[entry.from as usize] += e[entry.to as usize] * Fr::from(entry.coefficient));
    table
}
