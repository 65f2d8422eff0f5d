//! Runs a network in floats and records ranges.

use super::product::{self, Axes};
use super::{Kind, Net, NetIndex, NetLayer, NetOperand, NetRule, NetTerm};
use assay_circuits::model::{Instruction, Source};
use rayon::prelude::*;

/// All columns of one inference.
pub struct Run {
    input: Vec<f32>,
    layers: Vec<Columns>,
}

/// The columns of a layer.
#[derive(Clone, Default)]
pub struct Columns {
    /// Before the function.
    pub pre: Vec<f32>,
    /// After it; empty where there is none.
    pub post: Vec<f32>,
    /// Maxima.
    pub max: Vec<f32>,
    /// Marks.
    pub mark: Vec<f32>,
    /// The numerator of a division, what is under a root.
    pub z: Vec<f32>,
}

/// Extreme values over all samples, padding not counted. `(0, 0)` where nothing was seen.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Ranges {
    /// Of each input.
    pub inputs: Vec<(f32, f32)>,
    /// Of each layer before its function.
    pub pre: Vec<(f32, f32)>,
    /// After it.
    pub post: Vec<(f32, f32)>,
    /// Of the maxima.
    pub max: Vec<(f32, f32)>,
    /// Of the sum.
    pub z: Vec<(f32, f32)>,
}

impl Ranges {
    /// Widens by another.
    #[must_use]
    pub fn merge(mut self, other: &Ranges) -> Self {
        if self.inputs.is_empty() {
            return other.clone();
        }
        let join = |a: &mut [(f32, f32)], b: &[(f32, f32)]| {
            a.iter_mut().zip(b).for_each(|(a, b)| *a = (a.0.min(b.0), a.1.max(b.1)));
        };
        join(&mut self.inputs, &other.inputs);
        join(&mut self.pre, &other.pre);
        join(&mut self.post, &other.post);
        join(&mut self.max, &other.max);
        join(&mut self.z, &other.z);
        self
    }

    /// With room for inputs whose range is `2^headroom` times the calibrated one, and for what follows from them. A
    /// function's values are looked at where its argument may then be.
    #[must_use]
    pub fn widened(&self, net: &Net, headroom: f64) -> Self {
        let mut wide = self.clone();
        if headroom == 0.0 {
            return wide;
        }
        let room = headroom.exp2() as f32;
        let outwards = |range: &mut (f32, f32)| *range = (range.0.min(range.0 * room), range.1.max(range.1 * room));
        for (port, range) in net.inputs.iter().zip(&mut wide.inputs) {
            match port.kind {
                Kind::Real => {
                    let extra = (range.1 - range.0) * (room - 1.0) / 2.0;
                    *range = (range.0 - extra, range.1 + extra);
                }
                Kind::Integer => outwards(range),
                Kind::Boolean => {}
            }
        }
        wide.z.iter_mut().for_each(outwards);
        for (index, layer) in net.layers.iter().enumerate().filter(|(_, layer)| layer.kind == Kind::Real) {
            outwards(&mut wide.pre[index]);
            outwards(&mut wide.max[index]);
            let (low, high) = wide.pre[index];
            let post = &mut wide.post[index];
            match layer.function() {
                Some(program) => {
                    let at = |i: u16| f64::from(low) + f64::from(high - low) * f64::from(i) / f64::from(POINTS);
                    for y in (0..=POINTS).map(|i| Instruction::run(program, at(i)) as f32).filter(|y| y.is_finite()) {
                        *post = (post.0.min(y), post.1.max(y));
                    }
                }
                None => outwards(post),
            }
        }
        wide
    }
}

/// Points at which a function is looked at beyond its calibrated range.
const POINTS: u16 = 400;

/// A block as a term reads it: what each place of each axis adds to the cell's number, with factors.
pub(super) struct Reader<'a> {
    pub values: &'a [f32],
    /// `(axis, by place: entries of offset and factor)`.
    pub axes: Vec<(usize, Vec<Vec<(usize, f64)>>)>,
    pub windows: Vec<(usize, usize, Vec<Vec<Option<usize>>>)>,
    pub fixed: Vec<(usize, f64)>,
}

