//! Reductions, softmax, roots of sums of squares.

use super::elementwise::{applied, as_lazy, product, sum};
use super::expr::{Expr, log};
use super::lower::{Lazy, Lowerer, Value};
use super::{Node, Refusal};
use crate::net::{Kind, NetRule};
use assay_circuits::model::{Binary, Instruction, Source, Unary};
use tract_onnx::tract_core::ops::nn::{Reduce, Reducer, RmsNorm, Softmax, SoftmaxKind};

/// What stands for infinity where a mask is added or chosen: `exp(-MASK)` is 0 in every table, and scores keep their
/// accuracy beside it.
pub const MASK: f32 = 32.0;
/// What is at least as large stands for infinity in a mask.
const INFINITE: f32 = 1e4;

/// An integer that may need more than 16 bits is a low digit and a high one, which counts this much.
pub const DIGIT: u32 = 1 << LOG_DIGIT;
pub const LOG_DIGIT: u8 = 15;

/// Most factors of a product over an axis: each is a layer.
const MAX_FACTORS: usize = 64;

/// A number as it is, or [`MASK`] where it is so large that it stands for infinity.
pub fn masked(value: f32) -> f32 {
    if value.abs() >= INFINITE { MASK.copysign(value) } else { value }
}

/// The sum over axes, each of which then has length 1.
pub fn summed(lowerer: &mut Lowerer, value: &Value, axes: &[usize]) -> Result<Expr, Refusal> {
    let lead = lowerer.lead();
    let mut expr = lowerer.expr(value)?;
    for axis in axes {
        expr = match expr.clone().summed(axis + lead) {
            Some(done) => done,
            None => lowerer.copied(&expr)?.summed(axis + lead).ok_or(Refusal::Layout)?,
        };
    }
    Ok(expr)
}

pub fn reduce(lowerer: &mut Lowerer, node: &Node<'_>, op: &Reduce) -> Result<Value, Refusal> {
    let value = node.input(0)?.clone();
    let shape = node.input_shape(0)?;
    let count: usize = op.axes.iter().map(|axis| shape[*axis]).product();
    let axes: Vec<usize> = op.axes.to_vec();
    match op.reducer {
        Reducer::Sum => {
            let expr = summed(lowerer, &value, &axes)?;
            Ok(lowerer.value(expr))
        }
        Reducer::MeanOfSquares => {
            let lazy = as_lazy(lowerer, &value)?;
            let square = super::elementwise::square(lowerer, &lazy, Kind::Real)?;
            let expr = summed(lowerer, &square, &axes)?.affine(1.0 / count as f64, 0.0);
            Ok(lowerer.value(expr))
        }
        Reducer::Max => extreme(lowerer, &value, &axes, 1.0),
        Reducer::Min => extreme(lowerer, &value, &axes, -1.0),
        Reducer::ArgMax(last) => arg_max(lowerer, &value, &axes, 1.0, last),
        Reducer::ArgMin(last) => arg_max(lowerer, &value, &axes, -1.0, last),
        Reducer::Prod => axes.iter().try_fold(value, |value, axis| multiplied(lowerer, &value, *axis, shape[*axis])),
        Reducer::All | Reducer::Any => {
            let total = summed(lowerer, &value, &axes)?;
            let total = lowerer.value(total);
            let limit = if op.reducer == Reducer::Any { 1.0 } else { count as f32 };
            let steps = [Instruction::constant(limit), Instruction::Argument, Instruction::Binary(Binary::LessEqual)];
            applied(lowerer, &total, &steps, Kind::Boolean)
        }
    }
}

/// The product over an axis, which then has length 1.
fn multiplied(lowerer: &mut Lowerer, value: &Value, axis: usize, len: usize) -> Result<Value, Refusal> {
    if len > MAX_FACTORS {
        return Err(Refusal::TooLarge);
    }
    let at = |lowerer: &mut Lowerer, i: usize| -> Result<Value, Refusal> {
        let expr = super::movement::mapped(lowerer, value, axis + lowerer.lead(), &vec![(0, i as u32, 1.0)], 1)?;
        Ok(lowerer.value(expr))
    };
    let mut all = at(lowerer, 0)?;
    for i in 1..len {
        let next = at(lowerer, i)?;
        all = product(lowerer, &all, &next, Kind::Real)?;
    }
    Ok(all)
}

