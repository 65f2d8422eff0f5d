//! Masks of large numbers become masks of moderate ones.
//!
//! Exporters hide places from a softmax by adding -10000, or the least float, to their scores. In columns of 16 bits
//! such a number leaves no accuracy to the scores beside it, or is clamped, and clamps are counted and shown to the
//! buyer, who may refuse them. What a softmax makes of a place depends only on how far its score is below the largest
//! one: so a mask that is a little larger than all scores can differ hides as well. Here each such mask becomes as
//! large as that, and nothing is clamped.

use super::scales::port_of;
use crate::Sample;
use crate::net::{Kind, Net, NetLayer, NetOperand, NetRule, NetTerm, Ranges, Run};
use assay_circuits::model::Source;
use rayon::prelude::*;

/// Nothing below it is taken for a mask.
const LEAST: f64 = 1000.0;
/// How far below the largest score a hidden place is at least: `exp(-16)` is 10^-7, which is 0 in every table.
const HIDDEN: f64 = 16.0;
/// Room for scores that differ by more than those of the samples.
const ROOM: f64 = 1.25;

/// A large mask in the scores of a softmax.
struct Mask {
    layer: usize,
    term: usize,
    /// Its largest number.
    size: f64,
}

/// The network with moderate masks. `None` if it has no others.
pub fn moderate(net: &Net, ranges: &Ranges, samples: &[Sample]) -> Option<Net> {
    let masks: Vec<Mask> =
        (0..net.layers.len()).filter(|l| is_scores(net, *l)).flat_map(|l| masks_of(net, ranges, samples, l)).collect();
    if masks.is_empty() {
        return None;
    }
    let mut bare = net.clone();
    for mask in masks.iter().rev() {
        bare.layers[mask.layer].terms.remove(mask.term);
        bare.layers[mask.layer].constant = 0.0;
    }
    let scores = samples
        .par_iter()
        .map(|sample| Run::of(&bare, sample).ranges(&bare))
        .reduce(Ranges::default, |a, b| a.merge(&b));
    let mut net = net.clone();
    for mask in &masks {
        let (low, high) = scores.pre.get(mask.layer).copied().unwrap_or_default();
        shrink(&mut net, mask, ROOM * f64::from(high - low) + HIDDEN);
    }
    Some(net)
}

/// Whether a layer is read by a softmax, and by nothing else.
fn is_scores(net: &Net, index: usize) -> bool {
    let layer = &net.layers[index];
    let source = Source::Pre(index as u32);
    let mut readers = net.layers.iter().filter(|layer| layer.terms.iter().any(|term| term.reads(source)));
    let softmax = |reader: &NetLayer| {
        matches!(reader.rule, NetRule::Maximum { function: Some(_), .. }) && reader.terms.len() == 1
    };
    let plain = layer.kind == Kind::Real && layer.rule == (NetRule::Requantise { function: None });
    plain
        && readers.next().is_some_and(softmax)
        && readers.next().is_none()
        && !net.outputs.iter().any(|output| output.source == source)
}

fn masks_of(net: &Net, ranges: &Ranges, samples: &[Sample], layer: usize) -> Vec<Mask> {
    let terms =
        net.layers[layer].terms.iter().enumerate().filter(|(_, term)| is_mask(net, ranges, samples, layer, term));
    let sized =
        terms.map(|(at, term)| Mask { layer, term: at, size: term.coefficient.abs() * size(net, ranges, &term.left) });
    sized.filter(|mask| mask.size >= LEAST).collect()
}

