//! What Envoy says of a request in its span (`source/common/tracing/http_tracer_impl.cc`, `common_values.h`).

use std::time::SystemTime;

use envoy_api::CustomTag;
use envoy_rules::codec::HttpVersion;
use http::{HeaderMap, HeaderName, header};

use crate::{
    access_log::{Entry, Format, RequestHead},
    config::{Fault, Invalid},
    http::header_value::value,
    traces::{Kind, Span},
};

pub(super) const CLIENT_TRACE_ID: HeaderName = HeaderName::from_static("x-client-trace-id");
pub(super) const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
const DOWNSTREAM_CLUSTER: HeaderName = HeaderName::from_static("x-envoy-downstream-service-cluster");
const FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");
const ORIGINAL_PATH: HeaderName = HeaderName::from_static("x-envoy-original-path");

/// Ends a request's span (`finalizeDownstreamSpan`). `alt_name` is what statistics call its cluster.
pub(super) fn of_request(span: &mut Span, entry: &Entry<'_>, alt_name: Option<&str>, longest_path: usize) {
    let Some(http) = entry.http else { return };
    if let Some(head) = &http.request {
        let headers = &head.headers;
        if let Some(id) = value(headers, &REQUEST_ID) {
            span.set("guid:x-request-id", id);
        }
        span.set("http.url", url(head, longest_path));
        span.set("http.method", head.method.as_str());
        span.set("downstream_cluster", value(headers, &DOWNSTREAM_CLUSTER).unwrap_or("-"));
        span.set("user_agent", value(headers, &header::USER_AGENT).unwrap_or("-"));
        span.set("http.protocol", http.protocol.unwrap_or("-"));
        span.set("peer.address", entry.stream.connection.remote.0.ip().to_string());
        if let Some(id) = value(headers, &CLIENT_TRACE_ID) {
            span.set("guid:x-client-trace-id", id);
        }
        if is_grpc(headers) {
            span.set("grpc.path", head.path.clone().unwrap_or_default());
            span.set("grpc.authority", value(headers, &header::HOST).unwrap_or_default());
            span.set("grpc.content_type", value(headers, &header::CONTENT_TYPE).unwrap_or_default());
            if let Some(timeout) = headers.get("grpc-timeout").and_then(|timeout| timeout.to_str().ok()) {
                span.set("grpc.timeout", timeout);
            }
        }
    }
    span.set("request_size", entry.stream.bytes_received.to_string());
    span.set("response_size", entry.stream.bytes_sent.to_string());
    common(span, entry, alt_name);
}

/// Ends an attempt's span (`finalizeUpstreamSpan`).
pub(super) fn of_attempt(span: &mut Span, entry: &Entry<'_>, alt_name: Option<&str>) {
    let version = entry.http.and_then(|http| http.upstream_protocol);
    span.set("http.protocol", version.map_or("-", HttpVersion::name));
    if let Some(upstream) = &entry.stream.upstream {
        span.set("upstream_address", upstream.host.0.to_string());
        span.set("peer.address", upstream.host.0.to_string());
    }
    common(span, entry, alt_name);
}

/// What the spans of requests and of attempts have in common (`setCommonTags`).
fn common(span: &mut Span, entry: &Entry<'_>, alt_name: Option<&str>) {
    span.set("component", "proxy");
    if let Some(cluster) = entry.stream.cluster.as_deref() {
        span.set("upstream_cluster", cluster);
        span.set("upstream_cluster.name", alt_name.filter(|name| !name.is_empty()).unwrap_or(cluster));
    }
    let code = entry.stream.response_code;
    span.set("http.status_code", code.unwrap_or(0).to_string());
    span.set("response_flags", entry.flags().to_string());
    let grpc = |name: &'static str| {
        let http = entry.http?;
        let found = http.trailers.get(name).or_else(|| http.response.get(name))?;
        found.to_str().ok()
    };
    let grpc_status = grpc("grpc-status");
    if let Some(status) = grpc_status {
        span.set("grpc.status_code", status);
        if let Some(message) = grpc("grpc-message") {
            span.set("grpc.message", message);
        }
    }
    if code.is_none_or(|code| code >= 500) || grpc_status.is_some_and(|status| status != "0") {
        span.set("error", "true");
    }
    // OpenTelemetry's conventions for HTTP: what the client has done wrong is an error of the client alone.
    let least = if span.kind == Kind::Client { 400 } else { 500 };
    span.failed = code.is_some_and(|code| code >= least);
    span.end = SystemTime::now();
}

/// What the client asked for (`buildOriginalUri`).
fn url(head: &RequestHead, longest_path: usize) -> String {
    let headers = &head.headers;
    let Some(path) = value(headers, &ORIGINAL_PATH).or(head.path.as_deref()) else { return String::new() };
    let mut end = path.len().min(longest_path);
    while !path.is_char_boundary(end) {
        end -= 1;
    }
    let scheme = value(headers, &FORWARDED_PROTO).unwrap_or_default();
    format!("{scheme}://{}{}", value(headers, &header::HOST).unwrap_or_default(), &path[..end])
}

fn is_grpc(headers: &HeaderMap) -> bool {
    value(headers, &header::CONTENT_TYPE).is_some_and(|kind| kind.starts_with("application/grpc"))
}

/// An attribute that the configuration adds (`source/common/tracing/custom_tag_impl.cc`).
#[derive(Debug)]
pub(super) struct Tag {
    name: String,
    source: Source,
    /// Its value where there is none; without it the span has no such attribute.
    default: String,
}

#[derive(Debug)]
enum Source {
    Fixed(String),
    Header(HeaderName),
    Format(Format),
}

impl Tag {
    pub(super) fn new(tag: &CustomTag) -> Result<Self, Invalid> {
        let CustomTag { tag: name, literal, environment, request_header, metadata, value } = tag;
        let named = environment.as_ref().or(request_header.as_ref());
        let mut default = named.map(|named| named.default_value.clone()).unwrap_or_default();
        let source = match (literal, environment, request_header, metadata) {
            (Some(literal), ..) => Source::Fixed(literal.value.clone()),
            (_, Some(variable), ..) => Source::Fixed(std::env::var(&variable.name).unwrap_or_default()),
            (.., Some(header), _) => Source::Header(
                HeaderName::try_from(&header.name)
                    .map_err(|_| Fault::Value { value: header.name.clone(), not: "not a header's name" })?,
            ),
            (.., Some(metadata)) => {
                default.clone_from(&metadata.default_value);
                Source::Fixed(String::new())
            }
            _ => Source::Format(Format::text(value)?),
        };
        Ok(Self { name: name.clone(), source, default })
    }

    pub(super) fn apply(&self, span: &mut Span, entry: &Entry<'_>) {
        let header = |name| entry.http.and_then(|http| value(&http.request.as_ref()?.headers, name));
        let found = match &self.source {
            Source::Fixed(text) => text.clone(),
            Source::Header(name) => header(name).unwrap_or_default().to_owned(),
            Source::Format(format) => format.line(entry),
        };
        let value = if found.is_empty() { self.default.clone() } else { found };
        if !value.is_empty() {
            span.set(self.name.clone(), value);
        }
    }
}
