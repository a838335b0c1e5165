//! OTLP (`opentelemetry/proto/collector/trace/v1/trace_service.proto`), as far as Envoy writes it.

use std::time::{SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use prost::{Message, Oneof};

use super::span::{Kind, Span};

/// The name of a service without one (`resource_provider.cc`).
const UNKNOWN_SERVICE: &str = "unknown_service:envoy";

/// `Span.SpanKind`.
const SERVER: i32 = 2;
const CLIENT: i32 = 3;

/// `Status.StatusCode.STATUS_CODE_ERROR`.
const ERROR: i32 = 2;

/// `ExportTraceServiceRequest`.
#[derive(Clone, PartialEq, Message)]
struct ExportRequest {
    #[prost(message, repeated, tag = "1")]
    resource_spans: Vec<ResourceSpans>,
}

/// `ResourceSpans`.
#[derive(Clone, PartialEq, Message)]
struct ResourceSpans {
    #[prost(message, optional, tag = "1")]
    resource: Option<Resource>,
    #[prost(message, repeated, tag = "2")]
    scope_spans: Vec<ScopeSpans>,
}

/// `Resource`.
#[derive(Clone, PartialEq, Message)]
struct Resource {
    #[prost(message, repeated, tag = "1")]
    attributes: Vec<KeyValue>,
}

/// `ScopeSpans`.
#[derive(Clone, PartialEq, Message)]
struct ScopeSpans {
    #[prost(message, repeated, tag = "2")]
    spans: Vec<SpanMessage>,
}

/// `Span`.
#[derive(Clone, PartialEq, Message)]
struct SpanMessage {
    #[prost(bytes = "vec", tag = "1")]
    trace_id: Vec<u8>,
    #[prost(bytes = "vec", tag = "2")]
    span_id: Vec<u8>,
    #[prost(string, tag = "3")]
    trace_state: String,
    #[prost(bytes = "vec", tag = "4")]
    parent_span_id: Vec<u8>,
    #[prost(string, tag = "5")]
    name: String,
    #[prost(int32, tag = "6")]
    kind: i32,
    #[prost(fixed64, tag = "7")]
    start_time_unix_nano: u64,
    #[prost(fixed64, tag = "8")]
    end_time_unix_nano: u64,
    #[prost(message, repeated, tag = "9")]
    attributes: Vec<KeyValue>,
    #[prost(message, optional, tag = "15")]
    status: Option<Status>,
}

/// `Status`.
#[derive(Clone, PartialEq, Message)]
struct Status {
    #[prost(int32, tag = "3")]
    code: i32,
}

/// `KeyValue`.
#[derive(Clone, PartialEq, Message)]
struct KeyValue {
    #[prost(string, tag = "1")]
    key: String,
    #[prost(message, optional, tag = "2")]
    value: Option<AnyValue>,
}

/// `AnyValue`, of which Envoy writes text alone.
#[derive(Clone, PartialEq, Message)]
struct AnyValue {
    #[prost(oneof = "AnyText", tags = "1")]
    value: Option<AnyText>,
}

#[derive(Clone, PartialEq, Oneof)]
enum AnyText {
    #[prost(string, tag = "1")]
    Text(String),
}

/// The spans of a service as `ExportTraceServiceRequest`.
pub(super) fn request(service: &str, spans: Vec<Span>) -> Bytes {
    let service = if service.is_empty() { UNKNOWN_SERVICE } else { service };
    let attributes = [
        ("service.name", service),
        ("telemetry.sdk.language", "rust"),
        ("telemetry.sdk.name", "sidecar-proxy"),
        ("telemetry.sdk.version", env!("CARGO_PKG_VERSION")),
    ];
    let resource = Resource { attributes: attributes.map(|(key, value)| pair(key, value)).into() };
    let spans = spans.into_iter().map(message).collect();
    let all = ResourceSpans { resource: Some(resource), scope_spans: vec![ScopeSpans { spans }] };
    ExportRequest { resource_spans: vec![all] }.encode_to_vec().into()
}

fn message(span: Span) -> SpanMessage {
    let Span { context, parent, name, kind, start, end, attributes, failed } = span;
    SpanMessage {
        trace_id: context.trace.0.into(),
        span_id: context.span.0.into(),
        trace_state: context.state,
        parent_span_id: parent.map(|parent| parent.0.into()).unwrap_or_default(),
        name,
        kind: match kind {
            Kind::Server => SERVER,
            Kind::Client => CLIENT,
        },
        start_time_unix_nano: nanoseconds(start),
        end_time_unix_nano: nanoseconds(end),
        attributes: attributes.iter().map(|(key, value)| pair(key, value)).collect(),
        status: failed.then_some(Status { code: ERROR }),
    }
}

fn pair(key: &str, value: &str) -> KeyValue {
    KeyValue { key: key.to_owned(), value: Some(AnyValue { value: Some(AnyText::Text(value.to_owned())) }) }
}

fn nanoseconds(time: SystemTime) -> u64 {
    time.duration_since(UNIX_EPOCH).unwrap_or_default().as_nanos().try_into().unwrap_or(u64::MAX)
}
