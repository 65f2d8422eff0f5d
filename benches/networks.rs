//! Inner and wrapped proofs of four networks: wall and CPU seconds, sizes, peak memory; beside EZKL where its wheel is installed.
//!
//! `cargo bench -p assay-benches` prints the tables; with `ASSAY_BENCH_WRITE=1` (`make bench`) it also rewrites them in docs/benchmarks.md and the charts
//! beside it. Each measurement is a process of its own, so that peak memory is its own. Figures of one run belong together; no test asserts any of them.

mod chart;

use ark_ff::Field;
use assay_circuits::Fr;
use assay_circuits::batch::Batch;
use assay_circuits::model::{Architecture, Weights};
use assay_circuits::plonk::BLINDING_ROWS;
use assay_circuits::sample;
use assay_circuits::shape::Shape;
use assay_compiler::{Calibration, Options};
use assay_prover::control::Control;
use assay_prover::native;
use assay_prover::package::{Metadata, Package};
use assay_prover::seller::{InputOpening, Seller};
use assay_prover::srs::Srs;
use assay_prover::wrap::{self, System, WrapProvingKey};
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Instant;

/// A network: its ONNX file and calibration samples, if it has any, what stands in for it where they have not been made, and the chunk sizes for
/// latency and for gas.
struct Network {
    name: &'static str,
    files: Option<(&'static str, &'static str)>,
    stand_in: fn() -> (Architecture, Weights),
    log_chunk_latency: u32,
    log_chunk_gas: u32,
}

const NETWORKS: [Network; 5] = [
    Network {
        name: "digits CNN",
        files: Some(("fixtures/models/digits_cnn.onnx", "fixtures/models/digits_calibration.json")),
        stand_in: sample::digits_cnn,
        log_chunk_latency: 10,
        log_chunk_gas: 14,
    },
    Network {
        name: "LeNet-5",
        files: Some(("fixtures/generated/lenet5.onnx", "fixtures/generated/lenet5_calibration.json")),
        stand_in: sample::lenet5,
        log_chunk_latency: 11,
        log_chunk_gas: 16,
    },
    Network {
        name: "CIFAR CNN",
        files: Some(("fixtures/generated/cifar_cnn.onnx", "fixtures/generated/cifar_cnn_calibration.json")),
        stand_in: sample::cifar_cnn,
        log_chunk_latency: 11,
        log_chunk_gas: 16,
    },
    Network {
        name: "MLP 4x1024",
        files: Some(("fixtures/generated/mlp_4x1024.onnx", "fixtures/generated/mlp_4x1024_calibration.json")),
        stand_in: sample::mlp_4x1024,
        log_chunk_latency: 12,
        log_chunk_gas: 16,
    },
    Network { name: "VGG-16, 32x32", files: None, stand_in: sample::vgg16, log_chunk_latency: 14, log_chunk_gas: 17 },
];

/// Networks that grow in one respect each: a label, a network for each step, the steps, and what counts.
type Growth = (&'static str, fn(u32) -> (Architecture, Weights), &'static [u32], fn(&Architecture, &Weights) -> usize);
const GROWTH: [Growth; 3] = [
    ("width (parameters)", |width| sample::mlp(width, 4), &[64, 128, 256, 512, 1024], |_, weights| count(weights)),
    ("depth (parameters)", |depth| sample::mlp(256, depth), &[2, 4, 8, 16, 32], |_, weights| count(weights)),
    ("image (activations)", sample::convolutions, &[8, 16, 32, 64], |architecture, _| {
        architecture.layers.iter().map(|layer| 1usize << layer.log_size).sum()
    }),
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
    /// Of the wrap's circuit: rows or constraints.
    size: usize,
    chunks: [usize; 4],
    setup_s: f64,
    peak_mib: u64,
    phases: Vec<(String, f64)>,
}

