//! TLS handshakes in memory: with the proxy's contexts, and with rustls alone.

pub mod contexts;
mod library;

use std::{fmt, sync::Arc};

use mesh::ca::KeyType;
use rustls::{
    ClientConfig, ClientConnection, ConnectionCommon, ServerConfig, ServerConnection, SideData, pki_types::ServerName,
};

#[cfg(test)]
mod tests;

/// The server's name, for a client that verifies names.
const HOST: &str = "server.default.svc.cluster.local";

/// A variant of a handshake.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Kind {
    /// Whether the client presents a certificate, too.
    pub mutual: bool,
    /// Key type of the certificates.
    pub key: KeyType,
    pub group: Group,
    /// Whether it resumes an earlier session.
    pub resumed: bool,
}

/// Key exchange groups, as Envoy names them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Group {
    /// `X25519`.
    X25519,
    /// `X25519MLKEM768`, the first choice of Envoy and the proxy.
    PostQuantum,
}

impl Group {
    fn name(self) -> &'static str {
        match self {
            Self::X25519 => "X25519",
            Self::PostQuantum => "X25519MLKEM768",
        }
    }
}

impl Kind {
    /// The default in a mesh.
    pub const MESH: Self = Self { mutual: true, key: KeyType::P256, group: Group::PostQuantum, resumed: false };

    /// All variants that are measured: the mesh's default, and variants of the simplest one that differ in one aspect each.
    pub fn all() -> Vec<Self> {
        let simple = Self { group: Group::X25519, ..Self::MESH };
        vec![
            Self::MESH,
            simple,
            Self { key: KeyType::Rsa2048, ..simple },
            Self { mutual: false, ..simple },
            Self { mutual: false, key: KeyType::Rsa2048, ..simple },
            Self { resumed: true, ..simple },
        ]
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = if self.mutual { "mutual" } else { "one-way" };
        let key = match self.key {
            KeyType::P256 => "P-256",
            KeyType::P384 => "P-384",
            KeyType::Rsa2048 => "RSA-2048",
        };
        let resumed = if self.resumed { " resumed" } else { "" };
        write!(f, "{kind} {key} {}{resumed}", self.group.name())
    }
}

/// Both ends of a connection.
#[derive(Clone, Debug)]
pub struct Ends {
    pub client: Arc<ClientConfig>,
    pub server: Arc<ServerConfig>,
    /// The server name that the client sends.
    pub name: ServerName<'static>,
}

impl Ends {
    /// Performs a handshake in memory, until neither end has anything left to send. The connections are new each time; sessions
    /// in the configurations are kept.
    ///
    /// # Panics
    /// If the handshake fails.
    pub fn shake(&self) -> (ClientConnection, ServerConnection) {
        let mut client = ClientConnection::new(self.client.clone(), self.name.clone()).expect("a new connection");
        let mut server = ServerConnection::new(self.server.clone()).expect("a new connection");
        let mut wire = Vec::with_capacity(8 * 1024);
        while client.wants_write() || server.wants_write() {
            pass(&mut client, &mut server, &mut wire);
            pass(&mut server, &mut client, &mut wire);
        }
        assert!(!client.is_handshaking() && !server.is_handshaking());
        (client, server)
    }
}

/// Passes what one end has to send to the other.
fn pass<A: SideData, B: SideData>(from: &mut ConnectionCommon<A>, to: &mut ConnectionCommon<B>, wire: &mut Vec<u8>) {
    wire.clear();
    while from.wants_write() {
        from.write_tls(wire).expect("memory accepts everything");
    }
    let mut rest = &wire[..];
    while !rest.is_empty() {
        to.read_tls(&mut rest).expect("memory gives all");
        to.process_new_packets().expect("the handshake goes well");
    }
}
