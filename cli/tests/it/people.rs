//! What saves people work: no `setup`, inputs as they have them, labels, a drawing of the network, pages that errors
//! point to.

use crate::tool::{assay, compile, fails, fixture, json, s};
use image::{GrayImage, Luma};
use serde_json::{Value, json as value};
use std::path::{Path, PathBuf};

fn seven() -> Vec<f64> {
    let file: Value = serde_json::from_slice(&std::fs::read(fixture("digit_7.json")).unwrap()).unwrap();
    file["input_data"][0].as_array().unwrap().iter().map(|pixel| pixel.as_f64().unwrap()).collect()
}

/// A compiled network of digits, with a card.
fn digits(dir: &Path) -> (PathBuf, Value) {
    let package = dir.join("digits.assay");
    let labels: Vec<String> = (0..10).map(|digit| format!("digit {digit}")).collect();
    let card = value!({ "labels": labels, "prepare": { "kind": "image", "width": 8, "height": 8, "channels": 1 } });
    std::fs::write(dir.join("digits.card.json"), card.to_string()).unwrap();
    let made = compile("digits_mlp.onnx", &package);
    (package, made)
}

#[test]
fn proving_needs_no_setup() {
    let dir = tempfile::tempdir().unwrap();
    let (package, made) = digits(dir.path());
    let (key, proof) = (package.with_extension("key"), dir.path().join("proof.json"));
    assert_eq!((&made["key"], &made["report_file"]), (&value!(key), &value!(package.with_extension("report.json"))));
    assert!(!package.with_extension("pk").exists());
    let input = fixture("digit_7.json");
    let proven = json(0, ["prove", s(&package), "--input", s(&input), "-o", s(&proof)]);
    assert_eq!(proven["labels"], value!(["digit 7"]));
    let verified = json(0, ["verify", s(&proof), "--model", s(&key)]);
    assert_eq!((&verified["valid"], &verified["wrap_recomputed"]), (&value!(true), &value!(true)));
    // `setup` makes the same key
    let set_up = json(0, ["setup", s(&package)]);
    assert_eq!(set_up["key_hash"], proven["key_hash"]);
    json(0, ["verify", s(&proof), "--model", s(&key)]);

    let plain = dir.path().join("plain.assay");
    let (onnx, samples) = (fixture("digits_mlp.onnx"), fixture("digits_calibration.json"));
    let alone = json(0, ["compile", s(&onnx), "--calibrate", s(&samples), "-o", s(&plain), "--no-key"]);
    assert!(alone["key"].is_null() && !plain.with_extension("key").exists());
}

#[test]
fn pictures_and_tables_are_inputs() {
    let dir = tempfile::tempdir().unwrap();
    let (package, _) = digits(dir.path());
    let (picture, table, input) = (dir.path().join("seven.png"), dir.path().join("seven.csv"), fixture("digit_7.json"));
    let pixels = seven();
    GrayImage::from_fn(8, 8, |x, y| Luma([(255.0 * pixels[(x + 8 * y) as usize]).round() as u8]))
        .save(&picture)
        .unwrap();
    std::fs::write(&table, pixels.iter().map(f64::to_string).collect::<Vec<_>>().join(",")).unwrap();
    let run = |input: &Path| json(0, ["run", s(&package), "--input", s(input)]);
    let expected = run(&input);
    assert_eq!(run(&table)["output_data"], expected["output_data"], "a table holds the same numbers");
    assert_eq!((&run(&picture)["labels"], &expected["labels"]), (&value!(["digit 7"]), &value!(["digit 7"])));
    let text = String::from_utf8(assay(["run", s(&package), "--input", s(&picture)]).stdout).unwrap();
    assert!(text.starts_with("{\"labels\":[\"digit 7\"],\"output_data\":"), "{text}");

    // without a card nobody knows how a picture becomes numbers
    std::fs::remove_file(dir.path().join("digits.card.json")).unwrap();
    let unsaid = fails(3, ["run", s(&package), "--input", s(&picture)]);
    assert!(unsaid.contains("MODEL.card.json") && unsaid.contains("docs/cli.md#inputs"), "{unsaid}");
    run(&table);
}

