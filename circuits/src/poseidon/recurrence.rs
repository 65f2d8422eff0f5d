//! The partial rounds as a recurrence of the inputs of their S-boxes.
//!
//! Let `x_t` be such an input, `y_t = x_t^5`, `M` the round's matrix and `N` the same with its first column 0. A
//! partial round takes the state `s` to `N·s + y·M e_0`, plus constants, and `x` is its first element. So, by Cayley
//! and Hamilton on `N`, whose characteristic polynomial is `λ^5 - Σ a_i λ^i`, `i` from 1 to 4,
//!
//! `x_(t+5) = Σ_(i=1..4) a_i x_(t+i) + Σ_(i=0..4) b_i y_(t+i) + k_t`,
//!
//! in which only `k_t` depends on the round. The state that the partial rounds are entered with is moved by a constant,
//! so that its five first inputs need none; the last five inputs give the state that leaves.

use super::{
    FULL_ROUNDS, PARTIAL, PARTIAL_ROUNDS, Row, Square, WIDTH, apply, identity, invert, multiply, parameters, power,
};
use crate::Fr;
use ark_ff::AdditiveGroup;
use std::sync::OnceLock;

/// Full rounds before the partial ones, and after them.
pub(crate) const HALF: usize = FULL_ROUNDS / 2;

/// Partial rounds whose inputs the recurrence gives: all but the first five.
pub(crate) const STEPS: usize = PARTIAL_ROUNDS - WIDTH;

/// Values that a step is made of.
pub(crate) const WINDOW: usize = 2 * WIDTH - 1;

/// The constants. A state is that of the S-boxes' inputs, round constants included.
pub(crate) struct Recurrence {
    /// Added after the matrix of full rounds 0, 1, 2 and of the first three after the partial ones.
    pub(crate) full: [Row; FULL_ROUNDS - 2],
    /// Added after the matrix of the last full round before the partial ones; it gives the moved state.
    pub(crate) entering: Row,
    /// Of the moved state `s`: `x_0 = s_0`, `x_k = Σ_(i=1..4) enter[k-1][i-1] s_i + Σ_(j<k) response[k-j-1] y_j`, `k`
    /// from 1 to 4.
    pub(crate) enter: [[Fr; WIDTH - 1]; WIDTH - 1],
    /// See `enter`.
    pub(crate) response: [Fr; WIDTH - 1],
    /// `b_0, a_1, b_1, …, a_4, b_4`: the factors of `y_t, x_(t+1), y_(t+1), …`.
    pub(crate) step: [Fr; WINDOW],
    /// `k_t`.
    pub(crate) steps: [Fr; STEPS],
    /// Of the state after the partial rounds, the factors of the last five inputs' powers and the last four inputs, in
    /// the order of `step`.
    pub(crate) leave: [[Fr; WINDOW]; WIDTH],
    /// Of the same, the constants.
    pub(crate) leaving: Row,
}

/// The S-box inputs of all rounds: full ones (four each side), and the partial ones.
pub(crate) fn inputs(state: &Row) -> (Vec<Row>, Vec<Fr>) {
    let parameters = parameters();
    let (mut full, mut partial) = (Vec::new(), Vec::new());
    let mut state = *state;
    for (round, constants) in parameters.round_constants.iter().enumerate() {
        state.iter_mut().zip(constants).for_each(|(value, constant)| *value += constant);
        if PARTIAL.contains(&round) {
            partial.push(state[0]);
            state[0] = power(state[0]);
        } else {
            full.push(state);
            state = state.map(power);
        }
        state = apply(&parameters.matrix, &state);
    }
    (full, partial)
}

/// What depends on the round is read off one permutation, since all is affine in the constants.
pub(crate) fn recurrence() -> &'static Recurrence {
    static RECURRENCE: OnceLock<Recurrence> = OnceLock::new();
    RECURRENCE.get_or_init(|| {
        let matrix = parameters().matrix;
        let mut without = matrix;
        without.iter_mut().for_each(|row| row[0] = Fr::ZERO);
        let unit = identity()[0];
        let transposed = |m: &Square| -> Square { std::array::from_fn(|i| std::array::from_fn(|j| m[j][i])) };
        // rows e_0ᵀ·N^k and columns N^k·M·e_0
        let follow = |first: Row, by: &Square| {
            std::iter::successors(Some(first), |v| Some(apply(by, v))).take(6).collect::<Vec<_>>()
        };
        let observed = follow(unit, &transposed(&without));
        let driven = follow(apply(&matrix, &unit), &without);
        let response: Row = std::array::from_fn(|k| driven[k][0]);

        // a: e_0ᵀ·N^5 in the basis of the lower powers
        let observe: Square = std::array::from_fn(|k| observed[k]);
        let state_of = invert(&observe);
        let a = apply(&transposed(&state_of), &observed[5]);
        let b: Row =
            std::array::from_fn(|j| response[4 - j] - (j + 1..WIDTH).map(|i| a[i] * response[i - j - 1]).sum::<Fr>());

        // five inputs, without what their predecessors' powers have added, determine the state at the first of them
        let unforced = |x: &[Fr]| -> Row {
            std::array::from_fn(|k| x[k] - (0..k).map(|j| response[k - j - 1] * power(x[j])).sum::<Fr>())
        };
        let fifth = (0..WIDTH).fold(identity(), |product, _| multiply(&product, &without));
        let leave = multiply(&fifth, &state_of);
        let leave_powers: Square = std::array::from_fn(|i| {
            std::array::from_fn(|j| {
                driven[4 - j][i] - (j + 1..WIDTH).map(|k| leave[i][k] * response[k - j - 1]).sum::<Fr>()
            })
        });
        let left = |x: &[Fr]| -> Row {
            let powers = std::array::from_fn(|j| power(x[j]));
            let (linear, powers) = (apply(&leave, &std::array::from_fn(|j| x[j])), apply(&leave_powers, &powers));
            std::array::from_fn(|i| linear[i] + powers[i])
        };

        let (full, partial) = inputs(&[Fr::ZERO; WIDTH]);
        let after = |x: &Row| apply(&matrix, &x.map(power));
        let minus = |a: Row, b: Row| -> Row { std::array::from_fn(|i| a[i] - b[i]) };
        let step = |t: usize| {
            let linear: Fr = (1..WIDTH).map(|i| a[i] * partial[t + i]).sum();
            let powers: Fr = (0..WIDTH).map(|i| b[i] * power(partial[t + i])).sum();
            partial[t + WIDTH] - linear - powers
        };
        // the first input's factor is 0
        let window = |linear: &Row, powers: &Row| {
            std::array::from_fn(|i| if i % 2 == 0 { powers[i / 2] } else { linear[i / 2 + 1] })
        };
        Recurrence {
            full: std::array::from_fn(|i| {
                let round = if i < HALF - 1 { i } else { i + 1 };
                minus(full[round + 1], after(&full[round]))
            }),
            entering: minus(apply(&state_of, &unforced(&partial)), after(&full[HALF - 1])),
            enter: std::array::from_fn(|k| std::array::from_fn(|i| observed[k + 1][i + 1])),
            response: std::array::from_fn(|k| response[k]),
            step: window(&a, &b),
            steps: std::array::from_fn(step),
            leave: std::array::from_fn(|i| window(&leave[i], &leave_powers[i])),
            leaving: minus(full[HALF], left(&partial[STEPS..])),
        }
    })
}
