use pretty_assertions::assert_eq;

use super::*;
use crate::testing::{mesh, pod};

fn egress(hosts: &[&str]) -> Egress {
    let list = hosts.iter().map(|host| format!("'{host}'")).collect::<Vec<_>>().join(", ");
    let text = format!(
        "---
apiVersion: networking.istio.io/v1
kind: Sidecar
metadata: {{name: default}}
spec: {{egress: [{{hosts: [{list}]}}]}}
"
    );
    mesh(&text).sidecar_scopes[0].egress[0].clone()
}

/// What of these services, `NAMESPACE/HOST`, pods of namespace `home` know.
fn known(hosts: &[&str]) -> Vec<&'static str> {
    const ALL: [&str; 4] = ["home/a.home.svc", "home/b.home.svc", "away/a.away.svc", "away/x.example.com"];
    let egress = egress(hosts);
    let is_known = |text: &&str| text.split_once('/').is_some_and(|(of, host)| egress.knows("home", of, host));
    ALL.into_iter().filter(is_known).collect()
}

#[test]
fn a_host_is_known_by_its_namespace_and_its_name() {
    assert_eq!(known(&["./*"]), ["home/a.home.svc", "home/b.home.svc"]);
    assert_eq!(known(&["away/*"]), ["away/a.away.svc", "away/x.example.com"]);
    assert_eq!(known(&["*/a.away.svc"]), ["away/a.away.svc"]);
    assert_eq!(known(&["home/a.away.svc"]), Vec::<&str>::new());
    assert_eq!(known(&["*/*.example.com", "./b.home.svc"]), ["home/b.home.svc", "away/x.example.com"]);
    assert_eq!(known(&["*/*"]).len(), 4);
}

#[test]
fn what_is_excluded_is_not_known_whatever_else_lets_it_in() {
    assert_eq!(known(&["*/*", "~away/*"]), ["home/a.home.svc", "home/b.home.svc"]);
    assert_eq!(known(&["./a.home.svc", "./b.home.svc", "~/a.home.svc"]), ["home/b.home.svc"]);
    assert_eq!(known(&["~*/*"]), Vec::<&str>::new());
}

#[test]
fn a_route_is_known_by_a_wildcard_that_covers_what_is_let_in() {
    let one = egress(&["*/x.example.com"]);
    assert!(one.knows_route("home", "away", "*.example.com"));
    assert!(!one.knows("home", "away", "*.example.com"));
}

#[test]
fn the_sidecar_that_selects_a_pod_counts_before_that_of_its_namespace_and_of_the_mesh() {
    let sidecar = |namespace: &str, name: &str, selector: &str| {
        format!(
            "---
apiVersion: networking.istio.io/v1
kind: Sidecar
metadata: {{name: {name}, namespace: {namespace}}}
spec: {{{selector} egress: [{{hosts: ['./*']}}]}}
"
        )
    };
    let text = sidecar("istio-system", "mesh", "")
        + &sidecar("istio-system", "selects", "workloadSelector: {labels: {app: c}},")
        + &sidecar("b", "older", "")
        + &sidecar("b", "younger", "")
        + &sidecar("b", "chosen", "workloadSelector: {labels: {app: c}},")
        + &pod("one", "namespace: a, labels: {app: c}")
        + &pod("two", "namespace: b, labels: {app: c}")
        + &pod("three", "namespace: b");
    let mesh = mesh(&text);
    let scope = |name: &str| {
        let pod = mesh.pods.iter().find(|pod| pod.name.name == name).unwrap();
        mesh.scope_of(pod).unwrap().full_name()
    };
    assert_eq!(scope("one"), "Sidecar istio-system/mesh");
    assert_eq!(scope("two"), "Sidecar b/chosen");
    assert_eq!(scope("three"), "Sidecar b/older");
}
