//! Reading by index: maps where the indices are known, else one-hot rows by a table, contracted with the data.

use super::expr::{Expr, MAX_ENTRIES, log};
use super::lower::{Lowerer, Value, atoms_of, bounded, floats, integers};
use super::movement::{lead_shape, map_axis, mapped, reshape, selected};
use super::{Node, Refusal};
use crate::net::{Kind, NetRule};
use assay_circuits::model::{Binary, Instruction, Source};
use tract_onnx::prelude::*;
use tract_onnx::tract_core::ops::array::{Gather, GatherElements, GatherNd, OneHot};

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
    if let Some(port) = node.port(1).and_then(|port| lowerer.net.inputs.get_mut(port)) {
        // of several tables the shortest decides
        let places = u32::try_from(len).unwrap_or(u32::MAX);
        port.places = Some(port.places.map_or(places, |have| have.min(places)));
    }
    if let Some(value) = rows(lowerer, node, op, &data, &indices)? {
        return Ok(value);
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

/// One-hot rows with more cells than this are not made where rows of weights can be read.
const MOST_HOT: usize = 1 << 15;
/// Longest table that an input indexes: an index has 18 bits with its sign.
pub const MOST_PLACES: usize = 1 << 17;

/// Rows of a large table of weights, such as an embedding, by an input of the network: a lookup for each index instead
/// of one-hot rows. An index that is out of range is a row of zeros.
fn rows(
    lowerer: &mut Lowerer,
    node: &Node<'_>,
    op: &Gather,
    data: &Value,
    indices: &Value,
) -> Result<Option<Value>, Refusal> {
    let Value::Constant(table) = data else { return Ok(None) };
    let places = table.shape()[op.axis];
    let index_shape = node.input_shape(1)?;
    if places > MOST_PLACES && node.port(1).is_some() {
        return Err(Refusal::Form("an index into a table of more than 131072 rows"));
    }
    let cells = index_shape.iter().product::<usize>().next_power_of_two() * places.next_power_of_two();
    // an input's published range says which indices there are; what is computed may count from the end
    let is_input = node.port(1).is_some();
    if cells <= MOST_HOT || !is_input || lowerer.lead() > 0 || node.input_kind(0)? != Kind::Real {
        return Ok(None);
    }
    if let Some(port) = node.port(1).and_then(|port| lowerer.net.inputs.get_mut(port)) {
        port.names_rows = true;
    }
    let rank = table.rank();
    let mut order: Vec<usize> = (0..rank).filter(|axis| *axis != op.axis).collect();
    order.insert(0, op.axis);
    let table = table.clone().into_tensor().permute_axes(&order).map_err(|_| Refusal::Type)?;
    let source = lowerer.weight(table.shape(), &bounded(&table)?)?;
    let Source::Weight(weights) = source else { return Ok(None) };
    if let [rows, width] = *table.shape() {
        lowerer.embeddings.push((source, [rows, width]));
    }
    let index = Expr { kind: Kind::Integer, ..lowerer.expr(indices)? };
    let layer = lowerer.layer(&index, NetRule::Exact)?;
    let indices = Expr::column(Source::Pre(layer), index.axes.clone(), Kind::Integer);
    let operand = Lowerer::operand(&indices)?;
    let row = atoms_of(&table.shape()[1..]);
    let bits = row.iter().flatten().map(|len| log(*len)).sum();
    // [indices…, before…, after…]
    let axes = [index.axes, row].concat();
    let layer = lowerer.layer(&Expr::constant(0.0, axes.clone()), NetRule::Rows { weights, bits, index: operand })?;
    let (before, count) = (op.axis, index_shape.len());
    let order: Vec<usize> = (count..count + before).chain(0..count).chain(count + before..axes.len()).collect();
    Ok(Some(lowerer.value(Expr::column(Source::Pre(layer), axes, Kind::Real).transposed(&order))))
}

/// `Σ_v a · b` over an axis of both.
pub fn summed_product(lowerer: &mut Lowerer, a: Expr, b: Expr, axis: usize) -> Result<Expr, Refusal> {
    let product = super::elementwise::product_of(lowerer, a, b)?;
    let expr = lowerer.expr(&product)?;
    match expr.clone().summed(axis) {
        Some(done) => Ok(done),
        None => lowerer.copied(&expr)?.summed(axis).ok_or(Refusal::Layout),
    }
}

/// `[indices…, v]`: 1 where the index is `v`, or `v - len`, else 0. An index that is out of range is a row of zeros.
pub fn one_hot_rows(lowerer: &mut Lowerer, indices: &Value, len: usize) -> Result<Expr, Refusal> {
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
    let width = *index_shape.last().ok_or(Refusal::DynamicShape)?;
    let output = node.output_shape(0)?;
    let (batch, leading) = (op.batch_dims, index_shape.len() - 1);
    if batch > leading || batch + width > shape.len() {
        return Err(Refusal::IndexRange);
    }
    let Value::Constant(list) = &indices else { return gathered_nd(lowerer, node, batch) };
    let places = integers(list)?;
    let rows: Vec<usize> = index_shape[..leading].to_vec();
    listed(lowerer, &data, &shape, &output, |_, coordinates| {
        let row = rows.iter().zip(coordinates).fold(0, |row, (len, at)| row * len + at);
        let mut from = coordinates[..batch].to_vec();
        for k in 0..width {
            let i = places.get(row * width + k).copied().ok_or(Refusal::IndexRange)?;
            let len = shape[batch + k] as i64;
            from.push(usize::try_from(if i < 0 { i + len } else { i }).map_err(|_| Refusal::IndexRange)?);
        }
        from.extend(&coordinates[leading..]);
        Ok(from)
    })
}

/// By indices that depend on the input: `Σ_v [flat index = v] · data[batch…, v, rest…]`.
fn gathered_nd(lowerer: &mut Lowerer, node: &Node<'_>, batch: usize) -> Result<Value, Refusal> {
    let (data, indices) = (node.input(0)?.clone(), node.input(1)?.clone());
    let (shape, index_shape) = (node.input_shape(0)?, node.input_shape(1)?);
    let (leading, width) = (index_shape.len() - 1, index_shape[index_shape.len() - 1]);
    let lead = lowerer.lead();
    let lengths = &shape[batch..batch + width];
    let flat = flat_index(lowerer, &indices, lengths)?;
    let places: usize = lengths.iter().product();
    let mut hot = one_hot_rows(lowerer, &flat, places)?;
    // [batch…, indices…, v, rest…] of both
    let rest = &shape[batch + width..];
    let joined = [&shape[..batch], &[places], rest].concat();
    let joined = lead_shape(lowerer, &joined);
    let mut table = reshape(lowerer, &data, &joined)?;
    for _ in batch..leading {
        table = table.with_axis(lead + batch, Vec::new());
    }
    for _ in rest {
        let end = hot.axes.len();
        hot = hot.with_axis(end, Vec::new());
    }
    let expr = summed_product(lowerer, hot, table, lead + leading)?;
    Ok(lowerer.value(expr.without_axis(lead + leading)))
}

/// The number in a tensor of these lengths of an index of several parts, which lie on the last axis. Negative parts
/// count from the end.
pub fn flat_index(lowerer: &mut Lowerer, indices: &Value, lengths: &[usize]) -> Result<Value, Refusal> {
    let c = Instruction::constant;
    let mut sum: Option<Expr> = None;
    for (k, len) in lengths.iter().enumerate() {
        let axis = {
            let lazy = super::elementwise::as_lazy(lowerer, indices)?;
            lowerer.axes(&lazy).len() - 1
        };
        let part = mapped(lowerer, indices, axis, &vec![(0, k as u32, 1.0)], 1)?.without_axis(axis);
        let part = lowerer.value(Expr { kind: Kind::Integer, ..part });
        // i + len · [i < 0]
        let steps = [
            Instruction::Argument,
            Instruction::Argument,
            c(0.0),
            Instruction::Binary(Binary::Less),
            c(*len as f32),
            Instruction::Binary(Binary::Mul),
            Instruction::Binary(Binary::Add),
        ];
        let part = super::elementwise::applied(lowerer, &part, &steps, Kind::Integer)?;
        let stride: usize = lengths[k + 1..].iter().product();
        let part = lowerer.expr(&part)?.affine(stride as f64, 0.0);
        sum = Some(match sum {
            None => part,
            Some(sum) => sum.plus(part),
        });
    }
    Ok(lowerer.value(Expr { kind: Kind::Integer, ..sum.ok_or(Refusal::IndexRange)? }))
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
