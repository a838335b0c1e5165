use pretty_assertions::assert_eq;

use crate::{
    model::EffectivePeerAuthentication,
    testing::{INJECTED, faults, mesh, pod},
};

/// A policy: its namespace and name, and its spec.
fn policy(name: &str, spec: &str) -> String {
    policy_from(name, "", spec)
}

/// The same, made at a time.
fn policy_from(name: &str, created: &str, spec: &str) -> String {
    let (namespace, name) = name.split_once('/').unwrap();
    let created = if created.is_empty() { String::new() } else { format!(", creationTimestamp: '{created}'") };
    format!(
        "---\n{{apiVersion: security.istio.io/v1, kind: PeerAuthentication, metadata: {{name: {name}, namespace: {namespace}{created}}}, spec: {{{spec}}}}}\n"
    )
}

const SELECT: &str = "selector: {matchLabels: {app: a}}";

/// The modes in force for pod `a.default`.
fn modes(policies: &[String]) -> EffectivePeerAuthentication {
    let yaml = INJECTED.to_owned() + &pod("a", "labels: {app: a}") + &policies.concat();
    mesh(&yaml).pods[0].clone().peer_authentication
}

/// `MODE by POLICY` for the whole workload.
fn mode(policies: &[String]) -> String {
    let decided = modes(policies).workload;
    format!("{:?} by {}", decided.mode, decided.by)
}

fn warnings(policies: &[String]) -> String {
    faults(&(INJECTED.to_owned() + &pod("a", "labels: {app: a}") + &policies.concat()))
}

#[test]
fn without_a_policy_it_is_permissive() {
    assert_eq!(mode(&[]), "Permissive by default");
}

#[test]
fn workload_goes_before_namespace_before_mesh() {
    let mesh = policy("istio-system/default", "mtls: {mode: STRICT}");
    let namespace = policy("default/ns", "mtls: {mode: DISABLE}");
    let workload = policy("default/one", &format!("{SELECT}, mtls: {{mode: PERMISSIVE}}"));
    assert_eq!(mode(std::slice::from_ref(&mesh)), "Strict by PeerAuthentication istio-system/default");
    assert_eq!(mode(&[mesh.clone(), namespace.clone()]), "Disable by PeerAuthentication default/ns");
    assert_eq!(mode(&[workload, namespace, mesh]), "Permissive by PeerAuthentication default/one");
}

#[test]
fn unset_keeps_what_the_wider_scope_says() {
    let mesh = policy("istio-system/default", "mtls: {mode: STRICT}");
    for unset in ["", "mtls: {}", "mtls: {mode: UNSET}"] {
        let namespace = policy("default/ns", unset);
        let workload = policy("default/one", &[SELECT, unset].join(", "));
        assert_eq!(
            mode(&[mesh.clone(), namespace, workload]),
            "Strict by PeerAuthentication istio-system/default",
            "{unset}"
        );
    }
    assert_eq!(mode(&[policy("istio-system/default", "mtls: {mode: UNSET}")]), "Permissive by default");
}

#[test]
fn only_the_oldest_of_a_scope_counts() {
    let by_order = [policy("default/b", "mtls: {mode: STRICT}"), policy("default/a", "mtls: {mode: DISABLE}")];
    assert_eq!(mode(&by_order), "Strict by PeerAuthentication default/b");
    let by_time = [
        policy_from("default/b", "2026-02-01T00:00:00Z", "mtls: {mode: STRICT}"),
        policy_from("default/a", "2026-01-01T00:00:00Z", "mtls: {mode: DISABLE}"),
    ];
    assert_eq!(mode(&by_time), "Disable by PeerAuthentication default/a");
    let with_and_without_time = [
        policy("default/a", "mtls: {mode: STRICT}"),
        policy_from("default/b", "2026-01-01T00:00:00Z", "mtls: {mode: DISABLE}"),
    ];
    assert_eq!(mode(&with_and_without_time), "Disable by PeerAuthentication default/b");
}

#[test]
fn an_older_policy_that_says_nothing_still_shadows_a_younger_one() {
    let policies = [policy("default/a", "mtls: {mode: UNSET}"), policy("default/b", "mtls: {mode: STRICT}")];
    assert_eq!(mode(&policies), "Permissive by default");
    let text = warnings(&policies);
    assert!(text.contains("(PeerAuthentication b): metadata.creationTimestamp: warning: PeerAuthentication default/a at m.yaml#3 is older"), "{text}");
}

#[test]
fn policies_of_workloads_are_not_merged() {
    let first = policy("default/first", &format!("{SELECT}, mtls: {{mode: STRICT}}"));
    let second = policy("default/second", &format!("{SELECT}, portLevelMtls: {{8080: {{mode: DISABLE}}}}"));
    let modes = modes(&[first.clone(), second.clone()]);
    assert_eq!(modes.workload.by, "PeerAuthentication default/first");
    assert!(modes.ports.is_empty());
    let text = warnings(&[first, second]);
    assert!(
        text.contains("(PeerAuthentication second): spec.selector: warning: an older policy selects the same pods"),
        "{text}"
    );
}

