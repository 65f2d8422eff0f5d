//! Sums of many groups of affine points at once: each pass adds neighbours pairwise in all groups, with one inversion
//! for the whole pass.
//!
//! A pass runs in lanes where the processor has them. The scalar pass handles every exceptional case of the affine law
//! (identity, doubling, inverse points); the vector pass refuses them, and the scalar one takes over for the piece at
//! hand.

use crate::simd::{Isa, Pairs, VectorCurve};
use ark_ec::AffineRepr;
use ark_ec::short_weierstrass::Affine;
use ark_ff::{AdditiveGroup, Field, Zero};

/// Points in groups: group `g` is `terms[ends[g - 1]..ends[g]]`; a term is twice the index of a point, plus 1 if it is
/// subtracted.
#[derive(Default)]
pub(super) struct Groups {
    pub(super) terms: Vec<u32>,
    pub(super) ends: Vec<u32>,
}

impl Groups {
    /// Closes the group of the terms since the last call.
    pub(super) fn close(&mut self) {
        self.ends.push(self.terms.len() as u32);
    }
}

/// Memory that passes reuse, so that the system is not asked for it again and again.
pub(super) struct Scratch<C: VectorCurve> {
    pairs: Pairs,
    /// A pass reads the one and writes the other.
    buffers: [Vec<C::Words>; 2],
}

impl<C: VectorCurve> Default for Scratch<C> {
    fn default() -> Self {
        Self { pairs: Pairs::default(), buffers: [Vec::new(), Vec::new()] }
    }
}

/// The sum of each group, the identity if it is empty. `points` and sums are in the form of `isa`.
pub(super) fn sum_groups<C: VectorCurve>(
    isa: Option<Isa>,
    points: &[C::Words],
    groups: Groups,
    scratch: &mut Scratch<C>,
) -> Vec<C::Words> {
    if let Some(isa) = isa {
        let add = |points: &[C::Words], pairs: &mut Pairs, out: &mut [C::Words]| C::add_pairs(isa, points, pairs, out);
        match passes::<C>(points, groups, scratch, add) {
            Ok(sums) => return sums,
            Err((mut left, groups)) => {
                C::convert(isa, &mut left, false);
                let mut sums = scalar_sums::<C>(&left, groups, scratch);
                // zeros stay zeros
                C::convert(isa, &mut sums, true);
                return sums;
            }
        }
    }
    scalar_sums::<C>(points, groups, scratch)
}

fn scalar_sums<C: VectorCurve>(points: &[C::Words], groups: Groups, scratch: &mut Scratch<C>) -> Vec<C::Words> {
    let add = |points: &[C::Words], pairs: &mut Pairs, out: &mut [C::Words]| {
        add_pairs::<C>(points, pairs, out);
        true
    };
    passes::<C>(points, groups, scratch, add).unwrap_or_default()
}

/// Points, and the groups that are left to be summed.
type Refused<C> = (Vec<<C as VectorCurve>::Words>, Groups);

/// Passes until every group is one point; where `add` refuses, what is left.
fn passes<C: VectorCurve>(
    points: &[C::Words],
    groups: Groups,
    scratch: &mut Scratch<C>,
    add: impl Fn(&[C::Words], &mut Pairs, &mut [C::Words]) -> bool,
) -> Result<Vec<C::Words>, Refused<C>> {
    let Scratch { pairs, buffers: [source, target] } = scratch;
    let Groups { mut terms, mut ends } = groups;
    let mut first = true;
    loop {
        pairs.reserve(terms.len() / 2);
        let input = if first { points } else { &source[..] };
        if target.len() < terms.len() {
            target.resize(terms.len(), C::IDENTITY);
        }
        let (mut start, mut written) = (0, 0u32);
        for end in &mut ends {
            let (twos, one) = terms[start..*end as usize].as_chunks::<2>();
            for [left, right] in twos {
                pairs.push(*left, *right, written);
                written += 1;
            }
            if let [term] = one {
                let point = input[(term >> 1) as usize];
                target[written as usize] = if term & 1 == 1 { C::negate(&point) } else { point };
                written += 1;
            }
            start = *end as usize;
            *end = written;
        }
        if pairs.len() == 0 {
            let starts = [0].into_iter().chain(ends.iter().copied());
            return Ok(starts
                .zip(&ends)
                .map(|(start, end)| if start < *end { target[start as usize] } else { C::IDENTITY })
                .collect());
        }
        if !add(input, pairs, target) {
            return Err(rest::<C>(input, target, pairs, ends));
        }
        terms.clear();
        terms.extend((0..written).map(|i| i << 1));
        std::mem::swap(source, target);
        first = false;
    }
}

/// The groups of a refused pass: what it copied, and the operands of its pairs.
fn rest<C: VectorCurve>(input: &[C::Words], target: &[C::Words], pairs: &Pairs, ends: Vec<u32>) -> Refused<C> {
    let (left, right, to) = (pairs.left(), pairs.right(), pairs.to());
    let (mut points, mut groups, mut pair, mut written) = (Vec::new(), Groups::default(), 0, 0);
    for end in ends {
        while written < end {
            let mut keep = |point, sign| {
                groups.terms.push((points.len() as u32) << 1 | sign);
                points.push(point);
            };
            if to.get(pair) == Some(&written) {
                for term in [left[pair], right[pair]] {
                    keep(input[(term >> 1) as usize], term & 1);
                }
                pair += 1;
            } else {
                keep(target[written as usize], 0);
            }
            written += 1;
        }
        groups.close();
    }
    (points, groups)
}

