//! Parsing heads of responses.

use http::{HeaderMap, Method, StatusCode, header};

use super::{
    decode::Decoder,
    head::{self, HeadEnd, MAX_HEAD, is_forbidden},
};
use crate::http::{headers::listed, rejection::Rejection};

#[cfg(test)]
mod tests;

/// What a response's head depends on in the request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Asked {
    /// Whether the method was HEAD.
    pub(super) head: bool,
    /// Whether it requested an upgrade.
    pub(super) upgrade: bool,
}

impl Asked {
    pub(super) fn new(method: &Method, upgrade: bool) -> Self {
        Self { head: *method == Method::HEAD, upgrade }
    }
}

/// The head of a response.
#[derive(Debug)]
pub(super) struct Response {
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    /// Whether the upstream closes the connection afterwards.
    pub(super) closes: bool,
    pub(super) body: Decoder,
}

impl Response {
    /// Whether another response follows.
    pub(super) fn is_interim(&self) -> bool {
        self.status.is_informational() && self.status != StatusCode::SWITCHING_PROTOCOLS
    }
}

/// Parses a response's head from the bytes so far. `Ok(None)` if more are needed; otherwise the second value is the head's
/// length.
///
/// # Errors
/// If it is invalid. Envoy calls all such errors protocol errors.
pub(super) fn read(bytes: &[u8], end: &mut HeadEnd, asked: Asked) -> Result<Option<(Response, usize)>, Rejection> {
    if bytes.first().is_some_and(|first| *first <= b' ') {
        return Err(Rejection::CODEC);
    }
    let found = end.find(bytes);
    let length = found.unwrap_or(bytes.len());
    if length > MAX_HEAD || (found.is_none() && length == MAX_HEAD) {
        return Err(Rejection::HEAD_TOO_LARGE);
    }
    let head = &bytes[..length];
    let Some(length) = found else {
        // The start line may already be invalid.
        return if head.contains(&b'\n') { status(head::first_line(head).0).map(|_| None) } else { Ok(None) };
    };
    if head.iter().any(|byte| is_forbidden(*byte)) {
        return Err(Rejection::INVALID_CHARACTERS);
    }
    let (line, lines) = head::first_line(head);
    let (status, is_http11) = status(line)?;
    response(status, is_http11, lines, asked).map(|response| Some((response, length)))
}

/// The status, and whether the version is 1.1: any other is treated as 1.0.
fn status(line: &[u8]) -> Result<(StatusCode, bool), Rejection> {
    let [version, status, _] = head::words(line);
    // Envoy forwards numbers that are not valid statuses (0, 99, 1000).
    let status = Some(status).filter(|_| head::is_version(version)).and_then(|s| StatusCode::from_bytes(s).ok());
    status.map(|status| (status, version == b"HTTP/1.1")).ok_or(Rejection::CODEC)
}

fn response(status: StatusCode, is_http11: bool, lines: &[u8], asked: Asked) -> Result<Response, Rejection> {
    let mut headers = head::headers(lines)?;
    let lengths = head::lengths(&headers)?;
    let is_upgrade = asked.upgrade && status == StatusCode::SWITCHING_PROTOCOLS;
    if status.is_informational() || status == StatusCode::NO_CONTENT {
        match lengths.length {
            _ if lengths.chunked => return Err(Rejection::CODEC),
            Some(0) => drop(headers.remove(header::CONTENT_LENGTH)),
            Some(_) => return Err(Rejection::CODEC),
            None => {}
        }
    }
    let bodiless =
        asked.head || status.is_informational() || matches!(status, StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED);
    let body = match lengths {
        _ if is_upgrade => Decoder::raw(),
        _ if bodiless => Decoder::none(),
        head::Lengths { chunked: true, .. } => Decoder::chunked(),
        head::Lengths { length: Some(length), .. } => Decoder::length(length),
        head::Lengths { length: None, .. } => Decoder::until_close(),
    };
    let says = |option: &str| listed(&headers, &header::CONNECTION).any(|o| o.eq_ignore_ascii_case(option));
    let closes = says("close") || (!is_http11 && !says("keep-alive"));
    Ok(Response { status, headers, closes, body })
}
