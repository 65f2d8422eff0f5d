//! Every route and every problem, without a socket and without workers.

use alloy::primitives::{B256, keccak256};
use assay_api::engine::{Engine, InputOpening};
use assay_api::store::{Patch, State, Text};
use axum::body::Body;
use axum::http::StatusCode;
use serde_json::{Value, json};

use crate::fake::{Fake, free, get, model_id, post, send};

fn request() -> Value {
    json!({ "model": model_id(1), "input": [1.0, 2.0, 3.0, -1.5] })
}

macro_rules! server {
    ($state:ident) => {
        let dir = tempfile::tempdir().unwrap();
        #[allow(unused_mut)]
        let mut $state = free(dir.path(), Fake::new()).await;
    };
}

#[tokio::test]
async fn health_and_metrics() {
    server!(state);
    assert_eq!(get(&state, "/livez").await.json(), json!({ "status": "ok" }));
    let ready = get(&state, "/readyz").await.json();
    assert_eq!(
        (&ready["status"], &ready["models"], &ready["queued"], &ready["block"]),
        (&json!("ok"), &json!(3), &json!(0), &Value::Null)
    );
    post(&state, "/v1/predictions", &[], &request()).await;
    get(&state, "/nowhere").await;
    let metrics = get(&state, "/metrics").await.text();
    assert!(metrics.contains("assay_jobs{state=\"queued\"} 1\n"), "{metrics}");
    assert!(metrics.contains("assay_http_responses_total{class=\"2xx\"} 3\n"), "{metrics}");
    assert!(metrics.contains("assay_http_responses_total{class=\"4xx\"} 1\n"), "{metrics}");
    state.stopping.send_replace(true);
    let draining = get(&state, "/readyz").await;
    draining.is_problem(503, "draining");
    assert_eq!(draining.headers["retry-after"], "10");
    post(&state, "/v1/predictions", &[], &request()).await.is_problem(503, "draining");
}

/// What other agents find the service by names its models and where they are bought.
#[tokio::test]
async fn an_agent_card_names_the_models() {
    server!(state);
    let answer = get(&state, "/.well-known/agent-card.json").await;
    assert_eq!(answer.status, 200);
    let card = answer.json();
    for field in ["protocolVersion", "name", "description", "url", "preferredTransport", "version"] {
        assert!(card[field].as_str().is_some_and(|text| !text.is_empty()), "{field}");
    }
    let skills = card["skills"].as_array().unwrap();
    assert_eq!(skills.len(), state.models().len());
    for (skill, model) in skills.iter().zip(state.models().iter()) {
        assert_eq!(skill["id"], model.id.to_string());
        assert!(
            skill["name"].is_string() && skill["description"].is_string() && skill["tags"][0].is_string(),
            "{skill}"
        );
    }
    // the transport is at the card's own address, and nothing is claimed that is not there
    assert!(card["url"].as_str().unwrap().ends_with("/v1/a2a"));
    assert_eq!(
        (&card["preferredTransport"], &card["additionalInterfaces"][0]["url"]),
        (&json!("JSONRPC"), &card["url"])
    );
    assert_eq!(
        (&card["capabilities"]["streaming"], &card["capabilities"]["pushNotifications"]),
        (&json!(false), &json!(false))
    );
    let interface = &card["capabilities"]["extensions"][0];
    assert!(interface["params"]["openapi"].as_str().unwrap().ends_with("/openapi.json"));
    assert_eq!(interface["params"]["free"], state.config.free);
}

