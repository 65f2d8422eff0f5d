//! Signed digits without carries. Adding `2^(w-1)` at every window but the top one, and taking it off again after the
//! window is cut out, gives digits in `[-2^(w-1), 2^(w-1))` that can be read in any order; the top digit keeps what is
//! left. The window width minimises a cost model: an addition to a bucket against a step of the running sum over the
//! buckets.

use super::buckets::Digits;
use ark_bn254::Fr;
use ark_ff::{PrimeField, Zero};
use rayon::prelude::*;

/// Affine additions for each bucket after it has been summed: to its row and to its column.
const STEP_COST: u64 = 2;
/// Bits of a canonical scalar.
const SCALAR_BITS: u32 = 254;

/// Digits of canonical 254-bit scalars.
pub(super) struct FullDigits {
    width: u32,
    windows: u32,
    offset: [u64; 4],
    /// The scalars, each with the offset added: below `2^256` since both are below `2^254`.
    shifted: Vec<[u64; 4]>,
}

impl FullDigits {
    /// Chooses the window; there is none if every scalar is zero.
    pub(super) fn new(scalars: &[Fr]) -> Self {
        let mut digits = Self::empty(scalars.iter().filter(|s| !s.is_zero()).count());
        digits.shifted = scalars.par_iter().with_min_len(1024).map(|s| digits.shift(s.into_bigint().0)).collect();
        digits
    }

    /// For `count` nonzero scalars, which are yet to come.
    fn empty(count: usize) -> Self {
        let cost = |w: &u32| u64::from(SCALAR_BITS.div_ceil(*w)) * (count as u64 + (STEP_COST << (w - 1)));
        let width = (2..=16).min_by_key(cost).unwrap_or(2);
        let windows = if count == 0 { 0 } else { SCALAR_BITS.div_ceil(width) };
        let mut offset = [0u64; 4];
        for j in 1..windows {
            let bit = j * width - 1;
            if let Some(limb) = offset.get_mut((bit / 64) as usize) {
                *limb |= 1 << (bit % 64);
            }
        }
        FullDigits { width, windows, offset, shifted: Vec::new() }
    }

    /// The scalar plus the offset.
    fn shift(&self, scalar: [u64; 4]) -> [u64; 4] {
        let mut out = [0; 4];
        let mut carry = false;
        for ((o, s), k) in out.iter_mut().zip(scalar).zip(self.offset) {
            let (sum, first) = s.overflowing_add(k);
            let (sum, second) = sum.overflowing_add(u64::from(carry));
            (*o, carry) = (sum, first | second);
        }
        out
    }

    /// Digit `j` of a shifted scalar.
    #[inline]
    fn digit_of(&self, shifted: &[u64; 4], j: u32) -> i32 {
        let (limb, bit) = ((j * self.width / 64) as usize, j * self.width % 64);
        let low = shifted.get(limb).map_or(0, |l| l >> bit);
        let high = if bit == 0 { 0 } else { shifted.get(limb + 1).map_or(0, |l| l << (64 - bit)) };
        if j + 1 == self.windows {
            return (low | high) as i32;
        }
        ((low | high) & ((1 << self.width) - 1)) as i32 - (1 << (self.width - 1))
    }
}

impl Digits for FullDigits {
    fn width(&self) -> u32 {
        self.width
    }
    fn windows(&self) -> u32 {
        self.windows
    }
    fn buckets(&self, j: u32) -> usize {
        if j + 1 == self.windows { 1 << (SCALAR_BITS - j * self.width) } else { 1 << (self.width - 1) }
    }
    fn len(&self) -> usize {
        self.shifted.len()
    }
    #[inline]
    fn digit(&self, i: usize, j: u32) -> i32 {
        self.digit_of(&self.shifted[i], j)
    }
}

/// Digits of `i32` scalars.
pub(super) struct SmallDigits<'a> {
    scalars: &'a [i32],
    width: u32,
    windows: u32,
    offset: i64,
    largest: u32,
}

