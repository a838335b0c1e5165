//! The first bytes of connections, for the proxy's TLS inspector.

use std::sync::Arc;

use proxy::bench::client_hello;
use rustls::{
    ClientConfig, ClientConnection, Error, NamedGroup, RootCertStore,
    crypto::{
        ActiveKeyExchange, CryptoProvider, GetRandomFailed, SecureRandom, SharedSecret, SupportedKxGroup, aws_lc_rs,
    },
};

#[cfg(test)]
mod tests;

/// The first message of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum First {
    /// A sidecar's ClientHello with an X25519 key share: about 300 bytes.
    X25519,
    /// A sidecar's ClientHello with a post-quantum key share: about 1,500 bytes.
    PostQuantum,
    /// A plaintext HTTP request.
    Http,
}

impl First {
    pub const ALL: [Self; 3] = [Self::X25519, Self::PostQuantum, Self::Http];

    /// Name of the message in benches.
    pub fn name(self) -> &'static str {
        match self {
            Self::X25519 => "X25519",
            Self::PostQuantum => "X25519MLKEM768",
            Self::Http => "no TLS",
        }
    }

    /// The bytes, which are the same each time.
    ///
    /// # Panics
    /// Never: these calls of rustls cannot fail.
    pub fn bytes(self) -> Vec<u8> {
        let share: &'static KeyShare = match self {
            Self::X25519 => &KeyShare { group: NamedGroup::X25519, key: &[0x5a; 32] },
            // Encapsulation keys of ML-KEM-768 and X25519.
            Self::PostQuantum => &KeyShare { group: NamedGroup::X25519MLKEM768, key: &[0x5a; 1184 + 32] },
            Self::Http => return b"GET / HTTP/1.1\r\nhost: server.default.svc.cluster.local\r\n\r\n".into(),
        };
        let provider =
            CryptoProvider { kx_groups: vec![share], secure_random: &NotRandom, ..aws_lc_rs::default_provider() };
        let mut config = ClientConfig::builder_with_provider(Arc::new(provider))
            .with_safe_default_protocol_versions()
            .expect("the provider has suites of both versions")
            .with_root_certificates(RootCertStore::empty())
            .with_no_client_auth();
        config.alpn_protocols = ["istio-http/1.1", "istio", "http/1.1"].map(|name| name.as_bytes().to_vec()).into();
        let name = "outbound_.8080_._.server.default.svc.cluster.local".try_into().expect("it is a name");
        let mut connection = ClientConnection::new(Arc::new(config), name).expect("a new connection");
        let mut bytes = Vec::new();
        connection.write_tls(&mut bytes).expect("memory accepts everything");
        bytes
    }
}

/// Parses a ClientHello like the inspector. Returns whether it is one.
pub fn inspect(bytes: &[u8]) -> bool {
    client_hello(bytes).is_some()
}

/// A constant public key without a private key, which is enough for a ClientHello. Deterministic, and without cost for
/// cryptography.
#[derive(Clone, Copy, Debug)]
struct KeyShare {
    group: NamedGroup,
    key: &'static [u8],
}

impl SupportedKxGroup for KeyShare {
    fn start(&self) -> Result<Box<dyn ActiveKeyExchange>, Error> {
        Ok(Box::new(*self))
    }

    fn name(&self) -> NamedGroup {
        self.group
    }
}

impl ActiveKeyExchange for KeyShare {
    fn complete(self: Box<Self>, _peer: &[u8]) -> Result<SharedSecret, Error> {
        Err(Error::General("no answer".into()))
    }

    fn pub_key(&self) -> &[u8] {
        self.key
    }

    fn group(&self) -> NamedGroup {
        self.group
    }
}

/// Constant bytes; they also determine the order of a ClientHello's extensions.
#[derive(Debug)]
struct NotRandom;

impl SecureRandom for NotRandom {
    fn fill(&self, bytes: &mut [u8]) -> Result<(), GetRandomFailed> {
        bytes.fill(7);
        Ok(())
    }
}
