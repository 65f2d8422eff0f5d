//! `kill -9` of `assay serve --free` while it proves: after a restart the job ends, once.

use crate::tool::{Running, command, fixture, json, model, s};
use assay_api::PredictionRequest;
use assay_api::client::Client;
use assay_api::store::{State, Store};
use serde_json::Value;
use std::path::Path;
use std::time::Duration;

/// Starts the server and waits until it listens. Returns its process and its address.
fn start(data: &Path, port: u16) -> (Running, String) {
    let mut child = command();
    child
        .args([
            "--json",
            "serve",
            "--free",
            "--models",
            s(model().parent().unwrap()),
            "--data",
            s(data),
            "--bind",
            &format!("127.0.0.1:{port}"),
        ])
        .stderr(std::fs::File::create(data.with_extension("log")).unwrap());
    let (server, ready) = Running::start(&mut child);
    (server, ready["url"].as_str().unwrap().to_owned())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_killed_server_finishes_its_job_once() {
    let dir = tempfile::tempdir().unwrap();
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let (mut server, url) = start(dir.path(), port);
    let client = Client::new(&url).unwrap();
    let models = client.models().await.unwrap();
    let input: Value = serde_json::from_slice(&std::fs::read(fixture("digit_7.json")).unwrap()).unwrap();
    let request = PredictionRequest {
        max_tokens: None,
        model: models[0].id,
        input: serde_json::from_value(input["input_data"][0].clone()).unwrap(),
        blinding: Vec::new(),
        allow_clamping: false,
        batch: None,
        escrow: None,
        context: None,
    };
    let made = client.predict(&request, Some("once"), None).await.unwrap();
    let mut kills = 0;
    for _ in 0..2 {
        let state = loop {
            let now = client.prediction(&made.id).await.unwrap();
            if now.state != State::Queued {
                break now.state;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        };
        kills += u32::from(state == State::Proving);
        server.kill();
        server = start(dir.path(), port).0;
    }
    assert!(kills > 0, "the server was killed while it proved");
    let again = client.predict(&request, Some("once"), None).await.unwrap();
    assert_eq!(again.id, made.id, "the key is remembered through the kill");
    let done = client.follow(&made.id, |_| {}).await.unwrap();
    assert_eq!(done.state, State::Proven, "{:?}", done.error_detail);
    assert!(!client.proof(&done).await.unwrap().is_empty());
    server.kill();
    let store = Store::open(&dir.path().join("jobs.sqlite")).await.unwrap();
    let events = store.events(&made.id, 0, 10_000).await.unwrap();
    let ends = events.iter().filter(|e| e.kind == "state" && e.data["state"] == "proven").count();
    assert_eq!(ends, 1, "exactly one end");
}

/// What a service answers is verified as it is, by address or from files, and a commitment can be made for somebody who
/// speaks HTTP alone.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_buyer_who_speaks_http_alone() {
    let dir = tempfile::tempdir().unwrap();
    let (key, input) = (model().with_extension("key"), fixture("digit_7.json"));
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let (mut server, url) = start(&dir.path().join("data"), port);
    let http = assay_api::tls::client_builder().no_proxy().build().unwrap();
    let committed =
        json(0, ["commit", "--key", s(&key), "--input", s(&input), "-o", s(&dir.path().join("commitment.json"))]);
    let listed: Value = http.get(format!("{url}/v1/models")).send().await.unwrap().json().await.unwrap();
    let listed = &listed["data"][0];
    assert_eq!(
        (&listed["key_hash"], &listed["model_commitment"]),
        (&committed["key_hash"], &committed["model_commitment"])
    );
    let body =
        serde_json::json!({ "model": listed["id"], "input": committed["input"], "blinding": committed["blinding"] });
    let post = http.post(format!("{url}/v1/predictions")).header("prefer", "wait").json(&body);
    let answer: Value = post.send().await.unwrap().json().await.unwrap();
    assert_eq!(
        (&answer["state"], &answer["input_commitments"]),
        (&"proven".into(), &committed["input_commitments"]),
        "{answer}"
    );
    let at = format!("{url}/v1/predictions/{}", answer["id"].as_str().unwrap());
    let checked = json(0, ["verify", "--prediction", &at, "--model", s(&key)]);
    assert_eq!((&checked["valid"], &checked["output"]), (&true.into(), &answer["output_cells"]));
    let (prediction, proof) = (dir.path().join("prediction.json"), dir.path().join("proof.bin"));
    std::fs::write(&proof, http.get(format!("{at}/proof")).send().await.unwrap().bytes().await.unwrap()).unwrap();
    std::fs::write(&prediction, answer.to_string()).unwrap();
    let by_files = ["verify", s(&proof), "--prediction", s(&prediction), "--model", s(&key)];
    json(0, by_files);
    json(2, ["verify", "--prediction", s(&prediction), "--model", s(&key)]);
    for change in [&|a: &mut Value| a["output_cells"][0] = 1.into(), &|a: &mut Value| a["output"][0] = 1.5.into()]
        as [&dyn Fn(&mut Value); 2]
    {
        let mut changed = answer.clone();
        change(&mut changed);
        std::fs::write(&prediction, changed.to_string()).unwrap();
        json(1, by_files);
    }
    // a public input is committed to by the service, and everybody gets the same
    let public = json(
        0,
        ["commit", "--key", s(&key), "--input", s(&input), "--public-input", "-o", s(&dir.path().join("public.json"))],
    );
    let body = serde_json::json!({ "model": listed["id"], "input": committed["input"] });
    let theirs: Value =
        http.post(format!("{url}/v1/commitments")).json(&body).send().await.unwrap().json().await.unwrap();
    assert_eq!(theirs["input_commitment"], public["input_commitment"]);
    let (data, copy) = (dir.path().join("data"), dir.path().join("copy"));
    assert_eq!(json(0, ["backup", "--data", s(&data), "-o", s(&copy)])["proofs"], 1, "while the server runs");
    json(4, ["backup", "--data", s(&data), "-o", s(&copy)]);
    let log = std::fs::read_to_string(dir.path().join("data.log")).unwrap();
    for said in [answer["id"].as_str().unwrap(), "a new prediction", "state=proving", "a proof is made", "state=proven"]
    {
        assert!(log.contains(said), "{said} is not in the log: {log}");
    }
    assert!(!log.contains('\x1b'), "a file has no colours: {log:?}");
    server.kill();
}
