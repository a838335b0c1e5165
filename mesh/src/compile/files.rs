//! The files of one sidecar, as Envoy reads them by `path_config_source`.

use std::path::PathBuf;

use envoy_api::{DataSource, Resource, Secret, TlsCertificate};
use serde::Serialize;
use serde_json::{Value, json};

use super::{PodConfig, names};
use crate::model::Pushed;

/// The file that a sidecar reads only when it starts.
pub(crate) const BOOTSTRAP: &str = "bootstrap.json";
/// The file with all listeners.
pub(crate) const LISTENERS: &str = "lds.json";
/// The file with all clusters.
pub(crate) const CLUSTERS: &str = "cds.json";

/// The file of a route configuration.
pub(crate) fn routes(name: &str) -> PathBuf {
    PathBuf::from("rds").join(names::file(name))
}

/// The file of a cluster's endpoints.
pub(crate) fn endpoints(cluster: &str) -> PathBuf {
    PathBuf::from("eds").join(names::file(cluster))
}

/// The file of a secret.
pub(crate) fn secret(name: &str) -> PathBuf {
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
        let Pushed { listeners, routes: all_routes, clusters, endpoints: all_endpoints } = self.resources();
        let mut files = vec![
            (PathBuf::from(BOOTSTRAP), pretty(&self.bootstrap)),
            (PathBuf::from(LISTENERS), response(listeners)),
            (PathBuf::from(CLUSTERS), response(clusters)),
        ];
        files.extend(self.routes.iter().zip(all_routes).map(|(r, text)| (routes(&r.name), response([text]))));
        files.extend(
            self.endpoints.iter().zip(all_endpoints).map(|(e, text)| (endpoints(&e.cluster_name), response([text]))),
        );
        files.extend(secrets.iter().map(|s| (secret(&s.name), of_secret(s))));
        // Envoy accepts a cluster only if the files it names exist. An empty file is not an update: Envoy waits for the
        // secret, and the connections that need it fail meanwhile.
        let own = |s: &Option<Secret>| s.as_ref().map(of_secret).unwrap_or_default();
        files.extend(self.own_secrets.iter().map(|(name, s)| (secret(name), own(s))));
        files
    }

    /// The files of the secrets that the mesh's authority issues.
    pub fn mesh_secret_files(&self) -> Vec<PathBuf> {
        self.secret_names.iter().map(|name| secret(name)).collect()
    }

    /// Everything but the bootstrap as one JSON object: `listeners`, `routes`, `clusters`, `endpoints`, `secrets`, with
    /// private keys redacted.
    pub fn to_json(&self, secrets: &[Secret]) -> Value {
        let secrets: Vec<_> = secrets.iter().chain(self.own_secrets.values().flatten()).map(redact).collect();
        let Pushed { listeners, routes, clusters, endpoints } = self.resources();
        let [listeners, routes, clusters, endpoints] = [listeners, routes, clusters, endpoints].map(untyped);
        json!({
            "listeners": listeners, "routes": routes, "clusters": clusters, "endpoints": endpoints, "secrets": secrets,
        })
    }

    /// The resources in Envoy's JSON, each with its type.
    pub(crate) fn resources(&self) -> Pushed {
        if let Some(written) = &self.as_written {
            return written.clone();
        }
        let Self { listeners, routes, clusters, endpoints, .. } = self;
        Pushed {
            listeners: listeners.iter().map(|one| value(&Resource::Listener(one.clone()))).collect(),
            routes: routes.iter().map(|one| value(&Resource::RouteConfiguration(one.clone()))).collect(),
            clusters: clusters.iter().map(|one| value(&Resource::Cluster(one.clone()))).collect(),
            endpoints: endpoints.iter().map(|one| value(&Resource::ClusterLoadAssignment(one.clone()))).collect(),
        }
    }
}

/// The text of a secret's file.
pub(crate) fn of_secret(secret: &Secret) -> String {
    response([value(&Resource::Secret(secret.clone()))])
}

fn redact(secret: &Secret) -> Secret {
    let tls_certificate = secret.tls_certificate.as_ref().map(|certificate| TlsCertificate {
        private_key: DataSource::InlineBytes(REDACTED.into()),
        ..certificate.clone()
    });
    Secret { tls_certificate, ..secret.clone() }
}

pub(crate) fn response(resources: impl IntoIterator<Item = Value>) -> String {
    let resources: Vec<Value> = resources.into_iter().collect();
    pretty(&json!({"version_info": "", "resources": resources}))
}

fn value(resource: &Resource) -> Value {
    serde_json::to_value(resource).expect("messages have string keys and no failing parts")
}

/// Resources without their types, as `config` shows them.
fn untyped(mut resources: Vec<Value>) -> Vec<Value> {
    for resource in &mut resources {
        resource.as_object_mut().and_then(|fields| fields.shift_remove("@type"));
    }
    resources
}

fn pretty(message: &impl Serialize) -> String {
    serde_json::to_string_pretty(message).expect("messages have string keys and no failing parts")
}
