//! Equalisation of channels across layers.
//!
//! A column has one scale, and so has a block of weights. Where one channel is 10,000 times another, the other is
//! rounded away. But between layers of sums, with nothing or a ReLU between them, a channel may be made larger and its
//! readers' weights smaller by the same factor, and the function stays what it was: `relu(s·x) = s·relu(x)` for `s > 0`
//! (Nagel et al., "Data-free quantization through weight equalization and bias correction", 2019, equation 5). With
//! powers of two even its floats stay.
//!
//! A *group* is a channel axis that several layers must share, as a residual's branches do. It is found by following
//! who reads whom; any reader that is no such sum, or an output, rules the group out. Channels of inputs and outputs
//! keep their sizes for this reason. A group is changed only where the estimated error gets less than half of what it
//! was, so that networks that are well balanced stay as they are.
//!
//! The network's input may be in a group too: its channels are features, which become equally large by units of their
//! own. These are published, so they follow from the sizes of the features alone and not from weights.

use super::function::is_relu;
use crate::Sample;
use crate::net::{Kind, Net, NetIndex, NetInput, NetOperand, NetRule, NetTerm, Run};
use assay_circuits::model::Source;
use rayon::prelude::*;
use std::collections::{BTreeMap, BTreeSet};

/// Samples on which sizes of channels are taken.
const SAMPLES: usize = 64;
/// How much larger than its smallest channel's a block's largest weight must be for a look at the activations.
const SPREAD: f64 = 8.0;
/// What the squared error must fall to.
const GAIN: f64 = 0.25;
/// How often all groups are looked at: what one gains, its neighbours can share.
const ROUNDS: usize = 6;
/// Logs of factors are at most this.
const MAX_LOG: f64 = 40.0;

/// Bits of a cell's number: the lowest, and how many.
type Bits = (u8, u8);

/// Stands for the network's input among layers.
const INPUT: u32 = u32::MAX;

/// Layers whose channels change together.
#[derive(Default)]
struct Group {
    /// Layers, and perhaps [`INPUT`].
    layers: BTreeMap<u32, Bits>,
    /// Blocks that make the channels, and where their numbers stand in them.
    makers: BTreeSet<(u32, Bits)>,
    /// Blocks that read them.
    readers: BTreeSet<(u32, Bits)>,
}

/// The network with its channels equalised, where that helps. `None` if nothing changes.
pub fn equalised(net: &Net, samples: &[Sample]) -> Option<Net> {
    let groups: Vec<Group> = groups(net).into_iter().filter(|group| group.is_uneven(net)).collect();
    if groups.is_empty() || samples.is_empty() {
        return None;
    }
    // by group and layer: the largest value of each channel
    let sizes = samples[..samples.len().min(SAMPLES)].par_iter().map(|sample| {
        let run = Run::of(net, sample);
        groups
            .iter()
            .map(|group| group.layers.iter().map(|(l, bits)| column_sizes(net, &run, *l, *bits)).collect())
            .collect()
    });
    let larger = |a: Vec<Vec<Vec<f64>>>, b: Vec<Vec<Vec<f64>>>| {
        if a.is_empty() {
            return b;
        }
        let join = |a: Vec<f64>, b: Vec<f64>| a.into_iter().zip(b).map(|(a, b)| a.max(b)).collect();
        a.into_iter()
            .zip(b)
            .map(|(a, b): (Vec<_>, Vec<_>)| a.into_iter().zip(b).map(|(a, b)| join(a, b)).collect())
            .collect()
    };
    let mut sizes: Vec<Vec<Vec<f64>>> = sizes.reduce(Vec::new, larger);
    let mut net = net.clone();
    let mut changed = false;
    for _ in 0..ROUNDS {
        let mut better = false;
        for (group, sizes) in groups.iter().zip(&mut sizes) {
            let (makers, readers) = (group.shares(&net, &group.makers), group.shares(&net, &group.readers));
            let factors = match group.layers.keys().position(|layer| *layer == INPUT).and_then(|at| sizes.get(at)) {
                Some(features) => units(features, &shares(sizes), &makers, &readers),
                None => factors(&shares(sizes), &makers, &readers),
            };
            if let Some(factors) = factors {
                better = true;
                group.apply(&mut net, &factors);
                sizes
                    .iter_mut()
                    .for_each(|sizes| sizes.iter_mut().zip(&factors).for_each(|(size, factor)| *size *= factor));
            }
        }
        if !better {
            break;
        }
        changed = true;
    }
    changed.then_some(net)
}

