//! Sums of products of two operands over shared axes: einsum, which matrix products of all kinds are.

use super::expr::{Expr, Term, log, restrict};
use super::lower::{Lazy, Lowerer, Value, atoms_of, floats};
use super::normal::{Gained, Ratio};
use super::{Node, Refusal};
use crate::net::{Kind, NetIndex, NetOperand, NetRun};
use tract_onnx::prelude::*;
use tract_onnx::tract_core::ops::einsum::EinSum;

/// An axis of an einsum: where each operand and the result have it.
struct EinsumAxis {
    left: Option<usize>,
    right: Option<usize>,
    output: Option<usize>,
}

pub fn einsum(lowerer: &mut Lowerer, node: &Node<'_>, op: &EinSum) -> Result<Value, Refusal> {
    let axes: Vec<_> = op.axes.iter_all_axes().collect();
    let one = |places: &[usize]| match places {
        [] => Ok(None),
        [place] => Ok(Some(*place)),
        _ => Err(Refusal::Form("a diagonal")),
    };
    if node.inputs() == 1 {
        return einsum_of_one(lowerer, node, op);
    }
    if node.inputs() != 2 {
        return Err(Refusal::Form("an einsum of more than two operands"));
    }
    let mut described = Vec::new();
    for axis in axes {
        described.push(EinsumAxis {
            left: one(&axis.inputs[0])?,
            right: one(&axis.inputs[1])?,
            output: one(&axis.outputs[0])?,
        });
    }
    let (a, b) = (node.input(0)?.clone(), node.input(1)?.clone());
    contraction(lowerer, [&a, &b], &described)
}

/// `[m, k] · [k, n]`.
pub fn matrix_product(lowerer: &mut Lowerer, a: &Value, b: &Value) -> Result<Value, Refusal> {
    let axis = |left, right, output| EinsumAxis { left, right, output };
    contraction(
        lowerer,
        [a, b],
        &[axis(Some(0), None, Some(0)), axis(Some(1), Some(0), None), axis(None, Some(1), Some(1))],
    )
}

fn einsum_of_one(lowerer: &mut Lowerer, node: &Node<'_>, op: &EinSum) -> Result<Value, Refusal> {
    let value = node.input(0)?.clone();
    let lead = lowerer.lead();
    let mut expr = lowerer.expr(&value)?;
    let axes: Vec<_> = op.axes.iter_all_axes().collect();
    if axes.iter().any(|axis| axis.inputs[0].len() > 1 || axis.outputs[0].len() > 1) {
        return Err(Refusal::Form("a diagonal"));
    }
    for axis in axes.iter().filter(|axis| axis.outputs[0].is_empty()) {
        for place in &axis.inputs[0] {
            expr = match expr.clone().summed(place + lead) {
                Some(done) => done,
                None => lowerer.copied(&expr)?.summed(place + lead).ok_or(Refusal::Layout)?,
            };
        }
    }
    let mut order: Vec<(usize, usize)> =
        axes.iter().filter_map(|axis| Some((*axis.outputs[0].first()?, *axis.inputs[0].first()?))).collect();
    order.sort_unstable();
    let summed: Vec<usize> =
        axes.iter().filter(|axis| axis.outputs[0].is_empty()).flat_map(|axis| axis.inputs[0].to_vec()).collect();
    let mut all: Vec<usize> = (0..lead).collect();
    all.extend(order.iter().map(|(_, from)| from + lead));
    all.extend(summed.iter().map(|from| from + lead));
    let expr = expr.transposed(&all);
    let keep = lead + order.len();
    let expr = (keep..expr.axes.len()).rev().fold(expr, |expr, axis| expr.without_axis(axis));
    Ok(lowerer.value(expr))
}

impl EinsumAxis {
    /// Where an operand has it, the first or the second.
    fn of(&self, operand: usize) -> Option<usize> {
        if operand == 0 { self.left } else { self.right }
    }
}