/// Whether a term hides places or does not, and nothing between: a constant, or a factor times 0 or something else that
/// is always the same. Only layers before the `reader` are followed: in a loop a layer may read itself.
fn is_mask(net: &Net, ranges: &Ranges, samples: &[Sample], reader: usize, term: &NetTerm) -> bool {
    let unit = |range: &(f32, f32)| range.0 >= 0.0 && range.1 <= 1.0;
    if term.right.is_some() {
        return false;
    }
    match term.left.source {
        Source::Weight(_) => true,
        Source::Input => port_of(&net.inputs, &term.left).is_some_and(|port| {
            let (low, high) = ranges.inputs.get(port).copied().unwrap_or_default();
            let either = |v: &f32| *v == 0.0 || *v == if high > 0.0 { high } else { low };
            low * high == 0.0
                && samples.iter().all(|sample| sample.get(port).is_some_and(|values| values.iter().all(either)))
        }),
        Source::Pre(l) | Source::Post(l) => {
            let (layer, post) = (&net.layers[l as usize], matches!(term.left.source, Source::Post(_)));
            let (kind, of) = if post { (layer.post_kind, &ranges.post) } else { (layer.kind, &ranges.pre) };
            let linear = !post && (l as usize) < reader && layer.rule == (NetRule::Requantise { function: None });
            (kind != Kind::Real && of.get(l as usize).is_some_and(unit))
                || (linear && layer.terms.iter().all(|term| is_mask(net, ranges, samples, l as usize, term)))
        }
        Source::Mark(_) | Source::Max(_) | Source::Bias(_) => false,
    }
}

/// The largest number of what an operand reads.
fn size(net: &Net, ranges: &Ranges, operand: &NetOperand) -> f64 {
    let of = |range: Option<&(f32, f32)>| range.map_or(0.0, |range| f64::from(range.1.max(-range.0)));
    match operand.source {
        Source::Weight(w) => {
            net.weights.get(w as usize).map_or(0.0, |block| block.iter().fold(0.0, |m, v| f64::from(v.abs()).max(m)))
        }
        Source::Input => of(port_of(&net.inputs, operand).and_then(|port| ranges.inputs.get(port))),
        Source::Pre(l) => of(ranges.pre.get(l as usize)),
        Source::Post(l) => of(ranges.post.get(l as usize)),
        Source::Mark(_) | Source::Max(_) | Source::Bias(_) => 0.0,
    }
}

/// Makes a mask as large as `wanted`, if it is larger.
fn shrink(net: &mut Net, mask: &Mask, wanted: f64) {
    let factor = wanted / mask.size;
    if factor >= 1.0 {
        return;
    }
    let Net { layers, weights, .. } = net;
    let layer = &mut layers[mask.layer];
    let term = &mut layer.terms[mask.term];
    if let Source::Weight(w) = &mut term.left.source {
        // its moderate numbers stay what they are
        let limit = (wanted / term.coefficient.abs()) as f32;
        let block = weights[*w as usize].iter().map(|v| v.clamp(-limit, limit)).collect();
        *w = weights.len() as u32;
        weights.push(block);
        return;
    }
    term.coefficient *= factor;
    // `c · (1 - mask)`: what is added everywhere makes no difference to a softmax, but has to be representable
    layer.constant *= factor;
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::quantise::samples::{Small, axes, ranges};

    fn same(source: Source) -> NetTerm {
        let left = NetOperand { source, runs: axes(&[(0, 2)]) };
        NetTerm { coefficient: 1.0, axes: vec![2], summed: 0, left, right: None }
    }

    /// In a loop a sum may read itself. It is followed no further, and is no mask.
    #[test]
    fn a_layer_that_reads_itself_is_no_mask() {
        let mut small = Small::new(4);
        small.add(same(Source::Input), false);
        small.add(same(Source::Pre(0)), false);
        let mut net = small.net([]);
        let samples = vec![vec![vec![0.0, 1.0, 1.0, 0.0]]];
        let ranges = ranges(&net, &samples);
        assert!(is_mask(&net, &ranges, &samples, 1, &same(Source::Pre(0))), "a sum of zeros and ones");
        net.layers[0].terms.push(same(Source::Pre(0)));
        assert!(!is_mask(&net, &ranges, &samples, 1, &same(Source::Pre(0))));
    }
}
