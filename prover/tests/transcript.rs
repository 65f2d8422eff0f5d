//! A net under the transcripts: prover and verifier share their code, so that what both forget would show nowhere else.

#[path = "support/transcript.rs"]
mod support;

use ark_bn254::{Fr, G1Affine};
use ark_ec::{AffineRepr, CurveGroup};
use ark_ff::{Field, PrimeField};
use assay_circuits::plonk::Circuit;
use assay_circuits::poseidon::{WIDTH, permute_native};
use assay_circuits::scalar::{Check, Scalar, VerifyError};
use assay_circuits::shape::Shape;
use assay_circuits::verifier::{self, InnerProof};
use assay_circuits::wrap::{PublicInputs, public_data};
use assay_prover::control::Control;
use assay_prover::inner::fresh_rng;
use assay_prover::pcs::encode::{Reader, fr_word, g1_bytes, keccak};
use assay_prover::pcs::{self, Challenges, OPENING_BYTES, Opening};
use assay_prover::plonk::{self, Proof, ProvingKey};
use assay_prover::srs::Srs;
use std::cell::RefCell;
use std::ops::{Add, Mul, Neg, Sub};
use support::{Case, KNOWN, Permutation, Step};

/// What a verification did.
#[derive(Default)]
struct Record {
    permutations: Vec<Permutation>,
    /// The checks with their two sides.
    checks: Vec<(Check, Fr, Fr)>,
}

impl Record {
    fn failed(&self) -> Vec<Check> {
        self.checks.iter().filter(|(_, a, b)| a != b).map(|(check, ..)| *check).collect()
    }
}

thread_local! {
    static RECORD: RefCell<Record> = RefCell::default();
}

/// A field element that writes down each permutation and each check, and goes on after a check that fails.
#[derive(Clone)]
struct Recorded(Fr);

macro_rules! operator {
    ($trait:ident, $method:ident) => {
        impl $trait for Recorded {
            type Output = Self;
            fn $method(self, other: Self) -> Self {
                Self($trait::$method(self.0, other.0))
            }
        }
        impl $trait<&Self> for Recorded {
            type Output = Self;
            fn $method(self, other: &Self) -> Self {
                Self($trait::$method(self.0, other.0))
            }
        }
    };
}
operator!(Add, add);
operator!(Sub, sub);
operator!(Mul, mul);

impl Neg for Recorded {
    type Output = Self;
    fn neg(self) -> Self {
        Self(-self.0)
    }
}

impl Scalar for Recorded {
    fn constant(value: Fr) -> Self {
        Self(value)
    }

    fn inverse(&self) -> Result<Self, VerifyError> {
        Ok(Self(Field::inverse(&self.0).unwrap_or_default()))
    }

    fn require_equal(&self, other: &Self, check: Check) -> Result<(), VerifyError> {
        RECORD.with_borrow_mut(|record| record.checks.push((check, self.0, other.0)));
        Ok(())
    }

    fn permute(state: &mut [Self; WIDTH]) {
        let before = state.clone().map(|value| value.0);
        let mut after = before;
        permute_native(&mut after);
        *state = after.map(Self);
        RECORD.with_borrow_mut(|record| record.permutations.push([before, after]));
    }
}

/// Runs the production verifier on a proof, whatever it says.
fn record(shape: &Shape, srs_id: &[u8; 32], statement: Fr, proof: &InnerProof<Fr>) -> Record {
    RECORD.take();
    verifier::verify(shape, srs_id, &Recorded(statement), &proof.map(|value| Recorded(*value))).unwrap();
    RECORD.take()
}

fn honest(case: &Case) -> Record {
    let record = record(case.seller.shape(), &case.seller.srs.id(), case.proved.statement, &case.proved.proof);
    assert!(record.failed().is_empty());
    record
}

/// FS1: transcripts, keys and proofs are those that are checked in, byte for byte: a change of the protocol is seen,
/// and nobody makes one by accident.
#[test]
fn fs1_known_answers() {
    for (path, text) in support::files() {
        let kept = std::fs::read_to_string(&path).unwrap_or_default();
        assert!(
            kept == text,
            "{}: run cargo run --release -p assay-prover --example golden_transcript",
            path.display()
        );
    }
}

