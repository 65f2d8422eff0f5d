//! Inner and wrapped proofs of four networks: wall and CPU seconds, sizes, peak memory; beside EZKL where its wheel is installed.
//!
//! `cargo bench -p assay-benches` prints the table; with `ASSAY_BENCH_WRITE=1` it also rewrites the table in docs/benchmarks.md. Each measurement is a process
//! of its own, so that peak memory is its own. Figures of one run belong together; no test asserts any of them.

use ark_ff::Field;
use assay_circuits::Fr;
use assay_circuits::exec;
use assay_circuits::model::{Architecture, Weights};
use assay_circuits::sample;
use assay_compiler::{Calibration, Options};
use assay_prover::control::Control;
use assay_prover::native;
use assay_prover::package::{Metadata, Package};
use assay_prover::seller::{InputOpening, Seller};
use assay_prover::srs::Srs;
use assay_prover::wrap::{self, WrapProvingKey};
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

/// A network: where its ONNX file is, what stands in for it where it has not been made, and the chunk sizes for latency and for gas.
struct Network {
    name: &'static str,
    onnx: &'static str,
    calibration: &'static str,
    stand_in: fn() -> (Architecture, Weights),
    log_chunk_latency: u32,
    log_chunk_gas: u32,
}

const NETWORKS: [Network; 4] = [
    Network {
        name: "digits CNN",
        onnx: "fixtures/models/digits_cnn.onnx",
        calibration: "fixtures/models/digits_calibration.json",
        stand_in: sample::digits_cnn,
        log_chunk_latency: 10,
        log_chunk_gas: 14,
    },
    Network {
        name: "LeNet-5",
        onnx: "fixtures/generated/lenet5.onnx",
        calibration: "fixtures/generated/lenet5_calibration.json",
        stand_in: sample::lenet5,
        log_chunk_latency: 12,
        log_chunk_gas: 17,
    },
    Network {
        name: "CIFAR CNN",
        onnx: "fixtures/generated/cifar_cnn.onnx",
        calibration: "fixtures/generated/cifar_cnn_calibration.json",
        stand_in: sample::cifar_cnn,
        log_chunk_latency: 12,
        log_chunk_gas: 17,
    },
    Network {
        name: "MLP 4x1024",
        onnx: "fixtures/generated/mlp_4x1024.onnx",
        calibration: "fixtures/generated/mlp_4x1024_calibration.json",
        stand_in: sample::mlp_4x1024,
        log_chunk_latency: 14,
        log_chunk_gas: 17,
    },
];

/// Runs of each measurement; the best counts.
const RUNS: usize = 3;

#[derive(Serialize, Deserialize)]
struct Measured {
    parameters: usize,
    log_chunk: u32,
    wall_s: f64,
    cpu_s: f64,
    verify_ms: f64,
    proof_bytes: usize,
    constraints: usize,
    chunks: [usize; 4],
    setup_s: f64,
    peak_mib: u64,
    phases: Vec<(String, f64)>,
}

fn main() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    std::env::set_current_dir(&root).expect("the repository's root");
    let arguments: Vec<String> = std::env::args().collect();
    // a measurement: which proof, which network, and another chunk size if one is to be tried
    if let [_, mode, index, rest @ ..] = arguments.as_slice()
        && let ("inner" | "whole", Ok(index)) = (mode.as_str(), index.parse::<usize>())
    {
        let log_chunk = rest.first().and_then(|log| log.parse().ok());
        let measured = measure(&NETWORKS[index], mode == "whole", log_chunk);
        println!("{}", serde_json::to_string(&measured).expect("plain data"));
        return;
    }
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    let yardstick =
        format!("{cores} cores; best of {RUNS}; wall (CPU) seconds; a multiplication in F takes {:.0} ns in this run", yardstick_ns());
    println!("{yardstick}");
    let mut lines = vec![
        yardstick,
        String::new(),
        "| network | parameters | inner proof (CPU), c | verify | proof | peak | wrapped proof (CPU), c | constraints | verify | proof | peak |".to_owned(),
        "|---|---|---|---|---|---|---|---|---|---|---|".to_owned(),
    ];
    let mut ratios = Vec::new();
    for (index, network) in NETWORKS.iter().enumerate() {
        let (inner, whole) = (child("inner", index), child("whole", index));
        lines.push(format!(
            "| {} | {} | {:.3} s ({:.2}), {} | {:.1} ms | {:.1} kB | {} MiB | {:.2} s ({:.2}), {} | {} | {:.1} ms | {:.1} kB | {} MiB |",
            network.name,
            inner.parameters,
            inner.wall_s,
            inner.cpu_s,
            inner.log_chunk,
            inner.verify_ms,
            inner.proof_bytes as f64 / 1e3,
            inner.peak_mib,
            whole.wall_s,
            whole.cpu_s,
            whole.log_chunk,
            whole.constraints,
            whole.verify_ms,
            whole.proof_bytes as f64 / 1e3,
            whole.peak_mib
        ));
        println!("{}", lines.last().map_or("", String::as_str));
        println!("    inner: {:?}", inner.phases);
        println!("    whole: {:?}; setup {:.1} s; chunks {:?}", whole.phases, whole.setup_s, whole.chunks);
        if index < 2 {
            ratios.extend(rival(network, &whole));
        }
    }
    lines.push(String::new());
    lines.extend(ratios);
    if std::env::var_os("ASSAY_BENCH_WRITE").is_some() {
        write(&lines.join("\n"));
    }
}