/// `Σ a · b`.
fn contraction(lowerer: &mut Lowerer, values: [&Value; 2], axes: &[EinsumAxis]) -> Result<Value, Refusal> {
    let mut summed = values.map(Clone::clone);
    for (of, value) in summed.iter_mut().enumerate() {
        // an axis that only one operand has is summed over before
        for axis in axes.iter().filter(|axis| axis.output.is_none() && axis.of(1 - of).is_none()) {
            let Some(at) = axis.of(of) else { continue };
            *value = match value {
                Value::Constant(tensor) => Value::Constant(reduced(tensor, at)?.into()),
                Value::Lazy(_) => {
                    let expr = super::reduce::summed(lowerer, value, &[at])?;
                    lowerer.value(expr)
                }
            };
        }
    }
    let values = [&summed[0], &summed[1]];
    for of in 0..2 {
        let done = match (values[of], values[1 - of]) {
            (Value::Lazy(lazy), Value::Lazy(_)) => of_ratio(lowerer, lazy, values, axes, of)?,
            (Value::Lazy(lazy), Value::Constant(matrix)) => of_gained(lowerer, lazy, matrix, axes, of)?,
            (Value::Constant(_), _) => None,
        };
        if let Some(done) = done {
            return Ok(done);
        }
    }
    of_columns(lowerer, values, axes)
}

/// A softmax times a column: `Σ (e / S) · b` is `(Σ e · b) / S`, whose sums are fewer than the `e` where rows are long.
fn of_ratio(
    lowerer: &mut Lowerer,
    lazy: &Lazy,
    values: [&Value; 2],
    axes: &[EinsumAxis],
    of: usize,
) -> Result<Option<Value>, Refusal> {
    let Some(Ratio { numerator, mut divisor }) = super::normal::ratio(lowerer, lazy) else { return Ok(None) };
    for axis in axes.iter().filter(|axis| axis.output.is_none()) {
        let Some(at) = axis.of(of) else { return Ok(None) };
        let Some(narrow) = divisor.narrowed(at) else { return Ok(None) };
        divisor = narrow;
    }
    let cells = numerator.len();
    let numerator = lowerer.value(numerator);
    let mut operands = values;
    operands[of] = &numerator;
    let sums = of_columns(lowerer, operands, axes)?;
    let sums = lowerer.expr(&sums)?;
    if sums.len() >= cells {
        return Ok(None);
    }
    // the divisor's axes in the order of the result's; what only the other operand has is broadcast over
    let mut outputs: Vec<(usize, Option<usize>)> =
        axes.iter().filter_map(|axis| Some((axis.output?, axis.of(of)))).collect();
    outputs.sort_unstable();
    let mut order: Vec<usize> = Vec::new();
    for (_, from) in outputs {
        order.push(match from {
            Some(from) => from,
            None => {
                divisor = divisor.clone().with_axis(divisor.axes.len(), Vec::new());
                divisor.axes.len() - 1
            }
        });
    }
    let summed = axes.iter().filter(|axis| axis.output.is_none()).filter_map(|axis| axis.of(of));
    let kept = order.len();
    order.extend(summed);
    let divisor = divisor.transposed(&order);
    let divisor = (kept..divisor.axes.len()).rev().fold(divisor, |expr, axis| expr.without_axis(axis));
    let (sums, divisor) = lowerer.aligned(sums, divisor)?;
    let plain = |operand: &NetOperand| operand.runs.iter().all(|run| matches!(run.index, NetIndex::Axis(_)));
    if !divisor.as_operand().is_some_and(plain) {
        return Ok(None);
    }
    super::divide::by_column(lowerer, &sums, &divisor).map(Some)
}

