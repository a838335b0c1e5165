//! Encoding heads and bodies (`source/common/http/http1/codec_impl.cc`, `encodeHeadersBase`).

use bytes::{Bytes, BytesMut};
use http::{HeaderMap, HeaderName, Method, StatusCode, Version, header};
use tokio::io::{AsyncRead, AsyncWrite};

use super::io::Io;

#[cfg(test)]
mod tests;

const EMPTY: &[u8] = b"content-length: 0\r\n";
const CHUNKED: &[u8] = b"transfer-encoding: chunked\r\n";

/// The encoding of a body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Encoder {
    /// Drops the body.
    Nothing,
    /// Unchanged: its length is announced, or it ends with the connection.
    Plain,
    Chunked,
}

impl Encoder {
    /// Queues a piece of the body.
    pub(super) fn piece<S: AsyncRead + AsyncWrite + Unpin>(self, io: &mut Io<S>, piece: Bytes) {
        match self {
            Self::Nothing => {}
            Self::Plain => io.push(piece),
            Self::Chunked if piece.is_empty() => {}
            Self::Chunked => {
                io.append(|out| out.extend_from_slice(format!("{:x}\r\n", piece.len()).as_bytes()));
                io.push(piece);
                io.append(|out| out.extend_from_slice(b"\r\n"));
            }
        }
    }

    /// Queues the end of the body.
    pub(super) fn end<S: AsyncRead + AsyncWrite + Unpin>(self, io: &mut Io<S>) {
        if self == Self::Chunked {
            io.append(|out| out.extend_from_slice(b"0\r\n\r\n"));
        }
    }
}

/// Writes a request's head, and returns the encoder for its body. `whole` means that there is no body, `raw` that it requests
/// an upgrade, and the rest is in the new protocol.
pub(super) fn request(
    out: &mut BytesMut,
    method: &Method,
    target: &str,
    headers: &HeaderMap,
    whole: bool,
    raw: bool,
) -> Encoder {
    for part in [method.as_str(), " ", target, " HTTP/1.1\r\n"] {
        out.extend_from_slice(part.as_bytes());
    }
    write_headers(out, headers);
    let has_length = headers.contains_key(header::CONTENT_LENGTH);
    let bodiless = [Method::GET, Method::HEAD, Method::DELETE, Method::TRACE, Method::CONNECT].contains(method);
    let encoder = if raw || has_length {
        Encoder::Plain
    } else if whole {
        if !bodiless {
            out.extend_from_slice(EMPTY);
        }
        Encoder::Plain
    } else {
        out.extend_from_slice(CHUNKED);
        Encoder::Chunked
    };
    out.extend_from_slice(b"\r\n");
    encoder
}

/// What a response's head depends on besides the response.
#[derive(Clone, Copy, Debug)]
pub(super) struct Answering {
    /// HTTP version of the request.
    pub(super) version: Version,
    /// Whether the request's method was HEAD.
    pub(super) head: bool,
    /// Whether the body is empty.
    pub(super) whole: bool,
    /// Whether it is the last response on its connection.
    pub(super) closes: bool,
    /// Whether it switches protocols.
    pub(super) raw: bool,
}

/// Writes a response's head, and returns the encoder for its body.
pub(super) fn response(out: &mut BytesMut, status: StatusCode, headers: &HeaderMap, answering: Answering) -> Encoder {
    let Answering { version, head, whole, closes, raw } = answering;
    let is_http10 = version == Version::HTTP_10;
    let version = if is_http10 { "HTTP/1.0 " } else { "HTTP/1.1 " };
    for part in [version, status.as_str(), " ", status.canonical_reason().unwrap_or("Unknown"), "\r\n"] {
        out.extend_from_slice(part.as_bytes());
    }
    write_headers(out, headers);
    if closes {
        out.extend_from_slice(b"connection: close\r\n");
    } else if is_http10 {
        out.extend_from_slice(b"connection: keep-alive\r\n");
    }
    let has_length = headers.contains_key(header::CONTENT_LENGTH);
    let bodiless = status.is_informational() || status == StatusCode::NO_CONTENT;
    let is_unmodified = status == StatusCode::NOT_MODIFIED;
    let mut encoder = Encoder::Plain;
    if bodiless && !raw {
        encoder = Encoder::Nothing;
    } else if raw {
        // Another protocol follows.
    } else if whole && !head && !has_length && !is_unmodified {
        out.extend_from_slice(EMPTY);
    } else if !has_length && !is_unmodified && !is_http10 {
        out.extend_from_slice(CHUNKED); // for HEAD, too, as it would be for GET
        encoder = Encoder::Chunked;
    }
    out.extend_from_slice(b"\r\n");
    if !raw && (head || is_unmodified) { Encoder::Nothing } else { encoder }
}

fn write_headers(out: &mut BytesMut, headers: &HeaderMap) {
    let is_ours = |name: &HeaderName| *name == header::TRANSFER_ENCODING;
    for (name, value) in headers.iter().filter(|(name, _)| !is_ours(name)) {
        for part in [name.as_str().as_bytes(), b": ", value.as_bytes(), b"\r\n"] {
            out.extend_from_slice(part);
        }
    }
}
