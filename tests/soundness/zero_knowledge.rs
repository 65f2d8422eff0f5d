//! What proofs reveal, measured.
//!
//! Defends: that each word of a wrapped proof is distributed in the same way whatever is hidden (PC7, ZK2), and that no
//! mask, salt or blinding is used twice (ZK3). The proofs are real ones of a small network, wrapped in a circuit of
//! eight rows instead of thousands, so that there can be thousands of them; the rows hold secrets as well. Two provers
//! with other weights and other inputs prove the same output. All randomness comes from fixed seeds, so the outcome is
//! the same every time.
//!
//! What this cannot see: a dependence between several words. That the mask hides all of an opening's words together is
//! computed and not measured (`prover/src/pcs/mask.rs`).

use ark_bn254::{Fq, G1Affine};
use ark_ec::AffineRepr;
use ark_ff::{AdditiveGroup, PrimeField};
use assay_circuits::model::Rule;
use assay_circuits::plonk::{ADVICE, Circuit, WIRES};
use assay_circuits::sample::builder::NetworkBuilder;
use assay_circuits::{Fr, sample::Random};
use assay_prover::control::Control;
use assay_prover::inner::{Committed, Proved};
use assay_prover::native::Claim;
use assay_prover::package::{Metadata, Package};
use assay_prover::pcs;
use assay_prover::plonk::{self, EVALUATIONS, PREPROCESSED, ProvingKey};
use assay_prover::seller::{InputOpening, Seller};
use assay_prover::srs::Srs;
use assay_prover::wrap::{self, Snark, WrapVerifyingKey, WrappedProof};
use rand::SeedableRng;
use rand::rngs::StdRng;
use rayon::prelude::*;
use std::collections::{BTreeMap, BTreeSet};

/// Proofs of each of the two provers.
const PROOFS: u64 = 1500;
/// Two samples of `n` differ by more than this times `√(2/n)` once in about 30,000 cases where they are alike; `n`
/// numbers from what they are numbers of by more than this times `√(1/n)` as seldom. (Kolmogorov's distribution:
/// `2·exp(-2·x²)`.)
const THRESHOLD: f64 = 2.35;
const LOG_CHUNK: u32 = 4;
const LOG_ROWS: u32 = 3;

/// A model, an input, and what stands in the rows of the wrap.
struct Prover {
    seller: Seller,
    input: InputOpening,
    key: ProvingKey,
    secrets: [Vec<Fr>; ADVICE],
}

/// One proof, with what only its maker knows.
struct Made {
    claim: Claim,
    proof: WrappedProof,
    salt: Fr,
    evaluation: Fr,
}

impl Prover {
    /// With two weights and two inputs.
    fn new(weights: [i16; 2], cells: [i32; 2], secret: u64) -> Self {
        let (mut builder, x) = NetworkBuilder::new(&[2], 4, 0, 4);
        let mut values = weights.iter().copied();
        let term = builder.dense(&x, 1, || values.next().unwrap_or_default());
        let sum = builder.layer(&[1], vec![term], 0, Rule::Exact);
        let (architecture, weights) = builder.finish(&sum, 0).expect("a valid network");
        let srs = Srs::development(6);
        let mut package =
            Package::new(Metadata::default(), architecture, weights, LOG_CHUNK, &srs).expect("a valid network");
        // blinding that is the same every time, and so all challenges
        let blinding = vec![Fr::from(secret + 2); package.committed.blinding.len()];
        package.committed = Committed::new(&srs, LOG_CHUNK, package.committed.cells.to_vec(), blinding);
        package.model.weights = package.committed.commitments.clone();
        let seller = Seller::new(package, srs).expect("its own powers");
        let input = InputOpening {
            cells: cells.to_vec().into(),
            blinding: vec![Fr::from(secret + 1); seller.shape().layout.input_region.chunks].into(),
        };

        // rows that say what the public inputs are; of the other cells, that three of a column are equal
        let n = 1 << LOG_ROWS;
        let mut circuit = Circuit::new(seller.shape(), &seller.srs.id()).expect("a small circuit");
        circuit.log_rows = LOG_ROWS;
        circuit.fixed = std::array::from_fn(|_| vec![Fr::ZERO; n]);
        circuit.fixed[4][..3].fill(Fr::from(1u64));
        circuit.permutation = (0..(WIRES * n) as u32).collect();
        (0..4).for_each(|column| circuit.permutation[column * n..column * n + 3].rotate_left(1));
        let key = ProvingKey::new(circuit, &seller.srs).expect("enough powers");
        let secrets = std::array::from_fn(|column| vec![Fr::from(secret * (column as u64 + 1)); n]);
        Self { seller, input, key, secrets }
    }

