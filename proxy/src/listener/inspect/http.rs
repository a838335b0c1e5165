//! The HTTP inspector: which version of HTTP plaintext begins with, if any.
//!
//! Follows `source/extensions/filters/listener/http_inspector/http_inspector.cc`: the preface of HTTP/2, else a request
//! line of HTTP/1, which has to be there as a whole.

use tokio::net::TcpStream;

use super::{Refused, peek};

#[cfg(test)]
mod tests;

/// What an HTTP/2 connection begins with.
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// The methods that Envoy knows; a request line with another is not HTTP to it.
const METHODS: [&str; 34] = [
    "GET",
    "HEAD",
    "POST",
    "PUT",
    "DELETE",
    "CONNECT",
    "OPTIONS",
    "TRACE",
    "PATCH",
    "ACL",
    "BIND",
    "CHECKOUT",
    "COPY",
    "LINK",
    "LOCK",
    "MERGE",
    "MKACTIVITY",
    "MKCALENDAR",
    "MKCOL",
    "MOVE",
    "MSEARCH",
    "M-SEARCH",
    "NOTIFY",
    "PROPFIND",
    "PROPPATCH",
    "PURGE",
    "REBIND",
    "REPORT",
    "SEARCH",
    "SOURCE",
    "SUBSCRIBE",
    "UNBIND",
    "UNLINK",
    "UNLOCK",
];

/// Waits until it is clear which version of HTTP the connection begins with: `http/1.0`, `http/1.1`, `h2c` or none.
pub(super) async fn inspect(socket: &TcpStream) -> Result<Option<String>, Refused> {
    let found = peek(socket, look).await;
    match found {
        // As much as Envoy looks at without a line end: not HTTP, or not to be waited for.
        Err(Refused::HelloTooLarge) => Ok(None),
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
        None if begins_a_method(bytes) => None,
        None => Some(None),
    }
}

fn begins_a_method(bytes: &[u8]) -> bool {
    let word = bytes.split(|byte| *byte == b' ').next().unwrap_or_default();
    METHODS.iter().any(|method| {
        let method = method.as_bytes();
        if word.len() == bytes.len() { method.starts_with(word) } else { method == word }
    })
}

/// The version at the end of a request line.
fn version(line: &[u8]) -> Option<&'static str> {
    let line = std::str::from_utf8(line).ok()?;
    let mut words = line.split(' ').filter(|word| !word.is_empty());
    let (method, _target, version) = (words.next()?, words.next()?, words.next()?);
    match version {
        _ if words.next().is_some() || !METHODS.contains(&method) => None,
        "HTTP/1.1" => Some("http/1.1"),
        "HTTP/1.0" => Some("http/1.0"),
        _ => None,
    }
}
