//! Where in a sidecar a connection is, and what it brings along.

use std::net::{IpAddr, SocketAddr};

use super::trace::Role;

/// A connection as a sidecar accepted it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Arrival {
    /// Where it was going before any redirect.
    pub(super) destination: SocketAddr,
    pub(super) source: IpAddr,
}

/// Where in a sidecar a connection is.
#[derive(Clone, Copy, Debug)]
pub(super) struct Place {
    pub(super) host: usize,
    pub(super) role: Role,
    pub(super) arrival: Arrival,
    /// Whether it ended the connection's TLS.
    pub(super) ended_tls: bool,
}

/// What the filters of a chain tell the connection upstream.
#[derive(Clone, Debug, Default)]
pub(super) struct Shared {
    /// The ALPN to offer, in place of the cluster's.
    pub(super) alpn: Option<Vec<String>>,
    /// The SNI to send, in place of the cluster's.
    pub(super) server_name: Option<String>,
}
