//! Scales that fit, and public factors as integers.

use crate::net::NetIndex;
use assay_circuits::model::{Entry, Index};

/// No scale is larger: enough for 16-bit cells of size 2^-15.
pub(super) const MAX_SCALE: i32 = 30;
pub(super) const MIN_SCALE: i32 = -30;
/// Bits of a public factor that is no fraction of a power of two.
pub(super) const FACTOR_BITS: i32 = 12;

/// The largest `s` with `size · 2^s <= limit`.
pub(super) fn fitting_scale(size: f32, limit: f64) -> i32 {
    if size <= 0.0 { MAX_SCALE } else { ((limit / f64::from(size)).log2().floor() as i32).clamp(MIN_SCALE, MAX_SCALE) }
}

pub(super) fn limit(bits: u8) -> f64 {
    f64::from((1u32 << (bits - 1)) - 1)
}

/// The least `k` with which `c · 2^k` is an integer, or, where that takes too long, is accurate to [`FACTOR_BITS`].
pub(super) fn factor_bits(c: f64) -> i32 {
    let size = c.abs().log2().floor() as i32;
    (0..=FACTOR_BITS)
        .map(|k| k - size.min(0))
        .find(|k| (c * f64::from(*k).exp2()).fract() == 0.0)
        .unwrap_or(FACTOR_BITS - size)
        .max(-size)
        .max(if c.fract() == 0.0 { 0 } else { 1 })
}

/// Bits that a map's factors take.
pub(super) fn map_bits(index: &NetIndex) -> i32 {
    match index {
        NetIndex::Map { entries, .. } => {
            entries.iter().map(|e| if e.2.fract() == 0.0 { 0 } else { factor_bits(e.2).min(FACTOR_BITS) }).max().unwrap_or(0)
        }
        _ => 0,
    }
}

pub(super) fn quantised_index(index: &NetIndex) -> Index {
    match index {
        NetIndex::Axis(axis) => Index::Axis(*axis),
        NetIndex::Window { out, kernel, window } => Index::Window { out: *out, kernel: *kernel, window: *window },
        NetIndex::Map { axis, entries } => {
            let bits = f64::from(map_bits(index)).exp2();
            let entry = |(to, from, c): &(u32, u32, f64)| Entry { to: *to, from: *from, coefficient: (c * bits).round() as i32 };
            Index::Map { axis: *axis, entries: entries.iter().map(entry).filter(|e| e.coefficient != 0).collect() }
        }
    }
}
