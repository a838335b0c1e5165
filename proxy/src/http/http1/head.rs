//! Parsing the header lines of requests and responses.

use http::{HeaderMap, HeaderName, HeaderValue, header};

use crate::http::rejection::Rejection;

#[cfg(test)]
mod tests;

/// Maximum size of a head or trailers, in bytes. Envoy's default (`max_request_headers_kb`).
pub(super) const MAX_HEAD: usize = 60 * 1024;
/// Maximum number of headers in a message. Envoy's default (`max_headers_count`).
pub(in crate::http) const MAX_HEADERS: usize = 100;

/// Finds the end of a head as bytes arrive, scanning each of them once.
#[derive(Debug, Default)]
pub(super) struct HeadEnd {
    scanned: usize,
}

impl HeadEnd {
    /// Length of the head, including its empty line. `bytes` are all bytes so far.
    pub(super) fn find(&mut self, bytes: &[u8]) -> Option<usize> {
        // Lines may end with a bare LF, so the head ends with LF LF or LF CR LF.
        let from = self.scanned.saturating_sub(2);
        self.scanned = bytes.len();
        let ends = |at: usize| match bytes[at + 1..] {
            [b'\n', ..] => Some(at + 2),
            [b'\r', b'\n', ..] => Some(at + 3),
            _ => None,
        };
        (from..bytes.len()).filter(|at| bytes[*at] == b'\n').find_map(ends)
    }
}

/// How a message announces the end of its body.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Lengths {
    /// `content-length`, in bytes.
    pub(super) length: Option<u64>,
    /// Whether `transfer-encoding` is `chunked`.
    pub(super) chunked: bool,
}

/// Whether a byte is invalid anywhere in a head.
pub(super) fn is_forbidden(byte: u8) -> bool {
    matches!(byte, 0..=8 | 11 | 12 | 14..=31 | 127)
}

/// Whether a byte is valid in a token (RFC 9110, section 5.6.2).
pub(super) fn is_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}

/// Splits a head into its first line, without the line end, and the other lines.
pub(super) fn first_line(head: &[u8]) -> (&[u8], &[u8]) {
    let end = head.iter().position(|byte| *byte == b'\n').unwrap_or(head.len());
    (trim_end(&head[..end]), head.get(end + 1..).unwrap_or_default())
}

/// Splits a start line into three words at white space; the third includes the rest.
pub(super) fn words(line: &[u8]) -> [&[u8]; 3] {
    let (first, rest) = word(line);
    let (second, rest) = word(rest);
    [first, second, trim(rest)]
}

/// Splits off the first word.
fn word(line: &[u8]) -> (&[u8], &[u8]) {
    let begin = line.iter().position(|byte| *byte > b' ').unwrap_or(line.len());
    let line = &line[begin..];
    line.split_at(line.iter().position(|byte| *byte <= b' ').unwrap_or(line.len()))
}

/// Whether a word is a version, such as `HTTP/1.1`.
pub(super) fn is_version(word: &[u8]) -> bool {
    matches!(word, [b'H', b'T', b'T', b'P', b'/', major, b'.', minor] if major.is_ascii_digit() && minor.is_ascii_digit())
}

/// Parses header lines, up to the empty one.
pub(super) fn headers(lines: &[u8]) -> Result<HeaderMap, Rejection> {
    let mut headers = HeaderMap::new();
    let mut count = 0;
    each_line(lines, |name, value| {
        count += 1;
        if count > MAX_HEADERS {
            return Err(Rejection::TOO_MANY_HEADERS);
        }
        let name = HeaderName::from_bytes(name).map_err(|_| Rejection::CODEC)?;
        // The parts of a folded or broken line are joined (`onHeaderValue`).
        let value = match value.iter().any(|byte| matches!(byte, b'\r' | b'\n')) {
            false => HeaderValue::from_bytes(value),
            true => {
                HeaderValue::from_bytes(&value.iter().copied().filter(|b| !b"\r\n".contains(b)).collect::<Vec<_>>())
            }
        };
        headers.append(name, value.map_err(|_| Rejection::INVALID_CHARACTERS)?);
        Ok(())
    })?;
    Ok(headers)
}

/// Passes each header line, including its continuation lines, to `take`, as name and value without surrounding white space.
pub(super) fn each_line(
    lines: &[u8],
    mut take: impl FnMut(&[u8], &[u8]) -> Result<(), Rejection>,
) -> Result<(), Rejection> {
    let mut rest = lines;
    while !matches!(rest, [] | [b'\n', ..] | [b'\r', b'\n', ..]) {
        let mut end = line_end(rest);
        while matches!(rest.get(end), Some(b' ' | b'\t')) {
            end += line_end(&rest[end..]);
        }
        let (line, next) = rest.split_at(end);
        rest = next;
        let colon = line.iter().position(|byte| *byte == b':').ok_or(Rejection::CODEC)?;
        let (name, value) = (&line[..colon], trim(&line[colon + 1..]));
        if name.is_empty() || !name.iter().all(|byte| is_token(*byte)) {
            return Err(Rejection::CODEC);
        }
        take(name, value)?;
    }
    Ok(())
}

/// How the headers announce the end of the body.
pub(super) fn lengths(headers: &HeaderMap) -> Result<Lengths, Rejection> {
    let mut lengths = headers.get_all(header::CONTENT_LENGTH).iter();
    let length = lengths.next().map(|value| content_length(value.as_bytes())).transpose()?;
    if lengths.next().is_some() {
        return Err(Rejection::CODEC); // even with the same value
    }
    let mut codings = headers.get_all(header::TRANSFER_ENCODING).iter();
    let coding = codings.next();
    if length.is_some() && coding.is_some() {
        return Err(Rejection::LENGTH_AND_CHUNKED);
    }
    let chunked = coding.is_some();
    if chunked && (codings.next().is_some() || coding.is_some_and(|c| !c.as_bytes().eq_ignore_ascii_case(b"chunked"))) {
        return Err(Rejection::TRANSFER_ENCODING);
    }
    Ok(Lengths { length, chunked })
}

/// Parses digits that fit into a `u64`.
fn content_length(value: &[u8]) -> Result<u64, Rejection> {
    let digits = std::str::from_utf8(value).ok().filter(|text| text.bytes().all(|byte| byte.is_ascii_digit()));
    digits.and_then(|text| text.parse().ok()).ok_or(Rejection::CODEC)
}

/// The end of a line, including its LF.
fn line_end(bytes: &[u8]) -> usize {
    bytes.iter().position(|byte| *byte == b'\n').map_or(bytes.len(), |at| at + 1)
}

fn trim(bytes: &[u8]) -> &[u8] {
    let begin = bytes.iter().position(|byte| *byte > b' ').unwrap_or(bytes.len());
    trim_end(&bytes[begin..])
}

fn trim_end(bytes: &[u8]) -> &[u8] {
    let end = bytes.iter().rposition(|byte| *byte > b' ').map_or(0, |at| at + 1);
    &bytes[..end]
}
