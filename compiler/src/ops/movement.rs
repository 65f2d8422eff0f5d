//! Operators that move data. They make no layer until somebody needs a column.

use super::expr::{AxisMap, Expr, MAX_ENTRIES};
use super::lower::{Lowerer, Value, floats, integers};
use super::{Node, Refusal};
use crate::net::{Kind, NetIndex};
use assay_circuits::model::{Binary, Instruction};
use tract_onnx::prelude::*;
use tract_onnx::tract_core::ops::array::{
    CumSum, Gather, GatherElements, GatherNd, MultiBroadcastTo, OneHot, Pad, PadMode, Slice, Tile, TypedConcat,
};
use tract_onnx::tract_core::ops::change_axes::AxisOp;
use tract_onnx::tract_core::ops::nn::resize::{Interpolator, Resize};
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

fn lead_shape(lowerer: &Lowerer, shape: &[usize]) -> Vec<usize> {
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
fn selected(places: impl Iterator<Item = Option<usize>>) -> AxisMap {
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
pub fn strided(lowerer: &mut Lowerer, node: &Node<'_>, axis: usize, stride: isize, modulo: usize) -> Result<Value, Refusal> {
    let value = node.input(0)?.clone();
    let len = node.input_shape(0)?[axis];
    let out = node.output_shape(0)?[axis];
    let first = if stride < 0 { len as isize - 1 - modulo as isize } else { modulo as isize };
    let places = (0..out as isize).map(|i| usize::try_from(first + i * stride).ok().filter(|at| *at < len));
    let expr = mapped(lowerer, &value, axis + lowerer.lead(), &selected(places), out)?;
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
    let axes: Vec<Vec<usize>> =
        expr.axes.iter().zip(&full).map(|(atoms, len)| if atoms.is_empty() && *len > 1 { vec![*len] } else { atoms.clone() }).collect();
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

/// Places of a constant list of indices.
fn constant_places(indices: &Tensor, len: usize) -> Result<Vec<Option<usize>>, Refusal> {
    let place = |i: i64| usize::try_from(if i < 0 { i + len as i64 } else { i }).ok().filter(|at| *at < len);
    integers(indices)?.into_iter().map(|i| place(i).map(Some).ok_or(Refusal::IndexRange)).collect()
}

pub fn gather(lowerer: &mut Lowerer, node: &Node<'_>, op: &Gather) -> Result<Value, Refusal> {
    let (data, indices) = (node.input(0)?.clone(), node.input(1)?.clone());
    let data_shape = node.input_shape(0)?;
    let len = data_shape[op.axis];
    let lead = lowerer.lead();
    let output = lead_shape(lowerer, &node.output_shape(0)?);
    let at = op.axis + lead;
    if let Value::Constant(list) = &indices {
        let places = constant_places(list, len)?;
        let count = places.len();
        let expr = mapped(lowerer, &data, at, &selected(places.into_iter()), count)?;
        let expr = Expr { kind: node.input_kind(0)?, ..expr };
        let value = lowerer.value(expr);
        let expr = reshape(lowerer, &value, &output)?;
        return Ok(lowerer.value(expr));
    }
    // one-hot rows of the indices times the table
    let index_shape: Vec<usize> = node.input_shape(1)?;
    let hot = one_hot_rows(lowerer, &indices, len)?;
    let table = lowerer.expr(&data)?;
    let before = op.axis;
    // [before…, indices…, after…] = Σ_v hot[indices…, v] · data[before…, v, after…]
    let mut hot_expr = hot;
    for _ in 0..before {
        hot_expr = hot_expr.with_axis(lead, Vec::new());
    }
    let rank = index_shape.len();
    let after = data_shape.len() - op.axis - 1;
    let mut table = table;
    for _ in 0..rank {
        table = table.with_axis(at, Vec::new());
    }
    // hot is [1…, indices…, v] and the table [before…, 1…, v, after…]
    let mut hot_order: Vec<usize> = (0..hot_expr.axes.len()).collect();
    let v = hot_order.pop().unwrap_or(0);
    hot_order.push(v);
    hot_expr = hot_expr.transposed(&hot_order);
    for _ in 0..after {
        let end = hot_expr.axes.len();
        hot_expr = hot_expr.with_axis(end, Vec::new());
    }
    let summed = at + rank;
    let expr = summed_product(lowerer, hot_expr, table, summed)?;
    let expr = expr.without_axis(summed);
    Ok(lowerer.value(expr))
}

/// `Σ_v a · b` over an axis of both.
fn summed_product(lowerer: &mut Lowerer, a: Expr, b: Expr, axis: usize) -> Result<Expr, Refusal> {
    let product = super::elementwise::product_of(lowerer, a, b)?;
    let expr = lowerer.expr(&product)?;
    match expr.clone().summed(axis) {
        Some(done) => Ok(done),
        None => lowerer.copied(&expr)?.summed(axis).ok_or(Refusal::Layout),
    }
}

/// `[indices…, v]`: 1 where the index is `v`, or `v - len`, else 0. An index that is out of range is a row of zeros.
fn one_hot_rows(lowerer: &mut Lowerer, indices: &Value, len: usize) -> Result<Expr, Refusal> {
    let expr = lowerer.expr(indices)?;
    let rank = expr.axes.len();
    let expr = Expr { kind: Kind::Integer, ..expr }.with_axis(rank, Vec::new());
    let numbers: Vec<f32> = (0..len).map(|v| v as f32).collect();
    let mut shape = vec![1; rank + 1 - lowerer.lead()];
    if let Some(last) = shape.last_mut() {
        *last = len;
    }
    let numbers = Value::Constant(Tensor::from_shape(&shape, &numbers).map_err(|_| Refusal::Type)?.into());
    let index = lowerer.value(expr);
    let difference = super::elementwise::sum(lowerer, &index, &numbers, -1.0)?;
    // negative indices count from the end
    let equal = |to: f32| [Instruction::Argument, Instruction::constant(to), Instruction::Binary(Binary::Equal)];
    let steps = [&equal(0.0)[..], &equal(-(len as f32)), &[Instruction::Binary(Binary::Add)]].concat();
    let hot = super::elementwise::applied(lowerer, &difference, &steps, Kind::Boolean)?;
    lowerer.column(&hot)
}

pub fn one_hot(lowerer: &mut Lowerer, node: &Node<'_>, op: &OneHot) -> Result<Value, Refusal> {
    let indices = node.input(0)?.clone();
    let hot = one_hot_rows(lowerer, &indices, op.dim)?;
    let (on, off) = (floats(&op.on)?, floats(&op.off)?);
    let (on, off) = (f64::from(*on.first().ok_or(Refusal::Type)?), f64::from(*off.first().ok_or(Refusal::Type)?));
    let rank = hot.axes.len();
    let mut order: Vec<usize> = (0..rank - 1).collect();
    order.insert(op.axis + lowerer.lead(), rank - 1);
    let expr = hot.transposed(&order).affine(on - off, off);
    Ok(lowerer.value(expr))
}

pub fn gather_elements(lowerer: &mut Lowerer, node: &Node<'_>, op: &GatherElements) -> Result<Value, Refusal> {
    let (data, indices) = (node.input(0)?.clone(), node.input(1)?.clone());
    let (shape, index_shape) = (node.input_shape(0)?, node.input_shape(1)?);
    let lead = lowerer.lead();
    let len = shape[op.axis];
    if let Value::Constant(list) = &indices {
        let places = integers(list)?;
        return listed(lowerer, &data, &shape, &index_shape, |flat, coordinates| {
            let i = places.get(flat).copied().ok_or(Refusal::IndexRange)?;
            let at = usize::try_from(if i < 0 { i + len as i64 } else { i }).map_err(|_| Refusal::IndexRange)?;
            let mut from = coordinates.to_vec();
            from[op.axis] = at;
            Ok(from)
        });
    }
    // hot[…, i, …, v] · data[…, v, …]: other axes are shared, as far as the indices reach
    let hot = one_hot_rows(lowerer, &indices, len)?;
    let mut table = lowerer.expr(&data)?;
    for axis in 0..shape.len() {
        if axis != op.axis && index_shape[axis] < shape[axis] {
            let map = selected((0..index_shape[axis]).map(Some));
            table = map_axis(lowerer, table, axis + lead, &map, index_shape[axis])?;
        }
    }
    let rank = shape.len() + lead;
    // the table's axis goes to the end, where the hot rows have v
    let mut order: Vec<usize> = (0..rank).filter(|axis| *axis != op.axis + lead).collect();
    order.push(op.axis + lead);
    let table = table.transposed(&order).with_axis(op.axis + lead, Vec::new());
    let expr = summed_product(lowerer, hot, table, rank)?;
    Ok(lowerer.value(expr.without_axis(rank)))
}

pub fn gather_nd(lowerer: &mut Lowerer, node: &Node<'_>, op: &GatherNd) -> Result<Value, Refusal> {
    let (data, indices) = (node.input(0)?.clone(), node.input(1)?.clone());
    let (shape, index_shape) = (node.input_shape(0)?, node.input_shape(1)?);
    let Value::Constant(list) = &indices else { return Err(Refusal::Form("indices that depend on the input")) };
    if op.batch_dims > 0 {
        return Err(Refusal::Form("batch_dims"));
    }
    let places = integers(list)?;
    let width = *index_shape.last().ok_or(Refusal::DynamicShape)?;
    let output = node.output_shape(0)?;
    let leading = index_shape.len() - 1;
    let rows: Vec<usize> = index_shape[..leading].to_vec();
    listed(lowerer, &data, &shape, &output, |_, coordinates| {
        let row = rows.iter().zip(coordinates).fold(0, |row, (len, at)| row * len + at);
        let mut from = Vec::with_capacity(shape.len());
        for k in 0..width {
            let i = places.get(row * width + k).copied().ok_or(Refusal::IndexRange)?;
            let len = shape[k] as i64;
            from.push(usize::try_from(if i < 0 { i + len } else { i }).map_err(|_| Refusal::IndexRange)?);
        }
        from.extend(&coordinates[leading..]);
        Ok(from)
    })
}

/// Elements that are listed one by one.
pub fn listed(
    lowerer: &mut Lowerer,
    data: &Value,
    shape: &[usize],
    output: &[usize],
    from: impl Fn(usize, &[usize]) -> Result<Vec<usize>, Refusal>,
) -> Result<Value, Refusal> {
    let total: usize = output.iter().product();
    if total > MAX_ENTRIES || lowerer.steps.is_some() {
        return Err(Refusal::TooLarge);
    }
    let mut places = Vec::with_capacity(total);
    for flat in 0..total {
        let mut coordinates = vec![0; output.len()];
        output.iter().enumerate().rev().fold(flat, |rest, (axis, len)| {
            coordinates[axis] = rest % len;
            rest / len
        });
        let at = from(flat, &coordinates)?;
        if at.iter().zip(shape).any(|(at, len)| at >= len) {
            return Err(Refusal::IndexRange);
        }
        places.push(Some(at.iter().zip(shape).fold(0, |flat, (at, len)| flat * len + at)));
    }
    let all: usize = shape.iter().product();
    let flat = reshape(lowerer, data, &[all])?;
    let expr = map_axis(lowerer, flat, 0, &selected(places.into_iter()), total)?;
    let value = lowerer.value(expr);
    let expr = reshape(lowerer, &value, output)?;
    Ok(lowerer.value(expr))
}

/// Each place of every axis several times over.
pub fn upsample(lowerer: &mut Lowerer, node: &Node<'_>, scales: &[usize]) -> Result<Value, Refusal> {
    let shape = node.input_shape(0)?;
    let mut expr = lowerer.expr(&node.input(0)?.clone())?;
    for (axis, (len, scale)) in shape.iter().zip(scales).enumerate().filter(|(_, (_, scale))| **scale > 1) {
        let map = selected((0..len * scale).map(|i| Some(i / scale)));
        expr = map_axis(lowerer, expr, axis + lowerer.lead(), &map, len * scale)?;
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
    let map: AxisMap = pairs.filter(|(to, from)| reads(*to, *from)).map(|(to, from)| (to as u32, from as u32, 1.0)).collect();
    let expr = mapped(lowerer, &node.input(0)?.clone(), op.axis + lowerer.lead(), &map, len)?;
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
