//! Environment variables: literal, or taken from the pod, a Secret or a ConfigMap.

use k8s_openapi::api::core::v1 as k8s;

use super::{Reader, volumes::Files};
use crate::manifests::amount;

/// The node's name, address and resources, for the downward API.
const NODE: &str = "node";
const NODE_IP: &str = "10.244.0.1";

impl Reader<'_, '_> {
    /// A container's variables; the later of two with one name wins, as in a cluster.
    pub(super) fn env(&mut self, field: &str, container: &k8s::Container) -> Vec<(String, String)> {
        let mut env = Vec::new();
        for (i, source) in container.env_from.iter().flatten().enumerate() {
            let prefix = source.prefix.as_deref().unwrap_or_default();
            let files = self.all_of(&format!("{field}.envFrom[{i}]"), source).unwrap_or_default();
            env.extend(files.into_iter().map(|(name, value)| (format!("{prefix}{name}"), text(&value))));
        }
        for (i, variable) in container.env.iter().flatten().enumerate() {
            let value = match &variable.value_from {
                None => Some(expand(variable.value.as_deref().unwrap_or_default(), &env)),
                Some(source) => self.value(&format!("{field}.env[{i}].valueFrom"), source, container),
            };
            env.extend(value.map(|value| (variable.name.clone(), value)));
        }
        let last = |i: usize, name: &str| !env[i + 1..].iter().any(|(later, _)| later == name);
        env.iter().enumerate().filter(|(i, (name, _))| last(*i, name)).map(|(_, variable)| variable.clone()).collect()
    }

    fn all_of(&mut self, field: &str, source: &k8s::EnvFromSource) -> Option<Files> {
        if let Some(secret) = &source.secret_ref {
            let field = self.pod.at(&format!("{field}.secretRef.name")).field;
            return self.secret(&field, &secret.name, secret.optional);
        }
        let config_map = source.config_map_ref.as_ref()?;
        let field = self.pod.at(&format!("{field}.configMapRef.name")).field;
        self.config_map(&field, &config_map.name, config_map.optional)
    }

    /// The value of one variable; `None` if it is optional and missing.
    fn value(&mut self, field: &str, source: &k8s::EnvVarSource, container: &k8s::Container) -> Option<String> {
        if let Some(resource) = &source.resource_field_ref {
            return Some(of_resource(resource, container));
        }
        if let Some(field_ref) = &source.field_ref {
            let value = self.of_pod(&field_ref.field_path);
            if value.is_none() {
                let message = format!(
                    "{:?} is not a field that a variable can have; expected metadata.name, .namespace, .uid, .labels['KEY'] and .annotations['KEY'], spec.nodeName, spec.serviceAccountName, status.hostIP, .hostIPs, .podIP or .podIPs",
                    field_ref.field_path
                );
                self.error(&format!("{field}.fieldRef.fieldPath"), &message);
            }
            return value;
        }
        let (reference, name, key, optional, files) = if let Some(secret) = &source.secret_key_ref {
            let at = self.pod.at(&format!("{field}.secretKeyRef.name")).field;
            let files = self.secret(&at, &secret.name, secret.optional);
            ("secretKeyRef", &secret.name, &secret.key, secret.optional, files)
        } else if let Some(config_map) = &source.config_map_key_ref {
            let at = self.pod.at(&format!("{field}.configMapKeyRef.name")).field;
            let files = self.config_map(&at, &config_map.name, config_map.optional);
            ("configMapKeyRef", &config_map.name, &config_map.key, config_map.optional, files)
        } else {
            self.error(
                field,
                "is of a kind that is not supported; expected fieldRef, resourceFieldRef, secretKeyRef or configMapKeyRef",
            );
            return None;
        };
        let value = files.as_ref()?.get(key).map(|value| text(value));
        if value.is_none() && optional != Some(true) {
            let message = format!("there is no key {key:?} in {name}: in a cluster the container does not start");
            self.warn(&format!("{field}.{reference}.key"), &message);
        }
        value
    }

