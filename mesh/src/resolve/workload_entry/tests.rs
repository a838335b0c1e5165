use pretty_assertions::assert_eq;

use crate::{
    model::{EntryEndpoint, Mesh},
    testing::{faults, mesh, pod},
};

const WORKLOADS: &str = "---
apiVersion: networking.istio.io/v1
kind: WorkloadEntry
metadata: {name: vm, labels: {app: db}}
spec: {address: 203.0.113.7, labels: {app: other, tier: back}, ports: {sql: 5432}, serviceAccount: db}
---
apiVersion: networking.istio.io/v1
kind: WorkloadEntry
metadata: {name: by-name, labels: {app: db}}
spec: {address: vm.example.com}
---
apiVersion: networking.istio.io/v1
kind: WorkloadEntry
metadata: {name: vm, namespace: apart, labels: {app: db}}
spec: {address: 203.0.113.8}
";

fn entry(resolution: &str) -> String {
    format!(
        "---
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {{name: e}}
spec:
  hosts: [db.internal.corp]
  location: MESH_INTERNAL
  resolution: {resolution}
  ports: [{{number: 80, name: sql, protocol: TCP}}, {{number: 81, name: web, protocol: HTTP, targetPort: 9090}}]
  workloadSelector: {{labels: {{app: db}}}}
"
    )
}

fn lines<'a>(endpoints: impl IntoIterator<Item = &'a EntryEndpoint>) -> Vec<String> {
    let line = |one: &EntryEndpoint| format!("{} {}:{}", one.for_port, one.address, one.port);
    endpoints.into_iter().map(line).collect()
}

fn endpoints(mesh: &Mesh) -> &[EntryEndpoint] {
    &mesh.entries[0].entry.as_ref().unwrap().endpoints
}

#[test]
fn an_entry_selects_pods_and_workload_entries_of_its_namespace_by_label() {
    let mesh = mesh(&(pod("a", "labels: {app: db}") + &pod("b", "") + WORKLOADS + &entry("STATIC")));
    let ip = mesh.pods[0].ips.v4;
    let expected =
        [format!("80 {ip}:80"), format!("81 {ip}:8080"), "80 203.0.113.7:5432".into(), "81 203.0.113.7:9090".into()];
    assert_eq!(lines(endpoints(&mesh)), expected);
    let pods: Vec<_> = endpoints(&mesh).iter().map(|one| one.pod).collect();
    assert_eq!(pods, [Some(0), Some(0), None, None]);
    // A pod says by its label whether it takes mTLS, a WorkloadEntry by its service account, too.
    let mtls: Vec<_> = endpoints(&mesh).iter().map(|one| one.says_mtls).collect();
    assert_eq!(mtls, [false, false, true, true]);
}

#[test]
fn a_workload_at_a_name_counts_where_names_are_resolved() {
    let mesh = mesh(&(WORKLOADS.to_owned() + &entry("DNS")));
    assert!(lines(endpoints(&mesh)).contains(&"80 vm.example.com:80".to_owned()));
}

#[test]
fn a_service_selects_workload_entries_by_the_port_that_they_name() {
    let service = "---
apiVersion: v1
kind: Service
metadata: {name: db}
spec:
  selector: {app: db}
  ports: [{name: sql, port: 80, targetPort: 7000}, {name: web, port: 81, targetPort: 7001}, {name: x, port: 82, targetPort: gone}]
";
    let mesh = mesh(&(WORKLOADS.to_owned() + service));
    assert_eq!(lines(&mesh.services[0].workloads), ["80 203.0.113.7:5432", "81 203.0.113.7:7001"]);
}

#[test]
fn a_selector_that_selects_nothing_is_warned_of() {
    let found = faults(&entry("STATIC"));
    assert!(found.contains("spec.workloadSelector.labels: warning: selects no pod and no WorkloadEntry"), "{found}");
}
