//! Univariate helpers of the opening. Polynomials are coefficient slices, constant term first.

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
    p.iter().rev().fold(Fr::ZERO, |acc, c| acc * x + c)
}

pub(super) fn inner(a: &[Fr], b: &[Fr]) -> Fr {
    a.iter().zip(b).map(|(x, y)| *x * y).sum()
}

/// The quotient by `X - x`; the remainder is dropped.
pub(super) fn divide(p: &[Fr], x: Fr) -> Vec<Fr> {
    let mut carry = Fr::ZERO;
    let mut quotient: Vec<Fr> = p
        .iter()
        .skip(1)
        .rev()
        .map(|c| {
            carry = carry * x + c;
            carry
        })
        .collect();
    quotient.reverse();
    quotient
}

/// `sum += scale · p`; `sum` grows if it is shorter.
pub(super) fn add_scaled(sum: &mut Vec<Fr>, scale: Fr, p: &[Fr]) {
    if sum.len() < p.len() {
        sum.resize(p.len(), Fr::ZERO);
    }
    sum.par_iter_mut().zip(p).with_min_len(1 << 11).for_each(|(s, c)| *s += scale * c);
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

    #[test]
    fn symmetric_product_satisfies_its_identity() {
        let z = Fr::from(5);
        let zi = z.inverse().expect("nonzero");
        for (a, b) in [(p(&[1, 2, 3, 4]), p(&[5, 6])), (p(&[1, 2]), p(&[5, 6, 7])), (p(&[0, 0, 0]), p(&[1])), (p(&[3]), p(&[4]))] {
            let s = symmetric_upper(&a, &b);
            let left = eval(&a, z) * eval(&b, zi) + eval(&a, zi) * eval(&b, z);
            assert_eq!(left, inner(&a, &b).double() + z * eval(&s, z) + zi * eval(&s, zi));
        }
    }
}
