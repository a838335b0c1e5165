//! Which version of HTTP a connection speaks.

use std::io;

use bytes::Bytes;
use envoy_api::CodecType;
use tokio::io::{AsyncRead, AsyncReadExt as _};

use crate::stream_info::ConnectionInfo;

/// How every HTTP/2 connection begins; Envoy decides by this much of it.
const PREFACE: &[u8] = b"PRI * HTTP/2";

/// A version that is spoken on a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Version {
    Http1,
    Http2,
}

/// Decides which version is spoken: as configured, else by what ALPN chose, else by the first bytes. Returns what was read
/// of them.
///
/// # Errors
/// When the first bytes can't be read. A connection that ends before them is [`io::ErrorKind::UnexpectedEof`].
pub(super) async fn version<S: AsyncRead + Unpin>(
    stream: &mut S,
    info: &ConnectionInfo,
    codec: CodecType,
) -> io::Result<(Version, Bytes)> {
    let alpn = info.tls.as_ref().and_then(|tls| tls.alpn.as_deref());
    let known = match (codec, alpn) {
        (CodecType::Http2, _) | (CodecType::Auto, Some("h2")) => Some(Version::Http2),
        (CodecType::Http1, _) | (CodecType::Auto, Some(_)) => Some(Version::Http1),
        (CodecType::Auto, None) => None,
    };
    if let Some(version) = known {
        return Ok((version, Bytes::new()));
    }
    let mut first = [0; PREFACE.len()];
    let mut length = 0;
    loop {
        match stream.read(&mut first[length..]).await? {
            0 if length == 0 => return Err(io::ErrorKind::UnexpectedEof.into()),
            0 => break,
            read => length += read,
        }
        if length == PREFACE.len() || !PREFACE.starts_with(&first[..length]) {
            break;
        }
    }
    let version = if first == PREFACE { Version::Http2 } else { Version::Http1 };
    Ok((version, Bytes::copy_from_slice(&first[..length])))
}

#[cfg(test)]
mod tests;