/// A normalised column with gain and offset times a constant, which takes both in.
fn of_gained(
    lowerer: &mut Lowerer,
    lazy: &Lazy,
    matrix: &Tensor,
    axes: &[EinsumAxis],
    of: usize,
) -> Result<Option<Value>, Refusal> {
    let summed: Vec<&EinsumAxis> = axes.iter().filter(|axis| axis.output.is_none()).collect();
    let [EinsumAxis { left: Some(left), right: Some(right), .. }] = summed[..] else { return Ok(None) };
    let (at, along) = if of == 0 { (*left, *right) } else { (*right, *left) };
    if lowerer.is_embedding(matrix) {
        // a head that is tied to it stays the same block, which is larger by far than one more column
        return Ok(None);
    }
    let Some(Gained { column, gain, offset }) = super::normal::gained(lowerer, lazy, at + lowerer.lead()) else {
        return Ok(None);
    };
    let inner: usize = matrix.shape()[along + 1..].iter().product();
    let place = |index: usize| index / inner % gain.len();
    if matrix.shape()[along] != gain.len() {
        return Ok(None);
    }
    let entries = floats(matrix)?;
    let times = |by: &[f64]| -> Result<Tensor, Refusal> {
        let values: Vec<f32> = entries.iter().enumerate().map(|(i, v)| (f64::from(*v) * by[place(i)]) as f32).collect();
        Tensor::from_shape(matrix.shape(), &values).map_err(|_| Refusal::Type)
    };
    let column = lowerer.value(column);
    let scaled = Value::Constant(times(&gain)?.into());
    let mut operands = [&column, &scaled];
    if of == 1 {
        operands.swap(0, 1);
    }
    let product = of_columns(lowerer, operands, axes)?;
    if offset.iter().all(|v| *v == 0.0) {
        return Ok(Some(product));
    }
    // the constant's own axes, in the order of the result's, the others of length 1
    let added = times(&offset)?;
    let added = reduced(&added, along)?;
    let mut outputs: Vec<(usize, Option<usize>)> =
        axes.iter().filter_map(|axis| Some((axis.output?, axis.of(1 - of)))).collect();
    outputs.sort_unstable();
    let order: Vec<usize> = outputs.iter().filter_map(|(_, from)| *from).chain([along]).collect();
    let turned = added.permute_axes(&order).map_err(|_| Refusal::Layout)?;
    let shape: Vec<usize> = outputs.iter().map(|(_, from)| from.map_or(1, |from| matrix.shape()[from])).collect();
    let added = Value::Constant(turned.into_shape(&shape).map_err(|_| Refusal::Layout)?.into());
    super::elementwise::sum(lowerer, &product, &added, 1.0).map(Some)
}

/// The sums over an axis, which then has length 1.
fn reduced(tensor: &Tensor, axis: usize) -> Result<Tensor, Refusal> {
    let values = floats(tensor)?;
    let mut shape = tensor.shape().to_vec();
    let (len, inner): (usize, usize) = (shape[axis], shape[axis + 1..].iter().product());
    shape[axis] = 1;
    let mut sums = vec![0f64; values.len() / len];
    for (index, value) in values.iter().enumerate() {
        sums[index / (inner * len) * inner + index % inner] += f64::from(*value);
    }
    let sums: Vec<f32> = sums.into_iter().map(|v| v as f32).collect();
    Tensor::from_shape(&shape, &sums).map_err(|_| Refusal::Type)
}

