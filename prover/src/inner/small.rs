//! Small signed integers times field elements, with the reduction put off to the end of a sum.
//!
//! A field element is taken as its four raw (Montgomery) 64-bit limbs; `Σ (n_i + 2^32)·f_i` is summed limb by limb in 128 bits, reduced
//! once, and the bias `2^32·Σ f_i` is taken off. [`reference`] is the readable version, tested equal.

use ark_ff::{AdditiveGroup, BigInt, Field, PrimeField};
use assay_circuits::Fr;
use rayon::prelude::*;
use std::sync::OnceLock;

/// Makes cells and differences of cells positive.
const BIAS: i64 = 1 << 32;
/// Columns that [`fold_rows`] sums at a time: their accumulators fit the first-level cache.
const STRIPE: usize = 256;

/// A sum of (unsigned 33-bit integer) · (raw limbs). It overflows after 2^31 terms at the earliest.
#[derive(Clone, Copy)]
struct Sum([u128; 4]);

impl Sum {
    const ZERO: Self = Self([0; 4]);

    #[inline(always)]
    fn add(&mut self, integer: i64, limbs: &[u64; 4]) {
        let biased = u128::from((integer + BIAS) as u64);
        for (sum, limb) in self.0.iter_mut().zip(limbs) {
            *sum += u128::from(*limb) * biased;
        }
    }

    fn merge(self, other: Self) -> Self {
        Self(std::array::from_fn(|i| self.0[i] + other.0[i]))
    }

    /// The sum, given `Σ f_i` to take the bias off.
    fn reduce(self, total: &Fr) -> Fr {
        static FACTORS: OnceLock<[Fr; 3]> = OnceLock::new();
        // The limbs are of Montgomery form: a raw integer x stands for x/2^256.
        let [shift, to_montgomery, bias] = FACTORS.get_or_init(|| {
            let two = Fr::from(2u64);
            [two.pow([64u64]), Field::inverse(&two.pow([256u64])).unwrap_or_default(), Fr::from(BIAS as u64)]
        });
        let raw = self.0.iter().rev().fold(Fr::ZERO, |value, limb| value * shift + Fr::from(*limb));
        raw * to_montgomery - *total * bias
    }
}

fn limbs(value: &Fr) -> &[u64; 4] {
    &value.0.0
}

/// `Σ_i integers[i] · values[i]` over the shorter length; `total` is `Σ values` over that length.
pub fn dot_with_total(integers: &[i32], values: &[Fr], total: &Fr) -> Fr {
    let mut sum = Sum::ZERO;
    for (n, f) in integers.iter().zip(values) {
        sum.add(i64::from(*n), limbs(f));
    }
    sum.reduce(total)
}

/// The first round's message of `Σ_x cells(x)·weights(x)`: the sum over pairs of their first elements' products, and of their differences'
/// products. Cells beyond the end are zero.
pub fn pair_message(cells: &[i32], weights: &[Fr]) -> [Fr; 2] {
    const PART: usize = 2048;
    let part = |(k, weights): (usize, &[Fr])| {
        let cells = cells.get(k * PART..).unwrap_or_default();
        let at = |i: usize| i64::from(cells.get(i).copied().unwrap_or(0));
        let mut sums = [(Sum::ZERO, Fr::ZERO); 2];
        for (j, pair) in weights.chunks_exact(2).enumerate() {
            let (low, high) = (at(2 * j), at(2 * j + 1));
            let step = pair[1] - pair[0];
            sums[0].0.add(low, limbs(&pair[0]));
            sums[0].1 += pair[0];
            sums[1].0.add(high - low, limbs(&step));
            sums[1].1 += step;
        }
        sums
    };
    let merge = |a: [(Sum, Fr); 2], b: [(Sum, Fr); 2]| std::array::from_fn(|i| (a[i].0.merge(b[i].0), a[i].1 + b[i].1));
    let sums = weights.par_chunks(PART).enumerate().map(part).reduce(|| [(Sum::ZERO, Fr::ZERO); 2], merge);
    sums.map(|(sum, total)| sum.reduce(&total))
}

