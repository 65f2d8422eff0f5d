//! The Agent2Agent protocol: what its specification asks of every agent (0.3, section 11.1), as a client of it sees
//! this service.

use assay_api::store::Scope;
use assay_api::terms::Escrow;
use axum::body::Body;
use serde_json::{Value, json};

use crate::fake::{Fake, free, get, model_id, post, send};
use crate::market::{stop, world};

/// A call, as JSON-RPC has it.
fn call(method: &str, params: Value) -> Value {
    json!({ "jsonrpc": "2.0", "id": "call 1", "method": method, "params": params })
}

/// A message with data.
fn message(id: &str, data: Value) -> Value {
    json!({ "message": { "kind": "message", "role": "user", "messageId": id, "parts": [{ "kind": "data", "data": data }] } })
}

fn prediction() -> Value {
    json!({ "prediction": { "model": model_id(1), "input": [1.0, 2.0, 3.0, -1.5] } })
}

/// What a call brings, which goes to the address that the agent card names.
async fn ask(state: &assay_api::AppState, call: Value) -> Value {
    let card = get(state, "/.well-known/agent-card.json").await.json();
    let url = card["url"].as_str().unwrap();
    let answer = post(state, &url[url.find("/v1").unwrap()..], &[], &call).await;
    assert_eq!((answer.status.as_u16(), &answer.headers["content-type"]), (200, &"application/json".parse().unwrap()));
    let answer = answer.json();
    assert_eq!((&answer["jsonrpc"], &answer["id"]), (&json!("2.0"), &json!("call 1")), "{answer}");
    assert!(answer.get("result").is_some() != answer.get("error").is_some(), "{answer}");
    answer
}

/// A free answer: asked for, looked at, waited for; its parts lead to the proof and the key.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_task_is_a_prediction() {
    let dir = tempfile::tempdir().unwrap();
    let state = free(dir.path(), Fake::new()).await;
    let sent = ask(&state, call("message/send", message("m1", prediction()))).await["result"].clone();
    assert_eq!((&sent["kind"], &sent["status"]["state"]), (&json!("task"), &json!("submitted")), "{sent}");
    assert_eq!(sent["contextId"], json!(model_id(1)));
    assert!(sent["status"]["timestamp"].as_str().unwrap().ends_with('Z'));
    let id = sent["id"].as_str().unwrap();
    // the same message is the same task, and another one with its id is refused
    let again = ask(&state, call("message/send", message("m1", prediction()))).await;
    assert_eq!(again["result"]["id"], id);
    let other = json!({ "prediction": { "model": model_id(1), "input": [0.0, 0.0, 0.0, 0.0] } });
    let reused = ask(&state, call("message/send", message("m1", other))).await;
    assert_eq!(
        (&reused["error"]["code"], &reused["error"]["data"][0]["code"]),
        (&json!(-32602), &json!("idempotency-key-reused"))
    );

    let workers = tokio::spawn(assay_api::run_workers(state.clone()));
    let mut waiting = message("m2", prediction());
    waiting["configuration"] = json!({ "blocking": true, "acceptedOutputModes": ["text/plain", "application/json"] });
    let done = ask(&state, call("message/send", waiting)).await["result"].clone();
    assert_eq!(done["status"]["state"], "completed", "{done}");
    let parts = &done["artifacts"][0]["parts"];
    assert_eq!(
        (&parts[0]["kind"], &parts[0]["data"]["prediction"]["output"]),
        (&json!("data"), &json!([4.5, 3.0])),
        "{parts}"
    );
    for part in [&parts[1], &parts[2]] {
        let uri = part["file"]["uri"].as_str().unwrap();
        let path = &uri[uri.find("/v1").unwrap()..];
        // the engine of this test has proofs and no keys
        assert!(path.ends_with("/key") || get(&state, path).await.status == 200, "{uri}");
    }
    let got = ask(&state, call("tasks/get", json!({ "id": done["id"], "historyLength": 3 }))).await;
    assert_eq!(got["result"], done);
    let late = ask(&state, call("tasks/cancel", json!({ "id": done["id"] }))).await;
    assert_eq!(late["error"]["code"], -32002, "{late}");
    stop(state, workers).await;
}

