//! Test data: connections synthesized as packets, with real TLS inside.

mod pki;
mod tls;
mod wire;

pub(crate) use pki::Pki;
pub(crate) use tls::{
    SharedLog, client_config, connect, drive, nested, nested_apart, provider, server_config, tls_talk,
};
pub(crate) use wire::{Wire, client_says, server_says};

use crate::Side;

/// What two sides send each other, in order.
pub(crate) type Talk = Vec<(Side, Vec<u8>)>;

/// A request with a marker in its path, and its response.
pub(crate) fn http_talk() -> Talk {
    vec![
        client_says("GET /marker-1?x=1 HTTP/1.1\r\nHost: server\r\nX-Probe: p-7\r\n\r\n"),
        server_says("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"),
    ]
}
