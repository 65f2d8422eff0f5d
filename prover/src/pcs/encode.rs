//! How field elements and points cross a border: 32-byte big-endian words. A point is `x ‖ y`, the identity zeros; a G2
//! point is `x.c1 ‖ x.c0 ‖ y.c1 ‖ y.c0` (the order of the EVM's precompiles). Decoding is strict: one byte string for
//! each value.

use ark_bn254::{Fq, Fq2, Fr, G1Affine, G2Affine};
use ark_ec::AffineRepr;
use ark_ff::{BigInt, PrimeField};
use sha3::{Digest, Keccak256};

/// Why bytes are not the encoding of a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum EncodeError {
    /// The number of bytes is wrong.
    #[error("expected {need} bytes, found {have}")]
    Length {
        /// Bytes found.
        have: usize,
        /// Bytes needed.
        need: usize,
    },
    /// A word is not below the modulus of its field.
    #[error("the word at byte {at} is not below the field's modulus")]
    NotCanonical {
        /// Offset of the word in bytes.
        at: usize,
    },
    /// The coordinates are not those of a point of the curve.
    #[error("the point at byte {at} is not on the curve")]
    NotOnCurve {
        /// Offset of the point in bytes.
        at: usize,
    },
    /// A G2 point is on the curve but outside the subgroup of order `r`.
    #[error("the point at byte {at} is outside the prime-order subgroup")]
    NotInSubgroup {
        /// Offset of the point in bytes.
        at: usize,
    },
}

/// Keccak-256 of the concatenation of `parts`.
pub fn keccak(parts: &[&[u8]]) -> [u8; 32] {
    let mut hasher = Keccak256::new();
    for part in parts {
        hasher.update(part);
    }
    hasher.finalize().into()
}

fn to_word(value: BigInt<4>) -> [u8; 32] {
    let mut out = [0; 32];
    for (chunk, limb) in out.chunks_exact_mut(8).zip(value.0.iter().rev()) {
        chunk.copy_from_slice(&limb.to_be_bytes());
    }
    out
}

fn from_word<F: PrimeField<BigInt = BigInt<4>>>(word: &[u8; 32], at: usize) -> Result<F, EncodeError> {
    let mut limbs = [0u64; 4];
    for (limb, chunk) in limbs.iter_mut().rev().zip(word.chunks_exact(8)) {
        *limb = chunk.iter().fold(0, |acc, byte| acc << 8 | u64::from(*byte));
    }
    F::from_bigint(BigInt(limbs)).ok_or(EncodeError::NotCanonical { at })
}

/// A base field element as a word.
pub fn word(x: &Fq) -> [u8; 32] {
    to_word(x.into_bigint())
}

/// A scalar as a word.
pub fn fr_word(x: &Fr) -> [u8; 32] {
    to_word(x.into_bigint())
}

/// A point of G1 as `x ‖ y`.
pub fn g1_bytes(p: &G1Affine) -> [u8; 64] {
    let mut out = [0; 64];
    if let Some((x, y)) = p.xy() {
        out[..32].copy_from_slice(&word(&x));
        out[32..].copy_from_slice(&word(&y));
    }
    out
}

/// A point of G2 as `x.c1 ‖ x.c0 ‖ y.c1 ‖ y.c0`.
pub fn g2_bytes(p: &G2Affine) -> [u8; 128] {
    let mut out = [0; 128];
    if let Some((x, y)) = p.xy() {
        for (slot, value) in out.chunks_exact_mut(32).zip([x.c1, x.c0, y.c1, y.c0]) {
            slot.copy_from_slice(&word(&value));
        }
    }
    out
}

/// Reads words and points one after the other; every error says where it is.
#[derive(Debug, Clone)]
pub struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Reader<'a> {
    /// Starts at the first of `bytes`.
    pub fn new(bytes: &'a [u8]) -> Self {
        Reader { bytes, at: 0 }
    }

    /// The next word's bytes.
    ///
    /// # Errors
    /// [`EncodeError::Length`] if fewer than 32 are left.
    pub fn word(&mut self) -> Result<[u8; 32], EncodeError> {
        let short = EncodeError::Length { have: self.bytes.len(), need: self.at + 32 };
        let word = self.bytes.get(self.at..self.at + 32).and_then(|s| s.try_into().ok()).ok_or(short)?;
        self.at += 32;
        Ok(word)
    }

    /// The next word as a scalar.
    ///
    /// # Errors
    /// Too few bytes, or not below `r`.
    pub fn fr(&mut self) -> Result<Fr, EncodeError> {
        let at = self.at;
        from_word(&self.word()?, at)
    }

    /// The next word as a base field element.
    ///
    /// # Errors
    /// Too few bytes, or not below `q`.
    pub fn fq(&mut self) -> Result<Fq, EncodeError> {
        let at = self.at;
        from_word(&self.word()?, at)
    }

    /// The next two words as a point of G1 (all of the curve is in the group).
    ///
    /// # Errors
    /// Too few bytes, a coordinate not below `q`, or not on the curve.
    pub fn g1(&mut self) -> Result<G1Affine, EncodeError> {
        let at = self.at;
        // (0, 0) is not on the curve and is how the type itself holds the identity
        let p = G1Affine::new_unchecked(self.fq()?, self.fq()?);
        if p.is_on_curve() { Ok(p) } else { Err(EncodeError::NotOnCurve { at }) }
    }

    /// The next four words as a point of G2, subgroup checked.
    ///
    /// # Errors
    /// Too few bytes, a coordinate not below `q`, not on the curve, or outside the subgroup.
    pub fn g2(&mut self) -> Result<G2Affine, EncodeError> {
        let at = self.at;
        let (x1, x0, y1, y0) = (self.fq()?, self.fq()?, self.fq()?, self.fq()?);
        let p = G2Affine::new_unchecked(Fq2::new(x0, x1), Fq2::new(y0, y1));
        if p.is_zero() {
            return Ok(p);
        }
        if !p.is_on_curve() {
            return Err(EncodeError::NotOnCurve { at });
        }
        if p.is_in_correct_subgroup_assuming_on_curve() { Ok(p) } else { Err(EncodeError::NotInSubgroup { at }) }
    }

    /// Refuses bytes that nothing has read.
    ///
    /// # Errors
    /// [`EncodeError::Length`].
    pub fn end(&self) -> Result<(), EncodeError> {
        if self.at == self.bytes.len() {
            Ok(())
        } else {
            Err(EncodeError::Length { have: self.bytes.len(), need: self.at })
        }
    }
}
