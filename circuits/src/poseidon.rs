//! The permutation Poseidon (Grassi et al., USENIX Security 2021) with `x^5`, width 5, 8 full and 60 partial rounds; round constants and
//! matrix by the paper's Grain LFSR.
//!
//! [`permute`] is the definition and what circuits are made of; [`permute_sparse`] is the same function with half of the work, for native values.

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
        let (constants, matrix) = find_poseidon_ark_and_mds::<Fr>(254, WIDTH - 1, FULL_ROUNDS as u64, PARTIAL_ROUNDS as u64, 0);
        let row = |values: &Vec<Fr>| std::array::from_fn(|i| values[i]);
        Parameters { round_constants: constants.iter().map(row).collect(), matrix: std::array::from_fn(|i| row(&matrix[i])) }
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

/// A partial round after its S-box: a constant for the first element, and a matrix that is the identity but for its first row and column.
struct PartialRound {
    constant: Fr,
    row: Row,
    /// Without the corner, which is in the row.
    column: [Fr; WIDTH - 1],
}

/// The partial rounds as products of sparse matrices (the paper's appendix B).
struct Sparse {
    /// Before the partial rounds: constants, then a matrix.
    constants: Row,
    before: Square,
    rounds: Vec<PartialRound>,
}

pub(crate) fn identity() -> Square {
    std::array::from_fn(|i| std::array::from_fn(|j| if i == j { Fr::ONE } else { Fr::ZERO }))
}

pub(crate) fn apply(matrix: &Square, vector: &Row) -> Row {
    std::array::from_fn(|i| Fr::sum_of_products(&matrix[i], vector))
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

/// Takes `M = S·D` apart, where `D` leaves the first element alone and `S` is sparse. `D` commutes with the S-box of a partial round, so it joins the round before.
fn factor(matrix: &Square) -> (Square, Square) {
    let mut dense = *matrix;
    (0..WIDTH).for_each(|i| (dense[0][i], dense[i][0]) = (Fr::ZERO, Fr::ZERO));
    dense[0][0] = Fr::ONE;
    (multiply(matrix, &invert(&dense)), dense)
}

fn sparse() -> &'static Sparse {
    static SPARSE: OnceLock<Sparse> = OnceLock::new();
    SPARSE.get_or_init(|| {
        let Parameters { round_constants, matrix } = parameters();
        // Backwards: `dense` is what the rounds behind have handed on to this one, `constants` what they want added after its matrix.
        let mut rounds = Vec::new();
        let mut dense = identity();
        let mut constants = [Fr::ZERO; WIDTH];
        for round in PARTIAL.rev() {
            let (factors, rest) = factor(&multiply(&dense, matrix));
            // constants after the sparse matrix are others before it; of these all but the first may be added before the S-box
            let mut earlier = apply(&invert(&factors), &constants);
            rounds.push(PartialRound { constant: earlier[0], row: factors[0], column: std::array::from_fn(|i| factors[i + 1][0]) });
            earlier[0] = Fr::ZERO;
            let own = apply(&rest, &round_constants[round]);
            constants = std::array::from_fn(|i| own[i] + earlier[i]);
            dense = rest;
        }
        rounds.reverse();
        Sparse { constants: apply(&invert(&dense), &constants), before: dense, rounds }
    })
}

#[inline]
fn power(value: Fr) -> Fr {
    Field::square(&Field::square(&value)) * value
}

/// [`permute`] for native values.
pub fn permute_sparse(state: &mut Row) {
    let Parameters { round_constants, matrix } = parameters();
    let sparse = sparse();
    let full_round = |state: &mut Row, round: usize| {
        let powers = std::array::from_fn(|i| power(state[i] + round_constants[round][i]));
        *state = apply(matrix, &powers);
    };
    (0..PARTIAL.start).for_each(|round| full_round(state, round));
    *state = apply(&sparse.before, &std::array::from_fn(|i| state[i] + sparse.constants[i]));
    for PartialRound { constant, row: [corner, row @ ..], column } in &sparse.rounds {
        let [first, rest @ ..] = state;
        // waits for nothing: the processor does it while the S-box goes on
        let sum = Fr::sum_of_products(row, rest);
        let active = power(*first) + constant;
        *first = *corner * active + sum;
        rest.iter_mut().zip(column).for_each(|(value, factor)| *value += *factor * active);
    }
    (PARTIAL.end..round_constants.len()).for_each(|round| full_round(state, round));
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
    fn sparse_rounds_are_the_same_permutation() {
        let mut state: Row = std::array::from_fn(|i| Fr::from(i as u64));
        for _ in 0..20 {
            let mut expected = state;
            permute(&mut expected);
            permute_sparse(&mut state);
            assert_eq!(state, expected);
        }
        let mut edge = [-Fr::ONE; WIDTH];
        let mut expected = edge;
        permute(&mut expected);
        permute_sparse(&mut edge);
        assert_eq!(edge, expected);
    }
}
