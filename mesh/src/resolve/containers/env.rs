//! Environment variables: literal, or taken from the pod, a Secret or a ConfigMap.

use k8s_openapi::api::core::v1 as k8s;

use super::{
    Reader,
    volumes::{Files, config_map_files, secret_files},
};

impl Reader<'_, '_> {
    /// A container's variables; of two with one name the later counts, as in a cluster.
    pub(super) fn env(&mut self, field: &str, container: &k8s::Container) -> Vec<(String, String)> {
        let mut env = Vec::new();
        for (i, source) in container.env_from.iter().flatten().enumerate() {
            let prefix = source.prefix.as_deref().unwrap_or_default();
            let files = self.all_of(&format!("{field}.envFrom[{i}]"), source).unwrap_or_default();
            env.extend(files.into_iter().map(|(name, value)| (format!("{prefix}{name}"), text(&value))));
        }
        for (i, variable) in container.env.iter().flatten().enumerate() {
            let value = match &variable.value_from {
                None => Some(variable.value.clone().unwrap_or_default()),
                Some(source) => self.value(&format!("{field}.env[{i}].valueFrom"), source),
            };
            env.extend(value.map(|value| (variable.name.clone(), value)));
        }
        let last = |i: usize, name: &str| !env[i + 1..].iter().any(|(later, _)| later == name);
        env.iter().enumerate().filter(|(i, (name, _))| last(*i, name)).map(|(_, variable)| variable.clone()).collect()
    }

    fn all_of(&mut self, field: &str, source: &k8s::EnvFromSource) -> Option<Files> {
        if let Some(secret) = &source.secret_ref {
            let field = self.pod.at(&format!("{field}.secretRef.name")).field;
            return self.find(&field, &self.manifests.secrets, &secret.name, secret.optional).map(secret_files);
        }
        let config_map = source.config_map_ref.as_ref()?;
        let field = self.pod.at(&format!("{field}.configMapRef.name")).field;
        self.find(&field, &self.manifests.config_maps, &config_map.name, config_map.optional).map(config_map_files)
    }

    /// The value of one variable; nothing when it is optional and not there.
    fn value(&mut self, field: &str, source: &k8s::EnvVarSource) -> Option<String> {
        if let Some(field_ref) = &source.field_ref {
            let value = self.of_pod(&field_ref.field_path);
            if value.is_none() {
                let message = format!(
                    "{:?} is not supported; metadata.name, metadata.namespace, metadata.labels['KEY'], metadata.annotations['KEY'], spec.serviceAccountName, status.podIP and status.podIPs are",
                    field_ref.field_path
                );
                self.error(&format!("{field}.fieldRef.fieldPath"), &message);
            }
            return value;
        }
        let (reference, name, key, optional, files) = if let Some(secret) = &source.secret_key_ref {
            let at = self.pod.at(&format!("{field}.secretKeyRef.name")).field;
            let files = self.find(&at, &self.manifests.secrets, &secret.name, secret.optional).map(secret_files);
            ("secretKeyRef", &secret.name, &secret.key, secret.optional, files)
        } else if let Some(config_map) = &source.config_map_key_ref {
            let at = self.pod.at(&format!("{field}.configMapKeyRef.name")).field;
            let found = self.find(&at, &self.manifests.config_maps, &config_map.name, config_map.optional);
            ("configMapKeyRef", &config_map.name, &config_map.key, config_map.optional, found.map(config_map_files))
        } else {
            self.error(field, "is of a kind that is not supported; fieldRef, secretKeyRef and configMapKeyRef are");
            return None;
        };
        let value = files.as_ref()?.get(key).map(|value| text(value));
        if value.is_none() && optional != Some(true) {
            self.error(&format!("{field}.{reference}.key"), &format!("there is no key {key:?} in {name}"));
        }
        value
    }

    /// A field of the pod's own, by the downward API's name for it.
    fn of_pod(&self, path: &str) -> Option<String> {
        let keyed = |prefix: &str| path.strip_prefix(prefix)?.strip_prefix("['")?.strip_suffix("']");
        if let Some(key) = keyed("metadata.labels") {
            return Some(self.pod.labels.get(key).cloned().unwrap_or_default());
        }
        if let Some(key) = keyed("metadata.annotations") {
            return Some(self.pod.annotations.get(key).cloned().unwrap_or_default());
        }
        Some(match path {
            "metadata.name" => self.pod.name.name.clone(),
            "metadata.namespace" => self.pod.name.namespace.clone(),
            "spec.serviceAccountName" => self.pod.spec.service_account_name.clone().unwrap_or_else(|| "default".into()),
            "status.podIP" => self.ips.v4.to_string(),
            "status.podIPs" => format!("{},{}", self.ips.v4, self.ips.v6),
            _ => return None,
        })
    }
}

fn text(value: &[u8]) -> String {
    String::from_utf8_lossy(value).into_owned()
}
