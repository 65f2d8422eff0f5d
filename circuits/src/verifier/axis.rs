//! One axis of a public linear map between columns, seen from its source: `t(from) = Σ_to eq(u, to) · m(to, from)`, and `t`'s extension at a point.
//!
//! Where the map is made of whole shifts, as convolutions with "same" padding and pooling are, the extension takes a number of multiplications that grows with
//! the number of coordinates and not of places: addition of a constant is a walk over bits with a carry.

use super::eq::{eq_index, eq_table};
use crate::model::{AxisMap, Window};
use crate::scalar::{Scalar, int};
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

/// The largest stride of shifts, as a log.
const MAX_LOG_STRIDE: u32 = 3;

/// `t`.
#[derive(Clone, Debug)]
pub enum Axis<S> {
    /// Its `2^log_len` values.
    Table(Vec<S>),
    /// See there.
    Shifts(Shifts<S>),
}

/// `t(2^log_stride · to + d) = Σ_(d, w) w · eq(u, to)`, wherever that is a place.
#[derive(Clone, Debug)]
pub struct Shifts<S> {
    /// Which coordinates of the lookup argument's point are `u`.
    to: Range<usize>,
    log_len: u32,
    log_stride: u32,
    shifts: Vec<(i64, S)>,
}

/// An entry of the map: to, from, and the number of its weight.
type Tap = (usize, usize, usize);

impl<S: Scalar> Axis<S> {
    /// An axis of a convolution: `len` outputs and inputs, kernel places weighted with `eq(s, ·)`. `to` says which coordinates of `u` number the outputs.
    pub fn window(window: &Window, axis: usize, len: [u32; 2], u: &[S], to: Range<usize>, s: &[S], log_len: u32) -> Self {
        let taps: Vec<Tap> = window.taps(axis, len[0], len[1]).map(|(out, k, at)| (out, at, k)).collect();
        Self::new(&taps, &eq_table(s), u, to, log_len)
    }

    /// An axis of a stencil.
    pub fn map(map: &AxisMap, u: &[S], to: Range<usize>, log_len: u32) -> Self {
        let coefficients: BTreeSet<i32> = map.entries.iter().map(|(.., c)| *c).collect();
        let coefficients: Vec<i32> = coefficients.into_iter().collect();
        let number = |c: &i32| coefficients.binary_search(c).unwrap_or_default();
        let taps: Vec<Tap> = map.entries.iter().map(|(to, from, c)| (*to as usize, *from as usize, number(c))).collect();
        let weights: Vec<S> = coefficients.iter().map(|c| S::constant(int(i64::from(*c)))).collect();
        Self::new(&taps, &weights, u, to, log_len)
    }

    fn new(taps: &[Tap], weights: &[S], u: &[S], to: Range<usize>, log_len: u32) -> Self {
        if let Some((log_stride, shifts)) = whole_shifts(taps, to.len() as u32, log_len) {
            let shifts = shifts.into_iter().map(|(d, number)| (d, weights[number].clone())).collect();
            return Self::Shifts(Shifts { to, log_len, log_stride, shifts });
        }
        let e = eq_table(&u[to]);
        let mut table = vec![S::zero(); 1 << log_len];
        for (to, from, number) in taps {
            table[*from] = table[*from].clone() + e[*to].clone() * &weights[*number];
        }
        Self::Table(table)
    }

    /// Log of the number of places.
    pub fn log_len(&self) -> u32 {
        match self {
            Self::Table(table) => table.len().ilog2(),
            Self::Shifts(shifts) => shifts.log_len,
        }
    }

    /// All values; `u` is the lookup argument's point.
    pub fn values(&self, u: &[S]) -> Vec<S> {
        match self {
            Self::Table(table) => table.clone(),
            Self::Shifts(Shifts { to, log_len, log_stride, shifts }) => {
                let mut table = vec![S::zero(); 1 << log_len];
                for (to, e) in eq_table(&u[to.clone()]).iter().enumerate() {
                    for (d, w) in shifts {
                        let at = usize::try_from(((to as i64) << log_stride) + d).ok();
                        if let Some(value) = at.and_then(|at| table.get_mut(at)) {
                            *value = value.clone() + e.clone() * w;
                        }
                    }
                }
                table
            }
        }
    }
}

