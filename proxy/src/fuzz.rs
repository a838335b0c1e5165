//! Pure steps of reading a connection for crate `fuzz`, which the data plane keeps private.
//!
//! These only call existing code.

pub use crate::http::transcript::{Event, requests, responses};
use crate::listener;

/// The TLS inspector's result for the bytes so far: `None` if it needs more of them.
pub fn tls_inspector(bytes: &[u8]) -> Option<String> {
    listener::opening(bytes).map(|opening| format!("{opening:?}"))
}

/// The HTTP inspector's result for the bytes so far: `None` if it needs more of them, `Some(None)` if they are not HTTP.
pub fn http_inspector(bytes: &[u8]) -> Option<Option<&'static str>> {
    listener::http_version(bytes)
}
