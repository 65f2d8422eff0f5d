//! Random mutations of real ONNX files: whatever they have become, they are lowered or refused, within a time and a
//! memory that are known. Each batch has a process of its own, which is killed at a limit; a seed gives the same file
//! again:
//!
//! `ASSAY_MUTATIONS=5000 cargo test --release --locked --workspace --test compile -- mutated`

use crate::support::{Rng, fixture};
use assay_compiler::{Calibration, lowering};
use prost::Message;
use std::collections::BTreeMap;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use tract_onnx::pb;

/// Files that are tried where the environment asks for no other number.
const USUAL: u64 = 400;
/// Files of a process.
const BATCH: u64 = 50;
/// What a batch must be done in: a hundred times what one takes on an idle machine.
const LIMIT: Duration = Duration::from_secs(300);
/// Address space of a process in kilobytes, most of it stacks of threads and never touched.
const MEMORY: &str = "8000000";
/// Larger files take the time of several, and show no more.
const LARGEST: u64 = 60_000;
/// Which files a process is to try.
const SEEDS: &str = "ASSAY_MUTATION_SEEDS";

/// Numbers that readers get wrong.
const NUMBERS: [i64; 16] =
    [0, -1, 1, 2, 3, 7, 64, 255, 4096, 65_536, 1 << 24, 1 << 31, 1 << 40, i64::MAX, i64::MIN, -(1 << 31)];
const REALS: [f32; 8] = [0.0, -1.0, 1e-30, 1e30, f32::NAN, f32::INFINITY, f32::NEG_INFINITY, 0.5];

/// Folders with a network and inputs for it.
fn folders() -> Vec<PathBuf> {
    let inside = |name: &str| {
        std::fs::read_dir(fixture(name)).expect("fixtures are there").map(|entry| entry.expect("an entry").path())
    };
    let small = |path: &PathBuf| std::fs::metadata(path.join("network.onnx")).is_ok_and(|file| file.len() < LARGEST);
    let mut all: Vec<PathBuf> = inside("../operators").chain(inside("../networks")).filter(small).collect();
    all.sort();
    all
}

/// One change of a file's bytes.
fn change_bytes(bytes: &mut Vec<u8>, other: &[u8], rng: &mut Rng) {
    if bytes.is_empty() {
        return;
    }
    let at = rng.below(bytes.len());
    let len = (1 + rng.below(16)).min(bytes.len() - at);
    match rng.below(6) {
        0 => bytes[at] ^= 1 << rng.below(8),
        1 => bytes[at] = rng.next() as u8,
        2 => drop(bytes.drain(at..at + len)),
        3 => {
            let copy = bytes[at..at + len].to_vec();
            let to = rng.below(bytes.len());
            bytes.splice(to..to, copy);
        }
        4 => bytes.truncate(at),
        _ => {
            let from = rng.below(other.len());
            let part = other[from..(from + 64).min(other.len())].to_vec();
            bytes.splice(at..at + len, part);
        }
    }
}

fn pick<'a, T>(list: &'a mut [T], rng: &mut Rng) -> Option<&'a mut T> {
    let len = list.len();
    list.get_mut(if len == 0 { 0 } else { rng.below(len) })
}

fn number(rng: &mut Rng) -> i64 {
    NUMBERS[rng.below(NUMBERS.len())]
}

