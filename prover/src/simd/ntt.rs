//! Butterflies of number-theoretic transforms. Values are in arkworks' form, twiddle factors in the vectors' (16 times
//! as large in arkworks'), so that products stay in arkworks' form. Between levels values are below 2p; the last level
//! leaves them canonical.

use super::field::Packed;
use super::lanes::Lanes;
use super::rounds::{Element, load, store, store_as_is, words, words_mut};
use assay_circuits::Fr;

/// Elements of a block that [`last_levels`] and [`first_levels`] transform.
pub(crate) const BLOCK: usize = 16;

/// `(a, b) -> (a + b, (a - b)·w)`, on whole vectors; returns how many it has done.
#[inline(always)]
pub(super) fn decimate_in_frequency<L: Lanes>(a: &mut [Fr], b: &mut [Fr], w: &[Fr]) -> usize {
    let steps = a.len() / (2 * L::COUNT);
    let (a, b, w) = (words_mut(a), words_mut(b), words(w));
    for step in 0..steps {
        let row = step * L::COUNT;
        let ((a0, a1), (b0, b1), (w0, w1)) = (load::<L>(a, row, 1), load::<L>(b, row, 1), load::<L>(w, row, 1));
        store_as_is(a0.accumulate(&b0), a1.accumulate(&b1), a, row, 1);
        store_as_is(a0.sub(&b0).mul(&w0), a1.sub(&b1).mul(&w1), b, row, 1);
    }
    steps * 2 * L::COUNT
}

/// `(a, b) -> (a + b·w, a - b·w)`, on whole vectors; returns how many it has done. `last` leaves canonical values.
#[inline(always)]
pub(super) fn decimate_in_time<L: Lanes>(a: &mut [Fr], b: &mut [Fr], w: &[Fr], last: bool) -> usize {
    let steps = a.len() / (2 * L::COUNT);
    let (a, b, w) = (words_mut(a), words_mut(b), words(w));
    for step in 0..steps {
        let row = step * L::COUNT;
        let ((a0, a1), (b0, b1), (w0, w1)) = (load::<L>(a, row, 1), load::<L>(b, row, 1), load::<L>(w, row, 1));
        let (b0, b1) = (b0.mul(&w0), b1.mul(&w1));
        let (sum, difference) =
            ((a0.accumulate(&b0), a1.accumulate(&b1)), (a0.sub(&b0).reduce(), a1.sub(&b1).reduce()));
        if last {
            store(sum.0, sum.1, a, row, 1);
            store(difference.0, difference.1, b, row, 1);
        } else {
            store_as_is(sum.0, sum.1, a, row, 1);
            store_as_is(difference.0, difference.1, b, row, 1);
        }
    }
    steps * 2 * L::COUNT
}

/// The twiddle factors of the four smallest levels: `w[h + j]` is that of distance `h` at `j`.
#[inline(always)]
fn small_twiddles<L: Lanes>(w: &[Fr; BLOCK]) -> [Element<L>; BLOCK] {
    let mut out = [Element::<L>::zero(); BLOCK];
    for (out, w) in out.iter_mut().zip(w) {
        // they are in the vectors' form already: read as they are
        let eight = [*w; 8];
        let words: &[u64] = words(&eight);
        let mut lanes = [L::splat(0); 4];
        (0..4).for_each(|i| lanes[i] = L::splat(words[i]));
        *out = Packed::from_words(&lanes);
    }
    out
}

/// The last four levels in frequency, for as many blocks as there are lanes at a time; returns how many elements it has
/// done.
#[inline(always)]
pub(super) fn last_levels<L: Lanes>(x: &mut [Fr], w: &[Fr; BLOCK]) -> usize {
    let w = small_twiddles::<L>(w);
    let steps = x.len() / (BLOCK * L::COUNT);
    let x = words_mut(x);
    for step in 0..steps {
        let mut v = read_blocks::<L>(x, step);
        for log in (0..4).rev() {
            let h = 1 << log;
            for start in (0..BLOCK).step_by(2 * h) {
                for j in 0..h {
                    let (a, b) = (v[start + j], v[start + j + h]);
                    v[start + j] = a.accumulate(&b);
                    v[start + j + h] = a.sub(&b).mul(&w[h + j]);
                }
            }
        }
        for t in 0..BLOCK / 2 {
            store(v[2 * t], v[2 * t + 1], x, row(step, L::COUNT, t), BLOCK / 2);
        }
    }
    steps * BLOCK * L::COUNT
}

/// The first four levels in time; as [`last_levels`].
#[inline(always)]
pub(super) fn first_levels<L: Lanes>(x: &mut [Fr], w: &[Fr; BLOCK]) -> usize {
    let w = small_twiddles::<L>(w);
    let steps = x.len() / (BLOCK * L::COUNT);
    let x = words_mut(x);
    for step in 0..steps {
        let mut v = read_blocks::<L>(x, step);
        for log in 0..4 {
            let h = 1 << log;
            for start in (0..BLOCK).step_by(2 * h) {
                for j in 0..h {
                    let (a, b) = (v[start + j], v[start + j + h].mul(&w[h + j]));
                    v[start + j] = a.accumulate(&b);
                    v[start + j + h] = a.sub(&b).reduce();
                }
            }
        }
        for t in 0..BLOCK / 2 {
            store_as_is(v[2 * t], v[2 * t + 1], x, row(step, L::COUNT, t), BLOCK / 2);
        }
    }
    steps * BLOCK * L::COUNT
}

/// The row of elements `2t` and `2t + 1` of the first block of a step.
#[inline(always)]
fn row(step: usize, count: usize, t: usize) -> usize {
    step * count * BLOCK / 2 + t
}

/// Element `i` of as many blocks as there are lanes, for all `i`.
#[inline(always)]
fn read_blocks<L: Lanes>(x: &[u64], step: usize) -> [Element<L>; BLOCK] {
    let mut v = [Element::<L>::zero(); BLOCK];
    for t in 0..BLOCK / 2 {
        (v[2 * t], v[2 * t + 1]) = load::<L>(x, row(step, L::COUNT, t), BLOCK / 2);
    }
    v
}
