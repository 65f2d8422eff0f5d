//! Operators that move data. They make no layer until somebody needs a column.

use super::expr::{AxisMap, Expr, MAX_ENTRIES};
use super::lower::{Lowerer, Value, floats, integers};
use super::{Node, Refusal};
use crate::net::{Kind, NetIndex};
use tract_onnx::prelude::*;
use tract_onnx::tract_core::ops::array::{
    CumSum, MultiBroadcastTo, Pad, PadMode, Slice, StridedSlice, Tile, TypedConcat,
};
use tract_onnx::tract_core::ops::change_axes::AxisOp;
use tract_onnx::tract_hir::internal::DimLike;

pub fn axis_op(lowerer: &mut Lowerer, node: &Node<'_>, op: &AxisOp) -> Result<Value, Refusal> {
    let value = node.input(0)?.clone();
    let lead = lowerer.lead();
    let shape = node.output_shape(0)?;
    let full = lead_shape(lowerer, &shape);
    let expr = match op {
        AxisOp::Add(at) => lowerer.expr(&value)?.with_axis(at + lead, Vec::new()),
        AxisOp::Rm(at) => lowerer.expr(&value)?.without_axis(at + lead),
        AxisOp::Move(from, to) => {
            let expr = lowerer.expr(&value)?;
            let mut order: Vec<usize> = (0..expr.axes.len()).collect();
            let axis = order.remove(from + lead);
            order.insert(to + lead, axis);
            expr.transposed(&order)
        }
        AxisOp::Reshape(..) => reshape(lowerer, &value, &full)?,
    };
    Ok(lowerer.value(expr))
}

pub fn lead_shape(lowerer: &Lowerer, shape: &[usize]) -> Vec<usize> {
    lowerer.steps.iter().copied().chain(shape.iter().copied()).collect()
}

/// The same elements in another shape.
pub fn reshape(lowerer: &mut Lowerer, value: &Value, shape: &[usize]) -> Result<Expr, Refusal> {
    let expr = lowerer.expr(value)?;
    if let Some(done) = expr.clone().reshaped(shape) {
        return Ok(done);
    }
    let copy = lowerer.copied(&expr)?;
    if let Some(done) = copy.clone().reshaped(shape) {
        return Ok(done);
    }
    // axes that fit no other way become one, which splits into any
    let lead = lowerer.lead();
    let (mut flat, rest) = (copy.clone(), copy.axes[lead..].concat());
    flat.axes.truncate(lead);
    flat.axes.push(rest);
    let merged = lowerer.merged(flat, lead)?;
    let whole = lowerer.copied(&merged)?;
    let mut done = whole;
    // from the outermost: each axis is cut off the one that is left
    let total: usize = shape[lead..].iter().product();
    let mut left = total;
    let atoms: Vec<usize> = shape[lead..].iter().copied().filter(|len| *len > 1).collect();
    for (at, len) in atoms.iter().enumerate() {
        left /= len;
        if left > 1 {
            done = match done.clone().split_atom(lead, at, left) {
                Some(done) => done,
                None => lowerer.copied(&done)?.split_atom(lead, at, left).ok_or(Refusal::Layout)?,
            };
        }
    }
    done.reshaped(shape).ok_or(Refusal::Layout)
}

/// Reads an axis through a map.
pub fn mapped(lowerer: &mut Lowerer, value: &Value, axis: usize, map: &AxisMap, len: usize) -> Result<Expr, Refusal> {
    if map.len() > MAX_ENTRIES {
        return Err(Refusal::TooLarge);
    }
    let expr = lowerer.expr(value)?;
    map_axis(lowerer, expr, axis, map, len)
}

pub fn map_axis(lowerer: &mut Lowerer, expr: Expr, axis: usize, map: &AxisMap, len: usize) -> Result<Expr, Refusal> {
    if let Some(done) = expr.clone().mapped(axis, map, len) {
        return Ok(done);
    }
    let merged = lowerer.merged(expr, axis)?;
    if let Some(done) = merged.clone().mapped(axis, map, len) {
        return Ok(done);
    }
    let copy = lowerer.copied(&merged)?;
    copy.mapped(axis, map, len).ok_or(Refusal::Layout)
}

/// Reads places of an axis: `None` is 0.
pub fn selected(places: impl Iterator<Item = Option<usize>>) -> AxisMap {
    places.enumerate().filter_map(|(to, from)| Some((to as u32, from? as u32, 1.0))).collect()
}

