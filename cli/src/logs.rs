//! Logs on stderr, for people or as JSON, and traces for whoever collects them.

use crate::exit::{Exit, Failure, Outcome};
use clap::ValueEnum;
use opentelemetry::trace::TracerProvider;
use opentelemetry_http::{Bytes, HttpClient, HttpError, Request, Response};
use opentelemetry_otlp::{SpanExporter, WithHttpConfig};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::trace::SdkTracerProvider;
use serde_json::{Map, Value, json};
use std::fmt;
use std::io::IsTerminal;
use std::time::Duration;
use tracing::field::{Field, Visit};
use tracing::level_filters::LevelFilter;
use tracing::{Event, Subscriber};
use tracing_subscriber::filter::Targets;
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::registry::LookupSpan;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{EnvFilter, Layer};

/// How log lines look.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    /// For people
    #[default]
    Text,
    /// One JSON object in each line, with the job's id in `job`
    Json,
}

/// Whatever has to be sent before the program ends.
#[derive(Debug, Default)]
pub struct Logs(Option<SdkTracerProvider>);

impl Drop for Logs {
    fn drop(&mut self) {
        if let Some(traces) = self.0.take() {
            // a collector that is gone is no reason to fail
            let _ = traces.shutdown_with_timeout(Duration::from_secs(5));
        }
    }
}

/// Starts logging what `$ASSAY_LOG` says, else the default of the command; and, for commands that serve, sending traces
/// to where `$OTEL_EXPORTER_OTLP_ENDPOINT` says, if it does.
pub fn start(format: LogFormat, default: &str, serves: bool) -> Outcome<Logs> {
    let filter = std::env::var("ASSAY_LOG").unwrap_or_else(|_| default.to_owned());
    let filter = EnvFilter::try_new(filter).unwrap_or_else(|_| EnvFilter::new(default));
    // colours are for people: a file would be full of escapes
    let colours = std::io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
    let lines =
        tracing_subscriber::fmt::layer().with_writer(std::io::stderr).with_ansi(colours).log_internal_errors(false);
    let lines = match format {
        LogFormat::Text => lines.boxed(),
        LogFormat::Json => lines.with_ansi(false).event_format(JsonLines).boxed(),
    };
    let traces = if serves { collector()? } else { None };
    let spans = traces.as_ref().map(|provider| {
        let spans = Targets::new().with_target("assay_api", LevelFilter::DEBUG);
        tracing_opentelemetry::layer().with_tracer(provider.tracer("assay")).with_location(false).with_filter(spans)
    });
    tracing_subscriber::registry().with(spans).with(lines.with_filter(filter)).init();
    Ok(Logs(traces))
}

/// What sends spans, if somebody is to get them. `OTEL_…` variables say where and how.
fn collector() -> Outcome<Option<SdkTracerProvider>> {
    let wanted = ["OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"];
    if !wanted.iter().any(|name| std::env::var(name).is_ok_and(|value| !value.is_empty())) {
        return Ok(None);
    }
    let fault = |error: &dyn fmt::Display| {
        Failure::message(
            Exit::Usage,
            format!("traces cannot be sent to where OTEL_EXPORTER_OTLP_ENDPOINT says: {error}"),
        )
    };
    let client = assay_api::tls::client_builder().timeout(Duration::from_secs(10)).build().map_err(|e| fault(&e))?;
    let client = OnRuntime { client, runtime: tokio::runtime::Handle::current() };
    let exporter = SpanExporter::builder().with_http().with_http_client(client).build().map_err(|e| fault(&e))?;
    let named =
        std::env::var_os("OTEL_SERVICE_NAME").is_some() || std::env::var_os("OTEL_RESOURCE_ATTRIBUTES").is_some();
    let resource = if named { Resource::builder() } else { Resource::builder().with_service_name("assay") };
    Ok(Some(SdkTracerProvider::builder().with_batch_exporter(exporter).with_resource(resource.build()).build()))
}

/// This workspace's HTTP client, for a sender that has a thread of its own and no runtime.
#[derive(Debug)]
struct OnRuntime {
    client: reqwest::Client,
    runtime: tokio::runtime::Handle,
}

#[async_trait::async_trait]
impl HttpClient for OnRuntime {
    async fn send_bytes(&self, request: Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
        let (client, request) = (self.client.clone(), request.try_into()?);
        let answered = self.runtime.spawn(async move {
            let answer = client.execute(request).await?.error_for_status()?;
            let (status, headers) = (answer.status(), answer.headers().clone());
            let mut response = Response::builder().status(status).body(answer.bytes().await?)?;
            *response.headers_mut() = headers;
            Ok::<_, HttpError>(response)
        });
        answered.await?
    }
}

/// Log lines as JSON objects. (The library's own would put a JSON library beneath the proof system, which depends on
/// the same library.)
struct JsonLines;

impl<S, N> FormatEvent<S, N> for JsonLines
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(&self, _: &FmtContext<'_, S, N>, mut writer: Writer<'_>, event: &Event<'_>) -> fmt::Result {
        let mut fields = Fields::default();
        event.record(&mut fields);
        let (meta, mut object) = (event.metadata(), Map::new());
        let now = chrono::DateTime::from_timestamp_millis(assay_api::store::now_ms()).unwrap_or_default();
        object.insert("timestamp".into(), json!(now.to_rfc3339_opts(chrono::SecondsFormat::Millis, true)));
        object.insert("level".into(), json!(meta.level().as_str()));
        object.insert("target".into(), json!(meta.target()));
        object.extend(fields.0);
        writeln!(writer, "{}", Value::Object(object))
    }
}

/// The fields of an event. The message is one of them.
#[derive(Default)]
struct Fields(Map<String, Value>);

impl Fields {
    fn put(&mut self, field: &Field, value: Value) {
        self.0.insert(field.name().to_owned(), value);
    }
}

impl Visit for Fields {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.put(field, json!(format!("{value:?}")));
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.put(field, json!(value));
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.put(field, json!(value));
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.put(field, json!(value));
    }

    fn record_f64(&mut self, field: &Field, value: f64) {
        self.put(field, json!(value));
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.put(field, json!(value));
    }
}
