//! `assay serve --sell`: a model that is uploaded is compiled by the command itself, refused in its words, offered, and
//! there again after a restart.

use crate::tool::{Running, command, fails, fixture, json, s};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json as value};
use std::path::Path;
use std::process::Command;
use std::time::Duration;

fn serve(dir: &Path) -> (Running, String) {
    std::fs::create_dir_all(dir.join("models")).unwrap();
    let mut serve = command();
    serve.args([
        "--json",
        "serve",
        "--models",
        s(&dir.join("models")),
        "--data",
        s(&dir.join("data")),
        "--free",
        "--sell",
    ]);
    serve.args(["--operator-token", "secret", "--bind", "127.0.0.1:0"]);
    let (running, ready) = Running::start(&mut serve);
    (running, ready["url"].as_str().unwrap().to_owned())
}

struct Site {
    http: reqwest::Client,
    url: String,
}

impl Site {
    async fn post(&self, path: &str, body: &Value) -> Value {
        let asked = self.http.post(format!("{}{path}", self.url)).bearer_auth("secret").json(body);
        asked.send().await.unwrap().json().await.unwrap()
    }

    async fn get(&self, path: &str) -> Value {
        self.http.get(format!("{}{path}", self.url)).send().await.unwrap().json().await.unwrap()
    }

    /// Uploads a model, and waits for the end of its compilation.
    async fn compile(&self, name: &str, onnx: &[u8]) -> Value {
        let samples = STANDARD.encode(std::fs::read(fixture("digits_calibration.json")).unwrap());
        let task = value!({ "name": name, "onnx": STANDARD.encode(onnx), "samples": samples, "format": "json" });
        let taken = self.post("/v1/compilations", &task).await;
        let path = format!("/v1/compilations/{}", taken["id"].as_str().unwrap_or_else(|| panic!("{taken}")));
        loop {
            let now = self.get(&path).await;
            if !matches!(now["state"].as_str(), Some("waiting" | "running")) {
                return now;
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_uploaded_model_is_compiled_and_offered() {
    let dir = tempfile::tempdir().unwrap();
    let (mut running, url) = serve(dir.path());
    let site = Site { http: assay_api::tls::client_builder().build().unwrap(), url };
    let refused = site.compile("text", b"this is no model").await;
    assert_eq!((&refused["state"], &refused["error"]["code"]), (&value!("failed"), &value!("refused")), "{refused}");
    assert!(refused["error"]["detail"].as_str().unwrap().contains("not an ONNX model"), "{refused}");
    assert_eq!(refused["error"]["page"], "docs/operators.md");

    let done = site.compile("digits from the page", &std::fs::read(fixture("digits_mlp.onnx")).unwrap()).await;
    assert_eq!(done["state"], "done", "{done}");
    let report = &done["result"]["report"];
    assert!(
        report["layers"].as_u64() > Some(1) && report["cost"]["predicted_gas"].as_u64() > Some(100_000),
        "{report}"
    );
    let id = done["id"].as_str().unwrap();
    let drawing =
        site.http.get(format!("{}/v1/compilations/{id}/drawing", site.url)).send().await.unwrap().text().await.unwrap();
    assert!(drawing.starts_with("<svg") && drawing.contains("digits from the page"), "{drawing}");
    let events =
        site.http.get(format!("{}/v1/compilations/{id}/events", site.url)).send().await.unwrap().text().await.unwrap();
    assert!(events.contains("calibrating") && events.contains("commit"), "the compiler's steps: {events}");

    let bad = site.post(&format!("/v1/compilations/{id}/offer"), &value!({ "card": { "labels": ["one"] } })).await;
    assert_eq!(bad["code"], "offer-refused");
    assert!(bad["detail"].as_str().unwrap().contains("1 labels"), "{bad}");
    let offered =
        site.post(&format!("/v1/compilations/{id}/offer"), &value!({ "card": { "description": "from a page" } })).await;
    let model = offered["model"].as_str().unwrap_or_else(|| panic!("{offered}")).to_owned();
    let listed = site.get("/v1/models").await;
    assert_eq!((&listed["data"][0]["id"], &listed["data"][0]["description"]), (&value!(model), &value!("from a page")));

    // it proves, now and after a restart
    let key = dir.path().join("model.key");
    for restarted in [false, true] {
        let url = if restarted {
            running.kill();
            let (again, url) = serve(dir.path());
            running = again;
            url
        } else {
            site.url.clone()
        };
        let answer = site.http.get(format!("{url}/v1/models/{model}/key")).send().await.unwrap();
        std::fs::write(&key, answer.bytes().await.unwrap()).unwrap();
        let input = fixture("digit_7.json");
        let answer = json(0, ["request", "--service", &url, "--key", s(&key), "--input", s(&input), "--free"]);
        assert_eq!(answer["verified"], true, "{answer}");
    }
}

#[test]
fn selling_needs_a_token() {
    let text = fails(2, ["serve", "--models", ".", "--free", "--sell"]);
    assert!(text.contains("--operator-token"), "{text}");
    fails(2, ["serve", "--models", ".", "--free", "--sell-secs", "5"]);
}

/// What a program gets that shows the steps, as the service does.
#[test]
fn steps_are_lines_of_json() {
    let dir = tempfile::tempdir().unwrap();
    let (onnx, samples, package) =
        (fixture("digits_mlp.onnx"), fixture("digits_calibration.json"), dir.path().join("m.assay"));
    let mut compile: Command = command();
    compile.args(["compile", s(&onnx), "--calibrate", s(&samples), "-o", s(&package)]).env("ASSAY_PROGRESS", "json");
    let said = String::from_utf8(compile.output().unwrap().stderr).unwrap();
    let lines: Vec<Value> =
        said.lines().map(|line| serde_json::from_str(line).unwrap_or_else(|_| panic!("{line}"))).collect();
    assert!(lines.iter().any(|line| line["step"] == "compile" && line["detail"] == "measuring"), "{said}");
    assert!(
        lines.iter().any(|line| line["warning"].as_str().is_some_and(|text| text.contains("development SRS"))),
        "{said}"
    );
}