#[tokio::test]
async fn a_task_is_cancelled() {
    let dir = tempfile::tempdir().unwrap();
    let state = free(dir.path(), Fake::new()).await;
    let id = ask(&state, call("message/send", message("m1", prediction()))).await["result"]["id"].clone();
    let cancelled = ask(&state, call("tasks/cancel", json!({ "id": id }))).await;
    assert_eq!(cancelled["result"]["status"]["state"], "canceled", "{cancelled}");
    assert!(cancelled["result"].get("artifacts").is_none());
}

/// Every error has the number that the protocol gives it; what the service itself refuses says so in HTTP.
#[tokio::test]
async fn errors_have_their_numbers() {
    let dir = tempfile::tempdir().unwrap();
    let state = free(dir.path(), Fake::new()).await;
    let with = |name: &str, value: Value| {
        let mut params = message("m", prediction());
        params["message"][name] = value;
        call("message/send", params)
    };
    let configured = |configuration: Value| {
        let mut params = message("m", prediction());
        params["configuration"] = configuration;
        call("message/send", params)
    };
    let known = ask(&state, call("message/send", message("known", prediction()))).await["result"]["id"].clone();
    for (sent, code) in [
        (call("tasks/get", json!({ "id": "nothing" })), -32001),
        (call("tasks/cancel", json!({ "id": "nothing" })), -32001),
        (with("taskId", json!("nothing")), -32001),
        (with("taskId", known), -32004),
        (call("message/stream", message("m", prediction())), -32004),
        (call("tasks/pushNotificationConfig/set", json!({})), -32003),
        (configured(json!({ "pushNotificationConfig": { "url": "https://a.example" } })), -32003),
        (configured(json!({ "acceptedOutputModes": ["image/png"] })), -32005),
        (with("parts", json!([{ "kind": "file", "file": { "uri": "https://a.example/x" } }])), -32005),
        (call("agents/list", json!({})), -32601),
        (call("tasks/get", json!({})), -32602),
        (call("message/send", json!({})), -32602),
        (with("messageId", json!("")), -32602),
        (with("contextId", json!("another")), -32602),
        (with("parts", json!([{ "kind": "data", "data": { "prediction": 1 } }])), -32602),
        (with("parts", json!([{ "kind": "data", "data": {} }, { "kind": "data", "data": {} }])), -32602),
        (call("message/send", message("m", json!({ "prediction": { "model": model_id(9), "input": [] } }))), -32602),
        (call("message/send", message("m", json!({ "quote": { "model": model_id(1) } }))), -32602),
    ] {
        let answer = ask(&state, sent.clone()).await;
        assert_eq!(answer["error"]["code"], code, "{sent}: {answer}");
        assert!(answer["error"]["message"].as_str().is_some_and(|text| !text.is_empty()));
    }
    // what is no call has no id
    for (body, code) in
        [("{", -32700), ("[]", -32600), ("{}", -32600), (r#"{"jsonrpc": "2.0", "method": "tasks/get"}"#, -32600)]
    {
        let answer = send(&state, "POST", "/v1/a2a", &[("content-type", "application/json")], Body::from(body)).await;
        assert_eq!((&answer.json()["error"]["code"], &answer.json()["id"]), (&json!(code), &Value::Null), "{body}");
    }
    let versioned = |version: &'static str| post_of_version(&state, version);
    assert_eq!(versioned("1.0").await["error"]["code"], -32009);
    assert_eq!(versioned("0.3").await["error"]["code"], -32001);
    send(&state, "POST", "/v1/a2a", &[], Body::from("{}")).await.is_problem(415, "unsupported-media-type");
    state.stopping.send_replace(true);
    post(&state, "/v1/a2a", &[], &call("message/send", message("m3", prediction()))).await.is_problem(503, "draining");
}

async fn post_of_version(state: &assay_api::AppState, version: &str) -> Value {
    post(state, "/v1/a2a", &[("a2a-version", version)], &call("tasks/get", json!({ "id": "nothing" }))).await.json()
}

/// Who writes to the agent is told how it is asked.
#[tokio::test]
async fn prose_is_answered_with_how_to_ask() {
    let dir = tempfile::tempdir().unwrap();
    let state = free(dir.path(), Fake::new()).await;
    let hello = json!({ "message": { "kind": "message", "role": "user", "messageId": "m", "parts": [{ "kind": "text", "text": "Hello" }] } });
    let answer = ask(&state, call("message/send", hello)).await["result"].clone();
    assert_eq!((&answer["kind"], &answer["role"]), (&json!("message"), &json!("agent")));
    let text = answer["parts"][0]["text"].as_str().unwrap();
    assert!(text.contains("\"prediction\"") && text.contains("\"quote\""), "{text}");
}

/// Where a key is needed the card says so, and a key's tasks are its own.
#[tokio::test]
async fn keys_hold_here_too() {
    let dir = tempfile::tempdir().unwrap();
    let mut state = free(dir.path(), Fake::new()).await;
    let mut config = (*state.config).clone();
    config.anonymous = false;
    state.config = std::sync::Arc::new(config);
    let card = get(&state, "/.well-known/agent-card.json").await.json();
    assert_eq!(
        (&card["securitySchemes"]["key"]["scheme"], &card["security"][0]["key"]),
        (&json!("bearer"), &json!([]))
    );
    let sent = call("message/send", message("m", prediction()));
    post(&state, "/v1/a2a", &[], &sent).await.is_problem(401, "unauthorized");
    let new = assay_api::store::NewKey {
        name: "an agent".into(),
        scopes: vec![Scope::Predict, Scope::Read],
        per_minute: None,
        per_day: None,
    };
    let key = format!("Bearer {}", *state.store.make_key(&new).await.unwrap().1);
    let task = post(&state, "/v1/a2a", &[("authorization", &key)], &sent).await.json();
    let look = call("tasks/get", json!({ "id": task["result"]["id"] }));
    assert_eq!(
        post(&state, "/v1/a2a", &[("authorization", &key)], &look).await.json()["result"]["id"],
        task["result"]["id"]
    );
    assert_eq!(ask(&state, look).await["error"]["code"], -32001);
}

/// A paid answer: the quote is a message, the order a task that waits for its money, and is worked on once the market
/// has it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_answer_is_bought() {
    let world = world!(false);
    let (state, workers) = world.start().await;
    let unpaid = json!({ "prediction": { "model": world.model.id, "input": world.input().data } });
    let refused = ask(&state, call("message/send", message("m0", unpaid))).await;
    assert_eq!(refused["error"]["data"][0]["code"], "payment-required", "{refused}");
    let wanted = json!({ "quote": { "model": world.model.id, "buyer": world.buyer.address(), "input_commitment": world.commitment() } });
    let quote = ask(&state, call("message/send", message("m1", wanted))).await["result"].clone();
    assert_eq!(quote["kind"], "message", "{quote}");
    let escrow: Escrow = serde_json::from_value(quote["parts"][0]["data"]["escrow"].clone()).unwrap();
    let mut order = message("m2", json!({ "prediction": world.request(&escrow) }));
    order["message"]["contextId"] = quote["contextId"].clone();
    order["configuration"] = json!({ "blocking": true });
    let task = ask(&state, call("message/send", order)).await["result"].clone();
    assert_eq!(task["status"]["state"], "input-required", "{task}");
    assert!(task["status"]["message"]["parts"][0]["text"].as_str().unwrap().contains("pay the order"));
    world.fund(&escrow).await;
    let id = task["id"].as_str().unwrap();
    crate::market::until(&state, id, assay_api::store::State::Settled).await;
    let done = ask(&state, call("tasks/get", json!({ "id": id }))).await["result"].clone();
    assert_eq!(
        (&done["status"]["state"], &done["artifacts"][0]["parts"][0]["data"]["prediction"]["state"]),
        (&json!("completed"), &json!("settled"))
    );
    stop(state, workers).await;
}
