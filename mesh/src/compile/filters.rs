//! Network filters: relaying bytes, and speaking HTTP.

use std::time::Duration;

use envoy_api::{
    APPLICATION_PROTOCOLS, CodecType, CommonHttpProtocolOptions, ConfigSource, Cors, EscapedSlashes, Filter,
    FilterStateValue, ForwardClientCertDetails, Http1ProtocolOptions, HttpConnectionManager, HttpFault, HttpFilter,
    NetworkFilter, ProtoDuration, Rds, RouteConfiguration, Router, ServerHeaderTransformation,
    SetCurrentClientCertDetails, SetFilterState, SharedWithUpstream, SubstitutionFormatString, TcpProxy, UpgradeConfig,
};

use super::{Compiler, balancing, files, tracing::Traced, traffic_policy::duration};
use crate::{
    manifests::telemetry::WorkloadMode::{self, Client, Server},
    model::{DestinationRule, GatewayTopology, NodeMetadata, PathNormalization},
};

/// Envoy's default, set explicitly: a connection is closed after this long without bytes.
const IDLE: ProtoDuration = seconds(3600);

pub(super) const fn seconds(seconds: u64) -> ProtoDuration {
    ProtoDuration(Duration::from_secs(seconds))
}

impl Compiler<'_> {
    /// Relays bytes to a cluster.
    pub(super) fn relay(&self, cluster: &str) -> Filter {
        relay(self.tcp_proxy(cluster, None, ""))
    }

    /// Relays bytes to a cluster, within the limits that a DestinationRule sets for a whole destination: it has no others for ports and
    /// subsets (`buildOutboundNetworkFiltersWithSingleDestination` in `pilot/pkg/networking/core/networkfilter.go`).
    pub(super) fn tcp_proxy(&self, cluster: &str, rule: Option<&DestinationRule>, subset: &str) -> TcpProxy {
        let whole = rule.and_then(|rule| rule.traffic_policy.as_ref()).map(|policy| &policy.whole);
        let tcp = whole.and_then(|whole| whole.connection_pool.as_ref()?.tcp.as_ref());
        TcpProxy {
            stat_prefix: cluster.into(),
            cluster: cluster.into(),
            weighted_clusters: None,
            idle_timeout: tcp.and_then(|tcp| duration(tcp.idle_timeout.as_deref())).or(Some(self.idle_timeout())),
            max_downstream_connection_duration: tcp.and_then(|tcp| duration(tcp.max_connection_duration.as_deref())),
            hash_policy: balancing::connection_hash(rule, subset),
            access_log: self.access_log(),
            max_connect_attempts: Some(1),
        }
    }

    /// Speaks HTTP with the app, and routes by file.
    pub(super) fn outbound_http(&self, listener: &str, routes: &str) -> Filter {
        let path = self.placement.config_dir.join(files::routes(routes));
        let rds = Rds { config_source: ConfigSource::path(path), route_config_name: routes.into() };
        http(HttpConnectionManager { rds: Some(rds), ..self.traced_http(format!("outbound_{listener}"), Client) })
    }

    /// Speaks HTTP with the peer, and forwards its identity to the app.
    pub(super) fn inbound_http(&self, stat_prefix: String, codec: CodecType, routes: RouteConfiguration) -> Filter {
        http(HttpConnectionManager {
            codec_type: codec,
            route_config: Some(routes),
            http_filters: self.authorize_requests().into_iter().chain([Router::filter()]).collect(),
            server_name: "istio-envoy".into(),
            forward_client_cert_details: ForwardClientCertDetails::AppendForward,
            set_current_client_cert_details: Some(SetCurrentClientCertDetails {
                subject: Some(true),
                cert: false,
                uri: true,
                dns: true,
            }),
            ..self.traced_http(stat_prefix, Server)
        })
    }

    /// Speaks HTTP with callers of a gateway, and forwards what their certificates say (`buildGatewayConnectionManager` in
    /// `pilot/pkg/networking/core/gateway.go`).
    pub(super) fn gateway_http(&self, listener: &str, routes: &str) -> Filter {
        let path = self.placement.config_dir.join(files::routes(routes));
        let rds = Rds { config_source: ConfigSource::path(path), route_config_name: routes.into() };
        let base = self.traced_http(format!("outbound_{listener}"), Client);
        let topology = GatewayTopology::of(self.pod, &self.mesh.config);
        http(HttpConnectionManager {
            rds: Some(rds),
            http_filters: self.authorize_requests().into_iter().chain(route_filters()).collect(),
            server_name: "istio-envoy".into(),
            use_remote_address: Some(true),
            xff_num_trusted_hops: Some(topology.num_trusted_proxies).filter(|hops| *hops > 0),
            http_protocol_options: Some(Http1ProtocolOptions { accept_http_10: self.metadata().accepts_http_10 }),
            forward_client_cert_details: topology.forward_client_cert_details(),
            set_current_client_cert_details: Some(SetCurrentClientCertDetails {
                subject: Some(true),
                cert: true,
                uri: true,
                dns: true,
            }),
            ..base
        })
    }

    /// Answers requests to the sidecar itself.
    pub(super) fn utility_http(&self, stat_prefix: &str, routes: RouteConfiguration) -> Filter {
        let base = self.http(stat_prefix.into());
        http(HttpConnectionManager {
            route_config: Some(routes),
            http_filters: vec![Router::filter()],
            access_log: vec![],
            upgrade_configs: vec![],
            http_protocol_options: None,
            ..base
        })
    }

    /// How long a connection may be idle, where no policy says it.
    fn idle_timeout(&self) -> ProtoDuration {
        self.metadata().idle_timeout.map_or(IDLE, ProtoDuration)
    }

    fn metadata(&self) -> NodeMetadata {
        self.pod.sidecar.as_ref().map(|proxy| proxy.metadata).unwrap_or_default()
    }

    /// The settings of those whose requests are traced, as calls of one kind.
    fn traced_http(&self, stat_prefix: String, mode: WorkloadMode) -> HttpConnectionManager {
        let Traced { tracing, request_ids } = self.traced(mode).clone();
        HttpConnectionManager { tracing, request_id_extension: request_ids, ..self.http(stat_prefix) }
    }

    /// The settings that all share. Paths are normalized as in `buildHTTPConnectionManager` of
    /// `pilot/pkg/networking/core/listener_builder.go`.
    fn http(&self, stat_prefix: String) -> HttpConnectionManager {
        let normalization = self.mesh.config.path_normalization;
        let escaped = match normalization {
            PathNormalization::DecodeAndMergeSlashes => EscapedSlashes::UnescapeAndForward,
            _ => EscapedSlashes::KeepUnchanged,
        };
        HttpConnectionManager {
            codec_type: CodecType::Auto,
            stat_prefix,
            rds: None,
            route_config: None,
            http_filters: route_filters().into(),
            server_name: String::new(),
            server_header_transformation: Some(ServerHeaderTransformation::Overwrite),
            use_remote_address: Some(false),
            xff_num_trusted_hops: None,
            forward_client_cert_details: ForwardClientCertDetails::Sanitize,
            set_current_client_cert_details: None,
            access_log: self.access_log(),
            upgrade_configs: vec![UpgradeConfig { upgrade_type: "websocket".into() }],
            http_protocol_options: self
                .metadata()
                .accepts_http_10
                .then_some(Http1ProtocolOptions { accept_http_10: true }),
            http2_protocol_options: None,
            common_http_protocol_options: Some(CommonHttpProtocolOptions {
                idle_timeout: Some(self.idle_timeout()),
                ..CommonHttpProtocolOptions::default()
            }),
            stream_idle_timeout: Some(seconds(0)),
            drain_timeout: Some(seconds(5)),
            normalize_path: Some(normalization != PathNormalization::None),
            merge_slashes: matches!(
                normalization,
                PathNormalization::MergeSlashes | PathNormalization::DecodeAndMergeSlashes
            ),
            path_with_escaped_slashes_action: escaped,
            generate_request_id: Some(true),
            preserve_external_request_id: false,
            tracing: None,
            request_id_extension: None,
        }
    }
}

