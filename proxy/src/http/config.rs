//! A configured HTTP connection manager.

use std::{sync::Arc, time::Duration};

use arc_swap::ArcSwap;
use envoy_api::{
    AlpnFilter, CodecType, ForwardClientCertDetails, Http2ProtocolOptions, HttpConnectionManager, HttpFault,
    HttpFilterConfig, ProtoDuration, RouteConfiguration, ServerHeaderTransformation, SetCurrentClientCertDetails,
    TrafficDirection,
};
use envoy_rules::{forwarded::Trust, path::Normalization};
use http::{HeaderName, HeaderValue};

use super::{peer_metadata::PeerExchange, route::Routes, timeout::timeout, trace::Tracing};
use crate::{
    access_log::{AccessLogs, LogFiles},
    authorization::Authorization,
    config::{At as _, Fault, Invalid},
    istio_metrics::Reporter,
    stats::{Counter, Gauge, Scope, ScopedStats, Stats},
    traces::Traces,
    workload::Introduction,
};

/// Default idle timeout of streams.
const STREAM_IDLE_TIMEOUT: Duration = Duration::from_secs(5 * 60);
/// Default idle timeout of connections.
const IDLE_TIMEOUT: Duration = Duration::from_secs(60 * 60);
/// Default time that a draining connection waits for a last request.
const DRAIN_TIMEOUT: Duration = Duration::from_secs(5);

/// An HTTP connection manager, built once for its filter chain.
#[derive(Debug)]
pub struct Hcm {
    uses_rds: bool,
    pub(super) codec: CodecType,
    pub(super) routes: Arc<ArcSwap<Routes>>,
    pub(super) server_name: HeaderValue,
    pub(super) server_header: ServerHeaderTransformation,
    pub(super) trust: Trust,
    pub(super) client_cert: ForwardClientCertDetails,
    pub(super) client_cert_details: SetCurrentClientCertDetails,
    pub(super) generate_request_id: bool,
    pub(super) preserve_external_request_id: bool,
    pub(super) normalization: Normalization,
    pub(super) accept_http_10: bool,
    pub(super) suppress_envoy_headers: bool,
    /// Decide which requests are allowed, in this order.
    pub(super) authorization: Vec<Authorization>,
    /// Whether policies of routes for CORS are in force: the filter is there.
    pub(super) answers_cors: bool,
    /// Whether faults of routes are in force: the filter is there.
    pub(super) injects_faults: bool,
    /// Determines the ALPN that requests offer upstream.
    pub(super) alpn: Option<AlpnFilter>,
    /// What sidecars tell each other of their workloads.
    pub(super) peers: Option<PeerExchange>,
    /// Allowed upgrade protocols, in lower case.
    pub(super) upgrades: Vec<String>,
    /// `None` for no limit.
    pub(super) stream_idle_timeout: Option<Duration>,
    /// `None` for no limit.
    pub(super) idle_timeout: Option<Duration>,
    /// How long a draining HTTP/1 connection waits for a last request.
    pub(super) drain_timeout: Duration,
    pub(super) max_requests: Option<u32>,
    pub(super) http2: Http2ProtocolOptions,
    pub(super) logs: AccessLogs,
    pub(super) logged_response_headers: Vec<HeaderName>,
    pub(super) stats: HcmStats,
    /// Counts Istio's metrics.
    pub(super) reporter: Option<Reporter>,
    /// Which requests are traced, and who is told.
    pub(super) tracing: Option<Tracing>,
}

