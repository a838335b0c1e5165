//! Parsing heads of requests.

use http::{HeaderMap, HeaderName, HeaderValue, Method, Version, header};

use super::{
    decode::Decoder,
    head::{self, HeadEnd, MAX_HEAD, is_forbidden},
};
use crate::http::{headers::listed, rejection::Rejection};

mod connection;
mod target;

#[cfg(test)]
mod tests;

/// The methods that Envoy's HTTP/1 codec accepts (`balsa_parser.cc`, `isMethodValid`).
const METHODS: [&str; 35] = [
    "ACL",
    "BIND",
    "CHECKOUT",
    "CONNECT",
    "COPY",
    "DELETE",
    "GET",
    "HEAD",
    "LINK",
    "LOCK",
    "MERGE",
    "MKACTIVITY",
    "MKCALENDAR",
    "MKCOL",
    "MOVE",
    "MSEARCH",
    "NOTIFY",
    "OPTIONS",
    "PATCH",
    "POST",
    "PROPFIND",
    "PROPPATCH",
    "PURGE",
    "PUT",
    "QUERY",
    "REBIND",
    "REPORT",
    "SEARCH",
    "SOURCE",
    "SUBSCRIBE",
    "TRACE",
    "UNBIND",
    "UNLINK",
    "UNLOCK",
    "UNSUBSCRIBE",
];

/// The head of a valid request.
#[derive(Clone, Debug)]
pub(in crate::http) struct Request {
    pub(in crate::http) method: Method,
    /// Path and query; `None` for CONNECT.
    pub(in crate::http) path: Option<String>,
    /// The headers, with at most one `host`: the target's, if it has one.
    pub(in crate::http) headers: HeaderMap,
    /// `HTTP/1.1`; any other version is treated as `HTTP/1.0`.
    pub(in crate::http) version: Version,
    /// Requested upgrade protocol, in lower case.
    pub(in crate::http) upgrade: Option<String>,
    /// Whether the client announces that this is the last request on its connection.
    pub(in crate::http) closes: bool,
    /// Whether the client waits for `100 Continue`.
    pub(in crate::http) expects_continue: bool,
    /// The decoder for its body.
    pub(super) body: Decoder,
}

/// Parses a request's head from the bytes so far. `Ok(None)` if more are needed; otherwise the second value is the head's
/// length.
///
/// # Errors
/// If it is invalid, as soon as that is known.
pub(super) fn read(bytes: &[u8], end: &mut HeadEnd) -> Result<Option<(Request, usize)>, Rejection> {
    let blank = bytes.iter().take_while(|byte| matches!(byte, b'\r' | b'\n')).count();
    let bytes = &bytes[blank..];
    let Some(first) = bytes.first() else { return Ok(None) };
    if *first <= b' ' {
        return Err(Rejection::CODEC); // such as a TLS record: do not wait for a line
    }
    let found = end.find(bytes);
    let length = found.unwrap_or(bytes.len());
    if length > MAX_HEAD || (found.is_none() && length == MAX_HEAD) {
        return Err(Rejection::HEAD_TOO_LARGE);
    }
    let head = &bytes[..length];
    if found.is_some() && head.iter().any(|byte| is_forbidden(*byte)) {
        return Err(Rejection::INVALID_CHARACTERS);
    }
    if found.is_none() && !head.contains(&b'\n') {
        return Ok(None);
    }
    let (line, lines) = head::first_line(head);
    let [method, target, version] = head::words(line);
    let line = request_line(method, target, version)?;
    if version.is_empty() {
        return Err(Rejection::VERSION); // HTTP/0.9, whose requests have only one line
    }
    if found.is_none() {
        return Ok(None);
    }
    request(line, lines).map(|request| Some((request, blank + length)))
}

/// A start line with valid words.
struct RequestLine<'a> {
    method: Method,
    target: &'a str,
    version: Version,
}

