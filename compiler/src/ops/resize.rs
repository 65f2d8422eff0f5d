//! Interpolation: a map along each axis.
//!
//! tract's own forms are written out here. For the others (other roundings, cut-off kernels, antialiasing, axes and
//! aspect ratios) the map is what the operator itself answers to a 1 at each place.

use super::expr::AxisMap;
use super::lower::{Lowerer, Value, floats};
use super::movement::map_axis;
use super::{Node, Refusal};
use tract_onnx::prelude::*;
use tract_onnx::tract_core::ops::nn::resize::{Interpolator, Resize};

/// Most elements that the operator is asked about.
const MAX_ASKED: usize = 1 << 26;

/// Each place of every axis several times over.
pub fn upsample(lowerer: &mut Lowerer, node: &Node<'_>, scales: &[usize]) -> Result<Value, Refusal> {
    let shape = node.input_shape(0)?;
    let mut expr = lowerer.expr(&node.input(0)?.clone())?;
    for (axis, (len, scale)) in shape.iter().zip(scales).enumerate().filter(|(_, (_, scale))| **scale > 1) {
        let map = (0..(len * scale) as u32).map(|i| (i, i / *scale as u32, 1.0)).collect();
        expr = map_axis(lowerer, expr, axis + lowerer.lead(), &map, len * scale)?;
    }
    Ok(lowerer.value(expr))
}

/// Nearest, linear and cubic interpolation: a map along each axis.
pub fn resize(lowerer: &mut Lowerer, node: &Node<'_>, op: &Resize) -> Result<Value, Refusal> {
    let (from, to) = (node.input_shape(0)?, node.output_shape(0)?);
    let lead = lowerer.lead();
    let scales = match op.optional_scales_input {
        Some(input) if node.inputs() > input => match node.input(input)? {
            Value::Constant(tensor) if tensor.len() == from.len() => Some(floats(tensor)?),
            _ => None,
        },
        _ => None,
    };
    let mut expr = lowerer.expr(&node.input(0)?.clone())?;
    for axis in 0..from.len() {
        let (len_in, len_out) = (from[axis], to[axis]);
        if len_in == len_out {
            continue;
        }
        let scale = scales.as_ref().map_or(len_out as f32 / len_in as f32, |scales| scales[axis]);
        let mut map: AxisMap = Vec::new();
        for out in 0..len_out {
            let x = op.coord_transformer.transform(out, scale, len_in, len_out);
            let mut taps: Vec<(isize, f64)> = Vec::new();
            match op.interpolator {
                Interpolator::Nearest => {
                    let low = x.floor();
                    let right = op.nearest.prefers_right(x - low);
                    taps.push((low as isize + isize::from(right), 1.0));
                }
                Interpolator::Linear => {
                    let low = x.floor();
                    let t = f64::from(x - low);
                    taps.extend([(low as isize, 1.0 - t), (low as isize + 1, t)]);
                }
                Interpolator::Cubic => {
                    let low = x.floor();
                    let t = f64::from(x - low);
                    for k in -1..=2isize {
                        taps.push((low as isize + k, cubic((t - k as f64).abs())));
                    }
                }
            }
            for (at, weight) in taps {
                let at = at.clamp(0, len_in as isize - 1) as u32;
                match map.iter_mut().rev().take_while(|e| e.0 == out as u32).find(|e| e.1 == at) {
                    Some(entry) => entry.2 += weight,
                    None if weight != 0.0 => map.push((out as u32, at, weight)),
                    None => {}
                }
            }
        }
        expr = map_axis(lowerer, expr, axis + lead, &map, len_out)?;
    }
    Ok(lowerer.value(expr))
}

/// The cubic convolution kernel with a = -0.75.
fn cubic(t: f64) -> f64 {
    let a = -0.75;
    match t {
        t if t <= 1.0 => ((a + 2.0) * t - (a + 3.0)) * t * t + 1.0,
        t if t < 2.0 => ((a * t - 5.0 * a) * t + 8.0 * a) * t - 4.0 * a,
        _ => 0.0,
    }
}

/// A form that tract keeps as an operator of its own.
pub fn asked(lowerer: &mut Lowerer, node: &Node<'_>) -> Result<Value, Refusal> {
    let (from, to) = (node.input_shape(0)?, node.output_shape(0)?);
    let size: usize = from.iter().product::<usize>().max(to.iter().product());
    let probes: usize = from.iter().zip(&to).filter(|(a, b)| a != b).map(|(a, _)| a).sum();
    if size.saturating_mul(probes) > MAX_ASKED {
        return Err(Refusal::TooLarge);
    }
    let mut model = TypedModel::default();
    let model_error = |_| Refusal::Form("this form of resizing");
    let source = model.add_source("x", f32::fact(&from[..])).map_err(model_error)?;
    let mut inputs = tvec!(source);
    for input in 1..node.inputs() {
        let Value::Constant(tensor) = node.input(input)? else { return Err(Refusal::NotConstant) };
        inputs.push(model.add_const(format!("c{input}"), tensor.clone()).map_err(model_error)?);
    }
    let outlets = model.wire_node("resize", node.node.op.clone(), &inputs).map_err(model_error)?;
    model.select_output_outlets(&outlets).map_err(model_error)?;
    let plan = model.into_runnable().map_err(model_error)?;
    let mut expr = lowerer.expr(&node.input(0)?.clone())?;
    for axis in (0..from.len()).filter(|axis| from[*axis] != to[*axis]) {
        // along the other axes everything is 1, and so is every mean of it
        let (inner_from, inner_to): (usize, usize) =
            (from[axis + 1..].iter().product(), to[axis + 1..].iter().product());
        let mut map: AxisMap = Vec::new();
        for at in 0..from[axis] {
            let basis: Vec<f32> =
                (0..from.iter().product()).map(|i| f32::from(u8::from(i / inner_from % from[axis] == at))).collect();
            let basis = Tensor::from_shape(&from, &basis).map_err(|_| Refusal::Type)?;
            let answer = plan.run(tvec!(basis.into())).map_err(model_error)?;
            let answer = floats(answer.first().ok_or(Refusal::Layout)?)?;
            let entries =
                (0..to[axis]).filter_map(|out| Some((out as u32, at as u32, f64::from(*answer.get(out * inner_to)?))));
            map.extend(entries.filter(|entry| entry.2 != 0.0));
        }
        map.sort_by_key(|entry| (entry.0, entry.1));
        expr = map_axis(lowerer, expr, axis + lowerer.lead(), &map, to[axis])?;
    }
    Ok(lowerer.value(expr))
}