pub fn slice(lowerer: &mut Lowerer, node: &Node<'_>, op: &Slice) -> Result<Value, Refusal> {
    let start = op.start.to_usize().map_err(|_| Refusal::DynamicShape)?;
    let end = op.end.to_usize().map_err(|_| Refusal::DynamicShape)?;
    let value = node.input(0)?.clone();
    let axis = op.axis + lowerer.lead();
    let expr = mapped(lowerer, &value, axis, &selected((start..end).map(Some)), end - start)?;
    Ok(lowerer.value(Expr { kind: node.input_kind(0)?, ..expr }))
}

/// Every `stride`-th place, from the end where the stride is negative.
pub fn strided(
    lowerer: &mut Lowerer,
    node: &Node<'_>,
    axis: usize,
    stride: isize,
    modulo: usize,
) -> Result<Value, Refusal> {
    let value = node.input(0)?.clone();
    let len = node.input_shape(0)?[axis];
    let out = node.output_shape(0)?[axis];
    let first = if stride < 0 { len as isize - 1 - modulo as isize } else { modulo as isize };
    let places = (0..out as isize).map(|i| usize::try_from(first + i * stride).ok().filter(|at| *at < len));
    let expr = mapped(lowerer, &value, axis + lowerer.lead(), &selected(places), out)?;
    Ok(lowerer.value(expr))
}

/// A slice with steps, in graphs that tract does not simplify.
pub fn strided_slice(lowerer: &mut Lowerer, node: &Node<'_>, op: &StridedSlice) -> Result<Value, Refusal> {
    let (shape, output) = (node.input_shape(0)?, node.output_shape(0)?);
    let list = |input: usize| match node.input(input)? {
        Value::Constant(tensor) => Ok(tensor.clone()),
        Value::Lazy(_) => Err(Refusal::DynamicShape),
    };
    let (begin, end) = (list(1)?, list(2)?);
    let axes = match op.optional_axes_input {
        Some(input) => integers(&*list(input)?)?,
        None => (0..begin.len() as i64).collect(),
    };
    let steps: Vec<i32> = match op.optional_steps_input {
        Some(input) => integers(&*list(input)?)?.into_iter().map(|step| step as i32).collect(),
        None => vec![1; axes.len()],
    };
    let mut expr = lowerer.expr(&node.input(0)?.clone())?;
    for (index, axis) in axes.iter().enumerate() {
        let axis =
            usize::try_from(if *axis < 0 { axis + shape.len() as i64 } else { *axis }).map_err(|_| Refusal::Layout)?;
        let len = *shape.get(axis).ok_or(Refusal::Layout)?;
        let dim = op.prepare_one_dim(index, &len.to_dim(), &begin, &end, &steps).map_err(|_| Refusal::DynamicShape)?;
        let first = dim.begin.to_isize().map_err(|_| Refusal::DynamicShape)?;
        let place = |i: usize| usize::try_from(first + i as isize * dim.stride as isize).ok().filter(|at| *at < len);
        let places = selected((0..output[axis]).map(place));
        expr = map_axis(lowerer, expr, axis + lowerer.lead(), &places, output[axis])?;
    }
    Ok(lowerer.value(expr))
}

pub fn pad(lowerer: &mut Lowerer, node: &Node<'_>, op: &Pad) -> Result<Value, Refusal> {
    let shape = node.input_shape(0)?;
    let lead = lowerer.lead();
    let mut expr = lowerer.expr(&node.input(0)?.clone())?;
    let fill = match &op.mode {
        PadMode::Constant(value) => f64::from(super::reduce::masked(*floats(value)?.first().unwrap_or(&0.0))),
        _ => 0.0,
    };
    if fill != 0.0 {
        expr = expr.affine(1.0, -fill);
    }
    if matches!(op.mode, PadMode::Constant(_)) && expr.constant != 0.0 {
        expr = lowerer.copied(&expr)?;
    }
    for (axis, (before, after)) in op.pads.iter().enumerate().filter(|(_, (b, a))| b + a > 0) {
        let len = shape[axis] as isize;
        let place = |i: isize| -> Option<usize> {
            let at = i - *before as isize;
            let at = match &op.mode {
                PadMode::Constant(_) => return usize::try_from(at).ok().filter(|at| (*at as isize) < len),
                PadMode::Edge => at.clamp(0, len - 1),
                PadMode::Reflect => {
                    let period = 2 * (len - 1).max(1);
                    let at = at.rem_euclid(period);
                    if at < len { at } else { period - at }
                }
            };
            usize::try_from(at).ok()
        };
        let out = shape[axis] + before + after;
        expr = map_axis(lowerer, expr, axis + lead, &selected((0..out as isize).map(place)), out)?;
    }
    Ok(lowerer.value(if fill == 0.0 { expr } else { expr.affine(1.0, fill) }))
}