#[tokio::test]
async fn openapi_names_every_route() {
    server!(state);
    let description = get(&state, "/openapi.json").await.json();
    assert!(description["openapi"].as_str().unwrap().starts_with("3."));
    for (path, method) in [
        ("/v1/models", "get"),
        ("/v1/models/{id}", "get"),
        ("/v1/models/{id}/key", "get"),
        ("/v1/models/{id}/lineage", "get"),
        ("/v1/models/{id}/drawing", "get"),
        ("/v1/history", "get"),
        ("/v1/market", "get"),
        ("/v1/quotes", "post"),
        ("/v1/commitments", "post"),
        ("/v1/completions", "post"),
        ("/v1/predictions", "post"),
        ("/v1/predictions", "get"),
        ("/v1/predictions/{id}", "get"),
        ("/v1/predictions/{id}/cancel", "post"),
        ("/v1/predictions/{id}/proof", "get"),
        ("/v1/predictions/{id}/events", "get"),
        ("/v1/verify", "post"),
        ("/v1/selling", "get"),
        ("/v1/seller", "get"),
        ("/v1/compilations", "post"),
        ("/v1/compilations/{id}", "get"),
        ("/v1/compilations/{id}/events", "get"),
        ("/v1/compilations/{id}/listing", "post"),
        ("/v1/compilations/{id}/offer", "post"),
        ("/.well-known/agent-card.json", "get"),
        ("/v1/a2a", "post"),
        ("/livez", "get"),
        ("/readyz", "get"),
        ("/metrics", "get"),
    ] {
        assert!(description["paths"][path][method].is_object(), "{method} {path} is not described");
    }
    let operations =
        description["paths"].as_object().unwrap().values().flat_map(|methods| methods.as_object().unwrap().values());
    let operations: Vec<&Value> = operations.collect();
    for operation in &operations {
        assert_eq!(operation["tags"].as_array().map(Vec::len), Some(1), "{operation}");
        let answers = operation["responses"].as_object().unwrap();
        assert!(
            answers.values().all(|answer| answer["description"].as_str().is_some_and(|words| !words.is_empty())),
            "{operation}"
        );
    }
    assert_eq!(description["paths"]["/v1/models/{id}"]["get"]["tags"], json!(["models"]));
    let mut names: Vec<&str> = operations.iter().map(|operation| operation["operationId"].as_str().unwrap()).collect();
    let all = names.len();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), all, "every operation has a name of its own");
    let cursor = &description["paths"]["/v1/models"]["get"]["parameters"][0];
    assert_eq!((&cursor["name"], &cursor["in"]), (&"cursor".into(), &"query".into()));
    assert_eq!(description["servers"][0]["url"], "/");
    assert_eq!(description["components"]["securitySchemes"]["operator"]["scheme"], "bearer");
    assert!(description["paths"]["/v1/predictions"]["get"]["security"][1]["operator"].is_array());
    assert!(description["paths"]["/v1/predictions"]["post"]["responses"]["429"]["headers"]["Retry-After"].is_object());
    let schemas = &description["components"]["schemas"];
    for (name, pattern) in
        [("Hash", "{64}"), ("Account", "{40}"), ("Amount", "[0-9]"), ("Hex", "{2}"), ("Point", "{128}")]
    {
        assert!(schemas[name]["pattern"].as_str().unwrap().contains(pattern), "{name}: {}", schemas[name]);
    }
    for parameter in description["paths"]["/v1/predictions"]["get"]["parameters"].as_array().unwrap() {
        assert_eq!((&parameter["in"], &parameter["required"]), (&json!("query"), &json!(false)), "{parameter}");
    }
    let headers = description["paths"]["/v1/predictions"]["post"]["parameters"].as_array().unwrap();
    assert!(
        headers.iter().all(|header| header["in"] == "header" && header["schema"]["type"] == "string"),
        "{headers:?}"
    );
    assert_eq!(schemas["Order"]["properties"]["buyer"]["$ref"], "#/components/schemas/Account");
    // every reference resolves
    fn refs<'a>(value: &'a Value, found: &mut Vec<&'a str>) {
        match value {
            Value::Object(map) => map.iter().for_each(|(k, v)| match v.as_str() {
                Some(text) if k == "$ref" => found.push(text),
                _ => refs(v, found),
            }),
            Value::Array(items) => items.iter().for_each(|v| refs(v, found)),
            _ => {}
        }
    }
    let mut found = Vec::new();
    refs(&description, &mut found);
    assert!(found.contains(&"#/components/schemas/Problem"));
    for reference in found {
        assert!(description.pointer(reference.trim_start_matches('#')).is_some(), "{reference} is missing");
    }
}

/// Requests of the description are taken, and its answers are what they are examples of.
#[tokio::test]
async fn openapi_examples_are_true() {
    server!(state);
    let description = get(&state, "/openapi.json").await.json();
    let example =
        |pointer: &str| description.pointer(pointer).unwrap_or_else(|| panic!("no example at {pointer}")).clone();
    let body = |path: &str| {
        example(&format!("/paths/{}/post/requestBody/content/application~1json/example", path.replace('/', "~1")))
    };
    assert_eq!(post(&state, "/v1/predictions", &[], &body("/v1/predictions")).await.status, StatusCode::ACCEPTED);
    assert_eq!(post(&state, "/v1/commitments", &[], &body("/v1/commitments")).await.status, StatusCode::OK);
    let said = post(&state, "/v1/completions", &[], &body("/v1/completions")).await.json();
    assert_eq!(said, example("/paths/~1v1~1completions/post/responses/200/content/application~1json/example"));
    assert_eq!(post(&state, "/v1/verify", &[], &body("/v1/verify")).await.json()["valid"], false);
    assert_eq!(post(&state, "/v1/a2a", &[], &body("/v1/a2a")).await.json()["result"]["kind"], "task");
    post(&state, "/v1/quotes", &[], &body("/v1/quotes")).await.is_problem(409, "no-market");
    post(&state, "/v1/webhooks", &[], &body("/v1/webhooks")).await.is_problem(401, "unauthorized");
    let answer = |path: &str, method: &str, status: u16| {
        example(&format!(
            "/paths/{}/{method}/responses/{status}/content/application~1json/example",
            path.replace('/', "~1")
        ))
    };
    for (path, method, status) in [("/v1/predictions", "post", 202), ("/v1/predictions/{id}", "get", 200)] {
        serde_json::from_value::<assay_api::Prediction>(answer(path, method, status)).unwrap();
    }
    serde_json::from_value::<assay_api::Commitment>(answer("/v1/commitments", "post", 200)).unwrap();
    serde_json::from_value::<assay_api::VerifyResponse>(answer("/v1/verify", "post", 200)).unwrap();
    serde_json::from_value::<assay_api::Ready>(answer("/readyz", "get", 200)).unwrap();
    serde_json::from_value::<assay_api::NewWebhook>(answer("/v1/webhooks", "post", 201)).unwrap();
    let problem = "/paths/~1v1~1predictions/post/responses/402/content/application~1problem+json/example";
    serde_json::from_value::<assay_api::Problem>(example(problem)).unwrap();
}