impl<'a> SmallDigits<'a> {
    /// Chooses the window; there is none if every scalar is zero.
    pub(super) fn new(scalars: &'a [i32]) -> Self {
        let largest = scalars.iter().map(|s| s.unsigned_abs()).max().unwrap_or(0);
        if largest == 0 {
            return SmallDigits { scalars: &[], width: 2, windows: 0, offset: 0, largest };
        }
        let count = scalars.iter().filter(|s| **s != 0).count() as u64;
        let bits = u32::BITS - largest.leading_zeros();
        let make = |windows: u32| {
            let width = (bits + windows).div_ceil(windows).max(2);
            let offset = (0..windows - 1).map(|j| 1i64 << (j * width + width - 1)).sum();
            SmallDigits { scalars, width, windows, offset, largest }
        };
        let cost = |d: &SmallDigits<'_>| (0..d.windows).map(|j| count + STEP_COST * d.buckets(j) as u64).sum::<u64>();
        (1..=8).map(make).min_by_key(cost).unwrap_or_else(|| make(1))
    }

    /// Digit `j` of a scalar.
    #[inline]
    fn digit_of(&self, scalar: i32, j: u32) -> i32 {
        let shifted = (i64::from(scalar) + self.offset) >> (j * self.width);
        if j + 1 == self.windows {
            return shifted as i32;
        }
        (shifted & ((1 << self.width) - 1)) as i32 - (1 << (self.width - 1))
    }
}

impl Digits for SmallDigits<'_> {
    fn width(&self) -> u32 {
        self.width
    }
    fn windows(&self) -> u32 {
        self.windows
    }
    fn buckets(&self, j: u32) -> usize {
        if j + 1 < self.windows {
            return 1 << (self.width - 1);
        }
        ((i64::from(self.largest) + self.offset) >> (j * self.width)) as usize + usize::from(self.windows > 1)
    }
    fn len(&self) -> usize {
        self.scalars.len()
    }
    #[inline]
    fn digit(&self, i: usize, j: u32) -> i32 {
        self.digit_of(self.scalars[i], j)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn joined(d: &SmallDigits<'_>, s: i32) -> i64 {
        (0..d.windows).map(|j| i64::from(d.digit_of(s, j)) << (j * d.width)).sum()
    }

    #[test]
    fn small_digits_give_the_scalar_back_and_stay_in_their_buckets() {
        let edges = [
            i32::MIN,
            i32::MIN + 1,
            -65536,
            -32768,
            -32767,
            -256,
            -255,
            -2,
            -1,
            0,
            1,
            2,
            127,
            128,
            255,
            32767,
            32768,
            i32::MAX,
        ];
        for bound in [1, 2, 3, 128, 255, 32767, 32768, 1 << 20, i32::MAX as u32, 1 << 31] {
            for copies in [1usize, 100, 5000] {
                let scalars: Vec<i32> =
                    edges.iter().copied().filter(|s| s.unsigned_abs() <= bound).collect::<Vec<_>>().repeat(copies);
                let digits = SmallDigits::new(&scalars);
                for &s in &scalars {
                    assert_eq!(joined(&digits, s), i64::from(s));
                    assert!(
                        (0..digits.windows).all(|j| digits.digit_of(s, j).unsigned_abs() as usize <= digits.buckets(j))
                    );
                }
            }
        }
        assert!(SmallDigits::new(&[0, 0]).windows == 0 && SmallDigits::new(&[]).windows == 0);
    }

    #[test]
    fn full_digits_give_the_scalar_back_and_stay_in_their_buckets() {
        use ark_ff::{AdditiveGroup, Field};
        let scalars = [
            Fr::ZERO,
            Fr::ONE,
            -Fr::ONE,
            Fr::from(1u64 << 63),
            Fr::from(2).pow([253]),
            Fr::from(7).inverse().expect("nonzero"),
        ];
        for count in [1, 30, 1000, 1 << 14, 1 << 20, 1 << 26] {
            let d = FullDigits::empty(count);
            for s in scalars {
                let shifted = d.shift(s.into_bigint().0);
                let joined: Fr = (0..d.windows)
                    .map(|j| Fr::from(d.digit_of(&shifted, j)) * Fr::from(2).pow([u64::from(j * d.width)]))
                    .sum();
                assert_eq!(joined, s);
                assert!((0..d.windows).all(|j| d.digit_of(&shifted, j).unsigned_abs() as usize <= d.buckets(j)));
            }
        }
    }
}
