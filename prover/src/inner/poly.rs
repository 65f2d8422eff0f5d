//! Multilinear kernels over field elements. No transcript here.

use ark_ff::{AdditiveGroup, Field};
use assay_circuits::Fr;
use rayon::prelude::*;

/// Below this many elements a loop is not split among threads.
pub const SERIAL: usize = 2048;

/// All prefixes' tables: `tables[m]` is `eq(point[..m], ·)`, `2^m` values.
pub fn eq_tables(point: &[Fr]) -> Vec<Vec<Fr>> {
    let mut tables = vec![vec![Fr::ONE]];
    for x in point {
        let last = &tables[tables.len() - 1];
        let mut next = vec![Fr::ZERO; 2 * last.len()];
        let (low, high) = next.split_at_mut(last.len());
        let step = |((low, high), v): ((&mut Fr, &mut Fr), &Fr)| {
            *high = *v * x;
            *low = *v - *high;
        };
        if last.len() >= SERIAL {
            low.par_iter_mut().zip(high.par_iter_mut()).zip(last.par_iter()).for_each(step);
        } else {
            low.iter_mut().zip(high.iter_mut()).zip(last).for_each(step);
        }
        tables.push(next);
    }
    tables
}

/// `eq(point, ·)`.
pub fn eq_table(point: &[Fr]) -> Vec<Fr> {
    eq_tables(point).pop().unwrap_or_default()
}

/// The first `len` values of `eq(point, ·)`, at a cost of O(len).
pub fn eq_table_prefix(point: &[Fr], len: usize) -> Vec<Fr> {
    let mut table = vec![Fr::ONE];
    for (i, x) in point.iter().enumerate().rev() {
        let need = len.div_ceil(1 << i);
        let mut next = vec![Fr::ZERO; need];
        let step = |(pair, v): (&mut [Fr], &Fr)| {
            let high = *v * x;
            pair[0] = *v - high;
            if let Some(slot) = pair.get_mut(1) {
                *slot = high;
            }
        };
        if need >= SERIAL {
            next.par_chunks_mut(2).zip(table.par_iter()).with_min_len(512).for_each(step);
        } else {
            next.chunks_mut(2).zip(&table).for_each(step);
        }
        table = next;
    }
    table
}

/// Binds the lowest variable to `r`; a missing last element is `tail`.
pub fn bind(values: &mut Vec<Fr>, r: &Fr, tail: Fr) {
    if values.len() % 2 == 1 {
        values.push(tail);
    }
    let half = values.len() / 2;
    if half >= SERIAL {
        *values = values.par_chunks(2).with_min_len(512).map(|v| v[0] + *r * (v[1] - v[0])).collect();
    } else {
        for i in 0..half {
            let low = values[2 * i];
            values[i] = low + *r * (values[2 * i + 1] - low);
        }
        values.truncate(half);
    }
}

/// `Σ_i f(i)` over `0..n`, each a vector of `N` sums.
pub fn sum_of<const N: usize>(n: usize, f: impl Fn(usize) -> [Fr; N] + Sync) -> [Fr; N] {
    let add = |mut a: [Fr; N], b: [Fr; N]| {
        a.iter_mut().zip(b).for_each(|(a, b)| *a += b);
        a
    };
    let run = |range: std::ops::Range<usize>| range.fold([Fr::ZERO; N], |sum, i| add(sum, f(i)));
    if n < SERIAL / 4 {
        return run(0..n);
    }
    const PART: usize = 256;
    (0..n.div_ceil(PART)).into_par_iter().map(|k| run(k * PART..n.min((k + 1) * PART))).reduce(|| [Fr::ZERO; N], add)
}

/// The message of one round of `Σ a(x)·b(x)`: the value at 0 and the leading coefficient. Lengths are even and equal.
pub fn product_message(a: &[Fr], b: &[Fr]) -> [Fr; 2] {
    sum_of(a.len() / 2, |j| {
        let (i, k) = (2 * j, 2 * j + 1);
        [a[i] * b[i], (a[k] - a[i]) * (b[k] - b[i])]
    })
}
