//! Pods that stand for hosts outside the cluster: no sidecar, separate addresses, found only by name.

use std::collections::BTreeMap;

use super::drafts::Draft;
use crate::{
    fault::Faults,
    load::is_dns_label,
    model::{Injection, ObjectName, Source},
};

/// The names of the host that a pod stands for, with commas between them.
const ANNOTATION: &str = "sidelab.io/external-host";

/// The names of the host outside the cluster that a pod stands for; none for a pod of the cluster.
pub(super) fn of(pod: &Draft<'_>, taken: &mut BTreeMap<String, ObjectName>, faults: &mut Faults) -> Vec<String> {
    let Some(text) = pod.annotations.get(ANNOTATION) else { return Vec::new() };
    let names: Vec<String> = text.split(',').map(|name| name.trim().to_ascii_lowercase()).collect();
    let field = source(pod).field;
    for name in &names {
        if !is_public_name(name) {
            let message =
                format!("{name:?} is not a host outside the cluster; expected a name such as shop.example.com");
            faults.error(pod.head, field.clone(), message);
        }
        if let Some(other) = taken.get(name) {
            let message = format!("pod {other} stands for {name} already; a name has one host");
            faults.error(pod.head, field.clone(), message);
        }
        taken.insert(name.clone(), pod.name.clone());
    }
    names
}

/// The reason why such a pod has no sidecar.
pub(super) fn injection(pod: &Draft<'_>) -> Injection {
    let because = "it stands for a host outside the cluster".into();
    Injection { injected: false, because, source: source(pod) }
}

fn source(pod: &Draft<'_>) -> Source {
    pod.at(&format!("metadata.annotations[{ANNOTATION}]"))
}

/// A full name of at least two labels, not among the cluster's own.
fn is_public_name(name: &str) -> bool {
    name.len() <= 253
        && name.contains('.')
        && name.split('.').all(is_dns_label)
        && !name.ends_with(".cluster.local")
        && name.parse::<std::net::IpAddr>().is_err()
}

#[cfg(test)]
mod tests;
