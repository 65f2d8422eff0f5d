//! The first phase: powers of tau, and those times `α` and `β` that a Groth16 key takes. The files are snarkjs'
//! (`.ptau`), in sections: 1 the header; 2 `[τ^i]_1`, twice as many less one; 3 `[τ^i]_2`; 4 `[ατ^i]_1`; 5 `[βτ^i]_1`;
//! 6 `[β]_2`; 7 the transcript.

use super::blake2b::Blake2b;
use super::codec::{G1_BYTES, G2_BYTES, compressed_g1, compressed_g2, read_g1, read_g2, write_g1, write_g2};
use super::contribution::{self, MAX_NAME, Secrets};
use super::knowledge::Knowledge;
use super::stream::Stream;
use super::{Beacon, CeremonyError, Contribution};
use crate::inner::{RngBridge, fresh_rng};
use crate::output::{self, Readers};
use crate::pcs::encode::{g1_bytes, g2_bytes, keccak};
use crate::secret::Secret;
use crate::srs::{Srs, SrsError, is_development, ptau};
use ark_bn254::{Bn254, Fq, Fr, G1Affine, G1Projective, G2Affine, G2Projective};
use ark_ec::{AffineRepr, CurveGroup, VariableBaseMSM, pairing::Pairing};
use ark_ff::{Field, PrimeField, UniformRand};
use rayon::prelude::*;
use std::fs::File;
use std::io::{BufReader, Write};
use std::path::Path;

/// Log of the most powers that are kept in memory as a whole: 6 GB.
pub const MAX_POWER: u32 = 24;
/// Log of the most powers whose first hash is computed: two minutes.
const MAX_FIRST_HASH: u32 = 28;
/// Points that are multiplied, or hashed, at a time.
const BATCH: usize = 1 << 12;

/// The powers and their transcript.
#[derive(Clone)]
pub struct Ceremony {
    /// Log of the number of powers.
    pub power: u32,
    /// Log of the powers that the ceremony was held for: more than [`Self::power`] in a file that was cut down.
    pub ceremony_power: u32,
    /// `[τ^i]_1`, `2^(power + 1) - 1` of them.
    pub tau_g1: Vec<G1Affine>,
    /// `[τ^i]_2`.
    pub tau_g2: Vec<G2Affine>,
    /// `[ατ^i]_1`.
    pub alpha_g1: Vec<G1Affine>,
    /// `[βτ^i]_1`.
    pub beta_g1: Vec<G1Affine>,
    /// `[β]_2`.
    pub beta_g2: G2Affine,
    /// Who contributed.
    pub contributions: Vec<Contribution>,
}

/// A contributor's secrets, with the points that his proofs of knowledge are about.
pub(super) struct Keys {
    secrets: Secret<[Fr; 3]>,
    points: [G1Affine; 3],
}

impl Keys {
    fn fresh() -> Self {
        let mut rng = fresh_rng();
        let mut bridge = RngBridge(&mut rng);
        let secrets = std::array::from_fn(|_| Fr::rand(&mut bridge));
        Self::of(secrets)
    }

    fn of(secrets: [Fr; 3]) -> Self {
        let mut rng = fresh_rng();
        let mut bridge = RngBridge(&mut rng);
        Self { secrets: secrets.into(), points: std::array::from_fn(|_| G1Projective::rand(&mut bridge).into_affine()) }
    }

    pub(super) fn of_beacon(beacon: &Beacon) -> Self {
        let mut stream: Stream = beacon.stream();
        let secrets = std::array::from_fn(|_| stream.scalar());
        Self { secrets: Secret::from(secrets), points: std::array::from_fn(|_| stream.g1()) }
    }

    /// The proofs, after what has the hash `before`.
    pub(super) fn knowledge(&self, before: &[u8; 64]) -> [Knowledge; 3] {
        std::array::from_fn(|i| {
            let (secret, point) =
                self.secrets.iter().zip(self.points).nth(i).unwrap_or((&Fr::ONE, G1Affine::generator()));
            Knowledge::new(secret, point, i as u8, before)
        })
    }
}

/// `first·step^i` times the `i`-th point.
fn multiply<G: AffineRepr<ScalarField = Fr>>(points: &mut [G], first: Fr, step: Fr) {
    points.par_chunks_mut(BATCH).enumerate().for_each(|(i, points)| {
        let mut factor = first * step.pow([(i * BATCH) as u64]);
        let products: Vec<G::Group> = points
            .iter()
            .map(|point| {
                let product = *point * factor;
                factor *= step;
                product
            })
            .collect();
        points.copy_from_slice(&G::Group::normalize_batch(&products));
    });
}

