//! Bulk through a relay: a sender and a receiver in threads of their own, and the relay in the thread that is measured.

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
    handshake::{Contexts, Ends, Kind},
    sockets::{in_runtime, pair, runtime},
};
use blocking::{Stream, receive, send, shaken};

#[cfg(test)]
mod tests;

/// A data path: what the sender sends, and what the receiver gets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Path {
    /// Bytes as they are.
    PlainToPlain,
    /// TLS, opened by the relay.
    TlsToPlain,
    /// TLS, made by the relay.
    PlainToTls,
    /// TLS on both sides, each of its own.
    TlsToTls,
}

/// Who relays, and how.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum By {
    /// The proxy.
    Proxy,
    /// A loop of `read(2)` and `write(2)` with the library's TLS, and nothing else: a floor.
    Copy,
    /// A loop of `splice(2)`: the floor of what is not opened.
    Splice,
}

impl By {
    /// Its name among the benches.
    pub fn name(self) -> &'static str {
        match self {
            Self::Proxy => "proxy",
            Self::Copy => "copy",
            Self::Splice => "splice",
        }
    }
}

impl Path {
    /// All four.
    pub const ALL: [Self; 4] = [Self::PlainToPlain, Self::TlsToPlain, Self::PlainToTls, Self::TlsToTls];

    /// Who can relay on it.
    pub fn means(self) -> &'static [By] {
        if self == Self::PlainToPlain { &[By::Splice, By::Copy, By::Proxy] } else { &[By::Copy, By::Proxy] }
    }

    /// Its name among the benches.
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

/// What relays are made from.
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
    /// Has so many bytes relayed over a new connection, and says how long the relaying thread ran for it: from after the
    /// handshakes until both sides are done.
    ///
    /// # Errors
    /// When a connection fails.
    ///
    /// # Panics
    /// When not all bytes arrive.
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

    /// The library's client at an end of a connection, after its handshake.
    fn client(&self, tls: bool, socket: TcpStream) -> io::Result<Box<dyn Stream>> {
        if !tls {
            return Ok(Box::new(socket));
        }
        let connection = ClientConnection::new(self.library.client.clone(), self.library.name.clone());
        shaken(connection.map_err(io::Error::other)?, socket)
    }

    /// The library's server at an end of a connection, after its handshake.
    fn server(&self, tls: bool, socket: TcpStream) -> io::Result<Box<dyn Stream>> {
        if !tls {
            return Ok(Box::new(socket));
        }
        let connection = ServerConnection::new(self.library.server.clone());
        shaken(connection.map_err(io::Error::other)?, socket)
    }
}
