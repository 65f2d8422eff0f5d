//! The wrapped proof: Groth16 over the inner verifier's circuit, the opening beside it, one merged pairing check. `docs/protocol.md` section 8.
//!
//! This is what leaves the prover: zero-knowledge in the weights and in the input's cells.

use crate::control::{Cancelled, Control, Phase};
use crate::groth16;
use crate::inner::{InnerError, Proved, RngBridge, fresh_rng};
use crate::key::{KeyError, PublicModel, WrapVerifyingKey};
use crate::native::{Claim, ProofError, opened_terms, statement};
use crate::pcs::encode::{self, Reader};
use crate::pcs::{self, OPENING_BYTES, Opening};
use crate::srs::Srs;
use crate::statement::output_sum;
use ark_bn254::{Bn254, G1Affine, G1Projective, G2Affine};
use ark_ec::pairing::Pairing;
use ark_ec::{AffineRepr, CurveGroup, PrimeGroup};
use ark_ff::{Field, PrimeField, UniformRand};
use ark_groth16::r1cs_to_qap::LibsnarkReduction;
use ark_groth16::{Groth16, ProvingKey};
use ark_relations::gr1cs::{
    ConstraintSynthesizer, ConstraintSystemRef, LinearCombination as ArkCombination, Matrix, SynthesisError, Variable,
};
use ark_serialize::{CanonicalDeserialize, CanonicalSerialize};
use assay_circuits::Fr;
use assay_circuits::r1cs::{Constraints, LinearCombination};
use assay_circuits::scalar::VerifyError;
use assay_circuits::shape::Shape;
use assay_circuits::verifier::Reduced;
use assay_circuits::wrap::{self, PublicInputs, public_data};
use sha3::{Digest, Keccak256};

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
    Opening(#[from] InnerError),
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

/// The proving key of a shape's wrap circuit, with the circuit's matrices, so that a proof synthesises nothing but its witness.
pub struct WrapProvingKey {
    key: ProvingKey<Bn254>,
    program: groth16::Program,
}

/// Hands written-down constraints to arkworks.
struct Circuit<'a>(&'a Constraints);

impl ConstraintSynthesizer<Fr> for Circuit<'_> {
    fn generate_constraints(self, system: ConstraintSystemRef<Fr>) -> Result<(), SynthesisError> {
        let mut variables = vec![Variable::One];
        for _ in 1..self.0.public {
            variables.push(system.new_input_variable(|| Ok(Fr::from(0u64)))?);
        }
        for _ in self.0.public..self.0.variables {
            variables.push(system.new_witness_variable(|| Ok(Fr::from(0u64)))?);
        }
        let convert = |lc: &LinearCombination| ArkCombination(lc.iter().map(|(v, c)| (*c, variables[*v as usize])).collect());
        for ((a, b), c) in self.0.a.iter().zip(&self.0.b).zip(&self.0.c) {
            let (a, b, c) = (convert(a), convert(b), convert(c));
            system.enforce_r1cs_constraint(move || a, move || b, move || c)?;
        }
        Ok(())
    }
}

impl WrapProvingKey {
    /// Makes a **development** key: whoever runs this could forge proofs under it. `γ` is 1. Deterministic randomness never enters: it comes from
    /// the operating system. Errors: [`WrapError::Synthesis`].
    pub fn development(shape: &Shape, srs_id: &[u8; 32]) -> Result<Self, WrapError> {
        let constraints = wrap::constraints(shape, srs_id)?;
        let mut rng = fresh_rng();
        let mut random = || loop {
            let value = Fr::rand(&mut RngBridge(&mut rng));
            if value != Fr::from(0u64) {
                return value;
            }
        };
        let (alpha, beta, delta) = (random(), random(), random());
        let (g1, g2) = (G1Projective::generator(), ark_bn254::G2Projective::generator());
        let key = Groth16::<Bn254, LibsnarkReduction>::generate_parameters_with_qap(
            Circuit(&constraints),
            alpha,
            beta,
            Fr::from(1u64),
            delta,
            g1,
            g2,
            &mut RngBridge(&mut fresh_rng()),
        )?;
        Self::with_matrices(key, constraints)
    }

