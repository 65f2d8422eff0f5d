//! Functions of one element, and of two.

use super::choose::compare;
use super::lower::{Lazy, Lowerer, Value, argument, floats, kind_of, unary};
use super::{Node, Refusal};
use crate::net::Kind;
use assay_circuits::model::{Binary, Instruction, Unary};
use tract_onnx::tract_core::ops::binary::TypedBinOp;
use tract_onnx::tract_core::ops::element_wise::ElementWiseOp;
use tract_onnx::tract_core::ops::math::{Ln, PowConst, QScale};
use tract_onnx::tract_core::ops::nn::{GeluApproximate, LeakyRelu};

/// Factors beyond it are kept out of sums.
const LARGE_FACTOR: f64 = 1024.0;

/// Steps of programs, in short: the argument, a constant, a function of one number, one of two.
pub const X: Instruction = Instruction::Argument;

pub fn c(value: f32) -> Instruction {
    Instruction::constant(value)
}

pub fn u(f: Unary) -> Instruction {
    Instruction::Unary(f)
}

pub fn b(f: Binary) -> Instruction {
    Instruction::Binary(f)
}

/// Functions of one element, by tract's name: one line each. Real functions stay real, those of truth values are 0 and
/// 1.
pub fn unary_program(name: &str) -> Option<Vec<Instruction>> {
    Some(match name {
        "Abs" => unary(Unary::Abs),
        "Exp" => unary(Unary::Exp),
        "Ln" => unary(Unary::Log),
        "Sqrt" => unary(Unary::Sqrt),
        "Recip" => unary(Unary::Reciprocal),
        "Rsqrt" => vec![X, u(Unary::Sqrt), u(Unary::Reciprocal)],
        "Square" => vec![X, X, b(Binary::Mul)],
        "Sigmoid" => unary(Unary::Sigmoid),
        "Tanh" => unary(Unary::Tanh),
        "Erf" => unary(Unary::Erf),
        "Neg" => unary(Unary::Neg),
        "Sign" => unary(Unary::Sign),
        "Floor" => unary(Unary::Floor),
        "Ceil" => unary(Unary::Ceil),
        "Round" | "RoundHalfToEven" => unary(Unary::Round),
        "Sin" => unary(Unary::Sin),
        "Cos" => unary(Unary::Cos),
        "Tan" => unary(Unary::Tan),
        "Asin" => unary(Unary::Asin),
        "Acos" => unary(Unary::Acos),
        "Atan" => unary(Unary::Atan),
        "Sinh" => unary(Unary::Sinh),
        "Cosh" => unary(Unary::Cosh),
        "Asinh" => unary(Unary::Asinh),
        "Acosh" => unary(Unary::Acosh),
        "Atanh" => unary(Unary::Atanh),
        "Not" => unary(Unary::Not),
        "Silu" => vec![X, X, u(Unary::Sigmoid), b(Binary::Mul)],
        "HardSwish" => {
            vec![
                X,
                X,
                c(1.0 / 6.0),
                b(Binary::Mul),
                c(0.5),
                b(Binary::Add),
                c(0.0),
                b(Binary::Max),
                c(1.0),
                b(Binary::Min),
                b(Binary::Mul),
            ]
        }
        "GeluExact" => vec![
            X,
            c(0.5),
            b(Binary::Mul),
            X,
            c(std::f32::consts::FRAC_1_SQRT_2),
            b(Binary::Mul),
            u(Unary::Erf),
            c(1.0),
            b(Binary::Add),
            b(Binary::Mul),
        ],
        "IsNan" | "IsInf" => vec![c(0.0)],
        _ => return None,
    })
}

/// The program of ReLU.
pub fn never_negative() -> Vec<Instruction> {
    vec![X, c(0.0), b(Binary::Max)]
}

/// `0.5 x (1 + tanh(sqrt(2/π) (x + 0.044715 x³)))`.
fn gelu_tanh() -> Vec<Instruction> {
    let cube = [X, X, X, b(Binary::Mul), b(Binary::Mul), c(0.044_715), b(Binary::Mul)];
    let inner = [&[X][..], &cube, &[b(Binary::Add), c(0.797_884_6), b(Binary::Mul), u(Unary::Tanh)]].concat();
    [&[X, c(0.5), b(Binary::Mul)][..], &inner, &[c(1.0), b(Binary::Add), b(Binary::Mul)]].concat()
}

