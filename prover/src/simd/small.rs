//! Sums of small integers times field elements, reduced once at the end: for each limb of the element a column of low
//! halves and one of high halves.
//!
//! An integer is made positive by adding 2^31, which the caller takes off the sum. Elements are in arkworks' form
//! throughout.

use super::field::{Packed, ScalarField, limbs};
use super::lanes::Lanes;
use assay_circuits::Fr;

/// Terms that a column holds.
const TERMS: usize = 1 << 10;

/// The limbs of the raw words of elements.
pub(crate) fn raw_limbs(values: &[Fr]) -> Vec<[u64; 5]> {
    values.iter().map(|value| limbs(value.0.0)).collect()
}

/// The columns of a sum of products of five limbs and one integer.
#[derive(Clone, Copy)]
struct Columns<L: Lanes> {
    low: [L::Int; 5],
    high: [L::Int; 5],
}

impl<L: Lanes> Columns<L> {
    #[inline(always)]
    fn new() -> Self {
        Self { low: [L::splat(0); 5], high: [L::splat(0); 5] }
    }

    #[inline(always)]
    fn add(&mut self, integer: L::Factor, limbs: &[L::Factor; 5]) {
        for ((low, high), limb) in self.low.iter_mut().zip(&mut self.high).zip(limbs) {
            L::multiply_add(integer, *limb, low, high);
        }
    }

    /// The six columns that `terms` additions left, without their biases.
    #[inline(always)]
    fn finish(&self, terms: usize) -> [L::Int; 6] {
        let low = L::splat(L::LOW_BIAS.wrapping_mul(terms as u64));
        let high = L::splat(L::HIGH_BIAS.wrapping_mul(terms as u64));
        let mut out = [L::splat(0); 6];
        for j in 0..5 {
            out[j] = L::add(out[j], L::sub(self.low[j], low));
            out[j + 1] = L::add(out[j + 1], L::sub(self.high[j], high));
        }
        out
    }
}

/// `COUNT` cells, each plus 2^31.
#[inline(always)]
fn biased<L: Lanes>(cells: &[i32]) -> L::Factor {
    // SAFETY: the same size and alignment, and every value is one of the other type.
    let cells = unsafe { std::slice::from_raw_parts(cells.as_ptr().cast::<u32>(), cells.len()) };
    L::factor(L::and(L::add(L::widen(cells), L::splat(1 << 31)), L::splat(u64::from(u32::MAX))))
}

/// `out[y] = Σ_r coefficients[r] · (cells[r · width + y] + 2^31)`, on whole vectors of columns; returns how many
/// columns it has done. All rows are there.
#[inline(always)]
pub(super) fn fold_columns<L: Lanes>(cells: &[i32], width: usize, coefficients: &[[u64; 5]], out: &mut [Fr]) -> usize {
    let steps = if coefficients.len() > TERMS { 0 } else { out.len() / (2 * L::COUNT) };
    for step in 0..steps {
        // two vectors at a time: a row's cache line is looked at once
        let first = 2 * step * L::COUNT;
        let (mut left, mut right) = (Columns::<L>::new(), Columns::<L>::new());
        for (row, c) in coefficients.iter().enumerate() {
            let limbs = [
                L::factor(L::splat(c[0])),
                L::factor(L::splat(c[1])),
                L::factor(L::splat(c[2])),
                L::factor(L::splat(c[3])),
                L::factor(L::splat(c[4])),
            ];
            let cells = &cells[row * width + first..][..2 * L::COUNT];
            left.add(biased::<L>(cells), &limbs);
            right.add(biased::<L>(&cells[L::COUNT..]), &limbs);
        }
        write::<L>(left.finish(coefficients.len()), &mut out[first..]);
        write::<L>(right.finish(coefficients.len()), &mut out[first + L::COUNT..]);
    }
    steps * 2 * L::COUNT
}

/// `out[r] = Σ_i (cells[r · values.len() + i] + 2^31) · values[i]`, on whole vectors of rows; returns how many rows it
/// has done. All rows are there; none is done unless they consist of whole vectors.
#[inline(always)]
pub(super) fn dot_rows<L: Lanes>(cells: &[i32], values: &[[u64; 5]], out: &mut [Fr]) -> usize {
    let len = values.len();
    if len == 0 || !len.is_multiple_of(L::COUNT) || len > TERMS {
        return 0;
    }
    // the values' limbs, vector by vector
    let mut slices = vec![[[0u64; 8]; 5]; len / L::COUNT];
    for (i, value) in values.iter().enumerate() {
        (0..5).for_each(|j| slices[i / L::COUNT][j][i % L::COUNT] = value[j]);
    }
    let steps = out.len() / L::COUNT;
    for step in 0..steps {
        let mut sums = [[L::splat(0); 8]; 6];
        for lane in 0..L::COUNT {
            let row = &cells[(step * L::COUNT + lane) * len..][..len];
            let mut columns = Columns::<L>::new();
            for (cells, limbs) in row.chunks_exact(L::COUNT).zip(&slices) {
                let limbs = [
                    L::factor(L::read(&limbs[0])),
                    L::factor(L::read(&limbs[1])),
                    L::factor(L::read(&limbs[2])),
                    L::factor(L::read(&limbs[3])),
                    L::factor(L::read(&limbs[4])),
                ];
                columns.add(biased::<L>(cells), &limbs);
            }
            let columns = columns.finish(len / L::COUNT);
            for j in 0..6 {
                sums[j][lane] = columns[j];
            }
        }
        // a row's lanes become a lane's rows, and are added up
        let mut total = [L::splat(0); 6];
        for (total, rows) in total.iter_mut().zip(&mut sums) {
            L::transpose(&mut rows[..L::COUNT]);
            for row in &rows[..L::COUNT] {
                *total = L::add(*total, *row);
            }
        }
        write::<L>(total, &mut out[step * L::COUNT..]);
    }
    steps * L::COUNT
}

/// Six columns as elements.
#[inline(always)]
fn write<L: Lanes>(columns: [L::Int; 6], out: &mut [Fr]) {
    Packed::<L, ScalarField>::from_columns(columns).to_raw(out);
}
