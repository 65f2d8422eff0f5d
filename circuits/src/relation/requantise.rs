//! [`Rule::Requantise`](crate::model::Rule::Requantise): a saturating division by a power of two, and a table.
//!
//! With `half = 2^(shift-1)` (0 for `shift = 0`), `s` the bits of the table's limbs, and limbs `v_1 … v_J`:
//!
//! * *Equation*, in every cell: `z + half = 2^shift · (q + Σ_j 2^(s(j-1)) v_j) + rem`.
//! * *Lookups*: `(q, y, v_j)` is a row of the table, for every limb (one lookup with `v = 0` if there are none). `rem`
//!   is a sum of limbs, `Σ_i 2^(r_i) · rem_i` ([`remainder`]): one up to a shift of 16, two up to 32, three up to 48.
//!   Each is in its range, and the ranges' bits add up to `shift`, so `rem` is in `[0, 2^shift)` and its limbs are its
//!   digits.
//!
//! *One solution.* The rows of a saturating table are all `(q, f(q), 0)` and the rails `(max, f(max), v)` and `(min,
//! f(min), -v)`: a limb can be other than 0 only where `q` is at the matching rail, so `q` is the clamp of `q + over`,
//! `over` the limbs' sum, and limbs have the sign of `over`. `rem` is the remainder and `q + over` the quotient of `z +
//! half` by `2^shift`, since `(2^bits + 2·2^(sJ)) · 2^shift`, less than `2^112`, and `|z|` are far below the field's
//! order. Then `y = f(q)` by the row.
//!
//! *Bounds.* The cut-off of both ends of `z` fits the limbs; if nothing can be cut off there are none.

use super::{Cells, RuleBounds};
use crate::model::{Columns, Domain, Function, Interval, Layer, ModelError, Table};
use crate::system::{Builder, ColumnId, LayerColumns, Owner, TableId};
use rayon::prelude::*;

pub use crate::model::MAX_LIMB_BITS;

/// Most bits of a limb of the remainder.
const MAX_REMAINDER_BITS: u8 = 16;

/// Cells below which a job is not split further.
const GRAIN: usize = 4096;

pub(super) fn bounds(
    index: usize,
    z: Interval,
    shift: u8,
    table: (&Table, (i32, i32)),
) -> Result<RuleBounds, ModelError> {
    let half = half(shift);
    saturated(index, ((z.0 + half) >> shift, (z.1 + half) >> shift), table)
}

/// Half of what is rounded away.
fn half(shift: u8) -> i64 {
    if shift == 0 { 0 } else { 1 << (shift - 1) }
}

/// The limbs of a remainder of `shift` bits, lowest first: how many bits of it stand below, and how many the limb has.
/// As few as 16 bits allow, and about equally long, since their range tables have `2^bits` rows.
fn remainder(shift: u8) -> impl Iterator<Item = (u8, u8)> {
    let count = shift.div_ceil(MAX_REMAINDER_BITS);
    let bits = shift.div_ceil(count.max(1));
    (0..count).map(move |i| (i * bits, bits.min(shift - i * bits)))
}

/// Bounds of what follows from a quotient in `u`: its clamp, the table's value, the limbs.
pub(super) fn saturated(
    index: usize,
    u: Interval,
    (table, range): (&Table, (i32, i32)),
) -> Result<RuleBounds, ModelError> {
    if table.domain == Domain::Unsigned {
        return Err(ModelError::TableDomain { layer: index });
    }
    let (min, max) = (i64::from(table.min()), i64::from(table.max()));
    let pre = (u.0.clamp(min, max), u.1.clamp(min, max));
    let post = match table.function {
        Function::Identity => pre,
        Function::Relu => (pre.0.max(0), pre.1.max(0)),
        // Not every function is monotone: its range over all q.
        Function::Real { .. } => (range.0.into(), range.1.into()),
    };
    let cut = (u.1 - max).max(min - u.0);
    let limbs = table.limbs(cut);
    if limbs * table.limb_bits() > MAX_LIMB_BITS {
        return Err(ModelError::TooManyLimbs {
            layer: index,
            limbs: limbs as u8,
            limb_bits: table.limb_bits(),
            max_bits: MAX_LIMB_BITS,
        });
    }
    Ok(RuleBounds { columns: Columns { pre, post, max: (0, 0) }, cut: cut.max(0), limbs: limbs as u8, parts: 0 })
}

/// The columns of a quotient: `q`, `f(q)` unless that is `q`, limbs.
pub(super) struct Saturated {
    pub q: ColumnId,
    pub y: ColumnId,
    pub limbs: Vec<ColumnId>,
    limb_bits: u32,
}

impl Saturated {
    /// `q` and `y`, the first columns of a layer. The limbs come later.
    pub fn new(log_size: u8, table: &Table, system: &mut Builder) -> Self {
        let q = system.column(log_size, Owner::Prover);
        let y = if table.is_identity() { q } else { system.column(log_size, Owner::Prover) };
        Self { q, y, limbs: Vec::new(), limb_bits: table.limb_bits() }
    }

