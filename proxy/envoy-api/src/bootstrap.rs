//! The bootstrap (`envoy.config.bootstrap.v3`) and the files that it refers to (`envoy.service.discovery.v3`).

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::{
    access_log::AccessLog,
    cluster::{Cluster, ClusterLoadAssignment},
    core::{Address, ConfigSource},
    listener::Listener,
    route::RouteConfiguration,
    tls::Secret,
    typed::any_of,
};

/// `envoy.config.bootstrap.v3.Bootstrap`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Bootstrap {
    /// Identity of this proxy.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub node: Option<Node>,
    /// The administration interface; disabled if unset.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub admin: Option<Admin>,
    /// Resources in the bootstrap itself.
    #[serde(default)]
    pub static_resources: StaticResources,
    /// The files with dynamic resources.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dynamic_resources: Option<DynamicResources>,
    /// Envoy's runtime values. The native proxy has `tracing.opentelemetry.min_flush_spans` alone, and warns of others.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub layered_runtime: Option<Value>,
}

/// `envoy.config.core.v3.Node`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Node {
    /// `sidecar~IP~POD.NAMESPACE~DOMAIN` in a mesh.
    #[serde(default)]
    pub id: String,
    /// `APP.NAMESPACE` in a mesh.
    #[serde(default)]
    pub cluster: String,
    /// Facts about the workload for the control plane: `NAME`, `NAMESPACE`, `LABELS`, `WORKLOAD_NAME`, ...
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    pub metadata: Map<String, Value>,
}

/// `envoy.config.bootstrap.v3.Admin`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Admin {
    /// Address to listen on.
    pub address: Address,
    /// Access log of the administration interface.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub access_log: Vec<AccessLog>,
}

/// `envoy.config.bootstrap.v3.Bootstrap.StaticResources`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StaticResources {
    /// Listeners that do not change.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub listeners: Vec<Listener>,
    /// Clusters that do not change.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub clusters: Vec<Cluster>,
    /// Secrets that do not change.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub secrets: Vec<Secret>,
}

/// `envoy.config.bootstrap.v3.Bootstrap.DynamicResources`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DynamicResources {
    /// The file with listeners (LDS).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lds_config: Option<ConfigSource>,
    /// The file with clusters (CDS).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cds_config: Option<ConfigSource>,
}

/// `envoy.service.discovery.v3.DiscoveryResponse`: the contents of a file that a [`ConfigSource`] names.
///
/// A file with routes, endpoints or secrets contains exactly one resource: Envoy refuses more
/// (`source/common/router/rds_impl.cc`, `source/extensions/clusters/eds/eds.cc`, `source/common/secret/sds_api.cc`).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DiscoveryResponse {
    /// Version, as chosen by the author of the file.
    #[serde(default)]
    pub version_info: String,
    /// The resources; all of one type.
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
