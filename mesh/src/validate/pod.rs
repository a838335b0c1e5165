//! Pods, and the templates that make them (`ValidatePodSpec` in `pkg/apis/core/validation/validation.go`).

mod container;
mod env;
mod probe;
mod volume;

use std::{collections::BTreeSet, net::IpAddr};

use k8s_openapi::api::core::v1::{Container, PodSpec, Toleration};

use super::{Checked, Known};
use crate::manifests::{is_dns_label, is_dns_subdomain};

/// Checks a pod's `spec`, which stands at `field`.
pub(super) fn validate(checked: &mut Checked<'_>, field: &str, spec: &PodSpec, claims: &[String], known: &Known<'_>) {
    if spec.containers.is_empty() {
        checked.error(format!("{field}.containers"), "is empty; a pod needs a container");
    }
    if spec.host_network == Some(true) {
        let message = "is not done here: the pod has a separate network and address, and no sidecar, as in a cluster";
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
    let volumes = volume::validate(checked, field, spec.volumes.as_deref().unwrap_or_default(), claims);
    let names = |list: &'static str, containers: &'_ [Container]| {
        let all = containers.iter().enumerate();
        all.map(|(i, c)| (format!("{field}.{list}[{i}].name"), c.name.clone())).collect::<Vec<_>>()
    };
    let init = spec.init_containers.as_deref().unwrap_or_default();
    let all: Vec<_> = names("initContainers", init).into_iter().chain(names("containers", &spec.containers)).collect();
    checked.unique(all.iter().map(|(field, name)| (field.clone(), name.as_str())));
    for (i, one) in init.iter().enumerate() {
        container::validate(checked, &format!("{field}.initContainers[{i}]"), one, &volumes, spec);
        container::init(checked, &format!("{field}.initContainers[{i}]"), one);
    }
    for (i, one) in spec.containers.iter().enumerate() {
        container::validate(checked, &format!("{field}.containers[{i}]"), one, &volumes, spec);
    }
    host_ports(checked, field, spec);
    words(checked, field, spec);
    names_and_numbers(checked, field, spec);
    for (i, one) in spec.tolerations.iter().flatten().enumerate() {
        toleration(checked, &format!("{field}.tolerations[{i}]"), one);
    }
    service_account(checked, field, spec, known);
}

/// Fields that hold one of a few words.
fn words(checked: &mut Checked<'_>, field: &str, spec: &PodSpec) {
    checked.one_of(
        &format!("{field}.restartPolicy"),
        spec.restart_policy.as_deref(),
        &["Always", "OnFailure", "Never"],
    );
    let policies = ["ClusterFirst", "ClusterFirstWithHostNet", "Default", "None"];
    checked.one_of(&format!("{field}.dnsPolicy"), spec.dns_policy.as_deref(), &policies);
    checked.one_of(
        &format!("{field}.preemptionPolicy"),
        spec.preemption_policy.as_deref(),
        &["Never", "PreemptLowerPriority"],
    );
    if spec.dns_policy.as_deref() == Some("None") {
        let servers = spec.dns_config.as_ref().and_then(|config| config.nameservers.as_ref());
        if servers.is_none_or(Vec::is_empty) {
            checked.error(format!("{field}.dnsConfig.nameservers"), "is missing; dnsPolicy None needs one");
        }
    }
}

fn names_and_numbers(checked: &mut Checked<'_>, field: &str, spec: &PodSpec) {
    for (name, text) in [("hostname", &spec.hostname), ("subdomain", &spec.subdomain)] {
        if let Some(text) = text.as_deref().filter(|text| !text.is_empty() && !is_dns_label(text)) {
            let message = format!("{text:?} is not a label of DNS: lower-case letters, digits and '-', at most 63");
            checked.error(format!("{field}.{name}"), message);
        }
    }
    if let Some(name) = spec.service_account_name.as_deref().filter(|name| !name.is_empty() && !is_dns_subdomain(name))
    {
        checked.error(format!("{field}.serviceAccountName"), format!("{name:?} is not a name of a ServiceAccount"));
    }
    checked.labels(&format!("{field}.nodeSelector"), spec.node_selector.iter().flatten());
    for (i, alias) in spec.host_aliases.iter().flatten().enumerate() {
        let field = format!("{field}.hostAliases[{i}]");
        if alias.ip.parse::<IpAddr>().is_err() {
            checked.error(format!("{field}.ip"), format!("{:?} is not an address", alias.ip));
        }
        for (j, name) in alias.hostnames.iter().flatten().enumerate().filter(|(_, name)| !is_dns_subdomain(name)) {
            checked.error(format!("{field}.hostnames[{j}]"), format!("{name:?} is not a name of a host"));
        }
    }
}

/// Two programs cannot have one port of the node; on the node's network a port is the node's.
fn host_ports(checked: &mut Checked<'_>, field: &str, spec: &PodSpec) {
    let mut taken = BTreeSet::new();
    for (i, container) in spec.containers.iter().enumerate() {
        for (j, port) in container.ports.iter().flatten().enumerate() {
            let field = format!("{field}.containers[{i}].ports[{j}].hostPort");
            let Some(host_port) = port.host_port.filter(|port| *port != 0) else { continue };
            checked.port(&field, host_port);
            if spec.host_network == Some(true) && host_port != port.container_port {
                let message =
                    format!("{host_port} is not containerPort, {}: with hostNetwork they are one", port.container_port);
                checked.error(&field, message);
            }
            let protocol = port.protocol.clone().unwrap_or_else(|| "TCP".into());
            if !taken.insert((protocol, port.host_ip.clone(), host_port)) {
                checked.error(field, format!("{host_port} is duplicated"));
            }
        }
    }
}

/// `ValidateTolerations`.
fn toleration(checked: &mut Checked<'_>, field: &str, one: &Toleration) {
    let operator = one.operator.as_deref();
    checked.one_of(&format!("{field}.operator"), operator, &["Equal", "Exists", "Lt", "Gt"]);
    let effect = one.effect.as_deref();
    checked.one_of(&format!("{field}.effect"), effect, &["NoSchedule", "PreferNoSchedule", "NoExecute"]);
    if operator == Some("Exists") && one.value.as_ref().is_some_and(|value| !value.is_empty()) {
        checked.error(format!("{field}.value"), "must be empty where operator is Exists");
    }
    if one.key.as_ref().is_none_or(String::is_empty) && operator != Some("Exists") {
        checked.error(format!("{field}.operator"), "must be Exists where key is empty, which stands for all keys");
    }
    if one.toleration_seconds.is_some() && effect != Some("NoExecute") {
        checked.error(format!("{field}.effect"), "must be NoExecute where tolerationSeconds is set");
    }
}

/// `protocol` of a container's or a service's port.
pub(super) fn protocol(checked: &mut Checked<'_>, field: &str, protocol: Option<&str>) {
    match protocol {
        None | Some("" | "TCP" | "UDP") => {}
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

#[cfg(test)]
mod tests;