/// FS1: the sponge absorbs what section 4 says, in its order, and nothing else; the challenges are the verifier's and
/// the prover's. An absorption that prover and verifier both lack fails here.
#[test]
fn fs1_the_transcript_is_the_specifications() {
    for known in &KNOWN {
        let case = known.case();
        let (shape, id, proved) = (case.seller.shape(), case.seller.srs.id(), &case.proved);
        assert_eq!(support::statement(&case), proved.statement);
        let (sponge, challenges) = support::run(&support::script(shape, &id, proved.statement, &proved.proof));
        let recorded = honest(&case);
        for (i, (have, need)) in recorded.permutations.iter().zip(&sponge.log).enumerate() {
            assert_eq!(have, need, "{}: permutation {i}", known.name);
        }
        assert_eq!(recorded.permutations.len(), sponge.log.len());

        let all = |prefix: &str| {
            challenges.iter().filter(|(name, _)| name.starts_with(prefix)).map(|(_, value)| *value).collect::<Vec<_>>()
        };
        let reduced = verifier::verify(shape, &id, &proved.statement, &proved.proof).unwrap();
        assert_eq!(reduced, proved.reduced);
        assert_eq!(vec![reduced.delta], all("delta"));
        assert_eq!(reduced.point, all("opening round"));
        assert_eq!(Vec::from_iter(reduced.rho), all("rho"));
        assert_eq!(vec![reduced.digest], all("digest"));
    }
}

/// Compares a changed verification with the honest one: nothing before the permutation `first` moves, all of its
/// outputs and of those after it do.
fn moves(before: &Record, after: &Record, first: usize, what: &str) {
    let [before, after] = [&before.permutations, &after.permutations];
    assert_eq!(before[..first], after[..first], "{what}");
    assert!(first < before.len().min(after.len()), "{what}");
    for (i, ([_, a], [_, b])) in before.iter().zip(after).enumerate().skip(first) {
        assert!(a.iter().zip(b).all(|(a, b)| a != b), "{what}: permutation {i}");
    }
}

/// FS1, FS2: each message, and each thing that the transcript begins with, moves every challenge after it and none
/// before it, and goes in at its place.
#[test]
fn fs2_each_message_moves_every_later_challenge() {
    for known in &KNOWN {
        let case = known.case();
        let (shape, id, statement, proof) =
            (case.seller.shape(), case.seller.srs.id(), case.proved.statement, &case.proved.proof);
        let before = honest(&case);

        let changed = record(shape, &id, statement + Fr::ONE, proof);
        moves(&before, &changed, 1, "statement");
        let mut other = shape.clone();
        other.digest[31] ^= 1;
        moves(&before, &record(&other, &id, statement, proof), 0, "shape");
        let mut other = id;
        other[31] ^= 1;
        moves(&before, &record(shape, &other, statement, proof), 0, "SRS");
        let mask = if proof.mask.is_some() { None } else { Some([Fr::ONE; 2]) };
        moves(&before, &record(shape, &id, statement, &InnerProof { mask, ..InnerProof::clone(proof) }), 0, "hiding");

        // which permutation each absorbed message goes into, and which cell of the state
        let script = support::script(shape, &id, statement, proof);
        let (mut places, mut sponge, mut cell) = (Vec::new(), support::Sponge::default(), 0);
        for (_, step) in &script {
            match step {
                Step::Absorb(value) => {
                    cell += 1;
                    places.push((sponge.log.len(), cell));
                    sponge.absorb(*value);
                    cell %= WIDTH - 1;
                }
                Step::Squeeze => {
                    sponge.squeeze();
                    cell = 0;
                }
            }
        }
        // tag, shape, SRS, hiding and statement come before the proof's first element, the salt
        let places = &places[5..];
        let elements = proof.elements();
        assert_eq!(places.len() + usize::from(proof.mask.is_some()), elements.len());
        for i in 0..elements.len() {
            let mut lie = elements.clone();
            lie[i] += Fr::ONE;
            let lie = InnerProof::from_elements(shape, proof.mask.is_some(), &lie).unwrap();
            let after = record(shape, &id, statement, &lie);
            let what = format!("{}: element {i}", known.name);
            let Some((first, cell)) = places.get(i) else {
                // s is what a, m and ρ make it
                assert_eq!(
                    (before.permutations == after.permutations, after.failed()),
                    (true, vec![Check::Mask]),
                    "{what}"
                );
                continue;
            };
            moves(&before, &after, *first, &what);
            let [old, new] = [before.permutations[*first][0], after.permutations[*first][0]];
            let differ: Vec<usize> = (0..WIDTH).filter(|k| old[*k] != new[*k]).collect();
            assert_eq!(differ, [*cell], "{what}");
        }
    }
}

