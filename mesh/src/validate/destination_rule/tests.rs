use crate::testing::{faults, pod};

/// A rule for service `s`, with this in its spec.
fn rule(spec: &str) -> String {
    pod("a", "labels: {app: a}")
        + "---
{apiVersion: v1, kind: Service, metadata: {name: s}, spec: {selector: {app: a}, ports: [{port: 80}]}}
---
" + &format!(
        "{{apiVersion: networking.istio.io/v1, kind: DestinationRule, metadata: {{name: r}}, spec: {{{spec}}}}}"
    )
}

fn tls(tls: &str) -> String {
    rule(&format!("host: s, trafficPolicy: {{tls: {{{tls}}}}}"))
}

#[track_caller]
fn refused(yaml: &str, expected: &str) {
    let text = faults(yaml);
    assert!(text.contains(expected), "{yaml}\nexpected {expected}\nfound {text}");
    assert_eq!(text.lines().count(), 1, "{text}");
}

#[track_caller]
fn accepted(yaml: &str) {
    assert_eq!(faults(yaml), "", "{yaml}");
}

#[test]
fn every_mode_is_accepted_as_it_should_be_written() {
    for settings in [
        "mode: DISABLE",
        "mode: SIMPLE",
        "mode: SIMPLE, sni: a.example, subjectAltNames: [a.example]",
        "mode: SIMPLE, insecureSkipVerify: true",
        "mode: SIMPLE, caCertificates: system",
        "mode: ISTIO_MUTUAL",
        "mode: ISTIO_MUTUAL, sni: a.example, subjectAltNames: ['spiffe://a']",
        "",
    ] {
        accepted(&tls(settings));
    }
    for version in ["v1beta1", "v1alpha3"] {
        accepted(&tls("mode: DISABLE").replace("istio.io/v1,", &format!("istio.io/{version},")));
    }
}

#[test]
fn a_word_that_is_no_mode_is_refused() {
    let text = faults(&tls("mode: PASSTHROUGH"));
    assert!(text.contains("(DestinationRule r): spec.trafficPolicy.tls.mode: unknown variant `PASSTHROUGH`"), "{text}");
}

#[test]
fn mutual_needs_a_certificate_and_its_key() {
    let missing = |name: &str| format!("(DestinationRule r): spec.trafficPolicy.tls.{name}: is missing; MUTUAL needs");
    let text = faults(&tls("mode: MUTUAL"));
    assert!(text.contains(&missing("clientCertificate")) && text.contains(&missing("privateKey")), "{text}");
    refused(&tls("mode: MUTUAL, clientCertificate: /a"), &missing("privateKey"));
    refused(&tls("mode: MUTUAL, privateKey: /a"), &missing("clientCertificate"));
}

#[test]
fn istio_mutual_and_disable_take_no_certificates() {
    for name in ["clientCertificate", "privateKey", "caCertificates", "credentialName"] {
        let expected =
            format!("spec.trafficPolicy.tls.{name}: warning: has no effect: ISTIO_MUTUAL takes its certificates");
        refused(&tls(&format!("mode: ISTIO_MUTUAL, {name}: /a")), &expected);
        let expected = format!("spec.trafficPolicy.tls.{name}: warning: has no effect: DISABLE does no TLS");
        refused(&tls(&format!("mode: DISABLE, {name}: /a")), &expected);
    }
}

#[test]
fn skipping_verification_and_saying_how_to_verify_exclude_each_other() {
    let expected = "spec.trafficPolicy.tls.insecureSkipVerify: cannot be combined with";
    refused(&tls("mode: SIMPLE, insecureSkipVerify: true, caCertificates: /a"), expected);
    refused(&tls("mode: SIMPLE, insecureSkipVerify: true, subjectAltNames: [a]"), expected);
    refused(
        &tls("mode: MUTUAL, clientCertificate: /a, privateKey: /b, insecureSkipVerify: true, caCertificates: /c"),
        expected,
    );
    let with_credential = faults(&tls("mode: SIMPLE, insecureSkipVerify: true, credentialName: c"));
    assert!(with_credential.contains(expected), "{with_credential}");
}

#[test]
fn a_credential_stands_alone() {
    let text = faults(&tls("mode: MUTUAL, credentialName: c, clientCertificate: /a, caCertificates: /b"));
    for name in ["clientCertificate", "caCertificates"] {
        assert!(text.contains(&format!("tls.{name}: cannot be combined with credentialName")), "{text}");
    }
    assert!(!text.contains("privateKey"), "{text}");
}

