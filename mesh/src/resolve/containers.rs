//! The programs of a pod, and the files that they mount.

use std::collections::BTreeMap;

use k8s_openapi::{ByteString, api::core::v1 as k8s};
use serde::de::DeserializeOwned;

use super::pods::Draft;
use crate::{
    fault::Faults,
    manifests::{Manifests, Object},
    model::{Container, ContainerPort, Mount, ObjectName},
};

/// Ports that every sidecar listens on (`istio-semantics` 1.1).
const SIDECAR_PORTS: [u16; 7] = [15000, 15001, 15004, 15006, 15020, 15021, 15090];
/// The sidecar's user.
const SIDECAR_USER: u32 = 1337;

/// The sidecar's container.
const SIDECAR_CONTAINER: &str = "istio-proxy";
/// Annotations with volumes of the sidecar's, and where it mounts them: JSON, by name of volume.
const USER_VOLUME: &str = "sidecar.istio.io/userVolume";
const USER_VOLUME_MOUNT: &str = "sidecar.istio.io/userVolumeMount";

/// Files of a folder, by name.
type Files = BTreeMap<String, Vec<u8>>;

/// A pod's containers, in the order of its document, and what its sidecar mounts.
pub(super) fn of(
    pod: &Draft<'_>,
    injected: bool,
    manifests: &Manifests,
    faults: &mut Faults,
) -> (Vec<Container>, Vec<Mount>) {
    let mut reader = Reader { pod, injected, faults };
    let volumes: BTreeMap<_, _> = pod
        .spec
        .volumes
        .iter()
        .flatten()
        .enumerate()
        .map(|(i, volume)| {
            (volume.name.as_str(), reader.volume(&pod.at(&format!("spec.volumes[{i}]")).field, volume, manifests))
        })
        .collect();
    let all = pod.spec.containers.iter().enumerate();
    let all: Vec<_> = all.map(|(i, container)| reader.container(i, container, &volumes)).collect();
    // Injection merges a container of this name into its own: it is no program of the pod's.
    let (sidecar, containers) = all.into_iter().partition::<Vec<_>, _>(|c| injected && c.name == SIDECAR_CONTAINER);
    let mut mounts = if injected { reader.user_volumes(manifests) } else { Vec::new() };
    mounts.extend(sidecar.into_iter().flat_map(|container| container.mounts));
    (containers, mounts)
}

/// What all Secrets hold.
pub(super) fn secrets(manifests: &Manifests) -> BTreeMap<ObjectName, Files> {
    manifests.secrets.iter().map(|secret| (secret.head.name.clone(), secret_files(&secret.body))).collect()
}

struct Reader<'a, 'b> {
    pod: &'a Draft<'a>,
    injected: bool,
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

    fn env(&mut self, field: &str, container: &k8s::Container) -> Vec<(String, String)> {
        if container.env_from.as_ref().is_some_and(|from| !from.is_empty()) {
            self.error(&format!("{field}.envFrom"), "is not supported yet; write env");
        }
        let mut env = Vec::new();
        for (i, variable) in container.env.iter().flatten().enumerate() {
            if variable.value_from.is_some() {
                self.error(&format!("{field}.env[{i}].valueFrom"), "is not supported yet; write a value");
            }
            env.push((variable.name.clone(), variable.value.clone().unwrap_or_default()));
        }
        env
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

    /// What annotations have the sidecar mount.
    fn user_volumes(&mut self, manifests: &Manifests) -> Vec<Mount> {
        let volumes: BTreeMap<String, k8s::Volume> = self.json(USER_VOLUME);
        let mounts: BTreeMap<String, k8s::VolumeMount> = self.json(USER_VOLUME_MOUNT);
        let mut found = Vec::new();
        for (name, mount) in mounts {
            match volumes.get(&name) {
                Some(volume) => {
                    let field = self.pod.at(&format!("metadata.annotations[{USER_VOLUME}].{name}")).field;
                    found.push(Mount { path: mount.mount_path, files: self.volume(&field, volume, manifests) });
                }
                None => {
                    let message = format!("there is no volume {name:?} in {USER_VOLUME}");
                    self.error(&format!("metadata.annotations[{USER_VOLUME_MOUNT}]"), &message);
                }
            }
        }
        found
    }

    fn json<T: DeserializeOwned + Default>(&mut self, annotation: &str) -> T {
        let Some(text) = self.pod.annotations.get(annotation) else { return T::default() };
        serde_json::from_str(text).unwrap_or_else(|e| {
            self.error(&format!("metadata.annotations[{annotation}]"), &format!("injection fails: not JSON: {e}"));
            T::default()
        })
    }

    /// The files of a volume, which stands at a field of the document.
    fn volume(&mut self, field: &str, volume: &k8s::Volume, manifests: &Manifests) -> Files {
        if let Some(source) = &volume.secret {
            let name = source.secret_name.as_deref().unwrap_or_default();
            let field = format!("{field}.secret");
            let found = self.find(&format!("{field}.secretName"), &manifests.secrets, name, source.optional);
            return self.pick(&field, found.map(secret_files), source.items.as_deref(), source.optional);
        }
        if let Some(source) = &volume.config_map {
            let field = format!("{field}.configMap");
            let found = self.find(&format!("{field}.name"), &manifests.config_maps, &source.name, source.optional);
            return self.pick(&field, found.map(config_map_files), source.items.as_deref(), source.optional);
        }
        if volume.empty_dir.is_none() {
            self.faults.error(
                self.pod.head,
                field,
                "is of a kind that is not supported; secret, configMap and emptyDir are",
            );
        }
        Files::new()
    }

    fn find<'m, T>(&mut self, field: &str, list: &'m [Object<T>], name: &str, optional: Option<bool>) -> Option<&'m T> {
        let namespace = &self.pod.name.namespace;
        let found = list.iter().find(|o| o.head.name.name == name && o.head.name.namespace == *namespace);
        if found.is_none() && optional != Some(true) {
            let message = format!("there is no {name:?} in namespace {namespace}: the pod would wait for it for ever");
            self.faults.error(self.pod.head, field, message);
        }
        found.map(|object| &object.body)
    }

    /// All files, or those that `items` names, under the names that it gives them.
    fn pick(
        &mut self,
        field: &str,
        files: Option<Files>,
        items: Option<&[k8s::KeyToPath]>,
        optional: Option<bool>,
    ) -> Files {
        let (Some(files), Some(items)) = (&files, items) else { return files.unwrap_or_default() };
        let mut picked = Files::new();
        for (i, item) in items.iter().enumerate() {
            match files.get(&item.key) {
                Some(content) => {
                    picked.insert(item.path.clone(), content.clone());
                }
                None if optional == Some(true) => {}
                None => {
                    self.faults.error(
                        self.pod.head,
                        format!("{field}.items[{i}].key"),
                        format!("there is no key {:?} in it", item.key),
                    );
                }
            }
        }
        picked
    }
}

fn secret_files(secret: &k8s::Secret) -> Files {
    let data = secret.data.iter().flatten().map(|(key, ByteString(value))| (key.clone(), value.clone()));
    let text = secret.string_data.iter().flatten().map(|(key, value)| (key.clone(), value.clone().into_bytes()));
    data.chain(text).collect()
}

fn config_map_files(config_map: &k8s::ConfigMap) -> Files {
    let data = config_map.data.iter().flatten().map(|(key, value)| (key.clone(), value.clone().into_bytes()));
    let binary = config_map.binary_data.iter().flatten().map(|(key, ByteString(value))| (key.clone(), value.clone()));
    data.chain(binary).collect()
}

#[cfg(test)]
mod tests;