/// The scalar pass, in arkworks' form.
fn add_pairs<C: VectorCurve>(points: &[C::Words], pairs: &Pairs, out: &mut [C::Words]) {
    let point = |term: u32| {
        let point = C::from_words(&points[(term >> 1) as usize]);
        if term & 1 == 1 { -point } else { point }
    };
    let operands: Vec<_> = pairs.left().iter().zip(pairs.right()).map(|(p, q)| (point(*p), point(*q))).collect();
    let mut inverses: Vec<C::BaseField> = operands.iter().map(|(p, q)| denominator(p, q)).collect();
    // no denominator is zero
    ark_ff::batch_inversion(&mut inverses);
    for (((p, q), inverse), to) in operands.iter().zip(&inverses).zip(pairs.to()) {
        out[*to as usize] = C::to_words(&add(p, q, inverse));
    }
}

/// What the slope of `p + q` is divided by; 1 where the sum has no slope (an identity among the two, or inverse
/// points).
#[inline]
fn denominator<C: VectorCurve>(p: &Affine<C>, q: &Affine<C>) -> C::BaseField {
    let d = q.x - p.x;
    if d.is_zero() {
        // on the curve equal x leave y = ±y'; no point has y = 0 (the order is odd), and an identity here means both
        // are
        return if p.y == q.y && !p.is_zero() { p.y.double() } else { C::BaseField::ONE };
    }
    if p.is_zero() || q.is_zero() { C::BaseField::ONE } else { d }
}

/// `p + q`, given the inverse of [`denominator`].
#[inline]
fn add<C: VectorCurve>(p: &Affine<C>, q: &Affine<C>, inverse: &C::BaseField) -> Affine<C> {
    if p.is_zero() {
        return *q;
    }
    if q.is_zero() {
        return *p;
    }
    let slope = if p.x != q.x {
        (q.y - p.y) * inverse
    } else if p.y == q.y {
        let square = p.x.square();
        (square.double() + square) * inverse
    } else {
        return Affine::identity();
    };
    let x = slope.square() - p.x - q.x;
    Affine::new_unchecked(x, slope * (p.x - x) - p.y)
}

#[cfg(test)]
mod tests {
    use super::*;
    use ark_bn254::{Fr, g1, g2};
    use ark_ec::short_weierstrass::Projective;
    use ark_ec::{CurveGroup, PrimeGroup};

    fn check<C: VectorCurve<ScalarField = Fr>>(groups: &[Vec<i64>]) {
        let g = Projective::<C>::generator();
        let p = |k: i64| (g * Fr::from(k)).into_affine();
        // every point is also used with the other sign
        for isa in Isa::available().iter().map(|isa| Some(*isa)).chain([None]) {
            let mut points: Vec<C::Words> =
                groups.iter().flatten().map(|k| C::to_words(&p(*k * if k % 3 == 0 { -1 } else { 1 }))).collect();
            if let Some(isa) = isa {
                C::convert(isa, &mut points, true);
            }
            let mut terms = Groups::default();
            for group in groups {
                for k in group {
                    terms.terms.push((terms.terms.len() as u32) << 1 | u32::from(k % 3 == 0));
                }
                terms.close();
            }
            let mut sums = sum_groups::<C>(isa, &points, terms, &mut Scratch::default());
            if let Some(isa) = isa {
                C::convert(isa, &mut sums, false);
            }
            let sums: Vec<Affine<C>> = sums.iter().map(C::from_words).collect();
            let want: Vec<Affine<C>> = groups.iter().map(|group| p(group.iter().sum())).collect();
            assert_eq!(sums, want, "{isa:?}");
        }
    }

    #[test]
    fn groups_with_every_exceptional_case_are_summed() {
        let mut groups: Vec<Vec<i64>> = vec![
            vec![],
            vec![5],
            vec![1, -1],
            vec![3, 3],
            vec![4, 2, -4],
            vec![1, 1, 1, 1, -4, 7, 7, 2],
            vec![4, -4, 3, -3],
            vec![9],
        ];
        check::<g1::Config>(&groups);
        check::<g2::Config>(&groups);
        groups = (0..40).map(|n| (1..n).map(|k| k * k * 100 + n).collect()).collect();
        check::<g1::Config>(&groups);
        check::<g2::Config>(&groups);
    }

    #[test]
    fn the_scalar_pass_takes_identities() {
        let mut terms = Groups { terms: vec![0, 2, 4, 0, 0, 4], ends: Vec::new() };
        terms.ends.extend([2, 3, 5, 6]);
        let g = g1::G1Affine::generator();
        let points = [g1::G1Affine::identity(), g, -g].map(|p| g1::Config::to_words(&p));
        let sums = sum_groups::<g1::Config>(None, &points, terms, &mut Scratch::default());
        assert_eq!(sums, [points[1], points[2], points[0], points[2]]);
    }
}
