//! Terms of two operands: sums of products.
//!
//! Axes fall into four kinds: summed ones (K), outputs that both operands read (batch), outputs that only one reads,
//! and outputs that neither reads. For each place of the batch axes a term is a product of two matrices, with a row for
//! each place of the axes that one operand has to itself and a column for each place of K. Rows that lie in a block as
//! they are needed are read where they are; others, such as the patches of a convolution, are written out, a strip at a
//! time.
//!
//! Products of 16-bit numbers are summed in `i32` over blocks short enough not to overflow (compilers turn that loop
//! into multiply-and-add-pairs instructions), and blocks in `i64`.

use super::linear::{Reader, Values};
use crate::model::{Index, Term, Window};
use rayon::prelude::*;

/// Bytes of written-out rows per strip: they stay in the second-level cache while every row of the other operand passes
/// over them.
const STRIP_BYTES: usize = 1 << 17;
/// Batch places that a thread works on at a time, where each is a single sum.
const SUMS: usize = 1 << 10;

/// Adds the term to the cells of a layer, or to those of one step: then the highest output axis has that place only.
pub(super) fn accumulate(term: &Term, left: &Reader<'_>, right: &Reader<'_>, step: Option<u32>, z: &mut [i64]) {
    let outputs = term.outputs();
    let plan = Plan::new(term, left, right, step);
    let kinds = |l: bool, r: bool| {
        (0..outputs).filter(|a| (left.names(*a as u8), right.names(*a as u8)) == (l, r)).collect::<Vec<_>>()
    };
    let batch = plan.places(&kinds(true, true));
    let copies: Vec<usize> = plan.places(&kinds(false, false)).iter().map(|p| p.cell).collect();
    let rows = [plan.places(&kinds(true, false)), plan.places(&kinds(false, true))];
    let columns = plan.columns(&(outputs..term.axes.len()).collect::<Vec<_>>());
    let coefficient = i64::from(term.coefficient);
    let mut add = |cell: usize, sum: i64| copies.iter().for_each(|copy| z[cell + copy] += coefficient * sum);
    if rows.iter().all(|rows| rows.len() == 1) {
        // elementwise, or short sums: nothing is gained by matrices
        let sums: Vec<i64> =
            batch.par_iter().with_min_len(SUMS).map(|b| plan.sum(b, [&rows[0][0], &rows[1][0]], &columns)).collect();
        // the only place of a row that reads anything need not be the first
        let own = rows[0][0].cell + rows[1][0].cell;
        batch.iter().zip(sums).for_each(|(b, sum)| add(b.cell + own, sum));
        return;
    }
    if rows.iter().any(Vec::is_empty) {
        return;
    }
    // the operand with more rows is cut into strips, and the other one's rows pass over each
    let long = usize::from(rows[1].len() > rows[0].len());
    let short = 1 - long;
    let strip = (STRIP_BYTES / 2 / columns.places.len().max(1)).clamp(1, rows[long].len());
    let narrow = [&plan.operands[0], &plan.operands[1]].map(Narrow::of);
    let results: Vec<Vec<Vec<i64>>> = match &narrow {
        [Some(l), Some(r)] => {
            let block = block(l, r);
            let of_place = |b: &Place| {
                let matrix =
                    |of: usize, rows: &[Place]| plan.matrix(of, if of == 0 { l } else { r }, b, rows, &columns);
                let fixed = matrix(short, &rows[short]);
                rows[long].par_chunks(strip).map(|strip| products(&fixed, &matrix(long, strip), block)).collect()
            };
            batch.par_iter().map(of_place).collect()
        }
        // one of them is wider than 16 bits
        _ => {
            let of_place = |b: &Place| {
                let sum = |s: &Place, l: &Place| plan.sum(b, if short == 0 { [s, l] } else { [l, s] }, &columns);
                rows[long]
                    .par_chunks(strip)
                    .map(|strip| rows[short].iter().flat_map(|s| strip.iter().map(move |l| sum(s, l))).collect())
                    .collect()
            };
            batch.par_iter().map(of_place).collect()
        }
    };
    for (b, strips) in batch.iter().zip(results) {
        for (strip, sums) in rows[long].chunks(strip).zip(strips) {
            for (s, sums) in rows[short].iter().zip(sums.chunks_exact(strip.len())) {
                strip.iter().zip(sums).for_each(|(l, sum)| add(b.cell + s.cell + l.cell, *sum));
            }
        }
    }
}

