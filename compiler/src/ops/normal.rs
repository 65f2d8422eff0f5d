//! Normalised rows, such as those of a softmax or a layer norm, and what reads them.
//!
//! A row's factor is one number for all its cells. Where the factor can be applied to less, or to what is there
//! already, a column of normalised cells need not be made: each of its cells would cost three lookups or more.

use super::Refusal;
use super::expr::{Expr, Term, operand_names, selects};
use super::lower::{Lazy, Lowerer, Value};
use crate::net::{Kind, NetIndex, NetOperand, NetRule};
use assay_circuits::model::Source;

/// Most that the whole factors of an exact difference add up to. Its squares are summed exactly: with tables of 16 bits
/// they take 2·(16 + 9) + 8 bits, of the 61 that a layer's sum may have.
const MAX_EXACT_FACTORS: f64 = 512.0;

/// Cells from which a column's lookups cost more than the claims on the smaller columns that take its place. A wrapped
/// proof pays for claims, whatever their size.
const MIN_CELLS: usize = 1 << 12;

/// What a softmax multiplies: `left / divisor`, each an expression over the same logical axes.
pub struct Ratio {
    /// The exponentials.
    pub numerator: Expr,
    /// Their sums, one a row: an exact column.
    pub divisor: Expr,
}

/// A value that is a column times the reciprocal of a row's sum, and that nothing else reads.
pub fn ratio(lowerer: &Lowerer, lazy: &Lazy) -> Option<Ratio> {
    if lazy.affine != Some((1.0, 0.0)) || lowerer.is_shared(lazy) || lowerer.steps.is_some() {
        return None;
    }
    let expr = lowerer.base(lazy);
    let [Term { coefficient: 1.0, left, right: Some(right), summed }] = &expr.terms[..] else { return None };
    if expr.constant != 0.0 || !summed.is_empty() || expr.len() < MIN_CELLS {
        return None;
    }
    let divisor = divisor_of(lowerer, right)?;
    let over = |operand: NetOperand| {
        let term = Term { coefficient: 1.0, left: operand, right: None, summed: Vec::new() };
        Expr { terms: vec![term], ..expr.clone() }
    };
    Some(Ratio { numerator: over(left.clone()), divisor: over(divisor) })
}

/// What a reciprocal is the reciprocal of, read along the same axes.
fn divisor_of(lowerer: &Lowerer, reciprocal: &NetOperand) -> Option<NetOperand> {
    let Source::Pre(l) = reciprocal.source else { return None };
    let layer = &lowerer.net.layers[l as usize];
    let NetRule::Divide { axes, by, function: None } = &layer.rule else { return None };
    let exact = matches!(by.source, Source::Pre(d) if lowerer.net.layers[d as usize].rule == NetRule::Exact);
    let whole = axes.iter().copied().eq(reciprocal.runs.iter().map(|run| run.log_len));
    if !layer.terms.is_empty() || layer.constant != 1.0 || !exact || !whole {
        return None;
    }
    let mut divisor = by.clone();
    for run in &mut divisor.runs {
        let NetIndex::Axis(axis) = run.index else { return None };
        let NetIndex::Axis(atom) = reciprocal.runs.get(usize::from(axis))?.index else { return None };
        run.index = NetIndex::Axis(atom);
    }
    Some(divisor)
}

/// The square of a difference such as `x - mean(x)`, kept whole: a column without lookups. `None` for other values, and
/// for a difference that is a column already or would take too many bits.
pub fn exact_square(lowerer: &mut Lowerer, lazy: &Lazy) -> Result<Option<Value>, Refusal> {
    let base = lowerer.base(lazy);
    if lazy.affine != Some((1.0, 0.0)) || lowerer.steps.is_some() || !is_difference(base) {
        return Ok(None);
    }
    let Some((expr, whole)) = whole_factors(base) else { return Ok(None) };
    let layer = lowerer.layer(&Expr { kind: Kind::Real, ..expr.clone() }, NetRule::Exact)?;
    let column = Expr::column(Source::Pre(layer), expr.axes, Kind::Real);
    let Value::Lazy(square) = super::elementwise::product_of(lowerer, column.clone(), column)? else { return Ok(None) };
    // the factor stays in the sum, which a root can still see to be one of squares
    let square = lowerer.base(&square).clone().affine((whole * whole).recip(), 0.0);
    Ok(Some(lowerer.value(square)))
}

