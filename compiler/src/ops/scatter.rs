//! Scatters. To places that are known: two maps, one of what stays and one of what comes. To places that depend on the
//! input: one-hot rows by a table, contracted with the updates, and the data where no row is 1. Of several updates of
//! one place the standard says nothing then, and their sum comes.

use super::elementwise::{product, sum};
use super::expr::{AxisMap, Expr, MAX_ENTRIES};
use super::gather::{flat_index, one_hot_rows, summed_product};
use super::lower::{Lowerer, Value, integers};
use super::movement::{map_axis, reshape, selected};
use super::{Node, Refusal};
use crate::net::Kind;
use tract_onnx::tract_core::ops::array::{ScatterElements, ScatterNd, ScatterReduction};

/// The list of indices, where it is a constant.
fn constant(node: &Node<'_>) -> Result<Vec<i64>, Refusal> {
    match node.input(1)? {
        Value::Constant(list) => integers(list),
        Value::Lazy(_) => Err(Refusal::NotConstant),
    }
}

/// A place on an axis; negative ones count from the end.
fn place(index: i64, len: usize) -> Result<usize, Refusal> {
    let at = if index < 0 { index + len as i64 } else { index };
    usize::try_from(at).ok().filter(|at| *at < len).ok_or(Refusal::IndexRange)
}

pub fn scatter_nd(lowerer: &mut Lowerer, node: &Node<'_>, op: &ScatterNd) -> Result<Value, Refusal> {
    if let Value::Lazy(_) = node.input(1)? {
        return scattered_nd_by_input(lowerer, node, op.reduction);
    }
    let (list, shape) = (constant(node)?, node.input_shape(0)?);
    let width = node.input_shape(1)?.last().copied().ok_or(Refusal::DynamicShape)?;
    if width == 0 || width > shape.len() {
        return Err(Refusal::IndexRange);
    }
    // each index names a block of the data's last axes
    let inner: usize = shape[width..].iter().product();
    let mut destinations = Vec::new();
    for index in list.chunks_exact(width) {
        let mut block = 0;
        for (at, len) in index.iter().zip(&shape) {
            block = block * len + place(*at, *len)?;
        }
        destinations.extend(block * inner..(block + 1) * inner);
    }
    scattered(lowerer, node, &destinations, op.reduction)
}

pub fn scatter_elements(lowerer: &mut Lowerer, node: &Node<'_>, op: &ScatterElements) -> Result<Value, Refusal> {
    if let Value::Lazy(_) = node.input(1)? {
        return scattered_elements_by_input(lowerer, node, op);
    }
    let (list, shape, rows) = (constant(node)?, node.input_shape(0)?, node.input_shape(2)?);
    let mut destinations = Vec::with_capacity(list.len());
    for (flat, index) in list.iter().enumerate() {
        let mut at = vec![0; shape.len()];
        rows.iter().enumerate().rev().fold(flat, |rest, (axis, len)| {
            at[axis] = rest % len;
            rest / len
        });
        at[op.axis] = place(*index, shape[op.axis])?;
        if at.iter().zip(&shape).any(|(at, len)| at >= len) {
            return Err(Refusal::IndexRange);
        }
        destinations.push(at.iter().zip(&shape).fold(0, |flat, (at, len)| flat * len + at));
    }
    scattered(lowerer, node, &destinations, op.reduction)
}

/// The data with each update at its destination: in its stead, the last one if there are several, or added to it.
fn scattered(
    lowerer: &mut Lowerer,
    node: &Node<'_>,
    destinations: &[usize],
    reduction: ScatterReduction,
) -> Result<Value, Refusal> {
    let added = match reduction {
        ScatterReduction::None => false,
        ScatterReduction::Add => true,
        _ => return Err(Refusal::Form("this reduction")),
    };
    let output = node.output_shape(0)?;
    let total: usize = output.iter().product();
    if total > MAX_ENTRIES || destinations.len() > MAX_ENTRIES || lowerer.steps.is_some() {
        return Err(Refusal::TooLarge);
    }
    let mut last: Vec<Option<usize>> = vec![None; total];
    for (from, to) in destinations.iter().enumerate() {
        *last.get_mut(*to).ok_or(Refusal::IndexRange)? = Some(from);
    }
    let entry = |to: usize, from: usize| (to as u32, from as u32, 1.0);
    let kept: AxisMap = (0..total).filter(|at| added || last[*at].is_none()).map(|at| entry(at, at)).collect();
    let come: AxisMap = if added {
        destinations.iter().enumerate().map(|(from, to)| entry(*to, from)).collect()
    } else {
        last.iter().enumerate().filter_map(|(to, from)| Some(entry(to, (*from)?))).collect()
    };
    let mut sum = None;
    for (input, map) in [(0, kept), (2, come)] {
        let elements: usize = node.input_shape(input)?.iter().product();
        let mut flat = reshape(lowerer, &node.input(input)?.clone(), &[elements])?;
        // a constant that is added is there at some places only
        if flat.constant != 0.0 {
            flat = lowerer.copied(&flat)?;
        }
        let part = map_axis(lowerer, flat, 0, &map, total)?;
        sum = Some(match sum {
            None => part,
            Some(sum) => {
                let (a, b) = lowerer.aligned(sum, part)?;
                a.plus(b)
            }
        });
    }
    let value = lowerer.value(sum.ok_or(Refusal::Layout)?);
    let expr = reshape(lowerer, &value, &output)?;
    Ok(lowerer.value(expr))
}

