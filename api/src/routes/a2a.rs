//! `/v1/a2a`: the service as an agent of the Agent2Agent protocol (version 0.3), over JSON-RPC.
//!
//! It knows the three methods that the protocol asks of every agent: `message/send`, `tasks/get` and `tasks/cancel`. A
//! task is a prediction and has its id; the context that messages and tasks are in is the model. The service
//! understands data and no prose: a message holds what `POST /v1/quotes` or `POST /v1/predictions` takes, and it
//! answers prose with how to ask.

use alloy::primitives::B256;
use axum::Json;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::caller::Caller;
use super::client::Client;
use super::predictions::{self, Asked, Prediction, PredictionRequest};
use super::quotes::{self, QuoteRequest};
use super::{agent, header};
use crate::AppState;
use crate::error::{ApiError, plain, read_json};
use crate::store::{Job, Scope, State as JobState, StoreError, iso_time};

/// The version of the protocol. Clients that name none mean this one.
pub(super) const VERSION: &str = "0.3";
/// What messages consist of.
pub(super) const MODE: &str = "application/json";
/// The longest id of a message.
const MESSAGE_ID_MAX: usize = 255;

/// Numbers of errors: JSON-RPC's, and then the protocol's.
mod code {
    pub const PARSE: i64 = -32700;
    pub const INVALID_REQUEST: i64 = -32600;
    pub const NO_METHOD: i64 = -32601;
    pub const INVALID_PARAMS: i64 = -32602;
    pub const NO_TASK: i64 = -32001;
    pub const NOT_CANCELABLE: i64 = -32002;
    pub const NO_PUSH: i64 = -32003;
    pub const UNSUPPORTED: i64 = -32004;
    pub const CONTENT_TYPE: i64 = -32005;
    pub const VERSION: i64 = -32009;
}

/// Why a call is not answered.
enum Fault {
    /// As JSON-RPC says it: number, words, and the problem of which it comes.
    Rpc(i64, String, Option<Value>),
    /// As HTTP says it: who calls, how often, or whether the service works at all.
    Http(ApiError),
}

impl Fault {
    fn new(code: i64, message: impl Into<String>) -> Self {
        Self::Rpc(code, message.into(), None)
    }
}

impl From<ApiError> for Fault {
    fn from(error: ApiError) -> Self {
        use StatusCode as S;
        let status = error.parts().0;
        let is_https = status.is_server_error()
            || matches!(
                status,
                S::UNAUTHORIZED
                    | S::FORBIDDEN
                    | S::TOO_MANY_REQUESTS
                    | S::REQUEST_TIMEOUT
                    | S::PAYLOAD_TOO_LARGE
                    | S::UNSUPPORTED_MEDIA_TYPE
            );
        if is_https {
            return Self::Http(error);
        }
        let code = match &error {
            ApiError::MalformedJson { .. } => code::PARSE,
            ApiError::Store(StoreError::NoSuchJob) => code::NO_TASK,
            ApiError::NotCancellable { .. } => code::NOT_CANCELABLE,
            _ => code::INVALID_PARAMS,
        };
        Self::Rpc(code, error.problem().detail, serde_json::to_value(error.problem()).ok())
    }
}

