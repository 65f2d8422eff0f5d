//! Sums of products with one reduction.

use crate::Fr;
use ark_ff::{BigInt, MontConfig, PrimeField};

const P: [u64; 4] = Fr::MODULUS.0;
const TWICE_P: [u64; 4] = [P[0] << 1, P[1] << 1 | P[0] >> 63, P[2] << 1 | P[1] >> 63, P[3] << 1 | P[2] >> 63];

/// `sum + a·b + carry`, and the carry.
#[inline(always)]
fn multiply_add(sum: &mut u64, a: u64, b: u64, carry: u64) -> u64 {
    let wide = u128::from(a) * u128::from(b) + u128::from(*sum) + u128::from(carry);
    *sum = wide as u64;
    (wide >> 64) as u64
}

#[inline(always)]
fn subtract_where_possible(value: [u64; 4], other: &[u64; 4]) -> [u64; 4] {
    let mut difference = [0; 4];
    let mut borrow = false;
    for i in 0..4 {
        (difference[i], borrow) = value[i].borrowing_sub(other[i], borrow);
    }
    if borrow { value } else { difference }
}

/// `constant + Σ a_i·b_i`: `reference` (in the tests) with one Montgomery reduction for up to ten products, whose sum
/// over `2^256` plus `p` is below `3p`.
#[inline(always)]
pub(super) fn dot<const N: usize>(constant: &Fr, a: &[Fr; N], b: &[Fr; N]) -> Fr {
    const { assert!(N <= 10) }
    let mut t = [0u64; 6];
    for j in 0..4 {
        for (a, b) in a.iter().zip(b) {
            let (factor, mut carry) = (a.0.0[j], 0);
            for (t, limb) in t.iter_mut().zip(&b.0.0) {
                carry = multiply_add(t, factor, *limb, carry);
            }
            let overflow;
            (t[4], overflow) = t[4].overflowing_add(carry);
            t[5] += u64::from(overflow);
        }
        let factor = t[0].wrapping_mul(<ark_bn254::FrConfig as MontConfig<4>>::INV);
        let mut carry = 0;
        for (t, limb) in t.iter_mut().zip(&P) {
            carry = multiply_add(t, factor, *limb, carry);
        }
        let (top, overflow) = t[4].overflowing_add(carry);
        t = [t[1], t[2], t[3], top, t[5] + u64::from(overflow), 0];
    }
    let value = subtract_where_possible([t[0], t[1], t[2], t[3]], &TWICE_P);
    Fr::new_unchecked(BigInt(subtract_where_possible(value, &P))) + constant
}

#[cfg(test)]
mod tests {
    use super::*;
    use ark_ff::{AdditiveGroup, Field};

    fn reference<const N: usize>(constant: &Fr, a: &[Fr; N], b: &[Fr; N]) -> Fr {
        a.iter().zip(b).fold(*constant, |sum, (a, b)| sum + *a * b)
    }

    #[test]
    fn one_reduction_is_enough() {
        let mut value = Fr::from(3u64);
        for _ in 0..200 {
            let values: [Fr; 21] = std::array::from_fn(|_| {
                value = value.square() + Fr::ONE;
                value
            });
            let (a, b) = (std::array::from_fn(|i| values[i]), std::array::from_fn(|i| values[10 + i]));
            assert_eq!(dot::<10>(&values[20], &a, &b), reference(&values[20], &a, &b));
        }
        // as integers in Montgomery form: 0, 1, p - 1
        let raw = |value: BigInt<4>| Fr::new_unchecked(value);
        let mut last = Fr::MODULUS;
        last.0[0] -= 1;
        let edges = [Fr::ZERO, raw(BigInt([1, 0, 0, 0])), raw(last)];
        for a in &edges {
            for b in &edges {
                assert_eq!(dot(b, &[*a; 1], &[*b; 1]), reference(b, &[*a; 1], &[*b; 1]));
                assert_eq!(dot(a, &[*a; 10], &[*b; 10]), reference(a, &[*a; 10], &[*b; 10]));
            }
        }
    }
}
