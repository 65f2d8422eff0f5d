//! Wrapped proofs of the kinds of networks that people have: transformers, recurrences, convolutions. Each is a folder
//! with network.onnx, calibration.json and inputs.json: those of fixtures/networks, and of the folder that
//! `ASSAY_BENCH_NETWORKS` names (`fixtures/networks.py` makes the large ones; docs/benchmarks.md has the command).
//!
//! `cargo bench -p assay-benches --bench folders -- NAME ...` measures some of them, and without names all. LeNet-5 is
//! measured just before each: on a machine with other work the ratio to it means more than the seconds. With
//! `ASSAY_BENCH_WRITE=1` the tables go to docs/benchmarks.md. A network is compiled in one process and measured in
//! another, so that peak memory is the prover's.

use assay_benches::{Job, Measured, PARTS, RUNS, bar, chart, child, found, measure, rows, write, yardstick_ns};
use assay_circuits::batch::Batch;
use assay_circuits::exec::quantise_input;
use assay_circuits::plonk::Circuit;
use assay_circuits::sample;
use assay_compiler::chunks::log_chunk_for_gas;
use assay_compiler::{Calibration, Options, Report, compile, wanted};
use assay_prover::package::{Metadata, Package};
use assay_prover::srs::Srs;
use assay_prover::wrap::System;
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};
use std::time::Instant;

/// Names the folder of the large networks.
const MORE: &str = "ASSAY_BENCH_NETWORKS";

/// Seconds of a wrapped proof that two idle cores should not exceed.
const GOALS: [(&str, f64); 11] = [
    ("gpt4", 0.8),
    ("digits_vit", 0.4),
    ("digits_vit_token", 0.4),
    ("lstm32", 0.4),
    ("mobilenetv2", 0.6),
    ("gpt2_16", 6.0),
    ("gpt2_64", 12.0),
    ("bert_64", 10.0),
    ("resnet50", 15.0),
    ("mobilenetv2_224", 8.0),
    ("vit_tiny", 8.0),
];

/// What compiling finds, as far as the tables have it.
#[derive(Serialize, Deserialize)]
struct Compilation {
    seconds: f64,
    parameters: u64,
    layers: usize,
    widths: [u8; 3],
    lookups: u64,
    table_rows: u64,
    witness_cells: u64,
    /// Mean error, or a fifth of the largest, as a share of the range.
    error: f64,
    met: bool,
    agreement: f64,
    gas: u64,
    /// Predicted seconds of the wrapped proof, as `assay compile` reports them.
    proof_s: f64,
}

fn main() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    // before the change of folder: the caller's path
    let more = std::env::var_os(MORE).map(|folder| std::path::absolute(folder).expect("a path"));
    std::env::set_current_dir(&root).expect("the repository's root");
    let arguments: Vec<String> = std::env::args().skip(1).filter(|argument| argument != "--bench").collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["compile", folder, package] => found(&compiled(Path::new(folder), Path::new(package))),
        ["measure", folder, package] => found(&measured(Path::new(folder), Path::new(package), None)),
        // with another chunk size
        ["measure", folder, package, log] => found(&measured(Path::new(folder), Path::new(package), log.parse().ok())),
        ["LeNet-5"] => found(&reference()),
        ["predicted", ref names @ ..] => predicted(&folders(more, names)),
        ["growth"] => growth(more.as_deref().expect("ASSAY_BENCH_NETWORKS names the folder of the families")),
        ref names => table(&folders(more, names)),
    }
}

