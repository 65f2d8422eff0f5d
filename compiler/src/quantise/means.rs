//! Means over large windows become divisions.
//!
//! A mean over 224 × 224 cells is a sum times 1/50176. As an integer factor the reciprocal needs some 28 bits to be
//! accurate, and a layer shifts 16 away: so either the factor or the cells would lose the rest. A division by 50176
//! loses nothing. It costs limbs for a remainder, but the result of a large window is small. Where windows differ in
//! how many cells they have, as at the borders of a padded pool, the divisor is a column with the count of each.

use super::factors::{LEAST_FACTOR_BITS, factor_bits, map_bits};
use crate::net::{Axis, Kind, Net, NetIndex, NetLayer, NetOperand, NetRule, NetRun, NetTerm, Ranges};
use assay_circuits::model::Source;

/// Bits that a layer can shift away.
const SHIFT: i32 = 16;
/// How far the reciprocal of a factor may be from an integer, as a share of it: less than a factor loses otherwise.
const CLOSE: f64 = 1.0 / (1u32 << 16) as f64;
/// The largest divisor.
const MAX_DIVISOR: f64 = (1u32 << 24) as f64;

/// Counts along an axis of a layer: by place, a divisor.
type Counts = Vec<(u8, Vec<u32>)>;

/// A term that divides instead.
struct Division {
    layer: usize,
    term: usize,
    /// The factor's reciprocal.
    whole: u32,
    /// Divisors that depend on the place.
    counts: Counts,
    /// Factor of what is left.
    sign: f64,
    /// Axes of the layer that the term depends on.
    axes: Vec<u8>,
    /// Whether the layer is nothing but this mean, and so divides itself.
    alone: bool,
}

/// The network with the means that need it divided. `None` if there are none.
pub fn divided(net: &Net, ranges: &Ranges) -> Option<Net> {
    let mut divisions: Vec<Division> = Vec::new();
    for (index, layer) in net.layers.iter().enumerate() {
        let inside = net.loops.iter().any(|l| (l.first..l.first + l.layers).contains(&(index as u32)));
        if inside
            || layer.rounds().is_some()
            || layer.kind != Kind::Real
            || !matches!(layer.rule, NetRule::Requantise { .. } | NetRule::Exact)
        {
            continue;
        }
        divisions.extend((0..layer.terms.len()).filter_map(|term| division(net, ranges, index, term)));
    }
    if divisions.is_empty() { None } else { Some(rebuilt(net, &divisions)) }
}

/// Whether a term is a mean that loses accuracy as a product with a factor.
fn division(net: &Net, ranges: &Ranges, index: usize, at: usize) -> Option<Division> {
    let layer = &net.layers[index];
    let term = &layer.terms[at];
    // the axes have to be the layer's, for it is these whose lengths are known
    let plain = term.axes.iter().copied().eq(layer.axes.iter().map(|axis| axis.log));
    if term.right.is_some() || !plain || term.left.source.is_secret() {
        return None;
    }
    let maps: i32 = term.left.runs.iter().map(|run| map_bits(&run.index, LEAST_FACTOR_BITS)).sum();
    let needed = factor_bits(term.coefficient, true, LEAST_FACTOR_BITS) + maps;
    let size = |range: &(f32, f32)| f64::from(range.1.max(-range.0));
    let list = |ranges: &[(f32, f32)], l: u32| ranges.get(l as usize).map(size);
    let source = match term.left.source {
        Source::Input => ranges.inputs.iter().map(size).reduce(f64::max),
        Source::Pre(l) => list(&ranges.pre, l),
        Source::Post(l) => list(&ranges.post, l),
        Source::Max(l) => list(&ranges.max, l),
        _ => None,
    }?;
    let result = list(&ranges.pre, index as u32)?;
    // a smaller result has a finer scale, which leaves the factor so many bits more
    let gained = if result > 0.0 && source > 0.0 { (source / result).log2().floor() as i32 } else { 0 };
    if needed - gained <= SHIFT {
        return None;
    }
    let whole = (1.0 / term.coefficient.abs()).round();
    if !(1.0..=MAX_DIVISOR).contains(&whole) || (whole * term.coefficient.abs() - 1.0).abs() > CLOSE {
        return None;
    }
    let mut counts = Counts::new();
    for run in &term.left.runs {
        if let NetIndex::Map { axis, entries } = &run.index {
            let places = axis.map_or(1, |axis| layer.axes.get(usize::from(axis)).map_or(0, |a| a.len as usize));
            counts.extend(axis_counts(entries, places)?.map(|by_place| (axis.unwrap_or(u8::MAX), by_place)));
        }
    }
    let fixed: f64 =
        counts.iter().filter(|(axis, _)| *axis == u8::MAX).flat_map(|(_, c)| c).map(|c| f64::from(*c)).product();
    counts.retain(|(axis, _)| *axis != u8::MAX);
    let most: f64 = counts.iter().filter_map(|(_, c)| c.iter().max()).map(|c| f64::from(*c)).product();
    if whole * fixed * most > MAX_DIVISOR || whole * fixed * most < 2.0 || counts.len() > 2 {
        return None;
    }
    let mut axes: Vec<u8> = term.left.runs.iter().filter_map(|run| named(&run.index)).collect();
    axes.sort_unstable();
    let alone = matches!(layer.rule, NetRule::Requantise { .. })
        && layer.terms.len() == 1
        && (layer.constant, term.coefficient > 0.0, axes.len()) == (0.0, true, layer.axes.len());
    Some(Division {
        layer: index,
        term: at,
        whole: (whole * fixed) as u32,
        counts,
        sign: term.coefficient.signum(),
        axes,
        alone,
    })
}

