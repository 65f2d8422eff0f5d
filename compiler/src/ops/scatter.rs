//! Scatters to places that are known: two maps, one of what stays and one of what comes.

use super::expr::{AxisMap, MAX_ENTRIES};
use super::lower::{Lowerer, Value, integers};
use super::movement::{map_axis, reshape};
use super::{Node, Refusal};
use tract_onnx::tract_core::ops::array::{ScatterElements, ScatterNd, ScatterReduction};

/// The list of indices, where it is a constant.
fn constant(node: &Node<'_>) -> Result<Vec<i64>, Refusal> {
    match node.input(1)? {
        Value::Constant(list) => integers(list),
        Value::Lazy(_) => Err(Refusal::Form("indices that depend on the input")),
    }
}

/// A place on an axis; negative ones count from the end.
fn place(index: i64, len: usize) -> Result<usize, Refusal> {
    let at = if index < 0 { index + len as i64 } else { index };
    usize::try_from(at).ok().filter(|at| *at < len).ok_or(Refusal::IndexRange)
}

pub fn scatter_nd(lowerer: &mut Lowerer, node: &Node<'_>, op: &ScatterNd) -> Result<Value, Refusal> {
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
fn scattered(lowerer: &mut Lowerer, node: &Node<'_>, destinations: &[usize], reduction: ScatterReduction) -> Result<Value, Refusal> {
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
