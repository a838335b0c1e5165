//! Demo clients and servers, with and without TLS of their own.
//!
//! They stand for the apps in the pods of a mesh. Three programs are built on this library:
//!
//! - `demo-client` makes one call ([`client::call`]) and says exactly how it ended ([`report::ClientReport`]);
//!   or many calls ([`load::run`]) and says how fast they were ([`report::LoadReport`]); or it holds connections idle
//!   ([`hold::run`]) and says how many stand ([`report::HoldReport`]);
//! - `demo-server` ([`server::Server`]) listens on several ports at once and says what it saw
//!   ([`report::Seen`] in its answers, [`report::Event`] in its log);
//! - `demo-dns` ([`dns::Server`]) is the name server that the pods ask.
//!
//! The types in [`report`] are what the programs print: whoever runs them reads the output back with `serde_json`.
//!
//! # What is spoken
//!
//! | URL | on the wire | went through when |
//! |---|---|---|
//! | `http://` `https://` | HTTP/1.1; HTTP/2 with `--http2` or where ALPN chose it | the response is complete (with `--fail`: and its status below 400) |
//! | `grpc://` `grpcs://` | gRPC over HTTP/2, with prior knowledge or by ALPN | the call ended with status `OK`, and echoes are what was sent |
//! | `ws://` `wss://` | HTTP/1.1 with an upgrade to a websocket (RFC 6455) | the server switched, and every frame came back |
//! | `tcp://` `tls://` | raw bytes | what was sent came back, or as many bytes as asked for |
//!
//! A call that fails keeps the stage and the kind of its failure ([`failure::Failure`]), whatever is spoken: a connection
//! that is refused or reset reads the same for gRPC as for raw bytes. A status of gRPC other than `OK` fails at the stage
//! `http`, as [`failure::FailureKind::GrpcStatus`]. An answer that is not of gRPC at all, such as a proxy's error page, gets
//! the status that gRPC's clients make of its HTTP status: 503 is `UNAVAILABLE`. A refused upgrade fails at the stage `http`
//! too, as [`failure::FailureKind::UpgradeRefused`].
//!
//! # The service `sidelab.Echo`
//!
//! Every HTTP port of the server has it. Messages may be of any kind: they are echoed without being looked into.
//!
//! | method | messages in | messages out |
//! |---|---|---|
//! | `Unary` | one | the same |
//! | `ClientStream` | many | one: all of them joined, when the last has come |
//! | `ServerStream` | one | the same, as often as the metadata `x-sidelab-messages` says |
//! | `Stream` | many | each at once, before the client has sent the next |
//! | `Seen` | one | one: [`report::Seen`] as JSON |
//! | `Fail` | any | none: the call ends with the status of the metadata `x-sidelab-grpc-status` and `x-sidelab-grpc-message`, or of the last line of the last message, `CODE TEXT` |
//!
//! The client is a stub of this service: it knows which methods stream, and what has to come back. Of a method that it does
//! not know it sends all messages, takes what comes, and judges by the status alone.
//!
//! # Marks
//!
//! `--marker ID` makes a call findable in captured packets: it stands in the header (or metadata) `x-sidelab-probe`, which the
//! server sends back, and in the line `sidelab-probe ID` ahead of raw bytes and in each message and frame.

mod admission;
pub mod apiserver;
pub mod client;
pub mod dns;
pub mod failure;
mod grpc;
pub mod hold;
pub mod load;
pub mod program;
pub mod programs;
pub mod report;
pub mod server;
mod tap;
mod target;
#[cfg(test)]
mod testing;
mod tls;
mod websocket;

pub use demo_args::duration;
pub use target::{Scheme, Target};

/// The programs were asked for something they cannot do. Exit code 2.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct UsageError(pub String);

/// Exit codes of the programs.
pub mod exit {
    /// The call went through.
    pub const OK: u8 = 0;
    /// The call failed.
    pub const FAILED: u8 = 1;
    /// Wrong use; clap exits with the same code.
    pub const USAGE: u8 = 2;
}