/// All folders by name, or those with these names in their order.
fn folders(more: Option<PathBuf>, names: &[&str]) -> Vec<(String, PathBuf)> {
    let mut all: Vec<(String, PathBuf)> = Vec::new();
    for place in [Some(PathBuf::from("fixtures/networks")), more].into_iter().flatten() {
        let entries = std::fs::read_dir(&place).unwrap_or_else(|error| panic!("{}: {error}", place.display()));
        let paths = entries
            .filter_map(|entry| entry.ok().map(|entry| entry.path()))
            .filter(|path| path.join("network.onnx").exists());
        all.extend(paths.map(|path| (path.file_name().unwrap_or_default().to_string_lossy().into_owned(), path)));
    }
    all.sort();
    all.dedup_by(|a, b| a.0 == b.0);
    if names.is_empty() {
        return all;
    }
    let named = |name: &&str| {
        all.iter().find(|(have, _)| have == name).cloned().unwrap_or_else(|| panic!("there is no {name}"))
    };
    names.iter().map(named).collect()
}

fn compiled(folder: &Path, package: &Path) -> Compilation {
    let calibration = Calibration::read(&folder.join("calibration.json")).expect("calibration");
    let start = Instant::now();
    let compiled =
        compile(&folder.join("network.onnx"), &calibration, &Options::default(), &mut |_| ()).expect("it compiles");
    let seconds = start.elapsed().as_secs_f64();
    let log_chunk = log_chunk_for_gas(&compiled.architecture).expect("a shape");
    let metadata = Metadata { layer_names: compiled.layer_names, ..Metadata::default() };
    let srs = Srs::development(log_chunk);
    let made = Package::new(metadata, compiled.architecture, compiled.weights, log_chunk, &srs).expect("a package");
    made.write(package).expect("written");
    let chunks = made.model.shape.chunk_counts().iter().sum::<usize>() as u64;
    let circuit = Circuit::new(&made.model.shape, &made.model.srs.id).expect("a circuit");
    let Report { parameters, layers, widths, cost, accuracy, accuracy_met, .. } = compiled.report;
    let cost = cost.with_chunks(log_chunk, chunks).with_rows(circuit.log_rows);
    Compilation {
        seconds,
        parameters,
        layers,
        widths: [widths.table_bits, widths.shift, widths.weight_bits],
        lookups: cost.lookups,
        table_rows: cost.table_rows,
        witness_cells: cost.witness_cells,
        error: accuracy.worst(),
        met: accuracy_met,
        agreement: accuracy.top1_agreement,
        gas: cost.predicted_gas,
        proof_s: cost.predicted_seconds,
    }
}

fn measured(folder: &Path, package: &Path, log_chunk: Option<u32>) -> Measured {
    let Package { model, weights, .. } = Package::read(package).expect("the package that was just written");
    let (architecture, log_chunk) =
        (model.shape.architecture.clone(), log_chunk.unwrap_or(model.shape.layout.log_chunk));
    drop(model);
    let inputs = Calibration::read(&folder.join("inputs.json"))
        .and_then(|inputs| inputs.samples(&wanted(&architecture)))
        .expect("inputs");
    let cells = quantise_input(&architecture, &inputs[0]).expect("finite").cells;
    measure(Job { architecture, weights, log_chunk, wrap: Some(System::Universal), batch: Batch::joint(0), cells })
}

/// What the others are compared with: a network that every version of this bench has measured.
fn reference() -> Measured {
    let (architecture, weights) = sample::lenet5();
    let cells = sample::random_input(&architecture, 1);
    measure(Job { architecture, weights, log_chunk: 16, wrap: Some(System::Universal), batch: Batch::joint(0), cells })
}

/// A network's row in all tables.
struct Row {
    name: String,
    compilation: Compilation,
    found: Measured,
    reference: Measured,
}

const HEADS: [&str; 3] = [
    "network | proof (CPU), c | LeNet-5 just before | ratio of CPU | CPU a core | goal | rows (log2) | verify | proof \
     | peak | gas, predicted",
    "network | parameters | layers | tables, shift, weights | lookups, table rows | witness cells | error | top-1 | \
     compiled in",
    "network | seconds per phase",
];

impl Row {
    /// What the cores would take if they did nothing else and were used evenly: other work stretches wall time far more
    /// than the threads' own.
    fn least(&self) -> f64 {
        self.found.cpu_s / cores() as f64
    }