/// `Σ a · b`, of columns or constants.
fn of_columns(lowerer: &mut Lowerer, values: [&Value; 2], axes: &[EinsumAxis]) -> Result<Value, Refusal> {
    let lead = lowerer.lead();
    let place = |axis: &EinsumAxis, of: usize| axis.of(of);
    // axes of length 1 have no atoms, whoever has them
    let mut factor = 1.0;
    let mut columns: [Option<Expr>; 2] = [None, None];
    for (column, value) in columns.iter_mut().zip(values) {
        if let Value::Lazy(_) = value {
            let (expr, by) = super::elementwise::operand_of(lowerer, value)?;
            factor *= by;
            *column = Some(lowerer.readable(expr)?);
        }
    }
    // the atoms of each axis: common to both where both depend on the input
    let mut atoms: Vec<Vec<usize>> = Vec::with_capacity(axes.len());
    for axis in axes {
        let of = |of: usize| -> Option<Vec<usize>> {
            let at = place(axis, of)?;
            match (&columns[of], values[of]) {
                (Some(expr), _) => Some(expr.axes[at + lead].clone()),
                (None, Value::Constant(tensor)) => Some(atoms_of(&[tensor.shape()[at]]).remove(0)),
                _ => None,
            }
        };
        let list = match (of(0), of(1)) {
            (Some(a), Some(b)) if a.is_empty() || b.is_empty() => {
                if a.is_empty() {
                    b
                } else {
                    a
                }
            }
            (Some(a), Some(b)) if columns[0].is_some() && columns[1].is_some() => super::expr::common(&a, &b)?,
            // a constant takes the other's atoms
            (Some(a), Some(b)) => {
                if columns[0].is_some() {
                    a
                } else {
                    b
                }
            }
            (Some(a), None) | (None, Some(a)) => a,
            (None, None) => Vec::new(),
        };
        atoms.push(list);
    }
    for (of, column) in columns.iter_mut().enumerate() {
        let Some(mut expr) = column.take() else { continue };
        for (axis, list) in axes.iter().zip(&atoms) {
            if let Some(at) = place(axis, of)
                && !expr.axes[at + lead].is_empty()
                && expr.axes[at + lead] != *list
            {
                expr = lowerer.refined(expr, at + lead, list)?;
            }
        }
        // what is the same along an axis that is summed over is written out there
        for (axis, list) in axes.iter().zip(&atoms).filter(|(axis, list)| axis.output.is_none() && !list.is_empty()) {
            if let Some(at) = place(axis, of)
                && expr.axes[at + lead].is_empty()
            {
                expr = expr.without_axis(at + lead).with_axis(at + lead, list.clone());
            }
        }
        let summed = axes.iter().filter(|axis| axis.output.is_none()).filter_map(|axis| place(axis, of));
        let mut atoms = summed.flat_map(|at| (0..expr.axes[at + lead].len()).map(move |k| (at, k)));
        let named = |(at, k): (usize, usize)| {
            let atom = (expr.first_atom(at + lead) + k) as u8;
            expr.as_operand().is_some_and(|operand| super::expr::operand_names(operand, atom))
        };
        if !atoms.all(named) {
            expr = lowerer.copied(&expr)?;
        }
        *column = Some(expr);
    }
    // atoms are numbered: the result's axes in order, then those summed over
    let mut outputs: Vec<(usize, usize)> =
        axes.iter().enumerate().filter_map(|(i, axis)| Some((axis.output?, i))).collect();
    outputs.sort_unstable();
    let mut first = vec![0; axes.len()];
    let lead_atoms: Vec<Vec<usize>> = lowerer.steps.iter().map(|steps| vec![*steps]).collect();
    let mut next = lead_atoms.len();
    let mut result = lead_atoms.clone();
    for (_, i) in &outputs {
        first[*i] = next;
        next += atoms[*i].len();
        result.push(atoms[*i].clone());
    }
    let mut summed = Vec::new();
    // the innermost summed axis first: it is the lowest variable
    for (i, _) in axes.iter().enumerate().filter(|(_, axis)| axis.output.is_none()).rev() {
        first[i] = next;
        next += atoms[i].len();
        summed.extend(atoms[i].iter().copied());
    }
    let both_active = columns.iter().all(Option::is_some);
    let mut operands = Vec::new();
    for of in 0..2 {
        let operand = match &columns[of] {
            Some(expr) => {
                let mut operand = Lowerer::operand(expr)?;
                // old atom numbers to new ones
                let mut new = vec![0u8; expr.atoms().len()];
                if lead == 1 && !expr.axes[0].is_empty() {
                    new[0] = 0;
                }
                for (axis, i) in axes.iter().zip(0..) {
                    let Some(at) = place(axis, of) else { continue };
                    let old = expr.first_atom(at + lead);
                    (0..expr.axes[at + lead].len()).for_each(|k| new[old + k] = (first[i] + k) as u8);
                }
                for run in &mut operand.runs {
                    match &mut run.index {
                        NetIndex::Axis(axis) => *axis = new[usize::from(*axis)],
                        NetIndex::Map { axis, .. } => *axis = axis.map(|axis| new[usize::from(axis)]),
                        NetIndex::Window { out, kernel, .. } => {
                            (*out, *kernel) = (new[usize::from(*out)], new[usize::from(*kernel)])
                        }
                    }
                }
                operand
            }
            None => {
                let Value::Constant(tensor) = values[of] else { return Err(Refusal::Layout) };
                // summed axes lowest, in the order of the variables; outputs above, the last one lowest
                let mut order: Vec<usize> = outputs.iter().map(|(_, i)| *i).collect();
                order.extend((0..axes.len()).filter(|i| axes[*i].output.is_none()));
                let mine: Vec<(usize, usize)> =
                    order.iter().filter_map(|i| Some((*i, place(&axes[*i], of)?))).collect();
                constant_operand(lowerer, tensor, &mine, &atoms, &first)?
            }
        };
        operands.push(operand);
    }
    let total: Vec<usize> = result.iter().flatten().copied().chain(summed.iter().copied()).collect();
    let output_atoms = total.len() - summed.len();
    // what only one operand names of the summed axes is summed there
    for (id, len) in total.iter().enumerate().skip(output_atoms) {
        if both_active {
            restrict(&mut operands[0], id as u8, *len);
        }
    }
    let right = operands.pop();
    let left = operands.pop().ok_or(Refusal::Layout)?;
    let named = |operand: &NetOperand, id: usize| super::expr::operand_names(operand, id as u8);
    if (output_atoms..total.len()).any(|id| !named(&left, id) || !right.as_ref().is_some_and(|r| named(r, id))) {
        return Err(Refusal::Form("an einsum that sums over an axis of one operand only"));
    }
    let term = Term { coefficient: factor, left, right, summed };
    Ok(lowerer.value(Expr { axes: result, terms: vec![term], constant: 0.0, kind: Kind::Real }))
}

