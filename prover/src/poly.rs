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

/// `n` times `value`. A large vector's memory is touched by all threads: the system hands it out page by page.
pub fn filled(value: Fr, n: usize) -> Vec<Fr> {
    const LEAST: usize = 1 << 13;
    if n < 2 * LEAST { vec![value; n] } else { rayon::iter::repeat_n(value, n).with_min_len(LEAST).collect() }
}

/// [`filled`] with room for `more`, so that a few elements behind do not move the others.
pub fn filled_with_room(value: Fr, n: usize, more: usize) -> Vec<Fr> {
    let mut values = filled(value, n + more);
    values.truncate(n);
    values
}

/// `eq(point, ·)`.
pub fn eq_table(point: &[Fr]) -> Vec<Fr> {
    scaled_eq_table(Fr::ONE, point)
}

/// `factor · eq(point, ·)`.
pub fn scaled_eq_table(factor: Fr, point: &[Fr]) -> Vec<Fr> {
    table_prefix(factor, point, 1 << point.len())
}

/// For each `i`, and for `i = point.len()`: the first `len / 2^i` values, rounded up, of `eq(point[i..], ·)`. They cost
/// as much as the first alone.
pub fn eq_tables(point: &[Fr], len: usize) -> Vec<Vec<Fr>> {
    let mut tables = vec![vec![Fr::ONE]];
    for (i, x) in point.iter().enumerate().rev() {
        let next = doubled(&tables[tables.len() - 1], x, len.div_ceil(1 << i));
        tables.push(next);
    }
    tables.reverse();
    tables
}

fn table_prefix(factor: Fr, point: &[Fr], len: usize) -> Vec<Fr> {
    point.iter().enumerate().rev().fold(vec![factor], |table, (i, x)| doubled(&table, x, len.div_ceil(1 << i)))
}

/// The first `len` values with one more variable, the lowest.
fn doubled(table: &[Fr], x: &Fr, len: usize) -> Vec<Fr> {
    let mut next = filled(Fr::ZERO, len);
    if len >= SERIAL {
        next.par_chunks_mut(PART).zip(table.par_chunks(PART / 2)).for_each(|(next, table)| split(table, x, next));
    } else {
        split(table, x, &mut next);
    }
    next
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
    if values.len() % 2 == 1 {
        values.push(tail);
    }
    let mut out = filled(Fr::ZERO, values.len() / 2);
    if out.len() < SERIAL {
        fold(values, r, &mut out);
    } else {
        out.par_chunks_mut(PART).zip(values.par_chunks(2 * PART)).for_each(|(out, values)| fold(values, r, out));
    }
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

/// `Σ_i weights[i]·a·b` of the pairs' first elements, of their second elements, and of their differences: as many
/// weights as pairs.
pub fn weighted_sums(weights: &[Fr], a: &[Fr], b: &[Fr]) -> [Fr; 3] {
    sum_of_parts(weights.len(), |range| {
        let pairs = 2 * range.start..2 * range.end;
        let (weights, a, b) = (&weights[range], &a[pairs.clone()], &b[pairs]);
        let (sums, done) = Isa::best().map_or(([Fr::ZERO; 3], 0), |isa| simd::weighted_sums(isa, weights, a, b));
        let rest = weights.iter().zip(a.chunks(2).zip(b.chunks(2))).skip(done);
        rest.fold(sums, |sums, (w, (a, b))| {
            add(sums, [a[0] * b[0], a[1] * b[1], (a[1] - a[0]) * (b[1] - b[0])].map(|v| v * w))
        })
    })
}
