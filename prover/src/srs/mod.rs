//! The structured reference string: `[τ^i]_1`, `[1]_2`, `[τ]_2`. One universal string serves every model.
//!
//! A *development* string has a τ that anybody can compute. It proves nothing to anybody; it is marked as such, and the
//! mark is a fact about `[τ]_2` and not a label: every way to obtain an [`Srs`] recomputes it.

#![cfg_attr(not(test), deny(clippy::indexing_slicing))]

pub mod file;
pub mod ptau;

use crate::{
    backend::{Backend, Bases, Cpu},
    pcs::encode::{g1_bytes, g2_bytes, keccak},
};
use ark_bn254::{Bn254, Fr, G1Affine, G1Projective, G2Affine};
use ark_ec::{AffineRepr, CurveGroup, PrimeGroup, pairing::Pairing, scalar_mul::BatchMulPreprocessing};
use ark_ff::{Field, PrimeField, Zero};
use sha3::{Digest, Keccak256};
use std::ops::Deref;
use std::sync::Arc;

/// What the public τ of development strings is hashed from.
const DEVELOPMENT_TAU: &[u8] = b"assay-development-srs-v1: this tau is public, nothing proven with it is sound";
/// The largest string: that of the largest powers-of-tau ceremony.
pub const MAX_LOG: u32 = 28;
// a ceremony publishes twice as many powers in the first group, and a prover may use them all
const _: () = assert!(MAX_LOG + 1 == assay_circuits::soundness::LOG_DEGREE);

/// Why there is no SRS.
#[derive(Debug, thiserror::Error)]
pub enum SrsError {
    /// The file cannot be read or written.
    #[error("cannot access the SRS file: {0}")]
    Io(#[from] std::io::Error),
    /// The first bytes are not those of the format.
    #[error("not a file of this format: wrong magic bytes")]
    Magic,
    /// A version which this program does not know.
    #[error("unknown format version {version}")]
    Version {
        /// The version found.
        version: u32,
    },
    /// The file is shorter or longer than it says.
    #[error("the file should have {need} bytes and has {have}")]
    Length {
        /// Bytes found.
        have: u64,
        /// Bytes needed.
        need: u64,
    },
    /// The hash at the end of the file is not that of the file.
    #[error("the file is damaged: its hash is wrong")]
    Hash,
    /// A number in the header is outside its range.
    #[error("header field {field:?} has the value {value}")]
    Header {
        /// Which one.
        field: HeaderField,
        /// Its value.
        value: u64,
    },
    /// The curve is not BN254.
    #[error("the file's prime is not that of BN254")]
    Prime,
    /// A section is missing, or is there twice.
    #[error("section {section} must be there exactly once")]
    Section {
        /// Its number.
        section: u32,
    },
    /// A section is not as long as its header demands, or does not end within the file.
    #[error("section {section} has {have} bytes, {need} are needed")]
    SectionLength {
        /// Its number.
        section: u32,
        /// Bytes found.
        have: u64,
        /// Bytes needed.
        need: u64,
    },
    /// More powers are asked for than there are.
    #[error("the ceremony has 2^{have} powers, 2^{need} are needed")]
    TooSmall {
        /// Base-2 logarithm of the powers there are.
        have: u32,
        /// Base-2 logarithm of the powers needed.
        need: u32,
    },
    /// A G1 point has a coordinate that is not canonical, is off the curve, or is the identity.
    #[error("G1 point {index} is not canonical, not on the curve, or the identity")]
    G1Point {
        /// Its index.
        index: u64,
    },
    /// A G2 point has a coordinate that is not canonical, is off the curve or outside the subgroup, or is the identity.
    #[error("G2 point {index} is not canonical, not in the group, or the identity")]
    G2Point {
        /// Its index.
        index: u64,
    },
    /// The first point is not the generator.
    #[error("the first point of G{group} is not the generator")]
    Generator {
        /// 1 or 2.
        group: u32,
    },
    /// `τ` is 0 or 1.
    #[error("tau is 0 or 1")]
    TrivialTau,
    /// The powers are not those of the `τ` in G2.
    #[error("the points are not consecutive powers of the tau in G2")]
    Powers,
    /// A ceremony's `τ` is the public one of development strings, or a file's mark is not what its `τ` says.
    #[error("the file is (or pretends not to be) an insecure development SRS")]
    DevelopmentTau,
}

/// A number in a header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HeaderField {
    /// Bytes of a field element.
    FieldBytes,
    /// Base-2 logarithm of the powers.
    Power,
    /// Base-2 logarithm of the ceremony's powers.
    CeremonyPower,
    /// Number of G1 points.
    Count,
    /// The development mark.
    Mark,
    /// Number of sections.
    Sections,
}