    fn inner(&self, context: Fr, hiding: bool, rng: &mut StdRng) -> (Claim, Proved) {
        let committed = self.input.commit(self.seller.shape(), &self.seller.srs).expect("its own blinding");
        let trace = self.seller.execute(&self.input).expect("a valid input");
        let proved =
            self.seller.prove_trace_with(&committed, &trace, context, hiding, rng, &Control::new()).expect("provable");
        (Claim::of(&proved, committed.commitments, context), proved)
    }

    fn prove(&self, context: u64, seed: u64) -> Made {
        let mut rng = StdRng::seed_from_u64(seed);
        let (claim, proved) = self.inner(Fr::from(context), true, &mut rng);
        let mut advice = self.secrets.clone();
        advice[4][..3].copy_from_slice(&proved.public.to_array());
        let srs = &self.seller.srs;
        let committed =
            plonk::prove(srs, &self.key, advice, &proved.public, &mut rng, &Control::new()).expect("enough powers");
        let (polynomial, point, value) = proved.claim(self.seller.shape());
        let companions = committed.companions(&self.key);
        let opening = pcs::open_with(srs, polynomial, point, value, committed.transcript.clone(), &companions)
            .expect("its value");
        let proof = WrappedProof {
            snark: Snark::Universal(Box::new(committed.proof)),
            digest: proved.reduced.digest,
            value: proved.reduced.value,
            rho: proved.reduced.rho.expect("it is hiding"),
            delta: proved.reduced.delta,
            point: proved.reduced.point.clone(),
            witness: proved.witness.clone(),
            mask: proved.mask.expect("it is hiding"),
            opening,
        };
        Made { claim, proof, salt: proved.proof.salt, evaluation: proved.proof.evaluation }
    }
}

/// Zeros, and numbers whose sum of products is 0 as well.
fn provers() -> [Prover; 2] {
    [Prover::new([0, 0], [0, 0], 0), Prover::new([3, 2], [2, -3], 12345)]
}

fn is_point(word: usize, witness: usize, points: usize) -> bool {
    let snark = 6 + EVALUATIONS;
    let first = snark + 4 + points;
    word < 6 || (first..first + 2 * (witness + 1) + 14).contains(&word)
}

/// Every word of a proof as a share of its field's order, by its place. Left out are the key's values at `y`, which
/// everybody computes from `y`. As one more word the difference of `s` and what it hides: what somebody sees who knows
/// everything but the mask.
fn revealed(made: &Made) -> BTreeMap<usize, f64> {
    let bytes = made.proof.to_bytes();
    let words = bytes.chunks(32).enumerate().filter(|(word, _)| !(6..6 + PREPROCESSED).contains(word));
    let share = |word: &[u8], order: f64| {
        word.iter().rev().fold(0.0, |sum, byte| sum / 256.0 + f64::from(*byte)) / 256.0 / order
    };
    // the orders of both fields as shares of 2^256
    let order = |limbs: [u64; 4]| limbs[3] as f64 / 2f64.powi(64);
    let [of_points, of_scalars] = [order(Fq::MODULUS.0), order(Fr::MODULUS.0)];
    let (witness, points) = (made.proof.witness.len(), made.proof.point.len());
    let kind = |word| if is_point(word, witness, points) { of_points } else { of_scalars };
    let mut all: BTreeMap<usize, f64> = words.map(|(word, bytes)| (word, share(bytes, kind(word)))).collect();
    let hidden = pcs::encode::fr_word(&(made.proof.value - made.evaluation));
    all.insert(bytes.len() / 32, share(&hidden, of_scalars));
    all
}