/// Statistics of a connection manager.
#[derive(Debug)]
pub(super) struct HcmStats {
    pub(super) connections: Counter,
    pub(super) connections_active: Gauge,
    pub(super) connections_http1: Counter,
    pub(super) connections_http2: Counter,
    pub(super) connections_tls: Counter,
    pub(super) connections_destroyed: Counter,
    pub(super) received: Counter,
    pub(super) sent: Counter,
    pub(super) protocol_errors: Counter,
    pub(super) drained: Counter,
    pub(super) idle_timeouts: Counter,
    pub(super) requests: Counter,
    pub(super) requests_http1: Counter,
    pub(super) requests_http2: Counter,
    pub(super) requests_active: Gauge,
    pub(super) completed: Counter,
    pub(super) resets: Counter,
    pub(super) no_route: Counter,
    pub(super) no_cluster: Counter,
    pub(super) direct_responses: Counter,
    pub(super) redirects: Counter,
    pub(super) upgrades: Counter,
    /// By the first digit of the status, starting at 1.
    classes: [Counter; 5],
}

impl Hcm {
    /// Builds a connection manager. `routes` is updated from the file that `rds` names; `None` if `route_config` contains the
    /// routes.
    ///
    /// # Errors
    /// If an access log, the routes or a value is invalid. The message starts with the path of the field.
    pub fn new(
        config: &HttpConnectionManager,
        routes: Option<Arc<ArcSwap<Routes>>>,
        stats: &Stats,
        files: &LogFiles,
    ) -> Result<Self, Invalid> {
        let uses_rds = routes.is_some();
        let routes = match (&config.route_config, routes) {
            (Some(inline), None) => Arc::new(ArcSwap::from_pointee(Routes::new(inline).at("route_config")?)),
            (None, Some(routes)) => routes,
            _ => return Err("expected one of rds and route_config".into()),
        };
        let Some((HttpFilterConfig::Router(router), others)) =
            config.http_filters.split_last().map(|(last, others)| (&last.typed_config, others))
        else {
            return Err("expected the router at the end").at("http_filters");
        };
        let scope = stats.scope(Scope::Http(config.stat_prefix.clone()));
        let mut authorization = vec![];
        let (mut alpn, mut peers) = (None, None);
        let mut injects_faults = false;
        let mut answers_cors = false;
        for (i, filter) in others.iter().enumerate() {
            match &filter.typed_config {
                HttpFilterConfig::Rbac(filter) => {
                    let path = format_args!("http_filters[{i}].typed_config");
                    authorization.push(Authorization::of_requests(filter, &scope).at(path)?);
                }
                HttpFilterConfig::Alpn(filter) => alpn = Some(filter.clone()),
                HttpFilterConfig::PeerMetadata(filter) => peers = Some(PeerExchange::new(filter)),
                HttpFilterConfig::Fault(fault) if *fault != HttpFault::default() => {
                    let why = "a fault of all requests is not supported; only of a route";
                    return Err(why).at(format_args!("http_filters[{i}].typed_config"));
                }
                // They do what routes say.
                HttpFilterConfig::Fault(_) => injects_faults = true,
                HttpFilterConfig::Cors(_) => answers_cors = true,
                HttpFilterConfig::Router(_) => {
                    return Err("the router has to be the last").at(format_args!("http_filters[{i}].typed_config"));
                }
            }
        }
        let server_name = if config.server_name.is_empty() { "envoy" } else { &config.server_name };
        let logs = AccessLogs::new(&config.access_log, files)?;
        let http1 = config.http_protocol_options.clone().unwrap_or_default();
        let common = config.common_http_protocol_options.clone().unwrap_or_default();
        Ok(Self {
            uses_rds,
            codec: config.codec_type,
            routes,
            server_name: HeaderValue::from_str(server_name)
                .map_err(|_| Fault::Value { value: server_name.to_owned(), not: "not a header value" })
                .at("server_name")?,
            server_header: config.server_header_transformation.unwrap_or(ServerHeaderTransformation::Overwrite),
            trust: Trust::new(config),
            client_cert: config.forward_client_cert_details,
            client_cert_details: config.set_current_client_cert_details.clone().unwrap_or_default(),
            generate_request_id: config.generate_request_id.unwrap_or(true),
            preserve_external_request_id: config.preserve_external_request_id,
            normalization: Normalization::new(config),
            accept_http_10: http1.accept_http_10,
            answers_cors,
            injects_faults,
            suppress_envoy_headers: router.suppress_envoy_headers,
            authorization,
            alpn,
            peers,
            upgrades: config.upgrade_configs.iter().map(|upgrade| upgrade.upgrade_type.to_ascii_lowercase()).collect(),
            stream_idle_timeout: timeout(config.stream_idle_timeout, STREAM_IDLE_TIMEOUT),
            idle_timeout: timeout(common.idle_timeout, IDLE_TIMEOUT),
            drain_timeout: config.drain_timeout.map_or(DRAIN_TIMEOUT, |ProtoDuration(timeout)| timeout),
            max_requests: common.max_requests_per_connection,
            http2: config.http2_protocol_options.clone().unwrap_or_default(),
            logged_response_headers: logs.response_headers(),
            logs,
            stats: HcmStats::new(&scope),
            reporter: None,
            tracing: None,
        })
    }

