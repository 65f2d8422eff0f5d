//! The range of a tensor, from its least number or 0 to its largest or 0, as DynamicQuantizeLinear divides by it.
//!
//! It is kept whole: a scale that was rounded would move every integer that is divided by it. So are the tensors that
//! are divided, where they are sums of integers times such a range: they become two columns, of which the second holds
//! what the first has no room for.

use super::Refusal;
use super::expr::{Expr, Term, log};
use super::lower::{Lazy, Lowerer, Value};
use crate::net::{Kind, NetIndex, NetLayer, NetOperand, NetRule, NetRun, NetTerm};
use assay_circuits::model::Source;

/// What is added to a range that is at most so large is no number, but keeps a division by 0 away.
const NOTHING: f64 = 1e-20;
/// Log of the most summands of a sum that is multiplied by a range of two columns, so that the product has room.
const MOST_SUMMANDS: u32 = 10;

/// A range times a number, as a column that is exactly the range, times that number. `None` for other values.
pub fn whole(lowerer: &mut Lowerer, lazy: &Lazy) -> Result<Option<Lazy>, Refusal> {
    let Some((factor, _)) = lazy.affine.filter(|(_, shift)| shift.abs() <= NOTHING) else { return Ok(None) };
    if lowerer.base(lazy).constant.abs() > NOTHING {
        return Ok(None);
    }
    let expr = Expr { constant: 0.0, ..lowerer.base(lazy).clone() };
    if is_column(lowerer, &expr) {
        lowerer.replace(lazy, expr);
    } else {
        let Some(range) = distances(lowerer, &expr) else { return Ok(None) };
        let layer = lowerer.layer(&range, NetRule::Exact)?;
        lowerer.replace(lazy, Expr::column(Source::Pre(layer), range.axes, Kind::Real));
    }
    Ok(Some(Lazy { affine: Some((factor, 0.0)), ..lazy.clone() }))
}

/// The same as a factor of `sums`. One of two columns stays whole where sums are multiplied by nothing else, so that
/// only the next range divides them and their scale cancels out, and where they have so few summands that there is
/// room.
pub fn factor(lowerer: &mut Lowerer, lazy: &Lazy, sums: &Value) -> Result<Option<Value>, Refusal> {
    let Some(range) = whole(lowerer, lazy)? else { return Ok(None) };
    let (factor, _) = range.affine.unwrap_or((1.0, 0.0));
    if !is_wide(lowerer, &range) || (factor == 1.0 && summands(lowerer, sums) <= MOST_SUMMANDS) {
        return Ok(Some(Value::Lazy(range)));
    }
    let expr = lowerer.base(&range).clone();
    let column = lowerer.copied(&expr)?;
    Ok(Some(lowerer.value(column.affine(factor, 0.0))))
}

/// Log of how many products each element of a sum adds up, padding included.
fn summands(lowerer: &Lowerer, value: &Value) -> u32 {
    let Value::Lazy(lazy) = value else { return 0 };
    let expr = lowerer.base(lazy);
    let of = |term: &Term| term.summed.iter().map(|len| u32::from(log(*len))).sum::<u32>();
    let layer = expr.as_operand().and_then(|operand| lowerer.net.layers.get(operand.source.layer()? as usize));
    let of_layer = |term: &NetTerm| term.axes.iter().rev().take(term.summed.into()).map(|log| u32::from(*log)).sum();
    let made = layer.and_then(|layer| layer.terms.iter().map(of_layer).max()).unwrap_or(0);
    expr.terms.iter().map(of).max().unwrap_or(0).max(made)
}

/// Whether a range is more than the maxima of single columns.
fn is_wide(lowerer: &Lowerer, range: &Lazy) -> bool {
    let Some(Source::Pre(l)) = lowerer.base(range).as_operand().map(|operand| operand.source) else { return false };
    let rest = |term: &NetTerm| lowerer.wide.iter().any(|(_, low)| *low == term.left.source);
    lowerer.net.layers.get(l as usize).is_some_and(|layer| layer.terms.iter().any(rest))
}

/// A column to divide by a range, which is never 0.
pub fn divisor(lowerer: &mut Lowerer, value: &Value) -> Result<Option<Expr>, Refusal> {
    let Value::Lazy(lazy) = value else { return Ok(None) };
    let Some(range) = whole(lowerer, lazy)?.filter(|range| range.affine == Some((1.0, 0.0))) else { return Ok(None) };
    let range = lowerer.base(&range).clone();
    // a column of its own: what divides has one unit added
    let layer = lowerer.layer(&range, NetRule::Exact)?;
    Ok(Some(Expr::column(Source::Pre(layer), range.axes, Kind::Real)))
}

