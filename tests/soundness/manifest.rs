//! H1: a manifest of every field of proofs, keys and files, and what becomes of each when it is altered.
//!
//! Defends: that nothing in them is ignored. The manifest (`manifest/fields.rs`) names each field once; it is complete,
//! since its fields put together are the bytes that the encoders write, for several shapes and both wraps. Each field
//! is then altered, left out, doubled and taken from another honest proof, and the verifier in use refuses it. Of files
//! the hash at the end is made anew, as whoever alters a file would do.

#[path = "manifest/fields.rs"]
mod fields;
#[path = "manifest/files.rs"]
mod files;
#[path = "manifest/proof_file.rs"]
mod proof_file;
#[path = "../support/mod.rs"]
mod support;

use ark_bn254::{Fq, G1Affine};
use ark_ec::{AffineRepr, CurveGroup};
use ark_ff::{BigInteger, PrimeField};
use assay_circuits::batch::Batch;
use assay_circuits::shape::Shape;
use assay_circuits::{Fr, sample};
use assay_prover::control::Control;
use assay_prover::key::PublicModel;
use assay_prover::native::{self, Claim, NativeProof};
use assay_prover::package::{Metadata, Package};
use assay_prover::pcs::encode::{Reader, g1_bytes};
use assay_prover::seller::{InputOpening, Seller};
use assay_prover::srs::Srs;
use assay_prover::wrap::{self, System, WrapProvingKey, WrapVerifyingKey, WrappedProof};
use fields::{Kind, Manifest};
use std::collections::BTreeSet;
use support::Case;

/// A model with a wrap's key, and two honest proofs of one statement but for the randomness.
struct Wrapped {
    seller: Seller,
    key: WrapVerifyingKey,
    claim: Claim,
    proofs: [WrappedProof; 2],
}

fn wrapped(system: System, batch: Batch) -> Wrapped {
    let (architecture, weights) = sample::random_network(3);
    let shape = Shape::batched(architecture.clone(), 9, batch).expect("a valid network");
    let cells = (0..batch.inferences() as u64).flat_map(|i| sample::random_input(&architecture, 9 + i)).collect();
    let srs = Srs::development(WrapProvingKey::srs_log(system, &shape).expect("a small circuit"));
    let package = Package::new(Metadata::default(), architecture, weights, 9, &srs).expect("a valid network");
    let seller = Seller::new(package, srs).expect("its own powers").batched(batch).expect("a small batch");
    let proving = match system {
        System::Universal => WrapProvingKey::universal(&shape, &seller.srs),
        System::Groth16 => WrapProvingKey::development(&shape, &seller.srs.id()),
    };
    let proving = proving.expect("a small circuit");
    let key = proving.verifying_key();
    let seller = seller.with_wrap_key(proving);
    let input = InputOpening::private(seller.shape(), cells);
    let prove = || seller.prove_wrapped(&input, Fr::from(77u64), &Control::new()).expect("provable");
    let ((claim, first), (_, second)) = (prove(), prove());
    Wrapped { seller, key, claim, proofs: [first, second] }
}

fn word_plus(word: &[u8], number: &impl BigInteger) -> Option<Vec<u8>> {
    let number = number.to_bytes_be();
    let (mut sum, mut carry) = (vec![0; 32], 0);
    for i in (0..32).rev() {
        let digit = u16::from(word[i]) + u16::from(number[i]) + carry;
        sum[i] = digit as u8;
        carry = digit >> 8;
    }
    (carry == 0).then_some(sum)
}

/// What a field becomes: each with its name.
fn alterations(kind: Kind, bytes: &[u8], other: &[u8]) -> Vec<(&'static str, Vec<u8>)> {
    let mut all = vec![("left out", Vec::new()), ("doubled", [bytes, bytes].concat()), ("zero", vec![0; bytes.len()])];
    if bytes.len() == other.len() {
        all.push(("another proof's", other.to_vec()));
    }
    let mut flipped = bytes.to_vec();
    flipped[bytes.len() - 1] ^= 1;
    all.push(("its last bit", flipped));
    let mut first = bytes.to_vec();
    first[0] ^= 0x80;
    all.push(("its first bit", first));
    match kind {
        Kind::Scalar => all.extend(word_plus(bytes, &Fr::MODULUS).map(|sum| ("plus r", sum))),
        Kind::Point => {
            if let Ok(point) = Reader::new(bytes).g1() {
                let g = G1Affine::generator();
                let points =
                    [("plus a generator", (point + g).into_affine()), ("negative", -point), ("a generator", g)];
                all.extend(points.map(|(name, point)| (name, g1_bytes(&point).to_vec())));
            }
            all.extend(word_plus(&bytes[..32], &Fq::MODULUS).map(|x| ("x plus q", [&x, &bytes[32..]].concat())));
            all.extend(word_plus(&bytes[32..], &Fq::MODULUS).map(|y| ("y plus q", [&bytes[..32], &y].concat())));
        }
        Kind::PointG2 => {
            // the points of both sides of a word exchanged
            let mut swapped = bytes.to_vec();
            swapped.rotate_left(32);
            all.push(("rotated", swapped));
        }
        Kind::Bytes => {}
    }
    all.retain(|(_, altered)| altered != bytes);
    all
}