impl<'a> Reader<'a> {
    fn new(operand: &NetOperand, axes: &[u8], values: &'a [f32]) -> Self {
        let mut reader = Self { values, axes: Vec::new(), windows: Vec::new(), fixed: vec![(0, 1.0)] };
        let mut shift = 0u32;
        for run in &operand.runs {
            match &run.index {
                NetIndex::Axis(axis) => {
                    let places = (0..1usize << run.log_len).map(|i| vec![(i << shift, 1.0)]).collect();
                    reader.axes.push((usize::from(*axis), places));
                }
                NetIndex::Map { axis: Some(axis), entries } => {
                    let mut places = vec![Vec::new(); 1 << axes[usize::from(*axis)]];
                    entries.iter().for_each(|(to, from, c)| places[*to as usize].push(((*from as usize) << shift, *c)));
                    reader.axes.push((usize::from(*axis), places));
                }
                NetIndex::Map { axis: None, entries } => {
                    let more: Vec<(usize, f64)> =
                        entries.iter().map(|(_, from, c)| ((*from as usize) << shift, *c)).collect();
                    reader.fixed = join(&reader.fixed, &more);
                }
                NetIndex::Window { out, kernel, window } => {
                    let (outs, kernels) = (1u32 << axes[usize::from(*out)], 1u32 << axes[usize::from(*kernel)]);
                    let at = |o: u32, k: u32| {
                        if o < window.outputs && k < window.kernel {
                            window.at(o, k).map(|at| at << shift)
                        } else {
                            None
                        }
                    };
                    let table = (0..outs).map(|o| (0..kernels).map(|k| at(o, k)).collect()).collect();
                    reader.windows.push((usize::from(*out), usize::from(*kernel), table));
                }
            }
            shift += u32::from(run.log_len);
        }
        reader
    }

    /// The cells that are read at places of the axes that `fixed` says are known; empty if nothing is.
    fn cells(&self, places: &[usize]) -> Vec<(usize, f64)> {
        let mut cells = self.fixed.clone();
        for (axis, by_place) in &self.axes {
            match by_place[places[*axis]].as_slice() {
                [(at, c)] => cells.iter_mut().for_each(|cell| *cell = (cell.0 + at, cell.1 * c)),
                several => cells = join(&cells, several),
            }
        }
        for (out, kernel, table) in &self.windows {
            match table[places[*out]][places[*kernel]] {
                Some(at) => cells.iter_mut().for_each(|cell| cell.0 += at),
                None => return Vec::new(),
            }
        }
        cells
    }

    /// The sum of the cells that are read, with their factors.
    fn value(&self, places: &[usize]) -> f64 {
        let mut base = 0;
        for (out, kernel, table) in &self.windows {
            match table[places[*out]][places[*kernel]] {
                Some(at) => base += at,
                None => return 0.0,
            }
        }
        self.fixed.iter().map(|(at, c)| c * self.sum(&self.axes, places, base + at)).sum()
    }

    /// The same behind `base`, by the axes that are left.
    fn sum(&self, axes: &[(usize, Vec<Vec<(usize, f64)>>)], places: &[usize], base: usize) -> f64 {
        match axes.split_first() {
            None => f64::from(self.values.get(base).copied().unwrap_or(0.0)),
            Some(((axis, by_place), rest)) => {
                by_place[places[*axis]].iter().map(|(at, c)| c * self.sum(rest, places, base + at)).sum()
            }
        }
    }
}

fn join(a: &[(usize, f64)], b: &[(usize, f64)]) -> Vec<(usize, f64)> {
    a.iter().flat_map(|(at, c)| b.iter().map(move |(more, d)| (at + more, c * d))).collect()
}

