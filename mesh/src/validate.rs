//! Checks documents as the API server and Istio's webhook would.

mod attachment;
mod authorization_policy;
mod destination_rule;
mod endpoint_slice;
mod envoy_filter;
mod fields;
mod gateway;
mod known;
mod peer_authentication;
mod pod;
mod proxy_config;
pub(crate) mod secret;
mod service;
mod service_entry;
pub(crate) mod set_aside;
mod sidecar;
mod telemetry;
mod textbook;
mod traffic_policy;
mod virtual_service;
mod webhook;
mod workload;
mod workload_entry;

use std::collections::{BTreeMap, BTreeSet};

use crate::{
    fault::Faults,
    load::{is_dns_label, label_fault},
    manifests::{Head, Manifests, Object, is_key},
};

pub(crate) use self::fields::validate as validate_fields;
use self::known::Known;

/// Checks every document, and references between documents.
pub(crate) fn validate(manifests: &Manifests, faults: &mut Faults) {
    let known = Known::new(manifests);
    for pod in &manifests.pods {
        match &pod.body.spec {
            Some(spec) => pod::validate(&mut Checked { head: &pod.head, faults }, "spec", spec, &[], &known),
            None => faults.error(pod, "spec", "is missing; a pod needs containers"),
        }
    }
    for workload in &manifests.workloads {
        workload::validate(workload, &known, faults);
    }
    for service in &manifests.services {
        service::validate(service, faults);
    }
    service::addresses_differ(&manifests.services, faults);
    for slice in &manifests.endpoint_slices {
        endpoint_slice::validate(slice, faults);
    }
    for secret in &manifests.secrets {
        secret::validate(secret, &known, faults);
    }
    for config_map in &manifests.config_maps {
        let data = config_map.body.data.iter().flat_map(BTreeMap::keys).map(|key| ("data", key));
        let binary = config_map.body.binary_data.iter().flat_map(BTreeMap::keys).map(|key| ("binaryData", key));
        let mut checked = Checked { head: &config_map.head, faults };
        keys(&mut checked, data.chain(binary));
        let text = config_map.body.data.as_ref();
        for key in config_map.body.binary_data.iter().flatten().map(|(key, _)| key) {
            if text.is_some_and(|text| text.contains_key(key)) {
                checked.error(format!("binaryData[{key}]"), "is a key of data, too; keep one");
            }
        }
        let texts = config_map.body.data.iter().flatten().map(|(_, text)| text.len());
        let bytes = config_map.body.binary_data.iter().flatten().map(|(_, bytes)| bytes.0.len());
        size(&mut checked, texts.chain(bytes).sum());
    }
    for policy in &manifests.peer_authentications {
        peer_authentication::validate(policy, faults);
    }
    for policy in &manifests.authorization_policies {
        authorization_policy::validate(policy, faults);
    }
    for telemetry in &manifests.telemetries {
        telemetry::validate(telemetry, faults);
    }
    for config in &manifests.proxy_configs {
        proxy_config::validate(config, faults);
    }
    for rule in &manifests.destination_rules {
        destination_rule::validate(rule, faults);
    }
    for service in &manifests.virtual_services {
        virtual_service::validate(service, faults);
    }
    for filter in &manifests.envoy_filters {
        envoy_filter::validate(filter, faults);
    }
    for gateway in &manifests.gateways {
        gateway::validate(gateway, faults);
    }
    for entry in &manifests.service_entries {
        service_entry::validate(entry, faults);
    }
    for entry in &manifests.workload_entries {
        workload_entry::validate(entry, faults);
    }
    for sidecar in &manifests.sidecars {
        sidecar::validate(sidecar, faults);
    }
    for configuration in &manifests.webhook_configurations {
        webhook::validate(configuration, faults);
    }
    textbook::validate(manifests, faults);
    namespaces(manifests, faults);
}

/// A document that is being checked.
struct Checked<'a> {
    head: &'a Head,
    faults: &'a mut Faults,
}

impl<'a> Checked<'a> {
    fn of<T>(object: &'a Object<T>, faults: &'a mut Faults) -> Self {
        Self { head: &object.head, faults }
    }

    fn error(&mut self, field: impl Into<String>, message: impl Into<String>) {
        self.faults.error(self.head, field, message);
    }

    fn warn(&mut self, field: impl Into<String>, message: impl Into<String>) {
        self.faults.warn(self.head, field, message);
    }

    fn note(&mut self, field: impl Into<String>, message: impl Into<String>) {
        self.faults.note(self.head, field, message);
    }

    /// A field that may matter, and is left out.
    fn set_aside(&mut self, field: &str, message: impl Into<String>) {
        self.faults.set_aside(self.head, field, message.into());
    }

    /// A port is from 1 to 65535.
    fn port(&mut self, field: impl Into<String>, port: impl Into<i64>) {
        let port = port.into();
        if !(1..=65535).contains(&port) {
            self.error(field, format!("{port} is out of range; a port is a number from 1 to 65535"));
        }
    }

    /// A field that holds one of a few words, where it is set. For the API server, an empty one is not.
    fn one_of(&mut self, field: &str, word: Option<&str>, words: &[&str]) {
        if let Some(word) = word.filter(|word| !word.is_empty() && !words.contains(word)) {
            self.error(field, format!("{word:?} is none of {}", words.join(", ")));
        }
    }

