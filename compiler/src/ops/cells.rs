//! Recurrent cells that tract keeps whole.

use super::elementwise::{applied, product, sum};
use super::expr::{AxisMap, Expr};
use super::lower::{Lowerer, Value, atoms_of, floats, unary};
use super::{Node, Refusal};
use crate::net::{Kind, NetIndex};
use assay_circuits::model::{Loop, Source, Unary};
use tract_onnx::prelude::*;
use tract_onnx::tract_core::ops::gru_cell::GruEpilogue;
use tract_onnx::tract_core::ops::gru_seq::GruSeq;
use tract_onnx::tract_core::ops::lstm_cell::LstmEpilogue;

/// One of the gates that lie side by side on the last axis. It is cut out of the sum, so that each gate is a layer with
/// its function.
fn gate(lowerer: &mut Lowerer, value: &Value, index: usize, hidden: usize) -> Result<Value, Refusal> {
    let expr = match value {
        Value::Lazy(lazy) if lazy.affine == Some((1.0, 0.0)) => lowerer.base(lazy).clone(),
        value => lowerer.expr(value)?,
    };
    let axis = expr.axes.len() - 1;
    let from = index * hidden;
    let map: AxisMap = (0..hidden).map(|i| (i as u32, (from + i) as u32, 1.0)).collect();
    let cut = super::movement::map_axis(lowerer, expr, axis, &map, hidden)?;
    Ok(lowerer.value(cut))
}

fn activated(lowerer: &mut Lowerer, value: &Value, f: Unary) -> Result<Value, Refusal> {
    applied(lowerer, value, &unary(f), Kind::Real)
}

/// `c = f·c' + i·g`, `h = o·tanh(c)`, the gates in the order i, o, f, g.
pub fn lstm(lowerer: &mut Lowerer, node: &Node<'_>, op: &LstmEpilogue) -> Result<Vec<Value>, Refusal> {
    let (gates, before) = (node.input(0)?.clone(), node.input(1)?.clone());
    let mut all = Vec::new();
    for (index, f) in [Unary::Sigmoid, Unary::Sigmoid, Unary::Sigmoid, Unary::Tanh].into_iter().enumerate() {
        let cut = gate(lowerer, &gates, index, op.hidden)?;
        all.push(activated(lowerer, &cut, f)?);
    }
    let [input, output, forget, new] = &all[..] else { return Err(Refusal::Layout) };
    let kept = product(lowerer, forget, &before, Kind::Real)?;
    let added = product(lowerer, input, new, Kind::Real)?;
    let state = sum(lowerer, &kept, &added, 1.0)?;
    lowerer.share(&state);
    let shown = activated(lowerer, &state, Unary::Tanh)?;
    let hidden = product(lowerer, output, &shown, Kind::Real)?;
    Ok(vec![hidden, state])
}

pub fn gru(lowerer: &mut Lowerer, node: &Node<'_>, op: &GruEpilogue) -> Result<Vec<Value>, Refusal> {
    let (x, r, before) = (node.input(0)?.clone(), node.input(1)?.clone(), node.input(2)?.clone());
    gru_step(lowerer, &x, &r, &before, op.hidden).map(|value| vec![value])
}

/// `z = sigmoid(x_z + r_z)`, `r = sigmoid(x_r + r_r)`, `n = tanh(x_n + r·r_n)`, `h = n + z·(h' - n)`.
fn gru_step(lowerer: &mut Lowerer, x: &Value, r: &Value, before: &Value, hidden: usize) -> Result<Value, Refusal> {
    let mut gates = Vec::new();
    for index in 0..2 {
        let (a, b) = (gate(lowerer, x, index, hidden)?, gate(lowerer, r, index, hidden)?);
        let both = sum(lowerer, &a, &b, 1.0)?;
        gates.push(activated(lowerer, &both, Unary::Sigmoid)?);
    }
    let (x_n, r_n) = (gate(lowerer, x, 2, hidden)?, gate(lowerer, r, 2, hidden)?);
    let reset = product(lowerer, &gates[1], &r_n, Kind::Real)?;
    let new = sum(lowerer, &x_n, &reset, 1.0)?;
    let new = activated(lowerer, &new, Unary::Tanh)?;
    let difference = sum(lowerer, before, &new, -1.0)?;
    let kept = product(lowerer, &gates[0], &difference, Kind::Real)?;
    sum(lowerer, &new, &kept, 1.0)
}

/// A step from the input `[batch, inputs]`, unless it is projected already, and the state. `bias` holds both halves.
fn gru_once(
    lowerer: &mut Lowerer,
    x: &Value,
    before: &Value,
    (weights, recurrent): (Option<&Tensor>, &Tensor),
    bias: &[f32],
    hidden: usize,
) -> Result<Value, Refusal> {
    let vector = |values: &[f32]| -> Result<Value, Refusal> {
        Ok(Value::Constant(Tensor::from_shape(&[1, values.len()], values).map_err(|_| Refusal::Type)?.into()))
    };
    let xw = match weights {
        None => x.clone(),
        Some(weights) => {
            let product = times(lowerer, x, weights)?;
            sum(lowerer, &product, &vector(&bias[..3 * hidden])?, 1.0)?
        }
    };
    let rh = times(lowerer, before, recurrent)?;
    let rh = sum(lowerer, &rh, &vector(&bias[3 * hidden..])?, 1.0)?;
    gru_step(lowerer, &xw, &rh, before, hidden)
}

