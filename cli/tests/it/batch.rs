//! Several inferences in one proof: keys of their own names, inputs, what must not verify.

use crate::tool::{assay, copy, fails, fixture, json, model, s};
use assay_api::chain::abi::KeyRegistry;
use assay_api::chain::dev::{DEV_KEYS, DevChain, DevChainError};
use serde_json::{Value, json as value};
use std::path::{Path, PathBuf};

/// The calibration samples from `first` to before `end`, in a file.
fn inputs(dir: &Path, first: usize, end: usize) -> PathBuf {
    let all: Value = serde_json::from_slice(&std::fs::read(fixture("digits_calibration.json")).unwrap()).unwrap();
    let rows = &all["input_data"].as_array().unwrap()[first..end];
    let path = dir.join(format!("inputs_{first}_{end}.json"));
    std::fs::write(&path, value!({ "input_data": rows }).to_string()).unwrap();
    path
}

/// A copy of the model with the keys of a batch beside it. Returns the package.
fn with_batch(dir: &Path, more: &[&str]) -> (PathBuf, Value) {
    let package = copy(dir);
    let made = json(0, [&["setup", s(&package), "--batch"], more].concat());
    (package, made)
}

/// Changes a proof file and demands that it does not verify.
fn refused(proof: &Path, key: &Path, what: &str, change: impl FnOnce(&mut Value)) -> String {
    let mut file: Value = serde_json::from_slice(&std::fs::read(proof).unwrap()).unwrap();
    change(&mut file);
    let changed = proof.with_extension("changed");
    std::fs::write(&changed, file.to_string()).unwrap();
    let text = fails(1, ["verify", s(&changed), "--model", s(key)]);
    assert!(text.contains("does not hold"), "{what}: {text}");
    text
}

#[test]
fn a_joint_batch_round_trip() {
    let dir = tempfile::tempdir().unwrap();
    let (package, made) = with_batch(dir.path(), &["4"]);
    let (pk, key) = (package.with_extension("x4.pk"), package.with_extension("x4.key"));
    assert_eq!((&made["proving_key"], &made["key"]), (&value!(pk), &value!(key)));
    assert_eq!((&made["inferences"], &made["separate_inputs"]), (&value!(4), &value!(false)));
    let (three, five) = (inputs(dir.path(), 0, 3), inputs(dir.path(), 0, 5));
    let proof = dir.path().join("proof.json");

    // one inference under its own key, as before; several are refused
    let several = fails(3, ["prove", s(&package), "--input", s(&three), "-o", s(&proof)]);
    assert!(several.contains("3 inputs and one is needed") && several.contains("--batch"), "{several}");
    let too_many = fails(3, ["prove", s(&package), "--input", s(&five), "-o", s(&proof), "--batch", "4"]);
    assert!(too_many.contains("5 inputs") && too_many.contains("4 inferences"), "{too_many}");
    let groth16 = ["--batch", "4", "--separate", "--wrap", "groth16"];
    let missing = fails(4, [&["prove", s(&package), "--input", s(&three), "-o", s(&proof)], &groth16[..]].concat());
    assert!(missing.contains("digits.x4s.groth16.pk") && missing.contains("assay setup"), "{missing}");
    assert!(!proof.exists());

    let output = assay(["prove", s(&package), "--input", s(&three), "-o", s(&proof), "--batch", "4", "--public-input"]);
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(
        output.status.success() && said.contains("3 inputs for 4 inferences") && said.contains("the last one"),
        "{said}"
    );
    let run = json(0, ["run", s(&package), "--input", s(&three)]);
    let checked = json(0, ["verify", s(&proof), "--model", s(&key), "--input", s(&three)]);
    assert_eq!((&checked["valid"], &checked["inferences"]), (&value!(true), &value!(4)));
    let outputs = checked["output_data"].as_array().unwrap();
    assert_eq!(&outputs[..3], run["output_data"].as_array().unwrap(), "the proof attests the executor's outputs");
    assert_eq!(outputs[3], outputs[2]);
    let text = String::from_utf8(assay(["verify", s(&proof), "--model", s(&key)]).stdout).unwrap();
    assert!(text.contains("4 inferences of one buyer") && text.contains("output  3 ["), "{text}");
    // the same inputs one by one, and others
    let ones: Vec<PathBuf> = (0..3).map(|i| inputs(dir.path(), i, i + 1)).collect();
    json(
        0,
        [
            "verify",
            s(&proof),
            "--model",
            s(&key),
            "--input",
            s(&ones[0]),
            "--input",
            s(&ones[1]),
            "--input",
            s(&ones[2]),
        ],
    );
    json(1, ["verify", s(&proof), "--model", s(&key), "--input", s(&ones[0])]);
    json(3, ["verify", s(&proof), "--model", s(&key), "--input", s(&five)]);

    for single in [&package, &package.with_extension("key")] {
        let text = fails(1, ["verify", s(&proof), "--model", s(single)]);
        assert!(text.contains("4 inferences") && text.contains("the key is for one inference"), "{text}");
    }
    let cells = 10; // of one output
    refused(&proof, &key, "an output", |f| f["output"][cells] = value!(f["output"][cells].as_i64().unwrap() ^ 1));
    refused(&proof, &key, "outputs of other inferences", |f| {
        f["output"].as_array_mut().unwrap().rotate_left(cells);
        f["output_data"].as_array_mut().unwrap().rotate_left(1);
    });
    refused(&proof, &key, "one inference less", |f| {
        f["output"].as_array_mut().unwrap().truncate(3 * cells);
        f["output_data"].as_array_mut().unwrap().pop();
    });
    refused(&proof, &key, "outputs in real units", |f| drop(f["output_data"].as_array_mut().unwrap().pop()));
    for batch in [value!(1), value!(2), value!(3), value!(0), value!(1u64 << 40)] {
        refused(&proof, &key, "the number of inferences", |f| f["inferences"] = batch);
    }
    let single =
        refused(&proof, &package.with_extension("key"), "said to be of one inference", |f| f["inferences"] = value!(1));
    assert!(single.contains("another key"), "{single}");

    let shown = json(0, ["inspect", s(&key)]);
    assert_eq!((&shown["inferences"], &shown["separate_inputs"]), (&value!(4), &value!(false)));
    assert_eq!(shown["key"]["hash"], made["key_hash"]);
    assert_eq!(shown["shape_digest"], json(0, ["inspect", s(&package)])["shape_digest"], "what is registered on chain");
    let recomputed = json(0, ["verify-key", s(&key)]);
    assert_eq!((&recomputed["key_hash"], &recomputed["inferences"]), (&made["key_hash"], &value!(4)));

    // inferences are sold one at a time
    let input = fixture("digit_7.json");
    let bought =
        fails(3, ["request", "--service", "http://127.0.0.1:1", "--key", s(&key), "--input", s(&input), "--free"]);
    assert!(bought.contains("one at a time"), "{bought}");
    std::fs::rename(&pk, package.with_extension("pk")).unwrap();
    std::fs::rename(&key, package.with_extension("key")).unwrap();
    let served = fails(3, ["serve", "--free", "--models", s(&package), "--data", s(&dir.path().join("data"))]);
    assert!(served.contains("one at a time"), "{served}");
}

