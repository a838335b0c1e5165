//! DestinationRules: how clients' sidecars speak to a destination.

use std::{
    collections::{BTreeMap, BTreeSet},
    ops::Bound,
};

use super::{object::Source, pod::Pod};
pub use crate::manifests::{
    destination_rule::{ClientTlsMode, TlsSpec},
    traffic_policy::{
        ConnectionPool, ConsistentHash, H2UpgradePolicy, LoadBalancer, OutlierDetection, SimpleLoadBalancer,
    },
};

/// All rules, indexed for lookup (`pilot/pkg/model/push_context.go`).
#[derive(Clone, Debug, Default)]
pub struct DestinationRules {
    /// By the rules' namespace: those visible to clients in it.
    pub(crate) local: BTreeMap<String, RulesByHost>,
    /// By the rules' namespace: those visible to clients in other namespaces.
    pub(crate) exported: BTreeMap<String, RulesByHost>,
    /// The private rules of the root namespace.
    pub(crate) root_private: RulesByHost,
    /// The root namespace.
    pub(crate) root: String,
    /// The scope of each rule, in the order of documents.
    pub(crate) heads: Vec<RuleHead>,
}

/// The scope of a rule: its host, and the clients that it applies to.
#[derive(Clone, Debug)]
pub struct RuleHead {
    /// Such as `DestinationRule default/server`.
    pub full_name: String,
    /// Its host in full, perhaps with a wildcard first.
    pub host: String,
    pub namespace: String,
    /// The namespaces that it is exported to, as written.
    pub export_to: BTreeSet<String>,
    /// The labels of the clients in its namespace that it applies to; `None` for all.
    pub workload_selector: Option<BTreeMap<String, String>>,
    pub source: Source,
}

impl RuleHead {
    /// Whether it is for a service of this host.
    pub fn is_for(&self, host: &str) -> bool {
        match self.host.strip_prefix('*') {
            Some(suffix) => host.ends_with(suffix),
            None => self.host == host,
        }
    }

    /// Whether clients of a namespace may see it.
    pub fn is_exported_to(&self, namespace: &str) -> bool {
        let names = &self.export_to;
        let at_home = names.contains(".") && self.namespace == namespace;
        names.is_empty() || names.contains("*") || names.contains(namespace) || at_home
    }
}

/// The rules of one namespace, by host.
pub(crate) type RulesByHost = BTreeMap<String, Vec<DestinationRule>>;

/// One rule, or several of one host merged.
#[derive(Clone, Debug)]
pub struct DestinationRule {
    /// Its host in full, perhaps with a wildcard first.
    pub host: String,
    pub namespace: String,
    /// The name of the first rule that it is merged from.
    pub name: String,
    /// The rules that it is merged from: their names, such as `DestinationRule default/server`, and places.
    pub from: Vec<(String, Source)>,
    /// The namespaces that it is exported to, as written.
    pub export_to: BTreeSet<String>,
    /// The clients of its namespace that it applies to; `None` is all.
    pub workload_selector: Option<BTreeMap<String, String>>,
    /// Settings of the whole destination.
    pub traffic_policy: Option<TrafficPolicy>,
    /// Named sets of its pods.
    pub subsets: Vec<Subset>,
    /// The document that requests the textbook's mode PASSTHROUGH, with its place.
    pub passthrough: Option<(String, Source)>,
}

/// A named set of a destination's pods.
#[derive(Clone, Debug)]
pub struct Subset {
    pub name: String,
    /// The labels of its pods.
    pub labels: BTreeMap<String, String>,
    /// Settings that replace the rule's.
    pub traffic_policy: Option<TrafficPolicy>,
    /// Its place in the manifests.
    pub source: Source,
}

/// Settings of a destination and its ports.
#[derive(Clone, Debug, PartialEq)]
pub struct TrafficPolicy {
    /// Who set them, such as `DestinationRule default/server`.
    pub by: String,
    /// For the whole destination.
    pub whole: Settings,
    /// For single ports of the service. A port with an entry inherits nothing from the whole destination.
    pub ports: BTreeMap<u16, Settings>,
}

/// Settings of a destination or one of its ports.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Settings {
    pub tls: Option<ClientTls>,
    pub connection_pool: Option<ConnectionPool>,
    pub outlier_detection: Option<OutlierDetection>,
    pub load_balancer: Option<LoadBalancer>,
}

/// TLS settings, with their document.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClientTls {
    pub spec: TlsSpec,
    /// Such as `DestinationRule default/server`.
    pub by: String,
    /// The place of the decisive field.
    pub source: Source,
    /// Whether the rule has a client selector; otherwise Istio ignores `credentialName`.
    pub selected_clients: bool,
}

impl DestinationRules {
    /// The rule that a client's sidecar follows for a host of a service in a namespace: in the client's namespace, else in
    /// the service's, else in the root namespace. In each the most specific host wins, and a rule that selects this
    /// client takes precedence over one for all.
    pub fn find(&self, client: &Pod, host: &str, service_namespace: &str) -> Option<&DestinationRule> {
        let namespace = client.name.namespace.as_str();
        let rules = self.seen(namespace, host, service_namespace)?;
        let selects_client = |rule: &&&DestinationRule| {
            let selector = rule.workload_selector.as_ref().filter(|_| rule.namespace == namespace);
            selector.is_some_and(|selector| selector.iter().all(|(k, v)| client.labels.get(k) == Some(v)))
        };
        let for_all = || rules.iter().rev().find(|rule| rule.workload_selector.is_none());
        rules.iter().find(selects_client).or_else(for_all).copied()
    }

