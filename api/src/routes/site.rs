//! `/`: the site for people, from files that are a part of this program (`web/site`). It shows what the other routes
//! answer, and verifies in the visitor's browser.

use std::sync::LazyLock;

use axum::extract::Path;
use axum::http::{HeaderMap, HeaderValue, StatusCode, Uri, header};
use axum::response::{Html, IntoResponse, Response};
use sha2::{Digest, Sha256};

use crate::error::ApiError;

/// Everything from this server, and nothing inline. The verifier is WebAssembly, and pictures may be the visitor's own.
const POLICY: &str = "default-src 'none'; script-src 'self' 'wasm-unsafe-eval'; style-src 'self'; img-src 'self' data: \
    blob:; connect-src 'self'; form-action 'none'; base-uri 'none'; frame-ancestors 'none'";

/// The page where there is none. It has no script, so that it is there when the site is not.
const MISSING: &str = "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\"><meta name=\"viewport\" \
    content=\"width=device-width, initial-scale=1\"><title>There is no such page · Assay</title><link \
    rel=\"stylesheet\" href=\"/app/site.css\"></head><body><main>\
                       <h1>There is no such page</h1><p><a href=\"/\">To the models</a></p></main></body></html>";

struct Asset {
    name: &'static str,
    kind: &'static str,
    /// The file; none, where only its compressed form is kept.
    plain: Option<&'static [u8]>,
    /// The file after gzip.
    gzip: Option<&'static [u8]>,
}

/// A file of `web/site/dist`, as it is or after gzip.
macro_rules! file {
    ($name:literal) => {
        Some(include_bytes!(concat!("../../../web/site/dist/", $name)))
    };
}

static INDEX: Asset =
    Asset { name: "index.html", kind: "text/html; charset=utf-8", plain: file!("index.html"), gzip: None };

static FILES: [Asset; 4] = [
    Asset {
        name: "site.js",
        kind: "text/javascript; charset=utf-8",
        plain: file!("site.js"),
        gzip: file!("site.js.gz"),
    },
    Asset { name: "site.css", kind: "text/css; charset=utf-8", plain: file!("site.css"), gzip: file!("site.css.gz") },
    Asset { name: "badge.svg", kind: "image/svg+xml", plain: file!("badge.svg"), gzip: None },
    // every browser that runs it reads gzip, and it is three times as large without
    Asset { name: "assay_verifier.wasm", kind: "application/wasm", plain: None, gzip: file!("assay_verifier.wasm.gz") },
];

/// What the files' answers are known by: the beginning of the hash of all of them, since they are made for each other.
static TAG: LazyLock<String> = LazyLock::new(|| {
    let mut hash = Sha256::new();
    for asset in std::iter::once(&INDEX).chain(&FILES) {
        asset.plain.into_iter().chain(asset.gzip).for_each(|bytes| hash.update(bytes));
    }
    hash.finalize().iter().take(12).map(|byte| format!("{byte:02x}")).collect()
});

impl Asset {
    /// The file, or 304 where the client has it. Browsers ask each time, so that nobody uses the script of one version
    /// with the page of another.
    fn response(&self, asked: &HeaderMap) -> Response {
        let compressed = self.gzip.filter(|_| self.plain.is_none() || takes_gzip(asked));
        let tag = format!("\"{}{}\"", *TAG, if compressed.is_some() { "-gzip" } else { "" });
        let mut headers = HeaderMap::new();
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
        if self.gzip.is_some() && self.plain.is_some() {
            headers.insert(header::VARY, HeaderValue::from_static("accept-encoding"));
        }
        let known = asked.get_all(header::IF_NONE_MATCH).iter().any(|value| names(value, &tag));
        if let Ok(value) = HeaderValue::try_from(tag) {
            headers.insert(header::ETAG, value);
        }
        if known {
            return (StatusCode::NOT_MODIFIED, headers).into_response();
        }
        headers.extend(page_headers());
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(self.kind));
        if compressed.is_some() {
            headers.insert(header::CONTENT_ENCODING, HeaderValue::from_static("gzip"));
        }
        (headers, compressed.or(self.plain).unwrap_or_default()).into_response()
    }
}

/// What browsers are told with every file.
fn page_headers() -> [(header::HeaderName, HeaderValue); 3] {
    [
        (header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY)),
        (header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
        (header::REFERRER_POLICY, HeaderValue::from_static("no-referrer")),
    ]
}

/// Whether a client reads gzip: it says so, and not with the weight 0.
fn takes_gzip(asked: &HeaderMap) -> bool {
    let coding = |one: &str| {
        let (name, weight) = one.split_once(';').unwrap_or((one, ""));
        let refused = weight.trim().strip_prefix("q=").is_some_and(|weight| weight.trim().parse() == Ok(0.0));
        name.trim().eq_ignore_ascii_case("gzip") && !refused
    };
    asked
        .get_all(header::ACCEPT_ENCODING)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .any(|value| value.split(',').any(coding))
}

/// Whether a header `If-None-Match` names a tag. Proxies may have made it a weak one.
fn names(value: &HeaderValue, tag: &str) -> bool {
    let same = |one: &str| one == "*" || one.strip_prefix("W/").unwrap_or(one) == tag;
    value.to_str().is_ok_and(|value| value.split(',').any(|one| same(one.trim())))
}

/// The page.
pub async fn index(asked: HeaderMap) -> Response {
    INDEX.response(&asked)
}

/// What the page loads.
pub async fn file(Path(name): Path<String>, asked: HeaderMap) -> Result<Response, ApiError> {
    FILES.iter().find(|file| file.name == name).map(|file| file.response(&asked)).ok_or(ApiError::NoSuchResource)
}

/// What is said where nothing is: a page to people, who ask with a browser, and a problem to programs.
pub async fn missing(uri: Uri, asked: HeaderMap) -> Response {
    let accepts = |value: &HeaderValue| value.to_str().is_ok_and(|value| value.contains("text/html"));
    if uri.path().starts_with("/v1/") || !asked.get_all(header::ACCEPT).iter().any(accepts) {
        return ApiError::NoSuchResource.into_response();
    }
    (StatusCode::NOT_FOUND, page_headers(), Html(MISSING)).into_response()
}