pub fn element_wise(lowerer: &mut Lowerer, node: &Node<'_>, op: &ElementWiseOp) -> Result<Value, Refusal> {
    let Value::Lazy(lazy) = node.input(0)?.clone() else { return Err(Refusal::NoActivation) };
    let name = op.0.name();
    let kind = kind_of(node.output_type(0)?);
    match name.as_str() {
        "Neg" => {
            let value = super::rounded::settled(lowerer, node.input(0)?)?;
            let lazy = as_lazy(lowerer, &value)?;
            return Ok(Value::Lazy(lowerer.scaled(&lazy, -1.0, 0.0)));
        }
        // of signed integers
        "BitNot" => return Ok(Value::Lazy(lowerer.scaled(&lazy, -1.0, -1.0))),
        "Sqrt" | "Rsqrt" => {
            if let Some(root) = super::reduce::exact_root(lowerer, &lazy)? {
                return if name == "Sqrt" { Ok(root) } else { super::divide::reciprocal(lowerer, &root) };
            }
        }
        "Recip" => return super::divide::reciprocal(lowerer, &Value::Lazy(lazy)),
        "Square" => return square(lowerer, &lazy, kind),
        "Round" | "RoundHalfToEven" => {
            if let Some(rounded) = super::rounded::round(lowerer, &lazy) {
                return Ok(rounded);
            }
        }
        _ => {}
    }
    let program = if let Some(leaky) = op.0.downcast_ref::<LeakyRelu>() {
        vec![X, c(0.0), b(Binary::Max), X, c(0.0), b(Binary::Min), c(leaky.alpha), b(Binary::Mul), b(Binary::Add)]
    } else if let Some(power) = op.0.downcast_ref::<PowConst>() {
        vec![X, c(power.exponent), b(Binary::Pow)]
    } else if op.0.is::<GeluApproximate>() {
        gelu_tanh()
    } else if op.0.is::<Ln>() {
        unary(Unary::Log)
    } else if op.0.is::<QScale>() {
        return Err(Refusal::Quantised);
    } else {
        unary_program(&name).or_else(|| known(&name)).ok_or_else(|| Refusal::Operator(name.clone()))?
    };
    lowerer.function(&lazy, &program, kind)
}

/// Names that tract gives to the same functions elsewhere.
fn known(name: &str) -> Option<Vec<Instruction>> {
    match name {
        "Gelu" | "GeluErf" => unary_program("GeluExact"),
        _ => None,
    }
}

/// A square: a product where a sum reads it, a part of a table where a function does.
pub fn square(lowerer: &mut Lowerer, lazy: &Lazy, kind: Kind) -> Result<Value, Refusal> {
    if let Some(square) = lowerer.joined(lazy, lazy, Binary::Mul, kind) {
        return Ok(square);
    }
    let column = lowerer.column(&Value::Lazy(lazy.clone()))?;
    product_of(lowerer, column.clone(), column)
}

/// The product of two columns over the same atoms.
pub fn product_of(lowerer: &mut Lowerer, a: super::expr::Expr, b: super::expr::Expr) -> Result<Value, Refusal> {
    let (a, b) = lowerer.aligned(a, b)?;
    let kind = if a.kind == Kind::Real || b.kind == Kind::Real { Kind::Real } else { Kind::Integer };
    let mut operands = Vec::new();
    for expr in [a.clone(), b] {
        operands.push(Lowerer::operand(&lowerer.readable(expr)?)?);
    }
    let right = operands.pop();
    let left = operands.pop().ok_or(Refusal::Layout)?;
    let term = super::expr::Term { coefficient: 1.0, left, right, summed: Vec::new() };
    let expr = super::expr::Expr { axes: a.axes, terms: vec![term], constant: 0.0, kind };
    Ok(lowerer.value(expr))
}

fn binary_of(name: &str) -> Option<Binary> {
    Some(match name {
        "Add" => Binary::Add,
        "Sub" | "SubF" => Binary::Sub,
        "Mul" => Binary::Mul,
        "Div" => Binary::Div,
        "Pow" => Binary::Pow,
        "Min" => Binary::Min,
        "Max" => Binary::Max,
        "Rem" => Binary::Fmod,
        "Eq" | "Equals" => Binary::Equal,
        "LT" | "Less" => Binary::Less,
        "LTE" | "LesserEqual" => Binary::LessEqual,
        _ => return None,
    })
}

/// Operators of two operands: the names that have a lowering.
pub fn known_binary(name: &str) -> bool {
    binary_of(name).is_some()
        || matches!(
            name,
            "GT" | "GTE" | "NE" | "And" | "Or" | "Xor" | "BitAnd" | "BitOr" | "BitXor" | "ShiftLeft" | "ShiftRight"
        )
}

