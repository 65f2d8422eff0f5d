//! From real numbers to integers: scales, shifts, tables, limbs, weights. `docs/compiler.md`, "Scales", says what is
//! chosen and why.

mod equalise;
mod factors;
mod function;
mod layers;
mod masks;
mod means;
mod plan;
mod quotients;
mod rounding;
#[cfg(test)]
pub(crate) mod samples;
mod scales;
mod tables;
mod thresholds;
mod tiles;
mod weights;

pub use plan::{Plan, Widths, plan};
pub use scales::port_of;
pub use tiles::without_padding;
pub use weights::weights;

use crate::Sample;
use crate::net::{Net, Ranges, Run};
use rayon::prelude::*;

/// The network as it is best quantised, with its ranges: the same function, in layers and weights that lose less.
/// `None` if it is that already.
pub fn prepared(net: &Net, ranges: &Ranges, samples: &[Sample]) -> Option<(Net, Ranges)> {
    let moderate = masks::moderate(net, ranges, samples);
    let divided = means::divided(moderate.as_ref().unwrap_or(net), ranges);
    let changed = divided.or(moderate);
    let equalised = equalise::equalised(changed.as_ref().unwrap_or(net), samples);
    let changed = equalised.or(changed);
    let measured = |net: Net| {
        let ranges = samples
            .par_iter()
            .map(|sample| Run::of(&net, sample).ranges(&net))
            .reduce(Ranges::default, |a, b| a.merge(&b));
        (net, ranges)
    };
    let changed = changed.map(measured);
    let (net, ranges) = changed.as_ref().map_or((net, ranges), |(net, ranges)| (net, ranges));
    thresholds::separated(net, ranges).map(measured).or(changed)
}
