//! Envoy's decisions, as pure functions of configuration and facts.
//!
//! The data plane executes them for each connection and request, the prediction evaluates them in advance, and access logs are
//! interpreted with them afterwards. The algorithms are Envoy's, branch for branch; the documentation of each function names its
//! source.
//!
//! | decision | item |
//! |---|---|
//! | the listener and the filter chain of a connection | [`ListenerTable`], [`ChainTable`], [`disabled`] |
//! | the HTTP version of a connection | [`codec`] |
//! | the route of a request | [`route`], [`header_match`], [`string_match`], [`re2`], [`authority`] |
//! | whether a request or a connection is authorized | [`rbac`], [`path_template`] |
//! | what a path is normalized to | [`path`] |
//! | what a route makes of a request, and where a redirect leads | [`rewrite`], [`cors`] |
//! | who the client of a request is, behind other proxies | [`forwarded`] |
//! | how to connect to a cluster | [`upstream`] |
//! | which endpoint a hash leads to | [`hash`], [`hash_table`] |
//! | when an endpoint that fails is left out | [`outlier`] |
//! | whether a request is retried | [`retry`] |
//! | whether a request is traced, and how a trace goes on | [`tracing`] |
//! | how an outcome is logged and answered, and what a log entry means | [`outcome`], [`grpc`] |
//! | BoringSSL's error for a failed handshake | [`tls_error`] |

#![warn(missing_docs)]

pub mod authority;
mod build;
pub mod codec;
mod connection;
pub mod cors;
pub mod forwarded;
pub mod grpc;
pub mod hash;
pub mod hash_table;
pub mod header_match;
pub mod limits;
mod listeners;
pub mod outcome;
pub mod outlier;
pub mod path;
pub mod path_template;
mod predicate;
mod prefixes;
pub mod rbac;
pub mod re2;
pub mod retry;
pub mod rewrite;
pub mod route;
pub mod string_match;
mod table;
pub mod tls_error;
pub mod tracing;
pub mod upstream;

pub use build::BuildError;
pub use connection::{Connection, Transport};
pub use listeners::ListenerTable;
pub use predicate::disabled;
pub use table::{ChainTable, Match, Stage};

#[cfg(test)]
mod testing;
