//! What it costs to settle a proof of each network on a chain, as a real transaction: `assay demo` sells one inference
//! of it on a fresh anvil. The networks are those of the bench `folders`, named by folder.
//!
//! `cargo build --release --locked --workspace && cargo bench -p assay-benches --bench settle -- FOLDER...`, from the
//! repository's root. With `ASSAY_BENCH_WRITE=1` the table goes to docs/benchmarks.md.

use assay_benches::write;
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::process::Command;

fn main() {
    let arguments = std::env::args().skip(1).filter(|argument| argument != "--bench");
    let folders: Vec<PathBuf> = arguments.map(|folder| std::path::absolute(folder).expect("a path")).collect();
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    std::env::set_current_dir(&root).expect("the repository's root");
    let head = "| network | numbers in the output | fund | lock | settle | proof | proven by the service in \
        |\n|---|---|---|---|---|---|---|";
    let mut table = head.to_owned();
    println!("{head}");
    for folder in &folders {
        let row = row(folder);
        println!("{row}");
        table = format!("{table}\n{row}");
    }
    if std::env::var_os("ASSAY_BENCH_WRITE").is_some() {
        write("settle", &table);
    }
}

/// Sells one inference of a network.
fn row(folder: &Path) -> String {
    let one = std::env::temp_dir().join(format!("assay-settle-{}.json", std::process::id()));
    std::fs::write(&one, first(&folder.join("inputs.json")).to_string()).expect("the temporary folder is writable");
    let mut command = Command::new("target/release/assay");
    command.args(["--json", "demo", "--model"]).arg(folder.join("network.onnx"));
    command.arg("--calibrate").arg(folder.join("calibration.json")).arg("--input").arg(&one);
    let output =
        command.output().expect("target/release/assay, which `cargo build --release --locked --workspace` makes");
    std::fs::remove_file(&one).ok();
    assert!(output.status.success(), "{}: {}", folder.display(), String::from_utf8_lossy(&output.stderr));
    let shown: Value = serde_json::from_slice(&output.stdout).expect("one JSON object");
    let gas = |name: &str| shown[name].as_u64().expect("an amount of gas");
    format!(
        "| {} | {} | {} | {} | {} | {} bytes | {:.2} s |",
        folder.file_name().unwrap_or_default().to_string_lossy(),
        numbers(&shown["output_data"]),
        gas("fund_gas"),
        gas("lock_gas"),
        gas("settle_gas"),
        gas("proof_bytes"),
        shown["service_prove_seconds"].as_f64().expect("seconds"),
    )
}

/// The first of a file's samples, as a file of its own.
fn first(path: &Path) -> Value {
    let samples: Value = serde_json::from_slice(&std::fs::read(path).expect("samples")).expect("JSON");
    match (samples["input_data"].get(0), samples["inputs"].get(0)) {
        (Some(row), _) => json!({ "input_data": [row] }),
        (None, Some(sample)) => json!({ "inputs": sample }),
        (None, None) => panic!("{} has no samples", path.display()),
    }
}

/// How many numbers a value holds.
fn numbers(value: &Value) -> usize {
    match value {
        Value::Array(list) => list.iter().map(numbers).sum(),
        Value::Object(map) => map.values().map(numbers).sum(),
        value => usize::from(value.is_number() || value.is_boolean()),
    }
}