    /// How the sidecar introduces itself to peers.
    pub(super) fn introduction(&self) -> Option<&Introduction> {
        self.reporter.as_ref()?.introduction()
    }

    /// Counts Istio's metrics, too.
    pub(crate) fn reported_by(self, reporter: Option<Reporter>) -> Self {
        Self { reporter, ..self }
    }

    /// Traces requests, too, as calls in a direction.
    ///
    /// # Errors
    /// As [`Self::new`].
    pub(crate) fn traced(
        self,
        config: &HttpConnectionManager,
        direction: Option<TrafficDirection>,
        traces: &Traces,
    ) -> Result<Self, Invalid> {
        Ok(Self { tracing: Tracing::new(config, direction, traces)?, ..self })
    }

    /// The current routes.
    pub fn route_configuration(&self) -> RouteConfiguration {
        self.routes.load().configuration().clone()
    }

    /// Whether the routes come from a separate file.
    pub fn uses_rds(&self) -> bool {
        self.uses_rds
    }
}

impl HcmStats {
    fn new(stats: &ScopedStats) -> Self {
        Self {
            connections: stats.counter("downstream_cx_total"),
            connections_active: stats.gauge("downstream_cx_active"),
            connections_http1: stats.counter("downstream_cx_http1_total"),
            connections_http2: stats.counter("downstream_cx_http2_total"),
            connections_tls: stats.counter("downstream_cx_ssl_total"),
            connections_destroyed: stats.counter("downstream_cx_destroy"),
            received: stats.counter("downstream_cx_rx_bytes_total"),
            sent: stats.counter("downstream_cx_tx_bytes_total"),
            protocol_errors: stats.counter("downstream_cx_protocol_error"),
            drained: stats.counter("downstream_cx_drain_close"),
            idle_timeouts: stats.counter("downstream_cx_idle_timeout"),
            requests: stats.counter("downstream_rq_total"),
            requests_http1: stats.counter("downstream_rq_http1_total"),
            requests_http2: stats.counter("downstream_rq_http2_total"),
            requests_active: stats.gauge("downstream_rq_active"),
            completed: stats.counter("downstream_rq_completed"),
            resets: stats.counter("downstream_rq_rx_reset"),
            no_route: stats.counter("no_route"),
            no_cluster: stats.counter("no_cluster"),
            direct_responses: stats.counter("rq_direct_response"),
            redirects: stats.counter("rq_redirect"),
            upgrades: stats.counter("downstream_cx_upgrades_total"),
            classes: [1, 2, 3, 4, 5].map(|class| stats.counter(&format!("downstream_rq_{class}xx"))),
        }
    }

    /// Counts a response by its class.
    pub(super) fn responded(&self, status: u16) {
        self.completed.inc();
        if let Some(class) = self.classes.get(usize::from(status / 100).wrapping_sub(1)) {
            class.inc();
        }
    }
}
