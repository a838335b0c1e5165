//! OTLP's spans (`opentelemetry/proto/trace/v1/trace.proto`), as a collector receives them.

use std::collections::BTreeMap;

use prost::{DecodeError, Message, Oneof};

use crate::report::{SpanKind, SpanReport};

#[cfg(test)]
mod tests;

/// The method of gRPC.
pub(crate) const EXPORT: &str = "/opentelemetry.proto.collector.trace.v1.TraceService/Export";

#[derive(Clone, PartialEq, Message)]
struct Request {
    #[prost(message, repeated, tag = "1")]
    resource_spans: Vec<OfResource>,
}

#[derive(Clone, PartialEq, Message)]
struct OfResource {
    #[prost(message, optional, tag = "1")]
    resource: Option<Resource>,
    #[prost(message, repeated, tag = "2")]
    scope_spans: Vec<OfScope>,
}

#[derive(Clone, PartialEq, Message)]
struct Resource {
    #[prost(message, repeated, tag = "1")]
    attributes: Vec<Attribute>,
}

#[derive(Clone, PartialEq, Message)]
struct OfScope {
    #[prost(message, repeated, tag = "2")]
    spans: Vec<Span>,
}

#[derive(Clone, PartialEq, Message)]
struct Span {
    #[prost(bytes = "vec", tag = "1")]
    trace: Vec<u8>,
    #[prost(bytes = "vec", tag = "2")]
    id: Vec<u8>,
    #[prost(string, tag = "3")]
    trace_state: String,
    #[prost(bytes = "vec", tag = "4")]
    parent: Vec<u8>,
    #[prost(string, tag = "5")]
    name: String,
    #[prost(int32, tag = "6")]
    kind: i32,
    #[prost(fixed64, tag = "7")]
    start_ns: u64,
    #[prost(fixed64, tag = "8")]
    end_ns: u64,
    #[prost(message, repeated, tag = "9")]
    attributes: Vec<Attribute>,
    #[prost(message, optional, tag = "15")]
    status: Option<Status>,
}

#[derive(Clone, PartialEq, Message)]
struct Status {
    #[prost(int32, tag = "3")]
    code: i32,
}

#[derive(Clone, PartialEq, Message)]
struct Attribute {
    #[prost(string, tag = "1")]
    key: String,
    #[prost(message, optional, tag = "2")]
    value: Option<AnyValue>,
}

#[derive(Clone, PartialEq, Message)]
struct AnyValue {
    #[prost(oneof = "Value", tags = "1, 2, 3, 4")]
    value: Option<Value>,
}

#[derive(Clone, PartialEq, Oneof)]
enum Value {
    #[prost(string, tag = "1")]
    Text(String),
    #[prost(bool, tag = "2")]
    Bool(bool),
    #[prost(int64, tag = "3")]
    Number(i64),
    #[prost(double, tag = "4")]
    Fraction(f64),
}

/// The spans of an `ExportTraceServiceRequest`.
///
/// # Errors
/// If it is something else.
pub(crate) fn read(request: &[u8]) -> Result<Vec<SpanReport>, DecodeError> {
    let mut all = Vec::new();
    for OfResource { resource, scope_spans } in Request::decode(request)?.resource_spans {
        let resource = texts(resource.map(|resource| resource.attributes).unwrap_or_default());
        let spans = scope_spans.into_iter().flat_map(|scope| scope.spans);
        all.extend(spans.map(|span| report(span, resource.clone())));
    }
    Ok(all)
}

fn report(span: Span, resource: BTreeMap<String, String>) -> SpanReport {
    const ERROR: i32 = 2;
    SpanReport {
        trace: hex(&span.trace),
        id: hex(&span.id),
        parent: Some(hex(&span.parent)).filter(|parent| !parent.is_empty()),
        trace_state: span.trace_state,
        name: span.name,
        kind: match span.kind {
            1 => SpanKind::Internal,
            2 => SpanKind::Server,
            3 => SpanKind::Client,
            4 => SpanKind::Producer,
            5 => SpanKind::Consumer,
            _ => SpanKind::Unspecified,
        },
        start_ns: span.start_ns,
        end_ns: span.end_ns,
        failed: span.status.is_some_and(|status| status.code == ERROR),
        attributes: texts(span.attributes),
        resource,
    }
}

fn texts(attributes: Vec<Attribute>) -> BTreeMap<String, String> {
    let text = |value: AnyValue| match value.value {
        Some(Value::Text(text)) => text,
        Some(Value::Bool(value)) => value.to_string(),
        Some(Value::Number(number)) => number.to_string(),
        Some(Value::Fraction(number)) => number.to_string(),
        None => String::new(),
    };
    attributes.into_iter().map(|one| (one.key, one.value.map(text).unwrap_or_default())).collect()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
