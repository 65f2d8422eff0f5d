//! Models that people reported elsewhere (`fixtures/reported`): each compiles with default options, and answers as
//! onnxruntime does.

use crate::support::fixture;
use assay_circuits::exec::{dequantise_output, execute, quantise_input};
use assay_circuits::system::System;
use assay_compiler::{Calibration, Options, compile, wanted};
use serde_json::Value;
use std::path::Path;

/// The case whose input is outside the range that its samples have.
const OUTSIDE: &str = "out_of_range_input";

fn answers(folder: &Path) -> Vec<Vec<f32>> {
    let file: Value = serde_json::from_slice(&std::fs::read(folder.join("expected.json")).unwrap()).unwrap();
    serde_json::from_value(file["output_data"].clone()).unwrap()
}

/// The largest error and the mean one, as shares of the answers' range; or `None` where an input is outside the
/// published range.
fn errors(folder: &Path) -> Option<(f64, f64)> {
    let calibrate = folder.join("calibrate.json");
    let samples = if calibrate.exists() { calibrate } else { folder.join("input.json") };
    let calibration = Calibration::read(&samples).unwrap();
    let compiled = compile(&folder.join("model.onnx"), &calibration, &Options::default(), &mut |_| ())
        .unwrap_or_else(|e| panic!("{}: {e}", folder.display()));
    let architecture = &compiled.architecture;
    let system = System::new(architecture);
    let inputs = Calibration::read(&folder.join("input.json")).unwrap().samples(&wanted(architecture)).unwrap();
    let expected = answers(folder);
    assert_eq!(inputs.len(), expected.len(), "{}", folder.display());
    let (mut differences, mut low, mut high) = (Vec::new(), f64::INFINITY, f64::NEG_INFINITY);
    for (input, expected) in inputs.iter().zip(&expected) {
        let quantised = quantise_input(architecture, input).unwrap();
        if quantised.outside > 0 {
            return None;
        }
        let trace = execute(architecture, &compiled.weights, &quantised.cells).unwrap();
        let have = dequantise_output(architecture, &trace.output(architecture, &system)).concat();
        assert_eq!(have.len(), expected.len(), "{}", folder.display());
        for (have, need) in have.iter().zip(expected) {
            differences.push(f64::from((have - need).abs()));
            (low, high) = (low.min(f64::from(*need)), high.max(f64::from(*need)));
        }
    }
    let range = if high > low { high - low } else { high.abs() };
    let largest = differences.iter().fold(0.0, |most: f64, error| most.max(*error));
    Some((largest / range, differences.iter().sum::<f64>() / differences.len() as f64 / range))
}

#[test]
fn models_that_people_met_answer_as_onnxruntime_does() {
    let mut folders: Vec<_> = std::fs::read_dir(fixture("../reported")).unwrap().map(|e| e.unwrap().path()).collect();
    folders.retain(|path| path.is_dir());
    folders.sort();
    assert_eq!(folders.len(), 42);
    for folder in folders {
        let name = folder.file_name().unwrap().to_str().unwrap();
        match errors(&folder) {
            // what is outside is not answered without a word
            None => assert_eq!(name, OUTSIDE),
            Some((largest, mean)) => {
                println!("{name}: {:.3} % at worst, {:.4} % in the mean", 100.0 * largest, 100.0 * mean);
                assert!(
                    name != OUTSIDE && largest <= 1e-2 && mean <= 2e-3,
                    "{name}: {largest} at worst, {mean} in the mean"
                );
            }
        }
    }
}
