//! The gate set, written once: what every row must satisfy, generic over the scalars that it is computed with.
//!
//! `w_i` is advice column `i` in the row and `n_i` in the next row; `q_i` is fixed column `i`, and `s` and `t` are the
//! fixed columns 8 and 9, which choose the kind of row. Columns 0 to 5 take part in the copy constraints. Capitals are
//! constants of Poseidon ([`hash::Constants`]).
//!
//! A row's kind, with its `(s, t)`, its selector (a multiple of the indicator of these two values among the eight) and
//! its equations, numbered by slot:
//!
//! * [`Kind::Sum`], (0, 0), `(s-1)(s-2)(s-3+3t) - 3t(t-1)`: slot 0:
//!   `q0·w0·w1 + q1·w2·w3 + q2·w4·w5 + q3·w0·w1·w2·w3 + q4·w4 + q5·w5 + q6·w6 + q7·n6 - PI`.
//! * [`Kind::Full`], (1, 0), `s(s-2)(s-3+2t)`; with `v = (w6, w0, w1, w2, w3)`, and `v'` the same of the next row: slot
//!   `i`, 0 to 4: `Σ_j M_ij v_j^5 + q_i - v'_i`.
//! * [`Kind::Absorb`], (2, 0), `s(s-1)(s-3+t)`: the same with `v = (w6 + q5, w0 + w4 + F_1, w1 + w5 + F_2, w2 + n4 +
//!   F_3, w3 + n5 + F_4)`.
//! * [`Kind::Pair`], (3, 0), `s(s-1)(s-2)`: slot 0: `q0·w0·w1 + q1·w0 + q2·w1 + q3 - w2`; slot 1: `q4·w3·w4 + q5·w3 +
//!   q6·w4 + q7 - w5`.
//! * [`Kind::Enter`], (0, 1), `t((s-1)(s-2) + 2-2t)`; with `x` the row's inputs and the next row's, each in the order
//!   of columns 0, 1, 2, 3, 6, 4, 5, 7: slot `k`, 0 to 3: `Σ_(i=0..3) E_ki w_i + Σ_(j=0..k) R_(k-j) x_(4+j)^5 -
//!   x_(5+k)`.
//! * [`Kind::Partial`], (1, 1), `t·s(2-s)`: slot 0: `Σ_(i=1..4) A_i x_(3+i) + Σ_(i=0..4) B_i x_(3+i)^5 + q0 - x_8`.
//! * `Enter` and `Partial` together, `t(4-s-2t)`: slot `3 + j`, `j` from 1 to 7:
//!   `Σ_(i=1..4) A_i x_(3+j+i) + Σ_(i=0..4) B_i x_(3+j+i)^5 + q_j - x_(8+j)`.
//! * [`Kind::Leave`], (2, 1), `t·s(s-1)`: slot `i`, 0 to 4: `Σ_(j=1..4) L_ij x_(3+j) + Σ_(j=0..4) P_ij x_(3+j)^5 + q_i
//!   - v'_i`.
//! * [`Kind::Round`], (0, 2), `t(t-1)`: slot 0: `w1·w7 - 1`; slot 1: `g(w5) - n6`, where `g` has degree 4, leading
//!   coefficient `w4`, `g(0) = w0`, `g(-1) = w2`, `g(2) = w3` and `g(1) = (w6 - (1-w1)·w0)·w7`: `w6` is the claim, `w1`
//!   the coordinate `r`, `w7` its inverse, `w5` the challenge.
//!
//! One kind is on in a row, so equations of different kinds share a slot: a slot is the sum over kinds of selector
//! times equation, and has degree at most [`DEGREE`] in the columns. Where all fixed columns are 0 the row is a `Sum`
//! that says nothing.

use super::hash::{self, INPUTS, STATE};
use crate::Fr;
use crate::poseidon::WIDTH;
use crate::scalar::{Scalar, int};
use crate::verifier::sumcheck::quartic_at;

