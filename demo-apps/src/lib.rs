//! Demo clients and servers, with and without TLS of their own.
//!
//! They stand for the apps in the pods of a mesh. Two programs are built on this library:
//!
//! - `demo-client` makes one call ([`client::call`]) and says exactly how it ended ([`report::ClientReport`]),
//!   or many calls ([`load::run`]) and says how fast they were ([`report::LoadReport`]);
//! - `demo-server` ([`server::Server`]) listens on several ports at once and says what it saw
//!   ([`report::Seen`] in its answers, [`report::Event`] in its log).
//!
//! The types in [`report`] are what the programs print: whoever runs them reads the output back with `serde_json`.

pub mod client;
pub mod failure;
mod grpc;
pub mod hold;
pub mod load;
pub mod program;
pub mod report;
pub mod server;
mod tap;
mod target;
#[cfg(test)]
mod testing;
mod tls;
mod websocket;

pub use target::{Scheme, Target};

/// The programs were asked for something they cannot do. Exit code 2.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct UsageError(pub String);

/// Exit codes of both programs.
pub mod exit {
    /// The call went through.
    pub const OK: u8 = 0;
    /// The call failed.
    pub const FAILED: u8 = 1;
    /// Wrong use; clap exits with the same code.
    pub const USAGE: u8 = 2;
}
