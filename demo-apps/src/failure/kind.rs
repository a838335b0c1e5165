//! Failures, as reports contain them.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

#[derive(Clone, Debug, PartialEq, Eq, JsonSchema, Serialize, Deserialize, thiserror::Error)]
#[error("{}: {message}", .stage.name())]
pub struct Failure {
    /// The stage at which it failed.
    pub stage: Stage,
    #[serde(flatten)]
    pub kind: FailureKind,
    /// Description for people, with the library's wording.
    pub message: String,
}

/// The stages of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, JsonSchema, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Stage {
    Resolve,
    /// Establishing the TCP connection.
    Connect,
    /// The TLS handshake. A TLS 1.3 server verifies the client's certificate after the client considers the handshake
    /// complete; its refusal belongs to this stage, too.
    Tls,
    Send,
    /// Waiting for the response, or reading it.
    Receive,
    /// A response was received but is not a success: not HTTP, a gRPC status other than `OK`, no switch to the websocket
    /// protocol, or with `--fail` an HTTP status of 400 or more.
    Http,
}

impl Stage {
    /// The name in JSON.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Resolve => "resolve",
            Self::Connect => "connect",
            Self::Tls => "tls",
            Self::Send => "send",
            Self::Receive => "receive",
            Self::Http => "http",
        }
    }
}

/// Kinds of failure. In JSON, the variant is `kind`, and its fields are beside it.
#[derive(Clone, Debug, PartialEq, Eq, Hash, JsonSchema, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum FailureKind {
    /// The local address is not available: none of the wanted IP version, or no free port.
    AddressNotAvailable,
    /// Writing to a closed connection.
    BrokenPipe,
    /// The client refused the server's certificate, or vice versa.
    Certificate {
        /// What is wrong with the certificate.
        problem: CertificateProblem,
    },
    /// Nothing listens on the port (RST in answer to the SYN).
    ConnectionRefused,
    /// The peer sent RST.
    ConnectionReset,
    /// The echo differs from what was sent.
    EchoMismatch,
    /// The peer closed the connection before the answer was complete.
    Eof,
    /// The gRPC call ended with a status other than `OK`.
    GrpcStatus {
        code: u32,
        /// Name of the code, such as `UNAVAILABLE`.
        name: String,
    },
    /// No route to the host, or its link-layer address could not be resolved.
    HostUnreachable,
    /// The response is not HTTP.
    HttpParse {
        /// Its first bytes, at most 64, with `\r\n`, `\x15` and the like escaped.
        first_bytes: String,
    },
    /// The HTTP exchange failed in another way; in HTTP/2 by `GOAWAY` or `RST_STREAM`.
    HttpProtocol {
        /// The reason as worded by HTTP/2 or the library.
        reason: String,
    },
    /// The status is 400 or more, and `--fail` was given.
    HttpStatus { status: u16 },
    /// Another error of the operating system.
    Io {
        /// Its errno, if any.
        errno: Option<i32>,
    },
    /// No route to the network.
    NetworkUnreachable,
    /// The peer answered the TLS handshake with something that is not TLS, which OpenSSL calls "wrong version number".
    NotTls {
        /// Its first bytes, at most 64, with `\r\n` and the like escaped.
        first_bytes: String,
    },
    /// The name has no address, or none of the requested IP version.
    Resolution,
    /// The limit of `--timeout` or `--connect-timeout` was reached.
    Timeout,
    /// The peer sent a TLS alert.
    TlsAlert {
        /// Name of the alert in the RFCs: `certificate_required`, `unknown_ca`.
        alert: String,
    },
    /// The TLS peers have no parameters in common, or one of them violates the protocol.
    TlsProtocol {
        /// The reason as worded by the library.
        reason: String,
    },
    /// The server did not switch to the websocket protocol.
    UpgradeRefused {
        /// Status of its response.
        status: u16,
    },
}

impl FailureKind {
    /// The name as `kind` in JSON.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::AddressNotAvailable => "address_not_available",
            Self::BrokenPipe => "broken_pipe",
            Self::Certificate { .. } => "certificate",
            Self::ConnectionRefused => "connection_refused",
            Self::ConnectionReset => "connection_reset",
            Self::EchoMismatch => "echo_mismatch",
            Self::Eof => "eof",
            Self::GrpcStatus { .. } => "grpc_status",
            Self::HostUnreachable => "host_unreachable",
            Self::HttpParse { .. } => "http_parse",
            Self::HttpProtocol { .. } => "http_protocol",
            Self::HttpStatus { .. } => "http_status",
            Self::Io { .. } => "io",
            Self::NetworkUnreachable => "network_unreachable",
            Self::NotTls { .. } => "not_tls",
            Self::Resolution => "resolution",
            Self::Timeout => "timeout",
            Self::TlsAlert { .. } => "tls_alert",
            Self::TlsProtocol { .. } => "tls_protocol",
            Self::UpgradeRefused { .. } => "upgrade_refused",
        }
    }
}

/// What is wrong with a certificate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, JsonSchema, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CertificateProblem {
    /// It cannot be parsed.
    BadEncoding,
    /// Its signature is invalid.
    BadSignature,
    Expired,
    /// It is not valid for this purpose.
    InvalidPurpose,
    /// It was requested but not presented.
    Missing,
    /// It is for other names.
    NotValidForName,
    NotYetValid,
    /// Another problem, described in the message.
    Other,
    /// It was revoked by its issuer.
    Revoked,
    /// No trusted CA issued it.
    UnknownIssuer,
}

impl fmt::Display for CertificateProblem {
    /// The name in JSON.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.serialize(f)
    }
}
