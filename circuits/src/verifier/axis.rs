//! One axis of a public linear map between columns, seen from its source: `t(from) = Σ_to eq(u, to) · m(to, from)`, and
//! `t`'s extension at a point.
//!
//! Where the map is made of whole shifts, as convolutions with "same" padding and pooling are, the extension takes a
//! number of multiplications that grows with the number of coordinates and not of places: addition of a constant is a
//! walk over bits with a carry. So it does where it is the identity on the first places, or a sum of these, as for axes
//! whose lengths are no powers of two.

#![allow(
    clippy::indexing_slicing,
    reason = "places follow from the shape, and lengths of proofs were checked against it"
)]

use super::eq::{eq_index, eq_table};
use super::first::{Beginning, First, Form, below};
use super::products::Place;
use crate::model::{Entry, Window};
use crate::scalar::{Scalar, int, sum};
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

/// The largest stride of shifts, as a log.
const MAX_LOG_STRIDE: u32 = 3;

/// `t`.
#[derive(Clone, Debug)]
pub enum Axis<S> {
    /// `eq(point, ·)`.
    Point(Vec<S>),
    /// Its `2^log_len` values.
    Table(Vec<S>),
    /// See there.
    Shifts(Shifts<S>),
    /// See there.
    First(First<S>),
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

/// Lengths of an axis on both sides, padded to powers of two.
#[derive(Clone, Copy)]
struct Sides {
    log_to: u32,
    log_from: u32,
}

impl<S: Scalar> Axis<S> {
    /// A window: places of the kernel weighted with `eq` of theirs, outputs likewise.
    pub fn window(window: &Window, out: &Place, kernel: &Place, u: &[S], s: &[S], log_len: u32) -> Self {
        let e_k = eq_table(kernel.coordinates(u, s));
        if let Place::Output(to) = out {
            let sides = Sides { log_to: to.len() as u32, log_from: log_len };
            if let Some((log_stride, shifts)) = shifts_of_window(window, sides) {
                let shifts = shifts.into_iter().map(|(d, k)| (d, e_k[k].clone())).collect();
                return Self::Shifts(Shifts { to: to.clone(), log_len, log_stride, shifts });
            }
        }
        let (e, mut table) = (eq_table(out.coordinates(u, s)), vec![S::zero(); 1 << log_len]);
        for (out, k, at) in window.taps() {
            table[at] = table[at].clone() + e[out].clone() * &e_k[k];
        }
        Self::Table(table)
    }

    /// A map; without an axis all of its entries are of one place.
    pub fn map(entries: &[Entry], axis: Option<&Place>, u: &[S], s: &[S], log_len: u32) -> Self {
        let coordinates = axis.map_or(&[][..], |axis| axis.coordinates(u, s));
        if let Some(Beginning { count, factor, form }) = Beginning::of(entries) {
            match form {
                Form::Each => return Self::First(First { u: Some(coordinates.to_vec()), count, factor, log_len }),
                Form::ToZero if coordinates.is_empty() => {
                    return Self::First(First { u: None, count, factor, log_len });
                }
                Form::FromZero if log_len == 0 => return Self::Table(vec![below(coordinates, count, &factor)]),
                Form::ToZero | Form::FromZero => {}
            }
        }
        if let Some(Place::Output(to)) = axis {
            let sides = Sides { log_to: to.len() as u32, log_from: log_len };
            if let Some((log_stride, shifts)) = shifts_of_map(entries, sides) {
                let shifts = shifts.into_iter().map(|(d, c)| (d, S::constant(int(i64::from(c))))).collect();
                return Self::Shifts(Shifts { to: to.clone(), log_len, log_stride, shifts });
            }
        }
        Self::table(entries, coordinates, log_len)
    }

    fn table(entries: &[Entry], coordinates: &[S], log_len: u32) -> Self {
        let (e, mut table) = (eq_table(coordinates), vec![S::zero(); 1 << log_len]);
        for entry in entries {
            let value = &mut table[entry.from as usize];
            *value = value.clone() + e[entry.to as usize].times(int(i64::from(entry.coefficient)));
        }
        Self::Table(table)
    }

    /// Log of the number of places.
    pub fn log_len(&self) -> u32 {
        match self {
            Self::Point(point) => point.len() as u32,
            Self::Table(table) => table.len().ilog2(),
            Self::Shifts(shifts) => shifts.log_len,
            Self::First(first) => first.log_len,
        }
    }

