//! Compiles models and says how far the integer network is from the float model, as a share of each output's range:
//! `cargo run --release -p assay-compiler --example accuracy FOLDER…`. A folder holds `network.onnx` or `model.onnx`,
//! `calibration.json` and, for samples that were not calibrated on, `inputs.json`. With `REPORT=1` the whole report is
//! printed.

use assay_compiler::{Accuracy, Calibration, Options, check, compile};
use std::path::Path;

/// Mean and largest error of every output.
fn errors(accuracy: &Accuracy) -> String {
    let one = |o: &assay_compiler::OutputError| match o.exact {
        Some(share) => format!("{:.2} % exact", 100.0 * share),
        None => format!("{:.1e}/{:.1e}", o.mean_error / o.range, o.max_error / o.range),
    };
    accuracy.outputs.iter().map(one).collect::<Vec<_>>().join(" ")
}

fn one(folder: &Path) -> Result<String, Box<dyn std::error::Error>> {
    let model = ["network.onnx", "model.onnx"]
        .iter()
        .map(|name| folder.join(name))
        .find(|path| path.exists())
        .ok_or("no model")?;
    let options = Options::default();
    let started = std::time::Instant::now();
    let compiled = compile(&model, &Calibration::read(&folder.join("calibration.json"))?, &options, &mut |_| ())?;
    let report = &compiled.report;
    if std::env::var_os("REPORT").is_some() {
        println!("{report}");
    }
    let widths = report.widths;
    let mut line = format!(
        "{} calibration {} ({}/{}/{} bits, {} layers, {:.2} s inner, {} gas, tried {} in {:.1} s)",
        if report.accuracy_met { "met   " } else { "MISSED" },
        errors(&report.accuracy),
        widths.table_bits,
        widths.shift,
        widths.weight_bits,
        report.layers,
        report.cost.predicted_inner_seconds,
        report.cost.predicted_gas,
        report.candidates_tried,
        started.elapsed().as_secs_f64()
    );
    let inputs = folder.join("inputs.json");
    if inputs.exists() {
        let held_back = check(&model, &compiled, &Calibration::read(&inputs)?, &options)?;
        line += &format!(", held back {}", errors(&held_back));
    }
    Ok(line)
}

fn main() {
    for folder in std::env::args().skip(1) {
        let line = one(Path::new(&folder)).unwrap_or_else(|error| format!("ERROR {error}"));
        println!("{:24} {line}", Path::new(&folder).file_name().unwrap_or_default().to_string_lossy());
    }
}
