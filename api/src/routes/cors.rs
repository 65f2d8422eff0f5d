//! Which pages of other origins may call the service from a browser: those that the operator names.

use axum::http::{HeaderName, HeaderValue, Method};
use tower_http::cors::{AllowOrigin, CorsLayer};

use crate::state::ServeError;

/// Stands for all origins.
const ALL: &str = "*";

/// What pages may send beside what they always may.
const SENT: [&str; 7] = [
    "authorization",
    "content-type",
    "cancel-after",
    "idempotency-key",
    "last-event-id",
    "payment-signature",
    "prefer",
];

/// What pages may read beside what they always may.
const READ: [&str; 9] = [
    "etag",
    "location",
    "retry-after",
    "idempotency-replayed",
    "payment-required",
    "payment-response",
    "preference-applied",
    "ratelimit",
    "ratelimit-policy",
];

/// An origin as browsers send it: scheme and host, with a port if it is not the scheme's, and no path.
fn origin(text: &str) -> Option<HeaderValue> {
    let url: reqwest::Url = text.parse().ok()?;
    let is_origin = matches!(url.scheme(), "http" | "https") && url.origin().ascii_serialization() == text;
    HeaderValue::from_str(text).ok().filter(|_| is_origin)
}

/// Refuses what no browser sends as an origin: it would never match.
pub(crate) fn check(origins: &[String]) -> Result<(), ServeError> {
    match origins.iter().find(|text| *text != ALL && origin(text).is_none()) {
        Some(wrong) => Err(ServeError::Origin { origin: wrong.clone() }),
        None => Ok(()),
    }
}

/// Answers browsers that ask whether a page may call; `None` where no page of another origin may.
pub(super) fn layer(origins: &[String]) -> Option<CorsLayer> {
    if origins.is_empty() {
        return None;
    }
    let allowed = match origins.iter().any(|text| text == ALL) {
        true => AllowOrigin::any(),
        false => AllowOrigin::list(origins.iter().filter_map(|text| origin(text))),
    };
    let layer = CorsLayer::new()
        .allow_origin(allowed)
        .allow_methods([Method::GET, Method::POST, Method::DELETE])
        .allow_headers(SENT.map(HeaderName::from_static))
        .expose_headers(READ.map(HeaderName::from_static))
        .max_age(std::time::Duration::from_secs(600));
    Some(layer)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn origins_are_what_browsers_send() {
        let check_one = |text: &str| check(&[text.to_owned()]).is_ok();
        assert!(check_one("*") && check_one("https://shop.example") && check_one("http://localhost:3000"));
        for wrong in
            ["shop.example", "https://shop.example/", "https://shop.example:443", "ftp://shop.example", "null", ""]
        {
            assert!(!check_one(wrong), "{wrong}");
        }
    }
}
