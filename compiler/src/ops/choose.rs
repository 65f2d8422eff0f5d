//! Comparisons of two tensors, and the choice between two by truth values.

use super::Refusal;
use super::elementwise::{X, applied, b, broadcasts, c, product, scalar, sum, u};
use super::lower::{Lazy, Lowerer, Value, floats};
use crate::net::Kind;
use assay_circuits::model::{Binary, Instruction, Unary};
use tract_onnx::prelude::*;

/// `f(a - d, 0)`: comparisons see the difference.
pub fn compare(lowerer: &mut Lowerer, a: &Value, d: &Value, f: Binary) -> Result<Value, Refusal> {
    let zero = [X, c(0.0), b(f)];
    if let (Value::Lazy(a), Value::Lazy(d)) = (a, d)
        && let Some(value) = lowerer.joined(a, d, f, Kind::Boolean)
    {
        return Ok(value);
    }
    if let (Value::Lazy(lazy), Some(number)) = (a, scalar(d)?)
        && broadcasts(lowerer, lazy, d)
    {
        return lowerer.function(lazy, &[X, c(number as f32), b(f)], Kind::Boolean);
    }
    if let (Some(number), Value::Lazy(lazy)) = (scalar(a)?, d)
        && broadcasts(lowerer, lazy, a)
    {
        return lowerer.function(lazy, &[c(number as f32), X, b(f)], Kind::Boolean);
    }
    let difference = sum(lowerer, a, d, -1.0)?;
    applied(lowerer, &difference, &zero, Kind::Boolean)
}

/// Where condition and branches are functions of one expression, or numbers: the choice as a function of it too. What
/// is not chosen may be infinite or no number, as the exponential of a branch that is not meant for it.
fn joined_select(lowerer: &Lowerer, condition: &Value, a: &Value, d: &Value) -> Result<Option<Value>, Refusal> {
    const FINITE: f32 = 1e30;
    let Value::Lazy(test) = condition else { return Ok(None) };
    let branch = |value: &Value| -> Result<Option<Vec<Instruction>>, Refusal> {
        Ok(match value {
            Value::Lazy(lazy) => (lazy.base == test.base).then(|| lazy.program.clone()),
            Value::Constant(_) if broadcasts(lowerer, test, value) => {
                scalar(value)?.map(|v| vec![c(super::reduce::masked(v as f32))])
            }
            Value::Constant(_) => None,
        })
    };
    let (Some(chosen), Some(other)) = (branch(a)?, branch(d)?) else { return Ok(None) };
    let finite = [c(FINITE), b(Binary::Min), c(-FINITE), b(Binary::Max)];
    let program = [
        &chosen[..],
        &finite,
        &test.program,
        &[b(Binary::Mul)],
        &other,
        &finite,
        &test.program,
        &[u(Unary::Not), b(Binary::Mul), b(Binary::Add)],
    ]
    .concat();
    let fits = program.len() <= super::lower::MAX_STEPS;
    Ok(fits.then(|| Value::Lazy(Lazy { base: test.base, program, affine: None, square: None, kind: Kind::Real })))
}

/// `condition · a + (1 - condition) · d`.
pub fn select(lowerer: &mut Lowerer, condition: &Value, a: &Value, d: &Value) -> Result<Value, Refusal> {
    if let Some(value) = joined_select(lowerer, condition, a, d)? {
        return Ok(value);
    }
    // a branch as large as a mask's stands for infinity: it is kept out of the arithmetic's range
    let limit = |value: &Value| -> Result<Value, Refusal> {
        Ok(match value {
            Value::Constant(tensor) => {
                let bounded: Vec<f32> = floats(tensor)?.into_iter().map(super::reduce::masked).collect();
                Value::Constant(Tensor::from_shape(tensor.shape(), &bounded).map_err(|_| Refusal::Type)?.into())
            }
            value => value.clone(),
        })
    };
    let (a, d) = (limit(a)?, limit(d)?);
    let difference = sum(lowerer, &a, &d, -1.0)?;
    let chosen = product(lowerer, condition, &difference, Kind::Real)?;
    sum(lowerer, &chosen, &d, 1.0)
}
