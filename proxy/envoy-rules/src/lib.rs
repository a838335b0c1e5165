//! Envoy's decisions, as pure functions of configuration and facts.
//!
//! The data plane executes them for each connection and request, the prediction says with them beforehand what the data plane
//! will do, and access logs are read with them afterwards. The algorithms are Envoy's, branch for branch; what each function is
//! there is said beside it here.
//!
//! | what is decided | where |
//! |---|---|
//! | the listener and the filter chain of a connection | [`ListenerTable`], [`ChainTable`], [`disabled`] |
//! | the version of HTTP that a connection manager reads | [`codec`] |
//! | the route of a request | [`route`], [`string_match`], [`authority`] |
//! | where and how a cluster is connected to | [`upstream`] |
//! | whether a request is tried again | [`retry`] |
//! | how an ending is logged and answered, and what a log says of one | [`outcome`], [`grpc`] |
//! | BoringSSL's words for a failed handshake | [`tls_error`] |

pub mod authority;
mod build;
pub mod codec;
mod connection;
pub mod grpc;
mod listeners;
pub mod outcome;
mod predicate;
mod prefixes;
pub mod retry;
pub mod route;
pub mod string_match;
mod table;
pub mod tls_error;
pub mod upstream;

pub use build::BuildError;
pub use connection::{Connection, Transport};
pub use listeners::ListenerTable;
pub use predicate::disabled;
pub use table::{ChainTable, Match, Stage};

#[cfg(test)]
mod testing;
