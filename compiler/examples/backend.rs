//! Runs the cases that fixtures/backend_tests.py writes, and says of each whether it passes, is unsupported, or fails:
//! `cargo run --release --locked --workspace --example backend FOLDER [--page FILE] [--every N] [--only NAME…]`.
//!
//! A case passes if the network in real numbers is within 1e-4 of ONNX's answer, and the integer network within 1e-2,
//! as shares of each output's largest element and range. Outputs of integers and truth values must be the same, in
//! both. It is unsupported if the compiler refuses it, which it does with a reason, or says in its report that its
//! accuracy is not reached. Everything else is a failure. With `--page` the table for docs/operators-onnx.md is
//! written; with `--every 5` only every fifth case is compiled to integers, with `--every 0` none, which is quicker.

use assay_circuits::exec::{dequantise_output, execute, quantise_input};
use assay_circuits::system::System;
use assay_compiler::{Calibration, CompileError, Options, Sample, compile, lowering, wanted};
use rayon::prelude::*;
use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::{Path, PathBuf};

type AnyError = Box<dyn std::error::Error + Send + Sync>;

/// Allowed error in real numbers, as a share of the largest element.
const LOWERED: f64 = 1e-4;
/// The same where ONNX computes in 16 bits.
const HALF: f64 = 1e-2;
/// Allowed error in integers, as a share of the range.
const COMPILED: f64 = 1e-2;

#[derive(serde::Deserialize)]
struct Case {
    folder: String,
    operator: String,
    set: String,
    /// Whether its answers are of 16 bits, which have 3 digits.
    #[serde(default)]
    half: bool,
    /// By how much integers may differ.
    #[serde(default)]
    steps: u8,
    /// Why the case was not written.
    skipped: Option<String>,
}

enum Outcome {
    Pass { layers: usize, lowered: f64, compiled: f64 },
    Unsupported(String),
    Fail(String),
}

/// All numbers of a value of JSON, in order.
fn numbers(value: &serde_json::Value, into: &mut Vec<f32>) {
    match value {
        serde_json::Value::Array(list) => list.iter().for_each(|v| numbers(v, into)),
        value => into.push(value.as_f64().map_or(f32::NAN, |v| v as f32)),
    }
}

/// ONNX's answers, by the outputs' names.
fn expected(folder: &Path) -> Result<BTreeMap<String, Vec<f32>>, AnyError> {
    let file: serde_json::Value = serde_json::from_slice(&std::fs::read(folder.join("expected.json"))?)?;
    let row = file["outputs"][0].as_object().ok_or("expected.json has no outputs")?;
    let list = |value: &serde_json::Value| {
        let mut all = Vec::new();
        numbers(value, &mut all);
        all
    };
    Ok(row.iter().map(|(name, value)| (name.clone(), list(value))).collect())
}

/// An output of a case.
struct Port {
    name: String,
    /// Whether its elements are integers or truth values.
    whole: bool,
}

/// The largest difference of an element, as a share of its output's size: the range, or the largest element. Infinite
/// where an integer is another one.
fn error(have: &Sample, ports: &[Port], need: &BTreeMap<String, Vec<f32>>, steps: u8, range: bool) -> f64 {
    let of = |(have, port): (&Vec<f32>, &Port)| {
        let Some(need) = need.get(&port.name).filter(|need| need.len() == have.len()) else { return f64::INFINITY };
        if port.whole {
            let same = have.iter().zip(need).all(|(a, b)| (a.round() - b).abs() <= f32::from(steps));
            return if same { 0.0 } else { f64::INFINITY };
        }
        let fold = |f: fn(f32, f32) -> f32, first| need.iter().copied().fold(first, f);
        let largest = fold(|m, v| m.max(v.abs()), 0.0);
        let spread = fold(f32::max, f32::NEG_INFINITY) - fold(f32::min, f32::INFINITY);
        // an output of equal numbers has no range
        let size = f64::from(if range && spread > 0.1 * largest { spread } else { largest }).max(1e-9);
        have.iter()
            .zip(need)
            .fold(0f64, |m, (a, b)| m.max((f64::from((a - b).abs()) - f64::from(steps)).max(0.0) / size))
    };
    have.iter().zip(ports).map(of).fold(0.0, f64::max)
}