/// A column in which the axes that are reduced are one axis: the layout that a maximum needs. Returns it with that
/// axis's number, which is the first of them.
fn one_axis(lowerer: &mut Lowerer, value: &Value, axes: &[usize]) -> Result<(Expr, usize), Refusal> {
    let lead = lowerer.lead();
    let expr = lowerer.expr(value)?;
    if let [axis] = axes[..] {
        return Ok((lowerer.merged(expr, axis + lead)?, axis + lead));
    }
    // several axes: moved to the end, and made one
    let rank = expr.axes.len();
    let moved: Vec<usize> = axes.iter().map(|axis| axis + lead).collect();
    let mut order: Vec<usize> = (0..rank).filter(|axis| !moved.contains(axis)).collect();
    let kept = order.len();
    order.extend(&moved);
    let mut expr = expr.transposed(&order);
    let joined: Vec<usize> = expr.axes.drain(kept..).flatten().collect();
    expr.axes.push(joined);
    Ok((lowerer.merged(expr, kept)?, kept))
}

/// A layer that takes the maximum over an axis of an expression; its index.
pub(super) fn maximum_layer(
    lowerer: &mut Lowerer,
    expr: &Expr,
    axis: usize,
    function: Option<Vec<Instruction>>,
) -> Result<u32, Refusal> {
    // a maximum compares numbers of one width: those of a column
    let plain = |term: &super::expr::Term| {
        term.right.is_none()
            && term.coefficient.abs() == 1.0
            && matches!(term.left.source, Source::Pre(_) | Source::Post(_) | Source::Mark(_) | Source::Max(_))
    };
    let expr = if expr.constant == 0.0 && expr.terms.len() == 1 && expr.terms.iter().all(plain) {
        expr.clone()
    } else {
        lowerer.copied(expr)?
    };
    let low: u8 = expr.axes[axis + 1..].iter().flatten().map(|len| log(*len)).sum();
    let len: usize = expr.axes[axis].iter().product();
    lowerer.layer(&expr, NetRule::Maximum { low, bits: log(len), len: len as u32, function })
}

/// The axes without one.
pub(super) fn without(axes: &[Vec<usize>], axis: usize) -> Vec<Vec<usize>> {
    let mut axes = axes.to_vec();
    axes[axis].clear();
    axes
}

/// How many elements axes have together.
fn elements(lowerer: &mut Lowerer, value: &Value, axes: &[usize]) -> Result<usize, Refusal> {
    let lead = lowerer.lead();
    let lazy = as_lazy(lowerer, value)?;
    Ok(axes.iter().flat_map(|axis| &lowerer.axes(&lazy)[axis + lead]).product())
}

fn extreme(lowerer: &mut Lowerer, value: &Value, axes: &[usize], sign: f64) -> Result<Value, Refusal> {
    let lead = lowerer.lead();
    if let Some(wide) = super::ranges::wide_extreme(lowerer, value, axes, sign)? {
        return Ok(wide);
    }
    if let ([first, rest @ ..], true) = (axes, elements(lowerer, value, axes)? > super::expr::MAX_ENTRIES)
        && !rest.is_empty()
    {
        // too many to be moved beside each other: one axis after the other
        let value = extreme(lowerer, value, rest, sign)?;
        return extreme(lowerer, &value, &[*first], sign);
    }
    let rank = {
        let lazy = as_lazy(lowerer, value)?;
        lowerer.axes(&lazy).len()
    };
    let (expr, axis) = one_axis(lowerer, value, axes)?;
    let expr = expr.affine(sign, 0.0);
    let mut result = if expr.axes[axis].is_empty() {
        // of one element
        expr.affine(sign, 0.0)
    } else {
        let layer = maximum_layer(lowerer, &expr, axis, None)?;
        Expr::column(Source::Max(layer), without(&expr.axes, axis), expr.kind).affine(sign, 0.0)
    };
    if axes.len() > 1 {
        // the reduced axes come back with length 1 where they were
        result = result.without_axis(axis);
        let mut sorted: Vec<usize> = axes.iter().map(|axis| axis + lead).collect();
        sorted.sort_unstable();
        for axis in sorted {
            result = result.with_axis(axis, Vec::new());
        }
        debug_assert_eq!(result.axes.len(), rank);
    }
    Ok(lowerer.value(result))
}

