//! Istio's `istio.metadata_exchange` for HTTP: sidecars tell each other their workloads by headers (istio/proxy:
//! `source/extensions/filters/http/peer_metadata/filter.cc`).

use envoy_api::{Cluster, IstioHeaders, PeerDiscovery, PeerMetadata, PeerPropagation};
use http::{HeaderMap, HeaderName};
use serde_json::Value;

use crate::workload::{Introduction, Workload};

#[cfg(test)]
mod tests;

const ID: HeaderName = HeaderName::from_static("x-envoy-peer-metadata-id");
const METADATA: HeaderName = HeaderName::from_static("x-envoy-peer-metadata");

/// Which of the headers a request had: its response gets the same.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Received {
    id: bool,
    metadata: bool,
}

/// The exchange of a connection manager.
#[derive(Clone, Debug)]
pub(super) struct PeerExchange {
    reads_requests: bool,
    reads_responses: bool,
    answers: bool,
    /// How this workload introduces itself to called ones, if it does.
    introduces: Option<IstioHeaders>,
}

impl PeerExchange {
    pub(super) fn new(config: &PeerMetadata) -> Self {
        let reads = |methods: &[PeerDiscovery]| methods.iter().any(|method| method.istio_headers.is_some());
        let writes = |methods: &[PeerPropagation]| methods.iter().find_map(|method| method.istio_headers.clone());
        Self {
            reads_requests: reads(&config.downstream_discovery),
            reads_responses: reads(&config.upstream_discovery),
            answers: writes(&config.downstream_propagation).is_some(),
            introduces: writes(&config.upstream_propagation),
        }
    }

    /// Takes the caller's headers out of a request.
    pub(super) fn read_request(&self, headers: &mut HeaderMap) -> (Received, Option<Workload>) {
        if !self.reads_requests {
            return (Received::default(), None);
        }
        let received = Received { id: headers.contains_key(ID), metadata: headers.contains_key(METADATA) };
        (received, take(headers))
    }

    /// Takes the called sidecar's headers out of a response.
    pub(super) fn read_response(&self, headers: &mut HeaderMap) -> Option<Workload> {
        if self.reads_responses { take(headers) } else { None }
    }

    /// Introduces this workload to the called one.
    pub(super) fn introduce(&self, headers: &mut HeaderMap, own: &Introduction, cluster: &Cluster) {
        if self.introduces.as_ref().is_some_and(|how| !is_skipped(cluster, how.skip_external_clusters)) {
            headers.insert(ID, own.id.clone());
            headers.insert(METADATA, own.metadata.clone());
        }
    }

    /// Introduces this workload to a caller that has introduced itself.
    pub(super) fn answer(&self, headers: &mut HeaderMap, own: &Introduction, received: Received) {
        if self.answers && received.id {
            headers.insert(ID, own.id.clone());
        }
        if self.answers && received.metadata {
            headers.insert(METADATA, own.metadata.clone());
        }
    }
}

fn take(headers: &mut HeaderMap) -> Option<Workload> {
    headers.remove(ID);
    let metadata = headers.remove(METADATA)?;
    Workload::decode(metadata.as_bytes())
}

/// Whether a cluster's endpoints are told nothing (`skipMXHeaders`).
fn is_skipped(cluster: &Cluster, skips_external: bool) -> bool {
    let noted = |name: &str| {
        let metadata = cluster.metadata.as_ref().and_then(|metadata| metadata.filter_metadata.get("istio"));
        metadata.and_then(|fields| fields.get(name)).and_then(Value::as_bool) == Some(true)
    };
    skips_external && (cluster.name == "PassthroughCluster" || noted("external")) || noted("disable_mx")
}