/// A place on some axes: what it adds to the layer's cell number and to the operands', and its place on the windows'
/// axes.
#[derive(Clone)]
struct Place {
    cell: usize,
    at: [i64; 2],
    /// By operand and window: the places on the window's output axis and on its kernel axis, if they are among these
    /// axes.
    windows: [Vec<[u32; 2]>; 2],
}

/// The places of the summed axes.
struct Columns {
    places: Vec<Place>,
    /// By operand: what each adds to the cell number, as in `places`, close together for the loops that copy.
    at: [Vec<i64>; 2],
}

struct Operand<'a> {
    values: Values<'a>,
    windows: Vec<(usize, usize, Window)>,
}

struct Plan<'a> {
    term: &'a Term,
    step: Option<u32>,
    operands: [Operand<'a>; 2],
    /// By operand and axis: what each place adds to the operand's cell number, `None` where it reads nothing.
    steps: [Vec<Vec<Option<i64>>>; 2],
    /// What runs without an axis add; `None` where they read nothing at all.
    fixed: [Option<i64>; 2],
    /// By axis: whether both operands read it.
    batch: Vec<bool>,
}

impl<'a> Plan<'a> {
    fn new(term: &'a Term, left: &Reader<'a>, right: &Reader<'a>, step: Option<u32>) -> Self {
        let readers = [left, right];
        let all = |_: &&Reader<'_>| term.axes.iter().map(|log| vec![Some(0i64); 1 << log]).collect::<Vec<_>>();
        let mut steps = [all(&left), all(&right)];
        let mut fixed = [Some(0i64); 2];
        let operands = readers.map(|reader| Operand { values: reader.values, windows: Vec::new() });
        let batch = (0..term.axes.len()).map(|axis| readers.iter().all(|reader| reader.names(axis as u8))).collect();
        let mut plan = Self { term, step, operands, steps: Default::default(), fixed: [None; 2], batch };
        for (of, reader) in readers.into_iter().enumerate() {
            for (run, shift) in reader.runs() {
                let places = |axis: &u8| 0..1usize << term.axes[usize::from(*axis)];
                match &run.index {
                    Index::Axis(axis) => {
                        steps[of][usize::from(*axis)] =
                            places(axis).map(|i| reader.place(*shift, i).map(|at| at as i64)).collect();
                    }
                    Index::Map { axis, entries } => {
                        // a product selects: one cell at most for each place
                        let mut read = vec![None; axis.as_ref().map_or(1, |a| places(a).len())];
                        entries.iter().for_each(|e| {
                            read[e.to as usize] = reader.place(*shift, e.from as usize).map(|at| at as i64)
                        });
                        match axis {
                            Some(axis) => steps[of][usize::from(*axis)] = read,
                            None => fixed[of] = fixed[of].and_then(|sum| Some(sum + read[0]?)),
                        }
                    }
                    Index::Window { out, kernel, window } => {
                        let (stride, dilation) = (i64::from(window.stride), i64::from(window.dilation));
                        let (padding, unit) = (i64::from(window.padding), reader.unit(*shift) as i64);
                        let o = |i: usize| (i < window.outputs as usize).then(|| (i as i64 * stride - padding) * unit);
                        let k = |i: usize| (i < window.kernel as usize).then(|| (i as i64 * dilation) * unit);
                        steps[of][usize::from(*out)] = places(out).map(o).collect();
                        steps[of][usize::from(*kernel)] = places(kernel).map(k).collect();
                        plan.operands[of].windows.push((usize::from(*out), usize::from(*kernel), *window));
                    }
                }
            }
        }
        (plan.steps, plan.fixed) = (steps, fixed);
        plan
    }

