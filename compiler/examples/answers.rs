//! What a compiled model answers, in integers, as a line of JSON for each folder, which has `network.onnx`,
//! `calibration.json` and `inputs.json`: `cargo run --release -p assay-compiler --example answers [--target-error
//! SHARE] FOLDER…`. For each sample of `inputs.json` all outputs by name; or, where there are none, what was wrong.

use assay_circuits::exec::{TableValues, dequantise_output, quantise_input, run_with};
use assay_circuits::system::System;
use assay_compiler::{Calibration, Options, compile, wanted};
use serde_json::{Value, json};
use std::path::Path;

fn answers(folder: &Path, options: &Options) -> Result<Value, Box<dyn std::error::Error>> {
    let calibration = Calibration::read(&folder.join("calibration.json"))?;
    let compiled = compile(&folder.join("network.onnx"), &calibration, options, &mut |_| ())?;
    let architecture = &compiled.architecture;
    let (system, tables) = (System::new(architecture), TableValues::of(architecture));
    let mut rows = Vec::new();
    for sample in Calibration::read(&folder.join("inputs.json"))?.samples(&wanted(architecture))? {
        let cells = quantise_input(architecture, &sample)?.cells;
        let trace = run_with(architecture, &system, &tables, &compiled.weights, &cells)?;
        let outputs = dequantise_output(architecture, &trace.output(architecture, &system));
        let named =
            architecture.outputs.iter().zip(outputs).map(|(output, numbers)| (output.name.clone(), json!(numbers)));
        rows.push(Value::Object(named.collect()));
    }
    Ok(json!({ "met": compiled.report.accuracy_met, "layers": compiled.report.layers, "answers": rows }))
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut options = Options::default();
    let mut arguments = std::env::args().skip(1);
    while let Some(argument) = arguments.next() {
        if argument == "--target-error" {
            options.target_error = arguments.next().ok_or("--target-error takes a number")?.parse()?;
            continue;
        }
        println!(
            "{}",
            answers(Path::new(&argument), &options).unwrap_or_else(|error| json!({ "error": error.to_string() }))
        );
    }
    Ok(())
}
