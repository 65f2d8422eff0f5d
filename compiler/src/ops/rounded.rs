//! Roundings of sums, as quantised networks have them: the sum, with all its factors, is one layer that rounds.

use super::Refusal;
use super::expr::{Expr, Term};
use super::lower::{Lazy, Lowerer, Value, unary};
use crate::net::{Kind, NetIndex, NetOperand, NetRule, rounding};
use crate::quantise::port_of;
use assay_circuits::model::{Source, Unary};

/// `round(value)`. `None` where the value is no sum, so that its rounding is a part of a table.
pub fn round(lowerer: &mut Lowerer, lazy: &Lazy) -> Option<Value> {
    if lazy.kind != Kind::Real {
        return Some(Value::Lazy(lazy.clone()));
    }
    let (factor, shift) = lazy.affine?;
    let expr = lowerer.base(lazy);
    if lowerer.is_shared(lazy) && expr.terms.iter().any(|term| term.right.is_some()) {
        return None;
    }
    let expr = expr.clone().affine(factor, shift);
    if is_whole(lowerer, &expr) {
        let whole = lowerer.lazy(Expr { kind: Kind::Integer, ..expr });
        return Some(Value::Lazy(whole));
    }
    let sum = lowerer.lazy(Expr { kind: Kind::Real, ..expr });
    Some(Value::Lazy(lowerer.apply(&sum, &unary(Unary::Round), Kind::Real)))
}

/// A value that has been rounded and clamped as a column of integers, which sums can read; others as they are.
pub fn settled(lowerer: &mut Lowerer, value: &Value) -> Result<Value, Refusal> {
    match value {
        Value::Lazy(lazy) if rounding::ends(&lazy.program).is_some() => {
            let column = lowerer.column(value)?;
            Ok(lowerer.value(column))
        }
        value => Ok(value.clone()),
    }
}

/// A sum of products of integers as a column that is exactly that, whatever its size; others as they are.
pub fn whole_column(lowerer: &mut Lowerer, value: &Value) -> Result<Value, Refusal> {
    let Value::Lazy(lazy) = value else { return Ok(value.clone()) };
    let expr = lowerer.base(lazy).clone();
    let sums = expr.terms.iter().any(|term| term.right.is_some());
    if lazy.kind != Kind::Integer || lazy.affine != Some((1.0, 0.0)) || !sums || !is_whole(lowerer, &expr) {
        return Ok(value.clone());
    }
    let layer = lowerer.layer(&Expr { kind: Kind::Integer, ..expr.clone() }, NetRule::Exact)?;
    Ok(lowerer.value(Expr::column(Source::Pre(layer), expr.axes, Kind::Integer)))
}

/// Whether a sum is one of integers whatever the input: of columns, weights and factors that are.
fn is_whole(lowerer: &Lowerer, expr: &Expr) -> bool {
    let term = |term: &Term| {
        term.coefficient.fract() == 0.0
            && std::iter::once(&term.left).chain(&term.right).all(|operand| reads_integers(lowerer, operand))
    };
    expr.constant.fract() == 0.0 && expr.terms.iter().all(term)
}

fn reads_integers(lowerer: &Lowerer, operand: &NetOperand) -> bool {
    let net = &lowerer.net;
    let layer = |l: u32| net.layers.get(l as usize);
    let source = match operand.source {
        Source::Input => port_of(&net.inputs, operand).is_some_and(|port| net.inputs[port].kind != Kind::Real),
        Source::Pre(l) | Source::Max(l) => layer(l).is_some_and(|layer| layer.kind != Kind::Real),
        Source::Post(l) => layer(l).is_some_and(|layer| layer.post_kind != Kind::Real),
        Source::Mark(_) => true,
        Source::Weight(w) => net.weights.get(w as usize).is_some_and(|block| block.iter().all(|v| v.fract() == 0.0)),
        Source::Bias(_) => false,
    };
    let whole = |index: &NetIndex| match index {
        NetIndex::Map { entries, .. } => entries.iter().all(|entry| entry.2.fract() == 0.0),
        NetIndex::Axis(_) | NetIndex::Window { .. } => true,
    };
    source && operand.runs.iter().all(|run| whole(&run.index))
}
