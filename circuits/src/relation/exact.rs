//! [`Rule::Exact`](crate::model::Rule::Exact): `q = z`.
//!
//! *Equation*, in every cell: `q - z = 0`. *One solution*: `q` is `z`. *Bounds*: `|z| < 2^31`, so that a cell holds it.
//! No lookup: `z` is a sum of products of columns that are bounded by their own lookups.

use super::{Cells, RuleBounds};
use crate::model::{Columns, Interval, Layer, ModelError};
use crate::system::{Builder, LayerColumns, Owner};

/// Most bits of a cell.
const MAX: i64 = i32::MAX as i64;

pub(super) fn bounds(index: usize, z: Interval) -> Result<RuleBounds, ModelError> {
    if z.0 < -MAX || z.1 > MAX {
        return Err(ModelError::ExactTooWide {
            layer: index,
            bits: 64 - z.0.unsigned_abs().max(z.1.unsigned_abs()).leading_zeros(),
        });
    }
    Ok(RuleBounds::of(Columns { pre: z, post: z, max: (0, 0) }))
}

pub(super) fn elaborate(layer: &Layer, system: &mut Builder) -> LayerColumns {
    let q = system.column(layer.log_size, Owner::Prover);
    system.equate(layer, 1, vec![(-1, q)]);
    LayerColumns::plain(q)
}

pub(super) fn execute(cells: &Cells<'_>) -> Vec<Vec<i32>> {
    vec![cells.z.iter().map(|z| *z as i32).collect()]
}
