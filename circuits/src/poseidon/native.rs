//! The permutation for native values: its partial rounds by their recurrence, every sum of products with one reduction.

use super::dot::dot;
use super::recurrence::{HALF, Recurrence, STEPS, WINDOW, recurrence};
use super::{FULL_ROUNDS, PARTIAL_ROUNDS, Row, Square, WIDTH, parameters, power};
use crate::Fr;
use ark_ff::AdditiveGroup;

/// [`super::permute`] for native values.
pub fn permute_native(state: &mut [Fr; WIDTH]) {
    *state = rounds(state).result;
}

/// The inputs of all S-boxes, and what comes out.
pub(crate) struct Rounds {
    /// States of the full rounds.
    pub(crate) full: [Row; FULL_ROUNDS],
    /// The moved state that the partial rounds are entered with.
    pub(crate) entered: Row,
    pub(crate) partial: [Fr; PARTIAL_ROUNDS],
    pub(crate) result: Row,
}

pub(crate) fn rounds(state: &Row) -> Rounds {
    let (parameters, recurrence) = (parameters(), recurrence());
    let next = |state: &Row, constants: &Row| affine(&parameters.matrix, &state.map(power), constants);
    let mut full = [[Fr::ZERO; WIDTH]; FULL_ROUNDS];
    full[0] = std::array::from_fn(|i| state[i] + parameters.round_constants[0][i]);
    let (before, after) = recurrence.full.split_at(HALF - 1);
    for (round, constants) in before.iter().enumerate() {
        full[round + 1] = next(&full[round], constants);
    }
    let entered = next(&full[HALF - 1], &recurrence.entering);
    let partial;
    (partial, full[HALF]) = partial_rounds(recurrence, &entered);
    for (round, constants) in (HALF..).zip(after) {
        full[round + 1] = next(&full[round], constants);
    }
    Rounds { full, entered, partial, result: next(&full[FULL_ROUNDS - 1], &[Fr::ZERO; WIDTH]) }
}

/// `matrix · vector + constants`.
#[inline]
fn affine(matrix: &Square, vector: &Row, constants: &Row) -> Row {
    std::array::from_fn(|i| dot(&constants[i], &matrix[i], vector))
}

/// The inputs of the S-boxes, and the state after them.
fn partial_rounds(recurrence: &Recurrence, state: &Row) -> ([Fr; PARTIAL_ROUNDS], Row) {
    let Recurrence { enter, response, step, leave, leaving, .. } = recurrence;
    let [first, rest @ ..] = state;
    // inputs and their powers by turns, so that what a step needs lies side by side
    let mut values = [Fr::ZERO; 2 * PARTIAL_ROUNDS];
    (values[0], values[1]) = (*first, power(*first));
    for k in 1..WIDTH {
        let forced = (0..k).map(|j| response[k - j - 1] * values[2 * j + 1]).sum();
        let input = dot(&forced, &enter[k - 1], rest);
        (values[2 * k], values[2 * k + 1]) = (input, power(input));
    }
    for (t, constant) in recurrence.steps.iter().enumerate() {
        let input = dot(constant, step, window(&values, t));
        (values[2 * (t + WIDTH)], values[2 * (t + WIDTH) + 1]) = (input, power(input));
    }
    let last = window(&values, STEPS);
    (std::array::from_fn(|t| values[2 * t]), std::array::from_fn(|i| dot(&leaving[i], &leave[i], last)))
}

/// `y_t, x_(t+1), y_(t+1), …, x_(t+4), y_(t+4)`.
#[inline]
fn window(values: &[Fr; 2 * PARTIAL_ROUNDS], t: usize) -> &[Fr; WINDOW] {
    values[2 * t + 1..].first_chunk().unwrap_or(&[Fr::ZERO; WINDOW])
}
