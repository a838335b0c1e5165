//! The facts about a connection by which a filter chain is chosen.

use std::{
    fmt,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
};

/// The facts about a connection after its listener filters.
#[derive(Clone, Copy, Debug)]
pub struct Connection<'a> {
    /// The original destination if the listener restores it, otherwise the socket's local address.
    pub destination: SocketAddr,
    /// The peer's address.
    pub source: SocketAddr,
    /// SNI in lower case; empty if there is none.
    pub server_name: &'a str,
    /// The transport protocol that the TLS inspector detected.
    pub transport_protocol: Transport,
    /// The ALPN protocols of the ClientHello, in the client's order, or the one protocol that the HTTP inspector detected.
    pub application_protocols: &'a [String],
}

impl Connection<'_> {
    /// Whether the peer is on this host: its address is 127.0.0.1, `::1`, or the same as the destination
    /// (`Utility::isSameIpOrLoopback`). Other addresses in 127.0.0.0/8 do not count.
    pub fn is_local(&self) -> bool {
        let source = self.source.ip();
        source == IpAddr::V4(Ipv4Addr::LOCALHOST)
            || source == IpAddr::V6(Ipv6Addr::LOCALHOST)
            || source == self.destination.ip()
    }
}

/// The transport protocol of a connection.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Transport {
    /// Anything but TLS, or not inspected.
    #[default]
    RawBuffer,
    /// The connection starts with a ClientHello.
    Tls,
}

impl Transport {
    /// The value in a chain's `transport_protocol`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::RawBuffer => "raw_buffer",
            Self::Tls => "tls",
        }
    }
}

impl fmt::Display for Transport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
