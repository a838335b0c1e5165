//! The first bytes of connections, as the proxy's TLS inspector sees them.

use std::sync::Arc;

use proxy::bench::client_hello;
use rustls::{
    ClientConfig, ClientConnection, RootCertStore,
    crypto::{CryptoProvider, aws_lc_rs},
};

#[cfg(test)]
mod tests;

/// What a connection begins with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum First {
    /// A sidecar's ClientHello with a key share of X25519: about 300 bytes.
    X25519,
    /// A sidecar's ClientHello with a post-quantum key share: about 1,500 bytes.
    PostQuantum,
    /// A request in plaintext.
    Http,
}

impl First {
    /// All.
    pub const ALL: [Self; 3] = [Self::X25519, Self::PostQuantum, Self::Http];

    /// Its name among the benches.
    pub fn name(self) -> &'static str {
        match self {
            Self::X25519 => "X25519",
            Self::PostQuantum => "X25519MLKEM768",
            Self::Http => "no TLS",
        }
    }

    /// The bytes.
    pub fn bytes(self) -> Vec<u8> {
        let group = match self {
            Self::X25519 => aws_lc_rs::kx_group::X25519,
            Self::PostQuantum => aws_lc_rs::kx_group::X25519MLKEM768,
            Self::Http => return b"GET / HTTP/1.1\r\nhost: server.default.svc.cluster.local\r\n\r\n".into(),
        };
        let provider = CryptoProvider { kx_groups: vec![group], ..aws_lc_rs::default_provider() };
        let mut config = ClientConfig::builder_with_provider(Arc::new(provider))
            .with_safe_default_protocol_versions()
            .expect("the provider has suites of both versions")
            .with_root_certificates(RootCertStore::empty())
            .with_no_client_auth();
        config.alpn_protocols = ["istio-http/1.1", "istio", "http/1.1"].map(|name| name.as_bytes().to_vec()).into();
        let name = "outbound_.8080_._.server.default.svc.cluster.local".try_into().expect("it is a name");
        let mut connection = ClientConnection::new(Arc::new(config), name).expect("a new connection");
        let mut bytes = Vec::new();
        connection.write_tls(&mut bytes).expect("memory takes all");
        bytes
    }
}

/// Reads a ClientHello as the inspector does; whether it is one.
pub fn inspect(bytes: &[u8]) -> bool {
    client_hello(bytes).is_some()
}
