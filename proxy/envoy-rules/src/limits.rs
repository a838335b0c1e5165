//! Limits of a cluster (`source/common/upstream/upstream_impl.cc`, `ClusterInfoImpl::ResourceManagers`).

use envoy_api::{Cluster, RoutingPriority, Thresholds};

/// How much a cluster may have at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Connections to all endpoints together. An endpoint without a connection gets one in any case.
    pub connections: u32,
    /// Requests that wait for a connection.
    pub pending: u32,
    /// Requests in flight.
    pub requests: u32,
    /// Retries in flight.
    pub retries: u32,
}

impl Limits {
    /// Envoy's limits of a cluster that sets none.
    pub const DEFAULT: Self = Self { connections: 1024, pending: 1024, requests: 1024, retries: 3 };

    /// The limits of a cluster for requests of the default priority, which all routes have.
    pub fn of(cluster: &Cluster) -> Self {
        let thresholds = cluster.circuit_breakers.iter().flat_map(|breakers| &breakers.thresholds);
        let mut of_default = thresholds.filter(|one| one.priority == RoutingPriority::Default);
        let Thresholds { max_connections, max_pending_requests, max_requests, max_retries, .. } =
            of_default.next().copied().unwrap_or_default();
        Self {
            connections: max_connections.unwrap_or(Self::DEFAULT.connections),
            pending: max_pending_requests.unwrap_or(Self::DEFAULT.pending),
            requests: max_requests.unwrap_or(Self::DEFAULT.requests),
            retries: max_retries.unwrap_or(Self::DEFAULT.retries),
        }
    }
}

#[cfg(test)]
mod tests {
    use pretty_assertions::assert_eq;
    use serde_json::json;

    use super::*;

    fn limits(breakers: &serde_json::Value) -> Limits {
        let cluster = json!({"name": "c", "circuit_breakers": breakers});
        Limits::of(&serde_json::from_value(cluster).unwrap())
    }

    #[test]
    fn limits_that_are_not_set_are_envoys_defaults() {
        assert_eq!(limits(&json!({})), Limits::DEFAULT);
        let one = json!({"thresholds": [{"max_connections": 1, "max_retries": 0}]});
        assert_eq!(limits(&one), Limits { connections: 1, retries: 0, ..Limits::DEFAULT });
    }

    #[test]
    fn limits_of_the_high_priority_do_not_apply() {
        let both = json!({"thresholds": [{"priority": "HIGH", "max_requests": 1}, {"max_requests": 2}]});
        assert_eq!(limits(&both).requests, 2);
    }
}
