use pretty_assertions::assert_eq;

use crate::testing::faults;

/// The faults of a policy with this `spec`, and annotations before it.
fn faults_of(spec: &str) -> Vec<String> {
    faults_with("", spec)
}

fn faults_with(annotations: &str, spec: &str) -> Vec<String> {
    let yaml = format!(
        "apiVersion: security.istio.io/v1\nkind: AuthorizationPolicy\nmetadata: {{name: p, annotations: {{{annotations}}}}}\nspec: {spec}\n"
    );
    let prefix = "m.yaml: document 1 (AuthorizationPolicy p): ";
    faults(&yaml).lines().map(|line| line.strip_prefix(prefix).unwrap_or(line).to_owned()).collect()
}

fn is_refused(spec: &str) -> bool {
    faults_of(spec).iter().any(|fault| !fault.contains("warning"))
}

#[test]
fn what_istios_webhook_accepts_is_accepted() {
    for spec in [
        "{}",
        "{rules: []}",
        "{rules: [{}]}",
        "{rules: [{from: [], to: []}]}",
        "{action: DENY, rules: [{}]}",
        "{action: AUDIT}",
        "{action: CUSTOM, provider: {name: authz}, rules: [{to: [{operation: {paths: [/a]}}]}]}",
        "{rules: [{from: [{source: {principals: ['*'], notNamespaces: [a], ipBlocks: [10.0.0.0/8, '::1']}}]}]}",
        "{rules: [{from: [{source: {serviceAccounts: [a, b/c]}}]}]}",
        "{rules: [{from: [{source: {trustDomains: [a*, '*b', '*']}}]}]}",
        "{rules: [{to: [{operation: {paths: ['/a/{*}/b/{**}', '/*', '*/a'], ports: ['0', '65535'], hosts: ['*']}}]}]}",
        "{rules: [{when: [{key: 'request.headers[x]', values: [a]}, {key: source.ip, notValues: [10.0.0.1]}]}]}",
        "{rules: [{when: [{key: 'experimental.envoy.filters.a[b]', values: ['[c]']}]}]}",
        "{rules: [{when: [{key: 'request.auth.claims[a][b]', values: [c]}]}]}",
    ] {
        assert!(!is_refused(spec), "{spec}: {:?}", faults_of(spec));
    }
}

#[test]
fn what_istios_webhook_refuses_is_refused() {
    for spec in [
        "{action: DENY}",
        "{action: DENY, rules: []}",
        "{action: CUSTOM}",
        "{action: CUSTOM, rules: [{}]}",
        "{action: CUSTOM, provider: {name: a}, rules: [{from: [{source: {principals: [a]}}]}]}",
        "{action: CUSTOM, provider: {name: a}, rules: [{when: [{key: source.namespace, values: [a]}]}]}",
        "{provider: {name: a}}",
        "{rules: [null]}",
        "{rules: [{from: [{}]}]}",
        "{rules: [{from: [{source: {}}]}]}",
        "{rules: [{from: [{source: {principals: ['']}}]}]}",
        "{rules: [{from: [{source: {principals: [a], serviceAccounts: [b]}}]}]}",
        "{rules: [{from: [{source: {serviceAccounts: ['a*']}}]}]}",
        "{rules: [{from: [{source: {serviceAccounts: [a/b/c]}}]}]}",
        "{rules: [{from: [{source: {trustDomains: [a*b]}}]}]}",
        "{rules: [{from: [{source: {trustDomains: [a/b]}}]}]}",
        "{rules: [{from: [{source: {ipBlocks: [10.0.0.0/33]}}]}]}",
        "{rules: [{from: [{source: {ipBlocks: [10.0.0.0/08]}}]}]}",
        "{rules: [{from: [{source: {remoteIpBlocks: [10.0.0]}}]}]}",
        "{rules: [{to: [{}]}]}",
        "{rules: [{to: [{operation: {}}]}]}",
        "{rules: [{to: [{operation: {ports: [http]}}]}]}",
        "{rules: [{to: [{operation: {ports: ['65536']}}]}]}",
        "{rules: [{to: [{operation: {methods: ['']}}]}]}",
        "{rules: [{to: [{operation: {paths: ['/{a}']}}]}]}",
        "{rules: [{to: [{operation: {paths: ['/a{*}']}}]}]}",
        "{rules: [{to: [{operation: {paths: ['/{**}/{*}']}}]}]}",
        "{rules: [{to: [{operation: {paths: ['/{*}/a b']}}]}]}",
        "{rules: [{when: [{key: '', values: [a]}]}]}",
        "{rules: [{when: [{key: source.ip}]}]}",
        "{rules: [{when: [{key: source.ip, values: [a]}]}]}",
        "{rules: [{when: [{key: source.nowhere, values: [a]}]}]}",
        "{rules: [{when: [{key: request.headers, values: [a]}]}]}",
        "{rules: [{when: [{key: 'request.headers[]', values: [a]}]}]}",
        "{rules: [{when: [{key: 'destination.labels[a]', values: [a]}]}]}",
        "{selector: {matchLabels: {a: '*'}}}",
        "{selector: {matchLabels: {a: b}}, targetRefs: [{kind: Service, name: s}]}",
        "{targetRef: {kind: Service, name: ''}}",
        "{targetRef: {kind: Pod, name: p}}",
        "{targetRefs: [{kind: Service, name: s, namespace: other}]}",
        "{targetRefs: [{kind: Gateway, name: s}]}",
    ] {
        assert!(is_refused(spec), "{spec}");
    }
}

#[test]
fn a_refusal_names_the_field_and_the_fix() {
    let spec = "{rules: [{}, {from: [{source: {ipBlocks: [10.0.0.0/8, nonsense]}}]}]}";
    let expected =
        r#"spec.rules[1].from[0].source.ipBlocks[1]: "nonsense" is neither an address nor a range, such as 10.0.0.0/8"#;
    assert_eq!(faults_of(spec), [expected]);
    let expected = "spec.rules: are missing: DENY without rules matches nothing; write rules: [{}] to match everything";
    assert_eq!(faults_of("{action: DENY}"), [expected]);
}

#[test]
fn a_dry_run_is_for_allow_and_deny() {
    let dry_run = |value: &str, spec| faults_with(&format!("istio.io/dry-run: '{value}'"), spec);
    assert!(dry_run("true", "{}").is_empty());
    assert!(dry_run("0", "{action: DENY, rules: [{}]}").is_empty());
    let expected = r#"metadata.annotations[istio.io/dry-run]: "yes" is neither true nor false"#;
    assert_eq!(dry_run("yes", "{}"), [expected]);
    let expected = "metadata.annotations[istio.io/dry-run]: is for actions ALLOW and DENY alone, not for AUDIT";
    assert_eq!(dry_run("true", "{action: AUDIT}"), [expected]);
}

#[test]
fn a_denial_by_http_alone_warns_of_tcp_ports() {
    let warns = |spec| faults_of(spec).iter().any(|fault| fault.contains("only fields of HTTP"));
    assert!(warns("{action: DENY, rules: [{to: [{operation: {methods: [GET]}}]}]}"));
    assert!(warns("{action: DENY, rules: [{from: [{source: {requestPrincipals: [a]}}]}]}"));
    assert!(!warns("{action: DENY, rules: [{to: [{operation: {methods: [GET], ports: ['80']}}]}]}"));
    assert!(!warns("{action: DENY, rules: [{from: [{source: {principals: [a]}}]}]}"));
    assert!(!warns("{rules: [{to: [{operation: {methods: [GET]}}]}]}"));
}
