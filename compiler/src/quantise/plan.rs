//! The plan of a network at given widths: what its parts share.

use super::factors::MAX_SCALE;
use super::quotients::REST_BITS;
use crate::net::{Kind, Net, NetRule, Ranges};
use assay_circuits::model::{Architecture, Function, Input, ModelError, Output, Place, Source, log2_ceil};
use std::collections::BTreeMap;

/// The three widths that a whole network shares.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, serde::Serialize)]
pub struct Widths {
    /// Width of the tables, that is, of every `q`.
    pub table_bits: u8,
    /// Common requantisation shift, and width of the input.
    pub shift: u8,
    /// Width of weights.
    pub weight_bits: u8,
}

impl Widths {
    /// Whether every width is at most the other's.
    pub fn within(self, other: Widths) -> bool {
        self.table_bits <= other.table_bits && self.shift <= other.shift && self.weight_bits <= other.weight_bits
    }

    /// The larger of every width.
    pub fn union(self, other: Widths) -> Widths {
        Widths {
            table_bits: self.table_bits.max(other.table_bits),
            shift: self.shift.max(other.shift),
            weight_bits: self.weight_bits.max(other.weight_bits),
        }
    }

    /// So many bits more of everything, twice as many of shifts, which cost least, and no more than `most`.
    pub fn and_more(self, bits: u8, most: Widths) -> Widths {
        Widths {
            table_bits: (self.table_bits + bits).min(most.table_bits),
            shift: (self.shift + 2 * bits).min(most.shift),
            weight_bits: (self.weight_bits + bits).min(most.weight_bits),
        }
    }

    /// Bits of the limbs of remainders.
    pub(super) fn limb_bits(self) -> u8 {
        self.shift.clamp(4, 16)
    }
}

/// An architecture, and what its weights are.
pub struct Plan {
    /// The public half.
    pub architecture: Architecture,
    /// By weight block of the architecture: block of the network, factor, log of the scale.
    pub(super) matrices: Vec<(u32, f64, i32)>,
    /// The same of biases.
    pub(super) biases: Vec<(u32, f64, i32)>,
    /// By layer of the network: logs of the scales of `pre`, `post` and `max`.
    pub scales: Vec<[i32; 3]>,
}

/// How often columns are made coarser until all shifts fit.
const ROUNDS: usize = 200;

/// What a layer's columns must be at most as fine as.
pub(super) type Caps = BTreeMap<Source, i32>;

/// Why a plan does not work out.
pub(super) enum Trouble {
    /// A column must be coarser by so much.
    Coarser(Source, i32),
    Model(ModelError),
}

pub(super) struct Planner<'a> {
    pub(super) net: &'a Net,
    pub(super) ranges: &'a Ranges,
    pub(super) widths: Widths,
    pub(super) caps: &'a Caps,
    /// Bits of columns that hold what others round down.
    pub(super) rest_bits: i32,
    /// By input.
    pub(super) inputs: Vec<i32>,
    pub(super) scales: Vec<[i32; 3]>,
    /// How often each weight block is read, and whether ever in a product.
    pub(super) uses: Vec<(usize, bool)>,
    /// Weight blocks that stay the integers that they are.
    pub(super) whole: Vec<bool>,
    /// Weight blocks in the architecture, with their scales.
    pub(super) placed: BTreeMap<u32, (Source, i32)>,
    pub(super) plan: Plan,
    pub(super) functions: Vec<Option<Function>>,
}

/// Chooses every scale, shift, table and limb for the given widths, for columns of the given ranges
/// ([`Ranges::widened`] adds headroom). Nothing here depends on the weights but through the largest of each block.
///
/// # Errors
/// The architecture breaks a rule of [`Architecture::validate`] at these widths.
pub fn plan(net: &Net, ranges: &Ranges, widths: Widths) -> Result<Plan, ModelError> {
    let tried = if net.rounds_quotients() { &REST_BITS[..] } else { &REST_BITS[..1] };
    let mut last = Err(ModelError::Shift { layer: 0, shift: u8::MAX });
    for rest_bits in tried {
        last = plan_with(net, ranges, widths, *rest_bits);
        if !matches!(
            last,
            Err(ModelError::AccumulatorTooWide { .. } | ModelError::Shift { .. } | ModelError::ExactTooWide { .. })
        ) {
            return last;
        }
    }
    last
}

