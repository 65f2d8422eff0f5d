//! Packages and keys as files.

use super::fields::{Kind, Manifest};
use super::{Case, Wrapped, alterations, is_complete, wrapped};
use ark_serialize::CanonicalSerialize;
use assay_circuits::Fr;
use assay_circuits::batch::Batch;
use assay_prover::control::Control;
use assay_prover::key::{PublicModel, SrsVerifier};
use assay_prover::native;
use assay_prover::package::{BuyerKey, Metadata, Package};
use assay_prover::pcs::encode::{fr_word, keccak};
use assay_prover::seller::Seller;
use assay_prover::wrap::{self, System};
use serde::Serialize;
use std::path::Path;

/// What people are told and nothing follows from: the only fields that may be altered.
const TOLD: [&str; 3] = ["name", "layer names", "wrap's development mark"];

impl Manifest {
    fn part(&mut self, name: &str, part: &(impl Serialize + ?Sized)) {
        self.push(name, Kind::Bytes, postcard::to_stdvec(part).expect("plain data"));
    }

    fn metadata(&mut self, metadata: &Metadata) {
        let Metadata { name, layer_names } = metadata;
        self.part("name", name);
        self.part("layer names", layer_names);
    }

    fn public(&mut self, model: &PublicModel) {
        let compressed = |points: &dyn Fn(&mut Vec<u8>)| {
            let mut bytes = Vec::new();
            points(&mut bytes);
            bytes
        };
        let PublicModel { shape: _, weights, tables, srs } = model;
        let SrsVerifier { h: _, tau_h, id, development } = srs;
        self.part("weight commitments", &compressed(&|bytes| weights.serialize_compressed(bytes).expect("to memory")));
        self.part("table commitments", &compressed(&|bytes| tables.serialize_compressed(bytes).expect("to memory")));
        self.part("[τ]_2", &compressed(&|bytes| vec![*tau_h].serialize_compressed(bytes).expect("to memory")));
        self.part("SRS id", id);
        self.part("SRS's development mark", development);
    }

    fn package(package: &Package) -> Self {
        let Package { metadata, model, weights, committed, tables: _ } = package;
        let mut all = Self::default();
        all.push("kind", Kind::Bytes, *b"assay-model-v1\n");
        all.metadata(metadata);
        all.part("architecture", &model.shape.architecture);
        all.part("chunk", &model.shape.layout.log_chunk);
        all.part("weights", weights);
        all.part("blinding", &committed.blinding.iter().map(fr_word).collect::<Vec<_>>());
        all.public(model);
        all
    }

    fn key(key: &BuyerKey) -> Self {
        let BuyerKey { metadata, model, wrap, wrap_development } = key;
        let mut all = Self::default();
        all.push("kind", Kind::Bytes, *b"assay-key-v3\n\0\0");
        all.metadata(metadata);
        all.part("architecture", &model.shape.architecture);
        all.part("chunk", &model.shape.layout.log_chunk);
        all.part("batch", &model.shape.batch.log_len());
        all.part("separate", &model.shape.batch.is_separate());
        all.public(model);
        all.part("wrap", &wrap.to_bytes().expect("to memory"));
        all.part("wrap's development mark", wrap_development);
        all
    }
}

/// The file with the hash that belongs to it.
fn hashed(bytes: &[u8]) -> Vec<u8> {
    [bytes, &keccak(&[bytes])].concat()
}

/// Alters a file's fields, and demands that `accepts` takes none but those that people are only told.
fn every_field_of_a_file_counts(
    manifest: &Manifest,
    other: &Manifest,
    path: &Path,
    accepts: impl Fn() -> bool,
) -> usize {
    let (bytes, offsets) = (manifest.bytes(), manifest.offsets());
    let with = |bytes: &[u8]| {
        std::fs::write(path, bytes).expect("written");
        accepts()
    };
    assert!(with(&hashed(&bytes)));
    let mut tried = 0;
    for (i, (field, theirs)) in manifest.0.iter().zip(&other.0).enumerate() {
        let mut ways = alterations(field.kind, &field.bytes, &theirs.bytes);
        // bytes inside, since many fields are structures
        let step = field.bytes.len().div_ceil(16);
        for at in (0..field.bytes.len()).step_by(step.max(1)) {
            let mut altered = field.bytes.clone();
            altered[at] ^= 1 << (at % 8);
            ways.push(("a bit inside", altered));
        }
        for (how, altered) in ways {
            let all = [&bytes[..offsets[i]], &altered, &bytes[offsets[i + 1]..]].concat();
            let accepted = with(&hashed(&all));
            assert!(!accepted || TOLD.contains(&field.name.as_str()), "{}: {how}", field.name);
            assert!(!with(&[&all[..], &keccak(&[&bytes])].concat()), "{}: {how}, under the old hash", field.name);
            tried += 1;
        }
        assert!(!with(&hashed(&bytes[..offsets[i]])), "cut off before {}", field.name);
    }
    for more in [&[0u8][..], &[1], &[0; 32]] {
        assert!(!with(&hashed(&[&bytes, more].concat())), "longer");
    }
    tried
}

#[test]
fn h1_every_field_of_a_package_counts() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("m.assay");
    let [case, other] = [3, 4].map(|seed| Case::random(seed, 6));
    let manifest = Manifest::package(&case.seller.package);
    case.seller.package.write(&path).expect("written");
    is_complete(
        &manifest,
        &std::fs::read(&path).expect("read").split_last_chunk::<32>().expect("a hash").0.to_vec(),
        "package",
    );

    // whatever such a package proves is not believed under the model that was published
    let (model, srs) = (&case.seller.package.model, &case.seller.srs);
    let accepts = || {
        let Ok(package) = Package::read(&path) else { return false };
        let Ok(seller) = Seller::new(package, srs.clone()) else { return false };
        let proved = seller.prove_native(&case.input, Fr::from(7u64), &Control::new());
        proved.is_ok_and(|(claim, proof)| native::verify(model, &claim, &proof).is_ok())
    };
    let tried = every_field_of_a_file_counts(&manifest, &Manifest::package(&other.seller.package), &path, accepts);
    assert!(tried > 100, "{tried}");
}

#[test]
fn h1_every_field_of_a_key_file_counts() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("m.key");
    for system in System::ALL {
        let Wrapped { seller, key, claim, proofs: [proof, _] } = wrapped(system, Batch::ONE);
        let key = BuyerKey::new(&seller.package, key, true);
        let manifest = Manifest::key(&key);
        key.write(&path).expect("written");
        is_complete(
            &manifest,
            &std::fs::read(&path).expect("read").split_last_chunk::<32>().expect("a hash").0.to_vec(),
            "key",
        );

        let mut theirs = key.clone();
        theirs.metadata.name = "another".into();
        theirs.wrap_development = false;
        theirs.model.weights.reverse();
        // a proof file names the model that it is about, which ties the architecture to it where the wrap's key cannot
        // be derived
        let named = seller.package.model.commitment();
        let accepts = || {
            let Ok(read) = BuyerKey::read(&path) else { return false };
            read.model.commitment() == named
                && wrap::verify(&read.model, &read.wrap, &claim, &proof).is_ok()
                && read.recompute(&seller.srs).is_ok()
        };
        let tried = every_field_of_a_file_counts(&manifest, &Manifest::key(&theirs), &path, accepts);
        assert!(tried > 100, "{system}: {tried}");
    }
}
