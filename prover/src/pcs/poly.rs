//! Univariate helpers of the opening. Polynomials are coefficient slices, constant term first.

use crate::poly::filled;
use crate::simd::{self, Isa};
use ark_bn254::Fr;
use ark_ff::{AdditiveGroup, Field};
use ark_poly::{DenseUVPolynomial, univariate::DensePolynomial};
use rayon::prelude::*;

/// `P_u(x) = Π (1 - u_i + u_i x^(2^i))`.
pub(super) fn eval_eq(u: &[Fr], x: Fr) -> Fr {
    let mut power = x;
    u.iter().fold(Fr::ONE, |product, u| {
        let factor = Fr::ONE - u + *u * power;
        power.square_in_place();
        product * factor
    })
}

/// The polynomial at `x`.
pub(crate) fn eval(p: &[Fr], x: Fr) -> Fr {
    remainder(p, 1, x).first().copied().unwrap_or(Fr::ZERO)
}

/// The polynomial modulo `X^b - v`: the values at `v` of the `b` polynomials that are interleaved in it.
pub(crate) fn remainder(p: &[Fr], b: usize, v: Fr) -> Vec<Fr> {
    let part = part(p.len(), b);
    let parts: Vec<Vec<Fr>> = p.par_chunks(part).map(|p| horner(p, b, v)).collect();
    let step = v.pow([(part / b) as u64]);
    parts.into_iter().rev().reduce(|above, own| shifted(&above, step, own)).unwrap_or_else(|| vec![Fr::ZERO; b])
}

/// Quotient and remainder of `p` by `X^b - v`: row `i - 1` of the quotient is row `i` of `p` plus `v` times its row
/// `i`.
pub(super) fn divide_rows(p: &[Fr], b: usize, v: Fr) -> (Vec<Fr>, Vec<Fr>) {
    let upper = p.get(b..).unwrap_or_default();
    let part = part(upper.len(), b);
    // what each part begins with at its top: the rows above it, so that all can begin at once
    let step = v.pow([(part / b) as u64]);
    let values: Vec<Vec<Fr>> = upper.par_chunks(part).skip(1).map(|p| horner(p, b, v)).collect();
    let mut top = vec![Fr::ZERO; b];
    let mut above = Vec::with_capacity(values.len() + 1);
    for own in values.into_iter().rev() {
        let next = shifted(&top, step, own);
        above.push(std::mem::replace(&mut top, next));
    }
    above.push(top);
    above.reverse();
    let mut quotient = filled(Fr::ZERO, upper.len());
    quotient.par_chunks_mut(part).zip(upper.par_chunks(part)).zip(above).for_each(|((quotient, p), mut carry)| {
        for (quotient, p) in quotient.chunks_mut(b).zip(p.chunks(b)).rev() {
            for ((quotient, p), carry) in quotient.iter_mut().zip(p).zip(&mut carry) {
                *carry = *carry * v + p;
                *quotient = *carry;
            }
        }
    });
    let remainder = |(j, c): (usize, &Fr)| *c + v * quotient.get(j).copied().unwrap_or(Fr::ZERO);
    let remainder = p.iter().take(b).enumerate().map(remainder).collect();
    (quotient, remainder)
}

/// Coefficients that a thread works on at a time: whole rows of `b`.
fn part(len: usize, b: usize) -> usize {
    const LEAST: usize = 1 << 12;
    len.div_ceil(rayon::current_num_threads()).max(LEAST).next_multiple_of(b)
}

/// `Σ_i row_i v^i`, missing ends of the last row being zeros.
fn horner(p: &[Fr], b: usize, v: Fr) -> Vec<Fr> {
    let mut sum = vec![Fr::ZERO; b];
    for row in p.chunks(b).rev() {
        sum.iter_mut().zip(row).for_each(|(sum, c)| *sum = *sum * v + c);
    }
    sum
}

/// `own + step · above`.
fn shifted(above: &[Fr], step: Fr, own: Vec<Fr>) -> Vec<Fr> {
    own.into_iter().zip(above).map(|(own, above)| own + step * above).collect()
}

pub(super) fn inner(a: &[Fr], b: &[Fr]) -> Fr {
    a.iter().zip(b).map(|(x, y)| *x * y).sum()
}

/// The quotient by `X - x`; the remainder is dropped.
pub(super) fn divide(p: &[Fr], x: Fr) -> Vec<Fr> {
    divide_rows(p, 1, x).0
}

