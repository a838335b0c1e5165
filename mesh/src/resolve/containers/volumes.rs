//! Volumes: the files of Secrets and ConfigMaps.

use std::collections::BTreeMap;

use k8s_openapi::{ByteString, api::core::v1 as k8s};
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::{paths, reader::Reader};
use crate::{
    manifests::{Manifests, read},
    model::{Mount, ObjectName},
    pem,
};

/// Annotations with the sidecar's volumes and mounts: JSON, by name of volume.
const USER_VOLUME: &str = "sidecar.istio.io/userVolume";
const USER_VOLUME_MOUNT: &str = "sidecar.istio.io/userVolumeMount";

/// The volumes that injection adds (istio: `manifests/charts/istio-control/istio-discovery/files/injection-template.yaml`).
const OF_TEMPLATE: [&str; 8] = [
    "workload-socket",
    "credential-socket",
    "workload-certs",
    "istio-envoy",
    "istio-data",
    "istio-podinfo",
    "istio-token",
    "istiod-ca-cert",
];

/// Files of a folder, by name.
pub(super) type Files = BTreeMap<String, Vec<u8>>;

/// The contents of all Secrets, without certificates whose key is another's: Envoy rejects these (`KEY_VALUES_MISMATCH`), and who uses them
/// has none.
pub(in crate::resolve) fn secrets(manifests: &Manifests) -> BTreeMap<ObjectName, Files> {
    manifests.secrets.iter().map(|secret| (secret.head.name.clone(), usable(secret_files(&secret.body)))).collect()
}

fn usable(mut files: Files) -> Files {
    for (certificate, key) in [("tls.crt", "tls.key"), ("cert", "key")] {
        let pair = files.get(certificate).zip(files.get(key));
        if pair.is_some_and(|(certificate, key)| pem::not_the_key(certificate, key).is_some()) {
            files.remove(certificate);
            files.remove(key);
        }
    }
    files
}

/// The entries of a list by their names: the injector goes through either (istio:
/// `manifests/charts/istio-control/istio-discovery/files/injection-template.yaml`).
fn by_name(value: Value) -> Value {
    let Value::Array(entries) = value else { return value };
    let named = entries.into_iter().enumerate().map(|(i, entry)| {
        let name = entry.get("name").and_then(Value::as_str).map_or_else(|| i.to_string(), str::to_owned);
        (name, entry)
    });
    Value::Object(named.collect())
}

impl Reader<'_, '_> {
    /// The sidecar's mounts from annotations: of volumes that others add, or of the pod's own.
    pub(super) fn user_volumes(&mut self, of_pod: &BTreeMap<&str, Files>) -> Vec<Mount> {
        let volumes: BTreeMap<String, k8s::Volume> = self.json(USER_VOLUME);
        let mounts: BTreeMap<String, k8s::VolumeMount> = self.json(USER_VOLUME_MOUNT);
        let mut found: Vec<Mount> = Vec::new();
        for (name, mount) in mounts {
            let files = match (volumes.get(&name), of_pod.get(name.as_str())) {
                (Some(volume), _) => {
                    let field = self.pod.at(&format!("metadata.annotations[{USER_VOLUME}].{name}")).field;
                    self.volume(&field, volume)
                }
                (None, Some(files)) => files.clone(),
                (None, None) if OF_TEMPLATE.contains(&name.as_str()) => Files::new(),
                (None, None) => {
                    let message = format!("there is no volume {name:?}, neither in {USER_VOLUME} nor in spec.volumes");
                    self.error(&format!("metadata.annotations[{USER_VOLUME_MOUNT}]"), &message);
                    continue;
                }
            };
            if let Some(message) =
                paths::mount_path_fault(&mount.mount_path, found.iter().map(|mount| mount.path.as_str()))
            {
                self.error(&format!("metadata.annotations[{USER_VOLUME_MOUNT}].{name}.mountPath"), &message);
            }
            found.push(Mount { path: paths::absolute(&mount.mount_path), files });
        }
        found
    }

