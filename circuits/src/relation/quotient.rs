//! [`Rule::Quotient`](crate::model::Rule::Quotient): a division of what is not negative by a column, kept whole.
//!
//! With `D >= 1` the divisor, and `q`, `rem` and `rest` sums of limbs:
//!
//! * *Equations*, in every cell: `q = Σ limbs`, `2z + D = 2D·q + rem`, `rem + rest = 2D - 1`.
//! * *Lookups*: every limb in its range.
//!
//! *One solution.* As in [`super::divide`], `0 <= rem < 2D` and the second equation is the division of `2z + D` by `2D`
//! with remainder, between integers: `q < 2^62` and `D < 2^31`. No clamp is needed, since the limbs hold the quotient
//! of the largest `z` by the least `D`.
//!
//! *Bounds.* `z >= 0`, `D >= 1`; the quotient is below `2^31`.

use super::limbs::Limbs;
use super::{Cells, RuleBounds};
use crate::model::{Bounds, Columns, Divisor, Interval, Layer, ModelError};
use crate::system::{Builder, LayerColumns, Owner};

pub(super) fn bounds(
    index: usize,
    z: Interval,
    by: &Divisor,
    limb_bits: u8,
    known: &Bounds,
) -> Result<RuleBounds, ModelError> {
    let (least, most) = super::divide::divisor_range(index, by, known)?;
    if z.0 < 0 {
        return Err(ModelError::RootRange { layer: index, least: z.0 });
    }
    let rounded = |z: i64, d: i64| ((2 * i128::from(z) + i128::from(d)) / (2 * i128::from(d))) as i64;
    let q = (rounded(z.0, most), rounded(z.1, least));
    if q.1 > i64::from(i32::MAX) {
        return Err(ModelError::ExactTooWide { layer: index, bits: 64 - q.1.leading_zeros() });
    }
    let largest = (2 * most as u128 - 1).max(q.1 as u128);
    let parts = Limbs::needed(limb_bits, largest).ok_or(ModelError::Parts { layer: index })?;
    Ok(RuleBounds { parts, ..RuleBounds::of(Columns { pre: q, post: q, max: (0, 0) }) })
}

pub(super) fn elaborate(layer: &Layer, by: &Divisor, limbs: Limbs, system: &mut Builder) -> LayerColumns {
    let log_size = layer.log_size;
    let q = system.column(log_size, Owner::Prover);
    let [digits, rem, rest] = [(); 3].map(|()| limbs.columns(log_size, system));
    let divisor = system.factor(by);
    system.equation(log_size, Vec::new(), [vec![(1, q)], limbs.sum(&digits, -1)].concat(), 0);
    let products = vec![system.product(-2, q, &divisor), system.linear(1, &divisor)];
    system.equate_products(layer, 2, products, limbs.sum(&rem, -1), 0);
    system.equation(
        log_size,
        vec![system.linear(2, &divisor)],
        [limbs.sum(&rem, -1), limbs.sum(&rest, -1)].concat(),
        -1,
    );
    LayerColumns::plain(q)
}

pub(super) fn execute(cells: &Cells<'_>, limbs: Limbs) -> Vec<Vec<i32>> {
    let each = cells.z.iter().enumerate().map(|(i, z)| {
        let d = i128::from(cells.divisors.get(i).copied().unwrap_or(1).max(1));
        let doubled = 2 * i128::from((*z).max(0)) + d;
        let rem = doubled % (2 * d);
        ((doubled / (2 * d)) as u64, rem as u64, (2 * d - 1 - rem) as u64)
    });
    let (mut q, mut rem, mut rest) = (Vec::new(), Vec::new(), Vec::new());
    for (digit, remainder, lack) in each {
        q.push(digit);
        rem.push(remainder);
        rest.push(lack);
    }
    let column = q.iter().map(|q| *q as i32).collect();
    std::iter::once(column).chain([&q, &rem, &rest].into_iter().flat_map(|numbers| limbs.cut(numbers))).collect()
}