/// For each place of the summed axes: its offset in an operand, where that does not depend on the output's place.
fn plain_offsets(reader: &Reader<'_>, term: &NetTerm, outputs: usize) -> Option<Vec<(Vec<usize>, usize)>> {
    let summed = &term.axes[outputs..];
    let count: u32 = summed.iter().map(|log| u32::from(*log)).sum();
    let mut offsets = Vec::with_capacity(1 << count);
    for k in 0..1usize << count {
        let mut rest = k;
        let places: Vec<usize> = summed
            .iter()
            .map(|log| {
                let place = rest & ((1 << log) - 1);
                rest >>= log;
                place
            })
            .collect();
        let mut offset = 0;
        for (axis, by_place) in reader.axes.iter().filter(|(axis, _)| *axis >= outputs) {
            match by_place[places[axis - outputs]].as_slice() {
                [(at, c)] if *c == 1.0 => offset += at,
                [] => {
                    offset = usize::MAX;
                    break;
                }
                _ => return None,
            }
        }
        offsets.push((places, offset));
    }
    Some(offsets)
}

impl Run {
    /// Runs a sample: a list of values for each of the model's input tensors, one after the other.
    pub fn of(net: &Net, sample: &[Vec<f32>]) -> Self {
        let mut input = vec![0.0; 1 << net.input_log_size];
        let cells =
            net.inputs.iter().flat_map(|port| port.cells.iter().map(|cell| (*cell, f32::from(port.unit).exp2())));
        for ((cell, unit), value) in cells.zip(sample.iter().flatten()) {
            if let Some(slot) = input.get_mut(cell as usize) {
                *slot = value * unit;
            }
        }
        let mut run = Run { input, layers: Vec::with_capacity(net.layers.len()) };
        let mut index = 0;
        while index < net.layers.len() {
            match net.loops.iter().find(|l| l.first as usize == index) {
                Some(of) => {
                    let layers = of.first as usize..(of.first + of.layers) as usize;
                    for layer in &net.layers[layers.clone()] {
                        run.layers.push(Columns::empty(layer));
                    }
                    for step in 0..1usize << of.log_steps {
                        for at in layers.clone() {
                            let columns = run.layer(net, at, Some((step, of.log_steps)));
                            run.layers[at].put(columns, step, of.log_steps);
                        }
                    }
                    index = layers.end;
                }
                None => {
                    let columns = run.layer(net, index, None);
                    run.layers.push(columns);
                    index += 1;
                }
            }
        }
        run
    }

    /// By how much each cell of a layer's sum changes, at most, if all cells of the input that a term reads change by
    /// 1.
    pub fn reach(net: &Net, term: &NetTerm) -> Vec<f64> {
        let outputs = term.axes.len() - usize::from(term.summed);
        let mut sizes = Net {
            weights: net.weights.iter().map(|block| block.iter().map(|v| v.abs()).collect()).collect(),
            ..Net::default()
        };
        sizes.input_log_size = net.input_log_size;
        let ones = Run { input: vec![1.0; 1 << net.input_log_size], layers: Vec::new() };
        let mut z = vec![0.0; 1 << term.axes[..outputs].iter().map(|log| u32::from(*log)).sum::<u32>()];
        ones.term(&sizes, &NetTerm { coefficient: term.coefficient.abs(), ..term.clone() }, 0, &mut z);
        z
    }

    /// The cells that a term without a second operand reads for a cell of the layer, with their factors.
    pub fn cells_of(term: &NetTerm, cell: usize) -> Vec<(usize, f64)> {
        Reader::new(&term.left, &term.axes, &[]).cells(&places(&term.axes, cell))
    }

    /// The elements of each tensor of outputs.
    pub fn outputs(&self, net: &Net) -> Vec<Vec<f32>> {
        let of = |digits: &[super::NetOutput]| {
            let mut elements = vec![0.0; digits.first().map_or(0, |digit| digit.cells.len())];
            for digit in digits {
                let (column, unit) = (self.column(net, digit.source), f32::from(digit.log_unit).exp2());
                for (element, &cell) in elements.iter_mut().zip(&digit.cells) {
                    *element += unit * column.get(cell as usize).copied().unwrap_or(0.0);
                }
            }
            elements
        };
        net.output_tensors().map(of).collect()
    }

    /// A layer's columns.
    pub fn columns(&self, layer: usize) -> Option<&Columns> {
        self.layers.get(layer)
    }

