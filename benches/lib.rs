//! What the benches of whole proofs share: measuring in a process of its own, tables, charts.

pub mod chart;

use ark_ff::Field;
use assay_circuits::Fr;
use assay_circuits::batch::Batch;
use assay_circuits::model::{Architecture, Weights};
use assay_circuits::plonk::BLINDING_ROWS;
use assay_circuits::shape::Shape;
use assay_prover::control::Control;
use assay_prover::native;
use assay_prover::package::{Metadata, Package};
use assay_prover::seller::{InputOpening, Seller};
use assay_prover::srs::Srs;
use assay_prover::wrap::{self, System, WrapProvingKey};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use std::process::{Command, Stdio};
use std::time::Instant;

/// As in the `assay` command.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Runs of each measurement; the best counts.
pub const RUNS: usize = 3;

/// The parts of the charts' bars, in their order and colours, with the phases that each is made of. The last is what no
/// phase accounts for.
pub const PARTS: [(&str, &[&str]); 8] = [
    ("Commit", &["Commit"]),
    ("Lookup", &["Lookup"]),
    ("Linear, batch", &["Linear", "Batch"]),
    ("Wrap's witness", &["WrapWitness"]),
    ("Wrap's columns", &["WrapColumns", "WrapPermutation"]),
    ("Quotient, Groth16", &["WrapQuotient", "Groth16"]),
    ("Values, opening", &["WrapValues", "Opening"]),
    ("other", &[]),
];

/// What one measurement finds.
#[derive(Serialize, Deserialize)]
pub struct Measured {
    /// Weights and biases that are not 0.
    pub parameters: usize,
    /// Log of the chunk size.
    pub log_chunk: u32,
    /// Seconds of the best run.
    pub wall_s: f64,
    /// Seconds of all threads in the best run.
    pub cpu_s: f64,
    /// Milliseconds of a verification.
    pub verify_ms: f64,
    /// Length of the proof.
    pub proof_bytes: usize,
    /// Of the wrap's circuit: rows or constraints.
    pub size: usize,
    /// Chunks of weights, tables, input and witness.
    pub chunks: [usize; 4],
    /// Seconds that the wrap's key takes.
    pub setup_s: f64,
    /// High-water mark of the resident set while proving.
    pub peak_mib: u64,
    /// Seconds of the best run's phases.
    pub phases: Vec<(String, f64)>,
}

/// What is to be measured.
pub struct Job {
    /// The network's public half.
    pub architecture: Architecture,
    /// Its secret half.
    pub weights: Weights,
    /// Log of the chunk size.
    pub log_chunk: u32,
    /// The wrap, or `None` for the inner proof as it is.
    pub wrap: Option<System>,
    /// How many inferences are in a proof.
    pub batch: Batch,
    /// The input blocks of all of them.
    pub cells: Vec<i32>,
}

/// Rows in use, and the log of the rows that the circuit is filled up to.
pub fn rows(measured: &Measured) -> String {
    format!("{} ({})", measured.size, (measured.size + BLINDING_ROWS).next_power_of_two().ilog2())
}

/// The parts of a bar: seconds of [`PARTS`].
pub fn bar(label: &str, measured: &Measured) -> chart::Bar {
    let seconds = |of: &[&str]| {
        measured.phases.iter().filter(|(phase, _)| of.contains(&phase.as_str())).map(|(_, s)| s).sum::<f64>()
    };
    let mut parts: Vec<f64> = PARTS.iter().map(|(_, phases)| seconds(phases)).collect();
    let named: f64 = parts.iter().sum();
    if let Some(other) = parts.last_mut() {
        *other = (measured.wall_s - named).max(0.0);
    }
    chart::Bar { label: label.to_owned(), parts }
}

/// Nonzero weights and biases.
pub fn count(weights: &Weights) -> usize {
    let matrices = weights.matrices.iter().flatten().filter(|w| **w != 0).count();
    matrices + weights.biases.iter().flatten().filter(|b| **b != 0).count()
}

/// What this program finds with these arguments, in a process of its own: its last line.
pub fn child<T: DeserializeOwned>(arguments: &[&str]) -> Option<T> {
    serde_json::from_str(run(arguments).lines().last().unwrap_or_default()).ok()
}

/// What this program prints with these arguments; its errors go where ours go.
pub fn run(arguments: &[&str]) -> String {
    let program = std::env::current_exe().expect("this program");
    let output = Command::new(program).args(arguments).stderr(Stdio::inherit()).output().expect("it starts");
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// Prints what [`child`] reads.
pub fn found(value: &impl Serialize) {
    println!("{}", serde_json::to_string(value).expect("plain data"));
}

/// Proves and verifies [`RUNS`] times, and keeps the best.
pub fn measure(job: Job) -> Measured {
    let Job { architecture, weights, log_chunk, wrap, batch, cells } = job;
    let parameters = count(&weights);
    let shape = Shape::batched(architecture.clone(), log_chunk, batch).expect("a shape");
    let srs =
        Srs::development(wrap.map_or(log_chunk, |wrap| WrapProvingKey::srs_log(wrap, &shape).expect("its powers")));
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
        best.phases =
            control.timings().iter().map(|t| (format!("{:?}", t.phase), (t.seconds * 1e4).round() / 1e4)).collect();
    }
}

fn time_ms(work: impl FnOnce()) -> f64 {
    let start = Instant::now();
    work();
    start.elapsed().as_secs_f64() * 1e3
}

/// Nanoseconds of one of a chain of multiplications in F: how fast this machine is just now, for comparing runs.
pub fn yardstick_ns() -> f64 {
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

/// Replaces the table between the markers of this name in docs/benchmarks.md.
pub fn write(name: &str, table: &str) {
    const PATH: &str = "docs/benchmarks.md";
    let (begin, end) = (format!("<!-- {name}: begin -->"), format!("<!-- {name}: end -->"));
    let text = std::fs::read_to_string(PATH).expect(PATH);
    if let (Some(head), Some(tail)) = (text.split(&begin).next(), text.split(&end).nth(1)) {
        std::fs::write(PATH, format!("{head}{begin}\n{table}\n{end}{tail}")).expect(PATH);
    }
}