/// Advice columns.
pub const ADVICE: usize = 8;
/// The first of them, which take part in the copy constraints.
pub const WIRES: usize = 6;
/// Fixed columns that are constants of the row.
pub const CONSTANTS: usize = 8;
/// Fixed columns: constants and the two that choose the kind.
pub const FIXED: usize = CONSTANTS + 2;
/// Slots.
pub const CONSTRAINTS: usize = 11;
/// The largest degree of a slot in the columns.
pub const DEGREE: usize = 8;

/// What a row does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// A sum of products, and a product of four; the sum may go on from row to row in column 6.
    Sum,
    /// A full round of Poseidon.
    Full,
    /// A full round of Poseidon that adds a message first.
    Absorb,
    /// Two bilinear functions of two variables each.
    Pair,
    /// The first four partial rounds of Poseidon.
    Enter,
    /// Eight partial rounds of Poseidon.
    Partial,
    /// The linear part of the last partial rounds.
    Leave,
    /// A sumcheck round of the lookup argument.
    Round,
}

impl Kind {
    /// All kinds.
    pub const ALL: [Self; 8] =
        [Self::Sum, Self::Full, Self::Absorb, Self::Pair, Self::Enter, Self::Partial, Self::Leave, Self::Round];

    /// `s` and `t`.
    pub fn code(self) -> [Fr; 2] {
        let (s, t) = match self {
            Self::Sum => (0, 0),
            Self::Full => (1, 0),
            Self::Absorb => (2, 0),
            Self::Pair => (3, 0),
            Self::Enter => (0, 1),
            Self::Partial => (1, 1),
            Self::Leave => (2, 1),
            Self::Round => (0, 2),
        };
        [int(s), int(t)]
    }
}

/// Multiples of the kinds' indicators, each nonzero at its own code and zero at all others; the last is that of both
/// kinds with a recurrence. Degree 2 for that one and `Round`, 3 for all others.
struct Selectors<S> {
    sum: S,
    full: S,
    absorb: S,
    pair: S,
    enter: S,
    partial: S,
    leave: S,
    round: S,
    recurrence: S,
}

impl<S: Scalar> Selectors<S> {
    fn new(s: &S, t: &S) -> Self {
        let plus = |x: &S, k: i64| x.clone() + S::constant(int(k));
        let (s1, s2, s3, t1) = (plus(s, -1), plus(s, -2), plus(s, -3), plus(t, -1));
        let (ss1, ss2, s1s2) = (s.clone() * &s1, s.clone() * &s2, s1 * &s2);
        let round = t.clone() * &t1;
        Self {
            sum: s1s2.clone() * (s3.clone() + t.times(int(3))) - round.times(int(3)),
            full: ss2.clone() * (s3.clone() + t.times(int(2))),
            absorb: ss1.clone() * (s3 + t),
            pair: ss1.clone() * s2,
            enter: (s1s2 - t1.times(int(2))) * t,
            partial: -(ss2 * t),
            leave: ss1 * t,
            recurrence: t.clone() * (S::constant(int(4)) - s - t.times(int(2))),
            round,
        }
    }
}

fn fifth<S: Scalar>(x: &S) -> S {
    x.square().square() * x
}

fn sum<S: Scalar>(terms: impl IntoIterator<Item = S>) -> S {
    terms.into_iter().reduce(|a, b| a + b).unwrap_or_else(S::zero)
}

fn dot<'a, S: Scalar + 'a>(constants: &[Fr], values: impl IntoIterator<Item = &'a S>) -> S {
    S::dot(constants, &values.into_iter().collect::<Vec<_>>())
}

