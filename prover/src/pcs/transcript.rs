//! The opening's transcript: `t_0 = keccak256("assay-opening-v2" ‖ K)`, `t_{i+1} = keccak256(t_i ‖ data)`, a challenge
//! is `t mod r`. All that is absorbed before one challenge is the `data` of one hash. Where polynomials of another
//! argument are opened too, its transcript goes before.

use super::{
    Challenge, Companion, Opening, PcsError,
    encode::{fr_word, g1_bytes, keccak},
};
use ark_bn254::{Fr, G1Affine};
use ark_ff::{Field, PrimeField, Zero};

/// The running hash.
#[derive(Clone)]
pub struct Transcript {
    state: [u8; 32],
}

impl Transcript {
    /// Of an opening alone; `seed` is `K`.
    pub fn new(seed: &[u8; 32]) -> Self {
        Self::tagged(b"assay-opening-v2", &[seed])
    }

    /// Of something that goes before an opening.
    pub fn tagged(tag: &[u8], data: &[&[u8]]) -> Self {
        Transcript { state: keccak(&[&[tag], data].concat()) }
    }

    /// Absorbs points and squeezes a challenge.
    pub fn points(&mut self, points: &[G1Affine]) -> Fr {
        let bytes: Vec<u8> = points.iter().flat_map(g1_bytes).collect();
        self.squeeze(&bytes)
    }

    /// Absorbs scalars and squeezes a challenge.
    pub fn scalars(&mut self, scalars: &[Fr]) -> Fr {
        let bytes: Vec<u8> = scalars.iter().flat_map(fr_word).collect();
        self.squeeze(&bytes)
    }

    /// Squeezes another challenge.
    pub fn again(&mut self) -> Fr {
        self.squeeze(&[])
    }

    fn squeeze(&mut self, data: &[u8]) -> Fr {
        self.state = keccak(&[&self.state, data]);
        Fr::from_be_bytes_mod_order(&self.state)
    }
}

/// The five challenges of an opening, `1/z`, and none of them degenerate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Challenges {
    /// After `C_h`: folds the rows of `T`.
    pub alpha: Fr,
    /// After `C_Q, C_g`: joins the two inner products.
    pub gamma: Fr,
    /// After `C_S, C_d`: where the product identity is checked.
    pub z: Fr,
    /// `1/z`.
    pub zi: Fr,
    /// After the evaluations: joins the four claims.
    pub eta: Fr,
    /// After `C_W`: where the batched identity is checked.
    pub x: Fr,
}

impl Challenges {
    /// Replays the transcript of `opening`.
    ///
    /// # Errors
    /// [`PcsError::DegenerateChallenge`].
    pub fn replay(mut transcript: Transcript, opening: &Opening) -> Result<Self, PcsError> {
        let alpha = transcript.points(&[opening.h]);
        let gamma = transcript.points(&[opening.q, opening.g]);
        let z = transcript.points(&[opening.s, opening.d]);
        let zi = inverse_of_z(z, alpha)?;
        let eta = transcript.scalars(&opening.evaluations());
        let x = transcript.points(&[opening.w]);
        refuse_opened_point(x, [z, zi, alpha])?;
        Ok(Challenges { alpha, gamma, z, zi, eta, x })
    }
}

/// `1/z`; refuses `z = 0`, `z² = 1` and `α ∈ {z, 1/z}`.
pub(super) fn inverse_of_z(z: Fr, alpha: Fr) -> Result<Fr, PcsError> {
    let zi = z.inverse().filter(|zi| *zi != z).ok_or(PcsError::DegenerateChallenge { which: Challenge::Z })?;
    if alpha == z || alpha == zi { Err(PcsError::DegenerateChallenge { which: Challenge::Alpha }) } else { Ok(zi) }
}

/// `1 / Z(x)` for a companion; refuses an `x` that is one of its points.
pub(super) fn inverse_of_vanishing<P>(companion: &Companion<P>, x: Fr) -> Result<Fr, PcsError> {
    companion.vanishing(x).inverse().ok_or(PcsError::DegenerateChallenge { which: Challenge::X })
}

/// Refuses an `x` that is one of the opened points.
pub(super) fn refuse_opened_point(x: Fr, points: [Fr; 3]) -> Result<(), PcsError> {
    if points.iter().any(|p| (x - p).is_zero()) {
        Err(PcsError::DegenerateChallenge { which: Challenge::X })
    } else {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ark_ff::AdditiveGroup;

    #[test]
    fn degenerate_challenges_are_refused() {
        let (z, a) = (Fr::from(5), Fr::from(9));
        let zi = z.inverse().expect("nonzero");
        assert_eq!(inverse_of_z(z, a), Ok(zi));
        for bad in [Fr::ZERO, Fr::ONE, -Fr::ONE] {
            assert_eq!(inverse_of_z(bad, a), Err(PcsError::DegenerateChallenge { which: Challenge::Z }));
        }
        for bad in [z, zi] {
            assert_eq!(inverse_of_z(z, bad), Err(PcsError::DegenerateChallenge { which: Challenge::Alpha }));
        }
        for bad in [z, zi, a] {
            assert_eq!(
                refuse_opened_point(bad, [z, zi, a]),
                Err(PcsError::DegenerateChallenge { which: Challenge::X })
            );
        }
        assert_eq!(refuse_opened_point(Fr::ZERO, [z, zi, a]), Ok(()));
    }
}
