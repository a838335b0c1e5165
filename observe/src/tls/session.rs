//! What is known of a layer of TLS.

use std::fmt;

use schemars::JsonSchema;
use serde::Serialize;

use super::certificate::Certificate;
use crate::stream::End;

/// A layer of TLS.
///
/// What could not be read (keys missing, capture cut) is `None` or empty here, and a sentence in `unopened` says why.
#[derive(Clone, Debug, PartialEq, Eq, JsonSchema, Serialize)]
pub struct Tls {
    /// Whether the layer is mutual TLS: the handshake is complete, and the client showed a certificate (now, or in the
    /// session that it resumes).
    pub mutual: bool,
    /// `TLSv1.3`, once the server has chosen.
    pub version: Option<String>,
    /// The suite by its IANA name: `TLS_AES_128_GCM_SHA256`.
    pub cipher_suite: Option<String>,
    /// The key exchange group by its IANA name: `X25519MLKEM768`. `None` when the key exchange had none (resumption, RSA).
    pub group: Option<String>,
    /// The server's name that the client asked for.
    pub sni: Option<String>,
    /// The protocols that the client offered, in its order.
    pub alpn_offered: Vec<String>,
    /// The protocol that the server chose.
    pub alpn: Option<String>,
    /// Whether the server asked for a client certificate. `None` when its answer could not be read.
    pub client_certificate_requested: Option<bool>,
    /// The leaf of the chain that the client showed.
    pub client_certificate: Option<Certificate>,
    /// The leaf of the chain that the server showed.
    pub server_certificate: Option<Certificate>,
    /// Whether the handshake resumed a session (or used another pre-shared key).
    pub resumed: bool,
    /// Set when a resumed session's own handshake is in the capture: the certificates above are from there.
    pub certificates_of_resumed_session: bool,
    /// Whether the server asked for another ClientHello (HelloRetryRequest).
    pub hello_retry: bool,
    /// Whether the client offered early data (0-RTT).
    pub early_data_offered: bool,
    /// The alerts of both sides that could be read, by time.
    pub alerts: Vec<Alert>,
    /// How far the handshake came.
    pub handshake: Handshake,
    /// Whether the secrets to open this layer were in the key log.
    pub keys: Keys,
    /// What could not be opened or read, and why.
    pub unopened: Vec<String>,
    /// What the client's records carried.
    pub client: Traffic,
    /// What the server's records carried.
    pub server: Traffic,
    /// The random of the ClientHello, by which key logs name the connection, in hexadecimal.
    pub client_random: Option<String>,
    /// Tickets that the server issued, and the one that the client presented: they link a resumed session to its first.
    #[serde(skip)]
    pub(crate) tickets: Tickets,
}

impl Tls {
    /// The first fatal alert of `side` other than its goodbye.
    pub fn fatal_alert(&self, side: Side) -> Option<&Alert> {
        self.alerts.iter().find(|alert| alert.from == side && alert.refuses())
    }
}

/// Session tickets (or session ids) seen in a handshake.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Tickets {
    pub(crate) issued: Vec<Vec<u8>>,
    pub(crate) presented: Vec<Vec<u8>>,
}

/// A side of a TLS connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, JsonSchema, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Side {
    /// The side that sent the ClientHello; it is the initiator of the TCP connection.
    Client,
    /// The other.
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
    /// Who sent it.
    pub from: Side,
    /// `warning` or `fatal`. TLS 1.3 gives the level no meaning.
    pub level: String,
    /// The description by its IANA name: `unknown_ca`; `alert_200` when it has none.
    pub name: String,
    /// Whether it was sent encrypted, and is here because the layer could be opened.
    pub encrypted: bool,
    /// When it was captured, in nanoseconds since the Unix epoch.
    pub at_ns: u64,
}

impl Alert {
    /// Whether the alert ends the connection for a reason, rather than says goodbye.
    pub fn refuses(&self) -> bool {
        !matches!(self.name.as_str(), "close_notify" | "user_canceled") && self.level == "fatal"
    }
}

/// How far a handshake came.
#[derive(Clone, Debug, PartialEq, Eq, JsonSchema, Serialize)]
#[serde(tag = "state", rename_all = "snake_case")]
pub enum Handshake {
    /// Both sides sent Finished, and neither refused the other.
    Complete,
    /// One side ended it with a fatal alert. In TLS 1.3 a client may believe a handshake complete that the server then
    /// refuses, over its certificate for one.
    Refused {
        /// Who.
        by: Side,
        /// The alert's name: `certificate_required`.
        alert: String,
    },
    /// One side answered with something that is not TLS.
    NotTls {
        /// Who.
        by: Side,
        /// What it sent, begun: `HTTP/1.1 400 Bad Request`.
        sent: String,
    },
    /// One side closed the TCP connection (or, inside another TLS layer, that layer) in the middle.
    Closed {
        /// Who closed first.
        by: Side,
        /// How.
        how: End,
        /// The last handshake message that either side sent.
        after: String,
    },
    /// Neither side had ended it when the capture did.
    Unfinished {
        /// The last handshake message that either side sent.
        after: String,
    },
    /// It cannot be told.
    Unknown {
        /// Why: keys are missing, or the handshake is not in the capture.
        why: String,
    },
}

impl fmt::Display for Handshake {
    /// As a clause for a report: `refused by the server: unknown_ca`.
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

/// Whether secrets for a layer were in the key log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, JsonSchema, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Keys {
    /// They were, and what is encrypted opened with them.
    Found,
    /// They were not, or did not fit; `unopened` says which.
    Missing,
    /// Nothing was encrypted: the handshake ended before.
    NotNeeded,
}

/// What one side's records carried. All sizes are in bytes as the layer below carries them, record headers included,
/// except `payload_bytes`.
#[derive(Clone, Debug, Default, PartialEq, Eq, JsonSchema, Serialize)]
pub struct Traffic {
    /// Whole records.
    pub records: u64,
    /// Their size.
    pub bytes: u64,
    /// Size of the records of the handshake in the wide sense: hellos, ChangeCipherSpec, tickets, key updates, alerts.
    pub handshake_bytes: u64,
    /// Records that carry application data.
    pub data_records: u64,
    /// Their size.
    pub data_bytes: u64,
    /// Size of the application data itself.
    pub payload_bytes: u64,
    /// What the layer adds to the payload: `data_bytes` less `payload_bytes`.
    pub overhead_bytes: u64,
    /// Records that could not be opened, and so are in neither of the two groups.
    pub unopened_records: u64,
    /// Their size.
    pub unopened_bytes: u64,
}
