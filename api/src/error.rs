//! One error type for all routes, rendered as RFC 9457 problem details.

use axum::extract::rejection::{BytesRejection, JsonRejection};
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::chain::ChainError;
use crate::engine::EngineError;
use crate::store::{State, StoreError};
use crate::terms::EscrowError;

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
    /// The operator's token is missing or wrong.
    #[error("this needs the operator's token")]
    Unauthorized,
    /// The server is not free and the request carries no escrow.
    #[error("predictions here are paid: ask for a quote, fund it, and send the escrow along")]
    PaymentRequired,
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
    /// Proof storage failed.
    #[error(transparent)]
    Blob(#[from] crate::blobs::BlobError),
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
            Self::PaymentRequired => (S::PAYMENT_REQUIRED, "payment-required", None),
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
            Self::Blob(_) => (S::SERVICE_UNAVAILABLE, "storage-unavailable", Some(30)),
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
        Problem { kind: format!("urn:assay:problem:{code}"), title, status: status.as_u16(), detail, code: code.to_owned() }
    }
}

fn engine_parts(error: &EngineError) -> (StatusCode, &'static str, Option<u32>) {
    match error {
        EngineError::UnknownModel { .. } => (StatusCode::NOT_FOUND, "unknown-model", None),
        EngineError::InputLength { .. } | EngineError::InputElements { .. } => (StatusCode::UNPROCESSABLE_ENTITY, "input-length", None),
        EngineError::InputNotFinite { .. } => (StatusCode::UNPROCESSABLE_ENTITY, "input-not-finite", None),
        EngineError::InputMissing { .. } => (StatusCode::UNPROCESSABLE_ENTITY, "input-missing", None),
        EngineError::InputUnknown { .. } => (StatusCode::UNPROCESSABLE_ENTITY, "input-unknown", None),
        EngineError::OutsideRange { .. } => (StatusCode::UNPROCESSABLE_ENTITY, "input-outside-range", None),
        EngineError::BlindingLength { .. } => (StatusCode::UNPROCESSABLE_ENTITY, "blinding-length", None),
        EngineError::BlindingNotCanonical { .. } => (StatusCode::UNPROCESSABLE_ENTITY, "blinding-not-canonical", None),
        EngineError::Rejected(_) => (StatusCode::UNPROCESSABLE_ENTITY, "proof-rejected", None),
        EngineError::Cancelled | EngineError::Internal(_) => (StatusCode::INTERNAL_SERVER_ERROR, "prover-failed", None),
    }
}

fn store_parts(error: &StoreError) -> (StatusCode, &'static str, Option<u32>) {
    match error {
        StoreError::KeyReused => (StatusCode::UNPROCESSABLE_ENTITY, "idempotency-key-reused", None),
        StoreError::EscrowReused => (StatusCode::CONFLICT, "escrow-reused", None),
        StoreError::NoSuchJob => (StatusCode::NOT_FOUND, "no-such-prediction", None),
        StoreError::WrongState { .. } | StoreError::LeaseLost => (StatusCode::CONFLICT, "wrong-state", None),
        StoreError::Database(_) | StoreError::Migrate(_) => (StatusCode::SERVICE_UNAVAILABLE, "storage-unavailable", Some(10)),
        StoreError::Corrupt { .. } => (StatusCode::INTERNAL_SERVER_ERROR, "internal", None),
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let (status, code, retry) = self.parts();
        if status.is_server_error() {
            let mut causes = Vec::new();
            let mut cause: Option<&dyn std::error::Error> = Some(&self);
            while let Some(e) = cause {
                causes.push(e.to_string());
                cause = e.source();
            }
            tracing::warn!(code, error = causes.join(": "), "request failed");
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
        match axum::Json::<T>::from_request(request, state).await {
            Ok(axum::Json(value)) => Ok(Body(value)),
            Err(JsonRejection::JsonSyntaxError(e)) => Err(ApiError::MalformedJson { detail: e.body_text() }),
            Err(JsonRejection::JsonDataError(e)) => Err(ApiError::InvalidBody { detail: e.body_text() }),
            Err(JsonRejection::MissingJsonContentType(_)) => Err(ApiError::UnsupportedMediaType),
            Err(JsonRejection::BytesRejection(BytesRejection::FailedToBufferBody(e))) if e.status() == StatusCode::PAYLOAD_TOO_LARGE => {
                Err(ApiError::BodyTooLarge { limit: state.config.body_bytes_max })
            }
            Err(e) => Err(ApiError::MalformedJson { detail: e.body_text() }),
        }
    }
}
