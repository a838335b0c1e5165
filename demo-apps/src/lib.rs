//! Demo clients and servers, with and without their own TLS.
//!
//! They represent the apps in the pods of a mesh. The programs in this crate:
//!
//! - `demo-client` makes one call ([`client::call`]) and reports exactly how it ended ([`report::ClientReport`]);
//!   or many calls ([`load::run`]) and reports their latencies ([`report::LoadReport`]); or it holds connections idle
//!   ([`hold::run`]) and reports how many are open ([`report::HoldReport`]);
//! - `demo-server` ([`server::Server`]) listens on several ports at once and reports what it saw
//!   ([`report::Seen`] in its answers, [`report::Event`] in its log);
//! - `demo-dns` ([`dns::Server`]) is the pods' name server;
//! - `demo-apiserver` and `demo-webhook` are the two sides of Kubernetes' admission control.
//!
//! The programs print the types in [`report`], which can be read back with `serde_json`.
//!
//! # Protocols
//!
//! | URL | on the wire | succeeds if |
//! |---|---|---|
//! | `http://` `https://` | HTTP/1.1; HTTP/2 with `--http2` or if ALPN selects it | the response is complete (with `--fail`: and its status below 400) |
//! | `grpc://` `grpcs://` | gRPC over HTTP/2, with prior knowledge or by ALPN | the call ends with status `OK`, and echoes are what was sent |
//! | `ws://` `wss://` | HTTP/1.1 with an upgrade to a websocket (RFC 6455) | the server switches, and every frame is echoed |
//! | `tcp://` `tls://` | raw bytes | what was sent is echoed, or as many bytes as requested are received |
//!
//! A failed call has the stage and kind of its failure ([`failure::Failure`]), in the same terms for every protocol: a connection
//! that is refused or reset reads the same for gRPC as for raw bytes. A gRPC status other than `OK` fails at the stage
//! `http`, as [`failure::FailureKind::GrpcStatus`]. A response that is not gRPC at all, such as a proxy's error page, gets
//! the status that gRPC's clients derive from its HTTP status: 503 is `UNAVAILABLE`. A refused upgrade fails at the stage
//! `http`, too, as [`failure::FailureKind::UpgradeRefused`].
//!
//! # The service `sidelab.Echo`
//!
//! Every HTTP port of the server provides it. Messages are echoed without being decoded.
//!
//! | method | messages in | messages out |
//! |---|---|---|
//! | `Unary` | one | the same |
//! | `ClientStream` | many | one: all of them joined, after the last was received |
//! | `ServerStream` | one | the same, as often as the metadata `x-sidelab-messages` says |
//! | `Stream` | many | each at once, before the client has sent the next |
//! | `Seen` | one | one: [`report::Seen`] as JSON |
//! | `Fail` | any | none: the call ends with the status of the metadata `x-sidelab-grpc-status` and `x-sidelab-grpc-message`, or of the last line of the last message, `CODE TEXT` |
//!
//! The client knows which of these methods stream, and what to expect. For an unknown method it sends all messages, receives
//! whatever comes, and judges by the status alone.
//!
//! # Marks
//!
//! `--marker ID` makes a call findable in captured packets: the ID is in the header (or metadata) `x-sidelab-probe`, which the
//! server returns, and in the line `sidelab-probe ID` before raw bytes and in each message and frame.

mod admission;
pub mod apiserver;
pub mod client;
pub mod dns;
pub mod failure;
mod grpc;
pub mod hold;
pub mod load;
mod otlp;
pub mod program;
pub mod programs;
pub mod report;
pub mod server;
mod tap;
mod target;
#[cfg(test)]
mod testing;
mod tls;
mod usage;
mod websocket;

pub use demo_args::duration;
pub use target::{Scheme, Target};
pub use usage::UsageError;

/// Exit codes of the programs.
pub mod exit {
    /// The call succeeded.
    pub const OK: u8 = 0;
    /// The call failed.
    pub const FAILED: u8 = 1;
    /// Incorrect use; clap exits with the same code.
    pub const USAGE: u8 = 2;
}
