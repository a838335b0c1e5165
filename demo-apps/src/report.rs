//! The output of the programs, as serializable types.
//!
//! | printed by | type | `schema` |
//! |---|---|---|
//! | `demo-client URL` | [`ClientReport`] | [`CLIENT_SCHEMA`] |
//! | `demo-client load URL` | [`LoadReport`] | [`LOAD_SCHEMA`] |
//! | `demo-client load URL --each`, one per line before that | [`RequestReport`] | |
//! | `demo-client hold URL`, twice | [`HoldReport`] | [`HOLD_SCHEMA`] |
//! | `demo-apiserver` | [`AdmissionReport`] | [`ADMISSION_SCHEMA`] |
//! | `demo-server`, in responses of HTTP and of `/sidelab.Echo/Seen` | [`Seen`] | [`SEEN_SCHEMA`] |
//! | `demo-server`, on stdout | [`Event`], one per line | |

mod admission;
mod body;
mod call;
mod grpc;
mod headers;
mod hold;
mod load;
mod seen;
mod span;
mod websocket;

pub use admission::{ADMISSION_SCHEMA, AdmissionReport, Decision, ObjectReference, WebhookReport};
pub use body::Body;
pub use call::{
    CLIENT_SCHEMA, CertificateFacts, ClientCertificate, ClientReport, Ended, HttpFacts, StreamFacts, Timings, TlsFacts,
};
pub use grpc::{GrpcFacts, GrpcSeen, GrpcStatus};
pub(crate) use headers::headers_of;
pub use headers::{Headers, header};
pub use hold::{HOLD_SCHEMA, HoldPhase, HoldReport};
pub use load::{ErrorCount, LOAD_SCHEMA, Latencies, LoadReport, Percentiles, RequestReport};
pub use seen::{Closed, Event, SEEN_SCHEMA, Seen, ServerTls};
pub use span::{SpanKind, SpanReport};
pub use websocket::{WebsocketClose, WebsocketFacts, WebsocketSeen};