/// A block of weights: a constant whose axes `(number of the axis, place in the tensor)` are laid out in this order,
/// outermost first.
fn constant_operand(
    lowerer: &mut Lowerer,
    tensor: &Tensor,
    order: &[(usize, usize)],
    atoms: &[Vec<usize>],
    first: &[usize],
) -> Result<NetOperand, Refusal> {
    let values = floats(tensor)?;
    let shape = tensor.shape();
    let strides: Vec<usize> = (0..shape.len()).map(|axis| shape[axis + 1..].iter().product()).collect();
    let lengths: Vec<usize> = order.iter().map(|(_, at)| shape[*at]).collect();
    let mut turned = Vec::with_capacity(values.len());
    let total: usize = lengths.iter().product();
    for index in 0..total {
        let (mut rest, mut from) = (index, 0);
        for ((_, at), len) in order.iter().zip(&lengths).rev() {
            from += rest % len * strides[*at];
            rest /= len;
        }
        turned.push(values[from]);
    }
    let mut dims: Vec<usize> = Vec::new();
    let mut ids: Vec<u8> = Vec::new();
    for (i, at) in order {
        if shape[*at] == 1 {
            continue;
        }
        dims.extend(&atoms[*i]);
        ids.extend((0..atoms[*i].len()).map(|k| (first[*i] + k) as u8));
    }
    let source = lowerer.weight(&dims, &turned)?;
    let runs = dims.iter().zip(&ids).rev().map(|(len, id)| NetRun { log_len: log(*len), index: NetIndex::Axis(*id) });
    Ok(NetOperand { source, runs: runs.collect() })
}
