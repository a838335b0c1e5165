use pretty_assertions::assert_eq;

use super::*;

const TEXT: &str = "# TYPE istio_requests_total counter
istio_requests_total{reporter=\"source\",response_code=\"503\"} 2
# TYPE istio_request_duration_milliseconds histogram
istio_request_duration_milliseconds_bucket{reporter=\"source\",le=\"0.5\"} 0
istio_request_duration_milliseconds_sum{reporter=\"source\"} 7.5
istio_request_duration_milliseconds_count{reporter=\"source\"} 3
";

#[test]
fn metrics_are_read_with_their_labels() {
    let all = parse(TEXT);
    assert_eq!(all.len(), 4);
    assert_eq!((all[0].name.as_str(), all[0].value), ("istio_requests_total", 2.0));
    let row = row(&all[0], false);
    assert_eq!((row[0].as_str(), row[1].as_str(), row[5].as_str()), ("source", "-", "503"));
}

#[test]
fn a_histogram_has_the_sum_of_the_same_labels() {
    let all = parse(TEXT);
    let all: Vec<&Metric> = all.iter().collect();
    assert_eq!(sum_of(&all, "istio_request_duration_milliseconds", &all[3].labels), Some(7.5));
    assert_eq!(sum_of(&all, "istio_request_duration_milliseconds", &all[0].labels), None);
}