/// A structured reference string.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Srs {
    /// `[τ^0]_1, [τ^1]_1, …`, `2^max_log + 1` of them or more.
    pub g1: Powers,
    /// `[1]_2`.
    pub h: G2Affine,
    /// `[τ]_2`.
    pub tau_h: G2Affine,
    /// Whether τ is the public one of development strings. Such a string is insecure.
    pub development: bool,
}

/// Powers of tau in G1, and the backend that computes with them.
#[derive(Clone, Debug)]
pub struct Powers {
    points: Arc<Vec<G1Affine>>,
    bases: Arc<dyn Bases>,
    backend: Arc<dyn Backend>,
}

impl Powers {
    /// Gives the points to a backend.
    fn on(points: Arc<Vec<G1Affine>>, backend: Arc<dyn Backend>) -> Self {
        Self { bases: backend.bases(Arc::clone(&points)), points, backend }
    }

    /// `Σ scalars[i]·[τ^i]_1`; there are as many powers.
    pub fn msm(&self, scalars: &[Fr]) -> G1Projective {
        self.bases.msm(scalars)
    }

    /// The same for each list of small scalars.
    pub fn msm_small(&self, scalars: &[&[i32]]) -> Vec<G1Projective> {
        self.bases.msm_small(scalars)
    }
}

/// On [`Cpu`].
impl From<Vec<G1Affine>> for Powers {
    fn from(points: Vec<G1Affine>) -> Self {
        Self::on(Arc::new(points), Arc::new(Cpu))
    }
}

impl Deref for Powers {
    type Target = [G1Affine];

    fn deref(&self) -> &[G1Affine] {
        &self.points
    }
}

impl PartialEq for Powers {
    fn eq(&self, other: &Self) -> bool {
        self.points == other.points
    }
}

impl Eq for Powers {}

impl Srs {
    /// The same string on another backend.
    pub fn on(self, backend: Arc<dyn Backend>) -> Self {
        Self { g1: Powers::on(self.g1.points, backend), ..self }
    }

    /// What computes with it, and with everything that is proven over it.
    pub fn backend(&self) -> &Arc<dyn Backend> {
        &self.g1.backend
    }

    /// The insecure development string for polynomials of `2^log` coefficients and one blinding coefficient (`log` is
    /// cut to [`MAX_LOG`]).
    pub fn development(log: u32) -> Srs {
        let tau = development_tau();
        let count = (1usize << log.min(MAX_LOG)) + 1;
        let powers: Vec<Fr> = std::iter::successors(Some(Fr::ONE), |p| Some(*p * tau)).take(count).collect();
        let g1 = BatchMulPreprocessing::new(G1Projective::generator(), count).batch_mul(&powers);
        Srs { g1: g1.into(), h: G2Affine::generator(), tau_h: development_tau_h(), development: true }
    }

    /// `keccak256("assay-srs-v1" ‖ [τ]_2)`.
    pub fn id(&self) -> [u8; 32] {
        id_of(&self.tau_h)
    }

    /// Whether it commits to chunks of `2^log_chunk` cells with their blinding coefficient.
    pub fn holds_chunks(&self, log_chunk: u32) -> bool {
        self.g1.len() > 1 << log_chunk
    }

