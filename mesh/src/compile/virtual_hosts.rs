//! The virtual hosts of a port: those of VirtualServices, then those of the services that have none
//! (`BuildSidecarVirtualHostWrapper` in `pilot/pkg/networking/core/route/route.go`, `BuildSidecarOutboundVirtualHosts` in
//! `pilot/pkg/networking/core/httproute.go`).

use std::collections::{BTreeMap, HashSet};

use envoy_api::{Metadata, Route, TlsRequirement, VirtualHost};

use super::{
    Compiler, PortClass,
    destination::virtual_service_note,
    http_route::{self, Context},
    names,
    scope::Listener,
};
use crate::model::{
    Destination, HttpMatch, HttpRoute, MESH_GATEWAY, Pod, Rule, Service, ServicePort, Source, VirtualService,
    hosts_overlap, is_host_for,
};

/// A virtual host, and why it and its routes are there.
#[derive(Clone, Debug)]
pub(super) struct MadeHost {
    pub(super) host: VirtualHost,
    pub(super) because: String,
    pub(super) source: Source,
    pub(super) routes: Vec<(String, Source)>,
}

/// A route, why it is there, and its place.
pub(super) type MadeRoute = (Route, String, Source);

/// What routes are made for.
pub(super) struct Called<'a> {
    /// The port that is called.
    pub(super) port: u16,
    /// `mesh`, or a Gateway.
    pub(super) gateway: &'a str,
    /// Whether the server of that Gateway has TLS settings.
    pub(super) is_tls: bool,
}

/// The services that have a port, by host: of one host the last one counts.
type ByHost<'a> = BTreeMap<&'a str, (&'a Service, &'a ServicePort)>;

impl<'a> Compiler<'a> {
    /// The virtual hosts of a port.
    pub(super) fn virtual_hosts(&self, port: u16) -> Vec<MadeHost> {
        let Some(known) = self.known.on_port(port) else { return vec![] };
        let of_port = known.ports.iter().filter(|(_, of_service)| of_service.port == port);
        let services: ByHost<'a> =
            of_port.map(|&(service, of_service)| (service.host.as_str(), (service, of_service))).collect();
        let is_http = |service, port| self.client_class(self.destination(service, port)) != PortClass::Tcp;
        let mut made = Made::default();
        let mut ruled: HashSet<&str> = HashSet::new();
        for &rule in &known.virtual_services {
            let cluster = |destination: &Destination| self.cluster_of(destination, port);
            let routes = self.http_routes(rule, &Called { port, gateway: MESH_GATEWAY, is_tls: false }, &cluster);
            if routes.is_empty() {
                continue;
            }
            let (others, matching) = hosts_of(&known, rule, &services);
            let matching: Vec<_> = matching.into_iter().filter(|(service, port)| is_http(service, port)).collect();
            // On port 80 hosts that no service has count as well.
            if matching.is_empty() && port != 80 {
                continue;
            }
            for host in others {
                let name = format!("{host}:{port}");
                made.add(self.made(name, vec![host], rule, &routes));
            }
            for (service, of_service) in matching {
                ruled.insert(&service.host);
                let name = format!("{}:{}", service.host, of_service.port);
                made.add(self.made(name, self.free_domains(service, &services), rule, &routes));
            }
        }
        for (host, (service, of_service)) in &services {
            if ruled.contains(host) || !is_http(service, of_service) {
                continue;
            }
            let host = self.service_host(service, of_service);
            let domains = self.free_domains(service, &services);
            made.add(MadeHost {
                host: VirtualHost { domains, ..host },
                because: format!("port {} of {}", of_service.port, service.host),
                source: service.source.clone(),
                routes: vec![],
            });
        }
        made.hosts
    }

    /// The domains of a service. A short name that is also a host belongs to that host.
    fn free_domains(&self, service: &Service, services: &ByHost<'_>) -> Vec<String> {
        let is_of_another = |domain: &String| *domain != service.host && services.contains_key(domain.as_str());
        self.domains(service).into_iter().filter(|domain| !is_of_another(domain)).collect()
    }

    fn made(&self, name: String, domains: Vec<String>, rule: &VirtualService, routes: &[MadeRoute]) -> MadeHost {
        MadeHost {
            host: VirtualHost {
                name,
                domains,
                routes: routes.iter().map(|(route, ..)| route.clone()).collect(),
                include_request_attempt_count: true,
                require_tls: TlsRequirement::None,
            },
            because: rule.full_name(),
            source: rule.source.clone(),
            routes: routes.iter().map(|(_, because, source)| (because.clone(), source.clone())).collect(),
        }
    }

