//! Layers that round to the integers of a quantised network: sums whose error is less than what decides a rounding.
//!
//! Such a network is integers, multiplied by integers and summed, times a 32-bit float, rounded. The integers stay what
//! they are, the float is written with all of its bits, and the shift is as long as that takes. So a result is the
//! nearest integer of the exact product, and can differ from what a library makes of it in floats only where that is
//! within 2^-14 of a half: results have 8 bits, and such a library rounds three times to the 24 bits of a float.

use super::factors::{LEAST_FACTOR_BITS, fitting_scale, limit};
use super::plan::{Planner, Trouble};
use crate::net::{Kind, Net, NetLayer, NetRule, NetTerm};
use assay_circuits::model::{BiasBlock, MAX_SHIFT, ModelError, Source};

/// Bits of factors, their first not counted, where the shift has room: reciprocals have no end.
const MOST_BITS: i32 = 30;
/// Those of a 32-bit float.
const FLOAT_BITS: i32 = 23;
/// Shifts up to it take two lookups.
const CHEAP_SHIFT: i32 = 32;
/// Bits of factors that channels have for themselves: a float's and 4 more, since the channels share a scale. Times an
/// exact column of 32 bits they are a sum that a layer holds.
const CHANNEL_BITS: u8 = 28;
/// Bits of the widest tables that are asked for so that a sum fits one: every table of a network has as many.
const WIDEST: u8 = 14;
/// Bits behind the point that a sum of integers and a bias of reals has.
const BIAS_BITS: i32 = 24;

/// Blocks of integers that only layers read which round, or are sums of integers.
pub(super) fn whole_blocks(net: &Net) -> Vec<bool> {
    let mut whole: Vec<bool> =
        net.weights.iter().map(|block| block.iter().all(|v| v.fract() == 0.0 && v.abs() <= 32768.0)).collect();
    for (w, whole) in whole.iter_mut().enumerate() {
        *whole &= !net.layers.iter().any(|layer| layer.reads_rows_of(w as u32));
    }
    for layer in &net.layers {
        let sums = layer.rule == NetRule::Exact && layer.kind == Kind::Integer;
        if layer.rounds().is_some() || sums {
            continue;
        }
        for source in layer
            .terms
            .iter()
            .flat_map(|term| std::iter::once(&term.left).chain(&term.right))
            .map(|operand| operand.source)
        {
            if let Source::Weight(w) = source {
                whole[w as usize] = false;
            }
        }
    }
    whole
}

/// Bits of a layer's factors: as many as a cheap shift takes, but those of a float in any case that a shift can hold.
/// `finest_at` says how fine the sum is with so many.
pub(super) fn accuracy(finest_at: &dyn Fn(i32) -> i32) -> i32 {
    let fits = |bits: &i32| finest_at(*bits) <= if *bits > FLOAT_BITS { CHEAP_SHIFT } else { MAX_SHIFT.into() };
    (LEAST_FACTOR_BITS..=MOST_BITS).rev().find(fits).unwrap_or(LEAST_FACTOR_BITS)
}