/// A folder of pictures calibrates as the list of their numbers does.
#[test]
fn a_folder_of_pictures_calibrates() {
    let dir = tempfile::tempdir().unwrap();
    let (package, _) = digits(dir.path());
    let samples: Value = serde_json::from_slice(&std::fs::read(fixture("digits_calibration.json")).unwrap()).unwrap();
    let pictures = dir.path().join("pictures");
    std::fs::create_dir(&pictures).unwrap();
    for (i, sample) in samples["input_data"].as_array().unwrap().iter().take(32).enumerate() {
        let level = |x: u32, y: u32| (255.0 * sample[(x + 8 * y) as usize].as_f64().unwrap()).round() as u8;
        GrayImage::from_fn(8, 8, |x, y| Luma([level(x, y)])).save(pictures.join(format!("{i:03}.png"))).unwrap();
    }
    let onnx = fixture("digits_mlp.onnx");
    let made = json(0, ["compile", s(&onnx), "--calibrate", s(&pictures), "-o", s(&package)]);
    assert_eq!(made["report"]["accuracy"]["samples"], 32);
    assert!(made["report"]["accuracy"]["top1_agreement"].as_f64().unwrap() > 0.95, "{made}");
}

#[test]
fn a_network_is_drawn_with_costs_and_errors() {
    let dir = tempfile::tempdir().unwrap();
    let (package, made) = digits(dir.path());
    let layers = made["report"]["layers"].as_u64().unwrap() as usize;
    let drawn = json(0, ["explain", s(&package)]);
    assert_eq!(drawn["layers"].as_array().unwrap().len(), layers);
    assert!(
        drawn["layers"]
            .as_array()
            .unwrap()
            .iter()
            .any(|layer| layer["added_error"].as_f64().is_some_and(|error| error > 0.0))
    );
    let svg = std::fs::read_to_string(package.with_extension("svg")).unwrap();
    assert!(
        svg.starts_with("<svg ")
            && svg.matches("class=\"box").count() == layers + 2
            && svg.contains("of which it adds"),
        "{svg}"
    );
    assert!(svg.contains(">Conv: ") || svg.contains(">Gemm: "), "operators are named: {svg}");
    // a buyer has no report, and sees the same network
    let key = dir.path().join("buyer.key");
    std::fs::copy(package.with_extension("key"), &key).unwrap();
    let seen = String::from_utf8(assay(["explain", s(&key), "-o", "-"]).stdout).unwrap();
    assert!(seen.matches("class=\"box").count() == layers + 2 && !seen.contains("of which it adds"));
    // another compilation's report is not this one's
    let (other, report) = (dir.path().join("other.assay"), package.with_extension("report.json"));
    compile("digits_cnn.onnx", &other);
    let refused = fails(3, ["explain", s(&other), "--report", s(&report)]);
    assert!(refused.contains("another compilation"), "{refused}");
}

#[test]
fn errors_name_a_page() {
    let failed = json(4, ["run", s(crate::tool::model()), "--input", "no-such-file.json"]);
    assert_eq!(failed["page"], "docs/cli.md#inputs");
    for (code, arguments, page) in [
        (4, &["verify", "no-such-proof.json", "--model", s(crate::tool::model())][..], "docs/cli.md#files"),
        (4, &["explain", s(crate::tool::model()), "--report", "no-such-report.json"], "docs/cli.md#files"),
        (
            3,
            &["verify", s(&fixture("digits_calibration.json")), "--model", s(crate::tool::model())],
            "docs/errors.md#a-proof-does-not-hold",
        ),
        (2, &["serve", "--models", s(crate::tool::model())], "docs/errors.md#a-service-does-not-start"),
        (3, &["resume", "0xabc"], "docs/cli.md#the-market"),
    ] {
        let failed = json(code, arguments.iter().copied());
        assert_eq!(failed["page"], page, "{arguments:?}: {failed}");
    }
    // the command line's own help says what is wrong with it
    let text = fails(2, ["prove"]);
    assert!(!text.contains("more:"), "{text}");
}
