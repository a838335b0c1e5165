use pretty_assertions::assert_eq;

use super::check;
use crate::testing::{INJECTED, file, pod};

fn faults(yaml: &str) -> Vec<String> {
    check(&[file(yaml)]).faults.iter().map(ToString::to_string).collect()
}

const UNKNOWN_FIELD: &str = "---
{apiVersion: v1, kind: Service, metadata: {name: s}, spec: {selector: {app: x}, ports: [{port: 80}], prots: 1}}
";

#[test]
fn errors_of_reading_and_of_resolving_are_reported_together() {
    let pod = pod("a", "annotations: {traffic.sidecar.istio.io/excludeInboundPorts: x}");
    let faults = faults(&(INJECTED.to_owned() + &pod + UNKNOWN_FIELD));
    assert_eq!(faults.len(), 2, "{faults:#?}");
    assert!(faults[0].contains("excludeInboundPorts]: injection fails"), "{faults:#?}");
    assert!(faults[1].contains("spec.prots: unknown field; did you mean ports?"), "{faults:#?}");
}

#[test]
fn warnings_that_may_follow_from_an_error_are_withheld() {
    assert_eq!(faults(UNKNOWN_FIELD).len(), 1);
    let fixed = UNKNOWN_FIELD.replace(", prots: 1", "");
    assert!(faults(&fixed)[0].contains("warning: finds no pod with app=x"));
}

#[test]
fn missing_objects_are_not_reported_if_a_document_could_not_be_read() {
    let wants_secret = "---
{apiVersion: v1, kind: Pod, metadata: {name: a}, spec: {containers: [{name: a, image: x}], volumes: [{name: v, secret: {secretName: s}}]}}
";
    let broken = "---\n{apiVersion: v1, kind: Secret, metadata: {name: s}, data: 7}\n";
    let faults = faults(&(wants_secret.to_owned() + broken));
    assert_eq!(faults.len(), 1, "{faults:#?}");
    assert!(faults[0].contains("(Secret s): data: invalid type"), "{faults:#?}");
}