/// What of a value is not as a schema of the description says.
fn fault(whole: &Value, schema: &Value, value: &Value, at: &str) -> Option<String> {
    if let Some(reference) = schema["$ref"].as_str() {
        return fault(whole, whole.pointer(reference.trim_start_matches('#')).unwrap(), value, at);
    }
    for (word, need) in [("oneOf", 1), ("anyOf", 1), ("allOf", usize::MAX)] {
        if let Some(parts) = schema[word].as_array() {
            let fits = parts.iter().filter(|part| fault(whole, part, value, at).is_none()).count();
            return (fits < need.min(parts.len())).then(|| format!("{at}: {value} is not {word} {schema}"));
        }
    }
    let kinds: Vec<&str> = match &schema["type"] {
        Value::String(kind) => vec![kind],
        Value::Array(kinds) => kinds.iter().map(|kind| kind.as_str().unwrap()).collect(),
        _ => return None,
    };
    let is = |kind: &&str| match *kind {
        "null" => value.is_null(),
        "string" => value.is_string(),
        "boolean" => value.is_boolean(),
        "integer" => value.is_i64() || value.is_u64(),
        "number" => value.is_number(),
        "array" => value.is_array(),
        "object" => value.is_object(),
        other => panic!("{at}: no type {other}"),
    };
    if !kinds.iter().any(is) || schema["enum"].as_array().is_some_and(|all| !value.is_null() && !all.contains(value)) {
        return Some(format!("{at}: {value} is not {schema}"));
    }
    if let Some(items) = value.as_array() {
        return items.iter().find_map(|item| fault(whole, &schema["items"], item, at));
    }
    let fields = value.as_object()?;
    let missing =
        schema["required"].as_array().into_iter().flatten().find(|name| !fields.contains_key(name.as_str().unwrap()));
    if let Some(name) = missing {
        return Some(format!("{at} lacks {name}"));
    }
    let known = schema["properties"].as_object()?;
    known.iter().find_map(|(name, schema)| fault(whole, schema, fields.get(name)?, &format!("{at}.{name}")))
}

/// Every answer in JSON that is no problem has an example, which is as its schema says.
#[tokio::test]
async fn every_answer_has_an_example() {
    server!(state);
    let description = get(&state, "/openapi.json").await.json();
    let mut answers = 0;
    for (path, methods) in description["paths"].as_object().unwrap() {
        for (method, operation) in methods.as_object().unwrap() {
            for (status, answer) in
                operation["responses"].as_object().unwrap().iter().filter(|(status, _)| status.starts_with('2'))
            {
                let Some(json) = answer.pointer("/content/application~1json") else { continue };
                let name = format!("{method} {path} {status}");
                let example = json.get("example").unwrap_or_else(|| panic!("{name} has no example"));
                assert_eq!(fault(&description, &json["schema"], example, &name), None);
                answers += 1;
            }
        }
    }
    assert!(answers >= 30, "{answers}");
    let model = "/paths/~1v1~1models~1{id}/get/responses/200/content/application~1json";
    let (schema, mut example) = (
        description.pointer(&format!("{model}/schema")).unwrap(),
        description.pointer(model).unwrap()["example"].clone(),
    );
    example["terms"]["prove_secs"] = json!("600");
    assert!(fault(&description, schema, &example, "a model").is_some(), "the check finds what is wrong");
    serde_json::from_value::<assay_api::Model>(description.pointer(model).unwrap()["example"].clone()).unwrap();
}

