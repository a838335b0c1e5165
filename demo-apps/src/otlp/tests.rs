use prost::Message as _;

use super::{AnyValue, Attribute, OfResource, OfScope, Request, Resource, Span, Status, Value, read};
use crate::report::SpanKind;

fn attribute(key: &str, value: Value) -> Attribute {
    Attribute { key: key.into(), value: Some(AnyValue { value: Some(value) }) }
}

#[test]
fn spans_are_reported_with_their_resource() {
    let span = Span {
        trace: vec![0x0a; 16],
        id: vec![1; 8],
        name: "ingress".into(),
        kind: 2,
        attributes: vec![attribute("n", Value::Number(5)), attribute("t", Value::Text("x".into()))],
        status: Some(Status { code: 2 }),
        ..Span::default()
    };
    let service = attribute("service.name", Value::Text("s".into()));
    let resource = Some(Resource { attributes: vec![service] });
    let of_resource = OfResource { resource, scope_spans: vec![OfScope { spans: vec![span] }] };
    let spans = read(&Request { resource_spans: vec![of_resource] }.encode_to_vec()).expect("they are spans");
    let [span] = &spans[..] else { panic!("there is one span: {spans:?}") };
    assert_eq!((span.trace.as_str(), span.id.as_str()), ("0a".repeat(16).as_str(), "01".repeat(8).as_str()));
    assert_eq!((span.parent.as_deref(), span.kind, span.failed), (None, SpanKind::Server, true));
    assert_eq!((span.attributes["n"].as_str(), span.resource["service.name"].as_str()), ("5", "s"));
}

#[test]
fn what_is_no_request_is_an_error() {
    assert!(read(b"\xff").is_err());
}
