//! Volumes: the files of Secrets and ConfigMaps.

use std::collections::BTreeMap;

use k8s_openapi::{ByteString, api::core::v1 as k8s};
use serde::de::DeserializeOwned;

use super::Reader;
use crate::{
    load::read,
    manifests::{Manifests, Object},
    model::{Mount, ObjectName},
};

/// Annotations with volumes of the sidecar's, and where it mounts them: JSON, by name of volume.
const USER_VOLUME: &str = "sidecar.istio.io/userVolume";
const USER_VOLUME_MOUNT: &str = "sidecar.istio.io/userVolumeMount";

/// Files of a folder, by name.
pub(super) type Files = BTreeMap<String, Vec<u8>>;

/// What all Secrets hold.
pub(in crate::resolve) fn secrets(manifests: &Manifests) -> BTreeMap<ObjectName, Files> {
    manifests.secrets.iter().map(|secret| (secret.head.name.clone(), secret_files(&secret.body))).collect()
}

impl<'a> Reader<'a, '_> {
    /// What annotations have the sidecar mount.
    pub(super) fn user_volumes(&mut self) -> Vec<Mount> {
        let volumes: BTreeMap<String, k8s::Volume> = self.json(USER_VOLUME);
        let mounts: BTreeMap<String, k8s::VolumeMount> = self.json(USER_VOLUME_MOUNT);
        let mut found = Vec::new();
        for (name, mount) in mounts {
            match volumes.get(&name) {
                Some(volume) => {
                    let field = self.pod.at(&format!("metadata.annotations[{USER_VOLUME}].{name}")).field;
                    found.push(Mount { path: mount.mount_path, files: self.volume(&field, volume) });
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
        let read = serde_json::from_str(text).map_err(|e| format!("not JSON: {e}")).and_then(|value| {
            read(value).map(|(typed, _)| typed).map_err(|misfit| format!("{}: {}", misfit.path, misfit.message))
        });
        read.unwrap_or_else(|e| {
            self.error(&format!("metadata.annotations[{annotation}]"), &format!("injection fails: {e}"));
            T::default()
        })
    }

    /// The files of a volume, which stands at a field of the document.
    pub(super) fn volume(&mut self, field: &str, volume: &k8s::Volume) -> Files {
        if let Some(source) = &volume.secret {
            let name = source.secret_name.as_deref().unwrap_or_default();
            let field = format!("{field}.secret");
            let found = self.find(&format!("{field}.secretName"), &self.manifests.secrets, name, source.optional);
            return self.pick(&field, found.map(secret_files), source.items.as_deref(), source.optional);
        }
        if let Some(source) = &volume.config_map {
            let field = format!("{field}.configMap");
            let found = self.find(&format!("{field}.name"), &self.manifests.config_maps, &source.name, source.optional);
            return self.pick(&field, found.map(config_map_files), source.items.as_deref(), source.optional);
        }
        if volume.empty_dir.is_none() {
            let message =
                "is of a kind that is not supported; secret, configMap and emptyDir are: its files will not be there";
            self.faults.warn(self.pod.head, field, message);
        }
        Files::new()
    }

    pub(super) fn find<'m, T>(
        &mut self,
        field: &str,
        list: &'m [Object<T>],
        name: &str,
        optional: Option<bool>,
    ) -> Option<&'m T> {
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

pub(super) fn secret_files(secret: &k8s::Secret) -> Files {
    let data = secret.data.iter().flatten().map(|(key, ByteString(value))| (key.clone(), value.clone()));
    let text = secret.string_data.iter().flatten().map(|(key, value)| (key.clone(), value.clone().into_bytes()));
    data.chain(text).collect()
}

pub(super) fn config_map_files(config_map: &k8s::ConfigMap) -> Files {
    let data = config_map.data.iter().flatten().map(|(key, value)| (key.clone(), value.clone().into_bytes()));
    let binary = config_map.binary_data.iter().flatten().map(|(key, ByteString(value))| (key.clone(), value.clone()));
    data.chain(binary).collect()
}
