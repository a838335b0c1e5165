//! What is spoken on a port of a server.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What is spoken on a port.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, JsonSchema, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Protocol {
    /// HTTP/1.1, or HTTP/2 with prior knowledge; on top of them gRPC and websockets.
    Http,
    /// HTTP/2 with prior knowledge alone, as the servers of gRPC's libraries speak it.
    Http2,
    /// HTTP inside one-way TLS.
    Https,
    /// HTTP inside one-way TLS, with the paths of an admission webhook.
    Webhook,
    /// HTTP inside TLS that demands a client certificate.
    MtlsHttp,
    /// Every byte comes back.
    Tcp,
    /// The server speaks first; then every byte comes back.
    TcpGreeting,
    /// The client says how many bytes go up and how many come down.
    TcpBulk,
    /// The first bytes are answered with RST.
    TcpReset,
    /// Every byte comes back, inside one-way TLS.
    Tls,
    /// As `TcpBulk`, inside one-way TLS.
    TlsBulk,
    /// Every byte comes back, inside TLS that demands a client certificate.
    Mtls,
}

impl Protocol {
    /// Whether it is spoken inside TLS.
    pub fn is_tls(self) -> bool {
        match self {
            Self::Https | Self::Webhook | Self::MtlsHttp | Self::Tls | Self::TlsBulk | Self::Mtls => true,
            Self::Http | Self::Http2 | Self::Tcp | Self::TcpGreeting | Self::TcpBulk | Self::TcpReset => false,
        }
    }

    /// Whether the TLS demands a client certificate.
    pub fn demands_certificate(self) -> bool {
        matches!(self, Self::MtlsHttp | Self::Mtls)
    }

    /// Whether it is HTTP, of any version, inside TLS or not.
    pub fn is_http(self) -> bool {
        matches!(self, Self::Http | Self::Http2 | Self::Https | Self::Webhook | Self::MtlsHttp)
    }
}
