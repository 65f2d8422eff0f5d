//! Operators that move no data, and operators on constants.

use super::view::{View, transposition};
use super::{Form, Op, Value};
use crate::onnx::Constant;

/// `Flatten`, `Reshape`, `Transpose`, `Squeeze`, `Unsqueeze` of an activation.
pub(super) fn reshaped(op: &Op<'_>) -> Result<View, Form> {
    let view = op.view(0)?;
    if op.attributes.0.op_type == "Transpose" {
        return view.transposed(&permutation(op, view.shape.len())?);
    }
    let shape: Vec<usize> = view.shape.iter().map(|&d| d as usize).collect();
    let narrow = |d: usize| u32::try_from(d).map_err(|_| Form::TooLarge);
    view.reshaped(new_shape(op, &shape)?.into_iter().map(narrow).collect::<Result<_, _>>()?)
}

/// Any operator on constants that is evaluated here, and `Shape`.
pub(super) fn constant(op: &Op<'_>) -> Result<Constant, Form> {
    let node = op.attributes.0;
    match node.op_type.as_str() {
        "Constant" => op.attributes.constant().ok_or(Form::Attribute),
        "Shape" => {
            let shape: Vec<i64> = match op.operand(0) {
                Some(Value::View(v)) => v.shape.iter().map(|&d| i64::from(d)).collect(),
                Some(Value::Constant(c)) => c.shape.iter().map(|&d| d as i64).collect(),
                None => return Err(Form::Shapes),
            };
            Ok(Constant::integers(vec![shape.len()], shape))
        }
        "Identity" | "Cast" | "Dropout" => op.required(0).cloned(),
        "Transpose" => {
            let c = op.required(0)?;
            let shape: Vec<u32> = c.shape.iter().map(|&d| d as u32).collect();
            let (shape, order) = transposition(&shape, &permutation(op, shape.len())?);
            Ok(pick(c, shape.into_iter().map(|d| d as usize).collect(), &order))
        }
        "Flatten" | "Reshape" | "Squeeze" | "Unsqueeze" => {
            let c = op.required(0)?;
            let shape = new_shape(op, &c.shape)?;
            if shape.iter().product::<usize>() != c.floats.len() {
                return Err(Form::Shapes);
            }
            Ok(Constant { shape, ..c.clone() })
        }
        "Gather" => {
            let (data, at) = (op.required(0)?, op.required(1)?);
            let [len] = data.shape[..] else { return Err(Form::Rank) };
            let index = |&i: &i64| usize::try_from(if i < 0 { i + len as i64 } else { i }).ok().filter(|i| *i < len).ok_or(Form::Axes);
            let order = at.ints.as_ref().ok_or(Form::Shapes)?.iter().map(index).collect::<Result<Vec<_>, _>>()?;
            Ok(pick(data, at.shape.clone(), &order))
        }
        "Concat" => {
            let parts = (0..op.operands.len()).map(|i| op.required(i)).collect::<Result<Vec<_>, _>>()?;
            if parts.iter().any(|p| p.shape.len() != 1) {
                return Err(Form::Rank);
            }
            let ints: Option<Vec<i64>> = parts.iter().map(|p| p.ints.clone()).collect::<Option<Vec<_>>>().map(|p| p.concat());
            let floats: Vec<f32> = parts.iter().flat_map(|p| p.floats.iter().copied()).collect();
            Ok(Constant { shape: vec![floats.len()], floats, ints })
        }
        _ => Err(Form::NoActivation),
    }
}

fn pick(c: &Constant, shape: Vec<usize>, order: &[usize]) -> Constant {
    let floats = order.iter().filter_map(|&i| c.floats.get(i).copied()).collect();
    let ints = c.ints.as_ref().map(|ints| order.iter().filter_map(|&i| ints.get(i).copied()).collect());
    Constant { shape, floats, ints }
}

