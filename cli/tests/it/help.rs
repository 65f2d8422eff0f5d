//! Snapshots of `--help`. After a change that is meant: `ASSAY_BLESS=1 cargo test --release -p assay-cli help`.

use crate::tool::{assay, command, fails};
use std::path::Path;

const COMMANDS: [&str; 19] = [
    "",
    "compile",
    "inspect",
    "run",
    "setup",
    "prove",
    "verify",
    "verify-key",
    "srs",
    "srs dev",
    "srs import",
    "srs show",
    "deploy",
    "publish",
    "serve",
    "request",
    "revoke",
    "demo",
    "completions",
];

#[test]
fn help_is_as_committed() {
    for name in COMMANDS {
        let words: Vec<&str> = name.split_whitespace().chain(["--help"]).collect();
        let output = command().args(&words).env("COLUMNS", "120").output().unwrap();
        assert!(output.status.success(), "{name}");
        let text = String::from_utf8(output.stdout).unwrap();
        let file = if name.is_empty() { "assay".to_owned() } else { name.replace(' ', "-") };
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("tests/help/{file}.txt"));
        if std::env::var_os("ASSAY_BLESS").is_some() {
            std::fs::write(&path, &text).unwrap();
        }
        let committed = std::fs::read_to_string(&path).unwrap_or_default();
        assert_eq!(text, committed, "{}: if the change is meant, run with ASSAY_BLESS=1", path.display());
    }
}

#[test]
fn completions_for_every_shell() {
    for shell in ["bash", "zsh", "fish", "powershell", "elvish"] {
        let output = assay(["completions", shell]);
        assert!(output.status.success());
        assert!(String::from_utf8_lossy(&output.stdout).contains("verify-key"), "{shell}");
    }
}

#[test]
fn wrong_command_lines_are_usage_errors() {
    fails(2, ["no-such-command"]);
    fails(2, ["prove"]);
    fails(2, ["compile", "model.onnx"]); // no --calibrate
    fails(2, ["serve"]);
    fails(2, ["srs", "dev", "--log", "60", "-o", "x"]);
    let text = fails(2, ["setup", "model.assay", "--wrap", "groth16"]);
    assert!(text.contains("ceremony") && text.contains("--dev"), "{text}");
    fails(2, ["setup", "model.assay", "--wrap", "halo2"]);
}
