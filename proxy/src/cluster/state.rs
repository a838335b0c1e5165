//! The configuration, endpoints and statistics of a cluster.

use std::{
    collections::HashMap,
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use arc_swap::{ArcSwap, ArcSwapOption};
use envoy_api::{Address, ClusterLoadAssignment, DiscoveryType, ExplicitHttpConfig};
use envoy_rules::{limits::Limits, outlier::Sign, upstream::http_options};

use super::{
    balance::Balancer,
    eligible::Eligible,
    endpoint::{Endpoint, Transport, Transports},
    limits::Resources,
    outlier::Outliers,
    source::Source,
};
use crate::{
    address::UpstreamHost,
    config::{At as _, Invalid, require_ip},
    stats::{Counter, Gauge, Scope, Stats},
    tls::{ClientContext, ContextStats, TlsStats},
};

#[cfg(test)]
mod tests;

/// The clusters by name, replaced as a whole when their file changes.
pub type Clusters = ArcSwap<HashMap<String, Arc<Cluster>>>;

/// A cluster in use.
#[derive(Debug)]
pub struct Cluster {
    /// Unique among all clusters of this process: a replaced cluster has another id.
    pub id: u64,
    /// Name from its configuration.
    pub name: Arc<str>,
    pub(super) config: envoy_api::Cluster,
    /// Empty for `ORIGINAL_DST`, for which the connection determines the endpoint.
    pub(super) endpoints: ArcSwap<Vec<Arc<Endpoint>>>,
    /// Those of them that may be chosen.
    pub(super) eligible: ArcSwap<Eligible>,
    pub(super) outliers: Option<Outliers>,
    /// The configuration of the endpoints.
    assignment: ArcSwapOption<ClusterLoadAssignment>,
    pub(super) balancer: Balancer,
    pub(super) transports: Transports,
    pub(super) source: Source,
    pub(super) connect_timeout: Duration,
    /// What is in use, within the limits.
    pub resources: Resources,
    pub(super) stats: ClusterStats,
}

/// Statistics of a cluster.
#[derive(Debug)]
pub(super) struct ClusterStats {
    pub(super) cx_total: Counter,
    pub(super) cx_active: Gauge,
    pub(super) cx_connect_fail: Counter,
    pub(super) cx_connect_timeout: Counter,
    pub(super) cx_none_healthy: Counter,
    pub(super) cx_overflow: Counter,
    membership_total: Gauge,
    membership_healthy: Gauge,
    /// `None` unless a transport socket is TLS.
    pub(super) tls: Option<TlsStats>,
}

impl Cluster {
    /// Builds a cluster. One of type `EDS` has no endpoints until [`Self::set_endpoints`].
    ///
    /// # Errors
    /// If something is not supported. The message starts with the path of the field.
    pub fn new(config: &envoy_api::Cluster, stats: &Stats) -> Result<Self, Invalid> {
        static NEXT_ID: AtomicU64 = AtomicU64::new(0);

        let auto_san = http_options(config).and_then(|http| http.upstream_http_protocol_options.as_ref());
        let scope = stats.scope(Scope::Cluster(
            if config.alt_stat_name.is_empty() { &config.name } else { &config.alt_stat_name }.clone(),
        ));
        let transports = Transports::new(
            config,
            auto_san.is_some_and(|options| options.auto_san_validation),
            &ContextStats::new(stats),
        )?;
        let cluster = Self {
            id: NEXT_ID.fetch_add(1, Ordering::Relaxed),
            name: config.name.as_str().into(),
            endpoints: ArcSwap::default(),
            assignment: ArcSwapOption::empty(),
            eligible: ArcSwap::default(),
            outliers: Outliers::new(config, &scope)?,
            balancer: Balancer::new(config),
            source: Source::new(config.upstream_bind_config.as_ref(), config.upstream_connection_options)?,
            connect_timeout: config.connect_timeout.map_or(Duration::from_secs(5), |timeout| timeout.0),
            resources: Resources::new(Limits::of(config), &scope),
            stats: ClusterStats {
                cx_total: scope.counter("upstream_cx_total"),
                cx_active: scope.gauge("upstream_cx_active"),
                cx_connect_fail: scope.counter("upstream_cx_connect_fail"),
                cx_connect_timeout: scope.counter("upstream_cx_connect_timeout"),
                cx_none_healthy: scope.counter("upstream_cx_none_healthy"),
                cx_overflow: scope.counter("upstream_cx_overflow"),
                membership_total: scope.gauge("membership_total"),
                membership_healthy: scope.gauge("membership_healthy"),
                tls: transports.has_tls().then(|| TlsStats::new(&scope)),
            },
            config: config.clone(),
            transports,
        };
        check_discovery(config)?;
        check_policy(config)?;
        if let (DiscoveryType::Static, Some(assignment)) = (config.discovery_type, &config.load_assignment) {
            cluster.set_endpoints(assignment).at("load_assignment")?;
        }
        Ok(cluster)
    }

    /// The configuration that it was built from.
    pub fn config(&self) -> &envoy_api::Cluster {
        &self.config
    }

    pub fn endpoints(&self) -> Arc<Vec<Arc<Endpoint>>> {
        self.endpoints.load_full()
    }

    /// TLS contexts of its transport sockets.
    pub fn tls_contexts(&self) -> impl Iterator<Item = &Arc<ClientContext>> {
        self.transports.all().filter_map(|transport| match transport.as_ref() {
            Transport::Tls(context) => Some(context),
            Transport::Plain => None,
        })
    }

    /// Replaces the endpoints. Connections to removed ones stay open.
    ///
    /// # Errors
    /// If an address is not an IP address. The previous endpoints are kept.
    pub fn set_endpoints(&self, assignment: &ClusterLoadAssignment) -> Result<(), Invalid> {
        let common = self.config.common_lb_config.as_ref();
        if common.is_some_and(|common| common.locality_weighted_lb_config.is_some()) && assignment.endpoints.len() > 1 {
            return Err("several localities are not supported with locality_weighted_lb_config").at("endpoints");
        }
        let mut endpoints = Vec::new();
        for (i, locality) in assignment.endpoints.iter().enumerate() {
            for (j, configured) in locality.lb_endpoints.iter().enumerate() {
                let socket = |address: &Address| {
                    require_ip(address).map(|ip| SocketAddr::new(ip, address.socket_address.port_value))
                };
                let at = format_args!("endpoints[{i}].lb_endpoints[{j}].endpoint.address");
                let address = socket(&configured.endpoint.address).at(at)?;
                let others = configured.endpoint.additional_addresses.iter().enumerate().map(|(k, other)| {
                    let at = format!("endpoints[{i}].lb_endpoints[{j}].endpoint.additional_addresses[{k}].address");
                    socket(&other.address).at(at)
                });
                let others = others.collect::<Result<Vec<_>, _>>()?;
                endpoints.push(Arc::new(Endpoint::new(address, others, configured, &self.transports)));
            }
        }
        self.publish(endpoints);
        self.assignment.store(Some(Arc::new(assignment.clone())));
        Ok(())
    }

    /// The configuration of the endpoints; `None` if they come from DNS or original destinations.
    pub fn assignment(&self) -> Option<Arc<ClusterLoadAssignment>> {
        self.assignment.load_full()
    }

    pub(super) fn publish(&self, mut endpoints: Vec<Arc<Endpoint>>) {
        let earlier = self.endpoints.load();
        for endpoint in &mut endpoints {
            let same = earlier.iter().find(|one| one.addresses() == endpoint.addresses());
            // One that is shared already is the same one.
            if let (Some(same), Some(endpoint)) = (same, Arc::get_mut(endpoint)) {
                endpoint.continues(same);
            }
        }
        self.stats.membership_total.set(endpoints.len() as u64);
        self.endpoints.store(Arc::new(endpoints));
        self.make_eligible();
    }

    /// Notes what became of a request or a connection to a host, and ejects that if it failed too often.
    pub fn observe(&self, host: UpstreamHost, sign: Sign) {
        let Some(outliers) = &self.outliers else { return };
        let all = self.endpoints.load();
        let Some(endpoint) = all.iter().find(|one| one.addresses().contains(&host.0)) else { return };
        if outliers.observe(endpoint, sign, &all) {
            self.make_eligible();
        }
    }

    /// Takes back endpoints whose time has come.
    pub(super) fn take_back(&self) {
        if let Some(outliers) = &self.outliers
            && outliers.take_back(&self.endpoints.load())
        {
            self.make_eligible();
        }
    }

    /// Finds out anew which endpoints may be chosen.
    pub(super) fn make_eligible(&self) {
        let all = self.endpoints.load();
        self.stats.membership_healthy.set(all.iter().filter(|endpoint| !endpoint.is_ejected()).count() as u64);
        self.eligible.store(Arc::new(Eligible::new(&self.config, &all)));
    }
}

/// Checks that a cluster has no policy that is read and not done.
fn check_policy(config: &envoy_api::Cluster) -> Result<(), Invalid> {
    const UNSUPPORTED: &str = "is not supported yet";
    let http2 = http_options(config).and_then(|options| match &options.explicit_http_config {
        Some(ExplicitHttpConfig::Http2ProtocolOptions(options)) => Some(options),
        _ => None,
    });
    if http2.is_some_and(|options| options.max_concurrent_streams.is_some()) {
        return Err(UNSUPPORTED).at("typed_extension_protocol_options.explicit_http_config.max_concurrent_streams");
    }
    Ok(())
}

/// Checks that a cluster has the fields that its type needs, and none that its type does not use.
fn check_discovery(config: &envoy_api::Cluster) -> Result<(), Invalid> {
    use DiscoveryType as Type;
    const EDS: &str = "eds_cluster_config";
    const ASSIGNMENT: &str = "load_assignment";
    let (field, fault) =
        match (config.discovery_type, config.load_assignment.is_some(), config.eds_cluster_config.is_some()) {
            (Type::Eds, _, false) => (EDS, "missing, with type EDS"),
            (Type::Eds | Type::OriginalDst, true, _) => (ASSIGNMENT, "not allowed for this type of cluster"),
            (Type::StrictDns | Type::LogicalDns, false, _) => (ASSIGNMENT, "required for this type of cluster"),
            (Type::Static | Type::StrictDns | Type::LogicalDns | Type::OriginalDst, _, true) => {
                (EDS, "only for type EDS")
            }
            _ => return Ok(()),
        };
    Err(fault).at(field)
}
