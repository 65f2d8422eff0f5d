//! [`Rule::Maximum`](crate::model::Rule::Maximum): the maximum over an axis, with a function of the distance from it.
//!
//! Cells are rows of `2^bits` places of which the first `len` count; `m` and `c` have one cell a row, `d`, `y`, `e` one
//! an element.
//!
//! * *Equations*: `d + z - m = 0` at places that count, `d = 0` at the others; in every row `Σ_{k < len} e_k - 1 - c =
//!   0`.
//! * *Lookups*: `(d, y, e)` is a row of the unsigned table, whose rows are `(d, f(d), [d = 0])` for `0 <= d <
//!   2^bits(table)`; `c` is in `[0, 2^bits)`.
//!
//! *One solution.* By the table `e` is 1 exactly where `d = 0`, and `d = m - z >= 0` is small. By the count at least
//! one place that counts has `d = 0`, so `m` is one of the row's `z`, and it is not less than any: it is their maximum.
//! `d`, `y`, `e` and `c` follow.
//!
//! *Bounds.* The largest `z` less the smallest fits the table. The maximum lies in the interval of `z`, and `|z| <
//! 2^31`, so that a cell holds it.
//!
//! Softmax reads `y = exp(-d)`: maximum and exponential cost one lookup an element. ArgMax reads `e`.

use super::{Cells, RuleBounds};
use crate::model::{Columns, Domain, Entry, Index, Interval, Layer, ModelError, Rule, Run, Table, Term};
use crate::system::{Builder, LayerColumns, Owner, Summand, TableId, View};
use std::borrow::Cow;

/// Where the axis is.
#[derive(Clone, Copy)]
pub(super) struct AxisOf {
    /// Bits below it.
    pub low: u8,
    /// Its bits.
    pub bits: u8,
    /// Places that count.
    pub len: u32,
}

impl AxisOf {
    /// How far apart its places are.
    fn stride(self) -> usize {
        1 << self.low
    }

    fn row(self) -> usize {
        1 << (self.low + self.bits)
    }

    /// The axes of elements.
    fn axes(self, log_size: u8) -> Vec<u8> {
        vec![self.low, self.bits, log_size - self.low - self.bits]
    }

    /// Bits of the count's range.
    fn count_bits(self) -> u8 {
        self.bits.max(1)
    }
}

/// The terms, reading nothing at places that do not count. `axis` bits that no single axis of a term makes are refused
/// by validation.
pub(crate) fn restricted(terms: &[Term], low: u8, bits: u8, len: u32) -> Cow<'_, [Term]> {
    if u64::from(len) == 1 << bits {
        return Cow::Borrowed(terms);
    }
    Cow::Owned(terms.iter().map(|term| restrict(term, low, bits, len)).collect())
}

/// How many places of a layer's terms and equations are written out one by one: those of an axis that does not count as
/// a whole.
pub(crate) fn written_out(layer: &Layer) -> u64 {
    match layer.rule {
        Rule::Maximum { bits, len, .. } if u64::from(len) < 1 << bits => {
            (layer.terms.len() as u64 + 2) * u64::from(len)
        }
        _ => 0,
    }
}

/// Which of a term's axes is the one at these bits.
pub(crate) fn axis_at(term: &Term, low: u8, bits: u8) -> Option<u8> {
    let mut at = 0u32;
    for (axis, log) in term.axes.iter().enumerate().take(term.outputs()) {
        if at == u32::from(low) && *log == bits {
            return Some(axis as u8);
        }
        at += u32::from(*log);
    }
    None
}

/// The axis of a term whose places do not all count: of the runs that follow it one is proven and executed as a map.
/// The layer need not be valid.
pub(crate) fn partial_axis(layer: &Layer, term: &Term) -> Option<u8> {
    match layer.rule {
        Rule::Maximum { low, bits, len, .. }
            if 1u64.checked_shl(bits.into()).is_none_or(|all| u64::from(len) < all) =>
        {
            axis_at(term, low, bits)
        }
        _ => None,
    }
}