/// The axis that a run of a linear term names. Windows stand in products only.
fn named(index: &NetIndex) -> Option<u8> {
    match index {
        NetIndex::Axis(axis) => Some(*axis),
        NetIndex::Map { axis, .. } => *axis,
        NetIndex::Window { .. } => None,
    }
}

/// The reciprocals of a map's factors by place, where they are integers and the factors of a place are the same.
/// `Some(None)` if all are 1.
fn axis_counts(entries: &[(u32, u32, f64)], places: usize) -> Option<Option<Vec<u32>>> {
    let mut by_place = vec![0u32; places];
    for (to, _, c) in entries {
        let count = (1.0 / c).round();
        let slot = by_place.get_mut(*to as usize)?;
        let same = *slot == 0 || f64::from(*slot) == count;
        if !(1.0..=MAX_DIVISOR).contains(&count) || (count * c - 1.0).abs() > CLOSE || !same {
            return None;
        }
        *slot = count as u32;
    }
    by_place.iter_mut().filter(|count| **count == 0).for_each(|count| *count = 1);
    Some(by_place.iter().any(|count| *count != 1).then_some(by_place))
}

/// The name of a block whose four cells are 1, which counts are multiples of. Two axes, so that two maps can read it.
const ONE: &str = "counts of windows";

fn rebuilt(net: &Net, divisions: &[Division]) -> Net {
    let counted = divisions.iter().any(|d| !d.counts.is_empty());
    // where each layer goes: behind what is inserted before it
    let mut place = u32::from(counted);
    let mut new: Vec<u32> = Vec::with_capacity(net.layers.len());
    for index in 0..net.layers.len() {
        place += divisions.iter().filter(|d| d.layer == index).map(|d| if d.alone { 1 } else { 2 }).sum::<u32>();
        new.push(place);
        place += 1;
    }
    let moved = |source: Source| {
        let at = |l: u32| new.get(l as usize).copied().unwrap_or(l);
        match source {
            Source::Pre(l) => Source::Pre(at(l)),
            Source::Post(l) => Source::Post(at(l)),
            Source::Max(l) => Source::Max(at(l)),
            Source::Mark(l) => Source::Mark(at(l)),
            source => source,
        }
    };
    let mut layers: Vec<NetLayer> = Vec::with_capacity(place as usize);
    if counted {
        layers.push(exact(ONE, vec![Axis { log: 1, len: 2 }; 2], Vec::new(), 1.0));
    }
    for (index, layer) in net.layers.iter().enumerate() {
        let mut layer = layer.clone();
        for term in &mut layer.terms {
            std::iter::once(&mut term.left)
                .chain(&mut term.right)
                .for_each(|operand| operand.source = moved(operand.source));
        }
        if let Some(beside) = layer.beside_mut() {
            beside.source = moved(beside.source);
        }
        for division in divisions.iter().filter(|d| d.layer == index) {
            let [divisor, mut mean] = division.layers(&layer, layers.len() as u32);
            layers.push(divisor);
            if division.alone {
                if let (NetRule::Divide { function, .. }, NetRule::Requantise { function: own }) =
                    (&mut mean.rule, &mut layer.rule)
                {
                    *function = own.take();
                }
                layer = NetLayer { post_kind: layer.post_kind, ..mean };
                continue;
            }
            let column = Source::Pre(layers.len() as u32);
            layers.push(mean);
            let runs = division
                .axes
                .iter()
                .map(|axis| NetRun { log_len: layer.axes[usize::from(*axis)].log, index: NetIndex::Axis(*axis) });
            let left = NetOperand { source: column, runs: runs.collect() };
            let term = &mut layer.terms[division.term];
            *term = NetTerm { coefficient: division.sign, axes: term.axes.clone(), summed: 0, left, right: None };
        }
        layers.push(layer);
    }
    let mut loops = net.loops.clone();
    loops.iter_mut().for_each(|l| l.first = new.get(l.first as usize).copied().unwrap_or(l.first));
    let mut outputs = net.outputs.clone();
    outputs.iter_mut().for_each(|output| output.source = moved(output.source));
    Net {
        layers,
        loops,
        outputs,
        inputs: net.inputs.clone(),
        weights: net.weights.clone(),
        lengths: net.lengths.clone(),
        ..*net
    }
}

