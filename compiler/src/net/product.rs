//! A term with two operands, in floats: nearly all the time of a run. `Run::term` says what it means cell by cell; here
//! the same sums are taken along stretches of cells that lie one after the other.

use super::run::Reader;
use rayon::prelude::*;

/// A term's axes: how many of them number the output, and the logs of all.
#[derive(Clone, Copy)]
pub(super) struct Axes<'a> {
    /// Logs, lowest axis first; the output's come first.
    pub logs: &'a [u8],
    /// How many are the output's.
    pub outputs: usize,
}

impl Axes<'_> {
    fn len(&self, axis: usize) -> usize {
        1 << self.logs[axis]
    }

    /// How far apart places of an output axis are in the output.
    fn stride(&self, axis: usize) -> usize {
        1 << self.logs[..axis].iter().map(|log| u32::from(*log)).sum::<u32>()
    }

    fn summed(&self) -> impl Iterator<Item = usize> {
        self.outputs..self.logs.len()
    }
}

/// An operand that reads one cell with factor 1, or none, at each place.
struct Plain<'a> {
    values: &'a [f32],
    fixed: usize,
    /// For each axis what its places add to the cell's number; `None` at a place where nothing is read.
    axes: Vec<Vec<Option<usize>>>,
    /// `(output axis, summed axis, what their places add)`.
    windows: &'a [(usize, usize, Vec<Vec<Option<usize>>>)],
    /// Whether an axis decides which cell is read.
    named: Vec<bool>,
}

impl<'a> Plain<'a> {
    fn new(reader: &'a Reader<'_>, axes: Axes<'_>) -> Option<Self> {
        let [(fixed, 1.0)] = reader.fixed[..] else { return None };
        let mut plain = Self {
            values: reader.values,
            fixed,
            axes: (0..axes.logs.len()).map(|axis| vec![Some(0); axes.len(axis)]).collect(),
            windows: &reader.windows,
            named: vec![false; axes.logs.len()],
        };
        for (axis, by_place) in &reader.axes {
            plain.named[*axis] = true;
            for (sum, entries) in plain.axes[*axis].iter_mut().zip(by_place) {
                *sum = match entries[..] {
                    [] => None,
                    [(at, 1.0)] => sum.map(|sum| sum + at),
                    _ => return None,
                };
            }
        }
        for (out, kernel, _) in plain.windows {
            if *out >= axes.outputs || *kernel < axes.outputs {
                return None;
            }
            (plain.named[*out], plain.named[*kernel]) = (true, true);
        }
        Some(plain)
    }

    /// What places of some axes add, windows not counted.
    fn offset(&self, axes: &[usize], places: &[usize]) -> Option<usize> {
        axes.iter().zip(places).try_fold(0, |sum, (axis, place)| Some(sum + self.axes[*axis][*place]?))
    }

    fn at(&self, cell: usize) -> f64 {
        f64::from(self.values.get(cell).copied().unwrap_or(0.0))
    }
}

/// All places of some axes, the first axis running fastest.
fn places(axes: Axes<'_>, of: &[usize]) -> Vec<Vec<usize>> {
    let mut all = vec![Vec::new()];
    for axis in of {
        let longer = |place: usize| all.iter().map(move |before| [&before[..], &[place]].concat());
        all = (0..axes.len(*axis)).flat_map(longer).collect();
    }
    all
}

/// Cells of two lists that lie apart by `step` each: those of the first are next to each other.
struct Stretch {
    to: usize,
    from: usize,
    step: usize,
    len: usize,
}

/// Pairs of places, ascending in the first, as stretches. In the second they ascend as well.
fn stretches(pairs: impl Iterator<Item = (usize, usize)>, only_next: bool) -> Vec<Stretch> {
    let mut all: Vec<Stretch> = Vec::new();
    for (to, from) in pairs {
        if let Some(last) = all.last_mut().filter(|last| last.to + last.len == to) {
            let step = if last.len == 1 { from.checked_sub(last.from) } else { Some(last.step) };
            if let Some(step) = step
                && last.from + step * last.len == from
                && (step == 1 || !only_next && step > 1)
            {
                (last.step, last.len) = (step, last.len + 1);
                continue;
            }
        }
        all.push(Stretch { to, from, step: 1, len: 1 });
    }
    all
}

