//! Everything that manifests define, resolved.

use std::collections::BTreeMap;

use super::{
    authorization::AuthorizationPolicy,
    destination_rule::DestinationRules,
    envoy_filter::EnvoyFilter,
    gateway::Gateway,
    mesh_config::{MeshConfig, OutboundTrafficPolicy},
    not_modelled::{NotModelled, PolicyHead},
    object::{ObjectName, Source},
    peer_authentication::Decided,
    pod::Pod,
    service::{Service, ServicePort},
    sidecar_scope::SidecarScope,
    telemetry::{Provider, Telemetry},
    virtual_service::VirtualService,
    webhook::Webhook,
};

/// Resolved manifests, independent of the mesh compiled from them.
#[derive(Clone, Debug)]
pub struct Resolved {
    pub config: MeshConfig,
    /// Pods in order of namespace and name.
    pub pods: Vec<Pod>,
    /// Kubernetes' services in order of namespace and name.
    pub services: Vec<Service>,
    /// Services of type ExternalName: DNS aliases of hosts.
    pub external_names: Vec<ExternalName>,
    /// The services of ServiceEntries, one for each host, the oldest first. Only sidecars know them, not the node or DNS.
    pub entries: Vec<Service>,
    /// DestinationRules, as clients look them up.
    pub destination_rules: DestinationRules,
    /// AuthorizationPolicies, the oldest first.
    pub authorization_policies: Vec<AuthorizationPolicy>,
    /// Telemetries, the oldest first.
    pub telemetries: Vec<Telemetry>,
    /// VirtualServices, the oldest first, with what they delegate in place.
    pub virtual_services: Vec<VirtualService>,
    /// Gateways (the kind), the oldest first.
    pub gateways: Vec<Gateway>,
    /// Sidecars (the kind): those that select pods first, the oldest of each first.
    pub sidecar_scopes: Vec<SidecarScope>,
    /// EnvoyFilters, those of the root namespace first, each namespace's by age.
    pub envoy_filters: Vec<EnvoyFilter>,
    /// The contents of Secrets, by name.
    pub secrets: BTreeMap<ObjectName, BTreeMap<String, Vec<u8>>>,
    /// All namespaces that documents refer to.
    pub namespaces: BTreeMap<String, Namespace>,
    /// The PeerAuthentication mode of each namespace as a whole.
    pub namespace_modes: BTreeMap<String, Decided>,
    /// Admission webhooks, in the order of documents.
    pub webhooks: Vec<Webhook>,
    /// All PeerAuthentications, in the order of documents.
    pub policies: Vec<PolicyHead>,
    /// Objects that are not modelled and may change an answer, in the order of documents.
    pub not_modelled: Vec<NotModelled>,
}

impl Resolved {
    /// The AuthorizationPolicies for a pod, in the order in which istiod looks at them: those of the root namespace first, each
    /// namespace's by age (`ListAuthorizationPolicies` in `pilot/pkg/model/authorization.go`).
    pub fn authorization_of(&self, pod: &Pod) -> Vec<&AuthorizationPolicy> {
        let is_root = |policy: &&AuthorizationPolicy| policy.name.namespace == self.config.root_namespace;
        let mut policies: Vec<_> =
            self.authorization_policies.iter().filter(|policy| policy.is_for(pod, &self.config)).collect();
        policies.sort_by_key(|policy| !is_root(policy));
        policies
    }

    /// The Telemetries for a pod: that of the root namespace, that of its own, and those that select it. What a later one says counts
    /// (`applicableTelemetries` in `pilot/pkg/model/telemetry.go`).
    pub fn telemetries_of(&self, pod: &Pod) -> Vec<&Telemetry> {
        let root = &self.config.root_namespace;
        let of_all = |namespace: &String| {
            let mut all = self.telemetries.iter().filter(|one| one.name.namespace == *namespace);
            all.find(|one| one.is_for_all())
        };
        let own = Some(&pod.name.namespace).filter(|namespace| *namespace != root);
        let wide = [Some(root), own].into_iter().flatten().filter_map(of_all);
        wide.chain(self.telemetries.iter().filter(|one| one.is_for_some(pod))).collect()
    }

    /// The provider of a name.
    pub fn provider(&self, name: &str) -> Option<&Provider> {
        self.config.providers.iter().find(|provider| provider.name.eq_ignore_ascii_case(name))
    }

    /// The Sidecar that limits what a pod's sidecar knows: one of its namespace that selects it, else one of its namespace for all,
    /// else one of the root namespace for all (`getSidecarScope` in `pilot/pkg/model/push_context.go`).
    /// A gateway knows everything.
    pub fn scope_of(&self, pod: &Pod) -> Option<&SidecarScope> {
        if pod.is_gateway() {
            return None;
        }
        let selects = |scope: &SidecarScope| {
            scope.selector.iter().flatten().all(|(key, value)| pod.labels.get(key) == Some(value))
        };
        let mut own = self.sidecar_scopes.iter().filter(|scope| scope.name.namespace == pod.name.namespace);
        let is_of_mesh =
            |scope: &&SidecarScope| scope.name.namespace == self.config.root_namespace && scope.selector.is_none();
        own.find(|scope| selects(scope)).or_else(|| self.sidecar_scopes.iter().find(is_of_mesh))
    }

    /// The ports of services that send to a pod, known to any client, each with the pod's port that it sends to, the oldest first
    /// (`SetServiceTargets` in `pilot/pkg/model/context.go`).
    pub fn ports_of(&self, pod: usize) -> Vec<(&Service, &ServicePort, u16)> {
        let mut found = vec![];
        for service in self.services.iter().chain(&self.entries) {
            for port in &service.ports {
                let here = port.endpoints.iter().filter(|endpoint| endpoint.pod == pod);
                found.extend(here.map(|endpoint| (service, port, endpoint.port)));
            }
            let listed = service.entry_endpoints().filter(|(_, endpoint)| endpoint.pod == Some(pod));
            found.extend(listed.map(|(port, endpoint)| (service, port, endpoint.port)));
        }
        // Stable: a service's ports stay in their order.
        found.sort_by(|(a, ..), (b, ..)| (a.age.moment(), &a.host).cmp(&(b.age.moment(), &b.host)));
        found
    }

    /// What becomes of a sidecar's calls to unknown destinations, and who says so.
    pub fn outbound_traffic_policy_of(&self, pod: &Pod) -> (OutboundTrafficPolicy, Source) {
        let of_scope = self.scope_of(pod).and_then(|scope| {
            Some((scope.outbound_traffic_policy?, scope.source.at("spec.outboundTrafficPolicy.mode")))
        });
        of_scope.unwrap_or_else(|| {
            (self.config.outbound_traffic_policy, self.config.source.at("outboundTrafficPolicy.mode"))
        })
    }
}

/// A Service of type ExternalName: an alias in the cluster's DNS.
#[derive(Clone, Debug)]
pub struct ExternalName {
    pub name: ObjectName,
    /// `NAME.NAMESPACE.svc.cluster.local`.
    pub host: String,
    /// The host that it is an alias of.
    pub target: String,
    pub source: Source,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Namespace {
    /// Its labels (`istio-injection`).
    pub labels: BTreeMap<String, String>,
}
