//! Poseidon's rounds as rows: the constants of the gates, and the cells of a permutation.
//!
//! A permutation is 16 rows: one that absorbs a message and is the first full round, three full rounds, one that enters the partial rounds,
//! six of eight partial rounds each, one that leaves them, four full rounds. The row after holds the result, and may be the next
//! permutation's first. In a row of a full round, column 6 is the first element of the state and columns 0 to 3 are the others; they are
//! the S-boxes' inputs, round constants included (but for the absorbing row, which adds them).
//!
//! Of a partial round only the S-box's input `x_t` is a cell. Let `y_t = x_t^5`, `M` the round's matrix and `N` the same with its first
//! column 0. A partial round takes the state `s` to `N·s + y·M e_0`, plus constants, and `x` is its first element. So, by Cayley and
//! Hamilton on `N`, whose characteristic polynomial is `λ^5 - Σ a_i λ^i`, `i` from 1 to 4, the inputs follow a recurrence
//!
//! `x_(t+5) = Σ_(i=1..4) a_i x_(t+i) + Σ_(i=0..4) b_i y_(t+i) + k_t`,
//!
//! in which only `k_t` depends on the round, and eight of them fit in a row. The state that the partial rounds are entered with is moved by
//! a constant, so that its five first inputs need none; four of them are in its row. The last five inputs give the state that leaves.

use super::gates::{ADVICE, Kind};
use crate::Fr;
use crate::poseidon::{self, Square, WIDTH};
use ark_ff::{AdditiveGroup, Field};
use std::sync::OnceLock;

/// Rows of a permutation, without the one that its result is in.
pub const ROWS: usize = 16;

/// Column of each element of the state in a row of a full round.
pub const STATE: [usize; WIDTH] = [6, 0, 1, 2, 3];

/// Columns of a row's S-box inputs in partial rounds, in the order of the rounds.
pub const INPUTS: [usize; ADVICE] = [0, 1, 2, 3, 6, 4, 5, 7];

/// Full rounds before the partial ones, and after them.
const HALF: usize = poseidon::FULL_ROUNDS / 2;

type Row = [Fr; WIDTH];