/// What the ceremony begins with: the hash of `2^power` times the generators.
///
/// # Errors
/// [`CeremonyError::TooLarge`].
pub fn first_hash(power: u32) -> Result<[u8; 64], CeremonyError> {
    if power > MAX_FIRST_HASH {
        return Err(CeremonyError::TooLarge { power, most: MAX_FIRST_HASH });
    }
    let (g1, g2) = (g1_bytes(&G1Affine::generator()), g2_bytes(&G2Affine::generator()));
    let mut hash = blake2b_simd::State::new();
    hash.update(blake2b_simd::blake2b(&[]).as_bytes());
    let mut repeat = |bytes: &[u8], count: u64| {
        let batch = bytes.repeat(BATCH);
        let (whole, rest) = (count / BATCH as u64, (count % BATCH as u64) as usize);
        (0..whole).for_each(|_| {
            hash.update(&batch);
        });
        hash.update(batch.get(..rest * bytes.len()).unwrap_or_default());
    };
    repeat(&g1, (2 << power) - 1);
    repeat(&g2, 1 << power);
    repeat(&g1, 2 << power);
    hash.update(&g2);
    Ok(*hash.finalize().as_array())
}

impl Ceremony {
    /// The ceremony before its first contribution: all powers are the generators. Errors: [`CeremonyError::TooLarge`].
    pub fn start(power: u32) -> Result<Self, CeremonyError> {
        if !(1..=MAX_POWER).contains(&power) {
            return Err(CeremonyError::TooLarge { power, most: MAX_POWER });
        }
        let (g1, g2, count) = (G1Affine::generator(), G2Affine::generator(), 1usize << power);
        Ok(Self {
            power,
            ceremony_power: power,
            tau_g1: vec![g1; 2 * count - 1],
            tau_g2: vec![g2; count],
            alpha_g1: vec![g1; count],
            beta_g1: vec![g1; count],
            beta_g2: g2,
            contributions: Vec::new(),
        })
    }

    /// Adds a contribution with fresh secrets, which are forgotten. Errors: [`CeremonyError::Reduced`],
    /// [`CeremonyError::Ended`], [`CeremonyError::Name`].
    pub fn contribute(&mut self, name: &str) -> Result<(), CeremonyError> {
        self.apply(&Keys::fresh(), name, None)
    }

    /// [`Self::contribute`] with secrets that the caller knows, `τ`, `α` and `β`: for tests of what a dishonest one can
    /// do. Errors: as there.
    #[doc(hidden)]
    pub fn contribute_with(&mut self, name: &str, secrets: [Fr; 3]) -> Result<(), CeremonyError> {
        self.apply(&Keys::of(secrets), name, None)
    }

    /// Ends the ceremony with a public beacon. Errors: as [`Self::contribute`].
    pub fn end(&mut self, name: &str, beacon: Beacon) -> Result<(), CeremonyError> {
        self.apply(&Keys::of_beacon(&beacon), name, Some(beacon))
    }

    fn apply(&mut self, keys: &Keys, name: &str, beacon: Option<Beacon>) -> Result<(), CeremonyError> {
        if self.power != self.ceremony_power {
            return Err(CeremonyError::Reduced { power: self.power, ceremony: self.ceremony_power });
        }
        if name.len() > MAX_NAME {
            return Err(CeremonyError::Name);
        }
        let before = match self.contributions.last() {
            Some(last) if last.beacon.is_some() => return Err(CeremonyError::Ended),
            Some(last) => last.next,
            None => first_hash(self.power)?,
        };
        let [tau, alpha, beta] = *keys.secrets;
        multiply(&mut self.tau_g1, Fr::ONE, tau);
        multiply(&mut self.tau_g2, Fr::ONE, tau);
        multiply(&mut self.alpha_g1, alpha, tau);
        multiply(&mut self.beta_g1, beta, tau);
        multiply(std::slice::from_mut(&mut self.beta_g2), beta, Fr::ONE);
        let mut partial = Blake2b::default();
        partial.update(&before);
        self.hash(&mut |bytes| partial.update(bytes), &compressed_g1, &compressed_g2);
        let secrets = self.secrets()?;
        let (label, knowledge, partial) = (name.as_bytes().to_vec(), keys.knowledge(&before), partial.state());
        let mut contribution = Contribution { label, beacon, secrets, knowledge, partial, next: [0; 64] };
        contribution.next = self.next_hash(&contribution.hash());
        self.contributions.push(contribution);
        Ok(())
    }

