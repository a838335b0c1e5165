use super::may_change;
use crate::testing::faults;

#[test]
fn a_kind_that_decides_nothing_is_no_fault() {
    for (api_version, kind) in [
        ("v1", "Node"),
        ("rbac.authorization.k8s.io/v1", "Role"),
        ("apiextensions.k8s.io/v1", "CustomResourceDefinition"),
        ("monitoring.coreos.com/v1", "ServiceMonitor"),
        ("example.com/v1", "Service"),
    ] {
        assert_eq!(may_change(api_version, kind), Ok(None), "{api_version} {kind}");
        assert_eq!(faults(&format!("{{apiVersion: {api_version}, kind: {kind}, metadata: {{name: a}}}}")), "");
    }
}

#[test]
fn a_kind_that_may_change_the_answer_is_named_once() {
    let one = |name: &str| {
        format!("---\n{{apiVersion: networking.k8s.io/v1, kind: NetworkPolicy, metadata: {{name: {name}}}}}\n")
    };
    assert_eq!(
        faults(&(one("a") + &one("b"))),
        "m.yaml: document 1 (NetworkPolicy a): kind: warning: is skipped (2 of this kind): it may block calls that are predicted as delivered\n"
    );
}

#[test]
fn a_kind_that_istio_had_names_its_successor() {
    for (group, kind, successor) in [
        ("authentication.istio.io", "MeshPolicy", "write a PeerAuthentication"),
        ("rbac.istio.io", "ServiceRole", "write an AuthorizationPolicy"),
    ] {
        let text = faults(&format!("{{apiVersion: {group}/v1alpha1, kind: {kind}, metadata: {{name: a}}}}"));
        assert!(text.contains("warning: is skipped: ") && text.contains(successor), "{text}");
    }
}

#[test]
fn a_slip_in_kind_or_group_is_an_error_with_what_was_meant() {
    for (api_version, kind, expected) in [
        ("apps/v1", "Deploymnet", "did you mean Deployment?"),
        ("v1", "Deployment", "write apps/v1"),
        ("extensions/v1beta1", "Deployment", "write apps/v1"),
        ("security.istio.io/v1", "AuthorisationPolicy", "did you mean AuthorizationPolicy?"),
        ("networking.istio.oi/v1", "DestinationRule", "did you mean networking.istio.io?"),
        ("v1", "Nodule", "v1 Nodule is not a kind that is known"),
    ] {
        let message = may_change(api_version, kind).expect_err(kind);
        assert!(message.contains(expected), "{api_version} {kind}: {message}");
    }
}