/// Every field of `manifest` is altered in every way; none is accepted. Returns how many alterations there were.
fn every_field_counts(manifest: &Manifest, other: &Manifest, accepts: impl Fn(&[u8]) -> bool) -> usize {
    let (bytes, offsets) = (manifest.bytes(), manifest.offsets());
    assert!(accepts(&bytes));
    let mut tried = 0;
    for (i, (field, theirs)) in manifest.0.iter().zip(&other.0).enumerate() {
        assert_eq!(field.name, theirs.name);
        for (how, altered) in alterations(field.kind, &field.bytes, &theirs.bytes) {
            let all = [&bytes[..offsets[i]], &altered, &bytes[offsets[i + 1]..]].concat();
            assert!(!accepts(&all), "{}: {how}", field.name);
            tried += 1;
        }
        assert!(!accepts(&bytes[..offsets[i]]), "cut off before {}", field.name);
    }
    assert!(!accepts(&[&bytes[..], &[0]].concat()) && !accepts(&[&bytes[..], &[0; 32]].concat()), "longer");
    tried
}

/// The manifest lists each byte of an encoding once: its fields are the encoding, and each has its own name.
fn is_complete(manifest: &Manifest, encoded: &[u8], what: &str) {
    assert_eq!(manifest.bytes(), encoded, "{what}: a field is missing from the manifest, or in another place");
    let names: BTreeSet<&str> = manifest.0.iter().map(|field| field.name.as_str()).collect();
    assert_eq!(names.len(), manifest.0.len(), "{what}: names are told apart");
    for field in &manifest.0 {
        let words = match field.kind {
            Kind::Scalar => 1,
            Kind::Point => 2,
            Kind::PointG2 => 4,
            Kind::Bytes => continue,
        };
        assert_eq!(field.bytes.len(), 32 * words, "{what}: {}", field.name);
    }
}

#[test]
fn h1_the_manifest_is_complete() {
    for (seed, batch) in [(1, Batch::ONE), (2, Batch::joint(2)), (5, Batch::separate(1))] {
        for hiding in [false, true] {
            let case = Case::random(seed, 6).batched(batch);
            let proved = if hiding { case.proved() } else { case.proved_openly() };
            let proof = NativeProof::new(proved, case.shape(), &case.seller.srs, &Control::new()).expect("opened");
            is_complete(&Manifest::native(&proof), &proof.to_bytes(), "inner proof");
        }
    }
    for system in System::ALL {
        for batch in [Batch::ONE, Batch::separate(1)] {
            let Wrapped { seller, key, proofs: [proof, _], .. } = wrapped(system, batch);
            let model = &seller.package.model;
            is_complete(&Manifest::wrapped(&proof), &proof.to_bytes(), "wrapped proof");
            assert_eq!(WrappedProof::byte_len(&model.shape, system), proof.to_bytes().len());
            is_complete(&Manifest::contract_key(&key, model), &key.contract_bytes(model), "contract key");
        }
    }
    let mut short =
        Manifest::contract_key(&wrapped(System::Universal, Batch::ONE).key, &Case::random(3, 9).seller.package.model);
    let encoded = short.bytes();
    short.0.remove(3);
    assert_ne!(short.bytes(), encoded, "a field that is left out is missed");
}

#[test]
fn h1_every_field_of_an_inner_proof_counts() {
    // the last has rounds of degree 3
    let attention = sample::attention(2, 2, 1);
    let cells = sample::random_input(&attention.0, 3);
    for case in [Case::random(1, 6), Case::new("attention", attention, 6, cells)] {
        let model = &case.seller.package.model;
        let prove = || case.seller.prove_native(&case.input, Fr::from(7u64), &Control::new()).expect("provable");
        let ((claim, proof), (_, other)) = (prove(), prove());
        let accepts = |bytes: &[u8]| {
            NativeProof::from_bytes(model, bytes).is_ok_and(|proof| native::verify(model, &claim, &proof).is_ok())
        };
        let tried = every_field_counts(&Manifest::native(&proof), &Manifest::native(&other), accepts);
        assert!(tried > 500, "{tried}");
    }
}