/// The largest distance between the distributions of two samples, times `√(n·m/(n+m))`.
fn two_samples(mut a: Vec<f64>, mut b: Vec<f64>) -> f64 {
    a.sort_by(f64::total_cmp);
    b.sort_by(f64::total_cmp);
    let (n, m) = (a.len() as f64, b.len() as f64);
    let (mut i, mut j, mut largest) = (0, 0, 0f64);
    while let (Some(x), Some(y)) = (a.get(i), b.get(j)) {
        let at = x.min(*y);
        i += a[i..].iter().take_while(|value| **value <= at).count();
        j += b[j..].iter().take_while(|value| **value <= at).count();
        largest = largest.max((i as f64 / n - j as f64 / m).abs());
    }
    largest * (n * m / (n + m)).sqrt()
}

/// The largest distance between a sample's distribution and that of all numbers from 0 to 1, times `√n`.
fn from_uniform(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    let n = values.len() as f64;
    let steps = values
        .iter()
        .enumerate()
        .map(|(i, value)| (value - i as f64 / n).abs().max((value - (i + 1) as f64 / n).abs()));
    steps.fold(0.0, f64::max) * n.sqrt()
}

fn columns(samples: &[BTreeMap<usize, f64>]) -> BTreeMap<usize, Vec<f64>> {
    let mut columns: BTreeMap<usize, Vec<f64>> = BTreeMap::new();
    samples.iter().flatten().for_each(|(word, value)| columns.entry(*word).or_default().push(*value));
    columns
}

/// PC7: no word tells which of two provers has made a proof, and each is distributed like a random number.
#[test]
fn pc7_revealed_values_do_not_depend_on_what_is_hidden() {
    let provers = provers();
    let samples: Vec<Vec<Made>> = provers
        .iter()
        .zip(1u64..)
        .map(|(prover, which)| (0..PROOFS).into_par_iter().map(|i| prover.prove(i, which * 1_000_000 + i)).collect())
        .collect();
    let [a, b] = [&samples[0], &samples[1]];
    assert_eq!(a[0].claim.output, b[0].claim.output, "the same is stated");
    for (prover, made) in provers.iter().zip([a, b]) {
        let key = WrapVerifyingKey::Universal(prover.key.verifying);
        made.iter().step_by(100).for_each(|made| {
            wrap::verify(&prover.seller.package.model, &key, &made.claim, &made.proof).expect("honest")
        });
    }

    let rebuilt = self::provers();
    let again = rebuilt.map(|prover| prover.prove(7, 1_000_007).proof.to_bytes());
    assert!(again[0] == a[7].proof.to_bytes() && again[1] != again[0], "the outcome is the same every time");

    let [left, right] = [a, b].map(|made| columns(&made.iter().map(revealed).collect::<Vec<_>>()));
    assert!(left.len() > 60 && left.keys().eq(right.keys()));
    for (word, values) in &left {
        assert!(values.iter().all(|value| (0.0..=1.0).contains(value)), "word {word}");
        let distance = two_samples(values.clone(), right[word].clone());
        assert!(distance < THRESHOLD, "word {word} tells the provers apart: {distance}");
        for values in [values, &right[word]] {
            let distance = from_uniform(values.clone());
            assert!(distance < THRESHOLD, "word {word} is not like a random number: {distance}");
        }
    }

    // ZK3: nothing is there twice, within a prover or between them
    let made: Vec<&Made> = a.iter().chain(b).collect();
    assert_eq!(reused(&made), BTreeSet::new());
}

/// What two of the proofs have in common and must not: places of words, and salts, which are not shown.
fn reused(made: &[&Made]) -> BTreeSet<String> {
    let mut seen = BTreeSet::new();
    let mut reused = BTreeSet::new();
    for made in made {
        let (witness, bytes) = (made.proof.witness.len(), made.proof.to_bytes());
        let first = 6 + EVALUATIONS + 4 + made.proof.point.len();
        for (word, value) in bytes.chunks(32).enumerate().filter(|(word, _)| !(6..6 + PREPROCESSED).contains(word)) {
            let name = match word {
                word if (first..first + 2 * witness).contains(&word) => "witness blinding",
                word if (first + 2 * witness..first + 2 * witness + 2).contains(&word) => "mask",
                0..2 => "rows' blinding",
                _ => "another word",
            };
            if !seen.insert(value.to_vec()) {
                reused.insert(name.to_owned());
            }
        }
        let salt = [&b"salt"[..], &pcs::encode::fr_word(&made.salt)].concat();
        if !seen.insert(salt) {
            reused.insert("salt".to_owned());
        }
    }
    reused
}

