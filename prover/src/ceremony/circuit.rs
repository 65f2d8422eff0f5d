//! The second phase: the `δ` of a Groth16 key of one circuit, over the powers of the first (BGM17, section 6).
//!
//! A key with `δ = 1` follows from the circuit and the first phase. Each contribution multiplies `δ` by a factor and
//! divides by it what is over `δ`. So of a finished key everything can be checked: `α` and `β` are those of the first
//! phase, all queries but two are what the circuit says, these two are over `δ`, and `δ` is the product of factors that
//! people knew. A verifying key alone, with the transcript, is checked as well ([`Transcript::check`]): nothing of it
//! is anybody's word then but that one of the contributors forgot his factor.

use super::codec::Parts;
use super::contribution::MAX_NAME;
use super::knowledge::Knowledge;
use super::{Beacon, Ceremony, CeremonyError, Fault, stream::Stream};
use crate::inner::{RngBridge, fresh_rng};
use crate::pcs::encode::{Reader, g1_bytes, g2_bytes, keccak};
use crate::secret::Secret;
use ark_bn254::{Bn254, Fr, G1Affine, G1Projective, G2Affine, G2Projective};
use ark_ec::{AffineRepr, CurveGroup, VariableBaseMSM, pairing::Pairing};
use ark_ff::{Field, One, PrimeField, UniformRand, Zero};
use ark_groth16::{ProvingKey, VerifyingKey};
use ark_poly::{EvaluationDomain, GeneralEvaluationDomain};
use assay_circuits::r1cs::{Constraints, LinearCombination};
use rayon::prelude::*;

/// What the challenges of this phase's proofs of knowledge begin with; the first phase has 0 to 2.
const LABEL: u8 = 3;
/// Most contributions that are read.
const MAX_STEPS: u32 = 10_000;
/// The secret's name.
const DELTA: &str = "delta";

/// Which circuit a key is for: its constraints, and a name that the transcript begins with.
pub struct Circuit {
    constraints: Constraints,
    name: [u8; 32],
    domain: GeneralEvaluationDomain<Fr>,
}

/// One contribution.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    /// What its maker calls himself, at most 255 bytes.
    label: Vec<u8>,
    /// If it is a beacon's.
    pub beacon: Option<Beacon>,
    /// `[δ]_1` after it.
    pub delta_g1: G1Affine,
    /// `[δ]_2` after it.
    pub delta_g2: G2Affine,
    /// The proof that its maker knew his factor.
    pub knowledge: Knowledge,
}

/// All contributions.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Transcript(pub Vec<Step>);

/// A key that is being made.
#[derive(Clone)]
pub struct Key {
    /// The key so far.
    pub key: ProvingKey<Bn254>,
    /// Who contributed.
    pub transcript: Transcript,
}

/// For each variable, the rows that it is in and its factors there.
type Columns = Vec<Vec<(usize, Fr)>>;

/// `u`, `v` and `w` of the quadratic program, as arkworks reduces to one: each public input has a row of its own
/// besides.
struct Program {
    left: Columns,
    right: Columns,
    product: Columns,
}

impl Program {
    fn new(constraints: &Constraints) -> Self {
        let columns = |rows: &[LinearCombination]| {
            let mut columns: Columns = vec![Vec::new(); constraints.variables];
            for (row, combination) in rows.iter().enumerate() {
                for (variable, factor) in combination {
                    if let Some(column) = columns.get_mut(*variable as usize) {
                        column.push((row, *factor));
                    }
                }
            }
            columns
        };
        let mut left = columns(&constraints.a);
        let rows = constraints.a.len();
        left.iter_mut().take(constraints.public).enumerate().for_each(|(i, column)| column.push((rows + i, Fr::ONE)));
        Self { left, right: columns(&constraints.b), product: columns(&constraints.c) }
    }
}

/// `Σ factor·basis[row]` for each column.
fn combine<G: CurveGroup<ScalarField = Fr>>(columns: &[Vec<(usize, Fr)>], basis: &[G]) -> Vec<G> {
    let term = |(row, factor): &(usize, Fr)| {
        let point = basis.get(*row).copied().unwrap_or_else(G::zero);
        if factor.is_one() { point } else { point * factor }
    };
    columns.par_iter().map(|column| column.iter().map(term).sum()).collect()
}

impl Circuit {
    /// The circuit of these constraints. `name` ties a transcript to it. Errors: [`CeremonyError::Circuit`] for one
    /// that is too large.
    pub fn new(constraints: Constraints, name: [u8; 32]) -> Result<Self, CeremonyError> {
        let domain =
            GeneralEvaluationDomain::new(constraints.a.len() + constraints.public).ok_or(CeremonyError::Circuit)?;
        Ok(Self { constraints, name, domain })
    }

