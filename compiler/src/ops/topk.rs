//! The largest elements of an axis in order, by the rank of each: how many elements are before it.
//!
//! `G[i, j] = [x_j >= x_i]`, one lookup a pair. Of two equal elements the first is before, so that the rank is
//!
//! `rank_i = Σ_{j < i} G[i, j] + Σ_{j > i} (1 - G[j, i])`,
//!
//! a permutation whatever ties there are. The element of rank `t` is `Σ_i [rank_i = t] · x_i`.

use super::elementwise::{applied, product_of, sum};
use super::expr::{AxisMap, Expr};
use super::lower::{Lowerer, Value};
use super::movement::map_axis;
use super::{Node, Refusal};
use crate::net::Kind;
use assay_circuits::model::{Binary, Instruction};
use tract_onnx::prelude::*;
use tract_onnx::tract_core::ops::array::Topk;

/// Most pairs that are compared.
const MAX_PAIRS: usize = 1 << 20;

/// A constant of whole numbers.
fn whole(shape: &[usize], values: &[f32]) -> Result<Value, Refusal> {
    Ok(Value::Constant(Tensor::from_shape(shape, values).map_err(|_| Refusal::Type)?.into()))
}

pub fn top_k(lowerer: &mut Lowerer, node: &Node<'_>, op: &Topk) -> Result<Vec<Value>, Refusal> {
    let Value::Constant(_) = node.input(1)? else { return Err(Refusal::Form("a K that depends on the input")) };
    let (shape, output) = (node.input_shape(0)?, node.output_shape(0)?);
    let (len, k) = (shape[op.axis], output[op.axis]);
    let rows: usize = shape.iter().product::<usize>() / len;
    if rows.saturating_mul(len).saturating_mul(len) > MAX_PAIRS {
        return Err(Refusal::Pairs);
    }
    if k > len {
        return Err(Refusal::IndexRange);
    }
    let lead = lowerer.lead();
    let (axis, rank) = (op.axis + lead, shape.len() + lead);
    // the axis goes to the end
    let column = lowerer.column(&node.input(0)?.clone())?;
    let mut order: Vec<usize> = (0..rank).filter(|at| *at != axis).collect();
    order.push(axis);
    let column = lowerer.merged(column.transposed(&order), rank - 1)?;
    let mut back: Vec<usize> = (0..rank - 1).collect();
    back.insert(axis, rank - 1);
    if len == 1 {
        let zero = Expr { kind: Kind::Integer, ..Expr::constant(0.0, column.axes.clone()) };
        return Ok([column, zero].into_iter().map(|expr| lowerer.value(expr.transposed(&back))).collect());
    }
    let ranks = ranks(lowerer, &column, len, op.largest)?;
    // [..., t, i]: 1 where element i has rank t
    let ranks = lowerer.value(ranks.with_axis(rank - 1, Vec::new()));
    let mut places = vec![1; rank + 1 - lead];
    places[rank - 1 - lead] = k;
    let places = whole(&places, &(0..k).map(|t| t as f32).collect::<Vec<_>>())?;
    let difference = sum(lowerer, &ranks, &places, -1.0)?;
    let equal = [Instruction::Argument, Instruction::constant(0.0), Instruction::Binary(Binary::Equal)];
    let hot = applied(lowerer, &difference, &equal, Kind::Boolean)?;
    let hot = lowerer.column(&hot)?;
    let kind = column.kind;
    let picked = product_of(lowerer, hot.clone(), column.with_axis(rank - 1, Vec::new()))?;
    let values = lowerer.expr(&picked)?.summed(rank).ok_or(Refusal::Layout)?.without_axis(rank);
    let numbers: AxisMap = (1..len as u32).map(|i| (0, i, f64::from(i))).collect();
    let indices = map_axis(lowerer, hot, rank, &numbers, 1)?.without_axis(rank);
    let (values, indices) = (Expr { kind, ..values }, Expr { kind: Kind::Integer, ..indices });
    Ok([values, indices].into_iter().map(|expr| lowerer.value(expr.transposed(&back))).collect())
}

/// How many elements of the last axis are before each.
fn ranks(lowerer: &mut Lowerer, column: &Expr, len: usize, largest: bool) -> Result<Expr, Refusal> {
    let rank = column.axes.len();
    // [..., i, j]
    let own = lowerer.value(column.clone().with_axis(rank, Vec::new()));
    let other = lowerer.value(column.clone().with_axis(rank - 1, Vec::new()));
    let difference = if largest { sum(lowerer, &other, &own, -1.0)? } else { sum(lowerer, &own, &other, -1.0)? };
    let not_less = [Instruction::constant(0.0), Instruction::Argument, Instruction::Binary(Binary::LessEqual)];
    let before = applied(lowerer, &difference, &not_less, Kind::Boolean)?;
    let before = lowerer.column(&before)?;
    let mut sum: Option<Expr> = None;
    for (turned, sign) in [(false, 1.0), (true, -1.0)] {
        let mask: Vec<f32> = (0..len * len)
            .map(|at| (at / len, at % len))
            .map(|(i, j)| f32::from(u8::from((j > i) == turned && i != j)))
            .collect();
        let mut order: Vec<usize> = (0..=rank).collect();
        if turned {
            order.swap(rank - 1, rank);
        }
        let pairs = before.clone().transposed(&order);
        let mut shape = vec![1; rank + 1 - lowerer.lead()];
        let end = shape.len();
        (shape[end - 2], shape[end - 1]) = (len, len);
        let mask = whole(&shape, &mask)?;
        let mask = lowerer.column(&mask)?;
        let product = product_of(lowerer, pairs, mask)?;
        let part = lowerer.expr(&product)?.summed(rank).ok_or(Refusal::Layout)?.without_axis(rank).affine(sign, 0.0);
        sum = Some(match sum {
            None => part,
            Some(sum) => sum.plus(part),
        });
    }
    // 1 for each of the j > i
    let ones: Vec<f32> = (0..len).map(|i| (len - 1 - i) as f32).collect();
    let mut shape = vec![1; rank - lowerer.lead()];
    if let Some(last) = shape.last_mut() {
        *last = len;
    }
    let ones = whole(&shape, &ones)?;
    let ones = lowerer.expr(&ones)?;
    let (sum, ones) = lowerer.aligned(sum.ok_or(Refusal::Layout)?, ones)?;
    let ranks = Expr { kind: Kind::Integer, ..sum.plus(ones) };
    lowerer.copied(&ranks)
}