fn outputs(folder: &Path) -> Result<Vec<Port>, AnyError> {
    use prost::Message;
    use tract_onnx::pb::{ModelProto, tensor_proto::DataType, type_proto::Value};
    let model = ModelProto::decode(&std::fs::read(folder.join("model.onnx"))?[..])?;
    let real = [DataType::Float, DataType::Float16, DataType::Bfloat16, DataType::Double].map(|kind| kind as i32);
    let port = |output: tract_onnx::pb::ValueInfoProto| {
        let kind = match output.r#type.and_then(|kind| kind.value) {
            Some(Value::TensorType(tensor)) => tensor.elem_type,
            _ => DataType::Undefined as i32,
        };
        Port { name: output.name, whole: kind != DataType::Undefined as i32 && !real.contains(&kind) }
    };
    Ok(model.graph.ok_or("no graph")?.output.into_iter().map(port).collect())
}

/// A refusal says what is not supported; these say that something went wrong.
fn outcome(error: &CompileError) -> Outcome {
    let text = error.to_string().split_whitespace().collect::<Vec<_>>().join(" ");
    match error {
        CompileError::Lowering { .. } | CompileError::OutputLength { .. } | CompileError::Exec(_) => {
            Outcome::Fail(text)
        }
        _ => Outcome::Unsupported(text),
    }
}

fn run(folder: &Path, case: &Case, integers: bool) -> Result<Outcome, AnyError> {
    let (model, ports, need) = (folder.join("model.onnx"), outputs(folder)?, expected(folder)?);
    let inputs = match Calibration::read(&folder.join("inputs.json")) {
        Ok(inputs) => inputs,
        Err(error) => return Ok(Outcome::Unsupported(format!("inputs: {error}"))),
    };
    let found = match lowering(&model, &inputs, &BTreeMap::new()) {
        Ok(found) => found,
        Err(error) => return Ok(outcome(&error)),
    };
    let first = found.lowered.first().ok_or("no sample")?;
    if first.len() != ports.len() {
        return Ok(Outcome::Fail(format!("{} outputs instead of {}", first.len(), ports.len())));
    }
    let lowered = error(first, &ports, &need, case.steps, false);
    // NaN is no small error
    if lowered.is_nan() || lowered > if case.half { HALF } else { LOWERED } {
        return Ok(Outcome::Fail(format!("the network in real numbers is {lowered:.1e} from ONNX's answer")));
    }
    if !integers {
        return Ok(Outcome::Pass { layers: found.layers, lowered, compiled: 0.0 });
    }
    let compiled = match compile(&model, &inputs, &Options::default(), &mut |_| ()) {
        Ok(compiled) => compiled,
        Err(error) => return Ok(outcome(&error)),
    };
    let sample = inputs.samples(&wanted(&compiled.architecture))?.into_iter().next().ok_or("no sample")?;
    let cells = quantise_input(&compiled.architecture, &sample)?.cells;
    let trace = execute(&compiled.architecture, &compiled.weights, &cells)?;
    let have = dequantise_output(
        &compiled.architecture,
        &trace.output(&compiled.architecture, &System::new(&compiled.architecture)),
    );
    let met = compiled.report.accuracy_met;
    let compiled = error(&have, &ports, &need, case.steps, true);
    let far = compiled.is_nan() || compiled > COMPILED;
    if far && !met {
        return Ok(Outcome::Unsupported(
            "its numbers are too far apart: the report says that its accuracy is not reached".to_owned(),
        ));
    }
    if far {
        return Ok(Outcome::Fail(format!("the network in integers is {compiled:.1e} of the range from ONNX's answer")));
    }
    Ok(Outcome::Pass { layers: found.layers, lowered, compiled })
}

fn one(root: &Path, case: &Case, integers: bool) -> Outcome {
    if let Some(reason) = &case.skipped {
        return Outcome::Unsupported(reason.clone());
    }
    let folder = root.join(&case.folder);
    match std::panic::catch_unwind(|| run(&folder, case, integers)) {
        Ok(Ok(outcome)) => outcome,
        Ok(Err(error)) => Outcome::Fail(error.to_string()),
        Err(_) => Outcome::Fail("it panics".to_owned()),
    }
}

