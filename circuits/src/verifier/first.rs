//! The first places of an axis, each by itself or all together: what is left of an axis whose length is no power of two. The extension takes a few multiplications a coordinate.

#![allow(clippy::indexing_slicing, reason = "places follow from the shape, and lengths of proofs were checked against it")]

use super::eq::eq_table;
use crate::Fr;
use crate::model::Entry;
use crate::scalar::Scalar;

/// `t(from) = coefficient · eq(u, from)` for the first places, 0 for the others; without `u`, `t(from) = coefficient` there.
#[derive(Clone, Debug)]
pub struct First<S> {
    /// `u`.
    pub u: Option<Vec<S>>,
    /// How many places there are; they have numbers on both sides.
    pub count: usize,
    /// The factor.
    pub coefficient: Fr,
    /// Log of the number of all places.
    pub log_len: u32,
}

/// A map's entries, where they are those of the first places, with one factor.
#[derive(Clone, Copy)]
pub(super) struct Beginning {
    pub count: usize,
    pub coefficient: i32,
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

impl Beginning {
    /// `None` if the entries are anything else. In ascending order, as compilers list them.
    pub fn of(entries: &[Entry]) -> Option<Self> {
        let coefficient = entries.first()?.coefficient;
        let is = |form: Form| {
            entries.iter().zip(0..).all(|(e, k)| {
                e.coefficient == coefficient
                    && match form {
                        Form::Each => (e.to, e.from) == (k, k),
                        Form::ToZero => (e.to, e.from) == (0, k),
                        Form::FromZero => (e.to, e.from) == (k, 0),
                    }
            })
        };
        let form = [Form::Each, Form::ToZero, Form::FromZero].into_iter().find(|form| is(*form))?;
        Some(Self { count: entries.len(), coefficient, form })
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

/// `Σ_{k < count} Π_i (bit i of k is 0: low_i, 1: high_i)` from the pairs `(low_i, high_i)`; `count` is at most two to the power of their number. `normal` where all `low_i + high_i` are 1.
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

impl<S: Scalar> First<S> {
    /// The extension at a point of as many coordinates as number the places, or more.
    pub fn evaluate(&self, p: &[S]) -> S {
        let p = &p[..self.log_len as usize];
        let value = match &self.u {
            None => below(p, self.count),
            Some(u) => {
                let common = u.len().min(p.len());
                let factor = |(a, b): (&S, &S)| {
                    let high = a.clone() * b;
                    (S::one() - a - b + &high, high)
                };
                let factors: Vec<(S, S)> = u.iter().zip(p).map(factor).collect();
                // beyond the shorter one's coordinates all numbers' bits are 0
                let rest = u[common..].iter().chain(&p[common..]).map(|x| S::one() - x);
                rest.fold(sum_of_first(&factors, self.count, false), |product, x| product * x)
            }
        };
        value.times(self.coefficient)
    }

    /// Of all places.
    pub fn values(&self) -> Vec<S> {
        let mut table = vec![S::zero(); 1 << self.log_len];
        let factors = self.u.as_deref().map(eq_table);
        for (from, value) in table.iter_mut().enumerate().take(self.count) {
            *value = factors.as_ref().map_or_else(S::one, |factors| factors[from].clone()).times(self.coefficient);
        }
        table
    }
}

/// `Σ_{k < count} eq(p, k)`.
pub(super) fn below<S: Scalar>(p: &[S], count: usize) -> S {
    let factors: Vec<(S, S)> = p.iter().map(|x| (S::one() - x, x.clone())).collect();
    sum_of_first(&factors, count, true)
}

#[cfg(test)]
mod tests {
    use super::super::axis::Axis;
    use super::super::products::Place;
    use super::*;
    use crate::scalar::int;
    use ark_ff::AdditiveGroup;

    fn point(from: u64, n: usize) -> Vec<Fr> {
        (0..n as u64).map(|i| Fr::from(from + 77 * i)).collect()
    }

    /// Maps of the first places, of every count, onto longer, equal and shorter axes, to one place and from one.
    #[test]
    fn the_first_places() {
        for (log_to, log_from) in [(3, 3), (4, 3), (2, 4), (0, 3), (3, 0), (0, 0)] {
            let (u, p) = (point(5, log_to), point(31, log_from));
            for count in 1..=1u32 << log_to.max(log_from) {
                let forms: [fn(u32) -> (u32, u32); 3] = [|k| (k, k), |k| (0, k), |k| (k, 0)];
                for (form, of) in forms.into_iter().enumerate() {
                    let entries: Vec<Entry> = (0..count).map(of).map(|(to, from)| Entry { to, from, coefficient: -3 }).collect();
                    if entries.iter().any(|e| e.to >> log_to != 0 || e.from >> log_from != 0) {
                        continue;
                    }
                    let axis = Axis::map(&entries, (log_to > 0).then_some(&Place::Variables(0..log_to)), &[], &u, log_from as u32);
                    let mut expected = vec![Fr::ZERO; 1 << log_from];
                    let e = eq_table(&u);
                    entries.iter().for_each(|entry| expected[entry.from as usize] -= e[entry.to as usize] * int(3));
                    assert_eq!(axis.values(&[]), expected, "{log_to} {log_from} {count} {form}");
                    if let Axis::First(first) = axis {
                        let value: Fr = expected.iter().zip(eq_table(&p)).map(|(t, e)| *t * e).sum();
                        assert_eq!(first.evaluate(&p), value, "{log_to} {log_from} {count} {form}");
                    }
                }
            }
        }
    }
}
