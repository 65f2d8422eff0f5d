//! [`Rule::Divide`](crate::model::Rule::Divide): a saturating division by a column, and a table.
//!
//! With `D >= 1` the divisor, `over = Σ_j 2^(s(j-1)) v_j` what the clamp cuts off, `rem` and `rest` sums of limbs:
//!
//! * *Equations*, in every cell: `2z + D = 2D·(q + over) + rem` and `rem + rest = 2D - 1`.
//! * *Lookups*: `(q, y, v_j)` in the table as in [`super::requantise`]; the limbs of `rem` and `rest` in their range.
//!
//! *One solution.* `rem` and `rest` are not negative, so the second equation says `0 <= rem < 2D` (both sides are small
//! integers; nothing wraps). The first is then the division of `2z + D` by `2D >= 2` with remainder, whose quotient `q
//! + over = floor((2z + D) / 2D)` is `z / D` rounded, halves upwards: `|q + over| · 2D < 2^126` is far below the
//! field's order, so the equation holds between integers. The table makes `q` the clamp, as in [`super::requantise`].
//!
//! *Whatever the weights.* Committed weights outside their range can make `D` and `z` any elements of the field. `N =
//! 2D` is still `rem + rest + 1`, a positive integer below `2^63`, though `D` may be half of an odd one; and twice the
//! first equation is `4z + N = 2(N·(q + over) + rem)` with `0 <= rem < N`. The right side, below `2^128`, is another
//! number for each `(q + over, rem)`. So there is one solution or none: `D = 0` and negative ones have none.
//! `tests/uniqueness.rs` tries everything for small tables.
//!
//! *Bounds.* `D` is at least 1 in every cell, `2D - 1` fits the limbs, and the quotient by the least `D` fits clamp and
//! limbs.

use super::limbs::Limbs;
use super::requantise::{self, Saturated};
use super::{Cells, RuleBounds};
use crate::model::{Bounds, Divisor, Interval, Layer, ModelError, Table};
use crate::system::{Builder, LayerColumns};

pub(super) fn bounds(
    index: usize,
    z: Interval,
    by: &Divisor,
    limb_bits: u8,
    table: (&Table, (i32, i32)),
    known: &Bounds,
) -> Result<RuleBounds, ModelError> {
    let (least, most) = divisor_range(index, by, known)?;
    let quotient = |z: i64| (2 * i128::from(z) + i128::from(least)).div_euclid(2 * i128::from(least)) as i64;
    // the least divisor gives the largest quotients, of both signs; the largest gives those next to 0
    let u = (quotient(z.0).min(0), quotient(z.1).max(0));
    let parts = Limbs::needed(limb_bits, 2 * most as u128 - 1).ok_or(ModelError::Parts { layer: index })?;
    Ok(RuleBounds { parts, ..requantise::saturated(index, u, table)? })
}

/// The interval of a divisor. Errors: it is not within `1..2^31`.
pub(super) fn divisor_range(index: usize, by: &Divisor, known: &Bounds) -> Result<Interval, ModelError> {
    let (least, most) =
        known.operand(&by.operand).ok_or(ModelError::UnknownSource { layer: index, missing: by.operand.source })?;
    let narrow = |v: i128| i64::try_from(v).unwrap_or(i64::MIN);
    let range = (narrow(least), narrow(most));
    if range.0 < 1 || range.1 < 1 || range.1 > i64::from(i32::MAX) {
        return Err(ModelError::DivisorRange { layer: index, least: range.0 });
    }
    Ok(range)
}

pub(super) fn elaborate(
    layer: &Layer,
    by: &Divisor,
    limbs: Limbs,
    saturation: u8,
    (id, table): (u32, &Table),
    system: &mut Builder,
) -> LayerColumns {
    let log_size = layer.log_size;
    let columns = Saturated::new(log_size, table, system);
    let rem = limbs.columns(log_size, system);
    let rest = limbs.columns(log_size, system);
    let columns = columns.with_limbs(log_size, saturation, id, system);
    let divisor = system.factor(by);
    let products = columns.quotient(-2).into_iter().map(|(factor, column)| system.product(factor, column, &divisor));
    let mut first: Vec<_> = products.collect();
    first.push(system.linear(1, &divisor));
    system.equate_products(layer, 2, first, limbs.sum(&rem, -1), 0);
    let second = vec![system.linear(2, &divisor)];
    let both = [limbs.sum(&rem, -1), limbs.sum(&rest, -1)].concat();
    system.equation(log_size, second, both, -1);
    columns.columns()
}

pub(super) fn execute(cells: &Cells<'_>, limbs: Limbs, saturation: u8) -> Vec<Vec<i32>> {
    let divisor = |i: usize| i128::from(cells.divisors.get(i).copied().unwrap_or(1).max(1));
    let doubled = |i: usize, z: i64| 2 * i128::from(z) + divisor(i);
    let mut columns = requantise::saturate(cells, &|i, z| doubled(i, z).div_euclid(2 * divisor(i)) as i64, saturation);
    let rem: Vec<u64> =
        cells.z.iter().enumerate().map(|(i, z)| doubled(i, *z).rem_euclid(2 * divisor(i)) as u64).collect();
    let rest: Vec<u64> = rem.iter().enumerate().map(|(i, rem)| (2 * divisor(i) - 1) as u64 - rem).collect();
    let tail = columns.split_off(columns.len() - usize::from(saturation));
    columns.extend(limbs.cut(&rem).into_iter().chain(limbs.cut(&rest)).chain(tail));
    columns
}
