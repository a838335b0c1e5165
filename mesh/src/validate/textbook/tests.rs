use crate::testing::{faults, pod};

#[track_caller]
fn refused(yaml: &str, expected: &str) {
    let text = faults(yaml);
    assert!(text.contains(expected), "expected {expected}\nfound {text}");
}

#[test]
fn a_slip_in_an_annotation_is_refused_with_what_was_meant() {
    let slip = pod("a", "annotations: {textbook.sidelab.io/tls-to-ap: '1'}");
    refused(&slip, "there is no such annotation; did you mean textbook.sidelab.io/tls-to-app?");
    let unknown = pod("a", "annotations: {textbook.sidelab.io/everything: '1'}");
    refused(&unknown, "there are textbook.sidelab.io/tls-to-app, textbook.sidelab.io/tls-mode");
}

#[test]
fn an_annotation_stands_where_it_has_an_effect() {
    let on_a_pod = pod("a", "annotations: {textbook.sidelab.io/tls-mode: PASSTHROUGH}");
    refused(&on_a_pod, "has no effect on a Pod: it is for a DestinationRule");
    let on_a_deployment = "
apiVersion: apps/v1
kind: Deployment
metadata: {name: a, annotations: {textbook.sidelab.io/tls-to-app: '8443'}}
spec:
  selector: {matchLabels: {app: a}}
  template:
    metadata: {labels: {app: a}}
    spec: {containers: [{name: app, image: any}]}
";
    refused(on_a_deployment, "has no effect on a Deployment: it is for a Pod; move it to spec.template.metadata");
}

#[test]
fn passthrough_is_the_one_mode_of_the_annotation() {
    let rule = |mode: &str| {
        format!(
            "apiVersion: networking.istio.io/v1\nkind: DestinationRule\n\
             metadata: {{name: a, annotations: {{textbook.sidelab.io/tls-mode: {mode}}}}}\nspec: {{host: a.b}}\n"
        )
    };
    refused(&rule("SIMPLE"), "\"SIMPLE\" is not a mode that an annotation asks for; PASSTHROUGH is");
    assert!(!faults(&rule("PASSTHROUGH")).contains("annotations"), "{}", faults(&rule("PASSTHROUGH")));
}