#[test]
fn a_separate_batch_round_trip() {
    let dir = tempfile::tempdir().unwrap();
    let (package, made) = with_batch(dir.path(), &["2", "--separate"]);
    let (pk, key) = (package.with_extension("x2s.pk"), package.with_extension("x2s.key"));
    assert_eq!((&made["key"], &made["separate_inputs"]), (&value!(key), &value!(true)));
    let (one, two, both) = (inputs(dir.path(), 0, 1), inputs(dir.path(), 1, 2), inputs(dir.path(), 0, 2));
    let proof = dir.path().join("proof.json");
    let arguments = [
        "prove",
        s(&package),
        "--input",
        s(&one),
        "--input",
        s(&two),
        "-o",
        s(&proof),
        "--pk",
        s(&pk),
        "--public-input",
    ];
    let proven = json(0, arguments);
    assert_eq!((&proven["inferences"], &proven["inputs"]), (&value!(2), &value!(2)));
    assert_eq!(proven["output_data"], json(0, ["run", s(&package), "--input", s(&both)])["output_data"]);
    json(0, ["verify", s(&proof), "--model", s(&key), "--input", s(&both)]);
    json(0, ["verify", s(&proof), "--model", s(&key), "--input", s(&one)]);
    json(1, ["verify", s(&proof), "--model", s(&key), "--input", s(&two)]);
    // the input of an inference is committed to as it would be alone
    let alone = dir.path().join("alone.json");
    let single = json(0, ["prove", s(&package), "--input", s(&one), "-o", s(&alone), "--inner", "--public-input"]);
    let parts = proven["input_commitments"].as_array().unwrap();
    assert_eq!(&parts[..parts.len() / 2], single["input_commitments"].as_array().unwrap());

    refused(&proof, &key, "inputs of other inferences", |f| {
        f["input_commitments"].as_array_mut().unwrap().rotate_left(parts.len() / 2);
    });
    let joint = refused(&proof, &key, "said to be joint", |f| f["separate_inputs"] = value!(false));
    assert!(joint.contains("2 inferences of one buyer") && joint.contains("separate inputs"), "{joint}");
    // a key for this batch, with the single proving key under its name
    std::fs::copy(package.with_extension("pk"), &pk).unwrap();
    let mixed = fails(3, ["prove", s(&package), "--input", s(&both), "-o", s(&proof), "--pk", s(&pk)]);
    assert!(mixed.contains("another shape"), "{mixed}");
}

