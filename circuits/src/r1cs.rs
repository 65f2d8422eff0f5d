//! The two kinds of R1CS variable that the verifier runs on.
//!
//! [`Symbol`] writes down the constraints of what it is asked to compute, once per shape. [`Value`] computes the same
//! and records the value of every variable that [`Symbol`] allocates, in the same order, once per proof. They agree
//! because both follow one rule: a product of two non-constants, an inverse and [`Scalar::seal`] allocate one variable
//! each, nothing else does.
//!
//! For a machine that has more than products ([`crate::plonk`]) both can keep permutations and sumcheck rounds whole
//! ([`Gate`]): then these allocate their outputs and nothing else, and sums are arranged for what they cost there.

use crate::Fr;
use crate::poseidon::{self, WIDTH};
use crate::scalar::{self, Check, Scalar, VerifyError};
use crate::verifier::lookup;
use ark_ff::{AdditiveGroup, Field};
use std::cell::RefCell;
use std::ops::{Add, Mul, Neg, Sub};
use std::rc::Rc;

/// A linear combination: `(variable, coefficient)` by ascending variable; variable 0 is the constant one.
pub type LinearCombination = Vec<(u32, Fr)>;

/// The rank-1 constraints `⟨a, z⟩·⟨b, z⟩ = ⟨c, z⟩`.
#[derive(Clone, Debug, Default)]
pub struct Constraints {
    /// Number of public inputs, the constant one included: variables `0..public`.
    pub public: usize,
    /// Number of all variables.
    pub variables: usize,
    /// Left factors.
    pub a: Vec<LinearCombination>,
    /// Right factors.
    pub b: Vec<LinearCombination>,
    /// Products.
    pub c: Vec<LinearCombination>,
    /// What is kept whole, in the order of use; none unless the system was made for it.
    pub gates: Vec<Gate>,
    /// Whether [`Gate`]s are kept whole.
    whole: bool,
}

/// A part of the verifier that a machine with more than products has rows for.
#[derive(Clone, Debug)]
pub enum Gate {
    /// `output = permute(input)`.
    Permutation {
        /// The state before.
        input: [LinearCombination; WIDTH],
        /// The state after.
        output: [u32; WIDTH],
    },
    /// `output` is [`crate::verifier::lookup::quartic_round`] of the rest.
    Round {
        /// `claim`, the four messages, `r`, `x`.
        input: [LinearCombination; 7],
        /// `g(x)`.
        output: u32,
    },
}

impl Constraints {
    fn allocate(&mut self) -> u32 {
        self.variables += 1;
        (self.variables - 1) as u32
    }

    fn push(&mut self, a: LinearCombination, b: LinearCombination, c: LinearCombination) {
        self.a.push(a);
        self.b.push(b);
        self.c.push(c);
    }

    /// Index of the first constraint that an assignment violates.
    pub fn first_violated(&self, assignment: &[Fr]) -> Option<usize> {
        let at =
            |lc: &LinearCombination| lc.iter().map(|(v, c)| assignment[*v as usize] * c).fold(Fr::ZERO, |a, b| a + b);
        (0..self.a.len()).find(|&i| at(&self.a[i]) * at(&self.b[i]) != at(&self.c[i]))
    }
}

/// Where [`Symbol`]s write their constraints.
#[derive(Clone)]
pub struct System(Rc<RefCell<Constraints>>);

impl System {
    /// A system with `public` public inputs after the constant one; they are its first variables.
    pub fn new(public: usize) -> (Self, Vec<Symbol>) {
        Self::of(Constraints { public: public + 1, variables: public + 1, ..Constraints::default() })
    }

    /// [`Self::new`] for a machine that has rows for [`Gate`]s: they are kept whole, and are no products.
    pub fn whole(public: usize) -> (Self, Vec<Symbol>) {
        Self::of(Constraints { public: public + 1, variables: public + 1, whole: true, ..Constraints::default() })
    }

    fn of(constraints: Constraints) -> (Self, Vec<Symbol>) {
        let public = constraints.public as u32;
        let system = Self(Rc::new(RefCell::new(constraints)));
        let inputs = (1..public).map(|v| system.variable(v)).collect();
        (system, inputs)
    }

    /// A new private variable.
    pub fn witness(&self) -> Symbol {
        let variable = self.0.borrow_mut().allocate();
        self.variable(variable)
    }

    /// The constraints written so far.
    pub fn into_constraints(self) -> Constraints {
        self.0.take()
    }

    fn variable(&self, variable: u32) -> Symbol {
        Symbol::Linear(self.clone(), vec![(variable, Fr::ONE)])
    }
}

