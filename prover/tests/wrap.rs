//! Wrapped proofs: honest ones verify natively, changed ones do not.

use assay_circuits::scalar::VerifyError;
use assay_circuits::shape::Shape;
use assay_circuits::{Fr, sample};
use assay_prover::control::Control;
use assay_prover::key::KeyError;
use assay_prover::native::{Claim, ProofError};
use assay_prover::package::{BuyerKey, Metadata, Package};
use assay_prover::seller::{InputOpening, Seller};
use assay_prover::srs::Srs;
use assay_prover::wrap::{self, System, WrapProvingKey, WrapVerifyingKey, WrappedProof};

struct Case {
    seller: Seller,
    key: WrapVerifyingKey,
    claim: Claim,
    proof: WrappedProof,
}

fn case(system: System) -> Case {
    let (architecture, weights) = sample::random_network(3);
    let input = sample::random_input(&architecture, 9);
    let shape = Shape::new(architecture.clone(), 9).unwrap();
    let srs = Srs::development(WrapProvingKey::srs_log(system, &shape).unwrap());
    let package = Package::new(Metadata::default(), architecture, weights, 9, &srs).unwrap();
    let proving = match system {
        System::Universal => WrapProvingKey::universal(&package.model.shape, &srs).unwrap(),
        System::Groth16 => WrapProvingKey::development(&package.model.shape, &package.model.srs.id).unwrap(),
    };
    let key = proving.verifying_key();
    key.check().unwrap();
    let seller = Seller::new(package, srs).unwrap().with_wrap_key(proving);
    let input = InputOpening::private(seller.shape(), input);
    let (claim, proof) = seller.prove_wrapped(&input, Fr::from(77u64), &Control::new()).unwrap();
    Case { seller, key, claim, proof }
}

/// H1, G1, G4, E2: every word of the proof and every part of the claim counts.
#[test]
fn wrapped_proofs_bind_everything() {
    System::ALL.into_iter().for_each(binds_everything);
}

fn binds_everything(system: System) {
    let Case { seller, key, claim, proof } = case(system);
    let model = &seller.package.model;
    wrap::verify(model, &key, &claim, &proof).unwrap();

    let bytes = proof.to_bytes();
    assert_eq!(WrappedProof::from_bytes(&model.shape, system, &bytes).unwrap(), proof);
    assert_eq!(bytes.len(), WrappedProof::byte_len(&model.shape, system));
    for word in 0..bytes.len() / 32 {
        let mut changed = bytes.clone();
        changed[32 * word + 31] ^= 1;
        if let Ok(changed) = WrappedProof::from_bytes(&model.shape, system, &changed) {
            assert!(wrap::verify(model, &key, &claim, &changed).is_err(), "word {word}");
        }
    }
    for len in [0, 1, 31, bytes.len() - 1] {
        assert!(WrappedProof::from_bytes(&model.shape, system, &bytes[..len]).is_err());
    }
    let mut longer = bytes.clone();
    longer.push(0);
    assert!(WrappedProof::from_bytes(&model.shape, system, &longer).is_err());
    // a final point of another length, which no bytes lead to
    for point in [proof.point[1..].to_vec(), [&proof.point[..], &[Fr::from(1u64)]].concat()] {
        let refused = wrap::verify(model, &key, &claim, &WrappedProof { point, ..proof.clone() });
        assert!(
            matches!(refused, Err(ProofError::Inner(VerifyError::Length { part: "final point", .. }))),
            "{refused:?}"
        );
    }

    let mut other = claim.clone();
    other.context += Fr::from(1u64);
    assert!(wrap::verify(model, &key, &other, &proof).is_err());
    for i in 0..claim.output.len() {
        let mut other = claim.clone();
        other.output[i] ^= 1;
        assert!(wrap::verify(model, &key, &other, &proof).is_err(), "output {i}");
    }
    let mut other = claim.clone();
    other.input[0] = -other.input[0];
    assert!(wrap::verify(model, &key, &other, &proof).is_err());
    let mut other = model.clone();
    other.weights[0] = -other.weights[0];
    assert!(wrap::verify(&other, &key, &claim, &proof).is_err());
}