    fn with_matrices(key: ProvingKey<Bn254>, constraints: Constraints) -> Result<Self, WrapError> {
        let matrix = |rows: Vec<LinearCombination>| -> Matrix<Fr> {
            rows.into_iter().map(|row| row.into_iter().map(|(v, c)| (c, v as usize)).collect()).collect()
        };
        let matrices = vec![matrix(constraints.a), matrix(constraints.b), matrix(constraints.c)];
        let program = groth16::Program::new(matrices, constraints.public).ok_or(SynthesisError::PolynomialDegreeTooLarge)?;
        Ok(Self { key, program })
    }

    /// The verifying half.
    pub fn verifying_key(&self) -> WrapVerifyingKey {
        WrapVerifyingKey(self.key.vk.clone())
    }

    /// Number of constraints of the circuit.
    pub fn constraints(&self) -> usize {
        self.program.constraints()
    }

    /// The key without the matrices, which the shape gives.
    pub fn to_bytes(&self) -> Result<Vec<u8>, ark_serialize::SerializationError> {
        let mut bytes = Vec::with_capacity(self.key.uncompressed_size());
        self.key.serialize_uncompressed(&mut bytes)?;
        Ok(bytes)
    }

    /// Reads [`Self::to_bytes`] for a shape. The seller's own file: points are not checked to be on the curve, but that the key is for
    /// this circuit is. Errors: [`WrapError::WrongKey`].
    pub fn from_bytes(bytes: &[u8], shape: &Shape, srs_id: &[u8; 32]) -> Result<Self, WrapError> {
        let key = ProvingKey::<Bn254>::deserialize_uncompressed_unchecked(bytes).map_err(|_| WrapError::WrongKey)?;
        let constraints = wrap::constraints(shape, srs_id)?;
        let (variables, public) = (constraints.variables, constraints.public);
        let domain = (constraints.a.len() + public).next_power_of_two();
        let fits = [key.a_query.len(), key.b_g1_query.len(), key.b_g2_query.len()] == [variables; 3]
            && key.l_query.len() == variables - public
            && key.h_query.len() == domain - 1
            && key.vk.gamma_abc_g1.len() == public;
        if fits { Self::with_matrices(key, constraints) } else { Err(WrapError::WrongKey) }
    }
}

/// The proof that a buyer, a contract or anybody verifies.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WrappedProof {
    /// Groth16's `A`.
    pub a: G1Affine,
    /// Groth16's `B`.
    pub b: G2Affine,
    /// Groth16's `C`.
    pub c: G1Affine,
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
pub fn prove(shape: &Shape, srs: &Srs, key: &WrapProvingKey, proved: Proved, control: &Control<'_>) -> Result<WrappedProof, WrapError> {
    let (Some(mask), Some(rho)) = (proved.mask, proved.reduced.rho) else { return Err(WrapError::NotHiding) };
    let opening = proved.open(shape, srs, control)?;
    let assignment =
        control.phase(Phase::WrapWitness, || wrap::assignment(shape, &srs.id(), proved.statement, &proved.proof, proved.public))??;
    let proof = control.phase(Phase::Wrap, || {
        let mut rng = fresh_rng();
        let blinding = std::array::from_fn(|_| Fr::rand(&mut RngBridge(&mut rng)));
        groth16::prove(&key.key, &key.program, &assignment, blinding)
    })?;
    let Reduced { delta, point, value, digest, .. } = proved.reduced;
    Ok(WrappedProof { a: proof.a, b: proof.b, c: proof.c, digest, value, rho, delta, point, witness: proved.witness, mask, opening })
}

