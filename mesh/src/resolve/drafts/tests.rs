use pretty_assertions::assert_eq;

use crate::testing::{INJECTED, faults, mesh};

/// The pods of manifests, with what makes each in the end.
fn pods(yaml: &str) -> Vec<String> {
    mesh(yaml).pods.iter().map(|pod| format!("{} of {}", pod.name.name, pod.workload)).collect()
}

fn of_kind(api_version: &str, kind: &str, metadata: &str, spec: &str) -> String {
    format!(
        "---
apiVersion: {api_version}
kind: {kind}
metadata: {{name: {metadata}}}
spec: {{{spec} template: {{metadata: {{labels: {{app: web}}}}, spec: {{restartPolicy: RESTART, containers: [{{name: app, image: x}}]}}}}}}
"
    )
    .replace("RESTART", if kind == "Job" { "Never" } else { "Always" })
}

const SELECTOR: &str = "selector: {matchLabels: {app: web}},";

#[test]
fn every_kind_that_makes_pods_makes_them() {
    let of = |api_version: &str, kind: &str, spec: &str| pods(&of_kind(api_version, kind, "web", spec));
    assert_eq!(of("apps/v1", "Deployment", &format!("replicas: 2, {SELECTOR}")), ["web-0 of web", "web-1 of web"]);
    assert_eq!(of("apps/v1", "DaemonSet", SELECTOR), ["web-0 of web"]);
    assert_eq!(of("apps/v1", "ReplicaSet", SELECTOR), ["web-0 of web"]);
    assert_eq!(
        of("v1", "ReplicationController", "replicas: 2, selector: {app: web},"),
        ["web-0 of web", "web-1 of web"]
    );
    assert_eq!(of("batch/v1", "Job", "parallelism: 2,"), ["web-0 of web", "web-1 of web"]);
    assert_eq!(of("batch/v1", "Job", "suspend: true,"), Vec::<String>::new());
    let ordinals = format!("serviceName: web, replicas: 2, ordinals: {{start: 3}}, {SELECTOR}");
    assert_eq!(of("apps/v1", "StatefulSet", &ordinals), ["web-3 of web", "web-4 of web"]);
    let cron = "{apiVersion: batch/v1, kind: CronJob, metadata: {name: web}, spec: {schedule: '* * * * *', jobTemplate: {spec: {template: \
                {spec: {restartPolicy: Never, containers: [{name: a, image: x}]}}}}}}";
    assert_eq!(pods(cron), ["web-0 of web"]);
}

#[test]
fn a_deployment_its_replica_set_and_its_pods_are_the_same_pods_once() {
    let owner = |kind: &str, name: &str| {
        format!("ownerReferences: [{{apiVersion: apps/v1, kind: {kind}, name: {name}, uid: u, controller: true}}]")
    };
    let deployment = of_kind("apps/v1", "Deployment", "web", &format!("replicas: 2, {SELECTOR}"));
    let set = of_kind(
        "apps/v1",
        "ReplicaSet",
        &format!("web-7d4, {}", owner("Deployment", "web")),
        &format!("replicas: 2, {SELECTOR}"),
    );
    let old = of_kind(
        "apps/v1",
        "ReplicaSet",
        &format!("web-1a2, {}", owner("Deployment", "web")),
        &format!("replicas: 0, {SELECTOR}"),
    );
    let pod = |name: &str| {
        let owner = owner("ReplicaSet", "web-7d4");
        format!(
            "---\n{{apiVersion: v1, kind: Pod, metadata: {{name: {name}, {owner}}}, spec: {{containers: [{{name: a, image: x}}]}}}}\n"
        )
    };
    let all = deployment.clone() + &set + &old + &pod("web-7d4-x") + &pod("web-7d4-y");
    assert_eq!(pods(&all), ["web-7d4-x of web", "web-7d4-y of web"]);
    assert_eq!(pods(&(deployment + &set)), ["web-7d4-0 of web", "web-7d4-1 of web"]);
    let mesh = mesh(&all);
    assert_eq!(mesh.pod("web", "default"), Some(0));
    assert_eq!(mesh.pod("deploy/web", "default"), Some(0));
    assert_eq!(mesh.pod("web-7d4-y.default", "elsewhere"), Some(1));
}

#[test]
fn pods_of_a_stateful_set_have_names_in_dns_and_volumes_of_their_own() {
    let set = "---
apiVersion: apps/v1
kind: StatefulSet
metadata: {name: db}
spec:
  serviceName: db
  replicas: 2
  selector: {matchLabels: {app: db}}
  template:
    metadata: {labels: {app: db}}
    spec: {containers: [{name: a, image: x, volumeMounts: [{name: data, mountPath: /data}]}]}
  volumeClaimTemplates: [{metadata: {name: data}, spec: {accessModes: [ReadWriteOnce], resources: {requests: {storage: 1Gi}}}}]
---
{apiVersion: v1, kind: Service, metadata: {name: db}, spec: {clusterIP: None, selector: {app: db}, ports: [{port: 7000}]}}
";
    assert_eq!(faults(&(INJECTED.to_owned() + set)), "");
    let mesh = mesh(&(INJECTED.to_owned() + set));
    let addresses = |host: &str| mesh.resolve(host, "default").iter().map(ToString::to_string).collect::<Vec<_>>();
    assert_eq!(addresses("db-1.db"), ["10.244.0.3"]);
    assert_eq!(addresses("db-1.db.default.svc.cluster.local"), ["10.244.0.3"]);
    assert_eq!(addresses("db-2.db"), Vec::<String>::new());
    assert!(mesh.dns_records().contains("10.244.0.2\tdb-0.db.default.svc.cluster.local\n"), "{}", mesh.dns_records());
    assert_eq!(mesh.pods[0].containers[0].mounts[0].path, "/data");
    assert_eq!(mesh.pods[0].labels["statefulset.kubernetes.io/pod-name"], "db-0");
}

#[test]
fn a_pod_with_hostname_and_subdomain_has_a_name_in_dns() {
    let pod = "---
{apiVersion: v1, kind: Pod, metadata: {name: a, labels: {app: db}}, spec: {hostname: first, subdomain: db, containers: [{name: a, image: x}]}}
---
{apiVersion: v1, kind: Service, metadata: {name: db}, spec: {clusterIP: None, selector: {app: db}, ports: [{port: 7000}]}}
";
    let mesh = mesh(pod);
    assert_eq!(mesh.resolve("first.db", "default").len(), 1);
    assert_eq!(mesh.resolve("a.db", "default").len(), 0);
    assert!(mesh.hosts_file(0).contains("10.244.0.2\tfirst\n"), "{}", mesh.hosts_file(0));
}