fn permutation(op: &Op<'_>, rank: usize) -> Result<Vec<usize>, Form> {
    let Some(axes) = op.attributes.ints("perm") else { return Ok((0..rank).rev().collect()) };
    let permutation: Vec<usize> = axes.iter().map(|&a| usize::try_from(a).map_err(|_| Form::Axes)).collect::<Result<_, _>>()?;
    let mut sorted = permutation.clone();
    sorted.sort_unstable();
    if sorted.into_iter().eq(0..rank) { Ok(permutation) } else { Err(Form::Axes) }
}

fn axis(value: i64, rank: usize) -> Result<usize, Form> {
    let at = if value < 0 { value.saturating_add(rank as i64) } else { value };
    usize::try_from(at).ok().filter(|a| *a < rank).ok_or(Form::Axes)
}

fn new_shape(op: &Op<'_>, shape: &[usize]) -> Result<Vec<usize>, Form> {
    let rank = shape.len();
    // Axes and shapes are an attribute in old operator sets and an operand in newer ones.
    let listed = |name: &str| -> Result<Option<Vec<i64>>, Form> {
        match op.attributes.ints(name) {
            Some(list) => Ok(Some(list.to_vec())),
            None => op.constant(1)?.map(|c| c.ints.clone().ok_or(Form::Shapes)).transpose(),
        }
    };
    match op.attributes.0.op_type.as_str() {
        "Flatten" => {
            let at = op.attributes.int("axis", 1);
            let at = if at == rank as i64 { rank } else { axis(at, rank)? };
            Ok(vec![shape[..at].iter().product(), shape[at..].iter().product()])
        }
        "Reshape" => resolve(&listed("shape")?.ok_or(Form::NotConstant)?, shape, op.attributes.int("allowzero", 0) != 0),
        "Squeeze" => {
            let axes = match listed("axes")? {
                Some(list) => list.into_iter().map(|a| axis(a, rank)).collect::<Result<Vec<_>, _>>()?,
                None => (0..rank).filter(|&a| shape.get(a) == Some(&1)).collect(),
            };
            if axes.iter().any(|&a| shape.get(a) != Some(&1)) {
                return Err(Form::Axes);
            }
            Ok(shape.iter().enumerate().filter(|(a, _)| !axes.contains(a)).map(|(_, d)| *d).collect())
        }
        "Unsqueeze" => {
            let axes = listed("axes")?.ok_or(Form::NotConstant)?;
            let rank = rank + axes.len();
            if rank > 8 {
                return Err(Form::Rank);
            }
            let axes = axes.into_iter().map(|a| axis(a, rank)).collect::<Result<Vec<_>, _>>()?;
            let mut old = shape.iter();
            let new: Vec<usize> = (0..rank).filter_map(|a| if axes.contains(&a) { Some(1) } else { old.next().copied() }).collect();
            if new.len() == rank && old.next().is_none() { Ok(new) } else { Err(Form::Axes) }
        }
        _ => Err(Form::Attribute),
    }
}

/// ONNX's rules: 0 copies a dimension, one -1 is what is left.
fn resolve(target: &[i64], shape: &[usize], allow_zero: bool) -> Result<Vec<usize>, Form> {
    let total: usize = shape.iter().product();
    let mut new = Vec::with_capacity(target.len());
    for (i, &d) in target.iter().enumerate() {
        new.push(match d {
            -1 => 1,
            0 if !allow_zero => *shape.get(i).ok_or(Form::Shapes)?,
            d => usize::try_from(d).ok().filter(|d| *d >= 1).ok_or(Form::Shapes)?,
        });
    }
    let known = new.iter().try_fold(1usize, |n, &d| n.checked_mul(d)).ok_or(Form::Shapes)?;
    let free: Vec<usize> = (0..target.len()).filter(|&i| target.get(i) == Some(&-1)).collect();
    match free[..] {
        [] if known == total => Ok(new),
        [i] if total.is_multiple_of(known) => {
            new[i] = total / known;
            Ok(new)
        }
        _ => Err(Form::Shapes),
    }
}
