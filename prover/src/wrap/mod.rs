//! The wrapped proof: a SNARK of the inner verifier's circuit, and the opening beside it. `docs/protocol.md` sections 8
//! and 9.
//!
//! This is what leaves the prover: zero-knowledge in the weights and in the input's cells.

#![cfg_attr(not(test), deny(clippy::indexing_slicing))]

pub mod groth16;
mod keys;

pub use keys::{Groth16Key, WrapProvingKey, WrapVerifyingKey};

use crate::control::{Cancelled, Control, Phase};
use crate::inner::{InnerError, Proved, RngBridge, fresh_rng};
use crate::key::{KeyError, PublicModel};
use crate::native::{Claim, ProofError, opened_terms, statement};
use crate::pcs::encode::{self, Reader};
use crate::pcs::{self, OPENING_BYTES, Opening, PcsError};
use crate::plonk;
use crate::secret::Secret;
use crate::srs::Srs;
use crate::statement::output_sum;
use ark_bn254::{Bn254, G1Affine, G1Projective};
use ark_ec::pairing::Pairing;
use ark_ec::{AffineRepr, CurveGroup};
use ark_ff::{PrimeField, UniformRand};
use ark_relations::gr1cs::SynthesisError;
use assay_circuits::Fr;
use assay_circuits::scalar::VerifyError;
use assay_circuits::shape::Shape;
use assay_circuits::verifier::Reduced;
use assay_circuits::wrap::{self, PublicInputs, public_data};
use rand::rngs::StdRng;
use sha3::{Digest, Keccak256};

/// The proof systems that an inner proof is wrapped in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum System {
    /// PLONK over the inner proof's powers of tau: anybody derives the keys.
    #[default]
    Universal,
    /// Groth16: every shape needs a ceremony of its own.
    Groth16,
}

impl System {
    /// All of them, the default first.
    pub const ALL: [Self; 2] = [Self::Universal, Self::Groth16];

    /// As people write it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Universal => "universal",
            Self::Groth16 => "groth16",
        }
    }

    /// What its circuits' sizes are numbers of.
    pub fn unit(self) -> &'static str {
        match self {
            Self::Universal => "rows",
            Self::Groth16 => "constraints",
        }
    }

    /// The version of contract keys with this wrap.
    pub fn version(self) -> u8 {
        match self {
            Self::Groth16 => 2,
            Self::Universal => 3,
        }
    }

    /// Bytes of the SNARK, with which a proof begins.
    pub fn snark_bytes(self) -> usize {
        match self {
            Self::Universal => plonk::PROOF_BYTES,
            Self::Groth16 => 256,
        }
    }
}

impl std::fmt::Display for System {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name())
    }
}