    /// The goal and whether it is met, as far as this run can tell.
    fn goal(&self) -> String {
        let Some((_, goal)) = GOALS.iter().find(|(network, _)| *network == self.name) else { return String::new() };
        let verdict = match (self.found.wall_s <= *goal, self.least() <= *goal) {
            (true, _) => "met",
            (false, false) => "missed",
            (false, true) => "not on busy cores",
        };
        format!("{goal} s, {verdict}")
    }

    /// Its lines, in the order of [`HEADS`].
    fn lines(&self) -> [String; 3] {
        let Self { name, compilation: c, found, reference } = self;
        let (least, goal) = (self.least(), self.goal());
        let phases: Vec<String> =
            found.phases.iter().map(|(phase, s)| format!("{} {s:.4}", phase.to_lowercase())).collect();
        [
            format!(
                "{name} | {:.2} s ({:.2}), {} | {:.2} s ({:.2}) | {:.2} | {least:.2} s | {goal} | {} | {:.1} ms | \
                 {:.1} kB | {} MiB | {}",
                found.wall_s,
                found.cpu_s,
                found.log_chunk,
                reference.wall_s,
                reference.cpu_s,
                found.cpu_s / reference.cpu_s,
                rows(found),
                found.verify_ms,
                found.proof_bytes as f64 / 1e3,
                found.peak_mib,
                c.gas
            ),
            format!(
                "{name} | {} | {} | {}, {}, {} | {}, {} | {} | {:.3} %{} | {:.1} % | {:.0} s",
                c.parameters,
                c.layers,
                c.widths[0],
                c.widths[1],
                c.widths[2],
                c.lookups,
                c.table_rows,
                c.witness_cells,
                100.0 * c.error,
                if c.met { "" } else { ", missed" },
                100.0 * c.agreement,
                c.seconds
            ),
            format!("{name} | {}", phases.join(", ")),
        ]
    }
}

fn table(folders: &[(String, PathBuf)]) {
    let ns = yardstick_ns();
    let package = std::env::temp_dir().join(format!("assay-bench-{}.assay", std::process::id()));
    let mut all: Vec<Row> = Vec::new();
    for (name, folder) in folders {
        let (folder, package) = (folder.to_string_lossy(), package.to_string_lossy());
        let Some(compilation) = child::<Compilation>(&["compile", &folder, &package]) else {
            println!("{name} does not compile");
            continue;
        };
        let both = (child::<Measured>(&["LeNet-5"]), child::<Measured>(&["measure", &folder, &package]));
        let (Some(reference), Some(found)) = both else {
            println!("{name} is not proven");
            continue;
        };
        all.push(Row { name: name.clone(), compilation, found, reference });
        if let Some(row) = all.last() {
            println!("{}", row.lines().join("\n    "));
        }
        // after each network, so that a run that is stopped leaves what it found
        if std::env::var_os("ASSAY_BENCH_WRITE").is_some() {
            write("folders", &text(&all, ns));
            let kinds: Vec<String> = PARTS.iter().map(|(part, _)| part.to_lowercase()).collect();
            let bars: Vec<chart::Bar> = all.iter().map(|row| bar(&row.name, &row.found)).collect();
            let chart = chart::bars("Whole proof, wrapped: transformers, recurrences, convolutions", &kinds, &bars);
            std::fs::write("docs/benchmarks-folders.svg", chart).expect("docs");
        }
    }
    // it is not there if nothing was compiled
    let _ = std::fs::remove_file(&package);
    println!("\n{}", text(&all, ns));
}

