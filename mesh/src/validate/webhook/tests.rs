//! What is wrong with webhook configurations.

use pretty_assertions::assert_eq;

use crate::testing::faults;

/// A webhook with one field in place of a proper one: everything that is wrong with it.
fn wrong(field: &str, with: &str) -> String {
    let fields = [
        ("name", "name: pods.policy.example.com"),
        ("clientConfig", "clientConfig: {service: {name: webhook, namespace: default}}"),
        ("rules", "rules: [{apiGroups: [''], apiVersions: [v1], operations: [CREATE], resources: [pods]}]"),
        ("sideEffects", "sideEffects: None"),
        ("admissionReviewVersions", "admissionReviewVersions: [v1]"),
        ("more", "failurePolicy: Fail"),
    ];
    let lines: Vec<&str> = fields.iter().map(|(name, line)| if *name == field { with } else { *line }).collect();
    let webhook = lines.iter().filter(|line| !line.is_empty()).copied().collect::<Vec<_>>().join(", ");
    faults(&format!(
        "apiVersion: v1
kind: Service
metadata: {{name: webhook}}
spec: {{selector: {{app: webhook}}, ports: [{{name: https, port: 443}}]}}
---
apiVersion: v1
kind: Pod
metadata: {{name: webhook, labels: {{app: webhook}}}}
spec: {{containers: [{{name: app, image: sidelab/demo-webhook}}]}}
---
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingWebhookConfiguration
metadata: {{name: policy}}
webhooks:
- {{{webhook}}}
"
    ))
}

/// The only fault, without the place that is the same for all.
fn only(field: &str, with: &str) -> String {
    let all = wrong(field, with);
    let one = all.strip_prefix("m.yaml: document 3 (ValidatingWebhookConfiguration policy): webhooks[0].");
    one.unwrap_or_else(|| panic!("{with}: {all:?}")).trim_end().to_owned()
}

#[test]
fn a_proper_webhook_has_no_fault() {
    assert_eq!(wrong("", ""), "");
    assert_eq!(wrong("clientConfig", "clientConfig: {url: 'https://example.com:8443/validate'}"), "");
}

#[test]
fn what_the_api_server_requires_is_missed_by_name() {
    assert_eq!(only("name", ""), "name: is missing; such as pods.policy.example.com");
    assert_eq!(only("sideEffects", ""), "sideEffects: is missing; write None or NoneOnDryRun");
    assert_eq!(only("admissionReviewVersions", ""), "admissionReviewVersions: is missing; write [v1]");
    assert_eq!(only("clientConfig", ""), "clientConfig: has neither service nor url; give one of them");
}

#[test]
fn a_name_is_a_domain_of_three_parts() {
    for name in ["pods", "pods.example", "Pods.example.com", "pods..example.com"] {
        assert!(only("name", &format!("name: {name}")).contains("is not a webhook name"), "{name}");
    }
}

#[test]
fn unknown_values_are_reported_with_the_known_ones() {
    assert_eq!(only("more", "failurePolicy: Retry"), r#"failurePolicy: "Retry" is not known; Fail, Ignore are"#);
    assert_eq!(only("more", "matchPolicy: Fuzzy"), r#"matchPolicy: "Fuzzy" is not known; Exact, Equivalent are"#);
    assert!(only("sideEffects", "sideEffects: Some").starts_with("sideEffects: "));
    assert!(only("admissionReviewVersions", "admissionReviewVersions: [v1beta1]").contains("does not have v1"));
    for seconds in [0, 31, -1] {
        assert!(only("more", &format!("timeoutSeconds: {seconds}")).contains("1 to 30 seconds"));
    }
    let operator = "objectSelector: {matchExpressions: [{key: a, operator: Near, values: []}]}";
    assert!(only("more", operator).contains("matchExpressions[0].operator"));
    let rules = "rules: [{apiGroups: ['*', apps], apiVersions: [v1], operations: [CREATE], resources: [pods]}]";
    assert!(only("rules", rules).contains("`*` stands alone"));
    assert!(
        only("rules", "rules: [{apiVersions: [v1], operations: [CREATE], resources: [pods]}]").contains("apiGroups")
    );
    assert!(only("more", "matchConditions: [{name: a, expression: 'true'}]").contains("CEL"));
}

#[test]
fn a_webhook_is_a_service_or_a_url_and_the_url_is_plain_https() {
    let url = |url: &str| only("clientConfig", &format!("clientConfig: {{url: '{url}'}}"));
    assert!(url("http://example.com/").contains("is not HTTPS"));
    assert!(url("https://").contains("has no host"));
    assert!(url("https:///path").contains("has no host"));
    assert!(url("https://me@example.com/").contains("user name"));
    assert!(url("https://example.com/?a=b").contains("query"));
    assert!(url("https://example.com/#a").contains("fragment"));
    assert!(url("https://example.com:0/").contains("port"));
    let both = "clientConfig: {url: 'https://example.com/', service: {name: webhook, namespace: default}}";
    assert!(only("clientConfig", both).contains("has both service and url"));
}

#[test]
fn a_service_reference_has_names_a_port_and_a_path_from_the_root() {
    let service = |fields: &str| only("clientConfig", &format!("clientConfig: {{service: {{{fields}}}}}"));
    assert_eq!(
        service("name: webhook, namespace: default, path: validate"),
        r#"clientConfig.service.path: "validate" does not begin with /; write /validate"#
    );
    assert!(service("name: webhook, namespace: default, path: '/a?b'").contains("has a query"));
    assert!(service("name: webhook, namespace: default, port: 0").contains("out of range"));
    assert!(service("name: webhook").starts_with("clientConfig.service.namespace: is missing"));
}

#[test]
fn a_ca_bundle_that_is_not_pem_is_an_error_that_names_the_field() {
    let bundle = |text: &str| {
        only(
            "clientConfig",
            &format!("clientConfig: {{service: {{name: webhook, namespace: default}}, caBundle: {text}}}"),
        )
    };
    // "no PEM" in base64; then what is no base64; then PEM that holds no certificate.
    assert_eq!(
        bundle("bm8gUEVN"),
        "clientConfig.caBundle: is not PEM; expected text that begins with -----BEGIN CERTIFICATE"
    );
    assert!(bundle("'no base64!'").contains("is not base64"));
    assert!(
        bundle("LS0tLS1CRUdJTiBDRVJUSUZJQ0FURS0tLS0tCkFBQUEKLS0tLS1FTkQgQ0VSVElGSUNBVEUtLS0tLQo=")
            .contains("unreadable certificate")
    );
}

#[test]
fn unknown_fields_and_a_namespace_are_errors() {
    assert!(wrong("more", "failPolicy: Fail").contains("did you mean failurePolicy?"));
    let namespaced = "apiVersion: admissionregistration.k8s.io/v1
kind: MutatingWebhookConfiguration
metadata: {name: a, namespace: default}
webhooks: []
";
    assert!(faults(namespaced).contains("a MutatingWebhookConfiguration is in no namespace"));
}