#[test]
fn port_levels_come_from_the_workloads_policy_alone() {
    let spec = format!(
        "{SELECT}, mtls: {{mode: STRICT}}, portLevelMtls: {{8080: {{mode: DISABLE}}, 9443: {{mode: PERMISSIVE}}, 1: {{}}, 2: {{mode: UNSET}}}}"
    );
    let modes = modes(&[policy("default/one", &spec)]);
    let of = |port: u16| format!("{:?} at {}", modes.on_port(port).mode, modes.on_port(port).source);
    assert_eq!(of(8080), "Disable at m.yaml#3 spec.portLevelMtls[8080].mode");
    assert_eq!(of(9443), "Permissive at m.yaml#3 spec.portLevelMtls[9443].mode");
    assert_eq!(of(1), "Strict at m.yaml#3 spec.mtls.mode");
    assert_eq!(of(2), "Strict at m.yaml#3 spec.mtls.mode");
    assert_eq!(of(3), "Strict at m.yaml#3 spec.mtls.mode");
}

#[test]
fn a_policy_of_ports_alone_inherits_for_the_others() {
    let policies = [
        policy("istio-system/default", "mtls: {mode: STRICT}"),
        policy("default/one", &format!("{SELECT}, portLevelMtls: {{8080: {{mode: DISABLE}}, 1: {{mode: UNSET}}}}")),
    ];
    let modes = modes(&policies);
    assert_eq!(modes.on_port(8080).by, "PeerAuthentication default/one");
    assert_eq!(modes.on_port(1).by, "PeerAuthentication istio-system/default");
    assert_eq!(modes.on_port(9).by, "PeerAuthentication istio-system/default");
}

#[test]
fn an_empty_selector_is_for_the_whole_namespace() {
    for selector in ["selector: {}", "selector: {matchLabels: {}}"] {
        assert_eq!(
            mode(&[policy("default/ns", &format!("{selector}, mtls: {{mode: STRICT}}"))]),
            "Strict by PeerAuthentication default/ns"
        );
    }
}

#[test]
fn a_selector_in_the_root_namespace_is_in_force_for_nobody() {
    let policies = [policy("istio-system/one", &format!("{SELECT}, mtls: {{mode: STRICT}}"))];
    assert_eq!(mode(&policies), "Permissive by default");
    assert!(warnings(&policies).contains("applies to no pod"));
    let there = pod("a", "namespace: istio-system, labels: {app: a}") + &policies.concat();
    assert_eq!(mesh(&there).pods[0].peer_authentication.workload.by, "default");
}

#[test]
fn the_policy_of_the_root_namespace_is_the_meshs_for_its_own_pods_too() {
    let yaml = pod("a", "namespace: istio-system") + &policy("istio-system/default", "mtls: {mode: STRICT}");
    assert_eq!(mesh(&yaml).pods[0].peer_authentication.workload.by, "PeerAuthentication istio-system/default");
}

#[test]
fn another_root_namespace_moves_the_meshs_policy() {
    let config = "---\n{apiVersion: v1, kind: ConfigMap, metadata: {name: istio, namespace: istio-system}, data: {mesh: 'rootNamespace: root'}}\n";
    let policies = [
        config.to_owned(),
        policy("istio-system/default", "mtls: {mode: STRICT}"),
        policy("root/default", "mtls: {mode: DISABLE}"),
    ];
    assert_eq!(mode(&policies), "Disable by PeerAuthentication root/default");
}

#[test]
fn automatic_mtls_sees_the_namespace_and_not_the_workload() {
    let policies = [
        policy("default/ns", "mtls: {mode: DISABLE}"),
        policy("default/one", &format!("{SELECT}, mtls: {{mode: STRICT}}")),
    ];
    let modes = modes(&policies);
    assert_eq!(modes.namespace_level.by, "PeerAuthentication default/ns");
    assert_eq!(modes.workload.by, "PeerAuthentication default/one");
}

#[test]
fn policies_of_other_namespaces_do_not_count() {
    let policies =
        [policy("apart/ns", "mtls: {mode: STRICT}"), policy("apart/one", &format!("{SELECT}, mtls: {{mode: STRICT}}"))];
    assert_eq!(mode(&policies), "Permissive by default");
    assert!(
        warnings(&policies).contains(
            "(PeerAuthentication one): spec.selector.matchLabels: warning: selects no pod of namespace apart"
        )
    );
}

#[test]
fn a_services_port_that_leads_elsewhere_is_warned_of() {
    let of = |target: u16| {
        let service = format!(
            "---\n{{apiVersion: v1, kind: Service, metadata: {{name: s}}, spec: {{selector: {{app: a}}, ports: [{{port: 80, targetPort: {target}}}]}}}}\n"
        );
        warnings(&[policy("default/one", &format!("{SELECT}, portLevelMtls: {{80: {{mode: DISABLE}}}}")), service])
    };
    let expected = "spec.portLevelMtls[80]: warning: 80 is a port of service s, which leads to container port 8080; the key is the container's port: write 8080";
    assert!(of(8080).contains(expected), "{}", of(8080));
    assert!(!of(80).contains("portLevelMtls"), "{}", of(80));
}