    /// Labels, or a selector's.
    fn labels<'b>(&mut self, field: &str, labels: impl IntoIterator<Item = (&'b String, &'b String)>) {
        for (key, value) in labels {
            if let Some(message) = label_fault(key, value) {
                self.error(format!("{field}[{key}]"), message);
            }
        }
    }

    /// The labels of a workload selector, which must be equal to a pod's.
    fn selector_labels<'b>(&mut self, field: &str, labels: impl IntoIterator<Item = (&'b String, &'b String)>) {
        for (key, value) in labels {
            let field = format!("{field}[{key}]");
            if key.is_empty() {
                self.error(field, "an empty key is not allowed");
            } else if key.contains('*') || value.contains('*') {
                self.error(field, "a wildcard is not allowed in a selector; labels must be equal");
            }
        }
    }

    /// Reports duplicates among names that must differ.
    fn unique<'b>(&mut self, names: impl IntoIterator<Item = (String, &'b str)>) {
        let mut seen = BTreeSet::new();
        for (field, name) in names {
            if !seen.insert(name) {
                self.error(field, format!("{name:?} is duplicated; names must differ"));
            }
        }
    }
}

/// Namespaces that a rule is exported to: `.`, `*` or names, each once.
/// A ServiceEntry can be for nobody: `~`.
fn export_to<'a>(checked: &mut Checked<'a>, entries: &'a [String], may_be_none: bool) -> BTreeSet<&'a str> {
    let own = checked.head.name.namespace.as_str();
    let mut seen = BTreeSet::new();
    for (i, entry) in entries.iter().enumerate() {
        let field = format!("spec.exportTo[{i}]");
        let namespace = if entry == "." { own } else { entry };
        if entry != "*" && !(may_be_none && entry == "~") && !is_dns_label(namespace) {
            checked.error(&field, format!("{entry:?} is neither '.', '*', nor the name of a namespace"));
        }
        if !seen.insert(namespace) {
            checked.error(&field, format!("{entry:?} is duplicated"));
        }
    }
    if seen.contains("*") && seen.len() > 1 {
        checked.error("spec.exportTo", "'*' is for all namespaces; remove the others");
    }
    if seen.contains("~") && seen.len() > 1 {
        checked.error("spec.exportTo", "'~' is for nobody; remove it, or the others");
    }
    seen
}

/// A host name whose first label can be `*`, or begin with `*` or `*-` (`ValidateWildcardDomain` in
/// `pkg/config/validation/agent/validation.go`).
fn is_wildcard_host(host: &str) -> bool {
    let (first, rest) = match host.split_once('.') {
        Some((first, rest)) => (first, Some(rest)),
        None => (host, None),
    };
    let first = first.to_ascii_lowercase();
    let part = first.strip_prefix("*-").or(first.strip_prefix('*')).unwrap_or(&first);
    let first_is_good = first == "*" || is_dns_label(part);
    host.len() <= 255 && first_is_good && rest.is_none_or(is_full_name)
}

/// Whether a host has a wildcard for a part of its first label (`ValidatePartialWildCard`).
fn is_partial_wildcard(host: &str) -> bool {
    host.contains('*') && host != "*" && !host.starts_with("*.")
}

/// A host name without a wildcard, perhaps with a dot at its end; no address (`ValidateDNS1123Labels` in
/// `pkg/config/validation/agent/validation.go`).
fn is_full_name(name: &str) -> bool {
    let name = name.trim_end_matches('.').to_ascii_lowercase();
    let last_is_number = name.rsplit('.').next().is_some_and(|last| last.bytes().all(|byte| byte.is_ascii_digit()));
    name.len() <= 255 && !last_is_number && name.split('.').all(is_dns_label)
}

/// What follows `unix://`: an absolute path of a file, or a name after `@` (`ValidateUnixAddress` in
/// `pkg/config/validation/validation.go`).
fn is_socket(path: &str) -> bool {
    path.starts_with('@') || (path.starts_with('/') && !path.ends_with('/'))
}

/// How much a Secret or a ConfigMap holds (`MaxSecretSize`).
fn size(checked: &mut Checked<'_>, bytes: usize) {
    const MOST: usize = 1 << 20;
    if bytes > MOST {
        checked.error("data", format!("holds {bytes} bytes, and may hold {MOST}"));
    }
}

/// Keys of a Secret's or a ConfigMap's data.
fn keys<'a>(checked: &mut Checked<'_>, keys: impl Iterator<Item = (&'static str, &'a String)>) {
    for (field, key) in keys {
        if !is_key(key) {
            let message = "a key is letters, digits, '-', '_' and '.', at most 253, not '..' first";
            checked.error(format!("{field}[{key}]"), message);
        }
    }
}

/// Undefined namespaces are assumed to exist: manifests are often only a part of a cluster.
fn namespaces(manifests: &Manifests, faults: &mut Faults) {
    // Those that every cluster has, and Istio's own.
    let mut known: BTreeSet<&str> = ["", "default", "kube-system", "istio-system"].into();
    known.extend(manifests.namespaces.iter().map(|n| n.head.name.name.as_str()));
    let mut heads: Vec<_> = manifests.heads().collect();
    heads.sort_by_key(|head| &head.source);
    for head in heads {
        if known.insert(&head.name.namespace) {
            let message = format!(
                "no document defines namespace {}; it is assumed to exist, without labels",
                head.name.namespace
            );
            faults.warn(head, "metadata.namespace", message);
        }
    }
}

#[cfg(test)]
mod tests;