/// [`Scalar::powers_sum`], two values at a time: a sum of two products is one row.
fn powers_sum_by_two<S: Scalar>(values: &[S], x: &S) -> S {
    let square = x.square();
    let step = |sum: S, pair: &[S]| {
        let odd = pair.get(1).map_or_else(S::zero, |value| value.clone() * x);
        (sum * &square + &pair[0] + odd).keep()
    };
    values.chunks(2).rev().fold(S::zero(), step) * x
}

/// A constant or a linear combination of variables.
#[derive(Clone)]
pub enum Symbol {
    /// A constant.
    Constant(Fr),
    /// A linear combination in a system.
    Linear(System, LinearCombination),
}

fn constant_combination(value: Fr) -> LinearCombination {
    if value == Fr::ZERO { Vec::new() } else { vec![(0, value)] }
}

fn merge(a: &[(u32, Fr)], b: &[(u32, Fr)], factor: Fr) -> LinearCombination {
    let mut out = Vec::with_capacity(a.len() + b.len());
    let (mut i, mut j) = (0, 0);
    while i < a.len() || j < b.len() {
        let next = match (a.get(i), b.get(j)) {
            (Some(x), Some(y)) if x.0 == y.0 => {
                (i, j) = (i + 1, j + 1);
                (x.0, x.1 + y.1 * factor)
            }
            (Some(x), y) if y.is_none_or(|y| x.0 < y.0) => {
                i += 1;
                *x
            }
            (_, Some(y)) => {
                j += 1;
                (y.0, y.1 * factor)
            }
            _ => break,
        };
        if next.1 != Fr::ZERO {
            out.push(next);
        }
    }
    out
}

impl Symbol {
    fn combination(&self) -> LinearCombination {
        match self {
            Self::Constant(value) => constant_combination(*value),
            Self::Linear(_, lc) => lc.clone(),
        }
    }

    fn system(&self) -> Option<&System> {
        match self {
            Self::Constant(_) => None,
            Self::Linear(system, _) => Some(system),
        }
    }

    /// `self + factor · other`.
    fn add_scaled(&self, other: &Self, factor: Fr) -> Self {
        match (self, other) {
            (Self::Constant(a), Self::Constant(b)) => Self::Constant(*a + *b * factor),
            _ => match self.system().or(other.system()) {
                Some(system) => Self::Linear(system.clone(), merge(&self.combination(), &other.combination(), factor)),
                None => self.clone(),
            },
        }
    }

    fn scaled(&self, factor: Fr) -> Self {
        match self {
            Self::Constant(value) => Self::Constant(*value * factor),
            Self::Linear(system, lc) if factor == Fr::ZERO => Self::Linear(system.clone(), lc[..0].to_vec()),
            Self::Linear(system, lc) => {
                Self::Linear(system.clone(), lc.iter().map(|(v, c)| (*v, *c * factor)).collect())
            }
        }
    }

    /// The system of any of these, if it keeps gates whole.
    fn whole<'a>(values: impl IntoIterator<Item = &'a Self>) -> Option<System> {
        let system = values.into_iter().find_map(Self::system)?;
        system.0.borrow().whole.then(|| system.clone())
    }

    fn multiply(&self, other: &Self) -> Self {
        match (self, other) {
            (_, Self::Constant(factor)) => self.scaled(*factor),
            (Self::Constant(factor), _) => other.scaled(*factor),
            (Self::Linear(system, a), Self::Linear(_, b)) => {
                let result = system.witness();
                system.0.borrow_mut().push(a.clone(), b.clone(), result.combination());
                result
            }
        }
    }
}

/// A constant or the value of a linear combination, with the tape of all variables.
#[derive(Clone)]
pub enum Value {
    /// A constant.
    Constant(Fr),
    /// A value that depends on variables.
    Assigned(Tape, Fr),
}

/// The values of all variables, in the order of allocation.
#[derive(Clone)]
pub struct Tape {
    values: Rc<RefCell<Vec<Fr>>>,
    whole: bool,
}

impl Tape {
    /// A tape that starts with one and the public inputs, for [`System::new`].
    pub fn new(public: &[Fr]) -> (Self, Vec<Value>) {
        Self::of(public, false)
    }

    /// A tape for [`System::whole`].
    pub fn whole(public: &[Fr]) -> (Self, Vec<Value>) {
        Self::of(public, true)
    }

    fn of(public: &[Fr], whole: bool) -> (Self, Vec<Value>) {
        let values = std::iter::once(Fr::ONE).chain(public.iter().copied()).collect();
        let tape = Self { values: Rc::new(RefCell::new(values)), whole };
        let inputs = public.iter().map(|v| Value::Assigned(tape.clone(), *v)).collect();
        (tape, inputs)
    }

    /// A new private variable.
    pub fn witness(&self, value: Fr) -> Value {
        self.values.borrow_mut().push(value);
        Value::Assigned(self.clone(), value)
    }

