//! Detects the protocol of a connection from its first bytes, for stand-ins of programs whose protocol is unknown.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use demo_args::Protocol;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, ReadBuf};

/// The number of first bytes that determine the protocol.
pub(super) const HEAD: usize = 16;

/// The protocol of a client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Spoken {
    Tls,
    Http,
    Bytes,
}

/// How requests begin: the methods of RFC 9110 section 9 and RFC 5789, and the preface of HTTP/2 (RFC 9113 section 3.4).
const REQUESTS: [&[u8]; 10] =
    [b"GET ", b"HEAD ", b"POST ", b"PUT ", b"DELETE ", b"CONNECT ", b"OPTIONS ", b"TRACE ", b"PATCH ", b"PRI "];

impl Spoken {
    /// Detects it from the first bytes. A handshake record of any TLS version begins with 22 and 3 (RFC 8446
    /// section 5.1).
    pub(super) fn detect(head: &[u8]) -> Self {
        match head {
            [22, 3, ..] => Self::Tls,
            _ if REQUESTS.iter().any(|request| head.starts_with(request)) => Self::Http,
            _ => Self::Bytes,
        }
    }

    /// The protocol that answers it; TLS inside TLS counts as bytes.
    pub(super) fn protocol(self) -> Protocol {
        if self == Self::Http { Protocol::Http } else { Protocol::Tcp }
    }
}

/// A stream whose first bytes have been read.
pub(super) struct Reread<S> {
    head: Vec<u8>,
    given: usize,
    inner: S,
}

impl<S: AsyncRead + Unpin> Reread<S> {
    /// Reads the first bytes; none if the client closes without sending any.
    pub(super) async fn read(mut inner: S) -> io::Result<(Spoken, Self)> {
        let mut head = vec![0; HEAD];
        let length = inner.read(&mut head).await?;
        head.truncate(length);
        Ok((Spoken::detect(&head), Self { head, given: 0, inner }))
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Reread<S> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let left = &self.head[self.given..];
        if left.is_empty() {
            return Pin::new(&mut self.inner).poll_read(cx, buf);
        }
        let length = left.len().min(buf.remaining());
        buf.put_slice(&left[..length]);
        self.given += length;
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Reread<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.inner).poll_write(cx, buf)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.inner).poll_write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        self.inner.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_shutdown(cx)
    }
}
