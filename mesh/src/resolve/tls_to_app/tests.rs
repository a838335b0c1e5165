use crate::testing::{INJECTED, faults, pod};

fn annotated(value: &str) -> String {
    let annotations = format!("labels: {{app: server}}, annotations: {{textbook.sidelab.io/tls-to-app: {value:?}}}");
    let service = "---
apiVersion: v1
kind: Service
metadata: {name: server}
spec: {selector: {app: server}, ports: [{name: a, port: 8443}, {name: b, port: 9443}]}
";
    faults(&format!("{INJECTED}{}{service}", pod("server", &annotations)))
}

#[test]
fn ports_stand_in_a_comma_list() {
    assert_eq!(annotated("8443"), "");
    assert_eq!(annotated("8443, 9443"), "");
    for (value, culprit) in
        [("8443;9443", "8443;9443"), ("https", "https"), ("8443,", ""), ("0", "0"), ("70000", "70000")]
    {
        let text = annotated(value);
        let expected = format!(
            "(Pod server): metadata.annotations[textbook.sidelab.io/tls-to-app]: {culprit:?} is not a port; expected a comma list of \
             container ports, such as 8443,9443"
        );
        assert!(text.contains(&expected), "{text}");
    }
}

#[test]
fn a_port_that_no_service_sends_to_is_warned_of() {
    let text = annotated("8443,8080");
    assert!(text.contains("warning: no service sends to container port 8080"), "{text}");
}
