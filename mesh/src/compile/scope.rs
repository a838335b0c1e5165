//! What a sidecar knows: which services and VirtualServices, from which namespace if several define a host, and in which order
//! (`pilot/pkg/model/sidecar.go`). A Sidecar limits it; without one it is everything that is exported to the namespace.

mod imported;

use std::{
    collections::{BTreeMap, BTreeSet},
    rc::Rc,
};

use super::Compiler;
use crate::model::{Egress, Entry, Mesh, Pod, Protocol, Service, ServicePort, SidecarScope, VirtualService, seen_by};

/// A port of a service.
type Port<'a> = (&'a Service, &'a ServicePort);

/// What a sidecar knows of the mesh.
pub(super) struct Known<'a> {
    /// The Sidecar that limits it.
    pub(super) scope: Option<&'a SidecarScope>,
    listeners: Vec<Rc<Listener<'a>>>,
    /// With one service for each host: what clusters are made of. UDP is never captured, and its ports are left out.
    merged: Rc<[Port<'a>]>,
    /// The hosts of its services, of those without a port that is captured, too.
    hosts: BTreeSet<&'a str>,
}

/// What is known on one port, or on all without a listener (`IstioEgressListenerWrapper`).
pub(super) struct Listener<'a> {
    /// What the Sidecar says of it, if there is one.
    pub(super) egress: Option<&'a Egress>,
    /// In Istio's order: of services for this namespace alone before those of services for all, the older first. Of one host it is the
    /// services of one namespace: its own if there are any. Those of UDP are among them: where the Sidecar says the port's protocol, theirs
    /// does not count.
    pub(super) ports: Vec<Port<'a>>,
    /// In the order in which they count.
    pub(super) virtual_services: Vec<&'a VirtualService>,
}

/// A service, with those of its ports that are known.
struct Part<'a> {
    service: &'a Service,
    ports: Vec<&'a ServicePort>,
}

impl<'a> Known<'a> {
    pub(super) fn to(pod: &'a Pod, mesh: &'a Mesh) -> Self {
        let scope = mesh.scope_of(pod);
        let egress: Vec<Option<&Egress>> = match scope.map(|scope| &scope.egress[..]) {
            None | Some([]) => vec![None],
            Some(listeners) => listeners.iter().map(Some).collect(),
        };
        let mut parts = vec![];
        let mut listeners = vec![];
        for egress in egress {
            let listener = Listener::new(egress, pod, mesh, &mut parts);
            listeners.push(Rc::new(listener));
        }
        Self {
            scope,
            listeners,
            merged: merged(&parts).into_iter().filter(is_tcp).collect(),
            hosts: parts.iter().map(|part| part.service.host.as_str()).collect(),
        }
    }

    /// Whether it knows a service of this host, and the rules for it (`selectDestinationRules`).
    pub(super) fn has_host(&self, host: &str) -> bool {
        self.hosts.contains(host)
    }

    pub(super) fn listeners(&self) -> Vec<Rc<Listener<'a>>> {
        self.listeners.clone()
    }

    /// The listener that decides what is known on a port (`GetEgressListenerForRDS`).
    pub(super) fn on_port(&self, port: u16) -> Option<Rc<Listener<'a>>> {
        let is_for = |listener: &&Rc<Listener<'a>>| listener.egress.is_none_or(|egress| egress.is_for(port));
        self.listeners.iter().find(is_for).cloned()
    }

    /// Whether an alias of a service is known, too.
    pub(super) fn has_alias(&self, home: &str, service: &Service, alias: &str) -> bool {
        let (namespace, host) = (&service.name.namespace, &service.host);
        let knows = |egress: &Egress| egress.knows_alias(home, namespace, host, alias);
        self.listeners.iter().any(|listener| listener.egress.is_none_or(knows))
    }
}

impl<'a> Listener<'a> {
    /// Adds to `parts` what clusters are made of: what is known, and then where its VirtualServices lead.
    fn new(egress: Option<&'a Egress>, pod: &'a Pod, mesh: &'a Mesh, parts: &mut Vec<Part<'a>>) -> Self {
        let home = pod.name.namespace.as_str();
        let virtual_services = match pod.is_gateway() {
            true => bound_to_gateways(pod, mesh),
            false => seen_by(&mesh.virtual_services, pod),
        };
        let mut listener = Self { egress, ports: vec![], virtual_services };
        if let Some(egress) = egress {
            let is_known = |rule: &&VirtualService| {
                rule.hosts.iter().any(|host| egress.knows_route(home, &rule.name.namespace, host))
            };
            listener.virtual_services.retain(is_known);
        }
        let known: Vec<_> = listener.selected(pod, mesh).into_iter().filter_map(|one| listener.part(one)).collect();
        listener.ports = known.iter().flat_map(Part::ports).collect();
        parts.extend(known);
        if !pod.is_gateway() {
            parts.extend(imported::destinations(&listener, home, mesh));
        }
        listener
    }

