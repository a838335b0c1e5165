//! The services that VirtualServices lead to: a sidecar that knows the one has clusters of the other
//! (`collectImportedServices` in `pilot/pkg/model/sidecar.go`).

use std::collections::{BTreeMap, BTreeSet, HashMap};

use super::{Listener, Part};
use crate::model::{Destination, Mesh, RouteDestination, Service, VirtualService};

/// What the VirtualServices of a listener lead to.
pub(super) fn destinations<'a>(listener: &Listener<'a>, home: &str, mesh: &'a Mesh) -> Vec<Part<'a>> {
    let mut wanted: Vec<(&str, BTreeSet<u16>)> = vec![];
    for rule in &listener.virtual_services {
        wanted.extend(of_rule(rule, home));
    }
    let hosts: BTreeSet<&str> = wanted.iter().map(|(host, _)| *host).collect();
    if hosts.is_empty() {
        return vec![];
    }
    let all = mesh.services.iter().chain(&mesh.entries).filter(|service| hosts.contains(service.host.as_str()));
    let mut all: Vec<_> = all.collect();
    all.sort_by(|a, b| super::by_age(a).cmp(&super::by_age(b)));
    let mut by_host: HashMap<&str, Vec<&Service>> = HashMap::new();
    for service in first_of_each(&all) {
        by_host.entry(service.host.as_str()).or_default().push(service);
    }
    let found = wanted.into_iter().filter_map(|(host, ports)| {
        let service = best(by_host.get(host)?, home)?;
        part(listener, service, &ports)
    });
    found.collect()
}

/// Of each host in each namespace the oldest service, one of Kubernetes before entries (`initServiceRegistry` in
/// `pilot/pkg/model/push_context.go`). `all` are in order of age.
pub(super) fn first_of_each<'a>(all: &[&'a Service]) -> Vec<&'a Service> {
    let mut first: BTreeMap<(&str, &str), &Service> = BTreeMap::new();
    for &service in all {
        let kept = first.entry((&service.host, &service.name.namespace)).or_insert(service);
        if kept.entry.is_some() && service.entry.is_none() {
            *kept = service;
        }
    }
    first.into_values().collect()
}

/// The service in the pod's namespace; else one that it sees, of Kubernetes before an entry (`pickBestVisibleNamespace`).
fn best<'a>(services: &[&'a Service], home: &str) -> Option<&'a Service> {
    let own = services.iter().find(|service| service.name.namespace == home);
    let visible = || services.iter().filter(|service| service.is_seen_from(home));
    let oldest = || visible().min_by_key(|service| &service.age);
    own.or_else(|| visible().find(|service| service.entry.is_none())).or_else(oldest).copied()
}

/// What is known of a destination (`serviceMatchingVirtualServicePorts`). Port 0 stands for all.
fn part<'a>(listener: &Listener<'a>, service: &'a Service, ports: &BTreeSet<u16>) -> Option<Part<'a>> {
    if listener.only_port().is_some() {
        return listener.part(service);
    }
    let known: Vec<_> = service.ports.iter().filter(|port| ports.contains(&0) || ports.contains(&port.port)).collect();
    (!known.is_empty()).then_some(Part { service, ports: known })
}

/// The destinations of a VirtualService with their ports, without routes of HTTP that are for other namespaces
/// (`virtualServiceDestinationsFilteredBySourceNamespace`).
fn of_rule<'a>(rule: &'a VirtualService, home: &str) -> BTreeMap<&'a str, BTreeSet<u16>> {
    let mut found: BTreeMap<&str, BTreeSet<u16>> = BTreeMap::new();
    let mut add = |to: &'a Destination| {
        let port = to.port.as_ref().and_then(|port| u16::try_from(port.number).ok()).unwrap_or_default();
        found.entry(&to.host).or_default().insert(port);
    };
    for http in rule.http.iter().map(|rule| &rule.spec) {
        let namespaces = http.matches.iter().map(|one| &one.source_namespace).filter(|name| !name.is_empty());
        let (mut any, mut own) = (false, false);
        for name in namespaces {
            any = true;
            own |= name == home;
        }
        if any && !own {
            continue;
        }
        http.route.iter().filter_map(|one| one.destination.as_ref()).for_each(&mut add);
        http.mirror.iter().for_each(&mut add);
        http.mirrors.iter().filter_map(|one| one.destination.as_ref()).for_each(&mut add);
    }
    let relayed = |all: &'a [RouteDestination]| all.iter().filter_map(|one| one.destination.as_ref());
    rule.tcp.iter().flat_map(|rule| relayed(&rule.spec.route)).for_each(&mut add);
    rule.tls.iter().flat_map(|rule| relayed(&rule.spec.route)).for_each(&mut add);
    found
}
