//! Polynomials of another argument that are opened with a chunk's, by the same two quotients (SHPLONK, ePrint
//! 2020/081).
//!
//! A polynomial may be several interleaved ones, `f(X) = Σ_{i<e} X^i·p_i(X^e)` (fflonk, ePrint 2021/1167): then `f mod
//! X^e - v` is `Σ p_i(v) X^i`, so that a claim about a residue is a claim about the values of all `p_i` at `v`, and no
//! roots are ever taken.

use super::poly::{divide_rows, eval};
use ark_bn254::Fr;
use ark_ff::{AdditiveGroup, Field};

/// The claim that a polynomial has these residues. `P` is the polynomial or its commitment.
#[derive(Debug, Clone)]
pub struct Companion<P> {
    /// What is opened.
    pub polynomial: P,
    /// `e`.
    pub step: usize,
    /// One or two: `v`, and the `e` coefficients of the residue modulo `X^e - v`.
    pub residues: Vec<(Fr, Vec<Fr>)>,
}

impl<P> Companion<P> {
    /// `Π (x^e - v)`.
    pub(super) fn vanishing(&self, x: Fr) -> Fr {
        let power = x.pow([self.step as u64]);
        self.residues.iter().map(|(v, _)| power - v).product()
    }

    /// The polynomial of least degree with these residues, at `x`. `None` for two residues of the same modulus, and for
    /// more than two.
    pub(super) fn interpolant(&self, x: Fr) -> Option<Fr> {
        let power = x.pow([self.step as u64]);
        match self.residues.as_slice() {
            [] => Some(Fr::ZERO),
            [(_, residue)] => Some(eval(residue, x)),
            [(v, at_v), (u, at_u)] => {
                let inverse = (*v - u).inverse()?;
                Some((eval(at_v, x) * (power - u) - eval(at_u, x) * (power - v)) * inverse)
            }
            _ => None,
        }
    }
}

impl Companion<&[Fr]> {
    /// `(f - r) / Z`, which is what is left of `f` when the remainders of the divisions are dropped.
    pub(super) fn quotient(&self) -> Vec<Fr> {
        match self.residues.as_slice() {
            [] => self.polynomial.to_vec(),
            [(v, _), rest @ ..] => {
                let first = divide_rows(self.polynomial, self.step, *v).0;
                rest.iter().fold(first, |f, (v, _)| divide_rows(&f, self.step, *v).0)
            }
        }
    }
}

/// The least common multiple of all `Z`, at `x`.
pub(super) fn common<P>(companions: &[Companion<P>], x: Fr) -> Fr {
    let mut factors: Vec<(usize, Fr)> = Vec::new();
    for companion in companions {
        for (v, _) in &companion.residues {
            if !factors.contains(&(companion.step, *v)) {
                factors.push((companion.step, *v));
            }
        }
    }
    factors.iter().map(|(step, v)| x.pow([*step as u64]) - v).product()
}
