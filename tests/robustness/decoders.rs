//! Every reader of bytes from elsewhere with its corpus, and with mutations of it: none panics. In hundreds here, and
//! for as long as one likes with `make fuzz`.
//!
//! `fuzz/corpus/NAME` has a few files for each reader. `UPDATE=1` writes those that this program makes; proofs and
//! commitments are random, so that they differ each time.

use assay_circuits::Fr;
use assay_circuits::batch::Batch;
use assay_circuits::r1cs::Constraints;
use assay_prover::ceremony::circuit::Circuit;
use assay_prover::ceremony::{Beacon, Ceremony};
use assay_prover::control::Control;
use assay_prover::package::{BuyerKey, Package, write_proving_key};
use assay_prover::seller::{InputOpening, Seller};
use assay_prover::srs::{Srs, file};
use assay_prover::wrap::{System, WrapProvingKey};
use assay_tests::decoders::{DECODERS, Decoder, LOG_CHUNK, MODEL, shape};
use assay_tests::fixture;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// Mutations of each reader's corpus where no time is asked for.
const USUAL: u64 = 300;

/// A small deterministic generator: SplitMix64.
struct Rng(u64);

impl Rng {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn below(&mut self, n: usize) -> usize {
        (self.next() % n.max(1) as u64) as usize
    }
}

fn corpus(name: &str) -> Vec<(PathBuf, Vec<u8>)> {
    let folder = fixture("../fuzz/corpus").join(name);
    let files = std::fs::read_dir(&folder).unwrap_or_else(|e| panic!("{}: {e}", folder.display()));
    let mut files: Vec<PathBuf> = files.map(|entry| entry.expect("an entry").path()).collect();
    files.sort();
    files.into_iter().map(|path| (path.clone(), std::fs::read(path).expect("a file"))).collect()
}

/// A few changes of one of the files: bits, bytes, numbers, parts that go, come twice, or come from another file.
fn mutated(corpus: &[(PathBuf, Vec<u8>)], seed: u64) -> Vec<u8> {
    let mut rng = Rng(seed);
    let mut bytes = corpus[rng.below(corpus.len())].1.clone();
    let other = &corpus[rng.below(corpus.len())].1;
    for _ in 0..1 + rng.below(4) {
        let at = rng.below(bytes.len());
        let len = rng.below(24).min(bytes.len() - at.min(bytes.len()));
        match rng.below(8) {
            0 if !bytes.is_empty() => bytes[at] ^= 1 << rng.below(8),
            1 if !bytes.is_empty() => bytes[at] = [0, 1, 0x7f, 0x80, 0xff, b'"', b'[', b'9'][rng.below(8)],
            2 => drop(bytes.drain(at..at + len)),
            3 => {
                let copy = bytes[at..at + len].to_vec();
                bytes.splice(at..at, copy);
            }
            4 => bytes.truncate(at),
            // the largest numbers, and numbers that are longer than they need to be
            5 => drop(bytes.splice(at..at + len.min(8), [0xff, 0xff, 0xff, 0xff, 0x0f])),
            6 => drop(bytes.splice(at..at + len.min(1), [0x80, 0x80, 0x00])),
            _ => {
                let from = rng.below(other.len());
                let part = other[from..(from + len).min(other.len())].to_vec();
                bytes.splice(at..at + len, part);
            }
        }
    }
    bytes
}

/// Reads bytes; what panicked is named.
fn read(decoder: &Decoder, bytes: &[u8], what: &str) -> bool {
    let read = catch_unwind(AssertUnwindSafe(|| (decoder.read)(bytes)));
    read.unwrap_or_else(|_| panic!("{}: {what} makes it panic", decoder.name))
}

/// Each file of a corpus is still what it was made as: readable, or not if its name says so.
#[test]
fn every_corpus_is_read() {
    update();
    for decoder in DECODERS {
        let files = corpus(decoder.name);
        assert!(!files.is_empty(), "{} has no corpus", decoder.name);
        for (path, bytes) in files {
            let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            assert_eq!(read(decoder, &bytes, &name), !name.starts_with("bad"), "{}: {name}", decoder.name);
        }
    }
}

/// Hundreds of mutations of each corpus; with `ASSAY_FUZZ_SECONDS`, as many as there is time for, from a seed of the
/// clock. `ASSAY_FUZZ_SEED` begins at a seed that was printed.
#[test]
fn mutations_of_every_corpus_are_read_or_refused() {
    let seconds = std::env::var("ASSAY_FUZZ_SECONDS").ok().map(|text| text.parse().expect("a number of seconds"));
    let clock = std::time::UNIX_EPOCH.elapsed().map_or(0, |time| time.as_secs());
    let first = std::env::var("ASSAY_FUZZ_SEED").ok().map(|text| text.parse().expect("a number"));
    let first: u64 = first.unwrap_or(if seconds.is_some() { clock << 20 } else { 1 });
    let end = seconds.map(|seconds| Instant::now() + Duration::from_secs(seconds));
    let corpora: Vec<_> = DECODERS.iter().map(|decoder| (decoder, corpus(decoder.name))).collect();
    let mut seed = first;
    while end.map_or(seed < first + USUAL, |end| Instant::now() < end) {
        for (decoder, corpus) in &corpora {
            read(decoder, &mutated(corpus, seed), &format!("ASSAY_FUZZ_SEED={seed}"));
        }
        seed += 1;
    }
    println!("{} readers, {} mutations of each, from seed {first}", corpora.len(), seed - first);
    assert!(seed > first, "nothing was tried");
}

