//! The mask of a hiding opening: random coefficients at a few places, and the blinding coefficient.
//!
//! Everything that an opening shows of `T` (points of the proof are values at τ) is a *linear* function of `T`, 15 of
//! them, fewer than [`SIDE`]²: for given challenges, a linear map `ℓ` from `F^(2^c + 1)` to the proof's values. With
//! `T = F + ρM`, a uniformly random `M` makes `ℓ(T)` uniform over the image of `ℓ`, whatever `F` is. An `M` that is
//! uniform on some coefficients and zero elsewhere does the same, exactly, as long as `ℓ` has the same image on those
//! coefficients: then its values come from the same uniform distribution, and nothing is given away that a full mask
//! would hide. Three linear relations hold for every `T`, so the image of `ℓ` has no more than 12 dimensions; that the
//! mask's coefficients reach as many is that a certain determinant, a polynomial in the challenges and τ, is not zero.
//! It is not the zero polynomial: the tests below find for every `c` a point where it is not zero. So it vanishes with
//! a probability of about `2^c / r` only. With the universal wrap's polynomials opened alongside, what they vanish at
//! multiplies the terms of `W` and is one more variable, 1 in the tests. A full mask would cost one more multi-scalar
//! multiplication of the size of a chunk.

#![allow(clippy::indexing_slicing, reason = "only the prover runs this")]

use crate::msm::msm;
use crate::secret::Secret;
use crate::srs::Srs;
use ark_bn254::{Fr, G1Affine};
use ark_ec::CurveGroup;
use assay_circuits::verifier::eq::eq_index;

/// Rows and columns of `T`, as the opening folds it, that the mask covers.
const SIDE: usize = 8;

/// Coefficients of a mask polynomial.
pub struct Mask {
    places: Vec<usize>,
    values: Secret<Vec<Fr>>,
    log_chunk: usize,
}

impl Mask {
    /// For chunks of `2^log_chunk` cells, from as many random values as [`Self::len`] says.
    pub fn new(log_chunk: usize, values: Vec<Fr>) -> Self {
        Self { places: places(log_chunk), values: values.into(), log_chunk }
    }

    /// Number of random coefficients.
    pub fn len(log_chunk: usize) -> usize {
        places(log_chunk).len()
    }

    /// Its commitment. The SRS has more than `2^log_chunk` powers.
    pub fn commit(&self, srs: &Srs) -> G1Affine {
        let bases: Vec<G1Affine> = self.places.iter().map(|at| srs.g1[*at]).collect();
        msm(&bases, &self.values).into_affine()
    }

    /// Its multilinear evaluation, to which the blinding coefficient does not count.
    pub fn evaluate(&self, point: &[Fr]) -> Fr {
        let cells = self.places.iter().zip(self.values.iter()).filter(|(at, _)| **at < 1 << self.log_chunk);
        cells.map(|(at, value)| eq_index(point, *at) * value).sum()
    }

    /// `t += rho · mask`.
    pub fn add_to(&self, t: &mut [Fr], rho: &Fr) {
        for (at, value) in self.places.iter().zip(self.values.iter()) {
            t[*at] += *rho * value;
        }
    }
}

/// The first cells of the first rows, and the blinding coefficient.
fn places(log_chunk: usize) -> Vec<usize> {
    let (b, n) = (1usize << log_chunk.div_ceil(2), 1usize << (log_chunk / 2));
    let cells = (0..n.min(SIDE)).flat_map(|row| (0..b.min(SIDE)).map(move |column| row * b + column));
    cells.chain([n * b]).collect()
}

#[cfg(test)]
mod tests {
    use super::super::open::joined;
    use super::super::poly::eval_eq;
    use super::super::poly::{add_scaled, divide, divide_rows, eval, inner, symmetric_upper};
    use super::*;
    use crate::poly::eq_table;
    use ark_ff::{AdditiveGroup, Field, UniformRand};
    use rayon::prelude::*;

    /// What [`view`] shows.
    const VALUES: usize = 15;
    /// Less the relations between them.
    const RANK: usize = VALUES - 3;

