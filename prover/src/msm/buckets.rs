//! One window: terms are sorted by bucket, cut into pieces that fit the cache, and each piece gives its share of `Σ_b b · B_b`.

use super::tree;
use ark_bn254::{G1Affine, G1Projective, g1};
use ark_ec::{PrimeGroup, short_weierstrass::Bucket};
use ark_ff::Zero;
use rayon::prelude::*;
use std::ops::Range;

/// Terms of a piece: points and scratch space of one piece stay within a core's second-level cache.
const PIECE: usize = 4096;

/// The bases of a window and the largest absolute value of a digit.
pub(super) struct Window<'a> {
    pub(super) bases: &'a [G1Affine],
    pub(super) buckets: usize,
}

/// Terms in the order of their buckets: twice the index of the base (so at most 2^31 bases), plus 1 if the digit is negative.
type Sorted = Vec<u32>;

impl Window<'_> {
    /// `Σ_i digit(i) · bases[i]`.
    pub(super) fn sum(&self, digit: &(dyn Fn(usize) -> i32 + Sync)) -> G1Projective {
        let (sorted, starts) = self.sort(digit);
        let pieces = sorted.len().div_ceil(PIECE);
        (0..pieces)
            .into_par_iter()
            .map(|i| self.piece(&sorted, &starts, i * PIECE..((i + 1) * PIECE).min(sorted.len())))
            .reduce(G1Projective::zero, |a, b| a + b)
    }

    /// Counting sort by absolute value, zeros left out. Bucket `b >= 1` is `starts[b]..starts[b + 1]`.
    fn sort(&self, digit: &dyn Fn(usize) -> i32) -> (Sorted, Vec<u32>) {
        let mut starts = vec![0u32; self.buckets + 2];
        let digits: Vec<i32> = (0..self.bases.len()).map(digit).collect();
        for d in &digits {
            starts[d.unsigned_abs() as usize + 1] += u32::from(*d != 0);
        }
        for b in 1..starts.len() {
            starts[b] += starts[b - 1];
        }
        let mut next = starts.clone();
        let mut sorted = vec![0u32; starts.last().copied().unwrap_or(0) as usize];
        for (i, d) in digits.iter().enumerate().filter(|(_, d)| **d != 0) {
            let slot = &mut next[d.unsigned_abs() as usize];
            sorted[*slot as usize] = (i as u32) << 1 | u32::from(*d < 0);
            *slot += 1;
        }
        (sorted, starts)
    }

    /// The share of the terms `range`. A bucket may be cut by the border of a piece: the sum is linear in the terms.
    fn piece(&self, sorted: &[u32], starts: &[u32], range: Range<usize>) -> G1Projective {
        let mut points: Vec<G1Affine> = sorted[range.clone()]
            .iter()
            .map(|term| {
                let base = self.bases[(term >> 1) as usize];
                if term & 1 == 1 { -base } else { base }
            })
            .collect();
        let (from, to) = (range.start as u32, range.end as u32);
        let first = starts.partition_point(|s| *s <= from) - 1;
        let last = starts.partition_point(|s| *s < to) - 1;
        let mut ends: Vec<u32> = (first..=last).map(|b| starts[b + 1].min(to) - from).collect();
        tree::sum_buckets(&mut points, &mut ends);

        // Σ_b b·B_b = Σ_b (b - first + 1)·B_b + (first - 1)·Σ_b B_b, the first sum by running sums from the last bucket down
        let mut running = Bucket::<g1::Config>::default();
        let mut weighted = running;
        for (b, end) in ends.iter().enumerate().rev() {
            let start = if b == 0 { 0 } else { ends[b - 1] };
            if *end > start {
                running += points[start as usize];
            }
            weighted += &running;
        }
        let running: G1Projective = running.into();
        G1Projective::from(weighted) + running.mul_bigint([(first - 1) as u64])
    }
}