    /// The limbs, the last columns of a layer, and all lookups.
    pub fn with_limbs(mut self, log_size: u8, limbs: u8, table: u32, system: &mut Builder) -> Self {
        self.limbs = (0..limbs).map(|_| system.column(log_size, Owner::Prover)).collect();
        let rows = if self.limbs.is_empty() { vec![None] } else { self.limbs.iter().copied().map(Some).collect() };
        for v in rows {
            system.lookup(log_size, TableId::Activation(table), [Some(self.q), Some(self.y), v], 0);
        }
        self
    }

    /// `q + over`, times `factor`.
    pub fn quotient(&self, factor: i128) -> Vec<(i128, ColumnId)> {
        let limb = |(j, v): (usize, &ColumnId)| (factor << (self.limb_bits as usize * j), *v);
        std::iter::once((factor, self.q)).chain(self.limbs.iter().enumerate().map(limb)).collect()
    }

    pub fn columns(&self) -> LayerColumns {
        LayerColumns { post: self.y, ..LayerColumns::plain(self.q) }
    }
}

pub(super) fn elaborate(
    layer: &Layer,
    shift: u8,
    limbs: u8,
    (id, table): (u32, &Table),
    system: &mut Builder,
) -> LayerColumns {
    let columns = Saturated::new(layer.log_size, table, system);
    let rem: Vec<_> = remainder(shift)
        .map(|(below, bits)| (-(1i128 << below), system.ranged(layer.log_size, Owner::Prover, bits)))
        .collect();
    let columns = columns.with_limbs(layer.log_size, limbs, id, system);
    let mut rest = columns.quotient(-(1i128 << shift));
    rest.extend(rem);
    system.equate_with(layer, 1, rest, half(shift).into());
    columns.columns()
}

pub(super) fn execute(cells: &Cells<'_>, shift: u8, limbs: u8) -> Vec<Vec<i32>> {
    let half = half(shift);
    let mut columns = saturate(cells, &|_, z| (z + half) >> shift, limbs);
    let limb = |(below, bits): (u8, u8)| -> Vec<i32> {
        cells.z.par_iter().with_min_len(GRAIN).map(|&z| (((z + half) >> below) & ((1 << bits) - 1)) as i32).collect()
    };
    let at = columns.len() - usize::from(limbs);
    columns.splice(at..at, remainder(shift).map(limb));
    columns
}

/// `q`, `f(q)` unless that is `q`, and the limbs, from the quotient of each cell.
pub(super) fn saturate(cells: &Cells<'_>, quotient: &(dyn Fn(usize, i64) -> i64 + Sync), limbs: u8) -> Vec<Vec<i32>> {
    let Some((table, values)) = cells.table else { return Vec::new() };
    let (min, max) = (i64::from(table.min()), i64::from(table.max()));
    let clamped = |u: i64| u.clamp(min, max);
    let column = |cell: &(dyn Fn(i64) -> i32 + Sync)| -> Vec<i32> {
        cells.z.par_iter().enumerate().with_min_len(GRAIN).map(|(i, &z)| cell(quotient(i, z))).collect()
    };
    let q = column(&|u| clamped(u) as i32);
    let map = |f: &(dyn Fn(i32) -> i32 + Sync)| q.par_iter().with_min_len(GRAIN).map(|&q| f(q)).collect::<Vec<i32>>();
    let y = match table.function {
        Function::Identity => None,
        Function::Relu => Some(map(&|q| q.max(0))),
        Function::Real { .. } => Some(map(&|q| values.get((i64::from(q) - min) as usize).copied().unwrap_or(0))),
    };
    let limb_bits = table.limb_bits();
    let limb = |j: u32| {
        column(&move |u| {
            let over = u - clamped(u);
            let digit = (over.unsigned_abs() >> (limb_bits * j)) & ((1 << limb_bits) - 1);
            over.signum() as i32 * digit as i32
        })
    };
    let limbs: Vec<Vec<i32>> = (0..u32::from(limbs)).map(limb).collect();
    std::iter::once(q).chain(y).chain(limbs).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::MAX_SHIFT;

    /// RQ1: for every shift the limbs of a remainder lie side by side and fill its bits, so that they are its digits;
    /// and each has at least one bit and at most those of a range table.
    #[test]
    fn rq1_the_limbs_of_a_remainder_are_its_digits() {
        for shift in 0..=MAX_SHIFT {
            let end = remainder(shift).fold(0, |end, (below, bits)| {
                assert_eq!(below, end, "shift {shift}");
                assert!((1..=MAX_REMAINDER_BITS).contains(&bits), "shift {shift}");
                end + bits
            });
            assert_eq!(end, shift);
        }
    }
}