/// The place of the first maximum (or of the last): of the marks, each times how far it is from the end, the largest
/// says where.
fn arg_max(lowerer: &mut Lowerer, value: &Value, axes: &[usize], sign: f64, last: bool) -> Result<Value, Refusal> {
    let [axis] = axes[..] else { return Err(Refusal::Form("several axes")) };
    let at = axis + lowerer.lead();
    let (expr, axis) = one_axis(lowerer, value, axes)?;
    debug_assert_eq!(axis, at);
    let expr = expr.affine(sign, 0.0);
    let len: usize = expr.axes[axis].iter().product();
    if len == 1 {
        return Ok(lowerer.value(Expr { kind: Kind::Integer, ..Expr::constant(0.0, expr.axes) }));
    }
    // keys and what is not marked together are more than half of the integers of 16 bits
    let wide = len > i16::MAX as usize;
    if len >= u16::MAX.into() {
        return Err(Refusal::Form("more than 65,534 places"));
    }
    let layer = maximum_layer(lowerer, &expr, axis, None)?;
    let marks = Expr::column(Source::Mark(layer), expr.axes.clone(), Kind::Integer);
    let key = |i: usize| if last { i + 1 } else { len - i };
    let keys = marks
        .mapped(axis, &(0..len).map(|i| (i as u32, i as u32, key(i) as f64)).collect(), len)
        .ok_or(Refusal::Layout)?;
    let keys = if wide { keys.affine(1.0, -f64::from(i16::MAX)) } else { keys };
    let layer = maximum_layer(lowerer, &Expr { kind: Kind::Integer, ..keys }, axis, None)?;
    if wide {
        let mark = Expr::column(Source::Mark(layer), expr.axes.clone(), Kind::Integer);
        return number_of(lowerer, &mark, axis, len);
    }
    let found =
        Expr { kind: Kind::Integer, ..Expr::column(Source::Max(layer), without(&expr.axes, axis), Kind::Integer) };
    Ok(lowerer.value(if last { found.affine(1.0, -1.0) } else { found.affine(-1.0, len as f64) }))
}

/// The number of the one place that is marked, from two digits: a column holds 16 bits.
fn number_of(lowerer: &mut Lowerer, mark: &Expr, axis: usize, len: usize) -> Result<Value, Refusal> {
    let mut digit = |of: fn(u32) -> u32| -> Result<Value, Refusal> {
        let entries = (0..len as u32).filter(|i| of(*i) > 0).map(|i| (0, i, f64::from(of(i)))).collect();
        let digit = mark.clone().mapped(axis, &entries, 1).ok_or(Refusal::Layout)?;
        let column = lowerer.copied(&Expr { kind: Kind::Integer, ..digit })?;
        Ok(lowerer.value(column))
    };
    let (low, high) = (digit(|i| i & (DIGIT - 1))?, digit(|i| i / DIGIT)?);
    sum(lowerer, &low, &high, f64::from(DIGIT))
}

pub fn softmax(lowerer: &mut Lowerer, node: &Node<'_>, op: &Softmax) -> Result<Value, Refusal> {
    let value = node.input(0)?.clone();
    let lead = lowerer.lead();
    if let [axis] = op.axes[..] {
        return softmax_over(lowerer, &value, axis + lead, op.kind);
    }
    // several axes: at the end they are one, and afterwards what they were
    let shape: Vec<usize> = lowerer.steps.iter().copied().chain(node.input_shape(0)?).collect();
    let reduced: Vec<usize> = op.axes.iter().map(|axis| axis + lead).collect();
    let (joined, at) = one_axis(lowerer, &value, &op.axes)?;
    let joined = lowerer.value(joined);
    let soft = softmax_over(lowerer, &joined, at, op.kind)?;
    let mut order: Vec<usize> = (0..shape.len()).filter(|axis| !reduced.contains(axis)).collect();
    order.extend(&reduced);
    let moved: Vec<usize> = order.iter().map(|axis| shape[*axis]).collect();
    let back: Vec<usize> =
        (0..shape.len()).map(|axis| order.iter().position(|from| *from == axis).unwrap_or(axis)).collect();
    let expr = super::movement::reshape(lowerer, &soft, &moved)?.transposed(&back);
    Ok(lowerer.value(expr))
}