fn main() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    std::env::set_current_dir(&root).expect("the repository's root");
    let arguments: Vec<String> = std::env::args().collect();
    // a measurement: "inner" or which wrap, which network, and if wanted another chunk size and the log of a batch
    if let [_, mode, index, rest @ ..] = arguments.as_slice()
        && let Ok(index) = index.parse::<usize>()
    {
        let number = |at: usize| rest.get(at).and_then(|log| log.parse().ok());
        let wrap = System::ALL.into_iter().find(|wrap| wrap.name() == mode);
        assert!(wrap.is_some() || mode == "inner", "{mode} is no kind of proof");
        let measured = measure(&NETWORKS[index], wrap, number(0), number(1).unwrap_or(0));
        println!("{}", serde_json::to_string(&measured).expect("plain data"));
        return;
    }
    if let [_, mode] = arguments.as_slice()
        && mode == "growth"
    {
        return growth();
    }
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    let yardstick =
        format!("{cores} cores; best of {RUNS}; wall (CPU) seconds; a multiplication in F takes {:.0} ns in this run", yardstick_ns());
    println!("{yardstick}");
    let mut lines = vec![
        yardstick,
        String::new(),
        "| network | parameters | inner proof (CPU), c | verify | proof | peak | wrapped proof (CPU), c | rows (log2) | verify | proof | peak |".to_owned(),
        "|---|---|---|---|---|---|---|---|---|---|---|".to_owned(),
    ];
    let mut groth16s = vec![
        String::new(),
        "| network | wrapped in Groth16 (CPU), c | constraints | verify | proof | peak | setup |".to_owned(),
        "|---|---|---|---|---|---|---|".to_owned(),
    ];
    let mut ratios = Vec::new();
    let mut phases = vec![String::new(), "| network | proof | seconds per phase | setup |".to_owned(), "|---|---|---|---|".to_owned()];
    let (mut inner_bars, mut whole_bars) = (Vec::new(), Vec::new());
    for (index, network) in NETWORKS.iter().enumerate() {
        let (inner, whole, groth16) = (child("inner", index, &[]), child("universal", index, &[]), child("groth16", index, &[]));
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
            rows(&whole),
            whole.verify_ms,
            whole.proof_bytes as f64 / 1e3,
            whole.peak_mib
        ));
        println!("{}", lines.last().map_or("", String::as_str));
        groth16s.push(format!(
            "| {} | {:.2} s ({:.2}), {} | {} | {:.1} ms | {:.1} kB | {} MiB | {:.1} s |",
            network.name,
            groth16.wall_s,
            groth16.cpu_s,
            groth16.log_chunk,
            groth16.size,
            groth16.verify_ms,
            groth16.proof_bytes as f64 / 1e3,
            groth16.peak_mib,
            groth16.setup_s
        ));
        println!("{}", groth16s.last().map_or("", String::as_str));
        for (proof, measured) in [("inner", &inner), ("wrapped", &whole), ("Groth16", &groth16)] {
            let list: Vec<String> = measured.phases.iter().map(|(phase, s)| format!("{} {s:.4}", phase.to_lowercase())).collect();
            phases.push(format!("| {} | {proof} | {} | {:.1} |", network.name, list.join(", "), measured.setup_s));
            println!("    {}", phases.last().map_or("", String::as_str));
        }
        inner_bars.push(bar(network, &inner));
        whole_bars.push(bar(network, &whole));
        if index < 2 {
            ratios.extend(rival(network, &whole));
        }
    }
    print!("{}", run(&["growth"]));
    lines.extend(groth16s);
    lines.extend(phases);
    let (batches, per_inference) = batches();
    lines.extend(batches);
    lines.push(String::new());
    lines.extend(ratios);
    if std::env::var_os("ASSAY_BENCH_WRITE").is_some() {
        write(&lines.join("\n"));
        let kinds: Vec<String> = PHASES.iter().map(|phase| phase.to_lowercase()).collect();
        std::fs::write("docs/benchmarks-inner.svg", chart::bars("Inner proof", &kinds, &inner_bars)).expect("docs");
        let title = "Wrapped proof of a batch of LeNet-5 inferences, for each of them";
        std::fs::write("docs/benchmarks-batch.svg", chart::lines(title, "inferences in a proof", &[per_inference])).expect("docs");
        std::fs::write("docs/benchmarks-wrapped.svg", chart::bars("Whole proof, wrapped", &kinds, &whole_bars)).expect("docs");
    }
}

/// Wrapped proofs of joint batches of LeNet-5: lines of a table, and seconds per inference.
fn batches() -> (Vec<String>, chart::Line) {
    let network = 1;
    let mut lines = vec![
        String::new(),
        format!("| {} in a proof | wrapped proof (CPU), c | each | rows (log2) | verify | proof | peak |", NETWORKS[network].name),
        "|---|---|---|---|---|---|---|".to_owned(),
    ];
    let mut points = Vec::new();
    for log in [0, 2, 4, 6] {
        let measured = child("universal", network, &["17", &log.to_string()]);
        let (count, each) = (1 << log, measured.wall_s / f64::from(1 << log));
        lines.push(format!(
            "| {count} | {:.2} s ({:.2}), {} | {:.1} ms | {} | {:.1} ms | {:.1} kB | {} MiB |",
            measured.wall_s,
            measured.cpu_s,
            measured.log_chunk,
            1e3 * each,
            rows(&measured),
            measured.verify_ms,
            measured.proof_bytes as f64 / 1e3,
            measured.peak_mib
        ));
        println!("{}", lines.last().map_or("", String::as_str));
        points.push((f64::from(count), each));
    }
    lines.push(String::new());
    (lines, chart::Line { label: "seconds per inference".to_owned(), points })
}

/// Rows in use, and the log of the rows that the circuit is filled up to.
fn rows(measured: &Measured) -> String {
    format!("{} ({})", measured.size, (measured.size + BLINDING_ROWS).next_power_of_two().ilog2())
}

/// Phases in the order and colours of the charts.
const PHASES: [&str; 8] = ["Commit", "Lookup", "Linear", "Batch", "Opening", "WrapWitness", "Wrap", "other"];

fn bar(network: &Network, measured: &Measured) -> chart::Bar {
    let seconds = |name: &str| measured.phases.iter().filter(|(phase, _)| phase == name).map(|(_, s)| s).sum::<f64>();
    let mut parts: Vec<f64> = PHASES.iter().map(|phase| seconds(phase)).collect();
    let named: f64 = parts.iter().sum();
    if let Some(other) = parts.last_mut() {
        *other = (measured.wall_s - named).max(0.0);
    }
    chart::Bar { label: network.name.to_owned(), parts }
}