/// A large column less a sum of columns: two terms, of which one reads more than a cell.
fn is_difference(expr: &Expr) -> bool {
    let activations = |term: &Term| term.right.is_none() && !term.left.source.is_secret();
    expr.kind == Kind::Real
        && expr.constant == 0.0
        && expr.len() >= MIN_CELLS
        && expr.terms.len() == 2
        && expr.terms.iter().all(activations)
        && expr.terms.iter().filter(|term| selects(&term.left)).count() == 1
}

/// An expression times the least number that makes all its factors whole, and that number: 1 if they need few bits
/// anyway.
fn whole_factors(expr: &Expr) -> Option<(Expr, f64)> {
    let factors = |term: &Term| -> Vec<f64> {
        let maps = term.left.runs.iter().map(|run| match &run.index {
            NetIndex::Map { entries, .. } => entries.iter().map(|entry| entry.2.abs()).collect(),
            _ => vec![1.0],
        });
        maps.fold(vec![term.coefficient.abs()], |all, map: Vec<f64>| {
            all.iter().flat_map(|a| map.iter().map(move |b| a * b)).take(1 << 16).collect()
        })
    };
    let all: Vec<f64> = expr.terms.iter().flat_map(factors).collect();
    let least = all.iter().copied().fold(f64::INFINITY, f64::min);
    let whole = least.recip().round().max(1.0);
    if !all.iter().all(|factor| nearest_whole(factor * whole).is_some())
        || all.iter().sum::<f64>() * whole > MAX_EXACT_FACTORS
    {
        return None;
    }
    // a power of two is a matter of scales
    let whole = if whole.log2().fract() == 0.0 { 1.0 } else { whole };
    let mut out = expr.clone().affine(whole, 0.0);
    out.terms.iter_mut().for_each(rounded);
    Some((out, whole))
}

/// The integer that a number was meant to be: a factor such as 1/192 was a 32-bit float once.
fn nearest_whole(v: f64) -> Option<f64> {
    ((v - v.round()).abs() < 1e-6 * v.abs()).then_some(v.round())
}

/// Factors that are nearly integers as integers, those of maps as multiples of their least, which the coefficient
/// takes.
fn rounded(term: &mut Term) {
    for run in &mut term.left.runs {
        let NetIndex::Map { entries, .. } = &mut run.index else { continue };
        let least = entries.iter().map(|entry| entry.2.abs()).fold(f64::INFINITY, f64::min);
        if least > 0.0 && least.is_finite() && entries.iter().all(|entry| nearest_whole(entry.2 / least).is_some()) {
            entries.iter_mut().for_each(|entry| entry.2 = (entry.2 / least).round());
            term.coefficient *= least;
        }
    }
    term.coefficient = nearest_whole(term.coefficient).unwrap_or(term.coefficient);
}

/// `(x - mean(x)) · factor`, with one factor a row, as `x · factor - mean(x) · factor`: the mean is one number a row,
/// and the difference need not be made. `None` for other products.
pub fn distributed(lowerer: &mut Lowerer, lazy: &Lazy, factor: &Value) -> Result<Option<Value>, Refusal> {
    let Value::Lazy(by) = factor else { return Ok(None) };
    let base = lowerer.base(lazy).clone();
    let row = by.affine == Some((1.0, 0.0))
        && lowerer.base(by).as_operand().is_some_and(|operand| is_reciprocal(lowerer, operand));
    if lazy.affine != Some((1.0, 0.0)) || !row || lowerer.steps.is_some() || !is_difference(&base) {
        return Ok(None);
    }
    let mut all: Option<Value> = None;
    for term in &base.terms {
        let part = Expr { terms: vec![term.clone()], ..base.clone() };
        let part = if selects(&term.left) { part } else { narrow_column(lowerer, part)? };
        let value = lowerer.value(part);
        let product = super::elementwise::product(lowerer, &value, factor, Kind::Real)?;
        all = Some(match all {
            None => product,
            Some(sum) => super::elementwise::sum(lowerer, &sum, &product, 1.0)?,
        });
    }
    Ok(all)
}

/// Whether a column is a reciprocal.
fn is_reciprocal(lowerer: &Lowerer, operand: &NetOperand) -> bool {
    matches!(operand.source, Source::Pre(l)
        if matches!(&lowerer.net.layers[l as usize], layer if layer.terms.is_empty() && matches!(layer.rule, NetRule::Divide { .. })))
}

/// A column of an expression without the axes that it does not depend on, broadcast over them.
fn narrow_column(lowerer: &mut Lowerer, expr: Expr) -> Result<Expr, Refusal> {
    let axes = expr.axes.clone();
    let narrow = (0..axes.len()).fold(expr, |expr, axis| match expr.clone().narrowed(axis) {
        Some(narrow) => narrow,
        None => expr,
    });
    Ok(lowerer.copied(&narrow)?.broadcast(&axes))
}

