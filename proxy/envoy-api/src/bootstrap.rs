//! The bootstrap (`envoy.config.bootstrap.v3`) and the files that it names (`envoy.service.discovery.v3`).

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::{
    AccessLog, Address, Cluster, ClusterLoadAssignment, ConfigSource, Listener, RouteConfiguration, Secret,
    typed::any_of,
};

/// `envoy.config.bootstrap.v3.Bootstrap`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Bootstrap {
    /// Who this proxy is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub node: Option<Node>,
    /// The administration interface; none when unset.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub admin: Option<Admin>,
    /// What is there from the start.
    #[serde(default)]
    pub static_resources: StaticResources,
    /// The files that the rest is read from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dynamic_resources: Option<DynamicResources>,
    /// Runtime values, as Envoy takes them. The native proxy has none, and warns of each.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub layered_runtime: Option<Value>,
}

/// `envoy.config.core.v3.Node`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Node {
    /// In a mesh, `sidecar~IP~POD.NAMESPACE~DOMAIN`.
    #[serde(default)]
    pub id: String,
    /// In a mesh, `APP.NAMESPACE`.
    #[serde(default)]
    pub cluster: String,
    /// What the control plane knows of the workload: `NAME`, `NAMESPACE`, `LABELS`, `WORKLOAD_NAME`, ...
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    pub metadata: Map<String, Value>,
}

/// `envoy.config.bootstrap.v3.Admin`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Admin {
    /// Where it listens.
    pub address: Address,
    /// Its own access log.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub access_log: Vec<AccessLog>,
}

/// `envoy.config.bootstrap.v3.Bootstrap.StaticResources`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StaticResources {
    /// Listeners.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub listeners: Vec<Listener>,
    /// Clusters.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub clusters: Vec<Cluster>,
    /// Secrets.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub secrets: Vec<Secret>,
}

/// `envoy.config.bootstrap.v3.Bootstrap.DynamicResources`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DynamicResources {
    /// The file of listeners.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lds_config: Option<ConfigSource>,
    /// The file of clusters.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cds_config: Option<ConfigSource>,
}

/// `envoy.service.discovery.v3.DiscoveryResponse`: what a file named by a [`ConfigSource`] holds.
///
/// A file of routes, endpoints or secrets holds exactly one resource: Envoy refuses more
/// (`source/common/router/rds_impl.cc`, `source/extensions/clusters/eds/eds.cc`, `source/common/secret/sds_api.cc`).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DiscoveryResponse {
    /// Which version this is, in the words of who wrote it.
    #[serde(default)]
    pub version_info: String,
    /// The resources.
    pub resources: Vec<Resource>,
}

any_of! {
    /// A resource of a [`DiscoveryResponse`].
    Resource {
        /// A listener (LDS).
        Listener(Listener) = "type.googleapis.com/envoy.config.listener.v3.Listener",
        /// A route configuration (RDS).
        RouteConfiguration(RouteConfiguration) = "type.googleapis.com/envoy.config.route.v3.RouteConfiguration",
        /// A cluster (CDS).
        Cluster(Cluster) = "type.googleapis.com/envoy.config.cluster.v3.Cluster",
        /// The endpoints of a cluster (EDS).
        ClusterLoadAssignment(ClusterLoadAssignment) = "type.googleapis.com/envoy.config.endpoint.v3.ClusterLoadAssignment",
        /// A certificate or a set of roots (SDS).
        Secret(Secret) = "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.Secret",
    }
}
