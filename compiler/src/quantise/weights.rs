//! The secret half: weights and biases rounded to the plan's scales.

use super::factors::limit;
use super::plan::Plan;
use crate::net::Net;
use assay_circuits::model::Weights;

/// Rounds every block of a plan.
pub fn weights(net: &Net, plan: &Plan) -> Weights {
    let max = limit(plan.architecture.weight_bits);
    let block = |w: u32| net.weights.get(w as usize).map_or(&[][..], Vec::as_slice);
    let matrix = |(w, factor, scale): &(u32, f64, i32)| {
        let factor = factor * f64::from(*scale).exp2();
        block(*w).iter().map(|v| (f64::from(*v) * factor).round().clamp(-max - 1.0, max) as i16).collect()
    };
    let bias = |(w, factor, scale): &(u32, f64, i32)| biases(block(*w), *factor, *scale);
    Weights { matrices: plan.matrices.iter().map(matrix).collect(), biases: plan.biases.iter().map(bias).collect() }
}

/// A block of biases, times a factor, at a scale.
pub(super) fn biases(block: &[f32], factor: f64, scale: i32) -> Vec<i32> {
    let factor = factor * f64::from(scale).exp2();
    block
        .iter()
        .map(|v| (f64::from(*v) * factor).round().clamp(f64::from(i32::MIN), f64::from(i32::MAX)) as i32)
        .collect()
}
