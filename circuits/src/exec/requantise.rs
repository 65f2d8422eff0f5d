//! Steps 2 and 3 of a layer: the saturating requantisation, with everything that a proof of it needs, and the table lookup.

use super::LayerTrace;
use crate::model::{Architecture, Function, Layer, Table};
use rayon::prelude::*;

/// Cells below which a job is not split further.
const GRAIN: usize = 4096;

/// `f(q)` for every `q` from the minimum, for tables without a closed form; empty for the others.
pub(super) fn evaluate_tables(arch: &Architecture) -> Vec<Vec<i32>> {
    let values = |table: &Table| (table.min()..=table.max()).map(|q| table.apply(q)).collect();
    arch.tables.iter().map(|table| if table.is_committed() { values(table) } else { Vec::new() }).collect()
}

/// The layer's columns from its accumulators: `z + half = (q + over)·2^shift + rem`, `|over| = Σ_j 2^(s(j-1))·|v_j|`.
pub(super) fn requantise(layer: &Layer, table: &Table, values: &[i32], z: &[i64]) -> LayerTrace {
    let shift = u32::from(layer.shift);
    let half = if shift == 0 { 0 } else { 1i64 << (shift - 1) };
    let (min, max) = (table.min(), table.max());
    let rounded = |z: i64| (z + half) >> shift;
    let clamped = |w: i64| w.clamp(min.into(), max.into()) as i32;
    let column = |cell: &(dyn Fn(i64) -> i32 + Sync)| z.par_iter().with_min_len(GRAIN).map(|&z| cell(z)).collect::<Vec<i32>>();

    let q = column(&|z| clamped(rounded(z)));
    let rem = if shift == 0 { Vec::new() } else { column(&|z| ((z + half) & ((1 << shift) - 1)) as i32) };
    let limb_bits = table.limb_bits();
    let limb = |j: u32| {
        column(&move |z| {
            let w = rounded(z);
            let over = w - i64::from(clamped(w));
            let digit = (over.unsigned_abs() >> (limb_bits * j)) & ((1 << limb_bits) - 1);
            over.signum() as i32 * digit as i32
        })
    };
    let limbs = (0..u32::from(layer.limbs)).map(limb).collect();
    let map = |f: &(dyn Fn(i32) -> i32 + Sync)| q.par_iter().with_min_len(GRAIN).map(|&q| f(q)).collect();
    let y = match table.function {
        Function::Identity => Vec::new(),
        Function::Relu => map(&|q| q.max(0)),
        _ => map(&|q| values.get((q - min) as usize).copied().unwrap_or(0)),
    };
    LayerTrace { q, y, rem, limbs }
}