/// Measures in a process of its own.
fn child(mode: &str, index: usize) -> Measured {
    let output = Command::new(std::env::current_exe().expect("this program")).args([mode, &index.to_string()]).output().expect("it starts");
    let text = String::from_utf8_lossy(&output.stdout);
    let line = text.lines().last().unwrap_or_default();
    serde_json::from_str(line).unwrap_or_else(|_| panic!("{mode} {index}: {}", String::from_utf8_lossy(&output.stderr)))
}

fn load(network: &Network) -> (Architecture, Weights) {
    if !Path::new(network.onnx).exists() {
        eprintln!("{} is not there (python fixtures/make_models.py makes it): a network of the same dimensions stands in", network.onnx);
        return (network.stand_in)();
    }
    let calibration = Calibration::read(Path::new(network.calibration)).expect("calibration");
    let compiled = assay_compiler::compile(Path::new(network.onnx), &calibration, &Options::default(), &mut |_| ()).expect("it compiles");
    (compiled.architecture, compiled.weights)
}

fn measure(network: &Network, wrapped: bool, log_chunk: Option<u32>) -> Measured {
    let (architecture, weights) = load(network);
    let log_chunk = log_chunk.unwrap_or(if wrapped { network.log_chunk_gas } else { network.log_chunk_latency });
    let parameters =
        weights.matrices.iter().flatten().filter(|w| **w != 0).count() + weights.biases.iter().flatten().filter(|b| **b != 0).count();
    let cells = sample::random_input(&architecture, 1);
    exec::execute(&architecture, &weights, &cells).expect("it runs");
    let srs = Srs::development(log_chunk);
    let package = Package::new(Metadata::default(), architecture, weights, log_chunk, &srs).expect("a package");
    let start = Instant::now();
    let key = wrapped.then(|| WrapProvingKey::development(&package.model.shape, &package.model.srs.id).expect("a key"));
    let setup_s = if wrapped { start.elapsed().as_secs_f64() } else { 0.0 };
    let (constraints, verifying) = key.as_ref().map_or((0, None), |k| (k.constraints(), Some(k.verifying_key())));
    let chunks = package.model.shape.chunk_counts();
    let mut seller = Seller::new(package, srs).expect("its own SRS");
    if let Some(key) = key {
        seller = seller.with_wrap_key(key);
    }
    let input = InputOpening::private(seller.shape(), cells);
    let mut best = Measured {
        parameters,
        log_chunk,
        wall_s: f64::MAX,
        cpu_s: 0.0,
        verify_ms: f64::MAX,
        proof_bytes: 0,
        constraints,
        chunks,
        setup_s,
        peak_mib: 0,
        phases: Vec::new(),
    };
    // Setup's memory is not the proof's: writing 5 resets the kernel's high-water mark.
    let _ = std::fs::write("/proc/self/clear_refs", "5");
    for _ in 0..RUNS {
        let control = Control::new();
        let (start, cpu) = (Instant::now(), cpu_seconds());
        let model = &seller.package.model;
        let (bytes, verify_ms) = match &verifying {
            Some(key) => {
                let (claim, proof) = seller.prove_wrapped(&input, Fr::from(1u64), &control).expect("a proof");
                stop(&mut best, start, cpu, &control);
                (proof.to_bytes().len(), time_ms(|| wrap::verify(model, key, &claim, &proof).expect("valid")))
            }
            None => {
                let (claim, proof) = seller.prove_native(&input, Fr::from(1u64), &control).expect("a proof");
                stop(&mut best, start, cpu, &control);
                (proof.to_bytes().len(), time_ms(|| native::verify(model, &claim, &proof).expect("valid")))
            }
        };
        best.proof_bytes = bytes;
        best.verify_ms = best.verify_ms.min(verify_ms);
    }
    best.peak_mib = status_mib("VmHWM");
    best
}

