use crate::testing::faults;

const PLACEHOLDER: &str = "---
apiVersion: v1
kind: Secret
metadata: {name: placeholder}
type: kubernetes.io/tls
stringData: {tls.crt: <certificate>, tls.key: <key>}
";

#[test]
fn a_tls_secret_without_a_certificate_is_warned_of_where_nothing_uses_it() {
    let text = faults(PLACEHOLDER);
    assert_eq!((text.lines().count(), text.matches("warning: is not PEM").count()), (2, 2), "{text}");
    let missing = faults(&PLACEHOLDER.replace(", tls.key: <key>", ""));
    assert!(missing.contains("data[tls.key]: is missing; a Secret of type kubernetes.io/tls"), "{missing}");
}

#[test]
fn a_tls_secret_without_a_certificate_is_an_error_where_something_uses_it() {
    let pod = "---
apiVersion: v1
kind: Pod
metadata: {name: a}
spec: {volumes: [{name: tls, secret: {secretName: placeholder}}], containers: [{name: a, image: sidelab/demo-server}]}
";
    let gateway = "---
apiVersion: networking.istio.io/v1
kind: Gateway
metadata: {name: a}
spec:
  selector: {istio: edge}
  servers: [{port: {number: 443, name: https, protocol: HTTPS}, hosts: ['*'], tls: {mode: SIMPLE, credentialName: placeholder}}]
";
    for user in [pod, gateway] {
        let text = faults(&format!("{PLACEHOLDER}{user}"));
        assert!(text.contains("stringData[tls.crt]: is not PEM"), "{text}");
    }
}
