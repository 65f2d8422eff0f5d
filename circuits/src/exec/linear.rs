//! Blocks as terms read them, and terms of one operand.

use crate::model::{Entry, Index, Operand, Run, Term, WeightBlock, Window};
use rayon::prelude::*;

/// Cells that a thread computes at a time, at least.
const GRAIN: usize = 1 << 12;

/// The cells of a block.
#[derive(Clone, Copy)]
pub(super) enum Values<'a> {
    /// Weights, of at most 16 bits.
    Narrow {
        /// The cells.
        cells: &'a [i16],
        /// The largest absolute value that one can have.
        largest: u64,
    },
    /// All others.
    Wide(&'a [i32]),
}

impl Values<'_> {
    /// A cell; 0 outside.
    pub fn get(&self, at: usize) -> i64 {
        match self {
            Values::Narrow { cells, .. } => cells.get(at).map_or(0, |v| i64::from(*v)),
            Values::Wide(cells) => cells.get(at).map_or(0, |v| i64::from(*v)),
        }
    }
}

/// A block with the runs through which a term reads it. A cell's number is the sum of what each run contributes.
pub(super) struct Reader<'a> {
    pub values: Values<'a>,
    runs: Vec<(&'a Run, u32)>,
    /// Of a block of which not all cells are stored.
    cut: Option<&'a WeightBlock>,
}

/// What a place contributes to a cell's number, and the factor.
type Step = (usize, i64);

impl<'a> Reader<'a> {
    pub fn narrow(operand: &'a Operand, cells: &'a [i16], bits: u8, block: &'a WeightBlock) -> Self {
        let cut = Some(block).filter(|block| !block.cuts.is_empty());
        Self { cut, ..Self::new(operand, Values::Narrow { cells, largest: 1 << (bits - 1) }) }
    }

    pub fn wide(operand: &'a Operand, cells: &'a [i32]) -> Self {
        Self::new(operand, Values::Wide(cells))
    }

    fn new(operand: &'a Operand, values: Values<'a>) -> Self {
        let mut at = 0;
        let runs = operand.runs.iter().map(|run| {
            let start = at;
            at += u32::from(run.log_len);
            (run, start)
        });
        Self { values, runs: runs.collect(), cut: None }
    }

    /// What a number of a run, whose lowest bit is `start`, adds to the place of a cell. `None` where no cells are
    /// stored, which are 0.
    pub fn place(&self, start: u32, number: usize) -> Option<usize> {
        self.cut.map_or(Some(number << start), |block| block.place(start, number))
    }

    /// What each next number of a run adds that no cut is in.
    pub fn unit(&self, start: u32) -> usize {
        self.cut.map_or(1 << start, |block| block.unit(start))
    }

    /// Whether the cells of the lowest bits lie next to each other.
    fn is_plain(&self, bits: u8) -> bool {
        self.cut.is_none_or(|block| block.is_plain(bits.into()))
    }

    /// The runs, each with its lowest bit.
    pub fn runs(&self) -> &[(&'a Run, u32)] {
        &self.runs
    }

    /// Whether some run names the axis.
    pub fn names(&self, axis: u8) -> bool {
        self.runs.iter().any(|(run, _)| run.index.axes().any(|a| a == axis))
    }
}

/// Adds `coefficient · left` to the cells of a layer, or to those of one step: then the highest axis has that place
/// only.
pub(super) fn accumulate(term: &Term, reader: &Reader<'_>, step: Option<u32>, z: &mut [i64]) {
    let outputs = term.outputs();
    let walk = Walk::new(term, reader);
    let start = walk.fixed();
    let Some(top) = outputs.checked_sub(1) else {
        // a layer of one cell that no axis cuts
        z.iter_mut().for_each(|z| *z += walk.sum(&start) * i64::from(term.coefficient));
        return;
    };
    if let Some(step) = step {
        let (mut partial, mut places) = (start, vec![0; outputs]);
        walk.enter(top, step, &mut partial, &mut places);
        walk.descend(top, &partial, &mut places, z);
        return;
    }
    // threads share the places of the highest axis that has some
    let (axis, len) =
        (0..outputs).rev().map(|a| (a, 1usize << term.axes[a])).find(|(_, len)| *len > 1).unwrap_or((top, 1));
    let mut outer = start;
    let mut places = vec![0; outputs];
    (axis + 1..outputs).rev().for_each(|a| walk.enter(a, 0, &mut outer, &mut places));
    let size = z.len() / len;
    z.par_chunks_mut(size).enumerate().with_min_len(GRAIN.div_ceil(size)).for_each(|(place, z)| {
        let (mut partial, mut places) = (outer.clone(), places.clone());
        walk.enter(axis, place as u32, &mut partial, &mut places);
        walk.descend(axis, &partial, &mut places, z);
    });
}

/// A walk over a layer's cells, axis by axis from the highest, that carries what has been read so far: partial cell
/// numbers, each with a factor.
struct Walk<'a> {
    term: &'a Term,
    reader: &'a Reader<'a>,
    /// By axis, for runs that follow it alone: what each place reads.
    steps: Vec<Option<Vec<Vec<Step>>>>,
    /// Windows of two axes, with what a number of their run adds: `(out, kernel, window, unit)`.
    windows: Vec<(usize, usize, Window, usize)>,
    /// By axis: whether its run is the identity over the lowest bits of the block.
    plain: Option<usize>,
}