    fn json<T: DeserializeOwned + Default>(&mut self, annotation: &str) -> T {
        let Some(text) = self.pod.annotations.get(annotation) else { return T::default() };
        let read = serde_json::from_str(text).map_err(|e| format!("not JSON: {e}")).and_then(|value| {
            read(by_name(value))
                .map(|(typed, _)| typed)
                .map_err(|misfit| format!("{}: {}", misfit.path, misfit.message))
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
            let found = self.secret(&format!("{field}.secretName"), name, source.optional);
            return self.pick(&field, found, source.items.as_deref(), source.optional);
        }
        if let Some(source) = &volume.config_map {
            let field = format!("{field}.configMap");
            let found = self.config_map(&format!("{field}.name"), &source.name, source.optional);
            return self.pick(&field, found, source.items.as_deref(), source.optional);
        }
        if let Some(projected) = &volume.projected {
            return self.projected(&format!("{field}.projected"), projected);
        }
        if let Some(source) = &volume.downward_api {
            return self.downward(&format!("{field}.downwardAPI"), source.items.as_deref().unwrap_or_default());
        }
        // Claims begin as empty folders; an injected sidecar's own volumes are nobody else's.
        let is_empty =
            volume.empty_dir.is_some() || volume.persistent_volume_claim.is_some() || volume.ephemeral.is_some();
        if !is_empty {
            let message = "is of a kind that is not supported: its files will not be there";
            self.faults.warn(self.pod.head, field, message);
        }
        Files::new()
    }

    /// All sources of a projected volume in one folder. The token of the pod's service account is only for the API server.
    fn projected(&mut self, field: &str, projected: &k8s::ProjectedVolumeSource) -> Files {
        let mut files = Files::new();
        for (i, source) in projected.sources.iter().flatten().enumerate() {
            let field = format!("{field}.sources[{i}]");
            if let Some(source) = &source.secret {
                let found = self.secret(&format!("{field}.secret.name"), &source.name, source.optional);
                files.extend(self.pick(&format!("{field}.secret"), found, source.items.as_deref(), source.optional));
            }
            // The API server makes this one in every namespace.
            if let Some(source) = source.config_map.as_ref().filter(|source| source.name != "kube-root-ca.crt") {
                let found = self.config_map(&format!("{field}.configMap.name"), &source.name, source.optional);
                files.extend(self.pick(&format!("{field}.configMap"), found, source.items.as_deref(), source.optional));
            }
            if let Some(source) = &source.downward_api {
                files.extend(
                    self.downward(&format!("{field}.downwardAPI"), source.items.as_deref().unwrap_or_default()),
                );
            }
        }
        files
    }

    fn downward(&mut self, field: &str, items: &[k8s::DownwardAPIVolumeFile]) -> Files {
        let mut files = Files::new();
        for (i, item) in items.iter().enumerate() {
            let value = item.field_ref.as_ref().and_then(|field| self.of_pod(&field.field_path)).unwrap_or_default();
            let field = format!("{field}.items[{i}].path");
            match paths::file_path_fault(&item.path) {
                Some(message) => self.faults.error(self.pod.head, field, message),
                None => drop(files.insert(item.path.clone(), value.into_bytes())),
            }
        }
        files
    }

    /// The contents of a Secret, by name.
    pub(super) fn secret(&mut self, field: &str, name: &str, optional: Option<bool>) -> Option<Files> {
        let found = self.index.secret(&self.pod.name.namespace, name).map(secret_files);
        self.warn_if_missing("Secret", field, name, found.is_none() && optional != Some(true));
        found
    }

    /// The contents of a ConfigMap, by name.
    pub(super) fn config_map(&mut self, field: &str, name: &str, optional: Option<bool>) -> Option<Files> {
        let found = self.index.config_map(&self.pod.name.namespace, name).map(config_map_files);
        self.warn_if_missing("ConfigMap", field, name, found.is_none() && optional != Some(true));
        found
    }

    /// Warns about a missing object: manifests are often only a part of a cluster.
    fn warn_if_missing(&mut self, kind: &str, field: &str, name: &str, is_missing: bool) {
        if is_missing {
            let namespace = &self.pod.name.namespace;
            let message = format!(
                "no document defines {kind} {name} in namespace {namespace}: in a cluster the pod waits until there is one; here it is empty"
            );
            self.faults.warn(self.pod.head, field, message);
        }
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
            if let Some(message) = paths::file_path_fault(&item.path) {
                self.faults.error(self.pod.head, format!("{field}.items[{i}].path"), message);
                continue;
            }
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

/// A mount of a volume, or of the file or folder of it that `subPath` names.
pub(super) fn part(mount_path: &str, files: Files, sub_path: Option<&str>) -> Mount {
    let Some(sub_path) = sub_path.map(|path| path.trim_matches('/')).filter(|path| !path.is_empty()) else {
        return Mount { path: mount_path.to_owned(), files };
    };
    if let (Some(content), Some((folder, name))) = (files.get(sub_path), mount_path.rsplit_once('/')) {
        let folder = if folder.is_empty() { "/" } else { folder };
        return Mount { path: folder.to_owned(), files: Files::from([(name.to_owned(), content.clone())]) };
    }
    let within = |(name, content): (String, Vec<u8>)| {
        Some((name.strip_prefix(sub_path)?.strip_prefix('/')?.to_owned(), content))
    };
    Mount { path: mount_path.to_owned(), files: files.into_iter().filter_map(within).collect() }
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
