//! The universal wrap: honest proofs verify, nothing else does.

use ark_bn254::{Bn254, G1Affine};
use ark_ec::pairing::Pairing;
use ark_ec::{AffineRepr, CurveGroup};
use ark_ff::Zero;
use assay_circuits::Fr;
use assay_circuits::plonk::{ADVICE, Circuit};
use assay_circuits::sample;
use assay_circuits::wrap::PublicInputs;
use assay_prover::control::Control;
use assay_prover::inner::{Proved, fresh_rng};
use assay_prover::package::{Metadata, Package};
use assay_prover::pcs::{self, Opening};
use assay_prover::plonk::{self, Proof, ProvingKey, VerifyingKey};
use assay_prover::seller::{InputOpening, Seller};
use assay_prover::srs::Srs;

struct Case {
    seller: Seller,
    key: ProvingKey,
    proved: Proved,
}

impl Case {
    fn new(seed: u64, log_chunk: u32) -> Self {
        let (architecture, weights) = sample::random_network(seed);
        let cells = sample::random_input(&architecture, seed);
        let srs = Srs::development(18);
        let package = Package::new(Metadata::default(), architecture, weights, log_chunk, &srs).unwrap();
        let seller = Seller::new(package, srs).unwrap();
        let input = InputOpening::private(seller.shape(), cells);
        let trace = seller.execute(&input).unwrap();
        let committed = input.commit(seller.shape(), &seller.srs).unwrap();
        let proved = seller.prove_trace(&committed, &trace, Fr::from(7u64), true, &Control::new()).unwrap();
        let circuit = Circuit::new(seller.shape(), &seller.srs.id()).unwrap();
        let key = ProvingKey::new(circuit, &seller.srs).unwrap();
        Self { seller, key, proved }
    }

    fn advice(&self) -> [Vec<Fr>; ADVICE] {
        self.key.circuit.advice(self.proved.statement, &self.proved.proof, self.proved.public).unwrap()
    }

    fn prove(&self, advice: [Vec<Fr>; ADVICE]) -> (Proof, Opening) {
        let srs = &self.seller.srs;
        let committed =
            plonk::prove(srs, &self.key, advice, &self.proved.public, &mut fresh_rng(), &Control::new()).unwrap();
        let (t, point, value) = self.proved.claim(self.seller.shape());
        let opening =
            pcs::open_with(srs, t, point, value, committed.transcript.clone(), &committed.companions(&self.key))
                .unwrap();
        (committed.proof, opening)
    }

    fn accepts(&self, key: &VerifyingKey, public: &PublicInputs, proof: &Proof, opening: &Opening) -> bool {
        let srs = &self.seller.srs;
        let (t, point, value) = self.proved.claim(self.seller.shape());
        let commitment = pcs::commit(srs, t).unwrap();
        let Ok(plonk::Statement { companions, transcript }) = plonk::verify(key, public, proof) else { return false };
        let terms = [(Fr::from(1u64), commitment)];
        let Ok((left, right)) = pcs::pairing_inputs_with(&terms, point, value, transcript, opening, &companions) else {
            return false;
        };
        Bn254::multi_pairing([left.into_affine(), -right], [srs.h, srs.tau_h]).is_zero()
    }
}

#[test]
fn honest_proofs_verify_and_every_part_of_them_counts() {
    let case = Case::new(3, 6);
    let (proof, opening) = case.prove(case.advice());
    let (key, public) = (case.key.verifying, case.proved.public);
    assert!(case.accepts(&key, &public, &proof, &opening));

    let bytes = proof.to_bytes();
    assert_eq!(bytes.len(), plonk::PROOF_BYTES);
    assert_eq!(Proof::read(&mut pcs::encode::Reader::new(&bytes)).unwrap(), proof);
    for at in 0..plonk::EVALUATIONS {
        let mut bytes = bytes.clone();
        bytes[3 * 64 + 32 * at + 31] ^= 1;
        let changed = Proof::read(&mut pcs::encode::Reader::new(&bytes)).unwrap();
        assert!(!case.accepts(&key, &public, &changed, &opening), "value {at}");
    }
    let g = G1Affine::generator();
    for changed in [Proof { advice: g, ..proof }, Proof { product: g, ..proof }, Proof { quotient: g, ..proof }] {
        assert!(!case.accepts(&key, &public, &changed, &opening));
    }
    for i in 0..3 {
        let mut other = public;
        let value = [&mut other.digest, &mut other.chi, &mut other.fold].into_iter().nth(i).unwrap();
        *value += Fr::from(1u64);
        assert!(!case.accepts(&key, &other, &proof, &opening), "public input {i}");
    }
    let other = PublicInputs { hash: [1; 32], ..public };
    assert!(!case.accepts(&key, &other, &proof, &opening));
    for i in 0..key.commitments.len() {
        let mut other = key;
        other.commitments[i] = g;
        assert!(!case.accepts(&other, &public, &proof, &opening));
    }
    let other = VerifyingKey { log_rows: key.log_rows + 1, ..key };
    assert!(!case.accepts(&other, &public, &proof, &opening));
}

/// One cell of the witness that a constraint looks at is wrong: the prover makes what it can of it.
#[test]
fn false_witnesses_are_refused() {
    let case = Case::new(3, 6);
    let (key, public) = (case.key.verifying, case.proved.public);
    for (column, row) in [(0, 0), (1, 5), (5, 40), (7, 100), (6, 301), (2, 77), (4, 13), (3, 199)] {
        let mut advice = case.advice();
        advice[column][row] += Fr::from(1u64);
        let seen = case.key.circuit.first_violated(&advice, public.to_array()).is_some();
        let (proof, opening) = case.prove(advice);
        assert_eq!(case.accepts(&key, &public, &proof, &opening), !seen, "column {column}, row {row}");
    }
}

#[test]
fn proofs_share_no_randomness() {
    let case = Case::new(5, 6);
    let words = |(proof, _): (Proof, Opening)| proof.to_bytes();
    let (first, second) = (words(case.prove(case.advice())), words(case.prove(case.advice())));
    // both know the same fixed columns, but not at the same y
    for (i, (a, b)) in first.chunks(32).zip(second.chunks(32)).enumerate() {
        assert_ne!(a, b, "word {i}");
    }
}

/// Anybody derives the same key, and a string of powers that is too short is an error that says so.
#[test]
fn keys_are_reproducible() {
    let case = Case::new(3, 6);
    let circuit = || Circuit::new(case.seller.shape(), &case.seller.srs.id()).unwrap();
    let log_rows = case.key.verifying.log_rows;
    assert_eq!(ProvingKey::new(circuit(), &Srs::development(18)).unwrap().verifying, case.key.verifying);
    let need = ProvingKey::powers(log_rows);
    let small = Srs::development(log_rows + 2);
    let error = ProvingKey::new(circuit(), &small).err().unwrap();
    assert_eq!(error, pcs::PcsError::SrsTooSmall { have: small.g1.len(), need });
}
