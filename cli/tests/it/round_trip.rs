//! Compile, set up, prove, verify; and everything that must not verify.

use crate::tool::{assay, compile, copy, fails, fixture, json, model, s};
use serde_json::{Value, json as value};
use std::path::Path;

fn prove(package: &Path, proof: &Path, more: &[&str]) -> Value {
    let input = fixture("digit_7.json");
    let arguments = [&["prove", s(package), "--input", s(&input), "-o", s(proof)], more].concat();
    json(0, arguments)
}

fn winner(scores: &Value) -> usize {
    let scores: Vec<f64> = scores.as_array().unwrap().iter().map(|v| v.as_f64().unwrap()).collect();
    (0..scores.len()).max_by(|a, b| scores[*a].total_cmp(&scores[*b])).unwrap()
}

/// Changes a proof file and demands that it does not verify.
fn refused(proof: &Path, key: &Path, what: &str, change: impl FnOnce(&mut Value)) {
    let mut file: Value = serde_json::from_slice(&std::fs::read(proof).unwrap()).unwrap();
    change(&mut file);
    let changed = proof.with_extension("changed");
    std::fs::write(&changed, file.to_string()).unwrap();
    let answer = json(1, ["verify", s(&changed), "--model", s(key)]);
    assert!(answer["error"].as_str().unwrap().contains("does not hold"), "{what}: {answer}");
}

/// Flips the lowest bit of the byte at `at` of a hex string.
fn flip(hex: &mut Value, at: usize) {
    let mut text: Vec<u8> = hex.as_str().unwrap().bytes().collect();
    let digit = &mut text[2 * at + 3];
    *digit = if *digit == b'0' { b'1' } else { b'0' };
    *hex = value!(String::from_utf8(text).unwrap());
}

#[test]
fn wrapped_proofs_hold_and_bind_everything() {
    hold_and_bind("universal", &model().with_extension("key"), &[&model().with_extension("key"), model()]);
}

#[test]
fn proofs_wrapped_in_groth16_hold_and_bind_everything() {
    let dir = tempfile::tempdir().unwrap();
    let package = copy(dir.path());
    let arguments = ["setup", "--wrap", "groth16", "--dev", s(&package)];
    let made = json(0, arguments);
    let (pk, key) = (package.with_extension("groth16.pk"), package.with_extension("groth16.key"));
    assert_eq!((&made["proving_key"], &made["key"]), (&value!(pk), &value!(key)));
    assert_eq!((&made["wrap"], &made["development"]), (&value!("groth16"), &value!(true)));
    assert!(made["constraints"].as_u64().unwrap() > 1000 && made.get("rows").is_none(), "{made}");
    let said = assay(arguments);
    assert!(String::from_utf8_lossy(&said.stderr).contains("its maker can forge proofs"));
    hold_and_bind("groth16", &key, &[&key]);

    let shown = json(0, ["inspect", s(&key)]);
    assert_eq!((&shown["wrap"], &shown["wrap_constraints"]), (&value!("groth16"), &made["constraints"]));
    let checked = json(0, ["verify-key", s(&key)]);
    assert_eq!((&checked["wrap"], &checked["wrap_recomputed"]), (&value!("groth16"), &value!(false)));
    let text = String::from_utf8(assay(["verify-key", s(&key)]).stdout).unwrap();
    assert!(text.contains("only a ceremony could show"), "{text}");
    // both wraps' keys lie beside each other, and neither verifies the other's proofs
    let (one, other) = (dir.path().join("universal.json"), dir.path().join("groth16.json"));
    let (first, second) = (prove(&package, &one, &[]), prove(&package, &other, &["--pk", s(&pk)]));
    assert_ne!(first["key_hash"], second["key_hash"]);
    let universal = package.with_extension("key");
    for (proof, key, wrong) in [(&one, &universal, &key), (&other, &key, &universal)] {
        json(0, ["verify", s(proof), "--model", s(key)]);
        refused(proof, wrong, "under the other wrap's key", |_| ());
        let hash = json(0, ["inspect", s(wrong)])["key"]["hash"].clone();
        refused(proof, wrong, "said to be of the other wrap", |f| f["key_hash"] = hash);
    }
    // mixed up, a proving key and a buyer's key do not go together
    std::fs::copy(&pk, package.with_extension("pk")).unwrap();
    let mixed = fails(3, ["prove", s(&package), "--input", s(&fixture("digit_7.json")), "-o", s(&one)]);
    assert!(mixed.contains("do not belong together"), "{mixed}");
}

