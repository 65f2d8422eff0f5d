//! Bad files and values: a clear message, the right exit code, never a panic, and nothing half-written.

use crate::tool::{copy, fails, fixture, model, s};
use std::fs;

#[test]
fn truncated_and_damaged_files() {
    let dir = tempfile::tempdir().unwrap();
    let input = fixture("digit_7.json");
    let proof = dir.path().join("proof.json");
    for extension in ["assay", "key", "pk"] {
        let package = copy(dir.path());
        let file = package.with_extension(extension);
        let bytes = fs::read(&file).unwrap();
        let mut damaged = bytes.clone();
        damaged[bytes.len() / 2] ^= 0x10;
        for broken in [
            Vec::new(),
            bytes[..10].to_vec(),
            bytes[..bytes.len() / 2].to_vec(),
            bytes[..bytes.len() - 1].to_vec(),
            damaged,
        ] {
            fs::write(&file, &broken).unwrap();
            let text = fails(3, ["prove", s(&package), "--input", s(&input), "-o", s(&proof)]);
            assert!(text.contains(s(&file)), "the message names the file: {text}");
            assert!(!proof.exists());
            if extension != "pk" {
                fails(3, ["inspect", s(&file)]);
            }
        }
    }
    let package = copy(dir.path());
    for text in ["", "{", "{}", "[]", "{\"version\": 1}", "\u{0}\u{1}"] {
        fs::write(&proof, text).unwrap();
        fails(3, ["verify", s(&proof), "--model", s(&package)]);
    }
    fails(4, ["verify", s(&dir.path().join("none.json")), "--model", s(&package)]);
    fails(4, ["verify", s(&proof), "--model", s(&dir.path().join("none.key"))]);
    fails(3, ["verify", s(&proof), "--model", s(&input)]);
}

#[test]
fn bad_models_and_calibration() {
    let dir = tempfile::tempdir().unwrap();
    let (onnx, calibration, output) =
        (fixture("digits_mlp.onnx"), fixture("digits_calibration.json"), dir.path().join("out.assay"));
    let bytes = fs::read(&onnx).unwrap();
    let bad = dir.path().join("bad.onnx");
    for broken in [Vec::new(), b"not a model".to_vec(), bytes[..bytes.len() / 2].to_vec(), vec![0xff; 1000]] {
        fs::write(&bad, &broken).unwrap();
        fails(3, ["compile", s(&bad), "--calibrate", s(&calibration), "-o", s(&output)]);
    }
    fails(4, ["compile", s(&dir.path().join("none.onnx")), "--calibrate", s(&calibration), "-o", s(&output)]);
    fails(4, ["compile", s(&onnx), "--calibrate", s(&dir.path().join("none.json")), "-o", s(&output)]);
    let inputs = dir.path().join("inputs.json");
    for text in [
        "{\"input_data\": []}",
        "{\"input_data\": [[1, 2, 3]]}",
        "{\"input_data\": [[null]]}",
        "{}",
        "nonsense",
        "{\"input_data\": [[1e999]]}",
    ] {
        fs::write(&inputs, text).unwrap();
        fails(3, ["compile", s(&onnx), "--calibrate", s(&inputs), "-o", s(&output)]);
        fails(3, ["run", s(model()), "--input", s(&inputs)]);
    }
    fails(2, ["compile", s(&onnx), "--calibrate", s(&calibration), "-o", s(&output), "--weight-bits", "40"]);
    fails(
        4,
        ["compile", s(&onnx), "--calibrate", s(&calibration), "-o", s(&dir.path().join("no/such/folder/out.assay"))],
    );
    assert!(!output.exists(), "nothing is written where something failed");
    let several = fails(3, ["prove", s(model()), "--input", s(&calibration), "-o", s(&output), "--inner"]);
    assert!(several.contains("one is needed"), "{several}");
}

#[test]
fn unreachable_services_and_chains() {
    let key = model().with_extension("key");
    let input = fixture("digit_7.json");
    // a port that nobody listens on
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let url = format!("http://127.0.0.1:{port}");
    fails(4, ["request", "--service", &url, "--key", s(&key), "--input", s(&input), "--free"]);
    fails(2, ["request", "--service", "not a url", "--key", s(&key), "--input", s(&input), "--free"]);
    let market = "0x0000000000000000000000000000000000000001";
    let secret = "0x59c6995e998f97a5a0044966f0945389dc9e86dae88c7a8412f4603b6b78690d";
    let publish = |private_key: &str, code| {
        fails(code, ["publish", s(model()), "--rpc", &url, "--market", market, "--private-key", private_key])
    };
    publish(secret, 4);
    let text = publish("0x1234", 2);
    assert!(!text.contains("1234"), "keys are never printed: {text}");
    fails(4, ["deploy", "--allow-development", "--rpc", &url, "--private-key", secret]);
}

/// Outside development nobody alone admits keys, and nobody slashes himself: said before anything is sent.
#[test]
fn governance_by_default() {
    let secret = "0x59c6995e998f97a5a0044966f0945389dc9e86dae88c7a8412f4603b6b78690d";
    let [me, one, two, treasury] = [
        "0x70997970C51812dc3A010C7d01b50e0d17dc79C8",
        "0x0000000000000000000000000000000000000001",
        "0x0000000000000000000000000000000000000002",
        "0x0000000000000000000000000000000000000003",
    ];
    let deploy = |code, more: &[&str]| {
        fails(code, [&["deploy", "--rpc", "http://127.0.0.1:1", "--private-key", secret][..], more].concat())
    };
    assert!(deploy(2, &[]).contains("--attestor"));
    assert!(deploy(2, &["--attestor", one]).contains("--attestor"));
    assert!(deploy(2, &["--attestor", one, "--attestor", one]).contains("--attestor"));
    let both = ["--attestor", one, "--attestor", two];
    assert!(deploy(2, &both).contains("--treasury"), "the deployer is no treasury by default");
    assert!(deploy(2, &[&both[..], &["--treasury", me]].concat()).contains("--treasury"));
    let sound = [&both[..], &["--treasury", treasury]].concat();
    assert!(deploy(2, &[&sound[..], &["--threshold", "1"]].concat()).contains("--threshold"));
    assert!(deploy(2, &[&sound[..], &["--timelock", "0"]].concat()).contains("--timelock"));
    assert!(deploy(2, &[&sound[..], &["--commit-secs", "0"]].concat()).contains("--commit-secs"));
    deploy(4, &sound); // and then nobody answers
}