#[test]
fn settings_of_ports_are_of_ports() {
    let ports = |port: &str| rule(&format!("host: s, trafficPolicy: {{portLevelSettings: [{{{port}}}]}}"));
    let field = "spec.trafficPolicy.portLevelSettings[0]";
    accepted(&ports("port: {number: 80}, tls: {mode: DISABLE}"));
    refused(&ports("tls: {mode: DISABLE}"), &format!("{field}.port: is missing"));
    refused(&ports("port: {number: 80}"), &format!("{field}: sets nothing; set tls"));
    let text = faults(&ports("port: {number: 0}, tls: {mode: DISABLE}"));
    assert!(text.contains(&format!("{field}.port.number: 0 is out of range")), "{text}");
    refused(
        &ports("port: {number: 80}, tls: {mode: DISABLE, privateKey: /a}"),
        &format!("{field}.tls.privateKey: warning: has no effect: DISABLE does no TLS"),
    );
}

#[test]
fn a_policy_that_says_nothing_is_refused() {
    refused(&rule("host: s, trafficPolicy: {}"), "spec.trafficPolicy: is empty");
}

#[test]
fn what_is_not_read_is_named() {
    refused(
        &rule("host: s, trafficPolicy: {tunnel: {targetHost: a, targetPort: 1}}"),
        "spec.trafficPolicy.tunnel: is not supported yet",
    );
    refused(
        &rule("host: s, trafficPolicy: {loadBalancer: {zoneAwareLbSetting: {minClusterSize: 2}}}"),
        "spec.trafficPolicy.loadBalancer.zoneAwareLbSetting: warning: is not modelled",
    );
    let by_label = "outlierDetection: {}, loadBalancer: {localityLbSetting: {failoverPriority: [version]}}";
    refused(
        &rule(&format!("host: s, trafficPolicy: {{{by_label}}}")),
        "spec.trafficPolicy.loadBalancer.localityLbSetting.failoverPriority: warning: is not modelled: endpoints may be \
         preferred by label version",
    );
}

#[test]
fn hosts_may_begin_with_a_wildcard_and_nothing_else() {
    for host in ["'*'", "'*.svc.cluster.local'", "s.default.svc.cluster.local"] {
        accepted(&rule(&format!("host: {host}")));
    }
    for host in ["'a.*.b'", "'a b'", "''", "'-a'"] {
        let text = faults(&rule(&format!("host: {host}")));
        assert!(text.contains("spec.host:") && text.contains("is not a host"), "{host}: {text}");
    }
}

#[test]
fn subsets_have_names_that_differ() {
    refused(&rule("host: s, subsets: [{name: v1}, {name: v1}]"), "spec.subsets[1].name: \"v1\" is duplicated");
    refused(&rule("host: s, subsets: [{name: v_1}]"), "spec.subsets[0].name: \"v_1\" is not a subset name");
    let text = faults(&rule("host: s, subsets: [{name: v1, labels: {'a b': c}}]"));
    assert!(text.contains("spec.subsets[0].labels[a b]: \"a b\" is not a label key"), "{text}");
}

#[test]
fn export_is_to_this_namespace_or_all_or_some() {
    for good in ["[]", "['.']", "['*']", "[default]", "[a, b]"] {
        accepted(&rule(&format!("host: s, exportTo: {good}")));
    }
    for (bad, expected) in [
        ("['~']", "spec.exportTo[0]: \"~\" is neither"),
        ("['.', default]", "spec.exportTo[1]: \"default\" is duplicated"),
        ("['*', a]", "spec.exportTo: '*' is for all namespaces; remove the others"),
    ] {
        refused(&rule(&format!("host: s, exportTo: {bad}")), expected);
    }
    let selected = "host: s, workloadSelector: {matchLabels: {app: a}}";
    accepted(&rule(&format!("{selected}, exportTo: ['.']")));
    refused(
        &rule(&format!("{selected}, exportTo: ['*']")),
        "spec.exportTo: a rule with a workloadSelector is for its own namespace",
    );
}

#[test]
fn a_workload_selector_has_labels_and_no_wildcards() {
    refused(&rule("host: s, workloadSelector: {}"), "spec.workloadSelector: warning: has no labels");
    let text = faults(&rule("host: s, workloadSelector: {matchLabels: {app: '*'}}"));
    assert!(
        text.contains("spec.workloadSelector.matchLabels[app]: an empty key or a wildcard is not allowed"),
        "{text}"
    );
}

#[test]
fn unknown_fields_are_found_in_every_depth() {
    let yaml = rule(
        "host: s, subsets: [{name: a, trafficPolicy: {portLevelSettings: [{port: {number: 80}, tls: {mod: DISABLE}}]}}]",
    );
    let text = faults(&yaml);
    assert!(
        text.contains("spec.subsets[0].trafficPolicy.portLevelSettings[0].tls.mod: unknown field; did you mean mode?"),
        "{text}"
    );
}
