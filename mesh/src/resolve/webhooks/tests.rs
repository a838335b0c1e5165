//! Where webhooks are.

use pretty_assertions::assert_eq;

use super::*;
use crate::testing::{faults, mesh};

fn manifests(client_config: &str, more: &str) -> String {
    format!(
        "apiVersion: v1
kind: Service
metadata: {{name: webhook}}
spec: {{selector: {{app: webhook}}, ports: [{{name: https, port: 443, targetPort: 9443}}]}}
---
apiVersion: v1
kind: Pod
metadata: {{name: webhook, labels: {{app: webhook}}}}
spec: {{containers: [{{name: app, image: sidelab/demo-webhook}}]}}
---
apiVersion: admissionregistration.k8s.io/v1
kind: MutatingWebhookConfiguration
metadata: {{name: policy}}
webhooks:
- name: pods.policy.example.com
  clientConfig: {client_config}
  rules: [{{apiGroups: [''], apiVersions: [v1], operations: [CREATE], resources: [pods]}}]
  sideEffects: None
  admissionReviewVersions: [v1]
{more}"
    )
}

fn place(client_config: &str) -> (String, u16, String) {
    let mesh = mesh(&manifests(client_config, ""));
    let place = &mesh.webhooks[0].place;
    (place.host(), place.port(), place.path().to_owned())
}

#[test]
fn a_service_is_called_by_the_name_that_its_certificate_must_have() {
    let service = |more: &str| place(&format!("{{service: {{name: webhook, namespace: default{more}}}}}"));
    assert_eq!(service(""), ("webhook.default.svc".into(), 443, "/".into()));
    assert_eq!(service(", port: 443, path: /mutate"), ("webhook.default.svc".into(), 443, "/mutate".into()));
}

#[test]
fn a_url_is_called_as_it_is() {
    assert_eq!(place("{url: 'https://example.com/a/b'}"), ("example.com".into(), 443, "/a/b".into()));
    assert_eq!(place("{url: 'https://[2001:db8::1]:8443'}"), ("2001:db8::1".into(), 8443, "/".into()));
}

#[test]
fn what_is_not_said_has_the_api_servers_defaults() {
    let service = "{service: {name: webhook, namespace: default}}";
    let webhook = mesh(&manifests(service, "")).webhooks[0].clone();
    assert_eq!((webhook.failure_policy, webhook.timeout_seconds, webhook.ca_bundle), (FailurePolicy::Fail, 10, None));
    assert!(webhook.mutating);
    assert_eq!(webhook.source.to_string(), "m.yaml#3 webhooks[0]");
    let webhook = mesh(&manifests(service, "  failurePolicy: Ignore\n  timeoutSeconds: 3\n")).webhooks[0].clone();
    assert_eq!((webhook.failure_policy, webhook.timeout_seconds), (FailurePolicy::Ignore, 3));
}

#[test]
fn a_service_or_port_that_is_not_there_is_a_warning() {
    let warned = |service: &str| faults(&manifests(&format!("{{service: {{{service}}}}}"), ""));
    assert_eq!(warned("name: webhook, namespace: default"), "");
    let missing = warned("name: webhooks, namespace: default");
    assert!(
        missing.contains(
            "warning: service webhooks.default does not exist: every call fails; did you mean webhook.default?"
        ),
        "{missing}"
    );
    let port = warned("name: webhook, namespace: default, port: 9443");
    assert!(port.contains("service webhook.default has no port 9443: every call fails; it has 443"), "{port}");
}
