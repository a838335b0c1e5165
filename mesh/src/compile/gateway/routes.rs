//! The routes of a gateway's servers of HTTP (`buildGatewayHTTPRouteConfig`).

use std::collections::HashMap;

use envoy_api::{RouteConfiguration, TlsRequirement, VirtualHost};

use crate::{
    compile::{
        Compiler, http_route,
        virtual_hosts::{Called, MadeHost, MadeRoute},
    },
    model::{Destination, Merged, MergedServer, Source, VirtualService},
};

impl<'a> Compiler<'a> {
    /// RDS of a gateway: a route configuration for each port of HTTP, and for each server of HTTPS.
    pub(in crate::compile) fn gateway_routes(&mut self, merged: &Merged<'a>) -> Vec<RouteConfiguration> {
        let mut names: Vec<&str> =
            merged.ports.iter().flat_map(|port| &port.servers).map(|one| one.routes.as_str()).collect();
        names.retain(|name| !name.is_empty());
        names.sort_unstable();
        names.dedup();
        names.into_iter().map(|name| self.gateway_route_configuration(name, &merged.of_routes(name))).collect()
    }

    fn gateway_route_configuration(&mut self, name: &str, servers: &[&MergedServer<'a>]) -> RouteConfiguration {
        let mut made = self.hosts_of_servers(servers);
        made.sort_by(|a, b| a.host.name.cmp(&b.host.name));
        if made.is_empty() {
            let (port, source) = servers.first().map_or((0, None), |one| (one.server.port, Some(&one.server.source)));
            made.push(MadeHost {
                host: VirtualHost {
                    name: format!("blackhole:{port}"),
                    domains: vec!["*".into()],
                    routes: vec![],
                    include_request_attempt_count: false,
                    require_tls: TlsRequirement::None,
                },
                because: "no VirtualService is for the server's hosts".into(),
                source: source.cloned().unwrap_or_else(|| Source::default_of("a gateway without routes")),
                routes: vec![],
            });
        }
        let virtual_hosts = self.explained(name, made);
        RouteConfiguration {
            name: name.into(),
            virtual_hosts,
            validate_clusters: Some(false),
            ignore_port_in_host_matching: true,
        }
    }

    /// A virtual host for each host, with the routes of all VirtualServices for it, those that take everything last.
    fn hosts_of_servers(&self, servers: &[&MergedServer<'a>]) -> Vec<MadeHost> {
        let mut hosts: Vec<(VirtualHost, String, Source, Vec<MadeRoute>)> = vec![];
        let mut index: HashMap<String, usize> = HashMap::new();
        for one in servers {
            let redirects = one.server.redirects_to_https();
            let require_tls = if redirects { TlsRequirement::All } else { TlsRequirement::None };
            let port = one.server.port;
            let empty = |host: &str| VirtualHost {
                name: format!("{host}:{port}"),
                domains: vec![host.to_owned()],
                routes: vec![],
                include_request_attempt_count: true,
                require_tls,
            };
            for rule in self.rules_of(one) {
                let routes = self.gateway_http_routes(rule, one);
                let common = one.server.hosts_of(rule);
                for host in common.into_iter().filter(|_| !routes.is_empty()) {
                    let at = *index.entry(host.clone()).or_insert_with(|| {
                        hosts.push((empty(&host), rule.full_name(), rule.source.clone(), vec![]));
                        hosts.len() - 1
                    });
                    hosts[at].3.extend(routes.iter().cloned());
                    if redirects {
                        hosts[at].0.require_tls = TlsRequirement::All;
                    }
                }
            }
            // Istio takes a host with its namespace for a host of that name.
            for host in one.server.hosts.iter().filter(|_| redirects) {
                let host = host.to_string().to_ascii_lowercase();
                let at = *index.entry(host.clone()).or_insert_with(|| {
                    let because = format!("{} redirects to HTTPS", one.gateway.full_name());
                    hosts.push((empty(&host), because, one.server.source.clone(), vec![]));
                    hosts.len() - 1
                });
                hosts[at].0.require_tls = TlsRequirement::All;
            }
        }
        collapsed(hosts)
            .into_iter()
            .map(|(host, because, source, routes)| with_routes(host, because, source, routes))
            .collect()
    }

    fn gateway_http_routes(&self, rule: &VirtualService, one: &MergedServer<'a>) -> Vec<MadeRoute> {
        let cluster = |destination: &Destination| self.gateway_cluster_of(destination, one.server.port);
        let gateway = one.gateway.id();
        let called = Called { port: one.server.port, gateway: &gateway, is_tls: one.server.tls.is_some() };
        self.http_routes(rule, &called, &cluster)
    }

    /// The cluster of a destination: on the only port of its service where it names none, else on the server's port
    /// (`GetDestinationCluster`).
    fn gateway_cluster_of(&self, destination: &Destination, port: u16) -> String {
        let service = self.cluster_ports().map(|(service, _)| service).find(|service| service.host == destination.host);
        let only = service.and_then(|service| if let [only] = &service.ports[..] { Some(only.port) } else { None });
        self.cluster_of(destination, only.unwrap_or(port))
    }
}

/// Hosts that share all their routes share a virtual host, which has the first one's name (`collapseDuplicateRoutes`).
fn collapsed(
    mut hosts: Vec<(VirtualHost, String, Source, Vec<MadeRoute>)>,
) -> Vec<(VirtualHost, String, Source, Vec<MadeRoute>)> {
    let order = |host: &str| (host.starts_with('*'), std::cmp::Reverse(host.len()), host.to_owned());
    hosts.sort_by_key(|(host, ..)| order(&host.domains[0]));
    let mut kept: Vec<(VirtualHost, String, Source, Vec<MadeRoute>)> = vec![];
    for one in hosts {
        let same = |other: &&mut (VirtualHost, String, Source, Vec<MadeRoute>)| {
            other.0.require_tls == one.0.require_tls && other.3 == one.3
        };
        match kept.iter_mut().find(same) {
            Some(existing) => existing.0.domains.extend(one.0.domains),
            None => kept.push(one),
        }
    }
    kept
}

/// Routes that take everything come last (`SortVHostRoutes`).
fn with_routes(mut host: VirtualHost, because: String, source: Source, mut routes: Vec<MadeRoute>) -> MadeHost {
    routes.sort_by_key(|(route, ..)| http_route::takes_all(&route.matcher));
    host.routes = routes.iter().map(|(route, ..)| route.clone()).collect();
    MadeHost {
        host,
        because,
        source,
        routes: routes.into_iter().map(|(_, because, source)| (because, source)).collect(),
    }
}
