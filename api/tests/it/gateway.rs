//! A gateway before a node, which fails as it is told.

use std::sync::Arc;
use std::sync::atomic::Ordering::SeqCst;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64};

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};

use crate::fake::take;

/// What it is told, and what it has seen.
#[derive(Default)]
pub struct Gateway {
    node: String,
    client: reqwest::Client,
    /// It passes nothing on.
    pub down: AtomicBool,
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
    gateway.passed.fetch_add(1, SeqCst);
    let sends = String::from_utf8_lossy(&body).contains("eth_sendRawTransaction");
    let answer = gateway.client.post(&gateway.node).header(header::CONTENT_TYPE, "application/json").body(body).send().await;
    let answer = async { answer?.bytes().await }.await;
    match answer {
        Ok(bytes) if !(sends && take(&gateway.lose)) => ([(header::CONTENT_TYPE, "application/json")], bytes).into_response(),
        _ => StatusCode::BAD_GATEWAY.into_response(),
    }
}
