//! A byte stream that is counted, and whose first bytes may have been read before.

use std::{
    io::{self, IoSlice},
    pin::Pin,
    task::{Context, Poll, ready},
};

use bytes::{Buf, Bytes};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::stats::Counter;

/// A stream whose bytes are counted, inside TLS if there is TLS.
#[derive(Debug)]
pub(super) struct Wire<S> {
    first: Bytes,
    stream: S,
    received: Counter,
    sent: Counter,
}

impl<S> Wire<S> {
    /// `first` are bytes that have already been read, and will be returned again.
    pub(super) fn new(first: Bytes, stream: S, received: &Counter, sent: &Counter) -> Self {
        received.add(first.len() as u64);
        Self { first, stream, received: received.clone(), sent: sent.clone() }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Wire<S> {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let given_back = this.first.len().min(buf.remaining());
        buf.put_slice(&this.first[..given_back]);
        this.first.advance(given_back);
        // Returns more bytes along with the first ones: hyper parses an incomplete head again only when it looks complete.
        let before = buf.filled().len();
        let read =
            if buf.remaining() == 0 { Poll::Ready(Ok(())) } else { Pin::new(&mut this.stream).poll_read(cx, buf) };
        this.received.add((buf.filled().len() - before) as u64);
        if given_back > 0 { Poll::Ready(Ok(())) } else { read }
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Wire<S> {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let written = ready!(Pin::new(&mut this.stream).poll_write(cx, buf))?;
        this.sent.add(written as u64);
        Poll::Ready(Ok(written))
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let written = ready!(Pin::new(&mut this.stream).poll_write_vectored(cx, bufs))?;
        this.sent.add(written as u64);
        Poll::Ready(Ok(written))
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
