//! Sends the same bytes to both data planes, the native one and the real Envoy, each with the same bootstrap on loopback,
//! and compares the results of each row as text. Accepted differences are listed in `accepted.rows` with their reasons. Any
//! other difference fails, as does an accepted one that no longer occurs.

#[path = "../data_plane/support/mod.rs"]
mod support;

mod app;
mod compare;
mod frames;
mod http1;
mod http2;
mod planes;
mod rows;
mod tls;
mod upstream;
mod wire;
