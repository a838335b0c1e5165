//! Detecting the HTTP version of a connection.

use std::io;

use bytes::Bytes;
use envoy_api::CodecType;
use envoy_rules::codec::{self, HttpVersion};
use tokio::io::{AsyncRead, AsyncReadExt as _};

use crate::stream_info::ConnectionInfo;

const PREFACE: &[u8] = HttpVersion::PREFACE;

/// Determines the version: the configured one, or that of ALPN, or by the first bytes. Returns the bytes that were
/// read.
///
/// # Errors
/// If the first bytes can't be read. [`io::ErrorKind::UnexpectedEof`] if the connection ends before them.
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
