//! Pippenger's buckets: digits sorted into buckets, the buckets summed, and `Σ_b b·B_b` of each window.
//!
//! The last step adds affine points too: with `b = 2^k·row + column`, the buckets of a row and those of a column are
//! summed, then the rows and the columns that have a bit in common, which leaves one point for each bit of a digit.
//! That is two additions for each bucket, as with running sums, but cheap ones that all windows share their inversions
//! in.

use super::tree::{Groups, Scratch, sum_groups};
use crate::simd::{Isa, VectorCurve};
use ark_ec::short_weierstrass::{Affine, Projective};
use ark_ec::{AdditiveGroup, AffineRepr};
use rayon::prelude::*;
use std::ops::Range;

/// Terms that are summed at a time: their sums and the shared inversion's products stay within a core's second-level
/// cache.
const PIECE: usize = 8192;
/// Terms that are sorted at a time, so that memory stays bounded.
const SORTED: usize = 1 << 22;

/// A digit of each scalar, for each window.
pub(super) trait Digits: Sync {
    /// Bits of a window.
    fn width(&self) -> u32;
    /// Number of windows.
    fn windows(&self) -> u32;
    /// The largest absolute value of digit `j`.
    fn buckets(&self, j: u32) -> usize;
    /// Number of scalars.
    fn len(&self) -> usize;
    /// Digit `j` of scalar `i`.
    fn digit(&self, i: usize, j: u32) -> i32;
}

/// Sums of buckets: window and number, and a sum of the bucket's terms. A bucket may have several; windows are in
/// order.
struct Parts<C: VectorCurve> {
    names: Vec<(u32, u32)>,
    sums: Vec<C::Words>,
}

/// Places of bits, each a sum and a bit's number in it, and what belongs there.
type Bits<C> = (Vec<(usize, u32)>, Vec<<C as VectorCurve>::Words>);

/// A window of one of several sums.
#[derive(Clone, Copy)]
struct Window<'a, D> {
    /// Index among all windows.
    index: u32,
    sum: usize,
    digits: &'a D,
    j: u32,
}

/// `Σ_j 2^(width·j) Σ_i digit(i, j)·bases[i]` for each of several lists of scalars, which share the conversion of the
/// bases and all inversions.
pub(super) fn sums<C: VectorCurve, D: Digits>(
    isa: Option<Isa>,
    bases: &[Affine<C>],
    scalars: &[D],
) -> Vec<Projective<C>> {
    let mut points: Vec<C::Words> = bases.par_iter().with_min_len(1024).map(C::to_words).collect();
    if let Some(isa) = isa {
        points.par_chunks_mut(1024).for_each(|points| C::convert(isa, points, true));
    }
    let all = scalars.iter().enumerate().flat_map(|(sum, digits)| (0..digits.windows()).map(move |j| (sum, digits, j)));
    let windows: Vec<Window<'_, D>> =
        all.zip(0..).map(|((sum, digits, j), index)| Window { index, sum, digits, j }).collect();
    let at_a_time = (SORTED / bases.len().max(1)).max(1);
    let mut parts = Parts::<C> { names: Vec::new(), sums: Vec::new() };
    for windows in windows.chunks(at_a_time) {
        let sorted: Vec<Sorted> = windows.par_iter().map(|window| Sorted::new(window, bases)).collect();
        for more in sum_buckets::<C>(isa, &points, &Sorted::concat(sorted)) {
            parts.names.extend(more.names);
            parts.sums.extend(more.sums);
        }
    }

    let each = windows.len().div_ceil(rayon::current_num_threads()).max(1);
    let bits: Vec<Bits<C>> = windows.par_chunks(each).map(|windows| weigh(isa, &parts, windows)).collect();
    let (mut places, mut found) = (Vec::new(), Vec::new());
    for (more, and) in bits {
        places.extend(more);
        found.extend(and);
    }
    if let Some(isa) = isa {
        C::convert(isa, &mut found, false);
    }
    let mut bits: Vec<((usize, u32), C::Words)> = places.into_iter().zip(found).collect();
    bits.sort_unstable_by_key(|(place, _)| *place);
    let horner = |sum: usize| {
        let mine = &bits[bits.partition_point(|((s, _), _)| *s < sum)..bits.partition_point(|((s, _), _)| *s <= sum)];
        let mut at = mine.last().map_or(0, |((_, place), _)| *place);
        let mut total = Projective::<C>::default();
        for ((_, place), point) in mine.iter().rev() {
            while at > *place {
                total.double_in_place();
                at -= 1;
            }
            total += C::from_words(point);
        }
        total
    };
    (0..scalars.len()).into_par_iter().map(horner).collect()
}

/// Terms in the order of their windows and buckets, and where each bucket that has terms ends.
#[derive(Default)]
struct Sorted {
    terms: Vec<u32>,
    buckets: Vec<(u32, u32)>,
    ends: Vec<usize>,
}

