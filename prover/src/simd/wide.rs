//! Field elements of several rows at a time, for code that is generic over its scalars and too large to be compiled for one instruction set: every operation is a call.

use super::field::{Packed, ScalarField, Sum, limbs};
use super::lanes::Lanes;
use super::{Isa, Kind};
use ark_ff::{AdditiveGroup, Field};
use assay_circuits::Fr;
use assay_circuits::scalar::{Check, Scalar, VerifyError};
use std::ops::{Add, Mul, Neg, Sub};

/// Terms of a sum that is reduced once.
const MOST_TERMS: usize = 16;

/// Limbs of the lanes' elements, each below 2p.
#[derive(Clone, Copy, Debug, PartialEq)]
#[repr(C, align(64))]
pub(crate) struct Limbs([u64; 40]);

impl Limbs {
    const ZERO: Self = Self([0; 40]);
}

/// One element for all rows, or one for each.
#[derive(Clone, Debug)]
#[allow(clippy::large_enum_variant, reason = "constants are the exception")]
pub(crate) enum Wide {
    /// The same for all.
    Constant(Fr),
    /// In the lanes of the instructions.
    Lanes(Isa, Limbs),
}

impl Isa {
    /// Rows that a [`Wide`] has.
    pub(crate) fn lanes(self) -> usize {
        match self.0 {
            Kind::Avx512Ifma | Kind::Avx512 => 8,
            Kind::Avx2 => 4,
        }
    }
}

#[inline(always)]
pub(super) fn load<L: Lanes>(values: &[Fr], out: &mut Limbs) {
    Packed::<L, ScalarField>::from_scalars(values).write(&mut out.0);
}

#[inline(always)]
pub(super) fn store<L: Lanes>(value: &Limbs, out: &mut [Fr]) {
    read::<L>(value).to_scalars(out);
}

#[inline(always)]
fn read<L: Lanes>(value: &Limbs) -> Packed<L, ScalarField> {
    Packed::read(&value.0)
}

#[inline(always)]
pub(super) fn add<L: Lanes>(a: &Limbs, b: &Limbs, out: &mut Limbs) {
    read::<L>(a).accumulate(&read(b)).write(&mut out.0);
}

#[inline(always)]
pub(super) fn sub<L: Lanes>(a: &Limbs, b: &Limbs, out: &mut Limbs) {
    read::<L>(a).sub(&read(b)).reduce().write(&mut out.0);
}

#[inline(always)]
pub(super) fn mul<L: Lanes>(a: &Limbs, b: &Limbs, out: &mut Limbs) {
    read::<L>(a).mul(&read(b)).write(&mut out.0);
}

/// `Σ constants_i · values_i` for limbs of constants below p, at most 16 of them.
#[inline(always)]
pub(super) fn dot<L: Lanes>(constants: &[[u64; 5]], values: &[&Limbs], out: &mut Limbs) {
    let mut sum = Sum::<L, ScalarField>::zero();
    for (constant, value) in constants.iter().zip(values) {
        sum.add(&read(value), &Packed::constant(*constant));
    }
    // below (1 + 16 · 2 / 84) p
    sum.reduce().write(&mut out.0);
}

/// Limbs in the vectors' form.
fn limbs_of(value: &Fr) -> [u64; 5] {
    limbs((*value * Fr::from(16u64)).0.0)
}

impl Wide {
    /// The first elements of a slice, as many as there are lanes.
    pub(crate) fn load(isa: Isa, values: &[Fr]) -> Self {
        let mut out = Limbs::ZERO;
        super::wide_load(isa, &values[..isa.lanes()], &mut out);
        Self::Lanes(isa, out)
    }

    /// To the first places of a slice.
    pub(crate) fn store(&self, out: &mut [Fr]) {
        match self {
            Self::Constant(value) => out.fill(*value),
            Self::Lanes(isa, limbs) => super::wide_store(*isa, limbs, out),
        }
    }

    fn binary(&self, other: &Self, scalar: impl Fn(Fr, Fr) -> Fr, lanes: impl Fn(Isa, &Limbs, &Limbs, &mut Limbs)) -> Self {
        let spread = |isa: Isa, value: &Fr| {
            let mut limbs = Limbs::ZERO;
            super::wide_load(isa, &[*value; 8], &mut limbs);
            limbs
        };
        let mut out = Limbs::ZERO;
        let isa = match (self, other) {
            (Self::Constant(a), Self::Constant(b)) => return Self::Constant(scalar(*a, *b)),
            (Self::Lanes(isa, a), Self::Lanes(_, b)) => {
                lanes(*isa, a, b, &mut out);
                *isa
            }
            (Self::Lanes(isa, a), Self::Constant(b)) => {
                lanes(*isa, a, &spread(*isa, b), &mut out);
                *isa
            }
            (Self::Constant(a), Self::Lanes(isa, b)) => {
                lanes(*isa, &spread(*isa, a), b, &mut out);
                *isa
            }
        };
        Self::Lanes(isa, out)
    }

    fn is(&self, value: Fr) -> bool {
        matches!(self, Self::Constant(constant) if *constant == value)
    }
}

impl<'a> Add<&'a Wide> for Wide {
    type Output = Wide;
    fn add(self, other: &'a Wide) -> Wide {
        if self.is(Fr::ZERO) {
            return other.clone();
        }
        if other.is(Fr::ZERO) {
            return self;
        }
        self.binary(other, |a, b| a + b, super::wide_add)
    }
}

