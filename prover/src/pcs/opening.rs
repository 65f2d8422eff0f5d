//! The opening as data, and its 640 bytes.

use super::{
    PcsError,
    encode::{EncodeError, Reader, fr_word, g1_bytes},
};
use ark_bn254::{Fr, G1Affine};

/// Bytes of an opening: seven points and six scalars.
pub const OPENING_BYTES: usize = 640;

/// An opening. Names are those of the specification, `zi` being `1/z`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Opening {
    /// `C_h`: the rows of `T`, folded by `eq(u_1, ·)`.
    pub h: G1Affine,
    /// `C_Q`: the quotient of `T` by `X^b - α`.
    pub q: G1Affine,
    /// `C_g`: the remainder.
    pub g: G1Affine,
    /// `C_S`: the upper half of the symmetric product polynomial.
    pub s: G1Affine,
    /// `C_d`: `g` reversed, which bounds its degree.
    pub d: G1Affine,
    /// `C_W`: the quotient of the batched claims.
    pub w: G1Affine,
    /// `C_W'`: the quotient at `x`.
    pub w_prime: G1Affine,
    /// `g(z)`.
    pub g_z: Fr,
    /// `g(1/z)`.
    pub g_zi: Fr,
    /// `h(z)`.
    pub h_z: Fr,
    /// `h(1/z)`.
    pub h_zi: Fr,
    /// `S(z)`.
    pub s_z: Fr,
    /// `S(1/z)`.
    pub s_zi: Fr,
}

impl Opening {
    /// `C_h C_Q C_g C_S C_d C_W C_W'`.
    pub fn points(&self) -> [G1Affine; 7] {
        [self.h, self.q, self.g, self.s, self.d, self.w, self.w_prime]
    }

    /// `g(z) g(1/z) h(z) h(1/z) S(z) S(1/z)`.
    pub fn evaluations(&self) -> [Fr; 6] {
        [self.g_z, self.g_zi, self.h_z, self.h_zi, self.s_z, self.s_zi]
    }

    /// The points, then the evaluations.
    pub fn to_bytes(&self) -> [u8; OPENING_BYTES] {
        let mut out = [0; OPENING_BYTES];
        let (points, scalars) = out.split_at_mut(7 * 64);
        for (slot, p) in points.chunks_exact_mut(64).zip(self.points()) {
            slot.copy_from_slice(&g1_bytes(&p));
        }
        for (slot, s) in scalars.chunks_exact_mut(32).zip(self.evaluations()) {
            slot.copy_from_slice(&fr_word(&s));
        }
        out
    }

    /// Reads exactly [`OPENING_BYTES`] bytes.
    ///
    /// # Errors
    /// [`PcsError::Encoding`]: wrong length, a word that is not canonical, a point off the curve.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, PcsError> {
        if bytes.len() != OPENING_BYTES {
            return Err(EncodeError::Length { have: bytes.len(), need: OPENING_BYTES }.into());
        }
        let mut r = Reader::new(bytes);
        // fields are evaluated in the order in which they are written here
        Ok(Opening {
            h: r.g1()?,
            q: r.g1()?,
            g: r.g1()?,
            s: r.g1()?,
            d: r.g1()?,
            w: r.g1()?,
            w_prime: r.g1()?,
            g_z: r.fr()?,
            g_zi: r.fr()?,
            h_z: r.fr()?,
            h_zi: r.fr()?,
            s_z: r.fr()?,
            s_zi: r.fr()?,
        })
    }
}
