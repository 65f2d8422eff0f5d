//! How points lie in files of ceremonies: little-endian words, coordinates as Montgomery residues. And how they are
//! hashed there: big-endian words, compressed ones with the sign of `y` in the first bit.

use crate::pcs::encode::{g1_bytes, g2_bytes};
use ark_bn254::{Fq, Fq2, G1Affine, G2Affine};
use ark_ec::AffineRepr;
use ark_ff::{BigInt, PrimeField};

/// Bytes of a point of G1.
pub const G1_BYTES: usize = 64;
/// Bytes of a point of G2.
pub const G2_BYTES: usize = 128;

/// A number of 32 bytes.
pub fn read_limbs(bytes: &[u8]) -> BigInt<4> {
    let mut limbs = [0; 4];
    for (limb, chunk) in limbs.iter_mut().zip(bytes.chunks_exact(8)) {
        *limb = chunk.iter().rev().fold(0, |n, b| n << 8 | u64::from(*b));
    }
    BigInt(limbs)
}

/// A coordinate; its Montgomery form (the same `R = 2^256` as ours) is canonical below `q`.
fn coordinate(bytes: &[u8]) -> Option<Fq> {
    let limbs = read_limbs(bytes);
    (limbs < Fq::MODULUS).then(|| Fq::new_unchecked(limbs))
}

/// A point of G1 that is not the identity. `None` if it is none.
pub fn read_g1(bytes: &[u8]) -> Option<G1Affine> {
    let (x, y) = bytes.split_at_checked(32)?;
    Some(G1Affine::new_unchecked(coordinate(x)?, coordinate(y)?)).filter(|p| !p.is_zero() && p.is_on_curve())
}

/// A point of G2, in the group of prime order, that is not the identity. `None` if it is none.
pub fn read_g2(bytes: &[u8]) -> Option<G2Affine> {
    let mut c = bytes.chunks_exact(32).map(coordinate);
    let mut next = || c.next().flatten();
    let point = G2Affine::new_unchecked(Fq2::new(next()?, next()?), Fq2::new(next()?, next()?));
    let good = !point.is_zero() && point.is_on_curve() && point.is_in_correct_subgroup_assuming_on_curve();
    good.then_some(point)
}

fn write_coordinates(out: &mut Vec<u8>, coordinates: &[Fq]) {
    out.extend(coordinates.iter().flat_map(|c| c.0.0).flat_map(u64::to_le_bytes));
}

/// Appends a point of G1.
pub fn write_g1(out: &mut Vec<u8>, point: &G1Affine) {
    write_coordinates(out, &[point.x, point.y]);
}

/// Appends a point of G2.
pub fn write_g2(out: &mut Vec<u8>, point: &G2Affine) {
    write_coordinates(out, &[point.x.c0, point.x.c1, point.y.c0, point.y.c1]);
}

fn is_negative(coordinate: &Fq) -> bool {
    *coordinate > -*coordinate
}

fn with_sign(x: &[u8], negative: bool) -> impl Iterator<Item = u8> {
    x.iter().enumerate().map(move |(i, byte)| if i == 0 && negative { byte | 0x80 } else { *byte })
}

/// A point of G1 in 32 bytes, for hashes.
pub fn compressed_g1(point: &G1Affine) -> Vec<u8> {
    let bytes = g1_bytes(point);
    with_sign(bytes.get(..32).unwrap_or_default(), is_negative(&point.y)).collect()
}

/// A point of G2 in 64 bytes, for hashes.
pub fn compressed_g2(point: &G2Affine) -> Vec<u8> {
    let bytes = g2_bytes(point);
    let negative = if point.y.c1 == Fq::from(0u64) { is_negative(&point.y.c0) } else { is_negative(&point.y.c1) };
    with_sign(bytes.get(..64).unwrap_or_default(), negative).collect()
}

/// Takes parts off the front of bytes.
pub struct Parts<'a>(pub &'a [u8]);

impl<'a> Parts<'a> {
    /// The next `len` bytes.
    pub fn bytes(&mut self, len: usize) -> Option<&'a [u8]> {
        let (head, rest) = self.0.split_at_checked(len)?;
        self.0 = rest;
        Some(head)
    }

    /// The next bytes, as many as an array has.
    pub fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        self.bytes(N)?.try_into().ok()
    }

    /// A number of 4 bytes.
    pub fn u32(&mut self) -> Option<u32> {
        Some(u32::from_le_bytes(self.array()?))
    }

    /// A point of G1.
    pub fn g1(&mut self) -> Option<G1Affine> {
        read_g1(self.bytes(G1_BYTES)?)
    }

    /// A point of G2.
    pub fn g2(&mut self) -> Option<G2Affine> {
        read_g2(self.bytes(G2_BYTES)?)
    }
}
