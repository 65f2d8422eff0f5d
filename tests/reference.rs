//! The second implementation, `tests/reference` in Python, against this one. Networks and proofs are written to a folder
//! as JSON, and the scripts say whether they agree. `ASSAY_REFERENCE_NETWORKS` is how many random networks there are;
//! `ASSAY_REFERENCE_KEEP` names a folder to keep what was written.

use assay_circuits::exec::{Trace, dequantise_output, execute, quantise_input};
use assay_circuits::model::{Architecture, Rule, Source, Weights};
use assay_circuits::sample;
use assay_circuits::sample::Random;
use assay_circuits::system::System;
use serde_json::{Map, Value, json};
use std::path::{Path, PathBuf};
use std::process::Command;

/// Random networks where nobody asks for more.
const NETWORKS: u64 = 250;

/// A folder for what is written: a temporary one, or the one that is to be kept.
struct Folder {
    path: PathBuf,
    _temporary: Option<tempfile::TempDir>,
}

impl Folder {
    fn new(name: &str) -> Self {
        if let Some(kept) = std::env::var_os("ASSAY_REFERENCE_KEEP") {
            let path = Path::new(&kept).join(name);
            std::fs::create_dir_all(&path).expect("a folder to keep things in");
            return Self { path, _temporary: None };
        }
        let temporary = tempfile::tempdir().expect("a temporary folder");
        Self { path: temporary.path().to_owned(), _temporary: Some(temporary) }
    }

    fn write(&self, name: &str, export: &Value) {
        let text = serde_json::to_vec(export).expect("exports are JSON");
        std::fs::write(self.path.join(format!("{name}.json")), text).expect("written");
    }

    /// Runs a script on the folder, and fails with what it says if it does.
    fn agrees(&self, script: &str) {
        let scripts = Path::new(env!("CARGO_MANIFEST_DIR")).join("reference");
        let run = Command::new("python3").arg("-B").arg(scripts.join(script)).arg(&self.path).output();
        let run = run.expect("python3 must be installed: the second implementation is in Python 3.11");
        let said = [run.stdout, run.stderr].map(|text| String::from_utf8_lossy(&text).into_owned()).concat();
        println!("{said}");
        assert!(run.status.success(), "{script} does not agree:\n{said}");
    }
}

/// The columns of a trace that can be read, by layer and name.
fn columns(arch: &Architecture, system: &System, trace: &Trace) -> Value {
    let of_layer = |index: usize| {
        let at = index as u32;
        let mut sources = vec![("Pre", Source::Pre(at)), ("Post", Source::Post(at))];
        if matches!(arch.layers[index].rule, Rule::Maximum { .. }) {
            sources.extend([("Max", Source::Max(at)), ("Mark", Source::Mark(at))]);
        }
        let column = |(name, source): (&str, Source)| (name.to_owned(), json!(trace.column(system.source(source))));
        Value::Object(sources.into_iter().map(column).collect::<Map<_, _>>())
    };
    (0..arch.layers.len()).map(of_layer).collect()
}

/// A network's execution on one input.
fn run_of(arch: &Architecture, weights: &Weights, input: &[i32]) -> Value {
    let (system, trace) = (System::new(arch), execute(arch, weights, input).expect("every input is executed"));
    json!({
        "input": input,
        "columns": columns(arch, &system, &trace),
        "output": trace.output(arch, &system),
        "clamps": trace.clamps(arch, &system),
    })
}

/// Numbers to be made integers: halves in between, ends of the range and what lies far outside, and any.
fn numbers_of(arch: &Architecture, random: &mut Random) -> Value {
    let half = 1i64 << (arch.input.bits - 1);
    let mut number = |scale: i8| {
        let unit = (-f32::from(scale)).exp2();
        match random.within(0, 4) {
            0 => (random.within(-half, half) as f32 - 0.5) * unit,
            1 => ([half as f32, -half as f32][random.within(0, 1) as usize] - 0.5) * unit,
            2 => random.within(-3, 3) as f32 * 1e20,
            3 => f32::from_bits(random.bits() as u32 & 0xbfff_ffff),
            _ => random.within(-half, half - 1) as f32 * unit,
        }
    };
    let inputs: Vec<Vec<f32>> = arch.input.ports.iter().map(|port| port.cells.iter().map(|_| number(port.scale)).collect()).collect();
    let quantised = quantise_input(arch, &inputs).expect("finite numbers");
    let output: Vec<i32> = (0..arch.output_cells()).map(|_| random.within(-1 << 15, (1 << 15) - 1) as i32).collect();
    let exact = |tensors: Vec<Vec<f32>>| tensors.into_iter().map(|t| t.into_iter().map(f64::from).collect()).collect::<Vec<Vec<f64>>>();
    json!({
        "numbers": exact(inputs),
        "cells": quantised.cells,
        "outside": quantised.outside,
        "clamped": quantised.clamped,
        "output_numbers": exact(dequantise_output(arch, &output)),
        "output": output,
    })
}

/// A network on a random input, on the largest and smallest numbers, and on those mixed.
fn network(arch: &Architecture, weights: &Weights, seed: u64) -> Value {
    let inputs = [sample::random_input(arch, seed)].into_iter().chain((0..4).map(|kind| sample::extreme_input(arch, kind)));
    json!({
        "architecture": arch,
        "weights": weights,
        "runs": inputs.map(|input| run_of(arch, weights, &input)).collect::<Vec<_>>(),
        "numbers": [numbers_of(arch, &mut Random::new(seed))],
    })
}

/// Defends the meaning of a proof: docs/semantics.md, written again by itself, gives every bit of every column that can
/// be read, the outputs and the number of clamps.
#[test]
fn the_page_of_semantics_gives_the_same_bits() {
    let wanted = std::env::var("ASSAY_REFERENCE_NETWORKS").map_or(NETWORKS, |n| n.parse().expect("a number of networks"));
    let folder = Folder::new("semantics");
    let named = [
        ("attention", sample::attention(3, 4, 2)),
        ("layer-norm", sample::layer_norm(3, 6)),
        ("recurrent", sample::recurrent(5, 3)),
        ("digits-cnn", sample::digits_cnn()),
    ];
    for (name, (arch, weights)) in named {
        folder.write(name, &network(&arch, &weights, 1));
    }
    for seed in 0..wanted {
        let (arch, weights) = sample::random_network(seed);
        folder.write(&format!("random-{seed}"), &network(&arch, &weights, seed));
    }
    folder.agrees("semantics.py");
}