    /// The routes that a VirtualService makes of a port, in their order; none behind one that takes all
    /// (`BuildHTTPRoutesForVirtualService`).
    pub(super) fn http_routes(
        &self,
        rule: &VirtualService,
        called: &Called<'_>,
        cluster: &dyn Fn(&Destination) -> String,
    ) -> Vec<MadeRoute> {
        let hash = |destination: &Destination| self.hash_of_destination(destination);
        let context = Context {
            port: called.port,
            is_tls: called.is_tls,
            service: &rule.name.name,
            metadata: Metadata { filter_metadata: virtual_service_note(&rule.name) },
            cluster,
            hash: &hash,
            default_retries: self.mesh.config.default_retries.as_ref(),
        };
        let mut made = vec![];
        for Rule { spec, source } in &rule.http {
            for (number, matched) in candidates(spec) {
                if !matched.is_none_or(|one| is_for(one, self.pod, called)) {
                    continue;
                }
                let route = http_route::translate(spec, matched, &context);
                let takes_all = http_route::takes_all(&route.matcher);
                let place = match number {
                    Some(number) => source.at(format!("{}.match[{number}]", source.field)),
                    None => source.clone(),
                };
                made.push((route, format!("{} {}", rule.full_name(), place.field.trim_start_matches("spec.")), place));
                if takes_all {
                    return made;
                }
            }
            if spec.matches.is_empty() {
                break;
            }
        }
        made
    }

    /// The cluster of a destination of HTTP (`GetDestinationCluster`): on the port that is called, where it names none.
    pub(super) fn cluster_of(&self, destination: &Destination, called: u16) -> String {
        let alias = self.mesh.external_names.iter().find(|alias| alias.host == destination.host);
        let host = alias.map_or(&destination.host, |alias| &alias.target);
        let port = destination.port.as_ref().map_or(called, |port| u16::try_from(port.number).unwrap_or_default());
        names::outbound_cluster(port, &destination.subset, host)
    }
}

/// The hosts of a VirtualService that no service has, and the services that it is for. A wildcard is for those that no other
/// VirtualService is for more precisely (`separateVSHostsAndServices`).
fn hosts_of<'a>(
    known: &Listener<'a>,
    rule: &VirtualService,
    services: &ByHost<'a>,
) -> (Vec<String>, Vec<(&'a Service, &'a ServicePort)>) {
    let (wildcards, names): (Vec<_>, Vec<_>) = rule.hosts.iter().partition(|host| host.starts_with('*'));
    let mut others = vec![];
    let mut matching = vec![];
    for host in names {
        let host = host.to_ascii_lowercase();
        match services.get(host.as_str()) {
            Some(service) => matching.push(*service),
            None => others.push(host),
        }
    }
    for wildcard in wildcards {
        let mut fitting = services.iter().filter(|(host, _)| hosts_overlap(wildcard, host)).peekable();
        if fitting.peek().is_none() {
            others.push(wildcard.to_ascii_lowercase());
        }
        let is_best = |host: &str| best_for(known, host).is_some_and(|best| best.name == rule.name);
        matching.extend(fitting.filter(|(host, _)| is_best(host)).map(|(_, service)| *service));
    }
    (others, matching)
}

/// The VirtualService that is most precisely for a host; the first of several (`MostSpecificHostMatch`).
fn best_for<'a>(known: &Listener<'a>, host: &str) -> Option<&'a VirtualService> {
    let all = || known.virtual_services.iter().copied();
    let exact = all().find(|rule| rule.hosts.iter().any(|one| one.eq_ignore_ascii_case(host)));
    let longest = |rule: &VirtualService| {
        let fitting = rule.hosts.iter().filter(|one| one.starts_with('*') && is_host_for(one, host));
        fitting.map(String::len).max()
    };
    let by_wildcard = all().rev().filter(|rule| longest(rule).is_some());
    exact.or_else(|| by_wildcard.max_by_key(|rule| longest(rule)))
}

/// The matches of a route, each with its number; nothing once where it has none.
fn candidates(spec: &HttpRoute) -> Vec<(Option<usize>, Option<&HttpMatch>)> {
    match spec.matches.is_empty() {
        true => vec![(None, None)],
        false => spec.matches.iter().enumerate().map(|(i, one)| (Some(i), Some(one))).collect(),
    }
}

/// Whether a match is for a caller, the port that it calls and a gateway (`sourceMatchHTTP`). With gateways, labels and namespace
/// do not count.
fn is_for(matched: &HttpMatch, caller: &Pod, called: &Called<'_>) -> bool {
    let Called { port, gateway, .. } = *called;
    let of_port = matched.port == 0 || matched.port == u32::from(port);
    let of_source = match matched.gateways.is_empty() {
        false => matched.gateways.iter().any(|one| one == gateway),
        true => matched.is_for_source(caller),
    };
    of_port && of_source
}

/// Virtual hosts, whose names and domains differ: what comes first stays.
#[derive(Default)]
struct Made {
    hosts: Vec<MadeHost>,
    names: HashSet<String>,
    domains: HashSet<String>,
}

impl Made {
    fn add(&mut self, mut made: MadeHost) {
        if !self.names.insert(made.host.name.clone()) {
            return;
        }
        made.host.domains.retain(|domain| self.domains.insert(domain.to_ascii_lowercase()));
        if !made.host.domains.is_empty() {
            self.hosts.push(made);
        }
    }
}