    /// Hands all points in their order to a hash.
    fn hash(
        &self,
        update: &mut dyn FnMut(&[u8]),
        g1: &(dyn Fn(&G1Affine) -> Vec<u8> + Sync),
        g2: &(dyn Fn(&G2Affine) -> Vec<u8> + Sync),
    ) {
        fn all<G: Sync>(points: &[G], encode: &(dyn Fn(&G) -> Vec<u8> + Sync), update: &mut dyn FnMut(&[u8])) {
            for points in points.chunks(BATCH) {
                points.par_iter().map(encode).collect::<Vec<_>>().iter().for_each(|bytes| update(bytes));
            }
        }
        all(&self.tau_g1, g1, update);
        all(&self.tau_g2, g2, update);
        all(&self.alpha_g1, g1, update);
        all(&self.beta_g1, g1, update);
        all(std::slice::from_ref(&self.beta_g2), g2, update);
    }

    /// The hash that the next contribution begins with, after the one of this hash.
    fn next_hash(&self, last: &[u8; 64]) -> [u8; 64] {
        let mut hash = blake2b_simd::State::new();
        hash.update(last);
        self.hash(
            &mut |bytes| {
                hash.update(bytes);
            },
            &|p| g1_bytes(p).to_vec(),
            &|p| g2_bytes(p).to_vec(),
        );
        *hash.finalize().as_array()
    }

    /// The secrets as the powers have them.
    fn secrets(&self) -> Result<Secrets, CeremonyError> {
        let (Some(tau_g1), Some(tau_g2), Some(alpha_g1), Some(beta_g1)) =
            (self.tau_g1.get(1), self.tau_g2.get(1), self.alpha_g1.first(), self.beta_g1.first())
        else {
            return Err(CeremonyError::LastPowers);
        };
        Ok(Secrets { tau_g1: *tau_g1, tau_g2: *tau_g2, alpha_g1: *alpha_g1, beta_g1: *beta_g1, beta_g2: self.beta_g2 })
    }

    /// Checks everything: the transcript, that the points are the powers of what its last contribution left, and that
    /// their hash is the one in it. The hash can be checked only in files that hold all powers of the ceremony.
    ///
    /// # Errors
    /// The first thing wrong.
    pub fn verify(&self) -> Result<(), CeremonyError> {
        let secrets = contribution::check(&self.contributions, first_hash(self.ceremony_power)?)?;
        if secrets != self.secrets()? {
            return Err(CeremonyError::LastPowers);
        }
        self.check_powers()?;
        let last = self.contributions.last().ok_or(CeremonyError::NoContributions)?;
        if self.power == self.ceremony_power && self.next_hash(&last.hash()) != last.next {
            return Err(CeremonyError::LastHash);
        }
        Ok(())
    }

    /// That all points are consecutive powers of one `τ`, by one combination of each section with a factor that is a
    /// hash of all points.
    fn check_powers(&self) -> Result<(), CeremonyError> {
        let (h, tau_h) = (G2Affine::generator(), self.secrets()?.tau_g2);
        if self.tau_g1.first() != Some(&G1Affine::generator()) || self.tau_g2.first() != Some(&h) {
            return Err(CeremonyError::LastPowers);
        }
        let rho = Fr::from_be_bytes_mod_order(&keccak(&[b"assay-ceremony-check-v1", &self.next_hash(&[0; 64])[..]]));
        let weights: Vec<Fr> =
            std::iter::successors(Some(Fr::ONE), |power| Some(*power * rho)).take(self.tau_g1.len()).collect();
        for section in [&self.tau_g1, &self.alpha_g1, &self.beta_g1] {
            let (lower, upper) = shifted::<G1Projective>(section, &weights);
            if Bn254::multi_pairing([lower, -upper], [tau_h, h]).0 != ark_ff::Field::ONE {
                return Err(SrsError::Powers.into());
            }
        }
        let (lower, upper) = shifted::<G2Projective>(&self.tau_g2, &weights);
        let (one, tau) = (G1Affine::generator(), self.secrets()?.tau_g1);
        if Bn254::multi_pairing([tau, -one], [lower, upper]).0 == ark_ff::Field::ONE {
            Ok(())
        } else {
            Err(SrsError::Powers.into())
        }
    }