    /// Extreme values of this run, over cells that mean something.
    pub fn ranges(&self, net: &Net) -> Ranges {
        let all = |column: &[f32], counts: &dyn Fn(usize) -> bool| {
            let cells = column.iter().enumerate().filter(|(i, _)| counts(*i)).map(|(_, v)| *v);
            let (low, high) =
                cells.fold((f32::INFINITY, f32::NEG_INFINITY), |(low, high), v| (low.min(v), high.max(v)));
            if low <= high { (low, high) } else { (0.0, 0.0) }
        };
        let inputs = net.inputs.iter().map(|port| {
            let values: Vec<f32> =
                port.cells.iter().map(|c| self.input.get(*c as usize).copied().unwrap_or(0.0)).collect();
            all(&values, &|_| true)
        });
        let mut ranges = Ranges { inputs: inputs.collect(), ..Ranges::default() };
        for (columns, layer) in self.layers.iter().zip(&net.layers) {
            let counts = |cell: usize| layer.counts(cell);
            ranges.pre.push(all(&columns.pre, &counts));
            ranges.post.push(all(&columns.post, &counts));
            ranges.z.push(all(&columns.z, &counts));
            ranges.max.push(all(&columns.max, &|row| match layer.rule {
                NetRule::Maximum { low, bits, .. } => {
                    let (below, above) = (row & ((1 << low) - 1), row >> low);
                    layer.counts(below | above << (low + bits))
                }
                _ => false,
            }));
        }
        ranges
    }

    /// The cells of a block.
    pub fn column<'a>(&'a self, net: &'a Net, source: Source) -> &'a [f32] {
        let layer = |l: u32| self.layers.get(l as usize);
        match source {
            Source::Input => &self.input,
            Source::Pre(l) => layer(l).map_or(&[], |c| &c.pre),
            Source::Post(l) => layer(l).map_or(&[], |c| if c.post.is_empty() { &c.pre } else { &c.post }),
            Source::Max(l) => layer(l).map_or(&[], |c| &c.max),
            Source::Mark(l) => layer(l).map_or(&[], |c| &c.mark),
            Source::Weight(w) => net.weights.get(w as usize).map_or(&[], Vec::as_slice),
            Source::Bias(_) => &[],
        }
    }

    /// A layer's columns, or those of one step.
    fn layer(&self, net: &Net, index: usize, step: Option<(usize, u8)>) -> Columns {
        let layer = &net.layers[index];
        let log_size = layer.log_size();
        let (first, len) = match step {
            Some((step, log)) => (step << (log_size - log), 1usize << (log_size - log)),
            None => (0, 1usize << log_size),
        };
        let mut z = vec![layer.constant; len];
        for term in &layer.terms {
            self.term(net, term, first, &mut z);
        }
        let f = |function: &Option<Vec<Instruction>>, pre: &[f32]| match function {
            Some(program) => {
                let mut stack = Vec::with_capacity(8);
                pre.iter().map(|x| finite(Instruction::run_on(program, f64::from(*x), &mut stack))).collect()
            }
            None => Vec::new(),
        };
        let narrow = |z: &[f64]| z.iter().map(|v| *v as f32).collect::<Vec<f32>>();
        match &layer.rule {
            NetRule::Exact => Columns { pre: narrow(&z), ..Columns::default() },
            NetRule::Requantise { function } => {
                let pre = narrow(&z);
                Columns { post: f(function, &pre), pre, ..Columns::default() }
            }
            NetRule::SquareRoot => Columns {
                pre: z.iter().map(|v| v.max(0.0).sqrt() as f32).collect(),
                z: narrow(&z),
                ..Columns::default()
            },
            NetRule::Divide { axes, by, function } => {
                let reader = Reader::new(by, axes, self.column(net, by.source));
                let divisor = |cell: usize| reader.value(&places(axes, first + cell));
                let quotient = |(cell, z): (usize, &f64)| {
                    let d = divisor(cell);
                    // padding may divide by 0
                    if d > 0.0 { (z / d) as f32 } else { 0.0 }
                };
                let pre: Vec<f32> = z.iter().enumerate().map(quotient).collect();
                Columns { post: f(function, &pre), pre, z: narrow(&z), ..Columns::default() }
            }
            NetRule::Maximum { low, bits, len, function } => {
                let (stride, row) = (1usize << low, 1usize << (low + bits));
                let mut columns =
                    Columns { pre: vec![0.0; z.len()], mark: vec![1.0; z.len()], z: narrow(&z), ..Columns::default() };
                for (base, z) in z.chunks(row).enumerate() {
                    for at in 0..stride {
                        let cells = || (0..*len as usize).map(|k| at + k * stride);
                        let most = cells().map(|i| z[i]).fold(f64::NEG_INFINITY, f64::max);
                        for i in cells() {
                            columns.pre[base * row + i] = (most - z[i]) as f32;
                            columns.mark[base * row + i] = f32::from(u8::from(most == z[i]));
                        }
                        columns.max.push(most as f32);
                    }
                }
                columns.post = f(function, &columns.pre);
                columns
            }
            NetRule::Rows { weights, bits, index } => {
                let (rows, width) = (net.weights.get(*weights as usize).map_or(&[][..], Vec::as_slice), 1usize << bits);
                let row = |i: f32| (i >= 0.0).then(|| rows.get(i as usize * width..(i as usize + 1) * width)).flatten();
                let indices = self.column(net, index.source).iter();
                let pre = indices.flat_map(|i| row(*i).map_or_else(|| vec![0.0; width], <[f32]>::to_vec)).collect();
                Columns { pre, ..Columns::default() }
            }
        }
    }

