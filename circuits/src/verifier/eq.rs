//! `eq` polynomials and multilinear extensions of closed-form columns. Points are little-endian.

use crate::Fr;
use crate::scalar::{Scalar, int, power_of_two};

/// `eq(a, b)` of one variable: `1 - a - b + 2ab`.
pub fn eq_bit<S: Scalar>(a: &S, b: &S) -> S {
    let product = a.clone() * b;
    S::one() - a - b + product.times(int(2))
}

/// `eq(a, b)`; the shorter length counts.
pub fn eq<S: Scalar>(a: &[S], b: &[S]) -> S {
    a.iter().zip(b).map(|(a, b)| eq_bit(a, b)).reduce(|x, y| x * y).unwrap_or_else(S::one)
}

/// `eq(point, bits of index)`.
pub fn eq_index<S: Scalar>(point: &[S], index: usize) -> S {
    let factor = |(i, x): (usize, &S)| if (index >> i) & 1 == 1 { x.clone() } else { S::one() - x };
    S::product(point.iter().enumerate().map(factor).collect())
}

/// `eq(point, ·)` on the whole hypercube: `2^len` values.
pub fn eq_table<S: Scalar>(point: &[S]) -> Vec<S> {
    eq_table_times(S::one(), point)
}

/// `eq(point, ·)` of the first numbers, so many of them: at least 1, and no more than there are. What it takes grows
/// with these and not with all.
pub fn eq_first<S: Scalar>(point: &[S], count: usize) -> Vec<S> {
    let (low, high) = point.split_at(point.len().min(count.next_power_of_two().ilog2() as usize));
    // beyond these coordinates all of the numbers' bits are 0
    let above = if high.is_empty() { S::one() } else { eq_index(high, 0) };
    let mut table = eq_table_times(above, low);
    table.truncate(count);
    table
}

/// `factor · eq(point, ·)`.
fn eq_table_times<S: Scalar>(factor: S, point: &[S]) -> Vec<S> {
    let mut table = vec![factor];
    for x in point {
        let high: Vec<S> = table.iter().map(|v| v.clone() * x).collect();
        for (low, high) in table.iter_mut().zip(&high) {
            *low = low.clone() - high;
        }
        table.extend(high);
    }
    table
}

/// `Σ_i 2^i x_i`: the extension of the index itself.
pub fn index<S: Scalar>(point: &[S]) -> S {
    let powers: Vec<Fr> = (0..point.len() as u32).map(power_of_two).collect();
    S::linear(Fr::from(0u64), &powers, point)
}

#[cfg(test)]
mod tests {
    use super::*;
    use ark_ff::AdditiveGroup;

    fn point(n: u64) -> Vec<Fr> {
        (0..n).map(|i| Fr::from(1000 + 77 * i)).collect()
    }

    #[test]
    fn table_agrees_with_single_values() {
        let p = point(5);
        for (i, v) in eq_table(&p).iter().enumerate() {
            let bits: Vec<Fr> = (0..5).map(|b| Fr::from((i >> b & 1) as u64)).collect();
            assert_eq!(*v, eq_index(&p, i));
            assert_eq!(*v, eq(&p, &bits));
        }
        assert_eq!(eq_table::<Fr>(&[]), vec![Fr::from(1u64)]);
    }

    #[test]
    fn the_first_values_are_those_of_the_table() {
        let p = point(5);
        for count in 1..=32 {
            assert_eq!(eq_first(&p, count), eq_table(&p)[..count]);
        }
    }

    #[test]
    fn index_extends_the_index() {
        let p = point(6);
        let expected: Fr =
            eq_table(&p).iter().enumerate().map(|(i, v)| Fr::from(i as u64) * v).fold(Fr::ZERO, |a, b| a + b);
        assert_eq!(index(&p), expected);
    }
}
