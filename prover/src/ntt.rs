//! Number-theoretic transforms over the scalar field's subgroups of order `2^k`, in lanes where the processor has them.
//!
//! Transforms from values to coefficients decimate in frequency and leave the coefficients in bit-reversed order, those
//! back decimate in time and take that order: nothing is ever permuted. Both work depth first, so that most levels stay
//! within a cache.

use crate::simd::{self, BLOCK, Isa};
use ark_bn254::Fr;
use ark_ff::{FftField, Field};
use rayon::prelude::*;

/// From this many elements on, a transform is split among threads.
const PARALLEL: usize = 1 << 13;

/// A subgroup with its twiddle factors.
pub struct Domain {
    isa: Option<Isa>,
    log: u32,
    /// At `h + j`: `ω_{2h}^j`, for each distance `h`; in the form that the instructions want.
    forward: Vec<Fr>,
    inverse: Vec<Fr>,
    inverse_len: Fr,
}

/// The way of a polynomial's coefficients to a coset of a domain.
pub struct Coset {
    factor: Fr,
    /// `factor^i / 2^log` at the place of coefficient `i`.
    powers: Vec<Fr>,
}

impl Domain {
    /// The subgroup of order `2^log`. `None` beyond 2^28, the largest.
    pub fn new(log: u32) -> Option<Self> {
        Self::with(Isa::best(), log)
    }

    fn with(isa: Option<Isa>, log: u32) -> Option<Self> {
        // a vector of blocks at least: no level is left to scalars, which want canonical values
        let isa = isa.filter(|_| log >= 7);
        let root = Fr::get_root_of_unity(1 << log)?;
        let form = Fr::from(if isa.is_some() { 16u64 } else { 1 });
        let twiddles = |root: Fr| {
            let mut table = vec![form; 1 << log];
            for k in 0..log {
                let (h, step) = (1usize << k, root.pow([1 << (log - k - 1)]));
                (1..h).for_each(|j| table[h + j] = table[h + j - 1] * step);
            }
            table
        };
        let inverse_len = Field::inverse(&Fr::from(1u64 << log))?;
        Some(Self { isa, log, forward: twiddles(root), inverse: twiddles(Field::inverse(&root)?), inverse_len })
    }

    /// Log of the order.
    pub fn log(&self) -> u32 {
        self.log
    }

    /// The order.
    pub fn order(&self) -> usize {
        1 << self.log
    }

    /// Where coefficient `i` is.
    pub fn place(&self, i: usize) -> usize {
        if self.log == 0 { 0 } else { i.reverse_bits() >> (usize::BITS - self.log) }
    }

    /// Values to coefficients, in bit-reversed order and `2^log` times as large; then to a coset's, if there is one.
    /// `values` has the domain's length.
    pub fn to_coefficients(&self, values: &mut [Fr], coset: Option<&Coset>) {
        self.in_frequency(values);
        coset.iter().for_each(|coset| multiply(values, &coset.powers));
    }

    /// Coefficients in bit-reversed order, first taken to a coset's if there is one, to values.
    pub fn to_values(&self, coefficients: &mut [Fr], coset: Option<&Coset>) {
        coset.iter().for_each(|coset| multiply(coefficients, &coset.powers));
        self.in_time(coefficients, true);
    }

    /// From `2^log` times the coefficients of a polynomial to those of the same of `factor · X`.
    pub fn coset(&self, factor: Fr) -> Coset {
        // the top bit of a place, set first, is the lowest of its coefficient's number
        let (mut powers, mut step) = (vec![self.inverse_len], factor);
        for _ in 0..self.log {
            powers = powers.iter().flat_map(|p| [*p, *p * step]).collect();
            step.square_in_place();
        }
        Coset { factor, powers }
    }

    fn in_frequency(&self, x: &mut [Fr]) {
        if x.len() <= BLOCK {
            return self.last_levels(x);
        }
        let h = x.len() / 2;
        if h < PARALLEL {
            self.in_frequency_down_to_blocks(x);
            // blocks are left to the end, where a vector holds many
            return self.last_levels(x);
        }
        let (a, b) = x.split_at_mut(h);
        let (part, w) = (h / 2, &self.inverse[h..2 * h]);
        a.par_chunks_mut(part)
            .zip(b.par_chunks_mut(part))
            .zip(w.par_chunks(part))
            .for_each(|((a, b), w)| self.butterflies_in_frequency(a, b, w));
        rayon::join(|| self.in_frequency(a), || self.in_frequency(b));
    }

    fn in_frequency_down_to_blocks(&self, x: &mut [Fr]) {
        let h = x.len() / 2;
        let (a, b) = x.split_at_mut(h);
        self.butterflies_in_frequency(a, b, &self.inverse[h..2 * h]);
        if h > BLOCK {
            self.in_frequency_down_to_blocks(a);
            self.in_frequency_down_to_blocks(b);
        }
    }

