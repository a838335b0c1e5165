use std::time::UNIX_EPOCH;

use envoy_api::{Bootstrap, OpenTelemetryConfig};
use serde_json::json;

use super::{Kind, Span, Traces, batch};
use crate::stats::Stats;

#[test]
fn the_last_layer_of_the_runtime_says_how_many_spans_are_sent_at_once() {
    let runtime = json!({"layers": [
        {"name": "a", "static_layer": {"tracing.opentelemetry.min_flush_spans": 1}},
        {"name": "b", "static_layer": {"other": 1}},
    ]});
    assert_eq!((batch(Some(&runtime)), batch(None)), (1, 5));
}

#[tokio::test]
async fn equal_configurations_share_a_tracer_and_only_sampled_spans_are_reported() {
    let traces = Traces::new(&Bootstrap::default(), &Stats::default());
    let of = |service_name: &str| OpenTelemetryConfig { service_name: service_name.into(), ..Default::default() };
    let tracer = traces.tracer(&of("a"));
    assert!(std::sync::Arc::ptr_eq(&tracer, &traces.tracer(&of("a"))));
    assert!(!std::sync::Arc::ptr_eq(&tracer, &traces.tracer(&of("b"))));
    let mut receiver = traces.receiver().expect("nobody has it yet");
    assert!(traces.receiver().is_none());
    for sampled in [false, true] {
        tracer.report(Span::first(sampled, "ingress".into(), Kind::Server, UNIX_EPOCH));
    }
    assert!(receiver.recv().await.expect("it was reported").span.context.sampled);
    assert!(receiver.try_recv().is_err());
}

#[test]
fn an_attribute_that_is_set_again_replaces_the_first() {
    let mut span = Span::first(true, "ingress".into(), Kind::Server, UNIX_EPOCH);
    span.set("a", "1");
    span.set("b", "2");
    span.set("a", "3");
    assert_eq!(span.attributes, [("a".into(), "3".to_owned()), ("b".into(), "2".to_owned())]);
}
