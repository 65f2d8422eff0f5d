//! Sums of many groups of affine points at once: each pass adds neighbours pairwise in all groups, with one inversion for the whole pass.

use ark_bn254::{Fq, G1Affine};
use ark_ec::AffineRepr;
use ark_ff::{AdditiveGroup, Field, Zero};

/// Sums each group of `points`; group `b` is `ends[b - 1]..ends[b]`. Afterwards each group has one point, or none if it was empty,
/// and `ends` is updated to match.
pub(super) fn sum_buckets(points: &mut Vec<G1Affine>, ends: &mut [u32]) {
    // `inverses[k]` is first the denominator of pair k, then its inverse; `before[k]` the product of the denominators before it
    let mut inverses: Vec<Fq> = Vec::with_capacity(points.len() / 2);
    let mut before: Vec<Fq> = Vec::with_capacity(points.len() / 2);
    loop {
        inverses.clear();
        before.clear();
        let mut product = Fq::ONE;
        for_pairs(ends, |i| {
            let d = denominator(&points[i], &points[i + 1]);
            before.push(product);
            product *= &d;
            inverses.push(d);
        });
        if inverses.is_empty() {
            return;
        }
        // no denominator is zero, so the product has an inverse
        let Some(mut inverse) = product.inverse() else { return };
        for (d, before) in inverses.iter_mut().zip(&before).rev() {
            let own = inverse * before;
            inverse *= &*d;
            *d = own;
        }
        halve(points, ends, &inverses);
    }
}

/// Calls `f` with the index of the first point of each pair.
fn for_pairs(ends: &[u32], mut f: impl FnMut(usize)) {
    let mut start = 0;
    for &end in ends {
        let mut i = start;
        while i + 1 < end {
            f(i as usize);
            i += 2;
        }
        start = end;
    }
}

/// One pass: replaces each pair by its sum, in place (what is written never overtakes what is read).
fn halve(points: &mut Vec<G1Affine>, ends: &mut [u32], inverses: &[Fq]) {
    let (mut start, mut written, mut pair) = (0u32, 0usize, 0usize);
    for end in ends.iter_mut() {
        let mut i = start;
        while i + 1 < *end {
            points[written] = add(&points[i as usize], &points[i as usize + 1], &inverses[pair]);
            pair += 1;
            written += 1;
            i += 2;
        }
        if i < *end {
            points[written] = points[i as usize];
            written += 1;
        }
        start = *end;
        *end = written as u32;
    }
    points.truncate(written);
}

/// What the slope of `p + q` is divided by; 1 where the sum has no slope (an identity among the two, or inverse points).
#[inline]
fn denominator(p: &G1Affine, q: &G1Affine) -> Fq {
    let d = q.x - p.x;
    if d.is_zero() {
        // on the curve equal x leave y = ±y'; no point of G1 has y = 0 (the order is odd), and an identity here means both are
        return if p.y == q.y && !p.is_zero() { p.y.double() } else { Fq::ONE };
    }
    if p.is_zero() || q.is_zero() { Fq::ONE } else { d }
}

/// `p + q`, given the inverse of [`denominator`].
#[inline]
fn add(p: &G1Affine, q: &G1Affine, inverse: &Fq) -> G1Affine {
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
        return G1Affine::zero();
    };
    let x = slope.square() - p.x - q.x;
    G1Affine::new_unchecked(x, slope * (p.x - x) - p.y)
}

#[cfg(test)]
mod tests {
    use super::*;
    use ark_ec::{CurveGroup, PrimeGroup};

    #[test]
    fn groups_with_every_exceptional_case_are_summed() {
        let g = ark_bn254::G1Projective::generator();
        let p = |k: i64| (g * ark_bn254::Fr::from(k)).into_affine();
        let groups: Vec<Vec<i64>> = vec![
            vec![],
            vec![5],
            vec![0],
            vec![1, -1],
            vec![3, 3],
            vec![0, 0],
            vec![0, 4],
            vec![4, 0, -4],
            vec![1, 1, 1, 1, -4, 7, 7, 0, 2],
        ];
        let mut points: Vec<G1Affine> = groups.iter().flatten().map(|k| p(*k)).collect();
        let mut ends: Vec<u32> = groups
            .iter()
            .scan(0, |end, group| {
                *end += group.len() as u32;
                Some(*end)
            })
            .collect();
        sum_buckets(&mut points, &mut ends);
        let mut start = 0;
        for (group, end) in groups.iter().zip(&ends) {
            let sums = &points[start as usize..*end as usize];
            assert_eq!(sums, &group.iter().take(1).map(|_| p(group.iter().sum())).collect::<Vec<_>>()[..]);
            start = *end;
        }
    }
}