/// The factor of each channel: a power of two, such that shares of activations and of the weights that read them are
/// about the same. `None` where that gains too little.
fn factors(columns: &[f64], makers: &[f64], readers: &[f64]) -> Option<Vec<f64>> {
    let lives = |c: usize| columns[c] > 0.0 && readers[c] > 0.0;
    let live: Vec<usize> = (0..columns.len()).filter(|c| lives(*c)).collect();
    let power = |log: f64| log.round().clamp(-MAX_LOG, MAX_LOG).exp2();
    let mut factors = vec![1.0; columns.len()];
    for c in &live {
        factors[*c] = power((readers[*c] / columns[*c]).log2() / 2.0);
    }
    let most = |list: &[f64], of: &dyn Fn(usize) -> f64| live.iter().map(|c| list[*c] * of(*c)).fold(0.0, f64::max);
    if !gains(columns, makers, readers, &factors) {
        return None;
    }
    // what is always 0 must only not become the largest
    let (largest_maker, largest_reader) = (most(makers, &|c| factors[c]), most(readers, &|c| 1.0 / factors[c]));
    for c in (0..columns.len()).filter(|c| !lives(*c)) {
        let log = |v: f64| if v > 0.0 { v.log2() } else { 0.0 };
        factors[c] = match (readers[c] > 0.0, makers[c] > 0.0) {
            (true, _) => power((log(readers[c]) - log(largest_reader)).ceil()),
            (false, true) => power((log(largest_maker) - log(makers[c])).floor()),
            (false, false) => 1.0,
        };
    }
    Some(factors)
}

/// Whether factors of channels make the error much less.
fn gains(columns: &[f64], makers: &[f64], readers: &[f64], factors: &[f64]) -> bool {
    let live: Vec<usize> = (0..columns.len()).filter(|c| columns[*c] > 0.0 && readers[*c] > 0.0).collect();
    let most = |list: &[f64], of: &dyn Fn(usize) -> f64| live.iter().map(|c| list[*c] * of(*c)).fold(0.0, f64::max);
    // a unit of each block is a share of its largest number: what rounding by it does to the sum that reads the
    // channels
    let error = |of: &dyn Fn(usize) -> f64| {
        let unit = most(columns, of).max(most(makers, of));
        let of_readers = most(readers, &|c| 1.0 / of(c));
        live.iter()
            .map(|c| (unit * readers[*c] / of(*c)).powi(2) + (of_readers * columns[*c] * of(*c)).powi(2))
            .sum::<f64>()
    };
    !live.is_empty() && error(&|c| factors[c]) <= GAIN * error(&|_| 1.0)
}

/// The factor of each feature of the input: the power of two that makes it as large as the largest. `None` where that
/// gains too little.
fn units(features: &[f64], columns: &[f64], makers: &[f64], readers: &[f64]) -> Option<Vec<f64>> {
    let largest = features.iter().copied().fold(0.0, f64::max);
    let unit = |size: f64| if size > 0.0 { (largest / size).log2().floor().min(MAX_LOG).exp2() } else { 1.0 };
    let factors: Vec<f64> = features.iter().map(|size| unit(*size)).collect();
    let uneven = factors.iter().any(|factor| *factor > SPREAD);
    (uneven && gains(columns, makers, readers, &factors)).then_some(factors)
}

