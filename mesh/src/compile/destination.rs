//! A destination: a service's port, or a subset of the pods behind it, with the DestinationRule that this client follows.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    net::IpAddr,
};

use serde_json::{Map, Value};

use super::{Compiler, PortClass, names};
use crate::model::{
    ClientTls, ClientTlsMode, ConnectionPool, DestinationRule, EntryEndpoint, Family, LoadBalancer, Mesh, MtlsMode,
    ObjectName, OutlierDetection, Pod, Resolution, Service, ServicePort, Settings, SimpleLoadBalancer, Source, Subset,
    TLS_MODE_ISTIO, TLS_MODE_LABEL,
};

/// The destination of a cluster.
#[derive(Clone, Copy)]
pub(super) struct Destination<'a> {
    pub(super) service: &'a Service,
    pub(super) port: &'a ServicePort,
    /// The rule for this client and the service.
    pub(super) rule: Option<&'a DestinationRule>,
    /// `None` is all pods.
    subset: Option<&'a Subset>,
    /// The rule that asks for mode PASSTHROUGH, with its place, in a mesh that has it.
    pub(super) passthrough: Option<&'a (String, Source)>,
}

/// An endpoint of a destination.
pub(super) struct Target<'a> {
    /// Its address, or a name.
    pub(super) host: String,
    pub(super) port: u16,
    /// Whether it is marked for mTLS.
    pub(super) mtls: bool,
    pub(super) because: String,
    pub(super) source: &'a Source,
}

/// What ServiceEntries make, by host.
pub(super) type Entries<'a> = HashMap<&'a str, Vec<&'a Service>>;

/// What the ServiceEntries of a mesh make, by host.
pub(super) fn entries(mesh: &Mesh) -> Entries<'_> {
    let mut by_host = Entries::new();
    for entry in &mesh.entries {
        by_host.entry(entry.host.as_str()).or_default().push(entry);
    }
    by_host
}

impl<'a> Compiler<'a> {
    /// The settings of the client's sidecar for a destination.
    pub(super) fn client_class(&self, destination: Destination<'_>) -> PortClass {
        match self.class(destination.port.protocol) {
            _ if destination.passthrough.is_some() => PortClass::Tcp,
            // A gateway speaks HTTP/1.1 to a port whose protocol is detected (`setH2Options` in `cluster_builder.go`).
            PortClass::Detected if self.pod.is_gateway() => PortClass::Tcp,
            class => class,
        }
    }

    /// A service's port as this pod's sidecar sees it.
    pub(super) fn destination(&self, service: &'a Service, port: &'a ServicePort) -> Destination<'a> {
        let rule = self.mesh.destination_rules.find(self.pod, &service.host, &service.name.namespace);
        let asked = rule.and_then(|rule| rule.passthrough.as_ref());
        let passthrough = asked.filter(|_| self.decisions.has_passthrough);
        Destination { service, port, rule, subset: None, passthrough }
    }
}

impl<'a> Destination<'a> {
    /// The subsets that the rule names.
    pub(super) fn subsets(self) -> impl Iterator<Item = Self> {
        let subsets = self.rule.into_iter().flat_map(|rule| &rule.subsets);
        subsets.map(move |subset| Self { subset: Some(subset), ..self })
    }

    pub(super) fn cluster_name(self) -> String {
        names::outbound_cluster(self.port.port, self.subset_name(), &self.service.host)
    }

    /// The SNI of mesh traffic.
    pub(super) fn mesh_sni(self) -> String {
        names::mesh_sni(self.port.port, self.subset_name(), &self.service.host)
    }

