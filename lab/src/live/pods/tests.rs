use std::{net::Ipv4Addr, sync::Arc};

use mesh::{SourceFile, model::Resolved};
use pretty_assertions::assert_eq;

use super::*;
use crate::manifests;

fn pod(labels: &str, container: &str) -> Pod {
    let text = format!(
        "apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: files}}\ndata: {{a: '{container}'}}\n---\n\
         apiVersion: v1\nkind: Pod\nmetadata: {{name: server, labels: {{{labels}}}}}\n\
         spec: {{volumes: [{{name: files, configMap: {{name: files}}}}], containers: [{{name: app, image: sidelab/demo-server, {container}}}]}}\n"
    );
    let (resolved, _): (Arc<Resolved>, _) =
        manifests::resolve(&[SourceFile { name: "app.yaml".into(), text }]).unwrap();
    resolved.pods[0].clone()
}

const INJECTED: &str = "sidecar.istio.io/inject: \"true\"";

fn spec() -> PodSpec {
    PodSpec::new("server.default", Ipv4Addr::new(10, 244, 0, 2), "fd00:244::2".parse().unwrap())
}

fn fate_of(old: &Pod, new: &Pod) -> Fate {
    fate(&Running { pod: old, spec: &spec() }, new, &spec())
}

#[test]
fn a_pod_that_differs_only_in_its_place_in_the_manifests_stays() {
    let old = pod(INJECTED, "args: [a]");
    let mut new = old.clone();
    new.source.document = 7;
    new.containers[0].source.document = 7;
    assert_eq!(fate_of(&old, &new), Fate::Stays(vec![]));
}

#[test]
fn what_a_running_pod_cannot_change_replaces_it_with_the_reason() {
    let old = pod(INJECTED, "args: [a]");
    for (new, why) in [
        (pod(INJECTED, "args: [b]"), "the args of container app changed"),
        (pod(INJECTED, "args: [a], env: [{name: A, value: b}]"), "the environment of container app changed"),
        (pod("sidecar.istio.io/inject: \"false\"", "args: [a]"), "it loses its sidecar"),
        (pod(&format!("{INJECTED}, version: v2"), "args: [a]"), "its labels changed"),
    ] {
        assert_eq!(fate_of(&old, &new), Fate::IsReplaced(why.to_owned()));
    }
}

#[test]
fn other_redirects_replace_a_pod() {
    let same = pod(INJECTED, "args: [a]");
    let other = PodSpec { iptables: Some("*nat\nCOMMIT\n".into()), ..spec() };
    let fate = fate(&Running { pod: &same, spec: &spec() }, &same, &other);
    assert_eq!(fate, Fate::IsReplaced("its redirects changed".into()));
}

#[test]
fn files_that_a_container_mounts_change_while_it_runs() {
    let mounts = "volumeMounts: [{name: files, mountPath: /files}]";
    let (old, mut new) = (pod(INJECTED, mounts), pod(INJECTED, mounts));
    new.containers[0].mounts[0].files.insert("b".into(), b"new".to_vec());
    assert_eq!(fate_of(&old, &new), Fate::Stays(vec![0]));
}
