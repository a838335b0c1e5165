use pretty_assertions::assert_eq;

use super::*;

fn expected(at_least: u64, at_most: Option<u64>) -> ExpectedCount {
    ExpectedCount { of: "client".into(), counter: "a.b".into(), at_least, at_most }
}

fn count(gained: Option<u64>) -> Count {
    Count { of: "client".into(), counter: "a.b".into(), gained }
}

#[test]
fn a_counter_is_found_by_its_whole_name() {
    let text = "a.b: 3\na.b.c: 5\na: 7\nof;.d: 9\n";
    assert_eq!((plain(text, "a.b"), plain(text, "a"), plain(text, "b")), (3, 7, 0));
    assert_eq!(plain(text, "of.d"), 9, "as Istio names it");
}

#[test]
fn the_metrics_with_all_of_the_labels_are_added_up() {
    let text = "# TYPE m counter\nm{code=\"200\",to=\"a,b\"} 2\nm{code=\"200\",to=\"say \\\"c\\\"\"} 3\nm{code=\"503\"} 5\nn{code=\"200\"} 7\n";
    for (selector, value) in [
        ("m{code=\"200\"}", 5),
        ("m{}", 10),
        ("m{code=\"200\",to=\"a,b\"}", 2),
        ("m{to=\"say \\\"c\\\"\"}", 3),
        ("m{code=\"4\"}", 0),
    ] {
        assert_eq!(sum(text, selector), value, "{selector}");
    }
}

#[test]
fn a_count_outside_of_its_bounds_is_a_difference() {
    let differs = |expected: ExpectedCount, gained| {
        let found = differences(&[expected], &[count(gained)]);
        found.first().map(ToString::to_string)
    };
    assert_eq!(differs(expected(2, Some(4)), Some(3)), None);
    assert_eq!(differs(expected(2, None), Some(300)), None);
    assert_eq!(differs(expected(2, Some(2)), None), None, "a sidecar that lacks it by its nature");
    let message = "counter 1: expected a.b of client +2 to +4, found +5";
    assert_eq!(differs(expected(2, Some(4)), Some(5)).as_deref(), Some(message));
}

#[test]
fn an_expectation_that_any_number_meets_is_rejected() {
    assert!(expected(0, None).check().is_err());
    assert!(expected(3, Some(2)).check().is_err());
    assert!(expected(0, Some(0)).check().is_ok());
}
