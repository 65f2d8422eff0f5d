//! Recurrence: LSTM, GRU and RNN, which tract gives as a scan. The body is lowered once, with the steps as one more
//! axis of every tensor; a state is its own column, read one step earlier.

use super::expr::{AxisMap, Expr};
use super::lower::{Lowerer, Value, atoms_of};
use super::{Node, Refusal, walk};
use crate::net::{Kind, NetIndex};
use assay_circuits::model::{Loop, Source};
use tract_onnx::tract_core::ops::scan::{InputMapping, Scan};

pub fn scan(lowerer: &mut Lowerer, node: &Node<'_>, op: &Scan) -> Result<Vec<Value>, Refusal> {
    if lowerer.steps.is_some() {
        return Err(Refusal::Form("a loop inside a loop"));
    }
    if op.skip != 0 {
        return Err(Refusal::Form("a loop that skips steps"));
    }
    let steps = steps(node, op)?;
    if steps == 1 {
        return once(lowerer, node, op);
    }
    // everything from outside is a column before the loop begins
    let mut outside = Vec::new();
    for input in 0..node.inputs() {
        let value = node.input(input)?.clone();
        outside.push(match &value {
            Value::Lazy(_) => {
                let mut column = lowerer.column(&value)?;
                if let Some(InputMapping::Scan(info)) = op.input_mapping.get(input) {
                    // the steps are one axis of every block of the loop
                    column = lowerer.merged(column, info.axis)?;
                }
                lowerer.value(column)
            }
            Value::Constant(_) => value,
        });
    }
    let first = lowerer.net.layers.len() as u32;
    lowerer.steps = Some(steps);
    let outcome = body(lowerer, node, op, steps, &outside);
    lowerer.steps = None;
    let (states, values) = outcome?;
    let layers = lowerer.net.layers.len() as u32 - first;
    for (placeholder, source) in &states {
        lowerer.resolve(first, *placeholder, *source);
    }
    if layers > 0 {
        lowerer.net.loops.push(Loop { first, layers, log_steps: Lowerer::log_steps(steps) });
    }
    collect(lowerer, node, op, steps, values)
}

/// A loop of one step is its body.
fn once(lowerer: &mut Lowerer, node: &Node<'_>, op: &Scan) -> Result<Vec<Value>, Refusal> {
    let inputs = (0..node.inputs()).map(|input| node.input(input).cloned()).collect::<Result<_, _>>()?;
    let values = walk(lowerer, &op.body, inputs)?;
    let mut outputs: Vec<Option<Value>> = vec![None; node.outputs()];
    for (mapping, value) in op.output_mapping.iter().zip(values) {
        for slot in mapping.scan.iter().map(|(slot, _)| *slot).chain(mapping.last_value_slot) {
            outputs[slot] = Some(value.clone());
        }
    }
    outputs.into_iter().map(|value| value.ok_or(Refusal::Layout)).collect()
}

fn steps(node: &Node<'_>, op: &Scan) -> Result<usize, Refusal> {
    for (input, mapping) in op.input_mapping.iter().enumerate() {
        if let InputMapping::Scan(info) = mapping {
            if info.chunk.unsigned_abs() != 1 {
                return Err(Refusal::Form("a loop over chunks"));
            }
            return Ok(node.input_shape(input)?[info.axis]);
        }
    }
    Err(Refusal::Form("a loop without a sequence"))
}

type States = Vec<(Source, Source)>;