/// The constants of the Poseidon gates, by their names in [`super::gates`].
pub struct Constants {
    /// `M`, the round's matrix.
    pub matrix: Square,
    /// `F`, what an absorbing row adds to the state; the first of them is in the row's `q5`.
    pub first: Row,
    /// `E`: `x_k = Σ_(i=1..4) enter[k-1][i-1] s_i + Σ_(j<k) response[k-j-1] y_j`, `k` from 1 to 4.
    pub enter: [[Fr; WIDTH - 1]; WIDTH - 1],
    /// `R`, see `enter`.
    pub response: [Fr; WIDTH - 1],
    /// `A`: `a_1 … a_4`.
    pub linear: [Fr; WIDTH - 1],
    /// `B`: `b_0 … b_4`.
    pub powers: Row,
    /// `L`: of the state after the partial rounds, the coefficients of the last four inputs.
    pub leave_linear: [[Fr; WIDTH - 1]; WIDTH],
    /// `P`: of the same, the coefficients of the last five inputs' fifth powers.
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

fn power(value: Fr) -> Fr {
    Field::square(&Field::square(&value)) * value
}

fn times(matrix: &Square, vector: &Row) -> Row {
    poseidon::apply(matrix, vector)
}

/// The S-box inputs of all rounds: full ones (four each side), and the partial ones.
fn inputs(state: &Row) -> (Vec<Row>, Vec<Fr>) {
    let parameters = poseidon::parameters();
    let (mut full, mut partial) = (Vec::new(), Vec::new());
    let mut state = *state;
    for (round, constants) in parameters.round_constants.iter().enumerate() {
        state.iter_mut().zip(constants).for_each(|(value, constant)| *value += constant);
        if poseidon::PARTIAL.contains(&round) {
            partial.push(state[0]);
            state[0] = power(state[0]);
        } else {
            full.push(state);
            state = state.map(power);
        }
        state = times(&parameters.matrix, &state);
    }
    (full, partial)
}

/// The gates' constants. What depends on the round is read off one permutation, since the rows are affine in their constants.
pub fn constants() -> &'static Constants {
    static CONSTANTS: OnceLock<Constants> = OnceLock::new();
    CONSTANTS.get_or_init(|| {
        let parameters = poseidon::parameters();
        let matrix = parameters.matrix;
        let mut without = matrix;
        without.iter_mut().for_each(|row| row[0] = Fr::ZERO);
        let unit = std::array::from_fn(|i| if i == 0 { Fr::ONE } else { Fr::ZERO });
        let transposed = |m: &Square| -> Square { std::array::from_fn(|i| std::array::from_fn(|j| m[j][i])) };
        // rows e_0ᵀ·N^k and columns N^k·M·e_0
        let follow = |first: Row, by: &Square| std::iter::successors(Some(first), |v| Some(times(by, v))).take(6).collect::<Vec<_>>();
        let observed = follow(unit, &transposed(&without));
        let driven = follow(times(&matrix, &unit), &without);
        let response: [Fr; WIDTH] = std::array::from_fn(|k| driven[k][0]);

        // a: e_0ᵀ·N^5 in the basis of the lower powers
        let observe: Square = std::array::from_fn(|k| observed[k]);
        let state_of = poseidon::invert(&observe);
        let a = times(&transposed(&state_of), &observed[5]);
        let b: Row = std::array::from_fn(|j| response[4 - j] - (j + 1..WIDTH).map(|i| a[i] * response[i - j - 1]).sum::<Fr>());

        // five inputs, without what their predecessors' powers have added, determine the state at the first of them
        let unforced = |x: &[Fr]| -> Row { std::array::from_fn(|k| x[k] - (0..k).map(|j| response[k - j - 1] * power(x[j])).sum::<Fr>()) };
        let fifth = (0..WIDTH).fold(poseidon::identity(), |product, _| poseidon::multiply(&product, &without));
        let leave = poseidon::multiply(&fifth, &state_of);
        let leave_powers: Square = std::array::from_fn(|i| {
            std::array::from_fn(|j| driven[4 - j][i] - (j + 1..WIDTH).map(|k| leave[i][k] * response[k - j - 1]).sum::<Fr>())
        });
        let left = |x: &[Fr]| -> Row {
            let powers = std::array::from_fn(|j| power(x[j]));
            let (linear, powers) = (times(&leave, &std::array::from_fn(|j| x[j])), times(&leave_powers, &powers));
            std::array::from_fn(|i| linear[i] + powers[i])
        };

        let (full, partial) = inputs(&[Fr::ZERO; WIDTH]);
        let after = |x: &Row| times(&matrix, &x.map(power));
        let minus = |a: Row, b: Row| -> Row { std::array::from_fn(|i| a[i] - b[i]) };
        let recurrence = |t: usize| {
            let linear: Fr = (1..WIDTH).map(|i| a[i] * partial[t + i]).sum();
            let powers: Fr = (0..WIDTH).map(|i| b[i] * power(partial[t + i])).sum();
            partial[t + WIDTH] - linear - powers
        };
        let rows = std::array::from_fn(|row| {
            let five = |values: Row| std::array::from_fn(|i| if i < WIDTH { values[i] } else { Fr::ZERO });
            match row {
                0..3 => five(minus(full[row + 1], after(&full[row]))),
                3 => five(minus(times(&state_of, &unforced(&partial)), after(&full[3]))),
                // x_4 needs none
                4 => std::array::from_fn(|i| if i == 0 { Fr::ZERO } else { recurrence(i - 1) }),
                5..11 => std::array::from_fn(|i| recurrence(8 * (row - 5) + 7 + i)),
                11 => five(minus(full[HALF], left(&partial[55..]))),
                12..15 => five(minus(full[row - 7], after(&full[row - 8]))),
                _ => [Fr::ZERO; 8],
            }
        });
        Constants {
            matrix,
            first: parameters.round_constants[0],
            enter: std::array::from_fn(|k| std::array::from_fn(|i| observed[k + 1][i + 1])),
            response: std::array::from_fn(|k| response[k]),
            linear: std::array::from_fn(|i| a[i + 1]),
            powers: b,
            leave_linear: std::array::from_fn(|i| std::array::from_fn(|j| leave[i][j + 1])),
            leave_powers,
            rows,
        }
    })
}

