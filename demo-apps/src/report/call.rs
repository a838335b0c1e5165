//! The report of one call.

use std::net::{IpAddr, SocketAddr};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Body, GrpcFacts, Headers, WebsocketFacts, header};
use crate::failure::Failure;

/// The `schema` of [`ClientReport`].
pub const CLIENT_SCHEMA: &str = "sidelab.client/v1";

/// The result of one call: the line that `demo-client URL` prints.
#[derive(Clone, Debug, PartialEq, JsonSchema, Serialize, Deserialize)]
pub struct ClientReport {
    /// [`CLIENT_SCHEMA`].
    pub schema: String,
    pub url: String,
    /// Whether the call succeeded. For HTTP that is any complete response, or with `--fail` one below 400; for gRPC the
    /// status `OK`; for websockets that all frames were echoed. Echoes must be what was sent.
    pub ok: bool,
    /// Stage and kind of a failure.
    pub error: Option<Failure>,
    /// Every address of the name, in the order in which they were tried.
    pub resolved: Vec<IpAddr>,
    /// The client's address on the connection.
    pub local: Option<SocketAddr>,
    /// The address that was dialled, as the app sees it (not the one that a redirect replaced it by).
    pub remote: Option<SocketAddr>,
    /// When each stage was complete.
    pub timings: Timings,
    /// The TLS session, even if it was refused.
    pub tls: Option<TlsFacts>,
    /// The HTTP response, including that of gRPC calls and websocket upgrades.
    pub http: Option<HttpFacts>,
    pub grpc: Option<GrpcFacts>,
    pub ws: Option<WebsocketFacts>,
    /// Bytes on the connection, inside TLS if there is TLS.
    pub stream: Option<StreamFacts>,
}

impl ClientReport {
    /// Status of the HTTP response.
    #[must_use]
    pub fn status(&self) -> Option<u16> {
        self.http.as_ref().map(|http| http.status)
    }
}

/// Microseconds since the start of the call, like curl's `time_*` variables: later stages include earlier ones. `None` for
/// a stage that was not reached.
#[derive(Clone, Debug, Default, PartialEq, Eq, JsonSchema, Serialize, Deserialize)]
pub struct Timings {
    /// The name was resolved.
    pub resolve_us: Option<u64>,
    /// The TCP connection was established.
    pub connect_us: Option<u64>,
    /// The client's side of the TLS handshake was complete.
    pub tls_us: Option<u64>,
    /// The first byte of the response was received.
    pub first_byte_us: Option<u64>,
    /// The call succeeded or failed.
    pub total_us: u64,
}

/// A TLS session, from one end's point of view.
#[derive(Clone, Debug, Default, PartialEq, Eq, JsonSchema, Serialize, Deserialize)]
pub struct TlsFacts {
    /// `TLSv1.2` or `TLSv1.3`.
    pub version: Option<String>,
    /// IANA name of the cipher suite.
    pub suite: Option<String>,
    /// Key exchange group, such as `X25519MLKEM768`.
    pub group: Option<String>,
    /// Server name that was sent; never an IP address.
    pub sni: Option<String>,
    /// Protocols that were offered.
    pub alpn_offered: Vec<String>,
    /// Protocol that was selected.
    pub alpn: Option<String>,
    /// Whether the peer's certificate was verified (not with `--insecure`).
    pub verified: bool,
    /// The peer's leaf certificate, even if it was refused.
    pub peer_certificate: Option<CertificateFacts>,
    /// Whether a client certificate was requested and sent.
    pub client_certificate: ClientCertificate,
}

/// Whether the server requested a client certificate, and got one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, JsonSchema, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ClientCertificate {
    /// The server did not request one.
    #[default]
    NotRequested,
    /// The server requested one, but the client has none.
    Missing,
    /// The server requested one and got it.
    Sent,
}

/// The identifying parts of a certificate.
#[derive(Clone, Debug, PartialEq, Eq, JsonSchema, Serialize, Deserialize)]
pub struct CertificateFacts {
    /// Distinguished name of the subject; empty in SVIDs.
    pub subject: String,
    /// Distinguished name of the issuer.
    pub issuer: String,
    /// Subject alternative names, as `DNS:name`, `IP:address`, `URI:uri`.
    pub sans: Vec<String>,
    /// Start of validity, in seconds since 1970.
    pub not_before: i64,
    /// End of validity, in seconds since 1970.
    pub not_after: i64,
    /// Serial number in hexadecimal.
    pub serial: String,
    /// SHA-256 of the DER encoding in hexadecimal.
    pub sha256: String,
}

impl CertificateFacts {
    /// The first URI SAN: the SPIFFE identity of an SVID.
    #[must_use]
    pub fn uri(&self) -> Option<&str> {
        self.sans.iter().find_map(|san| san.strip_prefix("URI:"))
    }
}

/// An HTTP response.
#[derive(Clone, Debug, PartialEq, Eq, JsonSchema, Serialize, Deserialize)]
pub struct HttpFacts {
    /// `HTTP/1.1`, `HTTP/2.0`.
    pub version: String,
    /// Status code, such as 200.
    pub status: u16,
    pub headers: Headers,
    /// First 64 KiB of the body. Empty for gRPC, whose messages are in [`GrpcFacts`].
    pub body: Body,
    /// Length of the whole body, in bytes.
    pub body_bytes: u64,
    /// Trailers after the body.
    #[serde(default)]
    pub trailers: Headers,
}

impl HttpFacts {
    /// The first value of a response header (name in lower case).
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        header(&self.headers, name)
    }

    /// The first value of a trailer (name in lower case).
    #[must_use]
    pub fn trailer(&self, name: &str) -> Option<&str> {
        header(&self.trailers, name)
    }
}

/// The traffic of a connection, from the client's point of view.
#[derive(Clone, Debug, PartialEq, Eq, JsonSchema, Serialize, Deserialize)]
pub struct StreamFacts {
    /// Number of bytes sent.
    pub sent: u64,
    /// Number of bytes received.
    pub received: u64,
    /// First 64 KiB received, for raw calls; an HTTP body is in [`HttpFacts`].
    pub data: Option<Body>,
    /// How the server ended the connection; `None` if the client closed it first.
    pub ended: Option<Ended>,
}

/// How a connection ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, JsonSchema, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Ended {
    /// TLS was closed in order.
    CloseNotify,
    /// The peer sent FIN; inside TLS, without a `close_notify` before it.
    Fin,
    /// The peer sent RST.
    Reset,
}
