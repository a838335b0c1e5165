use crate::testing::faults;

/// The errors of an object of one of Istio's kinds.
fn errors(api: &str, kind: &str, spec: &str) -> String {
    let text = faults(&format!("apiVersion: {api}\nkind: {kind}\nmetadata: {{name: a}}\nspec: {spec}\n"));
    text.lines().filter(|line| !line.contains("warning")).map(|line| format!("{line}\n")).collect()
}

#[track_caller]
fn refused(api: &str, kind: &str, rows: &[(&str, &str)]) {
    for (spec, expected) in rows {
        let text = errors(api, kind, spec);
        assert!(text.contains(&format!("({kind} a): {expected}")), "{spec}: expected {expected}\nfound {text}");
        assert_eq!(text.lines().count(), 1, "{spec}: {text}");
    }
}

const KEYS: &str = "issuer: foo.com, jwksUri: 'https://foo.com'";

#[test]
fn a_request_authentication_is_checked_as_by_istios_webhook() {
    let (api, kind) = ("security.istio.io/v1", "RequestAuthentication");
    for good in [
        "{}",
        "{jwtRules: [{issuer: foo.com}]}",
        "{selector: {matchLabels: {app: a}}, jwtRules: [{jwksUri: 'http://foo.com:8080/keys'}]}",
    ] {
        assert_eq!(errors(api, kind, good), "", "{good}");
    }
    let rule = |rest: &str| format!("{{jwtRules: [{{{KEYS}, {rest}}}]}}");
    let rows = [
        ("{jwtRules: [{}]}".to_owned(), "spec.jwtRules[0].issuer: is missing"),
        (
            "{jwtRules: [{issuer: a, jwksUri: foo.com}]}".to_owned(),
            "spec.jwtRules[0].jwksUri: \"foo.com\" is not a URL",
        ),
        ("{jwtRules: [{issuer: a, jwksUri: 'https://foo.com:x'}]}".to_owned(), "spec.jwtRules[0].jwksUri: "),
        (rule("audiences: ['']"), "spec.jwtRules[0].audiences[0]: is empty"),
        (rule("fromHeaders: [{prefix: a}]"), "spec.jwtRules[0].fromHeaders[0].name: is missing"),
        (rule("fromParams: ['']"), "spec.jwtRules[0].fromParams[0]: is empty"),
        (rule("fromCookies: ['', a]"), "spec.jwtRules[0].fromCookies[0]: is empty"),
        (rule("jwks: foo"), "spec.jwtRules[0].jwks: is not a set of keys"),
        (rule("outputClaimToHeaders: [{header: a}]"), "spec.jwtRules[0].outputClaimToHeaders[0]: needs both"),
        (rule("outputClaimToHeaders: [{header: 'a%', claim: b}]"), "spec.jwtRules[0].outputClaimToHeaders[0].header: "),
        (rule("issuers: a"), "spec.jwtRules[0].issuers: unknown field; did you mean issuer?"),
        ("{selector: {matchLabels: {'': a}}}".to_owned(), "spec.selector.matchLabels[]: an empty key"),
        (
            "{targetRef: {kind: Gateway, group: gateway.networking.k8s.io}}".to_owned(),
            "spec.targetRef.name: is missing",
        ),
        ("{targetRef: {kind: Gateway, group: wrong, name: a}}".to_owned(), "spec.targetRef.kind: "),
    ];
    refused(api, kind, &rows.each_ref().map(|(spec, expected)| (spec.as_str(), *expected)));
}

#[test]
fn a_wasm_plugin_is_checked_as_by_istios_webhook() {
    let (api, kind) = ("extensions.istio.io/v1alpha1", "WasmPlugin");
    for good in
        ["{url: 'oci://foo.com/a'}", "{url: foo.com/a, pluginConfig: {a: b}, vmConfig: {env: [{name: A, value: b}]}}"]
    {
        assert_eq!(errors(api, kind, good), "", "{good}");
    }
    refused(
        api,
        kind,
        &[
            ("{}", "spec.url: is missing"),
            ("{url: 'ftp://foo.com/a'}", "spec.url: \"ftp://foo.com/a\" is none of"),
            ("{url: foo.com/a, sha256: 01ba47}", "spec.sha256: is not a SHA-256"),
            ("{url: foo.com/a, vmConfig: {env: [{valueFrom: HOST}]}}", "spec.vmConfig.env[0].name: is missing"),
            (
                "{url: foo.com/a, vmConfig: {env: [{name: A}, {name: A}]}}",
                "spec.vmConfig.env[1].name: \"A\" is duplicated",
            ),
            ("{url: foo.com/a, match: [{ports: [{number: 0}]}]}", "spec.match[0].ports[0].number: 0 is out of range"),
            ("{url: foo.com/a, phase: EARLY}", "spec.phase: \"EARLY\" is none of"),
        ],
    );
    let extension = "TrafficExtension";
    refused(
        api,
        extension,
        &[
            ("{}", "spec: needs one of wasm and lua"),
            ("{lua: {}}", "spec.lua.inlineCode: is missing"),
            ("{wasm: {}}", "spec.wasm.url: is missing"),
        ],
    );
}

#[test]
fn a_workload_group_is_checked_as_by_istios_webhook() {
    let (api, kind) = ("networking.istio.io/v1", "WorkloadGroup");
    for good in [
        "{template: {}}",
        "{template: {}, probe: {exec: {command: [a]}}}",
        "{template: {serviceAccount: a, ports: {http: 80}}}",
    ] {
        assert_eq!(errors(api, kind, good), "", "{good}");
    }
    refused(
        api,
        kind,
        &[
            ("{}", "spec.template: is missing"),
            ("{template: {}, metadata: {labels: {'.': a}}}", "spec.metadata.labels[.]: "),
            ("{template: {}, probe: {}}", "spec.probe: has no way to probe"),
            ("{template: {}, probe: {httpGet: {}}}", "spec.probe.httpGet.port: 0 is out of range"),
            ("{template: {}, probe: {tcpSocket: {}}}", "spec.probe.tcpSocket.port: 0 is out of range"),
            ("{template: {}, probe: {exec: {}}}", "spec.probe.exec.command: is missing"),
            (
                "{template: {}, probe: {periodSeconds: -1, exec: {command: [a]}}}",
                "spec.probe.periodSeconds: -1 is negative",
            ),
        ],
    );
}
