use crate::testing::{faults, mesh, pod};

const HEAD: &str = "apiVersion: networking.istio.io/v1, kind: VirtualService";

/// A root that delegates `/a` to `child`, and the child with these routes.
fn delegated(root: &str, child: &str) -> String {
    pod("a", "labels: {app: a}")
        + &format!(
            "---
{{apiVersion: v1, kind: Service, metadata: {{name: s}}, spec: {{selector: {{app: a}}, ports: [{{name: http, port: 80}}]}}}}
---
{{{HEAD}, metadata: {{name: root}}, spec: {{hosts: [s], http: [{root}]}}}}
---
{{{HEAD}, metadata: {{name: child}}, spec: {{http: {child}}}}}
"
        )
}

#[test]
fn a_delegates_routes_stand_in_the_place_of_the_one_that_delegates() {
    let mesh = mesh(&delegated(
        "{name: r, match: [{uri: {prefix: /a}}], timeout: 5s, delegate: {name: child}}, {route: [{destination: {host: s}}]}",
        "[{name: c, match: [{uri: {prefix: /a/b}}], route: [{destination: {host: s}}]}, {match: [{uri: {prefix: /x}}], route: [{destination: {host: s}}]}]",
    ));
    let [root] = &mesh.virtual_services[..] else { panic!("one") };
    let names: Vec<_> = root.http.iter().map(|rule| rule.spec.name.as_str()).collect();
    // The one for /x is for nothing that the root is for.
    assert_eq!(names, ["r-c", ""]);
    let merged = &root.http[0].spec;
    assert_eq!(
        (merged.timeout.as_deref(), merged.matches[0].uri.as_ref().unwrap().prefix.as_deref()),
        (Some("5s"), Some("/a/b"))
    );
}

#[test]
fn names_without_dots_are_completed_in_the_own_namespace() {
    let mesh = mesh(&delegated("{route: [{destination: {host: s}}]}", "[{route: [{destination: {host: s.other}}]}]"));
    let root = &mesh.virtual_services[0];
    assert_eq!(root.hosts, ["s.default.svc.cluster.local"]);
    assert_eq!(root.http[0].spec.route[0].destination.as_ref().unwrap().host, "s.default.svc.cluster.local");
}

#[test]
fn what_nobody_uses_is_warned_of() {
    let child = "[{route: [{destination: {host: s}}]}]";
    let warned = |root: &str, expected: &str| {
        let text = faults(&delegated(root, child));
        assert!(text.contains(expected), "expected {expected}\nfound {text}");
    };
    warned("{route: [{destination: {host: s}}]}", "nobody uses it");
    warned(
        "{delegate: {name: nobody}}, {delegate: {name: child}}",
        "there is no VirtualService default/nobody without hosts",
    );
    warned(
        "{delegate: {name: child}}, {route: [{destination: {host: t}}]}",
        "no service has the host t.default.svc.cluster.local",
    );
    warned("{delegate: {name: child}}, {route: [{destination: {host: s, subset: v1}}]}", "has a subset \"v1\"");
}
