//! Pods, and the templates that make them.

use std::collections::BTreeSet;

use k8s_openapi::api::core::v1::{Container, PodSpec};

use super::{Checked, Known};
use crate::manifests::{is_dns_label, is_port_name};

/// Checks a pod's `spec`, which stands at `field`.
pub(super) fn validate(checked: &mut Checked<'_>, field: &str, spec: &PodSpec, claims: &[String], known: &Known<'_>) {
    if spec.containers.is_empty() {
        checked.error(format!("{field}.containers"), "is empty; a pod needs a container");
    }
    if spec.host_network == Some(true) {
        let message =
            "is not done here: the pod has a network and an address of its own, and no sidecar, as in a cluster";
        checked.warn(format!("{field}.hostNetwork"), message);
    }
    let is_own = |c: &Container| !matches!(c.name.as_str(), "istio-init" | "istio-validation" | "istio-proxy");
    if spec.init_containers.iter().flatten().any(is_own) {
        checked.note(format!("{field}.initContainers"), "are not run here");
    }
    for (name, is_set) in [
        ("dnsConfig", spec.dns_config.is_some()),
        ("dnsPolicy", spec.dns_policy.as_deref().is_some_and(|policy| policy != "ClusterFirst")),
    ] {
        if is_set {
            checked.warn(
                format!("{field}.{name}"),
                "is not done here: the pod asks the cluster's DNS server, as by default",
            );
        }
    }
    let names = spec.containers.iter().enumerate();
    checked.unique(names.map(|(i, c)| (format!("{field}.containers[{i}].name"), c.name.as_str())));
    let volumes = spec.volumes.iter().flatten().map(|volume| volume.name.as_str());
    let volumes: BTreeSet<_> = volumes.chain(claims.iter().map(String::as_str)).collect();
    for (i, one) in spec.containers.iter().enumerate() {
        container(checked, &format!("{field}.containers[{i}]"), one, &volumes);
    }
    service_account(checked, field, spec, known);
}

fn container(checked: &mut Checked<'_>, field: &str, container: &Container, volumes: &BTreeSet<&str>) {
    if !is_dns_label(&container.name) {
        let message = format!("{:?} is not a container name: lower-case letters, digits and '-'", container.name);
        checked.error(format!("{field}.name"), message);
    }
    if container.image.as_ref().is_none_or(String::is_empty) {
        checked.error(format!("{field}.image"), "is missing; say which program to run");
    }
    let ports = container.ports.as_deref().unwrap_or_default();
    for (i, port) in ports.iter().enumerate() {
        let field = format!("{field}.ports[{i}]");
        checked.port(format!("{field}.containerPort"), port.container_port);
        if let Some(name) = &port.name
            && !is_port_name(name)
        {
            let message = format!(
                "{name:?} is not a port name: lower-case letters, digits and '-', a letter among them, at most 15"
            );
            checked.error(format!("{field}.name"), message);
        }
        protocol(checked, &format!("{field}.protocol"), port.protocol.as_deref());
    }
    let names = ports.iter().enumerate().filter_map(|(i, port)| Some((i, port.name.as_deref()?)));
    checked.unique(names.map(|(i, name)| (format!("{field}.ports[{i}].name"), name)));
    for (i, variable) in container.env.iter().flatten().enumerate() {
        if variable.name.is_empty() || variable.name.contains(['=', '\0']) {
            checked.error(format!("{field}.env[{i}].name"), format!("{:?} is not a name of a variable", variable.name));
        }
    }
    for (i, mount) in container.volume_mounts.iter().flatten().enumerate() {
        if !volumes.contains(mount.name.as_str()) {
            let field = format!("{field}.volumeMounts[{i}].name");
            checked.error(field, format!("the pod has no volume {:?}; add it to spec.volumes", mount.name));
        }
        if !mount.mount_path.starts_with('/') || mount.mount_path.contains(':') {
            let message =
                format!("{:?} is not a folder of a container; expected an absolute path without ':'", mount.mount_path);
            checked.error(format!("{field}.volumeMounts[{i}].mountPath"), message);
        }
    }
}

/// `protocol` of a container's or a service's port.
pub(super) fn protocol(checked: &mut Checked<'_>, field: &str, protocol: Option<&str>) {
    match protocol {
        None | Some("TCP" | "UDP") => {}
        Some("SCTP") => checked.error(field, "SCTP is not supported; expected TCP or UDP"),
        Some(other) => checked.error(field, format!("{other:?} is not a protocol; expected TCP, UDP or SCTP")),
    }
}

/// A ServiceAccount that no document makes is assumed to exist, as namespaces are.
fn service_account(checked: &mut Checked<'_>, field: &str, spec: &PodSpec, known: &Known<'_>) {
    let Some(name) = spec.service_account_name.as_deref().filter(|name| *name != "default") else { return };
    let namespace = &checked.head.name.namespace;
    if !known.service_accounts.contains(&(namespace.as_str(), name)) {
        let message =
            format!("no document defines ServiceAccount {name} in namespace {namespace}; it is assumed to exist");
        checked.warn(format!("{field}.serviceAccountName"), message);
    }
}