    /// Log of the powers that its key takes.
    pub fn power(&self) -> u32 {
        self.domain.size().ilog2()
    }

    /// Coefficients of `Σ_v weights[v]·column_v` as a polynomial: `column_v` has its factors as values on the domain.
    fn coefficients(&self, columns: &[Vec<(usize, Fr)>], weights: &[Fr]) -> Vec<Fr> {
        let mut values = vec![Fr::zero(); self.domain.size()];
        for (column, weight) in columns.iter().zip(weights) {
            for (row, factor) in column {
                if let Some(value) = values.get_mut(*row) {
                    *value += *factor * weight;
                }
            }
        }
        self.domain.ifft_in_place(&mut values);
        values
    }

    /// Errors: [`CeremonyError::TooFewPowers`].
    fn check_powers(&self, powers: &Ceremony) -> Result<(), CeremonyError> {
        let need = self.power();
        if powers.power < need { Err(CeremonyError::TooFewPowers { have: powers.power, need }) } else { Ok(()) }
    }

    /// `β·u + α·v + w` of columns, weighted, at `τ`.
    fn joined(
        &self,
        program: &Program,
        range: std::ops::Range<usize>,
        weights: &[Fr],
        powers: &Ceremony,
    ) -> G1Projective {
        let coefficients =
            |columns: &Columns| self.coefficients(columns.get(range.clone()).unwrap_or_default(), weights);
        let sum = |powers: &[G1Affine], columns| G1Projective::msm_unchecked(powers, &coefficients(columns));
        sum(&powers.beta_g1, &program.left)
            + sum(&powers.alpha_g1, &program.right)
            + sum(&powers.tau_g1, &program.product)
    }

    /// The points of the public inputs, which no `δ` divides.
    fn inputs(&self, program: &Program, powers: &Ceremony) -> Vec<G1Affine> {
        let one = |i| self.joined(program, i..i + 1, &[Fr::ONE], powers).into_affine();
        (0..self.constraints.public).map(one).collect()
    }

    /// The hash that the first contribution follows on.
    fn first_hash(&self, alpha: &G1Affine, beta: &G2Affine, inputs: &[G1Affine]) -> [u8; 64] {
        let mut hash = blake2b_simd::State::new();
        hash.update(b"assay-phase2-v1").update(&self.name).update(&g1_bytes(alpha)).update(&g2_bytes(beta));
        inputs.iter().for_each(|point| {
            hash.update(&g1_bytes(point));
        });
        *hash.finalize().as_array()
    }

    /// The key with `δ = 1`, before the first contribution. The powers must have been verified. Errors:
    /// [`CeremonyError::TooFewPowers`].
    pub fn start(&self, powers: &Ceremony) -> Result<Key, CeremonyError> {
        self.check_powers(powers)?;
        let (program, size, public) = (Program::new(&self.constraints), self.domain.size(), self.constraints.public);
        let tau = lagrange::<G1Projective>(&powers.tau_g1, &self.domain);
        let [left, right, mut joined] =
            [&program.left, &program.right, &program.product].map(|columns| combine(columns, &tau));
        let right_g2 = combine(&program.right, &lagrange::<G2Projective>(&powers.tau_g2, &self.domain));
        for (section, columns) in [(&powers.beta_g1, &program.left), (&powers.alpha_g1, &program.right)] {
            let terms = combine(columns, &lagrange::<G1Projective>(section, &self.domain));
            joined.iter_mut().zip(terms).for_each(|(sum, term)| *sum += term);
        }
        let mut gamma_abc_g1 = G1Projective::normalize_batch(&joined);
        let l_query = gamma_abc_g1.split_off(public);
        // τ^i·(τ^n - 1)
        let shifted = powers.tau_g1.iter().skip(size).zip(&powers.tau_g1).take(size - 1);
        let h_query: Vec<G1Projective> = shifted.map(|(high, low)| *high - low).collect();
        let (one, two) = (G1Affine::generator(), G2Affine::generator());
        let (Some(alpha_g1), Some(beta_g1)) = (powers.alpha_g1.first(), powers.beta_g1.first()) else {
            return Err(CeremonyError::LastPowers);
        };
        let vk =
            VerifyingKey { alpha_g1: *alpha_g1, beta_g2: powers.beta_g2, gamma_g2: two, delta_g2: two, gamma_abc_g1 };
        let key = ProvingKey {
            vk,
            beta_g1: *beta_g1,
            delta_g1: one,
            a_query: G1Projective::normalize_batch(&left),
            b_g1_query: G1Projective::normalize_batch(&right),
            b_g2_query: G2Projective::normalize_batch(&right_g2),
            h_query: G1Projective::normalize_batch(&h_query),
            l_query,
        };
        Ok(Key { key, transcript: Transcript::default() })
    }

