//! The definition, lane by lane; for tests of the code above it on any machine.

use super::{Binary, Lanes, MASK};

/// Four lanes in an array.
#[derive(Clone, Copy)]
pub(in crate::simd) struct Portable;

fn zip(a: [u64; 4], b: [u64; 4], f: impl Fn(u64, u64) -> u64) -> [u64; 4] {
    std::array::from_fn(|i| f(a[i], b[i]))
}

impl Lanes for Portable {
    const COUNT: usize = 4;
    const LOW_BIAS: u64 = 0;
    const HIGH_BIAS: u64 = 0;
    type Int = [u64; 4];
    type Factor = [u64; 4];

    fn splat(value: u64) -> [u64; 4] {
        [value; 4]
    }
    fn read(from: &[u64]) -> [u64; 4] {
        std::array::from_fn(|i| from[i])
    }
    fn write(value: [u64; 4], to: &mut [u64]) {
        to[..4].copy_from_slice(&value);
    }
    fn prefetch(_: &[u64]) {}
    fn widen(from: &[u32]) -> [u64; 4] {
        std::array::from_fn(|i| u64::from(from[i]))
    }
    fn add(a: [u64; 4], b: [u64; 4]) -> [u64; 4] {
        zip(a, b, u64::wrapping_add)
    }
    fn sub(a: [u64; 4], b: [u64; 4]) -> [u64; 4] {
        zip(a, b, u64::wrapping_sub)
    }
    fn and(a: [u64; 4], b: [u64; 4]) -> [u64; 4] {
        zip(a, b, |a, b| a & b)
    }
    fn or(a: [u64; 4], b: [u64; 4]) -> [u64; 4] {
        zip(a, b, |a, b| a | b)
    }
    fn shr(a: [u64; 4], bits: u32) -> [u64; 4] {
        a.map(|a| a >> bits)
    }
    fn shl(a: [u64; 4], bits: u32) -> [u64; 4] {
        a.map(|a| a << bits)
    }
    fn select(sign: [u64; 4], negative: [u64; 4], other: [u64; 4]) -> [u64; 4] {
        std::array::from_fn(|i| if sign[i] >> 63 == 1 { negative[i] } else { other[i] })
    }
    fn transpose(rows: &mut [[u64; 4]]) {
        for block in rows.chunks_exact_mut(4) {
            let old: [[u64; 4]; 4] = std::array::from_fn(|i| block[i]);
            (0..4).for_each(|i| block[i] = std::array::from_fn(|j| old[j][i]));
        }
    }
    fn factor(a: [u64; 4]) -> [u64; 4] {
        assert!(a.iter().all(|a| *a <= MASK), "a limb of more than 52 bits is multiplied");
        a
    }
    fn multiply_add(a: [u64; 4], b: [u64; 4], low: &mut [u64; 4], high: &mut [u64; 4]) {
        for i in 0..4 {
            let product = u128::from(a[i]) * u128::from(b[i]);
            low[i] = low[i].wrapping_add(product as u64 & MASK);
            high[i] = high[i].wrapping_add((product >> 52) as u64);
        }
    }
    fn multiply_low(a: [u64; 4], b: [u64; 4]) -> [u64; 4] {
        zip(a, b, |a, b| a.wrapping_mul(b) & MASK)
    }
    fn call(a: [[u64; 4]; 5], b: [[u64; 4]; 5], f: impl Binary<Self>) -> [[u64; 4]; 5] {
        f.apply(a, b)
    }
}
