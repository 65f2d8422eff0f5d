//! What a verifier needs to know of a model: the public half, and the verifying key that contracts store.

use crate::pcs::encode;
use crate::srs;
use ark_bn254::{Bn254, G1Affine, G2Affine};
use ark_ec::AffineRepr;
use ark_groth16::VerifyingKey;
use ark_serialize::{CanonicalDeserialize, CanonicalSerialize};
use assay_circuits::Fr;
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

    /// Ties id and development mark to `[τ]_2`, and refuses τ = 0 and ±1, under which anything opens. Errors: [`KeyError::Degenerate`],
    /// [`KeyError::Mismatch`].
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

/// A Groth16 key for a shape's wrap circuit over one SRS, with `γ = 1`.
#[derive(Clone, Debug, PartialEq, CanonicalSerialize, CanonicalDeserialize)]
pub struct WrapVerifyingKey(pub VerifyingKey<Bn254>);

impl WrapVerifyingKey {
    /// Refuses keys under which proofs can be forged without knowing anything secret. Errors: [`KeyError::Degenerate`].
    pub fn check(&self) -> Result<(), KeyError> {
        let key = &self.0;
        let degenerate = |bad: bool, what| if bad { Err(KeyError::Degenerate(what)) } else { Ok(()) };
        degenerate(key.gamma_abc_g1.len() != assay_circuits::wrap::PUBLIC_INPUTS + 1, "number of inputs")?;
        degenerate(key.gamma_g2 != G2Affine::generator(), "γ is not 1")?;
        degenerate(key.delta_g2 == key.gamma_g2 || key.delta_g2 == -key.gamma_g2, "δ = ±γ")?;
        degenerate(key.delta_g2.is_zero() || key.beta_g2.is_zero() || key.alpha_g1.is_zero(), "an identity element")?;
        degenerate(key.gamma_abc_g1.iter().skip(1).any(AffineRepr::is_zero), "an input without effect")
    }

    /// The key as contracts store it. `docs/protocol.md` section 8.
    pub fn contract_bytes(&self, model: &PublicModel) -> Vec<u8> {
        let (shape, key) = (&model.shape, &self.0);
        let layout = &shape.layout;
        let mut bytes = Vec::new();
        let word = |value: usize| encode::fr_word(&Fr::from(value as u64));
        bytes.extend(word(2));
        bytes.extend(shape.model_digest);
        bytes.extend(model.srs.id);
        bytes.extend(word(layout.log_chunk as usize));
        bytes.extend(word(layout.log_chunks as usize));
        layout.regions().iter().for_each(|region| bytes.extend(word(region.chunks)));
        layout.regions().iter().for_each(|region| bytes.extend(word(region.first_chunk)));
        bytes.extend(word(shape.outputs()));
        bytes.extend(shape.batch.word());
        bytes.extend(encode::g1_bytes(&-key.alpha_g1));
        bytes.extend(encode::g2_bytes(&key.beta_g2));
        bytes.extend(encode::g2_bytes(&key.delta_g2));
        key.gamma_abc_g1.iter().for_each(|point| bytes.extend(encode::g1_bytes(point)));
        bytes.extend(encode::g2_bytes(&model.srs.tau_h));
        bytes.extend(points_bytes(&model.tables));
        bytes
    }

    /// Keccak-256 of [`Self::contract_bytes`].
    pub fn hash(&self, model: &PublicModel) -> [u8; 32] {
        Keccak256::digest(self.contract_bytes(model)).into()
    }
}