/// Maximum and exponential in one lookup, a division a row, a product.
fn softmax_over(lowerer: &mut Lowerer, value: &Value, at: usize, kind: SoftmaxKind) -> Result<Value, Refusal> {
    let (expr, axis) = one_axis(lowerer, value, &[at - lowerer.lead()])?;
    debug_assert_eq!(axis, at);
    if expr.axes[axis].is_empty() {
        return Ok(lowerer.value(Expr::constant(if kind == SoftmaxKind::Softmax { 1.0 } else { 0.0 }, expr.axes)));
    }
    let program = vec![Instruction::Argument, Instruction::Unary(Unary::Neg), Instruction::Unary(Unary::Exp)];
    let layer = maximum_layer(lowerer, &expr, axis, Some(program))?;
    if let Some(layer) = lowerer.net.layers.get_mut(layer as usize) {
        layer.post_kind = Kind::Real;
    }
    let exp = Expr::column(Source::Post(layer), expr.axes.clone(), Kind::Real);
    let total = exp.clone().summed(axis).ok_or(Refusal::Layout)?;
    let total_layer = lowerer.layer(&total, NetRule::Exact)?;
    let total = Expr::column(Source::Pre(total_layer), total.axes, Kind::Real);
    match kind {
        SoftmaxKind::Softmax => {
            let inverse = super::divide::by_column(lowerer, &Expr::constant(1.0, total.axes.clone()), &total)?;
            let exp = lowerer.value(exp);
            product(lowerer, &exp, &inverse, Kind::Real)
        }
        SoftmaxKind::LogSoftmax => {
            // -(max - x) - log(Σ exp)
            let total = lowerer.value(total);
            let log = applied(lowerer, &total, &super::lower::unary(Unary::Log), Kind::Real)?;
            let distance = Expr::column(Source::Pre(layer), expr.axes.clone(), expr.kind).affine(-1.0, 0.0);
            let distance = lowerer.value(distance);
            sum(lowerer, &distance, &log, -1.0)
        }
    }
}

/// The root of a sum of squares (and a positive constant), exactly. `None` if the value is no such thing.
pub fn exact_root(lowerer: &mut Lowerer, lazy: &Lazy) -> Result<Option<Value>, Refusal> {
    let Some((factor, shift)) = lazy.affine else { return Ok(None) };
    let expr = lowerer.base(lazy).clone().affine(factor, shift);
    let squares = expr.terms.iter().all(|term| term.coefficient > 0.0 && term.right.as_ref() == Some(&term.left));
    if !squares || expr.terms.is_empty() || expr.constant < 0.0 {
        return Ok(None);
    }
    let expr = Expr { kind: Kind::Real, ..expr };
    let layer = lowerer.layer(&expr, NetRule::SquareRoot)?;
    Ok(Some(lowerer.value(Expr::column(Source::Pre(layer), expr.axes, Kind::Real))))
}

pub fn rms_norm(lowerer: &mut Lowerer, node: &Node<'_>, op: &RmsNorm) -> Result<Value, Refusal> {
    let value = node.input(0)?.clone();
    let shape = node.input_shape(0)?;
    let epsilon = super::lower::floats(&op.eps)?.first().copied().unwrap_or(0.0);
    let lazy = as_lazy(lowerer, &value)?;
    let square = super::elementwise::square(lowerer, &lazy, Kind::Real)?;
    let mean = summed(lowerer, &square, &[op.axis])?.affine(1.0 / shape[op.axis] as f64, epsilon.into());
    let lazy = lowerer.lazy(mean);
    let root = exact_root(lowerer, &lazy)?.ok_or(Refusal::Layout)?;
    super::divide::quotient(lowerer, &value, &root)
}
