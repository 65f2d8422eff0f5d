//! Inputs that the model is not made for: refused with exit code 3, run and proven with `--allow-clamping`, and said.

use crate::tool::{assay, compile, fails, fixture, json, model, s};
use serde_json::{Value, json as value};
use std::path::{Path, PathBuf};

/// A picture with all pixels multiplied by `factor`.
fn picture(dir: &Path, factor: f64) -> PathBuf {
    let file: Value = serde_json::from_slice(&std::fs::read(fixture("digit_7.json")).unwrap()).unwrap();
    let pixels: Vec<f64> =
        file["input_data"][0].as_array().unwrap().iter().map(|v| v.as_f64().unwrap() * factor).collect();
    let path = dir.join(format!("times_{factor}.json"));
    std::fs::write(&path, value!({ "input_data": [pixels] }).to_string()).unwrap();
    path
}

/// No silently wrong output: what the model was not calibrated for is refused before anything is proven or paid.
#[test]
fn inputs_outside_the_published_range_are_bad_input() {
    let dir = tempfile::tempdir().unwrap();
    let (large, proof) = (picture(dir.path(), 10.0), dir.path().join("proof.json"));
    let key = model().with_extension("key");
    let arguments: [&[&str]; 3] = [
        &["run", s(model()), "--input", s(&large)],
        &["prove", s(model()), "--input", s(&large), "-o", s(&proof), "--inner"],
        &["request", "--service", "http://127.0.0.1:1", "--key", s(&key), "--input", s(&large), "--free"],
    ];
    for arguments in arguments {
        let text = fails(3, arguments);
        assert!(text.contains("of input") && text.contains("made for") && text.contains("--allow-clamping"), "{text}");
    }
    assert!(!proof.exists());
}

/// With `--allow-clamping` the same input is run and proven alike, with the counts beside the answer.
#[test]
fn clamping_is_proven_where_it_is_allowed_and_said() {
    let dir = tempfile::tempdir().unwrap();
    let (normal, large, proof) = (picture(dir.path(), 1.0), picture(dir.path(), 10.0), dir.path().join("proof.json"));
    let inside = json(0, ["run", s(model()), "--input", s(&normal)]);
    assert_eq!((&inside["outside"], &inside["clamped"]), (&value!(0), &value!([])));
    let run = json(0, ["run", s(model()), "--input", s(&large), "--allow-clamping"]);
    let outside = run["outside"].as_u64().unwrap();
    assert!(outside > 0 && outside < 64, "the dark pixels stay inside: {outside}");
    let arguments =
        ["prove", s(model()), "--input", s(&large), "-o", s(&proof), "--inner", "--public-input", "--allow-clamping"];
    let proven = json(0, arguments);
    for field in ["outside", "clamped", "output_data"] {
        assert_eq!(run[field], proven[field], "{field}");
    }
    let verified = json(0, ["verify", s(&proof), "--model", s(model()), "--input", s(&large)]);
    assert_eq!(verified["clamps"], proven["clamps"]);
    assert_eq!(
        verified["clamps"] == value!(0),
        run["clamped"] == value!([]),
        "the proof's number is what the execution says"
    );
    let text = std::fs::read_to_string(&proof).unwrap();
    let count = proven["clamps"].as_u64().unwrap();
    std::fs::write(&proof, text.replace(&format!("\"clamps\": {count}"), &format!("\"clamps\": {}", count + 1)))
        .unwrap();
    fails(1, ["verify", s(&proof), "--model", s(model())]);
    let output = assay(["run", s(model()), "--input", s(&large), "--allow-clamping"]);
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(said.contains(&format!("made for: {outside};")), "{said}");
    assert_eq!(said.contains("cells that were clamped"), run["clamped"] != value!([]), "{said}");
}

/// An output that was cut off is counted, also where its layer shares a table that is flat there.
#[test]
fn outputs_that_are_cut_off_are_counted() {
    let dir = tempfile::tempdir().unwrap();
    let input = dir.path().join("stripes.json");
    let pixels: Vec<f64> = (0..64).map(|i| 1000.0 * f64::from(i % 2)).collect();
    std::fs::write(&input, value!({ "input_data": [pixels] }).to_string()).unwrap();
    let run = json(0, ["run", s(model()), "--input", s(&input), "--allow-clamping"]);
    let outputs: Vec<f64> = run["output_data"][0].as_array().unwrap().iter().map(|v| v.as_f64().unwrap()).collect();
    let least = outputs.iter().copied().fold(f64::MAX, f64::min);
    let cut_off = outputs.iter().filter(|v| **v == least).count();
    assert!(cut_off > 1, "two outputs at the smallest number: {outputs:?}");
    let shown = json(0, ["inspect", s(model())]);
    let last = &shown["layers"].as_array().unwrap().last().unwrap()["name"];
    let counted = run["clamped"]
        .as_array()
        .unwrap()
        .iter()
        .find(|of| of["layer"] == *last)
        .map(|of| of["cells"].as_u64().unwrap());
    assert!(counted >= Some(cut_off as u64), "{run}");
}

/// The range that a key publishes is the calibrated one, and as much wider as the seller chose.
#[test]
fn ranges_are_published_with_headroom() {
    let dir = tempfile::tempdir().unwrap();
    let wide = dir.path().join("wide.assay");
    let (onnx, inputs) = (fixture("digits_mlp.onnx"), fixture("digits_calibration.json"));
    let arguments =
        ["compile", s(&onnx), "--calibrate", s(&inputs), "-o", s(&wide), "--headroom", "1", "--check", s(&inputs)];
    let made = json(0, arguments);
    assert_eq!(made["check"]["outside"], 0, "held-back samples are reported on: {made}");
    let width = |package: &Path| {
        let range = json(0, ["inspect", s(package)])["inputs"][0]["range"].clone();
        range[1].as_f64().unwrap() - range[0].as_f64().unwrap()
    };
    let (narrow, wide) = (width(model()), width(&wide));
    assert!((1.9..2.1).contains(&(wide / narrow)), "{narrow} {wide}");
    let narrow = dir.path().join("narrow.assay");
    compile("digits_mlp.onnx", &narrow);
    let text = String::from_utf8(assay(["inspect", s(&narrow)]).stdout).unwrap();
    assert!(text.contains("requantise") && text.contains("from 0 to"), "{text}");
}