impl Sorted {
    /// Counting sort of one window by the digits' absolute values; zero digits and identities are left out.
    fn new<C: VectorCurve>(window: &Window<'_, impl Digits>, bases: &[Affine<C>]) -> Self {
        let Window { index, digits, j, .. } = *window;
        let mut next = vec![0u32; digits.buckets(j) + 2];
        let digit = |(i, base): (usize, &Affine<C>)| if base.is_zero() { 0 } else { digits.digit(i, j) };
        let digits: Vec<i32> = bases.iter().take(digits.len()).enumerate().map(digit).collect();
        for d in digits.iter().filter(|d| **d != 0) {
            next[d.unsigned_abs() as usize + 1] += 1;
        }
        let mut sorted = Sorted::default();
        for b in 1..next.len() {
            if next[b] > 0 {
                sorted.buckets.push((index, b as u32 - 1));
                sorted.ends.push((next[b - 1] + next[b]) as usize);
            }
            next[b] += next[b - 1];
        }
        sorted.terms = vec![0; next.last().map_or(0, |count| *count as usize)];
        for (i, d) in digits.iter().enumerate().filter(|(_, d)| **d != 0) {
            let slot = &mut next[d.unsigned_abs() as usize];
            sorted.terms[*slot as usize] = (i as u32) << 1 | u32::from(*d < 0);
            *slot += 1;
        }
        sorted
    }

    fn concat(parts: Vec<Self>) -> Self {
        parts.into_iter().fold(Self::default(), |mut all, part| {
            let before = all.terms.len();
            all.terms.extend(part.terms);
            all.buckets.extend(part.buckets);
            all.ends.extend(part.ends.iter().map(|end| before + end));
            all
        })
    }

    /// The groups of the terms `range`, and the first one's bucket.
    fn piece(&self, range: Range<usize>) -> (usize, Groups) {
        let first = self.ends.partition_point(|end| *end <= range.start);
        let last = self.ends.partition_point(|end| *end < range.end);
        let ends = self.ends[first..=last].iter().map(|end| (end.min(&range.end) - range.start) as u32).collect();
        (first, Groups { terms: self.terms[range].to_vec(), ends })
    }
}

fn sum_buckets<C: VectorCurve>(isa: Option<Isa>, points: &[C::Words], sorted: &Sorted) -> Vec<Parts<C>> {
    let len = sorted.terms.len();
    // at least a piece for each thread, and memory reused among many
    let threads = rayon::current_num_threads();
    let piece = len.div_ceil(threads).clamp(1, PIECE);
    let starts: Vec<usize> = (0..len).step_by(piece).collect();
    let sum = |starts: &[usize]| {
        let mut scratch = Scratch::<C>::default();
        let mut parts = Parts { names: Vec::new(), sums: Vec::new() };
        for start in starts {
            let (first, groups) = sorted.piece(*start..(start + piece).min(len));
            let sums = sum_groups::<C>(isa, points, groups, &mut scratch);
            parts.names.extend(&sorted.buckets[first..first + sums.len()]);
            parts.sums.extend(sums);
        }
        parts
    };
    starts.par_chunks(starts.len().div_ceil(4 * threads).max(1)).map(sum).collect()
}

/// For each bit `t` of the windows' digits: its sum and its place `width·j + t` there, and the sum of the buckets whose
/// number has the bit.
fn weigh<C: VectorCurve, D: Digits>(isa: Option<Isa>, parts: &Parts<C>, windows: &[Window<'_, D>]) -> Bits<C> {
    let bits_of = |window: &Window<'_, D>| usize::BITS - window.digits.buckets(window.j).leading_zeros();
    let mut scratch = Scratch::<C>::default();
    // rows and columns of every window; `owners` are the parts of a bucket's number that they stand for, `ends` where a
    // window's end
    let mut groups = Groups::default();
    let (mut owners, mut ends): (Vec<u32>, Vec<usize>) = (Vec::new(), Vec::new());
    let mut members: Vec<Vec<u32>> = Vec::new();
    for window in windows {
        let half = bits_of(window) / 2;
        let (rows, columns) = ((window.digits.buckets(window.j) >> half) + 1, 1 << half);
        members.iter_mut().for_each(Vec::clear);
        members.resize(rows + columns, Vec::new());
        let start = parts.names.partition_point(|(w, _)| *w < window.index);
        let end = parts.names.partition_point(|(w, _)| *w <= window.index);
        for (i, (_, bucket)) in parts.names.iter().enumerate().take(end).skip(start) {
            if parts.sums[i] != C::IDENTITY {
                let (row, column) = ((bucket >> half) as usize, (*bucket as usize) & (columns - 1));
                members[row].push((i as u32) << 1);
                members[rows + column].push((i as u32) << 1);
            }
        }
        for (k, members) in members.iter().enumerate() {
            let number = if k < rows { (k << half) as u32 } else { (k - rows) as u32 };
            if number > 0 {
                groups.terms.extend(members);
                groups.close();
                owners.push(number);
            }
        }
        ends.push(owners.len());
    }
    let sums = sum_groups::<C>(isa, &parts.sums, groups, &mut scratch);

    let mut groups = Groups::default();
    let mut places = Vec::new();
    let mut start = 0;
    for (window, end) in windows.iter().zip(ends) {
        for bit in 0..bits_of(window) {
            let has = |i: &usize| owners[*i] >> bit & 1 == 1 && sums[*i] != C::IDENTITY;
            groups.terms.extend((start..end).filter(has).map(|i| (i as u32) << 1));
            groups.close();
            places.push((window.sum, window.digits.width() * window.j + bit));
        }
        start = end;
    }
    (places, sum_groups::<C>(isa, &sums, groups, &mut scratch))
}
