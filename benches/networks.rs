//! Inner and wrapped proofs of four networks: wall and CPU seconds, sizes, peak memory; beside EZKL where its wheel is
//! installed.
//!
//! `cargo bench -p assay-benches` prints the tables; with `ASSAY_BENCH_WRITE=1` (`make bench`) it also rewrites them in
//! docs/benchmarks.md and the charts beside it. Each measurement is a process of its own, so that peak memory is its
//! own. Figures of one run belong together; no test asserts any of them.

use assay_benches::{Job, Measured, PARTS, RUNS, bar, chart, count, found, measure, rows, run, write, yardstick_ns};
use assay_circuits::Fr;
use assay_circuits::batch::Batch;
use assay_circuits::model::{Architecture, Weights};
use assay_circuits::sample;
use assay_compiler::{Calibration, Options};
use assay_prover::control::Control;
use assay_prover::package::{Metadata, Package};
use assay_prover::seller::{InputOpening, Seller};
use assay_prover::srs::Srs;
use assay_prover::wrap::System;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

/// A network: its ONNX file and calibration samples, if it has any, what stands in for it where they have not been
/// made, and the chunk sizes for latency and for gas.
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
        return found(&measure(job(&NETWORKS[index], wrap, number(0), number(1).unwrap_or(0))));
    }
    if let [_, mode] = arguments.as_slice()
        && mode == "growth"
    {
        return growth();
    }
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    let yardstick = format!(
        "{cores} cores; best of {RUNS}; wall (CPU) seconds; a multiplication in F takes {:.0} ns in this run",
        yardstick_ns()
    );
    println!("{yardstick}");
    let mut lines = vec![
        yardstick,
        String::new(),
        "| network | parameters | inner proof (CPU), c | verify | proof | peak | wrapped proof (CPU), c | rows (log2) \
         | verify | proof | peak |"
            .to_owned(),
        "|---|---|---|---|---|---|---|---|---|---|---|".to_owned(),
    ];
    let mut groth16s = vec![
        String::new(),
        "| network | wrapped in Groth16 (CPU), c | constraints | verify | proof | peak | setup |".to_owned(),
        "|---|---|---|---|---|---|---|".to_owned(),
    ];
    let mut ratios = Vec::new();
    let mut phases = vec![
        String::new(),
        "| network | proof | seconds per phase | setup |".to_owned(),
        "|---|---|---|---|".to_owned(),
    ];
    let (mut inner_bars, mut whole_bars) = (Vec::new(), Vec::new());
    for (index, network) in NETWORKS.iter().enumerate() {
        let (inner, whole, groth16) =
            (child("inner", index, &[]), child("universal", index, &[]), child("groth16", index, &[]));
        lines.push(format!(
            "| {} | {} | {:.3} s ({:.2}), {} | {:.1} ms | {:.1} kB | {} MiB | {:.2} s ({:.2}), {} | {} | {:.1} ms | \
             {:.1} kB | {} MiB |",
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
            let list: Vec<String> =
                measured.phases.iter().map(|(phase, s)| format!("{} {s:.4}", phase.to_lowercase())).collect();
            phases.push(format!("| {} | {proof} | {} | {:.1} |", network.name, list.join(", "), measured.setup_s));
            println!("    {}", phases.last().map_or("", String::as_str));
        }
        inner_bars.push(bar(network.name, &inner));
        whole_bars.push(bar(network.name, &whole));
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
        write("table", &lines.join("\n"));
        let kinds: Vec<String> = PARTS.iter().map(|(part, _)| part.to_lowercase()).collect();
        std::fs::write("docs/benchmarks-inner.svg", chart::bars("Inner proof", &kinds, &inner_bars)).expect("docs");
        let title = "Wrapped proof of a batch of LeNet-5 inferences, for each of them";
        std::fs::write("docs/benchmarks-batch.svg", chart::lines(title, "inferences in a proof", &[per_inference]))
            .expect("docs");
        std::fs::write("docs/benchmarks-wrapped.svg", chart::bars("Whole proof, wrapped", &kinds, &whole_bars))
            .expect("docs");
    }
}

/// Wrapped proofs of joint batches of LeNet-5: lines of a table, and seconds per inference.
fn batches() -> (Vec<String>, chart::Line) {
    let network = 1;
    let mut lines = vec![
        String::new(),
        format!(
            "| {} in a proof | wrapped proof (CPU), c | each | rows (log2) | verify | proof | peak |",
            NETWORKS[network].name
        ),
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

/// Inner proofs of [`GROWTH`], best of [`RUNS`], all with chunks of 2^12: prints them, and with `ASSAY_BENCH_WRITE`
/// draws them.
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
        std::fs::write("docs/benchmarks-growth.svg", chart::lines(title, "parameters or activations", &lines))
            .expect("docs");
    }
}

/// Measures in a process of its own.
fn child(mode: &str, index: usize, options: &[&str]) -> Measured {
    assay_benches::child(&[&[mode, &index.to_string()], options].concat())
        .unwrap_or_else(|| panic!("{mode} {index} measures nothing"))
}

fn load(network: &Network) -> (Architecture, Weights) {
    let Some((onnx, calibration)) = network.files else { return (network.stand_in)() };
    if !Path::new(onnx).exists() {
        eprintln!(
            "{onnx} is not there (python fixtures/make_models.py makes it): a network of the same dimensions stands in"
        );
        return (network.stand_in)();
    }
    let calibration = Calibration::read(Path::new(calibration)).expect("calibration");
    let compiled =
        assay_compiler::compile(Path::new(onnx), &calibration, &Options::default(), &mut |_| ()).expect("it compiles");
    (compiled.architecture, compiled.weights)
}

fn job(network: &Network, wrap: Option<System>, log_chunk: Option<u32>, log_batch: u32) -> Job {
    let (architecture, weights) = load(network);
    let log_chunk = log_chunk.unwrap_or(if wrap.is_some() { network.log_chunk_gas } else { network.log_chunk_latency });
    let batch = Batch::joint(log_batch);
    let cells = (1..=batch.inferences() as u64).flat_map(|seed| sample::random_input(&architecture, seed)).collect();
    Job { architecture, weights, log_chunk, wrap, batch, cells }
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
        "{}: EZKL {} proves in {prove:.1} s with {peak:.0} MiB at most (setup {:.1} s); Assay, wrapped, in {:.2} s \
         with {} MiB: {:.0} times faster.\n",
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
