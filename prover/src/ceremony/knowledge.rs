//! The proof that a contributor knew the factor `x` by which he multiplied (BGM17, ePrint 2017/1050, section 3: `s`,
//! `x·s` in G1, `x·p` in G2). `p` is a hash of what was there before and of `s, x·s`, so nobody can take the proof of
//! another contribution or choose `x` as a quotient that he does not know.

use super::stream::Stream;
use crate::pcs::encode::g1_bytes;
use ark_bn254::{Bn254, Fr, G1Affine, G2Affine};
use ark_ec::{AffineRepr, CurveGroup, pairing::Pairing};

/// A contributor's three points.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Knowledge {
    /// A random point `s`.
    pub s: G1Affine,
    /// `x·s`.
    pub sx: G1Affine,
    /// `x·p`.
    pub px: G2Affine,
}

/// `p`, of a factor with this label: the same for prover and verifier.
fn challenge(label: u8, before: &[u8; 64], s: &G1Affine, sx: &G1Affine) -> G2Affine {
    let mut hash = blake2b_simd::State::new();
    hash.update(&[label]).update(before).update(&g1_bytes(s)).update(&g1_bytes(sx));
    Stream::of_hash(hash.finalize().as_array()).g2()
}

/// Whether `a : b = c : d`, none of them the identity.
fn same_ratio((a, b): (&G1Affine, &G1Affine), (c, d): (&G2Affine, &G2Affine)) -> bool {
    let identity = a.is_zero() || b.is_zero() || c.is_zero() || d.is_zero();
    !identity && Bn254::multi_pairing([*a, -*b], [*d, *c]).0 == ark_ff::Field::ONE
}

impl Knowledge {
    /// Of the factor `x`, `before` being the hash of everything that it follows on.
    pub fn new(x: &Fr, s: G1Affine, label: u8, before: &[u8; 64]) -> Self {
        let sx = (s * x).into_affine();
        let px = (challenge(label, before, &s, &sx) * x).into_affine();
        Self { s, sx, px }
    }

    /// What was multiplied by the factor, if the proof holds.
    pub fn check(&self, label: u8, before: &[u8; 64]) -> Option<Factor<'_>> {
        let p = challenge(label, before, &self.s, &self.sx);
        same_ratio((&self.s, &self.sx), (&p, &self.px)).then_some(Factor { knowledge: self, p })
    }
}

/// A factor that somebody knew.
pub struct Factor<'a> {
    knowledge: &'a Knowledge,
    p: G2Affine,
}

impl Factor<'_> {
    /// Whether it is 1: a contribution that changes nothing, which its maker is no help with.
    pub fn is_one(&self) -> bool {
        self.knowledge.s == self.knowledge.sx
    }

    /// Whether `after = x·before`.
    pub fn moved_g1(&self, before: &G1Affine, after: &G1Affine) -> bool {
        same_ratio((before, after), (&self.p, &self.knowledge.px))
    }

    /// The same in G2.
    pub fn moved_g2(&self, before: &G2Affine, after: &G2Affine) -> bool {
        same_ratio((&self.knowledge.s, &self.knowledge.sx), (before, after))
    }
}
