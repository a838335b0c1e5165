//! The position of a connection in a sidecar, and its properties.

use std::net::{IpAddr, SocketAddr};

use envoy_api::AlpnFilter;

use super::trace::Role;

/// A connection as a sidecar accepted it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Arrival {
    /// Its original destination.
    pub(super) destination: SocketAddr,
    pub(super) source: IpAddr,
}

/// The position of a connection in a sidecar.
#[derive(Clone, Copy, Debug)]
pub(super) struct Place {
    pub(super) host: usize,
    pub(super) role: Role,
    pub(super) arrival: Arrival,
    /// Whether it terminated the connection's TLS.
    pub(super) ended_tls: bool,
}

/// What the filters of a chain set for the upstream connection.
#[derive(Clone, Debug, Default)]
pub(super) struct Shared {
    /// The ALPN to offer, in place of the cluster's.
    pub(super) alpn: Option<Vec<String>>,
    /// The SNI to send, in place of the cluster's.
    pub(super) server_name: Option<String>,
    /// What decides the ALPN of a request, before the one above.
    pub(super) of_request: Option<AlpnFilter>,
}