    /// All places of some output axes at which both operands may read something.
    fn places(&self, axes: &[usize]) -> Vec<Place> {
        let nothing = Place {
            cell: 0,
            at: [0; 2],
            windows: [0, 1].map(|of: usize| vec![[0; 2]; self.operands[of].windows.len()]),
        };
        let mut all = vec![nothing];
        let starts: Vec<u32> =
            self.term.axes.iter().scan(0, |at, log| Some(std::mem::replace(at, *at + u32::from(*log)))).collect();
        let outputs = self.term.outputs();
        // low axes vary fastest
        for &axis in axes.iter().rev() {
            let only = self.step.filter(|_| axis + 1 == outputs);
            let range = only.map_or(0..1u32 << self.term.axes[axis], |step| step..step + 1);
            let mut next = Vec::with_capacity(all.len() * range.len());
            for place in &all {
                for i in range.clone() {
                    let [Some(left), Some(right)] = [0, 1].map(|of: usize| self.steps[of][axis][i as usize]) else {
                        continue;
                    };
                    let mut place = place.clone();
                    // cells of a single step are numbered from 0
                    place.cell += if axis < outputs && only.is_none() { (i as usize) << starts[axis] } else { 0 };
                    place.at = [place.at[0] + left, place.at[1] + right];
                    for (of, operand) in self.operands.iter().enumerate() {
                        for (w, (out, kernel, _)) in operand.windows.iter().enumerate() {
                            for (slot, named) in place.windows[of][w].iter_mut().zip([out, kernel]) {
                                if axis == *named {
                                    *slot = i;
                                }
                            }
                        }
                    }
                    next.push(place);
                }
            }
            all = next;
        }
        all
    }

    /// The places of the summed axes.
    fn columns(&self, axes: &[usize]) -> Columns {
        let places = self.places(axes);
        let at = [0, 1].map(|of: usize| places.iter().map(|place| place.at[of]).collect());
        Columns { places, at }
    }

    /// Where a row begins in an operand's block; `None` if it reads nothing.
    fn start(&self, of: usize, batch: &Place, row: &Place) -> Option<i64> {
        Some(self.fixed[of]? + batch.at[of] + row.at[of])
    }

    /// The cell that a row reads in a column, if it is one.
    fn cell(&self, of: usize, start: i64, places: [&Place; 3]) -> Option<usize> {
        let [batch, row, column] = places;
        for (w, (out, kernel, window)) in self.operands[of].windows.iter().enumerate() {
            let place = |axis: usize, slot: usize| {
                let holder = if axis >= self.term.outputs() {
                    column
                } else if self.is_batch(axis) {
                    batch
                } else {
                    row
                };
                holder.windows[of][w][slot]
            };
            window.at(place(*out, 0), place(*kernel, 1))?;
        }
        usize::try_from(start + column.at[of]).ok()
    }

    fn is_batch(&self, axis: usize) -> bool {
        self.batch.get(axis).copied().unwrap_or(false)
    }

    /// One sum.
    fn sum(&self, batch: &Place, rows: [&Place; 2], columns: &Columns) -> i64 {
        let [Some(left), Some(right)] = [0, 1].map(|of| self.start(of, batch, rows[of])) else { return 0 };
        let value = |of: usize, start: i64, column: &Place| {
            self.cell(of, start, [batch, rows[of], column]).map_or(0, |at| self.operands[of].values.get(at))
        };
        columns.places.iter().map(|column| value(0, left, column) * value(1, right, column)).sum()
    }

    /// The rows of an operand, a slice for each.
    fn matrix<'b>(
        &self,
        of: usize,
        cells: &'b Narrow<'_>,
        batch: &Place,
        rows: &[Place],
        columns: &Columns,
    ) -> Matrix<'b> {
        let length = columns.places.len();
        let offsets = &columns.at[of];
        let first = offsets.first().copied().unwrap_or(0);
        let plain =
            self.operands[of].windows.is_empty() && offsets.iter().zip(first..).all(|(offset, at)| *offset == at);
        if plain {
            let starts: Vec<Option<usize>> =
                rows.iter().map(|row| usize::try_from(self.start(of, batch, row)? + first).ok()).collect();
            if starts.iter().all(Option::is_some) {
                return Matrix::Borrowed {
                    cells: cells.cells(),
                    starts: starts.into_iter().flatten().collect(),
                    length,
                };
            }
        }
        let x = cells.cells();
        let mut out = vec![0i16; rows.len() * length];
        rows.par_iter().zip(out.par_chunks_exact_mut(length.max(1))).with_min_len(8).for_each(|(row, out)| {
            let Some(start) = self.start(of, batch, row) else { return };
            if self.whole(of, batch, row, columns) {
                for (slot, offset) in out.iter_mut().zip(offsets) {
                    *slot = usize::try_from(start + offset).ok().and_then(|at| x.get(at)).copied().unwrap_or(0);
                }
            } else {
                for (slot, column) in out.iter_mut().zip(&columns.places) {
                    *slot = self.cell(of, start, [batch, row, column]).and_then(|at| x.get(at)).copied().unwrap_or(0);
                }
            }
        });
        Matrix::Owned { cells: out, length }
    }

    /// Whether a row reads inside the block in every column, as far as that is easily seen.
    fn whole(&self, of: usize, batch: &Place, row: &Place, columns: &Columns) -> bool {
        let (Some(first), Some(last)) = (columns.places.first(), columns.places.last()) else { return true };
        // columns run through the kernels' places in order, so that the first and the last are the corners
        self.operands[of].windows.iter().enumerate().all(|(w, (out, kernel, window))| {
            let holder = if self.is_batch(*out) { batch } else { row };
            let read = |column: &Place| window.at(holder.windows[of][w][0], column.windows[of][w][1]).is_some();
            *out < self.term.outputs() && *kernel >= self.term.outputs() && read(first) && read(last)
        })
    }
}

