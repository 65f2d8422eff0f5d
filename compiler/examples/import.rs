//! Lowers models and says how far the network in real numbers is from tract and, where there is an `expected.json`,
//! from that: `cargo run --release -p assay-compiler --example import FOLDER…`.

use assay_compiler::{Calibration, CompileError, lowering};
use std::collections::BTreeMap;
use std::path::Path;

/// The first of these files that is there.
fn first(folder: &Path, names: &[&str]) -> Option<std::path::PathBuf> {
    names.iter().map(|name| folder.join(name)).find(|path| path.exists())
}

/// All numbers of a file, in order.
fn numbers(value: &serde_json::Value, into: &mut Vec<f64>) {
    match value {
        serde_json::Value::Array(list) => list.iter().for_each(|v| numbers(v, into)),
        serde_json::Value::Object(map) => map.values().for_each(|v| numbers(v, into)),
        value => into.extend(value.as_f64().or(value.as_bool().map(|b| f64::from(u8::from(b))))),
    }
}

fn one(folder: &Path) -> Result<String, Box<dyn std::error::Error>> {
    let model = first(folder, &["model.onnx", "network.onnx"]).ok_or("no model")?;
    let inputs = first(folder, &["inputs.json", "input.json"]).ok_or("no inputs")?;
    let found = match lowering(&model, &Calibration::read(&inputs)?, &BTreeMap::new()) {
        Err(CompileError::Import(error)) => return Ok(format!("REFUSED {}", error.to_string().replace('\n', " "))),
        found => found?,
    };
    let mut line = format!("{:3} layers, {:.1e} from tract", found.layers, found.error());
    if let Some(path) = first(folder, &["expected.json"]) {
        let mut need = Vec::new();
        let file: serde_json::Value = serde_json::from_slice(&std::fs::read(path)?)?;
        numbers(file.get("output_data").or(file.get("outputs")).unwrap_or(&file), &mut need);
        let have: Vec<f64> = found.lowered.iter().flatten().flatten().map(|v| f64::from(*v)).collect();
        let size = need.iter().fold(1e-9f64, |m, v| m.max(v.abs()));
        let error = have.iter().zip(&need).fold(0f64, |m, (a, b)| m.max((a - b).abs())) / size;
        let word = if have.len() != need.len() {
            "OTHER LENGTH"
        } else if error < 1e-4 {
            "agrees"
        } else {
            "DIFFERS"
        };
        line = format!("{word} {error:.1e} from expected.json, {line}");
    }
    Ok(line)
}

fn main() {
    for folder in std::env::args().skip(1) {
        let line = one(Path::new(&folder)).unwrap_or_else(|error| format!("ERROR {error}"));
        println!("{:40} {line}", Path::new(&folder).file_name().unwrap_or_default().to_string_lossy());
    }
}
