use std::collections::BTreeMap;

use demo_apps::report::{Event, SpanKind, SpanReport};

use super::{ExpectedSpan, ExpectedTraces, differences, read};

fn span(id: &str, parent: Option<&str>, pod: &str, kind: SpanKind, start_ns: u64) -> SpanReport {
    SpanReport {
        trace: "t".into(),
        id: id.into(),
        parent: parent.map(Into::into),
        trace_state: String::new(),
        name: "b:80/*".into(),
        kind,
        start_ns,
        end_ns: start_ns + 1,
        failed: false,
        attributes: BTreeMap::from([
            ("node_id".into(), format!("sidecar~10.0.0.1~{pod}~x")),
            ("http.status_code".into(), "200".into()),
        ]),
        resource: BTreeMap::new(),
    }
}

fn log(spans: &[SpanReport]) -> String {
    let line = |span: &SpanReport| serde_json::to_string(&Event::Span(Box::new(span.clone()))).expect("it is JSON");
    spans.iter().map(|span| line(span) + "\n").collect()
}

fn expected(of: &[(&str, SpanKind)]) -> ExpectedTraces {
    let status = BTreeMap::from([("http.status_code".to_owned(), "200".to_owned())]);
    let span = |(of, kind): &(&str, SpanKind)| ExpectedSpan {
        of: (*of).into(),
        kind: *kind,
        name: "b:80/*".into(),
        attributes: status.clone(),
    };
    ExpectedTraces { at: "otel".into(), spans: of.iter().map(span).collect(), at_least: None, at_most: None }
        .of_calls(1)
}

#[test]
fn spans_that_arrive_in_any_order_are_a_chain() {
    let spans = [
        span("2", Some("1"), "b.default", SpanKind::Server, 20),
        span("1", None, "a.default", SpanKind::Client, 10),
        SpanReport { trace: "later".into(), ..span("3", None, "a.default", SpanKind::Client, 99) },
    ];
    let traces = read(&format!("started\n{}", log(&spans)), (5, 50));
    assert_eq!(differences(Some(&expected(&[("a", SpanKind::Client), ("b", SpanKind::Server)])), &traces), vec![]);
    let wrong = differences(Some(&expected(&[("a", SpanKind::Client)])), &traces);
    assert_eq!(wrong.len(), 1, "a span is too many");
}

#[test]
fn a_span_that_is_not_below_the_one_before_it_is_a_difference() {
    let spans = [
        span("1", None, "a.default", SpanKind::Client, 10),
        span("2", Some("elsewhere"), "b.default", SpanKind::Server, 20),
    ];
    let traces = read(&log(&spans), (0, 50));
    let wrong = differences(Some(&expected(&[("a", SpanKind::Client), ("b", SpanKind::Server)])), &traces);
    assert!(format!("{wrong:?}").contains("and not below it"), "{wrong:?}");
}

#[test]
fn as_many_traces_as_calls_are_expected_where_nothing_is_said() {
    let expected = expected(&[("a", SpanKind::Client)]);
    let wrong = differences(Some(&expected), &[]);
    assert!(format!("{wrong:?}").contains("1 traces"), "{wrong:?}");
    assert!(ExpectedTraces { spans: vec![], ..expected }.check().is_err());
}
