//! Keys of both wraps: making them, checking them, their bytes.

use super::{System, WrapError, groth16};
use crate::backend::Backend;
use crate::inner::{RngBridge, fresh_rng};
use crate::key::{KeyError, PublicModel, points_bytes};
use crate::pcs::encode;
use crate::plonk;
use crate::srs::Srs;
use ark_bn254::{Bn254, G1Projective, G2Affine};
use ark_ec::{AffineRepr, PrimeGroup};
use ark_ff::UniformRand;
use ark_groth16::r1cs_to_qap::LibsnarkReduction;
use ark_groth16::{Groth16, ProvingKey, VerifyingKey};
use ark_relations::gr1cs::{
    ConstraintSynthesizer, ConstraintSystemRef, LinearCombination as ArkCombination, Matrix, SynthesisError, Variable,
};
use ark_serialize::{CanonicalDeserialize, CanonicalSerialize};
use assay_circuits::Fr;
use assay_circuits::plonk::Circuit as PlonkCircuit;
use assay_circuits::r1cs::{Constraints, LinearCombination};
use assay_circuits::shape::Shape;
use assay_circuits::wrap;
use rand::rngs::StdRng;
use sha3::{Digest, Keccak256};

/// What wraps the proofs of a shape.
pub enum WrapProvingKey {
    /// Derived from the shape and the powers of tau.
    Universal(Box<plonk::ProvingKey>),
    /// Of a ceremony.
    Groth16(Box<Groth16Key>),
}

impl WrapProvingKey {
    /// The universal key of a shape: the same for everybody. Errors: [`WrapError::Pcs`] if the SRS is smaller than
    /// [`Self::srs_log`] says.
    pub fn universal(shape: &Shape, srs: &Srs) -> Result<Self, WrapError> {
        let circuit = PlonkCircuit::new(shape, &srs.id())?;
        Ok(Self::Universal(Box::new(plonk::ProvingKey::new(circuit, srs)?)))
    }

    /// Makes a Groth16 **development** key: whoever runs this could forge proofs under it. Errors:
    /// [`WrapError::Synthesis`].
    pub fn development(shape: &Shape, srs_id: &[u8; 32]) -> Result<Self, WrapError> {
        Ok(Self::Groth16(Box::new(Groth16Key::development(shape, srs_id)?)))
    }

    /// The Groth16 key that a ceremony made for a shape ([`crate::ceremony::circuit`]), once it was checked. Errors:
    /// [`WrapError::WrongKey`].
    pub fn of_ceremony(shape: &Shape, srs_id: &[u8; 32], key: ProvingKey<Bn254>) -> Result<Self, WrapError> {
        key_of_shape(key, shape, srs_id).map(|key| Self::Groth16(Box::new(key)))
    }

    /// The same key, what depends on data computed by another backend.
    pub fn on(self, backend: &dyn Backend) -> Self {
        match self {
            Self::Universal(key) => Self::Universal(Box::new(key.on(backend))),
            // its points are handed over with each proof
            Self::Groth16(_) => self,
        }
    }

    /// Log of the powers of tau that proofs of a shape take with this wrap. Errors: none for a valid shape.
    pub fn srs_log(system: System, shape: &Shape) -> Result<u32, WrapError> {
        let chunk = shape.layout.log_chunk;
        Ok(match system {
            System::Groth16 => chunk,
            // the number of rows does not depend on the SRS
            System::Universal => {
                plonk::ProvingKey::powers(PlonkCircuit::new(shape, &[0; 32])?.log_rows).ilog2().max(chunk)
            }
        })
    }

    /// Which wrap it is.
    pub fn system(&self) -> System {
        match self {
            Self::Universal(_) => System::Universal,
            Self::Groth16(_) => System::Groth16,
        }
    }

    /// The verifying half.
    pub fn verifying_key(&self) -> WrapVerifyingKey {
        match self {
            Self::Universal(key) => WrapVerifyingKey::Universal(key.verifying),
            Self::Groth16(key) => WrapVerifyingKey::Groth16(Box::new(key.key.vk.clone())),
        }
    }