/// A ceremony's file of `2^power` powers, with a contribution and a beacon.
fn ptau(power: u32) -> Vec<u8> {
    let mut ceremony = Ceremony::start(power).expect("a small one");
    ceremony.contribute("Ada").expect("a contribution");
    ceremony.end("", Beacon::new(vec![1; 32], 10).expect("a beacon")).expect("an end");
    ceremony.to_bytes()
}

/// The transcript of a key of a circuit of one constraint.
fn transcript() -> Vec<u8> {
    let mut constraints = Constraints::default();
    (constraints.public, constraints.variables) = (1, 2);
    let row = || vec![vec![(1, Fr::from(1u64))]];
    (constraints.a, constraints.b, constraints.c) = (row(), row(), row());
    let mut powers = Ceremony::start(1).expect("a small one");
    powers.contribute("").expect("a contribution");
    let circuit = Circuit::new(constraints, [0; 32]).expect("a circuit");
    let mut key = circuit.start(&powers).expect("a key");
    circuit.contribute(&mut key, "Ada").expect("a contribution");
    circuit.end(&mut key, "", Beacon::new(vec![1; 32], 10).expect("a beacon")).expect("an end");
    key.transcript.to_bytes()
}

/// A file of a package.
fn path_of(package: &Package, path: &Path) -> PathBuf {
    package.write(path).expect("written");
    path.to_owned()
}

/// Writes the corpora that this program makes, if it is asked to.
fn update() {
    if std::env::var_os("UPDATE").is_none() {
        return;
    }
    let put = |name: &str, file: &str, bytes: &[u8]| {
        let folder = fixture("../fuzz/corpus").join(name);
        std::fs::create_dir_all(&folder).expect("a folder");
        std::fs::write(folder.join(file), bytes).expect("written");
    };
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("file");
    let unhashed = || {
        let bytes = std::fs::read(&path).expect("written before");
        bytes[..bytes.len() - 32].to_vec()
    };
    let (package, srs) = &*MODEL;
    package.write(&path).expect("written");
    put("package", "small", &unhashed());
    put("ptau", "power_2", &ptau(2));
    put("ceremony", "power_1", &ptau(1));
    put("transcript", "small", &transcript());
    file::save(&Srs::development(2), &path).expect("written");
    put("srs", "development", &unhashed());
    let log =
        [System::Universal, System::Groth16].map(|system| WrapProvingKey::srs_log(system, shape()).expect("powers"));
    let large = Srs::development(log[0].max(log[1]).max(LOG_CHUNK));
    let whole = Package::new(
        package.metadata.clone(),
        shape().architecture.clone(),
        package.weights.clone(),
        LOG_CHUNK,
        &large,
    );
    let whole: Package = whole.expect("a package");
    let keys = WrapProvingKey::universal(&whole.model.shape, &large).expect("a key");
    put("verifying_key", "universal", &keys.verifying_key().to_bytes().expect("bytes"));
    for (name, batch) in [("universal", Batch::ONE), ("universal_batch", Batch::joint(2))] {
        let mut key = BuyerKey::new(&whole, keys.verifying_key(), true);
        key.model = whole.model.batched(batch).expect("a batch");
        key.write(&path).expect("written");
        put("key", name, &unhashed());
    }
    write_proving_key(&path, &keys, &package.model).expect("written");
    put("proving_key", "bad_powers", &unhashed());
    let seller = Seller::new(whole, large).expect("its powers").with_wrap_key(keys);
    let cells = vec![1; 1 << shape().architecture.input.log_size];
    let input = InputOpening::private(seller.shape(), cells);
    let (_, proof) = seller.prove_wrapped(&input, Fr::from(1u64), &Control::new()).expect("a proof");
    put("proof_universal", "small", &proof.to_bytes());
    put("proof_groth16", "bad_system", &proof.to_bytes());
    let small =
        Seller::new(Package::read(&path_of(package, &path)).expect("a package"), srs.clone()).expect("its powers");
    let input = InputOpening::private(small.shape(), vec![1; 1 << shape().architecture.input.log_size]);
    let (_, proof) = small.prove_native(&input, Fr::from(1u64), &Control::new()).expect("a proof");
    put("proof_native", "small", &proof.to_bytes());
}