    /// All values; `u` is the lookup argument's point.
    pub fn values(&self, u: &[S]) -> Vec<S> {
        match self {
            Self::Point(point) => eq_table(point),
            Self::Table(table) => table.clone(),
            Self::First(first) => first.values(),
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

impl Sides {
    /// How many outputs a shift takes to a place.
    fn places(self, d: i64, log_stride: u32) -> i64 {
        count(d, log_stride, [1 << self.log_to, 1 << self.log_from])
    }

    /// Whether shifts take fewer multiplications than a table, which takes `taps`, and tables of `eq` on both sides and
    /// the product with one of them.
    fn are_cheap(self, shifts: impl Iterator<Item = i64>, log_stride: u32, taps: usize) -> bool {
        let table = taps + (1 << self.log_to) + (2 << self.log_from);
        let mut weights = 0;
        let mut carries: BTreeSet<i64> = shifts.inspect(|_| weights += 1).map(|d| d >> log_stride).collect();
        let mut cost = weights + carries.len();
        for _ in 0..self.log_to.min(self.log_from.saturating_sub(log_stride)) {
            cost += 1 + carries.iter().map(|d| 1 + (d & 1) as usize).sum::<usize>();
            carries = carries.iter().flat_map(|d| [d >> 1, (d + 1) >> 1]).collect();
        }
        cost < table
    }
}

/// How many of `len[0]` outputs fall within `len[1]` places.
fn count(d: i64, log_stride: u32, [outputs, places]: [i64; 2]) -> i64 {
    let first_at = |place: i64| (place + (1 << log_stride) - 1) >> log_stride;
    (first_at(places - d).min(outputs) - first_at(-d).max(0)).max(0)
}

/// A convolution's axis as shifts of all places, by places of its kernel, if it is that: log of the stride, and the
/// shifts.
fn shifts_of_window(window: &Window, sides: Sides) -> Option<(u32, Vec<(i64, usize)>)> {
    let stride = window.stride;
    let log_stride = stride.trailing_zeros();
    if !stride.is_power_of_two() || log_stride > MAX_LOG_STRIDE.min(sides.log_from) {
        return None;
    }
    let len = [window.outputs, window.inputs].map(i64::from);
    let mut shifts = Vec::new();
    let mut taps = 0;
    for k in 0..window.kernel {
        let d = i64::from(k) * i64::from(window.dilation) - i64::from(window.padding);
        let places = sides.places(d, log_stride);
        // as many as there are anywhere, so all of them
        if count(d, log_stride, len) != places {
            return None;
        }
        taps += places as usize;
        if places > 0 {
            shifts.push((d, k as usize));
        }
    }
    sides.are_cheap(shifts.iter().map(|(d, _)| *d), log_stride, taps).then_some((log_stride, shifts))
}

/// A stencil's axis as shifts of all places with their coefficients, if it is that: log of the stride, and the shifts.
fn shifts_of_map(entries: &[Entry], sides: Sides) -> Option<(u32, Vec<(i64, i32)>)> {
    (0..=sides.log_from.min(MAX_LOG_STRIDE)).find_map(|log_stride| {
        // (a map names no pair of places twice)
        let mut shifts: BTreeMap<(i64, i32), i64> = BTreeMap::new();
        for entry in entries {
            *shifts
                .entry((i64::from(entry.from) - (i64::from(entry.to) << log_stride), entry.coefficient))
                .or_default() += 1;
            if 2 * shifts.len() > entries.len() {
                return None;
            }
        }
        let whole = shifts.iter().all(|((d, _), count)| *count == sides.places(*d, log_stride));
        // coefficients are constants: the taps of a table are free
        let cheap = || sides.are_cheap(shifts.keys().map(|(d, _)| *d), log_stride, 0);
        (whole && cheap()).then(|| (log_stride, shifts.into_keys().collect()))
    })
}

/// Sums `Σ_to eq(u', to) · eq(p', to + d)` over stretches `u'` and `p'` of two points, each made once.
pub struct CarryWalk<'a, S> {
    u: &'a [S],
    p: &'a [S],
    products: BTreeMap<[usize; 2], S>,
    sums: BTreeMap<([usize; 4], i64), Option<S>>,
}

impl<'a, S: Scalar> CarryWalk<'a, S> {
    /// For these points.
    pub fn new(u: &'a [S], p: &'a [S]) -> Self {
        Self { u, p, products: BTreeMap::new(), sums: BTreeMap::new() }
    }

    /// The extension of what is shifted, at the coordinates of `p` from `start` on.
    pub fn evaluate(&mut self, axis: &Shifts<S>, start: usize) -> S {
        let (middle, end) = (start + axis.log_stride as usize, start + axis.log_len as usize);
        let low = eq_table(&self.p[start..middle]);
        let mut weights: BTreeMap<i64, Vec<S>> = BTreeMap::new();
        for (d, w) in &axis.shifts {
            let weight = w.clone() * &low[d.rem_euclid(1 << axis.log_stride) as usize];
            weights.entry(d >> axis.log_stride).or_default().push(weight);
        }
        let terms = weights
            .into_iter()
            .filter_map(|(d, weights)| Some(self.sum(axis.to.clone(), middle..end, d)? * sum(weights)));
        sum(terms.collect())
    }

    /// `None` if no term is there.
    fn sum(&mut self, u: Range<usize>, p: Range<usize>, d: i64) -> Option<S> {
        let at =
            |point: &[S], index: i64| (0..1 << point.len()).contains(&index).then(|| eq_index(point, index as usize));
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
    fn definition(window: &Window, len: [u32; 2], s: &[Fr], u: &[Fr], log_len: u32) -> Vec<Fr> {
        let (e, e_k, mut table) = (eq_table(u), eq_table(s), vec![Fr::ZERO; 1 << log_len]);
        assert_eq!([window.outputs, window.inputs], len);
        window.taps().for_each(|(out, k, at)| table[at] += e[out] * e_k[k]);
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
            let window = Window { outputs, kernel, inputs: len, stride, dilation, padding };
            let log_to = outputs.next_power_of_two().ilog2() as usize;
            let (u, s) = (point(1000, 2 + log_to), point(50, kernel.next_power_of_two().ilog2() as usize));
            let to = 2..2 + log_to;
            let kernel = Place::Variables(0..s.len());
            let axis = Axis::window(&window, &Place::Output(to.clone()), &kernel, &u, &s, log_from);
            let expected = definition(&window, [outputs, len], &s, &u[to], log_from);
            assert_eq!(axis.values(&u), expected, "{window:?}");
            let p = point(9, 1 + log_from as usize);
            match axis {
                Axis::Point(_) | Axis::First(_) => unreachable!("a window is none of these"),
                Axis::Table(_) => tables += 1,
                Axis::Shifts(shifts) => {
                    shifted += 1;
                    let value: Fr = expected.iter().zip(eq_table(&p[1..])).map(|(t, e)| *t * e).sum();
                    assert_eq!(CarryWalk::new(&u, &p).evaluate(&shifts, 1), value, "{window:?}");
                }
            }
        }
        assert!(shifted >= 8 && tables >= 4, "{shifted} {tables}");
    }

    #[test]
    fn maps_with_and_without_whole_shifts() {
        let pooling: Vec<_> = (0..16).flat_map(|to| [(to, 2 * to, 3), (to, 2 * to + 1, -3)]).collect();
        let partial = pooling[1..].to_vec();
        for (entries, whole) in [(pooling, true), (partial, false), (Vec::new(), true)] {
            let u = point(5, 4);
            let list: Vec<Entry> =
                entries.iter().map(|&(to, from, coefficient)| Entry { to, from, coefficient }).collect();
            let axis = Axis::map(&list, Some(&Place::Output(0..4)), &u, &[], 5);
            assert_eq!(matches!(axis, Axis::Shifts(_)), whole);
            let e = eq_table(&u);
            let mut expected = vec![Fr::ZERO; 32];
            entries.iter().for_each(|(to, from, c)| expected[*from as usize] += e[*to as usize] * int(i64::from(*c)));
            assert_eq!(axis.values(&u), expected);
            let p = point(31, 5);
            if let Axis::Shifts(shifts) = axis {
                let value: Fr = expected.iter().zip(eq_table(&p)).map(|(t, e)| *t * e).sum();
                assert_eq!(CarryWalk::new(&u, &p).evaluate(&shifts, 0), value);
            }
        }
    }
}
