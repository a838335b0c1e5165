//! The output of the programs, as serializable types.
//!
//! | printed by | type | `schema` |
//! |---|---|---|
//! | `demo-client URL` | [`ClientReport`] | [`CLIENT_SCHEMA`] |
//! | `demo-client load URL` | [`LoadReport`] | [`LOAD_SCHEMA`] |
//! | `demo-client hold URL`, twice | [`HoldReport`] | [`HOLD_SCHEMA`] |
//! | `demo-apiserver` | [`AdmissionReport`] | [`ADMISSION_SCHEMA`] |
//! | `demo-server`, in responses of HTTP and of `/sidelab.Echo/Seen` | [`Seen`] | [`SEEN_SCHEMA`] |
//! | `demo-server`, on stdout | [`Event`], one per line | |

mod admission;
mod call;
mod grpc;
mod hold;
mod load;
mod seen;
mod websocket;

pub use admission::{ADMISSION_SCHEMA, AdmissionReport, Decision, ObjectReference, WebhookReport};
pub use call::{
    Body, CLIENT_SCHEMA, CertificateFacts, ClientCertificate, ClientReport, Ended, HttpFacts, StreamFacts, Timings,
    TlsFacts,
};
pub use grpc::{GrpcFacts, GrpcSeen, GrpcStatus};
pub use hold::{HOLD_SCHEMA, HoldPhase, HoldReport};
pub use load::{ErrorCount, LOAD_SCHEMA, Latencies, LoadReport, Percentiles};
pub use seen::{Closed, Event, SEEN_SCHEMA, Seen, ServerTls};
pub use websocket::{WebsocketClose, WebsocketFacts, WebsocketSeen};

/// Header pairs in the order of the wire, with names in lower case. A name may occur more than once.
pub type Headers = Vec<(String, String)>;

/// The first value of the header `name` (given in lower case).
#[must_use]
pub fn header<'a>(headers: &'a Headers, name: &str) -> Option<&'a str> {
    headers.iter().find(|(n, _)| n == name).map(|(_, value)| value.as_str())
}

/// Header pairs of a message. Invalid UTF-8 in values is replaced.
pub(crate) fn headers_of(map: &http::HeaderMap) -> Headers {
    map.iter().map(|(name, value)| (name.to_string(), String::from_utf8_lossy(value.as_bytes()).into_owned())).collect()
}
