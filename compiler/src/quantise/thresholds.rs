//! Comparisons that rounding does not change.
//!
//! A comparison is a table of a difference, and two roundings come before it. That of the difference to the table's
//! argument does no harm where the border between two arguments lies at the threshold ([`Side::offset`]): the
//! comparison then sees the sum itself. That of an input to its cell can move a number by half a unit. So that what is
//! equal to a threshold stays on its side, as XGBoost's thresholds are numbers of the training data, thresholds are
//! moved by that half unit here, and only numbers within one unit of a threshold can be judged otherwise.

use super::factors::{fitting_scale, limit};
use super::scales::port_of;
use crate::net::{Kind, Net, NetLayer, NetRule, NetTerm, Ranges, Run};
use assay_circuits::model::{Instruction, Source};

/// Bits of an input's cells where reals are compared.
const INPUT_BITS: u8 = 16;
/// What is added to half a unit, as a share of it: thresholds are floats, and are rounded too.
const MORE: f64 = 1.0 / 128.0;
/// Next to a threshold.
const NEAR: f64 = 1e-9;

/// On which side of 0 a function of truth values changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// 0 is judged as what is above it.
    Below,
    /// 0 is judged as what is below it.
    Above,
}

impl Side {
    /// Where a layer's function changes, if it compares a real number with 0 and nobody reads the number itself.
    pub fn of(net: &Net, index: usize) -> Option<Self> {
        let layer = net.layers.get(index)?;
        let NetRule::Requantise { function: Some(program) } = &layer.rule else { return None };
        if layer.kind != Kind::Real || layer.post_kind != Kind::Boolean || net.reads(Source::Pre(index as u32)) {
            return None;
        }
        let [below, at, above] = [-NEAR, 0.0, NEAR].map(|x| Instruction::run(program, x));
        match (below == at, at == above) {
            (false, true) => Some(Self::Below),
            (true, false) => Some(Self::Above),
            _ => None,
        }
    }

    /// What is added to a sum that is then shifted by so many bits and rounded, so that the border between two results
    /// lies at 0: halves are rounded up.
    pub fn offset(self, shift: u8) -> i64 {
        let half = if shift == 0 { 0 } else { 1i64 << (shift - 1) };
        match self {
            Self::Below => -half,
            Self::Above => (half - 1).max(0),
        }
    }

    fn sign(self) -> f64 {
        match self {
            Self::Below => 1.0,
            Self::Above => -1.0,
        }
    }
}

/// The network with the thresholds of its inputs moved by half a unit. `None` if it compares no inputs.
pub fn separated(net: &Net, ranges: &Ranges) -> Option<Net> {
    let mut changed = net.clone();
    let mut any = false;
    for (index, layer) in net.layers.iter().enumerate() {
        let Some(side) = Side::of(net, index) else { continue };
        let Some(reach) = reach(net, ranges, layer) else { continue };
        let room: Vec<f64> = reach.iter().map(|reach| side.sign() * (0.5 + MORE) * reach).collect();
        any = true;
        match layer.terms.iter().position(|term| is_own_bias(net, term)) {
            Some(bias) => move_bias(&mut changed, &layer.terms[bias], &room),
            None => {
                changed.layers[index].constant +=
                    room.iter().copied().fold(0.0, |a: f64, b| if b.abs() > a.abs() { b } else { a })
            }
        }
    }
    any.then_some(changed)
}

/// By how much each cell of a layer's sum changes, at most, if its inputs change by a unit of their cells. `None` if it
/// reads none, or something other than inputs and constants.
fn reach(net: &Net, ranges: &Ranges, layer: &NetLayer) -> Option<Vec<f64>> {
    let secret = |term: &NetTerm| term.right.is_none() && term.left.source.is_secret();
    let mut sum = vec![0f64; 1 << layer.log_size()];
    let mut reads = false;
    for term in layer.terms.iter().filter(|term| !secret(term)) {
        let input = match (&term.left, &term.right) {
            (left, None) if left.source == Source::Input => left,
            (left, Some(right)) if left.source == Source::Input && right.source.is_secret() => left,
            (left, Some(right)) if right.source == Source::Input && left.source.is_secret() => right,
            _ => return None,
        };
        let name = &net.inputs.get(port_of(&net.inputs, input)?)?.name;
        let parts = net.inputs.iter().zip(&ranges.inputs).filter(|(part, _)| part.name == *name);
        let size = parts.fold(0f32, |most, (_, range)| most.max(range.1.max(-range.0)));
        let unit = f64::from(-fitting_scale(size, limit(INPUT_BITS))).exp2();
        Run::reach(net, term).into_iter().zip(&mut sum).for_each(|(by, sum)| *sum += unit * by);
        reads = true;
    }
    reads.then_some(sum)
}

