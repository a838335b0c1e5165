//! Webhooks: whom the API server trusts, and what it makes of the answer.

use pretty_assertions::assert_eq;

use super::*;
use crate::{
    account::Admission,
    testing::{mesh, pod},
};

/// What the API server makes of a webhook with these fields, called by a pod that has no sidecar.
fn asked(path: &str, more: &str, speaks: Speaks) -> (Option<Admission>, Outcome) {
    let manifests = format!(
        "{}{}---
apiVersion: v1
kind: Service
metadata: {{name: server}}
spec: {{selector: {{app: server}}, ports: [{{name: https, port: 443, targetPort: 8080}}]}}
---
apiVersion: admissionregistration.k8s.io/v1
kind: {}WebhookConfiguration
metadata: {{name: policy}}
webhooks:
- name: pods.policy.example.com
  clientConfig: {{service: {{name: server, namespace: default, path: {path}}}}}
  sideEffects: None
  admissionReviewVersions: [v1]
{more}",
        pod("apiserver", ""),
        pod("server", "labels: {app: server}"),
        if path == "/mutate" { "Mutating" } else { "Validating" },
    );
    let mesh = mesh(&manifests);
    let mut calling = call(&mesh, "apiserver", "server.default.svc", 443, AppProtocol::Https).to(speaks);
    calling.call.webhook = Some(0);
    let outcome = calling.account().outcome;
    (outcome.admission, outcome)
}

#[test]
fn the_demo_webhook_decides_by_path() {
    for (path, admission) in [
        ("/validate", Admission::Allowed),
        ("/deny", Admission::Denied),
        ("/mutate", Admission::Patched),
        ("/garbage", Admission::Rejected),
        ("/wrong-uid", Admission::Rejected),
    ] {
        let (seen, outcome) = asked(path, "", Speaks::Webhook);
        assert_eq!((seen, outcome.status), (Some(admission), Some(200)), "{path}");
    }
}

#[test]
fn a_webhook_that_fails_is_judged_by_its_failure_policy() {
    let ignore = "  failurePolicy: Ignore\n";
    for (path, speaks) in [("/hang", Speaks::Webhook), ("/validate", Speaks::Nothing), ("/validate", Speaks::Http)] {
        assert_eq!(asked(path, "", speaks).0, Some(Admission::Rejected), "{path} {speaks:?}");
        assert_eq!(asked(path, ignore, speaks).0, Some(Admission::LetThrough), "{path} {speaks:?}");
    }
    assert_eq!(asked("/deny", ignore, Speaks::Webhook).0, Some(Admission::Denied), "a denial is no failure");
}

#[test]
fn a_webhook_that_hangs_is_waited_for() {
    let (_, outcome) = asked("/hang", "", Speaks::Webhook);
    assert_eq!(outcome.at, Some(Party::ServerApp));
    assert_eq!((outcome.reason, outcome.app_sees), (Some(Reason::Timeout), AppSees::failure("timeout")));
}

#[test]
fn of_a_webhook_that_is_not_known_nothing_is_said() {
    assert_eq!(asked("/validate", "", Speaks::Anything).0, None);
}