fn restrict(term: &Term, low: u8, bits: u8, len: u32) -> Term {
    let mut term = term.clone();
    let Some(at) = axis_at(&term, low, bits) else { return term };
    let here = |to: u32| Entry { to, from: 0, coefficient: 1 };
    let operands = std::iter::once(&mut term.left).chain(&mut term.right);
    let named = |index: &Index| index.axes().any(|axis| axis == at);
    for run in operands.flat_map(|operand| &mut operand.runs) {
        if !named(&run.index) {
            continue;
        }
        match &mut run.index {
            Index::Axis(_) => {
                let entries = (0..len).map(|to| Entry { from: to, ..here(to) }).collect();
                run.index = Index::Map { axis: Some(at), entries };
            }
            Index::Map { entries, .. } => entries.retain(|entry| entry.to < len),
            Index::Window { out, window, .. } if *out == at => window.outputs = window.outputs.min(len),
            Index::Window { window, .. } => window.kernel = window.kernel.min(len),
        }
        return term;
    }
    let entries = (0..len).map(here).collect();
    term.left.runs.push(Run { log_len: 0, index: Index::Map { axis: Some(at), entries } });
    term
}

pub(super) fn bounds(
    index: usize,
    z: Interval,
    (table, range): (&Table, (i32, i32)),
) -> Result<RuleBounds, ModelError> {
    if table.domain != Domain::Unsigned {
        return Err(ModelError::TableDomain { layer: index });
    }
    let distance = z.1 - z.0;
    if distance > table.max().into() {
        return Err(ModelError::MaximumRange { layer: index, distance, bits: table.bits });
    }
    super::exact::bounds(index, z)?;
    let pre = (0, distance);
    let post = if table.is_identity() { pre } else { (range.0.into(), range.1.into()) };
    Ok(RuleBounds::of(Columns { pre, post, max: z }))
}

pub(super) fn elaborate(layer: &Layer, axis: AxisOf, (id, table): (u32, &Table), system: &mut Builder) -> LayerColumns {
    let log_size = layer.log_size;
    let log_rows = log_size - axis.bits;
    let d = system.column(log_size, Owner::Prover);
    let y = if table.is_identity() { d } else { system.column(log_size, Owner::Prover) };
    let e = system.column(log_size, Owner::Prover);
    let m = system.column(log_rows, Owner::Prover);
    let c = system.ranged(log_rows, Owner::Prover, axis.count_bits());
    system.lookup(log_size, TableId::Activation(id), [Some(d), Some(y), Some(e)], 0);

    let axes = axis.axes(log_size);
    let run = |log_len: u8, axis: u8| Run { log_len, index: Index::Axis(axis) };
    let entries = |from: fn(u32) -> u32, to: fn(u32) -> u32| {
        (0..axis.len).map(|k| Entry { to: to(k), from: from(k), coefficient: 1 }).collect()
    };
    let mut rows = vec![run(axes[0], 0), run(axes[2], 2)];
    if u64::from(axis.len) < 1 << axis.bits {
        rows.push(Run { log_len: 0, index: Index::Map { axis: Some(1), entries: entries(|_| 0, |k| k) } });
    }
    let maxima =
        Summand { coefficient: -1, axes: axes.clone(), summed: 0, left: View { column: m, runs: rows }, right: None };
    system.equate_products(layer, 1, vec![maxima], vec![(1, d)], 0);

    let counted = Run { log_len: axes[1], index: Index::Map { axis: None, entries: entries(|k| k, |_| 0) } };
    let marks = View { column: e, runs: vec![run(axes[0], 0), counted, run(axes[2], 1)] };
    let marks = Summand { coefficient: 1, axes: vec![axes[0], axes[2]], summed: 0, left: marks, right: None };
    system.equation(log_rows, vec![marks], vec![(-1, c)], -1);
    LayerColumns { post: y, max: Some(m), mark: Some(e), ..LayerColumns::plain(d) }
}

pub(super) fn execute(cells: &Cells<'_>, axis: AxisOf) -> Vec<Vec<i32>> {
    let Some((table, values)) = cells.table else { return Vec::new() };
    let (stride, row, len) = (axis.stride(), axis.row(), axis.len as usize);
    let (mut m, mut counts) = (Vec::new(), Vec::new());
    let mut d = vec![0i32; cells.z.len()];
    for (z, d) in cells.z.chunks(row).zip(d.chunks_mut(row)) {
        for at in 0..stride {
            let places = || (0..len).map(|k| at + k * stride);
            let most = places().filter_map(|i| z.get(i)).copied().max().unwrap_or(0);
            places().for_each(|i| d[i] = (most - z[i]) as i32);
            m.push(most as i32);
            counts.push(places().filter(|i| d[*i] == 0).count() as i32 - 1);
        }
    }
    let y = (!table.is_identity()).then(|| d.iter().map(|d| values.get(*d as usize).copied().unwrap_or(0)).collect());
    let e = d.iter().map(|d| i32::from(*d == 0)).collect();
    std::iter::once(d).chain(y).chain([e, m, counts]).collect()
}