impl<'a> Walk<'a> {
    fn new(term: &'a Term, reader: &'a Reader<'a>) -> Self {
        let mut walk = Self { term, reader, steps: vec![None; term.axes.len()], windows: Vec::new(), plain: None };
        for (run, shift) in reader.runs() {
            match &run.index {
                Index::Axis(axis) => {
                    if *shift == 0 && reader.is_plain(run.log_len) {
                        walk.plain = Some(usize::from(*axis));
                    }
                    let read = |i: usize| reader.place(*shift, i).map(|at| (at, 1)).into_iter().collect();
                    walk.steps[usize::from(*axis)] = Some((0..1usize << run.log_len).map(read).collect());
                }
                Index::Map { axis: Some(axis), entries } => {
                    let mut places = vec![Vec::new(); 1 << term.axes[usize::from(*axis)]];
                    for entry in entries {
                        let at = reader.place(*shift, entry.from as usize);
                        places[entry.to as usize].extend(at.map(|at| (at, i64::from(entry.coefficient))));
                    }
                    walk.steps[usize::from(*axis)] = Some(places);
                }
                Index::Map { axis: None, .. } => {}
                Index::Window { out, kernel, window } => {
                    walk.windows.push((usize::from(*out), usize::from(*kernel), *window, reader.unit(*shift)));
                }
            }
        }
        walk
    }

    /// What runs without an axis read.
    fn fixed(&self) -> Vec<Step> {
        let mut partial = vec![(0, 1)];
        for (run, shift) in self.reader.runs() {
            if let Index::Map { axis: None, entries } = &run.index {
                let step = |e: &Entry| Some((self.reader.place(*shift, e.from as usize)?, i64::from(e.coefficient)));
                let steps: Vec<Step> = entries.iter().filter_map(step).collect();
                partial = joined(&partial, &steps);
            }
        }
        partial
    }

    fn sum(&self, partial: &[Step]) -> i64 {
        partial.iter().map(|(at, factor)| factor * self.reader.values.get(*at)).sum()
    }

    /// Takes a place on an axis. Axes are entered from the highest to the lowest.
    fn enter(&self, axis: usize, place: u32, partial: &mut Vec<Step>, places: &mut [u32]) {
        places[axis] = place;
        if let Some(steps) = &self.steps[axis] {
            *partial = joined(partial, steps.get(place as usize).map_or(&[], Vec::as_slice));
        }
        for (out, kernel, window, unit) in &self.windows {
            // a window reads once both of its axes are known
            if axis == *out.min(kernel) {
                let at = (places[*out] < window.outputs && places[*kernel] < window.kernel)
                    .then(|| window.at(places[*out], places[*kernel]))
                    .flatten();
                match at {
                    Some(at) => partial.iter_mut().for_each(|(cell, _)| *cell += at * unit),
                    None => partial.clear(),
                }
            }
        }
    }

    /// All cells below a place of `axis`.
    fn descend(&self, axis: usize, partial: &[Step], places: &mut [u32], z: &mut [i64]) {
        if partial.is_empty() {
            return;
        }
        let coefficient = i64::from(self.term.coefficient);
        let Some(below) = axis.checked_sub(1) else {
            z[0] += self.sum(partial) * coefficient;
            return;
        };
        let len = 1usize << self.term.axes[below];
        if below == 0 && self.plain == Some(0) {
            for (at, factor) in partial {
                let factor = factor * coefficient;
                match self.reader.values {
                    Values::Wide(cells) => {
                        let cells = cells.get(*at..).unwrap_or_default();
                        z.iter_mut().zip(cells).take(len).for_each(|(z, x)| *z += factor * i64::from(*x));
                    }
                    Values::Narrow { cells, .. } => {
                        let cells = cells.get(*at..).unwrap_or_default();
                        z.iter_mut().zip(cells).take(len).for_each(|(z, x)| *z += factor * i64::from(*x));
                    }
                }
            }
            return;
        }
        if below == 0
            && let Some(steps) = &self.steps[0]
            && !self.windows.iter().any(|(out, kernel, ..)| *out == 0 || *kernel == 0)
        {
            // no list is made for a single cell
            for (z, steps) in z.iter_mut().zip(steps) {
                let of = |(at, f): &Step| {
                    steps.iter().map(|(step, g)| f * g * self.reader.values.get(at + step)).sum::<i64>()
                };
                *z += coefficient * partial.iter().map(of).sum::<i64>();
            }
            return;
        }
        let size = (z.len() / len).max(1);
        for (place, z) in z.chunks_mut(size).enumerate().take(len) {
            let mut inner = partial.to_vec();
            self.enter(below, place as u32, &mut inner, places);
            self.descend(below, &inner, places, z);
        }
    }
}

fn joined(partial: &[Step], steps: &[Step]) -> Vec<Step> {
    partial.iter().flat_map(|(at, f)| steps.iter().map(move |(step, g)| (at + step, f * g))).collect()
}
