//! Scales that fit, and public factors as integers.

use crate::net::NetIndex;
use assay_circuits::model::{Entry, Index};

/// No column and no weight has a finer scale: 16-bit cells of size 2^-45, about 3e-14. Twice this, and a factor, fit
/// the 8 bits of a published scale.
pub(super) const MAX_SCALE: i32 = 60;
/// No column and no weight has a coarser scale.
pub(super) const MIN_SCALE: i32 = -60;
/// The scale of what was 0 in every sample: there is nothing to be accurate about, and readers shall not have to shift
/// much.
const ZERO_SCALE: i32 = 30;
/// Bits of public factors that are no fractions of a power of two, their first not counted, at most: more than the
/// columns of the widest tables have in effect.
const MOST_FACTOR_BITS: i32 = 13;
/// The same at least: a factor is off by 2^-11 of its size. Where this does not fit a layer's shift, what the layer
/// reads gets coarser.
pub(super) const LEAST_FACTOR_BITS: i32 = 10;

/// Bits of factors beside tables of this width: what they lose is less than what a column loses.
pub(super) fn factor_accuracy(table_bits: u8) -> i32 {
    i32::from(table_bits).clamp(LEAST_FACTOR_BITS, MOST_FACTOR_BITS)
}

/// The largest `s` with `size · 2^s <= limit`.
pub(super) fn fitting_scale(size: f32, limit: f64) -> i32 {
    if size > 0.0 { ((limit / f64::from(size)).log2().floor() as i32).clamp(MIN_SCALE, MAX_SCALE) } else { ZERO_SCALE }
}

/// The largest number of so many bits.
pub(super) fn limit(bits: u8) -> f64 {
    f64::from((1u32 << (bits - 1)) - 1)
}

/// The least `k` with which every `c · 2^k` is an integer, or, where that takes too long, is accurate to so many bits
/// of the largest of them. Negative only for large factors of real numbers: integers keep every bit.
fn common_bits(factors: impl Iterator<Item = f64> + Clone, real: bool, accuracy: i32) -> i32 {
    let largest = factors.clone().fold(0f64, |m, c| m.max(c.abs()));
    if largest == 0.0 || !largest.is_finite() {
        return 0;
    }
    let size = largest.log2().floor() as i32;
    let whole = |k: &i32| factors.clone().all(|c| (c * f64::from(*k).exp2()).fract() == 0.0);
    if !real && whole(&0) {
        return 0;
    }
    (-size..=accuracy - size).find(whole).unwrap_or(accuracy - size)
}

/// The same of one factor.
pub(super) fn factor_bits(c: f64, real: bool, accuracy: i32) -> i32 {
    common_bits(std::iter::once(c), real, accuracy)
}

/// Bits that a map's factors take.
pub(super) fn map_bits(index: &NetIndex, accuracy: i32) -> i32 {
    match index {
        // the readers of a map need not be real numbers: whole factors stay whole
        NetIndex::Map { entries, .. } => common_bits(entries.iter().map(|e| e.2), false, accuracy),
        _ => 0,
    }
}

/// A run's matrix in integers, its factors times 2^[`map_bits`].
pub(super) fn quantised_index(index: &NetIndex, accuracy: i32) -> Index {
    match index {
        NetIndex::Axis(axis) => Index::Axis(*axis),
        NetIndex::Window { out, kernel, window } => Index::Window { out: *out, kernel: *kernel, window: *window },
        NetIndex::Map { axis, entries } => {
            let bits = f64::from(map_bits(index, accuracy)).exp2();
            let entry = |(to, from, c): &(u32, u32, f64)| Entry {
                to: *to,
                from: *from,
                coefficient: (c * bits).round() as i32,
            };
            Index::Map { axis: *axis, entries: entries.iter().map(entry).filter(|e| e.coefficient != 0).collect() }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A factor is accurate to so many bits whatever its size, and takes no more bits than it needs.
    #[test]
    fn factors_keep_their_relative_accuracy() {
        for c in [1e-9, 3.7e-5, 1.0 / 50176.0, 0.3, 1.0, 7.3, 1e6 + 0.5, 3.3e9] {
            for accuracy in [10, 13] {
                let unit = f64::from(factor_bits(c, true, accuracy)).exp2();
                assert!(((c * unit).round() / (c * unit) - 1.0).abs() <= f64::from(-accuracy - 1).exp2(), "{c}");
                assert!(c * unit < f64::from(accuracy + 1).exp2(), "{c}");
            }
        }
        assert_eq!(factor_bits(0.375, true, 13), 3);
        assert_eq!(factor_bits(1024.0, true, 13), -10);
    }

    /// Integers are never rounded, even large ones: a column of indices would be wrong by one.
    #[test]
    fn factors_of_integers_keep_every_bit() {
        assert_eq!(factor_bits(1_234_567.0, false, 10), 0);
        let keys = NetIndex::Map { axis: Some(0), entries: vec![(0, 0, 99_999.0), (1, 1, 1.0)] };
        let Index::Map { entries, .. } = quantised_index(&keys, 10) else { panic!("a map stays a map") };
        assert_eq!(entries.iter().map(|e| e.coefficient).collect::<Vec<_>>(), [99_999, 1]);
    }

    /// The factors of a map are as accurate as the largest asks for: at an absolute number of bits those of a long mean
    /// would all be 0.
    #[test]
    fn small_factors_of_a_map_do_not_vanish() {
        let mean = NetIndex::Map { axis: None, entries: (0..50_176).map(|i| (0, i, 1.0 / 50_176.0)).collect() };
        let Index::Map { entries, .. } = quantised_index(&mean, 10) else { panic!("a map stays a map") };
        let sum: f64 = entries.iter().map(|e| f64::from(e.coefficient)).sum();
        let unit = f64::from(map_bits(&mean, 10)).exp2();
        assert!((sum / unit - 1.0).abs() < 1e-3, "{}", sum / unit);
    }

    /// Cells of size 1e-12 and of size 1e12 use their bits; what is always 0 asks for nothing.
    #[test]
    fn scales_fit_tightly() {
        for size in [1e-12f32, 1e-9, 1e-4, 1.0, 1e6, 1e12] {
            let cell = f64::from(size) * f64::from(fitting_scale(size, limit(16))).exp2();
            assert!(cell <= 32767.0 && 2.0 * cell > 32767.0, "{size}");
        }
        assert_eq!(fitting_scale(0.0, limit(16)), ZERO_SCALE);
        assert!((MIN_SCALE..=MAX_SCALE).contains(&fitting_scale(f32::MIN_POSITIVE, limit(16))));
        assert!((MIN_SCALE..=MAX_SCALE).contains(&fitting_scale(f32::MAX, limit(4))));
    }
}
