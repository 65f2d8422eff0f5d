//! Quotients that are rounded to integers, and products of sums of such integers with the range that they were divided
//! by: DynamicQuantizeLinear, and the scale that its reader multiplies by.
//!
//! With cells `X` of the tensor and `R` of its range, the integer is `255·X / R`, rounded. A divisor is never 0, so `R`
//! has one unit added, of cells 2^11 times as fine: as the nearest half that is not exact is `1 / 2R` away, the integer
//! stays what it is. Exact halves are rounded down, so that the least number and the largest are 255 steps apart, as
//! they are once a zero point was rounded to an even number and the largest was clamped.

use super::factors::{LEAST_FACTOR_BITS, limit};
use super::plan::Planner;
use crate::net::{Kind, NetLayer, NetOperand, NetRule, NetTerm};
use assay_circuits::model::{MAX_SHIFT, Source, Term};

/// By how many bits a divisor is finer than the range that it is.
const DIVISOR_BITS: i32 = 11;
/// What is taken from a numerator, in its last units: more than the divisor's own unit moves a quotient up, and less
/// than what would move one over a half that is not exact.
const HALVES_DOWN: i64 = 256;
/// By how many bits a column of two may be larger than on the samples: the input decides the scale, and nothing shall
/// be clamped.
pub(super) const ROOM_BITS: i32 = 2;
/// Bits of a column that holds what another one rounds down, the most first: more make the sum finer, and the factor
/// that takes away what the other column holds has at most 31 bits.
pub(super) const REST_BITS: [i32; 6] = [13, 12, 11, 10, 9, 8];
/// Bits of a product, beside which a bias and the sign have room.
const SUM_BITS: f64 = 59.0;
/// Bits of a factor, its first not counted: those of a 32-bit float.
const FLOAT_BITS: i32 = 23;