/// Keeps the run if it is the best. The time includes the prover's own check of its proof.
fn stop(best: &mut Measured, start: Instant, cpu: f64, control: &Control<'_>) {
    let wall = start.elapsed().as_secs_f64();
    if wall < best.wall_s {
        best.wall_s = wall;
        best.cpu_s = cpu_seconds() - cpu;
        best.phases = control.timings().iter().map(|t| (format!("{:?}", t.phase), (t.seconds * 1e4).round() / 1e4)).collect();
    }
}

fn time_ms(work: impl FnOnce()) -> f64 {
    let start = Instant::now();
    work();
    start.elapsed().as_secs_f64() * 1e3
}

/// Nanoseconds of one of a chain of multiplications in F: how fast this machine is just now, for comparing runs.
fn yardstick_ns() -> f64 {
    const COUNT: u32 = 2_000_000;
    let factor = Fr::from(3u64).pow([1234]);
    let start = Instant::now();
    let product = (0..COUNT).fold(factor, |product, _| product * factor);
    let ns = start.elapsed().as_secs_f64() * 1e9 / f64::from(COUNT);
    std::hint::black_box(product);
    ns
}

/// User and system seconds of this process, in steps of 10 ms.
fn cpu_seconds() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let after_name = stat.rsplit(')').next().unwrap_or_default();
    let ticks: f64 = after_name.split_whitespace().skip(11).take(2).filter_map(|v| v.parse::<f64>().ok()).sum();
    ticks / 100.0
}

fn status_mib(key: &str) -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find(|line| line.starts_with(key)).unwrap_or_default();
    line.split_whitespace().nth(1).and_then(|kib| kib.parse::<u64>().ok()).unwrap_or(0) / 1024
}

/// EZKL on the same model, in the same run. `ASSAY_EZKL_PYTHON` names a Python that has the wheel.
fn rival(network: &Network, ours: &Measured) -> Option<String> {
    let python = PathBuf::from(std::env::var_os("ASSAY_EZKL_PYTHON").unwrap_or_else(|| "python3".into()));
    if !Path::new(network.onnx).exists() {
        println!("    EZKL: skipped, {} is not there", network.onnx);
        return None;
    }
    let output = Command::new(python).args(["benches/ezkl_bench.py", network.onnx, network.calibration]).output().ok()?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let value: serde_json::Value = text.lines().last().and_then(|line| serde_json::from_str(line).ok())?;
    if let Some(word) = value.get("skipped") {
        println!("    EZKL: skipped, {word}");
        return None;
    }
    let (prove, peak) = (value["prove_s"].as_f64()?, value["peak_mib"].as_f64()?);
    let line = format!(
        "{}: EZKL {} proves in {prove:.1} s with {peak:.0} MiB at most (setup {:.1} s); Assay, wrapped, in {:.2} s with {} MiB: {:.0} times faster.\n",
        network.name,
        value["version"].as_str().unwrap_or("?"),
        value["setup_s"].as_f64()?,
        ours.wall_s,
        ours.peak_mib,
        prove / ours.wall_s
    );
    println!("    {line}");
    Some(line)
}

/// Replaces the table between the markers of docs/benchmarks.md.
fn write(table: &str) {
    const PATH: &str = "docs/benchmarks.md";
    let (begin, end) = ("<!-- table: begin -->", "<!-- table: end -->");
    let text = std::fs::read_to_string(PATH).expect(PATH);
    if let (Some(head), Some(tail)) = (text.split(begin).next(), text.split(end).nth(1)) {
        std::fs::write(PATH, format!("{head}{begin}\n{table}\n{end}{tail}")).expect(PATH);
    }
}