/// The map as shifts `(d, weight)` of all places, if it is that and they take fewer multiplications than a table: log of the stride, and the shifts.
fn whole_shifts(taps: &[Tap], log_to: u32, log_from: u32) -> Option<(u32, Vec<(i64, usize)>)> {
    let distinct: BTreeSet<&Tap> = taps.iter().collect();
    (0..=log_from.min(MAX_LOG_STRIDE)).find_map(|log_stride| {
        let mut shifts: BTreeMap<(i64, usize), usize> = BTreeMap::new();
        for (to, from, weight) in taps {
            *shifts.entry((*from as i64 - ((*to as i64) << log_stride), *weight)).or_default() += 1;
        }
        let places = |d: i64| (0..1i64 << log_to).filter(|to| (0..1i64 << log_from).contains(&((to << log_stride) + d))).count();
        // a table takes a multiplication a tap; neighbouring shifts take six a bit together, and axes of the same length share them
        let cheap = shifts.len() * (1 + log_stride as usize) < taps.len();
        let whole = cheap && distinct.len() == taps.len() && shifts.iter().all(|((d, _), count)| *count == places(*d));
        whole.then(|| (log_stride, shifts.into_keys().collect()))
    })
}

/// Sums `Σ_to eq(u', to) · eq(p', to + d)` over stretches `u'` and `p'` of two points, each made once.
pub struct Shifted<'a, S> {
    u: &'a [S],
    p: &'a [S],
    products: BTreeMap<[usize; 2], S>,
    sums: BTreeMap<([usize; 4], i64), Option<S>>,
}

impl<'a, S: Scalar> Shifted<'a, S> {
    /// For these points.
    pub fn new(u: &'a [S], p: &'a [S]) -> Self {
        Self { u, p, products: BTreeMap::new(), sums: BTreeMap::new() }
    }

    /// The extension of what is shifted, at the coordinates of `p` from `start` on.
    pub fn evaluate(&mut self, axis: &Shifts<S>, start: usize) -> S {
        let (middle, end) = (start + axis.log_stride as usize, start + axis.log_len as usize);
        let mut weights: BTreeMap<i64, S> = BTreeMap::new();
        for (d, w) in &axis.shifts {
            let low = d.rem_euclid(1 << axis.log_stride) as usize;
            let weight = eq_index(&self.p[start..middle], low) * w;
            let sum = weights.entry(d >> axis.log_stride).or_insert_with(S::zero);
            *sum = sum.clone() + weight;
        }
        let mut sum = S::zero();
        for (d, weight) in weights {
            if let Some(shifted) = self.sum(axis.to.clone(), middle..end, d) {
                sum = sum + shifted * weight;
            }
        }
        sum
    }

