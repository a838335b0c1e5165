use crate::testing::faults;

#[test]
fn endpoints_that_an_api_server_refuses_are_refused() {
    let of = |subset: &str| {
        faults(&format!("{{apiVersion: v1, kind: Endpoints, metadata: {{name: s}}, subsets: [{{{subset}}}]}}"))
    };
    for (subset, said) in [
        ("addresses: [{ip: nowhere}]", "subsets[0].addresses[0].ip: \"nowhere\" is not an address"),
        ("addresses: [{ip: 127.0.0.1}]", "no loopback or link-local one"),
        ("addresses: [{}]", "subsets[0].addresses[0].ip: is missing"),
        (
            "addresses: [{ip: 10.0.0.1, hostname: A_b}]",
            "subsets[0].addresses[0].hostname: \"A_b\" is not a label of DNS",
        ),
        ("addresses: [{ip: 10.0.0.1}], ports: [{port: 70000}]", "subsets[0].ports[0].port: 70000 is out of range"),
        ("addresses: [{ip: 10.0.0.1}], ports: [{port: 1, protocol: tcp}]", "\"tcp\" is none of TCP, UDP, SCTP"),
    ] {
        let text = of(subset);
        assert!(text.contains(said), "{subset}\nexpected {said}\nfound {text}");
    }
    assert!(
        !of("addresses: [{ip: 10.0.0.1, hostname: ''}], ports: [{name: '', port: 80, protocol: UDP}]")
            .contains("subsets[")
    );
}

#[test]
fn workloads_that_an_api_server_refuses_are_refused() {
    let of = |kind: &str, version: &str, spec: &str| {
        let template =
            "template: {metadata: {labels: {a: b}}, spec: {restartPolicy: RESTART, containers: [{name: c, image: i}]}}";
        let template = template.replace("RESTART", if version == "batch/v1" { "Never" } else { "Always" });
        let selector = if version == "batch/v1" { "" } else { "selector: {matchLabels: {a: b}}," };
        faults(&format!(
            "{{apiVersion: {version}, kind: {kind}, metadata: {{name: s}}, spec: {{{selector} {spec}, {template}}}}}"
        ))
    };
    for (kind, version, spec, said) in [
        ("Deployment", "apps/v1", "strategy: {type: Rolling}", "spec.strategy.type: \"Rolling\" is none of"),
        ("Deployment", "apps/v1", "strategy: {rollingUpdate: {maxSurge: -1}}", "maxSurge: -1 is negative"),
        ("Deployment", "apps/v1", "minReadySeconds: -1", "spec.minReadySeconds: -1 is too small"),
        ("StatefulSet", "apps/v1", "podManagementPolicy: Serial", "\"Serial\" is none of OrderedReady, Parallel"),
        ("DaemonSet", "apps/v1", "updateStrategy: {type: Recreate}", "\"Recreate\" is none of OnDelete, RollingUpdate"),
        ("Job", "batch/v1", "backoffLimit: -1", "spec.backoffLimit: -1 is too small"),
        ("Job", "batch/v1", "completionMode: Other", "spec.completionMode: \"Other\" is none of"),
    ] {
        let text = of(kind, version, spec);
        assert!(text.contains(said), "{kind} {spec}\nexpected {said}\nfound {text}");
    }
    assert_eq!(of("Deployment", "apps/v1", "strategy: {type: RollingUpdate, rollingUpdate: {maxSurge: 25%}}"), "");
}

#[test]
fn rules_for_pods_apply_in_the_templates_of_all_kinds() {
    let pod = "{restartPolicy: OnFailure, containers: [{name: c, image: i, securityContext: {runAsUser: -1}}]}";
    let job = format!(
        "{{apiVersion: batch/v1, kind: CronJob, metadata: {{name: s}}, spec: {{schedule: '@hourly', jobTemplate: {{spec: {{template: {{spec: {pod}}}}}}}}}}}"
    );
    let expected = "spec.jobTemplate.spec.template.spec.containers[0].securityContext.runAsUser: -1 is out of range";
    assert!(faults(&job).contains(expected), "{}", faults(&job));
}
