//! [`Rule::SquareRoot`](crate::model::Rule::SquareRoot): `q = floor(sqrt(z))`.
//!
//! With `q`, `rem` and `rest` sums of limbs:
//!
//! * *Equations*, in every cell: `q = Σ limbs`, `z = q² + rem`, `rem + rest = 2q`.
//! * *Lookups*: every limb in its range.
//!
//! *One solution.* `q`, `rem` and `rest` are not negative and below `2^62`, so all equations hold between integers, and
//! the last says `rem <= 2q`. So `q² <= z < (q + 1)²`, which one `q >= 0` fulfils.
//!
//! *Bounds.* `z >= 0`; the root of its largest value, and twice that, fit the limbs.

use super::limbs::Limbs;
use super::{Cells, RuleBounds};
use crate::model::{Columns, Interval, Layer, ModelError};
use crate::system::{Builder, LayerColumns, Owner};

pub(super) fn bounds(index: usize, z: Interval, limb_bits: u8) -> Result<RuleBounds, ModelError> {
    if z.0 < 0 {
        return Err(ModelError::RootRange { layer: index, least: z.0 });
    }
    let root = (z.0.isqrt(), z.1.isqrt());
    let parts = Limbs::needed(limb_bits, 2 * root.1 as u128).ok_or(ModelError::Parts { layer: index })?;
    // |z| < 2^61, so that the root fits 31 bits
    Ok(RuleBounds { parts, ..RuleBounds::of(Columns { pre: root, post: root, max: (0, 0) }) })
}

pub(super) fn elaborate(layer: &Layer, limbs: Limbs, system: &mut Builder) -> LayerColumns {
    let log_size = layer.log_size;
    let q = system.column(log_size, Owner::Prover);
    let [root, rem, rest] = [(); 3].map(|()| limbs.columns(log_size, system));
    system.equation(log_size, Vec::new(), [vec![(1, q)], limbs.sum(&root, -1)].concat(), 0);
    let square = system.square(-1, q, log_size);
    system.equate_products(layer, 1, vec![square], limbs.sum(&rem, -1), 0);
    system.equation(log_size, Vec::new(), [vec![(2, q)], limbs.sum(&rem, -1), limbs.sum(&rest, -1)].concat(), 0);
    LayerColumns::plain(q)
}

pub(super) fn execute(cells: &Cells<'_>, limbs: Limbs) -> Vec<Vec<i32>> {
    let root: Vec<u64> = cells.z.iter().map(|z| (*z).max(0).isqrt() as u64).collect();
    let rem: Vec<u64> = root.iter().zip(cells.z).map(|(root, z)| (*z).max(0) as u64 - root * root).collect();
    let rest: Vec<u64> = root.iter().zip(&rem).map(|(root, rem)| 2 * root - rem).collect();
    let q = root.iter().map(|root| *root as i32).collect();
    std::iter::once(q).chain([&root, &rem, &rest].into_iter().flat_map(|numbers| limbs.cut(numbers))).collect()
}