/// `sum += scale · p`; `sum` grows if it is shorter.
pub(super) fn add_scaled(sum: &mut Vec<Fr>, scale: Fr, p: &[Fr]) {
    const PART: usize = 1 << 11;
    if sum.len() < p.len() {
        sum.resize(p.len(), Fr::ZERO);
    }
    sum.par_chunks_mut(PART).zip(p.par_chunks(PART)).for_each(|(sum, p)| {
        let done = Isa::best().map_or(0, |isa| simd::add_scaled(isa, &scale, p, sum));
        sum.iter_mut().zip(p).skip(done).for_each(|(sum, c)| *sum += scale * c);
    });
}

/// The coefficients of `X^1, X^2, …` of `a(X)·b(1/X) + a(1/X)·b(X)`, `max(|a|, |b|) - 1` of them.
pub(super) fn symmetric_upper(a: &[Fr], b: &[Fr]) -> Vec<Fr> {
    let n = a.len().max(b.len());
    let mut reversed = b.to_vec();
    reversed.resize(n, Fr::ZERO);
    reversed.reverse();
    // coefficient n-1+j of a(X)·X^(n-1)·b(1/X) is that of X^j, for j of either sign
    let product = &DensePolynomial::from_coefficients_slice(a) * &DensePolynomial::from_coefficients_vec(reversed);
    let at = |i: usize| product.coeffs.get(i).copied().unwrap_or(Fr::ZERO);
    (1..n).map(|j| at(n - 1 + j) + at(n - 1 - j)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::poly::eq_table;

    fn p(values: &[i64]) -> Vec<Fr> {
        values.iter().map(|v| Fr::from(*v)).collect()
    }

    #[test]
    fn eq_table_is_the_product_polynomial() {
        let u = p(&[3, 5, 7]);
        let table = eq_table(&u);
        assert_eq!(table[6], Fr::from((1 - 3) * 5 * 7));
        assert_eq!(eval(&table, Fr::from(11)), eval_eq(&u, Fr::from(11)));
        assert_eq!(table.iter().sum::<Fr>(), Fr::ONE);
    }

    #[test]
    fn division_is_euclidean() {
        let (poly, x) = (p(&[4, -3, 0, 9, 2]), Fr::from(6));
        let at = Fr::from(10);
        assert_eq!(eval(&divide(&poly, x), at) * (at - x) + eval(&poly, x), eval(&poly, at));
        assert!(divide(&p(&[3]), x).is_empty() && divide(&[], x).is_empty());
    }

    /// Over one part, several, and parts whose last row is not whole.
    #[test]
    fn long_polynomials_are_divided_in_parts() {
        let v = Fr::from(7);
        for len in [1, 255, 4096, 4097, 20_001, 33_000] {
            let poly: Vec<Fr> = (0..len as u64).map(|i| Fr::from(i * i + 3).pow([3])).collect();
            for b in [1, 8, 256] {
                let (quotient, rest) = divide_rows(&poly, b, v);
                assert_eq!(remainder(&poly, b, v)[..len.min(b)], rest, "{len} {b}");
                assert_eq!(quotient.len(), len.saturating_sub(b));
                // X^b times the quotient, less v times it, and the remainder
                let at = |i: usize| quotient.get(i).copied().unwrap_or(Fr::ZERO);
                let product = |i: usize| {
                    i.checked_sub(b).map_or(Fr::ZERO, at) - v * at(i) + rest.get(i).copied().unwrap_or(Fr::ZERO)
                };
                assert!(poly.iter().enumerate().all(|(i, c)| *c == product(i)), "{len} {b}");
            }
            let mut sum = poly[..len / 2].to_vec();
            add_scaled(&mut sum, v, &poly);
            let own = |i: usize| if i < len / 2 { poly[i] } else { Fr::ZERO };
            assert!(sum.len() == len && sum.iter().enumerate().all(|(i, s)| *s == own(i) + v * poly[i]));
        }
    }

    #[test]
    fn symmetric_product_satisfies_its_identity() {
        let z = Fr::from(5);
        let zi = z.inverse().expect("nonzero");
        for (a, b) in
            [(p(&[1, 2, 3, 4]), p(&[5, 6])), (p(&[1, 2]), p(&[5, 6, 7])), (p(&[0, 0, 0]), p(&[1])), (p(&[3]), p(&[4]))]
        {
            let s = symmetric_upper(&a, &b);
            let left = eval(&a, z) * eval(&b, zi) + eval(&a, zi) * eval(&b, z);
            assert_eq!(left, inner(&a, &b).double() + z * eval(&s, z) + zi * eval(&s, zi));
        }
    }
}