fn request_line<'a>(method: &[u8], target: &'a [u8], version: &[u8]) -> Result<RequestLine<'a>, Rejection> {
    let known = METHODS.iter().any(|known| known.as_bytes() == method);
    let method = Method::from_bytes(method).ok().filter(|_| known).ok_or(Rejection::CODEC)?;
    let target = std::str::from_utf8(target).map_err(|_| Rejection::CODEC)?;
    if !target::is_plausible(target, method == Method::CONNECT) || !(version.is_empty() || head::is_version(version)) {
        return Err(Rejection::CODEC);
    }
    let version = if version == b"HTTP/1.1" { Version::HTTP_11 } else { Version::HTTP_10 };
    Ok(RequestLine { method, target, version })
}

fn request(line: RequestLine<'_>, lines: &[u8]) -> Result<Request, Rejection> {
    let RequestLine { method, target, version } = line;
    let mut headers = head::headers(lines)?;
    let mut lengths = head::lengths(&headers)?;
    let is_connect = method == Method::CONNECT;
    if is_connect {
        match lengths.length {
            Some(0) => drop(headers.remove(header::CONTENT_LENGTH)),
            Some(_) => return Err(Rejection::BODY_DISALLOWED),
            None if lengths.chunked => return Err(Rejection::TRANSFER_ENCODING),
            None => {}
        }
        lengths.length = None;
    }
    let closes = connection::closes(&headers, version);
    let upgrade = upgrade(&mut headers);
    if upgrade.is_none() && !is_connect {
        connection::sanitize(&mut headers)?;
    }
    let target = target::read(target, &method)?;
    host(&mut headers, target.authority)?;
    let expects_continue =
        headers.get(header::EXPECT).is_some_and(|expect| expect.as_bytes().eq_ignore_ascii_case(b"100-continue"));
    if expects_continue {
        headers.remove(header::EXPECT);
    }
    let body = match lengths {
        _ if upgrade.is_some() || is_connect => Decoder::raw(),
        head::Lengths { chunked: true, .. } => Decoder::chunked(),
        head::Lengths { length: Some(length), .. } => Decoder::length(length),
        head::Lengths { length: None, .. } => Decoder::none(),
    };
    Ok(Request { method, path: target.path, headers, version, upgrade, closes, expects_continue, body })
}

/// Sets a single `host` from the target's authority or several `host` headers, and refuses invalid ones
/// (`header_utility.cc`, `authorityIsValid`).
fn host(headers: &mut HeaderMap, authority: Option<&str>) -> Result<(), Rejection> {
    let one = match authority {
        Some(authority) => Some(authority.as_bytes().to_vec()),
        None => {
            let all: Vec<&[u8]> = headers.get_all(header::HOST).iter().map(HeaderValue::as_bytes).collect();
            (!all.is_empty()).then(|| all.join(&b","[..]))
        }
    };
    let Some(host) = one else { return Ok(()) };
    let may_stand = |byte: &u8| byte.is_ascii_alphanumeric() || b"-._~%!$&'()*+,;=:@[]".contains(byte);
    if !host.iter().all(may_stand) {
        return Err(Rejection::AUTHORITY);
    }
    headers.insert(header::HOST, HeaderValue::from_bytes(&host).map_err(|_| Rejection::AUTHORITY)?);
    Ok(())
}

/// The requested upgrade protocol. Requests for `h2c` are ignored, and removed.
fn upgrade(headers: &mut HeaderMap) -> Option<String> {
    const HTTP2_SETTINGS: HeaderName = HeaderName::from_static("http2-settings");
    let wanted = listed(headers, &header::CONNECTION).any(|option| option.eq_ignore_ascii_case("upgrade"));
    let protocol = headers.get(header::UPGRADE).filter(|_| wanted)?.to_str().ok()?.to_ascii_lowercase();
    if protocol != "h2c" {
        return Some(protocol);
    }
    headers.remove(header::UPGRADE);
    headers.remove(HTTP2_SETTINGS);
    let others: Vec<_> = listed(headers, &header::CONNECTION)
        .filter(|option| !option.eq_ignore_ascii_case("upgrade") && !option.eq_ignore_ascii_case("http2-settings"))
        .collect();
    let others = others.join(",");
    match HeaderValue::from_str(&others).ok().filter(|_| !others.is_empty()) {
        Some(others) => drop(headers.insert(header::CONNECTION, others)),
        None => drop(headers.remove(header::CONNECTION)),
    }
    None
}