/// The same with so many bits in columns that hold what others round down.
fn plan_with(net: &Net, ranges: &Ranges, widths: Widths, rest_bits: i32) -> Result<Plan, ModelError> {
    let mut caps = Caps::new();
    for _ in 0..ROUNDS {
        match Planner::new(net, ranges, widths, &caps, rest_bits).run() {
            Ok(plan) => return Ok(plan),
            Err(Trouble::Coarser(source, scale)) => {
                let cap = caps.entry(source).or_insert(scale + 1);
                *cap = (*cap - 1).min(scale);
            }
            Err(Trouble::Model(error)) => return Err(error),
        }
    }
    Err(ModelError::Shift { layer: 0, shift: u8::MAX })
}

/// Bits of an input cell: more than the widths say where an index of a longer table must fit.
fn input_bits(net: &Net, widths: Widths) -> u8 {
    let rows = net.layers.iter().filter_map(|layer| match &layer.rule {
        NetRule::Rows { weights, bits, .. } => Some((net.weights.get(*weights as usize)?.len() >> bits) as u32),
        _ => None,
    });
    let places = net.inputs.iter().filter_map(|input| input.places).chain(rows).max();
    places.map_or(widths.shift, |places| widths.shift.max(1 + log2_ceil(places)))
}

impl<'a> Planner<'a> {
    fn new(net: &'a Net, ranges: &'a Ranges, widths: Widths, caps: &'a Caps, rest_bits: i32) -> Self {
        let mut uses = vec![(0, false); net.weights.len()];
        for term in net.layers.iter().flat_map(|layer| &layer.terms) {
            for operand in std::iter::once(&term.left).chain(&term.right) {
                if let Source::Weight(w) = operand.source
                    && let Some((count, product)) = uses.get_mut(w as usize)
                {
                    *count += 1;
                    *product |= term.right.is_some();
                }
            }
        }
        for (w, (count, product)) in uses.iter_mut().enumerate() {
            // as exact as a block of a product is
            let rows = net.layers.iter().filter(|layer| layer.reads_rows_of(w as u32)).count();
            (*count, *product) = (*count + rows, *product || rows > 0);
        }
        let architecture = Architecture {
            input: Input { log_size: net.input_log_size, bits: input_bits(net, widths), ports: Vec::new() },
            weight_bits: widths.weight_bits,
            matrices: Vec::new(),
            biases: Vec::new(),
            tables: Vec::new(),
            layers: Vec::new(),
            loops: net.loops.clone(),
            outputs: Vec::new(),
        };
        let plan = Plan { architecture, matrices: Vec::new(), biases: Vec::new(), scales: Vec::new() };
        Self {
            net,
            ranges,
            widths,
            caps,
            rest_bits,
            inputs: Vec::new(),
            scales: Vec::new(),
            uses,
            whole: super::rounding::whole_blocks(net),
            placed: BTreeMap::new(),
            plan,
            functions: Vec::new(),
        }
    }

    fn run(mut self) -> Result<Plan, Trouble> {
        self.input_scales();
        self.column_scales();
        self.check_integers()?;
        self.check_roundings()?;
        self.weight_scales()?;
        for index in 0..self.net.layers.len() {
            self.layer(index)?;
        }
        self.outputs();
        self.tables();
        self.complete()?;
        self.plan.scales = self.scales;
        Ok(self.plan)
    }

    pub(super) fn cap(&self, source: Source) -> i32 {
        self.caps.get(&source).copied().unwrap_or(MAX_SCALE)
    }

    /// Errors: an input of integers, or a layer with a function of integers, does not fit its width.
    fn check_integers(&self) -> Result<(), Trouble> {
        let size = |range: &(f32, f32)| f64::from(range.1.max(-range.0));
        for (index, (port, range)) in self.net.inputs.iter().zip(&self.ranges.inputs).enumerate() {
            let size = port.places.map_or(size(range), f64::from);
            if port.kind == Kind::Integer && size > super::factors::limit(self.plan.architecture.input.bits) {
                let (low, high) = (range.0 as i32, range.1 as i32);
                return Err(Trouble::Model(ModelError::PortRange { place: Place::Port(index), low, high }));
            }
        }
        for (index, layer) in self.net.layers.iter().enumerate() {
            let tabled = matches!(layer.rule, NetRule::Requantise { .. });
            if tabled
                && layer.kind != Kind::Real
                && layer.function().is_some()
                && size(&self.ranges.pre[index]) > super::factors::limit(self.widths.table_bits)
            {
                return Err(Trouble::Model(ModelError::TableRange { table: index, min: i32::MIN, max: i32::MAX }));
            }
        }
        Ok(())
    }

