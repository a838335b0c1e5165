//! HTTP: the connection manager, its routes, and the router that sends requests upstream.
//!
//! HTTP/1 is implemented by `http1`, which accepts, refuses and writes the same bytes as Envoy; HTTP/2 by hyper. This module
//! implements which headers Envoy adds and removes, and how it describes failures.

mod activity;
mod body;
mod cluster_stats;
mod config;
mod connection;
mod exchange;
mod export;
mod fault;
mod grpc;
mod header_value;
mod headers;
mod http1;
mod local_reply;
mod mirror;
mod peer_metadata;
mod pool;
mod rejection;
mod request;
mod route;
mod router;
mod serve;
mod sniff;
mod timeout;
mod trace;
mod upstream;
mod wire;

pub use config::Hcm;
pub(crate) use export::export;
pub(crate) use http1::transcript;
pub use pool::Pools;
pub use route::Routes;
pub use serve::serve;