/// `out[y] = Σ_r coefficients[r] · cells[r · width + y]`, cells beyond the end being zero.
pub fn fold_rows(cells: &[i32], coefficients: &[Fr], width: usize) -> Vec<Fr> {
    let mut out = vec![Fr::ZERO; width];
    let stripe = STRIPE.min(width);
    // A thread owns a stripe of columns; with few stripes the rows are split instead.
    if width >= 16 * STRIPE {
        out.par_chunks_mut(stripe).enumerate().for_each(|(i, out)| {
            let part = fold_stripe(cells, coefficients, width, i * stripe, out.len());
            out.copy_from_slice(&part);
        });
        return out;
    }
    let rows = coefficients.len().div_ceil(4 * rayon::current_num_threads()).max(16);
    for (i, out) in out.chunks_mut(stripe).enumerate() {
        let parts: Vec<Vec<Fr>> = coefficients
            .par_chunks(rows)
            .enumerate()
            .map(|(j, c)| fold_stripe(cells.get(j * rows * width..).unwrap_or_default(), c, width, i * stripe, out.len()))
            .collect();
        for part in parts {
            out.iter_mut().zip(part).for_each(|(o, p)| *o += p);
        }
    }
    out
}

fn fold_stripe(cells: &[i32], coefficients: &[Fr], width: usize, start: usize, len: usize) -> Vec<Fr> {
    let mut sums = vec![Sum::ZERO; len];
    // A column that ends early has had fewer coefficients: its bias is theirs only.
    let mut totals = vec![Fr::ZERO; len];
    let mut running = Fr::ZERO;
    let mut full_rows = len;
    for (row, coefficient) in coefficients.iter().enumerate() {
        let first = row * width + start;
        let Some(row) = cells.get(first..cells.len().min(first + len)) else { break };
        for total in &mut totals[row.len()..full_rows.max(row.len())] {
            *total = running;
        }
        full_rows = full_rows.min(row.len());
        running += coefficient;
        let limbs = limbs(coefficient);
        for (sum, cell) in sums.iter_mut().zip(row) {
            sum.add(i64::from(*cell), limbs);
        }
    }
    totals[..full_rows].fill(running);
    sums.into_iter().zip(&totals).map(|(sum, total)| sum.reduce(total)).collect()
}

/// Precomputed constants for `Σ_i n_i·c_i` over small integers `n_i`: one word's worth of Montgomery reduction instead of `N` multiplications.
pub struct Combination<const N: usize> {
    table: [[u64; 4]; N],
    offset: Fr,
}

impl<const N: usize> Combination<N> {
    /// For constants `c_i`.
    pub fn new(constants: [Fr; N]) -> Self {
        const { assert!(N <= 1 << 20, "the sum must stay below 2^64 p") }
        // Multiplied by 2^64 here, since one Montgomery step divides by it.
        let shift = Fr::from(2u64).pow([64u64]);
        Self { table: constants.map(|c| *limbs(&(c * shift))), offset: constants.iter().sum::<Fr>() * Fr::from(BIAS as u64) }
    }

    /// `Σ_i n_i·c_i`.
    #[inline]
    pub fn of(&self, integers: [i32; N]) -> Fr {
        let integers = integers.map(|n| u128::from((i64::from(n) + BIAS) as u64));
        let p = Fr::MODULUS.0;
        let mut t = [0u64; 5];
        let mut carry = 0u128;
        for (j, t) in t.iter_mut().take(4).enumerate() {
            // products below 2^97: no sum of a few of them overflows
            let sum = integers.iter().zip(&self.table).map(|(n, row)| u128::from(row[j]) * n).sum::<u128>() + carry;
            *t = sum as u64;
            carry = sum >> 64;
        }
        t[4] = carry as u64;
        let m = t[0].wrapping_mul(<ark_bn254::FrConfig as ark_ff::MontConfig<4>>::INV);
        let mut carry = (u128::from(m) * u128::from(p[0]) + u128::from(t[0])) >> 64;
        let mut out = [0u64; 4];
        for j in 1..4 {
            carry += u128::from(m) * u128::from(p[j]) + u128::from(t[j]);
            out[j - 1] = carry as u64;
            carry >>= 64;
        }
        out[3] = (carry + u128::from(t[4])) as u64;
        let mut value = BigInt::<4>(out);
        if value >= Fr::MODULUS {
            ark_ff::BigInteger::sub_with_borrow(&mut value, &Fr::MODULUS);
        }
        Fr::new_unchecked(value) - self.offset
    }
}