    /// Adds a contribution with a fresh factor, which is forgotten. Errors: [`CeremonyError::Ended`],
    /// [`CeremonyError::Name`].
    pub fn contribute(&self, key: &mut Key, name: &str) -> Result<(), CeremonyError> {
        let mut rng = fresh_rng();
        let factor = Fr::rand(&mut RngBridge(&mut rng));
        self.contribute_with(key, name, factor)
    }

    /// [`Self::contribute`] with a factor that the caller knows, for tests of what a dishonest one can do. Errors: as
    /// there.
    #[doc(hidden)]
    pub fn contribute_with(&self, key: &mut Key, name: &str, factor: Fr) -> Result<(), CeremonyError> {
        let mut rng = fresh_rng();
        let point = G1Projective::rand(&mut RngBridge(&mut rng)).into_affine();
        self.apply(key, name, &Secret::from(factor), point, None)
    }

    /// Ends the ceremony with a public beacon. Errors: as [`Self::contribute`].
    pub fn end(&self, key: &mut Key, name: &str, beacon: Beacon) -> Result<(), CeremonyError> {
        let (factor, point) = of_beacon(&beacon);
        self.apply(key, name, &factor, point, Some(beacon))
    }

    fn apply(
        &self,
        key: &mut Key,
        name: &str,
        factor: &Secret<Fr>,
        point: G1Affine,
        beacon: Option<Beacon>,
    ) -> Result<(), CeremonyError> {
        if key.transcript.0.last().is_some_and(|last| last.beacon.is_some()) {
            return Err(CeremonyError::Ended);
        }
        if name.len() > MAX_NAME {
            return Err(CeremonyError::Name);
        }
        let before = key.transcript.hash(self.hash_of(&key.key.vk));
        let inverse = Secret::from(factor.inverse().ok_or(CeremonyError::Circuit)?);
        let pk = &mut key.key;
        pk.delta_g1 = (pk.delta_g1 * **factor).into_affine();
        pk.vk.delta_g2 = (pk.vk.delta_g2 * **factor).into_affine();
        for query in [&mut pk.h_query, &mut pk.l_query] {
            let scaled: Vec<G1Projective> = query.par_iter().map(|point| *point * *inverse).collect();
            *query = G1Projective::normalize_batch(&scaled);
        }
        let knowledge = Knowledge::new(factor, point, LABEL, &before);
        let (delta_g1, delta_g2) = (pk.delta_g1, pk.vk.delta_g2);
        key.transcript.0.push(Step { label: name.as_bytes().to_vec(), beacon, delta_g1, delta_g2, knowledge });
        Ok(())
    }

    fn hash_of(&self, key: &VerifyingKey<Bn254>) -> [u8; 64] {
        self.first_hash(&key.alpha_g1, &key.beta_g2, &key.gamma_abc_g1)
    }