/// Proves with a wrap, and verifies by each of these models; nothing that is changed verifies under the key.
fn hold_and_bind(wrap: &str, key: &Path, by: &[&Path]) {
    let dir = tempfile::tempdir().unwrap();
    let proof = dir.path().join("proof.json");
    let package = key.with_file_name("digits.assay");
    let made = prove(&package, &proof, &["--wrap", wrap, "--context", "an order"]);
    assert_eq!(made["kind"], "wrapped");
    assert!(
        made["seconds"]["prove.opening"].as_f64().unwrap() > 0.0 && made["seconds"]["total"].as_f64().unwrap() > 0.0
    );
    assert_eq!(winner(&made["output_data"][0]), 7);
    let run = json(0, ["run", s(&package), "--input", s(&fixture("digit_7.json"))]);
    assert_eq!(run["output_data"], made["output_data"], "the proof attests the executor's output");

    for by in by {
        let checked = json(0, ["verify", s(&proof), "--model", s(by), "--context", "an order"]);
        assert_eq!(checked["valid"], true);
        assert_eq!(checked["development"], true);
        assert_eq!(checked["wrap_recomputed"], wrap == "universal");
        let text = String::from_utf8(assay(["verify", s(&proof), "--model", s(by)]).stdout).unwrap();
        let whose = if wrap == "universal" {
            "key     recomputed from the model's description"
        } else {
            "the groth16 key is its maker's word"
        };
        assert!(text.contains(whose), "{text}");
        assert_eq!(checked["output_data"], made["output_data"]);
    }
    let other = json(1, ["verify", s(&proof), "--model", s(key), "--context", "another order"]);
    assert!(other["error"].as_str().unwrap().contains("another context"));
    // a private input: nobody can check which one it was
    json(1, ["verify", s(&proof), "--model", s(key), "--input", s(&fixture("digit_7.json"))]);

    let bytes = made["proof_bytes"].as_u64().unwrap() as usize;
    for at in [31, 287, 319, bytes / 2, bytes - 1] {
        refused(&proof, key, &format!("byte {at} of the proof"), |f| flip(&mut f["proof"], at));
    }
    refused(&proof, key, "a truncated proof", |f| {
        f["proof"] = value!(f["proof"].as_str().unwrap()[..2 * bytes - 62].to_owned())
    });
    refused(&proof, key, "an empty proof", |f| f["proof"] = value!("0x"));
    refused(&proof, key, "the context", |f| flip(&mut f["context"], 31));
    refused(&proof, key, "the input", |f| flip(&mut f["input_commitments"][0], 63));
    refused(&proof, key, "no input", |f| f["input_commitments"] = value!([]));
    refused(&proof, key, "an output", |f| f["output"][7] = value!(f["output"][7].as_i64().unwrap() ^ 1));
    refused(&proof, key, "one output less", |f| drop(f["output"].as_array_mut().unwrap().pop()));
    refused(&proof, key, "the output in real units", |f| f["output_data"][0][0] = value!(1e6));
    refused(&proof, key, "the model", |f| flip(&mut f["model_commitment"], 0));
    refused(&proof, key, "the key", |f| flip(&mut f["key_hash"], 0));
    refused(&proof, key, "the kind", |f| f["kind"] = value!("inner"));
}

#[test]
fn inner_proofs_need_no_keys_and_say_what_they_are() {
    let dir = tempfile::tempdir().unwrap();
    let package = dir.path().join("cnn.assay");
    let report = compile("digits_cnn.onnx", &package);
    assert!(report["report"]["accuracy"]["top1_agreement"].as_f64().unwrap() > 0.98);
    let (proof, input) = (dir.path().join("proof.json"), fixture("digit_7.json"));
    let missing = fails(4, ["prove", s(&package), "--input", s(&input), "-o", s(&proof), "--wrap", "groth16"]);
    assert!(missing.contains("assay setup"), "{missing}");
    let output = assay(["prove", s(&package), "--input", s(&input), "-o", s(&proof), "--inner", "--public-input"]);
    let text = String::from_utf8_lossy(&output.stderr);
    assert!(
        output.status.success() && text.contains("not zero-knowledge") && text.contains("development SRS"),
        "{text}"
    );
    let checked = json(0, ["verify", s(&proof), "--model", s(&package), "--input", s(&input)]);
    assert_eq!(checked["wrap_recomputed"], Value::Null, "an inner proof has no wrap");
    let context = fails(1, ["verify", s(&proof), "--model", s(&package), "--context", "other"]);
    assert!(context.contains("another context"), "{context}");
    let other = fails(1, ["verify", s(&proof), "--model", s(&model().with_extension("key"))]);
    assert!(other.contains("another model"), "{other}");
    refused(&proof, &package, "a byte of the proof", |f| flip(&mut f["proof"], 200));
    let objective = dir.path().join("latency.assay");
    let (onnx, inputs) = (fixture("digits_mlp.onnx"), fixture("digits_calibration.json"));
    let arguments = ["compile", s(&onnx), "--calibrate", s(&inputs), "--optimize", "latency", "-o", s(&objective)];
    let made = json(0, arguments);
    assert_eq!((&made["log_chunk"], &made["report"]["cost"]["log_chunk"]), (&value!(13), &value!(13)));
    let chunks: u64 = made["chunks"].as_object().unwrap().values().map(|n| n.as_u64().unwrap()).sum();
    assert_eq!(made["report"]["cost"]["chunks"], chunks, "the gas is predicted for the chunks that were chosen");
}