/// The router, behind the filters that do what routes ask for. They are there even if no route asks for anything, so that a
/// VirtualService with a fault changes routes alone, and no connection is drained (`pilot/pkg/networking/core/listener_builder.go`).
fn route_filters() -> [HttpFilter; 3] {
    [HttpFault::filter(), Cors::filter(), Router::filter()]
}

/// Makes the upstream handshake offer this ALPN, as Istio's filter `istio.alpn` does.
pub(super) fn offer(alpn: &[&str]) -> Filter {
    Filter {
        name: "envoy.filters.network.set_filter_state".into(),
        typed_config: NetworkFilter::SetFilterState(SetFilterState {
            on_new_connection: vec![FilterStateValue {
                object_key: APPLICATION_PROTOCOLS.into(),
                format_string: SubstitutionFormatString::text(alpn.join(",")),
                shared_with_upstream: Some(SharedWithUpstream::Once),
            }],
        }),
    }
}

/// A filter that relays bytes.
pub(super) fn relay(proxy: TcpProxy) -> Filter {
    Filter { name: "envoy.filters.network.tcp_proxy".into(), typed_config: NetworkFilter::TcpProxy(proxy) }
}

fn http(manager: HttpConnectionManager) -> Filter {
    Filter {
        name: "envoy.filters.network.http_connection_manager".into(),
        typed_config: NetworkFilter::HttpConnectionManager(manager),
    }
}
