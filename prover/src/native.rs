//! The native proof: what the buyer's machine could verify in milliseconds. **Not zero-knowledge**: it reveals
//! evaluations of the weights, so it never leaves a seller with hidden weights; the wrapped proof does.

#![cfg_attr(not(test), deny(clippy::indexing_slicing))]

use crate::control::Control;
use crate::inner::{InnerError, Proved};
use crate::key::PublicModel;
use crate::msm::msm;
use crate::pcs::encode::{self, EncodeError, Reader};
use crate::pcs::{self, OPENING_BYTES, Opening, PcsError};
use crate::srs::Srs;
use crate::statement::{Statement, output_sum};
use ark_bn254::G1Affine;
use ark_ec::CurveGroup;
use ark_ff::Field;
use assay_circuits::Fr;
use assay_circuits::layout::Region;
use assay_circuits::scalar::{Check, Scalar, VerifyError};
use assay_circuits::shape::Shape;
use assay_circuits::verifier::{self, InnerProof, Reduced};
use assay_circuits::wrap::{PublicInputs, public_data};

/// What a proof is claimed to show.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Claim {
    /// Commitments to the input.
    pub input: Vec<G1Affine>,
    /// The output's cells, in the user's order.
    pub output: Vec<i16>,
    /// How many clamps there were, in all inferences: [`assay_circuits::clamps`].
    pub clamps: u32,
    /// The binding context.
    pub context: Fr,
}

impl Claim {
    /// What an inner proof shows about an input.
    pub fn of(proved: &Proved, input: Vec<G1Affine>, context: Fr) -> Self {
        Self { input, output: proved.output.clone(), clamps: proved.clamps, context }
    }
}

/// Why a proof is refused.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ProofError {
    /// The inner verifier refuses.
    #[error(transparent)]
    Inner(#[from] VerifyError),
    /// The opening is wrong.
    #[error(transparent)]
    Opening(#[from] PcsError),
    /// A proof of one wrap under the key of another.
    #[error("the proof is of another wrap than the key: ask for the key that belongs to it")]
    OtherWrap,
    /// The wrap's SNARK does not verify.
    #[error("the proof is invalid: the pairing check fails")]
    Pairing,
    /// The bytes are no proof for this model.
    #[error("the proof has {have} bytes, this model's proofs have {need}: it is truncated or for another model")]
    Length {
        /// Bytes there are.
        have: usize,
        /// Bytes there must be.
        need: usize,
    },
    /// A number in the bytes is out of range, or a point is not on the curve.
    #[error("the proof is malformed: {0}")]
    Malformed(#[from] EncodeError),
    /// The first word of a native proof says neither masked nor not.
    #[error("the proof is malformed: this is no native proof")]
    NotNative,
}

/// An inner proof with everything that its native verification needs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NativeProof {
    /// Commitments to the prover's chunks.
    pub witness: Vec<G1Affine>,
    /// Commitment to the mask, if the opening is masked.
    pub mask: Option<G1Affine>,
    /// The messages.
    pub inner: InnerProof<Fr>,
    /// The opening.
    pub opening: Opening,
}

impl NativeProof {
    /// Opens an inner proof. Errors: [`InnerError`].
    pub fn new(proved: Proved, shape: &Shape, srs: &Srs, control: &Control<'_>) -> Result<Self, InnerError> {
        let opening = proved.open(shape, srs, control)?;
        Ok(Self { witness: proved.witness, mask: proved.mask, inner: InnerProof::clone(&proved.proof), opening })
    }
}

/// The statement that a claim makes about a model, for the prover's commitments.
pub(crate) fn statement<'a>(
    model: &'a PublicModel,
    claim: &'a Claim,
    witness: &'a [G1Affine],
    mask: Option<&'a G1Affine>,
) -> Statement<'a> {
    let PublicModel { weights, tables, .. } = model;
    Statement {
        context: claim.context,
        weights,
        tables,
        input: &claim.input,
        output: &claim.output,
        clamps: claim.clamps,
        witness,
        mask,
    }
}

/// The commitment to what is opened, as scalars and points: `Σ_j eq(r_hi, j)·C_j + ρ·C_M`.
pub(crate) fn opened_terms(
    model: &PublicModel,
    claim: &Claim,
    witness: &[G1Affine],
    mask: Option<&G1Affine>,
    reduced: &Reduced<Fr>,
) -> Vec<(Fr, G1Affine)> {
    let layout = &model.shape.layout;
    let high = reduced.point.get(layout.log_chunk as usize..).unwrap_or_default();
    let owners: [(Region, &[G1Affine]); 4] = [
        (layout.weights, &model.weights),
        (layout.tables_region, &model.tables),
        (layout.input_region, &claim.input),
        (layout.witness, witness),
    ];
    let mut terms = Vec::new();
    for (region, points) in owners {
        terms.extend(
            points.iter().enumerate().map(|(j, point)| (verifier::eq::eq_index(high, region.first_chunk + j), *point)),
        );
    }
    terms.extend(reduced.rho.iter().zip(mask).map(|(rho, point)| (*rho, *point)));
    terms
}

