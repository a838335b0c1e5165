//! Bulk transfer through a relay: sender and receiver on their own threads, the relay on the measured thread.

mod blocking;

use std::{io, net::TcpStream, thread, time::Duration};

use proxy::{
    bench::{accept, connect, relay},
    stream::{Downstream, Upstream},
};
use rustls::{ClientConnection, ServerConnection};
use tokio::runtime::Runtime;

use crate::{
    clock,
    handshake::{Ends, Kind, contexts::Contexts},
    sockets::{in_runtime, pair, runtime},
};
use blocking::{Stream, handshaken, receive, send};

#[cfg(test)]
mod tests;

/// The protocols of sender and receiver.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Path {
    /// Plaintext on both sides.
    PlainToPlain,
    /// TLS that the relay terminates.
    TlsToPlain,
    /// TLS that the relay originates.
    PlainToTls,
    /// TLS on both sides, in separate sessions.
    TlsToTls,
}

/// The implementation of the relay.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum By {
    /// The proxy's.
    Proxy,
    /// A loop of `read(2)` and `write(2)` with rustls, as a lower bound.
    Copy,
    /// A loop of `splice(2)`, as a lower bound for plaintext.
    Splice,
}

impl By {
    /// Name of the implementation in benches.
    pub fn name(self) -> &'static str {
        match self {
            Self::Proxy => "proxy",
            Self::Copy => "copy",
            Self::Splice => "splice",
        }
    }
}

impl Path {
    pub const ALL: [Self; 4] = [Self::PlainToPlain, Self::TlsToPlain, Self::PlainToTls, Self::TlsToTls];

    /// The implementations that support this path.
    pub fn means(self) -> &'static [By] {
        if self == Self::PlainToPlain { &[By::Splice, By::Copy, By::Proxy] } else { &[By::Copy, By::Proxy] }
    }

    pub fn name(self) -> &'static str {
        match self {
            Self::PlainToPlain => "plain to plain",
            Self::TlsToPlain => "TLS to plain",
            Self::PlainToTls => "plain to TLS",
            Self::TlsToTls => "TLS to TLS",
        }
    }

    fn opens_tls(self) -> bool {
        matches!(self, Self::TlsToPlain | Self::TlsToTls)
    }

    fn makes_tls(self) -> bool {
        matches!(self, Self::PlainToTls | Self::TlsToTls)
    }
}

/// The TLS configurations and the runtime of relays.
pub struct Rig {
    contexts: Contexts,
    library: Ends,
    runtime: Runtime,
}

impl Default for Rig {
    fn default() -> Self {
        let contexts = Contexts::new(Kind::MESH);
        Self { library: contexts.library(), contexts, runtime: runtime() }
    }
}

impl Rig {
    /// Relays `bytes` over a new connection, and returns the relaying thread's CPU time, from after the handshakes until both
    /// directions are closed.
    ///
    /// # Errors
    /// If a connection fails.
    ///
    /// # Panics
    /// If bytes are lost.
    pub fn run(&self, path: Path, by: By, bytes: u64) -> io::Result<Duration> {
        let (sender, from) = pair()?;
        let (to, receiver) = pair()?;
        thread::scope(|scope| {
            let sending = scope.spawn(|| send(self.client(path.opens_tls(), sender)?, bytes));
            let receiving = scope.spawn(|| receive(self.server(path.makes_tls(), receiver)?));
            let took = match by {
                By::Proxy => self.proxy(path, from, to),
                By::Copy => blocking::copy(self.server(path.opens_tls(), from)?, self.client(path.makes_tls(), to)?),
                By::Splice => blocking::splice(from, to),
            }?;
            sending.join().expect("the sender does not panic")?;
            assert_eq!(receiving.join().expect("the receiver does not panic")?, bytes);
            Ok(took)
        })
    }

    fn proxy(&self, path: Path, from: TcpStream, to: TcpStream) -> io::Result<Duration> {
        let Contexts { client, server, .. } = &self.contexts;
        let (downstream, upstream) = self.runtime.block_on(async {
            let (from, to) = (in_runtime(from)?, in_runtime(to)?);
            let downstream = if path.opens_tls() { accept(server, from).await? } else { Downstream::Plain(from) };
            let upstream = if path.makes_tls() { connect(client, to).await? } else { Upstream::Plain(to) };
            io::Result::Ok((downstream, upstream))
        })?;
        Ok(clock::cpu(|| self.runtime.block_on(relay(downstream, upstream))).0)
    }

    /// rustls' client on a connection, after its handshake.
    fn client(&self, tls: bool, socket: TcpStream) -> io::Result<Box<dyn Stream>> {
        if !tls {
            return Ok(Box::new(socket));
        }
        let connection = ClientConnection::new(self.library.client.clone(), self.library.name.clone());
        handshaken(connection.map_err(io::Error::other)?, socket)
    }

    /// rustls' server on a connection, after its handshake.
    fn server(&self, tls: bool, socket: TcpStream) -> io::Result<Box<dyn Stream>> {
        if !tls {
            return Ok(Box::new(socket));
        }
        let connection = ServerConnection::new(self.library.server.clone());
        handshaken(connection.map_err(io::Error::other)?, socket)
    }
}
