//! The facts about a layer of TLS.

use std::fmt;

use schemars::JsonSchema;
use serde::Serialize;

use super::certificate::Certificate;
use crate::stream::End;

/// A layer of TLS.
///
/// What is unknown (keys missing, capture truncated) is `None` or empty, and `unopened` says why.
#[derive(Clone, Debug, PartialEq, Eq, JsonSchema, Serialize)]
pub struct Tls {
    /// Whether this is mutual TLS: the handshake is complete, and the client presented a certificate (now, or in the
    /// session that it resumes).
    pub mutual: bool,
    /// Version that the server chose, such as `TLSv1.3`.
    pub version: Option<String>,
    /// IANA name of the cipher suite: `TLS_AES_128_GCM_SHA256`.
    pub cipher_suite: Option<String>,
    /// IANA name of the key exchange group: `X25519MLKEM768`. `None` if the key exchange had none (resumption, RSA).
    pub group: Option<String>,
    /// Server name that the client sent.
    pub sni: Option<String>,
    /// Protocols that the client offered, in its order of preference.
    pub alpn_offered: Vec<String>,
    /// Protocol that the server chose.
    pub alpn: Option<String>,
    /// Whether the server requested a client certificate. `None` if its messages could not be decrypted.
    pub client_certificate_requested: Option<bool>,
    /// Leaf of the chain that the client presented.
    pub client_certificate: Option<Certificate>,
    /// Leaf of the chain that the server presented.
    pub server_certificate: Option<Certificate>,
    /// Whether the handshake resumed a session (or used another pre-shared key).
    pub resumed: bool,
    /// Whether the certificates above are from the original handshake of a resumed session.
    pub certificates_of_resumed_session: bool,
    /// Whether the server sent a HelloRetryRequest.
    pub hello_retry: bool,
    /// Whether the client offered early data (0-RTT).
    pub early_data_offered: bool,
    /// Alerts of both sides that could be decrypted, by time.
    pub alerts: Vec<Alert>,
    /// State of the handshake.
    pub handshake: Handshake,
    /// Whether the secrets for this layer were in the key log.
    pub keys: Keys,
    /// What could not be decrypted or parsed, and why.
    pub unopened: Vec<String>,
    /// Records of the client.
    pub client: Traffic,
    /// Records of the server.
    pub server: Traffic,
    /// Random of the ClientHello in hexadecimal, by which key logs identify the connection.
    pub client_random: Option<String>,
    /// When the server's first bytes were there, in nanoseconds since the Unix epoch: both sides have chosen their keys by then, and the
    /// server its certificate. `None` if it sent nothing.
    #[serde(skip)]
    pub answered_ns: Option<u64>,
    /// Tickets that the server issued, and the one that the client presented: they link a resumed session to its original.
    #[serde(skip)]
    pub(crate) tickets: Tickets,
}

/// Session tickets (or session ids) in a handshake.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Tickets {
    pub(crate) issued: Vec<Vec<u8>>,
    pub(crate) presented: Vec<Vec<u8>>,
}

/// A side of a TLS connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, JsonSchema, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Side {
    /// The side that sent the ClientHello; also the initiator of the TCP connection.
    Client,
    /// The side that received the ClientHello.
    Server,
}

impl Side {
    /// `client` or `server`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Client => "client",
            Self::Server => "server",
        }
    }
}

/// A TLS alert.
#[derive(Clone, Debug, PartialEq, Eq, JsonSchema, Serialize)]
pub struct Alert {
    /// The sender.
    pub from: Side,
    /// `warning` or `fatal`. The level has no meaning in TLS 1.3.
    pub level: String,
    /// IANA name of the description: `unknown_ca`; `alert_200` if it has none.
    pub name: String,
    /// Whether it was sent encrypted, and could be decrypted.
    pub encrypted: bool,
    /// Time of capture, in nanoseconds since the Unix epoch.
    pub at_ns: u64,
}

impl Alert {
    /// Whether the alert reports an error, rather than a normal closure.
    pub fn refuses(&self) -> bool {
        !matches!(self.name.as_str(), "close_notify" | "user_canceled") && self.level == "fatal"
    }
}

/// The state of a handshake.
#[derive(Clone, Debug, PartialEq, Eq, JsonSchema, Serialize)]
#[serde(tag = "state", rename_all = "snake_case")]
pub enum Handshake {
    /// Both sides sent Finished, and neither refused the other.
    Complete,
    /// One side ended it with a fatal alert. In TLS 1.3 a client may consider a handshake complete that the server then
    /// refuses, for example because of the client's certificate.
    Refused {
        /// The side that sent the alert.
        by: Side,
        /// Name of the alert: `certificate_required`.
        alert: String,
    },
    /// One side answered with something that is not TLS.
    NotTls {
        /// The side that sent it.
        by: Side,
        /// The start of it: `HTTP/1.1 400 Bad Request`.
        sent: String,
    },
    /// One side closed the TCP connection (or the outer TLS layer) before the handshake was complete.
    Closed {
        /// The side that closed first.
        by: Side,
        /// How it closed the connection.
        how: End,
        /// The last handshake message of either side.
        after: String,
    },
    /// Neither complete nor ended when the capture ended.
    Unfinished {
        /// The last handshake message of either side.
        after: String,
    },
    /// The state cannot be determined.
    Unknown {
        /// The reason: keys are missing, or the handshake was not captured.
        why: String,
    },
}

impl fmt::Display for Handshake {
    /// A clause for a report: `refused by the server: unknown_ca`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Complete => write!(f, "complete"),
            Self::Refused { by, alert } => write!(f, "refused by the {}: {alert}", by.name()),
            Self::NotTls { by, sent } => write!(f, "answered without TLS by the {}: {sent}", by.name()),
            Self::Closed { by, how, after } => {
                let how = if matches!(how, End::Rst) { "reset" } else { "closed" };
                write!(f, "{how} by the {} after {after}", by.name())
            }
            Self::Unfinished { after } => write!(f, "unfinished after {after}"),
            Self::Unknown { why } => write!(f, "unknown: {why}"),
        }
    }
}

/// Whether the secrets for a layer were in the key log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, JsonSchema, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Keys {
    /// They were, and decrypted its records.
    Found,
    /// They were not, or did not fit; `unopened` says which.
    Missing,
    /// Nothing was encrypted: the handshake ended before.
    NotNeeded,
}

/// The records of one side. All sizes are in bytes, including record headers, except `payload_bytes`.
#[derive(Clone, Debug, Default, PartialEq, Eq, JsonSchema, Serialize)]
pub struct Traffic {
    /// Number of complete records.
    pub records: u64,
    /// Size of all records.
    pub bytes: u64,
    /// Size of handshake records in the wide sense: hellos, ChangeCipherSpec, tickets, key updates, alerts.
    pub handshake_bytes: u64,
    /// Number of records with application data.
    pub data_records: u64,
    /// Size of records with application data.
    pub data_bytes: u64,
    /// Size of the application data itself.
    pub payload_bytes: u64,
    /// Overhead of application data: `data_bytes` minus `payload_bytes`.
    pub overhead_bytes: u64,
    /// Number of records that could not be decrypted, which count as neither handshake nor data.
    pub unopened_records: u64,
    /// Size of records that could not be decrypted.
    pub unopened_bytes: u64,
}
