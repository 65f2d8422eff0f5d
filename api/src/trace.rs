//! Traces from a request to its settlement, for OpenTelemetry. Spans are made at level `DEBUG`, whether anybody
//! collects them or not; the program that runs the service adds the collector.
//!
//! A job has the context of its request with it (W3C's `traceparent`), so that whichever process goes on with the job
//! continues the trace.

use axum::http::HeaderMap;
use opentelemetry::Context;
use opentelemetry::trace::{SpanContext, SpanId, TraceContextExt, TraceFlags, TraceId, TraceState};
use tracing::Span;
use tracing_opentelemetry::OpenTelemetrySpanExt;

/// The header, and what is stored.
const TRACEPARENT: &str = "traceparent";

/// Reads `00-<trace>-<span>-<flags>`; what is anything else names no parent.
fn parse(text: &str) -> Option<SpanContext> {
    let mut parts = text.trim().split('-');
    let (version, trace, span, flags) = (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
    let hex = |part: &str, len: usize| {
        part.len() == len && part.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b))
    };
    if version == "ff"
        || !(hex(version, 2) && hex(trace, 32) && hex(span, 16) && hex(flags, 2))
        || (version == "00" && parts.next().is_some())
    {
        return None;
    }
    let flags = TraceFlags::new(u8::from_str_radix(flags, 16).ok()?);
    let found = SpanContext::new(
        TraceId::from_hex(trace).ok()?,
        SpanId::from_hex(span).ok()?,
        flags,
        true,
        TraceState::default(),
    );
    found.is_valid().then_some(found)
}

fn write(context: &SpanContext) -> String {
    format!("00-{}-{}-{:02x}", context.trace_id(), context.span_id(), context.trace_flags().to_u8())
}

/// Makes a span the child of what a context says. Nothing happens where nobody collects spans.
pub(crate) fn continue_from(span: &Span, traceparent: Option<&str>) {
    if let Some(parent) = traceparent.and_then(parse) {
        // an error: there is no collector
        let _ = span.set_parent(Context::new().with_remote_span_context(parent));
    }
}

/// The same for a request's header.
pub(crate) fn continue_request(span: &Span, headers: &HeaderMap) {
    continue_from(span, headers.get(TRACEPARENT).and_then(|value| value.to_str().ok()));
}

/// The context of the span that is open, for a job to take along; `None` where nobody collects spans.
pub(crate) fn current() -> Option<String> {
    let context = Span::current().context();
    let span = context.span();
    Some(span.span_context()).filter(|context| context.is_valid()).map(write)
}

/// A span of a job's step.
macro_rules! step {
    ($name:literal, $job:expr, $trace:expr) => {{
        let span = tracing::debug_span!($name, otel.name = tracing::field::Empty, job = %$job);
        crate::trace::continue_from(&span, $trace);
        span
    }};
}

pub(crate) use step;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn contexts_are_read_and_written() {
        let text = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
        let context = parse(text).unwrap();
        assert!(context.is_remote() && context.is_sampled());
        assert_eq!(write(&context), text);
        for wrong in [
            "",
            "00",
            "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331",
            "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01-00",
            "ff-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
            "00-00000000000000000000000000000000-b7ad6b7169203331-01",
            "00-0af7651916cd43dd8448eb211c80319c-0000000000000000-01",
            "00-0AF7651916CD43DD8448EB211C80319C-B7AD6B7169203331-01",
            "00-0af7651916cd43dd8448eb211c80319-b7ad6b71692033312-01",
        ] {
            assert!(parse(wrong).is_none(), "{wrong}");
        }
        assert_eq!(current(), None, "nobody collects spans here");
    }
}