/// Cuts the only input into parts of one unit each.
fn cut(net: &mut Net, (low, len): Bits, factors: &[f64]) {
    let factor = |cell: u32| factors[(cell as usize >> low) & ((1 << len) - 1)].log2() as i8;
    let mut parts: Vec<NetInput> = Vec::new();
    for input in &net.inputs {
        let units: Vec<(u32, i8)> =
            input.cells.iter().map(|cell| (*cell, input.unit.saturating_add(factor(*cell)))).collect();
        let part = |part: &[(u32, i8)]| NetInput {
            shape: vec![part.len() as u32],
            cells: part.iter().map(|(cell, _)| *cell).collect(),
            unit: part.first().map_or(0, |(_, unit)| *unit),
            ..input.clone()
        };
        parts.extend(units.chunk_by(|a, b| a.1 == b.1).map(part));
    }
    net.inputs = parts;
}

/// Sizes by channel as shares of the largest, of several lists the largest.
fn shares(lists: &[Vec<f64>]) -> Vec<f64> {
    let mut shares = vec![0f64; lists.iter().map(Vec::len).max().unwrap_or(0)];
    for list in lists {
        let most = list.iter().copied().fold(f64::MIN_POSITIVE, f64::max);
        shares.iter_mut().zip(list).for_each(|(share, size)| *share = share.max(size / most));
    }
    shares
}

/// The largest absolute value of each channel of a block.
fn channel_sizes(values: impl Iterator<Item = f64>, (low, len): Bits) -> Vec<f64> {
    let mut sizes = vec![0f64; 1 << len];
    for (cell, value) in values.enumerate() {
        let size = &mut sizes[(cell >> low) & ((1 << len) - 1)];
        *size = size.max(value.abs());
    }
    sizes
}

/// The same of a layer's column in one run; of a ReLU's argument that nothing else reads, what is positive counts.
fn column_sizes(net: &Net, run: &Run, layer: u32, bits: Bits) -> Vec<f64> {
    if layer == INPUT {
        return channel_sizes(run.column(net, Source::Input).iter().map(|v| f64::from(*v)), bits);
    }
    let cut = !net.reads(Source::Pre(layer)) && net.layers[layer as usize].function().is_some();
    let least = if cut { 0.0 } else { f64::NEG_INFINITY };
    let counts = |cell: usize| net.layers[layer as usize].counts(cell);
    let column = run.column(net, Source::Pre(layer)).iter().enumerate();
    channel_sizes(column.map(|(cell, v)| if counts(cell) { f64::from(*v).max(least) } else { 0.0 }), bits)
}

impl Group {
    /// Shares of blocks of weights by channel. Biases have 32 bits, and do not count.
    fn shares(&self, net: &Net, blocks: &BTreeSet<(u32, Bits)>) -> Vec<f64> {
        let multiplies =
            |w: u32| net.layers.iter().flat_map(|l| &l.terms).any(|t| t.right.is_some() && t.reads(Source::Weight(w)));
        let of = |(w, bits): &(u32, Bits)| channel_sizes(net.weights[*w as usize].iter().map(|v| f64::from(*v)), *bits);
        let mut lists: Vec<Vec<f64>> = blocks.iter().filter(|(w, _)| multiplies(*w)).map(of).collect();
        lists.push(vec![0.0; self.layers.values().next().map_or(0, |(_, len)| 1 << len)]);
        shares(&lists)
    }

    /// Whether some block of weights has channels of different sizes: only then are activations looked at.
    fn is_uneven(&self, net: &Net) -> bool {
        [&self.makers, &self.readers].into_iter().any(|blocks| {
            let least = self.shares(net, blocks).into_iter().filter(|share| *share > 0.0).fold(1.0, f64::min);
            least * SPREAD < 1.0
        })
    }

    fn apply(&self, net: &mut Net, factors: &[f64]) {
        let mut scale = |blocks: &BTreeSet<(u32, Bits)>, inverse: bool| {
            for (w, (low, len)) in blocks {
                for (cell, value) in net.weights[*w as usize].iter_mut().enumerate() {
                    let factor = factors[(cell >> low) & ((1 << len) - 1)];
                    *value = (f64::from(*value) * if inverse { 1.0 / factor } else { factor }) as f32;
                }
            }
        };
        scale(&self.makers, false);
        scale(&self.readers, true);
        if let Some(bits) = self.layers.get(&INPUT) {
            cut(net, *bits, factors);
        }
    }
}

