//! Why a call failed: at which stage, of which kind.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

mod classify;
#[cfg(test)]
mod tests;

pub(crate) use classify::{Cause, InStage, escaped};

/// A failed call.
#[derive(Clone, Debug, PartialEq, Eq, JsonSchema, Serialize, Deserialize, thiserror::Error)]
#[error("{}: {message}", .stage.name())]
pub struct Failure {
    /// How far the call came.
    pub stage: Stage,
    /// What happened.
    #[serde(flatten)]
    pub kind: FailureKind,
    /// The same for people, with the library's own words.
    pub message: String,
}

/// How far a call came before it failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, JsonSchema, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Stage {
    /// Finding the address of a name.
    Resolve,
    /// Making the TCP connection.
    Connect,
    /// The TLS handshake. A TLS 1.3 server tells its verdict on the client's certificate only after the client
    /// believes the handshake done: that refusal counts as this stage too.
    Tls,
    /// Sending the request.
    Send,
    /// Waiting for the answer, or reading it.
    Receive,
    /// The answer came, and is not what was asked for: not HTTP, a gRPC status that is not `OK`, no switch to the
    /// websocket protocol, or with `--fail` an HTTP status of 400 or more.
    Http,
}

impl Stage {
    /// The name as in JSON.
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

/// What a failure was. In JSON the variant is `kind`, its fields stand beside it.
#[derive(Clone, Debug, PartialEq, Eq, Hash, JsonSchema, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum FailureKind {
    /// The local address is not there: no address of the family wanted, or no port left.
    AddressNotAvailable,
    /// Writing to a connection that is closed already.
    BrokenPipe,
    /// The client refused the server's certificate, or the server the client's.
    Certificate {
        /// What is wrong with it.
        problem: CertificateProblem,
    },
    /// Nobody listens (RST to SYN).
    ConnectionRefused,
    /// The peer sent RST.
    ConnectionReset,
    /// Other bytes came back than were sent to be echoed.
    EchoMismatch,
    /// The peer closed before the answer was complete.
    Eof,
    /// The gRPC call ended with another status than `OK`.
    GrpcStatus {
        /// The number.
        code: u32,
        /// Its name, such as `UNAVAILABLE`.
        name: String,
    },
    /// No route to the host, or nobody answers for its address on the link.
    HostUnreachable,
    /// The bytes that came are not HTTP.
    HttpParse {
        /// The first of them, at most 64, with `\r\n`, `\x15` and the like escaped.
        first_bytes: String,
    },
    /// The HTTP exchange broke in another way: for HTTP/2 with `GOAWAY` or `RST_STREAM`.
    HttpProtocol {
        /// The reason in HTTP/2's words, or the library's.
        reason: String,
    },
    /// The status is 400 or more, and `--fail` was given.
    HttpStatus {
        /// The status.
        status: u16,
    },
    /// Another error of the operating system.
    Io {
        /// Its number, where it has one.
        errno: Option<i32>,
    },
    /// No route to the network.
    NetworkUnreachable,
    /// What answered the TLS handshake is not TLS: what OpenSSL calls "wrong version number".
    NotTls {
        /// The first bytes, at most 64, with `\r\n` and the like escaped.
        first_bytes: String,
    },
    /// The name has no address, or none of the family asked for.
    Resolution,
    /// A limit given by `--timeout` or `--connect-timeout` was reached.
    Timeout,
    /// The peer sent a TLS alert.
    TlsAlert {
        /// Its name in the RFCs: `certificate_required`, `unknown_ca`.
        alert: String,
    },
    /// The TLS peers have nothing in common, or one breaks the protocol.
    TlsProtocol {
        /// The reason in the library's words.
        reason: String,
    },
    /// The server did not switch to the websocket protocol.
    UpgradeRefused {
        /// The status of its answer.
        status: u16,
    },
}

impl FailureKind {
    /// The name as `kind` has it in JSON.
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
    /// It does not parse.
    BadEncoding,
    /// The signature is wrong.
    BadSignature,
    /// Its validity is over.
    Expired,
    /// It must not be used for this.
    InvalidPurpose,
    /// It was not presented, though asked for.
    Missing,
    /// It does not hold the name that was called.
    NotValidForName,
    /// Its validity has not begun.
    NotYetValid,
    /// Something else; the message has it.
    Other,
    /// Its issuer revoked it.
    Revoked,
    /// No certificate authority that is trusted here issued it.
    UnknownIssuer,
}

impl fmt::Display for CertificateProblem {
    /// The name as in JSON.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.serialize(f)
    }
}