/// The cells of a permutation's rows after the first, and the resulting state.
pub fn cells(state: &[Fr; WIDTH]) -> ([[Fr; ADVICE]; ROWS - 1], [Fr; WIDTH]) {
    let constants = constants();
    let mut cells = [[Fr::ZERO; ADVICE]; ROWS - 1];
    let full_round = |x: &Row, row: usize| -> Row {
        let mut next = times(&constants.matrix, &x.map(power));
        next.iter_mut().zip(&constants.rows[row]).for_each(|(value, constant)| *value += constant);
        next
    };
    let put = |cells: &mut [Fr; ADVICE], state: &Row| STATE.iter().zip(state).for_each(|(column, value)| cells[*column] = *value);
    let mut x: Row = std::array::from_fn(|i| state[i] + constants.first[i]);
    for (row, cells) in cells.iter_mut().take(HALF).enumerate() {
        x = full_round(&x, row);
        put(cells, &x);
    }

    let mut inputs = vec![x[0]];
    let mut powers = vec![power(x[0])];
    for k in 1..WIDTH {
        let linear = Fr::sum_of_products(&constants.enter[k - 1], &[x[1], x[2], x[3], x[4]]);
        let forced: Fr = (0..k).map(|j| constants.response[k - j - 1] * powers[j]).sum();
        inputs.push(linear + forced);
        powers.push(power(linear + forced));
    }
    let window = |values: &[Fr], t: usize| -> Row { std::array::from_fn(|i| values[t + i]) };
    let tail = |values: &[Fr], t: usize| -> [Fr; WIDTH - 1] { std::array::from_fn(|i| values[t + 1 + i]) };
    for t in 0..poseidon::PARTIAL_ROUNDS - WIDTH {
        let (row, column) = (4 + (t + 1) / 8, (t + 1) % 8);
        let linear = Fr::sum_of_products(&constants.linear, &tail(&inputs, t));
        let value = linear + Fr::sum_of_products(&constants.powers, &window(&powers, t)) + constants.rows[row][column];
        inputs.push(value);
        powers.push(power(value));
    }
    for (t, input) in inputs.iter().enumerate() {
        // the first four are in the row that the partial rounds are entered from
        cells[3 + (t + 4) / 8][INPUTS[(t + 4) % 8]] = *input;
    }

    let last = poseidon::PARTIAL_ROUNDS - WIDTH;
    let (linear, five) = (tail(&inputs, last), window(&powers, last));
    x = std::array::from_fn(|i| {
        Fr::sum_of_products(&constants.leave_linear[i], &linear)
            + Fr::sum_of_products(&constants.leave_powers[i], &five)
            + constants.rows[11][i]
    });
    for row in 12..ROWS {
        put(&mut cells[row - 1], &x);
        x = full_round(&x, row);
    }
    (cells, x)
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
        let (full, partial) = inputs(&state);
        for (row, expected) in [(0, 1), (1, 2), (2, 3), (11, 4), (12, 5), (13, 6), (14, 7)] {
            assert_eq!(STATE.map(|column| cells[row][column]), full[expected]);
        }
        for (t, expected) in partial.iter().enumerate() {
            assert_eq!(cells[3 + (t + 4) / 8][INPUTS[(t + 4) % 8]], *expected, "round {t}");
        }
    }
}
