//! A destination: a service's port, or a subset of the pods behind it, with the DestinationRule that this client follows.

use std::net::SocketAddr;

use super::{Compiler, names};
use crate::model::{
    ClientTls, ClientTlsMode, DestinationRule, Family, MtlsMode, Pod, Service, ServicePort, Source, Subset,
};

/// The label that injection sets on a pod that takes mTLS.
const TLS_MODE_LABEL: &str = "security.istio.io/tlsMode";
/// Its value, and that of the endpoint metadata that it becomes.
pub(super) const TLS_MODE_ISTIO: &str = "istio";

/// Where a cluster leads.
#[derive(Clone, Copy)]
pub(super) struct Destination<'a> {
    pub(super) service: &'a Service,
    pub(super) port: &'a ServicePort,
    /// The rule for this client and the service.
    rule: Option<&'a DestinationRule>,
    /// All pods, if there is none.
    subset: Option<&'a Subset>,
}

/// Which connections to a destination are mTLS, as automatic mTLS has it.
pub(super) enum AutoMtls {
    /// None.
    Never,
    /// All.
    Always,
    /// Those to endpoints whose metadata says so.
    ByEndpoint,
}

/// A pod of a destination.
pub(super) struct Target<'a> {
    pub(super) address: SocketAddr,
    /// Whether it is marked for mTLS.
    pub(super) mtls: bool,
    pub(super) because: String,
    pub(super) source: &'a Source,
}

impl<'a> Compiler<'a> {
    /// A service's port as this pod's sidecar sees it.
    pub(super) fn destination(&self, service: &'a Service, port: &'a ServicePort) -> Destination<'a> {
        let rule = self.mesh.destination_rules.find(self.pod, &service.host, &service.name.namespace);
        Destination { service, port, rule, subset: None }
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

    /// Where the destination is written down.
    pub(super) fn source(self) -> &'a Source {
        self.subset.map_or(&self.service.source, |subset| &subset.source)
    }

    /// The TLS settings that the rule has for it; without any, automatic mTLS decides.
    pub(super) fn tls(self) -> Option<&'a ClientTls> {
        self.rule?.tls(self.port.port, self.subset.map(|subset| subset.name.as_str()))
    }

    /// Whether its TLS is the user's own: then it offers no ALPN of the mesh's.
    pub(super) fn has_own_tls(self) -> bool {
        self.tls().is_some_and(|tls| matches!(tls.spec.mode, ClientTlsMode::Simple | ClientTlsMode::Mutual))
    }

    /// Automatic mTLS for the whole destination, and why. It looks only at what the service's namespace and the mesh say
    /// (`PushContext.BestEffortInferServiceMTLSMode`), and for a headless service, whose endpoints carry no metadata, at
    /// whether all of its pods have a sidecar.
    pub(super) fn auto_mtls(self, pods: &'a [Pod]) -> (AutoMtls, String, Source) {
        let mut pods = self.port.endpoints.iter().map(|endpoint| &pods[endpoint.pod]);
        let Some(first) = pods.clone().next() else {
            return (AutoMtls::Never, format!("{} has no pods", self.service.host), self.service.source.clone());
        };
        let level = &first.peer_authentication.namespace_level;
        if level.mode == MtlsMode::Disable {
            return (AutoMtls::Never, format!("{} says DISABLE for the namespace", level.by), level.source.clone());
        }
        let by_default = Source::default_of("enableAutoMtls: true");
        if !self.service.is_headless() {
            let because = "automatic mTLS: to the endpoints that have a sidecar";
            return (AutoMtls::ByEndpoint, because.into(), by_default);
        }
        match pods.find(|pod| !takes_mtls(pod)) {
            Some(pod) => {
                let because = format!("headless, and its pod {} has no sidecar: plaintext for all", pod.name);
                (AutoMtls::Never, because, pod.injection.source.clone())
            }
            None => {
                let because = "headless, and all of its pods have a sidecar: mTLS for all";
                (AutoMtls::Always, because.into(), by_default)
            }
        }
    }

    /// Its pods, each at its address in the family of the service's first virtual address, as Istio tries a dual-stack
    /// pod's addresses in order.
    pub(super) fn targets(self, pods: &'a [Pod]) -> Vec<Target<'a>> {
        let family = self.service.vips.first().map_or(Family::Ipv4, |vip| Family::of(*vip));
        let in_subset = |pod: &Pod| {
            let labels = self.subset.into_iter().flat_map(|subset| &subset.labels);
            labels.into_iter().all(|(key, value)| pod.labels.get(key) == Some(value))
        };
        let endpoints = self.port.endpoints.iter().map(|endpoint| (&pods[endpoint.pod], endpoint.port));
        endpoints
            .filter(|(pod, _)| in_subset(pod))
            .map(|(pod, port)| {
                let address = match family {
                    Family::Ipv4 => SocketAddr::from((pod.ips.v4, port)),
                    Family::Ipv6 => SocketAddr::from((pod.ips.v6, port)),
                };
                let (mtls, because, source) = self.marks(pod, port);
                Target { address, mtls, because, source }
            })
            .collect()
    }

    /// Whether an endpoint is marked for mTLS, and why (`pilot/pkg/xds/endpoints/mtls_checker.go`).
    fn marks(self, pod: &'a Pod, port: u16) -> (bool, String, &'a Source) {
        let subset = self.subset.map(|subset| subset.name.as_str());
        if let Some(tls) = self.rule.and_then(|rule| rule.endpoint_tls(self.port.port, subset)) {
            let mode = tls.spec.mode;
            return (mode == ClientTlsMode::IstioMutual, format!("{} says {}", tls.by, mode.name()), &tls.source);
        }
        let mode = pod.peer_authentication.on_port(port);
        if !takes_mtls(pod) {
            (false, format!("{} has no sidecar: plaintext", pod.name), &pod.injection.source)
        } else if mode.mode == MtlsMode::Disable {
            (false, format!("{} says DISABLE for port {port} of {}: plaintext", mode.by, pod.name), &mode.source)
        } else {
            (true, format!("{} has a sidecar: mTLS", pod.name), &pod.injection.source)
        }
    }
}

/// Whether a pod says that it takes mTLS: injection's label, which is all that Istio looks at.
fn takes_mtls(pod: &Pod) -> bool {
    pod.labels.get(TLS_MODE_LABEL).is_some_and(|mode| mode == TLS_MODE_ISTIO)
}
