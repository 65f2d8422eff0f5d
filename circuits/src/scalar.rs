//! What the verifier computes with.
//!
//! The inner verifier is written once, generic over [`Scalar`]: native field elements check a proof, the two kinds of
//! R1CS variable in [`crate::r1cs`] turn the same text into a circuit and into that circuit's witness.

#![cfg_attr(not(test), deny(clippy::indexing_slicing))]

use crate::Fr;
use crate::poseidon::{self, WIDTH};
use crate::verifier::lookup;
use ark_ff::{AdditiveGroup, Field};
use std::ops::{Add, Mul, Neg, Sub};

/// Why a proof was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum VerifyError {
    /// An equation of the protocol does not hold.
    #[error("the proof is invalid: the {0} check fails")]
    Unequal(Check),
    /// A value that must have an inverse is zero.
    #[error("the proof is invalid: a zero where the protocol divides")]
    ZeroDivisor,
    /// A shape whose circuit nobody could make.
    #[error(
        "the circuit of this architecture would need tables of {have} values, at most {most} are supported: use \
         smaller planes or fewer gathered cells"
    )]
    CircuitSize {
        /// Values of the tables.
        have: usize,
        /// The most.
        most: usize,
    },
    /// A part of the proof or the statement has another length than the shape says.
    #[error("the proof does not fit the model: {part} has length {have}, expected {need}")]
    Length {
        /// Which part.
        part: &'static str,
        /// Its length.
        have: usize,
        /// The length that the shape fixes.
        need: usize,
    },
}

/// The protocol's equations, each of which has one name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Check {
    /// The root fraction's numerator is zero.
    LookupRoot,
    /// A level of the fraction tree follows from its children.
    LookupLevel,
    /// The product sumcheck ends in the product of the claimed evaluations.
    Product,
    /// The opening sumcheck ends in `a · L(r*)`.
    Opening,
    /// The masked value is `a + ρ·m`.
    Mask,
    /// The output is the one that the proof is about.
    Output,
    /// A public input of the circuit.
    PublicInput,
}

impl std::fmt::Display for Check {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Check::LookupRoot => "lookup root",
            Check::LookupLevel => "lookup level",
            Check::Product => "product",
            Check::Opening => "batch opening",
            Check::Mask => "mask",
            Check::Output => "output",
            Check::PublicInput => "public input",
        })
    }
}

/// A value of `F`, or something that stands for one.
pub trait Scalar:
    Clone
    + Add<Output = Self>
    + Sub<Output = Self>
    + Mul<Output = Self>
    + Neg<Output = Self>
    + for<'a> Add<&'a Self, Output = Self>
    + for<'a> Sub<&'a Self, Output = Self>
    + for<'a> Mul<&'a Self, Output = Self>
{
    /// A constant.
    fn constant(value: Fr) -> Self;

    /// The inverse. Errors: [`VerifyError::ZeroDivisor`].
    fn inverse(&self) -> Result<Self, VerifyError>;

    /// Requires two values to be equal. Errors: [`VerifyError::Unequal`].
    fn require_equal(&self, other: &Self, check: Check) -> Result<(), VerifyError>;

    /// `constant + Σ coefficients · values`.
    fn linear(constant: Fr, coefficients: &[Fr], values: &[Self]) -> Self {
        let start = Self::constant(constant);
        coefficients.iter().zip(values).fold(start, |sum, (c, v)| sum + v.times(*c))
    }

    /// The product of all. A machine that shares equal products may begin with the last factors, which many products
    /// have in common.
    fn product(factors: Vec<Self>) -> Self {
        factors.into_iter().reduce(|a, b| a * b).unwrap_or_else(Self::one)
    }

    /// `Σ_{i>=1} values_i x^i`.
    fn powers_sum(values: &[Self], x: &Self) -> Self {
        powers_sum(values, x)
    }

    /// Marks a value that will be used often, so that a circuit gives it a variable of its own.
    fn seal(self) -> Self {
        self
    }

    /// Marks a sum that is used more than once: a machine on which sums cost something gives it a variable, R1CS does
    /// not.
    fn keep(self) -> Self {
        self
    }

    /// One permutation of the transcript's sponge.
    fn permute(state: &mut [Self; WIDTH]) {
        poseidon::permute(state);
    }

    /// One round of a level of the lookup argument's tree: [`lookup::quartic_round`]. Errors:
    /// [`VerifyError::ZeroDivisor`].
    fn quartic_round(claim: &Self, message: [&Self; 4], r: &Self, x: &Self) -> Result<Self, VerifyError> {
        lookup::quartic_round(claim, message, r, x)
    }

    /// `Σ constants_i · values_i` over the shorter length.
    fn dot(constants: &[Fr], values: &[&Self]) -> Self {
        let terms = constants.iter().zip(values).map(|(c, v)| v.times(*c));
        terms.reduce(|sum, term| sum + term).unwrap_or_else(Self::zero)
    }

    /// The value times a constant.
    fn times(&self, constant: Fr) -> Self {
        self.clone() * Self::constant(constant)
    }

    /// The square.
    fn square(&self) -> Self {
        self.clone() * self
    }

    /// Zero.
    fn zero() -> Self {
        Self::constant(Fr::ZERO)
    }

    /// One.
    fn one() -> Self {
        Self::constant(Fr::ONE)
    }
}

impl Scalar for Fr {
    fn constant(value: Fr) -> Self {
        value
    }

    fn inverse(&self) -> Result<Self, VerifyError> {
        Field::inverse(self).ok_or(VerifyError::ZeroDivisor)
    }

    fn require_equal(&self, other: &Self, check: Check) -> Result<(), VerifyError> {
        if self == other { Ok(()) } else { Err(VerifyError::Unequal(check)) }
    }

    fn linear(constant: Fr, coefficients: &[Fr], values: &[Self]) -> Self {
        coefficients.iter().zip(values).fold(constant, |sum, (c, v)| sum + *c * v)
    }

    fn permute(state: &mut [Self; WIDTH]) {
        poseidon::permute_native(state);
    }

    fn times(&self, constant: Fr) -> Self {
        *self * constant
    }

    fn square(&self) -> Self {
        Field::square(self)
    }
}

/// [`Scalar::powers_sum`] by Horner's rule.
pub fn powers_sum<S: Scalar>(values: &[S], x: &S) -> S {
    values.iter().rev().fold(S::zero(), |sum, value| (sum + value) * x)
}

/// The sum of all, in pairs: a sum of many terms that are themselves sums costs each term a few additions and not as
/// many as there are terms.
pub fn sum<S: Scalar>(mut terms: Vec<S>) -> S {
    while terms.len() > 1 {
        let mut rest = std::mem::take(&mut terms).into_iter();
        while let Some(term) = rest.next() {
            terms.push(match rest.next() {
                Some(other) => term + other,
                None => term,
            });
        }
    }
    terms.pop().unwrap_or_else(S::zero)
}

/// The constant for a small signed integer.
pub fn int(value: i64) -> Fr {
    Fr::from(value)
}

/// The constant for a signed integer.
pub fn integer(value: i128) -> Fr {
    let size = Fr::from(value.unsigned_abs());
    if value < 0 { -size } else { size }
}

/// `2^exponent`.
pub fn power_of_two(exponent: u32) -> Fr {
    Fr::from(2u64).pow([u64::from(exponent)])
}
