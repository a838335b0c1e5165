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

use crate::handshake::Contexts;

/// How long a peer waits for bytes that should be on their way: a relay that loses them fails, and does not hang.
const PATIENCE: Duration = Duration::from_secs(30);

/// Both ends of a new connection, as they are opened by apps: blocking, and sent without delay.
///
/// # Errors
/// When the system has none left.
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

/// A runtime like one of the proxy's.
///
/// # Panics
/// When the system has no descriptors left.
pub fn runtime() -> Runtime {
    Builder::new_current_thread().enable_all().build().expect("a runtime")
}

/// The end of a connection in the hands of the runtime that this is called on.
///
/// # Errors
/// When it is not called on a runtime.
pub fn in_runtime(socket: TcpStream) -> io::Result<tokio::net::TcpStream> {
    socket.set_nonblocking(true)?;
    tokio::net::TcpStream::from_std(socket)
}

/// Shakes hands over a connection as the proxies at both its ends do.
///
/// # Errors
/// When the handshake fails.
pub async fn shake(
    contexts: &Contexts,
    (connected, accepted): (TcpStream, TcpStream),
) -> io::Result<(Upstream, Downstream)> {
    tokio::try_join!(connect(&contexts.client, in_runtime(connected)?), accept(&contexts.server, in_runtime(accepted)?),)
}
