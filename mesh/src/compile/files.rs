//! The files of one sidecar, as Envoy reads them by `path_config_source`.

use std::path::PathBuf;

use envoy_api::{DataSource, DiscoveryResponse, Resource, Secret, TlsCertificate};
use serde::Serialize;
use serde_json::{Value, json};

use super::{PodConfig, names};

/// The file with all listeners.
pub(super) const LISTENERS: &str = "lds.json";
/// The file with all clusters.
pub(super) const CLUSTERS: &str = "cds.json";

/// The file of a route configuration.
pub(super) fn routes(name: &str) -> PathBuf {
    PathBuf::from("rds").join(names::file(name))
}

/// The file of a cluster's endpoints.
pub(super) fn endpoints(cluster: &str) -> PathBuf {
    PathBuf::from("eds").join(names::file(cluster))
}

/// The file of a secret.
pub(super) fn secret(name: &str) -> PathBuf {
    PathBuf::from("sds").join(names::file(name))
}

/// Envoy's replacement for a private key in `config_dump`: `[redacted]` in base64.
const REDACTED: &str = "W3JlZGFjdGVkXQ==";

impl PodConfig {
    /// Every file, by its path in [`Placement::config_dir`](super::Placement::config_dir), as JSON text.
    ///
    /// Files of routes, endpoints and secrets contain one resource each, since Envoy rejects more. `secrets` are those that
    /// the mesh's authority issues.
    pub fn files(&self, secrets: &[Secret]) -> Vec<(PathBuf, String)> {
        let listeners = self.listeners.iter().cloned().map(Resource::Listener);
        let clusters = self.clusters.iter().cloned().map(Resource::Cluster);
        let mut files = vec![
            (PathBuf::from("bootstrap.json"), pretty(&self.bootstrap)),
            (PathBuf::from(LISTENERS), response(listeners)),
            (PathBuf::from(CLUSTERS), response(clusters)),
        ];
        files
            .extend(self.routes.iter().map(|r| (routes(&r.name), response([Resource::RouteConfiguration(r.clone())]))));
        files.extend(
            self.endpoints
                .iter()
                .map(|e| (endpoints(&e.cluster_name), response([Resource::ClusterLoadAssignment(e.clone())]))),
        );
        files.extend(secrets.iter().map(|s| (secret(&s.name), response([Resource::Secret(s.clone())]))));
        // Envoy accepts a cluster only if the files it names exist. An empty file is not an update: Envoy waits for the
        // secret, and the connections that need it fail meanwhile.
        let own = |s: &Option<Secret>| s.as_ref().map(|s| response([Resource::Secret(s.clone())])).unwrap_or_default();
        files.extend(self.own_secrets.iter().map(|(name, s)| (secret(name), own(s))));
        files
    }

    /// Everything but the bootstrap as one JSON object: `listeners`, `routes`, `clusters`, `endpoints`, `secrets`, with
    /// private keys redacted.
    pub fn to_json(&self, secrets: &[Secret]) -> Value {
        json!({
            "listeners": self.listeners,
            "routes": self.routes,
            "clusters": self.clusters,
            "endpoints": self.endpoints,
            "secrets": secrets.iter().chain(self.own_secrets.values().flatten()).map(redact).collect::<Vec<_>>(),
        })
    }
}

fn redact(secret: &Secret) -> Secret {
    let tls_certificate = secret.tls_certificate.as_ref().map(|certificate| TlsCertificate {
        private_key: DataSource::InlineBytes(REDACTED.into()),
        ..certificate.clone()
    });
    Secret { tls_certificate, ..secret.clone() }
}

fn response(resources: impl IntoIterator<Item = Resource>) -> String {
    pretty(&DiscoveryResponse { version_info: String::new(), resources: resources.into_iter().collect() })
}

fn pretty(message: &impl Serialize) -> String {
    serde_json::to_string_pretty(message).expect("messages have string keys and no failing parts")
}