/// PC7, ZK2, ZK3: two proofs of one statement share no blinded value.
#[test]
fn proofs_share_no_randomness() {
    System::ALL.into_iter().for_each(shares_no_randomness);
}

fn shares_no_randomness(system: System) {
    let Case { seller, claim, proof, key } = case(system);
    let input = {
        let cells = sample::random_input(&seller.shape().architecture, 9);
        InputOpening::private(seller.shape(), cells)
    };
    let (other_claim, other) = seller.prove_wrapped(&input, claim.context, &Control::new()).unwrap();
    wrap::verify(&seller.package.model, &key, &other_claim, &other).unwrap();
    assert_eq!(other_claim.output, claim.output);
    assert_ne!(other_claim.input, claim.input);
    let words = |proof: &WrappedProof| proof.to_bytes().chunks(32).map(<[u8]>::to_vec).collect::<Vec<_>>();
    let first = words(&proof);
    for (i, word) in words(&other).iter().enumerate() {
        assert!(!first.contains(word), "word {i}");
    }
}

/// Files: what is written is read back; truncated or damaged at any place, it is refused; an SRS that is not what it
/// says is refused.
#[test]
fn files_round_trip_and_damage_is_found() {
    System::ALL.into_iter().for_each(files_round_trip);
}

fn files_round_trip(system: System) {
    let Case { seller, key, claim, proof } = case(system);
    let folder = tempfile::tempdir().unwrap();
    let (package_path, key_path) = (folder.path().join("m.assay"), folder.path().join("m.key"));
    seller.package.write(&package_path).unwrap();
    let package = Package::read(&package_path).unwrap();
    assert_eq!(package.committed, seller.package.committed);
    let buyer = BuyerKey::new(&package, key, true);
    assert!(buyer.is_development());
    buyer.recompute(&seller.srs).unwrap();
    buyer.write(&key_path).unwrap();
    let read = BuyerKey::read(&key_path).unwrap();
    wrap::verify(&read.model, &read.wrap, &claim, &proof).unwrap();
    assert_eq!(read.wrap.hash(&read.model), buyer.wrap.hash(&buyer.model));

    for path in [&package_path, &key_path] {
        let bytes = std::fs::read(path).unwrap();
        let broken = folder.path().join("broken");
        for at in (0..bytes.len()).step_by(bytes.len() / 40) {
            std::fs::write(&broken, &bytes[..at]).unwrap();
            assert!(Package::read(&broken).is_err() && BuyerKey::read(&broken).is_err());
            let mut changed = bytes.clone();
            changed[at] ^= 0x40;
            std::fs::write(&broken, &changed).unwrap();
            assert!(Package::read(&broken).is_err() && BuyerKey::read(&broken).is_err(), "byte {at}");
        }
    }

    // a file of powers that its owner made to fit a key: the ends are right, and others are not what they should be
    let mut powers = seller.srs.g1.to_vec();
    powers.swap(7, 8);
    let false_powers = Srs { g1: powers.into(), ..seller.srs.clone() };
    assert!(matches!(buyer.recompute(&false_powers), Err(KeyError::Srs(_))));
    let (mut unmarked, groth16) = (buyer.clone(), system == System::Groth16);
    unmarked.wrap_development = false;
    unmarked.model.srs.development = false;
    assert_eq!(unmarked.is_development(), groth16, "a Groth16 key does not show that it is a ceremony's");
    if let WrapVerifyingKey::Universal(key) = &mut unmarked.wrap {
        key.commitments.swap(0, 1);
        unmarked.model.srs.development = true;
        assert!(matches!(unmarked.recompute(&seller.srs), Err(KeyError::Mismatch("the wrap's key"))));
    }

    let mut lying = buyer.clone();
    lying.model.srs.development = false;
    lying.write(&key_path).unwrap();
    assert!(BuyerKey::read(&key_path).is_err(), "a development SRS without its mark");
    let mut lying = buyer.clone();
    lying.model.srs.tau_h = Default::default();
    lying.write(&key_path).unwrap();
    assert!(BuyerKey::read(&key_path).is_err(), "τ = 0");
    let mut lying = buyer;
    lying.model.srs.id[0] ^= 1;
    lying.write(&key_path).unwrap();
    assert!(BuyerKey::read(&key_path).is_err(), "another id");
}
