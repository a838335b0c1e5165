//! HTTP: the connection manager, its routes, and the router that sends requests upstream.
//!
//! HTTP/1 is spoken by `http1`, which takes, refuses and writes what Envoy does; HTTP/2 by hyper. Which headers Envoy adds
//! and takes away, and how it words failures, is done here.

mod activity;
mod body;
mod cluster_stats;
mod config;
mod connection;
mod exchange;
mod grpc;
mod headers;
mod http1;
mod path;
mod pool;
mod rejection;
mod request;
mod route;
mod router;
mod sniff;
mod upstream;
mod wire;

pub use config::Hcm;
pub use connection::serve;
pub use pool::Pools;
pub use route::Routes;
