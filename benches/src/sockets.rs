//! Connections over loopback.

use std::{
    io,
    net::{TcpListener, TcpStream},
    time::Duration,
};

use proxy::{
    bench::{accept, connect},
    stream::{Downstream, Upstream},
};
use tokio::runtime::{Builder, Runtime};

use crate::handshake::contexts::Contexts;

/// Read timeout of a peer, so that a relay that loses bytes fails rather than hangs.
const PATIENCE: Duration = Duration::from_secs(30);

/// Both ends of a new connection, with an app's options: blocking, without Nagle's algorithm.
///
/// # Errors
/// If the system runs out of descriptors or ports.
pub fn pair() -> io::Result<(TcpStream, TcpStream)> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let connected = TcpStream::connect(listener.local_addr()?)?;
    let (accepted, _) = listener.accept()?;
    for end in [&connected, &accepted] {
        end.set_nodelay(true)?;
        end.set_read_timeout(Some(PATIENCE))?;
        end.set_write_timeout(Some(PATIENCE))?;
    }
    Ok((connected, accepted))
}

/// A runtime like that of the proxy's workers.
///
/// # Panics
/// If the system runs out of descriptors.
pub fn runtime() -> Runtime {
    Builder::new_current_thread().enable_all().build().expect("a runtime")
}

/// Registers a connection with the current runtime.
///
/// # Errors
/// If there is no current runtime.
pub fn in_runtime(socket: TcpStream) -> io::Result<tokio::net::TcpStream> {
    socket.set_nonblocking(true)?;
    tokio::net::TcpStream::from_std(socket)
}

/// Performs a handshake over a connection, with the proxy at both ends.
///
/// # Errors
/// If the handshake fails.
pub async fn shake(
    contexts: &Contexts,
    (connected, accepted): (TcpStream, TcpStream),
) -> io::Result<(Upstream, Downstream)> {
    tokio::try_join!(connect(&contexts.client, in_runtime(connected)?), accept(&contexts.server, in_runtime(accepted)?),)
}