/// A layer of whole numbers.
fn exact(name: &str, axes: Vec<Axis>, terms: Vec<NetTerm>, constant: f64) -> NetLayer {
    NetLayer {
        name: name.to_owned(),
        axes,
        terms,
        constant,
        rule: NetRule::Exact,
        kind: Kind::Integer,
        post_kind: Kind::Integer,
    }
}

impl Division {
    /// The divisor and the mean, of which the former gets the index `first`.
    fn layers(&self, layer: &NetLayer, first: u32) -> [NetLayer; 2] {
        let renumbered = |axis: u8| self.axes.iter().position(|a| *a == axis).unwrap_or(0) as u8;
        let axes: Vec<Axis> = self.axes.iter().map(|axis| layer.axes[usize::from(*axis)]).collect();
        let logs: Vec<u8> = axes.iter().map(|axis| axis.log).collect();
        // axes of the divisor: those along which it is not always the same
        let of_divisor: Vec<u8> =
            self.axes.iter().copied().filter(|axis| self.counts.iter().any(|(a, _)| a == axis)).collect();
        let divisor_axes: Vec<Axis> = of_divisor.iter().map(|axis| layer.axes[usize::from(*axis)]).collect();
        let divisor =
            exact(&layer.name, divisor_axes.clone(), self.divisor_terms(&divisor_axes, &of_divisor), self.whole.into());
        let by = NetOperand {
            source: Source::Pre(first),
            runs: of_divisor
                .iter()
                .map(|axis| NetRun {
                    log_len: layer.axes[usize::from(*axis)].log,
                    index: NetIndex::Axis(renumbered(*axis)),
                })
                .collect(),
        };
        let mut left = layer.terms[self.term].left.clone();
        for run in &mut left.runs {
            match &mut run.index {
                NetIndex::Axis(axis) => *axis = renumbered(*axis),
                NetIndex::Map { axis, entries } => {
                    *axis = axis.map(renumbered);
                    entries.iter_mut().for_each(|entry| entry.2 = 1.0);
                }
                NetIndex::Window { .. } => {}
            }
        }
        let mean = NetLayer {
            name: layer.name.clone(),
            axes,
            terms: vec![NetTerm { coefficient: 1.0, axes: logs.clone(), summed: 0, left, right: None }],
            constant: 0.0,
            rule: NetRule::Divide { axes: logs, by, function: None },
            kind: Kind::Real,
            post_kind: Kind::Real,
        };
        [divisor, mean]
    }