    fn term(&self, net: &Net, term: &NetTerm, first: usize, z: &mut [f64]) {
        let outputs = term.axes.len() - usize::from(term.summed);
        let left = Reader::new(&term.left, &term.axes, self.column(net, term.left.source));
        let right = term.right.as_ref().map(|right| Reader::new(right, &term.axes, self.column(net, right.source)));
        let Some(right) = right else {
            z.par_iter_mut().enumerate().with_min_len(1 << 10).for_each_init(Vec::new, |at, (cell, z)| {
                at.clear();
                at.extend(each_place(&term.axes[..outputs], first + cell));
                *z += term.coefficient * left.value(at);
            });
            return;
        };
        let axes = Axes { logs: &term.axes, outputs };
        let whole = first == 0 && z.len() == 1 << term.axes[..outputs].iter().map(|log| u32::from(*log)).sum::<u32>();
        if !(whole && product::add(&left, &right, axes, term.coefficient, z)) {
            Self::cell_by_cell(term, (&left, &right), first, z);
        }
    }

    /// Adds a product of blocks of weights to both, the first along stretches, if that is known.
    #[cfg(test)]
    pub(super) fn add_product(net: &Net, term: &NetTerm, fast: &mut [f64], slow: &mut [f64]) -> bool {
        let nothing = Run { input: Vec::new(), layers: Vec::new() };
        let reader = |operand: &NetOperand| Reader::new(operand, &term.axes, nothing.column(net, operand.source));
        let (left, right) = (reader(&term.left), term.right.as_ref().map(reader).expect("a product"));
        Self::cell_by_cell(term, (&left, &right), 0, slow);
        let outputs = term.axes.len() - usize::from(term.summed);
        product::add(&left, &right, Axes { logs: &term.axes, outputs }, term.coefficient, fast)
    }