/// The readable versions.
pub mod reference {
    use super::*;

    /// See [`super::dot_with_total`].
    pub fn dot(integers: &[i32], values: &[Fr]) -> Fr {
        integers.iter().zip(values).map(|(n, f)| Fr::from(*n) * f).sum()
    }

    /// See [`super::fold_rows`].
    pub fn fold_rows(cells: &[i32], coefficients: &[Fr], width: usize) -> Vec<Fr> {
        let at = |row: usize, y: usize| Fr::from(cells.get(row * width + y).copied().unwrap_or(0));
        (0..width).map(|y| coefficients.iter().enumerate().map(|(row, c)| *c * at(row, y)).sum()).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ark_ff::UniformRand;
    use rand::{Rng, SeedableRng, rngs::StdRng};

    #[test]
    fn kernels_equal_their_references() {
        let mut rng = StdRng::seed_from_u64(1);
        for (rows, width, missing) in [(1, 1, 0), (3, 8, 5), (70, 256, 300), (9, 512, 0), (5, 8192, 9000), (33, 4, 1), (2, 4096, 8192)] {
            let mut cells: Vec<i32> = (0..rows * width).map(|_| rng.random()).collect();
            cells[0] = i32::MIN;
            cells.truncate(cells.len() - missing);
            let coefficients: Vec<Fr> = (0..rows).map(|_| Fr::rand(&mut ark_std::test_rng())).collect();
            let coefficients: Vec<Fr> = coefficients.iter().enumerate().map(|(i, c)| *c * Fr::from(i as u64 + 1)).collect();
            assert_eq!(fold_rows(&cells, &coefficients, width), reference::fold_rows(&cells, &coefficients, width), "{rows} {width}");
            let values: Vec<Fr> = (0..cells.len() as u64).map(|i| coefficients[0] * Fr::from(i + 3)).collect();
            let pairs = values.len() / 2;
            let halves = |f: &dyn Fn(usize) -> Fr| (0..pairs).map(f).sum::<Fr>();
            let cell = |i: usize| Fr::from(cells[i]);
            assert_eq!(
                pair_message(&cells, &values),
                [
                    halves(&|j| cell(2 * j) * values[2 * j]),
                    halves(&|j| (cell(2 * j + 1) - cell(2 * j)) * (values[2 * j + 1] - values[2 * j]))
                ]
            );
            assert_eq!(dot_with_total(&cells, &values, &values.iter().sum()), reference::dot(&cells, &values));
        }
    }

    #[test]
    fn combinations_are_linear() {
        let r = Fr::rand(&mut ark_std::test_rng());
        for r in [r, Fr::ZERO, Fr::ONE, -Fr::ONE] {
            let constants = [Fr::ONE - r, r, r.square()];
            let (two, three) = (Combination::new([constants[0], constants[1]]), Combination::new(constants));
            for n in [[0, 0, 0], [1, -1, 2], [i32::MIN, i32::MAX, i32::MIN], [i32::MAX, i32::MIN, -1], [i32::MAX; 3], [-32768, 32767, 5]] {
                let want = |k: usize| n.iter().zip(&constants).take(k).map(|(n, c)| Fr::from(*n) * c).sum::<Fr>();
                assert_eq!(two.of([n[0], n[1]]), want(2));
                assert_eq!(three.of(n), want(3));
            }
        }
    }
}