    /// The largest `c` whose chunks, blinding coefficient included, can be committed.
    pub fn max_log(&self) -> u32 {
        self.g1.len().saturating_sub(1).checked_ilog2().unwrap_or(0)
    }

    /// Checks everything about the points as group elements: generators, `τ ∉ {0, 1}`, and that all powers are
    /// consecutive powers of the `τ` in G2, by one pairing equation over a linear combination whose factor is a hash of
    /// all points (a false string passes with probability below `2^-220`, for every one that somebody tries). The
    /// points must be in their groups already.
    ///
    /// # Errors
    /// [`SrsError::Generator`], [`SrsError::TrivialTau`], [`SrsError::Powers`], [`SrsError::DevelopmentTau`] if the
    /// mark is wrong.
    pub fn check(&self) -> Result<(), SrsError> {
        self.check_ends()?;
        let rho = self.factor();
        let weights: Vec<Fr> = std::iter::successors(Some(Fr::ONE), |p| Some(*p * rho)).take(self.g1.len()).collect();
        let (Some(first), Some(last), Some(last_weight)) = (self.g1.first(), self.g1.last(), weights.last()) else {
            return Err(SrsError::Powers);
        };
        // Σ_{i<N} ρ^i·P_i gives both sums: without its last term, and without its first one and divided by ρ
        let sum = self.g1.msm(&weights);
        let lower = sum - *last * last_weight;
        let upper = (sum - first) * rho.inverse().ok_or(SrsError::Powers)?;
        if self.same_ratio(lower, upper) { Ok(()) } else { Err(SrsError::Powers) }
    }

    /// The part of [`Srs::check`] that costs two pairings whatever the size: the generators, `[τ]_1` against `[τ]_2`,
    /// the mark.
    fn check_ends(&self) -> Result<(), SrsError> {
        let (Some(first), Some(second)) = (self.g1.first(), self.g1.get(1)) else { return Err(SrsError::Powers) };
        if *first != G1Affine::generator() {
            return Err(SrsError::Generator { group: 1 });
        }
        if self.h != G2Affine::generator() {
            return Err(SrsError::Generator { group: 2 });
        }
        if second.is_zero() || second == first || self.tau_h.is_zero() || self.tau_h == self.h {
            return Err(SrsError::TrivialTau);
        }
        if !self.same_ratio(first.into_group(), second.into_group()) {
            return Err(SrsError::Powers);
        }
        if self.development != is_development(&self.tau_h) {
            return Err(SrsError::DevelopmentTau);
        }
        Ok(())
    }

    /// Drawn after all points: from their hash, so that everybody comes to the same verdict, and machines without
    /// randomness come to one.
    fn factor(&self) -> Fr {
        let mut hash = Keccak256::new_with_prefix(b"assay-srs-check-v1");
        hash.update(g2_bytes(&self.tau_h));
        self.g1.iter().for_each(|point| hash.update(g1_bytes(point)));
        Fr::from_be_bytes_mod_order(&hash.finalize())
    }

    /// Whether `upper = τ·lower`.
    fn same_ratio(&self, lower: G1Projective, upper: G1Projective) -> bool {
        Bn254::multi_pairing([lower.into_affine(), (-upper).into_affine()], [self.tau_h, self.h]).is_zero()
    }
}

/// The id of the SRS with this `[τ]_2`.
pub fn id_of(tau_h: &G2Affine) -> [u8; 32] {
    keccak(&[b"assay-srs-v1", &g2_bytes(tau_h)])
}

/// Whether `[τ]_2` is that of development strings.
pub fn is_development(tau_h: &G2Affine) -> bool {
    *tau_h == development_tau_h()
}

/// The τ of development strings, which everybody knows: a commitment over them is the polynomial's value there, and
/// takes no powers.
pub fn development_tau() -> Fr {
    Fr::from_be_bytes_mod_order(&keccak(&[DEVELOPMENT_TAU]))
}

fn development_tau_h() -> G2Affine {
    (G2Affine::generator() * development_tau()).into_affine()
}
