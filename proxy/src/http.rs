//! HTTP: the connection manager, its routes, and the router that sends requests upstream.
//!
//! hyper speaks the protocol on both sides; what Envoy does differently from hyper (what it answers to bytes that are no
//! HTTP, which headers it adds and takes away, how it words failures) is done here.

mod activity;
mod body;
mod cluster_stats;
mod config;
mod connection;
mod exchange;
mod gate;
mod grpc;
mod headers;
mod pool;
mod rejection;
mod request;
mod retry;
mod route;
mod router;
mod sniff;
mod upgrade;
mod upstream;
mod wire;

pub use config::Hcm;
pub use connection::serve;
pub use pool::Pools;
pub use route::Routes;
