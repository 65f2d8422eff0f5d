//! The Fiat–Shamir transcript: a duplex sponge over Poseidon.
//!
//! Rate 4, capacity 1. Only the engine and the verifier touch a transcript; kernels get and return field data.

#![cfg_attr(not(test), deny(clippy::indexing_slicing))]

use crate::Fr;
use crate::poseidon::WIDTH;
use crate::scalar::Scalar;

/// Elements absorbed per permutation.
pub const RATE: usize = WIDTH - 1;

/// A duplex sponge. The number and order of calls are fixed by the shape, so that no two statements share a transcript.
pub struct Transcript<S> {
    state: [S; WIDTH],
    /// Elements absorbed since the last permutation, less than [`RATE`].
    pending: usize,
    /// Elements of the rate that may still be squeezed.
    available: usize,
}

impl<S: Scalar> Default for Transcript<S> {
    fn default() -> Self {
        Self::new()
    }
}

impl<S: Scalar> Transcript<S> {
    /// An empty transcript.
    pub fn new() -> Self {
        Self { state: std::array::from_fn(|_| S::zero()), pending: 0, available: 0 }
    }

    /// Absorbs one element.
    #[allow(
        clippy::indexing_slicing,
        reason = "fewer than RATE are pending; that nothing is absorbed in silence is worth more than the lint"
    )]
    pub fn absorb(&mut self, value: &S) {
        let slot = 1 + self.pending;
        self.state[slot] = self.state[slot].clone() + value;
        self.pending += 1;
        self.available = 0;
        if self.pending == RATE {
            self.permute();
        }
    }

    /// Absorbs elements in order.
    pub fn absorb_all<'a>(&mut self, values: impl IntoIterator<Item = &'a S>)
    where
        S: 'a,
    {
        for value in values {
            self.absorb(value);
        }
    }

    /// Squeezes one challenge.
    #[allow(clippy::indexing_slicing, reason = "at least one and at most RATE are available")]
    pub fn challenge(&mut self) -> S {
        if self.pending > 0 {
            self.state[0] = self.state[0].clone() + S::constant(Fr::from(self.pending as u64));
        }
        if self.available == 0 {
            self.permute();
        }
        let value = self.state[WIDTH - self.available].clone();
        self.available -= 1;
        value
    }

    /// Squeezes `n` challenges.
    pub fn challenges(&mut self, n: usize) -> Vec<S> {
        (0..n).map(|_| self.challenge()).collect()
    }

    fn permute(&mut self) {
        S::permute(&mut self.state);
        self.pending = 0;
        self.available = RATE;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn squeeze(values: &[u64]) -> Fr {
        let mut transcript = Transcript::new();
        transcript.absorb_all(&values.iter().map(|v| Fr::from(*v)).collect::<Vec<_>>());
        transcript.challenge()
    }

    /// FS6: length matters, and the empty input is defined.
    #[test]
    fn fs6_padding_is_injective() {
        let inputs: [&[u64]; 9] =
            [&[], &[0], &[0, 0], &[1], &[1, 0], &[1, 0, 0], &[1, 0, 0, 0], &[1, 0, 0, 0, 0], &[1, 0, 0, 0, 0, 0]];
        for (i, a) in inputs.iter().enumerate() {
            for b in &inputs[..i] {
                assert_ne!(squeeze(a), squeeze(b), "{a:?} {b:?}");
            }
        }
    }

    #[test]
    fn challenges_differ_and_depend_on_everything_before() {
        let mut transcript = Transcript::<Fr>::new();
        transcript.absorb(&Fr::from(7u64));
        let first = transcript.challenges(10);
        for (i, a) in first.iter().enumerate() {
            assert!(!first[..i].contains(a));
        }
        let mut other = Transcript::<Fr>::new();
        other.absorb(&Fr::from(8u64));
        assert!(other.challenges(10).iter().all(|c| !first.contains(c)));
    }
}
