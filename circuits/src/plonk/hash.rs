//! Poseidon's rounds as rows: the constants of the gates, and the cells of a permutation.
//!
//! A permutation is 16 rows: one that absorbs a message and is the first full round, three full rounds, one that enters
//! the partial rounds, six of eight partial rounds each, one that leaves them, four full rounds. The row after holds
//! the result, and may be the next permutation's first. In a row of a full round, column 6 is the first element of the
//! state and columns 0 to 3 are the others; they are the S-boxes' inputs, round constants included (but for the
//! absorbing row, which adds them).
//!
//! Of a partial round only the S-box's input is a cell: they follow a recurrence (`poseidon::recurrence`), and eight of
//! them fit in a row. Four of the first five are in the row of the state that the partial rounds are entered with. The
//! last five give the state that leaves.

use super::gates::{ADVICE, Kind};
use crate::Fr;
use crate::poseidon::recurrence::{HALF, recurrence};
use crate::poseidon::{self, Square, WIDTH};
use ark_ff::AdditiveGroup;
use std::sync::OnceLock;

/// Rows of a permutation, without the one that its result is in.
pub const ROWS: usize = 16;

/// Column of each element of the state in a row of a full round.
pub const STATE: [usize; WIDTH] = [6, 0, 1, 2, 3];

/// Columns of a row's S-box inputs in partial rounds, in the order of the rounds.
pub const INPUTS: [usize; ADVICE] = [0, 1, 2, 3, 6, 4, 5, 7];

type Row = [Fr; WIDTH];

/// The constants of the Poseidon gates, by their names in [`super::gates`].
pub struct Constants {
    /// `M`, the round's matrix.
    pub matrix: Square,
    /// `F`, what an absorbing row adds to the state; the first of them is in the row's `q5`.
    pub first: Row,
    /// `E`, as all that follow: see `poseidon::recurrence`.
    pub enter: [[Fr; WIDTH - 1]; WIDTH - 1],
    /// `R`.
    pub response: [Fr; WIDTH - 1],
    /// `A`.
    pub linear: [Fr; WIDTH - 1],
    /// `B`.
    pub powers: Row,
    /// `L`.
    pub leave_linear: [[Fr; WIDTH - 1]; WIDTH],
    /// `P`.
    pub leave_powers: Square,
    /// The constants of each row but the first's `q5`.
    rows: [[Fr; 8]; ROWS],
}

impl Constants {
    /// Kind and constants of each row of a permutation whose first element of the state has `capacity` added.
    pub fn rows(&self, capacity: Fr) -> [(Kind, [Fr; 8]); ROWS] {
        std::array::from_fn(|row| {
            let mut constants = self.rows[row];
            if row == 0 {
                constants[5] = self.first[0] + capacity;
            }
            let kind = match row {
                0 => Kind::Absorb,
                1..4 => Kind::Full,
                4 => Kind::Enter,
                5..11 => Kind::Partial,
                11 => Kind::Leave,
                _ => Kind::Full,
            };
            (kind, constants)
        })
    }
}

/// The gates' constants.
pub fn constants() -> &'static Constants {
    static CONSTANTS: OnceLock<Constants> = OnceLock::new();
    CONSTANTS.get_or_init(|| {
        let parameters = poseidon::parameters();
        let recurrence = recurrence();
        let five = |values: Row| std::array::from_fn(|i| if i < WIDTH { values[i] } else { Fr::ZERO });
        let rows = std::array::from_fn(|row| match row {
            0..3 => five(recurrence.full[row]),
            3 => five(recurrence.entering),
            // x_4 needs none
            4 => std::array::from_fn(|i| if i == 0 { Fr::ZERO } else { recurrence.steps[i - 1] }),
            5..11 => std::array::from_fn(|i| recurrence.steps[8 * (row - 5) + 7 + i]),
            11 => five(recurrence.leaving),
            12..15 => five(recurrence.full[row - 9]),
            _ => [Fr::ZERO; 8],
        });
        Constants {
            matrix: parameters.matrix,
            first: parameters.round_constants[0],
            enter: recurrence.enter,
            response: recurrence.response,
            linear: std::array::from_fn(|i| recurrence.step[2 * i + 1]),
            powers: std::array::from_fn(|i| recurrence.step[2 * i]),
            leave_linear: recurrence.leave.map(|row| std::array::from_fn(|i| row[2 * i + 1])),
            leave_powers: recurrence.leave.map(|row| std::array::from_fn(|i| row[2 * i])),
            rows,
        }
    })
}

/// The cells of a permutation's rows after the first, and the resulting state.
pub fn cells(state: &[Fr; WIDTH]) -> ([[Fr; ADVICE]; ROWS - 1], [Fr; WIDTH]) {
    let mut cells = [[Fr::ZERO; ADVICE]; ROWS - 1];
    let rounds = poseidon::rounds(state);
    let states =
        rounds.full[1..HALF].iter().chain([&rounds.entered]).zip(0..).chain(rounds.full[HALF..].iter().zip(11..));
    for (state, row) in states {
        STATE.iter().zip(state).for_each(|(column, value)| cells[row][*column] = *value);
    }
    for (t, input) in rounds.partial.iter().enumerate() {
        // the first four are in the row that the partial rounds are entered from
        cells[3 + (t + 4) / 8][INPUTS[(t + 4) % 8]] = *input;
    }
    (cells, rounds.result)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_the_permutation() {
        let mut state: Row = std::array::from_fn(|i| Fr::from(i as u64 + 5));
        for _ in 0..20 {
            let (_, result) = cells(&state);
            poseidon::permute(&mut state);
            assert_eq!(result, state);
        }
    }

    #[test]
    fn cells_are_the_inputs_of_the_s_boxes() {
        let state: Row = std::array::from_fn(|i| Fr::from(77 + 13 * i as u64));
        let (cells, _) = cells(&state);
        let (full, partial) = poseidon::recurrence::inputs(&state);
        for (row, expected) in [(0, 1), (1, 2), (2, 3), (11, 4), (12, 5), (13, 6), (14, 7)] {
            assert_eq!(STATE.map(|column| cells[row][column]), full[expected]);
        }
        for (t, expected) in partial.iter().enumerate() {
            assert_eq!(cells[3 + (t + 4) / 8][INPUTS[(t + 4) % 8]], *expected, "round {t}");
        }
    }
}