impl<'a> Sub<&'a Wide> for Wide {
    type Output = Wide;
    fn sub(self, other: &'a Wide) -> Wide {
        self.binary(other, |a, b| a - b, super::wide_sub)
    }
}

impl<'a> Mul<&'a Wide> for Wide {
    type Output = Wide;
    fn mul(self, other: &'a Wide) -> Wide {
        if self.is(Fr::ONE) {
            return other.clone();
        }
        if other.is(Fr::ONE) {
            return self;
        }
        self.binary(other, |a, b| a * b, super::wide_mul)
    }
}

impl Add for Wide {
    type Output = Wide;
    fn add(self, other: Wide) -> Wide {
        self + &other
    }
}

impl Sub for Wide {
    type Output = Wide;
    fn sub(self, other: Wide) -> Wide {
        self - &other
    }
}

impl Mul for Wide {
    type Output = Wide;
    fn mul(self, other: Wide) -> Wide {
        self * &other
    }
}

impl Neg for Wide {
    type Output = Wide;
    fn neg(self) -> Wide {
        Wide::Constant(Fr::ZERO) - self
    }
}

impl Scalar for Wide {
    fn constant(value: Fr) -> Self {
        Self::Constant(value)
    }

    /// Of constants only: nothing that runs on rows divides.
    fn inverse(&self) -> Result<Self, VerifyError> {
        match self {
            Self::Constant(value) => Field::inverse(value).map(Self::Constant).ok_or(VerifyError::ZeroDivisor),
            Self::Lanes(..) => Err(VerifyError::ZeroDivisor),
        }
    }

    fn dot(constants: &[Fr], values: &[&Self]) -> Self {
        let parts = constants.chunks(MOST_TERMS).zip(values.chunks(MOST_TERMS)).map(|(constants, values)| {
            let (mut factors, mut lanes) = ([[0; 5]; MOST_TERMS], [&Limbs::ZERO; MOST_TERMS]);
            let (mut terms, mut found, mut rest) = (0, None, Self::zero());
            for (constant, value) in constants.iter().zip(values) {
                match value {
                    Self::Lanes(isa, limbs) => {
                        found = Some(*isa);
                        (factors[terms], lanes[terms]) = (limbs_of(constant), limbs);
                        terms += 1;
                    }
                    Self::Constant(value) => rest = rest + Self::Constant(*value * constant),
                }
            }
            let Some(isa) = found else { return rest };
            let mut out = Limbs::ZERO;
            super::wide_dot(isa, &factors[..terms], &lanes[..terms], &mut out);
            Self::Lanes(isa, out) + rest
        });
        parts.reduce(|sum, part| sum + part).unwrap_or_else(Self::zero)
    }

    fn times(&self, constant: Fr) -> Self {
        match self {
            Self::Constant(value) => Self::Constant(*value * constant),
            Self::Lanes(isa, limbs) => {
                let mut out = Limbs::ZERO;
                super::wide_dot(*isa, &[limbs_of(&constant)], &[limbs], &mut out);
                Self::Lanes(*isa, out)
            }
        }
    }

    fn require_equal(&self, other: &Self, check: Check) -> Result<(), VerifyError> {
        let difference = self.clone() - other;
        let mut values = [Fr::ZERO; 8];
        difference.store(&mut values);
        if values == [Fr::ZERO; 8] { Ok(()) } else { Err(VerifyError::Unequal(check)) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ark_ff::UniformRand;
    use assay_circuits::plonk::{ADVICE, FIXED, constraints};

    #[test]
    fn rows_are_computed_as_scalars_are() {
        let mut rng = ark_std::test_rng();
        for isa in Isa::available() {
            let lanes = isa.lanes();
            let columns: Vec<Vec<Fr>> = (0..2 * ADVICE + FIXED + 1).map(|_| (0..lanes).map(|_| Fr::rand(&mut rng)).collect()).collect();
            let wide: Vec<Wide> = columns.iter().map(|column| Wide::load(*isa, column)).collect();
            let slots = constraints(
                &std::array::from_fn(|i| wide[i].clone()),
                &std::array::from_fn(|i| wide[ADVICE + i].clone()),
                &std::array::from_fn(|i| wide[2 * ADVICE + i].clone()),
                &wide[2 * ADVICE + FIXED],
            );
            for lane in 0..lanes {
                let at = |i: usize| columns[i][lane];
                let want = constraints::<Fr>(
                    &std::array::from_fn(at),
                    &std::array::from_fn(|i| at(ADVICE + i)),
                    &std::array::from_fn(|i| at(2 * ADVICE + i)),
                    &at(2 * ADVICE + FIXED),
                );
                for (slot, want) in slots.iter().zip(want) {
                    let mut values = [Fr::ZERO; 8];
                    slot.store(&mut values);
                    assert_eq!(values[lane], want, "{isa:?} lane {lane}");
                }
            }
            let five = Wide::constant(Fr::from(5u64));
            assert!((five.clone() - &five).require_equal(&Wide::zero(), Check::Output).is_ok());
            let difference = wide[0].clone() - &wide[1] + (-wide[0].clone()) + &wide[1];
            assert!(difference.require_equal(&Wide::zero(), Check::Output).is_ok());
            assert!(wide[0].require_equal(&wide[1], Check::Output).is_err());
        }
    }
}