/// Whoever wishes to wait does, wherever there is something to wait for.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn waiting_is_possible_everywhere() {
    server!(state);
    let id = post(&state, "/v1/predictions", &[], &request()).await.json()["id"].as_str().unwrap().to_owned();
    let path = format!("/v1/predictions/{id}");
    let early = send(&state, "GET", &path, &[("prefer", "wait=0")], Body::empty()).await;
    assert_eq!(
        (early.status, &early.json()["state"], &early.headers["preference-applied"]),
        (StatusCode::OK, &json!("queued"), &"wait=0".parse().unwrap())
    );
    send(&state, "GET", &path, &[("prefer", "wait=soon")], Body::empty()).await.is_problem(400, "invalid-header");
    let workers = tokio::spawn(assay_api::run_workers(state.clone()));
    let done = send(&state, "GET", &path, &[("prefer", "wait=60")], Body::empty()).await;
    assert_eq!(done.json()["state"], "proven");
    let id = post(&state, "/v1/predictions", &[], &request()).await.json()["id"].as_str().unwrap().to_owned();
    let proof = send(&state, "GET", &format!("/v1/predictions/{id}/proof"), &[("prefer", "wait")], Body::empty()).await;
    assert_eq!((proof.status, &proof.headers["preference-applied"]), (StatusCode::OK, &"wait=60".parse().unwrap()));
    state.stopping.send_replace(true);
    workers.await.unwrap();
}

#[tokio::test]
async fn models_are_listed_in_pages() {
    server!(state);
    let first = get(&state, "/v1/models?limit=2").await.json();
    assert_eq!(first["data"].as_array().unwrap().len(), 2);
    assert_eq!(first["data"][0]["id"], json!(model_id(1)));
    assert_eq!(first["data"][0]["development"], true);
    let second = get(&state, &format!("/v1/models?limit=2&cursor={}", first["next"].as_str().unwrap())).await.json();
    assert_eq!((second["data"][0]["id"].clone(), second["data"].as_array().unwrap().len()), (json!(model_id(3)), 1));
    assert_eq!(second["next"], Value::Null);
    let one = get(&state, &format!("/v1/models/{}", model_id(2))).await.json();
    assert_eq!(serde_json::from_value::<assay_api::engine::ModelInfo>(one.clone()).unwrap(), state.models()[1]);
    assert_eq!((&one["free"], &one["terms"], &one["labels"]), (&json!(true), &Value::Null, &json!([])));
    assert_eq!(one["inputs"][0]["range"], json!([-100.0, 100.0]));

    get(&state, &format!("/v1/models/{}", model_id(9))).await.is_problem(404, "unknown-model");
    get(&state, "/v1/models/seven").await.is_problem(400, "invalid-parameter");
    for query in ["limit=0", "limit=101", "limit=x", "cursor=x", &format!("cursor={}", model_id(9))] {
        get(&state, &format!("/v1/models?{query}")).await.is_problem(400, "invalid-parameter");
    }
}

#[tokio::test]
async fn a_prediction_is_accepted_read_and_cancelled() {
    server!(state);
    let made = post(&state, "/v1/predictions", &[], &request()).await;
    assert_eq!(made.status, StatusCode::ACCEPTED);
    let made_json = made.json();
    let path = made.headers["location"].to_str().unwrap();
    assert_eq!(path, format!("/v1/predictions/{}", made_json["id"].as_str().unwrap()));
    assert_eq!(made_json["state"], "queued");
    assert_eq!(made_json["output"], Value::Null, "nothing is shown before the proof");
    assert_eq!(get(&state, path).await.json(), made_json);
    get(&state, &format!("{path}/proof")).await.is_problem(409, "no-proof");

    let cancelled = post(&state, &format!("{path}/cancel"), &[], &json!({})).await;
    assert_eq!((cancelled.status, &cancelled.json()["state"]), (StatusCode::OK, &json!("cancelled")));
    let again = post(&state, &format!("{path}/cancel"), &[], &json!({})).await;
    assert_eq!(again.status, StatusCode::OK, "cancelling twice is harmless");

    get(&state, "/v1/predictions/none").await.is_problem(404, "no-such-prediction");
    post(&state, "/v1/predictions/none/cancel", &[], &json!({})).await.is_problem(404, "no-such-prediction");
    get(&state, "/v1/predictions/none/proof").await.is_problem(404, "no-such-prediction");
    get(&state, "/v1/predictions/none/events").await.is_problem(404, "no-such-prediction");
}