pub fn concat(lowerer: &mut Lowerer, node: &Node<'_>, op: &TypedConcat) -> Result<Value, Refusal> {
    let axis = op.axis + lowerer.lead();
    let total = node.output_shape(0)?[op.axis];
    let mut sum: Option<Expr> = None;
    let mut at = 0u32;
    for input in 0..node.inputs() {
        let len = node.input_shape(input)?[op.axis] as u32;
        let value = node.input(input)?.clone();
        let mut expr = lowerer.expr(&value)?;
        if expr.constant != 0.0 || expr.terms.len() > 2 {
            expr = lowerer.copied(&expr)?;
        }
        let map: AxisMap = (0..len).map(|i| (at + i, i, 1.0)).collect();
        let part = map_axis(lowerer, expr, axis, &map, total)?;
        at += len;
        sum = Some(match sum {
            None => part,
            Some(sum) => {
                let (a, b) = lowerer.aligned(sum, part)?;
                a.plus(b)
            }
        });
    }
    let expr = sum.ok_or(Refusal::Form("a concatenation of nothing"))?;
    Ok(lowerer.value(expr))
}

pub fn broadcast(lowerer: &mut Lowerer, node: &Node<'_>, _: &MultiBroadcastTo) -> Result<Value, Refusal> {
    let value = node.input(0)?.clone();
    let shape = node.output_shape(0)?;
    let full = lead_shape(lowerer, &shape);
    let mut expr = lowerer.expr(&value)?;
    let lead = lowerer.lead();
    while expr.axes.len() < full.len() {
        expr = expr.with_axis(lead, Vec::new());
    }
    let axes: Vec<Vec<usize>> = expr
        .axes
        .iter()
        .zip(&full)
        .map(|(atoms, len)| if atoms.is_empty() && *len > 1 { vec![*len] } else { atoms.clone() })
        .collect();
    Ok(lowerer.value(expr.broadcast(&axes)))
}

pub fn tile(lowerer: &mut Lowerer, node: &Node<'_>, op: &Tile) -> Result<Value, Refusal> {
    let shape = node.input_shape(0)?;
    let lead = lowerer.lead();
    let mut expr = lowerer.expr(&node.input(0)?.clone())?;
    for (axis, times) in op.multipliers.iter().enumerate() {
        let times = times.to_usize().map_err(|_| Refusal::DynamicShape)?;
        if times > 1 {
            let len = shape[axis];
            let map = selected((0..len * times).map(|i| Some(i % len)));
            expr = map_axis(lowerer, expr, axis + lead, &map, len * times)?;
        }
    }
    Ok(lowerer.value(expr))
}

/// Sums of all places up to each: a triangular map.
pub fn cumulative_sum(lowerer: &mut Lowerer, node: &Node<'_>, op: &CumSum) -> Result<Value, Refusal> {
    let len = node.input_shape(0)?[op.axis];
    if len * len > MAX_ENTRIES {
        return Err(Refusal::TooLarge);
    }
    let reads = |to: usize, from: usize| {
        let (to, from) = if op.reverse { (from, to) } else { (to, from) };
        from < to || (from == to && !op.exclusive)
    };
    let pairs = (0..len).flat_map(|to| (0..len).map(move |from| (to, from)));
    let map: AxisMap =
        pairs.filter(|(to, from)| reads(*to, *from)).map(|(to, from)| (to as u32, from as u32, 1.0)).collect();
    let expr = mapped(lowerer, &node.input(0)?.clone(), op.axis + lowerer.lead(), &map, len)?;
    Ok(lowerer.value(expr))
}

/// Keeps one triangle of the last two axes.
pub fn triangle(lowerer: &mut Lowerer, node: &Node<'_>, upper: bool) -> Result<Value, Refusal> {
    let shape = node.output_shape(0)?;
    let Value::Constant(k) = node.input(1)? else { return Err(Refusal::NotConstant) };
    let k = integers(k)?.first().copied().unwrap_or(0);
    let [.., rows, columns] = shape[..] else { return Err(Refusal::Form("fewer than two axes")) };
    let kept = |i: usize| {
        let (row, column) = ((i / columns) as i64, (i % columns) as i64);
        f32::from(u8::from(if upper { column - row >= k } else { column - row <= k }))
    };
    let mask: Vec<f32> = (0..rows * columns).map(kept).collect();
    let mask = Value::Constant(Tensor::from_shape(&[rows, columns], &mask).map_err(|_| Refusal::Type)?.into());
    let value = node.input(0)?.clone();
    super::elementwise::product(lowerer, &value, &mask, Kind::Real)
}

/// Whether a column's runs are all whole axes.
pub fn is_plain(expr: &Expr) -> bool {
    expr.as_operand().is_some_and(|operand| operand.runs.iter().all(|run| matches!(run.index, NetIndex::Axis(_))))
}
