//! What a DestinationRule asks of a cluster besides TLS: limits of its connections and requests, and the HTTP that they speak
//! (`applyTrafficPolicy` in `pilot/pkg/networking/core/cluster_traffic_policy.go`).

use std::collections::BTreeMap;

use envoy_api::{
    CircuitBreakers, Cluster, CommonHttpProtocolOptions, ExplicitHttpConfig, ExtensionProtocolOptions,
    HTTP_PROTOCOL_OPTIONS, Http1ProtocolOptions, Http2ProtocolOptions, HttpProtocolOptions, KeepaliveSettings,
    ProtoDuration, TcpKeepalive, Thresholds, UpstreamConnectionOptions, UpstreamHttpProtocolOptions,
    UseDownstreamHttpConfig,
};

use super::{Compiler, PortClass};
use crate::{
    manifests::traffic_policy::TcpKeepalive as AskedKeepalive,
    model::{ConnectionPool, H2UpgradePolicy, MeshConfig, ServicePort},
    time::go_duration,
};

/// What is asked of a cluster: by the mesh, and by a DestinationRule.
#[derive(Clone, Copy)]
pub(super) struct Asked<'a> {
    pub(super) mesh: &'a MeshConfig,
    pub(super) pool: Option<&'a ConnectionPool>,
}