    /// The circuit's size: rows in use, or constraints.
    pub fn size(&self) -> usize {
        match self {
            Self::Universal(key) => key.circuit.used_rows,
            Self::Groth16(key) => key.constraints(),
        }
    }

    /// What the shape and the SRS do not give, after the wrap's version.
    pub fn to_bytes(&self) -> Result<Vec<u8>, ark_serialize::SerializationError> {
        let body = match self {
            Self::Universal(_) => self.verifying_key().to_bytes()?,
            Self::Groth16(key) => key.to_bytes()?,
        };
        Ok([&[self.system().version()], &body[..]].concat())
    }

    /// Reads [`Self::to_bytes`] for a shape, and derives the rest. The seller's own file: the points of a Groth16 key
    /// are not checked to be on the curve, but that the key is for this circuit is. Errors: [`WrapError::WrongKey`].
    pub fn from_bytes(bytes: &[u8], shape: &Shape, srs: &Srs) -> Result<Self, WrapError> {
        match bytes.split_first() {
            Some((version, body)) if *version == System::Groth16.version() => {
                Ok(Self::Groth16(Box::new(Groth16Key::from_bytes(body, shape, &srs.id())?)))
            }
            Some((version, body)) if *version == System::Universal.version() => {
                let key = Self::universal(shape, srs)?;
                if key.verifying_key().to_bytes().is_ok_and(|bytes| bytes == body) {
                    Ok(key)
                } else {
                    Err(WrapError::WrongKey)
                }
            }
            _ => Err(WrapError::WrongKey),
        }
    }
}

/// What verifies the wrapped proofs of a shape.
#[derive(Clone, Debug, PartialEq)]
pub enum WrapVerifyingKey {
    /// Derived from the shape and the powers of tau.
    Universal(plonk::VerifyingKey),
    /// Groth16 with `γ = 1`.
    Groth16(Box<VerifyingKey<Bn254>>),
}

impl WrapVerifyingKey {
    /// Which wrap it is.
    pub fn system(&self) -> System {
        match self {
            Self::Universal(_) => System::Universal,
            Self::Groth16(_) => System::Groth16,
        }
    }

    /// Log of the powers of tau that the shape's proofs take under this key, and that deriving it takes.
    pub fn srs_log(&self, shape: &Shape) -> u32 {
        let chunk = shape.layout.log_chunk;
        match self {
            Self::Universal(key) => plonk::ProvingKey::powers(key.log_rows).ilog2().max(chunk),
            Self::Groth16(_) => chunk,
        }
    }

    /// Refuses keys under which proofs can be forged without knowing anything secret. Errors: [`KeyError::Degenerate`].
    pub fn check(&self) -> Result<(), KeyError> {
        let degenerate = |bad: bool, what| if bad { Err(KeyError::Degenerate(what)) } else { Ok(()) };
        match self {
            Self::Universal(key) => {
                degenerate(key.commitments.iter().any(AffineRepr::is_zero), "an identity element")?;
                degenerate(!plonk::LOG_ROWS.contains(&key.log_rows), "number of rows")
            }
            Self::Groth16(key) => {
                degenerate(key.gamma_abc_g1.len() != wrap::PUBLIC_INPUTS + 1, "number of inputs")?;
                degenerate(key.gamma_g2 != G2Affine::generator(), "γ is not 1")?;
                degenerate(key.delta_g2 == key.gamma_g2 || key.delta_g2 == -key.gamma_g2, "δ = ±γ")?;
                degenerate(
                    key.delta_g2.is_zero() || key.beta_g2.is_zero() || key.alpha_g1.is_zero(),
                    "an identity element",
                )?;
                degenerate(key.gamma_abc_g1.iter().skip(1).any(AffineRepr::is_zero), "an input without effect")
            }
        }
    }