    /// What an opening of `t` shows, for given challenges; the points as values at `tau`.
    fn view(t: &[Fr], point: &[Fr], [alpha, gamma, z, eta, x, tau]: [Fr; 6]) -> Vec<Fr> {
        let (u1, u2) = point.split_at(point.len().div_ceil(2));
        let (p1, p2) = (eq_table(u1), eq_table(u2));
        let zi = z.inverse().unwrap();
        let h: Vec<Fr> = t.chunks(p1.len()).map(|row| inner(row, &p1)).collect();
        let (q, g) = divide_rows(t, p1.len(), alpha);
        let mut s = symmetric_upper(&g, &p1);
        add_scaled(&mut s, gamma, &symmetric_upper(&h, &p2));
        let d: Vec<Fr> = g.iter().rev().copied().collect();
        let small = joined([&d, &g, &s, &h], eta);
        let w = small.quotient([z, zi, alpha]);
        let last = divide(&small.with_rows(t, &q, &g, p1.len(), alpha, x, [z, zi, alpha], &w, Fr::ONE), x);
        let mut seen = vec![eval(t, tau), inner(&h, &p2)];
        seen.extend([&h, &q, &g, &s, &d, &w, &last].map(|p| eval(p, tau)));
        seen.extend([eval(&g, z), eval(&g, zi), eval(&h, z), eval(&h, zi), eval(&s, z), eval(&s, zi)]);
        seen
    }

    /// The same of `T = X^at`, at the cost of a row instead of a chunk: `T` and the quotient by rows are closed forms,
    /// all else has the length of a row.
    fn unit_view(at: usize, point: &[Fr], [alpha, gamma, z, eta, x, tau]: [Fr; 6]) -> Vec<Fr> {
        let (u1, u2) = point.split_at(point.len().div_ceil(2));
        let (p1, p2) = (eq_table(u1), eq_table(u2));
        let b = p1.len();
        let (row, column) = (at / b, at % b);
        let power = |base: Fr, exponent: usize| base.pow([exponent as u64]);
        let monomial = |len: usize, at: usize, value: Fr| {
            let mut p = vec![Fr::ZERO; len];
            p[at] = value;
            p
        };
        let (h, g) = (monomial(p2.len() + 1, row, p1[column]), monomial(b, column, power(alpha, row)));
        let q = |at: Fr| power(at, column) * (power(at, b * row) - power(alpha, row)) / (power(at, b) - alpha);
        let zi = z.inverse().unwrap();
        let mut s = symmetric_upper(&g, &p1);
        add_scaled(&mut s, gamma, &symmetric_upper(&h, &p2));
        let d: Vec<Fr> = g.iter().rev().copied().collect();
        let small = joined([&d, &g, &s, &h], eta);
        let w = small.quotient([z, zi, alpha]);
        let rest = small.with_rows(&[], &[], &g, b, alpha, x, [z, zi, alpha], &w, Fr::ONE);
        let l = |point: Fr| power(point, at) + (alpha - power(x, b)) * q(point) + eval(&rest, point);
        let last = (l(tau) - l(x)) / (tau - x);
        let mut seen = vec![power(tau, at), inner(&h, &p2), eval(&h, tau), q(tau)];
        seen.extend([&g, &s, &d, &w].map(|p| eval(p, tau)));
        seen.push(last);
        seen.extend([eval(&g, z), eval(&g, zi), eval(&h, z), eval(&h, zi), eval(&s, z), eval(&s, zi)]);
        seen
    }

    /// Challenges, τ and a point that nothing is special about.
    fn drawn(c: usize) -> ([Fr; 6], Vec<Fr>) {
        let random: Vec<Fr> = (0..c as u64 + 6).map(|i| Fr::from(i + 3).pow([1_000_003 + 7 * i, 12345, 999])).collect();
        let (challenges, point) = random.split_at(6);
        (challenges.try_into().unwrap(), point.to_vec())
    }

    fn rank(mut rows: Vec<Vec<Fr>>) -> usize {
        let mut rank = 0;
        for column in 0..rows.first().map_or(0, Vec::len) {
            let Some(pivot) = (rank..rows.len()).find(|r| rows[*r][column] != Fr::ZERO) else { continue };
            rows.swap(rank, pivot);
            let inverse = rows[rank][column].inverse().unwrap();
            let (above, below) = rows.split_at_mut(rank + 1);
            for row in below {
                let factor = row[column] * inverse;
                row.iter_mut().zip(&above[rank]).for_each(|(r, p)| *r -= factor * p);
            }
            rank += 1;
        }
        rank
    }

