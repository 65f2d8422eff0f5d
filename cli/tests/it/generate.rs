//! Text of several tokens in one proof.

use crate::tool::{copy, fails, json, s};
use serde_json::{Value, json as value};
use std::path::{Path, PathBuf};

fn network(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../fixtures/networks/gpt_greedy").join(name)
}

/// A prompt of five tokens is continued by seven, which one proof shows; a changed token, another prompt and a text that is too long are refused.
#[test]
fn one_proof_shows_all_tokens_of_an_answer() {
    let dir = tempfile::tempdir().unwrap();
    let file = |name: &str| dir.path().join(name);
    let (package, key, prompt, proof) = (file("gpt.assay"), file("gpt.key"), file("prompt.json"), file("proof.json"));
    json(0, ["compile", s(&network("network.onnx")), "--calibrate", s(&network("calibration.json")), "-o", s(&package)]);
    std::fs::write(&prompt, "[1, 7, 3, 12, 4]").unwrap();
    let prove = ["prove", s(&package), "--input", s(&prompt), "--public-input", "-o", s(&proof), "--generate"];
    let made = json(0, [&prove[..], &["7"]].concat());
    let text = file("proof.tokens.json");
    let written: Value = serde_json::from_slice(&std::fs::read(&text).unwrap()).unwrap();
    assert_eq!((&written, &written["prompt"], &written["answer"]), (&made["text"], &value!(5), &value!(7)));
    let tokens = written["input_data"][0].as_array().unwrap().clone();
    assert_eq!((&tokens[..5], tokens.len()), (&value!([1.0, 7.0, 3.0, 12.0, 4.0]).as_array().unwrap()[..], 16));

    // token by token: each is the output of a run on what is before it
    for at in 5..12 {
        let mut before = tokens.clone();
        before[at..].fill(value!(0.0));
        std::fs::write(file("before.json"), value!({ "input_data": [before] }).to_string()).unwrap();
        let run = json(0, ["run", s(&package), "--input", s(&file("before.json"))]);
        assert_eq!(run["output_data"][0][at - 1], tokens[at], "token {at}: {run}");
    }

    json(0, ["setup", s(&package)]);
    let verify =
        |input: &Path, prompt: &str, code| json(code, ["verify", s(&proof), "--model", s(&key), "--input", s(input), "--prompt", prompt]);
    assert!(verify(&text, "5", 0)["tokens_shown"].as_u64().unwrap() >= 7);
    let mut changed = tokens.clone();
    changed[6] = value!((changed[6].as_f64().unwrap() + 1.0) % 24.0);
    std::fs::write(file("changed.json"), value!({ "input_data": [changed] }).to_string()).unwrap();
    verify(&file("changed.json"), "5", 1);
    // the prompt itself is not the model's
    let not_its_own = tokens[2] != made["output_data"][0][1];
    assert!(not_its_own, "{made}");
    verify(&text, "2", 1);
    fails(3, [&prove[..], &["12"]].concat());
    fails(2, [&prove[..], &["3", "--batch", "2"]].concat());
}

/// A model that gives something else than a token for each position is told so.
#[test]
fn only_models_that_give_tokens_generate() {
    let dir = tempfile::tempdir().unwrap();
    let (prompt, proof) = (dir.path().join("prompt.json"), dir.path().join("proof.json"));
    std::fs::write(&prompt, "[1, 2]").unwrap();
    let package = copy(dir.path());
    let refused = fails(3, ["prove", s(&package), "--input", s(&prompt), "-o", s(&proof), "--generate", "1"]);
    assert!(refused.contains("argmax"), "{refused}");
}
