//! The permutation Poseidon (Grassi et al., USENIX Security 2021) with `x^5`, width 5, 8 full and 60 partial rounds;
//! round constants and matrix by the paper's Grain LFSR.
//!
//! [`permute`] is the definition and what circuits are made of; [`permute_native`] is the same function with a third of
//! the work, for native values.

mod dot;
mod native;
pub(crate) mod recurrence;

pub use native::permute_native;
pub(crate) use native::rounds;

use crate::Fr;
use crate::scalar::Scalar;
use ark_crypto_primitives::sponge::poseidon::find_poseidon_ark_and_mds;
use ark_ff::{AdditiveGroup, Field};
use std::sync::OnceLock;

/// Width of the permutation.
pub const WIDTH: usize = 5;
pub(crate) const FULL_ROUNDS: usize = 8;
pub(crate) const PARTIAL_ROUNDS: usize = 60;
pub(crate) const PARTIAL: std::ops::Range<usize> = FULL_ROUNDS / 2..FULL_ROUNDS / 2 + PARTIAL_ROUNDS;

type Row = [Fr; WIDTH];
pub(crate) type Square = [Row; WIDTH];

pub(crate) struct Parameters {
    pub(crate) round_constants: Vec<Row>,
    pub(crate) matrix: Square,
}

pub(crate) fn parameters() -> &'static Parameters {
    static PARAMETERS: OnceLock<Parameters> = OnceLock::new();
    PARAMETERS.get_or_init(|| {
        let (constants, matrix) =
            find_poseidon_ark_and_mds::<Fr>(254, WIDTH - 1, FULL_ROUNDS as u64, PARTIAL_ROUNDS as u64, 0);
        let row = |values: &Vec<Fr>| std::array::from_fn(|i| values[i]);
        Parameters {
            round_constants: constants.iter().map(row).collect(),
            matrix: std::array::from_fn(|i| row(&matrix[i])),
        }
    })
}

/// One permutation. In a circuit: 3 multiplications per S-box, 300 in all.
pub fn permute<S: Scalar>(state: &mut [S; WIDTH]) {
    let parameters = parameters();
    for (round, constants) in parameters.round_constants.iter().enumerate() {
        let active = if PARTIAL.contains(&round) { 1 } else { WIDTH };
        for (value, constant) in state.iter_mut().zip(constants) {
            *value = value.clone() + S::constant(*constant);
        }
        for value in state.iter_mut().take(active) {
            let fourth = value.square().square();
            *value = fourth * &*value;
        }
        *state = std::array::from_fn(|i| S::linear(Fr::ZERO, &parameters.matrix[i], state.as_slice()));
    }
}

pub(crate) fn identity() -> Square {
    std::array::from_fn(|i| std::array::from_fn(|j| if i == j { Fr::ONE } else { Fr::ZERO }))
}

pub(crate) fn apply(matrix: &Square, vector: &Row) -> Row {
    std::array::from_fn(|i| matrix[i].iter().zip(vector).map(|(a, b)| *a * b).sum())
}

pub(crate) fn multiply(a: &Square, b: &Square) -> Square {
    std::array::from_fn(|i| std::array::from_fn(|j| (0..WIDTH).map(|k| a[i][k] * b[k][j]).sum()))
}

/// By Gauss–Jordan; zero pivots do not occur here, as every square submatrix of the round's matrix is regular.
pub(crate) fn invert(matrix: &Square) -> Square {
    let mut left = *matrix;
    let mut right = identity();
    for i in 0..WIDTH {
        let pivot = Field::inverse(&left[i][i]).unwrap_or_default();
        left[i].iter_mut().chain(&mut right[i]).for_each(|v| *v *= pivot);
        for k in (0..WIDTH).filter(|k| *k != i) {
            let factor = left[k][i];
            for j in 0..WIDTH {
                let (l, r) = (left[i][j], right[i][j]);
                left[k][j] -= factor * l;
                right[k][j] -= factor * r;
            }
        }
    }
    right
}

pub(crate) fn power(value: Fr) -> Fr {
    Field::square(&Field::square(&value)) * value
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The generated constants are those of circomlib for the same width, field and rounds.
    #[test]
    fn constants_are_the_published_ones() {
        let expected = "6652655389322448471317061533546982911992554640679550674058582942754771150993";
        assert_eq!(parameters().round_constants[0][0].to_string(), expected);
        assert_eq!(parameters().round_constants.len(), FULL_ROUNDS + PARTIAL_ROUNDS);
    }

    #[test]
    fn native_rounds_are_the_same_permutation() {
        let mut state: Row = std::array::from_fn(|i| Fr::from(i as u64));
        for _ in 0..20 {
            let mut expected = state;
            permute(&mut expected);
            permute_native(&mut state);
            assert_eq!(state, expected);
        }
        let mut edge = [-Fr::ONE; WIDTH];
        let mut expected = edge;
        permute(&mut expected);
        permute_native(&mut edge);
        assert_eq!(edge, expected);
    }
}