    /// ZK: the mask's coefficients alone reach everything that all coefficients reach, where that can be tried out.
    #[test]
    fn the_mask_hides_what_a_full_mask_hides() {
        let mut rng = ark_std::test_rng();
        for c in [4, 5, 6, 7, 8, 9, 12, 15] {
            let (challenges, point) = drawn(c);
            let dense = |at: usize| {
                let mut t = vec![Fr::ZERO; (1 << c) + 1];
                t[at] = Fr::ONE;
                view(&t, &point, challenges)
            };
            // more full masks than an opening shows values
            let full = |_| view(&(0..=1 << c).map(|_| Fr::rand(&mut rng)).collect::<Vec<_>>(), &point, challenges);
            let all = rank((0..20).map(full).collect());
            let units: Vec<Vec<Fr>> = places(c).into_iter().map(dense).collect();
            assert_eq!(rank(units.clone()), all, "c = {c}");
            assert!(all <= RANK && (c < 6 || all == RANK), "c = {c}: {all}");
            // fewer would not do: the test can fail
            assert!(rank(units[..3].to_vec()) < all);
            // what the next test computes is the same, at the mask's places and at others
            let others = [1 << (c - 1), (1 << c) - 1].map(|at| (at, dense(at)));
            for (at, dense) in places(c).into_iter().zip(units).chain(others) {
                assert_eq!(unit_view(at, &point, challenges), dense, "c = {c}, place {at}");
            }
        }
    }

    /// ZK: for every chunk size, the mask's coefficients reach as much as there is to reach.
    #[test]
    fn the_mask_has_the_largest_rank_for_every_chunk() {
        for c in 6..=*assay_circuits::shape::LOG_CHUNK_RANGE.end() as usize {
            let (challenges, point) = drawn(c);
            let rows: Vec<Vec<Fr>> = places(c).into_par_iter().map(|at| unit_view(at, &point, challenges)).collect();
            assert_eq!(rows[0].len(), VALUES);
            assert!(rank(rows[..RANK - 1].to_vec()) < RANK);
            assert_eq!(rank(rows), RANK, "c = {c}");
        }
    }

    /// The relations that bound the rank hold for every polynomial: what is shown fulfils the verifier's three
    /// equations.
    #[test]
    fn three_relations_hold_for_every_polynomial() {
        let mut rng = ark_std::test_rng();
        for c in [6, 7, 10] {
            let (challenges, point) = drawn(c);
            let [alpha, gamma, z, eta, x, tau] = challenges;
            let t: Vec<Fr> = (0..=1 << c).map(|_| Fr::rand(&mut rng)).collect();
            let seen: [Fr; VALUES] = view(&t, &point, challenges).try_into().unwrap();
            let [t, value, h, q, g, s, d, w, last, gz, gi, hz, hi, sz, si] = seen;
            let (u1, u2) = point.split_at(c.div_ceil(2));
            let b = 1u64 << u1.len();
            let zi = z.inverse().unwrap();
            // the division by rows, at τ
            assert_eq!(t, (tau.pow([b]) - alpha) * q + g);
            // the quotient of all claims, `h(α)` from the identity at `z`
            let crossed =
                gz * eval_eq(u1, zi) + gi * eval_eq(u1, z) + gamma * (hz * eval_eq(u2, zi) + hi * eval_eq(u2, z));
            let ha = (crossed - z * sz - zi * si) / Fr::from(2u64) - gamma * value;
            let line = |at_z: Fr, at_zi: Fr, at: Fr| (at_z * (at - zi) - at_zi * (at - z)) / (z - zi);
            let parabola = |at: Fr| {
                line(hz, hi, at) + (ha - line(hz, hi, alpha)) * (at - z) * (at - zi) / ((alpha - z) * (alpha - zi))
            };
            let dz = z.pow([b - 1]) * gi;
            let e = |i: u64| eta.pow([i]);
            let claims = |at: Fr, one: Fr, two: Fr, three: Fr| {
                one * e(1) * (d - dz)
                    + two * (e(2) * (g - line(gz, gi, at)) + e(3) * (s - line(sz, si, at)))
                    + three * e(4) * (h - parabola(at))
            };
            let (vz, vzi, va) = (tau - z, tau - zi, tau - alpha);
            let (one, two, three) =
                (vz.inverse().unwrap(), (vz * vzi).inverse().unwrap(), (vz * vzi * va).inverse().unwrap());
            assert_eq!(w, claims(tau, one, two, three));
            // the last quotient
            let (xz, xzi, xa) = (x - z, x - zi, x - alpha);
            let l = t - (x.pow([b]) - alpha) * q - g + claims(x, xzi * xa, xa, Fr::ONE) - xz * xzi * xa * w;
            assert_eq!(l, (tau - x) * last);
        }
    }
}