/// FS1: `K`, which the wrap and all later transcripts begin with, is the hash of the public data and of `D`, and of
/// each of them.
#[test]
fn fs1_the_public_hash_binds_every_datum() {
    let case = KNOWN[1].case();
    let data = public_data(&case.proved.statement, &case.proved.reduced);
    let digest = case.proved.reduced.digest;
    let hash =
        |data: &[Fr], digest: &Fr| keccak(&[&data.iter().chain([digest]).flat_map(fr_word).collect::<Vec<u8>>()]);
    assert_eq!(case.proved.public.hash, hash(&data, &digest));
    assert_eq!(data.len(), 5 + case.seller.shape().layout.variables());
    for i in 0..data.len() {
        let mut other = data.clone();
        other[i] += Fr::ONE;
        assert_ne!(PublicInputs::new(&other, digest).hash, case.proved.public.hash, "datum {i}");
    }
    assert_ne!(PublicInputs::new(&data, digest + Fr::ONE).hash, case.proved.public.hash);

    // what the circuit gets of them: χ = K mod r, and each datum at its own power of it, the first at the first
    let PublicInputs { hash, digest: of_circuit, chi, fold } = case.proved.public;
    assert_eq!((of_circuit, chi), (digest, Fr::from_be_bytes_mod_order(&hash)));
    assert_eq!(fold, data.iter().zip(1u64..).map(|(datum, power)| *datum * chi.pow([power])).sum::<Fr>());
    assert_eq!(data[0], case.proved.statement);
}

/// FS3: the forger for a transcript that forgets `m`. It claims another output, sends whatever rounds it likes,
/// computes the `a` that they ask for, and then, since `ρ` is known by now, the `m` with which `a + ρm` is the value
/// that its polynomial really has. Where `m` is absorbed before `ρ`, it fails.
#[test]
fn fs3_the_mask_must_be_absorbed_before_rho() {
    for known in &KNOWN[1..] {
        let case = known.case();
        let (shape, id, statement, honest) =
            (case.seller.shape(), case.seller.srs.id(), case.proved.statement, &case.proved.proof);
        // the verifier that forgets m, from the specification's script: its ρ, and whether it accepts
        let forgetful_rho = |proof: &InnerProof<Fr>| {
            let mut script = support::script(shape, &id, statement, proof);
            script.retain(|(name, _)| name != "m");
            support::run(&script).1.into_iter().find(|(name, _)| name == "rho").unwrap().1
        };
        let forgetful_accepts = |proof: &InnerProof<Fr>| {
            let [m, s] = proof.mask.unwrap();
            let others = record(shape, &id, statement, proof).failed().into_iter().all(|check| check == Check::Mask);
            others && proof.evaluation + forgetful_rho(proof) * m == s
        };

        // what the polynomial that was committed really opens to: nothing that the forger chooses
        let real = honest.mask.unwrap()[1];
        let mut lie = honest.clone();
        lie.output_sum += Fr::ONE;
        lie.evaluation = Fr::ONE;
        let checks = record(shape, &id, statement, &lie).checks;
        let (_, weight, claim) = checks.into_iter().find(|(check, ..)| *check == Check::Opening).unwrap();
        lie.evaluation = claim / weight;
        assert!(!forgetful_accepts(&lie), "an m that is not made for it fails there too");
        let m = (real - lie.evaluation) / forgetful_rho(&lie);
        lie.mask = Some([m, real]);
        assert!(forgetful_accepts(&lie));
        assert_eq!(verifier::verify(shape, &id, &statement, &lie), Err(VerifyError::Unequal(Check::Mask)));
        assert!(verifier::verify(shape, &id, &statement, honest).is_ok());
    }
}

/// The Keccak transcripts of sections 7 and 9: a chain of hashes, each of which is a challenge.
struct Chain([u8; 32]);

impl Chain {
    fn next(&mut self, data: &[u8]) -> Fr {
        self.0 = keccak(&[&self.0, data]);
        Fr::from_be_bytes_mod_order(&self.0)
    }
}

/// The challenges `α, γ, z, η, x` from an opening's bytes.
fn opening_challenges(mut chain: Chain, bytes: &[u8]) -> [Fr; 5] {
    let words = |from: usize, to: usize| &bytes[32 * from..32 * to];
    [words(0, 2), words(2, 6), words(6, 10), words(14, 20), words(10, 12)].map(|data| chain.next(data))
}