    /// Checks a proving key: its verifying key as [`Transcript::check`] does, and that every query is what circuit,
    /// powers and `δ` give, by a combination with a factor that is a hash of all of them. The powers must have been
    /// verified.
    ///
    /// # Errors
    /// The first thing wrong.
    pub fn check(&self, key: &Key, powers: &Ceremony) -> Result<(), CeremonyError> {
        key.transcript.check(self, &key.key.vk, powers)?;
        let (pk, program, size) = (&key.key, Program::new(&self.constraints), self.domain.size());
        let (variables, public) = (self.constraints.variables, self.constraints.public);
        let lengths = [pk.a_query.len(), pk.b_g1_query.len(), pk.b_g2_query.len(), pk.l_query.len(), pk.h_query.len()];
        let equal = |holds: bool, what| if holds { Ok(()) } else { Err(CeremonyError::Key(what)) };
        equal(lengths == [variables, variables, variables, variables - public, size - 1], "a query's length")?;
        equal(Some(&pk.beta_g1) == powers.beta_g1.first(), "beta")?;
        equal(key.transcript.0.last().is_some_and(|last| last.delta_g1 == pk.delta_g1), "delta")?;
        let rho = challenge(pk);
        let weights: Vec<Fr> =
            std::iter::successors(Some(Fr::ONE), |power| Some(*power * rho)).take(variables.max(size)).collect();
        let sum = |points: &[G1Affine]| G1Projective::msm_unchecked(points, &weights);
        let (left, right) = (self.coefficients(&program.left, &weights), self.coefficients(&program.right, &weights));
        equal(sum(&pk.a_query) == G1Projective::msm_unchecked(&powers.tau_g1, &left), "the A query")?;
        equal(sum(&pk.b_g1_query) == G1Projective::msm_unchecked(&powers.tau_g1, &right), "the B query in G1")?;
        let b_g2 = G2Projective::msm_unchecked(&pk.b_g2_query, &weights);
        equal(b_g2 == G2Projective::msm_unchecked(&powers.tau_g2, &right), "the B query in G2")?;
        let over_delta = |query: &[G1Affine], expected: G1Projective, what| {
            let sides = [sum(query).into_affine(), (-expected).into_affine()];
            equal(Bn254::multi_pairing(sides, [pk.vk.delta_g2, G2Affine::generator()]).0 == Field::ONE, what)
        };
        over_delta(&pk.l_query, self.joined(&program, public..variables, &weights, powers), "the L query")?;
        let high = powers.tau_g1.get(size..).unwrap_or_default();
        let low = powers.tau_g1.get(..size - 1).unwrap_or_default();
        over_delta(&pk.h_query, sum(high.get(..size - 1).unwrap_or_default()) - sum(low), "the H query")
    }
}

/// A factor after all points of a key.
fn challenge(pk: &ProvingKey<Bn254>) -> Fr {
    let mut hash = blake2b_simd::State::new();
    for query in [&pk.a_query, &pk.b_g1_query, &pk.l_query, &pk.h_query] {
        query.iter().for_each(|point| {
            hash.update(&g1_bytes(point));
        });
    }
    pk.b_g2_query.iter().for_each(|point| {
        hash.update(&g2_bytes(point));
    });
    hash.update(&g2_bytes(&pk.vk.delta_g2));
    Fr::from_be_bytes_mod_order(&keccak(&[b"assay-phase2-check-v1", hash.finalize().as_bytes()]))
}

/// `[L_j(τ)]` out of the powers.
fn lagrange<G: CurveGroup<ScalarField = Fr>>(powers: &[G::Affine], domain: &GeneralEvaluationDomain<Fr>) -> Vec<G> {
    let mut values: Vec<G> = powers.iter().take(domain.size()).map(|point| point.into_group()).collect();
    domain.ifft_in_place(&mut values);
    values
}

fn of_beacon(beacon: &Beacon) -> (Secret<Fr>, G1Affine) {
    let mut stream: Stream = beacon.stream();
    (stream.scalar().into(), stream.g1())
}

impl Step {
    /// What its maker calls himself; nothing shows that he is that.
    pub fn name(&self) -> String {
        super::contribution::printable(&self.label)
    }

    /// The hash of everything up to it, `before` being that of everything before.
    fn hash(&self, before: &[u8; 64]) -> [u8; 64] {
        let Knowledge { s, sx, px } = &self.knowledge;
        let mut hash = blake2b_simd::State::new();
        hash.update(b"assay-phase2-contribution-v1").update(before);
        [&self.delta_g1, s, sx].iter().for_each(|point| {
            hash.update(&g1_bytes(point));
        });
        [&self.delta_g2, px].iter().for_each(|point| {
            hash.update(&g2_bytes(point));
        });
        *hash.finalize().as_array()
    }

    fn check(&self, before: (&G1Affine, &G2Affine), hash: &[u8; 64]) -> Result<(), Fault> {
        let factor = self.knowledge.check(LABEL, hash).ok_or(Fault::Knowledge(DELTA))?;
        if factor.is_one() {
            return Err(Fault::One(DELTA));
        }
        if !factor.moved_g1(before.0, &self.delta_g1) || !factor.moved_g2(before.1, &self.delta_g2) {
            return Err(Fault::Follows(DELTA));
        }
        match &self.beacon {
            Some(beacon) => {
                let (factor, point) = of_beacon(beacon);
                if Knowledge::new(&factor, point, LABEL, hash) == self.knowledge { Ok(()) } else { Err(Fault::Beacon) }
            }
            None => Ok(()),
        }
    }
}

impl Transcript {
    /// The hash of everything, from `first` on: what each contributor keeps of the transcript that ends with him.
    fn hash(&self, first: [u8; 64]) -> [u8; 64] {
        self.0.iter().fold(first, |hash, step| step.hash(&hash))
    }

