//! Gateways (the kind): what the pods that are gateways open.

#[cfg(test)]
mod tests;

use std::{collections::BTreeMap, net::IpAddr};

use super::{
    object::{ObjectName, Source},
    pod::Pod,
    service::{Age, Protocol},
    virtual_service::{VirtualService, hosts_overlap, is_host_within},
};
pub use crate::manifests::sidecar::{ServerTls, ServerTlsMode};

/// A Gateway.
#[derive(Clone, Debug)]
pub struct Gateway {
    pub name: ObjectName,
    /// The labels of the pods; every gateway if empty.
    pub selector: BTreeMap<String, String>,
    pub servers: Vec<Server>,
    /// Its age; smaller is older.
    pub age: Age,
    /// Its document.
    pub source: Source,
}

/// A port that gateways open, and for whom.
#[derive(Clone, Debug)]
pub struct Server {
    /// A port of the gateway's Service, or of its pods.
    pub port: u16,
    pub port_name: String,
    pub protocol: Protocol,
    /// The address that it listens at; all if `None`.
    pub bind: Option<IpAddr>,
    pub hosts: Vec<ServerHost>,
    pub tls: Option<ServerTls>,
    /// Such as `spec.servers[0]`.
    pub source: Source,
}

/// A host of a server.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ServerHost {
    /// The only namespace whose VirtualServices may be for it.
    pub namespace: Option<String>,
    /// A host, perhaps with a wildcard first.
    pub host: String,
}

impl Gateway {
    /// Such as `Gateway default/public`.
    pub fn full_name(&self) -> String {
        format!("Gateway {}", self.id())
    }

    /// `NAMESPACE/NAME`, as VirtualServices refer to it.
    pub fn id(&self) -> String {
        format!("{}/{}", self.name.namespace, self.name.name)
    }

    /// Whether it is for a pod that is a gateway (`mergeGateways` in `pilot/pkg/model/push_context.go`).
    pub fn selects(&self, pod: &Pod) -> bool {
        pod.is_gateway() && self.selector.iter().all(|(key, value)| pod.labels.get(key) == Some(value))
    }
}

impl Server {
    pub fn mode(&self) -> Option<ServerTlsMode> {
        self.tls.as_ref().map(|tls| tls.mode)
    }

    /// Whether TLS passes through it (`IsPassThroughServer` in `pkg/config/gateway/gateway.go`).
    pub fn passes_tls(&self) -> bool {
        matches!(self.mode(), Some(ServerTlsMode::Passthrough | ServerTlsMode::AutoPassthrough))
    }

    /// Whether it reads HTTP inside TLS that it terminates (`IsHTTPSServerWithTLSTermination`).
    pub fn terminates_https(&self) -> bool {
        self.protocol == Protocol::Https && self.tls.is_some() && !self.passes_tls()
    }

    /// Whether it reads HTTP (`IsHTTPServer`).
    pub fn reads_http(&self) -> bool {
        self.protocol.is_http() || self.protocol == Protocol::Https && !self.passes_tls()
    }

    /// Whether it has TLS settings that are not for redirects (`IsTLSServer`).
    pub fn is_tls(&self) -> bool {
        self.tls.is_some() && !self.protocol.is_http()
    }

    /// Whether it answers requests with a redirect to HTTPS.
    pub fn redirects_to_https(&self) -> bool {
        self.tls.as_ref().is_some_and(|tls| tls.https_redirect)
    }

    /// The SNI that identifies it (`GetSNIHostsForServer`).
    pub fn sni_hosts(&self) -> Vec<String> {
        let mut hosts: Vec<String> = self.hosts.iter().map(|one| one.host.clone()).collect();
        hosts.sort();
        hosts.dedup();
        hosts
    }

    /// The hosts that it has in common with a VirtualService, the narrower of each two (`NamesForNamespace` and `Intersection` in
    /// `pkg/config/host/names.go`).
    pub fn hosts_of(&self, rule: &VirtualService) -> Vec<String> {
        let mut common: Vec<String> = vec![];
        for own in self.hosts.iter().filter(|one| one.is_for(&rule.name.namespace)) {
            for other in &rule.hosts {
                let narrower = match (is_host_within(&own.host, other), is_host_within(other, &own.host)) {
                    (true, _) => &own.host,
                    (false, true) => other,
                    (false, false) => continue,
                };
                let narrower = narrower.to_ascii_lowercase();
                if !common.contains(&narrower) {
                    common.push(narrower);
                }
            }
        }
        common
    }

    /// Whether connections to it may follow a VirtualService (`pickMatchingGatewayHosts`).
    pub fn matches(&self, rule: &VirtualService) -> bool {
        let own = || self.hosts.iter().filter(|one| one.is_for(&rule.name.namespace));
        rule.hosts.iter().any(|host| own().any(|one| hosts_overlap(host, &one.host)))
    }
}

impl ServerHost {
    fn is_for(&self, namespace: &str) -> bool {
        self.namespace.as_deref().is_none_or(|own| own == namespace)
    }
}

impl std::fmt::Display for ServerHost {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &self.namespace {
            Some(namespace) => write!(f, "{namespace}/{}", self.host),
            None => f.write_str(&self.host),
        }
    }
}
