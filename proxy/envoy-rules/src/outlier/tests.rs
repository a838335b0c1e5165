use serde_json::{Value, json};

use super::*;

fn cluster(fields: &Value) -> Cluster {
    let mut detection = json!({"enforcing_success_rate": 0});
    for (name, value) in fields.as_object().unwrap() {
        detection[name] = value.clone();
    }
    envoy_api::read_value(json!({"name": "c", "outlier_detection": detection})).unwrap()
}

fn detection(fields: &Value) -> Detection {
    Detection::new(&cluster(fields)).unwrap().unwrap()
}

fn causes(detection: &Detection, signs: &[Sign]) -> Vec<Option<Cause>> {
    let mut monitor = Monitor::default();
    signs.iter().map(|sign| detection.observe(&mut monitor, *sign)).collect()
}

#[test]
fn consecutive_errors_eject_and_an_answer_between_them_does_not_let_them() {
    let two = detection(&json!({"consecutive_5xx": 2}));
    let (error, good) = (Sign::Response(500), Sign::Response(404));
    assert_eq!(causes(&two, &[error, error]), [None, Some(Cause::Consecutive5xx)]);
    assert_eq!(causes(&two, &[error, good, error]), [None; 3]);
    assert_eq!(causes(&two, &[Sign::Failed, Sign::TimedOut]), [None, Some(Cause::Consecutive5xx)]);
}

#[test]
fn gateway_errors_count_only_where_they_are_enforced() {
    let gateway = json!({"consecutive_gateway_failure": 2, "enforcing_consecutive_gateway_failure": 100,
                         "consecutive_5xx": 0, "enforcing_consecutive_5xx": 0});
    let of_gateway = detection(&gateway);
    let (bad, other) = (Sign::Response(503), Sign::Response(500));
    assert_eq!(causes(&of_gateway, &[bad, bad]), [None, Some(Cause::GatewayFailure)]);
    assert_eq!(causes(&of_gateway, &[bad, other, bad]), [None; 3], "a 500 begins anew");
    let unset = detection(&json!({"consecutive_gateway_failure": 1}));
    assert_eq!(causes(&unset, &[bad]), [None], "enforced is 0 % by default");
}

#[test]
fn failures_to_connect_are_counted_by_themselves_where_they_are_split() {
    let split = json!({"split_external_local_origin_errors": true, "consecutive_local_origin_failure": 1,
                       "enforcing_local_origin_success_rate": 0, "consecutive_5xx": 1});
    let split = detection(&split);
    assert_eq!(causes(&split, &[Sign::Failed]), [Some(Cause::LocalOriginFailure)]);
    assert_eq!(causes(&split, &[Sign::Response(503)]), [Some(Cause::Consecutive5xx)]);
}

#[test]
fn the_share_that_may_be_ejected_counts_the_next_one() {
    let default = detection(&json!({}));
    assert!(!default.may_eject(0, 3) && default.may_eject(0, 10));
    let half = detection(&json!({"max_ejection_percent": 50}));
    assert!(half.may_eject(0, 2) && !half.may_eject(1, 2));
}

#[test]
fn an_endpoint_comes_back_at_a_look_and_later_each_time() {
    let detection = detection(&json!({"interval": "1s", "base_ejection_time": "1.5s"}));
    let at = Duration::from_millis;
    let mut monitor = Monitor::default();
    detection.eject(&mut monitor, at(200));
    assert_eq!(detection.returns_at(&monitor), Some(at(2000)));
    detection.take_back(&mut monitor, at(2000));
    assert!(!monitor.is_ejected());
    detection.eject(&mut monitor, at(2100));
    assert_eq!(detection.returns_at(&monitor), Some(at(6000)), "3 s after 2.1 s, at the next look");
    detection.take_back(&mut monitor, at(6000));
    detection.eject(&mut monitor, at(16_000));
    assert_eq!(detection.returns_at(&monitor), Some(at(18_000)), "it was healthy for long");
}

#[test]
fn all_endpoints_are_used_where_too_few_are_left() {
    let with = |panic: Value| {
        let mut cluster = json!({"name": "c"});
        cluster["common_lb_config"] = panic;
        envoy_api::read_value::<Cluster>(cluster).unwrap()
    };
    let default = with(json!({}));
    assert!(is_in_panic(&default, 1, 3) && !is_in_panic(&default, 2, 4));
    let never = with(json!({"healthy_panic_threshold": {}}));
    assert!(!is_in_panic(&never, 0, 3));
}

#[test]
fn what_is_not_supported_is_named() {
    let found = |fields: Value| Detection::new(&cluster(&fields)).unwrap_err();
    assert_eq!(found(json!({"enforcing_success_rate": 100})), "outlier_detection.enforcing_success_rate");
    assert_eq!(found(json!({"enforcing_consecutive_5xx": 50})), "outlier_detection.enforcing_consecutive_5xx");
}