/// One change of what a file says, which stays well formed.
fn change_meaning(model: &mut pb::ModelProto, other: &pb::ModelProto, rng: &mut Rng) {
    let Some(graph) = model.graph.as_mut() else { return };
    let names: Vec<String> =
        graph.node.iter().flat_map(|node| node.output.iter().chain(&node.input)).cloned().collect();
    match rng.below(9) {
        0 | 1 => change_attribute(graph, rng),
        2 => change_tensor(graph, rng),
        3 => {
            let shapes = graph.input.iter_mut().filter_map(|value| value.r#type.as_mut()?.value.as_mut());
            let mut dims: Vec<_> = shapes
                .flat_map(|pb::type_proto::Value::TensorType(tensor)| {
                    tensor.shape.iter_mut().flat_map(|shape| &mut shape.dim)
                })
                .collect();
            if let Some(dim) = pick(&mut dims, rng) {
                dim.value = Some(pb::tensor_shape_proto::dimension::Value::DimValue(number(rng)));
            }
        }
        4 => {
            let operators: Vec<&String> =
                other.graph.iter().flat_map(|graph| &graph.node).map(|node| &node.op_type).collect();
            if let Some(node) = pick(&mut graph.node, rng)
                && !operators.is_empty()
            {
                node.op_type = operators[rng.below(operators.len())].clone();
            }
        }
        5 => {
            if let Some(name) = pick(&mut graph.node, rng).and_then(|node| pick(&mut node.input, rng))
                && !names.is_empty()
            {
                *name = names[rng.below(names.len())].clone();
            }
        }
        6 if !graph.node.is_empty() => drop(graph.node.remove(rng.below(graph.node.len()))),
        7 if !graph.node.is_empty() => {
            let copy = graph.node[rng.below(graph.node.len())].clone();
            graph.node.insert(rng.below(graph.node.len() + 1), copy);
        }
        _ => {
            if let Some(set) = pick(&mut model.opset_import, rng) {
                set.version = 6 + rng.below(18) as i64;
            }
        }
    }
}

fn change_attribute(graph: &mut pb::GraphProto, rng: &mut Rng) {
    let Some(attribute) = pick(&mut graph.node, rng).and_then(|node| pick(&mut node.attribute, rng)) else { return };
    match rng.below(5) {
        0 => attribute.i = number(rng),
        1 => attribute.f = REALS[rng.below(REALS.len())],
        2 => attribute.ints.push(number(rng)),
        3 => attribute.s.clear(),
        _ => {
            if let Some(value) = pick(&mut attribute.ints, rng) {
                *value = number(rng);
            } else {
                attribute.i = number(rng);
            }
        }
    }
}

fn change_tensor(graph: &mut pb::GraphProto, rng: &mut Rng) {
    let Some(tensor) = pick(&mut graph.initializer, rng) else { return };
    match rng.below(5) {
        0 => {
            if let Some(dim) = pick(&mut tensor.dims, rng) {
                *dim = number(rng);
            }
        }
        1 => tensor.data_type = rng.below(27) as i32,
        2 => {
            let len = tensor.raw_data.len();
            tensor.raw_data.truncate(if len == 0 { 0 } else { rng.below(len) });
        }
        3 => {
            if let Some(value) = pick(&mut tensor.int64_data, rng) {
                *value = number(rng);
            }
        }
        // numbers of the whole data, whatever they are
        _ => {
            if let Some(byte) = pick(&mut tensor.raw_data, rng) {
                *byte = rng.next() as u8;
            }
        }
    }
}

/// The file of a seed, and the folder that it was made of.
fn mutated(seed: u64, folders: &[PathBuf]) -> (Vec<u8>, PathBuf) {
    let mut rng = Rng(seed.wrapping_mul(0x9e37_79b9));
    let folder = folders[rng.below(folders.len())].clone();
    let read = |folder: &Path| std::fs::read(folder.join("network.onnx")).expect("a network");
    let (mut bytes, other) = (read(&folder), read(&folders[rng.below(folders.len())]));
    let changes = 1 + rng.below(4);
    if rng.below(3) == 0 {
        (0..changes).for_each(|_| change_bytes(&mut bytes, &other, &mut rng));
        return (bytes, folder);
    }
    let mut model = pb::ModelProto::decode(bytes.as_slice()).expect("ONNX");
    let other = pb::ModelProto::decode(other.as_slice()).expect("ONNX");
    (0..changes).for_each(|_| change_meaning(&mut model, &other, &mut rng));
    (model.encode_to_vec(), folder)
}

/// Tries one file; whether it was lowered.
fn tried(seed: u64, folders: &[PathBuf], scratch: &Path) -> bool {
    let (bytes, folder) = mutated(seed, folders);
    let path = scratch.join("model.onnx");
    std::fs::write(&path, bytes).expect("written");
    let inputs = Calibration::read(&folder.join("inputs.json")).expect("inputs");
    match lowering(&path, &inputs, &BTreeMap::new()) {
        Ok(found) => !found.lowered.is_empty(),
        Err(error) => {
            assert!(!error.to_string().is_empty(), "seed {seed}: an error says what it is");
            false
        }
    }
}

/// The seeds that the environment names, in this process; without any, a few. What was lowered is on the last line.
#[test]
fn a_batch_in_this_process() {
    let text = std::env::var(SEEDS).unwrap_or_else(|_| "0..5".to_owned());
    let ends: Vec<u64> = text.split("..").map(|end| end.parse().expect("a number")).collect();
    let (folders, scratch) = (folders(), tempfile::tempdir().expect("a folder"));
    let mut lowered = 0;
    for seed in ends[0]..ends[1] {
        println!("seed {seed}");
        std::io::stdout().flush().expect("a pipe");
        lowered += u64::from(tried(seed, &folders, scratch.path()));
    }
    println!("lowered {lowered}");
}

struct Batch {
    first: u64,
    child: Child,
    output: PathBuf,
    end: Instant,
}

impl Batch {
    fn start(first: u64, last: u64, scratch: &Path) -> Self {
        let output = scratch.join(format!("{first}.txt"));
        let file = std::fs::File::create(&output).expect("a file");
        let child = Command::new("sh")
            .args(["-c", "ulimit -v $0; exec \"$@\"", MEMORY])
            .arg(std::env::current_exe().expect("this program"))
            .args(["mutated::a_batch_in_this_process", "--exact", "--nocapture", "--test-threads=1"])
            .env(SEEDS, format!("{first}..{last}"))
            .env("RUST_BACKTRACE", "0")
            .env("RAYON_NUM_THREADS", "1")
            .stdout(file)
            .stderr(Stdio::null())
            .spawn()
            .expect("sh is there");
        Self { first, child, output, end: Instant::now() + LIMIT }
    }

    /// How many of the files were lowered, or what went wrong with which.
    fn result(mut self) -> Result<u64, String> {
        let status = loop {
            match self.child.try_wait().expect("a process") {
                Some(status) => break Some(status),
                None if Instant::now() > self.end => {
                    self.child.kill().and_then(|()| self.child.wait().map(|_| ())).expect("it is ours");
                    break None;
                }
                None => std::thread::sleep(Duration::from_millis(100)),
            }
        };
        let text = std::fs::read_to_string(&self.output).unwrap_or_default();
        let at = |word: &str| {
            text.lines().rev().find_map(|line| line.strip_prefix(word)).and_then(|n| n.trim().parse().ok())
        };
        let seed = at("seed ").unwrap_or(self.first);
        match status {
            Some(status) if status.success() => at("lowered ").ok_or(format!("seed {seed}: the process says nothing")),
            Some(status) => Err(format!("seed {seed}: {status}: {}", text.lines().last().unwrap_or_default())),
            None => Err(format!("seed {seed}: not done in time")),
        }
    }
}

/// Hundreds of damaged files, or as many as the environment asks for: none makes the compiler panic, hang or take all
/// memory, and enough of them still have a meaning.
#[test]
fn damaged_files_are_lowered_or_refused() {
    let count = std::env::var("ASSAY_MUTATIONS").map_or(USUAL, |text| text.parse().expect("a number"));
    let first: u64 = std::env::var("ASSAY_MUTATIONS_FROM").map_or(1, |text| text.parse().expect("a number"));
    let scratch = tempfile::tempdir().expect("a folder");
    let starts: Vec<u64> = (first..first + count).step_by(BATCH as usize).collect();
    let (mut lowered, mut wrong) = (0, Vec::new());
    for pair in starts.chunks(2) {
        let batches: Vec<Batch> =
            pair.iter().map(|start| Batch::start(*start, (start + BATCH).min(first + count), scratch.path())).collect();
        for batch in batches {
            match batch.result() {
                Ok(count) => lowered += count,
                Err(why) => wrong.push(why),
            }
        }
    }
    println!("{lowered} of {count} files were lowered");
    assert!(wrong.is_empty(), "{wrong:#?}");
    assert!(
        lowered * 20 > count,
        "only {lowered} of {count} files were lowered: most of them are not looked at closely"
    );
}
