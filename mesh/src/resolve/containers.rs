//! The programs of a pod, and the files that they mount.

mod env;
mod paths;
mod probes;
mod reader;
mod volumes;

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1 as k8s;

pub(super) use self::volumes::secrets;
use self::{reader::Reader, volumes::Files};
use super::{drafts::Draft, index::Index};
use crate::{
    fault::Faults,
    model::{Container, ContainerPort, Mount, PodIps, SIDECAR_CONTAINER},
    sidecar,
};

/// Reads a pod's containers, in document order, and its sidecar's mounts.
pub(super) fn read(
    pod: &Draft<'_>,
    ips: PodIps,
    injected: bool,
    index: &Index<'_>,
    faults: &mut Faults,
) -> (Vec<Container>, Vec<Mount>) {
    let mut reader = Reader { pod, ips, injected, index, faults };
    let volumes: BTreeMap<_, _> = pod
        .spec
        .volumes
        .iter()
        .flatten()
        .enumerate()
        .map(|(i, volume)| (volume.name.as_str(), reader.volume(&pod.at(&format!("spec.volumes[{i}]")).field, volume)))
        .collect();
    let volumes = pod.claims.iter().map(|claim| (claim.as_str(), Files::new())).chain(volumes).collect();
    let all = pod.spec.containers.iter().enumerate();
    let all: Vec<_> = all.map(|(i, container)| reader.container(i, container, &volumes)).collect();
    // Injection merges a container of this name into the sidecar: it is not a program of the pod.
    let (sidecar, containers) = all.into_iter().partition::<Vec<_>, _>(|c| injected && c.name == SIDECAR_CONTAINER);
    let mut mounts = if injected { reader.user_volumes(&volumes) } else { Vec::new() };
    mounts.extend(sidecar.into_iter().flat_map(|container| container.mounts));
    (containers, mounts)
}

impl Reader<'_, '_> {
    fn container(&mut self, i: usize, container: &k8s::Container, volumes: &BTreeMap<&str, Files>) -> Container {
        let field = format!("spec.containers[{i}]");
        let ports = container.ports.iter().flatten().filter_map(|port| {
            Some(ContainerPort {
                name: port.name.clone(),
                port: u16::try_from(port.container_port).ok()?,
                protocol: port.protocol.clone().unwrap_or_else(|| "TCP".into()),
            })
        });
        let ports: Vec<_> = ports.collect();
        let env = self.env(&field, container);
        for (j, port) in ports.iter().enumerate().filter(|(_, port)| sidecar::PORTS.contains(&port.port)) {
            if self.injected && container.name != SIDECAR_CONTAINER {
                let message = format!("{} is one of the sidecar's ports: the program cannot listen there", port.port);
                self.warn(&format!("{field}.ports[{j}].containerPort"), &message);
            }
        }
        let probe = |probe: &Option<k8s::Probe>| probes::of(probe.as_ref()?, &ports);
        Container {
            startup: probe(&container.startup_probe),
            readiness: probe(&container.readiness_probe),
            liveness: probe(&container.liveness_probe),
            stand_in: None,
            name: container.name.clone(),
            image: container.image.clone().unwrap_or_default(),
            command: env::expanded(container.command.as_deref(), &env),
            args: env::expanded(container.args.as_deref(), &env),
            env,
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
        // Another number is reported where the document is checked.
        let user = u32::try_from(user).ok()?;
        if self.injected && user == sidecar::UID && container.name != SIDECAR_CONTAINER {
            self.warn(&field, "1337 is the sidecar's user: what runs as it is never captured, and bypasses the mesh");
        }
        Some(user)
    }

    fn mounts(&mut self, field: &str, container: &k8s::Container, volumes: &BTreeMap<&str, Files>) -> Vec<Mount> {
        let mut mounts: Vec<Mount> = Vec::new();
        let mut taken: Vec<String> = Vec::new();
        for (i, mount) in container.volume_mounts.iter().flatten().enumerate() {
            let path = paths::absolute(&mount.mount_path);
            if let Some(message) = paths::mount_path_fault(&mount.mount_path, taken.iter().map(String::as_str)) {
                self.error(&format!("{field}.volumeMounts[{i}].mountPath"), &message);
            }
            for (name, path) in [("subPath", &mount.sub_path), ("subPathExpr", &mount.sub_path_expr)] {
                if let Some(message) = path.as_deref().and_then(paths::descending_path_fault) {
                    self.error(&format!("{field}.volumeMounts[{i}].{name}"), &message);
                }
            }
            if mount.sub_path_expr.is_some() {
                self.error(
                    &format!("{field}.volumeMounts[{i}].subPathExpr"),
                    "is not supported yet; write the path as subPath",
                );
            }
            let files = volumes.get(mount.name.as_str()).cloned().unwrap_or_default();
            let mount = volumes::part(&path, files, mount.sub_path.as_deref());
            taken.push(path);
            match mounts.iter_mut().find(|earlier| earlier.path == mount.path) {
                Some(earlier) => earlier.files.extend(mount.files),
                None => mounts.push(mount),
            }
        }
        mounts
    }
}

#[cfg(test)]
mod tests;
