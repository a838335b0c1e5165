//! Listening sockets.

use std::{
    io,
    net::{SocketAddr, TcpListener},
    os::fd::AsFd as _,
};

use envoy_api::{Listener, SocketOption, SocketState};
use socket2::{Domain, Protocol, Socket, Type};

use crate::sys;

/// Maximum length of the accept queue if `tcp_backlog_size` is unset; the kernel limits it to `net.core.somaxconn`.
const BACKLOG: i32 = 4096;

/// Binds one listening socket for each worker to an address of a listener (`SO_REUSEPORT`), so that the kernel distributes
/// connections. Without `enable_reuse_port` there is a single socket, of which each worker gets a descriptor.
///
/// # Errors
/// If the address can't be bound, or an option can't be set.
pub fn bind(address: SocketAddr, listener: &Listener, workers: usize) -> io::Result<Vec<TcpListener>> {
    let reuse_port = listener.enable_reuse_port != Some(false);
    let backlog = listener.tcp_backlog_size.map_or(BACKLOG, |size| size.try_into().unwrap_or(i32::MAX));
    let listen = |address, reuse_port| listen(address, reuse_port, backlog, &listener.socket_options);
    let first: TcpListener = listen(address, reuse_port)?.into();
    let address = first.local_addr()?; // all sockets get the same port for port 0
    let mut sockets = Vec::with_capacity(workers);
    for _ in 1..workers {
        sockets.push(match reuse_port {
            true => listen(address, true)?.into(),
            false => first.try_clone()?,
        });
    }
    sockets.push(first);
    Ok(sockets)
}

fn listen(address: SocketAddr, reuse_port: bool, backlog: i32, options: &[SocketOption]) -> io::Result<Socket> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM.nonblocking(), Some(Protocol::TCP))?;
    socket.set_reuse_address(true)?;
    socket.set_reuse_port(reuse_port)?;
    if address.is_ipv6() {
        socket.set_only_v6(true)?; // Envoy's `ipv4_compat` is off: 0.0.0.0 has a separate socket
    }
    let set = |state| {
        let options = options.iter().filter(move |option| option.state == state);
        options.into_iter().try_for_each(|o| sys::set_socket_option(socket.as_fd(), o.level, o.name, o.int_value))
    };
    set(SocketState::StatePrebind)?;
    socket.bind(&address.into())?;
    set(SocketState::StateBound)?;
    socket.listen(backlog)?;
    set(SocketState::StateListening)?;
    Ok(socket)
}
