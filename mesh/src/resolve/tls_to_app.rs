//! The textbook's annotation for TLS from the sidecar to its own app.

use std::collections::BTreeMap;

use super::drafts::Draft;
use crate::{
    fault::{At, Faults},
    model::{Pod, Resolved, Source},
};

/// A comma list of container ports at which the sidecar speaks TLS to its app.
pub(crate) const TLS_TO_APP: &str = "textbook.sidelab.io/tls-to-app";

#[cfg(test)]
mod tests;

/// The ports that a pod's annotation names.
pub(super) fn of(pod: &Draft<'_>, faults: &mut Faults) -> BTreeMap<u16, Source> {
    let source = pod.at(&format!("metadata.annotations[{TLS_TO_APP}]"));
    let Some(text) = pod.annotations.get(TLS_TO_APP) else { return BTreeMap::new() };
    let mut ports = BTreeMap::new();
    for port in text.split(',').map(str::trim) {
        match port.parse() {
            Ok(port) if port > 0 => {
                ports.insert(port, source.clone());
            }
            _ => {
                let message =
                    format!("{port:?} is not a port; expected a comma list of container ports, such as 8443,9443");
                faults.error(pod.head, &source.field, message);
            }
        }
    }
    ports
}

/// Warns about ports that no service sends to: they have no separate cluster, so the annotation has no effect.
pub(super) fn check(mesh: &Resolved, faults: &mut Faults) {
    let endpoints = || mesh.services.iter().flat_map(|service| &service.ports).flat_map(|port| &port.endpoints);
    for (index, pod) in mesh.pods.iter().enumerate() {
        for (port, source) in pod.sidecar.iter().flat_map(|sidecar| &sidecar.tls_to_app) {
            if !endpoints().any(|endpoint| endpoint.pod == index && endpoint.port == *port) {
                let message = format!("no service sends to container port {port}: the annotation has no effect there");
                faults.warn(&Annotated(pod, source), &source.field, message);
            }
        }
    }
}

/// A pod's annotation, in the document that makes the pod.
struct Annotated<'a>(&'a Pod, &'a Source);

impl At for Annotated<'_> {
    fn place(&self) -> (&Source, String) {
        let Self(pod, source) = self;
        (source, pod.document.clone())
    }
}
