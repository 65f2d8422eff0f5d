//! `assay init`: what it says comes next is run, word for word.

use crate::tool::{assay, command, fails, fixture, json, s};
use serde_json::Value;
use std::path::Path;
use std::process::Command;

fn next(object: &Value) -> Vec<String> {
    object["next"].as_array().unwrap().iter().map(|line| line.as_str().unwrap().to_owned()).collect()
}

/// Runs lines in a shell, in a folder, with the command's own settings.
fn shell(lines: &[String], dir: &Path) {
    let tools = Path::new(env!("CARGO_BIN_EXE_assay")).parent().unwrap().to_owned();
    let path =
        std::env::join_paths(std::iter::once(tools).chain(std::env::split_paths(&std::env::var_os("PATH").unwrap())))
            .unwrap();
    let mut sh = Command::new("sh");
    for (name, value) in command().get_envs() {
        match value {
            Some(value) => sh.env(name, value),
            None => sh.env_remove(name),
        };
    }
    let done = sh.arg("-ec").arg(lines.join("\n")).current_dir(dir).env("PATH", path).output().unwrap();
    assert!(done.status.success(), "{}\n{}", lines.join("\n"), String::from_utf8_lossy(&done.stderr));
}

/// A free service of the packages in a folder, as its models say what they are.
fn model_of_service(dir: &Path) -> Value {
    let mut server = command();
    server.args([
        "--json",
        "serve",
        "--free",
        "--models",
        s(dir),
        "--bind",
        "127.0.0.1:0",
        "--data",
        s(&dir.join("assay-data")),
    ]);
    let (_server, ready) = crate::tool::Running::start(server.stderr(std::process::Stdio::null()));
    let url = format!("{}/v1/models", ready["url"].as_str().unwrap());
    let answer = tokio::runtime::Runtime::new().unwrap().block_on(async {
        let client = assay_api::tls::client_builder().no_proxy().build().unwrap();
        client.get(url).send().await.unwrap().json::<Value>().await.unwrap()
    });
    answer["data"][0].clone()
}

#[test]
fn what_comes_next_works() {
    let dir = tempfile::tempdir().unwrap();
    let shop = dir.path().join("a shop");
    let made = json(0, ["init", s(&shop)]);
    let commands = next(&made);
    let (sell, before) = commands.split_last().unwrap();
    assert!(sell == "assay up digits.assay" && before[0].starts_with("cd '") && before.len() == 4, "{commands:?}");
    shell(before, dir.path());
    assert!(shop.join("digits.assay").is_file() && shop.join("proof.json").is_file());
    let ignored = std::fs::read_to_string(shop.join(".gitignore")).unwrap();
    for secret in ["*.onnx", "*.assay", "assay-up/", "assay-data/", ".env"] {
        assert!(ignored.lines().any(|line| line == secret), "{secret}");
    }
    let model = model_of_service(&shop);
    assert_eq!(
        (model["labels"].as_array().unwrap().len(), &model["prepare"]["width"]),
        (10, &Value::from(8)),
        "{model}"
    );
    assert!(model["description"].as_str().unwrap().contains("handwritten digits"));

    // what is there stays
    std::fs::write(shop.join("digits.card.json"), "{}").unwrap();
    let again = json(0, ["init", s(&shop)]);
    assert_eq!((&again["written"], again["kept"].as_array().unwrap().len()), (&serde_json::json!([]), 5));
    assert_eq!(std::fs::read_to_string(shop.join("digits.card.json")).unwrap(), "{}");
}

#[test]
fn a_card_has_the_models_shape() {
    let dir = tempfile::tempdir().unwrap();
    let network = fixture("digits_cnn.onnx");
    let commands = next(&json(0, ["init", s(dir.path()), "--model", s(&network)]));
    assert!(commands[1].contains("--calibrate SAMPLES"), "{commands:?}");
    let samples = fixture("digits_calibration.json");
    shell(&[commands[0].clone(), commands[1].replace("SAMPLES", s(&samples))], Path::new("/"));
    let card: Value = serde_json::from_slice(&std::fs::read(dir.path().join("digits_cnn.card.json")).unwrap()).unwrap();
    assert!(card["// price"].as_str().unwrap().contains("smallest unit"), "{card}");
    let model = model_of_service(dir.path());
    assert_eq!(
        (&model["labels"][9], &model["prepare"]["kind"]),
        (&Value::from("class 9"), &Value::from("image")),
        "{model}"
    );

    // the same of the package
    let copy = tempfile::tempdir().unwrap();
    let package = dir.path().join("digits_cnn.assay");
    let commands = next(&json(0, ["init", s(copy.path()), "--model", s(&package)]));
    shell(&commands[..2], Path::new("/"));
    assert!(copy.path().join("digits_cnn.assay").is_file());
    let here = next(&json(0, ["init", s(dir.path()), "--model", s(&package)]));
    assert!(!here.iter().any(|line| line.starts_with("cp ")), "it is there already: {here:?}");
    let other: Value =
        serde_json::from_slice(&std::fs::read(copy.path().join("digits_cnn.card.json")).unwrap()).unwrap();
    assert_eq!((&other["labels"], &other["prepare"]), (&card["labels"], &card["prepare"]));
}

#[test]
fn what_is_no_model_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let text = fails(3, ["init", s(dir.path()), "--model", s(&fixture("digit_7.json"))]);
    assert!(text.contains("ONNX"), "{text}");
    fails(4, ["init", s(dir.path()), "--model", "/no/such/network.onnx"]);
    assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0, "nothing is left behind");
    let file = dir.path().join("file");
    std::fs::write(&file, "").unwrap();
    fails(4, ["init", s(&file)]);
    assert!(assay(["init", "--help"]).status.success());
}
