//! Text of several tokens in one proof.

use crate::tool::{Running, command, copy, fails, json, s};
use assay_api::client::{Client, ClientError};
use assay_api::{CompletionRequest, PredictionRequest};
use serde_json::{Value, json as value};
use std::path::{Path, PathBuf};

fn network(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../fixtures/networks/gpt_greedy").join(name)
}

/// A prompt of five tokens is continued by seven, which one proof shows; a changed token, another prompt and a text
/// that is too long are refused.
#[test]
fn one_proof_shows_all_tokens_of_an_answer() {
    let dir = tempfile::tempdir().unwrap();
    let file = |name: &str| dir.path().join(name);
    let (package, key, prompt, proof) = (file("gpt.assay"), file("gpt.key"), file("prompt.json"), file("proof.json"));
    json(
        0,
        ["compile", s(&network("network.onnx")), "--calibrate", s(&network("calibration.json")), "-o", s(&package)],
    );
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
    let verify = |input: &Path, prompt: &str, code| {
        json(code, ["verify", s(&proof), "--model", s(&key), "--input", s(input), "--prompt", prompt])
    };
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

/// A service continues prompts: without a proof, and as a prediction that proves all tokens at once; `assay request
/// --generate` buys the second by the first, and shows what the service said to be the model's.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_service_continues_prompts() {
    let dir = tempfile::tempdir().unwrap();
    let file = |name: &str| dir.path().join(name);
    let (package, key, prompt, proof) = (file("gpt.assay"), file("gpt.key"), file("prompt.json"), file("bought.json"));
    json(
        0,
        ["compile", s(&network("network.onnx")), "--calibrate", s(&network("calibration.json")), "-o", s(&package)],
    );
    json(0, ["setup", s(&package)]);
    std::fs::write(&prompt, "[1, 7, 3, 12, 4]").unwrap();
    let mut server = command();
    server.args([
        "--json",
        "serve",
        "--free",
        "--models",
        s(&package),
        "--data",
        s(&file("data")),
        "--bind",
        "127.0.0.1:0",
    ]);
    let (_server, ready) = Running::start(&mut server);
    let service = ready["url"].as_str().unwrap();
    let client = Client::new(service).unwrap();
    let model = client.models().await.unwrap().remove(0);
    assert_eq!(model.text_length, Some(16));

    let tokens = |value: Value| serde_json::from_value(value).unwrap();
    let completion = |input: Value, count: u32| CompletionRequest {
        model: model.id,
        input: tokens(input),
        max_tokens: count.try_into().unwrap(),
    };
    let said = client.complete(&completion(value!([1, 7, 3, 12, 4]), 7)).await.unwrap();
    assert_eq!((said.tokens.len(), said.input.len()), (7, 16));
    let named =
        client.complete(&completion(value!({ model.inputs[0].name.clone(): [1, 7, 3, 12, 4] }), 7)).await.unwrap();
    assert_eq!(named, said);
    for (input, count, code) in [
        (value!([1, 7]), 15, "prompt-length"),
        (value!([]), 1, "prompt-length"),
        (value!({ "x": [1] }), 1, "input-missing"),
    ] {
        let refused = client.complete(&completion(input, count)).await;
        assert!(matches!(&refused, Err(ClientError::Problem(problem)) if problem.code == code), "{refused:?}");
    }

    let request = PredictionRequest {
        max_tokens: Some(7.try_into().unwrap()),
        model: model.id,
        input: tokens(value!([1, 7, 3, 12, 4])),
        blinding: Vec::new(),
        allow_clamping: false,
        batch: None,
        escrow: None,
        context: None,
    };
    let made = client.predict(&request, None, None).await.unwrap();
    assert_eq!((made.prompt_tokens, &made.tokens), (Some(5), &None), "nothing is shown before there is a proof");
    let done = client.follow(&made.id, |_| {}).await.unwrap();
    assert_eq!((done.tokens.as_ref(), done.prompt_tokens), (Some(&said.tokens), Some(5)), "{:?}", done.error_detail);

    let buy = [
        "request",
        "--free",
        "--service",
        service,
        "--key",
        s(&key),
        "--input",
        s(&prompt),
        "-o",
        s(&proof),
        "--public-input",
        "--generate",
    ];
    let bought = json(0, [&buy[..], &["7"]].concat());
    assert_eq!(bought["tokens"], value!(said.tokens));
    let text = file("bought.tokens.json");
    let verify = ["verify", s(&proof), "--model", s(&key), "--input", s(&text), "--prompt", "5"];
    assert!(json(0, verify)["tokens_shown"].as_u64().unwrap() >= 7);
    let refused = fails(1, [&buy[..], &["12"]].concat());
    assert!(refused.contains("the model takes 16"), "{refused}");
}
