//! What a verifier needs to know of a model: the public half, and the verifying key that contracts store.

#![cfg_attr(not(test), deny(clippy::indexing_slicing))]

use crate::pcs::encode;
use crate::srs;
use ark_bn254::{Fr, G1Affine, G2Affine};
use ark_ec::AffineRepr;
use assay_circuits::batch::Batch;
use assay_circuits::shape::{Shape, ShapeError};
use sha3::{Digest, Keccak256};

/// Why a key is refused.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum KeyError {
    /// The shape is not valid.
    #[error(transparent)]
    Shape(#[from] ShapeError),
    /// Commitment counts do not fit the shape.
    #[error("the key has {have} {what} commitments, its shape needs {need}")]
    Count {
        /// Which commitments.
        what: &'static str,
        /// How many there are.
        have: usize,
        /// How many there must be.
        need: usize,
    },
    /// A point of the key is the identity or another one that allows forging.
    #[error("the key is degenerate ({0}): it must not be used")]
    Degenerate(&'static str),
    /// The SRS is not one: nothing that is recomputed from it means anything.
    #[error("the SRS cannot be used to check keys: {0}")]
    Srs(#[from] srs::SrsError),
    /// The circuit cannot be made.
    #[error(transparent)]
    Circuit(#[from] assay_circuits::scalar::VerifyError),
    /// The SRS has too few powers to recompute anything with.
    #[error("the SRS has 2^{have} powers and the key's chunks need more than 2^{need}: use a larger SRS")]
    SrsTooSmall {
        /// Log of the powers there are.
        have: u32,
        /// Log of the chunk size.
        need: u32,
    },
    /// Recomputing gave something else.
    #[error("{0} is not what the public model description gives: do not use this key")]
    Mismatch(&'static str),
}

/// The verifier's points of the universal SRS.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SrsVerifier {
    /// `[1]_2`.
    pub h: G2Affine,
    /// `[τ]_2`.
    pub tau_h: G2Affine,
    /// See [`crate::srs::Srs::id`].
    pub id: [u8; 32],
    /// Whether τ is publicly known: fit for development only.
    pub development: bool,
}

impl SrsVerifier {
    /// Of an SRS.
    pub fn new(srs: &crate::srs::Srs) -> Self {
        Self { h: srs.h, tau_h: srs.tau_h, id: srs.id(), development: srs.development }
    }

    /// `τ`, if it is that of development strings, which is public.
    pub fn public_tau(&self) -> Option<Fr> {
        srs::is_development(&self.tau_h).then(srs::development_tau)
    }

    /// Ties id and development mark to `[τ]_2`, and refuses τ = 0 and ±1, under which anything opens. Errors:
    /// [`KeyError::Degenerate`], [`KeyError::Mismatch`].
    pub fn check(&self) -> Result<(), KeyError> {
        if self.tau_h.is_zero() || self.tau_h == self.h || self.tau_h == -self.h {
            return Err(KeyError::Degenerate("τ is 0 or ±1"));
        }
        if self.id != srs::id_of(&self.tau_h) {
            return Err(KeyError::Mismatch("the SRS id"));
        }
        if self.development != srs::is_development(&self.tau_h) {
            return Err(KeyError::Mismatch("the SRS's development mark"));
        }
        Ok(())
    }
}

/// The public half of a model.
#[derive(Clone, Debug)]
pub struct PublicModel {
    /// Architecture, layout, digest.
    pub shape: Shape,
    /// Commitments to the weights.
    pub weights: Vec<G1Affine>,
    /// Commitments to public table columns.
    pub tables: Vec<G1Affine>,
    /// The SRS.
    pub srs: SrsVerifier,
}

impl PublicModel {
    /// Checks that the commitments fit the shape. Errors: [`KeyError::Count`].
    pub fn check(&self) -> Result<(), KeyError> {
        let [weights, tables, ..] = self.shape.chunk_counts();
        let count = |what, have, need| if have == need { Ok(()) } else { Err(KeyError::Count { what, have, need }) };
        count("weight", self.weights.len(), weights)?;
        count("table", self.tables.len(), tables)
    }

    /// The same model with several inferences in a proof. Errors: [`KeyError::Shape`].
    pub fn batched(&self, batch: Batch) -> Result<Self, KeyError> {
        let shape = Shape::batched(self.shape.architecture.clone(), self.shape.layout.log_chunk, batch)?;
        Ok(Self { shape, ..self.clone() })
    }

    /// `keccak256(model digest ‖ weight commitments)`: what an order names, however many inferences a proof has.
    pub fn commitment(&self) -> [u8; 32] {
        let mut hash = Keccak256::new_with_prefix(self.shape.model_digest);
        hash.update(points_bytes(&self.weights));
        hash.finalize().into()
    }

    /// Weight commitments as the contracts store them, 64 bytes each.
    pub fn weights_bytes(&self) -> Vec<u8> {
        points_bytes(&self.weights)
    }
}

/// Points as `x ‖ y` words.
pub fn points_bytes(points: &[G1Affine]) -> Vec<u8> {
    points.iter().flat_map(encode::g1_bytes).collect()
}
