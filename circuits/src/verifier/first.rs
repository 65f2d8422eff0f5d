//! The first places of an axis, each by itself or all together: what is left of an axis whose length is no power of
//! two. The extension takes a few multiplications a coordinate.

#![allow(
    clippy::indexing_slicing,
    reason = "places follow from the shape, and lengths of proofs were checked against it"
)]

use super::eq::eq_table;
use crate::model::Entry;
use crate::scalar::{Scalar, int};

/// `t(from) = w(from) · eq(u, from)` for the first places, 0 for the others; without `u`, `t(from) = w(from)` there.
#[derive(Clone, Debug)]
pub struct First<S> {
    /// `u`.
    pub u: Option<Vec<S>>,
    /// How many places there are; they have numbers on both sides.
    pub count: usize,
    /// `w`.
    pub factor: Factor,
    /// Log of the number of all places.
    pub log_len: u32,
}

/// A factor of a place by its number: `base + Σ_b bits[b] · (bit b of the number)`. So are a constant, the number
/// itself, and its low or its high digits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Factor {
    base: i32,
    /// Empty for a constant.
    bits: Vec<i32>,
}

impl Factor {
    /// The factor that has these values at 0, 1, 2, …; `None` if there is none.
    fn of(values: &[i64]) -> Option<Self> {
        let base = *values.first()?;
        let bits: Vec<i64> = (0..usize::BITS).map_while(|b| Some(values.get(1usize.checked_shl(b)?)? - base)).collect();
        let at = |number: usize| {
            base + bits.iter().enumerate().map(|(b, bit)| ((number >> b) & 1) as i64 * bit).sum::<i64>()
        };
        if values.iter().enumerate().any(|(number, value)| at(number) != *value) {
            return None;
        }
        let bits: Vec<i32> = bits.into_iter().map(|bit| i32::try_from(bit).ok()).collect::<Option<_>>()?;
        let constant = bits.iter().all(|bit| *bit == 0);
        Some(Self { base: i32::try_from(base).ok()?, bits: if constant { Vec::new() } else { bits } })
    }

    fn at(&self, number: usize) -> i64 {
        let bits = self.bits.iter().enumerate().map(|(b, bit)| ((number >> b) & 1) as i64 * i64::from(*bit));
        i64::from(self.base) + bits.sum::<i64>()
    }

    fn bit(&self, b: usize) -> i64 {
        self.bits.get(b).copied().unwrap_or_default().into()
    }
}

/// A map's entries, where they are those of the first places, with a factor of that kind.
#[derive(Clone)]
pub(super) struct Beginning {
    pub count: usize,
    pub factor: Factor,
    pub form: Form,
}

#[derive(Clone, Copy, PartialEq)]
pub(super) enum Form {
    /// Each place reads the number of its own.
    Each,
    /// Place 0 reads all of these numbers.
    ToZero,
    /// All of these places read number 0.
    FromZero,
}

/// From so many places on a factor that is no constant is cheaper by its bits than by a table.
const MANY: usize = 32;
/// No axis of more places is looked at.
const MOST: usize = 1 << 20;

impl Beginning {
    /// `None` if the entries are anything else. In ascending order, as compilers list them; a place without an entry
    /// has the factor 0.
    pub fn of(entries: &[Entry]) -> Option<Self> {
        let last = entries.last()?;
        let form = match (last.to, last.from) {
            (0, 0) => Form::Each,
            (to, from) if to == from => Form::Each,
            (0, _) => Form::ToZero,
            (_, 0) => Form::FromZero,
            _ => return None,
        };
        let count = last.to.max(last.from) as usize + 1;
        if count > MOST {
            return None;
        }
        let mut values = vec![0; count];
        for entry in entries {
            let number = match form {
                Form::Each if entry.to == entry.from => entry.from,
                Form::ToZero if entry.to == 0 => entry.from,
                Form::FromZero if entry.from == 0 => entry.to,
                _ => return None,
            };
            *values.get_mut(number as usize)? = i64::from(entry.coefficient);
        }
        let factor = Factor::of(&values)?;
        (factor.bits.is_empty() || count >= MANY).then_some(Self { count, factor, form })
    }
}

