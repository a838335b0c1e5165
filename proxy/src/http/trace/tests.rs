use std::time::UNIX_EPOCH;

use envoy_api::{Bootstrap, HttpConnectionManager, TrafficDirection};
use http::{HeaderMap, Method};
use serde_json::{Value, json};

use super::{Trace, Tracing};
use crate::{
    access_log::RequestHead,
    http::header_value::value,
    stats::Stats,
    traces::{Kind, Traces},
};

const PARENT: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

fn tracing(direction: TrafficDirection, more: &Value) -> Tracing {
    let collector = json!({
        "@type": "type.googleapis.com/envoy.config.trace.v3.OpenTelemetryConfig",
        "grpc_service": {"envoy_grpc": {"cluster_name": "otel"}},
    });
    let mut tracing = json!({"provider": {"name": "envoy.tracers.opentelemetry", "typed_config": collector}});
    tracing.as_object_mut().expect("an object").extend(more.as_object().cloned().unwrap_or_default());
    let config: HttpConnectionManager =
        serde_json::from_value(json!({"stat_prefix": "s", "http_filters": [], "tracing": tracing})).expect("valid");
    let traces = Traces::new(&Bootstrap::default(), &Stats::default());
    Tracing::new(&config, Some(direction), &traces).expect("valid").expect("it traces")
}

fn head(headers: &[(&'static str, &str)]) -> RequestHead {
    let mut map = HeaderMap::new();
    for (name, value) in headers {
        map.insert(*name, value.parse().expect("a value"));
    }
    RequestHead { method: Method::GET, path: Some("/".into()), headers: map }
}

fn header(headers: &HeaderMap, name: &'static str) -> Option<String> {
    value(headers, &http::HeaderName::from_static(name)).map(str::to_owned)
}

fn begin(tracing: &Tracing, head: &mut RequestHead, operation: Option<&str>) -> Trace {
    tracing.begin(head, operation, UNIX_EPOCH)
}

const ID: (&str, &str) = ("x-request-id", "00001388-1111-4222-8333-444444444444");

#[test]
fn a_call_of_the_app_is_named_by_its_route_and_tells_the_called_sidecar() {
    let tracing = tracing(TrafficDirection::Outbound, &json!({}));
    let mut head = head(&[ID, ("host", "shop")]);
    let mut trace = begin(&tracing, &mut head, Some("shop:80/*"));
    assert_eq!(header(&head.headers, "x-request-id").as_deref(), Some("00001388-1111-9222-8333-444444444444"));
    assert_eq!(header(&head.headers, "x-envoy-decorator-operation").as_deref(), Some("shop:80/*"));
    let span = trace.span.clone().expect("it is traced");
    assert_eq!((span.name.as_str(), span.kind, span.parent), ("shop:80/*", Kind::Client, None));
    tracing.attempt(&mut trace, &mut head.headers, "c", 1);
    assert_eq!(header(&head.headers, "traceparent"), Some(span.context.parent()));
    assert!(
        begin(&tracing, &mut self::head(&[ID, ("host", "shop")]), None)
            .span
            .is_some_and(|span| span.name == "egress shop")
    );
}

#[test]
fn a_call_to_the_app_is_named_by_its_caller_and_otherwise_tells_the_caller() {
    let tracing = tracing(TrafficDirection::Inbound, &json!({}));
    let mut head =
        head(&[ID, ("x-envoy-decorator-operation", "shop:80/*"), ("traceparent", PARENT), ("tracestate", "a=b")]);
    let mut trace = begin(&tracing, &mut head, Some("pod:8080/*"));
    let span = trace.span.clone().expect("it is traced");
    assert_eq!((span.name.as_str(), span.kind), ("shop:80/*", Kind::Server));
    assert_eq!(span.parent.map(|parent| parent.to_string()).as_deref(), Some("b7ad6b7169203331"));
    assert_eq!(header(&head.headers, "x-envoy-decorator-operation"), None);
    tracing.attempt(&mut trace, &mut head.headers, "c", 1);
    assert_eq!(header(&head.headers, "tracestate").as_deref(), Some("a=b"));
    let mut response = HeaderMap::new();
    tracing.respond(&mut trace, &mut response);
    assert!(response.is_empty());
    let mut trace = begin(&tracing, &mut self::head(&[ID]), Some("pod:8080/*"));
    tracing.respond(&mut trace, &mut response);
    assert_eq!(header(&response, "x-envoy-decorator-operation").as_deref(), Some("pod:8080/*"));
}

#[test]
fn a_parent_that_cannot_be_read_is_passed_on_and_there_is_no_span() {
    let tracing = tracing(TrafficDirection::Outbound, &json!({}));
    let mut head = head(&[ID, ("traceparent", "nonsense")]);
    let mut trace = begin(&tracing, &mut head, None);
    assert!(trace.span.is_none());
    tracing.attempt(&mut trace, &mut head.headers, "c", 1);
    assert_eq!(header(&head.headers, "traceparent").as_deref(), Some("nonsense"));
}

#[test]
fn where_each_attempt_has_a_span_the_upstream_is_told_of_that() {
    let tracing = tracing(TrafficDirection::Outbound, &json!({"spawn_upstream_span": true}));
    let mut head = head(&[ID]);
    let mut trace = begin(&tracing, &mut head, None);
    tracing.attempt(&mut trace, &mut head.headers, "c", 2);
    let (span, attempt) = (trace.span.expect("of the request"), trace.attempt.expect("of the attempt"));
    assert_eq!((span.kind, attempt.kind, attempt.parent), (Kind::Server, Kind::Client, Some(span.context.span)));
    assert_eq!(attempt.name, "router c egress");
    assert_eq!(attempt.attributes, [("retry.count".into(), "1".to_owned())]);
    assert_eq!(header(&head.headers, "traceparent"), Some(attempt.context.parent()));
}

#[test]
fn b3_headers_are_passed_on_as_they_are() {
    let tracing = tracing(TrafficDirection::Outbound, &json!({}));
    let mut head = head(&[ID, ("b3", "80f198ee56343ba8-e457b5a2e4d86bd1-1"), ("x-b3-traceid", "80f198ee56343ba8")]);
    let mut trace = begin(&tracing, &mut head, None);
    tracing.attempt(&mut trace, &mut head.headers, "c", 1);
    assert_eq!(header(&head.headers, "b3").as_deref(), Some("80f198ee56343ba8-e457b5a2e4d86bd1-1"));
    assert_eq!(header(&head.headers, "x-b3-traceid").as_deref(), Some("80f198ee56343ba8"));
}