impl<'a> Compiler<'a> {
    /// What the mesh and a rule's limits ask.
    pub(super) fn asked(&self, pool: Option<&'a ConnectionPool>) -> Asked<'a> {
        Asked { mesh: &self.mesh.config, pool }
    }
}

/// The limits of a cluster. A limit that nobody sets is none, where Envoy's default is 1024.
pub(super) fn limit(cluster: &mut Cluster, asked: Asked<'_>) {
    let Asked { mesh, pool } = asked;
    let tcp = pool.and_then(|pool| pool.tcp.as_ref());
    let http = pool.and_then(|pool| pool.http.as_ref());
    let or_none = |limit: Option<i64>| Some(limit.and_then(positive).unwrap_or(u32::MAX));
    cluster.circuit_breakers = Some(CircuitBreakers {
        thresholds: vec![Thresholds {
            max_connections: or_none(tcp.map(|tcp| tcp.max_connections)),
            max_pending_requests: or_none(http.map(|http| http.http1_max_pending_requests)),
            max_requests: or_none(http.map(|http| http.http2_max_requests)),
            max_retries: or_none(http.map(|http| http.max_retries)),
            ..Thresholds::default()
        }],
    });
    if let Some(timeout) = tcp.and_then(|tcp| duration(tcp.connect_timeout.as_deref())) {
        cluster.connect_timeout = Some(timeout);
    }
    let of_rule = tcp.and_then(|tcp| tcp.tcp_keepalive.as_ref());
    cluster.upstream_connection_options = keepalive([mesh.tcp_keepalive.as_ref(), of_rule]);
}

/// The limits that a rule sets, in words; nothing without any.
pub(super) fn limits_in_words(pool: &ConnectionPool) -> Option<String> {
    let tcp = pool.tcp.as_ref().map(|tcp| ("maxConnections", tcp.max_connections));
    let http = pool.http.as_ref().map(|http| {
        [
            ("http1MaxPendingRequests", http.http1_max_pending_requests),
            ("http2MaxRequests", http.http2_max_requests),
            ("maxRequestsPerConnection", http.max_requests_per_connection),
            ("maxRetries", http.max_retries),
        ]
    });
    let set = tcp.into_iter().chain(http.into_iter().flatten()).filter(|(_, limit)| *limit > 0);
    let words: Vec<_> = set.map(|(name, limit)| format!("{name} {limit}")).collect();
    (!words.is_empty()).then(|| words.join(", "))
}

/// Keepalive probes, if anybody asks for them: each setting of the last that has it (`applyTCPKeepalive` in
/// `pilot/pkg/networking/core/cluster.go`).
fn keepalive(asked: [Option<&AskedKeepalive>; 2]) -> Option<UpstreamConnectionOptions> {
    let seconds = |text: &Option<String>| {
        let whole = go_duration(text.as_deref()?)?.as_secs();
        Some(u32::try_from(whole).unwrap_or(u32::MAX))
    };
    let merged = asked.into_iter().flatten().fold(None, |merged: Option<TcpKeepalive>, asked| {
        let merged = merged.unwrap_or_default();
        Some(TcpKeepalive {
            keepalive_probes: asked.probes.filter(|probes| *probes > 0).or(merged.keepalive_probes),
            keepalive_time: seconds(&asked.time).or(merged.keepalive_time),
            keepalive_interval: seconds(&asked.interval).or(merged.keepalive_interval),
        })
    });
    merged.map(|tcp_keepalive| UpstreamConnectionOptions { tcp_keepalive: Some(tcp_keepalive) })
}

/// Which HTTP a port's cluster speaks: HTTP/1.1 unless its name or a DestinationRule says otherwise, whatever came in.
pub(super) fn http_options(
    port: &ServicePort,
    class: PortClass,
    by_host: Option<UpstreamHttpProtocolOptions>,
    asked: Asked<'_>,
    is_outbound: bool,
) -> BTreeMap<String, ExtensionProtocolOptions> {
    let pool = asked.pool;
    let common = common(pool);
    let follows_client = follows_client(pool);
    let http2 = is_outbound && speaks_http2(port, class, asked) || !is_outbound && declares_http2(port, class);
    let asks = by_host.is_some() || common.is_some() || follows_client || http2;
    if class == PortClass::Tcp && !asks {
        return BTreeMap::new();
    }
    let explicit = |config| HttpProtocolOptions { explicit_http_config: Some(config), ..Default::default() };
    let options = if class == PortClass::Detected || follows_client {
        HttpProtocolOptions { use_downstream_protocol_config: Some(downstream_protocol()), ..Default::default() }
    } else if http2 {
        explicit(ExplicitHttpConfig::Http2ProtocolOptions(http2_options(pool)))
    } else {
        // Istio says what to take from the host of a request on ports that have none, too.
        explicit(ExplicitHttpConfig::HttpProtocolOptions(Http1ProtocolOptions::default()))
    };
    by_name(HttpProtocolOptions {
        upstream_http_protocol_options: by_host,
        common_http_protocol_options: common,
        ..options
    })
}

/// Whether a client's cluster speaks HTTP/2 whatever came in (`shouldH2Upgrade`).
pub(super) fn speaks_http2(port: &ServicePort, class: PortClass, asked: Asked<'_>) -> bool {
    let Asked { mesh, pool } = asked;
    let upgrades = match pool.and_then(|pool| pool.http.as_ref()).map(|http| http.h2_upgrade_policy) {
        Some(H2UpgradePolicy::Upgrade) => true,
        Some(H2UpgradePolicy::DoNotUpgrade) => false,
        // Only where the port says that it is HTTP.
        None | Some(H2UpgradePolicy::Default) => mesh.upgrades_to_http2 && port.protocol.is_http(),
    };
    !follows_client(pool) && (declares_http2(port, class) || upgrades && class != PortClass::Detected)
}

fn declares_http2(port: &ServicePort, class: PortClass) -> bool {
    class == PortClass::Http && port.protocol.is_http2()
}

fn follows_client(pool: Option<&ConnectionPool>) -> bool {
    pool.and_then(|pool| pool.http.as_ref()).is_some_and(|http| http.use_client_protocol)
}

/// The options of connections of any HTTP, if the rule has one.
fn common(pool: Option<&ConnectionPool>) -> Option<CommonHttpProtocolOptions> {
    let tcp = pool?.tcp.as_ref();
    let http = pool?.http.as_ref();
    let of_http = http.and_then(|http| duration(http.idle_timeout.as_deref()));
    let options = CommonHttpProtocolOptions {
        idle_timeout: of_http.or_else(|| duration(tcp?.idle_timeout.as_deref())),
        max_requests_per_connection: http.and_then(|http| positive(http.max_requests_per_connection)),
        max_connection_duration: tcp.and_then(|tcp| duration(tcp.max_connection_duration.as_deref())),
    };
    let of_http2 = http.is_some_and(|http| http.http2_keep_alive.is_some());
    (of_http2 || options != CommonHttpProtocolOptions::default()).then_some(options)
}

fn http2_options(pool: Option<&ConnectionPool>) -> Http2ProtocolOptions {
    let Some(http) = pool.and_then(|pool| pool.http.as_ref()) else { return Http2ProtocolOptions::default() };
    let keepalive = http.http2_keep_alive.as_ref().and_then(|asked| {
        Some(KeepaliveSettings {
            interval: duration(asked.interval.as_deref()),
            timeout: duration(asked.timeout.as_deref())?,
        })
    });
    Http2ProtocolOptions { connection_keepalive: keepalive, ..Http2ProtocolOptions::default() }
}

pub(super) fn downstream_protocol() -> UseDownstreamHttpConfig {
    UseDownstreamHttpConfig {
        http_protocol_options: Some(Http1ProtocolOptions::default()),
        http2_protocol_options: Some(Http2ProtocolOptions::default()),
    }
}

/// HTTP options as a cluster has them.
pub(super) fn by_name(options: HttpProtocolOptions) -> BTreeMap<String, ExtensionProtocolOptions> {
    BTreeMap::from([(HTTP_PROTOCOL_OPTIONS.into(), ExtensionProtocolOptions::Http(options))])
}

/// A number that a manifest sets: 0 is as good as none.
fn positive(number: i64) -> Option<u32> {
    u32::try_from(number).ok().filter(|number| *number > 0)
}

pub(super) fn duration(text: Option<&str>) -> Option<ProtoDuration> {
    go_duration(text?).map(ProtoDuration)
}
