//! The wrap with a universal setup: PLONK (Gabizon, Williamson, Ciobotaru, ePrint 2019/953) over the rows of
//! [`assay_circuits::plonk`], its polynomials interleaved eight to a commitment (fflonk, ePrint 2021/1167) and opened
//! together with the inner proof's chunk. `docs/protocol.md` section 9.
//!
//! The powers of tau are all the setup there is: a key is what anybody derives from a shape and an SRS.

#![cfg_attr(not(test), deny(clippy::indexing_slicing))]

mod key;
mod permutation;
pub mod program;
mod prove;
pub mod quotient;
mod rows;
mod verify;

pub use key::{ProvingKey, VerifyingKey};
pub use prove::{Challenges, Committed, ProveError, prove};
pub use rows::Rows;
pub use verify::{Statement, verify};

use crate::pcs::encode::{self, EncodeError, Reader};
use ark_bn254::G1Affine;
use ark_ff::{AdditiveGroup, FftField};
use assay_circuits::Fr;
use assay_circuits::plonk::{ADVICE, FIXED, WIRES};

/// Logs of the numbers of rows that a key may have.
pub const LOG_ROWS: std::ops::RangeInclusive<u32> = 3..=assay_circuits::soundness::MAX_LOG_ROWS;
/// Polynomials in a commitment of several.
pub const INTERLEAVED: usize = 8;
/// Polynomials that a key consists of: fixed columns, then the wires' permutation.
pub const PREPROCESSED: usize = FIXED + WIRES;
/// Commitments that a key consists of.
pub const KEY_COMMITMENTS: usize = PREPROCESSED.div_ceil(INTERLEAVED);
/// Values of [`Evaluations`].
pub const EVALUATIONS: usize = PREPROCESSED + 2 * ADVICE + 2;
/// Bytes of a [`Proof`].
pub const PROOF_BYTES: usize = 3 * 64 + 32 * EVALUATIONS;

/// What the cells of column `i` are numbered with: `k_i·ω^row`, in cosets that have nothing in common.
fn coset(column: usize) -> Fr {
    ark_ff::Field::pow(&Fr::GENERATOR, [column as u64])
}

/// The polynomials' values at `y`, and at `ωy` where the next row is looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Evaluations {
    /// Fixed columns, then the permutation, at `y`.
    pub preprocessed: [Fr; PREPROCESSED],
    /// Advice columns at `y`.
    pub advice: [Fr; ADVICE],
    /// Advice columns at `ωy`.
    pub next: [Fr; ADVICE],
    /// The permutation's product at `y` and `ωy`.
    pub product: [Fr; 2],
}

impl Evaluations {
    /// In the order of the fields.
    pub fn to_vec(&self) -> Vec<Fr> {
        [&self.preprocessed[..], &self.advice, &self.next, &self.product].concat()
    }
}

/// A proof, but for the opening of its polynomials.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Proof {
    /// Commitment to the advice columns.
    pub advice: G1Affine,
    /// Commitment to the permutation's product `z`.
    pub product: G1Affine,
    /// Commitment to the quotient.
    pub quotient: G1Affine,
    /// The values.
    pub evaluations: Evaluations,
}

impl Proof {
    /// Points, then values, 32-byte words.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(PROOF_BYTES);
        [self.advice, self.product, self.quotient].iter().for_each(|point| bytes.extend(encode::g1_bytes(point)));
        self.evaluations.to_vec().iter().for_each(|value| bytes.extend(encode::fr_word(value)));
        bytes
    }

    /// Reads [`Self::to_bytes`]. Errors: words that are not canonical, points off the curve.
    pub fn read(reader: &mut Reader<'_>) -> Result<Self, EncodeError> {
        let (advice, product, quotient) = (reader.g1()?, reader.g1()?, reader.g1()?);
        let mut evaluations = Evaluations {
            preprocessed: [Fr::ZERO; PREPROCESSED],
            advice: [Fr::ZERO; ADVICE],
            next: [Fr::ZERO; ADVICE],
            product: [Fr::ZERO; 2],
        };
        let Evaluations { preprocessed, advice: own, next, product: products } = &mut evaluations;
        for value in preprocessed.iter_mut().chain(own).chain(next).chain(products) {
            *value = reader.fr()?;
        }
        Ok(Self { advice, product, quotient, evaluations })
    }
}