    /// The key after its wrap's version, for files.
    pub fn to_bytes(&self) -> Result<Vec<u8>, ark_serialize::SerializationError> {
        let mut bytes = vec![self.system().version()];
        match self {
            Self::Universal(key) => {
                bytes.push(key.log_rows as u8);
                key.commitments.serialize_compressed(&mut bytes)?;
            }
            Self::Groth16(key) => key.serialize_compressed(&mut bytes)?,
        }
        Ok(bytes)
    }

    /// Reads [`Self::to_bytes`]. `None` if malformed.
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let (version, mut body) = bytes.split_first()?;
        let key = if *version == System::Groth16.version() {
            Self::Groth16(Box::new(CanonicalDeserialize::deserialize_compressed(&mut body).ok()?))
        } else if *version == System::Universal.version() {
            let log_rows = u32::from(*body.split_off_first()?);
            if !plonk::LOG_ROWS.contains(&log_rows) {
                return None;
            }
            let commitments = CanonicalDeserialize::deserialize_compressed(&mut body).ok()?;
            Self::Universal(plonk::VerifyingKey { log_rows, commitments })
        } else {
            return None;
        };
        body.is_empty().then_some(key)
    }

    /// The key as contracts store it. `docs/protocol.md` sections 8 and 9.
    pub fn contract_bytes(&self, model: &PublicModel) -> Vec<u8> {
        let shape = &model.shape;
        let layout = &shape.layout;
        let mut bytes = Vec::new();
        let word = |value: usize| encode::fr_word(&Fr::from(value as u64));
        bytes.extend(word(self.system().version().into()));
        bytes.extend(shape.model_digest);
        bytes.extend(model.srs.id);
        bytes.extend(word(layout.log_chunk as usize));
        bytes.extend(word(layout.log_chunks as usize));
        layout.regions().iter().for_each(|region| bytes.extend(word(region.chunks)));
        layout.regions().iter().for_each(|region| bytes.extend(word(region.first_chunk)));
        bytes.extend(word(shape.outputs()));
        bytes.extend(shape.batch.word());
        match self {
            Self::Universal(key) => {
                bytes.extend(word(key.log_rows as usize));
                bytes.extend(points_bytes(&key.commitments));
            }
            Self::Groth16(key) => {
                bytes.extend(encode::g1_bytes(&-key.alpha_g1));
                bytes.extend(encode::g2_bytes(&key.beta_g2));
                bytes.extend(encode::g2_bytes(&key.delta_g2));
                bytes.extend(points_bytes(&key.gamma_abc_g1));
            }
        }
        bytes.extend(encode::g2_bytes(&model.srs.tau_h));
        bytes.extend(points_bytes(&model.tables));
        bytes
    }

    /// Keccak-256 of [`Self::contract_bytes`].
    pub fn hash(&self, model: &PublicModel) -> [u8; 32] {
        Keccak256::digest(self.contract_bytes(model)).into()
    }
}

/// A Groth16 proving key of a shape's circuit, with the circuit's matrices, so that a proof synthesises nothing but its
/// witness.
pub struct Groth16Key {
    key: ProvingKey<Bn254>,
    program: groth16::Program,
}

/// Hands written-down constraints to arkworks.
struct Circuit<'a>(&'a Constraints);

impl ConstraintSynthesizer<Fr> for Circuit<'_> {
    #[allow(clippy::indexing_slicing, reason = "constraints name variables that they have")]
    fn generate_constraints(self, system: ConstraintSystemRef<Fr>) -> Result<(), SynthesisError> {
        let mut variables = vec![Variable::One];
        for _ in 1..self.0.public {
            variables.push(system.new_input_variable(|| Ok(Fr::from(0u64)))?);
        }
        for _ in self.0.public..self.0.variables {
            variables.push(system.new_witness_variable(|| Ok(Fr::from(0u64)))?);
        }
        let convert =
            |lc: &LinearCombination| ArkCombination(lc.iter().map(|(v, c)| (*c, variables[*v as usize])).collect());
        for ((a, b), c) in self.0.a.iter().zip(&self.0.b).zip(&self.0.c) {
            let (a, b, c) = (convert(a), convert(b), convert(c));
            system.enforce_r1cs_constraint(move || a, move || b, move || c)?;
        }
        Ok(())
    }
}