/// Why no wrapped proof or key was made.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum WrapError {
    /// The work was cancelled.
    #[error(transparent)]
    Cancelled(#[from] Cancelled),
    /// The inner proof does not verify.
    #[error(transparent)]
    Inner(#[from] VerifyError),
    /// It has no opening.
    #[error(transparent)]
    Opening(InnerError),
    /// Something cannot be committed to or opened.
    #[error(transparent)]
    Pcs(#[from] PcsError),
    /// The SNARK's prover or key generation failed.
    #[error("Groth16: {0}")]
    Synthesis(#[from] SynthesisError),
    /// The key is for another circuit.
    #[error("the proving key is for another shape or SRS: run `assay setup` for this model")]
    WrongKey,
    /// The key is unusable.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// The statement has no mask: it must not leave the prover.
    #[error("the inner proof is not hiding and cannot be wrapped")]
    NotHiding,
}

impl From<plonk::ProveError> for WrapError {
    fn from(error: plonk::ProveError) -> Self {
        match error {
            plonk::ProveError::Cancelled(cancelled) => Self::Cancelled(cancelled),
            plonk::ProveError::Pcs(error) => Self::Pcs(error),
        }
    }
}

impl From<InnerError> for WrapError {
    fn from(error: InnerError) -> Self {
        match error {
            InnerError::Cancelled(cancelled) => Self::Cancelled(cancelled),
            other => Self::Opening(other),
        }
    }
}

/// The SNARK of a wrapped proof.
#[derive(Clone, Debug, PartialEq)]
pub enum Snark {
    /// See [`plonk`].
    Universal(Box<plonk::Proof>),
    /// Groth16's `A, B, C`.
    Groth16(Box<ark_groth16::Proof<Bn254>>),
}

/// The proof that a buyer, a contract or anybody verifies.
#[derive(Clone, Debug, PartialEq)]
pub struct WrappedProof {
    /// The proof that there is an inner proof.
    pub snark: Snark,
    /// `D`.
    pub digest: Fr,
    /// `s`.
    pub value: Fr,
    /// `ρ`.
    pub rho: Fr,
    /// `δ`.
    pub delta: Fr,
    /// `r*`.
    pub point: Vec<Fr>,
    /// Commitments to the prover's chunks.
    pub witness: Vec<G1Affine>,
    /// Commitment to the mask.
    pub mask: G1Affine,
    /// The opening.
    pub opening: Opening,
}

/// Wraps a hiding inner proof. Errors: [`WrapError`].
pub fn prove(
    shape: &Shape,
    srs: &Srs,
    key: &WrapProvingKey,
    proved: Proved,
    control: &Control<'_>,
) -> Result<WrappedProof, WrapError> {
    prove_with(shape, srs, key, proved, &mut fresh_rng(), control)
}

/// [`prove`] with the caller's randomness, for known answers. **Whoever can guess it learns what the proof hides**: for
/// tests only. Errors: as [`prove`].
#[doc(hidden)]
pub fn prove_with(
    shape: &Shape,
    srs: &Srs,
    key: &WrapProvingKey,
    proved: Proved,
    rng: &mut StdRng,
    control: &Control<'_>,
) -> Result<WrappedProof, WrapError> {
    let (Some(mask), Some(rho)) = (proved.mask, proved.reduced.rho) else { return Err(WrapError::NotHiding) };
    let (snark, opening) = match key {
        WrapProvingKey::Universal(key) => prove_universal(shape, srs, key, &proved, rng, control)?,
        WrapProvingKey::Groth16(key) => {
            let opening = proved.open(shape, srs, control)?;
            let assignment = control.phase(Phase::WrapWitness, || {
                wrap::assignment(shape, &srs.id(), proved.statement, &proved.proof, proved.public)
            })??;
            let assignment = Secret::from(assignment);
            let proof = control.phase(Phase::Groth16, || {
                let blinding = std::array::from_fn(|_| Fr::rand(&mut RngBridge(rng)));
                key.prove(srs.backend().as_ref(), &assignment, blinding)
            })?;
            (Snark::Groth16(Box::new(proof)), opening)
        }
    };
    let Reduced { delta, point, value, digest, .. } = proved.reduced;
    Ok(WrappedProof { snark, digest, value, rho, delta, point, witness: proved.witness, mask, opening })
}

/// The SNARK's polynomials and the chunk are opened together.
fn prove_universal(
    shape: &Shape,
    srs: &Srs,
    key: &plonk::ProvingKey,
    proved: &Proved,
    rng: &mut StdRng,
    control: &Control<'_>,
) -> Result<(Snark, Opening), WrapError> {
    let advice =
        control.phase(Phase::WrapWitness, || key.circuit.advice(proved.statement, &proved.proof, proved.public))??;
    let committed = plonk::prove(srs, key, advice, &proved.public, rng, control)?;
    let (polynomial, point, value) = proved.claim(shape);
    let opening = control.phase(Phase::Opening, || {
        pcs::open_with(srs, polynomial, point, value, committed.transcript.clone(), &committed.companions(key))
    })??;
    Ok((Snark::Universal(Box::new(committed.proof)), opening))
}

/// Verifies a wrapped proof: the native mirror of the contract. Errors: [`ProofError`]. Total.
pub fn verify(
    model: &PublicModel,
    key: &WrapVerifyingKey,
    claim: &Claim,
    proof: &WrappedProof,
) -> Result<(), ProofError> {
    let statement = statement(model, claim, &proof.witness, Some(&proof.mask));
    statement.check_lengths(&model.shape)?;
    let variables = model.shape.layout.variables();
    if proof.point.len() != variables {
        return Err(VerifyError::Length { part: "final point", have: proof.point.len(), need: variables }.into());
    }
    let WrappedProof { delta, value, digest, .. } = *proof;
    let output_sum = output_sum(&claim.output, claim.clamps, &delta);
    let reduced = Reduced { delta, output_sum, point: proof.point.clone(), value, rho: Some(proof.rho), digest };
    let public = PublicInputs::new(&public_data(&statement.hash(), &reduced), reduced.digest);
    let terms = opened_terms(model, claim, &proof.witness, Some(&proof.mask), &reduced);
    let low = proof.point.get(..model.shape.layout.log_chunk as usize).unwrap_or_default();
    let (g1, g2) = match (key, &proof.snark) {
        (WrapVerifyingKey::Universal(key), Snark::Universal(snark)) => {
            let plonk::Statement { companions, transcript } = plonk::verify(key, &public, snark)?;
            let (left, right) = pcs::pairing_inputs_with(&terms, low, value, transcript, &proof.opening, &companions)?;
            (vec![left.into_affine(), -right], vec![model.srs.h, model.srs.tau_h])
        }
        (WrapVerifyingKey::Groth16(key), Snark::Groth16(snark)) => {
            let (left, right) = pcs::pairing_inputs(&terms, low, value, public.hash, &proof.opening)?;
            let merge = merge_scalar(&public, proof);
            let inputs = public
                .to_array()
                .iter()
                .zip(key.gamma_abc_g1.iter().skip(1))
                .map(|(x, point)| *point * x)
                .sum::<G1Projective>();
            let first = key.gamma_abc_g1.first().copied().unwrap_or(G1Affine::zero());
            let joined = left * merge - inputs - first;
            let g1 = vec![snark.a, -key.alpha_g1, -snark.c, joined.into_affine(), (right * -merge).into_affine()];
            (g1, vec![snark.b, key.beta_g2, key.delta_g2, model.srs.h, model.srs.tau_h])
        }
        _ => return Err(ProofError::OtherWrap),
    };
    if Bn254::multi_pairing(g1, g2).0 == ark_ff::Field::ONE { Ok(()) } else { Err(ProofError::Pairing) }
}

/// `μ`: drawn after everything, or one check could be cancelled against the other.
fn merge_scalar(public: &PublicInputs, proof: &WrappedProof) -> Fr {
    let mut hash = Keccak256::new_with_prefix(b"assay-merge-v1");
    hash.update(public.hash);
    hash.update(encode::fr_word(&public.fold));
    hash.update(proof.snark.to_bytes());
    hash.update(proof.opening.to_bytes());
    Fr::from_be_bytes_mod_order(&hash.finalize())
}

impl Snark {
    /// Which one it is.
    pub fn system(&self) -> System {
        match self {
            Self::Universal(_) => System::Universal,
            Self::Groth16(_) => System::Groth16,
        }
    }

    fn to_bytes(&self) -> Vec<u8> {
        match self {
            Self::Universal(proof) => proof.to_bytes(),
            Self::Groth16(proof) => {
                [&encode::g1_bytes(&proof.a)[..], &encode::g2_bytes(&proof.b), &encode::g1_bytes(&proof.c)].concat()
            }
        }
    }
}

impl WrappedProof {
    /// The proof's length in bytes for a model of this shape.
    pub fn byte_len(shape: &Shape, system: System) -> usize {
        system.snark_bytes() + 32 * (4 + shape.layout.variables() + 2 * shape.layout.witness.chunks + 2) + OPENING_BYTES
    }

    /// The calldata of sections 8 and 9.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = self.snark.to_bytes();
        [self.digest, self.value, self.rho, self.delta]
            .iter()
            .chain(&self.point)
            .for_each(|v| bytes.extend(encode::fr_word(v)));
        self.witness.iter().chain([&self.mask]).for_each(|point| bytes.extend(encode::g1_bytes(point)));
        bytes.extend(self.opening.to_bytes());
        bytes
    }

    /// Decodes strictly: exact length, canonical numbers, points on the curve and in the subgroup. Errors:
    /// [`ProofError`].
    pub fn from_bytes(shape: &Shape, system: System, bytes: &[u8]) -> Result<Self, ProofError> {
        let need = Self::byte_len(shape, system);
        if bytes.len() != need {
            return Err(ProofError::Length { have: bytes.len(), need });
        }
        let mut reader = Reader::new(bytes);
        let snark = match system {
            System::Universal => Snark::Universal(Box::new(plonk::Proof::read(&mut reader)?)),
            System::Groth16 => {
                let (a, b, c) = (reader.g1()?, reader.g2()?, reader.g1()?);
                Snark::Groth16(Box::new(ark_groth16::Proof { a, b, c }))
            }
        };
        let [digest, value, rho, delta] = [reader.fr()?, reader.fr()?, reader.fr()?, reader.fr()?];
        let point = (0..shape.layout.variables()).map(|_| reader.fr()).collect::<Result<_, _>>()?;
        let witness = (0..shape.layout.witness.chunks).map(|_| reader.g1()).collect::<Result<_, _>>()?;
        let mask = reader.g1()?;
        let opening = bytes.get(need - OPENING_BYTES..).unwrap_or_default();
        Ok(Self { snark, digest, value, rho, delta, point, witness, mask, opening: Opening::from_bytes(opening)? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ark_bn254::G2Affine;

    /// FS4: `μ`, by which the SNARK's equation and the opening's are joined, is the hash that section 8 names, and each
    /// word of what it hashes moves it: the last point of the opening too, which no challenge of the opening comes
    /// after. If it did not move `μ`, the error of one equation could be cancelled in the other.
    #[test]
    fn fs4_the_merge_comes_after_the_last_point_of_the_opening() {
        let g1 = |n: u64| (G1Affine::generator() * Fr::from(n)).into_affine();
        let g2 = (G2Affine::generator() * Fr::from(7u64)).into_affine();
        let points: Vec<u8> = (1..=7).flat_map(|n| encode::g1_bytes(&g1(n))).collect();
        let values: Vec<u8> = (1..=6u64).flat_map(|n| encode::fr_word(&Fr::from(n))).collect();
        let opening = [points, values].concat();
        let snark = [&encode::g1_bytes(&g1(11))[..], &encode::g2_bytes(&g2), &encode::g1_bytes(&g1(12))].concat();
        let public = PublicInputs { hash: [3; 32], digest: Fr::from(1u64), chi: Fr::from(2u64), fold: Fr::from(5u64) };
        let merge = |public: &PublicInputs, snark: &[u8], opening: &[u8]| {
            let mut reader = Reader::new(snark);
            let (a, b, c) = (reader.g1().unwrap(), reader.g2().unwrap(), reader.g1().unwrap());
            let [digest, value, rho, delta] = [Fr::from(1u64); 4];
            let snark = Snark::Groth16(Box::new(ark_groth16::Proof { a, b, c }));
            let opening = Opening::from_bytes(opening).unwrap();
            merge_scalar(
                public,
                &WrappedProof {
                    snark,
                    digest,
                    value,
                    rho,
                    delta,
                    point: Vec::new(),
                    witness: Vec::new(),
                    mask: g1(1),
                    opening,
                },
            )
        };
        let before = merge(&public, &snark, &opening);
        let fold = encode::fr_word(&public.fold);
        let all = [&b"assay-merge-v1"[..], &public.hash, &fold, &snark, &opening];
        assert_eq!(before, Fr::from_be_bytes_mod_order(&encode::keccak(&all)));

        assert_ne!(merge(&PublicInputs { hash: [4; 32], ..public }, &snark, &opening), before);
        assert_ne!(merge(&PublicInputs { fold: Fr::from(6u64), ..public }, &snark, &opening), before);
        for at in 0..7 {
            let mut other = opening.clone();
            other[64 * at..64 * (at + 1)].copy_from_slice(&encode::g1_bytes(&g1(99)));
            assert_ne!(merge(&public, &snark, &other), before, "point {at}");
        }
        for at in 14..20 {
            let mut other = opening.clone();
            other[32 * at + 31] ^= 1;
            assert_ne!(merge(&public, &snark, &other), before, "value {at}");
        }
        let others = [
            [&encode::g1_bytes(&g1(13))[..], &snark[64..]].concat(),
            [&snark[..64], &encode::g2_bytes(&-g2), &snark[192..]].concat(),
            [&snark[..192], &encode::g1_bytes(&g1(13))].concat(),
        ];
        for (at, other) in others.iter().enumerate() {
            assert_ne!(merge(&public, other, &opening), before, "part {at} of the SNARK");
        }
    }
}