    /// What the divisor is more than `whole`: for counts `a` and `b` on two axes, `whole` times `(a - 1) + (b - 1) + (a
    /// - 1)(b - 1)`. So it is at least `whole` in every cell, padding too.
    fn divisor_terms(&self, axes: &[Axis], names: &[u8]) -> Vec<NetTerm> {
        let logs: Vec<u8> = axes.iter().map(|axis| axis.log).collect();
        let runs: Vec<NetRun> = names
            .iter()
            .enumerate()
            .filter_map(|(at, axis)| {
                let (_, counts) = self.counts.iter().find(|(a, _)| a == axis)?;
                let entries = counts.iter().enumerate().filter(|(_, count)| **count > 1);
                let entries = entries.map(|(place, count)| (place as u32, 0, f64::from(*count) - 1.0)).collect();
                Some(NetRun { log_len: 1, index: NetIndex::Map { axis: Some(at as u8), entries } })
            })
            .collect();
        let first = NetRun { log_len: 1, index: NetIndex::Map { axis: None, entries: vec![(0, 0, 1.0)] } };
        let term = |runs: Vec<NetRun>| NetTerm {
            coefficient: self.whole.into(),
            axes: logs.clone(),
            summed: 0,
            left: NetOperand { source: Source::Pre(0), runs },
            right: None,
        };
        let mut terms: Vec<NetTerm> = runs.iter().map(|run| term(vec![run.clone(), first.clone()])).collect();
        // places without an entry read nothing, and then there is no product
        if runs.len() > 1 {
            terms.push(term(runs));
        }
        terms
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Sample;
    use crate::net::Run;
    use crate::quantise::Widths;
    use crate::quantise::samples::{Small, error, ranges};

    const WIDE: Widths = Widths { table_bits: 16, shift: 16, weight_bits: 16 };

    /// The mean of all cells of a row of `len`.
    fn mean(len: u32, factor: f64) -> Net {
        let log_len = assay_circuits::model::log2_ceil(len);
        let entries = (0..len).map(|i| (0, i, 1.0)).collect();
        let runs = vec![NetRun { log_len, index: NetIndex::Map { axis: None, entries } }];
        let mut small = Small::new(len);
        let left = NetOperand { source: Source::Input, runs };
        small.add(NetTerm { coefficient: factor, axes: Vec::new(), summed: 0, left, right: None }, false);
        small.net([])
    }

    /// Windows of three numbers with stride 1 over `2^log` numbers, the first and last cut off: the factors are the
    /// reciprocals of their counts, times `factor`.
    fn windows(log: u8, factor: f64) -> Net {
        let last = (1u32 << log) - 1;
        let count = |to: u32| if to == 0 || to == last { 2.0 } else { 3.0 };
        let entries = (0..=last)
            .flat_map(|to| (to.saturating_sub(1)..=(to + 1).min(last)).map(move |from| (to, from, 1.0 / count(to))));
        let runs = vec![NetRun { log_len: log, index: NetIndex::Map { axis: Some(0), entries: entries.collect() } }];
        let mut small = Small::new(1 << log);
        small.add(
            NetTerm {
                coefficient: factor,
                axes: vec![log],
                summed: 0,
                left: NetOperand { source: Source::Input, runs },
                right: None,
            },
            false,
        );
        small.net([])
    }

    fn samples(len: u32) -> Vec<Sample> {
        let one = |s: u32| (0..len).map(|i| 0.1 * s as f32 + 0.2 * ((i * (s + 3)) as f32).sin()).collect();
        (0..5).map(|s| vec![one(s)]).collect()
    }

    /// Counts that are no powers of two, up to the 224 × 224 of the usual images: within two units of 16 bits. A
    /// reciprocal, which has 13 bits where a small layer may shift by more than 16, is off by more.
    #[test]
    fn means_over_large_windows_are_exact() {
        for len in [100u32, 1000, 224 * 224] {
            let (net, samples) = (mean(len, 1.0 / f64::from(len)), samples(len));
            let divided = divided(&net, &ranges(&net, &samples)).expect("a mean over many cells");
            assert_eq!(divided.layers.len(), 2, "the layer itself divides");
            let (before, after) = (error(&net, &samples, WIDE), error(&divided, &samples, WIDE));
            assert!(after < 2e-4, "{len}: {after}");
            assert!(len < 10_000 || after < before, "{len}: {before} {after}");
        }
    }

    /// At the borders fewer cells count; the divisor knows how many. A factor beside the counts is no obstacle.
    #[test]
    fn windows_of_different_counts_have_a_divisor_each() {
        let (net, samples) = (windows(4, 1.0 / 1000.0), samples(16));
        // as if the results were as large as the numbers, so that there is no room for the factors
        let mut ranges = ranges(&net, &samples);
        ranges.pre[0] = ranges.inputs[0];
        let divided = divided(&net, &ranges).expect("the factors take more bits than there are");
        assert_eq!(divided.layers.len(), 3);
        for x in &samples {
            let (have, need) = (Run::of(&divided, x).outputs(&divided), Run::of(&net, x).outputs(&net));
            assert!(have[0].iter().zip(&need[0]).all(|(a, b)| (a - b).abs() < 1e-9), "{have:?} {need:?}");
        }
        assert!(error(&divided, &samples, WIDE) < 2e-4);
    }

    /// Powers of two are exact as factors, small windows nearly, and what is no reciprocal of an integer cannot divide.
    #[test]
    fn other_sums_stay_as_they_are() {
        for (len, factor) in [(256, 1.0 / 256.0), (9, 1.0 / 9.0), (1000, 1.0), (1000, 0.7)] {
            let (net, samples) = (mean(len, factor), samples(len));
            assert!(divided(&net, &ranges(&net, &samples)).is_none(), "{len} {factor}");
        }
    }
}
