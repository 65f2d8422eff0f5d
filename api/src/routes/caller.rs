//! Who calls: nobody who is known, the holder of a key, or the operator. What each may do, and how often.

use std::convert::Infallible;
use std::sync::Arc;

use alloy::primitives::keccak256;
use axum::extract::{FromRequestParts, Request, State};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderName, HeaderValue};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use super::client::Client;
use super::header;
use crate::AppState;
use crate::error::ApiError;
use crate::rates::{Left, WINDOW};
use crate::store::{ApiKey, Job, Scope, StoreError, Tenant};

const POLICY: &str = "ratelimit-policy";
const LIMIT: &str = "ratelimit";
const DAY_SECS: u32 = 86_400;

/// Who sends a request.
#[derive(Clone, Debug)]
pub(crate) enum Caller {
    /// Nobody who is known.
    Anonymous,
    /// The holder of a key.
    Key(Arc<ApiKey>),
    /// Whoever has the operator's token.
    Operator,
}

impl FromRequestParts<AppState> for Caller {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &AppState) -> Result<Self, Infallible> {
        Ok(parts.extensions.get().cloned().unwrap_or(Self::Anonymous))
    }
}

impl Caller {
    async fn of(state: &AppState, headers: &HeaderMap) -> Result<Self, ApiError> {
        let Some(given) = header(headers, "authorization")? else { return Ok(Self::Anonymous) };
        let token = given
            .split_once(' ')
            .filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"))
            .map(|(_, token)| token.trim());
        let token = token.ok_or(ApiError::Unauthorized)?;
        // hashes are compared, so that the time it takes says nothing about the token
        if state.config.operator_token.as_ref().is_some_and(|known| keccak256(known.as_bytes()) == keccak256(token)) {
            return Ok(Self::Operator);
        }
        state.store.key(token).await?.map(|key| Self::Key(Arc::new(key))).ok_or(ApiError::Unauthorized)
    }

    fn has(&self, scope: Scope) -> bool {
        match self {
            Self::Anonymous => false,
            Self::Key(key) => key.scopes.contains(&scope),
            Self::Operator => true,
        }
    }

    /// Whether everything that the operator may do is allowed.
    pub fn operates(&self) -> bool {
        self.has(Scope::Operate)
    }

    /// Refuses everybody but the operator.
    pub fn only_operator(&self) -> Result<(), ApiError> {
        match self {
            Self::Key(_) if !self.operates() => Err(ApiError::ScopeMissing { scope: Scope::Operate }),
            Self::Anonymous => Err(ApiError::Unauthorized),
            _ => Ok(()),
        }
    }

    /// Refuses a key that does not allow this; and those who show none, where the server wants one.
    pub fn may_predict(&self, state: &AppState) -> Result<(), ApiError> {
        match self {
            Self::Anonymous if !state.config.anonymous => Err(ApiError::Unauthorized),
            Self::Key(_) if !self.has(Scope::Predict) => Err(ApiError::ScopeMissing { scope: Scope::Predict }),
            _ => Ok(()),
        }
    }

    /// The key that a request needs, which must allow this.
    pub fn key(&self, scope: Scope) -> Result<&ApiKey, ApiError> {
        match self {
            Self::Key(key) if self.has(scope) => Ok(key),
            Self::Key(_) => Err(ApiError::ScopeMissing { scope }),
            _ => Err(ApiError::Unauthorized),
        }
    }

    /// The prediction with this id, if the caller may do this with it. One that a key asked for is there for that key
    /// and the operator only; any other for whoever knows its id.
    pub async fn prediction(&self, state: &AppState, id: &str, scope: Scope) -> Result<Job, ApiError> {
        let job = state.store.job(id).await?;
        match (&job.tenant, self) {
            (None, _) => Ok(job),
            (Some(_), _) if self.operates() => Ok(job),
            (Some(tenant), Self::Key(key)) if *tenant == key.id => {
                if self.has(scope) {
                    Ok(job)
                } else {
                    Err(ApiError::ScopeMissing { scope })
                }
            }
            // nothing says that it is there
            _ => Err(StoreError::NoSuchJob.into()),
        }
    }

    /// Whose a new prediction is.
    pub fn tenant(&self) -> Option<Tenant> {
        match self {
            Self::Key(key) => Some(Tenant { key: key.id.clone(), per_day: key.per_day }),
            _ => None,
        }
    }

    /// An idempotency key as it is stored: clients do not see each other's. What parts it from the key's id cannot be
    /// in a header.
    pub fn scoped(&self, idempotency_key: String) -> String {
        match self {
            Self::Key(key) => format!("{}\n{idempotency_key}", key.id),
            _ => idempotency_key,
        }
    }
}

/// How a caller's requests are counted: under which name, and how many there may be in a minute.
async fn counted(state: &AppState, caller: &Caller, parts: &mut Parts) -> Option<(String, u32)> {
    match caller {
        Caller::Operator => None,
        Caller::Key(key) => key.per_minute.map(|limit| (format!("key {}", key.id), limit)),
        Caller::Anonymous => {
            let limit = state.config.anonymous_per_minute?;
            let Ok(Client(address)) = Client::from_request_parts(parts, state).await;
            Some((format!("address {address}"), limit))
        }
    }
}

/// What the two fields of the IETF's draft say of a limit.
fn said(name: &str, limit: u32, window_secs: u64, left: u32, resets_secs: u32) -> (String, String) {
    (format!("\"{name}\";q={limit};w={window_secs}"), format!("\"{name}\";r={left};t={resets_secs}"))
}

/// Writes `RateLimit-Policy` and `RateLimit`.
async fn announce(state: &AppState, caller: &Caller, taken: Option<(u32, Left)>, response: &mut Response) {
    let mut limits = Vec::new();
    if let Some((limit, left)) = taken {
        limits.push(said("requests", limit, WINDOW.as_secs(), left.requests, left.resets_secs));
    }
    if let Caller::Key(key) = caller
        && let Some(limit) = key.per_day
        && let Ok(day) = state.store.used_today(&key.id).await
    {
        limits.push(said("predictions", limit, DAY_SECS.into(), limit.saturating_sub(day.used), day.resets_secs));
    }
    let (policies, rests): (Vec<_>, Vec<_>) = limits.into_iter().unzip();
    for (name, parts) in [(POLICY, policies), (LIMIT, rests)] {
        if let (false, Ok(value)) = (parts.is_empty(), HeaderValue::try_from(parts.join(", "))) {
            response.headers_mut().insert(HeaderName::from_static(name), value);
        }
    }
}

/// Finds out who calls, counts the request, and says what is left.
pub(super) async fn identify(State(state): State<AppState>, request: Request, next: Next) -> Response {
    // health, the site and the description are everybody's, whatever they send along
    if !request.uri().path().starts_with("/v1/") {
        return next.run(request).await;
    }
    let caller = match Caller::of(&state, request.headers()).await {
        Ok(caller) => caller,
        Err(error) => return error.into_response(),
    };
    let (mut parts, body) = request.into_parts();
    let taken =
        counted(&state, &caller, &mut parts).await.map(|(client, limit)| (limit, state.rates.take(&client, limit)));
    parts.extensions.insert(caller.clone());
    let mut response = match taken {
        Some((limit, left)) if !left.admitted => {
            ApiError::RateLimited { limit, secs: left.resets_secs }.into_response()
        }
        _ => next.run(Request::from_parts(parts, body)).await,
    };
    announce(&state, &caller, taken, &mut response).await;
    response
}
