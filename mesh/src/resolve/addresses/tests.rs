use pretty_assertions::assert_eq;

use super::*;
use crate::{SourceFile, load, resolve::resolve_at};

fn resolved(names: &[&str], kept: &Addresses) -> Resolved {
    let documents = names.iter().map(|name| {
        format!(
            "apiVersion: v1\nkind: Pod\nmetadata: {{name: {name}, labels: {{app: {name}}}}}\n\
             spec: {{containers: [{{name: app, image: sidelab/demo-server}}]}}\n---\n\
             apiVersion: v1\nkind: Service\nmetadata: {{name: {name}}}\n\
             spec: {{selector: {{app: {name}}}, ports: [{{port: 80}}]}}\n"
        )
    });
    let text = documents.collect::<Vec<_>>().join("---\n");
    let loaded = load(&[SourceFile { name: "app.yaml".into(), text }]);
    resolve_at(&loaded.manifests, kept).unwrap().0
}

fn addresses(mesh: &Resolved) -> Vec<String> {
    let pods = mesh.pods.iter().map(|pod| format!("{} {}", pod.name.name, pod.ips.v4));
    pods.chain(mesh.services.iter().map(|service| format!("{} {}", service.name.name, service.vips[0]))).collect()
}

#[test]
fn what_remains_keeps_its_addresses_when_others_come_and_go() {
    let before = resolved(&["b", "c"], &Addresses::default());
    assert_eq!(addresses(&before), ["b 10.244.0.2", "c 10.244.0.3", "b 10.96.0.10", "c 10.96.0.11"]);
    let after = resolved(&["a", "c"], &Addresses::of(&before));
    // Those of `b` stay taken until it is gone.
    assert_eq!(addresses(&after), ["a 10.244.0.4", "c 10.244.0.3", "a 10.96.0.12", "c 10.96.0.11"]);
    let later = resolved(&["a", "c", "d"], &Addresses::of(&after));
    assert_eq!(addresses(&later)[2], "d 10.244.0.2", "what nobody has is free again");
}

#[test]
fn the_same_manifests_resolve_to_the_same_addresses_again() {
    let first = resolved(&["b", "a"], &Addresses::default());
    assert_eq!(addresses(&resolved(&["b", "a"], &Addresses::of(&first))), addresses(&first));
}
