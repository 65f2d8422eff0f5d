//! `/.well-known/agent-card.json`: the service as other agents find it, in the form of the Agent2Agent protocol
//! (version 0.3).
//!
//! The card names the transport that `/v1/a2a` speaks, a skill for each model, and, as an extension, the interface of
//! docs/api.md, which does more.

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, header};
use serde_json::{Value, json};

use super::a2a;
use super::models::{self, Model};
use crate::AppState;
use crate::error::Problem;

/// The name of the HTTP interface, as cards name extensions.
const INTERFACE: &str = concat!(env!("CARGO_PKG_REPOSITORY"), "/blob/main/docs/api.md");

/// The page that says how this service speaks the protocol.
const DOCUMENTATION: &str = concat!(env!("CARGO_PKG_REPOSITORY"), "/blob/main/docs/agents.md");
/// What is spoken at the card's address.
const TRANSPORT: &str = "JSONRPC";

/// Where the asker found this service. Only what a proxy adds is believed of a proxy.
pub(super) fn base(state: &AppState, headers: &HeaderMap) -> String {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    let host = text(header::HOST.as_str()).map_or_else(|| state.config.bind.to_string(), str::to_owned);
    let secure = state.config.behind_proxy && text("x-forwarded-proto") == Some("https");
    format!("{}://{host}", if secure { "https" } else { "http" })
}

/// A model as something that an agent can ask for.
fn skill(model: &Model) -> Value {
    let cost = model.terms.as_ref().map(|terms| {
        let unit = if terms.token.is_zero() {
            "of the chain's smallest unit".to_owned()
        } else {
            format!("of the token {}", terms.token)
        };
        format!("{} {unit}", terms.price)
    });
    let price = match (cost, model.free) {
        (Some(cost), false) => format!("An answer costs {cost}."),
        (Some(cost), true) => format!("Answers are free here, and one that is settled on chain costs {cost}."),
        (None, _) => "Answers are free.".to_owned(),
    };
    let said = model.description.clone().unwrap_or_else(|| format!("The model {}.", model.info.name));
    let numbers = model.info.input_len().unwrap_or_default();
    let example = format!(
        "a data part: {{\"prediction\": {{\"model\": \"{}\", \"input\": [{numbers} numbers]}}}}",
        model.info.id
    );
    let tags =
        ["machine-learning", "verifiable-inference", if model.free || model.terms.is_none() { "free" } else { "paid" }];
    json!({
        "id": model.info.id, "name": model.info.name, "description": format!("{said} {price} Each comes with a \
            zero-knowledge proof that this model gave it."),
        "tags": tags, "examples": [example], "inputModes": [a2a::MODE], "outputModes": [a2a::MODE],
    })
}

/// The agent card.
#[utoipa::path(get, path = "/.well-known/agent-card.json", responses(
    (status = 200, description = "An A2A agent card", body = Object), (status = 500, body = Problem, content_type = "application/problem+json")))]
pub async fn card(State(state): State<AppState>, headers: HeaderMap) -> Json<Value> {
    let (base, all) = (base(&state, &headers), models::all(&state).await);
    let market = all
        .iter()
        .find_map(|model| model.terms.as_ref())
        .map(|terms| json!({ "address": terms.market, "chain_id": terms.chain_id }));
    let interface = json!({
        "uri": INTERFACE, "required": false, "description": "Quotes, escrow and proven predictions over HTTP",
        "params": { "openapi": format!("{base}/openapi.json"), "models": format!("{base}/v1/models"), "market": market, "free": state.config.free },
    });
    let url = format!("{base}/v1/a2a");
    let mut card = json!({
        "protocolVersion": format!("{}.0", a2a::VERSION), "name": "Assay", "version": env!("CARGO_PKG_VERSION"),
        "url": url, "preferredTransport": TRANSPORT, "additionalInterfaces": [{ "url": url, "transport": TRANSPORT }],
        "description": "Answers of machine-learning models, each with a proof that exactly this model gave it. Paid \
            ones are settled by a contract that verifies the proof. Messages hold data: {\"prediction\": …} asks for \
            an answer, {\"quote\": …} for a price.",
        "documentationUrl": DOCUMENTATION, "capabilities": { "streaming": false, "pushNotifications": false, "extensions": [interface] },
        "defaultInputModes": [a2a::MODE], "defaultOutputModes": [a2a::MODE], "skills": all.iter().map(skill).collect::<Vec<_>>(),
    });
    if !state.config.anonymous {
        let key =
            json!({ "type": "http", "scheme": "bearer", "description": "a key that the operator gives: assay_…" });
        card["securitySchemes"] = json!({ "key": key });
        card["security"] = json!([{ "key": [] }]);
    }
    Json(card)
}
