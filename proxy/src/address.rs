//! Addresses by the role they play, so that they can't be swapped for one another.

use std::{fmt, net::SocketAddr};

/// Declares a role: a socket address that only compares and prints as one.
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
    /// Where a connection was going before it was redirected to a listener.
    OriginalDst;
    /// The peer of a connection that a listener accepted.
    DownstreamRemote;
    /// The address that the downstream peer believes to talk to: the original destination if there is one.
    DownstreamLocal;
    /// The endpoint that a connection was opened to.
    UpstreamHost;
    /// The source address of an upstream connection.
    UpstreamLocal;
}

/// An IPv4 address that came in through an IPv6 socket, as the IPv4 address that it is.
pub fn unmapped(address: SocketAddr) -> SocketAddr {
    SocketAddr::new(address.ip().to_canonical(), address.port())
}
