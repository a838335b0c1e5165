//! Pods as `kubectl get` prints them: rows, and objects.

use std::collections::BTreeMap;

use mesh::model::{Container, MtlsMode, Pod};
use serde_json::{Map, Value, json};

use super::{
    age::{age, timestamp},
    status::{Clock, ContainerStatus, PodStatus, State},
};

/// The name of the node on which all pods run.
pub(crate) const NODE: &str = "sidelab";

/// The titles of [`cells`], after NAMESPACE. `wide` adds kubectl's further columns, and the mode of mutual TLS in force.
pub(crate) fn titles(wide: bool) -> Vec<&'static str> {
    let mut titles = vec!["NAME", "READY", "STATUS", "RESTARTS", "AGE"];
    if wide {
        titles.extend(["IP", "NODE", "NOMINATED NODE", "READINESS GATES", "PEER AUTHENTICATION"]);
    }
    titles
}

/// A pod's row.
pub(crate) fn cells(pod: &Pod, status: &PodStatus, clock: Clock, wide: bool) -> Vec<String> {
    let (ready, all) = status.ready();
    let mut cells = vec![
        pod.name.name.clone(),
        format!("{ready}/{all}"),
        status.text().to_owned(),
        status.restarts().to_string(),
        status.started().map_or_else(|| "<unknown>".to_owned(), |started| age(clock.now - started)),
    ];
    if wide {
        let none = || "<none>".to_owned();
        cells.extend([
            pod.ips.v4.to_string(),
            NODE.to_owned(),
            none(),
            none(),
            mode(pod).map_or_else(none, |mode| mode.to_string()),
        ]);
    }
    cells
}

/// The mode of mutual TLS that its sidecar enforces; `None` without a sidecar.
pub(crate) fn mode(pod: &Pod) -> Option<MtlsMode> {
    pod.sidecar.as_ref().map(|_| pod.peer_authentication.workload.mode)
}

/// The pod as an object of the Kubernetes API.
pub(crate) fn object(pod: &Pod, status: &PodStatus) -> Value {
    let mut metadata = json!({ "name": pod.name.name, "namespace": pod.name.namespace, "labels": pod.labels });
    if !pod.annotations.is_empty() {
        metadata["annotations"] = json!(pod.annotations);
    }
    if let Some(started) = status.started() {
        metadata["creationTimestamp"] = timestamp(started).into();
    }
    let [v4, v6] = pod.ips.both();
    let mut containers: Vec<Value> = pod.containers.iter().map(container).collect();
    let sidecar = status.containers.get(pod.containers.len());
    containers.extend(sidecar.map(|sidecar| json!({ "name": sidecar.name, "image": sidecar.image })));
    let is_ready = status.containers.iter().all(|one| one.is_ready);
    let condition = |kind: &str| json!({ "type": kind, "status": if is_ready { "True" } else { "False" } });
    json!({
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": metadata,
        "spec": {
            "containers": containers,
            "nodeName": NODE,
            "restartPolicy": "Never",
            "serviceAccountName": pod.service_account,
        },
        "status": {
            "phase": status.phase(),
            "conditions": [condition("Ready"), condition("ContainersReady")],
            "podIP": v4,
            "podIPs": [{ "ip": v4 }, { "ip": v6 }],
            "startTime": status.started().map(timestamp),
            "containerStatuses": status.containers.iter().map(container_status).collect::<Value>(),
        },
    })
}

fn container(container: &Container) -> Value {
    let mut object =
        Map::from_iter([("name".to_owned(), json!(container.name)), ("image".to_owned(), json!(container.image))]);
    let mut set = |field: &str, value: Value| drop(object.insert(field.to_owned(), value));
    if !container.command.is_empty() {
        set("command", json!(container.command));
    }
    if !container.args.is_empty() {
        set("args", json!(container.args));
    }
    if !container.env.is_empty() {
        set("env", container.env.iter().map(|(name, value)| json!({ "name": name, "value": value })).collect());
    }
    if !container.ports.is_empty() {
        let port = |port: &mesh::model::ContainerPort| {
            let mut object = BTreeMap::from([("containerPort", json!(port.port)), ("protocol", json!(port.protocol))]);
            object.extend(port.name.as_ref().map(|name| ("name", json!(name))));
            json!(object)
        };
        set("ports", container.ports.iter().map(port).collect());
    }
    object.into()
}

fn container_status(one: &ContainerStatus) -> Value {
    let state = match one.state {
        State::Running { started } => json!({ "running": { "startedAt": timestamp(started) } }),
        State::Ended { started, finished, code } => json!({ "terminated": {
            // As the kubelet has it for an end that nobody saw.
            "exitCode": code.unwrap_or(137),
            "reason": one.state.reason(),
            "startedAt": timestamp(started),
            "finishedAt": finished.map(timestamp),
        } }),
        State::Missing => json!({ "waiting": { "reason": one.state.reason() } }),
    };
    json!({
        "name": one.name,
        "image": one.image,
        "ready": one.is_ready,
        "started": one.state.is_running(),
        "restartCount": one.restarts,
        "state": state,
    })
}