    fn outputs(&mut self) {
        for output in &self.net.outputs {
            let scale = match output.source {
                Source::Pre(l) => self.scales[l as usize][0],
                Source::Post(l) => self.scales[l as usize][1],
                Source::Max(l) => self.scales[l as usize][2],
                _ => 0,
            };
            self.plan.architecture.outputs.push(Output {
                name: output.name.clone(),
                source: output.source,
                scale: scale as i8 - output.log_unit as i8,
                shape: output.shape.clone(),
                cells: output.cells.clone(),
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Sample;
    use crate::net::{NetOperand, NetTerm};
    use crate::quantise::samples::{Small, axes, dense, error};

    const SIZES: [f32; 7] = [1e-12, 1e-9, 1e-6, 1.0, 1e6, 1e9, 1e12];

    fn vector(len: usize, seed: f32, size: f32) -> Vec<f32> {
        (0..len).map(|i| size * ((i as f32 + 1.0) * seed).sin()).collect()
    }

    fn samples(size: f32) -> Vec<Sample> {
        (0..8).map(|s| vec![vector(8, 0.9 + s as f32, size)]).collect()
    }

    /// Two dense layers with a ReLU between them. Whatever the sizes of inputs, weights, activations and outputs are,
    /// 13 bits are accurate to the 5 · 10^-3 of the range that are asked for.
    #[test]
    fn sizes_far_from_one_keep_their_relative_accuracy() {
        let widths = Widths { table_bits: 13, shift: 13, weight_bits: 14 };
        let two = |first: f32, second: f32| {
            let mut small = Small::new(8);
            let hidden = small.add(dense(Source::Input, 3, 3, 0), true);
            small.add(dense(Source::Post(hidden), 3, 2, 1), false);
            small.net([vector(64, 1.7, first), vector(32, 2.3, second)])
        };
        for size in SIZES {
            for (input, first, second) in [
                (size, 1.0, 1.0),
                (1.0, size, 1.0),
                (1.0, 1.0, size),
                (1.0, size, 1.0 / size),
                (size, 1.0 / size, size),
            ] {
                let error = error(&two(first, second), &samples(input), widths);
                assert!(error < 5e-3, "inputs of size {input}, weights of {first} and {second}: {error}");
            }
        }
    }

    /// A public factor, far from 1 too.
    #[test]
    fn factors_far_from_one_keep_their_relative_accuracy() {
        for size in SIZES {
            let mut small = Small::new(8);
            let left = NetOperand { source: Source::Input, runs: axes(&[(0, 3)]) };
            small.add(
                NetTerm { coefficient: 0.7 * f64::from(size), axes: vec![3], summed: 0, left, right: None },
                false,
            );
            let error = error(&small.net([]), &samples(1.0), Widths { table_bits: 14, shift: 14, weight_bits: 8 });
            assert!(error < 5e-4, "{size}: {error}");
        }
    }

    /// A column that is 0 in every sample neither overflows a published scale nor costs its neighbours their accuracy.
    #[test]
    fn what_is_always_0_harms_nobody() {
        let mut small = Small::new(8);
        let hidden = small.add(dense(Source::Input, 3, 3, 0), true);
        small.add(dense(Source::Post(hidden), 3, 2, 1), false);
        let mut net = small.net([vec![0.0; 64], vector(32, 2.3, 1.0)]);
        let other = dense(Source::Input, 3, 2, 2);
        net.layers[1].terms.push(other);
        net.weights.push(vector(32, 1.1, 1e6));
        assert!(error(&net, &samples(1.0), Widths { table_bits: 13, shift: 13, weight_bits: 14 }) < 1e-3);
    }
}
