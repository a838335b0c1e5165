//! Listening sockets.

use std::{
    io,
    net::{SocketAddr, TcpListener},
    os::fd::AsFd as _,
};

use envoy_api::{SocketOption, SocketState};
use socket2::{Domain, Protocol, Socket, Type};

use crate::sys;

/// How many connections may wait to be accepted, as far as `net.core.somaxconn` allows.
const BACKLOG: i32 = 4096;

/// One listening socket for each worker, all at one address (`SO_REUSEPORT`): the kernel spreads connections.
///
/// # Errors
/// When the address can't be bound, or an option not be set.
pub fn bind(address: SocketAddr, options: &[SocketOption], workers: usize) -> io::Result<Vec<TcpListener>> {
    let mut address = address;
    let mut sockets = Vec::with_capacity(workers);
    for _ in 0..workers {
        let socket: TcpListener = listen(address, options)?.into();
        address = socket.local_addr()?; // so that port 0 is the same port for all
        sockets.push(socket);
    }
    Ok(sockets)
}

fn listen(address: SocketAddr, options: &[SocketOption]) -> io::Result<Socket> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM.nonblocking(), Some(Protocol::TCP))?;
    socket.set_reuse_address(true)?;
    socket.set_reuse_port(true)?;
    if address.is_ipv6() {
        socket.set_only_v6(true)?; // Envoy's `ipv4_compat` is off: 0.0.0.0 has a socket of its own
    }
    let set = |state| {
        let options = options.iter().filter(move |option| option.state == state);
        options.into_iter().try_for_each(|o| sys::set_socket_option(socket.as_fd(), o.level, o.name, o.int_value))
    };
    set(SocketState::StatePrebind)?;
    socket.bind(&address.into())?;
    set(SocketState::StateBound)?;
    socket.listen(BACKLOG)?;
    set(SocketState::StateListening)?;
    Ok(socket)
}
