//! One error type for all routes, rendered as RFC 9457 problem details.

use axum::body::Bytes;
use axum::extract::rejection::{BytesRejection, JsonRejection};
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::chain::ChainError;
use crate::engine::{DecodeError, EngineError};
use crate::sell::Refused as SellRefused;
use crate::store::{Scope, State, StoreError};
use crate::terms::EscrowError;
use crate::webhooks::Refused as WebhookRefused;
use crate::x402::PaymentError;

/// Why a request was not served.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ApiError {
    /// The body is not JSON.
    #[error("the body is not valid JSON")]
    MalformedJson {
        /// Where and why.
        detail: String,
    },
    /// The body is JSON of another shape.
    #[error("the body does not have the expected fields")]
    InvalidBody {
        /// Where and why.
        detail: String,
    },
    /// The body is not declared as JSON.
    #[error("send the body as application/json")]
    UnsupportedMediaType,
    /// The body is too large.
    #[error("the body is larger than {limit} bytes")]
    BodyTooLarge {
        /// The limit.
        limit: usize,
    },
    /// No such path.
    #[error("nothing is at this path")]
    NoSuchResource,
    /// The path exists for other methods.
    #[error("this path does not take this method")]
    MethodNotAllowed,
    /// A header cannot be understood.
    #[error("header {name} cannot be understood")]
    InvalidHeader {
        /// The header.
        name: &'static str,
    },
    /// A query or path parameter cannot be understood.
    #[error("parameter {name} cannot be understood")]
    InvalidParameter {
        /// The parameter.
        name: &'static str,
    },
    /// A key or the operator's token is missing, unknown or revoked.
    #[error("send a key that is known here, as `Authorization: Bearer assay_…`, or the operator's token")]
    Unauthorized,
    /// The key does not allow this.
    #[error("this key does not have the scope `{scope}`")]
    ScopeMissing {
        /// What it would need.
        scope: Scope,
    },
    /// Too many requests in a minute.
    #[error("more than {limit} requests in a minute; the next minute begins in {secs} s")]
    RateLimited {
        /// How many there may be.
        limit: u32,
        /// Seconds until the window ends.
        secs: u32,
    },
    /// The server is not free and the request carries no escrow.
    #[error(
        "predictions here are paid: ask for a quote, fund it, and send the escrow along; or pay as PAYMENT-REQUIRED \
         says, if it is there"
    )]
    PaymentRequired,
    /// The server does not say what a model answers before that is paid for.
    #[error("this server gives no text without a proof: only free ones and those started with --completions do")]
    NoCompletions,
    /// An order names its input beforehand, and what a prompt becomes is not known then.
    #[error(
        "an order is for an input that is known: ask POST /v1/completions for the text, and order a proof of its \
         `input`"
    )]
    TokensOrdered,
    /// The payment that came with the request is not taken.
    #[error(transparent)]
    Payment(#[from] PaymentError),
    /// The address of a webhook is not taken.
    #[error(transparent)]
    WebhookUrl(#[from] WebhookRefused),
    /// The server has no chain.
    #[error("this server is not connected to a market")]
    NoMarket,
    /// The escrow does not fit the request.
    #[error(transparent)]
    Escrow(#[from] EscrowError),
    /// The prover has not enough coins for gas and collateral.
    #[error("the prover is out of funds")]
    ProverUnfunded,
    /// Too many predictions wait.
    #[error("{queued} predictions are waiting")]
    QueueFull {
        /// How many.
        queued: i64,
    },
    /// The latest jobs failed; no new ones are taken for now.
    #[error("paused after {failures} failures in a row")]
    Paused {
        /// Failures in a row.
        failures: u32,
    },
    /// The server is shutting down.
    #[error("the server is shutting down")]
    Draining,
    /// The prediction is too far to be cancelled.
    #[error("the prediction is {state} and can no longer be cancelled")]
    NotCancellable {
        /// Its state.
        state: State,
    },
    /// The prediction has no proof yet.
    #[error("the prediction is {state}; there is no proof to fetch")]
    NoProof {
        /// Its state.
        state: State,
    },
    /// The engine refused.
    #[error(transparent)]
    Engine(#[from] EngineError),
    /// The store refused.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The chain is unreachable or refused.
    #[error(transparent)]
    Chain(#[from] ChainError),
    /// The body did not arrive in time.
    #[error("the body did not arrive within {secs} s")]
    BodyTimeout {
        /// How long was waited.
        secs: u64,
    },
    /// The connection is one too many.
    #[error("there are too many connections: try again later, and close those that you do not need")]
    Crowded,
    /// Other processes prove for this server, and there is none.
    #[error(
        "no worker gave a sign of life in the last minute, so nothing is proven: start `assay worker` on this database"
    )]
    NoWorkers,
    /// A check of readiness failed.
    #[error(transparent)]
    NotReady(Box<ApiError>),
    /// A part of the server does not answer.
    #[error("{what} did not answer within {secs} s")]
    Silent {
        /// The part.
        what: &'static str,
        /// The problem's code.
        code: &'static str,
        /// How long was waited.
        secs: u64,
    },
    /// What the server knows of the chain is old.
    #[error("{what} is {secs} s old")]
    Stale {
        /// What.
        what: &'static str,
        /// Its age.
        secs: u64,
    },
    /// The disk is almost full.
    #[error("the server's disk has no room for more")]
    NoRoom,
    /// Proof storage failed.
    #[error(transparent)]
    Blob(#[from] crate::blobs::BlobError),
    /// The operator did not allow it.
    #[error("this service compiles no models: its operator starts it with --sell")]
    NotSelling,
    /// A compilation.
    #[error(transparent)]
    Sell(#[from] SellRefused),
    /// A task died.
    #[error("the server failed")]
    Internal,
}

/// An RFC 9457 problem.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Problem {
    /// `urn:assay:problem:` and the code.
    #[serde(rename = "type")]
    pub kind: String,
    /// The code in words; the same for every occurrence.
    pub title: String,
    /// The HTTP status.
    pub status: u16,
    /// What happened this time.
    pub detail: String,
    /// The code: what programs look at.
    pub code: String,
}

impl ApiError {
    /// Status, code, and seconds after which trying again makes sense.
    pub fn parts(&self) -> (StatusCode, &'static str, Option<u32>) {
        use StatusCode as S;
        match self {
            Self::MalformedJson { .. } => (S::BAD_REQUEST, "malformed-json", None),
            Self::InvalidBody { .. } => (S::UNPROCESSABLE_ENTITY, "invalid-body", None),
            Self::UnsupportedMediaType => (S::UNSUPPORTED_MEDIA_TYPE, "unsupported-media-type", None),
            Self::BodyTooLarge { .. } => (S::PAYLOAD_TOO_LARGE, "body-too-large", None),
            Self::NoSuchResource => (S::NOT_FOUND, "no-such-resource", None),
            Self::MethodNotAllowed => (S::METHOD_NOT_ALLOWED, "method-not-allowed", None),
            Self::InvalidHeader { .. } => (S::BAD_REQUEST, "invalid-header", None),
            Self::InvalidParameter { .. } => (S::BAD_REQUEST, "invalid-parameter", None),
            Self::Unauthorized => (S::UNAUTHORIZED, "unauthorized", None),
            Self::ScopeMissing { .. } => (S::FORBIDDEN, "scope-missing", None),
            Self::RateLimited { secs, .. } => (S::TOO_MANY_REQUESTS, "rate-limited", Some(*secs)),
            Self::PaymentRequired => (S::PAYMENT_REQUIRED, "payment-required", None),
            Self::NoCompletions => (S::FORBIDDEN, "no-completions", None),
            Self::TokensOrdered => (S::UNPROCESSABLE_ENTITY, "tokens-ordered", None),
            Self::Payment(e @ (PaymentError::Malformed { .. } | PaymentError::Twice)) => {
                (S::BAD_REQUEST, e.code(), None)
            }
            Self::Payment(e @ PaymentError::Allowance { .. }) => (S::PRECONDITION_FAILED, e.code(), None),
            Self::Payment(e @ PaymentError::NotOffered) => (S::CONFLICT, e.code(), None),
            Self::Payment(e) => (S::PAYMENT_REQUIRED, e.code(), None),
            Self::WebhookUrl(_) => (S::UNPROCESSABLE_ENTITY, "webhook-url", None),
            Self::NoMarket => (S::CONFLICT, "no-market", None),
            Self::Escrow(e) => (S::UNPROCESSABLE_ENTITY, e.code(), None),
            Self::ProverUnfunded => (S::SERVICE_UNAVAILABLE, "prover-unfunded", Some(60)),
            Self::QueueFull { .. } => (S::TOO_MANY_REQUESTS, "queue-full", Some(30)),
            Self::Paused { .. } => (S::SERVICE_UNAVAILABLE, "paused", Some(60)),
            Self::Draining => (S::SERVICE_UNAVAILABLE, "draining", Some(10)),
            Self::NotCancellable { .. } => (S::CONFLICT, "not-cancellable", None),
            Self::NoProof { .. } => (S::CONFLICT, "no-proof", None),
            Self::Engine(e) => engine_parts(e),
            Self::Store(e) => store_parts(e),
            Self::Chain(e) if e.is_transient() => (S::SERVICE_UNAVAILABLE, "chain-unreachable", Some(5)),
            Self::Chain(ChainError::InsufficientFunds { .. }) => (S::SERVICE_UNAVAILABLE, "prover-unfunded", Some(60)),
            Self::Chain(ChainError::NotListed { .. }) => (S::CONFLICT, "model-not-listed", None),
            Self::Chain(ChainError::CollateralTooLow { .. } | ChainError::TreasuryProves { .. }) => {
                (S::SERVICE_UNAVAILABLE, "terms-refused", Some(60))
            }
            Self::Chain(_) => (S::BAD_GATEWAY, "chain-refused", None),
            Self::BodyTimeout { .. } => (S::REQUEST_TIMEOUT, "request-timeout", None),
            Self::Crowded => (S::SERVICE_UNAVAILABLE, "too-many-connections", Some(5)),
            Self::NotReady(inside) => {
                let (_, code, retry) = inside.parts();
                (S::SERVICE_UNAVAILABLE, code, retry.or(Some(5)))
            }
            Self::Silent { code, .. } => (S::SERVICE_UNAVAILABLE, code, Some(5)),
            Self::Stale { .. } => (S::SERVICE_UNAVAILABLE, "chain-stale", Some(5)),
            Self::NoRoom => (S::SERVICE_UNAVAILABLE, "storage-unavailable", Some(30)),
            Self::NoWorkers => (S::SERVICE_UNAVAILABLE, "no-workers", Some(10)),
            Self::Blob(_) => (S::SERVICE_UNAVAILABLE, "storage-unavailable", Some(30)),
            Self::NotSelling => (S::FORBIDDEN, "not-selling", None),
            Self::Sell(e) => sell_parts(e),
            Self::Internal => (S::INTERNAL_SERVER_ERROR, "internal", None),
        }
    }

    /// The problem as it is sent.
    pub fn problem(&self) -> Problem {
        let (status, code, _) = self.parts();
        let detail = match self {
            Self::MalformedJson { detail } | Self::InvalidBody { detail } => detail.clone(),
            // what failed inside is for the log, not for the client
            _ => self.to_string(),
        };
        let words = code.replace('-', " ");
        let mut letters = words.chars();
        let title = letters.next().map(|c| c.to_uppercase().chain(letters).collect()).unwrap_or_default();
        Problem {
            kind: format!("urn:assay:problem:{code}"),
            title,
            status: status.as_u16(),
            detail,
            code: code.to_owned(),
        }
    }
}

fn engine_parts(error: &EngineError) -> (StatusCode, &'static str, Option<u32>) {
    match error {
        EngineError::UnknownModel { .. } => (StatusCode::NOT_FOUND, "unknown-model", None),
        EngineError::InputLength { .. } | EngineError::InputElements { .. } => {
            (StatusCode::UNPROCESSABLE_ENTITY, "input-length", None)
        }
        EngineError::InputNotFinite { .. } => (StatusCode::UNPROCESSABLE_ENTITY, "input-not-finite", None),
        EngineError::InputMissing { .. } => (StatusCode::UNPROCESSABLE_ENTITY, "input-missing", None),
        EngineError::InputUnknown { .. } => (StatusCode::UNPROCESSABLE_ENTITY, "input-unknown", None),
        EngineError::OutsideRange { .. } => (StatusCode::UNPROCESSABLE_ENTITY, "input-outside-range", None),
        EngineError::BlindingLength { .. } => (StatusCode::UNPROCESSABLE_ENTITY, "blinding-length", None),
        EngineError::BlindingNotCanonical { .. } => (StatusCode::UNPROCESSABLE_ENTITY, "blinding-not-canonical", None),
        EngineError::Rejected(_) => (StatusCode::UNPROCESSABLE_ENTITY, "proof-rejected", None),
        EngineError::Decode(DecodeError::NotGenerative) => (StatusCode::UNPROCESSABLE_ENTITY, "not-generative", None),
        EngineError::Decode(DecodeError::NotCausal { .. }) => (StatusCode::UNPROCESSABLE_ENTITY, "not-causal", None),
        EngineError::Decode(_) => (StatusCode::UNPROCESSABLE_ENTITY, "prompt-length", None),
        EngineError::Cancelled
        | EngineError::NoBatchKey { .. }
        | EngineError::KeyGone { .. }
        | EngineError::Internal(_) => (StatusCode::INTERNAL_SERVER_ERROR, "prover-failed", None),
    }
}

fn sell_parts(error: &SellRefused) -> (StatusCode, &'static str, Option<u32>) {
    match error {
        SellRefused::Task(_) => (StatusCode::UNPROCESSABLE_ENTITY, "invalid-body", None),
        SellRefused::Full { .. } => (StatusCode::TOO_MANY_REQUESTS, "queue-full", Some(30)),
        SellRefused::Unknown => (StatusCode::NOT_FOUND, "no-such-compilation", None),
        SellRefused::State { .. } => (StatusCode::CONFLICT, "wrong-state", None),
        SellRefused::Offered { .. } => (StatusCode::CONFLICT, "offered-already", None),
        SellRefused::Offer(_) => (StatusCode::UNPROCESSABLE_ENTITY, "offer-refused", None),
        SellRefused::Folder(_) => (StatusCode::SERVICE_UNAVAILABLE, "storage-unavailable", Some(30)),
    }
}

fn store_parts(error: &StoreError) -> (StatusCode, &'static str, Option<u32>) {
    match error {
        StoreError::TooManyUnfunded { .. } => (StatusCode::TOO_MANY_REQUESTS, "too-many-unfunded", Some(60)),
        StoreError::QuotaSpent { secs, .. } => (StatusCode::TOO_MANY_REQUESTS, "quota-spent", Some(*secs)),
        StoreError::NoSuchWebhook => (StatusCode::NOT_FOUND, "no-such-webhook", None),
        StoreError::TooManyWebhooks { .. } => (StatusCode::CONFLICT, "too-many-webhooks", None),
        StoreError::PaymentReused => (StatusCode::PAYMENT_REQUIRED, "payment-replayed", None),
        StoreError::Overdrawn { .. } => (StatusCode::PAYMENT_REQUIRED, "payment-funds", None),
        StoreError::NoSuchKey => (StatusCode::NOT_FOUND, "no-such-key", None),
        StoreError::KeyReused => (StatusCode::UNPROCESSABLE_ENTITY, "idempotency-key-reused", None),
        StoreError::EscrowReused => (StatusCode::CONFLICT, "escrow-reused", None),
        StoreError::NoSuchJob => (StatusCode::NOT_FOUND, "no-such-prediction", None),
        StoreError::WrongState { .. } | StoreError::LeaseLost => (StatusCode::CONFLICT, "wrong-state", None),
        StoreError::InputForgotten => (StatusCode::CONFLICT, "input-forgotten", None),
        StoreError::Database(_) | StoreError::Migrate(_) => {
            (StatusCode::SERVICE_UNAVAILABLE, "storage-unavailable", Some(10))
        }
        StoreError::Corrupt { .. } => (StatusCode::INTERNAL_SERVER_ERROR, "internal", None),
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let (status, code, retry) = self.parts();
        if status.is_server_error()
            && let Some(held_back) = crate::quiet::news("request failed", code)
        {
            let mut causes = Vec::new();
            let mut cause: Option<&dyn std::error::Error> = Some(&self);
            while let Some(e) = cause {
                causes.push(e.to_string());
                cause = e.source();
            }
            tracing::warn!(code, error = causes.join(": "), held_back, "request failed");
        }
        let body = serde_json::to_vec(&self.problem()).unwrap_or_default();
        let mut response = (status, [(header::CONTENT_TYPE, "application/problem+json")], body).into_response();
        if let Some(secs) = retry {
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(secs));
        }
        if status == StatusCode::UNAUTHORIZED {
            response.headers_mut().insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        response
    }
}

/// JSON bodies with [`ApiError`]s.
#[derive(Debug, Clone, Copy)]
pub struct Body<T>(pub T);

impl<T: serde::de::DeserializeOwned> axum::extract::FromRequest<crate::AppState> for Body<T> {
    type Rejection = ApiError;

    async fn from_request(request: axum::extract::Request, state: &crate::AppState) -> Result<Self, ApiError> {
        read_json(request, state, state.config.http.body_timeout, state.config.body_bytes_max).await.map(Body)
    }
}

/// Reads a body of JSON within a time. `most`: how many bytes the route takes, for the error that says so.
pub(crate) async fn read_json<T: serde::de::DeserializeOwned>(
    request: axum::extract::Request,
    state: &crate::AppState,
    limit: std::time::Duration,
    most: usize,
) -> Result<T, ApiError> {
    use axum::extract::FromRequest as _;
    if !is_json(request.headers()) {
        return Err(ApiError::UnsupportedMediaType);
    }
    let Ok(read) = tokio::time::timeout(limit, Bytes::from_request(request, state)).await else {
        return Err(ApiError::BodyTimeout { secs: limit.as_secs() });
    };
    let body = read.map_err(|e| match e {
        BytesRejection::FailedToBufferBody(e) if e.status() == StatusCode::PAYLOAD_TOO_LARGE => {
            ApiError::BodyTooLarge { limit: most }
        }
        e => ApiError::MalformedJson { detail: e.body_text() },
    })?;
    match axum::Json::<T>::from_bytes(&body) {
        // a list would be taken for an object's fields in their order
        Ok(_) if body.trim_ascii_start().first() != Some(&b'{') => {
            Err(ApiError::InvalidBody { detail: "the body must be a JSON object".to_owned() })
        }
        Ok(axum::Json(value)) => Ok(value),
        Err(JsonRejection::JsonDataError(e)) => Err(ApiError::InvalidBody { detail: plain(&e.body_text()) }),
        Err(e) => Err(ApiError::MalformedJson { detail: plain(&e.body_text()) }),
    }
}

fn is_json(headers: &axum::http::HeaderMap) -> bool {
    let kind = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let kind = kind.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    kind == "application/json" || (kind.starts_with("application/") && kind.ends_with("+json"))
}

/// What a JSON library says of a body, without the names that types have in this program.
pub(crate) fn plain(text: &str) -> String {
    let text = text
        .split_once(": ")
        .filter(|(first, _)| first.ends_with("target type") || first.ends_with("as JSON"))
        .map_or(text, |(_, rest)| rest);
    let text = only_hex(text);
    let mut words: Vec<&str> = Vec::new();
    for word in text.split(' ') {
        let stem = word.trim_end_matches([',', '.']);
        match (words.last(), stem) {
            (Some(&"struct"), _) => drop(words.splice(words.len() - 1.., ["an object"])),
            (Some(&"enum"), _) => drop(words.splice(words.len() - 1.., ["one of the known values"])),
            (_, "u8" | "u16" | "u32" | "u64" | "usize") => words.push("a whole number from 0"),
            (_, "i8" | "i32" | "i64") => words.push("a whole number"),
            (_, "i16") => words.push("a whole number from -32768 to 32767"),
            (_, "f32" | "f64") => words.push("a number"),
            (Some(&"a"), "sequence") => words.push("list"),
            (Some(&"a"), "map") => drop(words.splice(words.len() - 1.., ["an object"])),
            _ => words.push(word),
        }
    }
    words.join(" ")
}

/// Bytes are written as hex digits here, so other ways of which a library speaks are left out.
fn only_hex(text: &str) -> String {
    let text = text.replace(
        "a variable number of bytes represented as a hex string, an array of u8, or raw bytes",
        "0x and hex digits",
    );
    // "32 bytes, represented as a hex string of length 64, an array of u8, or raw bytes"
    let (before, rest) = text.split_once(", represented as a hex string of length ").unwrap_or((&text, ""));
    match rest.split_once(", an array of u8, or raw bytes") {
        Some((digits, after)) => format!("{before}, as 0x and {digits} hex digits{after}"),
        None => text,
    }
}

/// Reads a field that must be an object: its fields as a list are refused.
pub(crate) fn object<'de, D: serde::Deserializer<'de>, T: serde::de::DeserializeOwned>(d: D) -> Result<T, D::Error> {
    let fields = serde_json::Map::deserialize(d)?;
    T::deserialize(serde_json::Value::Object(fields)).map_err(serde::de::Error::custom)
}

/// [`object`], or null.
pub(crate) fn object_or_null<'de, D: serde::Deserializer<'de>, T: serde::de::DeserializeOwned>(
    d: D,
) -> Result<Option<T>, D::Error> {
    let fields: Option<serde_json::Map<String, serde_json::Value>> = Option::deserialize(d)?;
    fields.map(|fields| T::deserialize(serde_json::Value::Object(fields)).map_err(serde::de::Error::custom)).transpose()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_type_of_this_program_is_named() {
        for (said, meant) in [
            (
                "Failed to deserialize the JSON body into the target type: limit: invalid type: string, expected u32 \
                 at line 1",
                "limit: invalid type: string, expected a whole number from 0 at line 1",
            ),
            (
                "invalid type: integer `3`, expected struct PredictionRequest",
                "invalid type: integer `3`, expected an object",
            ),
            ("expected f32, not a sequence", "expected a number not a list"),
            ("invalid type: map, expected a map", "invalid type: map, expected an object"),
            (
                "model: invalid type: integer `3`, expected 32 bytes, represented as a hex string of length 64, an \
                 array of u8, or raw bytes at line 1",
                "model: invalid type: integer `3`, expected 32 bytes, as 0x and 64 hex digits at line 1",
            ),
            (
                "invalid type: integer `3`, expected a variable number of bytes represented as a hex string, an array \
                 of u8, or raw bytes",
                "invalid type: integer `3`, expected 0x and hex digits",
            ),
        ] {
            assert_eq!(plain(said), meant);
        }
    }
}
