//! A collector of traces, which keeps the spans that a service sends it.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use axum::routing::post;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use prost::Message;

/// A part of a trace.
#[derive(Clone, Debug)]
pub struct Span {
    pub name: String,
    pub began_ns: u64,
    trace: Vec<u8>,
    attributes: Vec<(String, String)>,
}

impl Span {
    /// A text that it carries.
    pub fn attribute(&self, name: &str) -> Option<&str> {
        self.attributes.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }
}

/// The spans in a message as OTLP has it.
fn spans(message: &[u8]) -> Vec<Span> {
    let message = ExportTraceServiceRequest::decode(message).unwrap();
    let all =
        message.resource_spans.into_iter().flat_map(|resource| resource.scope_spans).flat_map(|scope| scope.spans);
    all.map(|span| {
        let texts = span.attributes.into_iter().filter_map(|pair| match pair.value?.value? {
            Value::StringValue(text) => Some((pair.key, text)),
            _ => None,
        });
        Span { name: span.name, began_ns: span.start_time_unix_nano, trace: span.trace_id, attributes: texts.collect() }
    })
    .collect()
}

/// A collector, and what it was sent.
pub struct Collector {
    url: String,
    spans: Arc<Mutex<Vec<Span>>>,
}

impl Collector {
    pub async fn start() -> Self {
        let seen: Arc<Mutex<Vec<Span>>> = Arc::default();
        let inside = seen.clone();
        let take = move |body: Bytes| async move { inside.lock().unwrap().extend(spans(&body)) };
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let router = Router::new().route("/v1/traces", post(take));
        tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        Self { url, spans: seen }
    }

    /// What tells a service to send its spans here, soon.
    pub fn variables(&self) -> [(&'static str, String); 3] {
        let fixed = |name, value: &str| (name, value.to_owned());
        [
            fixed("OTEL_EXPORTER_OTLP_ENDPOINT", &self.url),
            fixed("OTEL_BSP_SCHEDULE_DELAY", "100"),
            fixed("NO_PROXY", "127.0.0.1"),
        ]
    }

    /// Waits until the trace in which a job is proven has all of these spans. Returns it.
    pub async fn has(&self, names: &[&str], job: &str) -> Vec<Span> {
        let mut trace = Vec::new();
        for _ in 0..600 {
            let all = self.spans.lock().unwrap().clone();
            let of_job = all.iter().find(|span| span.name == "proving" && span.attribute("job") == Some(job));
            if let Some(id) = of_job.map(|span| span.trace.clone()) {
                trace = all.into_iter().filter(|span| span.trace == id).collect();
                if names.iter().all(|name| trace.iter().any(|span| span.name == *name)) {
                    return trace;
                }
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        let found: Vec<&str> = trace.iter().map(|span| span.name.as_str()).collect();
        panic!("the trace of {job} has {found:?} and should have {names:?}");
    }
}