#[test]
fn keys_are_recomputed_and_belong_to_one_model() {
    let key = model().with_extension("key");
    let checked = json(0, ["verify-key", s(&key)]);
    assert_eq!(checked["ok"], true);
    assert_eq!((&checked["wrap"], &checked["wrap_recomputed"]), (&value!("universal"), &value!(true)));
    let text = String::from_utf8(assay(["verify-key", s(&key)]).stdout).unwrap();
    assert!(text.contains("nothing in it is anybody's word"), "{text}");
    let shown = json(0, ["inspect", s(model())]);
    assert_eq!(shown["wrap"], "universal");
    assert!(shown["wrap_rows"].as_u64().unwrap() > 1000 && shown.get("wrap_constraints").is_none(), "{shown}");
    assert_eq!(shown["key"]["hash"], checked["key_hash"]);
    assert_eq!(shown["model_commitment"], checked["model_commitment"]);
    assert_eq!(json(0, ["inspect", s(&key)])["shape_digest"], checked["shape_digest"]);
    assert_eq!(shown["key"]["recomputed"], false, "what a file says is only shown");
    assert_eq!(shown["soundness_bits"], 100);
    assert!(shown["soundness_bits_of_challenges"].as_f64().unwrap() > 140.0, "{shown}");
    let names: Vec<&str> =
        shown["soundness"].as_array().unwrap().iter().map(|term| term["name"].as_str().unwrap()).collect();
    assert!(names.contains(&"public data, χ") && names.contains(&"gates' quotient, y"), "{names:?}");
    let text = String::from_utf8(assay(["inspect", s(model())]).stdout).unwrap();
    assert!(names.iter().all(|name| text.contains(name)), "{text}");

    // the same network compiled again has other blinding: another commitment, and the first one's key is not its key
    let dir = tempfile::tempdir().unwrap();
    let package = copy(dir.path());
    compile("digits_mlp.onnx", &package);
    // compiling writes the new key; somebody has the old one still
    std::fs::copy(&key, package.with_extension("key")).unwrap();
    let input = fixture("digit_7.json");
    let text = fails(3, ["prove", s(&package), "--input", s(&input), "-o", s(&dir.path().join("proof.json"))]);
    assert!(text.contains("another model"), "{text}");
    fails(3, ["serve", "--free", "--models", s(&package), "--data", s(&dir.path().join("data"))]);
}

#[test]
fn srs_files() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("dev.srs");
    let made = json(0, ["srs", "dev", "--log", "8", "-o", s(&file)]);
    assert_eq!(made["development"], true);
    let shown = json(0, ["srs", "show", s(&file)]);
    assert_eq!((&shown["srs_id"], &shown["log"]), (&made["srs_id"], &value!(8)));
    let bytes = std::fs::read(&file).unwrap();
    std::fs::write(&file, &bytes[..bytes.len() - 5]).unwrap();
    fails(3, ["srs", "show", s(&file)]);
    fails(3, ["srs", "import", s(&file), "-o", s(&dir.path().join("x"))]);
    fails(4, ["srs", "import", s(&dir.path().join("none.ptau")), "-o", s(&dir.path().join("x"))]);
    // too few powers for the model
    std::fs::write(&file, &bytes).unwrap();
    let text = fails(3, ["verify-key", s(&model().with_extension("key")), "--srs", s(&file)]);
    assert!(text.contains("powers"), "{text}");
}

/// The same network over other commitments: answers stay, proofs and keys of the two packages do not mix.
#[test]
fn recommitting_keeps_the_network_and_changes_the_commitment() {
    let dir = tempfile::tempdir().unwrap();
    let package = copy(dir.path());
    let new = dir.path().join("new.assay");
    let before = json(0, ["inspect", s(&package)]);
    let made = json(0, ["recommit", s(&package), "--log-chunk", "15", "-o", s(&new)]);
    assert_eq!((&made["log_chunk"], &made["chunks"]["weights"]), (&value!(15), &value!(1)), "{made}");
    assert_ne!(made["model_commitment"], before["model_commitment"]);
    let again =
        json(0, ["recommit", s(&package), "--log-chunk", "15", "--no-key", "-o", s(&dir.path().join("again.assay"))]);
    assert_ne!(again["model_commitment"], made["model_commitment"], "the blinding is fresh");
    assert_eq!(again["key"], Value::Null);

    let input = fixture("digit_7.json");
    let run = |package: &Path| json(0, ["run", s(package), "--input", s(&input)])["output_data"].clone();
    assert_eq!(run(&package), run(&new));
    let proof = dir.path().join("proof.json");
    prove(&new, &proof, &[]);
    let key = new.with_extension("key");
    json(0, ["verify", s(&proof), "--model", s(&key)]);
    json(1, ["verify", s(&proof), "--model", s(&package.with_extension("key"))]);

    assert!(fails(2, ["recommit", s(&package), "-o", s(&package)]).contains("choose another name"));
    assert!(fails(2, ["recommit", s(&package), "--log-chunk", "24", "-o", s(&new)]).contains("at most 2^23 powers"));
}