pub fn binary(lowerer: &mut Lowerer, node: &Node<'_>, op: &TypedBinOp) -> Result<Value, Refusal> {
    let (a, d) = (node.input(0)?.clone(), node.input(1)?.clone());
    let name = op.0.name();
    let integers = !node.input_type(0)?.is_float();
    let kind = kind_of(node.output_type(0)?);
    match name {
        "GT" => compare(lowerer, &d, &a, Binary::Less),
        "GTE" => compare(lowerer, &d, &a, Binary::LessEqual),
        "LT" => compare(lowerer, &a, &d, Binary::Less),
        "LTE" => compare(lowerer, &a, &d, Binary::LessEqual),
        "Eq" => compare(lowerer, &a, &d, Binary::Equal),
        "NE" => {
            let equal = compare(lowerer, &a, &d, Binary::Equal)?;
            negated(lowerer, &equal)
        }
        // truth values are 0 and 1
        "And" => product(lowerer, &a, &d, Kind::Boolean),
        "Or" => {
            let sum = sum(lowerer, &a, &d, 1.0)?;
            applied(lowerer, &sum, &[X, c(1.0), b(Binary::Min)], Kind::Boolean)
        }
        "Xor" => {
            let difference = sum(lowerer, &a, &d, -1.0)?;
            applied(lowerer, &difference, &unary(Unary::Abs), Kind::Boolean)
        }
        "Div" if integers => {
            let Some(by) = scalar(&d)? else { return super::divide::integer_quotient(lowerer, &a, &d) };
            let steps = [
                X,
                c(by as f32),
                b(Binary::Div),
                u(Unary::Sign),
                X,
                c(by as f32),
                b(Binary::Div),
                u(Unary::Abs),
                u(Unary::Floor),
                b(Binary::Mul),
            ];
            applied(lowerer, &a, &steps, kind)
        }
        "Rem" if integers && scalar(&d)?.is_none() => super::divide::integer_remainder(lowerer, &a, &d),
        "ShiftLeft" | "ShiftRight" => {
            let Some(by) = scalar(&d)? else { return Err(Refusal::Operator(name.into())) };
            let factor = if name == "ShiftLeft" { by.exp2() } else { (-by).exp2() };
            applied(lowerer, &a, &[X, c(factor as f32), b(Binary::Mul), u(Unary::Floor)], kind)
        }
        _ => {
            let f = binary_of(name).ok_or_else(|| Refusal::Operator(name.into()))?;
            arithmetic(lowerer, &a, &d, f, kind)
        }
    }
}

/// The only number of a constant.
pub fn scalar(value: &Value) -> Result<Option<f64>, Refusal> {
    let Value::Constant(tensor) = value else { return Ok(None) };
    let values = floats(tensor)?;
    let first = values.first().copied();
    // one value, or the same everywhere over axes of length 1
    Ok(first.filter(|first| values.iter().all(|v| v == first) && (values.len() == 1)).map(f64::from))
}

pub fn applied(lowerer: &mut Lowerer, value: &Value, steps: &[Instruction], kind: Kind) -> Result<Value, Refusal> {
    let lazy = as_lazy(lowerer, value)?;
    lowerer.function(&lazy, steps, kind)
}

/// A value as a function of an expression; constants are expressions too.
pub fn as_lazy(lowerer: &mut Lowerer, value: &Value) -> Result<Lazy, Refusal> {
    match value {
        Value::Lazy(lazy) => Ok(lazy.clone()),
        Value::Constant(_) => {
            let expr = lowerer.expr(value)?;
            Ok(lowerer.lazy(expr))
        }
    }
}

fn negated(lowerer: &mut Lowerer, value: &Value) -> Result<Value, Refusal> {
    applied(lowerer, value, &unary(Unary::Not), Kind::Boolean)
}

fn arithmetic(lowerer: &mut Lowerer, a: &Value, d: &Value, f: Binary, kind: Kind) -> Result<Value, Refusal> {
    match f {
        // integers stay a column, which sums read as it is
        Binary::Add | Binary::Sub | Binary::Mul | Binary::Div => {
            let (a, d) = (super::rounded::settled(lowerer, a)?, super::rounded::settled(lowerer, d)?);
            arithmetic_of(lowerer, &a, &d, f, kind)
        }
        _ => arithmetic_of(lowerer, a, d, f, kind),
    }
}

