//! The output of `demo-server`: its responses, and its log.

use std::net::SocketAddr;

use demo_args::Protocol;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Body, CertificateFacts, Ended, GrpcSeen, Headers, HttpFacts, SpanReport, WebsocketSeen, header};
use crate::failure::Failure;

/// The `schema` of [`Seen`].
pub const SEEN_SCHEMA: &str = "sidelab.seen/v1";

/// What the server's app saw of a request: the JSON body of its response.
#[derive(Clone, Debug, PartialEq, Eq, JsonSchema, Serialize, Deserialize)]
pub struct Seen {
    /// [`SEEN_SCHEMA`].
    pub schema: String,
    /// Name of the server: `--name`, or the host name.
    pub app: String,
    /// The client's address, as the app saw it.
    pub peer: SocketAddr,
    /// The server's address, as the app saw it.
    pub local: SocketAddr,
    /// Method of the request.
    pub method: String,
    /// Path and query.
    pub path: String,
    /// `HTTP/1.1`, `HTTP/2.0`.
    pub version: String,
    /// Request headers; `:authority` of HTTP/2 as `host`.
    pub headers: Headers,
    /// Length of the request body, in bytes.
    pub body_bytes: u64,
    /// The TLS session, if the server terminated one.
    pub tls: Option<ServerTls>,
    /// The gRPC call, once it has ended. Only in the log.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub grpc: Option<GrpcSeen>,
    /// The websocket, once it has ended. Only in the log.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub websocket: Option<WebsocketSeen>,
}

impl Seen {
    /// The first value of a request header (name in lower case).
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        header(&self.headers, name)
    }
}

impl Body {
    /// Parses these bytes as [`Seen`], the JSON of a `demo-server`.
    #[must_use]
    pub fn seen(&self) -> Option<Seen> {
        match self {
            Self::Text(text) => serde_json::from_str(text).ok(),
            Self::Base64(_) => None,
        }
    }
}

impl HttpFacts {
    /// Parses the body as [`Seen`], the JSON of a `demo-server`.
    #[must_use]
    pub fn seen(&self) -> Option<Seen> {
        self.body.seen()
    }
}

/// A TLS session that the server terminated.
#[derive(Clone, Debug, PartialEq, Eq, JsonSchema, Serialize, Deserialize)]
pub struct ServerTls {
    /// `TLSv1.2` or `TLSv1.3`.
    pub version: String,
    /// IANA name of the cipher suite.
    pub suite: String,
    /// Server name that the client sent.
    pub sni: Option<String>,
    /// Protocol that was selected.
    pub alpn: Option<String>,
    /// Leaf certificate of the client.
    pub client_certificate: Option<CertificateFacts>,
}

/// A line of the server's log.
#[derive(Clone, Debug, PartialEq, Eq, JsonSchema, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum Event {
    /// A port was bound.
    Listening {
        /// Protocol of the port.
        protocol: Protocol,
        /// Address that it is bound to.
        address: SocketAddr,
    },
    /// A connection could not be accepted, because the process ran out of file descriptors.
    AcceptFailed {
        /// Address of the listening socket.
        address: SocketAddr,
        /// Error of the operating system.
        message: String,
    },
    /// A TLS handshake failed.
    TlsFailed {
        /// Protocol of the port.
        protocol: Protocol,
        /// Address of the client.
        peer: SocketAddr,
        /// Stage and kind of the failure.
        #[serde(flatten)]
        failure: Box<Failure>,
    },
    /// An HTTP request was answered. gRPC calls and websockets are logged when they have ended.
    Request {
        /// Status of the response.
        status: u16,
        #[serde(flatten)]
        seen: Box<Seen>,
    },
    /// A span was received, by OTLP.
    Span(Box<SpanReport>),
    Closed(Box<Closed>),
    /// The server received a stop signal.
    Stopping,
}

/// A connection that has ended.
#[derive(Clone, Debug, PartialEq, Eq, JsonSchema, Serialize, Deserialize)]
pub struct Closed {
    /// Protocol of the port.
    pub protocol: Protocol,
    /// Address of the client.
    pub peer: SocketAddr,
    /// Address that the client connected to.
    pub local: SocketAddr,
    /// Bytes received, inside TLS.
    pub received: u64,
    /// Bytes sent, inside TLS.
    pub sent: u64,
    /// How the client ended it; `None` if the server closed first.
    pub ended: Option<Ended>,
    /// The TLS session, if the server terminated one.
    pub tls: Option<ServerTls>,
    /// What went wrong, if anything.
    pub error: Option<Failure>,
}
