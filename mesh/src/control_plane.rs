//! A sidecar's files, from the compiler or from a real istiod, whose resources are written to files unchanged.

use std::collections::BTreeMap;

use envoy_api::{ReadError, Resource};
use serde_json::Value;
use thiserror::Error;

use crate::{
    compile::{Placement, PodConfig, Resource as Of, compile},
    model::Mesh,
    system_roots,
};

mod alpn;
pub(crate) mod place;
mod stock_envoy;
#[cfg(test)]
mod tests;

pub use stock_envoy::{ABSENT, Absent};

/// istiod pushes something outside the supported subset of Envoy's API.
#[derive(Clone, Debug, Error)]
#[error("istiod pushes to {pod} what sidelab does not support: {kind} {name}: {reason}")]
pub struct NotSupported {
    /// `POD.NAMESPACE`.
    pub pod: String,
    /// The kind of resource.
    pub kind: &'static str,
    pub name: String,
    /// The field, and what is wrong there.
    pub reason: String,
}

/// The files of a pod's sidecar, from the mesh's control plane. The pod must have a sidecar.
///
/// In what istiod pushes, sources of resources become files, access logs go to the lab's file, keys are logged if the lab requests
/// it, and sessions are resumed only if it does. Nothing else is changed.
///
/// # Errors
/// If istiod pushes something that is not supported.
///
/// # Panics
/// If `pod` is not an index into [`pods`](crate::model::Resolved::pods).
pub fn configure(mesh: &Mesh, pod: usize, placement: &Placement) -> Result<PodConfig, NotSupported> {
    let compiled = compile(mesh, pod, placement);
    let name = &mesh.pods[pod].name;
    let Some(pushed) = mesh.pushed(name) else { return Ok(compiled) };
    let (placed, secrets) = place::placed(pushed, placement);
    let read = Reader { pod: name.to_string() };
    let own_secrets = secrets
        .into_iter()
        .filter(|secret| !compiled.secret_names.contains(secret))
        .map(|secret| {
            let found = if secret == system_roots::SECRET {
                Some(system_roots::secret())
            } else {
                compiled.own_secrets.get(&secret).cloned().flatten()
            };
            (secret, found)
        })
        .collect::<BTreeMap<_, _>>();
    Ok(PodConfig {
        listeners: read.read_all("listener", &placed.listeners, |resource| match resource {
            Resource::Listener(listener) => Some(listener),
            _ => None,
        })?,
        routes: read.read_all("routes", &placed.routes, |resource| match resource {
            Resource::RouteConfiguration(routes) => Some(routes),
            _ => None,
        })?,
        clusters: read.read_all("cluster", &placed.clusters, |resource| match resource {
            Resource::Cluster(cluster) => Some(cluster),
            _ => None,
        })?,
        endpoints: read.read_all("endpoints of", &placed.endpoints, |resource| match resource {
            Resource::ClusterLoadAssignment(endpoints) => Some(endpoints),
            _ => None,
        })?,
        own_secrets,
        // Rules have the same names there.
        provenance: compiled
            .provenance
            .into_iter()
            .filter(|why| matches!(why.resource, Of::Authorization(_) | Of::AuthorizationOfConnections(_)))
            .collect(),
        as_written: Some(placed),
        bootstrap: compiled.bootstrap,
        secret_names: compiled.secret_names,
    })
}

struct Reader {
    pod: String,
}

impl Reader {
    /// Reads resources of one kind.
    fn read_all<T>(
        &self,
        kind: &'static str,
        written: &[Value],
        of_kind: impl Fn(Resource) -> Option<T>,
    ) -> Result<Vec<T>, NotSupported> {
        let read = |value: &Value| {
            let resource: Result<Resource, ReadError> = envoy_api::read_value(value.clone());
            resource
                .map_err(|error| match error {
                    // The reason contains the path inside an `Any`.
                    ReadError::Field { path, reason } if path == "." => reason,
                    error => error.to_string(),
                })
                .and_then(|resource| of_kind(resource).ok_or_else(|| "a resource of another kind".to_owned()))
                .map_err(|reason| NotSupported {
                    pod: self.pod.clone(),
                    kind,
                    name: place::name(value).to_owned(),
                    reason,
                })
        };
        written.iter().map(read).collect()
    }
}