/// A whole GRU over a sequence `[batch, steps, inputs]`.
pub fn gru_sequence(lowerer: &mut Lowerer, node: &Node<'_>, op: &GruSeq) -> Result<Vec<Value>, Refusal> {
    if lowerer.steps.is_some() {
        return Err(Refusal::Form("a loop inside a loop"));
    }
    let shape = node.input_shape(0)?;
    let [batch, steps, _] = shape[..] else { return Err(Refusal::Form("a sequence of this rank")) };
    let hidden = op.hidden;
    let recurrent = if op.projected { 1 } else { 2 };
    let constant = |index: usize| match node.input(index) {
        Ok(Value::Constant(tensor)) => Ok(tensor.clone()),
        _ => Err(Refusal::NotConstant),
    };
    let bias = if op.has_bias { floats(&*constant(recurrent + 1)?)? } else { vec![0.0; 6 * hidden] };
    let initial = node.input(node.inputs() - 1)?.clone();
    // the sequence and its product with the weights are there before the loop
    if steps == 1 {
        let x = lowerer.expr(&node.input(0)?.clone())?.without_axis(1);
        let x = lowerer.value(x);
        let before = match &initial {
            Value::Lazy(_) => lowerer.expr(&initial)?.without_axis(1),
            Value::Constant(tensor) => {
                let state = tensor.clone().into_tensor().into_shape(&[batch, hidden]).map_err(|_| Refusal::Layout)?;
                lowerer.expr(&Value::Constant(state.into()))?
            }
        };
        let before = lowerer.value(before);
        let (weights, recurrent) = (if op.projected { None } else { Some(constant(1)?) }, constant(recurrent)?);
        let after = gru_once(lowerer, &x, &before, (weights.as_deref(), &*recurrent), &bias, hidden)?;
        let after = lowerer.column(&after)?.with_axis(1, Vec::new());
        let after = lowerer.value(after);
        return Ok(vec![after.clone(), after]);
    }
    let sequence = lowerer.column(&node.input(0)?.clone())?;
    let mut sequence = lowerer.merged(sequence, 1)?;
    let reversed: AxisMap = (0..steps as u32).map(|t| (t, steps as u32 - 1 - t, 1.0)).collect();
    if op.chunk < 0 {
        sequence = super::movement::map_axis(lowerer, sequence, 1, &reversed, steps)?;
    }
    let initial_expr = match &initial {
        Value::Constant(tensor) if floats(tensor)?.iter().all(|v| *v == 0.0) => None,
        value => Some(lowerer.column(value)?),
    };
    let first = lowerer.net.layers.len() as u32;
    lowerer.steps = Some(steps);
    let outcome = (|| -> Result<Expr, Refusal> {
        // [steps, batch, …]
        let x = lowerer.value(sequence.clone().transposed(&[1, 0, 2]));
        let weights = if op.projected { None } else { Some(constant(1)?) };
        let axes: Vec<Vec<usize>> = [vec![vec![steps]], atoms_of(&[batch, hidden])].concat();
        let placeholder = Source::Mark(u32::MAX - lowerer.promised);
        lowerer.promised += 1;
        let mut state = Expr::column(placeholder, axes.clone(), Kind::Real);
        if let Some(run) = state.terms[0].left.runs.last_mut() {
            let before = (1..1u32 << Lowerer::log_steps(steps)).map(|t| (t, t - 1, 1.0)).collect();
            run.index = NetIndex::Map { axis: Some(0), entries: before };
        }
        if let Some(initial) = &initial_expr {
            // [batch, 1, hidden], in the first step only
            let start = initial.clone().without_axis(1).with_axis(0, Vec::new());
            state = state.plus(start.mapped(0, &vec![(0, 0, 1.0)], steps).ok_or(Refusal::Layout)?);
        }
        let before = lowerer.value(state);
        lowerer.share(&before);
        let after = gru_once(lowerer, &x, &before, (weights.as_deref(), &*constant(recurrent)?), &bias, hidden)?;
        let expr = lowerer.expr(&after)?;
        let column = lowerer.copied(&expr)?;
        let source = Lowerer::operand(&column)?.source;
        lowerer.resolve(first, placeholder, source);
        Ok(column)
    })();
    lowerer.steps = None;
    let column = outcome?;
    let layers = lowerer.net.layers.len() as u32 - first;
    lowerer.net.loops.push(Loop { first, layers, log_steps: Lowerer::log_steps(steps) });
    let last = super::movement::map_axis(lowerer, column.clone(), 0, &vec![(0, steps as u32 - 1, 1.0)], 1)?;
    let last = lowerer.value(last.without_axis(0).with_axis(1, Vec::new()));
    let mut whole = column;
    if op.chunk < 0 {
        whole = super::movement::map_axis(lowerer, whole, 0, &reversed, steps)?;
    }
    Ok(vec![lowerer.value(whole.transposed(&[1, 0, 2])), last])
}

/// `[…, k] · weights[n, k]`.
fn times(lowerer: &mut Lowerer, x: &Value, weights: &Tensor) -> Result<Value, Refusal> {
    let transposed = {
        let (values, shape) = (floats(weights)?, weights.shape().to_vec());
        let [n, k] = shape[..] else { return Err(Refusal::Type) };
        let turned: Vec<f32> = (0..n * k).map(|i| values[(i % n) * k + i / n]).collect();
        Tensor::from_shape(&[k, n], &turned).map_err(|_| Refusal::Type)?
    };
    super::linear::matrix_product(lowerer, x, &Value::Constant(transposed.into()))
}