/// Whether a run of a map takes no table.
pub(crate) fn is_cheap(axis: Option<u8>, entries: &[Entry], log_len: u8) -> bool {
    Beginning::of(entries).is_some_and(|beginning| match beginning.form {
        Form::Each => true,
        Form::ToZero => axis.is_none(),
        Form::FromZero => log_len == 0,
    })
}

/// `Σ_{k < count} Π_i (bit i of k is 0: low_i, 1: high_i)` from the pairs `(low_i, high_i)`; `count` is at most two to
/// the power of their number. `normal` where all `low_i + high_i` are 1.
fn sum_of_first<S: Scalar>(factors: &[(S, S)], count: usize, normal: bool) -> S {
    // over the numbers of the bits so far: all of them, and those below `count`'s low bits
    let (mut all, mut some) = (S::one(), None::<S>);
    for (i, (low, high)) in factors.iter().enumerate() {
        some = if (count >> i) & 1 == 1 {
            let below = all.clone() * low;
            Some(match some {
                Some(some) => below + some * high,
                None => below,
            })
        } else {
            some.map(|some| some * low)
        };
        if !normal {
            all = all * (low.clone() + high);
        }
    }
    if count >> factors.len() == 1 { all } else { some.unwrap_or_else(S::zero) }
}

/// A sum over numbers, and the same with each number's products times the weights of its bits.
#[derive(Clone)]
struct Weighted<S> {
    plain: S,
    weighted: S,
}

impl<S: Scalar> Weighted<S> {
    /// Its numbers, with one more bit that is 0.
    fn low(&self, low: &S) -> Self {
        Self { plain: self.plain.clone() * low, weighted: self.weighted.clone() * low }
    }

    /// Its numbers, with one more bit that is 1.
    fn high(&self, high: &S, weight: i64) -> Self {
        let plain = self.plain.clone() * high;
        Self { weighted: self.weighted.clone() * high + plain.times(int(weight)), plain }
    }

    fn plus(self, other: Self) -> Self {
        Self { plain: self.plain + other.plain, weighted: self.weighted + other.weighted }
    }
}

/// As [`sum_of_first`], with the factor of each `k`.
fn weighted_sum_of_first<S: Scalar>(factors: &[(S, S)], count: usize, normal: bool, factor: &Factor) -> S {
    if factor.bits.is_empty() {
        return sum_of_first(factors, count, normal).times(int(factor.base.into()));
    }
    let (mut all, mut some) = (Weighted { plain: S::one(), weighted: S::zero() }, None::<Weighted<S>>);
    for (i, (low, high)) in factors.iter().enumerate() {
        let weight = factor.bit(i);
        some = if (count >> i) & 1 == 1 {
            let below = all.low(low);
            Some(match some {
                Some(some) => below.plus(some.high(high, weight)),
                None => below,
            })
        } else {
            some.map(|some| some.low(low))
        };
        all = all.low(low).plus(all.high(high, weight));
    }
    let zero = || Weighted { plain: S::zero(), weighted: S::zero() };
    let sum = if count >> factors.len() == 1 { all } else { some.unwrap_or_else(zero) };
    sum.weighted + sum.plain.times(int(factor.base.into()))
}

impl<S: Scalar> First<S> {
    /// The extension at a point of as many coordinates as number the places, or more.
    pub fn evaluate(&self, p: &[S]) -> S {
        let p = &p[..self.log_len as usize];
        match &self.u {
            None => below(p, self.count, &self.factor),
            Some(u) => {
                let common = u.len().min(p.len());
                let factor = |(a, b): (&S, &S)| {
                    let high = a.clone() * b;
                    (S::one() - a - b + &high, high)
                };
                let factors: Vec<(S, S)> = u.iter().zip(p).map(factor).collect();
                // beyond the shorter one's coordinates all numbers' bits are 0
                let rest = u[common..].iter().chain(&p[common..]).map(|x| S::one() - x);
                rest.fold(weighted_sum_of_first(&factors, self.count, false, &self.factor), |product, x| product * x)
            }
        }
    }

    /// Of all places.
    pub fn values(&self) -> Vec<S> {
        let mut table = vec![S::zero(); 1 << self.log_len];
        let factors = self.u.as_deref().map(eq_table);
        for (from, value) in table.iter_mut().enumerate().take(self.count) {
            *value =
                factors.as_ref().map_or_else(S::one, |factors| factors[from].clone()).times(int(self.factor.at(from)));
        }
        table
    }
}

