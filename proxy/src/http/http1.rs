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
mod fault;
mod head;
mod io;
mod request;
mod response;
mod server;
mod trailers;
pub(crate) mod transcript;

pub(super) use body::Body;
pub(super) use client::{Client, NoResponse, Outgoing};
pub(super) use fault::Fault;
pub(super) use head::MAX_HEADERS;
pub(super) use io::Io;
pub(super) use request::Request;
pub(super) use server::{End, NoAnswer, Service, serve};
