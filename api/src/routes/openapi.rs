//! `/openapi.json`, made from the code.

use std::sync::OnceLock;

use axum::Json;
use axum::http::StatusCode;
use serde_json::{Value, json};
use utoipa::OpenApi;

use super::examples;

/// The interface's description, as far as the annotations of the routes make it.
#[derive(Debug, OpenApi)]
#[openapi(
    info(title = "Assay", description = "Machine-learning inferences that come with a proof."),
    paths(
        super::health::livez,
        super::health::readyz,
        super::health::metrics,
        super::agent::card,
        super::a2a::call,
        super::models::list,
        super::models::get,
        super::models::key,
        super::models::srs,
        super::models::lineage,
        super::models::drawing,
        super::history::list,
        super::market::history,
        super::market::jobs,
        super::quotes::create,
        super::commitments::create,
        super::completions::create,
        super::predictions::create,
        super::predictions::list,
        super::predictions::get,
        super::predictions::cancel,
        super::predictions::retry,
        super::predictions::proof,
        super::stream::events,
        super::verify::verify,
        super::webhooks::create,
        super::webhooks::list,
        super::webhooks::deliveries,
        super::webhooks::remove,
        super::seller::selling,
        super::seller::numbers,
        super::compilations::create,
        super::compilations::list,
        super::compilations::get,
        super::compilations::cancel,
        super::compilations::events,
        super::compilations::drawing,
        super::compilations::key,
        super::compilations::package,
        super::compilations::listing,
        super::compilations::offer,
    ),
    components(schemas(crate::error::Problem, crate::store::Event))
)]
struct Annotated;

/// What a route that reads a body can say of it.
const BODY: [u16; 5] = [400, 408, 413, 415, 422];

/// What every route under `/v1` can say of its caller.
const CALLER: [u16; 4] = [400, 401, 403, 429];

/// The problems of each route, beside [`CALLER`] and those of every route: 500, and 503 where there is no place, no
/// room or no answer.
const PROBLEMS: [(&str, &str, &[u16], bool); 38] = [
    ("/v1/models", "get", &[400], false),
    ("/v1/models/{id}", "get", &[400, 404], false),
    ("/v1/models/{id}/key", "get", &[400, 404], false),
    ("/v1/models/{id}/srs", "get", &[400, 404], false),
    ("/v1/models/{id}/lineage", "get", &[400, 404, 409, 502], false),
    ("/v1/models/{id}/drawing", "get", &[400, 404], false),
    ("/v1/history", "get", &[], false),
    ("/v1/market", "get", &[409], false),
    ("/v1/market/jobs", "get", &[400, 409], false),
    ("/v1/quotes", "post", &[404, 409, 502], true),
    ("/v1/commitments", "post", &[404], true),
    ("/v1/completions", "post", &[403, 404], true),
    ("/v1/predictions", "post", &[402, 404, 409, 502], true),
    ("/v1/predictions", "get", &[400], false),
    ("/v1/predictions/{id}", "get", &[404], false),
    ("/v1/predictions/{id}/cancel", "post", &[404, 409], false),
    ("/v1/predictions/{id}/retry", "post", &[400, 404, 409], false),
    ("/v1/predictions/{id}/proof", "get", &[404, 409], false),
    ("/v1/predictions/{id}/events", "get", &[400, 404], false),
    ("/v1/a2a", "post", &[502], true),
    ("/v1/verify", "post", &[404], true),
    ("/v1/webhooks", "post", &[409], true),
    ("/v1/webhooks", "get", &[], false),
    ("/v1/webhooks/{id}", "delete", &[400, 404], false),
    ("/v1/webhooks/{id}/deliveries", "get", &[400, 404], false),
    ("/v1/selling", "get", &[], false),
    ("/v1/seller", "get", &[400, 401], false),
    ("/v1/compilations", "post", &[401, 403, 429], true),
    ("/v1/compilations", "get", &[400, 401, 403], false),
    ("/v1/compilations/{id}", "get", &[403, 404], false),
    ("/v1/compilations/{id}/cancel", "post", &[403, 404], false),
    ("/v1/compilations/{id}/events", "get", &[400, 403, 404], false),
    ("/v1/compilations/{id}/drawing", "get", &[403, 404, 409], false),
    ("/v1/compilations/{id}/key", "get", &[403, 404, 409], false),
    ("/v1/compilations/{id}/package", "get", &[400, 401, 403, 404, 409], false),
    ("/v1/compilations/{id}/listing", "post", &[401, 403, 404, 409, 502], true),
    ("/v1/compilations/{id}/offer", "post", &[401, 403, 404, 409], true),
    ("/metrics", "get", &[], false),
];