/// All groups of a network; no layer is in two.
fn groups(net: &Net) -> Vec<Group> {
    let graph = Graph::of(net);
    let mut groups: Vec<Group> =
        graph.axes_of_input().into_iter().find_map(|bits| graph.group(INPUT, bits)).into_iter().collect();
    for (index, layer) in net.layers.iter().enumerate() {
        if groups.iter().any(|group| group.layers.contains_key(&(index as u32))) {
            continue;
        }
        // the axes that a block of weights names are channels
        let channels: BTreeSet<Bits> =
            layer.terms.iter().filter(|t| t.right.is_some()).flat_map(|t| graph.channels(t)).collect();
        let found = channels.into_iter().filter(|(_, len)| *len > 0).find_map(|bits| graph.group(index as u32, bits));
        groups.extend(
            found.filter(|group| groups.iter().all(|g| g.layers.keys().all(|l| !group.layers.contains_key(l)))),
        );
    }
    groups
}

/// Who reads what in a network.
struct Graph<'a> {
    net: &'a Net,
    /// How often each block of weights is read.
    uses: Vec<usize>,
    /// By layer: the layers and terms that read its columns.
    readers: Vec<Vec<(u32, &'a NetTerm)>>,
    /// The layers and terms that read the input.
    readers_of_input: Vec<(u32, &'a NetTerm)>,
    /// Layers whose columns keep their sizes.
    fixed: Vec<bool>,
}

fn operands(term: &NetTerm) -> impl Iterator<Item = &NetOperand> {
    std::iter::once(&term.left).chain(&term.right)
}

/// The layer that makes a column, or [`INPUT`].
fn node_of(source: Source) -> Option<u32> {
    if source == Source::Input { Some(INPUT) } else { source.layer() }
}

/// Where the run stands that is an axis.
fn run_of(operand: &NetOperand, axis: u8) -> Option<Bits> {
    let mut low = 0;
    for run in &operand.runs {
        if run.index == NetIndex::Axis(axis) {
            return Some((low, run.log_len));
        }
        low += run.log_len;
    }
    None
}

/// The axis that these bits of a block are.
fn axis_of(operand: &NetOperand, bits: Bits) -> Option<u8> {
    let mut low = 0;
    for run in &operand.runs {
        if (low, run.log_len) == bits {
            return if let NetIndex::Axis(axis) = run.index { Some(axis) } else { None };
        }
        low += run.log_len;
    }
    None
}

/// Where an axis of a term stands in the layer's cells, if it is not summed over.
fn place_of(term: &NetTerm, axis: u8) -> Option<Bits> {
    let outputs = term.axes.len() - usize::from(term.summed);
    let log = *term.axes.get(..outputs)?.get(usize::from(axis))?;
    Some((term.axes[..usize::from(axis)].iter().sum(), log))
}

/// The axis that stands there.
fn axis_at(term: &NetTerm, bits: Bits) -> Option<u8> {
    (0..term.axes.len() as u8).find(|axis| place_of(term, *axis) == Some(bits))
}

impl<'a> Graph<'a> {
    fn of(net: &'a Net) -> Self {
        let mut graph = Self {
            net,
            uses: vec![0; net.weights.len()],
            readers: vec![Vec::new(); net.layers.len()],
            readers_of_input: Vec::new(),
            fixed: vec![false; net.layers.len()],
        };
        let fixed = |source: Source, graph: &mut Self| {
            if let Some(slot) = source.layer().and_then(|l| graph.fixed.get_mut(l as usize)) {
                *slot = true;
            }
        };
        for (index, layer) in net.layers.iter().enumerate() {
            for term in &layer.terms {
                for operand in operands(term) {
                    match operand.source {
                        Source::Weight(w) => graph.uses[w as usize] += 1,
                        Source::Input => graph.readers_of_input.push((index as u32, term)),
                        source => {
                            if let Some(list) = source.layer().and_then(|l| graph.readers.get_mut(l as usize)) {
                                list.push((index as u32, term));
                            }
                        }
                    }
                }
            }
            let homogeneous = match &layer.rule {
                NetRule::Requantise { function } | NetRule::Divide { function, .. } => {
                    function.as_deref().is_none_or(is_relu)
                }
                _ => false,
            };
            let inside = net.loops.iter().any(|l| (l.first..l.first + l.layers).contains(&(index as u32)));
            if !homogeneous || inside || layer.constant != 0.0 || layer.kind != Kind::Real || layer.terms.is_empty() {
                graph.fixed[index] = true;
            }
            if let NetRule::Divide { by, .. } = &layer.rule {
                fixed(by.source, &mut graph);
            }
            if let NetRule::Rows { weights, .. } = &layer.rule {
                graph.uses[*weights as usize] += 1;
            }
        }
        net.outputs.iter().for_each(|output| fixed(output.source, &mut graph));
        graph
    }

    /// A term's block of weights that nothing else reads.
    fn weight<'t>(&self, term: &'t NetTerm) -> Option<(u32, &'t NetOperand)> {
        operands(term).find_map(|operand| match operand.source {
            Source::Weight(w) if self.uses[w as usize] == 1 => Some((w, operand)),
            _ => None,
        })
    }

    /// Where the axes stand in the layer's cells that a term's weights name.
    fn channels(&self, term: &NetTerm) -> Vec<Bits> {
        let Some((_, weight)) = self.weight(term) else { return Vec::new() };
        (0..term.axes.len() as u8)
            .filter(|axis| run_of(weight, *axis).is_some())
            .filter_map(|axis| place_of(term, axis))
            .collect()
    }

    /// Where the axes of the input stand in its cells, the last one first, if it is one tensor of reals that has not
    /// been cut yet.
    fn axes_of_input(&self) -> Vec<Bits> {
        let [input] = &self.net.inputs[..] else { return Vec::new() };
        if input.kind != Kind::Real || self.net.outputs.iter().any(|output| output.source == Source::Input) {
            return Vec::new();
        }
        let mut low = 0;
        let axis = |len: &u32| {
            let log = len.next_power_of_two().trailing_zeros() as u8;
            low += log;
            (low - log, log)
        };
        input.shape.iter().rev().map(axis).filter(|(_, log)| *log > 0).collect()
    }

    /// What reads a layer's columns, or the input.
    fn readers_of(&self, layer: u32) -> &[(u32, &'a NetTerm)] {
        if layer == INPUT {
            &self.readers_of_input
        } else {
            self.readers.get(layer as usize).map_or(&[], Vec::as_slice)
        }
    }

    /// All that must change with a layer's channels, or `None` if something that must cannot.
    fn group(&self, layer: u32, bits: Bits) -> Option<Group> {
        let mut group = Group::default();
        let mut open = vec![(layer, bits)];
        while let Some((layer, bits)) = open.pop() {
            match group.layers.insert(layer, bits) {
                Some(before) if before == bits => continue,
                Some(_) => return None,
                None => {}
            }
            let made = match layer {
                INPUT => &[],
                _ if *self.fixed.get(layer as usize)? => return None,
                _ => &self.net.layers[layer as usize].terms[..],
            };
            for term in made {
                let axis = axis_at(term, bits)?;
                if term.right.is_some() || term.left.source.is_secret() {
                    let (w, weight) = self.weight(term)?;
                    group.makers.insert((w, run_of(weight, axis)?));
                } else {
                    open.push((node_of(term.left.source)?, run_of(&term.left, axis)?));
                }
            }
            for (reader, term) in self.readers_of(layer) {
                let operand = operands(term).find(|operand| node_of(operand.source) == Some(layer))?;
                let axis = axis_of(operand, bits)?;
                if term.right.is_some() {
                    let (w, weight) = self.weight(term)?;
                    group.readers.insert((w, run_of(weight, axis)?));
                } else {
                    open.push((*reader, place_of(term, axis)?));
                }
            }
        }
        (!group.readers.is_empty()).then_some(group)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::quantise::samples::{Small, dense};

    /// A dense layer of 4 channels with a ReLU, the third channel 10,000 times the others, and a layer that takes it
    /// back.
    fn uneven(function: bool) -> Net {
        let first = [0.5, -0.25, 0.75, 0.5, -0.5, 0.25, 0.75, 1.0].iter().enumerate();
        let first = first.map(|(i, w)| w * if i % 4 == 2 { 1e4 } else { 1.0 }).collect();
        let second =
            [0.5, 0.25, 0.5e-4, -1.0, 1.0, -0.5, -1e-4, 0.25].chunks(4).map(<[f32]>::to_vec).collect::<Vec<_>>();
        // by input channel, then by output channel
        let second = (0..8).map(|i| second[i % 2][i / 2]).collect();
        let mut small = Small::new(2);
        let hidden = small.add(dense(Source::Input, 1, 2, 0), function);
        small.add(dense(if function { Source::Post(hidden) } else { Source::Pre(hidden) }, 2, 1, 1), false);
        small.net([first, second])
    }

    fn samples() -> Vec<Sample> {
        (0..8).map(|i| vec![vec![(i as f32 * 0.7).sin(), (i as f32 * 1.3).cos()]]).collect()
    }

    /// The function stays what it is, to the last bit of its floats, and channels are of one size afterwards.
    #[test]
    fn a_large_channel_is_taken_in_by_the_next_layer() {
        for relu in [true, false] {
            let (net, samples) = (uneven(relu), samples());
            let equal = equalised(&net, &samples).expect("one channel is far larger");
            for sample in &samples {
                assert_eq!(Run::of(&net, sample).outputs(&net), Run::of(&equal, sample).outputs(&equal));
            }
            let run = Run::of(&equal, &samples[0]);
            let before = shares(&[column_sizes(&net, &Run::of(&net, &samples[0]), 0, (0, 2))]);
            let after = shares(&[column_sizes(&equal, &run, 0, (0, 2))]);
            let least = |shares: &[f64]| shares.iter().copied().filter(|s| *s > 0.0).fold(1.0, f64::min);
            assert!(least(&before) < 1e-3 && least(&after) > 1e-2, "{before:?} {after:?}");
        }
    }

    /// What is well balanced is left alone, and so is a channel that somebody else reads: an output, or a function that
    /// is not homogeneous.
    #[test]
    fn nothing_changes_where_it_must_not() {
        let (net, samples) = (uneven(true), samples());
        let equal = equalised(&net, &samples).expect("one channel is far larger");
        assert!(equalised(&equal, &samples).is_none(), "a second time gains nothing");
        let mut shown = net.clone();
        shown.outputs[0].source = Source::Post(0);
        assert!(equalised(&shown, &samples).is_none(), "an output keeps its size");
        let mut other = net.clone();
        if let NetRule::Requantise { function } = &mut other.layers[0].rule {
            *function = Some(vec![
                assay_circuits::model::Instruction::Argument,
                assay_circuits::model::Instruction::Unary(assay_circuits::model::Unary::Tanh),
            ]);
        }
        assert!(equalised(&other, &samples).is_none(), "tanh is not homogeneous");
        let mut shifted = net.clone();
        shifted.layers[0].constant = 1.0;
        assert!(equalised(&shifted, &samples).is_none(), "a constant is the same for all channels");
        let mut shared = net;
        shared.layers[1].terms[0].right = shared.layers[0].terms[0].right.clone();
        assert!(equalised(&shared, &samples).is_none(), "a block that is read twice cannot change for one reader");
    }

    /// A channel that is always 0 does not become the largest of its blocks.
    #[test]
    fn dead_channels_stay_small() {
        let factors =
            factors(&[1.0, 1e-4, 0.0, 1e-4], &[1.0, 1e-4, 0.5, 1e-4], &[1e-4, 1.0, 1.0, 0.5]).expect("much is gained");
        let live = [0usize, 1, 3];
        let most = |list: [f64; 4], inverse: bool| {
            live.iter().map(|c| list[*c] * if inverse { 1.0 / factors[*c] } else { factors[*c] }).fold(0.0, f64::max)
        };
        assert!(1.0 / factors[2] <= most([1e-4, 1.0, 1.0, 0.5], true), "{factors:?}");
    }
}
