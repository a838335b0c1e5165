//! Pods, and the templates that make them.

use std::collections::BTreeSet;

use k8s_openapi::api::core::v1::{Container, PodSpec};

use super::Checked;
use crate::{
    load::{is_dns_label, is_port_name},
    manifests::Manifests,
};

/// Checks a pod's `spec`, which stands at `field`.
pub(super) fn validate(checked: &mut Checked<'_>, field: &str, spec: &PodSpec, manifests: &Manifests) {
    if spec.containers.is_empty() {
        checked.error(format!("{field}.containers"), "is empty; a pod needs a container");
    }
    if spec.host_network == Some(true) {
        checked.error(format!("{field}.hostNetwork"), "is not supported: a pod here has a network of its own");
    }
    if spec.init_containers.as_ref().is_some_and(|c| !c.is_empty()) {
        checked.warn(format!("{field}.initContainers"), "are not run here");
    }
    let names = spec.containers.iter().enumerate();
    checked.unique(names.map(|(i, c)| (format!("{field}.containers[{i}].name"), c.name.as_str())));
    let volumes: BTreeSet<_> = spec.volumes.iter().flatten().map(|volume| volume.name.as_str()).collect();
    for (i, one) in spec.containers.iter().enumerate() {
        container(checked, &format!("{field}.containers[{i}]"), one, &volumes);
    }
    service_account(checked, field, spec, manifests);
}

fn container(checked: &mut Checked<'_>, field: &str, container: &Container, volumes: &BTreeSet<&str>) {
    if !is_dns_label(&container.name) {
        let message = format!("{:?} is no container name: lower-case letters, digits and '-'", container.name);
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
                "{name:?} is no port name: lower-case letters, digits and '-', a letter among them, at most 15"
            );
            checked.error(format!("{field}.name"), message);
        }
        protocol(checked, &format!("{field}.protocol"), port.protocol.as_deref());
    }
    let names = ports.iter().enumerate().filter_map(|(i, port)| Some((i, port.name.as_deref()?)));
    checked.unique(names.map(|(i, name)| (format!("{field}.ports[{i}].name"), name)));
    for (i, variable) in container.env.iter().flatten().enumerate() {
        if variable.name.is_empty() || variable.name.contains(['=', '\0']) {
            checked.error(format!("{field}.env[{i}].name"), format!("{:?} is no name of a variable", variable.name));
        }
    }
    for (i, mount) in container.volume_mounts.iter().flatten().enumerate() {
        if !volumes.contains(mount.name.as_str()) {
            let field = format!("{field}.volumeMounts[{i}].name");
            checked.error(field, format!("the pod has no volume {:?}; add it to spec.volumes", mount.name));
        }
    }
}

/// `protocol` of a container's or a service's port.
pub(super) fn protocol(checked: &mut Checked<'_>, field: &str, protocol: Option<&str>) {
    match protocol {
        None | Some("TCP" | "UDP") => {}
        Some("SCTP") => checked.error(field, "SCTP is not supported; TCP and UDP are"),
        Some(other) => checked.error(field, format!("{other:?} is no protocol; TCP, UDP and SCTP are")),
    }
}

/// A ServiceAccount that no document makes is taken to exist, as namespaces are.
fn service_account(checked: &mut Checked<'_>, field: &str, spec: &PodSpec, manifests: &Manifests) {
    let Some(name) = spec.service_account_name.as_deref().filter(|name| *name != "default") else { return };
    let namespace = &checked.head.name.namespace;
    let exists = |account: &&str| *account == name;
    let in_namespace = manifests.service_accounts.iter().filter(|a| a.head.name.namespace == *namespace);
    if in_namespace.map(|a| a.head.name.name.as_str()).find(exists).is_none() {
        let message = format!("no document makes ServiceAccount {name} in namespace {namespace}; it is taken to exist");
        checked.warn(format!("{field}.serviceAccountName"), message);
    }
}
