//! Upstream sockets: source address and options.

use std::{io, net::SocketAddr, os::fd::AsFd as _};

use envoy_api::{BindConfig, SocketOption, SocketState};
use envoy_rules::{
    outcome::ConnectError,
    upstream::{source_addresses, source_for},
};
use nix::errno::Errno;
use tokio::net::TcpSocket;

use crate::{
    config::{At as _, Fault, Invalid},
    sys,
};

/// Lets the kernel choose the source port at connect time, which allows more connections than there are ports
/// (`ip(7)`, `IP_BIND_ADDRESS_NO_PORT`).
const BIND_ADDRESS_NO_PORT: (i32, i32) = (nix::libc::IPPROTO_IP, nix::libc::IP_BIND_ADDRESS_NO_PORT);

/// Source addresses and options of upstream sockets.
#[derive(Debug, Default)]
pub(super) struct Source {
    addresses: Vec<SocketAddr>,
    options: Vec<SocketOption>,
}

impl Source {
    pub(super) fn new(config: Option<&BindConfig>) -> Result<Self, Invalid> {
        let Some(config) = config else { return Ok(Self::default()) };
        let addresses = source_addresses(config)
            .map_err(|address| Fault::Value { value: address.to_owned(), not: "not an IP address" })
            .at("upstream_bind_config.source_address")?;
        Ok(Self { addresses, options: config.socket_options.clone() })
    }

    /// A socket for connecting to an address, bound if there is a source address of the same IP version.
    pub(super) fn socket(&self, destination: SocketAddr) -> Result<TcpSocket, ConnectError> {
        let source = source_for(&self.addresses, destination);
        self.bound(destination, source).map_err(|error| {
            let words = error.raw_os_error().map_or("unknown error", |errno| Errno::from_raw(errno).desc());
            ConnectError::NotBound(match source {
                Some(source) => format!("failed to bind to {source}: {words}").into(),
                None => words.into(),
            })
        })
    }

    fn bound(&self, destination: SocketAddr, source: Option<SocketAddr>) -> io::Result<TcpSocket> {
        let socket = if destination.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
        socket.set_nodelay(true)?;
        self.set_options(&socket, SocketState::StatePrebind)?;
        if let Some(source) = source {
            if source.port() == 0 {
                let (level, name) = BIND_ADDRESS_NO_PORT;
                // Only an optimization: without it, the port is chosen at bind time.
                let _ = sys::set_socket_option(socket.as_fd(), level, name, 1);
            }
            socket.bind(source)?;
        }
        self.set_options(&socket, SocketState::StateBound)?;
        Ok(socket)
    }

    fn set_options(&self, socket: &TcpSocket, state: SocketState) -> io::Result<()> {
        self.options
            .iter()
            .filter(|option| option.state == state)
            .try_for_each(|o| sys::set_socket_option(socket.as_fd(), o.level, o.name, o.int_value))
    }
}
