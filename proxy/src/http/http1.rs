//! HTTP/1 as Envoy speaks it.
//!
//! What is taken, what is refused and in which words follows Envoy's codec (`source/common/http/http1/codec_impl.cc`) and
//! its parser (quiche's `balsa_frame.cc`), which differ from most: an obsolete line folding is taken, a second
//! `content-length` is not. Where this codec and Envoy's differ all the same, `scripts/differential` says so.
//!
//! Heads are read and written by pure functions; [`serve`] and [`Client`] drive a connection with them.

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

/// Why a body ends before its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub(super) enum Fault {
    /// The connection ended.
    #[error("the connection ended in it")]
    Cut,
    /// It is not well-formed.
    #[error("{0}")]
    Malformed(Rejection),
}

/// The most that a head, or trailers, may take, in bytes. Envoy's default (`max_request_headers_kb`).
const MAX_HEAD: usize = 60 * 1024;
/// The most headers that a message may have. Envoy's default (`max_headers_count`).
const MAX_HEADERS: usize = 100;
