//! The programs of a pod, and the files that they mount.

mod env;
mod volumes;

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1 as k8s;

use self::volumes::Files;
pub(super) use self::volumes::secrets;
use super::pods::Draft;
use crate::{
    fault::Faults,
    manifests::Manifests,
    model::{Container, ContainerPort, Mount, PodIps},
};

/// Ports that every sidecar listens on (<https://istio.io/latest/docs/ops/deployment/application-requirements/>).
const SIDECAR_PORTS: [u16; 7] = [15000, 15001, 15004, 15006, 15020, 15021, 15090];
/// The sidecar's user.
const SIDECAR_USER: u32 = 1337;

/// The sidecar's container.
const SIDECAR_CONTAINER: &str = "istio-proxy";
/// A pod's containers, in the order of its document, and what its sidecar mounts.
pub(super) fn of(
    pod: &Draft<'_>,
    ips: PodIps,
    injected: bool,
    manifests: &Manifests,
    faults: &mut Faults,
) -> (Vec<Container>, Vec<Mount>) {
    let mut reader = Reader { pod, ips, injected, manifests, faults };
    let volumes: BTreeMap<_, _> = pod
        .spec
        .volumes
        .iter()
        .flatten()
        .enumerate()
        .map(|(i, volume)| (volume.name.as_str(), reader.volume(&pod.at(&format!("spec.volumes[{i}]")).field, volume)))
        .collect();
    let all = pod.spec.containers.iter().enumerate();
    let all: Vec<_> = all.map(|(i, container)| reader.container(i, container, &volumes)).collect();
    // Injection merges a container of this name into its own: it is no program of the pod's.
    let (sidecar, containers) = all.into_iter().partition::<Vec<_>, _>(|c| injected && c.name == SIDECAR_CONTAINER);
    let mut mounts = if injected { reader.user_volumes() } else { Vec::new() };
    mounts.extend(sidecar.into_iter().flat_map(|container| container.mounts));
    (containers, mounts)
}

struct Reader<'a, 'b> {
    pod: &'a Draft<'a>,
    ips: PodIps,
    injected: bool,
    manifests: &'a Manifests,
    faults: &'b mut Faults,
}

impl Reader<'_, '_> {
    fn error(&mut self, field: &str, message: &str) {
        self.faults.error(self.pod.head, self.pod.at(field).field, message);
    }

    fn warn(&mut self, field: &str, message: &str) {
        self.faults.warn(self.pod.head, self.pod.at(field).field, message);
    }

    fn container(&mut self, i: usize, container: &k8s::Container, volumes: &BTreeMap<&str, Files>) -> Container {
        let field = format!("spec.containers[{i}]");
        let ports = container.ports.iter().flatten().filter_map(|port| {
            Some(ContainerPort { name: port.name.clone(), port: u16::try_from(port.container_port).ok()? })
        });
        let ports: Vec<_> = ports.collect();
        for (j, port) in ports.iter().enumerate().filter(|(_, port)| SIDECAR_PORTS.contains(&port.port)) {
            if self.injected {
                let message = format!("{} is a port of the sidecar's own: the program cannot listen there", port.port);
                self.warn(&format!("{field}.ports[{j}].containerPort"), &message);
            }
        }
        Container {
            name: container.name.clone(),
            image: container.image.clone().unwrap_or_default(),
            command: container.command.clone().unwrap_or_default(),
            args: container.args.clone().unwrap_or_default(),
            env: self.env(&field, container),
            ports,
            mounts: self.mounts(&field, container, volumes),
            run_as_user: self.user(&field, container),
            source: self.pod.at(&field),
        }
    }

    fn user(&mut self, field: &str, container: &k8s::Container) -> Option<u32> {
        let of_container = container.security_context.as_ref().and_then(|context| context.run_as_user);
        let (user, field) = match of_container {
            Some(user) => (user, format!("{field}.securityContext.runAsUser")),
            None => {
                let user = self.pod.spec.security_context.as_ref()?.run_as_user?;
                (user, "spec.securityContext.runAsUser".to_owned())
            }
        };
        let Ok(user) = u32::try_from(user) else {
            self.error(&field, &format!("{user} is no user; a number from 0 was expected"));
            return None;
        };
        if self.injected && user == SIDECAR_USER {
            self.warn(&field, "1337 is the sidecar's user: what runs as it is never captured, and bypasses the mesh");
        }
        Some(user)
    }

    fn mounts(&mut self, field: &str, container: &k8s::Container, volumes: &BTreeMap<&str, Files>) -> Vec<Mount> {
        let mut mounts = Vec::new();
        for (i, mount) in container.volume_mounts.iter().flatten().enumerate() {
            if mount.sub_path.is_some() || mount.sub_path_expr.is_some() {
                self.error(
                    &format!("{field}.volumeMounts[{i}].subPath"),
                    "is not supported yet; mount the whole volume",
                );
            }
            let files = volumes.get(mount.name.as_str()).cloned().unwrap_or_default();
            mounts.push(Mount { path: mount.mount_path.clone(), files });
        }
        mounts
    }
}

#[cfg(test)]
mod tests;