/// Verifies a wrapped proof: the native mirror of the contract. Errors: [`ProofError`]. Total.
pub fn verify(model: &PublicModel, key: &WrapVerifyingKey, claim: &Claim, proof: &WrappedProof) -> Result<(), ProofError> {
    let statement = statement(model, claim, &proof.witness, Some(&proof.mask));
    statement.check_lengths(&model.shape)?;
    let variables = model.shape.layout.variables();
    if proof.point.len() != variables {
        return Err(VerifyError::Length { part: "final point", have: proof.point.len(), need: variables }.into());
    }
    let WrappedProof { delta, value, digest, .. } = *proof;
    let output_sum = output_sum(&claim.output, &delta);
    let reduced = Reduced { delta, output_sum, point: proof.point.clone(), value, rho: Some(proof.rho), digest };
    let public = PublicInputs::new(&public_data(&statement.hash(), &reduced), reduced.digest);
    let terms = opened_terms(model, claim, &proof.witness, Some(&proof.mask), &reduced);
    let low = &proof.point[..model.shape.layout.log_chunk as usize];
    let (left, right) = pcs::pairing_inputs(&terms, low, proof.value, public.hash, &proof.opening)?;

    let merge = merge_scalar(&public, proof);
    let inputs = public.to_array().iter().zip(key.0.gamma_abc_g1.iter().skip(1)).map(|(x, point)| *point * x).sum::<G1Projective>();
    let first = key.0.gamma_abc_g1.first().copied().unwrap_or(G1Affine::zero());
    let joined = left * merge - inputs - first;
    let g1: [G1Affine; 5] = [proof.a, -key.0.alpha_g1, -proof.c, joined.into_affine(), (right * -merge).into_affine()];
    let g2 = [proof.b, key.0.beta_g2, key.0.delta_g2, model.srs.h, model.srs.tau_h];
    if Bn254::multi_pairing(g1, g2).0 == ark_bn254::Fq12::ONE { Ok(()) } else { Err(ProofError::Pairing) }
}

/// `μ`: drawn after everything, or one check could be cancelled against the other.
fn merge_scalar(public: &PublicInputs, proof: &WrappedProof) -> Fr {
    let mut hash = Keccak256::new_with_prefix(b"assay-merge-v1");
    hash.update(public.hash);
    hash.update(encode::fr_word(&public.fold));
    hash.update(proof.snark_bytes());
    hash.update(proof.opening.to_bytes());
    Fr::from_be_bytes_mod_order(&hash.finalize())
}

impl WrappedProof {
    fn snark_bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(256);
        bytes.extend(encode::g1_bytes(&self.a));
        bytes.extend(encode::g2_bytes(&self.b));
        bytes.extend(encode::g1_bytes(&self.c));
        bytes
    }

    /// The proof's length in bytes for a model of this shape.
    pub fn byte_len(shape: &Shape) -> usize {
        32 * (8 + 4 + shape.layout.variables() + 2 * shape.layout.witness.chunks + 2) + OPENING_BYTES
    }

    /// The calldata of section 8.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = self.snark_bytes();
        [self.digest, self.value, self.rho, self.delta].iter().chain(&self.point).for_each(|v| bytes.extend(encode::fr_word(v)));
        self.witness.iter().chain([&self.mask]).for_each(|point| bytes.extend(encode::g1_bytes(point)));
        bytes.extend(self.opening.to_bytes());
        bytes
    }

    /// Decodes strictly: exact length, canonical numbers, points on the curve and in the subgroup. Errors: [`ProofError`].
    pub fn from_bytes(shape: &Shape, bytes: &[u8]) -> Result<Self, ProofError> {
        let need = Self::byte_len(shape);
        if bytes.len() != need {
            return Err(ProofError::Length { have: bytes.len(), need });
        }
        let mut reader = Reader::new(bytes);
        let (a, b, c) = (reader.g1()?, reader.g2()?, reader.g1()?);
        let [digest, value, rho, delta] = [reader.fr()?, reader.fr()?, reader.fr()?, reader.fr()?];
        let point = (0..shape.layout.variables()).map(|_| reader.fr()).collect::<Result<_, _>>()?;
        let witness = (0..shape.layout.witness.chunks).map(|_| reader.g1()).collect::<Result<_, _>>()?;
        let mask = reader.g1()?;
        Ok(Self { a, b, c, digest, value, rho, delta, point, witness, mask, opening: Opening::from_bytes(&bytes[need - OPENING_BYTES..])? })
    }
}
