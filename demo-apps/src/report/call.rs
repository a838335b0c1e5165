//! The report of one call.

use std::net::{IpAddr, SocketAddr};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{GrpcFacts, Headers, WebsocketFacts, header};
use crate::failure::Failure;

/// The `schema` of [`ClientReport`].
pub const CLIENT_SCHEMA: &str = "sidelab.client/v1";

/// How one call went: the one line that `demo-client URL` prints.
#[derive(Clone, Debug, PartialEq, JsonSchema, Serialize, Deserialize)]
pub struct ClientReport {
    /// [`CLIENT_SCHEMA`].
    pub schema: String,
    /// The URL that was called.
    pub url: String,
    /// Whether the call went through. For HTTP that is any complete response, or with `--fail` one below 400; for gRPC
    /// the status `OK`; for websockets that all frames came back; and what is to be echoed must come back as it was.
    pub ok: bool,
    /// Where and why it failed.
    pub error: Option<Failure>,
    /// Every address that the name resolved to, in the order tried.
    pub resolved: Vec<IpAddr>,
    /// The address the call came from.
    pub local: Option<SocketAddr>,
    /// The address that was dialled, as the app sees it (not where a redirect took the connection).
    pub remote: Option<SocketAddr>,
    /// When each stage was done.
    pub timings: Timings,
    /// What is known of the TLS session, also of one that was refused.
    pub tls: Option<TlsFacts>,
    /// The response; for HTTP, and for gRPC and websockets, which are made of it.
    pub http: Option<HttpFacts>,
    /// The call; for gRPC.
    pub grpc: Option<GrpcFacts>,
    /// The websocket; for those.
    pub ws: Option<WebsocketFacts>,
    /// What went over the connection, above TLS where there is TLS.
    pub stream: Option<StreamFacts>,
}

impl ClientReport {
    /// The status of the HTTP response.
    #[must_use]
    pub fn status(&self) -> Option<u16> {
        self.http.as_ref().map(|http| http.status)
    }
}

/// Microseconds since the call began, as curl's `time_*` variables count: a later stage includes the earlier ones.
/// A stage that was not reached has none.
#[derive(Clone, Debug, Default, PartialEq, Eq, JsonSchema, Serialize, Deserialize)]
pub struct Timings {
    /// The name was resolved.
    pub resolve_us: Option<u64>,
    /// The TCP connection stood.
    pub connect_us: Option<u64>,
    /// The client's side of the TLS handshake was done.
    pub tls_us: Option<u64>,
    /// The first byte of the answer was there.
    pub first_byte_us: Option<u64>,
    /// The call ended, one way or the other.
    pub total_us: u64,
}

/// One TLS session as an end saw it.
#[derive(Clone, Debug, Default, PartialEq, Eq, JsonSchema, Serialize, Deserialize)]
pub struct TlsFacts {
    /// `TLSv1.2` or `TLSv1.3`.
    pub version: Option<String>,
    /// The cipher suite by its IANA name.
    pub suite: Option<String>,
    /// The key exchange group, such as `X25519MLKEM768`.
    pub group: Option<String>,
    /// The name that was sent; an IP address is never sent as one.
    pub sni: Option<String>,
    /// The protocols that were offered.
    pub alpn_offered: Vec<String>,
    /// The protocol that was chosen.
    pub alpn: Option<String>,
    /// Whether the peer's certificate was verified (not so with `--insecure`).
    pub verified: bool,
    /// The peer's leaf certificate, also one that was refused.
    pub peer_certificate: Option<CertificateFacts>,
    /// What became of the client's certificate.
    pub client_certificate: ClientCertificate,
}

/// What became of the client's certificate in a handshake.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, JsonSchema, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ClientCertificate {
    /// The server did not ask for one.
    #[default]
    NotRequested,
    /// The server asked, and the client had none to give.
    Missing,
    /// The server asked and got it.
    Sent,
}

/// A certificate, as far as it identifies somebody.
#[derive(Clone, Debug, PartialEq, Eq, JsonSchema, Serialize, Deserialize)]
pub struct CertificateFacts {
    /// The subject's distinguished name; SVIDs have none.
    pub subject: String,
    /// The issuer's distinguished name.
    pub issuer: String,
    /// Subject alternative names, as `DNS:name`, `IP:address`, `URI:uri`.
    pub sans: Vec<String>,
    /// Start of validity, seconds since 1970.
    pub not_before: i64,
    /// End of validity, seconds since 1970.
    pub not_after: i64,
    /// The serial number in hex.
    pub serial: String,
    /// SHA-256 of the DER in hex.
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
    /// The status code.
    pub status: u16,
    /// The response headers.
    pub headers: Headers,
    /// The first 64 KiB of the body. Empty for an answer of gRPC: its messages are in [`GrpcFacts`].
    pub body: Body,
    /// The length of the whole body.
    pub body_bytes: u64,
    /// The trailers that came after the body.
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

    /// The body read as what a `demo-server` says it saw.
    #[must_use]
    pub fn seen(&self) -> Option<super::Seen> {
        self.body.seen()
    }
}

/// Bytes, readable where they are text: `{"text": ...}` or `{"base64": ...}`.
#[derive(Clone, Debug, PartialEq, Eq, JsonSchema, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Body {
    /// UTF-8.
    Text(String),
    /// Anything else.
    Base64(String),
}

impl Body {
    /// At most this many bytes of what came back are kept.
    pub const LIMIT: usize = 64 * 1024;

    /// Text where `bytes` are UTF-8, else base64.
    #[must_use]
    pub fn of(bytes: &[u8]) -> Self {
        use base64::Engine as _;
        match std::str::from_utf8(bytes) {
            Ok(text) => Self::Text(text.to_owned()),
            Err(_) => Self::Base64(base64::engine::general_purpose::STANDARD.encode(bytes)),
        }
    }

    /// These bytes read as what a `demo-server` says it saw.
    #[must_use]
    pub fn seen(&self) -> Option<super::Seen> {
        match self {
            Self::Text(text) => serde_json::from_str(text).ok(),
            Self::Base64(_) => None,
        }
    }
}

/// What went over a connection, seen from the client's end.
#[derive(Clone, Debug, PartialEq, Eq, JsonSchema, Serialize, Deserialize)]
pub struct StreamFacts {
    /// Bytes sent.
    pub sent: u64,
    /// Bytes received.
    pub received: u64,
    /// The first 64 KiB received; for raw calls only, an HTTP body is in [`HttpFacts`].
    pub data: Option<Body>,
    /// How the server ended the connection; none when the client closed it first.
    pub ended: Option<Ended>,
}

/// How a connection ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, JsonSchema, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Ended {
    /// TLS was closed in order.
    CloseNotify,
    /// The peer sent FIN; under TLS that means without `close_notify`.
    Fin,
    /// The peer sent RST.
    Reset,
}
