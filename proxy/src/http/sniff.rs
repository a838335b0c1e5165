//! Which version of HTTP a connection speaks.

use std::{
    io,
    pin::Pin,
    task::{Context, Poll},
};

use bytes::{Buf, Bytes};
use envoy_api::CodecType;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, ReadBuf};

use crate::stream_info::ConnectionInfo;

/// How every HTTP/2 connection begins; Envoy decides by this much of it.
const PREFACE: &[u8] = b"PRI * HTTP/2";

/// A version that is spoken on a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Version {
    Http1,
    Http2,
}

/// A stream whose first bytes were read and are read again.
#[derive(Debug)]
pub(super) struct Rewound<S> {
    first: Bytes,
    stream: S,
}

/// Decides which version is spoken: as configured, else by what ALPN chose, else by the first bytes.
///
/// # Errors
/// When the first bytes can't be read. A connection that ends before them is [`io::ErrorKind::UnexpectedEof`].
pub(super) async fn version<S: AsyncRead + Unpin>(
    mut stream: S,
    info: &ConnectionInfo,
    codec: CodecType,
) -> io::Result<(Version, Rewound<S>)> {
    let alpn = info.tls.as_ref().and_then(|tls| tls.alpn.as_deref());
    let known = match (codec, alpn) {
        (CodecType::Http2, _) | (CodecType::Auto, Some("h2")) => Some(Version::Http2),
        (CodecType::Http1, _) | (CodecType::Auto, Some(_)) => Some(Version::Http1),
        (CodecType::Auto, None) => None,
    };
    if let Some(version) = known {
        return Ok((version, Rewound { first: Bytes::new(), stream }));
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
    Ok((version, Rewound { first: Bytes::copy_from_slice(&first[..length]), stream }))
}

impl<S: AsyncRead + Unpin> AsyncRead for Rewound<S> {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if this.first.is_empty() {
            return Pin::new(&mut this.stream).poll_read(cx, buf);
        }
        let length = this.first.len().min(buf.remaining());
        buf.put_slice(&this.first[..length]);
        this.first.advance(length);
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Rewound<S> {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().stream).poll_write(cx, buf)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().stream).poll_write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_shutdown(cx)
    }
}
