//! Every reader of bytes that come from elsewhere, as a function of bytes. Whatever the bytes are, it returns. The test
//! `decoders` calls them with a committed corpus and with mutations of it, and so does `make fuzz`, for hours.

use assay_api::{
    CommitmentRequest, Model, ModelPage, Prediction, PredictionPage, PredictionRequest, Problem, QuoteRequest, Ready,
};
use assay_api::{VerifyRequest, VerifyResponse};
use assay_circuits::sample;
use assay_circuits::shape::Shape;
use assay_compiler::{Calibration, lowering};
use assay_prover::ceremony::Ceremony;
use assay_prover::ceremony::circuit::Transcript;
use assay_prover::native::NativeProof;
use assay_prover::package::{BuyerKey, Metadata, Package, points_from_bytes, read_proving_key};
use assay_prover::srs::{Srs, file, ptau};
use assay_prover::wrap::{System, WrapVerifyingKey, WrappedProof};
use sha3::{Digest, Keccak256};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;

/// A reader.
pub struct Decoder {
    /// The name of its corpus, a folder of `fuzz/corpus`.
    pub name: &'static str,
    /// Reads bytes; whether they are what it reads.
    pub read: fn(&[u8]) -> bool,
}

/// All of them.
pub const DECODERS: &[Decoder] = &[
    Decoder { name: "onnx", read: onnx },
    Decoder { name: "samples_json", read: |bytes| samples(bytes, "x.json") },
    Decoder { name: "samples_npy", read: |bytes| samples(bytes, "x.npy") },
    Decoder { name: "samples_npz", read: |bytes| samples(bytes, "x.npz") },
    Decoder { name: "package", read: package },
    Decoder { name: "key", read: key },
    Decoder { name: "proving_key", read: proving_key },
    Decoder { name: "verifying_key", read: |bytes| WrapVerifyingKey::from_bytes(bytes).is_some() },
    Decoder { name: "proof_universal", read: |bytes| wrapped(bytes, System::Universal) },
    Decoder { name: "proof_groth16", read: |bytes| wrapped(bytes, System::Groth16) },
    Decoder { name: "proof_native", read: native },
    Decoder { name: "points", read: |bytes| points_from_bytes(bytes).is_some() },
    Decoder { name: "srs", read: srs },
    Decoder {
        name: "ptau",
        read: |bytes| with_file("x.ptau", bytes, |path| ptau::import(path, 2, &mut |_, _| ()).is_ok()),
    },
    Decoder { name: "ceremony", read: |bytes| with_file("x.ptau", bytes, ceremony) },
    Decoder { name: "transcript", read: transcript },
    Decoder { name: "http", read: http },
];

/// Log of a chunk of the model that proofs are read for.
pub const LOG_CHUNK: u32 = 9;

/// A small model, and the powers that it was committed with.
pub static MODEL: LazyLock<(Package, Srs)> = LazyLock::new(|| {
    let (architecture, weights) = sample::random_network(3);
    let srs = Srs::development(LOG_CHUNK);
    (Package::new(Metadata::default(), architecture, weights, LOG_CHUNK, &srs).expect("a package"), srs)
});

/// The shape of that model.
pub fn shape() -> &'static Shape {
    &MODEL.0.model.shape
}

/// Calls a function with a file of these bytes, in a folder of this thread's.
fn with_file<T>(name: &str, bytes: &[u8], read: impl FnOnce(&Path) -> T) -> T {
    thread_local! { static FOLDER: tempfile::TempDir = tempfile::tempdir().expect("a temporary folder"); }
    let path: PathBuf = FOLDER.with(|folder| folder.path().join(name));
    std::fs::write(&path, bytes).expect("the temporary folder is writable");
    read(&path)
}

/// With the hash at the end without which a file is refused at once.
fn hashed(parts: &[&[u8]]) -> Vec<u8> {
    let mut bytes = parts.concat();
    let hash = Keccak256::digest(&bytes);
    bytes.extend_from_slice(&hash);
    bytes
}

fn onnx(bytes: &[u8]) -> bool {
    let samples = Calibration::from_samples(vec![vec![0.5; 64]]);
    with_file("x.onnx", bytes, |path| lowering(path, &samples, &BTreeMap::new()).is_ok())
}

fn samples(bytes: &[u8], name: &str) -> bool {
    with_file(name, bytes, |path| Calibration::read(path).is_ok())
}

fn package(bytes: &[u8]) -> bool {
    with_file("x.assay", &hashed(&[bytes]), |path| Package::read(path).is_ok())
}

fn key(bytes: &[u8]) -> bool {
    with_file("x.key", &hashed(&[bytes]), |path| BuyerKey::read(path).is_ok())
}

fn proving_key(bytes: &[u8]) -> bool {
    let (package, srs) = &*MODEL;
    with_file("x.pk", &hashed(&[bytes]), |path| read_proving_key(path, &package.model, srs).is_ok())
}

/// A proof has one form: what is read is written as it was.
fn wrapped(bytes: &[u8], system: System) -> bool {
    match WrappedProof::from_bytes(shape(), system, bytes) {
        Ok(proof) => {
            assert!(proof.to_bytes() == bytes, "a proof has two forms");
            true
        }
        Err(_) => false,
    }
}

fn native(bytes: &[u8]) -> bool {
    match NativeProof::from_bytes(&MODEL.0.model, bytes) {
        Ok(proof) => {
            assert!(proof.to_bytes() == bytes, "a proof has two forms");
            true
        }
        Err(_) => false,
    }
}

/// A whole file of a ceremony, read and verified. What verifies has one form.
fn ceremony(path: &Path) -> bool {
    let Ok(ceremony) = Ceremony::read(path) else { return false };
    let verified = ceremony.verify().is_ok();
    if verified {
        assert!(ceremony.to_bytes() == std::fs::read(path).expect("just written"), "a ceremony has two forms");
    }
    verified
}

/// The transcript of a Groth16 key: what is read is written as it was.
fn transcript(bytes: &[u8]) -> bool {
    match Transcript::from_bytes(bytes) {
        Ok(transcript) => {
            assert!(transcript.to_bytes() == bytes, "a transcript has two forms");
            true
        }
        Err(_) => false,
    }
}

fn srs(bytes: &[u8]) -> bool {
    with_file("x.srs", &hashed(&[bytes]), |path| file::load_tau(path).is_ok() & file::load(path).is_ok())
}

/// Everything that the service or its client reads from the network as JSON.
fn http(bytes: &[u8]) -> bool {
    fn is<T: serde::de::DeserializeOwned>(bytes: &[u8]) -> bool {
        serde_json::from_slice::<T>(bytes).is_ok()
    }
    let requests = [is::<PredictionRequest>, is::<CommitmentRequest>, is::<QuoteRequest>, is::<VerifyRequest>];
    let answers = [
        is::<Prediction>,
        is::<PredictionPage>,
        is::<Model>,
        is::<ModelPage>,
        is::<Ready>,
        is::<VerifyResponse>,
        is::<Problem>,
    ];
    requests.iter().chain(&answers).filter(|is| is(bytes)).count() > 0
}
