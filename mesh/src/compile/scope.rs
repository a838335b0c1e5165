//! The services that a sidecar knows: which ones, from which namespace if several define a host, and in which order
//! (`pilot/pkg/model/sidecar.go`: `selectServices`, `appendSidecarServices`).

use std::{collections::BTreeMap, rc::Rc};

use super::Compiler;
use crate::model::{Entry, Mesh, Protocol, Service, ServicePort};

/// Ports of services, in order.
type Ports<'a> = Rc<[(&'a Service, &'a ServicePort)]>;

/// The TCP ports that sidecars of a namespace know, in Istio's order: of services for this namespace alone before those of services for
/// all, the older first. Of one host it is the services of one namespace: its own if there are any.
pub(super) struct Known<'a> {
    /// Of every service: what listeners and routes are made of.
    each: Ports<'a>,
    /// With one service for each host: what clusters are made of.
    merged: Ports<'a>,
}

impl<'a> Known<'a> {
    pub(super) fn to(namespace: &str, mesh: &'a Mesh) -> Self {
        let services = selected(namespace, mesh);
        let tcp = |(_, port): &(&Service, &ServicePort)| port.protocol != Protocol::Udp;
        let each = services.iter().flat_map(|service| ports(service)).filter(tcp).collect();
        Self { each, merged: merged(&services).into_iter().filter(tcp).collect() }
    }
}

impl<'a> Compiler<'a> {
    /// Every port that this sidecar knows, of every service, though several may be of one host.
    pub(super) fn service_ports(&self) -> impl Iterator<Item = (&'a Service, &'a ServicePort)> + use<'a> {
        let each = Rc::clone(&self.known.each);
        (0..each.len()).map(move |i| each[i])
    }

    /// Every port that this sidecar knows, once for each host.
    pub(super) fn cluster_ports(&self) -> impl Iterator<Item = (&'a Service, &'a ServicePort)> + use<'a> {
        let merged = Rc::clone(&self.known.merged);
        (0..merged.len()).map(move |i| merged[i])
    }
}

/// The services that sidecars of a namespace know.
fn selected<'a>(namespace: &str, mesh: &'a Mesh) -> Vec<&'a Service> {
    let all = mesh.services.iter().chain(&mesh.entries);
    let mut all: Vec<&Service> = all.filter(|service| service.is_seen_from(namespace)).collect();
    all.sort_by_key(|service| (service.is_public(), service.age.moment(), &service.name.name, &service.name.namespace));

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
    all
}

/// The ports of services, with one service for each host.
fn merged<'a>(services: &[&'a Service]) -> Vec<(&'a Service, &'a ServicePort)> {
    let mut by_host: BTreeMap<&str, usize> = BTreeMap::new();
    let mut merged: Vec<Vec<(&Service, &ServicePort)>> = vec![];
    for &service in services {
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
                // All but its ports is the older one's.
                for port in &service.ports {
                    if merged[at].iter().all(|(_, taken)| taken.port != port.port) {
                        merged[at].push((first, port));
                    }
                }
            }
            Some(_) => {}
        }
    }
    merged.into_iter().flatten().collect()
}

fn ports(service: &Service) -> impl Iterator<Item = (&Service, &ServicePort)> {
    service.ports.iter().map(move |port| (service, port))
}

/// Whether entries with one host in one namespace merge into one service with the ports of both (`canMergeServices`).
fn may_merge(first: &Service, a: &Entry, second: &Service, b: &Entry) -> bool {
    first.name.namespace == second.name.namespace && a.resolution == b.resolution && first.export_to == second.export_to
}