/// What is added to an accumulator for one number of the other operand: its cell, where this operand begins, and the
/// stretches.
struct Kernel {
    few: usize,
    many: Vec<Stretch>,
}

/// Sums in which one operand, `few`, has one number for many cells of the output: these cells are kept together.
struct Spread<'a> {
    few: Plain<'a>,
    many: Plain<'a>,
    /// Where in the output the cells of an accumulator are.
    cells: Vec<usize>,
    /// For each accumulator: where it is in the output, and where its operands begin.
    rest: Vec<(usize, usize, usize)>,
    /// By places of summed axes that windows read.
    kernels: Vec<Kernel>,
    /// By places of the other summed axes: offsets in `few` and `many`.
    plain: Vec<(usize, usize)>,
}

impl<'a> Spread<'a> {
    fn new(few: Plain<'a>, many: Plain<'a>, axes: Axes<'_>) -> Option<Self> {
        if !few.windows.is_empty() {
            return None;
        }
        let (own, others): (Vec<usize>, Vec<usize>) =
            (0..axes.outputs).partition(|axis| many.named[*axis] && !few.named[*axis]);
        if own.is_empty() || many.windows.iter().any(|(out, ..)| !own.contains(out)) {
            return None;
        }
        let (windowed, summed): (Vec<usize>, Vec<usize>) =
            axes.summed().partition(|axis| many.windows.iter().any(|(_, kernel, _)| kernel == axis));
        let output = |of: &[usize], at: &[usize]| {
            of.iter().zip(at).map(|(axis, place)| axes.stride(*axis) * place).sum::<usize>()
        };
        let own_places = places(axes, &own);
        let kernel = |at: Vec<usize>| {
            let base = many.offset(&windowed, &at)?;
            let read = |place: &Vec<usize>| {
                let of = |axes: &[usize], places: &[usize], axis: usize| {
                    axes.iter().position(|a| *a == axis).map(|i| places[i])
                };
                many.windows.iter().try_fold(many.offset(&own, place)? + base, |sum, (out, kernel, table)| {
                    Some(sum + table[of(&own, place, *out)?][of(&windowed, &at, *kernel)?]?)
                })
            };
            let pairs = own_places.iter().enumerate().filter_map(|(to, place)| Some((to, read(place)?)));
            Some(Kernel { few: few.offset(&windowed, &at)?, many: stretches(pairs, false) })
        };
        let kernels: Vec<Kernel> = places(axes, &windowed).into_iter().filter_map(kernel).collect();
        let (count, cells) =
            kernels.iter().flat_map(|kernel| &kernel.many).fold((0, 0), |(n, cells), s| (n + 1, cells + s.len));
        if cells < LEAST * count {
            return None;
        }
        let rest = |at: Vec<usize>| Some((output(&others, &at), few.offset(&others, &at)?, many.offset(&others, &at)?));
        let rest = places(axes, &others)
            .into_iter()
            .filter_map(rest)
            .map(|(to, f, m)| (to, few.fixed + f, many.fixed + m))
            .collect();
        let plain = places(axes, &summed)
            .iter()
            .filter_map(|at| Some((few.offset(&summed, at)?, many.offset(&summed, at)?)))
            .collect();
        let cells = own_places.iter().map(|place| output(&own, place)).collect();
        Some(Self { few, many, cells, rest, kernels, plain })
    }

    /// One accumulator.
    fn sums(&self, few: usize, many: usize) -> Vec<f64> {
        let mut sums = vec![0.0; self.cells.len()];
        for kernel in &self.kernels {
            for (f, m) in &self.plain {
                let factor = self.few.at(few + kernel.few + f);
                if factor == 0.0 {
                    continue;
                }
                for Stretch { to, from, step, len } in &kernel.many {
                    let from = self.many.values.get(many + m + from..).unwrap_or_default();
                    let slots = sums[*to..to + len].iter_mut();
                    match step {
                        1 => slots.zip(from).for_each(|(slot, value)| *slot += factor * f64::from(*value)),
                        _ => slots
                            .zip(from.iter().step_by(*step))
                            .for_each(|(slot, value)| *slot += factor * f64::from(*value)),
                    }
                }
            }
        }
        sums
    }

