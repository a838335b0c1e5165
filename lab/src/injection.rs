//! A hint for manifests that leave injection to a cluster's namespace, as published samples do.

use std::{collections::BTreeSet, fmt::Write as _};

use mesh::model::Resolved;

use crate::terminal::noteln;

#[cfg(test)]
mod tests;

/// Prints how to get sidecars, on standard error, if no pod of the cluster has a proxy.
pub(crate) fn print_hint(mesh: &Resolved) {
    if let Some(hint) = hint(mesh) {
        noteln!("{hint}");
    }
}

fn hint(mesh: &Resolved) -> Option<String> {
    let pods = || mesh.pods.iter().filter(|pod| !pod.is_external());
    if pods().any(|pod| pod.sidecar.is_some()) {
        return None;
    }
    let namespaces: BTreeSet<&str> = pods().map(|pod| pod.name.namespace.as_str()).collect();
    let first = pods().next()?;
    let mut text = format!(
        "no pod has a sidecar ({}: {}); for what `kubectl label namespace {} istio-injection=enabled` does, add",
        first.name, first.injection.because, first.name.namespace
    );
    for name in namespaces.iter().take(SHOWN) {
        let _ = write!(
            text,
            "\n  {{apiVersion: v1, kind: Namespace, metadata: {{name: {name}, labels: {{istio-injection: enabled}}}}}}"
        );
    }
    if namespaces.len() > SHOWN {
        let _ = write!(text, "\n  and the same for {} more", namespaces.len() - SHOWN);
    }
    Some(text)
}

/// How many namespaces a hint shows.
const SHOWN: usize = 3;