/// Inner proofs of [`GROWTH`], best of [`RUNS`], all with chunks of 2^12: prints them, and with `ASSAY_BENCH_WRITE` draws them.
fn growth() {
    let srs = || Srs::development(12);
    let point = |(architecture, weights): (Architecture, Weights), size: fn(&Architecture, &Weights) -> usize| {
        let size = size(&architecture, &weights) as f64;
        let cells = sample::random_input(&architecture, 1);
        let package = Package::new(Metadata::default(), architecture, weights, 12, &srs()).expect("a package");
        let seller = Seller::new(package, srs()).expect("its own SRS");
        let input = InputOpening::private(seller.shape(), cells);
        let run = |_| {
            let start = Instant::now();
            seller.prove_native(&input, Fr::from(1u64), &Control::new()).expect("a proof");
            start.elapsed().as_secs_f64()
        };
        (size, (0..RUNS).map(run).fold(f64::MAX, f64::min))
    };
    let line = |(label, network, steps, size): &Growth| {
        let points: Vec<(f64, f64)> = steps.iter().map(|step| point(network(*step), *size)).collect();
        println!("{label}: {points:.3?}");
        chart::Line { label: (*label).to_owned(), points }
    };
    let lines: Vec<chart::Line> = GROWTH.iter().map(line).collect();
    if std::env::var_os("ASSAY_BENCH_WRITE").is_some() {
        let title = "Inner proof of networks that grow in width, depth or image size";
        std::fs::write("docs/benchmarks-growth.svg", chart::lines(title, "parameters or activations", &lines)).expect("docs");
    }
}

/// Nonzero weights and biases.
fn count(weights: &Weights) -> usize {
    let matrices = weights.matrices.iter().flatten().filter(|w| **w != 0).count();
    matrices + weights.biases.iter().flatten().filter(|b| **b != 0).count()
}

/// Measures in a process of its own.
fn child(mode: &str, index: usize, options: &[&str]) -> Measured {
    let output = run(&[&[mode, &index.to_string()], options].concat());
    let line = output.lines().last().unwrap_or_default();
    serde_json::from_str(line).unwrap_or_else(|_| panic!("{mode} {index}: {output}"))
}

/// What this program prints with these arguments; its errors go where ours go.
fn run(arguments: &[&str]) -> String {
    let program = std::env::current_exe().expect("this program");
    let output = Command::new(program).args(arguments).stderr(Stdio::inherit()).output().expect("it starts");
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn load(network: &Network) -> (Architecture, Weights) {
    let Some((onnx, calibration)) = network.files else { return (network.stand_in)() };
    if !Path::new(onnx).exists() {
        eprintln!("{onnx} is not there (python fixtures/make_models.py makes it): a network of the same dimensions stands in");
        return (network.stand_in)();
    }
    let calibration = Calibration::read(Path::new(calibration)).expect("calibration");
    let compiled = assay_compiler::compile(Path::new(onnx), &calibration, &Options::default(), &mut |_| ()).expect("it compiles");
    (compiled.architecture, compiled.weights)
}

fn measure(network: &Network, wrap: Option<System>, log_chunk: Option<u32>, log_batch: u32) -> Measured {
    let (architecture, weights) = load(network);
    let log_chunk = log_chunk.unwrap_or(if wrap.is_some() { network.log_chunk_gas } else { network.log_chunk_latency });
    let parameters = count(&weights);
    let batch = Batch::joint(log_batch);
    let cells: Vec<i32> = (1..=batch.inferences() as u64).flat_map(|seed| sample::random_input(&architecture, seed)).collect();
    let shape = Shape::batched(architecture.clone(), log_chunk, batch).expect("a shape");
    let srs = Srs::development(wrap.map_or(log_chunk, |wrap| WrapProvingKey::srs_log(wrap, &shape).expect("its powers")));
    let package = Package::new(Metadata::default(), architecture, weights, log_chunk, &srs).expect("a package");
    let mut seller = Seller::new(package, srs).and_then(|seller| Ok(seller.batched(batch)?)).expect("its own SRS");
    let start = Instant::now();
    let key = wrap.map(|wrap| match wrap {
        System::Universal => WrapProvingKey::universal(&shape, &seller.srs).expect("a key"),
        System::Groth16 => WrapProvingKey::development(&shape, &seller.srs.id()).expect("a key"),
    });
    let setup_s = if key.is_some() { start.elapsed().as_secs_f64() } else { 0.0 };
    let (size, verifying) = key.as_ref().map_or((0, None), |k| (k.size(), Some(k.verifying_key())));
    let chunks = seller.shape().chunk_counts();
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
        size,
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
    let (onnx, calibration) = network.files?;
    if !Path::new(onnx).exists() {
        println!("    EZKL: skipped, {onnx} is not there");
        return None;
    }
    let output = Command::new(python).args(["benches/ezkl_bench.py", onnx, calibration]).output().ok()?;
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