/// Whether updates are added to what is there.
fn adds(reduction: ScatterReduction) -> Result<bool, Refusal> {
    match reduction {
        ScatterReduction::None => Ok(false),
        ScatterReduction::Add => Ok(true),
        _ => Err(Refusal::Form("this reduction")),
    }
}

/// `data · (1 - Σ hot) + come`, or `data + come`.
fn merged(lowerer: &mut Lowerer, data: &Value, taken: Option<Expr>, come: Expr) -> Result<Value, Refusal> {
    let kept = match taken {
        None => data.clone(),
        Some(taken) => {
            let free = lowerer.value(Expr { kind: Kind::Integer, ..taken.affine(-1.0, 1.0) });
            product(lowerer, data, &free, Kind::Real)?
        }
    };
    let come = lowerer.value(come);
    sum(lowerer, &kept, &come, 1.0)
}

/// `hot[q, v]` says that update `q` goes to place `v`, over blocks of the data's last axes.
fn scattered_nd_by_input(
    lowerer: &mut Lowerer,
    node: &Node<'_>,
    reduction: ScatterReduction,
) -> Result<Value, Refusal> {
    let added = adds(reduction)?;
    let (shape, index_shape) = (node.input_shape(0)?, node.input_shape(1)?);
    if lowerer.steps.is_some() {
        return Err(Refusal::Form("a scatter inside a loop"));
    }
    let width = index_shape.last().copied().unwrap_or(0);
    if width == 0 || width > shape.len() {
        return Err(Refusal::IndexRange);
    }
    let updates: usize = index_shape[..index_shape.len() - 1].iter().product();
    let (places, rest): (usize, usize) = (shape[..width].iter().product(), shape[width..].iter().product());
    let flat = flat_index(lowerer, &node.input(1)?.clone(), &shape[..width])?;
    let flat = reshape(lowerer, &flat, &[updates])?;
    let flat = lowerer.value(flat);
    let hot = one_hot_rows(lowerer, &flat, places)?;
    let data = reshape(lowerer, &node.input(0)?.clone(), &[places, rest])?;
    let data = lowerer.value(data);
    let come = reshape(lowerer, &node.input(2)?.clone(), &[updates, rest])?;
    // [q, v, rest]
    let come = summed_product(lowerer, hot.clone().with_axis(2, Vec::new()), come.with_axis(1, Vec::new()), 0)?
        .without_axis(0);
    let taken =
        if added { None } else { Some(hot.summed(0).ok_or(Refusal::Layout)?.without_axis(0).with_axis(1, Vec::new())) };
    let whole = merged(lowerer, &data, taken, come)?;
    let expr = reshape(lowerer, &whole, &shape)?;
    Ok(lowerer.value(expr))
}

/// `hot[…, i, …, v]`, the other axes as far as the indices reach.
fn scattered_elements_by_input(lowerer: &mut Lowerer, node: &Node<'_>, op: &ScatterElements) -> Result<Value, Refusal> {
    let added = adds(op.reduction)?;
    let (shape, index_shape) = (node.input_shape(0)?, node.input_shape(1)?);
    let lead = lowerer.lead();
    let (axis, rank) = (op.axis + lead, shape.len() + lead);
    let hot = one_hot_rows(lowerer, &node.input(1)?.clone(), shape[op.axis])?;
    let updates = lowerer.expr(&node.input(2)?.clone())?.with_axis(rank, Vec::new());
    let come = summed_product(lowerer, hot.clone(), updates, axis)?;
    let mut parts = vec![come];
    if !added {
        parts.push(hot.summed(axis).ok_or(Refusal::Layout)?);
    }
    let mut done = Vec::new();
    for part in parts {
        // the places go where the indices were
        let part = part.without_axis(axis);
        let mut order: Vec<usize> = (0..rank - 1).collect();
        order.insert(axis, rank - 1);
        let mut part = part.transposed(&order);
        for (at, (len, reach)) in shape.iter().zip(&index_shape).enumerate().filter(|(at, _)| *at != op.axis) {
            if reach < len {
                part = map_axis(lowerer, part, at + lead, &selected((0..*reach).map(Some)), *len)?;
            }
        }
        done.push(part);
    }
    let taken = if added { None } else { done.pop() };
    let come = done.pop().ok_or(Refusal::Layout)?;
    let data = node.input(0)?.clone();
    merged(lowerer, &data, taken, come)
}
