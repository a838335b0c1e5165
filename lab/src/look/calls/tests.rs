use mesh::model::Flavor;

use super::*;
use crate::{access_log, manifests};

const MESH: &str = "
{apiVersion: v1, kind: Namespace, metadata: {name: default, labels: {istio-injection: enabled}}}
---
{apiVersion: v1, kind: Pod, metadata: {name: client}, spec: {containers: [{name: app, image: sidelab/demo-client, command: [sleep, infinity]}]}}
---
apiVersion: v1
kind: Pod
metadata: {name: server, labels: {app: server}}
spec: {containers: [{name: app, image: sidelab/demo-server, args: [--http, '8080'], ports: [{containerPort: 8080}]}]}
---
{apiVersion: v1, kind: Service, metadata: {name: server}, spec: {selector: {app: server}, ports: [{name: http, port: 80, targetPort: 8080}]}}
";

fn mesh() -> Mesh {
    let files = [mesh::SourceFile { name: "mesh.yaml".into(), text: MESH.into() }];
    let (resolved, _) = manifests::resolve(&files).unwrap();
    Mesh::new(resolved, Flavor::Istio)
}

/// A line of the client's sidecar, or the server's.
fn line(mesh: &Mesh, pod: usize, id: &str) -> Line {
    let (client, server) = (mesh.pods[0].ips.v4, mesh.pods[1].ips.v4);
    let vip = mesh.services[0].vips[0];
    let (host, cluster, from, local, remote) = match pod {
        0 => (
            format!("{server}:8080"),
            "outbound|80||server",
            format!("{client}:40000"),
            format!("{vip}:80"),
            format!("{client}:39000"),
        ),
        _ => (
            format!("{server}:8080"),
            "inbound|8080||",
            "127.0.0.6:5".to_owned(),
            format!("{server}:8080"),
            format!("{client}:40000"),
        ),
    };
    let text = format!(
        r#"[2026-11-21T10:00:00.000Z] "GET /p1 HTTP/1.1" 200 - via_upstream - "-" 0 91 3 3 "-" "curl" "{id}" "server" "{host}" {cluster} {from} {local} {remote} - default"#
    );
    access_log::read(&text).remove(0)
}

#[test]
fn the_lines_of_both_sidecars_are_one_call() {
    let mesh = mesh();
    let mut calls = Calls::default();
    calls.add_line(1, line(&mesh, 1, "6a"));
    calls.add_line(0, line(&mesh, 0, "6a"));
    assert_eq!(calls.take(&mesh), [], "the last packets may be missing");
    let [call] = &calls.take(&mesh)[..] else { panic!("one call") };
    assert_eq!(
        (call.from.as_str(), call.to.as_str(), call.server.as_deref()),
        ("client.default", "server:80", Some("server.default"))
    );
    assert_eq!(call.line(), "client -> server:80  ? | ? | ?  200  3.0 ms", "nothing was captured");
    assert!(!calls.needs_flows());
}

#[test]
fn requests_on_one_connection_are_told_apart_by_their_ids() {
    let mesh = mesh();
    let mut calls = Calls::default();
    for id in ["a", "b"] {
        calls.add_line(0, line(&mesh, 0, id));
    }
    for id in ["b", "a"] {
        calls.add_line(1, line(&mesh, 1, id));
    }
    calls.take(&mesh);
    assert_eq!(calls.take(&mesh).len(), 2);
}

#[test]
fn a_line_without_its_counterpart_becomes_a_call_in_the_end() {
    let mesh = mesh();
    let mut calls = Calls::default();
    calls.add_line(0, line(&mesh, 0, "6a"));
    let turns: Vec<usize> = (0..PATIENCE).map(|_| calls.take(&mesh).len()).collect();
    assert_eq!(turns, [0, 0, 0, 0, 0, 1]);
}