/// The slots of a row, all zero where it is valid: from its advice values, those of the next row, its fixed values and
/// its value of `PI`.
pub fn constraints<S: Scalar>(w: &[S; ADVICE], n: &[S; ADVICE], fixed: &[S; FIXED], public: &S) -> [S; CONSTRAINTS] {
    let [q @ .., s, t] = fixed;
    let selectors = Selectors::new(s, t);
    let mut slots: [S; CONSTRAINTS] = std::array::from_fn(|_| S::zero());
    let mut add = |slot: usize, selector: &S, value: S| slots[slot] = slots[slot].clone() + value * selector;

    add(0, &selectors.sum, sum_row(w, n, q) - public);
    for (slot, value) in pair_row(w, q).into_iter().enumerate() {
        add(slot, &selectors.pair, value);
    }
    // every input of an S-box, with its fifth power
    let inputs: [(S, S); 2 * ADVICE] = std::array::from_fn(|i| {
        let x = if i < ADVICE { &w[INPUTS[i]] } else { &n[INPUTS[i - ADVICE]] };
        (x.clone(), fifth(x))
    });
    let [first, second, third, fourth, zeroth, ..] = &inputs;
    let plain = [zeroth, first, second, third, fourth].map(|(_, power)| power.clone());
    for (slot, value) in full_round(&plain, n, q).into_iter().enumerate() {
        add(slot, &selectors.full, value);
    }
    let absorbed = absorbed(w, n, q).map(|x| fifth(&x));
    for (slot, value) in full_round(&absorbed, n, q).into_iter().enumerate() {
        add(slot, &selectors.absorb, value);
    }
    for (slot, value) in enter_row(w, &inputs[4..]).into_iter().enumerate() {
        add(slot, &selectors.enter, value);
    }
    for (j, constant) in q.iter().enumerate() {
        let selector = if j == 0 { &selectors.partial } else { &selectors.recurrence };
        let slot = if j == 0 { 0 } else { 3 + j };
        add(slot, selector, recurrence(&inputs[3 + j..]) + constant - &inputs[ADVICE + j].0);
    }
    for (slot, value) in leave_row(&inputs[3..ADVICE], n, q).into_iter().enumerate() {
        add(slot, &selectors.leave, value);
    }
    for (slot, value) in round_row(w, n).into_iter().enumerate() {
        add(slot, &selectors.round, value);
    }
    slots
}

/// The slots' sum with weights, for whoever computes it at many points: what is linear in a row of Poseidon is one sum
/// of products for all of its slots, with coefficients that are made once.
pub struct Weighted {
    weights: [Fr; CONSTRAINTS],
    /// Of `v_j^5`: `Σ_i weight_i M_ij`.
    full: [Fr; WIDTH],
    /// Of `w_0` to `w_3`, and of inputs.
    enter: (Vec<Fr>, Inputs),
    /// Slot 0 of a partial row.
    partial: Inputs,
    /// The slots that rows which enter the partial rounds and partial rows have in common.
    recurrence: Inputs,
    leave: Inputs,
}

/// Coefficients of the S-boxes' inputs in a row and the next: of the fifth powers from `x_first` on, of the inputs
/// themselves from the one after on.
struct Inputs {
    first: usize,
    linear: Vec<Fr>,
    powers: Vec<Fr>,
}

impl Inputs {
    /// None yet, with room as far as `x_last`.
    fn new(first: usize, last: usize) -> Self {
        let none = vec![Fr::from(0u64); last - first];
        Self { first, linear: none.clone(), powers: none }
    }

    /// Adds the multiple of `Σ linear_i x_(at + i)`.
    fn add_linear(&mut self, weight: Fr, at: usize, linear: &[Fr]) {
        self.linear[at - self.first - 1..].iter_mut().zip(linear).for_each(|(sum, c)| *sum += weight * c);
    }

    /// Adds the multiple of `Σ powers_i x_(at + i)^5`.
    fn add_powers(&mut self, weight: Fr, at: usize, powers: &[Fr]) {
        self.powers[at - self.first..].iter_mut().zip(powers).for_each(|(sum, c)| *sum += weight * c);
    }

    fn value<S: Scalar>(&self, inputs: &[(S, S)]) -> S {
        let inputs = &inputs[self.first..];
        dot(&self.linear, inputs[1..].iter().map(|x| &x.0)) + dot(&self.powers, inputs.iter().map(|x| &x.1))
    }
}

