//! Small signed integers times field elements, with the reduction put off to the end of a sum.
//!
//! A field element is taken as its four raw (Montgomery) 64-bit limbs; `Σ (n_i + 2^32)·f_i` is summed limb by limb in
//! 128 bits, reduced once, and the bias `2^32·Σ f_i` is taken off. [`reference`] is the readable version, tested equal.

use crate::simd::{self, Isa};
use ark_ff::{AdditiveGroup, BigInt, Field, PrimeField};
use assay_circuits::Fr;
use rayon::prelude::*;
use std::sync::OnceLock;

/// Makes cells and differences of cells positive.
const BIAS: i64 = 1 << 32;
/// Columns that [`fold_rows`] sums at a time: their accumulators fit the first-level cache.
const STRIPE: usize = 256;
/// Rows that it sums before it reduces, at most, and cells of such rows, which a second-level cache holds.
const ROWS: usize = 1 << 10;
const BLOCK: usize = 1 << 16;

/// Rows so far apart that reading them column by column would miss the caches: a stripe is copied first, with a cache
/// line between its rows.
const FAR: usize = 1 << 11;
const LINE: usize = 16;

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

/// Field elements that many rows of integers are multiplied with.
pub struct Values<'a> {
    values: &'a [Fr],
    limbs: Vec<[u64; 5]>,
    total: Fr,
}

impl<'a> Values<'a> {
    /// Prepares them.
    pub fn new(values: &'a [Fr]) -> Self {
        Self { values, limbs: simd::raw_limbs(values), total: values.iter().sum() }
    }

    /// `out[r] = Σ_i cells[r · len + i] · values[i]`, cells beyond the end being zero.
    pub fn dot_rows(&self, cells: &[i32], out: &mut [Fr]) {
        let len = self.values.len();
        let full = (cells.len() / len.max(1)).min(out.len());
        let done = Isa::best().map_or(0, |isa| simd::dot_rows(isa, cells, &self.limbs, &mut out[..full]));
        out[..done].iter_mut().for_each(|sum| *sum -= self.total * vector_bias());
        for (r, sum) in out.iter_mut().enumerate().skip(done) {
            let row = cells.get(r * len..cells.len().min((r + 1) * len)).unwrap_or_default();
            *sum = if row.len() == len { self.dot(row) } else { reference::dot(row, self.values) };
        }
    }

    fn dot(&self, row: &[i32]) -> Fr {
        let mut sum = Sum::ZERO;
        row.iter().zip(self.values).for_each(|(n, f)| sum.add(i64::from(*n), limbs(f)));
        sum.reduce(&self.total)
    }
}

/// What the vector kernels add to every integer.
fn vector_bias() -> Fr {
    Fr::from(1u64 << 31)
}

/// The first round's message of `Σ_x cells(x)·weights(x)`: the sum over pairs of their first elements' products, and of
/// their differences' products. Cells beyond the end are zero.
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
    let rows = Rows { cells, width, coefficients, limbs: &simd::raw_limbs(coefficients) };
    let stripe = STRIPE.min(width);
    // A thread owns a stripe of columns; with few stripes the rows are split instead.
    if width >= 16 * STRIPE {
        out.par_chunks_mut(stripe).enumerate().for_each(|(i, out)| rows.add_stripe(i * stripe, out));
        return out;
    }
    let at_a_time = coefficients.len().div_ceil(4 * rayon::current_num_threads()).max(16);
    for (i, out) in out.chunks_mut(stripe).enumerate() {
        let part = |from: usize| {
            let mut part = vec![Fr::ZERO; out.len()];
            rows.range(from, at_a_time).add_stripe(i * stripe, &mut part);
            part
        };
        let parts: Vec<Vec<Fr>> = (0..coefficients.len()).into_par_iter().step_by(at_a_time).map(part).collect();
        for part in parts {
            out.iter_mut().zip(part).for_each(|(o, p)| *o += p);
        }
    }
    out
}

/// Rows of cells and their coefficients; cells beyond the end are zero.
#[derive(Clone, Copy)]
struct Rows<'a> {
    cells: &'a [i32],
    width: usize,
    coefficients: &'a [Fr],
    limbs: &'a [[u64; 5]],
}