    /// A term with two operands, as it is defined.
    fn cell_by_cell(term: &NetTerm, (left, right): (&Reader<'_>, &Reader<'_>), first: usize, z: &mut [f64]) {
        let outputs = term.axes.len() - usize::from(term.summed);
        let (l, r) = (plain_offsets(left, term, outputs), plain_offsets(right, term, outputs));
        let (Some(l), Some(r)) = (l, r) else { return };
        // places of the summed axes at which both may read
        let both: Vec<(&[usize], usize, usize)> = l
            .iter()
            .zip(&r)
            .filter(|((_, a), (_, b))| *a != usize::MAX && *b != usize::MAX)
            .map(|((places, a), (_, b))| (places.as_slice(), *a, *b))
            .collect();
        let base = |reader: &Reader<'_>, at: &[usize]| -> Option<usize> {
            let mut offset = reader.fixed.first().filter(|_| reader.fixed.len() == 1)?.0;
            for (_, by_place) in
                reader.axes.iter().filter(|(axis, _)| *axis < outputs).map(|(axis, p)| (axis, &p[at[*axis]]))
            {
                offset += by_place.first()?.0;
            }
            Some(offset)
        };
        let windowed = !left.windows.is_empty() || !right.windows.is_empty();
        let at_window = |reader: &Reader<'_>, at: &[usize], summed: &[usize]| -> Option<usize> {
            let place = |axis: usize| if axis < outputs { at[axis] } else { summed[axis - outputs] };
            reader
                .windows
                .iter()
                .try_fold(0, |sum, (out, kernel, table)| Some(sum + table[place(*out)][place(*kernel)]?))
        };
        let get = |reader: &Reader<'_>, at: usize| f64::from(reader.values.get(at).copied().unwrap_or(0.0));
        z.par_iter_mut().enumerate().with_min_len(64).for_each(|(cell, z)| {
            let at = places(&term.axes[..outputs], first + cell);
            let (Some(a), Some(b)) = (base(left, &at), base(right, &at)) else { return };
            let mut sum = 0.0;
            if windowed {
                for (summed, l, r) in &both {
                    if let (Some(lw), Some(rw)) = (at_window(left, &at, summed), at_window(right, &at, summed)) {
                        sum += get(left, a + l + lw) * get(right, b + r + rw);
                    }
                }
            } else {
                for (_, l, r) in &both {
                    sum += get(left, a + l) * get(right, b + r);
                }
            }
            *z += term.coefficient * sum;
        });
    }
}

fn finite(v: f64) -> f32 {
    if v.is_finite() { v as f32 } else { 0.0 }
}

/// Places on axes of these logs, the first in the lowest bits.
fn places(axes: &[u8], cell: usize) -> Vec<usize> {
    each_place(axes, cell).collect()
}

fn each_place(axes: &[u8], cell: usize) -> impl Iterator<Item = usize> {
    let mut rest = cell;
    axes.iter().map(move |log| {
        let place = rest & ((1 << log) - 1);
        rest >>= log;
        place
    })
}

impl Columns {
    fn empty(layer: &NetLayer) -> Self {
        let len = 1 << layer.log_size();
        let rows = match layer.rule {
            NetRule::Maximum { bits, .. } => len >> bits,
            _ => 0,
        };
        let some = |there: bool| if there { vec![0.0; len] } else { Vec::new() };
        let function = match &layer.rule {
            NetRule::Requantise { function } | NetRule::Divide { function, .. } | NetRule::Maximum { function, .. } => {
                function.is_some()
            }
            NetRule::Exact | NetRule::SquareRoot | NetRule::Rows { .. } => false,
        };
        let z = matches!(layer.rule, NetRule::Divide { .. } | NetRule::SquareRoot | NetRule::Maximum { .. });
        Self { pre: vec![0.0; len], post: some(function), max: vec![0.0; rows], mark: some(rows > 0), z: some(z) }
    }

    fn put(&mut self, step: Columns, number: usize, _log_steps: u8) {
        let copy = |to: &mut Vec<f32>, from: Vec<f32>| {
            let at = number * from.len();
            if let Some(slots) = to.get_mut(at..at + from.len()) {
                slots.copy_from_slice(&from);
            }
        };
        copy(&mut self.pre, step.pre);
        copy(&mut self.post, step.post);
        copy(&mut self.max, step.max);
        copy(&mut self.mark, step.mark);
        copy(&mut self.z, step.z);
    }
}

impl NetLayer {
    /// Log of the number of cells.
    pub fn log_size(&self) -> u8 {
        self.axes.iter().map(|axis| axis.log).sum()
    }

    /// Whether a cell means something.
    pub fn counts(&self, cell: usize) -> bool {
        let mut rest = cell;
        self.axes.iter().all(|axis| {
            let place = rest & ((1 << axis.log) - 1);
            rest >>= axis.log;
            place < axis.len as usize
        })
    }
}