impl Weighted {
    /// For these weights of the slots.
    pub fn new(weights: [Fr; CONSTRAINTS]) -> Self {
        let constants = hash::constants();
        let one = [Fr::from(1u64)];
        let columns = |matrix: &[[Fr; WIDTH]]| -> [Fr; WIDTH] {
            std::array::from_fn(|j| matrix.iter().zip(&weights).map(|(row, weight)| row[j] * weight).sum())
        };
        let (mut own, mut enter) = (vec![Fr::from(0u64); WIDTH - 1], Inputs::new(4, 8));
        for (k, weight) in weights.iter().take(WIDTH - 1).enumerate() {
            own.iter_mut().zip(&constants.enter[k]).for_each(|(sum, c)| *sum += *weight * c);
            let response: Vec<Fr> = constants.response[..=k].iter().rev().copied().collect();
            enter.add_powers(*weight, 4, &response);
            enter.add_linear(-*weight, 5 + k, &one);
        }
        // slot j of a recurrence, which begins at x_(3 + j)
        let step = |inputs: &mut Inputs, weight: Fr, j: usize| {
            inputs.add_linear(weight, 4 + j, &constants.linear);
            inputs.add_powers(weight, 3 + j, &constants.powers);
            inputs.add_linear(-weight, 8 + j, &one);
        };
        let (mut partial, mut recurrence, mut leave) =
            (Inputs::new(3, 8), Inputs::new(4, 2 * ADVICE - 1), Inputs::new(3, 8));
        step(&mut partial, weights[0], 0);
        (1..CONSTANTS).for_each(|j| step(&mut recurrence, weights[3 + j], j));
        for (i, weight) in weights.iter().take(WIDTH).enumerate() {
            leave.add_linear(*weight, 4, &constants.leave_linear[i]);
            leave.add_powers(*weight, 3, &constants.leave_powers[i]);
        }
        Self { weights, full: columns(&constants.matrix), enter: (own, enter), partial, recurrence, leave }
    }

    /// `Σ weights_i · slot_i` of [`constraints`].
    pub fn value<S: Scalar>(&self, w: &[S; ADVICE], n: &[S; ADVICE], fixed: &[S; FIXED], public: &S) -> S {
        let [q @ .., s, t] = fixed;
        let selectors = Selectors::new(s, t);
        let inputs: [(S, S); 2 * ADVICE] = std::array::from_fn(|i| {
            let x = if i < ADVICE { &w[INPUTS[i]] } else { &n[INPUTS[i - ADVICE]] };
            (x.clone(), fifth(x))
        });
        let [first, second, third, fourth, zeroth, ..] = &inputs;
        let plain = [zeroth, first, second, third, fourth].map(|(_, power)| power);
        let absorbed = absorbed(w, n, q).map(|x| fifth(&x));
        let weigh = |values: &[S]| dot(&self.weights, values);
        // what rows that end with a state have in common
        let after: [S; WIDTH] = std::array::from_fn(|i| q[i].clone() - &n[STATE[i]]);
        let after = weigh(&after);
        let terms = [
            ((sum_row(w, n, q) - public).times(self.weights[0]), selectors.sum),
            (weigh(&pair_row(w, q)), selectors.pair),
            (dot(&self.full, plain) + &after, selectors.full),
            (dot(&self.full, &absorbed) + &after, selectors.absorb),
            (dot(&self.enter.0, w) + self.enter.1.value(&inputs), selectors.enter),
            (self.partial.value(&inputs) + q[0].times(self.weights[0]), selectors.partial),
            (self.recurrence.value(&inputs) + dot(&self.weights[4..], &q[1..]), selectors.recurrence),
            (self.leave.value(&inputs) + after, selectors.leave),
            (weigh(&round_row(w, n)), selectors.round),
        ];
        sum(terms.into_iter().map(|(value, selector)| value * selector))
    }
}

