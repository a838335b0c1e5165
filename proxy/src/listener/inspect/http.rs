//! The HTTP inspector: which version of HTTP plaintext begins with, if any.
//!
//! Follows `source/extensions/filters/listener/http_inspector/http_inspector.cc`: the preface of HTTP/2, else a request
//! line of HTTP/1, which has to be there as a whole.

use tokio::net::TcpStream;

use crate::peek::{Unseen, peek};

#[cfg(test)]
mod tests;

/// What an HTTP/2 connection begins with.
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// The most that is looked at, in bytes (`HTTP_INSPECTOR_MAX_INSPECT_SIZE`).
const MOST: usize = 64 * 1024;

/// Waits until it is clear which version of HTTP the connection begins with: `http/1.0`, `http/1.1`, `h2c` or none.
pub(super) async fn inspect(socket: &TcpStream) -> Result<Option<String>, Unseen> {
    let found = peek(socket, MOST, look).await;
    match found {
        // As much as Envoy looks at without a line end: not HTTP, or not to be waited for.
        Err(Unseen::TooLong) => Ok(None),
        other => other.map(|version| version.map(str::to_owned)),
    }
}

/// `None` as long as more bytes are needed; `Some(None)` when this is no HTTP.
fn look(bytes: &[u8]) -> Option<Option<&'static str>> {
    let length = bytes.len().min(PREFACE.len());
    if bytes[..length] == PREFACE[..length] {
        return (length == PREFACE.len()).then_some(Some("h2c"));
    }
    match bytes.iter().position(|byte| matches!(byte, b'\r' | b'\n')) {
        Some(end) => Some(version(&bytes[..end])),
        // A first byte that no method has, or a NUL, and Envoy's parser (Balsa) gives up; anything else may become one.
        None if bytes.first().is_none_or(|byte| is_token(*byte)) && !bytes.contains(&0) => None,
        None => Some(None),
    }
}

/// The version at the end of a request line. The method may be any, the target has to look like one.
fn version(line: &[u8]) -> Option<&'static str> {
    if line.first().is_none_or(|byte| !is_token(*byte)) {
        return None;
    }
    let mut words = line.split(|byte| matches!(byte, b' ' | b'\t')).filter(|word| !word.is_empty());
    let (method, target, version) = (words.next()?, words.next()?, words.next()?);
    let absolute = target.windows(3).any(|part| part == b"://");
    let plausible = method == b"CONNECT" || matches!(target[0], b'/' | b'*') || absolute;
    if words.next().is_some() || !method.iter().all(|byte| is_token(*byte)) || !plausible {
        return None;
    }
    match version {
        b"HTTP/1.1" => Some("http/1.1"),
        b"HTTP/1.0" => Some("http/1.0"),
        _ => None,
    }
}

/// Whether a byte may stand in a token (RFC 9110, section 5.6.2).
fn is_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}