/// An operand's cells as 16-bit numbers.
enum Narrow<'a> {
    /// With the largest absolute value that one can have.
    Borrowed(&'a [i16], u64),
    Owned(Vec<i16>, u64),
}

impl<'a> Narrow<'a> {
    /// `None` if a cell does not fit.
    fn of(operand: &Operand<'a>) -> Option<Self> {
        match operand.values {
            Values::Narrow { cells, largest } => Some(Self::Borrowed(cells, largest)),
            Values::Wide(cells) => {
                let fits = cells.iter().all(|v| i16::try_from(*v).is_ok());
                let largest = cells.iter().fold(0, |most, v| v.unsigned_abs().max(most));
                fits.then(|| Self::Owned(cells.iter().map(|v| *v as i16).collect(), largest.into()))
            }
        }
    }

    fn cells(&self) -> &[i16] {
        match self {
            Self::Borrowed(cells, _) => cells,
            Self::Owned(cells, _) => cells,
        }
    }

    fn largest(&self) -> u64 {
        match self {
            Self::Borrowed(_, largest) | Self::Owned(_, largest) => *largest,
        }
    }
}

/// How many products of two operands' cells can be summed in an `i32`, at least 1.
fn block(left: &Narrow<'_>, right: &Narrow<'_>) -> usize {
    // 2^15 · 2^15 at most, so that one product always fits
    ((i32::MAX as u64 / (left.largest() * right.largest()).max(1)).max(1)) as usize
}

enum Matrix<'a> {
    Borrowed { cells: &'a [i16], starts: Vec<usize>, length: usize },
    Owned { cells: Vec<i16>, length: usize },
}

impl Matrix<'_> {
    fn rows(&self) -> Vec<&[i16]> {
        match self {
            Self::Borrowed { cells, starts, length } => {
                starts.iter().map(|start| cells.get(*start..start + length).unwrap_or_default()).collect()
            }
            Self::Owned { cells, length } => cells.chunks_exact((*length).max(1)).collect(),
        }
    }
}

/// The dot products of every row of `a` with every one of `b`, all of the same length: by the rows of `a`, then by
/// those of `b`. Four of `b` are taken at a time, so that a load of `a` serves them all.
fn products(a: &Matrix<'_>, b: &Matrix<'_>, block: usize) -> Vec<i64> {
    let (a, b) = (a.rows(), b.rows());
    let mut out = Vec::with_capacity(a.len() * b.len());
    for a in a {
        let mut fours = b.chunks_exact(4);
        for four in &mut fours {
            let length = four.iter().map(|b| b.len()).min().unwrap_or(0).min(a.len());
            let mut sums = [0i64; 4];
            for start in (0..length).step_by(block) {
                let range = start..length.min(start.saturating_add(block));
                let (a, b) = (&a[range.clone()], [four[0], four[1], four[2], four[3]].map(|b| &b[range.clone()]));
                let mut part = [0i32; 4];
                for (i, a) in a.iter().enumerate() {
                    for (part, b) in part.iter_mut().zip(b) {
                        *part += i32::from(*a) * i32::from(b[i]);
                    }
                }
                sums.iter_mut().zip(part).for_each(|(sum, part)| *sum += i64::from(part));
            }
            out.extend(sums);
        }
        out.extend(fours.remainder().iter().map(|b| dot(a, b, block)));
    }
    out
}

/// Dot product, exact if `block` products fit an `i32`. The shorter vector's length counts.
fn dot(a: &[i16], b: &[i16], block: usize) -> i64 {
    let sum =
        |(a, b): (&[i16], &[i16])| i64::from(a.iter().zip(b).map(|(&a, &b)| i32::from(a) * i32::from(b)).sum::<i32>());
    a.chunks(block).zip(b.chunks(block)).map(sum).sum()
}
