//! Every folder of fixtures/operators against onnxruntime's answers, which are beside each network: as lowered, in real
//! numbers, and compiled, in integers.

use crate::support::fixture;
use assay_circuits::exec::{dequantise_output, execute, quantise_input};
use assay_circuits::system::System;
use assay_compiler::{Calibration, Options, Sample, compile, lowering, wanted};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// Largest error of an element in real numbers, as a share of the largest element of its output.
const LOWERED: f64 = 1e-4;
/// Mean error in integers as a share of each output's range: five times what the compiler aims for on its samples,
/// which these inputs are not among.
const COMPILED: f64 = 5.0 * 0.001;

/// Folders whose integers may be further away than [`COMPILED`]: how far, and why.
const COARSE: &[(&str, f64, &str)] = &[
    ("greater", 0.1, "two numbers of the test differ by less than a cell of the widths that calibration found enough"),
    ("lessorequal", 0.1, "the same numbers"),
    ("padding_softmax", 0.02, "the scores are added to a mask that goes down to -10000, and share its coarse cells"),
    ("sklearn_svc_polynomial", 0.2, "the sum of large powers cancels, and so do the votes of numbers near 0"),
    ("reducemin_all", 0.01, "the answers of all samples are nearly the same, so that their range is small"),
];

fn folders() -> Vec<PathBuf> {
    let all = std::fs::read_dir(fixture("../operators")).expect("fixtures/operators is there");
    let mut all: Vec<PathBuf> = all.map(|entry| entry.expect("an entry").path()).filter(|path| path.is_dir()).collect();
    all.sort();
    assert!(all.len() > 200, "fixtures/operators is complete");
    all
}

fn name(folder: &Path) -> String {
    folder.file_name().unwrap_or_default().to_string_lossy().into_owned()
}

/// All numbers of a value of JSON, in order; truth values are 0 and 1.
fn numbers(value: &serde_json::Value, into: &mut Vec<f32>) {
    match value {
        serde_json::Value::Array(list) => list.iter().for_each(|v| numbers(v, into)),
        value => into.extend(value.as_f64().or(value.as_bool().map(|b| f64::from(u8::from(b)))).map(|v| v as f32)),
    }
}

/// onnxruntime's answers: a list of outputs for each sample, in alphabetical order of their names where there are
/// several.
fn expected(folder: &Path) -> Vec<BTreeMap<String, Vec<f32>>> {
    let file = std::fs::read(folder.join("expected.json")).expect("expected.json");
    let file: serde_json::Value = serde_json::from_slice(&file).expect("JSON");
    let list = |value: &serde_json::Value| {
        let mut all = Vec::new();
        numbers(value, &mut all);
        all
    };
    let rows = file.get("output_data").or(file.get("outputs")).and_then(|rows| rows.as_array()).expect("rows");
    let row = |row: &serde_json::Value| match row {
        serde_json::Value::Object(map) => map.iter().map(|(name, value)| (name.clone(), list(value))).collect(),
        value => [(String::new(), list(value))].into(),
    };
    rows.iter().map(row).collect()
}

/// Largest and mean error of each output as a share of its `size`; infinite where lengths differ.
fn errors(
    have: &[Sample],
    need: &[BTreeMap<String, Vec<f32>>],
    names: &[String],
    size: &dyn Fn(usize, &[f32]) -> f64,
) -> (f64, f64) {
    assert_eq!(have.len(), need.len(), "as many answers as samples");
    let (mut largest, mut mean) = (0f64, 0f64);
    for (index, name) in names.iter().enumerate() {
        let answers: Vec<&[f32]> = need
            .iter()
            .map(|row| row.get(name).or(row.get("")).map(Vec::as_slice).expect("an answer for each output"))
            .collect();
        let scale = size(index, &answers.concat()).max(1e-9);
        let (mut sum, mut count) = (0f64, 0usize);
        for (have, need) in have.iter().zip(&answers) {
            if have[index].len() != need.len() {
                return (f64::INFINITY, f64::INFINITY);
            }
            for (a, b) in have[index].iter().zip(*need) {
                let error = f64::from((a - b).abs()) / scale;
                largest = largest.max(error);
                (sum, count) = (sum + error, count + 1);
            }
        }
        mean = mean.max(sum / count.max(1) as f64);
    }
    (largest, mean)
}

