//! Upstream sockets: source address and options.

use std::{io, net::SocketAddr, os::fd::AsFd as _};

use envoy_api::{BindConfig, SocketOption, SocketState, TcpKeepalive, UpstreamConnectionOptions};
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
    pub(super) fn new(
        config: Option<&BindConfig>,
        connections: Option<UpstreamConnectionOptions>,
    ) -> Result<Self, Invalid> {
        let mut options: Vec<SocketOption> =
            connections.and_then(|connections| connections.tcp_keepalive).map(keepalive).unwrap_or_default();
        let Some(config) = config else { return Ok(Self { addresses: vec![], options }) };
        let addresses = source_addresses(config)
            .map_err(|address| Fault::Value { value: address.to_owned(), not: "not an IP address" })
            .at("upstream_bind_config.source_address")?;
        options.extend(config.socket_options.iter().cloned());
        Ok(Self { addresses, options })
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

/// The options that make the kernel probe idle connections (`source/common/network/socket_option_factory.cc`).
fn keepalive(asked: TcpKeepalive) -> Vec<SocketOption> {
    use nix::libc::{IPPROTO_TCP, SO_KEEPALIVE, SOL_SOCKET, TCP_KEEPCNT, TCP_KEEPIDLE, TCP_KEEPINTVL};
    let option = |level, name, value| SocketOption {
        description: String::new(),
        level,
        name,
        int_value: value,
        state: SocketState::StatePrebind,
    };
    let of_tcp = [
        (TCP_KEEPCNT, asked.keepalive_probes),
        (TCP_KEEPIDLE, asked.keepalive_time),
        (TCP_KEEPINTVL, asked.keepalive_interval),
    ];
    let of_tcp = of_tcp
        .into_iter()
        .filter_map(|(name, value)| Some(option(IPPROTO_TCP, name, i32::try_from(value?).unwrap_or(i32::MAX))));
    std::iter::once(option(SOL_SOCKET, SO_KEEPALIVE, 1)).chain(of_tcp).collect()
}