    /// The port that it alone is for, as the Sidecar describes it.
    pub(super) fn port(&self) -> Option<&'a ServicePort> {
        self.egress?.port.as_ref()
    }

    /// The VirtualServices that are for a host.
    pub(super) fn rules_for(&self, host: &str) -> impl Iterator<Item = &'a VirtualService> {
        self.virtual_services.iter().copied().filter(move |rule| rule.is_for_host(host))
    }

    /// The number of the port that services must have to be known.
    fn only_port(&self) -> Option<u16> {
        // As a proxy it sends to any port (`needsPortMatch`).
        self.port().filter(|port| port.protocol != Protocol::HttpProxy).map(|port| port.port)
    }

    /// What is known of a service, if any of it is (`serviceMatchingListenerPort`).
    fn part(&self, service: &'a Service) -> Option<Part<'a>> {
        let Some(only) = self.only_port() else { return Some(Part { service, ports: service.ports.iter().collect() }) };
        service.port(only).map(|port| Part { service, ports: vec![port] })
    }

    /// The services that it is about (`selectServices`). A gateway knows all that its namespace sees
    /// (`DefaultSidecarScopeForGateway`).
    fn selected(&self, pod: &Pod, mesh: &'a Mesh) -> Vec<&'a Service> {
        let home = pod.name.namespace.as_str();
        let is_named = |service: &&Service| {
            self.egress.is_none_or(|egress| egress.knows(home, &service.name.namespace, &service.host))
        };
        let mut all: Vec<&Service> = mesh.services.iter().chain(&mesh.entries).filter(is_named).collect();
        all.sort_by(|a, b| by_age(a).cmp(&by_age(b)));
        // Of exact hosts one service of a namespace is looked up (`servicesForExactHosts`).
        let is_exact = self.egress.is_some_and(Egress::is_exact);
        if is_exact {
            let first = imported::first_of_each(&all);
            all.retain(|service| first.iter().any(|one| std::ptr::eq(*one, *service)));
        }
        all.retain(|service| service.is_seen_from(home) && self.part(service).is_some());
        if !is_exact {
            all.sort_by_key(|service| service.is_public());
        }
        if pod.is_gateway() {
            return all;
        }
        let mut chosen: BTreeMap<&str, &Service> = BTreeMap::new();
        for service in &all {
            let kept = chosen.entry(&service.host).or_insert(service);
            let own = |service: &Service| service.name.namespace == home;
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
}

impl<'a> Part<'a> {
    fn ports(&self) -> impl Iterator<Item = Port<'a>> {
        self.ports.iter().map(|port| (self.service, *port))
    }
}

impl<'a> Compiler<'a> {
    /// Every port that this sidecar knows and captures, of every service, though several may be of one host.
    pub(super) fn service_ports(&self) -> impl Iterator<Item = Port<'a>> {
        self.known.listeners.iter().flat_map(|listener| listener.ports.iter().copied()).filter(is_tcp)
    }

    /// Every port that this sidecar knows, once for each host.
    pub(super) fn cluster_ports(&self) -> impl Iterator<Item = Port<'a>> + use<'a> {
        let merged = Rc::clone(&self.known.merged);
        (0..merged.len()).map(move |i| merged[i])
    }

    /// What limits what this sidecar knows, in words: the end of a sentence about what it does not know.
    pub(super) fn in_scope(&self) -> String {
        self.limits().map(|scope| format!(" in the scope of {}", scope.full_name())).unwrap_or_default()
    }

    /// The Sidecar that limits what this sidecar knows.
    pub(super) fn limits(&self) -> Option<&'a SidecarScope> {
        self.known.scope.filter(|scope| !scope.egress.is_empty())
    }
}

/// The VirtualServices that are bound to a Gateway of a gateway's pod.
fn bound_to_gateways<'a>(pod: &Pod, mesh: &'a Mesh) -> Vec<&'a VirtualService> {
    let own: Vec<String> =
        mesh.gateways.iter().filter(|gateway| gateway.selects(pod)).map(crate::model::Gateway::id).collect();
    mesh.virtual_services.iter().filter(|rule| rule.gateways.iter().any(|one| own.contains(one))).collect()
}

/// In order of age (`SortServicesByCreationTime` in `pilot/pkg/model/push_context.go`).
fn by_age(service: &Service) -> (impl Ord + use<>, &str, &str) {
    (service.age.moment(), &service.name.name, &service.name.namespace)
}

fn is_tcp((_, port): &Port<'_>) -> bool {
    port.protocol != Protocol::Udp
}

/// The ports of services, with one service for each host (`appendSidecarServices`).
fn merged<'a>(parts: &[Part<'a>]) -> Vec<Port<'a>> {
    let mut by_host: BTreeMap<&str, usize> = BTreeMap::new();
    let mut merged: Vec<Vec<Port<'a>>> = vec![];
    for part in parts {
        let service = part.service;
        let Some(&at) = by_host.get(service.host.as_str()) else {
            by_host.insert(&service.host, merged.len());
            merged.push(part.ports().collect());
            continue;
        };
        let first = merged[at].first().map(|(first, _)| *first);
        match first.map(|first| (first, &first.entry, &service.entry)) {
            // An older entry does not take over a Kubernetes name.
            None | Some((_, Some(_), None)) => merged[at] = part.ports().collect(),
            Some((first, a, b)) if may_merge(first, a.as_ref(), service, b.as_ref()) => {
                // All but its ports is the older one's.
                for port in &part.ports {
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

/// Whether services with one host in one namespace merge into one service with the ports of both (`canMergeServices`).
fn may_merge(first: &Service, a: Option<&Entry>, second: &Service, b: Option<&Entry>) -> bool {
    let resolution = |entry: Option<&Entry>| entry.map(|entry| entry.resolution);
    first.name.namespace == second.name.namespace
        && resolution(a) == resolution(b)
        && first.selector == second.selector
        && first.export_to == second.export_to
}
