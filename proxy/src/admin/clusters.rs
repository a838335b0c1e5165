//! `/clusters`, in text and JSON.

use std::{fmt::Write as _, sync::Arc};

use serde_json::{Value, json};

use super::listeners::socket_address;
use crate::{cluster::Cluster, config::Shared};

pub(super) fn text(shared: &Shared) -> String {
    let mut text = String::new();
    for cluster in sorted(shared) {
        let name = &cluster.name;
        let _ = writeln!(text, "{name}::observability_name::{name}");
        let _ = writeln!(text, "{name}::added_via_api::{}", !is_static(shared, &cluster));
        for endpoint in cluster.endpoints().iter() {
            let host = endpoint.host;
            let _ = writeln!(text, "{name}::{host}::cx_active::{}", endpoint.active());
            let flags = if endpoint.is_ejected() { "/failed_outlier_check" } else { "healthy" };
            let _ = writeln!(text, "{name}::{host}::health_flags::{flags}");
            let _ = writeln!(text, "{name}::{host}::weight::{}", endpoint.weight());
        }
    }
    text
}

pub(super) fn json(shared: &Shared) -> Value {
    let statuses = sorted(shared).into_iter().map(|cluster| {
        let endpoints = cluster.endpoints();
        let hosts = endpoints.iter().map(|endpoint| {
            let mut health = json!({ "eds_health_status": "HEALTHY" });
            if endpoint.is_ejected() {
                health["failed_outlier_check"] = true.into();
            }
            json!({
                "address": socket_address(endpoint.host.0),
                "stats": [{ "name": "cx_active", "type": "GAUGE", "value": endpoint.active().to_string() }],
                "health_status": health,
                "weight": endpoint.weight(),
            })
        });
        json!({
            "name": &*cluster.name,
            "added_via_api": !is_static(shared, &cluster),
            "host_statuses": hosts.collect::<Value>(),
            "observability_name": &*cluster.name,
        })
    });
    json!({ "cluster_statuses": statuses.collect::<Value>() })
}

/// All clusters, sorted by name.
pub(super) fn sorted(shared: &Shared) -> Vec<Arc<Cluster>> {
    let mut clusters: Vec<_> = shared.clusters.load().values().cloned().collect();
    clusters.sort_by(|a, b| a.name.cmp(&b.name));
    clusters
}

/// Whether the cluster is defined in the bootstrap.
pub(super) fn is_static(shared: &Shared, cluster: &Cluster) -> bool {
    shared.bootstrap.static_resources.clusters.iter().any(|configured| configured.name == *cluster.name)
}
