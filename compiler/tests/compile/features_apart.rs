//! Tree ensembles of a table whose columns differ a million times in size answer as onnxruntime does:
//! `fixtures/features_apart.py` made them.

use crate::support::fixture;
use assay_circuits::exec::{dequantise_output, execute, quantise_input};
use assay_circuits::system::System;
use assay_compiler::{Calibration, Compiled, Options, Sample, compile, wanted};
use serde_json::{Value, json};
use std::path::Path;

fn answer(compiled: &Compiled, system: &System, sample: &Sample) -> Sample {
    let input = quantise_input(&compiled.architecture, sample).expect("finite");
    let trace = execute(&compiled.architecture, &compiled.weights, &input.cells).expect("executes");
    dequantise_output(&compiled.architecture, &trace.output(&compiled.architecture, system))
}

fn numbers(row: &Value, name: &str) -> Vec<f32> {
    row[name].as_array().expect("a list").iter().map(|v| v.as_f64().expect("a number") as f32).collect()
}

fn rows(folder: &Path, file: &str, key: &str) -> Vec<Value> {
    let text = std::fs::read(folder.join(file)).expect("the file");
    serde_json::from_slice::<Value>(&text).expect("JSON")[key].as_array().expect("rows").clone()
}

fn compiled(folder: &Path) -> Compiled {
    let calibration = Calibration::read(&folder.join("calibration.json")).expect("calibration.json");
    compile(&folder.join("network.onnx"), &calibration, &Options::default(), &mut |_| ()).expect("compiles")
}

fn labels_are_onnxruntimes(name: &str) {
    let folder = fixture("../features_apart").join(name);
    let compiled = compiled(&folder);
    let (architecture, system) = (&compiled.architecture, System::new(&compiled.architecture));
    let ports = &architecture.input.ports;
    assert!(ports.len() > 1 && ports.iter().all(|port| port.name == "X"), "{name}: parts of one tensor");
    assert!(ports[0].scale > ports[2].scale + 20, "{name}: a rate is far finer than an income");
    let samples = Calibration::read(&folder.join("inputs.json"))
        .expect("inputs.json")
        .samples(&wanted(architecture))
        .expect("they fit");
    let expected = rows(&folder, "expected.json", "outputs");
    assert_eq!(samples.len(), expected.len());
    assert!(samples.len() >= 300, "enough to see one in 300");
    let (mut wrong, mut error, mut count) = (Vec::new(), 0f64, 0);
    for (at, (sample, need)) in samples.iter().zip(&expected).enumerate() {
        let have = answer(&compiled, &system, sample);
        for (output, have) in architecture.outputs.iter().zip(&have) {
            let need = numbers(need, &output.name);
            assert_eq!(have.len(), need.len());
            if output.scale == 0 && need.len() == 1 {
                wrong.extend((*have != need).then_some(at));
            } else {
                error += have.iter().zip(&need).map(|(a, b)| f64::from((a - b).abs())).sum::<f64>();
                count += need.len();
            }
        }
    }
    assert!(wrong.is_empty(), "{name}: other labels for {wrong:?}\n{}", compiled.report);
    // scores are shares of 1
    assert!(
        error / f64::from(u32::try_from(count).expect("few")) < 1e-3,
        "{name}: scores differ by {error} in all of {count}"
    );
}

#[test]
fn a_forest_of_features_far_apart() {
    labels_are_onnxruntimes("forest");
}

#[test]
fn trees_of_lightgbm_of_features_far_apart() {
    labels_are_onnxruntimes("lightgbm");
}

#[test]
fn trees_of_xgboost_of_features_far_apart() {
    labels_are_onnxruntimes("xgboost");
}

/// A tensor with several scales is given as one, by its name too.
#[test]
fn a_tensor_of_several_scales_is_given_by_its_name() {
    let folder = fixture("../features_apart").join("xgboost");
    let architecture = compiled(&folder).architecture;
    let scratch = tempfile::tempdir().expect("a folder");
    let read = |value: Value| {
        let path = scratch.path().join("input.json");
        std::fs::write(&path, value.to_string()).expect("written");
        assay_compiler::read_input(&path, &architecture)
    };
    let row = rows(&folder, "inputs.json", "input_data")[0].clone();
    let plain = read(json!({ "input_data": [row] })).expect("a row");
    assert_eq!(plain.iter().map(Vec::len).sum::<usize>(), 4);
    assert_eq!(read(json!({ "inputs": { "X": row } })).expect("a name"), plain);
    assert!(read(json!({ "inputs": { "X": [1, 2, 3] } })).is_err(), "too few numbers");
    assert!(read(json!({ "inputs": { "Y": row } })).is_err(), "no such tensor");
}
