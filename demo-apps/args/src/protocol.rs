//! Protocols of a server's ports.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The protocol of a port.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, JsonSchema, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Protocol {
    /// HTTP/1.1, or HTTP/2 with prior knowledge, including gRPC and websockets.
    Http,
    /// HTTP/1.1 only, as with many web servers.
    Http1,
    /// HTTP/2 with prior knowledge only, as with the servers of gRPC libraries.
    Http2,
    /// HTTP inside one-way TLS.
    Https,
    /// HTTP inside one-way TLS, with the paths of an admission webhook.
    Webhook,
    /// HTTP inside TLS that requires a client certificate.
    MtlsHttp,
    /// An echo server.
    Tcp,
    /// The server sends a greeting first; then it echoes.
    TcpGreeting,
    /// Bulk transfer: the client says how many bytes to send in each direction.
    TcpBulk,
    /// The first bytes are answered with RST.
    TcpReset,
    /// An echo server inside one-way TLS.
    Tls,
    /// `TcpBulk` inside one-way TLS.
    TlsBulk,
    /// An echo server inside TLS that requires a client certificate.
    Mtls,
    /// What the client's first bytes are: HTTP, raw bytes, or either inside one-way TLS.
    Any,
}

impl fmt::Display for Protocol {
    /// Its name in JSON, such as `tcp_greeting`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.serialize(f)
    }
}

impl Protocol {
    /// Whether it runs inside TLS.
    pub fn is_tls(self) -> bool {
        match self {
            Self::Https | Self::Webhook | Self::MtlsHttp | Self::Tls | Self::TlsBulk | Self::Mtls => true,
            Self::Http
            | Self::Http1
            | Self::Http2
            | Self::Tcp
            | Self::TcpGreeting
            | Self::TcpBulk
            | Self::TcpReset
            | Self::Any => false,
        }
    }

    /// Whether it needs a certificate: it is spoken inside TLS, or may be.
    pub fn needs_certificate(self) -> bool {
        self.is_tls() || self == Self::Any
    }

    /// Whether a client certificate is required.
    pub fn demands_certificate(self) -> bool {
        matches!(self, Self::MtlsHttp | Self::Mtls)
    }

    /// Whether it is HTTP of any version, with or without TLS.
    pub fn is_http(self) -> bool {
        matches!(self, Self::Http | Self::Http1 | Self::Http2 | Self::Https | Self::Webhook | Self::MtlsHttp)
    }
}
