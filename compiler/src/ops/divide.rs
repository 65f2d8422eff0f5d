//! Divisions by what depends on the input.

use super::Refusal;
use super::elementwise::{applied, as_lazy, product};
use super::expr::Expr;
use super::lower::{Lowerer, Value, unary};
use crate::net::{Kind, NetIndex, NetRule};
use assay_circuits::model::{Binary, Instruction, Source, Unary};

/// `1 / value`.
pub fn reciprocal(lowerer: &mut Lowerer, value: &Value) -> Result<Value, Refusal> {
    let lazy = as_lazy(lowerer, value)?;
    if let Some(by) = super::ranges::divisor(lowerer, value)? {
        return by_column(lowerer, &Expr::constant(1.0, by.axes.clone()), &by);
    }
    if let Some(by) = positive_column(lowerer, value)? {
        return by_column(lowerer, &Expr::constant(1.0, by.axes.clone()), &by);
    }
    lowerer.function(&lazy, &unary(Unary::Reciprocal), Kind::Real)
}

/// `a / d`.
pub fn quotient(lowerer: &mut Lowerer, a: &Value, d: &Value) -> Result<Value, Refusal> {
    if let Value::Constant(_) = d {
        let inverse = constant_inverse(d)?;
        return product(lowerer, a, &inverse, Kind::Real);
    }
    if let Some(by) = super::ranges::divisor(lowerer, d)? {
        let numerator = lowerer.expr(a)?;
        let (numerator, by) = lowerer.aligned(numerator, by)?;
        return by_column(lowerer, &numerator, &by);
    }
    if let Some(by) = positive_column(lowerer, d)? {
        let numerator = lowerer.expr(a)?;
        if by.len() < numerator.len() {
            // rows that share a divisor: a division a row, a product an element
            let inverse = by_column(lowerer, &Expr::constant(1.0, by.axes.clone()), &by)?;
            return product(lowerer, a, &inverse, Kind::Real);
        }
        let (numerator, by) = lowerer.aligned(numerator, by)?;
        return by_column(lowerer, &numerator, &by);
    }
    // |d| divides, its sign multiplies
    let sign = applied(lowerer, d, &unary(Unary::Sign), Kind::Integer)?;
    let size = applied(lowerer, d, &unary(Unary::Abs), Kind::Real)?;
    let by = lowerer.column(&size)?;
    let signed = product(lowerer, a, &sign, Kind::Real)?;
    let numerator = lowerer.expr(&signed)?;
    let (numerator, by) = lowerer.aligned(numerator, by)?;
    let by =
        if by.as_operand().is_some_and(|operand| operand.runs.iter().all(|run| matches!(run.index, NetIndex::Axis(_))))
        {
            by
        } else {
            lowerer.copied(&by)?
        };
    by_column(lowerer, &numerator, &by)
}

fn constant_inverse(d: &Value) -> Result<Value, Refusal> {
    let Value::Constant(tensor) = d else { return Err(Refusal::NoActivation) };
    let inverse: Vec<f32> = super::lower::floats(tensor)?.iter().map(|v| 1.0 / v).collect();
    if inverse.iter().any(|v| !v.is_finite()) {
        return Err(Refusal::DivisionByZero);
    }
    let tensor = tract_onnx::prelude::Tensor::from_shape(tensor.shape(), &inverse).map_err(|_| Refusal::Type)?;
    Ok(Value::Constant(tensor.into()))
}

/// A value that is never 0 or less as a column that may divide: a root, a sum of exponentials, an exponential.
fn positive_column(lowerer: &mut Lowerer, value: &Value) -> Result<Option<Expr>, Refusal> {
    let Value::Lazy(lazy) = value else { return Ok(None) };
    if lazy.affine == Some((1.0, 0.0)) {
        let Some(operand) = lowerer.base(lazy).as_operand().cloned() else { return Ok(None) };
        let plain = operand.runs.iter().all(|run| matches!(run.index, NetIndex::Axis(_)));
        let positive = match operand.source {
            Source::Pre(layer) => {
                matches!(lowerer.net.layers[layer as usize].rule, NetRule::SquareRoot | NetRule::Exact)
            }
            _ => false,
        };
        return Ok((plain && positive).then(|| lowerer.base(lazy).clone()));
    }
    let positive = match lazy.program.last() {
        Some(Instruction::Unary(Unary::Exp | Unary::Sigmoid)) => true,
        // 1 + exp(x): a number that is not negative, added to an exponential
        Some(Instruction::Binary(Binary::Add)) => match lazy.program[..] {
            [.., Instruction::Unary(Unary::Exp), Instruction::Constant(bits), _] => f32::from_bits(bits) >= 0.0,
            // the same, as a factor of 1 and a shift
            [
                ..,
                Instruction::Unary(Unary::Exp),
                Instruction::Constant(one),
                Instruction::Binary(Binary::Mul),
                Instruction::Constant(bits),
                _,
            ] => f32::from_bits(one) > 0.0 && f32::from_bits(bits) >= 0.0,
            _ => false,
        },
        _ => false,
    };
    if positive && lazy.affine.is_none() { lowerer.column(value).map(Some) } else { Ok(None) }
}

/// `a / d` of integers, cut off towards 0. The floor sees the quotient rounded to a cell of size `2^-s`, which is right
/// for divisors below `2^(s+1)`.
pub fn integer_quotient(lowerer: &mut Lowerer, a: &Value, d: &Value) -> Result<Value, Refusal> {
    let (size, by) = (
        applied(lowerer, a, &unary(Unary::Abs), Kind::Integer)?,
        applied(lowerer, d, &unary(Unary::Abs), Kind::Integer)?,
    );
    let (numerator, by) = (lowerer.expr(&size)?, lowerer.column(&by)?);
    // a division an element: a reciprocal a row would be rounded before it is multiplied
    let (numerator, by) = lowerer.aligned(numerator, by)?;
    let ratio = by_column(lowerer, &numerator, &by)?;
    let mut quotient = applied(lowerer, &ratio, &unary(Unary::Floor), Kind::Integer)?;
    for operand in [a, d] {
        let sign = applied(lowerer, operand, &unary(Unary::Sign), Kind::Integer)?;
        quotient = product(lowerer, &quotient, &sign, Kind::Integer)?;
    }
    Ok(quotient)
}

/// `a - d · (a / d)` of integers: the remainder has the sign of `a`.
pub fn integer_remainder(lowerer: &mut Lowerer, a: &Value, d: &Value) -> Result<Value, Refusal> {
    let quotient = integer_quotient(lowerer, a, d)?;
    let whole = product(lowerer, &quotient, d, Kind::Integer)?;
    super::elementwise::sum(lowerer, a, &whole, -1.0)
}

/// A layer that divides.
pub fn by_column(lowerer: &mut Lowerer, numerator: &Expr, by: &Expr) -> Result<Value, Refusal> {
    let mut operand = Lowerer::operand(by)?;
    let atoms = numerator.atoms();
    // the layer's axes are numbered from the innermost
    for run in &mut operand.runs {
        if let NetIndex::Axis(axis) = &mut run.index {
            *axis = (atoms.len() - 1 - usize::from(*axis)) as u8;
        }
    }
    let axes = atoms.iter().rev().map(|len| super::expr::log(*len)).collect();
    let layer = lowerer.layer(
        &Expr { kind: Kind::Real, ..numerator.clone() },
        NetRule::Divide { axes, by: operand, function: None },
    )?;
    Ok(lowerer.value(Expr::column(Source::Pre(layer), numerator.axes.clone(), Kind::Real)))
}
