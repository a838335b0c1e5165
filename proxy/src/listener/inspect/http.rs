//! The HTTP inspector, which detects the HTTP version of plaintext.
//!
//! Follows `source/extensions/filters/listener/http_inspector/http_inspector.cc`: the HTTP/2 preface, or else a complete
//! HTTP/1 request line.

use tokio::net::TcpStream;

use crate::peek::{Unseen, peek};

#[cfg(test)]
mod tests;

/// The start of an HTTP/2 connection.
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// Maximum number of bytes to inspect (`HTTP_INSPECTOR_MAX_INSPECT_SIZE`).
const MOST: usize = 64 * 1024;

/// Waits until the HTTP version is known: `http/1.0`, `http/1.1`, `h2c`, or `None` if it is not HTTP.
pub(super) async fn inspect(socket: &TcpStream) -> Result<Option<String>, Unseen> {
    let found = peek(socket, MOST, look).await;
    match found {
        // Like Envoy, gives up on a first line that exceeds the limit.
        Err(Unseen::TooLong) => Ok(None),
        other => other.map(|version| version.map(str::to_owned)),
    }
}

/// `None` if more bytes are needed; `Some(None)` if it is not HTTP.
pub(crate) fn look(bytes: &[u8]) -> Option<Option<&'static str>> {
    let length = bytes.len().min(PREFACE.len());
    if bytes[..length] == PREFACE[..length] {
        return (length == PREFACE.len()).then_some(Some("h2c"));
    }
    match bytes.iter().position(|byte| matches!(byte, b'\r' | b'\n')) {
        Some(end) => Some(version(&bytes[..end])),
        // Envoy's parser (Balsa) gives up on a first byte that is not a token character, and on NUL; anything else may be a method.
        None if bytes.first().is_none_or(|byte| is_token(*byte)) && !bytes.contains(&0) => None,
        None => Some(None),
    }
}

/// The version at the end of a request line. The method is arbitrary, the target must look like one.
fn version(line: &[u8]) -> Option<&'static str> {
    if line.first().is_none_or(|byte| !is_token(*byte)) || line.contains(&0) {
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

/// Whether a byte is valid in a token (RFC 9110, section 5.6.2).
fn is_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}