/// Whether a term adds a block of constants that nothing else reads.
fn is_own_bias(net: &Net, term: &NetTerm) -> bool {
    let uses = |source| net.layers.iter().flat_map(|layer| &layer.terms).filter(|term| term.reads(source)).count();
    term.right.is_none() && term.coefficient != 0.0 && term.left.source.is_secret() && uses(term.left.source) == 1
}

fn move_bias(net: &mut Net, term: &NetTerm, room: &[f64]) {
    let Source::Weight(block) = term.left.source else { return };
    let Some(block) = net.weights.get_mut(block as usize) else { return };
    let mut moved = vec![0f64; block.len()];
    for (cell, room) in room.iter().enumerate() {
        for (at, factor) in Run::cells_of(term, cell) {
            if let Some(slot) = moved.get_mut(at).filter(|slot| slot.abs() < room.abs()) {
                *slot = room / (factor * term.coefficient);
            }
        }
    }
    block.iter_mut().zip(moved).for_each(|(value, by)| *value = (f64::from(*value) + by) as f32);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::net::{NetIndex, NetOperand, NetRun};
    use crate::quantise::samples::{Small, dense, ranges};
    use assay_circuits::model::{Binary, Unary};

    /// One feature compared with 4 thresholds: `f(x - t, 0)`.
    fn compared(steps: Vec<Instruction>) -> Net {
        let mut small = Small::new(2);
        small.add(dense(Source::Input, 1, 2, 0), false);
        let mut net = small.net([vec![1.0, 1.0, 1.0, 1.0, 0.0, 0.0, 0.0, 0.0], vec![-0.25, -0.5, -0.5, -1.0]]);
        let runs = vec![NetRun { log_len: 2, index: NetIndex::Axis(0) }];
        let left = NetOperand { source: Source::Weight(1), runs };
        net.layers[0].terms.push(NetTerm { coefficient: 1.0, axes: vec![2], summed: 0, left, right: None });
        net.layers[0].rule = NetRule::Requantise { function: Some(steps) };
        net.layers[0].post_kind = Kind::Boolean;
        net.outputs[0].source = Source::Post(0);
        net
    }

    fn test(f: Binary) -> Vec<Instruction> {
        vec![Instruction::Argument, Instruction::constant(0.0), Instruction::Binary(f)]
    }

    /// Thresholds move to the side on which what is equal to them stays there; by half a unit, and not more than one.
    #[test]
    fn thresholds_move_by_half_a_unit() {
        let samples = vec![vec![vec![0.9, -0.5]], vec![vec![-0.9, 0.5]]];
        let unit = 2f32.powi(-15);
        for (f, side, sign) in [(Binary::Less, Side::Below, 1.0), (Binary::LessEqual, Side::Above, -1.0)] {
            let net = compared(test(f));
            assert_eq!(Side::of(&net, 0), Some(side));
            let moved = separated(&net, &ranges(&net, &samples)).expect("it compares inputs");
            for (new, old) in moved.weights[1].iter().zip(&net.weights[1]) {
                assert!((0.5..1.0).contains(&(sign * (new - old) / unit)), "{new} {old}");
            }
            let negated = [test(f), vec![Instruction::Unary(Unary::Not)]].concat();
            assert_eq!(Side::of(&compared(negated), 0), Some(side), "a negation changes on the same side");
        }
        assert_eq!(Side::of(&compared(test(Binary::Equal)), 0), None);
        let mut read = compared(test(Binary::Less));
        read.outputs[0].source = Source::Pre(0);
        assert_eq!(Side::of(&read, 0), None, "who reads the difference wants it as it is");
    }

    /// With the offset, what is rounded is negative exactly where the sum is, and positive exactly where the sum is.
    #[test]
    fn offsets_put_the_border_at_zero() {
        for shift in 0..6u8 {
            let rounded = |z: i64| if shift == 0 { z } else { (z + (1 << (shift - 1))) >> shift };
            for z in -200..200 {
                assert_eq!(rounded(z + Side::Below.offset(shift)) < 0, z < 0, "{z} {shift}");
                assert_eq!(rounded(z + Side::Above.offset(shift)) > 0, z > 0, "{z} {shift}");
            }
        }
    }
}
