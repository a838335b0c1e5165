//! Routes: which cluster an HTTP request goes to.

use std::collections::BTreeSet;

use envoy_api::{
    Decorator, DirectResponseAction, Listener, NetworkFilter, RetryPolicy, Route, RouteAction, RouteConfiguration,
    RouteMatch, VirtualHost,
};

use super::{Compiler, PortClass, Resource, filters::seconds, names};
use crate::model::{ObjectName, OutboundTrafficPolicy, Protocol, Service, ServicePort};

/// Istio's default retries of requests that leave the pod (`pilot/pkg/networking/core/route/retry`).
const RETRY_OUTBOUND: &str = "connect-failure,refused-stream,unavailable,cancelled,retriable-status-codes";
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
                NetworkFilter::TcpProxy(_) | NetworkFilter::SetFilterState(_) => None,
            })
            .map(|rds| rds.route_config_name.as_str())
            .collect();
        names.into_iter().map(|name| self.route_configuration(name)).collect()
    }

    /// A shared listener's routes are named after its port, and those of a port with detection `HOST:PORT`, for that service
    /// only.
    fn route_configuration(&mut self, name: &str) -> RouteConfiguration {
        let mut virtual_hosts = vec![];
        let mut taken = BTreeSet::new();
        for (service, port) in self.service_ports() {
            let is_http = self.client_class(self.destination(service, port)) != PortClass::Tcp;
            let of_all = name == port.port.to_string();
            let of_one = name == names::detected_routes(port.port, &service.host);
            if !is_http || !(of_all || of_one) {
                continue;
            }
            let mut host = self.service_host(service, port);
            if of_one {
                host.domains = vec!["*".into()];
            }
            // Envoy rejects a domain in two virtual hosts.
            host.domains.retain(|domain| taken.insert(domain.clone()));
            if host.domains.is_empty() {
                continue;
            }
            let resource = Resource::VirtualHost { routes: name.into(), host: host.name.clone() };
            self.because(resource, format!("port {} of {}", port.port, service.host), &service.source);
            virtual_hosts.push(host);
        }
        virtual_hosts.sort_by(|a, b| a.name.cmp(&b.name));
        if !name.contains(':') {
            virtual_hosts.push(self.catch_all(name));
        }
        RouteConfiguration {
            name: name.into(),
            virtual_hosts,
            validate_clusters: Some(false),
            ignore_port_in_host_matching: true,
        }
    }

    fn service_host(&self, service: &Service, port: &ServicePort) -> VirtualHost {
        VirtualHost {
            name: format!("{}:{}", service.host, port.port),
            domains: self.domains(service),
            routes: vec![to_cluster(
                "default",
                names::outbound_cluster(port.port, "", &service.host),
                Some(names::operation(&service.host, port.port)),
                retry(RETRY_OUTBOUND),
            )],
            include_request_attempt_count: true,
        }
    }

    /// Every name by which an app of this pod can call a service.
    pub(super) fn domains(&self, service: &Service) -> Vec<String> {
        let mut domains = vec![service.host.clone(), format!("{}.", service.host)];
        if service.entry.is_none() {
            self.add_short_names(&service.name, service.is_headless(), &mut domains);
            for alias in &service.aliases {
                let host = format!("{alias}.svc.cluster.local");
                domains.extend([format!("{host}."), host]);
                self.add_short_names(alias, false, &mut domains);
            }
        }
        domains.extend(service.vips.iter().map(|vip| match vip {
            std::net::IpAddr::V4(vip) => vip.to_string(),
            std::net::IpAddr::V6(vip) => format!("[{vip}]"),
        }));
        // Nothing calls a range by name, but Istio lists it.
        domains.extend(service.entry.iter().flat_map(|entry| &entry.ranges).map(ToString::to_string));
        domains
    }

    fn add_short_names(&self, name: &ObjectName, is_headless: bool, domains: &mut Vec<String>) {
        let short = format!("{}.{}", name.name, name.namespace);
        if name.namespace == self.pod.name.namespace {
            domains.push(name.name.clone());
        }
        domains.extend([format!("{short}.svc"), short]);
        if is_headless {
            let of_a_pod: Vec<_> = domains.iter().map(|domain| format!("*.{domain}")).collect();
            domains.extend(of_a_pod);
        }
    }

    /// The virtual host for unknown hosts.
    fn catch_all(&mut self, routes: &str) -> VirtualHost {
        let policy = self.mesh.config.outbound_traffic_policy;
        let (name, route) = match policy {
            OutboundTrafficPolicy::AllowAny => {
                let cluster = names::PASSTHROUGH_CLUSTER.into();
                ("allow_any", to_cluster("allow_any", cluster, None, None))
            }
            OutboundTrafficPolicy::RegistryOnly => {
                let direct_response = Some(DirectResponseAction { status: 502, body: None });
                ("block_all", Route { direct_response, ..any_path("block_all") })
            }
        };
        let resource = Resource::VirtualHost { routes: routes.into(), host: name.into() };
        let source = self.mesh.config.source.at("outboundTrafficPolicy.mode");
        self.because(resource, "no service has the host", &source);
        let domains = vec!["*".into()];
        VirtualHost { name: name.into(), domains, routes: vec![route], include_request_attempt_count: true }
    }

    /// The only route to the app.
    pub(super) fn inbound_routes(
        &self,
        cluster: &str,
        service: Option<(&Service, &ServicePort)>,
    ) -> RouteConfiguration {
        let (host, port) = service.map_or(("", 0), |(service, port)| (service.host.as_str(), port.port));
        let is_grpc = service.is_some_and(|(_, port)| matches!(port.protocol, Protocol::Grpc | Protocol::GrpcWeb));
        let retries = if is_grpc { None } else { retry(RETRY_INBOUND) };
        RouteConfiguration {
            name: cluster.into(),
            virtual_hosts: vec![VirtualHost {
                name: format!("inbound|http|{port}"),
                domains: vec!["*".into()],
                routes: vec![to_cluster("default", cluster.into(), Some(names::operation(host, port)), retries)],
                include_request_attempt_count: false,
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
        route: Some(RouteAction { cluster, timeout: Some(seconds(0)), retry_policy }),
        decorator: operation.map(|operation| Decorator { operation }),
        ..any_path(name)
    }
}

/// A route for all paths, without an action yet.
pub(super) fn any_path(name: &str) -> Route {
    Route {
        name: name.into(),
        matcher: RouteMatch { prefix: Some("/".into()), path: None, headers: vec![] },
        route: None,
        direct_response: None,
        decorator: None,
    }
}

fn retry(retry_on: &str) -> Option<RetryPolicy> {
    Some(RetryPolicy {
        retry_on: retry_on.into(),
        num_retries: Some(2),
        retriable_status_codes: vec![],
        retry_back_off: None,
    })
}
