//! A gateway before a node, which fails as it is told.

use std::sync::Arc;
use std::sync::atomic::Ordering::SeqCst;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64};

use axum::body::Bytes;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::{Json, Router};
use serde_json::{Value, json};

use crate::fake::take;

/// What it is told, and what it has seen.
#[derive(Default)]
pub struct Gateway {
    node: String,
    client: reqwest::Client,
    /// It passes nothing on.
    pub down: AtomicBool,
    /// It takes requests and never answers.
    pub hangs: AtomicBool,
    /// It says that it was asked too often.
    pub refuses: AtomicBool,
    /// If not 0: it has no newer block than this one.
    pub stands_at: AtomicU64,
    /// Of so many transactions it passes on, it loses the answers.
    pub lose: AtomicU32,
    /// How many requests it passed on.
    pub passed: AtomicU64,
}

impl Gateway {
    /// Starts one. Returns it with its address.
    pub async fn start(node: &str) -> (Arc<Self>, String) {
        let client = assay_api::tls::client_builder().no_proxy().build().unwrap();
        let gateway = Arc::new(Self { node: node.to_owned(), client, ..Self::default() });
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let router = Router::new().fallback(pass).with_state(gateway.clone());
        tokio::spawn(async move { axum::serve(listener, router).await });
        (gateway, url)
    }
}

async fn pass(State(gateway): State<Arc<Gateway>>, body: Bytes) -> Response {
    if gateway.down.load(SeqCst) {
        return StatusCode::SERVICE_UNAVAILABLE.into_response();
    }
    if gateway.hangs.load(SeqCst) {
        std::future::pending::<()>().await;
    }
    if gateway.refuses.load(SeqCst) {
        let request: Value = serde_json::from_slice(&body).unwrap();
        let error = json!({ "code": -32005, "message": "limit exceeded" });
        return Json(json!({ "jsonrpc": "2.0", "id": request["id"], "error": error })).into_response();
    }
    let stands_at = gateway.stands_at.load(SeqCst);
    if stands_at > 0 && body.windows(15).any(|part| part == b"eth_blockNumber") {
        let request: Value = serde_json::from_slice(&body).unwrap();
        return Json(json!({ "jsonrpc": "2.0", "id": request["id"], "result": format!("{stands_at:#x}") }))
            .into_response();
    }
    let body = match stands_at {
        0 => body,
        block => String::from_utf8_lossy(&body).replace("\"latest\"", &format!("\"{block:#x}\"")).into(),
    };
    gateway.passed.fetch_add(1, SeqCst);
    let sends = String::from_utf8_lossy(&body).contains("eth_sendRawTransaction");
    let answer =
        gateway.client.post(&gateway.node).header(header::CONTENT_TYPE, "application/json").body(body).send().await;
    let answer = async { answer?.bytes().await }.await;
    match answer {
        Ok(bytes) if !(sends && take(&gateway.lose)) => {
            ([(header::CONTENT_TYPE, "application/json")], bytes).into_response()
        }
        _ => StatusCode::BAD_GATEWAY.into_response(),
    }
}