/// `Σ_{k < count} w(k) · eq(p, k)`.
pub(super) fn below<S: Scalar>(p: &[S], count: usize, factor: &Factor) -> S {
    let factors: Vec<(S, S)> = p.iter().map(|x| (S::one() - x, x.clone())).collect();
    weighted_sum_of_first(&factors, count, true, factor)
}

#[cfg(test)]
mod tests {
    use super::super::axis::Axis;
    use super::super::products::Place;
    use super::*;
    use crate::Fr;
    use ark_ff::AdditiveGroup;

    fn point(from: u64, n: usize) -> Vec<Fr> {
        (0..n as u64).map(|i| Fr::from(from + 77 * i)).collect()
    }

    /// The factors that a map may have by number.
    const FACTORS: [fn(u32) -> i32; 6] =
        [|_| -3, |k| 7 - k as i32, |k| k as i32, |k| k as i32 % 8, |k| k as i32 >> 3, |k| k as i32 ^ 5];

    /// Maps of the first places, of every count, onto longer, equal and shorter axes, to one place and from one, with a
    /// constant factor and with some that depend on the number's bits: the extension is that of the table.
    #[test]
    fn the_first_places() {
        let mut by_bits = 0;
        for (log_to, log_from) in [(3, 3), (4, 3), (2, 4), (0, 3), (3, 0), (0, 0), (6, 6), (0, 6), (6, 0), (7, 6)] {
            let (u, p) = (point(5, log_to), point(31, log_from));
            let least = if log_to.max(log_from) > 4 { MANY as u32 - 2 } else { 1 };
            for count in least..=1u32 << log_to.max(log_from) {
                let forms: [fn(u32) -> (u32, u32); 3] = [|k| (k, k), |k| (0, k), |k| (k, 0)];
                for ((form, of), factor) in
                    forms.into_iter().enumerate().flat_map(|form| FACTORS.map(|factor| (form, factor)))
                {
                    let all = (0..count).map(|k| (of(k), factor(k))).map(|((to, from), coefficient)| Entry {
                        to,
                        from,
                        coefficient,
                    });
                    // a factor of 0 is no entry
                    let entries: Vec<Entry> = all.filter(|entry| entry.coefficient != 0).collect();
                    if entries.is_empty() || entries.iter().any(|e| e.to >> log_to != 0 || e.from >> log_from != 0) {
                        continue;
                    }
                    let axis = Axis::map(
                        &entries,
                        (log_to > 0).then_some(&Place::Variables(0..log_to)),
                        &[],
                        &u,
                        log_from as u32,
                    );
                    let mut expected = vec![Fr::ZERO; 1 << log_from];
                    let e = eq_table(&u);
                    entries.iter().for_each(|entry| {
                        expected[entry.from as usize] += e[entry.to as usize] * int(entry.coefficient.into())
                    });
                    assert_eq!(axis.values(&[]), expected, "{log_to} {log_from} {count} {form}");
                    if let Axis::First(first) = axis {
                        by_bits += usize::from(!first.factor.bits.is_empty());
                        let value: Fr = expected.iter().zip(eq_table(&p)).map(|(t, e)| *t * e).sum();
                        assert_eq!(first.evaluate(&p), value, "{log_to} {log_from} {count} {form}");
                    }
                }
            }
        }
        assert!(by_bits > 100, "{by_bits}");
    }

    /// Only what the bits of a number add up to is such a factor.
    #[test]
    fn factors_by_bits() {
        let of = |values: &[i64]| Factor::of(values);
        assert_eq!(of(&[4, 4, 4]), Some(Factor { base: 4, bits: Vec::new() }));
        assert_eq!(of(&[4, 3, 2, 1, 0]), Some(Factor { base: 4, bits: vec![-1, -2, -4] }));
        assert_eq!(of(&[0, 1, 4]).map(|f| f.at(2)), Some(4), "no number with both bits is there");
        assert_eq!(of(&[0, 1, 4, 9]), None, "squares");
        assert_eq!(of(&[0, 0, 0, 1]), None, "a product of bits");
        assert_eq!(of(&[0, 1 << 40]), None, "too large");
        assert_eq!(of(&[]), None);
    }
}