    /// `None` if no term is there.
    fn sum(&mut self, u: Range<usize>, p: Range<usize>, d: i64) -> Option<S> {
        let at = |point: &[S], index: i64| (0..1 << point.len()).contains(&index).then(|| eq_index(point, index as usize));
        if u.is_empty() {
            return at(&self.p[p], d);
        }
        if p.is_empty() {
            return at(&self.u[u], -d);
        }
        let key = ([u.start, u.end, p.start, p.end], d);
        if let Some(known) = self.sums.get(&key) {
            return known.clone();
        }
        // the lowest bits a of `to` and b of `to + d`, and what is carried: 2·carry = a + d - b
        let (a, b) = (self.u[u.start].clone(), self.p[p.start].clone());
        let both = self.products.entry([u.start, p.start]).or_insert_with(|| a.clone() * &b).clone();
        let (u, p) = (u.start + 1..u.end, p.start + 1..p.end);
        let sum = if d % 2 == 0 {
            let equal = S::one() - &a - &b + &both + &both;
            self.sum(u, p, d / 2).map(|rest| rest * equal)
        } else {
            let up = self.sum(u.clone(), p.clone(), (d - 1) >> 1).map(|rest| rest * (b - &both));
            let down = self.sum(u, p, (d + 1) >> 1).map(|rest| rest * (a - &both));
            match (up, down) {
                (Some(up), Some(down)) => Some(up + down),
                (up, down) => up.or(down),
            }
        };
        self.sums.insert(key, sum.clone());
        sum
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Fr;
    use ark_ff::AdditiveGroup;

    fn point(from: u64, n: usize) -> Vec<Fr> {
        (0..n as u64).map(|i| Fr::from(from + 77 * i)).collect()
    }

    /// `t` by its definition.
    fn definition(taps: &[Tap], weights: &[Fr], u: &[Fr], log_len: u32) -> Vec<Fr> {
        let (e, mut table) = (eq_table(u), vec![Fr::ZERO; 1 << log_len]);
        taps.iter().for_each(|(to, from, weight)| table[*from] += e[*to] * weights[*weight]);
        table
    }

    #[test]
    fn windows_of_every_geometry() {
        let (mut shifted, mut tables) = (0, 0);
        for (log_from, kernel, stride, padding, dilation) in [
            (3, 3, 1, 1, 1),
            (4, 5, 1, 2, 1),
            (3, 1, 1, 0, 1),
            (4, 3, 2, 1, 1),
            (4, 2, 2, 0, 1),
            (3, 4, 4, 0, 1),
            (4, 3, 1, 2, 2),
            (2, 7, 1, 3, 1),
            (1, 3, 1, 1, 1),
            (0, 1, 1, 0, 1),
            (5, 3, 1, 1, 1),
            (5, 4, 2, 1, 1),
            (5, 3, 2, 1, 2),
            (3, 3, 1, 0, 1),
            (4, 3, 3, 0, 1),
            (0, 3, 1, 1, 1),
        ] {
            let len = 1u32 << log_from;
            let outputs = (len + 2 * padding - dilation * (kernel - 1) - 1) / stride + 1;
            let window = Window { kernel: [kernel; 2], stride: [stride; 2], padding: [padding; 2], dilation: [dilation; 2] };
            let log_to = outputs.next_power_of_two().ilog2() as usize;
            let (u, s) = (point(1000, 2 + log_to), point(50, kernel.next_power_of_two().ilog2() as usize));
            let to = 2..2 + log_to;
            let axis = Axis::window(&window, 0, [outputs, len], &u, to.clone(), &s, log_from);
            let taps: Vec<Tap> = window.taps(0, outputs, len).map(|(out, k, at)| (out, at, k)).collect();
            let expected = definition(&taps, &eq_table(&s), &u[to], log_from);
            assert_eq!(axis.values(&u), expected, "{window:?}");
            let p = point(9, 1 + log_from as usize);
            match axis {
                Axis::Table(_) => tables += 1,
                Axis::Shifts(shifts) => {
                    shifted += 1;
                    let value: Fr = expected.iter().zip(eq_table(&p[1..])).map(|(t, e)| *t * e).sum();
                    assert_eq!(Shifted::new(&u, &p).evaluate(&shifts, 1), value, "{window:?}");
                }
            }
        }
        assert!(shifted >= 8 && tables >= 4, "{shifted} {tables}");
    }

    #[test]
    fn maps_with_and_without_whole_shifts() {
        let pooling: Vec<_> = (0..16).flat_map(|to| [(to, 2 * to, 3), (to, 2 * to + 1, -3)]).collect();
        let twice = [&pooling[..], &[(0, 0, 3)]].concat();
        let partial = pooling[1..].to_vec();
        for (entries, whole) in [(pooling, true), (twice, false), (partial, false), (Vec::new(), false)] {
            let u = point(5, 4);
            let axis = Axis::map(&AxisMap { entries: entries.clone() }, &u, 0..4, 5);
            assert_eq!(matches!(axis, Axis::Shifts(_)), whole);
            let e = eq_table(&u);
            let mut expected = vec![Fr::ZERO; 32];
            entries.iter().for_each(|(to, from, c)| expected[*from as usize] += e[*to as usize] * int(i64::from(*c)));
            assert_eq!(axis.values(&u), expected);
            let p = point(31, 5);
            if let Axis::Shifts(shifts) = axis {
                let value: Fr = expected.iter().zip(eq_table(&p)).map(|(t, e)| *t * e).sum();
                assert_eq!(Shifted::new(&u, &p).evaluate(&shifts, 0), value);
            }
        }
    }
}
