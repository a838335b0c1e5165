//! What is known of a connection when a chain is chosen for it.

use std::{
    fmt,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
};

/// What is known of a connection when its listener filters are done.
#[derive(Clone, Copy, Debug)]
pub struct Connection<'a> {
    /// Where it was going: the original destination if the listener recovers it, else the socket's local address.
    pub destination: SocketAddr,
    /// Where it comes from.
    pub source: SocketAddr,
    /// The SNI in lower case; empty if there is none.
    pub server_name: &'a str,
    /// What the TLS inspector saw.
    pub transport_protocol: Transport,
    /// The ALPN that the ClientHello offers, in the client's order, or the one protocol that the HTTP inspector saw.
    pub application_protocols: &'a [String],
}

impl Connection<'_> {
    /// Whether its peer is on this host: 127.0.0.1, `::1`, or the address that the connection was going to
    /// (`Utility::isSameIpOrLoopback`). Other addresses of 127.0.0.0/8 are not.
    pub fn is_local(&self) -> bool {
        let source = self.source.ip();
        source == IpAddr::V4(Ipv4Addr::LOCALHOST)
            || source == IpAddr::V6(Ipv6Addr::LOCALHOST)
            || source == self.destination.ip()
    }
}

/// What a connection's first bytes are, below the application's protocol.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Transport {
    /// Anything but TLS, and everything that no TLS inspector looked at.
    #[default]
    RawBuffer,
    /// A ClientHello.
    Tls,
}

impl Transport {
    /// The name that a chain's `transport_protocol` has for it.
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