    fn add(&self, coefficient: f64, z: &mut [f64]) {
        let sums: Vec<(usize, Vec<f64>)> =
            self.rest.par_iter().map(|(to, few, many)| (*to, self.sums(*few, *many))).collect();
        for (to, sums) in sums {
            for (cell, sum) in self.cells.iter().zip(sums) {
                if let Some(z) = z.get_mut(to + cell) {
                    *z += coefficient * sum;
                }
            }
        }
    }
}

/// Sums whose operands lie one after the other along the summed axes.
struct Dots<'a> {
    left: Plain<'a>,
    right: Plain<'a>,
    stretches: Vec<Stretch>,
}

impl<'a> Dots<'a> {
    fn new(left: Plain<'a>, right: Plain<'a>, axes: Axes<'_>) -> Self {
        let summed: Vec<usize> = axes.summed().collect();
        let places = places(axes, &summed);
        let pairs = places.iter().filter_map(|at| Some((left.offset(&summed, at)?, right.offset(&summed, at)?)));
        let stretches = stretches(pairs, true);
        Self { left, right, stretches }
    }

    fn mean(&self) -> usize {
        self.stretches.iter().map(|stretch| stretch.len).sum::<usize>() / self.stretches.len().max(1)
    }

    fn add(&self, axes: Axes<'_>, coefficient: f64, z: &mut [f64]) {
        let output: Vec<usize> = (0..axes.outputs).collect();
        z.par_iter_mut().enumerate().with_min_len(16).for_each(|(cell, z)| {
            let at: Vec<usize> = output.iter().map(|axis| cell / axes.stride(*axis) % axes.len(*axis)).collect();
            let begin = |operand: &Plain<'_>| Some(operand.fixed + operand.offset(&output, &at)?);
            let (Some(l), Some(r)) = (begin(&self.left), begin(&self.right)) else { return };
            let sum: f64 = self
                .stretches
                .iter()
                .map(|Stretch { to, from, len, .. }| {
                    let (a, b) =
                        (self.left.values.get(l + to..l + to + len), self.right.values.get(r + from..r + from + len));
                    dot(a.unwrap_or_default(), b.unwrap_or_default())
                })
                .sum();
            *z += coefficient * sum;
        });
    }
}

/// Several sums at once, so that additions do not wait for each other.
fn dot(a: &[f32], b: &[f32]) -> f64 {
    const LANES: usize = 8;
    let mut sums = [0.0; LANES];
    let (a, b) = (a.chunks_exact(LANES), b.chunks_exact(LANES));
    let rest: f64 = a.remainder().iter().zip(b.remainder()).map(|(x, y)| f64::from(*x) * f64::from(*y)).sum();
    for (a, b) in a.zip(b) {
        sums.iter_mut().zip(a.iter().zip(b)).for_each(|(sum, (x, y))| *sum += f64::from(*x) * f64::from(*y));
    }
    sums.iter().sum::<f64>() + rest
}

/// Stretches that are shorter on average are not worth their overhead.
const LEAST: usize = 3;

/// Adds a whole term to `z`. `false`: nothing is added, for it is not of a kind that is known here.
pub(super) fn add(left: &Reader<'_>, right: &Reader<'_>, axes: Axes<'_>, coefficient: f64, z: &mut [f64]) -> bool {
    let both = || Some((Plain::new(left, axes)?, Plain::new(right, axes)?));
    if left.windows.is_empty() && right.windows.is_empty() {
        let Some((l, r)) = both() else { return false };
        let dots = Dots::new(l, r, axes);
        if dots.mean() >= LEAST {
            dots.add(axes, coefficient, z);
            return true;
        }
    }
    let spread = |swapped: bool| {
        let (l, r) = both()?;
        if swapped { Spread::new(l, r, axes) } else { Spread::new(r, l, axes) }
    };
    match spread(false).or_else(|| spread(true)) {
        Some(spread) => {
            spread.add(coefficient, z);
            true
        }
        None => false,
    }
}

#[cfg(test)]
mod tests {
    use crate::net::{Net, NetIndex, NetOperand, NetRun, NetTerm, Run};
    use assay_circuits::model::{Source, Window};

    fn run(log_len: u8, index: NetIndex) -> NetRun {
        NetRun { log_len, index }
    }

