//! Containers.

use std::collections::BTreeSet;

use k8s_openapi::{
    api::core::v1::{Container, PodSpec, ResourceRequirements},
    apimachinery::pkg::api::resource::Quantity,
};

use super::{super::Checked, env, probe, protocol};
use crate::manifests::{amount, is_dns_label, is_port_name};

/// Checks a container. `volumes` are the names of its pod's volumes.
pub(super) fn validate(
    checked: &mut Checked<'_>,
    field: &str,
    container: &Container,
    volumes: &BTreeSet<&str>,
    spec: &PodSpec,
) {
    if !is_dns_label(&container.name) {
        let message = format!("{:?} is not a container name: lower-case letters, digits and '-'", container.name);
        checked.error(format!("{field}.name"), message);
    }
    match container.image.as_deref() {
        None | Some("") => checked.error(format!("{field}.image"), "is missing; say which program to run"),
        Some(image) if image.trim() != image => {
            checked.error(format!("{field}.image"), format!("{image:?} begins or ends with a space"));
        }
        Some(_) => {}
    }
    let policies = ["Always", "IfNotPresent", "Never"];
    checked.one_of(&format!("{field}.imagePullPolicy"), container.image_pull_policy.as_deref(), &policies);
    checked.one_of(
        &format!("{field}.terminationMessagePolicy"),
        container.termination_message_policy.as_deref(),
        &["File", "FallbackToLogsOnError"],
    );
    ports(checked, field, container);
    env::validate(checked, field, container);
    mounts(checked, field, container, volumes);
    let probes = [
        ("livenessProbe", &container.liveness_probe),
        ("readinessProbe", &container.readiness_probe),
        ("startupProbe", &container.startup_probe),
    ];
    for (name, one) in probes {
        if let Some(one) = one {
            probe::validate(checked, &format!("{field}.{name}"), one, name != "readinessProbe");
        }
    }
    if let Some(resources) = &container.resources {
        amounts(checked, &format!("{field}.resources"), resources);
    }
    user(checked, field, container, spec);
}

/// Checks the fields that an init container may set only if it is a native sidecar (`restartPolicy: Always`).
pub(super) fn init(checked: &mut Checked<'_>, field: &str, container: &Container) {
    let stays = container.restart_policy.as_deref() == Some("Always");
    let set = [
        ("lifecycle", container.lifecycle.is_some()),
        ("livenessProbe", container.liveness_probe.is_some()),
        ("readinessProbe", container.readiness_probe.is_some()),
        ("startupProbe", container.startup_probe.is_some()),
    ];
    for (name, _) in set.into_iter().filter(|(_, set)| *set && !stays) {
        checked.error(format!("{field}.{name}"), "may not be set for init containers without restartPolicy Always");
    }
}

fn ports(checked: &mut Checked<'_>, field: &str, container: &Container) {
    let ports = container.ports.as_deref().unwrap_or_default();
    let mut taken = BTreeSet::new();
    for (i, port) in ports.iter().enumerate() {
        let field = format!("{field}.ports[{i}]");
        checked.port(format!("{field}.containerPort"), port.container_port);
        if let Some(name) = port.name.as_ref().filter(|name| !name.is_empty())
            && !is_port_name(name)
        {
            let message = format!(
                "{name:?} is not a port name: lower-case letters, digits and '-', a letter among them, at most 15"
            );
            checked.error(format!("{field}.name"), message);
        }
        protocol(checked, &format!("{field}.protocol"), port.protocol.as_deref());
        if !taken.insert((port.protocol.as_deref().unwrap_or("TCP"), port.container_port, port.host_port)) {
            checked.warn(format!("{field}.containerPort"), format!("{} is duplicated", port.container_port));
        }
    }
    let names = ports.iter().enumerate().filter_map(|(i, port)| Some((i, port.name.as_deref()?)));
    checked.unique(names.map(|(i, name)| (format!("{field}.ports[{i}].name"), name)));
}

fn mounts(checked: &mut Checked<'_>, field: &str, container: &Container, volumes: &BTreeSet<&str>) {
    for (i, mount) in container.volume_mounts.iter().flatten().enumerate() {
        let field = format!("{field}.volumeMounts[{i}]");
        if !volumes.contains(mount.name.as_str()) {
            checked.error(
                format!("{field}.name"),
                format!("the pod has no volume {:?}; add it to spec.volumes", mount.name),
            );
        }
        if !mount.mount_path.starts_with('/') || mount.mount_path.contains(':') {
            let message =
                format!("{:?} is not a folder of a container; expected an absolute path without ':'", mount.mount_path);
            checked.error(format!("{field}.mountPath"), message);
        }
        let is_set = |path: &Option<String>| path.as_ref().is_some_and(|path| !path.is_empty());
        if is_set(&mount.sub_path) && is_set(&mount.sub_path_expr) {
            checked.error(format!("{field}.subPathExpr"), "cannot be combined with subPath; keep one");
        }
        let ways = ["None", "HostToContainer", "Bidirectional"];
        checked.one_of(&format!("{field}.mountPropagation"), mount.mount_propagation.as_deref(), &ways);
    }
}

/// `ValidateResourceRequirements`: amounts can be parsed, and no request exceeds its limit.
fn amounts(checked: &mut Checked<'_>, field: &str, resources: &ResourceRequirements) {
    for (name, amounts) in [("limits", &resources.limits), ("requests", &resources.requests)] {
        for (resource, Quantity(text)) in amounts.iter().flatten() {
            match amount(text) {
                None => {
                    let message =
                        format!("{text:?} is not an amount; expected a number with a suffix such as m, k, Mi or Gi");
                    checked.error(format!("{field}.{name}[{resource}]"), message);
                }
                Some(amount) if amount < 0.0 => checked.error(format!("{field}.{name}[{resource}]"), "is negative"),
                Some(_) => {}
            }
        }
    }
    for (resource, Quantity(requested)) in resources.requests.iter().flatten() {
        let limit = resources.limits.as_ref().and_then(|limits| limits.get(resource));
        let Some((limit, Quantity(text))) = limit.and_then(|limit| Some((amount(&limit.0)?, limit))) else { continue };
        if amount(requested).is_some_and(|requested| requested > limit) {
            let message = format!("{requested} exceeds the limit, {text}");
            checked.error(format!("{field}.requests[{resource}]"), message);
        }
    }
}

fn user(checked: &mut Checked<'_>, field: &str, container: &Container, spec: &PodSpec) {
    let of_pod = spec.security_context.as_ref();
    let Some(context) = &container.security_context else { return };
    if context.privileged == Some(true) && context.allow_privilege_escalation == Some(false) {
        let message = "cannot be false where privileged is true";
        checked.error(format!("{field}.securityContext.allowPrivilegeEscalation"), message);
    }
    let user = context.run_as_user.or(of_pod.and_then(|context| context.run_as_user));
    if context.run_as_non_root == Some(true) && user == Some(0) {
        let message = "is true, and runAsUser is 0: in a cluster the container does not start";
        checked.warn(format!("{field}.securityContext.runAsNonRoot"), message);
    }
}