    /// The assignment: one, public inputs, private variables.
    pub fn into_assignment(self) -> Vec<Fr> {
        self.values.take()
    }
}

impl Value {
    /// The value.
    pub fn value(&self) -> Fr {
        match self {
            Self::Constant(value) | Self::Assigned(_, value) => *value,
        }
    }

    fn with(&self, other: &Self, value: Fr) -> Self {
        match (self, other) {
            (Self::Assigned(tape, _), _) | (_, Self::Assigned(tape, _)) => Self::Assigned(tape.clone(), value),
            _ => Self::Constant(value),
        }
    }

    /// The tape of any of these, if it is that of a system that keeps gates whole.
    fn whole<'a>(values: impl IntoIterator<Item = &'a Self>) -> Option<Tape> {
        let tapes = values.into_iter().find_map(|value| match value {
            Self::Constant(_) => None,
            Self::Assigned(tape, _) => Some(tape),
        });
        tapes.filter(|tape| tape.whole).cloned()
    }

    fn multiply(&self, other: &Self) -> Self {
        let value = self.value() * other.value();
        match (self, other) {
            (Self::Assigned(tape, _), Self::Assigned(..)) => tape.witness(value),
            _ => self.with(other, value),
        }
    }
}

/// The operators of a type from its methods on references.
macro_rules! operators {
    ($type:ty, |$a:ident, $b:ident| add $add:expr, sub $sub:expr, mul $mul:expr, neg $neg:expr) => {
        impl<'a> Add<&'a $type> for $type {
            type Output = Self;
            fn add(self, other: &'a Self) -> Self {
                let ($a, $b) = (&self, other);
                $add
            }
        }
        impl<'a> Sub<&'a $type> for $type {
            type Output = Self;
            fn sub(self, other: &'a Self) -> Self {
                let ($a, $b) = (&self, other);
                $sub
            }
        }
        impl<'a> Mul<&'a $type> for $type {
            type Output = Self;
            fn mul(self, other: &'a Self) -> Self {
                let ($a, $b) = (&self, other);
                $mul
            }
        }
        impl Add for $type {
            type Output = Self;
            fn add(self, other: Self) -> Self {
                self + &other
            }
        }
        impl Sub for $type {
            type Output = Self;
            fn sub(self, other: Self) -> Self {
                self - &other
            }
        }
        impl Mul for $type {
            type Output = Self;
            fn mul(self, other: Self) -> Self {
                self * &other
            }
        }
        impl Neg for $type {
            type Output = Self;
            fn neg(self) -> Self {
                let $a = &self;
                $neg
            }
        }
    };
}

operators!(Symbol, |a, b| add a.add_scaled(b, Fr::ONE), sub a.add_scaled(b, -Fr::ONE), mul a.multiply(b), neg a.scaled(-Fr::ONE));
operators!(Value, |a, b| add a.with(b, a.value() + b.value()), sub a.with(b, a.value() - b.value()), mul a.multiply(b), neg a.with(a, -a.value()));

impl Scalar for Symbol {
    fn constant(value: Fr) -> Self {
        Self::Constant(value)
    }

    fn inverse(&self) -> Result<Self, VerifyError> {
        match self {
            Self::Constant(value) => Scalar::inverse(value).map(Self::Constant),
            Self::Linear(system, lc) => {
                let result = system.witness();
                system.0.borrow_mut().push(lc.clone(), result.combination(), constant_combination(Fr::ONE));
                Ok(result)
            }
        }
    }

    fn require_equal(&self, other: &Self, check: Check) -> Result<(), VerifyError> {
        match self.add_scaled(other, -Fr::ONE) {
            Self::Constant(difference) => Fr::ZERO.require_equal(&difference, check),
            Self::Linear(system, difference) => {
                system.0.borrow_mut().push(difference, constant_combination(Fr::ONE), Vec::new());
                Ok(())
            }
        }
    }

    fn linear(constant: Fr, coefficients: &[Fr], values: &[Self]) -> Self {
        let Some(system) = values.iter().find_map(Symbol::system) else {
            let sum = coefficients.iter().zip(values).fold(constant, |sum, (c, v)| match v {
                Self::Constant(value) => sum + *c * value,
                Self::Linear(..) => sum,
            });
            return Self::Constant(sum);
        };
        let mut all = constant_combination(constant);
        for (c, v) in coefficients.iter().zip(values) {
            match v {
                Self::Constant(value) => all.extend(constant_combination(*c * value)),
                Self::Linear(_, lc) => all.extend(lc.iter().map(|(variable, k)| (*variable, *c * k))),
            }
        }
        all.sort_unstable_by_key(|(variable, _)| *variable);
        all.dedup_by(|next, kept| {
            kept.0 == next.0 && {
                kept.1 += next.1;
                true
            }
        });
        all.retain(|(_, k)| *k != Fr::ZERO);
        Self::Linear(system.clone(), all)
    }

