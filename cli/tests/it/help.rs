//! Snapshots of `--help`. After a change that is meant: `ASSAY_BLESS=1 cargo test --release -p assay-cli help`.

use crate::tool::{assay, command, fails, json};
use std::path::Path;

const COMMANDS: [&str; 58] = [
    "",
    "init",
    "compile",
    "inspect",
    "explain",
    "operators",
    "run",
    "setup",
    "prove",
    "verify",
    "verify-key",
    "srs",
    "srs dev",
    "srs where",
    "srs import",
    "srs show",
    "srs start",
    "srs contribute",
    "srs beacon",
    "srs verify-ceremony",
    "ceremony",
    "ceremony start",
    "ceremony contribute",
    "ceremony beacon",
    "ceremony verify",
    "ceremony finish",
    "deploy",
    "publish",
    "attest",
    "veto",
    "restore",
    "attestors",
    "attestors show",
    "attestors replace",
    "attestors council",
    "market",
    "serve",
    "up",
    "mcp",
    "worker",
    "api-keys",
    "api-keys create",
    "api-keys list",
    "api-keys revoke",
    "backup",
    "commit",
    "request",
    "jobs",
    "resume",
    "cancel",
    "refund",
    "balance",
    "deposit",
    "withdraw",
    "revoke",
    "demo",
    "doctor",
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
    for dim in ["sequence", "=4", "sequence=0", "sequence=x"] {
        let text = fails(2, ["compile", "model.onnx", "--calibrate", "x", "--dim", dim]);
        assert!(text.contains("NAME=N"), "{text}");
    }
    fails(2, ["srs", "dev", "--log", "60", "-o", "x"]);
    let text = fails(2, ["setup", "model.assay", "--wrap", "groth16"]);
    assert!(text.contains("ceremony") && text.contains("--dev"), "{text}");
    fails(2, ["setup", "model.assay", "--wrap", "halo2"]);
}

/// The page is what the register says.
#[test]
fn operators_are_as_documented() {
    let output = assay(["operators", "--markdown"]);
    assert!(output.status.success());
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/operators.md");
    if std::env::var_os("ASSAY_BLESS").is_some() {
        std::fs::write(&page, &output.stdout).unwrap();
    }
    let committed = std::fs::read_to_string(&page).unwrap_or_default();
    assert_eq!(
        String::from_utf8(output.stdout).unwrap(),
        committed,
        "if the change is meant: assay operators --markdown > docs/operators.md"
    );
    let listed = json(0, ["operators"]);
    let names: Vec<&str> =
        listed["operators"].as_array().unwrap().iter().map(|of| of["onnx"].as_str().unwrap()).collect();
    assert!(
        names.iter().any(|name| name.contains("Softmax")) && names.iter().all(|name| committed.contains(name)),
        "{names:?}"
    );
    let text = String::from_utf8(assay(["operators"]).stdout).unwrap();
    assert!(names.iter().all(|name| text.contains(name)), "{text}");
}