/// A value times the reciprocal of a range, as tract writes a division by one: a division after all, since a reciprocal
/// would be rounded before it is multiplied. `None` for other factors.
pub fn divided(lowerer: &mut Lowerer, value: &Value, reciprocal: &Value) -> Result<Option<Value>, Refusal> {
    let Value::Lazy(lazy) = reciprocal else { return Ok(None) };
    let Some((factor, _)) = lazy.affine.filter(|(_, shift)| *shift == 0.0) else { return Ok(None) };
    let expr = lowerer.base(lazy);
    let Some(Source::Pre(l)) = expr.as_operand().map(|operand| operand.source) else { return Ok(None) };
    let axes = expr.axes.clone();
    let Some(NetLayer { rule: NetRule::Divide { by, function: None, .. }, terms, .. }) =
        lowerer.net.layers.get(l as usize)
    else {
        return Ok(None);
    };
    let Source::Pre(divisor) = by.source else { return Ok(None) };
    let of = lowerer.net.layers.get(divisor as usize).and_then(|layer| layer.terms.first());
    let of_range = of.is_some_and(|term| matches!(term.left.source, Source::Pre(range) if is_range(lowerer, range)));
    if !terms.is_empty() || !of_range || !by.runs.is_empty() {
        return Ok(None);
    }
    let by = Expr::column(Source::Pre(divisor), axes, Kind::Real);
    let numerator = lowerer.expr(value)?.affine(factor, 0.0);
    let (numerator, by) = lowerer.aligned(numerator, by)?;
    super::divide::by_column(lowerer, &numerator, &by).map(Some)
}

/// A sum of maxima with 0, as what is never negative: how far each is above the 0. `None` for other expressions.
fn distances(lowerer: &Lowerer, expr: &Expr) -> Option<Expr> {
    let of = |term: &Term| {
        let Source::Max(l) = term.left.source else { return None };
        if term.coefficient != 1.0 || term.right.is_some() || !term.left.runs.is_empty() {
            return None;
        }
        let rest = lowerer.wide.iter().any(|(_, low)| *low == term.left.source);
        let left = if rest { term.left.clone() } else { above_zero(l, lowerer.net.layers.get(l as usize)?)? };
        Some(Term { left, ..term.clone() })
    };
    if expr.constant != 0.0 || expr.terms.is_empty() {
        return None;
    }
    Some(Expr { terms: expr.terms.iter().map(of).collect::<Option<_>>()?, kind: Kind::Real, ..expr.clone() })
}

/// Of the maximum of a number and 0, the distance of the 0.
fn above_zero(l: u32, layer: &NetLayer) -> Option<NetOperand> {
    let (NetRule::Maximum { low: 0, bits: 1, len: 2, .. }, [term]) = (&layer.rule, &layer.terms[..]) else {
        return None;
    };
    let place = |run: &NetRun| match &run.index {
        NetIndex::Map { axis: Some(_), entries } if entries.len() == 1 => Some(1 - entries[0].0),
        _ => None,
    };
    let zero = term.left.runs.iter().find_map(place)?;
    let index = NetIndex::Map { axis: None, entries: vec![(0, zero, 1.0)] };
    (layer.log_size() == 1).then(|| NetOperand { source: Source::Pre(l), runs: vec![NetRun { log_len: 1, index }] })
}

/// Whether an expression is a column that [`whole`] made.
fn is_column(lowerer: &Lowerer, expr: &Expr) -> bool {
    let Some(Source::Pre(l)) = expr.as_operand().map(|operand| operand.source) else { return false };
    is_range(lowerer, l)
}

/// Whether a layer is a range.
fn is_range(lowerer: &Lowerer, l: u32) -> bool {
    let Some(layer) = lowerer.net.layers.get(l as usize) else { return false };
    let distance = |term: &NetTerm| match term.left.source {
        Source::Pre(of) => {
            lowerer.net.layers.get(of as usize).is_some_and(|layer| above_zero(of, layer).as_ref() == Some(&term.left))
        }
        source => lowerer.wide.iter().any(|(_, low)| *low == source),
    };
    layer.rule == NetRule::Exact && !layer.terms.is_empty() && layer.terms.iter().all(distance)
}

/// The maximum over axes of a sum of integers times a range, or of what is left of one after other axes: two columns.
/// With a sign of -1, the minimum. `None` for other values.
pub fn wide_extreme(lowerer: &mut Lowerer, value: &Value, axes: &[usize], sign: f64) -> Result<Option<Value>, Refusal> {
    let Value::Lazy(lazy) = value else { return Ok(None) };
    if lazy.affine != Some((1.0, 0.0)) || lowerer.steps.is_some() {
        return Ok(None);
    }
    let expr = lowerer.base(lazy);
    let long: Vec<usize> = axes.iter().rev().copied().filter(|axis| !expr.axes[*axis].is_empty()).collect();
    if long.is_empty() || long.iter().any(|axis| expr.axes[*axis].len() > 1) {
        return Ok(None);
    }
    let mut found = match wide(lowerer, lazy, sign)? {
        Some(wide) => wide,
        None => lowerer.base(lazy).clone().affine(sign, 0.0),
    };
    for axis in long {
        match maximum_of_both(lowerer, &found, axis)? {
            Some(next) => found = next,
            None => return Ok(None),
        }
    }
    Ok(Some(lowerer.value(found.affine(sign, 0.0))))
}