/// Verifies a native proof. Errors: [`ProofError`]. Total.
pub fn verify(model: &PublicModel, claim: &Claim, proof: &NativeProof) -> Result<(), ProofError> {
    verify_messages(model, claim, &proof.witness, proof.mask.as_ref(), &proof.inner)?.verify(model, &proof.opening)
}

/// What is left to show of a proof whose messages are right: that a sum of commitments opens to a value.
pub(crate) struct Unopened {
    terms: Vec<(Fr, G1Affine)>,
    point: Vec<Fr>,
    value: Fr,
    seed: [u8; 32],
}

/// [`verify`] without the opening. Errors: [`ProofError`]. Total.
pub(crate) fn verify_messages(
    model: &PublicModel,
    claim: &Claim,
    witness: &[G1Affine],
    mask: Option<&G1Affine>,
    inner: &InnerProof<Fr>,
) -> Result<Unopened, ProofError> {
    let statement = statement(model, claim, witness, mask);
    statement.check_lengths(&model.shape)?;
    if mask.is_some() != inner.mask.is_some() {
        return Err(ProofError::NotNative);
    }
    let statement = statement.hash();
    let reduced = verifier::verify(&model.shape, &model.srs.id, &statement, inner)?;
    output_sum(&claim.output, claim.clamps, &reduced.delta).require_equal(&reduced.output_sum, Check::Output)?;
    let public = PublicInputs::new(&public_data(&statement, &reduced), reduced.digest);
    let terms = opened_terms(model, claim, witness, mask, &reduced);
    let mut point = reduced.point;
    point.truncate(model.shape.layout.log_chunk as usize);
    Ok(Unopened { terms, point, value: reduced.value, seed: public.hash })
}

impl Unopened {
    /// The same with the commitments summed up, which can be done before there is an opening.
    pub(crate) fn summed(self) -> Self {
        let (scalars, points): (Vec<Fr>, Vec<G1Affine>) = self.terms.into_iter().unzip();
        Self { terms: vec![(Fr::ONE, msm(&points, &scalars).into_affine())], ..self }
    }

    /// The rest of [`verify`]. Errors: [`ProofError`]. Total.
    pub(crate) fn verify(&self, model: &PublicModel, opening: &Opening) -> Result<(), ProofError> {
        Ok(pcs::verify(model.srs.h, model.srs.tau_h, &self.terms, &self.point, self.value, self.seed, opening)?)
    }
}

impl NativeProof {
    /// The proof as bytes: a word that is 1 if it is masked, else 0; witness commitments, mask, messages, opening.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = encode::fr_word(&Fr::from(u64::from(self.mask.is_some()))).to_vec();
        bytes.extend(crate::key::points_bytes(&self.witness));
        self.mask.iter().for_each(|mask| bytes.extend(encode::g1_bytes(mask)));
        self.inner.elements().iter().for_each(|value| bytes.extend(encode::fr_word(value)));
        bytes.extend(self.opening.to_bytes());
        bytes
    }

    /// Decodes strictly: exact length, canonical numbers, points on the curve. Errors: [`ProofError::Length`],
    /// [`ProofError::Malformed`].
    pub fn from_bytes(model: &PublicModel, bytes: &[u8]) -> Result<Self, ProofError> {
        let mut reader = Reader::new(bytes);
        let flag = reader.fr()?;
        let hiding = flag == Fr::from(1u64);
        if !hiding && flag != Fr::from(0u64) {
            return Err(ProofError::NotNative);
        }
        let elements = InnerProof::zero(&model.shape, hiding).elements().len();
        let witness = model.shape.layout.witness.chunks;
        let need = 32 * (1 + elements) + 64 * (witness + usize::from(hiding)) + OPENING_BYTES;
        if bytes.len() != need {
            return Err(ProofError::Length { have: bytes.len(), need });
        }
        let witness = (0..witness).map(|_| reader.g1()).collect::<Result<_, _>>()?;
        let mask = hiding.then(|| reader.g1()).transpose()?;
        let elements = (0..elements).map(|_| reader.fr()).collect::<Result<Vec<_>, _>>()?;
        let inner = InnerProof::from_elements(&model.shape, hiding, &elements)?;
        let opening = bytes.get(need - OPENING_BYTES..).unwrap_or_default();
        Ok(Self { witness, mask, inner, opening: Opening::from_bytes(opening)? })
    }
}