    /// A field of the pod's own, by the downward API's name for it.
    pub(super) fn of_pod(&self, path: &str) -> Option<String> {
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
            "metadata.uid" => uid(&self.pod.name.to_string()),
            "metadata.labels" => quoted(&self.pod.labels),
            "metadata.annotations" => quoted(&self.pod.annotations),
            "spec.nodeName" => NODE.into(),
            "status.hostIP" | "status.hostIPs" => NODE_IP.into(),
            "spec.serviceAccountName" => self.pod.spec.service_account_name.clone().unwrap_or_else(|| "default".into()),
            "status.podIP" => self.ips.v4.to_string(),
            "status.podIPs" => format!("{},{}", self.ips.v4, self.ips.v6),
            _ => return None,
        })
    }
}

/// Arguments, with their references to variables.
pub(super) fn expanded(arguments: Option<&[String]>, env: &[(String, String)]) -> Vec<String> {
    arguments.unwrap_or_default().iter().map(|argument| expand(argument, env)).collect()
}

/// `$(NAME)` is a variable's value, if there is one; `$$` is a dollar sign
/// (`k8s.io/kubernetes/third_party/forked/golang/expansion/expand.go`).
fn expand(text: &str, env: &[(String, String)]) -> String {
    let mut expanded = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('$') {
        expanded.push_str(before);
        let reference = after.strip_prefix('(').and_then(|inside| inside.split_once(')'));
        let value = reference.and_then(|(name, _)| env.iter().rev().find(|(known, _)| known == name));
        rest = match (reference, value, after.strip_prefix('$')) {
            (Some((_, rest)), Some((_, value)), _) => {
                expanded.push_str(value);
                rest
            }
            (_, _, Some(rest)) => {
                expanded.push('$');
                rest
            }
            _ => {
                expanded.push('$');
                after
            }
        };
    }
    expanded + rest
}

/// The resources of a container; by default those of a node with one core and one GiB.
fn of_resource(reference: &k8s::ResourceFieldSelector, container: &k8s::Container) -> String {
    let (which, name) = reference.resource.split_once('.').unwrap_or(("limits", reference.resource.as_str()));
    let resources = container.resources.as_ref();
    let list = |which: &str| match which {
        "requests" => resources.and_then(|resources| resources.requests.as_ref()),
        _ => resources.and_then(|resources| resources.limits.as_ref()),
    };
    let written = list(which).and_then(|list| list.get(name)).map(|quantity| quantity.0.as_str());
    let available = written.and_then(amount).unwrap_or(match name {
        "cpu" => 1.0,
        _ => 1024.0 * 1024.0 * 1024.0,
    });
    let divisor = reference.divisor.as_ref().and_then(|divisor| amount(&divisor.0)).filter(|d| *d > 0.0);
    // Rounded up (`ExtractContainerResourceValue` in `pkg/api/v1/resource`).
    format!("{}", (available / divisor.unwrap_or(1.0)).ceil() as u64)
}

/// Labels or annotations, as the downward API writes them into one file.
fn quoted(texts: &std::collections::BTreeMap<String, String>) -> String {
    texts.iter().map(|(key, value)| format!("{key}={value:?}")).collect::<Vec<_>>().join("\n")
}

/// A pod's uid: stable and unique.
fn uid(name: &str) -> String {
    let hash =
        |basis: u64| name.bytes().fold(basis, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3));
    let (high, low) = (hash(0xcbf2_9ce4_8422_2325), hash(0x9e37_79b9_7f4a_7c15));
    let [a, b, c, d] = [high >> 32, high >> 16 & 0xffff, high & 0x0fff, low >> 48 & 0x3fff];
    format!("{a:08x}-{b:04x}-4{c:03x}-{:04x}-{:012x}", d | 0x8000, low & 0xffff_ffff_ffff)
}

fn text(value: &[u8]) -> String {
    String::from_utf8_lossy(value).into_owned()
}
