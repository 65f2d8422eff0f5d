//! Agents that buy: the example of two agents as it is documented, and the tools over HTTP.

use crate::tool::{command, fixture, model, s};
use crate::up::Up;
use assay_api::chain::dev::{DEV_KEYS, find_anvil};
use serde_json::{Value, json};
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

#[test]
fn two_agents_trade_within_a_limit() {
    if find_anvil(&root()).is_none() {
        return println!("SKIPPED: anvil is not installed");
    }
    let dir = tempfile::tempdir().unwrap();
    let script = root().join("examples/agents/two_agents.py");
    let output = Command::new("python3")
        .arg(script)
        .args(["--assay", env!("CARGO_BIN_EXE_assay"), "--answers", "2", "--folder", s(dir.path())])
        .env("ASSAY_HOME", Path::new(env!("CARGO_TARGET_TMPDIR")).join("assay-home"))
        .output()
        .unwrap();
    let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{out}{err}");
    let done: Value = serde_json::from_str(&out).unwrap();
    assert_eq!(done["tools"], json!(["find_models", "quote", "request", "wait", "verify", "budget"]));
    // by the Agent2Agent protocol: a free answer, and what became of one that was paid for
    let talk = &done["talk"];
    assert!(talk["hello"].as_str().unwrap().contains("data part"), "{talk}");
    assert_eq!(
        (&talk["free"], &talk["free_verified"], &talk["bought"]),
        (&json!("completed"), &json!(true), &json!("completed"))
    );
    let bought = done["bought"].as_array().unwrap();
    assert_eq!(bought.len(), 2, "{done}");
    assert!(bought.iter().all(|answer| answer["verified"] == true && answer["paid"] == "1000000000000000"), "{done}");
    // the first two calibration pictures are of these digits, and the network reads them so
    assert!(bought.iter().all(|answer| answer["label"].as_str().is_some_and(|label| label.len() == 1)), "{done}");
    assert_eq!(done["refused"]["within_budget"], false);
    assert!(done["refused"]["error"].as_str().unwrap().contains("500000000000000 left"), "{done}");
    assert_eq!(done["budget"]["spent"], "2000000000000000");
    assert_eq!((&done["verify"]["valid"], &done["verify"]["development"]), (&json!(true), &json!(true)));
}

/// `assay mcp --http`, ended when dropped.
struct Tools {
    child: Child,
    url: String,
    session: Option<String>,
}

impl Drop for Tools {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Tools {
    fn start(arguments: &[&str], token: &str) -> Self {
        let mut child = command()
            .args(["mcp", "--http", "127.0.0.1:0", "--http-token", token])
            .args(arguments)
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(child.stderr.take().unwrap()).read_line(&mut line).unwrap();
        let url = line.trim().strip_prefix("listening on ").unwrap_or_else(|| panic!("{line}")).to_owned();
        Self { child, url, session: None }
    }

    async fn post(&self, token: &str, message: Value) -> reqwest::Response {
        let mut request = assay_api::tls::client_builder().no_proxy().build().unwrap().post(&self.url);
        if let Some(session) = &self.session {
            request = request.header("mcp-session-id", session);
        }
        request
            .header("accept", "application/json, text/event-stream")
            .bearer_auth(token)
            .json(&message)
            .send()
            .await
            .unwrap()
    }

    /// The result of a call: an event of the answer's stream.
    async fn ask(&mut self, token: &str, method: &str, params: Value) -> Value {
        let answer = self.post(token, json!({ "jsonrpc": "2.0", "id": 1, "method": method, "params": params })).await;
        assert!(answer.status().is_success(), "{method}: {}", answer.status());
        if let Some(session) = answer.headers().get("mcp-session-id") {
            self.session = Some(session.to_str().unwrap().to_owned());
        }
        let text = answer.text().await.unwrap();
        let parts = text
            .lines()
            .filter_map(|line| serde_json::from_str::<Value>(line.strip_prefix("data:").unwrap_or(line)).ok());
        parts.into_iter().find(|message| message.get("result").is_some()).unwrap_or_else(|| panic!("{method}: {text}"))
            ["result"]
            .clone()
    }

    async fn call(&mut self, token: &str, name: &str, arguments: Value) -> Value {
        self.ask(token, "tools/call", json!({ "name": name, "arguments": arguments })).await["structuredContent"]
            .clone()
    }
}

/// Free answers without an account; callers without the token get nothing, and files on this machine nobody.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tools_over_http() {
    if find_anvil(&root()).is_none() {
        return println!("SKIPPED: anvil is not installed");
    }
    let dir = tempfile::tempdir().unwrap();
    let up = Up::start(dir.path(), &[s(model()), "--free"]);
    let hello = json!({ "protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": { "name": "test", "version": "1" } });
    let mut tools = Tools::start(&["--service", &up.url], "secret");
    let stranger =
        tools.post("guess", json!({ "jsonrpc": "2.0", "id": 1, "method": "initialize", "params": hello })).await;
    assert_eq!(stranger.status(), 401);
    let info = tools.ask("secret", "initialize", hello).await;
    assert_eq!(info["serverInfo"]["name"], "assay");
    tools.post("secret", json!({ "jsonrpc": "2.0", "method": "notifications/initialized" })).await;
    let listed = tools.ask("secret", "tools/list", json!({})).await;
    assert_eq!(listed["tools"].as_array().unwrap().len(), 6);

    let models = tools.call("secret", "find_models", json!({})).await;
    let id = models["models"][0]["model"].clone();
    let file = fixture("digit_7.json");
    let refused = tools.call("secret", "quote", json!({ "model": id, "input_file": file })).await;
    assert!(refused["error"].as_str().unwrap().contains("callers on it"), "{refused}");
    let wrong = tools.call("secret", "quote", json!({ "model": id, "input": [1.0] })).await;
    assert!(wrong["error"].as_str().unwrap().contains("1 values and the model takes 64"), "{wrong}");
    let input: Value = serde_json::from_slice(&std::fs::read(&file).unwrap()).unwrap();
    let quote = tools.call("secret", "quote", json!({ "model": id, "input": input["input_data"][0] })).await;
    assert_eq!(quote["price"], "0", "{quote}");
    let order = tools.call("secret", "request", json!({ "order": quote["order"] })).await;
    let answer = tools.call("secret", "wait", json!({ "order": order["order"], "seconds": 120 })).await;
    assert_eq!((&answer["done"], &answer["verified"]), (&json!(true), &json!(true)), "{answer}");
    // the proof file is anybody's to verify, and nothing else is
    let mut proof = answer["proof"].clone();
    let valid = tools.call("secret", "verify", json!({ "proof": proof, "model": id })).await;
    assert_eq!(valid["valid"], true, "{valid}");
    proof["output"][0] = json!(proof["output"][0].as_i64().unwrap() ^ 1);
    let changed = tools.call("secret", "verify", json!({ "proof": proof, "model": id })).await;
    assert_eq!(changed["valid"], false, "{changed}");
    let unknown = tools.call("secret", "pay_everything", json!({})).await;
    assert!(unknown["error"].as_str().unwrap().contains("unknown variant"), "{unknown}");
}

/// An account without a limit is refused.
#[test]
fn an_account_needs_a_budget() {
    let text = crate::tool::fails(
        2,
        [
            "mcp",
            "--rpc",
            "http://127.0.0.1:1",
            "--market",
            "0x0000000000000000000000000000000000000001",
            "--private-key",
            DEV_KEYS[2],
        ],
    );
    assert!(text.contains("--budget"), "{text}");
}