    /// The rule that a server's sidecar follows for its own service: one for all clients (`DestinationRule` in
    /// `pilot/pkg/model/sidecar.go`).
    pub fn find_inbound(&self, server: &Pod, host: &str, service_namespace: &str) -> Option<&DestinationRule> {
        let rules = self.seen(&server.name.namespace, host, service_namespace)?;
        rules.into_iter().rev().find(|rule| rule.workload_selector.is_none())
    }

    /// The rules that sidecars of a namespace see for a host of a service in a namespace.
    fn seen(&self, namespace: &str, host: &str, service_namespace: &str) -> Option<Vec<&DestinationRule>> {
        let own = if namespace == self.root { Some(&self.root_private) } else { self.local.get(namespace) };
        let own = own.and_then(|rules| most_specific(rules, host)).map(|rules| rules.iter().collect::<Vec<_>>());
        let exported = |from: &str| {
            let rules = most_specific(self.exported.get(from)?, host)?;
            let visible: Vec<_> = rules.iter().filter(|rule| rule.is_exported_to(namespace)).collect();
            (!visible.is_empty()).then_some(visible)
        };
        own.or_else(|| exported(service_namespace)).or_else(|| exported(&self.root))
    }

    /// All rules of a namespace.
    pub(crate) fn of_namespace(&self, namespace: &str) -> impl Iterator<Item = &DestinationRule> {
        let own = [self.local.get(namespace), self.exported.get(namespace)].into_iter().flatten();
        let root = (namespace == self.root).then_some(&self.root_private);
        own.chain(root).flat_map(BTreeMap::values).flatten()
    }

    /// The rules of a namespace for exactly this host, merged into one if possible.
    pub(crate) fn of_host(&self, namespace: &str, host: &str) -> Vec<&DestinationRule> {
        let own = [self.local.get(namespace), self.exported.get(namespace)].into_iter().flatten();
        own.chain([&self.root_private]).filter_map(|rules| rules.get(host)).flatten().collect()
    }
}

/// The rules of the exact host, else of the longest wildcard that it ends in.
fn most_specific<'a>(rules: &'a RulesByHost, host: &str) -> Option<&'a Vec<DestinationRule>> {
    let matches = |wildcard: &str| wildcard.strip_prefix('*').is_some_and(|suffix| host.ends_with(suffix));
    let exact = rules.get(host).filter(|_| !host.starts_with('*'));
    exact.or_else(|| {
        // The wildcards, and only they, sort between these two.
        rules
            .range::<str, _>((Bound::Included("*"), Bound::Excluded("+")))
            .filter(|(wildcard, _)| matches(wildcard))
            .max_by_key(|(wildcard, _)| wildcard.len())
            .map(|(_, r)| r)
    })
}

impl DestinationRule {
    fn is_exported_to(&self, namespace: &str) -> bool {
        self.export_to.is_empty() || self.export_to.contains("*") || self.export_to.contains(namespace)
    }

    pub fn subset(&self, name: &str) -> Option<&Subset> {
        self.subsets.iter().find(|subset| subset.name == name)
    }

    /// Whether it says nothing but the TLS settings of its whole destination.
    pub fn is_about_tls_alone(&self) -> bool {
        let of_ports = self.traffic_policy.as_ref().is_some_and(|policy| !policy.ports.is_empty());
        let whole = self.traffic_policy.as_ref().map(|policy| &policy.whole);
        let says_more = whole.is_some_and(|whole| Settings { tls: None, ..whole.clone() } != Settings::default());
        self.subsets.is_empty() && !of_ports && !says_more
    }

    /// The TLS settings that the cluster of a service's port is built with. `None` leaves it to automatic mTLS.
    pub fn tls(&self, port: u16, subset: Option<&str>) -> Option<&ClientTls> {
        self.setting(port, subset, |settings| settings.tls.as_ref())
    }

    /// One of the settings that the cluster of a service's port is built with, of the whole service or a subset: a port's
    /// settings replace those of the destination, and a subset's those of the rule (`MergeSubsetTrafficPolicy` in
    /// `pilot/pkg/networking/util/util.go`).
    pub fn setting<'a, T>(
        &'a self,
        port: u16,
        subset: Option<&str>,
        which: impl Fn(&'a Settings) -> Option<&'a T>,
    ) -> Option<&'a T> {
        let of_rule = self.traffic_policy.as_ref().and_then(|policy| which(policy.of_port(port).0));
        let of_subset = subset.and_then(|name| self.subset(name)).and_then(|subset| subset.traffic_policy.as_ref());
        match of_subset.map(|policy| policy.of_port(port)) {
            Some((settings, true)) => which(settings),
            Some((settings, false)) => which(settings).or(of_rule),
            None => of_rule,
        }
    }

    /// The TLS settings whose mode decides whether endpoints are marked for mTLS: only ISTIO_MUTUAL does (`pilot/pkg/xds/endpoints/mtls_checker.go`). Unlike
    /// [`Self::tls`], a port without TLS settings falls back to those of the destination.
    pub fn endpoint_tls(&self, port: u16, subset: Option<&str>) -> Option<&ClientTls> {
        let of_rule = self.traffic_policy.as_ref().and_then(|policy| policy.with_fallback(port));
        match subset {
            None => of_rule,
            Some(name) => {
                let of_subset = self.subset(name)?.traffic_policy.as_ref();
                of_subset.and_then(|policy| policy.with_fallback(port)).or(of_rule)
            }
        }
    }
}

impl TrafficPolicy {
    /// The settings of a port, and whether they are its own.
    fn of_port(&self, port: u16) -> (&Settings, bool) {
        match self.ports.get(&port) {
            Some(own) => (own, true),
            None => (&self.whole, false),
        }
    }

    fn with_fallback(&self, port: u16) -> Option<&ClientTls> {
        self.ports.get(&port).and_then(|own| own.tls.as_ref()).or(self.whole.tls.as_ref())
    }
}