/// A problem among the answers of a route.
fn problem(status: u16) -> Value {
    let reason = StatusCode::from_u16(status).ok().and_then(|status| status.canonical_reason()).unwrap_or("problem");
    let mut answer = json!({
        "description": format!("{reason}: `code` says more"),
        "content": { "application/problem+json": { "schema": { "$ref": "#/components/schemas/Problem" }, "example": examples::problem(status) } },
    });
    if status == 402
        && let Some(fields) = answer.as_object_mut()
    {
        let base64 = json!({ "schema": { "type": "string" }, "description": "where payments by x402 are taken: what is to be paid, base64 of JSON" });
        fields.insert("headers".into(), json!({ "PAYMENT-REQUIRED": base64 }));
    }
    if matches!(status, 429 | 503)
        && let Some(fields) = answer.as_object_mut()
    {
        let seconds =
            json!({ "schema": { "type": "integer" }, "description": "seconds after which trying again makes sense" });
        fields.insert("headers".into(), json!({ "Retry-After": seconds }));
    }
    answer
}

/// Patterns of headers: what does not follow them is refused.
const PATTERNS: [(&str, &str); 2] =
    [("Cancel-After", "^(?=.*[1-9])[0-9]{1,6}[smh]?$"), ("Idempotency-Key", r#"^"?[!#-~]([ !#-~]{0,253}[!#-~])?"?$"#)];

/// A parameter that may be left out has no null: what is written is text.
fn describe_parameters(whole: &mut Value) {
    let routes = whole.get_mut("paths").and_then(Value::as_object_mut).into_iter().flat_map(|paths| paths.values_mut());
    let methods = routes.filter_map(Value::as_object_mut).flat_map(|methods| methods.values_mut());
    for parameter in methods.filter_map(|method| method.get_mut("parameters")?.as_array_mut()).flatten() {
        let pattern = PATTERNS.iter().find(|(name, _)| parameter["name"] == *name).map(|(_, pattern)| *pattern);
        let Some(schema) = parameter.get_mut("schema") else { continue };
        if let Some(kinds) = schema.get_mut("type").and_then(Value::as_array_mut) {
            kinds.retain(|kind| kind != "null");
            if let [kind] = kinds.as_slice() {
                schema["type"] = kind.clone();
            }
        }
        if let Some(choices) = schema.get_mut("oneOf").and_then(Value::as_array_mut) {
            choices.retain(|choice| choice["type"] != "null");
        }
        if let Some(pattern) = pattern {
            schema["pattern"] = json!(pattern);
        }
    }
}

/// Adds examples of requests and answers.
fn insert_examples(whole: &mut Value) {
    let Some(paths) = whole.get_mut("paths") else { return };
    let mut put = |route: &[&str], example: Value| {
        let mut at = Some(&mut *paths);
        for part in route {
            at = at.and_then(|value| value.get_mut(*part));
        }
        if let Some(fields) =
            at.and_then(|value| value.get_mut("content")?.get_mut("application/json")?.as_object_mut())
        {
            fields.insert("example".into(), example);
        }
    };
    for (path, body) in examples::requests() {
        put(&[path, "post", "requestBody"], body);
    }
    for (path, method, status, body) in examples::answers() {
        put(&[path, method, "responses", status], body);
    }
}

/// Gives each operation a name that no other has, `get_v1_models_id` for instance, and the group of those that are
/// about the same: programs that write clients make functions and modules of them.
fn name_operations(whole: &mut Value) {
    let Some(paths) = whole.get_mut("paths").and_then(Value::as_object_mut) else { return };
    for (path, methods) in paths {
        let words: Vec<&str> =
            path.split(|c: char| !c.is_ascii_alphanumeric()).filter(|word| !word.is_empty()).collect();
        let group = if let ["v1", group, ..] = words[..] { group } else { "service" };
        for (method, operation) in methods.as_object_mut().into_iter().flatten() {
            if let Some(fields) = operation.as_object_mut() {
                fields.insert("operationId".into(), format!("{method}_{}", words.join("_")).into());
                fields.insert("tags".into(), json!([group]));
            }
        }
    }
}

/// Says in words what each answer is: the format of descriptions wants that of all of them.
fn describe_answers(whole: &mut Value) {
    let routes = whole.get_mut("paths").and_then(Value::as_object_mut).into_iter().flat_map(|paths| paths.values_mut());
    let methods = routes.filter_map(Value::as_object_mut).flat_map(|methods| methods.values_mut());
    for (status, answer) in methods.filter_map(|method| method.get_mut("responses")?.as_object_mut()).flatten() {
        let status: Option<StatusCode> = status.parse().ok();
        let Some((fields, reason)) = answer.as_object_mut().zip(status.and_then(|status| status.canonical_reason()))
        else {
            continue;
        };
        fields.entry("description").or_insert_with(|| reason.into());
    }
}

/// The whole description: what the annotations say, all problems, where the server is, and how its operator is known.
pub fn description() -> &'static Value {
    static WHOLE: OnceLock<Value> = OnceLock::new();
    WHOLE.get_or_init(|| {
        let mut whole = serde_json::to_value(Annotated::openapi()).unwrap_or_default();
        for (path, method, statuses, reads_body) in PROBLEMS {
            let known = path.starts_with("/v1/");
            let statuses =
                statuses.iter().chain(BODY.iter().filter(|_| reads_body)).chain(CALLER.iter().filter(|_| known)).chain(&[500, 503]);
            let responses =
                whole.get_mut("paths").and_then(|paths| paths.get_mut(path)?.get_mut(method)?.get_mut("responses")?.as_object_mut());
            if let Some(responses) = responses {
                for status in statuses {
                    responses.insert(status.to_string(), problem(*status));
                }
            }
        }
        insert_examples(&mut whole);
        describe_parameters(&mut whole);
        describe_answers(&mut whole);
        let paths = whole.get_mut("paths").and_then(Value::as_object_mut);
        for (_, methods) in paths.into_iter().flatten().filter(|(path, _)| path.starts_with("/v1/")) {
            for route in methods.as_object_mut().into_iter().flat_map(|methods| methods.values_mut()).filter_map(Value::as_object_mut) {
                // a key is everywhere possible, and needed where the annotations say so
                route.entry("security").or_insert_with(|| json!([{}, { "key": [] }, { "operator": [] }]));
            }
        }
        name_operations(&mut whole);
        if let Some(fields) = whole.as_object_mut() {
            fields.insert("servers".into(), json!([{ "url": "/", "description": "this server" }]));
        }
        if let Some(components) = whole.get_mut("components").and_then(Value::as_object_mut) {
            let operator =
                json!({ "type": "http", "scheme": "bearer", "description": "the operator's token (`assay serve --operator-token`)" });
            let key =
                json!({ "type": "http", "scheme": "bearer", "description": "a key of a client (`assay api-keys create`), `assay_…`" });
            components.insert("securitySchemes".into(), json!({ "key": key, "operator": operator }));
        }
        whole
    })
}

/// The description as JSON.
pub async fn openapi() -> Json<&'static Value> {
    Json(description())
}