impl Groth16Key {
    /// Makes a **development** key: whoever runs this could forge proofs under it. `γ` is 1. The randomness is the
    /// operating system's. Errors: [`WrapError::Synthesis`].
    pub fn development(shape: &Shape, srs_id: &[u8; 32]) -> Result<Self, WrapError> {
        Self::development_with(shape, srs_id, &mut fresh_rng())
    }

    /// [`Self::development`] with the caller's randomness, for known answers: whoever can guess it can forge proofs
    /// under the key as well. Errors: [`WrapError::Synthesis`].
    #[doc(hidden)]
    pub fn development_with(shape: &Shape, srs_id: &[u8; 32], rng: &mut StdRng) -> Result<Self, WrapError> {
        let constraints = wrap::constraints(shape, srs_id)?;
        let mut random = || loop {
            let value = Fr::rand(&mut RngBridge(rng));
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
            &mut RngBridge(rng),
        )?;
        Self::with_matrices(key, constraints)
    }

    fn with_matrices(key: ProvingKey<Bn254>, constraints: Constraints) -> Result<Self, WrapError> {
        let matrix = |rows: Vec<LinearCombination>| -> Matrix<Fr> {
            rows.into_iter().map(|row| row.into_iter().map(|(v, c)| (c, v as usize)).collect()).collect()
        };
        let matrices = vec![matrix(constraints.a), matrix(constraints.b), matrix(constraints.c)];
        let program =
            groth16::Program::new(matrices, constraints.public).ok_or(SynthesisError::PolynomialDegreeTooLarge)?;
        Ok(Self { key, program })
    }

    pub(super) fn prove(
        &self,
        backend: &dyn Backend,
        assignment: &[Fr],
        blinding: [Fr; 2],
    ) -> ark_groth16::Proof<Bn254> {
        groth16::prove(backend, &self.key, &self.program, assignment, blinding)
    }

    /// Number of constraints of the circuit.
    pub fn constraints(&self) -> usize {
        self.program.constraints()
    }

    /// The key without the matrices, which the shape gives.
    fn to_bytes(&self) -> Result<Vec<u8>, ark_serialize::SerializationError> {
        let mut bytes = Vec::with_capacity(self.key.uncompressed_size());
        self.key.serialize_uncompressed(&mut bytes)?;
        Ok(bytes)
    }

    /// Reads [`Self::to_bytes`] for a shape. The seller's own file: points are not checked to be on the curve, but that
    /// the key is for this circuit is. Errors: [`WrapError::WrongKey`].
    fn from_bytes(bytes: &[u8], shape: &Shape, srs_id: &[u8; 32]) -> Result<Self, WrapError> {
        let mut rest = bytes;
        let key =
            ProvingKey::<Bn254>::deserialize_uncompressed_unchecked(&mut rest).map_err(|_| WrapError::WrongKey)?;
        if !rest.is_empty() {
            return Err(WrapError::WrongKey);
        }
        key_of_shape(key, shape, srs_id)
    }
}

/// With the matrices of the shape's circuit. Errors: [`WrapError::WrongKey`] if the key is of another size.
fn key_of_shape(key: ProvingKey<Bn254>, shape: &Shape, srs_id: &[u8; 32]) -> Result<Groth16Key, WrapError> {
    let constraints = wrap::constraints(shape, srs_id)?;
    let (variables, public) = (constraints.variables, constraints.public);
    let domain = (constraints.a.len() + public).next_power_of_two();
    let fits = [key.a_query.len(), key.b_g1_query.len(), key.b_g2_query.len()] == [variables; 3]
        && key.l_query.len() == variables - public
        && key.h_query.len() == domain - 1
        && key.vk.gamma_abc_g1.len() == public;
    if fits { Groth16Key::with_matrices(key, constraints) } else { Err(WrapError::WrongKey) }
}