/// Seconds that `assay compile` predicts for whole proofs, and those that they take.
fn predicted(folders: &[(String, PathBuf)]) {
    let package = std::env::temp_dir().join(format!("assay-predicted-{}.assay", std::process::id()));
    let mut lines = vec![
        format!("{} cores; best of {RUNS}; a multiplication in F takes {:.0} ns in this run", cores(), yardstick_ns()),
        "\n| network | predicted | measured | predicted / measured |\n|---|---|---|---|".to_owned(),
    ];
    println!("{}", lines.join("\n"));
    let mut worst: f64 = 1.0;
    for (name, folder) in folders {
        let (folder, package) = (folder.to_string_lossy(), package.to_string_lossy());
        let compilation: Compilation =
            child(&["compile", &folder, &package]).unwrap_or_else(|| panic!("{name} does not compile"));
        let found: Measured = child(&["measure", &folder, &package]).unwrap_or_else(|| panic!("{name} is not proven"));
        let ratio = compilation.proof_s / found.wall_s;
        worst = worst.max(ratio).max(ratio.recip());
        let line = format!("| {name} | {:.2} s | {:.2} s | {ratio:.2} |", compilation.proof_s, found.wall_s);
        println!("{line}");
        lines.push(line);
    }
    // it is there, since all were compiled
    let _ = std::fs::remove_file(&package);
    lines.push(format!("\nAll predictions are right within a factor of {worst:.2}."));
    println!("{}", lines.last().map_or("", String::as_str));
    if std::env::var_os("ASSAY_BENCH_WRITE").is_some() {
        write("predicted", &lines.join("\n"));
    }
}

/// Families of transformers that grow in one respect: what they are named by, and the sizes.
const FAMILIES: [(&str, &[u32]); 3] =
    [("tokens", &[8, 16, 32, 64, 128]), ("width", &[32, 64, 128, 256]), ("layers", &[1, 2, 4, 8])];

/// Draws phases of the proofs of all [`FAMILIES`], and seconds per token by the number of tokens.
fn growth(folder: &Path) {
    let package = std::env::temp_dir().join(format!("assay-growth-{}.assay", std::process::id()));
    let (mut bars, mut each) = (Vec::new(), Vec::new());
    for (family, sizes) in FAMILIES {
        for size in sizes {
            let folder = folder.join(format!("gpt_{family}_{size}"));
            let (folder, package) = (folder.to_string_lossy(), package.to_string_lossy());
            child::<Compilation>(&["compile", &folder, &package])
                .unwrap_or_else(|| panic!("{folder} does not compile"));
            let proof: Measured =
                child(&["measure", &folder, &package]).unwrap_or_else(|| panic!("{folder} is not proven"));
            println!("{family} {size}: {:.3} s ({:.3} CPU), {} MiB", proof.wall_s, proof.cpu_s, proof.peak_mib);
            bars.push(bar(&format!("{size} {family}"), &proof));
            if family == "tokens" {
                each.push((f64::from(*size), proof.wall_s / f64::from(*size)));
            }
        }
    }
    // it is there, since all were compiled
    let _ = std::fs::remove_file(&package);
    println!("seconds per token: {each:.4?}");
    if std::env::var_os("ASSAY_BENCH_WRITE").is_some() {
        let kinds: Vec<String> = PARTS.iter().map(|(part, _)| part.to_lowercase()).collect();
        let title = "Whole proof, wrapped: transformers that grow in one respect";
        std::fs::write("docs/benchmarks-transformers.svg", chart::bars(title, &kinds, &bars)).expect("docs");
        let line = chart::Line { label: "seconds per token".to_owned(), points: each };
        let title = "Proof of a text by greedy decoding, for each of its tokens";
        std::fs::write("docs/benchmarks-tokens.svg", chart::lines(title, "tokens of prompt and answer", &[line]))
            .expect("docs");
    }
}

fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

/// The tables.
fn text(all: &[Row], ns: f64) -> String {
    let cores = cores();
    let mut parts = vec![format!(
        "{cores} cores; best of {RUNS}; wall (CPU) seconds, wrapped; a multiplication in F takes {ns:.0} ns in this run"
    )];
    for (at, head) in HEADS.iter().enumerate() {
        let head = format!("| {head} |\n|{}", "---|".repeat(head.split('|').count()));
        let lines = all.iter().map(|row| format!("| {} |", row.lines()[at]));
        parts.push(std::iter::once(head).chain(lines).collect::<Vec<_>>().join("\n"));
    }
    parts.join("\n\n")
}