    fn subset_name(self) -> &'a str {
        self.subset.map_or("", |subset| &subset.name)
    }

    /// The place of the destination in the manifests.
    pub(super) fn source(self) -> &'a Source {
        self.subset.map_or(&self.service.source, |subset| &subset.source)
    }

    /// The rule's TLS settings for it; without any, automatic mTLS decides.
    pub(super) fn tls(self) -> Option<&'a ClientTls> {
        self.rule?.tls(self.port.port, self.subset.map(|subset| subset.name.as_str()))
    }

    /// The limits that the rule sets.
    pub(super) fn connection_pool(self) -> Option<&'a ConnectionPool> {
        self.setting(|settings| settings.connection_pool.as_ref())
    }

    /// How the rule has endpoints chosen.
    pub(super) fn load_balancer(self) -> Option<&'a LoadBalancer> {
        self.setting(|settings| settings.load_balancer.as_ref())
    }

    /// Which endpoints the rule leaves out for a while.
    pub(super) fn outlier_detection(self) -> Option<&'a OutlierDetection> {
        self.setting(|settings| settings.outlier_detection.as_ref())
    }

    /// One of the rule's settings for it.
    pub(super) fn setting<T>(self, which: impl Fn(&'a Settings) -> Option<&'a T>) -> Option<&'a T> {
        self.rule?.setting(self.port.port, self.subset.map(|subset| subset.name.as_str()), which)
    }

    /// Whether its TLS uses the user's settings, and thus offers no ALPN of the mesh.
    pub(super) fn has_own_tls(self) -> bool {
        self.tls().is_some_and(|tls| matches!(tls.spec.mode, ClientTlsMode::Simple | ClientTlsMode::Mutual))
    }

    /// The names of which the server's certificate must have one: a DestinationRule's, else those of a ServiceEntry
    /// (`constructUpstreamTLS` in `pilot/pkg/networking/core/cluster_tls.go`).
    pub(super) fn own_names(self, of_rule: &[String], mesh: &Mesh) -> Vec<String> {
        match &self.service.entry {
            Some(_) if of_rule.is_empty() => self.entry_names(mesh),
            _ => of_rule.to_vec(),
        }
    }

    /// The names of which a ServiceEntry's endpoint must have one: those that the youngest entry of its host in its namespace lists, and
    /// those of the service accounts that the endpoints of all of them run as (`addServiceAccounts` in
    /// `pilot/pkg/model/push_context.go`).
    pub(super) fn entry_names(self, mesh: &Mesh) -> Vec<String> {
        let Service { host, name, .. } = self.service;
        let alike = || mesh.entries.iter().filter(|other| other.host == *host && other.name == *name);
        let entries = || alike().filter_map(|other| other.entry.as_ref());
        let accounts = entries().flat_map(|entry| &entry.endpoints).map(|endpoint| &endpoint.service_account);
        let ids = accounts
            .filter(|account| !account.is_empty())
            .flat_map(|account| mesh.config.spiffe_ids(&name.namespace, account));
        let listed = entries().next_back().into_iter().flat_map(|entry| entry.subject_alt_names.clone());
        let mut names: Vec<String> = listed.chain(ids).collect();
        names.sort();
        names.dedup();
        names
    }

    /// Whether automatic mTLS is for the destination, and why. It looks only at what the service's namespace and the mesh say
    /// (`PushContext.BestEffortInferServiceMTLSMode`), and for a headless service, whose endpoints carry no metadata, at
    /// whether all of its pods have a sidecar.
    pub(super) fn auto_mtls(self, mesh: &'a Mesh, entries: &Entries<'a>) -> (bool, String, Source) {
        let never = |because: String, source: Source| (false, because, source);
        let Service { host, entry, source, name, .. } = self.service;
        if entry.as_ref().is_some_and(|entry| entry.external) {
            let because = "MESH_EXTERNAL: automatic mTLS does not apply outside the mesh";
            return never(because.into(), source.at("spec.location"));
        }
        let asks_to_pass = self.asks_to_pass();
        let is_passed_on = entry.as_ref().is_some_and(|entry| entry.resolution == Resolution::None || asks_to_pass);
        let is_headless = self.service.is_headless() || entry.is_none() && asks_to_pass;
        if is_passed_on && self.entry_endpoints(entries).next().is_none() {
            return never("resolution NONE: its endpoints are unknown".into(), source.at("spec.resolution"));
        }
        if let Some(endpoint) = self.entry_endpoints(entries).find(|endpoint| is_passed_on && !endpoint.says_mtls) {
            let because = format!("resolution NONE, and {} does not say that it takes mTLS", endpoint.address);
            return never(because, endpoint.source.clone());
        }
        let mut pods = self.port.endpoints.iter().map(|endpoint| &mesh.pods[endpoint.pod]);
        if is_headless && pods.len() == 0 {
            return never(format!("{host} has no pods"), source.clone());
        }
        if let Some(pod) = pods.find(|pod| is_headless && !takes_mtls(pod)) {
            let because = format!("headless, and its pod {} has no sidecar: plaintext for all", pod.name);
            return never(because, pod.injection.source.clone());
        }
        let level = mesh.namespace_modes.get(&name.namespace);
        if let Some(level) = level.filter(|level| level.mode == MtlsMode::Disable) {
            return never(format!("{} says DISABLE for the namespace", level.by), level.source.clone());
        }
        let by_default = Source::default_of("enableAutoMtls: true");
        if is_passed_on {
            let because = "resolution NONE, and all of its endpoints say that they take mTLS: mTLS for all";
            return (true, because.into(), source.at("spec.resolution"));
        }
        if is_headless {
            let because = "headless, and all of its pods have a sidecar: mTLS for all";
            return (true, because.into(), by_default);
        }
        let (because, source) = match entry {
            Some(_) => {
                let because = "MESH_INTERNAL: automatic mTLS to the endpoints marked for it";
                (because, source.at("spec.location"))
            }
            None => ("automatic mTLS: to the endpoints that have a sidecar", by_default),
        };
        (true, because.into(), source)
    }

    /// Whether the rule says that calls go on to where they were going, of the whole destination or of the subset
    /// (`BestEffortInferServiceMTLSMode` looks at no ports).
    fn asks_to_pass(self) -> bool {
        let policy = match self.subset {
            Some(subset) => subset.traffic_policy.as_ref(),
            None => self.rule.and_then(|rule| rule.traffic_policy.as_ref()),
        };
        let balancer = policy.and_then(|policy| policy.whole.load_balancer.as_ref());
        balancer.is_some_and(|balancer| balancer.simple == Some(SimpleLoadBalancer::Passthrough))
    }

    /// Its endpoints: pods and WorkloadEntries, or what a ServiceEntry lists.
    pub(super) fn targets(self, mesh: &'a Mesh, entries: &Entries<'a>) -> Vec<Target<'a>> {
        let (mut targets, endpoints): (_, Vec<_>) = match &self.service.entry {
            Some(_) => (vec![], self.entry_endpoints(entries).collect()),
            None => {
                let of_port = |endpoint: &&EntryEndpoint| endpoint.for_port == self.port.port;
                (self.pods(&mesh.pods), self.service.workloads.iter().filter(of_port).collect())
            }
        };
        let endpoints = endpoints.into_iter().filter(|endpoint| self.is_in_subset(&endpoint.labels));
        let target = |endpoint: &'a EntryEndpoint| Target {
            host: endpoint.address.clone(),
            port: endpoint.port,
            mtls: match self.ruled_mark() {
                Some(tls) => tls.spec.mode == ClientTlsMode::IstioMutual && endpoint.says_mtls,
                None => endpoint.takes_mtls,
            },
            because: match self.service.entry.as_ref().map(|entry| entry.resolution) {
                Some(Resolution::Dns | Resolution::DnsRoundRobin) => format!("an address of {}", endpoint.address),
                Some(Resolution::None | Resolution::Static) => format!("an endpoint of {}", self.service.host),
                None => format!("a WorkloadEntry that {} selects", self.service.host),
            },
            source: &endpoint.source,
        };
        targets.extend(endpoints.map(target));
        targets
    }

    /// The endpoints that entries of its host in its namespace list, which Istio keeps together (`CopyEndpoints` in
    /// `pilot/pkg/model/endpointshards.go`, `BuildClusterLoadAssignment` in `pilot/pkg/xds/endpoints/endpoint_builder.go`): addresses for
    /// ports of its port's name where they are sent by themselves, else all for ports of its number.
    fn entry_endpoints(self, entries: &Entries<'a>) -> impl Iterator<Item = &'a EntryEndpoint> + use<'a> {
        let Service { host, name, entry, .. } = self.service;
        let is_static = entry.as_ref().is_some_and(|entry| entry.resolution == Resolution::Static);
        let of_host = entries.get(host.as_str()).cloned().unwrap_or_default();
        let alike = of_host.into_iter().filter(move |other| other.name == *name);
        let endpoints = alike.flat_map(|other| {
            let by_turns = other.entry.as_ref().is_some_and(|entry| entry.resolution == Resolution::DnsRoundRobin);
            other.entry_endpoints().map(move |(port, endpoint)| (by_turns, port, endpoint))
        });
        // An entry whose name is resolved by turns adds nothing to a port that has an endpoint, its own or an older entry's
        // (`mergeServicesInstancesByNamespaceHost` in `pilot/pkg/serviceregistry/serviceentry/conversion.go`).
        let mut taken = BTreeSet::new();
        endpoints
            .filter(move |(by_turns, port, _)| taken.insert(port.port) || !by_turns)
            .filter(move |(_, port, endpoint)| match is_static {
                true => port.name == self.port.name && endpoint.is_address(),
                false => port.port == self.port.port,
            })
            .map(|(_, _, endpoint)| endpoint)
    }

    fn is_in_subset(self, labels: &BTreeMap<String, String>) -> bool {
        let asked = self.subset.into_iter().flat_map(|subset| &subset.labels);
        asked.into_iter().all(|(key, value)| labels.get(key) == Some(value))
    }

    /// Its pods, each at its address in the family of the service's first virtual address, as Istio tries a dual-stack
    /// pod's addresses in order. Those of a headless service are at all of their addresses.
    fn pods(self, pods: &'a [Pod]) -> Vec<Target<'a>> {
        let family = self.service.vips.first().map(|vip| Family::of(*vip));
        let endpoints = self.port.endpoints.iter().map(|endpoint| (&pods[endpoint.pod], endpoint.port));
        endpoints
            .filter(|(pod, _)| self.is_in_subset(&pod.labels))
            .flat_map(|(pod, port)| {
                let mut ips: Vec<IpAddr> = match family {
                    Some(Family::Ipv4) => vec![pod.ips.v4.into()],
                    Some(Family::Ipv6) => vec![pod.ips.v6.into()],
                    None => pod.addresses(),
                };
                ips.retain(|ip| family.is_some() || self.service.families.contains(&Family::of(*ip)));
                ips.into_iter().map(move |ip| {
                    let (mtls, because, source) = self.marks(pod, port);
                    Target { host: ip.to_string(), port, mtls, because, source }
                })
            })
            .collect()
    }

    /// The TLS settings by which the rule marks endpoints, or does not.
    fn ruled_mark(self) -> Option<&'a ClientTls> {
        self.rule?.endpoint_tls(self.port.port, self.subset.map(|subset| subset.name.as_str()))
    }

    /// What Istio notes on its cluster for its metrics, and for its filter `istio.alpn` (`applyDestinationRule` and
    /// `buildSubsetCluster` in `pilot/pkg/networking/core/cluster_builder.go`).
    pub(super) fn notes(self) -> Map<String, Value> {
        let mut notes = Map::new();
        match self.subset {
            Some(subset) => drop(notes.insert("subset".into(), subset.name.clone().into())),
            None if self.service.entry.as_ref().is_some_and(|entry| entry.external) => {
                notes.insert("external".into(), true.into());
            }
            None => {}
        }
        notes.extend(self.rule.map(config_note));
        if self.has_own_tls() {
            notes.insert("alpn_override".into(), "false".into());
        }
        notes
    }

    /// Whether an endpoint is marked for mTLS, and why (`pilot/pkg/xds/endpoints/mtls_checker.go`).
    fn marks(self, pod: &'a Pod, port: u16) -> (bool, String, &'a Source) {
        if let Some((by, source)) = self.passthrough {
            return (false, format!("{by} is annotated PASSTHROUGH"), source);
        }
        if let Some(tls) = self.ruled_mark() {
            let mode = tls.spec.mode;
            // Istio marks none that does not say itself that it takes mTLS (`AppendLbEndpointMetadata` in `networking/util/util.go`).
            let is_marked = mode == ClientTlsMode::IstioMutual && takes_mtls(pod);
            return (is_marked, format!("{} says {}", tls.by, mode.name()), &tls.source);
        }
        let mode = pod.peer_authentication.on_port(port);
        if pod.is_gateway() && !takes_mtls(pod) {
            (false, format!("{} is a gateway: automatic mTLS is not for gateways", pod.name), &pod.injection.source)
        } else if !takes_mtls(pod) {
            (false, format!("{} has no sidecar: plaintext", pod.name), &pod.injection.source)
        } else if mode.mode == MtlsMode::Disable {
            (false, format!("{} says DISABLE for port {port} of {}: plaintext", mode.by, pod.name), &mode.source)
        } else {
            (true, format!("{} has a sidecar: mTLS", pod.name), &pod.injection.source)
        }
    }
}

/// What Istio notes of a rule on the clusters that it shapes.
pub(super) fn config_note(rule: &DestinationRule) -> (String, Value) {
    let DestinationRule { namespace, name, .. } = rule;
    let path = format!("/apis/networking.istio.io/v1/namespaces/{namespace}/destination-rule/{name}");
    ("config".into(), path.into())
}

/// What Istio notes of a VirtualService on the routes that it makes.
pub(super) fn virtual_service_note(name: &ObjectName) -> BTreeMap<String, Map<String, Value>> {
    let ObjectName { namespace, name } = name;
    let path = format!("/apis/networking.istio.io/v1/namespaces/{namespace}/virtual-service/{name}");
    BTreeMap::from([("istio".into(), Map::from_iter([("config".into(), path.into())]))])
}

/// Whether a pod says that it takes mTLS: injection's label, which is all that Istio looks at.
fn takes_mtls(pod: &Pod) -> bool {
    pod.labels.get(TLS_MODE_LABEL).is_some_and(|mode| mode == TLS_MODE_ISTIO)
}