    fn axis(log_len: u8, axis: u8) -> NetRun {
        run(log_len, NetIndex::Axis(axis))
    }

    fn first(log_len: u8, axis: u8, count: u32) -> NetRun {
        run(log_len, NetIndex::Map { axis: Some(axis), entries: (0..count).map(|i| (i, i, 1.0)).collect() })
    }

    fn window(log_len: u8, out: u8, kernel: u8, stride: u32) -> NetRun {
        let window = Window { outputs: 12 / stride, kernel: 3, inputs: 12, stride, dilation: 1, padding: 1 };
        run(log_len, NetIndex::Window { out, kernel, window })
    }

    fn term(axes: &[u8], summed: u8, left: Vec<NetRun>, right: Vec<NetRun>) -> NetTerm {
        let operand = |block, runs| NetOperand { source: Source::Weight(block), runs };
        NetTerm {
            coefficient: -1.5,
            axes: axes.to_vec(),
            summed,
            left: operand(0, left),
            right: Some(operand(1, right)),
        }
    }

    /// Convolutions, dense layers and products of tokens, laid out in many ways: the same as cell by cell.
    #[test]
    fn stretches_give_what_single_cells_give() {
        let values = |seed: f32| (0..1 << 12).map(|i| (seed * i as f32).sin()).collect::<Vec<f32>>();
        let net = Net { weights: vec![values(0.7), values(1.3)], ..Net::default() };
        let image = |stride| vec![window(4, 0, 3, stride), window(4, 1, 4, stride), axis(2, 5)];
        let terms = [
            // a convolution: columns, rows, channels; kernel's columns and rows, input channels
            (true, term(&[4, 4, 3, 2, 2, 2], 3, image(1), vec![axis(2, 3), axis(2, 4), axis(2, 5), axis(3, 2)])),
            (true, term(&[3, 3, 3, 2, 2, 2], 3, image(2), vec![axis(2, 3), axis(2, 4), axis(2, 5), axis(3, 2)])),
            (true, term(&[4, 4, 3, 2, 2, 2], 3, vec![axis(2, 3), axis(2, 4), axis(2, 5), axis(3, 2)], image(1))),
            // depthwise: the channel is in both
            (
                true,
                term(
                    &[4, 4, 2, 2, 2],
                    2,
                    vec![window(4, 0, 3, 1), window(4, 1, 4, 1), axis(2, 2)],
                    vec![axis(2, 3), axis(2, 4), axis(2, 2)],
                ),
            ),
            // tokens times weights: summed axis lowest in both, in one, of fewer places than the block has
            (true, term(&[4, 3, 5], 1, vec![axis(5, 2), axis(3, 1)], vec![axis(5, 2), axis(4, 0)])),
            (true, term(&[4, 3, 5], 1, vec![axis(5, 2), axis(3, 1)], vec![axis(4, 0), axis(5, 2)])),
            (true, term(&[4, 3, 5], 1, vec![first(5, 2, 21), axis(3, 1)], vec![first(5, 2, 23), axis(4, 0)])),
            (true, term(&[4, 3, 5], 1, vec![first(5, 2, 21), axis(3, 1)], vec![first(4, 0, 11), first(5, 2, 23)])),
            // heads: a batch axis in both
            (
                true,
                term(
                    &[4, 4, 2, 3],
                    1,
                    vec![axis(3, 3), axis(4, 1), axis(2, 2)],
                    vec![axis(3, 3), axis(4, 0), axis(2, 2)],
                ),
            ),
            // elementwise: nothing to gain
            (false, term(&[4, 3], 0, vec![axis(4, 0), axis(3, 1)], vec![axis(4, 0), axis(3, 1)])),
        ];
        for (known, term) in terms {
            let outputs = term.axes.len() - usize::from(term.summed);
            let cells = 1usize << term.axes[..outputs].iter().map(|log| u32::from(*log)).sum::<u32>();
            let (mut fast, mut slow) = (vec![0.25; cells], vec![0.25; cells]);
            assert_eq!(Run::add_product(&net, &term, &mut fast, &mut slow), known, "{term:?}");
            let off = fast.iter().zip(&slow).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max);
            assert!(!known || off < 1e-12 && slow.iter().any(|z| *z != 0.25), "off by {off}: {term:?}");
        }
    }
}