fn largest(_: usize, values: &[f32]) -> f64 {
    f64::from(values.iter().fold(0f32, |m, v| m.max(v.abs())))
}

/// Names of a network's outputs, as its answers have them.
fn outputs(folder: &Path, answers: &[BTreeMap<String, Vec<f32>>]) -> Vec<String> {
    use prost::Message;
    let bytes = std::fs::read(folder.join("network.onnx")).expect("network.onnx");
    let model = tract_onnx::pb::ModelProto::decode(&bytes[..]).expect("ONNX");
    let names: Vec<String> = model.graph.expect("a graph").output.into_iter().map(|output| output.name).collect();
    assert_eq!(names.len(), answers[0].len(), "{}: an answer for each output", name(folder));
    names
}

#[test]
fn every_operator_lowers_to_what_onnxruntime_says() {
    let mut wrong = Vec::new();
    for folder in folders() {
        let inputs = Calibration::read(&folder.join("inputs.json")).expect("inputs.json");
        let answers = expected(&folder);
        match lowering(&folder.join("network.onnx"), &inputs, &BTreeMap::new()) {
            Err(error) => wrong.push(format!("{}: {error}", name(&folder))),
            Ok(found) => {
                let (error, _) = errors(&found.lowered, &answers, &outputs(&folder, &answers), &largest);
                if error >= LOWERED {
                    wrong.push(format!("{}: {error:.1e} from expected.json", name(&folder)));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{} of fixtures/operators:\n{}", wrong.len(), wrong.join("\n"));
}

#[test]
fn every_operator_compiles_to_integers_that_are_close() {
    let mut wrong = Vec::new();
    for folder in folders() {
        let read = |file: &str| {
            Calibration::read(&folder.join(file)).unwrap_or_else(|error| panic!("{}: {error}", name(&folder)))
        };
        let compiled =
            match compile(&folder.join("network.onnx"), &read("calibration.json"), &Options::default(), &mut |_| ()) {
                Ok(compiled) => compiled,
                Err(error) => {
                    wrong.push(format!("{}: {error}", name(&folder)));
                    continue;
                }
            };
        let system = System::new(&compiled.architecture);
        let samples = read("inputs.json").samples(&wanted(&compiled.architecture)).expect("samples that fit");
        let run = |sample: &Sample| {
            let input = quantise_input(&compiled.architecture, sample).expect("finite");
            let trace = execute(&compiled.architecture, &compiled.weights, &input.cells).expect("executes");
            dequantise_output(&compiled.architecture, &trace.output(&compiled.architecture, &system))
        };
        let have: Vec<Sample> = samples.iter().map(run).collect();
        let answers = expected(&folder);
        // the range that calibration found: a few test inputs may have answers that are close together
        let range = |output: usize, _: &[f32]| compiled.report.accuracy.outputs[output].range;
        let (_, error) = errors(&have, &answers, &outputs(&folder, &answers), &range);
        let allowed =
            COARSE.iter().find(|(known, ..)| *known == name(&folder)).map_or(COMPILED, |(_, allowed, _)| *allowed);
        if error > allowed {
            let report = &compiled.report;
            wrong.push(format!(
                "{}: mean error {error:.1e} of the range; {:?}, {:?}",
                name(&folder),
                report.widths,
                report.accuracy
            ));
        }
    }
    assert!(wrong.is_empty(), "{} of fixtures/operators:\n{}", wrong.len(), wrong.join("\n"));
}
