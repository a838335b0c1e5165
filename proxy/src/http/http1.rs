//! HTTP/1, compatible with Envoy.
//!
//! What is accepted and refused, and with which errors, follows Envoy's codec (`source/common/http/http1/codec_impl.cc`) and
//! its parser (quiche's `balsa_frame.cc`), which differ from most: obsolete line folding is accepted, a second
//! `content-length` is not. `scripts/differential` reports remaining differences.
//!
//! Heads are parsed and written by pure functions; [`serve`] and [`Client`] use them to drive connections.

mod body;
mod client;
mod decode;
mod encode;
mod head;
mod io;
mod request;
mod response;
mod server;
mod trailers;

pub(super) use body::Body;
pub(super) use client::{Client, NoResponse, Outgoing};
pub(super) use io::Io;
pub(super) use request::Request;
pub(super) use server::{End, NoAnswer, Service, serve};

use thiserror::Error;

use super::rejection::Rejection;

/// Why a body ended early.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub(super) enum Fault {
    /// The connection ended.
    #[error("the connection ended in the body")]
    Cut,
    /// The body is malformed.
    #[error("{0}")]
    Malformed(Rejection),
}

/// Maximum size of a head or trailers, in bytes. Envoy's default (`max_request_headers_kb`).
const MAX_HEAD: usize = 60 * 1024;
/// Maximum number of headers in a message. Envoy's default (`max_headers_count`).
const MAX_HEADERS: usize = 100;