/// A sum of integers times a range, times a sign, as two columns. `None` for other values.
fn wide(lowerer: &mut Lowerer, lazy: &Lazy, sign: f64) -> Result<Option<Expr>, Refusal> {
    let sum = match lowerer.wide_sums.get(&lazy.base) {
        Some(sum) => sum.clone(),
        None if is_sum_of_exact(lowerer, lowerer.base(lazy)) => lowerer.base(lazy).clone(),
        None => return Ok(None),
    };
    if sign < 0.0 {
        return two_columns(lowerer, &sum.affine(sign, 0.0)).map(Some);
    }
    if !lowerer.wide_sums.contains_key(&lazy.base) {
        let both = two_columns(lowerer, &sum)?;
        lowerer.wide_sums.insert(lazy.base, sum);
        lowerer.replace(lazy, both);
    }
    Ok(Some(lowerer.base(lazy).clone()))
}

/// The maximum over an axis of what two columns add up to. `None` for other expressions.
fn maximum_of_both(lowerer: &mut Lowerer, expr: &Expr, axis: usize) -> Result<Option<Expr>, Refusal> {
    let [high, low] = &expr.terms[..] else { return Ok(None) };
    let known = (high.left.source, low.left.source);
    let plain = expr.constant == 0.0 && high.coefficient == 1.0 && low.coefficient == 1.0;
    if !plain || !lowerer.wide.contains(&known) {
        return Ok(None);
    }
    let only = |term: &Term| Expr { terms: vec![term.clone()], ..expr.clone() };
    let axes = super::reduce::without(&expr.axes, axis);
    let top = super::reduce::maximum_layer(lowerer, &only(high), axis, None)?;
    let top_column = Expr::column(Source::Max(top), axes.clone(), Kind::Real);
    // of the places with the largest high part, the largest low part; it is 0 at the others
    let mark = Expr::column(Source::Mark(top), expr.axes.clone(), Kind::Integer);
    let Value::Lazy(marked) = super::elementwise::product_of(lowerer, mark, only(low))? else { return Ok(None) };
    let marked = Expr { kind: Kind::Real, ..lowerer.base(&marked).clone() };
    let layer = lowerer.layer(&marked, NetRule::Exact)?;
    let marked = Expr::column(Source::Pre(layer), marked.axes, Kind::Real);
    let rest = super::reduce::maximum_layer(lowerer, &marked, axis, None)?;
    lowerer.wide.push((Source::Max(top), Source::Max(rest)));
    Ok(Some(top_column.plus(Expr::column(Source::Max(rest), axes, Kind::Real))))
}

/// Whether an expression has products, all of them of exact columns: sums of integers, times a range.
fn is_sum_of_exact(lowerer: &Lowerer, expr: &Expr) -> bool {
    let kept = |l: u32| lowerer.net.layers.get(l as usize).is_some_and(|layer| layer.rule == NetRule::Exact);
    let exact = |operand: &NetOperand| matches!(operand.source, Source::Pre(l) if kept(l));
    let mut products = expr.terms.iter().filter_map(|term| Some((&term.left, term.right.as_ref()?))).peekable();
    expr.kind == Kind::Real && products.peek().is_some() && products.all(|(a, b)| exact(a) && exact(b))
}

/// A sum of integers times a range, times a power of two, which such a sum takes in. `None` for other products.
pub fn scaled_sum(lowerer: &mut Lowerer, lazy: &Lazy, number: f64) -> Option<Value> {
    let power = number > 0.0 && number.log2().fract() == 0.0;
    if !power
        || lazy.affine != Some((1.0, 0.0))
        || lowerer.is_shared(lazy)
        || !is_sum_of_exact(lowerer, lowerer.base(lazy))
    {
        return None;
    }
    let expr = lowerer.base(lazy).clone().affine(number, 0.0);
    Some(lowerer.value(expr))
}

/// An expression as two columns that add up to it: a column as any other, and what that rounds down.
fn two_columns(lowerer: &mut Lowerer, expr: &Expr) -> Result<Expr, Refusal> {
    let high = lowerer.layer(expr, NetRule::Requantise { function: None })?;
    let high = Expr::column(Source::Pre(high), expr.axes.clone(), Kind::Real);
    let rest = expr.clone().plus(high.clone().affine(-1.0, 0.0));
    let relu = super::elementwise::never_negative();
    let low = lowerer.layer(&rest, NetRule::Requantise { function: Some(relu) })?;
    let low = Expr::column(Source::Post(low), expr.axes.clone(), Kind::Real);
    if let (Some(high), Some(low)) = (high.as_operand(), low.as_operand()) {
        lowerer.wide.push((high.source, low.source));
    }
    Ok(high.plus(low))
}
