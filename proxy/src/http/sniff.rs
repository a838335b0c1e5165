//! Which version of HTTP a connection speaks.

use std::io;

use bytes::Bytes;
use envoy_api::CodecType;
use envoy_rules::codec::{self, HttpVersion};
use tokio::io::{AsyncRead, AsyncReadExt as _};

use crate::stream_info::ConnectionInfo;

const PREFACE: &[u8] = HttpVersion::PREFACE;

/// Decides which version is spoken: as configured, else by what ALPN chose, else by the first bytes. Returns what was read
/// of them.
///
/// # Errors
/// When the first bytes can't be read. A connection that ends before them is [`io::ErrorKind::UnexpectedEof`].
pub(super) async fn version<S: AsyncRead + Unpin>(
    stream: &mut S,
    info: &ConnectionInfo,
    configured: CodecType,
) -> io::Result<(HttpVersion, Bytes)> {
    let alpn = info.tls.as_ref().and_then(|tls| tls.alpn.as_deref());
    if let Some(version) = codec::codec(configured, alpn) {
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
    let version = if first == PREFACE { HttpVersion::Http2 } else { HttpVersion::Http1 };
    Ok((version, Bytes::copy_from_slice(&first[..length])))
}

#[cfg(test)]
mod tests;