impl Planner<'_> {
    /// By how many bits an exact column is finer than what it adds up: a divisor of what is rounded, if it has room.
    pub(super) fn finer_divisor(&self, l: usize) -> i32 {
        let divides = |layer: &NetLayer| {
            let by = |by: &NetOperand| by.source == Source::Pre(l as u32);
            matches!(&layer.rule, NetRule::Divide { by: operand, .. } if by(operand)) && layer.rounds().is_some()
        };
        if !self.net.layers.iter().any(divides) {
            return 0;
        }
        let parts = self.net.layers[l].terms.iter().map(|term| self.bits_of(term.left.source).exp2());
        if f64::from(DIVISOR_BITS) + parts.sum::<f64>().log2() < 30.0 { DIVISOR_BITS } else { 0 }
    }

    /// What is added to a layer's sum, in its last units, beside its constant: half a unit of what it rounds to is
    /// taken away where another layer holds what is rounded down.
    pub(super) fn offset(&self, index: usize, shift: i32) -> i64 {
        let layer = &self.net.layers[index];
        match &layer.rule {
            NetRule::Divide { by, .. } if layer.rounds().is_some() => match by.source {
                Source::Pre(divisor) if self.finer_divisor(divisor as usize) > 0 => -HALVES_DOWN,
                _ => 0,
            },
            NetRule::Requantise { .. } if shift > 0 && self.has_rest(index) => -(1i64 << (shift - 1)),
            _ => 0,
        }
    }

    /// The layer that rounds down what this one holds: they have the same sum, and this one subtracts what the other
    /// made.
    pub(super) fn rest_of(&self, index: usize) -> Option<usize> {
        let layer = &self.net.layers[index];
        let (last, same) = layer.terms.split_last()?;
        let Source::Pre(high) = last.left.source else { return None };
        let of = self.net.layers.get(high as usize).filter(|_| (high as usize) < index)?;
        let whole = last.coefficient == -1.0 && last.right.is_none() && !same.is_empty();
        let requantises = |layer: &NetLayer| matches!(layer.rule, NetRule::Requantise { .. });
        (whole && of.terms == same && requantises(layer) && requantises(of)).then_some(high as usize)
    }

    /// Whether another layer holds what this one rounds down.
    pub(super) fn has_rest(&self, index: usize) -> bool {
        (index + 1..self.net.layers.len()).any(|other| self.rest_of(other) == Some(index))
    }

    /// The scale of a column that holds what another one rounds down.
    pub(super) fn scale_of_rest(&self, index: usize) -> Option<i32> {
        self.rest_of(index).map(|high| self.scales[high][0] + self.rest_bits)
    }

    /// Bits of the factors of a layer that multiplies sums of integers by a column, as many as its sum has room for.
    /// `None` for other layers, and where that is fewer than factors need.
    pub(super) fn factors_of_sums(&self, layer: &NetLayer, wanted: i32) -> Option<i32> {
        let sums = |operand: &NetOperand| {
            let of = |l: u32| self.net.layers.get(l as usize);
            matches!(operand.source, Source::Pre(l) if of(l).is_some_and(|l| l.rule == NetRule::Exact && l.kind == Kind::Integer))
        };
        let column = |operand: &NetOperand| operand.source.layer().is_some();
        let products: Vec<&NetTerm> = layer.terms.iter().filter(|term| term.right.is_some()).collect();
        let of_sums = |term: &&NetTerm| {
            let right = term.right.as_ref();
            right.is_some_and(|right| column(&term.left) && column(right) && (sums(&term.left) || sums(right)))
        };
        let requantises = matches!(layer.rule, NetRule::Requantise { .. }) && layer.kind == Kind::Real;
        if !requantises || products.is_empty() || !products.iter().all(of_sums) {
            return None;
        }
        let fits = |bits: &i32| {
            let one = |term: &&NetTerm| {
                let (scale, factor) = self.natural(layer, term, *bits).unwrap_or_default();
                let right = term.right.as_ref().map_or(0.0, |right| self.bits_of(right.source));
                let size = self.bits_of(term.left.source)
                    + right
                    + (self.coefficient(term).abs().log2() + f64::from(factor)).max(0.0);
                size <= SUM_BITS && scale + factor <= wanted + i32::from(MAX_SHIFT)
            };
            products.iter().all(one)
        };
        (LEAST_FACTOR_BITS..=FLOAT_BITS).rev().find(fits)
    }

    /// About how many bits a column's integers have at most, whatever the weights: the sign not counted.
    fn bits_of(&self, source: Source) -> f64 {
        let of_table = f64::from(self.widths.table_bits) - 1.0;
        let layer = |l: u32| self.net.layers.get(l as usize).zip(self.plan.architecture.layers.get(l as usize));
        match source {
            Source::Input => f64::from(self.plan.architecture.input.bits) - 1.0,
            Source::Weight(_) => limit(self.widths.weight_bits).log2(),
            Source::Bias(_) => 31.0,
            Source::Mark(_) => 0.0,
            Source::Pre(l) | Source::Post(l) | Source::Max(l) => match layer(l) {
                // how far a number is below the largest
                Some((NetLayer { rule: NetRule::Maximum { .. }, .. }, _)) if source == Source::Pre(l) => of_table + 1.0,
                Some((layer, planned)) if matches!(layer.rule, NetRule::Exact | NetRule::Maximum { .. }) => {
                    let one = |(term, planned): (&NetTerm, &Term)| {
                        let summed: u32 =
                            term.axes.iter().rev().take(term.summed.into()).map(|log| u32::from(*log)).sum();
                        let right = term.right.as_ref().map_or(0.0, |right| self.bits_of(right.source));
                        (self.bits_of(term.left.source) + right + f64::from(summed)).exp2()
                            * f64::from(planned.coefficient).abs()
                    };
                    layer.terms.iter().zip(&planned.terms).map(one).sum::<f64>().log2()
                }
                Some((layer, _)) => layer.rounds().map_or(of_table, |(low, high)| high.max(-low).log2()),
                None => of_table,
            },
        }
    }
}
