//! Multilinear kernels over field elements. No transcript here.

use crate::simd::{self, Isa};
use ark_ff::{AdditiveGroup, Field};
use assay_circuits::Fr;
use rayon::prelude::*;
use std::ops::Range;

/// Below this many elements a loop is not split among threads.
pub const SERIAL: usize = 2048;
/// Results that a thread works on at a time.
const PART: usize = 512;

/// `eq(point, ·)`.
pub fn eq_table(point: &[Fr]) -> Vec<Fr> {
    eq_table_prefix(point, 1 << point.len())
}

/// `factor · eq(point, ·)`.
pub fn scaled_eq_table(factor: Fr, point: &[Fr]) -> Vec<Fr> {
    table_prefix(factor, point, 1 << point.len())
}

/// The first `len` values of `eq(point, ·)`, at a cost of O(len).
pub fn eq_table_prefix(point: &[Fr], len: usize) -> Vec<Fr> {
    table_prefix(Fr::ONE, point, len)
}

fn table_prefix(factor: Fr, point: &[Fr], len: usize) -> Vec<Fr> {
    let mut table = vec![factor];
    for (i, x) in point.iter().enumerate().rev() {
        let mut next = vec![Fr::ZERO; len.div_ceil(1 << i)];
        if next.len() >= SERIAL {
            next.par_chunks_mut(PART).zip(table.par_chunks(PART / 2)).for_each(|(next, table)| split(table, x, next));
        } else {
            split(&table, x, &mut next);
        }
        table = next;
    }
    table
}

/// `next[2i + 1] = table[i] · x`, `next[2i] = table[i] - next[2i + 1]`; `next` may end with an even index.
fn split(table: &[Fr], x: &Fr, next: &mut [Fr]) {
    let done = Isa::best().map_or(0, |isa| simd::split(isa, table, x, next));
    for (pair, v) in next.chunks_mut(2).zip(table).skip(done) {
        let high = *v * x;
        pair[0] = *v - high;
        if let Some(slot) = pair.get_mut(1) {
            *slot = high;
        }
    }
}

/// Binds the lowest variable to `r`; a missing last element is `tail`.
pub fn bind(values: &mut Vec<Fr>, r: &Fr, tail: Fr) {
    if values.len() < 2 * SERIAL {
        return bind_serial(values, r, tail);
    }
    bind_with(values, tail, |values, out| {
        out.par_chunks_mut(PART).zip(values.par_chunks(2 * PART)).for_each(|(out, values)| fold(values, r, out));
    });
}

/// [`bind`] on this thread alone, for callers that bind many arrays at once.
pub fn bind_serial(values: &mut Vec<Fr>, r: &Fr, tail: Fr) {
    bind_with(values, tail, |values, out| fold(values, r, out));
}

fn bind_with(values: &mut Vec<Fr>, tail: Fr, fold: impl FnOnce(&[Fr], &mut [Fr])) {
    if values.len() % 2 == 1 {
        values.push(tail);
    }
    // room for a tail in the next round
    let mut out = Vec::with_capacity(values.len() / 2 + 1);
    out.resize(values.len() / 2, Fr::ZERO);
    fold(values, &mut out);
    *values = out;
}

/// `out[i] = values[2i] + r · (values[2i + 1] - values[2i])`.
fn fold(values: &[Fr], r: &Fr, out: &mut [Fr]) {
    let done = Isa::best().map_or(0, |isa| simd::bind(isa, values, r, out));
    for (out, v) in out.iter_mut().zip(values.chunks(2)).skip(done) {
        *out = v[0] + *r * (v[1] - v[0]);
    }
}

/// `Σ f(range)` over the parts of `0..n`, each a vector of `N` sums.
pub fn sum_of_parts<const N: usize>(n: usize, f: impl Fn(Range<usize>) -> [Fr; N] + Sync) -> [Fr; N] {
    if n < SERIAL / 4 {
        return f(0..n);
    }
    (0..n.div_ceil(PART)).into_par_iter().map(|k| f(k * PART..n.min((k + 1) * PART))).reduce(|| [Fr::ZERO; N], add)
}

/// `a + b`.
pub fn add<const N: usize>(mut a: [Fr; N], b: [Fr; N]) -> [Fr; N] {
    a.iter_mut().zip(b).for_each(|(a, b)| *a += b);
    a
}

/// The message of one round of `Σ a(x)·b(x)`: the value at 0 and the leading coefficient. Lengths are even and equal.
pub fn product_message(a: &[Fr], b: &[Fr]) -> [Fr; 2] {
    sum_of_parts(a.len() / 2, |range| {
        let (a, b) = (&a[2 * range.start..2 * range.end], &b[2 * range.start..2 * range.end]);
        let (message, done) = Isa::best().map_or(([Fr::ZERO; 2], 0), |isa| simd::product_message(isa, a, b));
        let pairs = a.chunks(2).zip(b.chunks(2)).skip(done);
        pairs.fold(message, |message, (a, b)| add(message, [a[0] * b[0], (a[1] - a[0]) * (b[1] - b[0])]))
    })
}
