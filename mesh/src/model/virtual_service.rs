//! VirtualServices: where clients' sidecars route what is sent to a host.

use std::collections::BTreeSet;

use super::{
    object::{ObjectName, Source},
    pod::Pod,
    service::Age,
};
pub use crate::manifests::virtual_service::{
    CorsPolicy, Destination, FaultAbort, FaultDelay, HeaderOperations, Headers, HttpDirectResponse, HttpFaultInjection,
    HttpMatch, HttpMirrorPolicy, HttpRedirect, HttpRetry, HttpRewrite, HttpRoute, HttpRouteDestination, L4Match,
    Percent, RedirectPort, RouteDestination, StringMatch, TcpRoute, TlsMatch, TlsRoute, UnmatchedPreflights,
};

/// The gateway that all sidecars together are.
pub const MESH_GATEWAY: &str = "mesh";

/// A VirtualService, with the routes that it delegates in place. Hosts and gateways are full names.
#[derive(Clone, Debug)]
pub struct VirtualService {
    pub name: ObjectName,
    /// The hosts that it is for, perhaps with a wildcard first.
    pub hosts: Vec<String>,
    /// `mesh`, or `NAMESPACE/NAME`; empty is `mesh`.
    pub gateways: Vec<String>,
    /// Its routes of HTTP.
    pub http: Vec<Rule<HttpRoute>>,
    /// Its routes of TLS.
    pub tls: Vec<Rule<TlsRoute>>,
    /// Its routes of TCP.
    pub tcp: Vec<Rule<TcpRoute>>,
    /// To which namespaces, as written.
    pub export_to: BTreeSet<String>,
    /// Its age; smaller is older.
    pub age: Age,
    /// Its document.
    pub source: Source,
}

/// One of a VirtualService's routes.
#[derive(Clone, Debug)]
pub struct Rule<T> {
    /// What it says.
    pub spec: T,
    /// Where: such as `spec.http[1]`, in its document or in the one that it is delegated to.
    pub source: Source,
}

impl HttpMatch {
    /// Whether the caller has the labels, and is in the namespace.
    pub fn is_for_source(&self, caller: &Pod) -> bool {
        let has = |(key, value): (&String, &String)| caller.labels.get(key) == Some(value);
        let namespace = &self.source_namespace;
        self.source_labels.iter().all(has) && (namespace.is_empty() || *namespace == caller.name.namespace)
    }
}

impl VirtualService {
    /// Such as `VirtualService default/reviews`.
    pub fn full_name(&self) -> String {
        format!("VirtualService {}/{}", self.name.namespace, self.name.name)
    }

    /// Whether one of its hosts is this one, a wildcard for it, or covered by it (`getConfigsForHost` in
    /// `pilot/pkg/networking/core/tls.go`).
    pub fn is_for_host(&self, host: &str) -> bool {
        self.hosts.iter().any(|own| hosts_overlap(own, host))
    }

    /// Whether it is for sidecars.
    pub fn is_for_sidecars(&self) -> bool {
        self.gateways.is_empty() || self.gateways.iter().any(|gateway| gateway == MESH_GATEWAY)
    }

    /// Whether it has routes of HTTP for a caller's sidecar. Where it has none, another one for the host counts
    /// (`BuildHTTPRoutesForVirtualService` in `pilot/pkg/networking/core/route/route.go`).
    pub fn has_http_for(&self, caller: &Pod) -> bool {
        self.has_http(|matched| match matched.gateways.is_empty() {
            true => matched.is_for_source(caller),
            false => matched.gateways.iter().any(|gateway| gateway == MESH_GATEWAY),
        })
    }

    /// Whether it has routes of HTTP for all sidecars.
    pub fn has_http_for_all(&self) -> bool {
        self.has_http(|matched| matched.source_labels.is_empty() && matched.source_namespace.is_empty())
    }

    fn has_http(&self, is_for: impl Fn(&HttpMatch) -> bool) -> bool {
        self.http.iter().any(|rule| rule.spec.matches.is_empty() || rule.spec.matches.iter().any(&is_for))
    }

    /// How widely a namespace sees it: 0 as private to it, 1 as exported to it by name, 2 as for all (`initVirtualServices` in
    /// `pilot/pkg/model/push_context.go`).
    fn rank(&self, namespace: &str) -> Option<u8> {
        let (own, names) = (self.name.namespace == namespace, &self.export_to);
        if names.is_empty() || names.contains("*") {
            return Some(2);
        }
        if names.contains("~") {
            return None;
        }
        if own && (names.contains(".") || names.contains(namespace)) {
            return Some(0);
        }
        names.contains(namespace).then_some(1)
    }
}

/// The VirtualServices that a pod's sidecar sees, in the order in which they count (`SelectVirtualServices` in
/// `pilot/pkg/model/virtualservice.go`).
pub fn seen_by<'a>(all: &'a [VirtualService], client: &Pod) -> Vec<&'a VirtualService> {
    seen_at(all, client, VirtualService::is_for_sidecars)
}

/// The VirtualServices for a Gateway (`NAMESPACE/NAME`) that a pod's proxy sees, in the order in which they count
/// (`VirtualServicesForGateway` in `pilot/pkg/model/push_context.go`).
pub fn seen_at_gateway<'a>(all: &'a [VirtualService], gateway: &str, proxy: &Pod) -> Vec<&'a VirtualService> {
    seen_at(all, proxy, |service| service.gateways.iter().any(|one| one == gateway))
}

fn seen_at<'a>(
    all: &'a [VirtualService],
    client: &Pod,
    is_there: impl Fn(&VirtualService) -> bool,
) -> Vec<&'a VirtualService> {
    let mut seen: Vec<(u8, &VirtualService)> = all
        .iter()
        .filter(|service| is_there(service))
        .filter_map(|service| Some((service.rank(&client.name.namespace)?, service)))
        .collect();
    seen.sort_by_key(|(rank, service)| (*rank, service.age.clone()));
    seen.into_iter().map(|(_, service)| service).collect()
}

/// Whether one host covers the other, of which either may have a wildcard (`Matches` in `pkg/config/host/name.go`).
pub fn hosts_overlap(one: &str, other: &str) -> bool {
    is_host_within(one, other) || is_host_within(other, one)
}

/// Whether a host is covered by another, of which either may have a wildcard (`SubsetOf` in `pkg/config/host/name.go`).
pub fn is_host_within(host: &str, other: &str) -> bool {
    match host.strip_prefix('*') {
        Some(suffix) => other.starts_with('*') && is_host_for(other, suffix),
        None => is_host_for(other, host),
    }
}

/// Whether a host of a VirtualService or of an SNI is for this host.
pub fn is_host_for(host: &str, called: &str) -> bool {
    match host.strip_prefix('*') {
        Some(suffix) => {
            called.len() >= suffix.len() && called.to_ascii_lowercase().ends_with(&suffix.to_ascii_lowercase())
        }
        None => host.eq_ignore_ascii_case(called),
    }
}