#[tokio::test]
async fn bad_requests_are_problems() {
    server!(state);
    let url = "/v1/predictions";
    let raw =
        async |body: &str| send(&state, "POST", url, &[("content-type", "application/json")], body.to_owned()).await;
    raw("{").await.is_problem(400, "malformed-json");
    raw("").await.is_problem(400, "malformed-json");
    raw(&format!(r#"{{"model":"{}","input":[NaN,1,2,3]}}"#, model_id(1))).await.is_problem(400, "malformed-json");
    raw(r#"{"model":"0x12","input":[]}"#).await.is_problem(422, "invalid-body");
    raw(&format!(r#"{{"model":"{}"}}"#, model_id(1))).await.is_problem(422, "invalid-body");
    raw(&format!(r#"{{"model":"{}","input":["one"]}}"#, model_id(1))).await.is_problem(422, "invalid-body");
    raw(&format!(r#"{{"model":"{}","input":[1,2,3,4],"extra":1}}"#, model_id(1))).await.is_problem(422, "invalid-body");
    raw(&format!(r#"{{"model":"{}","input":[1,2,3,1e39]}}"#, model_id(1))).await.is_problem(422, "input-not-finite");
    raw(&format!(r#"{{"model":"{}","input":[1,2,3]}}"#, model_id(1))).await.is_problem(422, "input-length");
    raw(&format!(r#"{{"model":"{}","input":[1,2,3,4]}}"#, model_id(9))).await.is_problem(404, "unknown-model");
    let blinded = json!({ "model": model_id(1), "input": [1, 2, 3, 4], "blinding": [B256::ZERO, B256::ZERO] });
    post(&state, url, &[], &blinded).await.is_problem(422, "blinding-length");
    send(&state, "POST", url, &[], "{}").await.is_problem(415, "unsupported-media-type");
    get(&state, "/v1").await.is_problem(404, "no-such-resource");
    send(&state, "DELETE", "/v1/models", &[], Body::empty()).await.is_problem(405, "method-not-allowed");
    for (name, value) in [
        ("prefer", "wait=soon"),
        ("cancel-after", "0"),
        ("cancel-after", "tomorrow"),
        ("cancel-after", "9223372036854775807h"),
        ("cancel-after", "5ss"),
        ("cancel-after", "+5"),
        ("cancel-after", "5 s"),
        ("idempotency-key", ""),
        ("idempotency-key", &"k".repeat(256)),
    ] {
        post(&state, url, &[(name, value)], &request()).await.is_problem(400, "invalid-header");
    }
    assert_eq!(state.store.counts().await.unwrap(), [], "no bad request left a job");
}

/// A list is not an object, wherever it stands, and no error names a type of this program.
#[tokio::test]
async fn lists_are_no_objects() {
    server!(state);
    let list = json!([model_id(1), [1.0, 2.0, 3.0, -1.5]]);
    post(&state, "/v1/predictions", &[], &list).await.is_problem(422, "invalid-body");
    post(&state, "/v1/quotes", &[], &json!([model_id(1), null, null])).await.is_problem(422, "invalid-body");
    let mut inside = request();
    inside["escrow"] = json!([[], [], "0x00"]);
    post(&state, "/v1/predictions", &[], &inside).await.is_problem(422, "invalid-body");
    inside["escrow"] = json!({ "order": [], "quote": {}, "signature": "0x" });
    post(&state, "/v1/predictions", &[], &inside).await.is_problem(422, "invalid-body");
    for body in [
        json!({ "model": 3, "input": [1] }),
        json!({ "model": model_id(1), "input": [1], "allow_clamping": "yes" }),
        json!({ "model": model_id(1), "input": {"x": "y"} }),
        json!("text"),
        json!({ "model": model_id(1), "input": [1], "escrow": { "order": { "prove_secs": -1 } } }),
    ] {
        let answer = post(&state, "/v1/predictions", &[], &body).await;
        answer.is_problem(422, "invalid-body");
        let detail = answer.json()["detail"].as_str().unwrap().to_owned();
        for name in ["struct", "enum", "u32", "f32", "u64", "bool", "PredictionRequest", "Inputs", "target type"] {
            assert!(!detail.split(|c: char| !c.is_alphanumeric()).any(|word| word == name), "{name}: {detail}");
        }
    }
    // what a browser's form or another program calls JSON
    let typed = [("content-type", "application/vnd.assay+json; charset=utf-8")];
    assert_eq!(
        send(&state, "POST", "/v1/predictions", &typed, request().to_string()).await.status,
        StatusCode::ACCEPTED
    );
}

#[tokio::test]
async fn a_public_input_is_committed_to() {
    server!(state);
    let input = InputOpening { data: vec![1.0, 2.0, 3.0, -1.5], blinding: vec![] };
    let commitments = Fake::new().execute(model_id(1), &input).unwrap().input_commitments;
    let answer = post(&state, "/v1/commitments", &[], &request()).await.json();
    assert_eq!(answer["input_commitments"], json!(commitments));
    assert_eq!(answer["input_commitment"], json!(assay_api::engine::input_digest(&commitments)));
    let made = post(&state, "/v1/predictions", &[], &request()).await.json();
    assert_eq!(made["input_commitments"], answer["input_commitments"]);
    let named = json!({ "model": model_id(1), "input": { "x": [1000.0, 2.0, 3.0, -1.5] } });
    post(&state, "/v1/commitments", &[], &named).await.is_problem(422, "input-outside-range");
    post(&state, "/v1/commitments", &[], &json!({ "model": model_id(9), "input": [] }))
        .await
        .is_problem(404, "unknown-model");
}

/// A prompt is continued without a proof where proofs are free, or where the operator says so; as a prediction it has
/// no order.
#[tokio::test]
async fn prompts_are_continued() {
    server!(state);
    let (url, prompt) = ("/v1/completions", json!({ "model": model_id(1), "input": [3, 4], "max_tokens": 2 }));
    let said = json!({ "tokens": [5.0, 6.0], "input": [3.0, 4.0, 5.0, 6.0] });
    assert_eq!(post(&state, url, &[], &prompt).await.json(), said);
    let with = |key: &str, value: Value| {
        let mut changed = prompt.clone();
        changed[key] = value;
        changed
    };
    post(&state, url, &[], &with("max_tokens", json!(3))).await.is_problem(422, "prompt-length");
    post(&state, url, &[], &with("max_tokens", json!(0))).await.is_problem(422, "invalid-body");
    post(&state, url, &[], &with("input", json!([]))).await.is_problem(422, "prompt-length");
    post(&state, url, &[], &with("model", json!(model_id(9)))).await.is_problem(404, "unknown-model");

    let made = post(&state, "/v1/predictions", &[], &prompt).await.json();
    assert_eq!((&made["prompt_tokens"], &made["tokens"]), (&json!(2), &Value::Null), "{made}");
    let stored = state.store.job(made["id"].as_str().unwrap()).await.unwrap();
    assert_eq!(stored.input.unwrap().data, [3.0, 4.0, 5.0, 6.0]);
    let (text, places) = (stored.text.unwrap(), |text: Text| (text.answer_places(), text.output_places()));
    assert_eq!(places(text), (2..4, 1..3));

    let mut config = (*state.config).clone();
    config.free = false;
    state.config = config.clone().into();
    post(&state, url, &[], &prompt).await.is_problem(403, "no-completions");
    config.completions = true;
    state.config = config.into();
    assert_eq!(post(&state, url, &[], &prompt).await.json(), said);
}

#[tokio::test]
async fn a_large_body_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let mut config = assay_api::config::ServeConfig::free(dir.path());
    config.body_bytes_max = 1000;
    let state = assay_api::AppState::open(config, Fake::new()).await.unwrap();
    let body = json!({ "model": model_id(1), "input": vec![1.0; 1000] });
    post(&state, "/v1/predictions", &[], &body).await.is_problem(413, "body-too-large");
}

#[tokio::test]
async fn the_same_key_is_the_same_prediction() {
    server!(state);
    let key = [("idempotency-key", "one")];
    let first = post(&state, "/v1/predictions", &key, &request()).await;
    let again = post(&state, "/v1/predictions", &key, &request()).await;
    assert_eq!(first.json(), again.json());
    assert_eq!(again.headers["idempotency-replayed"], "true");
    assert!(first.headers.get("idempotency-replayed").is_none());
    let mut other = request();
    other["input"][0] = json!(7);
    post(&state, "/v1/predictions", &key, &other).await.is_problem(422, "idempotency-key-reused");
    let without = post(&state, "/v1/predictions", &[], &request()).await;
    assert_ne!(without.json()["id"], first.json()["id"], "without a key, every request is another prediction");
}

#[tokio::test]
async fn racing_requests_with_one_key_make_one_prediction() {
    server!(state);
    let tasks: Vec<_> = (0..16)
        .map(|_| {
            let state = state.clone();
            tokio::spawn(
                async move { post(&state, "/v1/predictions", &[("idempotency-key", "race")], &request()).await },
            )
        })
        .collect();
    let mut ids = std::collections::HashSet::new();
    for task in tasks {
        let answer = task.await.unwrap();
        assert_eq!(answer.status, StatusCode::ACCEPTED);
        ids.insert(answer.json()["id"].as_str().unwrap().to_owned());
    }
    assert_eq!(ids.len(), 1);
    assert_eq!(state.store.counts().await.unwrap(), [(State::Queued, 1)]);
}

#[tokio::test]
async fn payment_is_asked_for() {
    let dir = tempfile::tempdir().unwrap();
    let mut config = assay_api::config::ServeConfig::free(dir.path());
    config.free = false;
    assert!(assay_api::AppState::open(config, Fake::new()).await.is_err(), "neither free nor paid");

    server!(state);
    let mut config = (*state.config).clone();
    config.free = false;
    state.config = config.into();
    post(&state, "/v1/predictions", &[], &request()).await.is_problem(402, "payment-required");
    post(&state, "/v1/quotes", &[], &json!({ "model": model_id(1) })).await.is_problem(409, "no-market");
}

#[tokio::test]
async fn a_full_queue_refuses() {
    server!(state);
    let mut config = (*state.config).clone();
    config.queue_max = 2;
    state.config = config.into();
    for _ in 0..2 {
        assert_eq!(post(&state, "/v1/predictions", &[], &request()).await.status, StatusCode::ACCEPTED);
    }
    let full = post(&state, "/v1/predictions", &[], &request()).await;
    full.is_problem(429, "queue-full");
    assert!(full.headers.contains_key("retry-after"));
}

#[tokio::test]
async fn the_list_is_the_operators() {
    server!(state);
    for _ in 0..3 {
        post(&state, "/v1/predictions", &[], &request()).await;
    }
    get(&state, "/v1/predictions").await.is_problem(401, "unauthorized");
    let wrong = [("authorization", "Bearer guess")];
    send(&state, "GET", "/v1/predictions", &wrong, Body::empty()).await.is_problem(401, "unauthorized");
    let right = [("authorization", "Bearer secret")];
    let first = send(&state, "GET", "/v1/predictions?limit=2", &right, Body::empty()).await.json();
    let path = format!("/v1/predictions?limit=2&cursor={}", first["next"].as_str().unwrap());
    let second = send(&state, "GET", &path, &right, Body::empty()).await.json();
    assert_eq!(second["next"], Value::Null);
    let ids: Vec<_> =
        [&first, &second].iter().flat_map(|p| p["data"].as_array().unwrap()).map(|p| p["id"].clone()).collect();
    assert_eq!(ids.len(), 3);
    assert!(ids[0] != ids[1] && ids[1] != ids[2] && ids[0] != ids[2]);
    send(&state, "GET", "/v1/predictions?cursor=x", &right, Body::empty()).await.is_problem(400, "invalid-parameter");
}

#[tokio::test]
async fn proofs_are_verified() {
    server!(state);
    let input = InputOpening { data: vec![1.0, 2.0, 3.0, 4.0], blinding: vec![] };
    let context = keccak256("context");
    let proof = Fake::new().prove(model_id(1), &input, context, &Default::default(), &|_| {}).unwrap();
    let mut claim = json!({ "model": model_id(1), "context": context, "input_commitments": proof.input_commitments,
        "output_cells": proof.output_cells, "proof": alloy::hex::encode_prefixed(&proof.proof) });
    let answer = post(&state, "/v1/verify", &[], &claim).await;
    assert_eq!(answer.json(), json!({ "valid": true, "reason": null, "development": true }));
    claim["output_cells"][0] = json!(1);
    let answer = post(&state, "/v1/verify", &[], &claim).await.json();
    assert_eq!((&answer["valid"], &answer["reason"]), (&json!(false), &json!("another hash")));
    claim["model"] = json!(model_id(9));
    post(&state, "/v1/verify", &[], &claim).await.is_problem(404, "unknown-model");
    claim["proof"] = json!("0xzz");
    post(&state, "/v1/verify", &[], &claim).await.is_problem(422, "invalid-body");
}

#[tokio::test]
async fn the_page_shows_models_but_no_whole_ids() {
    server!(state);
    let id = post(&state, "/v1/predictions", &[], &request()).await.json()["id"].as_str().unwrap().to_owned();
    let page = get(&state, "/status").await;
    assert!(page.headers["content-type"].to_str().unwrap().starts_with("text/html"));
    let html = page.text();
    assert!(
        html.contains("color-scheme:light dark") && html.contains("<a href=\"/\">"),
        "dark and light, with a way to the site"
    );
    assert!(html.contains("&lt;fake 1&gt;") && !html.contains("<fake 1>"), "names are escaped");
    assert!(html.contains(&id[..6]) && !html.contains(&id));
}

#[tokio::test]
async fn the_site_comes_with_everything_that_it_loads() {
    server!(state);
    let index = get(&state, "/").await;
    assert_eq!(index.headers["content-type"], "text/html; charset=utf-8");
    let policy = index.headers["content-security-policy"].to_str().unwrap();
    assert!(policy.contains("default-src 'none'") && !policy.contains("unsafe-inline"), "{policy}");
    let html = index.text();
    for name in ["site.js", "site.css"] {
        assert!(html.contains(&format!("app/{name}")), "the page does not load {name}");
        assert_eq!(get(&state, &format!("/app/{name}")).await.status, StatusCode::OK);
    }
    let wasm = get(&state, "/app/assay_verifier.wasm").await;
    assert_eq!(
        (&wasm.headers["content-type"], &wasm.headers["content-encoding"]),
        (&"application/wasm".parse().unwrap(), &"gzip".parse().unwrap())
    );
    assert!(wasm.bytes.len() <= 1_000_000, "1 MB for the verifier, 200 kB for scripts");
    assert!(get(&state, "/app/site.js").await.bytes.len() < 200_000);
    get(&state, "/app/other.js").await.is_problem(404, "no-such-resource");
}

/// What a browser has it is not sent again, and scripts are sent compressed to those who read that.
#[tokio::test]
async fn the_site_is_loaded_once() {
    server!(state);
    let ask = async |path: &'static str, headers: &[(&str, &str)]| {
        send(&state, "GET", path, headers, axum::body::Body::empty()).await
    };
    for path in ["/", "/app/site.js", "/app/site.css", "/app/assay_verifier.wasm"] {
        let first = ask(path, &[("accept-encoding", "br, gzip")]).await;
        let tag = first.headers["etag"].to_str().unwrap();
        let again = ask(path, &[("accept-encoding", "br, gzip"), ("if-none-match", &format!("\"x\", W/{tag}"))]).await;
        assert_eq!((again.status, again.bytes.len()), (StatusCode::NOT_MODIFIED, 0), "{path}");
        assert_eq!(again.headers["etag"], tag);
        assert_eq!(ask(path, &[("if-none-match", "\"another\"")]).await.status, StatusCode::OK, "{path}");
    }
    let (plain, gzip) = (ask("/app/site.js", &[]).await, ask("/app/site.js", &[("accept-encoding", "gzip")]).await);
    assert!(gzip.bytes.len() * 2 < plain.bytes.len(), "{} bytes after gzip", gzip.bytes.len());
    assert_eq!(gzip.headers["content-encoding"], "gzip");
    assert!(!plain.headers.contains_key("content-encoding") && plain.headers["vary"] == "accept-encoding");
    assert_ne!(plain.headers["etag"], gzip.headers["etag"]);
    let refused = ask("/app/site.js", &[("accept-encoding", "gzip;q=0, identity")]).await;
    assert!(!refused.headers.contains_key("content-encoding"), "{:?}", refused.headers);
}

/// People get a page where nothing is, and programs get a problem.
#[tokio::test]
async fn nothing_is_a_page_for_people() {
    server!(state);
    let html = ("accept", "text/html,application/xhtml+xml,*/*;q=0.8");
    let page = send(&state, "GET", "/nothing", &[html], axum::body::Body::empty()).await;
    assert_eq!(
        (page.status, &page.headers["content-type"]),
        (StatusCode::NOT_FOUND, &"text/html; charset=utf-8".parse().unwrap())
    );
    assert!(page.text().contains("There is no such page") && page.text().contains("href=\"/\""));
    assert!(page.headers["content-security-policy"].to_str().unwrap().contains("default-src 'none'"));
    get(&state, "/nothing").await.is_problem(404, "no-such-resource");
    send(&state, "GET", "/v1/nothing", &[html], axum::body::Body::empty()).await.is_problem(404, "no-such-resource");
}

#[tokio::test]
async fn keys_are_given_to_everybody() {
    server!(state);
    let key = get(&state, &format!("/v1/models/{}/key", model_id(1))).await;
    assert_eq!((key.status, &key.bytes[..]), (StatusCode::OK, model_id(1).as_slice()));
    assert_eq!(key.headers["content-type"], "application/octet-stream");
    get(&state, &format!("/v1/models/{}/key", B256::repeat_byte(9))).await.is_problem(404, "unknown-model");
    get(&state, "/v1/models/1/key").await.is_problem(400, "invalid-parameter");
}

/// What is over is counted, and nothing says how to read it.
#[tokio::test]
async fn the_history_has_no_ids() {
    server!(state);
    let id = post(&state, "/v1/predictions", &[], &request()).await.json()["id"].as_str().unwrap().to_owned();
    assert_eq!(get(&state, "/v1/history").await.json(), json!({ "data": [] }), "it is not over yet");
    state.store.transition(&id, None, &[State::Queued], State::Cancelled, Patch::default()).await.unwrap();
    let history = get(&state, "/v1/history").await;
    assert!(!history.text().contains(&id));
    let one = &history.json()["data"][0];
    assert_eq!((&one["model"], &one["state"], &one["price"]), (&json!(model_id(1)), &json!("cancelled"), &Value::Null));
    assert!(one["ended_ms"].as_i64().unwrap() >= one["created_ms"].as_i64().unwrap());
}

#[tokio::test]
async fn a_database_that_is_gone_is_a_problem() {
    server!(state);
    let id = post(&state, "/v1/predictions", &[], &request()).await.json()["id"].as_str().unwrap().to_owned();
    state.store.transition(&id, None, &[State::Queued], State::Cancelled, Patch::default()).await.unwrap();
    state.store.close().await;
    let answer = post(&state, "/v1/predictions", &[], &request()).await;
    answer.is_problem(503, "storage-unavailable");
    assert!(answer.headers.contains_key("retry-after"));
    assert!(!answer.text().to_lowercase().contains("sql"), "the inside stays inside");
    get(&state, "/readyz").await.is_problem(503, "storage-unavailable");
}
