//! Points as the words of the library's interface.

use ark_bn254::{Fq, Fq2, G1Affine, G1Projective, G2Affine, G2Projective};
use ark_ec::AffineRepr;
use ark_ff::BigInt;

fn limbs(words: &[u64]) -> BigInt<4> {
    BigInt(std::array::from_fn(|i| words.get(i).copied().unwrap_or_default()))
}

fn coordinate(words: &[u64]) -> Fq {
    Fq::new_unchecked(limbs(words))
}

fn coordinate_2(words: &[u64]) -> Fq2 {
    let (c0, c1) = words.split_at(4.min(words.len()));
    Fq2::new(coordinate(c0), coordinate(c1))
}

/// Affine points of G1, 8 words each.
pub fn points(points: &[G1Affine]) -> Vec<u64> {
    let mut words = vec![0; 8 * points.len()];
    for (words, point) in words.chunks_exact_mut(8).zip(points) {
        if let Some((x, y)) = point.xy() {
            words[..4].copy_from_slice(&x.0.0);
            words[4..].copy_from_slice(&y.0.0);
        }
    }
    words
}

/// Affine points of G2, 16 words each.
pub fn points_g2(points: &[G2Affine]) -> Vec<u64> {
    let mut words = vec![0; 16 * points.len()];
    for (words, point) in words.chunks_exact_mut(16).zip(points) {
        if let Some((x, y)) = point.xy() {
            for (words, value) in words.chunks_exact_mut(4).zip([x.c0, x.c1, y.c0, y.c1]) {
                words.copy_from_slice(&value.0.0);
            }
        }
    }
    words
}

/// A point of G1 from Jacobian coordinates.
pub fn to_point(words: &[u64; 12]) -> G1Projective {
    let [x, y, z] = [&words[..4], &words[4..8], &words[8..]].map(coordinate);
    G1Projective::new_unchecked(x, y, z)
}

/// A point of G2 from Jacobian coordinates.
pub fn to_point_g2(words: &[u64; 24]) -> G2Projective {
    let [x, y, z] = [&words[..8], &words[8..16], &words[16..]].map(coordinate_2);
    G2Projective::new_unchecked(x, y, z)
}

#[cfg(test)]
mod tests {
    use super::*;
    use ark_ec::{CurveGroup, PrimeGroup};
    use ark_ff::{AdditiveGroup, Field, UniformRand};

    #[test]
    fn words_are_what_they_stand_for() {
        let mut rng = ark_std::test_rng();
        let (p, q) = (G1Projective::rand(&mut rng), G2Projective::rand(&mut rng));
        let with_z = |words: Vec<u64>, one: &[u64]| [&words[..], one].concat();
        let one = Fq::ONE.0.0;
        let g1 = with_z(points(&[p.into_affine()]), &one);
        assert_eq!(to_point(&g1.try_into().unwrap()), p);
        let g2 = with_z(points_g2(&[q.into_affine()]), &[one, [0; 4]].concat());
        assert_eq!(to_point_g2(&g2.try_into().unwrap()), q);
        assert_eq!((points(&[G1Affine::identity()]), points_g2(&[G2Affine::identity()])), (vec![0; 8], vec![0; 16]));
        assert_eq!(to_point(&[0; 12]), G1Projective::ZERO);
        assert_ne!(to_point(&with_z(points(&[p.into_affine()]), &one).try_into().unwrap()), G1Projective::generator());
    }
}
