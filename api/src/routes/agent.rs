//! `/.well-known/agent-card.json`: the service as other agents find it, in the form of the Agent2Agent protocol (version 0.3).
//!
//! The service speaks no transport of that protocol: the card names its own, and where that is described. An agent that reads cards learns which models
//! are sold and where they are bought.

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, header};
use serde_json::{Value, json};

use super::models::{self, Model};
use crate::AppState;
use crate::error::Problem;

/// The name of this interface, as cards name transports and extensions.
const INTERFACE: &str = concat!(env!("CARGO_PKG_REPOSITORY"), "/blob/main/docs/api.md");

/// Where the asker found this service. Only what a proxy adds is believed of a proxy.
fn base(state: &AppState, headers: &HeaderMap) -> String {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    let host = text(header::HOST.as_str()).map_or_else(|| state.config.bind.to_string(), str::to_owned);
    let secure = state.config.behind_proxy && text("x-forwarded-proto") == Some("https");
    format!("{}://{host}", if secure { "https" } else { "http" })
}

/// A model as something that an agent can ask for.
fn skill(model: &Model) -> Value {
    let price = match &model.terms {
        Some(terms) if terms.token.is_zero() => format!("An answer costs {} of the chain's smallest unit.", terms.price),
        Some(terms) => format!("An answer costs {} of the token {}.", terms.price, terms.token),
        None => "Answers are free.".to_owned(),
    };
    let said = model.description.clone().unwrap_or_else(|| format!("The model {}.", model.info.name));
    let tags = ["machine-learning", "verifiable-inference", if model.terms.is_some() { "paid" } else { "free" }];
    json!({
        "id": model.info.id, "name": model.info.name, "description": format!("{said} {price} Each comes with a zero-knowledge proof that this model gave it."),
        "tags": tags, "inputModes": ["application/json"], "outputModes": ["application/json"],
    })
}

/// The agent card.
#[utoipa::path(get, path = "/.well-known/agent-card.json", responses(
    (status = 200, description = "An A2A agent card", body = Object), (status = 500, body = Problem, content_type = "application/problem+json")))]
pub async fn card(State(state): State<AppState>, headers: HeaderMap) -> Json<Value> {
    let (base, all) = (base(&state, &headers), models::all(&state).await);
    let market =
        all.iter().find_map(|model| model.terms.as_ref()).map(|terms| json!({ "address": terms.market, "chain_id": terms.chain_id }));
    let interface = json!({
        "uri": INTERFACE, "required": true, "description": "Quotes, escrow and proven predictions over HTTP",
        "params": { "openapi": format!("{base}/openapi.json"), "models": format!("{base}/v1/models"), "market": market, "free": state.config.free },
    });
    Json(json!({
        "protocolVersion": "0.3.0", "name": "Assay", "version": env!("CARGO_PKG_VERSION"), "url": format!("{base}/v1"), "preferredTransport": INTERFACE,
        "description": "Answers of machine-learning models, each with a proof that exactly this model gave it. Paid ones are settled by a contract that \
                        verifies the proof. Buy with `assay mcp`, with `assay request`, or over HTTP.",
        "documentationUrl": INTERFACE, "capabilities": { "streaming": true, "pushNotifications": false, "extensions": [interface] },
        "defaultInputModes": ["application/json"], "defaultOutputModes": ["application/json"], "skills": all.iter().map(skill).collect::<Vec<_>>(),
    }))
}