fn arithmetic_of(lowerer: &mut Lowerer, a: &Value, d: &Value, f: Binary, kind: Kind) -> Result<Value, Refusal> {
    // a function of one tensor and a number
    if let (Value::Lazy(lazy), Some(number)) = (a, scalar(d)?)
        && broadcasts(lowerer, lazy, d)
    {
        return match f {
            Binary::Add => Ok(Value::Lazy(lowerer.scaled(lazy, 1.0, number))),
            Binary::Sub => Ok(Value::Lazy(lowerer.scaled(lazy, 1.0, -number))),
            Binary::Mul => Ok(scaled(lowerer, lazy, number)),
            Binary::Div if number != 0.0 => Ok(Value::Lazy(lowerer.scaled(lazy, 1.0 / number, 0.0))),
            Binary::Pow if number == 2.0 => square(lowerer, lazy, kind),
            _ => lowerer.function(lazy, &[X, c(number as f32), b(f)], kind),
        };
    }
    if let (Some(number), Value::Lazy(lazy)) = (scalar(a)?, d)
        && broadcasts(lowerer, lazy, a)
    {
        return match f {
            Binary::Add => Ok(Value::Lazy(lowerer.scaled(lazy, 1.0, number))),
            Binary::Sub => Ok(Value::Lazy(lowerer.scaled(lazy, -1.0, number))),
            Binary::Mul => Ok(scaled(lowerer, lazy, number)),
            Binary::Div => {
                let inverse = super::divide::reciprocal(lowerer, d)?;
                let inverse = as_lazy(lowerer, &inverse)?;
                Ok(Value::Lazy(lowerer.scaled(&inverse, number, 0.0)))
            }
            _ => lowerer.function(lazy, &[c(number as f32), X, b(f)], kind),
        };
    }
    if let (Value::Lazy(a), Value::Lazy(d)) = (a, d)
        && let Some(value) = same_base(lowerer, a, d, f, kind)
    {
        return Ok(value);
    }
    match f {
        Binary::Add => sum(lowerer, a, d, 1.0),
        Binary::Sub => sum(lowerer, a, d, -1.0),
        Binary::Mul => product(lowerer, a, d, kind),
        Binary::Div => super::divide::quotient(lowerer, a, d),
        // max(a, d) = d + max(a - d, 0)
        Binary::Max | Binary::Min => {
            let difference = sum(lowerer, a, d, -1.0)?;
            let excess = applied(lowerer, &difference, &[X, c(0.0), b(f)], kind)?;
            sum(lowerer, d, &excess, 1.0)
        }
        // a^d = exp(d · log a), of what is positive
        Binary::Pow => {
            let log = applied(lowerer, a, &unary(Unary::Log), Kind::Real)?;
            let power = product(lowerer, &log, d, Kind::Real)?;
            applied(lowerer, &power, &unary(Unary::Exp), Kind::Real)
        }
        _ => Err(Refusal::Operator(format!("{} of two activations", f.name()))),
    }
}

/// A value times a number.
fn scaled(lowerer: &mut Lowerer, lazy: &Lazy, number: f64) -> Value {
    let sum = super::ranges::scaled_sum(lowerer, lazy, number);
    sum.unwrap_or_else(|| Value::Lazy(lowerer.scaled(lazy, number, 0.0)))
}

/// Two functions of one expression that are better one function than a sum or product of two columns.
fn same_base(lowerer: &mut Lowerer, a: &Lazy, d: &Lazy, f: Binary, kind: Kind) -> Option<Value> {
    // sums of a tensor with itself stay linear
    lowerer.joined(a, d, f, kind)
}

/// Whether a number's shape is no larger than the tensor's.
pub fn broadcasts(lowerer: &Lowerer, lazy: &Lazy, number: &Value) -> bool {
    let rank = lowerer.axes(lazy).len() - lowerer.lead();
    matches!(number, Value::Constant(tensor) if tensor.rank() <= rank)
}

/// `a + sign · d`.
pub fn sum(lowerer: &mut Lowerer, a: &Value, d: &Value, sign: f64) -> Result<Value, Refusal> {
    let (left, right) = (bounded(lowerer, a)?, bounded(lowerer, d)?);
    let (left, right) = lowerer.aligned(left, right)?;
    let sum = left.plus(right.affine(sign, 0.0));
    Ok(lowerer.value(sum))
}

/// A sum whose factors are small. A large one, as in a mask of -10000, is a column of its own, whose scale is as coarse
/// as its numbers are large.
fn bounded(lowerer: &mut Lowerer, value: &Value) -> Result<super::expr::Expr, Refusal> {
    let expr = lowerer.expr(value)?;
    let large = expr.terms.iter().any(|term| term.coefficient.abs() > LARGE_FACTOR && !term.left.source.is_secret());
    if large { lowerer.copied(&expr) } else { Ok(expr) }
}