#[test]
fn inner_proofs_of_batches_need_no_keys() {
    let dir = tempfile::tempdir().unwrap();
    let (both, proof) = (inputs(dir.path(), 4, 6), dir.path().join("proof.json"));
    for more in [&["--batch", "2"][..], &["--batch", "2", "--separate"], &["--batch", "8"]] {
        let arguments = ["prove", s(model()), "--input", s(&both), "-o", s(&proof), "--inner", "--public-input"];
        let proven = json(0, [&arguments, more].concat());
        for by in [model(), &model().with_extension("key")] {
            let checked = json(0, ["verify", s(&proof), "--model", s(by), "--input", s(&both)]);
            assert_eq!(
                (&checked["inferences"], &checked["separate_inputs"]),
                (&proven["inferences"], &proven["separate_inputs"])
            );
        }
        refused(&proof, model(), "the number of inferences", |f| f["inferences"] = value!(4));
        refused(&proof, model(), "whether inputs are separate", |f| {
            f["separate_inputs"] = value!(!f["separate_inputs"].as_bool().unwrap());
        });
    }
}

#[test]
fn batches_that_are_none() {
    for size in ["0", "1", "3", "100", "8192", "many"] {
        let text = fails(2, ["setup", "model.assay", "--batch", size]);
        assert!(text.contains("a power of two from 2 to 4096"), "{text}");
    }
    fails(2, ["setup", "model.assay", "--separate"]);
    fails(2, ["prove", "model.assay", "--input", "x", "-o", "y", "--batch", "2", "--pk", "model.pk"]);
    fails(2, ["prove", "model.assay", "--input", "x", "-o", "y", "--wrap", "groth16", "--pk", "model.pk"]);
}

/// Keys of several batches and of both wraps for one model on chain, which is listed once; and an order that is
/// revoked.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn keys_of_batches_are_proposed_on_chain() {
    let anvil = match DevChain::start(&Path::new(env!("CARGO_MANIFEST_DIR")).join("..")).await {
        Err(e @ DevChainError::NotFound) => return println!("SKIPPED: {e}"),
        other => other.unwrap(),
    };
    let chain = ["--rpc", anvil.url(), "--private-key", DEV_KEYS[0]];
    let dir = tempfile::tempdir().unwrap();
    let (package, made) = with_batch(dir.path(), &["2", "--separate", "--wrap", "groth16", "--dev"]);
    let at = json(0, [&["deploy", "--allow-development"], &chain[..]].concat());
    let market = at["market"].as_str().unwrap();
    let key = PathBuf::from(made["key"].as_str().unwrap());
    let publish = [&["publish", s(&package), "--market", market], &chain[..]].concat();
    let single = json(0, &publish);
    let batch = json(0, [&publish[..], &["--key", s(&key)]].concat());
    assert_eq!((&single["wrap"], &batch["wrap"]), (&value!("universal"), &value!("groth16")), "keys of both wraps");
    assert_eq!((&batch["key_hash"], &batch["key_status"]), (&made["key_hash"], &value!("admitted")));
    assert_eq!(
        (&batch["inferences"], &batch["separate_inputs"], &batch["gas"]),
        (&value!(2), &value!(true), &Value::Null)
    );
    assert_eq!(batch["model"], single["model"], "one model, whatever the batch");
    let registered = KeyRegistry::keyCall { keyHash: made["key_hash"].as_str().unwrap().parse().unwrap() };
    let record = anvil.rpc().unwrap().call(at["keys"].as_str().unwrap().parse().unwrap(), &registered).await.unwrap();
    let shape = json(0, ["inspect", s(&key)])["shape_digest"].as_str().unwrap().parse().unwrap();
    assert_eq!((record.batch, record.shapeDigest), (257, shape));

    // the treasury never proves, and a collateral has a floor
    let serve = ["serve", "--models", s(&package), "--rpc", anvil.url(), "--market", market, "--private-key"];
    let treasury = fails(2, [&serve[..], &[DEV_KEYS[0]]].concat());
    assert!(treasury.contains("treasury"), "{treasury}");
    let low = fails(2, [&serve[..], &[DEV_KEYS[1], "--price", "1000", "--collateral", "99"]].concat());
    assert!(low.contains("at least 100"), "{low}");

    let word = format!("0x{}", "00".repeat(32));
    let order = value!({
        "buyer": anvil.accounts()[0].address(), "model_id": single["model"], "model_commitment": word, "input_commitment": word,
        "key_hash": word, "verifier": at["verifier"], "token": at["market"], "max_price": "1", "fee_split_hash": word, "prove_secs": 1,
        "expire_secs": 2, "collateral": "0", "prover": at["market"], "salt": word,
    });
    let file = dir.path().join("order.json");
    std::fs::write(&file, value!({ "order": order }).to_string()).unwrap();
    let revoke =
        |key| [&["revoke", s(&file), "--market", market, "--rpc", anvil.url(), "--private-key"], &[key][..]].concat();
    let other = fails(1, revoke(DEV_KEYS[1]));
    assert!(other.contains("only its buyer"), "{other}");
    let done = json(0, revoke(DEV_KEYS[0]));
    assert!(done["gas"].as_u64().unwrap() > 21_000, "{done}");
    let again = fails(1, revoke(DEV_KEYS[0]));
    assert!(again.contains("WrongState"), "{again}");
    std::fs::write(&file, "{}").unwrap();
    fails(3, revoke(DEV_KEYS[0]));
}