    /// The SRS: the first `2^log + 1` powers. Nothing is checked beyond what a string is, so [`Self::verify`] comes
    /// first.
    ///
    /// # Errors
    /// [`CeremonyError::Srs`].
    pub fn srs(&self, log: u32) -> Result<Srs, CeremonyError> {
        let too_small = SrsError::TooSmall { have: self.power, need: log };
        let powers = 1usize.checked_shl(log).and_then(|count| self.tau_g1.get(..=count)).ok_or(too_small)?;
        let tau_h = self.secrets()?.tau_g2;
        let srs =
            Srs { g1: powers.to_vec().into(), h: G2Affine::generator(), tau_h, development: is_development(&tau_h) };
        srs.check()?;
        Ok(srs)
    }

    /// The beacon that ended the ceremony.
    pub fn beacon(&self) -> Option<&Beacon> {
        self.contributions.last().and_then(|last| last.beacon.as_ref())
    }

    /// The file.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut header = (32u32).to_le_bytes().to_vec();
        header.extend(Fq::MODULUS.0.iter().flat_map(|limb| limb.to_le_bytes()));
        header.extend(self.power.to_le_bytes());
        header.extend(self.ceremony_power.to_le_bytes());
        let g1 = |points: &[G1Affine]| {
            let mut out = Vec::with_capacity(G1_BYTES * points.len());
            points.iter().for_each(|point| write_g1(&mut out, point));
            out
        };
        let g2 = |points: &[G2Affine]| {
            let mut out = Vec::with_capacity(G2_BYTES * points.len());
            points.iter().for_each(|point| write_g2(&mut out, point));
            out
        };
        let sections = [
            header,
            g1(&self.tau_g1),
            g2(&self.tau_g2),
            g1(&self.alpha_g1),
            g1(&self.beta_g1),
            g2(&[self.beta_g2]),
            contribution::write(&self.contributions),
        ];
        let mut out = [&b"ptau"[..], &1u32.to_le_bytes(), &(sections.len() as u32).to_le_bytes()].concat();
        for (number, data) in (1u32..).zip(sections) {
            out.extend(number.to_le_bytes());
            out.extend((data.len() as u64).to_le_bytes());
            out.extend(data);
        }
        out
    }

    /// Writes the file: whole or not at all. Errors: [`CeremonyError::Srs`].
    pub fn write(&self, path: &Path) -> Result<(), CeremonyError> {
        let bytes = self.to_bytes();
        Ok(output::whole(path, Readers::Default, |file| file.write_all(&bytes)).map_err(SrsError::Io)?)
    }

    /// Reads a file: frame, header, every point in its group and not the identity. What the points are to each other is
    /// [`Self::verify`]'s affair.
    ///
    /// # Errors
    /// The first thing wrong.
    pub fn read(path: &Path) -> Result<Self, CeremonyError> {
        let file = File::open(path).map_err(SrsError::Io)?;
        let size = file.metadata().map_err(SrsError::Io)?.len();
        let mut file = BufReader::with_capacity(1 << 20, file);
        let sections = ptau::Sections::read(&mut file, size)?;
        let (power, ceremony_power) = sections.header(&mut file)?;
        if power > MAX_POWER {
            return Err(CeremonyError::TooLarge { power, most: MAX_POWER });
        }
        let count = 1u64 << power;
        let transcript = sections.transcript(&mut file)?.ok_or(CeremonyError::NoContributions)?;
        let contributions = contribution::read(&transcript)?;
        let mut g1 = |section, count: u64| {
            sections.points(&mut file, section, count, G1_BYTES, &read_g1, |index| SrsError::G1Point { index })
        };
        let (tau_g1, alpha_g1, beta_g1) = (g1(2, 2 * count - 1)?, g1(4, count)?, g1(5, count)?);
        let mut g2 = |section, count: u64| {
            sections.points(&mut file, section, count, G2_BYTES, &read_g2, |index| SrsError::G2Point { index })
        };
        let (tau_g2, beta) = (g2(3, count)?, g2(6, 1)?);
        let beta_g2 = *beta.first().ok_or(SrsError::Section { section: 6 })?;
        Ok(Self { power, ceremony_power, tau_g1, tau_g2, alpha_g1, beta_g1, beta_g2, contributions })
    }
}

/// `Σ ρ^i P_i` without the last point, and `Σ ρ^i P_(i+1)`.
fn shifted<G: CurveGroup<ScalarField = Fr> + VariableBaseMSM>(
    points: &[G::MulBase],
    weights: &[Fr],
) -> (G::Affine, G::Affine) {
    let len = points.len().saturating_sub(1);
    let sum = |points: &[G::MulBase]| G::msm_unchecked(points, weights).into_affine();
    (sum(points.get(..len).unwrap_or_default()), sum(points.get(1..).unwrap_or_default()))
}