/// A part of a message.
#[derive(Deserialize)]
#[serde(tag = "kind", rename_all = "lowercase")]
enum Part {
    Text {},
    Data { data: Value },
    File {},
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Message {
    message_id: String,
    parts: Vec<Part>,
    #[serde(default)]
    task_id: Option<String>,
    #[serde(default)]
    context_id: Option<String>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Configuration {
    #[serde(default)]
    accepted_output_modes: Option<Vec<String>>,
    #[serde(default)]
    blocking: Option<bool>,
    #[serde(default)]
    push_notification_config: Option<Value>,
}

#[derive(Deserialize)]
struct SendParams {
    message: Message,
    #[serde(default)]
    configuration: Option<Configuration>,
}

#[derive(Deserialize)]
struct TaskParams {
    id: String,
}

/// What a message asks for: one field of these.
#[derive(Deserialize)]
#[serde(rename_all = "lowercase", deny_unknown_fields)]
enum Wanted {
    Quote(QuoteRequest),
    Prediction(Box<PredictionRequest>),
}

impl Wanted {
    fn model(&self) -> B256 {
        match self {
            Self::Quote(request) => request.model,
            Self::Prediction(request) => request.model,
        }
    }
}

/// Reads parameters. Errors: what is wrong with them.
fn params<T: DeserializeOwned>(params: Value) -> Result<T, Fault> {
    serde_json::from_value(params).map_err(|e| Fault::new(code::INVALID_PARAMS, plain(&e.to_string())))
}

/// Where the caller found the service, and who calls.
struct Call {
    state: AppState,
    caller: Caller,
    client: String,
    base: String,
}

impl Call {
    async fn answer(&self, method: &str, given: Value) -> Result<Value, Fault> {
        match method {
            "message/send" => self.send(params(given)?).await,
            "tasks/get" => {
                let TaskParams { id } = params(given)?;
                let job = self.caller.prediction(&self.state, &id, Scope::Read).await?;
                self.task(job).await
            }
            "tasks/cancel" => {
                let TaskParams { id } = params(given)?;
                let job = self.caller.prediction(&self.state, &id, Scope::Predict).await?;
                self.task(predictions::withdraw(&self.state, &job.id, "the client asked for it").await?).await
            }
            method if method.starts_with("tasks/pushNotificationConfig/") => {
                Err(Fault::new(code::NO_PUSH, "this agent sends no notifications: ask with tasks/get"))
            }
            "message/stream" | "tasks/resubscribe" => Err(Fault::new(
                code::UNSUPPORTED,
                "this agent streams nothing: ask with tasks/get, or with blocking: true",
            )),
            _ => Err(Fault::new(code::NO_METHOD, "the methods are message/send, tasks/get and tasks/cancel")),
        }
    }

    async fn send(&self, SendParams { message, configuration }: SendParams) -> Result<Value, Fault> {
        let Configuration { accepted_output_modes, blocking, push_notification_config } =
            configuration.unwrap_or_default();
        if push_notification_config.is_some() {
            return Err(Fault::new(
                code::NO_PUSH,
                "this agent sends no notifications: leave pushNotificationConfig out",
            ));
        }
        let takes = |mode: &String| matches!(mode.as_str(), MODE | "application/*" | "*/*");
        if accepted_output_modes.is_some_and(|modes| !modes.is_empty() && !modes.iter().any(takes)) {
            return Err(Fault::new(code::CONTENT_TYPE, format!("answers are {MODE}")));
        }
        if !(1..=MESSAGE_ID_MAX).contains(&message.message_id.len()) {
            return Err(Fault::new(code::INVALID_PARAMS, format!("a messageId has 1 to {MESSAGE_ID_MAX} bytes")));
        }
        if let Some(id) = message.task_id {
            self.caller.prediction(&self.state, &id, Scope::Read).await?;
            let text = "a task takes no further messages: an order is paid for on the chain, and what is asked anew is \
                a message without taskId";
            return Err(Fault::new(code::UNSUPPORTED, text));
        }
        let mut data = Vec::new();
        for part in message.parts {
            match part {
                Part::Data { data: given } => data.push(given),
                Part::Text {} => {}
                Part::File {} => {
                    return Err(Fault::new(
                        code::CONTENT_TYPE,
                        "files are not taken: an input is a list of numbers in a data part",
                    ));
                }
            }
        }
        let wanted: Wanted = match <[Value; 1]>::try_from(data) {
            Ok([one]) => params(one)?,
            Err(none) if none.is_empty() => return Ok(help()),
            Err(_) => {
                return Err(Fault::new(code::INVALID_PARAMS, "a message has one data part, which asks for one thing"));
            }
        };
        let context = wanted.model().to_string();
        if message.context_id.is_some_and(|given| given != context) {
            return Err(Fault::new(
                code::INVALID_PARAMS,
                format!("the context of what is asked of this model is {context}"),
            ));
        }
        match wanted {
            Wanted::Quote(request) => {
                let escrow = quotes::quote(&self.state, &self.caller, &request).await?;
                let parts = json!([{ "kind": "data", "data": { "escrow": escrow } }]);
                Ok(said(&format!("quote {}", escrow.quote.nonce), parts, Some(&context)))
            }
            Wanted::Prediction(request) => {
                // clients that count their messages from 1 do not meet
                let key = format!("a2a {} {}", self.client, message.message_id);
                let asked = Asked { request: *request, idempotency_key: Some(key), cancel_after_ms: None };
                let (job, _) =
                    predictions::take(&self.state, &self.caller, self.client.clone(), &HeaderMap::new(), asked).await?;
                // an order that is not paid for waits for its client
                let waits = blocking == Some(true) && job.state != JobState::AwaitingPayment;
                let (job, _) = predictions::waited(&self.state, job, waits.then_some(u64::MAX)).await?;
                self.task(job).await
            }
        }
    }

    /// A prediction as a task.
    async fn task(&self, job: Job) -> Result<Value, Fault> {
        let prediction = Prediction::load(&self.state, job).await.map_err(ApiError::from)?;
        let (id, context) = (&prediction.id, prediction.model.to_string());
        let mut status = json!({ "state": task_state(prediction.state), "timestamp": iso_time(prediction.updated_ms) });
        if let Some(text) = says(&prediction) {
            let parts = json!([{ "kind": "text", "text": text }]);
            let mut message = said(&format!("{id} {}", prediction.state), parts, Some(&context));
            message["taskId"] = json!(id);
            status["message"] = message;
        }
        let url = |path: &str| format!("{}{path}", self.base);
        let mut task = json!({
            "kind": "task", "id": id, "contextId": context, "status": status, "metadata": { "prediction": url(&format!("/v1/predictions/{id}")) },
        });
        if let Some(proof) = &prediction.proof_url {
            let file = |name: &str, path: &str| json!({ "kind": "file", "file": { "uri": url(path), "name": name, "mimeType": "application/octet-stream" } });
            let parts = json!([
                { "kind": "data", "data": { "prediction": prediction } },
                file("proof.bin", proof),
                file("model.key", &format!("/v1/models/{context}/key")),
            ]);
            task["artifacts"] = json!([{ "artifactId": "answer", "name": "the answer, its proof, and the key to verify it with", "parts": parts }]);
        }
        Ok(task)
    }
}

/// A message of this agent.
fn said(id: &str, parts: Value, context: Option<&str>) -> Value {
    let mut message = json!({ "kind": "message", "role": "agent", "messageId": id, "parts": parts });
    if let Some(context) = context {
        message["contextId"] = json!(context);
    }
    message
}

/// What is answered to a message that asks for nothing which is known here.
fn help() -> Value {
    let text = "This agent answers with numbers and their proofs, and understands data only. Send one data part: \
        {\"prediction\": {\"model\": ID, \"input\": [numbers]}} asks for a proven answer, with \"escrow\" where \
        answers are paid for; {\"quote\": {\"model\": ID, \"buyer\": ADDRESS, \"input_commitment\": HASH}} asks for a \
        price, which is such an escrow. The skills of the agent card are the models, by their ids. The fields are \
        those of POST /v1/predictions and POST /v1/quotes in /openapi.json.";
    said(&format!("{:x}", B256::random()), json!([{ "kind": "text", "text": text }]), None)
}

fn task_state(state: JobState) -> &'static str {
    match state {
        JobState::AwaitingPayment => "input-required",
        JobState::Queued => "submitted",
        JobState::Locking | JobState::Proving | JobState::SettlementPending => "working",
        JobState::Settled | JobState::Proven => "completed",
        JobState::Cancelled => "canceled",
        JobState::Failed | JobState::Refunded | JobState::Expired => "failed",
    }
}

/// What the state of a task alone does not say.
fn says(prediction: &Prediction) -> Option<String> {
    match prediction.state {
        JobState::AwaitingPayment => Some(
            "pay the order into the market (InferenceMarket.fund): it is begun when the payment is on chain".to_owned(),
        ),
        JobState::Failed | JobState::Refunded | JobState::Expired => {
            let why = prediction.error_detail.as_ref().map(|detail| format!(": {detail}")).unwrap_or_default();
            Some(format!("the prediction is {}{why}", prediction.state))
        }
        _ => None,
    }
}

/// Takes a call apart: its id, its method, its parameters. Errors: the id as far as it is known, and why it is no call.
fn read(call: Value) -> Result<(Value, String, Value), (Value, Fault)> {
    let bad = |id: Value, text: &str| (id, Fault::new(code::INVALID_REQUEST, text));
    let Value::Object(mut fields) = call else { return Err(bad(Value::Null, "a call is an object")) };
    let id = match fields.remove("id") {
        Some(id @ (Value::String(_) | Value::Number(_) | Value::Null)) => id,
        Some(_) => return Err(bad(Value::Null, "an id is a text or a number")),
        None => return Err(bad(Value::Null, "every method has an answer: send an id")),
    };
    if fields.get("jsonrpc").and_then(Value::as_str) != Some("2.0") {
        return Err(bad(id, "jsonrpc is \"2.0\""));
    }
    let Some(Value::String(method)) = fields.remove("method") else { return Err(bad(id, "method is the name of one")) };
    Ok((id, method, fields.remove("params").unwrap_or_else(|| json!({}))))
}

/// A call of the Agent2Agent protocol (0.3), which is JSON-RPC: `message/send`, `tasks/get` or `tasks/cancel`. A task
/// is a prediction. docs/agents.md
#[utoipa::path(post, path = "/v1/a2a", request_body = Object, responses((status = 200, body = Object, description = "its answer, or its error")))]
pub async fn call(
    State(state): State<AppState>,
    caller: Caller,
    Client(client): Client,
    headers: HeaderMap,
    request: Request,
) -> Response {
    let base = agent::base(&state, &headers);
    let (limit, most) = (state.config.http.body_timeout, state.config.body_bytes_max);
    let answered = match read_json::<Value>(request, &state, limit, most).await {
        Err(ApiError::InvalidBody { detail }) => Err((Value::Null, Fault::new(code::INVALID_REQUEST, detail))),
        Err(error) => Err((Value::Null, error.into())),
        Ok(body) => match read(body) {
            Err(refused) => Err(refused),
            Ok((id, method, params)) => {
                let of_version = version(&headers);
                let answer = match of_version {
                    Ok(()) => Call { state, caller, client, base }.answer(&method, params).await,
                    Err(fault) => Err(fault),
                };
                answer
                    .map(|result| json!({ "jsonrpc": "2.0", "id": id, "result": result }))
                    .map_err(|fault| (id, fault))
            }
        },
    };
    match answered {
        Ok(answer) => Json(answer).into_response(),
        Err((_, Fault::Http(error))) => error.into_response(),
        Err((id, Fault::Rpc(code, message, problem))) => {
            // what is said of an error beside its number is a list
            let data = problem.map(|problem| json!([problem]));
            Json(json!({ "jsonrpc": "2.0", "id": id, "error": { "code": code, "message": message, "data": data } }))
                .into_response()
        }
    }
}

/// Refuses clients that speak another version.
fn version(headers: &HeaderMap) -> Result<(), Fault> {
    match header(headers, "a2a-version")?.map(str::trim) {
        None | Some("" | VERSION) => Ok(()),
        Some(other) if other.strip_prefix(VERSION).is_some_and(|patch| patch.starts_with('.')) => Ok(()),
        Some(_) => Err(Fault::new(code::VERSION, format!("this agent speaks version {VERSION}"))),
    }
}