/// What the terms of a `Sum` add up to, `PI` apart.
fn sum_row<S: Scalar>(w: &[S; ADVICE], n: &[S; ADVICE], q: &[S]) -> S {
    let [w0, w1, w2, w3, w4, w5, w6, _] = w;
    let (low, high) = (w0.clone() * w1, w2.clone() * w3);
    let terms = [&low, &high, &(w4.clone() * w5), &(low.clone() * &high), w4, w5, w6, &n[6]];
    sum(terms.into_iter().zip(q).map(|(term, q)| term.clone() * q))
}

fn pair_row<S: Scalar>(w: &[S; ADVICE], q: &[S]) -> [S; 2] {
    [0, 1].map(|half| {
        let (a, b, out) = (&w[3 * half], &w[3 * half + 1], &w[3 * half + 2]);
        let q = &q[4 * half..];
        (a.clone() * &q[0] + &q[2]) * b + a.clone() * &q[1] + &q[3] - out
    })
}

/// The state with its message and the first round's constants.
fn absorbed<S: Scalar>(w: &[S; ADVICE], n: &[S; ADVICE], q: &[S]) -> [S; WIDTH] {
    let added = [&q[5], &w[4], &w[5], &n[4], &n[5]];
    let first = &hash::constants().first;
    std::array::from_fn(|i| {
        let value = w[STATE[i]].clone() + added[i];
        if i == 0 { value } else { value + S::constant(first[i]) }
    })
}

/// From the fifth powers of the state.
fn full_round<S: Scalar>(powers: &[S; WIDTH], n: &[S; ADVICE], q: &[S]) -> [S; WIDTH] {
    std::array::from_fn(|i| dot(&hash::constants().matrix[i], powers) + &q[i] - &n[STATE[i]])
}

/// `inputs` are `x_0 …` with their fifth powers.
fn enter_row<S: Scalar>(w: &[S; ADVICE], inputs: &[(S, S)]) -> [S; WIDTH - 1] {
    let constants = hash::constants();
    std::array::from_fn(|k| {
        let forced = sum((0..=k).map(|j| inputs[j].1.times(constants.response[k - j])));
        dot(&constants.enter[k], &w[..WIDTH - 1]) + forced - &inputs[k + 1].0
    })
}

fn recurrence<S: Scalar>(inputs: &[(S, S)]) -> S {
    let constants = hash::constants();
    dot(&constants.linear, inputs[1..].iter().map(|x| &x.0)) + dot(&constants.powers, inputs.iter().map(|x| &x.1))
}

fn leave_row<S: Scalar>(inputs: &[(S, S)], n: &[S; ADVICE], q: &[S]) -> [S; WIDTH] {
    let constants = hash::constants();
    std::array::from_fn(|i| {
        let linear = dot(&constants.leave_linear[i], inputs[1..].iter().map(|x| &x.0));
        linear + dot(&constants.leave_powers[i], inputs.iter().map(|x| &x.1)) + &q[i] - &n[STATE[i]]
    })
}