/// ZK3: randomness that is used twice is seen, whatever else is different.
#[test]
fn zk3_randomness_that_is_used_twice_is_found() {
    let [prover, other] = provers();
    let fresh = [prover.prove(1, 1), prover.prove(1, 2), other.prove(1, 3)];
    assert_eq!(reused(&fresh.iter().collect::<Vec<_>>()), BTreeSet::new());
    let names = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<BTreeSet<_>>();
    let twice = reused(&[&prover.prove(1, 1), &prover.prove(1, 1)]);
    assert_eq!(twice, names(&["another word", "mask", "rows' blinding", "salt", "witness blinding"]));
    // the same randomness for another context: all challenges are others
    let again = [prover.prove(1, 1), prover.prove(2, 1)];
    assert_ne!(again[0].proof.rho, again[1].proof.rho);
    assert_eq!(reused(&again.iter().collect::<Vec<_>>()), names(&["mask", "salt", "witness blinding"]));
    // for another witness the salt and the mask are left to tell
    assert!(reused(&[&prover.prove(1, 1), &other.prove(2, 1)]).is_superset(&names(&["mask", "salt"])));

    // production draws afresh each time
    let mut salts = BTreeSet::new();
    for _ in 0..4 {
        let committed = prover.input.commit(prover.seller.shape(), &prover.seller.srs).expect("its own blinding");
        let trace = prover.seller.execute(&prover.input).expect("a valid input");
        let proved =
            prover.seller.prove_trace(&committed, &trace, Fr::from(1u64), true, &Control::new()).expect("provable");
        let new = [proved.proof.salt.to_string(), proved.mask.expect("hiding").to_string()];
        assert!(new.into_iter().chain(proved.witness.iter().map(ToString::to_string)).all(|value| salts.insert(value)));
    }
}

/// ZK2: chunks of zeros are committed to like all others.
#[test]
fn zk2_chunks_of_zeros_are_blinded() {
    let [zeros, _] = provers();
    let plain = zeros.inner(Fr::from(1u64), false, &mut StdRng::seed_from_u64(1)).1;
    let empty: Vec<usize> = (0..plain.witness.len()).filter(|i| plain.witness[*i].is_zero()).collect();
    assert!(!empty.is_empty(), "some chunk of an execution of zeros has only zeros");
    let mut seen = BTreeSet::new();
    for seed in 0..8 {
        let hiding = zeros.prove(1, seed).proof;
        assert!(hiding.witness.iter().chain([&hiding.mask]).all(|point| !point.is_zero()));
        assert!(empty.iter().all(|i| seen.insert(hiding.witness[*i].to_string())), "the same blinding twice");
    }
    assert!(
        zeros.seller.package.model.weights.iter().all(|point| *point != G1Affine::zero()),
        "weights of zeros as well"
    );
}

/// The measure finds what is not hidden: a proof without blinding and mask, small numbers, numbers of half the field.
#[test]
fn the_measure_finds_what_is_not_hidden() {
    let [prover, other] = provers();
    let witness = |prover: &Prover| -> Vec<f64> {
        let proofs = (0..50).map(|seed| prover.inner(Fr::from(seed), false, &mut StdRng::seed_from_u64(seed)).1);
        let x = |proved: Proved| {
            proved.witness[0].x().map_or(0.0, |x| (x.into_bigint().0[3] as f64) / Fq::MODULUS.0[3] as f64)
        };
        proofs.map(x).collect()
    };
    assert!(two_samples(witness(&prover), witness(&other)) > THRESHOLD, "commitments without blinding");
    assert!(from_uniform(witness(&prover)) > THRESHOLD);

    let mut random = Random::new(1);
    let mut uniform =
        |scale: f64| (0..PROOFS).map(|_| random.bits() as f64 / u64::MAX as f64 * scale).collect::<Vec<f64>>();
    assert!(two_samples(uniform(1.0), uniform(1.0)) < THRESHOLD && from_uniform(uniform(1.0)) < THRESHOLD);
    for scale in [0.9, 0.5, 1e-9, 0.0] {
        assert!(two_samples(uniform(1.0), uniform(scale)) > THRESHOLD, "{scale}");
        assert!(from_uniform(uniform(scale)) > THRESHOLD, "{scale}");
    }
}