/// `a · d`.
pub fn product(lowerer: &mut Lowerer, a: &Value, d: &Value, kind: Kind) -> Result<Value, Refusal> {
    for (value, factor) in [(a, d), (d, a)] {
        if let Some(quotient) = super::ranges::divided(lowerer, value, factor)? {
            return Ok(quotient);
        }
        if let Value::Lazy(lazy) = value
            && let Some(product) = super::normal::distributed(lowerer, lazy, factor)?
        {
            return Ok(product);
        }
    }
    let (a, d) = (&whole_beside(lowerer, a, d)?, &whole_beside(lowerer, d, a)?);
    // a factor of one operand is the product's
    let (left, left_factor) = operand_of(lowerer, a)?;
    let (right, right_factor) = operand_of(lowerer, d)?;
    let product = product_of(lowerer, left, right)?;
    let lazy = as_lazy(lowerer, &product)?;
    let factor = left_factor * right_factor;
    Ok(Value::Lazy(Lazy { kind, ..if factor == 1.0 { lazy } else { lowerer.scaled(&lazy, factor, 0.0) } }))
}

/// A factor as exactly as it can be: a range, and integers beside one or beside constants.
fn whole_beside(lowerer: &mut Lowerer, value: &Value, by: &Value) -> Result<Value, Refusal> {
    if let Value::Lazy(lazy) = value
        && let Some(range) = super::ranges::factor(lowerer, lazy, by)?
    {
        return Ok(range);
    }
    let whole = match by {
        Value::Constant(_) => true,
        Value::Lazy(by) => super::ranges::whole(lowerer, by)?.is_some(),
    };
    if whole { super::rounded::whole_column(lowerer, value) } else { Ok(value.clone()) }
}

/// A column and a factor.
pub fn operand_of(lowerer: &mut Lowerer, value: &Value) -> Result<(super::expr::Expr, f64), Refusal> {
    let expr = match value {
        Value::Lazy(lazy) if lazy.affine.is_none() => lowerer.column(value)?,
        // a sum that nobody else reads takes its factor in: weights are multiplied by it
        Value::Lazy(lazy) if lowerer.base(lazy).as_operand().is_none() && !lowerer.is_shared(lazy) => {
            lowerer.column(value)?
        }
        Value::Lazy(lazy) if lowerer.base(lazy).as_operand().is_none() => {
            // the sum is made once, whatever its factor
            let plain = Lazy { program: argument(), affine: Some((1.0, 0.0)), square: None, ..lazy.clone() };
            let column = lowerer.column(&Value::Lazy(plain))?;
            let (factor, shift) = lazy.affine.unwrap_or((1.0, 0.0));
            column.affine(factor, shift)
        }
        _ => lowerer.expr(value)?,
    };
    match &expr.terms[..] {
        [term] if term.right.is_none() && expr.constant == 0.0 => {
            let factor = term.coefficient;
            let mut plain = expr.clone();
            plain.terms[0].coefficient = 1.0;
            Ok((plain, factor))
        }
        _ => Ok((lowerer.copied(&expr)?, 1.0)),
    }
}

/// A cast: truth values and integers are real numbers already; reals are cut off towards 0.
pub fn cast(lowerer: &mut Lowerer, node: &Node<'_>) -> Result<Value, Refusal> {
    let value = super::rounded::settled(lowerer, node.input(0)?)?;
    let Value::Lazy(lazy) = &value else { return Err(Refusal::NoActivation) };
    let rounded = lazy.kind != Kind::Real || matches!(lazy.program[..], [X, Instruction::Unary(Unary::Round)]);
    match (kind_of(node.input_type(0)?), kind_of(node.output_type(0)?)) {
        (Kind::Real, Kind::Integer) if rounded => Ok(Value::Lazy(Lazy { kind: Kind::Integer, ..lazy.clone() })),
        (Kind::Real, Kind::Integer) => {
            let steps = [X, u(Unary::Sign), X, u(Unary::Abs), u(Unary::Floor), b(Binary::Mul)];
            lowerer.function(lazy, &steps, Kind::Integer)
        }
        (from, Kind::Boolean) if from != Kind::Boolean => {
            let steps = [X, u(Unary::Not), u(Unary::Not)];
            lowerer.function(lazy, &steps, Kind::Boolean)
        }
        _ => Ok(value),
    }
}