fn round_row<S: Scalar>(w: &[S; ADVICE], n: &[S; ADVICE]) -> [S; 2] {
    let [at_zero, r, minus_one, two, leading, x, claim, inverse] = w;
    let at_one = (claim.clone() - (S::one() - r) * at_zero) * inverse;
    [r.clone() * inverse - S::one(), quartic_at([at_zero, minus_one, two, leading], &at_one, x) - &n[6]]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sample::Random;
    use ark_ff::{AdditiveGroup, Field};

    type Cells = [Fr; ADVICE];

    fn random<const N: usize>(random: &mut Random) -> [Fr; N] {
        std::array::from_fn(|_| Field::square(&Fr::from(random.bits())) + Fr::from(random.bits()))
    }

    fn fixed(kind: Kind, constants: [Fr; CONSTANTS]) -> [Fr; FIXED] {
        let mut all = [Fr::ZERO; FIXED];
        all[..CONSTANTS].copy_from_slice(&constants);
        all[CONSTANTS..].copy_from_slice(&kind.code());
        all
    }

    fn valid(w: &Cells, n: &Cells, fixed: &[Fr; FIXED]) -> bool {
        constraints(w, n, fixed, &Fr::ZERO).iter().all(|slot| *slot == Fr::ZERO)
    }

    /// The cells that a kind of row looks at: of its own, of the next row.
    fn cells(kind: Kind) -> (Vec<usize>, Vec<usize>) {
        let (state, all) = (STATE.to_vec(), (0..8).collect::<Vec<_>>());
        match kind {
            Kind::Sum => ((0..7).collect(), vec![6]),
            Kind::Full => (state.clone(), state),
            Kind::Absorb => ((0..7).collect(), (0..7).collect()),
            Kind::Pair => ((0..6).collect(), Vec::new()),
            Kind::Enter => (all.clone(), all),
            Kind::Partial => (INPUTS[3..].to_vec(), all),
            Kind::Leave => (INPUTS[3..].to_vec(), state),
            Kind::Round => (all, vec![6]),
        }
    }

    /// Valid rows of a kind, with random values where they are free.
    fn rows(kind: Kind, rng: &mut Random) -> (Cells, Cells, [Fr; FIXED]) {
        let (mut w, mut n, mut q): (Cells, Cells, [Fr; CONSTANTS]) = (random(rng), random(rng), random(rng));
        // what is missing from a slot of this kind
        let missing = |w: &Cells, n: &Cells, q: &[Fr; CONSTANTS]| match kind {
            Kind::Sum => vec![sum_row(w, n, q)],
            Kind::Pair => pair_row(w, q).to_vec(),
            Kind::Round => round_row(w, n).to_vec(),
            _ => Vec::new(),
        };
        match kind {
            Kind::Sum => {
                q[7] = -Fr::ONE;
                n[6] += missing(&w, &n, &q)[0];
            }
            Kind::Pair => {
                let left = missing(&w, &n, &q);
                (w[2], w[5]) = (w[2] + left[0], w[5] + left[1]);
            }
            Kind::Round => {
                w[7] = Field::inverse(&w[1]).unwrap();
                n[6] += missing(&w, &n, &q)[1];
            }
            _ => {
                let (message, state, capacity): ([Fr; WIDTH], [Fr; WIDTH], Fr) =
                    (random(rng), random(rng), random::<1>(rng)[0]);
                let sum = std::array::from_fn(|i| state[i] + if i == 0 { capacity } else { message[i] });
                let (cells, result) = hash::cells(&sum);
                let at = hash::constants().rows(capacity).iter().rposition(|(k, _)| *k == kind).unwrap();
                q = hash::constants().rows(capacity)[at].1;
                (0..WIDTH).for_each(|i| w[STATE[i]] = state[i]);
                if at > 0 {
                    w = cells[at - 1];
                } else {
                    [w[4], w[5]] = [message[1], message[2]];
                }
                match cells.get(at) {
                    Some(next) => n = *next,
                    None => (0..WIDTH).for_each(|i| n[STATE[i]] = result[i]),
                }
                if at == 0 {
                    [n[4], n[5]] = [message[3], message[4]];
                }
            }
        }
        (w, n, fixed(kind, q))
    }

    /// Valid rows are valid; a change of any cell that the kind looks at is seen, a change of any other is not.
    #[test]
    fn every_cell_of_every_gate_counts() {
        let mut rng = Random::new(1);
        for kind in Kind::ALL {
            for _ in 0..8 {
                let (w, n, fixed) = rows(kind, &mut rng);
                assert!(valid(&w, &n, &fixed), "{kind:?}");
                let (own, next) = cells(kind);
                for cell in 0..ADVICE {
                    let change = random::<1>(&mut rng)[0];
                    let (mut other_w, mut other_n) = (w, n);
                    other_w[cell] += change;
                    other_n[cell] += change;
                    assert_eq!(valid(&other_w, &n, &fixed), !own.contains(&cell), "{kind:?} cell {cell}");
                    assert_eq!(valid(&w, &other_n, &fixed), !next.contains(&cell), "{kind:?} next cell {cell}");
                }
            }
        }
    }

    /// With random weights, and with one alone, in rows of every kind and in random ones.
    #[test]
    fn weighted_slots_are_the_slots_with_weights() {
        let mut rng = Random::new(4);
        for kind in Kind::ALL.into_iter().map(Some).chain([None; 4]) {
            let (w, n, public): (Cells, Cells, Fr) = (random(&mut rng), random(&mut rng), random::<1>(&mut rng)[0]);
            let fixed = match kind {
                Some(kind) => fixed(kind, random(&mut rng)),
                None => random(&mut rng),
            };
            let slots = constraints(&w, &n, &fixed, &public);
            let alone = (0..CONSTRAINTS).map(|slot| std::array::from_fn(|i| Fr::from(u64::from(i == slot))));
            for weights in alone.chain([random(&mut rng)]) {
                let expected: Fr = slots.iter().zip(&weights).map(|(slot, weight)| *slot * weight).sum();
                assert_eq!(Weighted::new(weights).value(&w, &n, &fixed, &public), expected, "{kind:?}");
            }
        }
    }

    #[test]
    fn one_kind_is_on_at_a_time() {
        for kind in Kind::ALL {
            let [s, t] = kind.code();
            let all = Selectors::new(&s, &t);
            let by_kind = [all.sum, all.full, all.absorb, all.pair, all.enter, all.partial, all.leave, all.round];
            for (other, selector) in Kind::ALL.iter().zip(by_kind) {
                assert_eq!(selector != Fr::ZERO, *other == kind, "{other:?} at {kind:?}");
            }
            assert_eq!(all.recurrence != Fr::ZERO, [Kind::Enter, Kind::Partial].contains(&kind), "{kind:?}");
        }
    }

    #[test]
    fn empty_rows_say_nothing_but_the_public_input() {
        let mut rng = Random::new(2);
        let (w, n) = (random(&mut rng), random(&mut rng));
        assert!(valid(&w, &n, &[Fr::ZERO; FIXED]));
        let mut constants = [Fr::ZERO; CONSTANTS];
        constants[4] = Fr::ONE;
        let input = fixed(Kind::Sum, constants);
        assert!(constraints(&w, &n, &input, &w[4]).iter().all(|slot| *slot == Fr::ZERO));
        assert!(!valid(&w, &n, &input));
    }

    /// On a random line the slots are polynomials: differences one order above the degree vanish, those of its own
    /// order do not for all slots.
    #[test]
    fn slots_have_the_degree_that_the_quotient_is_made_for() {
        let mut rng = Random::new(3);
        let line: [[Fr; 2 * ADVICE + FIXED]; 2] = [random(&mut rng), random(&mut rng)];
        let at = |x: u64| {
            let values: [Fr; 2 * ADVICE + FIXED] = std::array::from_fn(|i| line[0][i] + line[1][i] * Fr::from(x));
            let (advice, fixed) = values.split_at(2 * ADVICE);
            let row = |cells: &[Fr]| std::array::from_fn(|i| cells[i]);
            constraints(&row(&advice[..ADVICE]), &row(&advice[ADVICE..]), &std::array::from_fn(|i| fixed[i]), &Fr::ZERO)
        };
        let difference = |order: usize| {
            let mut values: Vec<[Fr; CONSTRAINTS]> = (0..=order as u64).map(at).collect();
            while values.len() > 1 {
                values = values.windows(2).map(|v| std::array::from_fn(|i| v[1][i] - v[0][i])).collect();
            }
            values[0]
        };
        assert!(difference(DEGREE + 1).iter().all(|slot| *slot == Fr::ZERO));
        assert!(difference(DEGREE).iter().any(|slot| *slot != Fr::ZERO));
    }
}