    fn seal(self) -> Self {
        match self {
            Self::Constant(_) => self,
            Self::Linear(system, lc) => {
                let result = system.witness();
                system.0.borrow_mut().push(lc, constant_combination(Fr::ONE), result.combination());
                result
            }
        }
    }

    fn times(&self, constant: Fr) -> Self {
        self.scaled(constant)
    }

    fn keep(self) -> Self {
        if Self::whole([&self]).is_some() { self.seal() } else { self }
    }

    fn product(factors: Vec<Self>) -> Self {
        let whole = Self::whole(factors.iter()).is_some();
        product(factors, whole)
    }

    fn powers_sum(values: &[Self], x: &Self) -> Self {
        if Self::whole([x]).is_some() { powers_sum_by_two(values, x) } else { scalar::powers_sum(values, x) }
    }

    fn permute(state: &mut [Self; WIDTH]) {
        let Some(system) = Self::whole(state.iter()) else { return poseidon::permute(state) };
        let output = std::array::from_fn(|_| system.0.borrow_mut().allocate());
        let input = std::array::from_fn(|i| state[i].combination());
        system.0.borrow_mut().gates.push(Gate::Permutation { input, output });
        *state = output.map(|variable| system.variable(variable));
    }

    fn quartic_round(claim: &Self, message: [&Self; 4], r: &Self, x: &Self) -> Result<Self, VerifyError> {
        let [at_zero, minus_one, two, leading] = message;
        let input = [claim, at_zero, minus_one, two, leading, r, x];
        let Some(system) = Self::whole(input) else { return lookup::quartic_round(claim, message, r, x) };
        let output = system.0.borrow_mut().allocate();
        system.0.borrow_mut().gates.push(Gate::Round { input: input.map(Self::combination), output });
        Ok(system.variable(output))
    }
}

/// The product of all; where permutations and rounds are kept whole, from the last factor on. Both kinds of variable
/// must multiply in the same order.
fn product<S: Scalar>(mut factors: Vec<S>, whole: bool) -> S {
    // neighbouring blocks have the highest coordinates in common: a product of these is one variable for all
    if whole {
        factors.reverse();
    }
    factors.into_iter().reduce(|a, b| a * b).unwrap_or_else(S::one)
}

impl Scalar for Value {
    fn constant(value: Fr) -> Self {
        Self::Constant(value)
    }

    fn inverse(&self) -> Result<Self, VerifyError> {
        match self {
            Self::Constant(value) => Scalar::inverse(value).map(Self::Constant),
            Self::Assigned(tape, value) => Ok(tape.witness(Scalar::inverse(value)?)),
        }
    }

    fn require_equal(&self, other: &Self, check: Check) -> Result<(), VerifyError> {
        self.value().require_equal(&other.value(), check)
    }

    fn linear(constant: Fr, coefficients: &[Fr], values: &[Self]) -> Self {
        let sum = coefficients.iter().zip(values).fold(constant, |sum, (c, v)| sum + *c * v.value());
        match values.iter().find(|v| matches!(v, Self::Assigned(..))) {
            Some(assigned) => assigned.with(assigned, sum),
            None => Self::Constant(sum),
        }
    }

    fn seal(self) -> Self {
        match self {
            Self::Constant(_) => self,
            Self::Assigned(tape, value) => tape.witness(value),
        }
    }

    fn times(&self, constant: Fr) -> Self {
        self.with(self, self.value() * constant)
    }

    fn keep(self) -> Self {
        if Self::whole([&self]).is_some() { self.seal() } else { self }
    }

    fn product(factors: Vec<Self>) -> Self {
        let whole = Self::whole(factors.iter()).is_some();
        product(factors, whole)
    }

    fn powers_sum(values: &[Self], x: &Self) -> Self {
        if Self::whole([x]).is_some() { powers_sum_by_two(values, x) } else { scalar::powers_sum(values, x) }
    }

    fn permute(state: &mut [Self; WIDTH]) {
        let Some(tape) = Self::whole(state.iter()) else { return poseidon::permute(state) };
        let mut values = state.each_ref().map(Self::value);
        poseidon::permute_native(&mut values);
        *state = values.map(|value| tape.witness(value));
    }

    fn quartic_round(claim: &Self, message: [&Self; 4], r: &Self, x: &Self) -> Result<Self, VerifyError> {
        let all = [claim, r, x].into_iter().chain(message);
        let Some(tape) = Self::whole(all) else { return lookup::quartic_round(claim, message, r, x) };
        let values = message.map(Self::value);
        lookup::quartic_round(&claim.value(), values.each_ref(), &r.value(), &x.value())
            .map(|value| tape.witness(value))
    }
}