#[test]
fn h1_every_field_of_a_wrapped_proof_counts() {
    for system in System::ALL {
        let Wrapped { seller, key, claim, proofs: [proof, other] } = wrapped(system, Batch::ONE);
        let model = &seller.package.model;
        let accepts = |bytes: &[u8]| {
            WrappedProof::from_bytes(&model.shape, system, bytes)
                .is_ok_and(|proof| wrap::verify(model, &key, &claim, &proof).is_ok())
        };
        let tried = every_field_counts(&Manifest::wrapped(&proof), &Manifest::wrapped(&other), accepts);
        assert!(tried > 200, "{system}: {tried}");
        // a proof of one wrap under the key of the other
        let kinds = [&proof.snark, &other.snark].map(|snark| snark.system());
        assert_eq!(kinds, [system; 2]);
    }
}

/// The statement: each part of the claim and of what the model is, with honest proofs of both kinds.
#[test]
fn h1_every_field_of_a_statement_counts() {
    let Wrapped { seller, key, claim, proofs: [wrapped, _] } = wrapped(System::Universal, Batch::separate(1));
    let model = &seller.package.model;
    let native = {
        let cells = (0..2).flat_map(|i| sample::random_input(&seller.shape().architecture, 9 + i)).collect();
        seller
            .prove_native(&InputOpening::private(seller.shape(), cells), Fr::from(77u64), &Control::new())
            .expect("provable")
    };
    let accepted = |model: &PublicModel, change: &dyn Fn(&mut Claim)| {
        let (mut one, mut other) = (claim.clone(), native.0.clone());
        change(&mut one);
        change(&mut other);
        [wrap::verify(model, &key, &one, &wrapped).is_ok(), native::verify(model, &other, &native.1).is_ok()]
    };
    assert_eq!(accepted(model, &|_| ()), [true; 2]);
    let refused = |what: &str, change: &dyn Fn(&mut Claim)| assert_eq!(accepted(model, change), [false; 2], "{what}");

    let Claim { input, output, clamps: _, context: _ } = &claim;
    refused("context", &|claim| claim.context += Fr::from(1u64));
    refused("clamps", &|claim| claim.clamps = claim.clamps.wrapping_add(1));
    refused("clamps", &|claim| claim.clamps ^= 1 << 31);
    for i in 0..output.len() {
        for bit in [0, 7, 8, 15] {
            refused("output", &|claim| claim.output[i] ^= 1 << bit);
        }
    }
    refused("an output cell more", &|claim| claim.output.push(0));
    refused("an output cell less", &|claim| _ = claim.output.pop());
    let g = G1Affine::generator();
    let altered = |point: &G1Affine| [-*point, (*point + g).into_affine(), G1Affine::zero(), g];
    for i in 0..input.len() {
        for way in 0..4 {
            refused("input", &|claim| claim.input[i] = altered(&claim.input[i])[way]);
        }
    }
    refused("inputs swapped", &|claim| claim.input.swap(0, 1));
    refused("an input more", &|claim| claim.input.push(g));
    refused("an input less", &|claim| _ = claim.input.pop());

    let refused_under = |what: &str, change: &dyn Fn(&mut PublicModel)| {
        let mut other = model.clone();
        change(&mut other);
        assert_eq!(accepted(&other, &|_| ()), [false; 2], "{what}");
    };
    // the shape and the SRS's id are in the key; `h1_every_field_of_a_key_file_counts` has them
    let PublicModel { shape: _, weights, tables, srs: _ } = model;
    assert!(!weights.is_empty() && !tables.is_empty());
    for way in 0..4 {
        (0..weights.len())
            .for_each(|i| refused_under("weights", &|model| model.weights[i] = altered(&model.weights[i])[way]));
        (0..tables.len())
            .for_each(|i| refused_under("tables", &|model| model.tables[i] = altered(&model.tables[i])[way]));
    }
    refused_under("weights more", &|model| model.weights.push(g));
    refused_under("weights less", &|model| _ = model.weights.pop());
    refused_under("tables more", &|model| model.tables.push(g));
    refused_under("tables less", &|model| _ = model.tables.pop());
    refused_under("[τ]_2", &|model| model.srs.tau_h = (model.srs.tau_h + model.srs.h).into_affine());
    refused_under("[1]_2", &|model| model.srs.h = model.srs.tau_h);
}