    /// The hash of each contribution.
    pub fn hashes(&self, circuit: &Circuit, key: &VerifyingKey<Bn254>) -> Vec<[u8; 64]> {
        let mut hash = circuit.hash_of(key);
        let next = |step: &Step| {
            hash = step.hash(&hash);
            hash
        };
        self.0.iter().map(next).collect()
    }

    /// Checks that a verifying key is the circuit's over these powers, and that its `δ` is the product of what the
    /// contributions added, by factors that their makers knew and that are not 1; a beacon is the last one and what its
    /// value gives. The powers must have been verified.
    ///
    /// # Errors
    /// The first thing wrong.
    pub fn check(&self, circuit: &Circuit, key: &VerifyingKey<Bn254>, powers: &Ceremony) -> Result<(), CeremonyError> {
        circuit.check_powers(powers)?;
        let equal = |holds: bool, what| if holds { Ok(()) } else { Err(CeremonyError::Key(what)) };
        equal(Some(&key.alpha_g1) == powers.alpha_g1.first(), "alpha")?;
        equal(key.beta_g2 == powers.beta_g2, "beta")?;
        equal(key.gamma_g2 == G2Affine::generator(), "gamma")?;
        equal(
            key.gamma_abc_g1 == circuit.inputs(&Program::new(&circuit.constraints), powers),
            "the points of the public inputs",
        )?;
        let (mut delta, mut hash) = ((G1Affine::generator(), G2Affine::generator()), circuit.hash_of(key));
        let mut ended = false;
        for (i, step) in self.0.iter().enumerate() {
            let fault = |fault| CeremonyError::Contribution { number: i + 1, name: step.name(), fault };
            if ended {
                return Err(fault(Fault::AfterBeacon));
            }
            step.check((&delta.0, &delta.1), &hash).map_err(fault)?;
            (delta, hash, ended) = ((step.delta_g1, step.delta_g2), step.hash(&hash), step.beacon.is_some());
        }
        if self.0.is_empty() {
            return Err(CeremonyError::NoContributions);
        }
        equal(delta.1 == key.delta_g2, "delta")
    }

    /// The beacon that ended it.
    pub fn beacon(&self) -> Option<&Beacon> {
        self.0.last().and_then(|last| last.beacon.as_ref())
    }

    /// Bytes for files: points as in docs/protocol.md.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut out = (self.0.len() as u32).to_le_bytes().to_vec();
        for step in &self.0 {
            [&step.delta_g1, &step.knowledge.s, &step.knowledge.sx]
                .iter()
                .for_each(|point| out.extend(g1_bytes(point)));
            [&step.delta_g2, &step.knowledge.px].iter().for_each(|point| out.extend(g2_bytes(point)));
            out.push(step.label.len() as u8);
            out.extend(&step.label);
            let (log, value) =
                step.beacon.as_ref().map_or((0, &[][..]), |beacon| (beacon.log_iterations, &beacon.value[..]));
            out.extend([log as u8, value.len() as u8]);
            out.extend(value);
        }
        out
    }

    /// Reads [`Self::to_bytes`]. Errors: [`CeremonyError::Malformed`].
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, CeremonyError> {
        let mut parts = Parts(bytes);
        let count = parts.u32().filter(|count| *count <= MAX_STEPS).ok_or(CeremonyError::Malformed { number: 0 })?;
        let read = |number| Step::read(&mut parts).ok_or(CeremonyError::Malformed { number });
        let steps = (1..=count as usize).map(read).collect::<Result<Vec<_>, _>>()?;
        if parts.0.is_empty() { Ok(Self(steps)) } else { Err(CeremonyError::Malformed { number: count as usize + 1 }) }
    }
}

impl Step {
    fn read(parts: &mut Parts<'_>) -> Option<Self> {
        let mut points = Reader::new(parts.bytes(3 * 64 + 2 * 128)?);
        let mut g1 = || points.g1().ok().filter(|point| !point.is_zero());
        let (delta_g1, s, sx) = (g1()?, g1()?, g1()?);
        let mut g2 = || points.g2().ok().filter(|point| !point.is_zero());
        let (delta_g2, px) = (g2()?, g2()?);
        let [length] = parts.array()?;
        let label = parts.bytes(length.into())?.to_vec();
        let [log, length] = parts.array()?;
        let value = parts.bytes(length.into())?.to_vec();
        let beacon = if log == 0 && value.is_empty() { None } else { Some(Beacon::new(value, log.into()).ok()?) };
        Some(Self { label, beacon, delta_g1, delta_g2, knowledge: Knowledge { s, sx, px } })
    }
}
