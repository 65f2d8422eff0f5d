//! `/v1/webhooks`: where a key's holder wants to be told that predictions are over.

use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::caller::Caller;
use crate::AppState;
use crate::error::{ApiError, Body, Problem};
use crate::store::{Delivery, Scope, Webhook};
use crate::webhooks::{check, secret};

/// Most messages of a list.
const LATEST: u32 = 100;

/// A webhook that is to be made.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct WebhookRequest {
    /// Where messages are posted: a public https address.
    #[schema(examples("https://shop.example/assay"))]
    pub url: String,
}

/// A webhook that was made, with its secret, which is shown this once.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct NewWebhook {
    /// The webhook.
    #[serde(flatten)]
    pub webhook: Webhook,
    /// What messages are signed with: `whsec_` and base64, as libraries of Standard Webhooks take it.
    pub secret: String,
}

/// The webhooks of a key.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct WebhookList {
    /// The oldest first.
    pub data: Vec<Webhook>,
}

/// Messages of a webhook.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct DeliveryList {
    /// The latest, the newest first.
    pub data: Vec<Delivery>,
}

/// Registers a webhook. From now on a message goes there when a prediction that this key asked for is over.
#[utoipa::path(post, path = "/v1/webhooks", request_body = WebhookRequest, security(("key" = [])), responses((status = 201, body = NewWebhook)))]
pub async fn create(
    State(state): State<AppState>,
    caller: Caller,
    Body(request): Body<WebhookRequest>,
) -> Result<(StatusCode, Json<NewWebhook>), ApiError> {
    let key = caller.key(Scope::Webhooks)?;
    let url = check(&request.url, state.config.webhooks.leave)?;
    let secret = secret();
    let webhook = state.store.make_webhook(&key.id, url.as_str(), &secret).await?;
    Ok((StatusCode::CREATED, Json(NewWebhook { webhook, secret: secret.to_string() })))
}

/// The key's webhooks, without their secrets.
#[utoipa::path(get, path = "/v1/webhooks", security(("key" = [])), responses((status = 200, body = WebhookList)))]
pub async fn list(State(state): State<AppState>, caller: Caller) -> Result<Json<WebhookList>, ApiError> {
    let key = caller.key(Scope::Webhooks)?;
    Ok(Json(WebhookList { data: state.store.webhooks(&key.id).await? }))
}

/// The latest messages of a webhook, and what became of them.
#[utoipa::path(get, path = "/v1/webhooks/{id}/deliveries", params(("id" = String, Path)), security(("key" = [])), responses(
    (status = 200, body = DeliveryList), (status = 404, body = Problem, content_type = "application/problem+json")))]
pub async fn deliveries(
    State(state): State<AppState>,
    caller: Caller,
    Path(id): Path<String>,
) -> Result<Json<DeliveryList>, ApiError> {
    let key = caller.key(Scope::Webhooks)?;
    Ok(Json(DeliveryList { data: state.store.deliveries(&key.id, &id, LATEST).await? }))
}

/// Removes a webhook, with the messages that were not delivered yet.
#[utoipa::path(delete, path = "/v1/webhooks/{id}", params(("id" = String, Path)), security(("key" = [])), responses(
    (status = 204, description = "removed"), (status = 404, body = Problem, content_type = "application/problem+json")))]
pub async fn remove(
    State(state): State<AppState>,
    caller: Caller,
    Path(id): Path<String>,
) -> Result<StatusCode, ApiError> {
    let key = caller.key(Scope::Webhooks)?;
    state.store.remove_webhook(&key.id, &id).await?;
    Ok(StatusCode::NO_CONTENT)
}