impl Planner<'_> {
    /// Errors: the tables are too narrow to hold what a layer clamps to. One place more on both sides, where there is
    /// one, so that what a table's end cuts off is never counted as a clamp: it is the network's own.
    pub(super) fn check_roundings(&self) -> Result<(), Trouble> {
        let half = limit(self.widths.table_bits) + 1.0;
        let narrow = |(low, high): (f64, f64)| self.widths.table_bits < 16 && (low <= -half || high >= half - 1.0);
        match self.net.layers.iter().position(|layer| layer.rounds().is_some_and(narrow)) {
            Some(table) => Err(Trouble::Model(ModelError::TableRange { table, min: i32::MIN, max: i32::MAX })),
            None => Ok(()),
        }
    }

    /// Whether a block of weights is the factors by which the channels of a sum of integers are rounded.
    pub(super) fn multiplies_a_rounding(&self, w: u32) -> bool {
        let product = |term: &NetTerm| term.reads(Source::Weight(w)) && term.right.is_some();
        let mut readers =
            self.net.layers.iter().filter(|layer| layer.terms.iter().any(product) || layer.reads_rows_of(w));
        let alone = |layer: &NetLayer| {
            layer.rounds().is_some() && layer.terms.iter().filter(|t| product(t)).all(|t| t.summed == 0)
        };
        self.uses[w as usize] == (1, true) && readers.all(alone)
    }

    /// A block of integers as what it is, or one of factors of channels in more bits than weights have.
    pub(super) fn place_exactly(&mut self, w: u32) -> Result<(), Trouble> {
        let block = &self.net.weights[w as usize];
        let log_size = block.len().trailing_zeros() as u8;
        let architecture = &mut self.plan.architecture;
        let placed = if self.whole[w as usize] {
            let most = limit(architecture.weight_bits);
            if block.iter().any(|v| f64::from(*v) > most || f64::from(*v) < -most - 1.0) {
                return Err(Trouble::Model(ModelError::WeightBits { bits: architecture.weight_bits }));
            }
            architecture.matrices.push(log_size.into());
            self.plan.matrices.push((w, 1.0, 0));
            (Source::Weight(architecture.matrices.len() as u32 - 1), 0)
        } else {
            let factor = self.own_factor(w);
            let size = block.iter().fold(0f32, |m, v| m.max(v.abs())) * factor.abs() as f32;
            let scale = fitting_scale(size, limit(CHANNEL_BITS)).min(MAX_SHIFT.into());
            let rounded = super::weights::biases(block, factor, scale);
            let architecture = &mut self.plan.architecture;
            architecture.biases.push(BiasBlock { log_size, bits: BiasBlock::bits_of(&rounded) });
            self.plan.biases.push((w, factor, scale));
            (Source::Bias(architecture.biases.len() as u32 - 1), scale)
        };
        self.placed.insert(w, placed);
        Ok(())
    }

    /// The scale of a sum that is rounded: as fine as its finest term, and what is added to it as fine as a float, but
    /// no finer than its largest factor allows, which has 31 bits.
    pub(super) fn rounded_sum(&self, layer: &NetLayer, naturals: &[Option<(i32, i32)>]) -> i32 {
        let finest = naturals.iter().flatten().map(|(scale, bits)| scale + bits).max().unwrap_or(0);
        let added = naturals.iter().any(Option::is_none) || layer.constant.fract() != 0.0;
        let wanted = if added { finest.max(BIAS_BITS) } else { finest };
        wanted.min(self.coarsest(layer, naturals)).min(MAX_SHIFT.into()).max(0)
    }

    /// The scale of the column that is rounded to: integers; or, where the sum has so few bits behind the point that a
    /// table holds it whole, the sum: then halves are rounded to even numbers, as the standard says.
    ///
    /// Errors: wider tables would hold it.
    pub(super) fn rounded_scale(
        &self,
        index: usize,
        (low, high): (f64, f64),
        accuracy: i32,
        sum: i32,
    ) -> Result<i32, Trouble> {
        let layer = &self.net.layers[index];
        let whole = |factor: f64, bits: i32| (factor * f64::from(bits).exp2()).fract() == 0.0;
        let exact = |term: &NetTerm| {
            let factor = self.coefficient(term);
            whole(factor, super::factors::factor_bits(factor, true, accuracy))
        };
        let reach = (low.abs().max(high.abs()) + 1.0) * f64::from(sum).exp2();
        if !whole(layer.constant, sum) || !layer.terms.iter().all(exact) || reach > limit(WIDEST) {
            return Ok(0);
        }
        if reach > limit(self.widths.table_bits) {
            return Err(Trouble::Model(ModelError::TableRange { table: index, min: i32::MIN, max: i32::MAX }));
        }
        Ok(sum)
    }
}
