use anstream::adapter::strip_str;
use mesh::{
    SourceFile,
    account::{Account, AppProtocol},
    model::{Flavor, Mesh},
    predict::{Call, predict},
};

use super::render;
use crate::manifests;

const SHOP: &str = "
{apiVersion: v1, kind: Namespace, metadata: {name: default, labels: {istio-injection: enabled}}}
---
{apiVersion: v1, kind: Service, metadata: {name: web}, spec: {selector: {app: web}, ports: [{name: http, port: 80, targetPort: 8080}, {name: https, port: 443, targetPort: 8443}]}}
---
{apiVersion: v1, kind: Pod, metadata: {name: client}, spec: {containers: [{name: app, image: any}]}}
---
{apiVersion: v1, kind: Pod, metadata: {name: web-1, labels: {app: web, version: v1}}, spec: {containers: [{name: app, image: any}]}}
---
{apiVersion: v1, kind: Pod, metadata: {name: web-2, labels: {app: web, version: v2}}, spec: {containers: [{name: app, image: any}]}}
---
{apiVersion: networking.istio.io/v1, kind: DestinationRule, metadata: {name: web}, spec: {host: web, subsets: [{name: v1, labels: {version: v1}}, {name: v2, labels: {version: v2}}]}}
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: web}
spec:
  hosts: [web]
  http:
  - match: [{uri: {prefix: /broken}}]
    fault: {abort: {percentage: {value: 50}, httpStatus: 503}, delay: {percentage: {value: 10}, fixedDelay: 2s}}
    route: [{destination: {host: web, subset: v1}}]
  - route:
    - {destination: {host: web, subset: v1}, weight: 90}
    - {destination: {host: web, subset: v2}, weight: 10}
";

fn account(port: u16, app: AppProtocol, path: &str) -> Account {
    let (resolved, _) = manifests::resolve(&[SourceFile { name: "shop.yaml".into(), text: SHOP.into() }]).unwrap();
    let mesh = Mesh::new(resolved, Flavor::Istio);
    let from = mesh.pod("client", "default").unwrap();
    predict(&mesh, &Call { path: Some(path.into()), ..Call::new(from, "web", port, app) }).unwrap()
}

fn plain(account: &Account, width: usize) -> String {
    strip_str(&render(account, width)).to_string()
}

#[test]
fn eighty_columns_hold_every_line_but_names_that_are_longer() {
    for path in ["/", "/broken"] {
        let text = plain(&account(80, AppProtocol::Http, path), 80);
        for line in text.lines().filter(|line| line.chars().count() > 80) {
            let words = line.split_whitespace().count();
            assert!(words <= 2 || line.starts_with("  client sidecar") || line.starts_with("         "), "{line}");
        }
    }
}

#[test]
fn other_ways_are_named_by_the_chance_that_leads_to_them() {
    let split = plain(&account(80, AppProtocol::Http, "/"), 1000);
    assert!(split.contains("or, if web-2.default is chosen (weight 10 of 100): leg 2 carries mtls"), "{split}");
    let broken = plain(&account(80, AppProtocol::Http, "/broken"), 1000);
    for chance in [
        "or, if not delayed by 2s by the fault: leg 2 carries nothing",
        "or, if not aborted with 503 by the fault: leg 2 carries mtls",
        "or, if not delayed by 2s by the fault and not aborted with 503 by the fault: leg 2 carries mtls",
    ] {
        assert!(broken.contains(chance), "{broken}");
    }
}

#[test]
fn a_route_that_an_https_port_never_consults_is_named() {
    let text = plain(&account(443, AppProtocol::Https, "/"), 1000);
    let note = "not used: VirtualService default/web: port 443 is HTTPS: its bytes are relayed, and no route of http is ever consulted";
    assert!(text.contains(note), "{text}");
}
