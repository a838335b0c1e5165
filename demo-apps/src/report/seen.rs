//! What a `demo-server` says: in its answers, and in its log.

use std::net::SocketAddr;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{CertificateFacts, Ended, GrpcSeen, Headers, WebsocketSeen, header};
use crate::failure::Failure;
use crate::server::Protocol;

/// The `schema` of [`Seen`].
pub const SEEN_SCHEMA: &str = "sidelab.seen/v1";

/// What the server's app saw of a request: the JSON body of its answer.
#[derive(Clone, Debug, PartialEq, Eq, JsonSchema, Serialize, Deserialize)]
pub struct Seen {
    /// [`SEEN_SCHEMA`].
    pub schema: String,
    /// Who answers: `--name`, else the host name.
    pub app: String,
    /// The address the connection came from, as the app saw it.
    pub peer: SocketAddr,
    /// The address the connection came to, as the app saw it.
    pub local: SocketAddr,
    /// The request's method.
    pub method: String,
    /// Path and query.
    pub path: String,
    /// `HTTP/1.1`, `HTTP/2.0`.
    pub version: String,
    /// The request's headers, `:authority` of HTTP/2 as `host`.
    pub headers: Headers,
    /// Length of the request's body.
    pub body_bytes: u64,
    /// The TLS session, where the server itself terminated one.
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

/// A TLS session that the server terminated.
#[derive(Clone, Debug, PartialEq, Eq, JsonSchema, Serialize, Deserialize)]
pub struct ServerTls {
    /// `TLSv1.2` or `TLSv1.3`.
    pub version: String,
    /// The cipher suite by its IANA name.
    pub suite: String,
    /// The name the client asked for.
    pub sni: Option<String>,
    /// The protocol that was chosen.
    pub alpn: Option<String>,
    /// The client's leaf certificate.
    pub client_certificate: Option<CertificateFacts>,
}

/// One line of the server's log.
#[derive(Clone, Debug, PartialEq, Eq, JsonSchema, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum Event {
    /// A port is bound.
    Listening {
        /// What is spoken on it.
        protocol: Protocol,
        /// The address it is bound to.
        address: SocketAddr,
    },
    /// A connection could not be accepted: no file descriptor is left.
    AcceptFailed {
        /// The address that is listened on.
        address: SocketAddr,
        /// The error of the operating system.
        message: String,
    },
    /// A TLS handshake failed.
    TlsFailed {
        /// What is spoken on the port.
        protocol: Protocol,
        /// The client.
        peer: SocketAddr,
        /// Why.
        #[serde(flatten)]
        failure: Box<Failure>,
    },
    /// An HTTP request was answered; one of gRPC or for a websocket is logged when that has ended.
    Request {
        /// What was answered.
        status: u16,
        /// What was seen.
        #[serde(flatten)]
        seen: Box<Seen>,
    },
    /// A connection ended.
    Closed(Box<Closed>),
    /// The server was told to stop.
    Stopping,
}

/// A connection that ended.
#[derive(Clone, Debug, PartialEq, Eq, JsonSchema, Serialize, Deserialize)]
pub struct Closed {
    /// What is spoken on the port.
    pub protocol: Protocol,
    /// The client.
    pub peer: SocketAddr,
    /// The address the connection came to.
    pub local: SocketAddr,
    /// Bytes received, above TLS.
    pub received: u64,
    /// Bytes sent, above TLS.
    pub sent: u64,
    /// How the client ended it; none when the server closed first.
    pub ended: Option<Ended>,
    /// The TLS session, where the server itself terminated one.
    pub tls: Option<ServerTls>,
    /// What went wrong, where something did.
    pub error: Option<Failure>,
}
