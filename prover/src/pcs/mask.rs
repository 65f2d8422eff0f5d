//! The mask of a hiding opening: random coefficients at a few places, and the blinding coefficient.
//!
//! Everything that an opening shows of `T` (points of the proof are values at τ) is a *linear* function of `T`, fewer than [`SIDE`]² of them: for given
//! challenges, a linear map `ℓ` from `F^(2^c + 1)` to the proof's values. With `T = F + ρM`, a uniformly random `M` makes `ℓ(T)` uniform over the image of `ℓ`, whatever `F`
//! is. An `M` that is uniform on some coefficients and zero elsewhere does the same, exactly, as long as `ℓ` has the same image on those coefficients: then its
//! values come from the same uniform distribution, and nothing is given away that a full mask would hide. The image is the same if a certain determinant, a polynomial in the
//! challenges and τ, is not zero; it is not the zero polynomial (the test below finds a point where it is not zero, for every shape of the grid), so
//! it vanishes with a probability of about `2^c / r` only. A full mask would cost one more multi-scalar multiplication of the size of a chunk.

use crate::msm::msm;
use crate::srs::Srs;
use ark_bn254::{Fr, G1Affine};
use ark_ec::CurveGroup;
use assay_circuits::verifier::eq::eq_index;

/// Rows and columns of `T`, as the opening folds it, that the mask covers.
const SIDE: usize = 8;

/// Coefficients of a mask polynomial.
pub struct Mask {
    places: Vec<usize>,
    values: Vec<Fr>,
    log_chunk: usize,
}

impl Mask {
    /// For chunks of `2^log_chunk` cells, from as many random values as [`Self::len`] says.
    pub fn new(log_chunk: usize, values: Vec<Fr>) -> Self {
        Self { places: places(log_chunk), values, log_chunk }
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
        let cells = self.places.iter().zip(&self.values).filter(|(at, _)| **at < 1 << self.log_chunk);
        cells.map(|(at, value)| eq_index(point, *at) * value).sum()
    }

    /// `t += rho · mask`.
    pub fn add_to(&self, t: &mut [Fr], rho: &Fr) {
        for (at, value) in self.places.iter().zip(&self.values) {
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
    use super::super::open::{divide_rows, joined};
    use super::super::poly::{add_scaled, divide, eval, inner, symmetric_upper};
    use super::*;
    use crate::poly::eq_table;
    use ark_ff::{AdditiveGroup, Field, UniformRand};

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

    /// ZK: the mask's coefficients alone reach everything that all coefficients reach.
    #[test]
    fn the_mask_hides_what_a_full_mask_hides() {
        let mut rng = ark_std::test_rng();
        for c in [4, 5, 6, 7, 8, 9, 12, 15] {
            let random: Vec<Fr> = (0..c as u64 + 6).map(|i| Fr::from(i + 3).pow([1_000_003 + 7 * i, 12345, 999])).collect();
            let (challenges, point) = random.split_at(6);
            let challenges = challenges.try_into().unwrap();
            let unit = |at: usize| {
                let mut t = vec![Fr::ZERO; (1 << c) + 1];
                t[at] = Fr::ONE;
                view(&t, point, challenges)
            };
            // more full masks than an opening shows values
            let full = |_| view(&(0..=1 << c).map(|_| Fr::rand(&mut rng)).collect::<Vec<_>>(), point, challenges);
            let all = rank((0..20).map(full).collect());
            assert_eq!(rank(places(c).into_iter().map(unit).collect()), all, "c = {c}");
            assert!(all < places(c).len() && all > 8, "c = {c}: {all}");
            // fewer would not do: the test can fail
            assert!(rank(places(c).into_iter().take(3).map(unit).collect()) < all);
        }
    }
}
