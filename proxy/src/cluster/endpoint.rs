//! Endpoints, and what is done with the bytes on the way to them.

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
};

use envoy_api::{LbEndpoint, TRANSPORT_SOCKET_MATCH, TransportSocket, TransportSocketConfig};
use serde_json::{Map, Value};

use crate::{
    address::UpstreamHost,
    tls::{ClientContext, ContextStats},
};

/// One endpoint of a cluster.
#[derive(Debug)]
pub struct Endpoint {
    /// Where it is.
    pub host: UpstreamHost,
    pub(super) transport: Arc<Transport>,
    /// Its share among the others; at least 1.
    pub(super) weight: u32,
    active: AtomicU32,
}

/// What is done with the bytes.
#[derive(Debug)]
pub enum Transport {
    /// Nothing.
    Plain,
    /// TLS.
    Tls(Arc<ClientContext>),
}

/// A connection or request that an endpoint has to serve, for as long as this lives.
#[derive(Debug)]
pub struct Load(Arc<Endpoint>);

impl Endpoint {
    pub(super) fn new(address: SocketAddr, configured: &LbEndpoint, transports: &Transports) -> Self {
        let metadata = configured.metadata.as_ref().and_then(|m| m.filter_metadata.get(TRANSPORT_SOCKET_MATCH));
        let weight = configured.load_balancing_weight.unwrap_or(1).max(1);
        Self { weight, ..Self::bare(address, transports.find(metadata)) }
    }

    /// An endpoint that nothing is known of but its address.
    pub(super) fn bare(address: SocketAddr, transport: &Arc<Transport>) -> Self {
        Self { host: UpstreamHost(address), transport: transport.clone(), weight: 1, active: AtomicU32::new(0) }
    }

    /// What is done with the bytes.
    pub fn transport(&self) -> &Transport {
        &self.transport
    }

    /// How many connections or requests it serves.
    pub fn active(&self) -> u32 {
        self.active.load(Ordering::Relaxed)
    }

    /// Notes one more.
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

/// A cluster's transport sockets.
#[derive(Debug)]
pub(super) struct Transports {
    /// The first whose keys and values are all in the endpoint's metadata wins.
    matches: Vec<(Map<String, Value>, Arc<Transport>)>,
    default: Arc<Transport>,
}

impl Transports {
    pub(super) fn new(config: &envoy_api::Cluster, auto_san: bool, stats: &ContextStats) -> Result<Self, String> {
        let matches = config.transport_socket_matches.iter().enumerate().map(|(i, m)| {
            let transport = transport(&m.transport_socket, auto_san, stats)
                .map_err(|e| format!("transport_socket_matches[{i}].transport_socket.{e}"))?;
            Ok((m.matcher.clone(), Arc::new(transport)))
        });
        let default = match &config.transport_socket {
            Some(socket) => transport(socket, auto_san, stats).map_err(|e| format!("transport_socket.{e}"))?,
            None => Transport::Plain,
        };
        Ok(Self { matches: matches.collect::<Result<_, String>>()?, default: Arc::new(default) })
    }

    /// The one for endpoints without metadata.
    pub(super) fn unmatched(&self) -> &Arc<Transport> {
        self.find(None)
    }

    pub(super) fn has_tls(&self) -> bool {
        self.all().any(|transport| matches!(transport.as_ref(), Transport::Tls(_)))
    }

    pub(super) fn all(&self) -> impl Iterator<Item = &Arc<Transport>> {
        self.matches.iter().map(|(_, transport)| transport).chain([&self.default])
    }

    fn find(&self, metadata: Option<&Map<String, Value>>) -> &Arc<Transport> {
        let has = |key: &String, value: &Value| metadata.is_some_and(|metadata| metadata.get(key) == Some(value));
        self.matches
            .iter()
            .find(|(wanted, _)| wanted.iter().all(|(key, value)| has(key, value)))
            .map_or(&self.default, |(_, transport)| transport)
    }
}

fn transport(socket: &TransportSocket, auto_san: bool, stats: &ContextStats) -> Result<Transport, String> {
    match &socket.typed_config {
        TransportSocketConfig::RawBuffer(_) => Ok(Transport::Plain),
        TransportSocketConfig::UpstreamTls(context) => ClientContext::new(context, auto_san, stats.clone())
            .map(|context| Transport::Tls(Arc::new(context)))
            .map_err(|e| format!("typed_config.{e}")),
        TransportSocketConfig::DownstreamTls(_) => {
            Err("typed_config: a DownstreamTlsContext, where an UpstreamTlsContext is needed".into())
        }
    }
}
