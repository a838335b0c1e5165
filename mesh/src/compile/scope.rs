//! The services that a sidecar knows: which ones, from which namespace if several define a host, and in which order
//! (`pilot/pkg/model/sidecar.go`: `selectServices`, `appendSidecarServices`).

use std::{collections::BTreeMap, rc::Rc};

use super::Compiler;
use crate::model::{Entry, Mesh, Protocol, Service, ServicePort};

impl<'a> Compiler<'a> {
    /// Every TCP port of every service that this sidecar knows, in Istio's order: services for this namespace alone before
    /// those for all, the older first. For each host it knows those of one namespace: its own if possible.
    pub(super) fn service_ports(&self) -> impl Iterator<Item = (&'a Service, &'a ServicePort)> + use<'a> {
        self.ports_of_any_kind().filter(|(_, port)| port.protocol != Protocol::Udp)
    }

    /// The same with UDP ports, for which Istio also generates inbound chains, for TCP to such a port.
    pub(super) fn ports_of_any_kind(&self) -> impl Iterator<Item = (&'a Service, &'a ServicePort)> + use<'a> {
        let known = Rc::clone(&self.known);
        (0..known.len()).map(move |i| known[i])
    }
}

/// The ports of services that sidecars of a namespace know.
pub(super) fn known<'a>(mesh: &'a Mesh, namespace: &str) -> Rc<[(&'a Service, &'a ServicePort)]> {
    let exported = |service: &Service| match &service.entry {
        Some(entry) => entry.is_seen_from(namespace, &service.name.namespace),
        None => true,
    };
    let mut all: Vec<&Service> =
        mesh.services.iter().chain(&mesh.entries).filter(|service| exported(service)).collect();
    all.sort_by_key(|service| (is_public(service), &service.age, &service.name.name, &service.name.namespace));

    let mut chosen: BTreeMap<&str, &Service> = BTreeMap::new();
    for service in &all {
        let kept = chosen.entry(&service.host).or_insert(service);
        let own = |service: &Service| service.name.namespace == namespace;
        let first_of_kubernetes = kept.entry.is_some() && service.entry.is_none() && (own(service) || !own(kept));
        if own(service) || first_of_kubernetes {
            *kept = service;
        }
    }
    let namespace_of: BTreeMap<&str, &str> =
        chosen.iter().map(|(host, service)| (*host, service.name.namespace.as_str())).collect();
    all.retain(|service| namespace_of[service.host.as_str()] == service.name.namespace);

    let mut by_host: BTreeMap<&str, usize> = BTreeMap::new();
    let mut merged: Vec<Vec<(&Service, &ServicePort)>> = vec![];
    let ports = |service: &'a Service| service.ports.iter().map(move |port| (service, port));
    for service in all {
        let Some(&at) = by_host.get(service.host.as_str()) else {
            by_host.insert(&service.host, merged.len());
            merged.push(ports(service).collect());
            continue;
        };
        let first = merged[at].first().map(|(first, _)| *first);
        match first.map(|first| (first, &first.entry, &service.entry)) {
            // An older entry does not take over a Kubernetes name.
            None | Some((_, Some(_), None)) => merged[at] = ports(service).collect(),
            Some((first, Some(a), Some(b))) if may_merge(first, a, service, b) => {
                for (service, port) in ports(service) {
                    if merged[at].iter().all(|(_, taken)| taken.port != port.port) {
                        merged[at].push((service, port));
                    }
                }
            }
            Some(_) => {}
        }
    }
    merged.into_iter().flatten().collect()
}

/// Whether a service is forevery namespace.
fn is_public(service: &Service) -> bool {
    service.entry.as_ref().is_none_or(|entry| entry.export_to.is_empty() || entry.export_to.contains("*"))
}

/// Whether entries with one host in one namespace merge into one service with the ports of both (`canMergeServices`).
fn may_merge(first: &Service, a: &Entry, second: &Service, b: &Entry) -> bool {
    first.name.namespace == second.name.namespace && a.resolution == b.resolution && a.export_to == b.export_to
}
