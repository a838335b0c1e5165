use std::{collections::BTreeMap, path::PathBuf};

use pretty_assertions::assert_eq;

use super::*;
use crate::{
    SourceFile,
    compile::{Options, Placement, compile},
    load,
    model::{Flavor, Mesh},
    redirect::ProxyIdentity,
    resolve,
};

const PODS: &str = r#"
apiVersion: v1
kind: Pod
metadata: {name: client, labels: {sidecar.istio.io/inject: "true"}}
spec: {containers: [{name: app, image: sidelab/demo-client}]}
---
apiVersion: v1
kind: Pod
metadata: {name: server, labels: {app: server, sidecar.istio.io/inject: "true"}}
spec: {containers: [{name: app, image: sidelab/demo-server, ports: [{containerPort: 8080}]}]}
---
apiVersion: v1
kind: Service
metadata: {name: server}
spec: {selector: {app: server}, ports: [{name: http, port: 8080}]}
"#;

const STRICT: &str = r"
---
apiVersion: security.istio.io/v1
kind: PeerAuthentication
metadata: {name: default, namespace: istio-system}
spec: {mtls: {mode: STRICT}}
";

fn files(text: &str, pod: &str) -> Files {
    let loaded = load(&[SourceFile { name: "app.yaml".into(), text: text.into() }]);
    let mesh = Mesh::new(resolve(&loaded.manifests).unwrap().0.into(), Flavor::Istio);
    let placement = Placement {
        config_dir: "/proxy".into(),
        log_dir: "/log".into(),
        redirect: ProxyIdentity::Mark(1337),
        options: Options::default(),
    };
    compile(&mesh, mesh.pod(pod, "default").unwrap(), &placement).files(&[]).into_iter().collect()
}

fn words(rollout: &Rollout) -> Vec<String> {
    rollout.changes.iter().map(ToString::to_string).collect()
}

fn paths(step: &Step) -> Vec<&str> {
    step.files.iter().map(|(path, _)| path.to_str().unwrap()).collect()
}

#[test]
fn nothing_changes_between_equal_configurations() {
    assert_eq!(rollout(&files(PODS, "server"), &files(PODS, "server")), Rollout::default());
}

#[test]
fn strict_removes_plaintext_chains_and_changes_only_the_inbound_listener() {
    let strict = format!("{PODS}{STRICT}");
    let server = rollout(&files(PODS, "server"), &files(&strict, "server"));
    assert!(!server.changes.is_empty());
    assert!(words(&server).iter().all(|line| line.starts_with("listener virtualInbound: ")), "{server:?}");
    assert!(words(&server).iter().any(|line| line.contains("raw_buffer") && line.ends_with(" removed")), "{server:?}");
    assert_eq!(server.steps.iter().map(paths).collect::<Vec<_>>(), [["lds.json"]]);
    assert_eq!(server.steps[0].counted_by, ["listener_manager.lds"]);
    let client = rollout(&files(PODS, "client"), &files(&strict, "client"));
    assert!(words(&client).iter().all(|line| line.starts_with("listener virtualInbound: ")), "{client:?}");
}

#[test]
fn a_new_service_has_clusters_and_endpoints_before_listeners_and_routes() {
    let both = format!(
        "{PODS}---\napiVersion: v1\nkind: Service\nmetadata: {{name: other}}\n\
         spec: {{selector: {{app: server}}, ports: [{{name: http, port: 8080}}, {{name: tcp, port: 9000}}]}}\n"
    );
    let added = rollout(&files(PODS, "client"), &files(&both, "client"));
    let [first, clusters, listeners] = &added.steps[..] else { panic!("{added:?}") };
    assert!(paths(first).iter().all(|path| path.starts_with("eds/")), "{first:?}");
    assert_eq!(paths(clusters), ["cds.json"]);
    assert_eq!(clusters.counted_by, ["cluster_manager.cds"]);
    assert_eq!(paths(listeners)[0], "lds.json");
    assert_eq!(listeners.counted_by, ["listener_manager.lds", "rds.8080"]);
    let changes = words(&added);
    for line in [
        "cluster outbound|9000||other.default.svc.cluster.local: added",
        "endpoints outbound|9000||other.default.svc.cluster.local: added",
        "routes 8080: virtual host other.default.svc.cluster.local:8080 added",
    ] {
        assert!(changes.iter().any(|change| change == line), "{line} in {changes:?}");
    }
}

#[test]
fn a_cluster_is_removed_only_after_no_listener_uses_it() {
    let both = format!(
        "{PODS}---\napiVersion: v1\nkind: Service\nmetadata: {{name: other}}\n\
         spec: {{selector: {{app: server}}, ports: [{{name: tcp, port: 9000}}]}}\n"
    );
    let (old, new) = (files(&both, "client"), files(PODS, "client"));
    let removed = rollout(&old, &new);
    let [clusters, listeners, last] = &removed.steps[..] else { panic!("{removed:?}") };
    let names = |text: &str| -> BTreeMap<String, ()> {
        resources(text).iter().map(|cluster| (cluster["name"].as_str().unwrap().to_owned(), ())).collect()
    };
    let cds = PathBuf::from("cds.json");
    assert_eq!((paths(clusters), names(&clusters.files[0].1)), (vec!["cds.json"], names(&old[&cds])));
    assert_eq!(paths(listeners)[0], "lds.json");
    assert_eq!(last.files, [(cds.clone(), new[&cds].clone())]);
    assert!(removed.obsolete.iter().all(|path| path.starts_with("eds")), "{:?}", removed.obsolete);
    assert_eq!(removed.obsolete.len(), old.len() - new.len());
}

#[test]
fn an_endpoint_that_comes_is_named_by_its_address() {
    let more = format!("{PODS}---\n{}", PODS.split("---").nth(1).unwrap().replace("name: server", "name: server-2"));
    let added = rollout(&files(PODS, "client"), &files(&more, "client"));
    let line = "endpoints outbound|8080||server.default.svc.cluster.local: 10.244.0.4:8080 added";
    assert!(words(&added).contains(&line.to_owned()), "{added:?}");
    assert_eq!(added.steps.len(), 1);
    assert_eq!(added.steps[0].counted_by, ["cluster.outbound|8080||server.default.svc.cluster.local"]);
}

#[test]
fn another_bootstrap_needs_a_restart() {
    let labelled = PODS.replace("{app: server,", "{app: server, version: v2,");
    assert!(rollout(&files(PODS, "server"), &files(&labelled, "server")).restarts);
}