/// A refusal without what is special to one case: names of nodes and tensors, paths, numbers of nodes and elements.
fn reason(text: &str) -> String {
    let mut out = String::new();
    for (at, part) in text.split('"').enumerate() {
        out.push_str(if at % 2 == 0 { part } else { "…" });
    }
    let out = out.strip_prefix("node …: ").unwrap_or(&out).replace("(node …)", "").replace('|', "/");
    let mut words: Vec<String> = Vec::new();
    for word in out.split_whitespace() {
        let counted = words.last().is_some_and(|before| before == "element");
        match word {
            word if word.starts_with('/') => {}
            word if counted || word.starts_with('#') => {
                words.push(if word.ends_with(',') { "…,".to_owned() } else { "…".to_owned() })
            }
            word => words.push(word.to_owned()),
        }
    }
    let out = words.join(" ");
    if out.chars().count() > 160 { format!("{}…", out.chars().take(160).collect::<String>()) } else { out }
}

fn page(results: &[(&Case, Outcome)], every: usize) -> String {
    let mut rows: BTreeMap<&str, ([usize; 3], BTreeMap<String, usize>)> = BTreeMap::new();
    let mut totals = [0usize; 3];
    for (case, outcome) in results {
        let key = if case.set == "node" { case.operator.as_str() } else { case.set.as_str() };
        let (counts, reasons) = rows.entry(key).or_default();
        let (at, text) = match outcome {
            Outcome::Pass { .. } => (0, None),
            Outcome::Unsupported(text) => (1, Some(reason(text))),
            Outcome::Fail(text) => (2, Some(format!("FAILS: {}", reason(text)))),
        };
        counts[at] += 1;
        totals[at] += 1;
        if let Some(text) = text {
            *reasons.entry(text).or_default() += 1;
        }
    }
    let mut out = include_str!("backend_page.md").to_owned();
    if every > 1 {
        let _ =
            writeln!(out, "Here every {every}th case was compiled to integers; all were compared in real numbers.\n");
    }
    let _ = writeln!(
        out,
        "Of {} cases {} pass, {} are unsupported and {} fail.\n",
        results.len(),
        totals[0],
        totals[1],
        totals[2]
    );
    out += "| operator | pass | unsupported | fail | why |\n|---|---|---|---|---|\n";
    for (operator, ([pass, unsupported, fail], reasons)) in rows {
        let why: Vec<String> = reasons.iter().map(|(text, count)| format!("{text} ({count})")).collect();
        let _ = writeln!(out, "| {operator} | {pass} | {unsupported} | {fail} | {} |", why.join("; "));
    }
    out
}

fn main() -> Result<(), AnyError> {
    let mut arguments = std::env::args().skip(1);
    let root = PathBuf::from(arguments.next().ok_or("give the folder that fixtures/backend_tests.py wrote")?);
    let (mut file, mut every, mut only) = (None, 1usize, Vec::new());
    while let Some(argument) = arguments.next() {
        match argument.as_str() {
            "--page" => file = arguments.next(),
            "--every" => every = arguments.next().and_then(|n| n.parse().ok()).ok_or("--every takes a number")?,
            "--only" => only.extend(arguments.by_ref()),
            other => return Err(format!("{other} is no option of this program").into()),
        }
    }
    let cases: Vec<Case> = serde_json::from_slice(&std::fs::read(root.join("cases.json"))?)?;
    let chosen: Vec<&Case> = cases
        .iter()
        .filter(|case| only.is_empty() || only.iter().any(|o| *o == case.operator || *o == case.folder))
        .collect();
    let results: Vec<(&Case, Outcome)> = chosen
        .par_iter()
        .enumerate()
        .map(|(at, case)| {
            let found = one(&root, case, every > 0 && at % every == 0);
            let text = match &found {
                Outcome::Pass { layers, lowered, compiled } => {
                    format!("pass\t{layers} layers, {lowered:.1e}, {compiled:.1e}")
                }
                Outcome::Unsupported(reason) => format!("unsupported\t{reason}"),
                Outcome::Fail(reason) => format!("FAIL\t{reason}"),
            };
            println!("{}\t{}\t{text}", case.operator, case.folder);
            (*case, found)
        })
        .collect();
    let text = page(&results, every);
    match file {
        Some(file) => std::fs::write(file, text)?,
        None => println!("{text}"),
    }
    Ok(())
}