/// FS4: each word of an opening moves every challenge after it and none before it; the challenges are section 7's. The
/// last point comes after all of them.
#[test]
fn fs4_each_word_of_an_opening_moves_every_later_challenge() {
    let srs = Srs::development(6);
    let t: Vec<Fr> = (0..65).map(|i| Fr::from(3u64 + i).pow([1001])).collect();
    let point: Vec<Fr> = (0..6).map(|i| Fr::from(5u64 + i).pow([77])).collect();
    let eq = |i: usize| {
        point.iter().enumerate().map(|(k, u)| if i >> k & 1 == 1 { *u } else { Fr::ONE - u }).product::<Fr>()
    };
    let value = (0..64).map(|i| eq(i) * t[i]).sum();
    let seed = [7; 32];
    let opening = pcs::open(&srs, &t, &point, value, seed).unwrap();
    let challenges = |seed: &[u8; 32], opening: &Opening| {
        let Challenges { alpha, gamma, z, eta, x, .. } =
            Challenges::replay(pcs::Transcript::new(seed), opening).unwrap();
        let all = [alpha, gamma, z, eta, x];
        assert_eq!(all, opening_challenges(Chain(keccak(&[b"assay-opening-v2", seed])), &opening.to_bytes()));
        all
    };
    let before = challenges(&seed, &opening);
    assert!(challenges(&[8; 32], &opening).iter().zip(&before).all(|(a, b)| a != b));
    let bytes = opening.to_bytes();
    for word in 0..OPENING_BYTES / 32 {
        let first = match word {
            0..2 => 0,
            2..6 => 1,
            6..10 => 2,
            14..20 => 3,
            10..12 => 4,
            _ => 5,
        };
        let after =
            challenges(&seed, &change(bytes.to_vec(), word, word < 14, |bytes| Opening::from_bytes(bytes).ok()));
        assert_eq!(before[..first], after[..first], "word {word}");
        assert!(before[first..].iter().zip(&after[first..]).all(|(a, b)| a != b), "word {word}");
    }
}

/// Changes one word alone. A point stays on the curve: `-P` has another `y`, and a cube root of unity gives another
/// `x`.
fn change<T>(mut bytes: Vec<u8>, word: usize, of_point: bool, read: impl Fn(&[u8]) -> Option<T>) -> T {
    if !of_point {
        bytes[32 * word + 31] ^= 1;
        return read(&bytes).unwrap();
    }
    let at = 64 * (word / 2);
    let mut point: G1Affine = Reader::new(&bytes[at..at + 64]).g1().unwrap();
    if word % 2 == 1 {
        point = -point;
    } else {
        let root = ark_bn254::Fq::from(3u64).pow((-ark_bn254::Fq::ONE / ark_bn254::Fq::from(3u64)).into_bigint());
        point.x *= root;
        assert!(root != ark_bn254::Fq::ONE && point.is_on_curve());
    }
    bytes[at..at + 64].copy_from_slice(&g1_bytes(&point));
    read(&bytes).unwrap()
}

/// FS1, FS4: the same for the universal wrap. `y` is seen in the claims on the key, the end of the transcript by what
/// it gives next; both are section 9's.
#[test]
fn fs4_each_word_of_a_universal_proof_moves_every_later_challenge() {
    let case = KNOWN[1].case();
    let shape = case.seller.shape();
    let circuit = Circuit::new(shape, &case.seller.srs.id()).unwrap();
    let srs = Srs::development(
        assay_prover::wrap::WrapProvingKey::srs_log(assay_prover::wrap::System::Universal, shape).unwrap(),
    );
    let key = ProvingKey::new(circuit, &srs).unwrap();
    let advice = key.circuit.advice(case.proved.statement, &case.proved.proof, case.proved.public).unwrap();
    let proof = plonk::prove(&srs, &key, advice, &case.proved.public, &mut fresh_rng(), &Control::new()).unwrap().proof;

    let challenges = |key: &plonk::VerifyingKey, public: &PublicInputs, proof: &Proof| {
        let plonk::Statement { companions, mut transcript } = plonk::verify(key, public, proof).unwrap();
        let seen = [companions[0].residues[0].0, transcript.again()];
        let bytes = proof.to_bytes();
        let points = key.commitments.iter().flat_map(g1_bytes).collect::<Vec<u8>>();
        let mut chain = Chain(keccak(&[b"assay-plonk-v1", &public.hash, &points]));
        // β, γ, α
        for data in [&bytes[..64], &[], &bytes[64..128]] {
            chain.next(data);
        }
        let y = chain.next(&bytes[128..192]);
        chain.next(&bytes[192..]);
        assert_eq!(seen, [y, chain.next(&[])]);
        seen
    };
    let (verifying, public) = (key.verifying, case.proved.public);
    let before = challenges(&verifying, &public, &proof);
    let bytes = proof.to_bytes();
    for word in 0..bytes.len() / 32 {
        let after = challenges(
            &verifying,
            &public,
            &change(bytes.clone(), word, word < 6, |bytes| Proof::read(&mut Reader::new(bytes)).ok()),
        );
        assert_eq!([before[0] != after[0], before[1] != after[1]], [word < 6, true], "word {word}");
    }
    for i in 0..verifying.commitments.len() {
        let mut other = verifying;
        other.commitments[i] = (other.commitments[i] + G1Affine::generator()).into_affine();
        assert!(challenges(&other, &public, &proof).iter().zip(&before).all(|(a, b)| a != b), "key {i}");
    }
    let other = PublicInputs { hash: [1; 32], ..public };
    assert!(challenges(&verifying, &other, &proof).iter().zip(&before).all(|(a, b)| a != b));
}
