use pretty_assertions::assert_eq;

use crate::testing::{INJECTED, faults, mesh, pod};

#[test]
fn addresses_go_out_in_order_of_names_whatever_the_order_of_documents() {
    let forth = mesh(&(pod("b", "") + &pod("a", "") + &pod("z", "namespace: apart")));
    let back = mesh(&(pod("z", "namespace: apart") + &pod("a", "") + &pod("b", "")));
    let addresses = |mesh: &crate::model::Mesh| -> Vec<_> {
        mesh.pods.iter().map(|p| format!("{} {} {}", p.name, p.ips.v4, p.ips.v6)).collect()
    };
    assert_eq!(
        addresses(&forth),
        ["z.apart 10.244.0.2 fd00:244::2", "a.default 10.244.0.3 fd00:244::3", "b.default 10.244.0.4 fd00:244::4"]
    );
    assert_eq!(addresses(&forth), addresses(&back));
}

#[test]
fn namespaces_are_all_that_any_document_names() {
    let mesh = mesh(&(INJECTED.to_owned() + &pod("a", "namespace: apart")));
    let names: Vec<_> = mesh.namespaces.keys().collect();
    assert_eq!(names, ["apart", "default"]);
    assert_eq!(mesh.namespaces["default"].labels["istio-injection"], "enabled");
}

const DEPLOYMENT: &str = "---
apiVersion: apps/v1
kind: Deployment
metadata: {name: web, labels: {on: deployment}}
spec:
  replicas: 3
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}, annotations: {traffic.sidecar.istio.io/excludeInboundPorts: '9443'}}
    spec: {serviceAccountName: web, containers: [{name: app, image: a}]}
";

#[test]
fn a_deployment_makes_numbered_pods_from_its_template() {
    let mesh = mesh(&(INJECTED.to_owned() + DEPLOYMENT));
    let names: Vec<_> = mesh.pods.iter().map(|p| p.name.to_string()).collect();
    assert_eq!(names, ["web-0.default", "web-1.default", "web-2.default"]);
    let pod = &mesh.pods[1];
    assert_eq!(pod.labels["app"], "web");
    assert!(!pod.labels.contains_key("on"));
    assert_eq!(pod.labels["service.istio.io/canonical-name"], "web");
    let sidecar = pod.sidecar.as_ref().expect("the namespace injects");
    assert_eq!(sidecar.spiffe_id, "spiffe://cluster.local/ns/default/sa/web");
    assert_eq!(sidecar.capture.exclude_inbound_ports, [15090, 15021, 9443, 15020]);
    assert_eq!(pod.containers[0].source.to_string(), "m.yaml#2 spec.template.spec.containers[0]");
}

#[test]
fn a_pod_and_a_deployments_pod_cannot_share_a_name() {
    let text = faults(&(DEPLOYMENT.to_owned() + &pod("web-1", "")));
    let expected = "m.yaml: document 2 (Pod web-1): metadata.name: there is another pod web-1.default, made by Deployment at m.yaml#1";
    assert!(text.contains(expected), "{text}");
}

#[test]
fn a_deployment_without_replicas_makes_none() {
    assert_eq!(mesh(&DEPLOYMENT.replace("replicas: 3", "replicas: 0")).pods.len(), 0);
}

#[test]
fn faults_of_a_template_are_said_once() {
    let text = faults(&(INJECTED.to_owned() + &DEPLOYMENT.replace("'9443'", "'94x'")));
    let lines: Vec<_> = text.lines().filter(|line| line.contains("excludeInboundPorts")).collect();
    assert_eq!(
        lines,
        [
            "m.yaml: document 2 (Deployment web): spec.template.metadata.annotations[traffic.sidecar.istio.io/excludeInboundPorts]: injection fails: \"94x\" is not a port; expected a number from 0 to 65535"
        ]
    );
}
