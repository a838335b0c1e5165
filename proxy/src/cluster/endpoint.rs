//! Endpoints and their transport sockets.

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::Instant,
};

use envoy_api::{LbEndpoint, Metadata, TransportSocket, TransportSocketConfig, TransportSocketMatch};
use envoy_rules::upstream::transport_socket_match;

use super::health::Health;
use crate::{
    address::UpstreamHost,
    config::{At as _, Invalid},
    tls::{ClientContext, ContextStats},
};

#[derive(Debug)]
pub struct Endpoint {
    /// Address of the endpoint.
    pub host: UpstreamHost,
    /// The host's addresses, the one above first.
    addresses: Vec<SocketAddr>,
    pub(super) transport: Arc<Transport>,
    /// Relative weight, at least 1.
    pub(super) weight: u32,
    /// When it was first seen.
    pub(super) since: Instant,
    pub(super) health: Arc<Health>,
    active: AtomicU32,
}

#[derive(Debug)]
pub enum Transport {
    Plain,
    Tls(Arc<ClientContext>),
}

/// Counts a connection or request of an endpoint until dropped.
#[derive(Debug)]
pub struct Load(Arc<Endpoint>);

impl Endpoint {
    /// One with these addresses, in the order that they are tried in.
    pub(super) fn new(
        address: SocketAddr,
        others: impl IntoIterator<Item = SocketAddr>,
        configured: &LbEndpoint,
        transports: &Transports,
    ) -> Self {
        let weight = configured.load_balancing_weight.unwrap_or(1).max(1);
        let addresses = [address].into_iter().chain(others).collect();
        Self { weight, addresses, ..Self::bare(address, transports.find(configured.metadata.as_ref())) }
    }

    /// Its addresses, in the order that they are tried in.
    pub(super) fn addresses(&self) -> &[SocketAddr] {
        &self.addresses
    }

    /// An endpoint without metadata.
    pub(super) fn bare(address: SocketAddr, transport: &Arc<Transport>) -> Self {
        Self {
            host: UpstreamHost(address),
            addresses: vec![address],
            transport: transport.clone(),
            weight: 1,
            since: Instant::now(),
            health: Arc::default(),
            active: AtomicU32::new(0),
        }
    }

    /// Takes over what is known of the same host from before.
    pub(super) fn continues(&mut self, earlier: &Self) {
        self.since = earlier.since;
        self.health = earlier.health.clone();
    }

    /// Whether it is left out because it failed too often.
    pub fn is_ejected(&self) -> bool {
        self.health.is_ejected()
    }

    /// Relative weight, at least 1.
    pub fn weight(&self) -> u32 {
        self.weight
    }

    pub fn transport(&self) -> &Transport {
        &self.transport
    }

    /// Number of active connections or requests.
    pub fn active(&self) -> u32 {
        self.active.load(Ordering::Relaxed)
    }

    /// Counts another connection or request.
    pub fn load(self: &Arc<Self>) -> Load {
        self.active.fetch_add(1, Ordering::Relaxed);
        Load(self.clone())
    }
}

impl Drop for Load {
    fn drop(&mut self) {
        self.0.active.fetch_sub(1, Ordering::Relaxed);
    }
}

/// The transport sockets of a cluster.
#[derive(Debug)]
pub(super) struct Transports {
    matches: Vec<TransportSocketMatch>,
    matched: Vec<Arc<Transport>>,
    default: Arc<Transport>,
}

impl Transports {
    pub(super) fn new(config: &envoy_api::Cluster, auto_san: bool, stats: &ContextStats) -> Result<Self, Invalid> {
        let matched = config.transport_socket_matches.iter().enumerate().map(|(i, matched)| {
            let transport = transport(&matched.transport_socket, auto_san, stats);
            transport.map(Arc::new).at(format_args!("transport_socket_matches[{i}].transport_socket"))
        });
        let default = match &config.transport_socket {
            Some(socket) => transport(socket, auto_san, stats).at("transport_socket")?,
            None => Transport::Plain,
        };
        Ok(Self {
            matched: matched.collect::<Result<_, _>>()?,
            matches: config.transport_socket_matches.clone(),
            default: Arc::new(default),
        })
    }

    /// The transport for endpoints without metadata.
    pub(super) fn unmatched(&self) -> &Arc<Transport> {
        self.find(None)
    }

    pub(super) fn has_tls(&self) -> bool {
        self.all().any(|transport| matches!(transport.as_ref(), Transport::Tls(_)))
    }

    pub(super) fn all(&self) -> impl Iterator<Item = &Arc<Transport>> {
        self.matched.iter().chain([&self.default])
    }

    fn find(&self, metadata: Option<&Metadata>) -> &Arc<Transport> {
        transport_socket_match(&self.matches, metadata).map_or(&self.default, |index| &self.matched[index])
    }
}

fn transport(socket: &TransportSocket, auto_san: bool, stats: &ContextStats) -> Result<Transport, Invalid> {
    match &socket.typed_config {
        TransportSocketConfig::RawBuffer(_) => Ok(Transport::Plain),
        TransportSocketConfig::UpstreamTls(context) => ClientContext::new(context, auto_san, stats.clone())
            .map(|context| Transport::Tls(Arc::new(context)))
            .at("typed_config"),
        TransportSocketConfig::DownstreamTls(_) => {
            Err("expected an UpstreamTlsContext, found a DownstreamTlsContext").at("typed_config")
        }
    }
}