    fn in_time(&self, x: &mut [Fr], last: bool) {
        if x.len() <= BLOCK {
            return self.first_levels(x);
        }
        let h = x.len() / 2;
        if h < PARALLEL {
            self.first_levels(x);
            return self.in_time_up_from_blocks(x, last);
        }
        let (a, b) = x.split_at_mut(h);
        rayon::join(|| self.in_time(a, false), || self.in_time(b, false));
        let (part, w) = (h / 2, &self.forward[h..2 * h]);
        a.par_chunks_mut(part)
            .zip(b.par_chunks_mut(part))
            .zip(w.par_chunks(part))
            .for_each(|((a, b), w)| self.butterflies_in_time(a, b, w, last));
    }

    fn in_time_up_from_blocks(&self, x: &mut [Fr], last: bool) {
        let h = x.len() / 2;
        let (a, b) = x.split_at_mut(h);
        if h > BLOCK {
            self.in_time_up_from_blocks(a, false);
            self.in_time_up_from_blocks(b, false);
        }
        self.butterflies_in_time(a, b, &self.forward[h..2 * h], last);
    }

    fn butterflies_in_frequency(&self, a: &mut [Fr], b: &mut [Fr], w: &[Fr]) {
        let done = self.isa.map_or(0, |isa| simd::decimate_in_frequency(isa, a, b, w));
        for ((a, b), w) in a.iter_mut().zip(b).zip(w).skip(done) {
            (*a, *b) = (*a + *b, (*a - *b) * w);
        }
    }

    fn butterflies_in_time(&self, a: &mut [Fr], b: &mut [Fr], w: &[Fr], last: bool) {
        let done = self.isa.map_or(0, |isa| simd::decimate_in_time(isa, a, b, w, last));
        for ((a, b), w) in a.iter_mut().zip(b).zip(w).skip(done) {
            let product = *b * w;
            (*a, *b) = (*a + product, *a - product);
        }
    }

    fn last_levels(&self, x: &mut [Fr]) {
        let done = self.vectors(x, &self.inverse, simd::last_levels);
        for x in x[done..].chunks_mut(BLOCK) {
            let mut h = x.len() / 2;
            while h > 0 {
                for block in x.chunks_mut(2 * h) {
                    let (a, b) = block.split_at_mut(h);
                    self.butterflies_in_frequency(a, b, &self.inverse[h..2 * h]);
                }
                h /= 2;
            }
        }
    }

    fn first_levels(&self, x: &mut [Fr]) {
        let done = self.vectors(x, &self.forward, simd::first_levels);
        for x in x[done..].chunks_mut(BLOCK) {
            let mut h = 1;
            while h < x.len() {
                for block in x.chunks_mut(2 * h) {
                    let (a, b) = block.split_at_mut(h);
                    self.butterflies_in_time(a, b, &self.forward[h..2 * h], false);
                }
                h *= 2;
            }
        }
    }

    fn vectors(&self, x: &mut [Fr], twiddles: &[Fr], f: impl Fn(Isa, &mut [Fr], &[Fr; BLOCK]) -> usize) -> usize {
        match (self.isa, twiddles.first_chunk()) {
            (Some(isa), Some(twiddles)) => f(isa, x, twiddles),
            _ => 0,
        }
    }
}

impl Coset {
    /// What `X` is multiplied by.
    pub fn factor(&self) -> &Fr {
        &self.factor
    }
}

/// Multiplies the elements by `factors`.
fn multiply(values: &mut [Fr], factors: &[Fr]) {
    values.par_iter_mut().zip(factors).with_min_len(1024).for_each(|(value, factor)| *value *= factor);
}

#[cfg(test)]
mod tests {
    use super::*;
    use ark_ff::{AdditiveGroup, UniformRand};
    use ark_poly::{EvaluationDomain, GeneralEvaluationDomain};

    #[test]
    fn transforms_are_arkworks_transforms() {
        let mut rng = ark_std::test_rng();
        let edges = [Fr::ZERO, Fr::ONE, -Fr::ONE];
        for log in [0, 1, 2, 3, 4, 5, 6, 7, 8, 11, 15] {
            let values: Vec<Fr> =
                (0..1 << log).map(|i| if i % 5 < 3 { edges[i % 5] } else { Fr::rand(&mut rng) }).collect();
            let arkworks = GeneralEvaluationDomain::<Fr>::new(1 << log).unwrap();
            let (coefficients, factor) = (arkworks.ifft(&values), Fr::from(7u64));
            for isa in Isa::available().iter().map(|isa| Some(*isa)).chain([None]) {
                let domain = Domain::with(isa, log).unwrap();
                let mut x = values.clone();
                domain.to_coefficients(&mut x, Some(&domain.coset(Fr::ONE)));
                assert!((0..x.len()).all(|i| x[domain.place(i)] == coefficients[i]), "{isa:?} 2^{log}");
                let mut back = x.clone();
                domain.to_values(&mut back, None);
                assert_eq!(back, values, "{isa:?} 2^{log}");
                let mut shifted = values.clone();
                domain.to_coefficients(&mut shifted, None);
                domain.to_values(&mut shifted, Some(&domain.coset(factor)));
                assert_eq!(shifted, arkworks.get_coset(factor).unwrap().fft(&coefficients), "{isa:?} 2^{log}");
            }
        }
        assert!(Domain::new(29).is_none());
    }
}
