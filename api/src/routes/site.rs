//! `/`: the site for people, from files that are a part of this program (`web/site`). It shows what the other routes answer, and verifies in the
//! visitor's browser.

use axum::extract::Path;
use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse, Response};

use crate::error::ApiError;

/// Everything from this server, and nothing inline. The verifier is WebAssembly, and pictures may be the visitor's own.
const POLICY: &str = "default-src 'none'; script-src 'self' 'wasm-unsafe-eval'; style-src 'self'; img-src 'self' data: blob:; connect-src 'self'; \
                      form-action 'none'; base-uri 'none'; frame-ancestors 'none'";

struct Asset {
    name: &'static str,
    kind: &'static str,
    gzip: bool,
    bytes: &'static [u8],
}

/// A file of `web/site/dist`.
macro_rules! asset {
    ($name:literal, $kind:literal) => {
        Asset { name: $name, kind: $kind, gzip: false, bytes: include_bytes!(concat!("../../../web/site/dist/", $name)) }
    };
}

const INDEX: Asset = asset!("index.html", "text/html; charset=utf-8");

static FILES: [Asset; 4] = [
    asset!("site.js", "text/javascript; charset=utf-8"),
    asset!("site.css", "text/css; charset=utf-8"),
    asset!("badge.svg", "image/svg+xml"),
    // every browser that runs it reads gzip, and it is three times as large without
    Asset {
        name: "assay_verifier.wasm",
        kind: "application/wasm",
        gzip: true,
        bytes: include_bytes!("../../../web/site/dist/assay_verifier.wasm.gz"),
    },
];

impl Asset {
    fn response(&self) -> Response {
        let headers = [
            (header::CONTENT_TYPE, self.kind),
            (header::CACHE_CONTROL, "no-cache"),
            (header::CONTENT_SECURITY_POLICY, POLICY),
            (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
            (header::REFERRER_POLICY, "no-referrer"),
        ];
        let mut response = (headers, self.bytes).into_response();
        if self.gzip {
            response.headers_mut().insert(header::CONTENT_ENCODING, HeaderValue::from_static("gzip"));
        }
        response
    }
}

/// The page.
pub async fn index() -> Response {
    INDEX.response()
}

/// What the page loads.
pub async fn file(Path(name): Path<String>) -> Result<Response, ApiError> {
    FILES.iter().find(|file| file.name == name).map(Asset::response).ok_or(ApiError::NoSuchResource)
}
