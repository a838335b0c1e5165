//! The position of a connection in a sidecar, and its properties.

use std::{
    net::{IpAddr, SocketAddr},
    time::Duration,
};

use envoy_api::AlpnFilter;

use super::trace::Role;
use crate::account::TlsFacts;

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

/// What the filters of a chain know of the connection below them.
#[derive(Clone, Copy, Debug)]
pub(super) struct Inside<'a> {
    /// The TLS that was terminated, if it was.
    pub(super) tls: Option<&'a TlsFacts>,
    /// The SNI that an inspector read; empty without one.
    pub(super) server_name: &'a str,
}

impl Inside<'_> {
    /// The ALPN of the TLS that was terminated.
    pub(super) fn alpn(&self) -> Option<&str> {
        self.tls?.alpn.as_deref()
    }
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
    /// Which endpoint is chosen, where the cluster chooses by a hash; any if nothing is hashed, or unknown.
    pub(super) hash: Option<u64>,
    /// How long the whole response may take, if there is a limit.
    pub(super) timeout: Option<Duration>,
}
