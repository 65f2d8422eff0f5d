//! `assay doctor`: what it finds well, and what it finds wrong.

use crate::tool::{command, json, model, s};
use serde_json::Value;

fn verdicts<'a>(report: &'a Value, name: &str) -> Vec<&'a str> {
    let checks = report["checks"].as_array().unwrap().iter();
    checks.filter(|check| check["name"] == name).map(|check| check["verdict"].as_str().unwrap()).collect()
}

#[test]
fn a_machine_is_looked_at() {
    let dir = tempfile::tempdir().unwrap();
    let report = json(0, ["doctor", "--models", s(model()), "--data", s(&dir.path().join("data"))]);
    // a development SRS, and the keys over it, are for tests
    assert_eq!((verdicts(&report, "srs"), verdicts(&report, "keys")), (vec!["warning"], vec!["warning"]));
    assert_eq!((verdicts(&report, "disk"), verdicts(&report, "database")), (vec!["ok"], vec!["ok"]));
}

#[test]
fn faults_end_with_one() {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("data");
    std::fs::create_dir(&data).unwrap();
    std::fs::write(data.join("jobs.sqlite"), "this is no database, and long enough to be read as one").unwrap();
    let broken = dir.path().join("broken.assay");
    std::fs::write(&broken, "no package").unwrap();
    let arguments = ["--json", "doctor", "--models", s(&broken), "--data", s(&data), "--rpc", "http://127.0.0.1:9"];
    let output = command().args(arguments).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    let lines = String::from_utf8(output.stdout).unwrap();
    assert_eq!(lines.lines().count(), 1, "one object, also where there is a fault: {lines}");
    let report: Value = serde_json::from_str(&lines).unwrap();
    for name in ["keys", "database", "chain"] {
        assert_eq!(verdicts(&report, name), ["fault"], "{name}: {report}");
    }
}