impl Rows<'_> {
    /// Up to `count` rows from `from` on.
    fn range(&self, from: usize, count: usize) -> Self {
        let rows = from..self.coefficients.len().min(from + count);
        let cells = self.cells.get(from * self.width..).unwrap_or_default();
        Self { cells, coefficients: &self.coefficients[rows.clone()], limbs: &self.limbs[rows], ..*self }
    }

    /// `out[y] += Σ_r coefficients[r] · cells[r · width + start + y]`.
    fn add_stripe(&self, start: usize, out: &mut [Fr]) {
        let end = start + out.len();
        let whole = if self.cells.len() < end {
            0
        } else {
            ((self.cells.len() - end) / self.width + 1).min(self.coefficients.len())
        };
        let rows = if self.width < FAR { BLOCK / self.width } else { BLOCK / STRIPE }.clamp(1, ROWS);
        for from in (0..whole).step_by(rows) {
            self.range(from, rows.min(whole - from)).add_whole(start, out);
        }
        if let (Some(coefficient), Some(rest)) =
            (self.coefficients.get(whole), self.cells.get(whole * self.width + start..))
        {
            out.iter_mut().zip(rest).for_each(|(sum, cell)| *sum += Fr::from(*cell) * coefficient);
        }
    }

    /// [`Self::add_stripe`] where every row is there.
    fn add_whole(&self, start: usize, out: &mut [Fr]) {
        let total: Fr = self.coefficients.iter().sum();
        let mut sums = vec![Fr::ZERO; out.len()];
        let done = Isa::best().map_or(0, |isa| {
            if self.width < FAR {
                return simd::fold_columns(isa, &self.cells[start..], self.width, self.limbs, &mut sums);
            }
            let mut near = Vec::with_capacity(self.coefficients.len() * (out.len() + LINE));
            for row in 0..self.coefficients.len() {
                near.extend_from_slice(&self.cells[row * self.width + start..][..out.len()]);
                near.extend_from_slice(&[0; LINE]);
            }
            simd::fold_columns(isa, &near, out.len() + LINE, self.limbs, &mut sums)
        });
        let bias = total * vector_bias();
        out.iter_mut().zip(&sums).take(done).for_each(|(out, sum)| *out += *sum - bias);
        let mut rest = vec![Sum::ZERO; out.len() - done];
        for (row, coefficient) in self.coefficients.iter().enumerate() {
            let cells = &self.cells[row * self.width + start + done..];
            rest.iter_mut().zip(cells).for_each(|(sum, cell)| sum.add(i64::from(*cell), limbs(coefficient)));
        }
        out[done..].iter_mut().zip(rest).for_each(|(out, sum)| *out += sum.reduce(&total));
    }
}

/// Precomputed constants for `Σ_i n_i·c_i` over small integers `n_i`: one word's worth of Montgomery reduction instead
/// of `N` multiplications.
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
        Self {
            table: constants.map(|c| *limbs(&(c * shift))),
            offset: constants.iter().sum::<Fr>() * Fr::from(BIAS as u64),
        }
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

    /// `Σ_i integers[i] · values[i]` over the shorter length.
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
        for (rows, width, missing) in [
            (1, 1, 0),
            (3, 8, 5),
            (70, 256, 300),
            (9, 512, 0),
            (5, 8192, 9000),
            (33, 4, 1),
            (2, 4096, 8192),
            (2500, 16, 3),
        ] {
            let mut cells: Vec<i32> = (0..rows * width).map(|_| rng.random()).collect();
            cells[0] = i32::MIN;
            cells.truncate(cells.len() - missing);
            let coefficients: Vec<Fr> = (0..rows).map(|_| Fr::rand(&mut ark_std::test_rng())).collect();
            let coefficients: Vec<Fr> =
                coefficients.iter().enumerate().map(|(i, c)| *c * Fr::from(i as u64 + 1)).collect();
            assert_eq!(
                fold_rows(&cells, &coefficients, width),
                reference::fold_rows(&cells, &coefficients, width),
                "{rows} {width}"
            );
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
            for len in [1, 8, 24, 64, 256, 2048] {
                let values = Values::new(&values[..len.min(values.len())]);
                let mut out = vec![Fr::ZERO; rows + 9];
                values.dot_rows(&cells, &mut out);
                for (r, sum) in out.iter().enumerate() {
                    let row = cells.get(r * values.values.len()..).unwrap_or_default();
                    assert_eq!(*sum, reference::dot(row, values.values), "{len} {r}");
                }
            }
        }
    }

    #[test]
    fn combinations_are_linear() {
        let r = Fr::rand(&mut ark_std::test_rng());
        for r in [r, Fr::ZERO, Fr::ONE, -Fr::ONE] {
            let constants = [Fr::ONE - r, r, r.square()];
            let (two, three) = (Combination::new([constants[0], constants[1]]), Combination::new(constants));
            for n in [
                [0, 0, 0],
                [1, -1, 2],
                [i32::MIN, i32::MAX, i32::MIN],
                [i32::MAX, i32::MIN, -1],
                [i32::MAX; 3],
                [-32768, 32767, 5],
            ] {
                let want = |k: usize| n.iter().zip(&constants).take(k).map(|(n, c)| Fr::from(*n) * c).sum::<Fr>();
                assert_eq!(two.of([n[0], n[1]]), want(2));
                assert_eq!(three.of(n), want(3));
            }
        }
    }
}
