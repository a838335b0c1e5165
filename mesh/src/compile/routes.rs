//! Routes: which cluster an HTTP request goes to.

use std::collections::{BTreeMap, BTreeSet};

use envoy_api::{
    Decorator, DirectResponseAction, Listener, NetworkFilter, RetryPolicy, Route, RouteAction, RouteConfiguration,
    RouteMatch, TlsRequirement, VirtualHost,
};

use super::{
    Compiler, Resource,
    balancing::hash_policy,
    filters::seconds,
    names,
    retries::{retries, retry_twice},
    taken::Taken,
    virtual_hosts::MadeHost,
};
use crate::model::{OutboundTrafficPolicy, Service, ServicePort};

/// Istio's default retries of requests to the app: only requests that never reached it.
const RETRY_INBOUND: &str = "reset-before-request";

impl Compiler<'_> {
    /// RDS: the route configurations that listeners name, each once.
    pub(super) fn routes(&mut self, listeners: &[Listener]) -> Vec<RouteConfiguration> {
        let chains = listeners.iter().flat_map(|l| l.filter_chains.iter().chain(l.default_filter_chain.as_deref()));
        let names: BTreeSet<&str> = chains
            .flat_map(|chain| &chain.filters)
            .filter_map(|filter| match &filter.typed_config {
                NetworkFilter::HttpConnectionManager(http) => http.rds.as_ref(),
                NetworkFilter::TcpProxy(_) | NetworkFilter::SetFilterState(_) | NetworkFilter::Rbac(_) => None,
            })
            .map(|rds| rds.route_config_name.as_str())
            .collect();
        let mut of_ports = BTreeMap::new();
        names.into_iter().map(|name| self.route_configuration(name, &mut of_ports)).collect()
    }

    /// A shared listener's routes are named after its port, and those of a port with detection `HOST:PORT`, for that service
    /// only.
    fn route_configuration(&mut self, name: &str, of_ports: &mut BTreeMap<u16, Vec<MadeHost>>) -> RouteConfiguration {
        let (of_one, port) = match name.rsplit_once(':') {
            Some((host, port)) => (Some(host), port),
            None => (None, name),
        };
        let port = port.parse().unwrap_or_default();
        let made = of_ports.entry(port).or_insert_with(|| self.virtual_hosts(port));
        // That of a service is identified by a domain (`getVirtualHostsForSniffedServicePort`).
        let is_it = |host: &&MadeHost| {
            of_one.is_none_or(|one| host.host.domains.iter().any(|domain| domain == one || domain == name))
        };
        let mut chosen: Vec<MadeHost> = made.iter().filter(is_it).cloned().collect();
        if let ([only], Some(_)) = (&mut chosen[..], of_one) {
            only.host.domains = vec!["*".into()];
        }
        let mut virtual_hosts = self.explained(name, chosen);
        virtual_hosts.sort_by(|a, b| a.name.cmp(&b.name));
        if of_one.is_none() {
            virtual_hosts.push(self.catch_all(name));
        }
        RouteConfiguration {
            name: name.into(),
            virtual_hosts,
            validate_clusters: Some(false),
            ignore_port_in_host_matching: true,
        }
    }

    /// The virtual hosts of a route configuration, with the reasons for them and for their routes noted.
    pub(super) fn explained(&mut self, name: &str, made: Vec<MadeHost>) -> Vec<VirtualHost> {
        let mut virtual_hosts = vec![];
        for MadeHost { host, because, source, routes } in made {
            let resource = Resource::VirtualHost { routes: name.into(), host: host.name.clone() };
            self.because(resource, because, &source);
            for (route, (because, source)) in routes.into_iter().enumerate() {
                let resource = Resource::Route { routes: name.into(), host: host.name.clone(), route };
                self.because(resource, because, &source);
            }
            virtual_hosts.push(host);
        }
        virtual_hosts
    }

    /// The virtual host of a service that no VirtualService is for.
    pub(super) fn service_host(&self, service: &Service, port: &ServicePort) -> VirtualHost {
        let mut route = to_cluster(
            "default",
            names::outbound_cluster(port.port, "", &service.host),
            Some(names::operation(&service.host, port.port)),
            retries(self.mesh.config.default_retries.as_ref(), false),
        );
        if let Some(action) = &mut route.route {
            action.hash_policy = self.hash_of_service(service, port).and_then(hash_policy).into_iter().collect();
        }
        VirtualHost {
            name: format!("{}:{}", service.host, port.port),
            domains: self.domains(service),
            routes: vec![route],
            include_request_attempt_count: true,
            require_tls: TlsRequirement::None,
        }
    }

    /// Every name and address by which an app of this pod may call a service (`generateVirtualHostDomains` in `httproute.go`).
    pub(super) fn domains(&self, service: &Service) -> Vec<String> {
        let mut domains = self.names_of(service);
        if service.is_headless() {
            let of_a_pod: Vec<_> = domains.iter().map(|domain| format!("*.{domain}")).collect();
            domains.extend(of_a_pod);
        }
        domains.extend(service.vips.iter().map(|vip| match vip {
            std::net::IpAddr::V4(vip) => vip.to_string(),
            std::net::IpAddr::V6(vip) => format!("[{vip}]"),
        }));
        // Nothing calls a range by name, but Istio lists it.
        domains.extend(service.entry.iter().flat_map(|entry| &entry.ranges).map(ToString::to_string));
        domains
    }

    /// Every name by which an app of this pod may call a service: its own, and those that stand for it.
    fn names_of(&self, service: &Service) -> Vec<String> {
        let hosts = std::iter::once(service.host.clone()).chain(self.aliases(service));
        hosts.flat_map(|host| self.forms_of(host)).collect()
    }

    /// The SNI that identifies a service: its host, and what stands for it in all forms
    /// (`buildSidecarOutboundTLSFilterChainOpts` in `pilot/pkg/networking/core/tls.go`).
    pub(super) fn server_names_of(&self, service: &Service) -> Vec<String> {
        let aliases = self.aliases(service).flat_map(|alias| self.forms_of(alias));
        std::iter::once(service.host.clone()).chain(aliases).collect()
    }

    /// The hosts that stand for a service, as far as they are known.
    fn aliases(&self, service: &Service) -> impl Iterator<Item = String> {
        let hosts = service.aliases.iter().map(|alias| format!("{alias}.svc.cluster.local"));
        hosts.filter(|alias| self.known.has_alias(&self.pod.name.namespace, service, alias))
    }

    /// A host in all its forms: with a dot at the end, and as one of Kubernetes' shorter (`GenerateAltVirtualHosts`).
    fn forms_of(&self, host: String) -> Vec<String> {
        let mut forms = vec![];
        if host.parse::<std::net::IpAddr>().is_err() {
            forms.push(format!("{host}."));
        }
        let short =
            host.strip_suffix("svc.cluster.local").and_then(|_| host.split_once(".svc.")).map(|(short, _)| short);
        if let Some((short, (name, namespace))) = short.and_then(|short| Some((short, short.split_once('.')?))) {
            forms.extend((namespace == self.pod.name.namespace).then(|| name.to_owned()));
            forms.extend([format!("{short}.svc"), short.to_owned()]);
        }
        forms.insert(0, host);
        forms
    }

    /// The virtual host for unknown hosts.
    fn catch_all(&mut self, routes: &str) -> VirtualHost {
        let (name, route) = match self.mesh.outbound_traffic_policy_of(self.pod).0 {
            OutboundTrafficPolicy::AllowAny => {
                ("allow_any", to_cluster("allow_any", self.unknown_destination(), None, None))
            }
            OutboundTrafficPolicy::RegistryOnly => {
                let direct_response = Some(DirectResponseAction { status: 502, body: None });
                ("block_all", Route { direct_response, ..any_path("block_all") })
            }
        };
        let resource = Resource::VirtualHost { routes: routes.into(), host: name.into() };
        let because = format!("no service{} has the host", self.in_scope());
        self.because(resource, because, &self.source_of_unknown());
        let domains = vec!["*".into()];
        VirtualHost {
            name: name.into(),
            domains,
            routes: vec![route],
            include_request_attempt_count: true,
            require_tls: TlsRequirement::None,
        }
    }

    /// The only route to the app.
    pub(super) fn inbound_routes(&self, cluster: &str, taken: Option<&Taken<'_>>) -> RouteConfiguration {
        let (host, port) = taken.map_or(("", 0), |taken| (taken.host.as_str(), taken.port.port));
        let is_grpc = taken.is_some_and(Taken::is_grpc);
        let retries = if is_grpc { None } else { Some(retry_twice(RETRY_INBOUND)) };
        RouteConfiguration {
            name: cluster.into(),
            virtual_hosts: vec![VirtualHost {
                name: format!("inbound|http|{port}"),
                domains: vec!["*".into()],
                routes: vec![to_cluster("default", cluster.into(), Some(names::operation(host, port)), retries)],
                include_request_attempt_count: false,
                require_tls: TlsRequirement::None,
            }],
            validate_clusters: Some(false),
            ignore_port_in_host_matching: false,
        }
    }
}

pub(super) fn to_cluster(
    name: &str,
    cluster: String,
    operation: Option<String>,
    retry_policy: Option<RetryPolicy>,
) -> Route {
    Route {
        route: Some(RouteAction { cluster, timeout: Some(seconds(0)), retry_policy, ..RouteAction::default() }),
        decorator: operation.map(|operation| Decorator { operation }),
        ..any_path(name)
    }
}

/// A route for all paths, without an action yet.
pub(super) fn any_path(name: &str) -> Route {
    Route {
        name: name.into(),
        matcher: RouteMatch { prefix: Some("/".into()), ..RouteMatch::default() },
        ..Route::default()
    }
}