/// A normalised column whose gain and offset weights can take in: `value · M` is `column · (gain · M) + offset · M`.
pub struct Gained {
    /// The column, over the value's axes.
    pub column: Expr,
    /// By place of the axis: what the column is multiplied with.
    pub gain: Vec<f64>,
    /// By place of the axis: what is added.
    pub offset: Vec<f64>,
}

/// A value that is a normalised column with a gain, and maybe an offset, along one of its logical axes.
pub fn gained(lowerer: &Lowerer, lazy: &Lazy, axis: usize) -> Option<Gained> {
    let (factor, shift) = lazy.affine?;
    let expr = lowerer.base(lazy).clone().affine(factor, shift);
    let is_weight = |operand: &NetOperand| matches!(operand.source, Source::Weight(_));
    let (mut offsets, mut products): (Vec<&Term>, Vec<&Term>) = (Vec::new(), Vec::new());
    for term in &expr.terms {
        if term.right.is_none() && is_weight(&term.left) { offsets.push(term) } else { products.push(term) }
    }
    let [Term { coefficient, left, right: Some(right), summed }] = &products[..] else { return None };
    let (activation, weight) = if is_weight(right) { (left, right) } else { (right, left) };
    if !summed.is_empty() || !is_weight(weight) || !selects(activation) || !is_normalised(lowerer, activation) {
        return None;
    }
    let gain = along(lowerer, &expr, weight, axis)?.into_iter().map(|v| v * coefficient).collect();
    let mut offset = vec![expr.constant; expr.axes[axis].iter().product()];
    for term in offsets {
        let values = along(lowerer, &expr, &term.left, axis)?;
        offset.iter_mut().zip(values).for_each(|(sum, v)| *sum += v * term.coefficient);
    }
    let term = Term { coefficient: 1.0, left: activation.clone(), right: None, summed: Vec::new() };
    Some(Gained { column: Expr { terms: vec![term], constant: 0.0, ..expr.clone() }, gain, offset })
}

/// Whether a column's rows were divided by their own size. Of others a gain may be what makes their features equally
/// large, and weights that take it in would lose the small ones.
fn is_normalised(lowerer: &Lowerer, operand: &NetOperand) -> bool {
    let Source::Pre(l) = operand.source else { return false };
    let by_row = |term: &crate::net::NetTerm| term.right.as_ref().is_some_and(|right| is_reciprocal(lowerer, right));
    lowerer.net.layers[l as usize].terms.iter().any(by_row)
}

/// A block of weights by place of a logical axis, which is all that it may depend on.
fn along(lowerer: &Lowerer, expr: &Expr, weight: &NetOperand, axis: usize) -> Option<Vec<f64>> {
    let Source::Weight(w) = weight.source else { return None };
    let block = lowerer.net.weights.get(w as usize)?;
    let first = expr.first_atom(axis);
    let atoms = &expr.axes[axis];
    // by atom: where its places are in a cell's number
    let mut shifts = vec![None; atoms.len()];
    let mut at = 0;
    for run in &weight.runs {
        let NetIndex::Axis(atom) = run.index else { return None };
        *shifts.get_mut(usize::from(atom).checked_sub(first)?)? = Some(at);
        at += u32::from(run.log_len);
    }
    let cell = |mut place: usize| {
        let mut cell = 0;
        for (len, shift) in atoms.iter().zip(&shifts).rev() {
            cell += shift.map_or(0, |shift| place % len << shift);
            place /= len;
        }
        block.get(cell).copied().map(f64::from)
    };
    (0..atoms.iter().product()).map(cell).collect()
}

impl Expr {
    /// A logical axis that no term depends on, as one of length 1.
    pub fn narrowed(mut self, axis: usize) -> Option<Self> {
        let (first, count) = (self.first_atom(axis), self.axes[axis].len());
        let named = |operand: &NetOperand| (first..first + count).any(|atom| operand_names(operand, atom as u8));
        if self.terms.iter().any(|term| named(&term.left) || term.right.as_ref().is_some_and(&named)) {
            return None;
        }
        let new = |atom: u8| if usize::from(atom) >= first + count { atom - count as u8 } else { atom };
        self.terms
            .iter_mut()
            .for_each(|term| super::expr::each_index(term, &mut |index| super::expr::renumber(index, &new)));
        self.axes[axis].clear();
        Some(self)
    }
}
