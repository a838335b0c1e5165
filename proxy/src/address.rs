//! Addresses by role, as types that can't be confused.

use std::{fmt, net::SocketAddr};

/// Declares a role: a socket address that can only be compared and formatted.
macro_rules! role {
    ($($(#[$doc:meta])* $name:ident;)+) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub struct $name(pub SocketAddr);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }
    )+};
}

role! {
    /// The destination of a connection before it was redirected to a listener.
    OriginalDst;
    /// The peer of a connection that a listener accepted.
    DownstreamRemote;
    /// The address that the downstream peer connected to, from its point of view: the original destination if there is one.
    DownstreamLocal;
    /// The endpoint of an upstream connection.
    UpstreamHost;
    /// The source address of an upstream connection.
    UpstreamLocal;
}

/// Converts an IPv4-mapped IPv6 address to IPv4.
pub fn unmapped(address: SocketAddr) -> SocketAddr {
    SocketAddr::new(address.ip().to_canonical(), address.port())
}