/// Lowers the body; its outputs, the steps in front, and what each state's placeholder stands for.
fn body(
    lowerer: &mut Lowerer,
    node: &Node<'_>,
    op: &Scan,
    steps: usize,
    outside: &[Value],
) -> Result<(States, Vec<Value>), Refusal> {
    let before: AxisMap = (1..1u32 << Lowerer::log_steps(steps)).map(|t| (t, t - 1, 1.0)).collect();
    let (mut inputs, mut placeholders) = (Vec::new(), Vec::new());
    for (input, mapping) in op.input_mapping.iter().enumerate() {
        let value = outside.get(input).ok_or(Refusal::Layout)?;
        inputs.push(match mapping {
            // the same in every step
            InputMapping::Full => match value {
                Value::Constant(_) => value.clone(),
                Value::Lazy(_) => {
                    lowerer.steps = None;
                    let expr = lowerer.expr(value)?;
                    lowerer.steps = Some(steps);
                    lowerer.value(expr.with_axis(0, vec![steps]))
                }
            },
            InputMapping::Scan(info) => {
                lowerer.steps = None;
                let mut expr = lowerer.expr(value)?;
                if info.chunk < 0 {
                    let map = (0..steps as u32).map(|t| (t, steps as u32 - 1 - t, 1.0)).collect();
                    expr = super::movement::map_axis(lowerer, expr, info.axis, &map, steps)?;
                }
                lowerer.steps = Some(steps);
                let mut order: Vec<usize> = (0..expr.axes.len()).collect();
                let axis = order.remove(info.axis);
                order.insert(0, axis);
                // the sequence's axis stays in the body as one of length 1
                lowerer.value(expr.transposed(&order).with_axis(info.axis + 1, Vec::new()))
            }
            InputMapping::State => {
                let shape = node.input_shape(input)?;
                let placeholder = Source::Mark(u32::MAX - lowerer.promised);
                lowerer.promised += 1;
                let mut axes = vec![vec![steps]];
                axes.extend(atoms_of(&shape));
                let mut state = Expr::column(placeholder, axes, Kind::Real);
                // the highest run is the steps'
                if let Some(run) = state.terms[0].left.runs.last_mut() {
                    run.index = NetIndex::Map { axis: Some(0), entries: before.clone() };
                }
                let zero =
                    matches!(value, Value::Constant(tensor) if super::lower::floats(tensor)?.iter().all(|v| *v == 0.0));
                if !zero {
                    lowerer.steps = None;
                    let initial = lowerer.expr(value)?;
                    let initial = if initial.constant == 0.0 { initial } else { constant_column(lowerer, &initial)? };
                    lowerer.steps = Some(steps);
                    let initial =
                        initial.with_axis(0, Vec::new()).mapped(0, &vec![(0, 0, 1.0)], steps).ok_or(Refusal::Layout)?;
                    state = state.plus(initial);
                }
                placeholders.push(placeholder);
                lowerer.value(state)
            }
        });
    }
    let values = walk(lowerer, &op.body, inputs)?;
    let (mut states, mut outputs) = (Vec::new(), Vec::new());
    let mut next = placeholders.into_iter();
    for (mapping, value) in op.output_mapping.iter().zip(values) {
        if !mapping.state {
            outputs.push(value);
            continue;
        }
        // the state's column, laid out as its placeholder promised
        let expr = lowerer.expr(&value)?;
        let mut wanted = vec![vec![steps]];
        wanted.extend(atoms_of(&expr.shape()[1..]));
        let mut expr = expr;
        for axis in 1..wanted.len() {
            expr = lowerer.merged(expr, axis)?;
        }
        let operand = expr.as_operand().cloned();
        let natural = Expr::column(operand.as_ref().map_or(Source::Input, |o| o.source), wanted, Kind::Real);
        let own = operand.as_ref() == natural.as_operand()
            && matches!(natural.as_operand().map(|o| o.source), Some(Source::Pre(_) | Source::Post(_)));
        let column = if own { natural } else { lowerer.copied(&expr)? };
        let source = Lowerer::operand(&column)?.source;
        states.push((next.next().ok_or(Refusal::Layout)?, source));
        outputs.push(lowerer.value(column));
    }
    Ok((states, outputs))
}

/// An expression with a constant as a block of weights, so that it can be there in one step only.
fn constant_column(lowerer: &mut Lowerer, expr: &Expr) -> Result<Expr, Refusal> {
    if !expr.terms.is_empty() {
        return Err(Refusal::Form("an initial state that is a sum"));
    }
    let shape = expr.shape();
    let values = vec![expr.constant as f32; expr.len()];
    let source = lowerer.weight(&shape, &values)?;
    Ok(Expr::column(source, atoms_of(&shape), expr.kind))
}

/// The scan's outputs: whole sequences, and last values.
fn collect(
    lowerer: &mut Lowerer,
    node: &Node<'_>,
    op: &Scan,
    steps: usize,
    values: Vec<Value>,
) -> Result<Vec<Value>, Refusal> {
    let mut outputs: Vec<Option<Value>> = vec![None; node.outputs()];
    for (mapping, value) in op.output_mapping.iter().zip(values) {
        let Value::Lazy(_) = value else {
            return Err(Refusal::Form("a loop whose output does not depend on the input"));
        };
        let expr = lowerer.expr(&value)?;
        if let Some((slot, info)) = mapping.scan {
            let mut sequence = expr.clone();
            if info.chunk < 0 {
                let map = (0..steps as u32).map(|t| (t, steps as u32 - 1 - t, 1.0)).collect();
                sequence = super::movement::map_axis(lowerer, sequence, 0, &map, steps)?;
            }
            // the body's axis of length 1 makes way for the steps
            let sequence = sequence.without_axis(info.axis + 1);
            let mut order: Vec<usize> = (1..sequence.axes.len()).collect();
            order.insert(info.axis, 0);
            outputs[slot] = Some(lowerer.value(sequence.transposed(&order)));
        }
        if let Some(slot) = mapping.last_value_slot {
            let last = super::movement::map_axis(lowerer, expr, 0, &vec![(0, steps as u32 - 1, 1.0)], 1)?;
            outputs[slot] = Some(lowerer.value(last.without_axis(0)));
        }
    }
    outputs.into_iter().map(|value| value.ok_or(Refusal::Layout)).collect()
}
