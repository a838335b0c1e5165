//! The write side of an HTTP/1 connection, through which hyper's own answers do not pass.
//!
//! hyper answers what it can't parse by itself: the service never sees it. Its answer is told from a response by its time,
//! for it is written when no request is under way. It is dropped here, and [`super::connection`] gives Envoy's.

use std::{
    io,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicU8, Ordering::Relaxed},
    },
    task::{Context, Poll, ready},
};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// Between requests.
const IDLE: u8 = 0;
/// A request was read and not yet answered.
const BUSY: u8 = 1;
/// A response is with hyper as a whole, but perhaps not written.
const ENDING: u8 = 2;

/// Where a connection stands between its requests.
#[derive(Debug, Default)]
pub(super) struct GateState(AtomicU8);

/// A stream that drops what is written between requests.
#[derive(Debug)]
pub(super) struct Gate<S> {
    stream: S,
    state: Arc<GateState>,
}

impl GateState {
    pub(super) fn request_begun(&self) {
        self.0.store(BUSY, Relaxed);
    }

    pub(super) fn response_ended(&self) {
        self.0.store(ENDING, Relaxed);
    }

    pub(super) fn is_between_requests(&self) -> bool {
        self.0.load(Relaxed) != BUSY
    }

    fn flushed(&self) {
        let _ = self.0.compare_exchange(ENDING, IDLE, Relaxed, Relaxed); // else there is nothing to note
    }

    fn is_idle(&self) -> bool {
        self.0.load(Relaxed) == IDLE
    }
}

impl<S> Gate<S> {
    pub(super) fn new(stream: S, state: Arc<GateState>) -> Self {
        Self { stream, state }
    }

    pub(super) fn into_inner(self) -> S {
        self.stream
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Gate<S> {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_read(cx, buf)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Gate<S> {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        if this.state.is_idle() {
            return Poll::Ready(Ok(buf.len()));
        }
        Pin::new(&mut this.stream).poll_write(cx, buf)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        if this.state.is_idle() {
            return Poll::Ready(Ok(bufs.iter().map(|buf| buf.len()).sum()));
        }
        Pin::new(&mut this.stream).poll_write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        ready!(Pin::new(&mut this.stream).poll_flush(cx))?;
        this.state.flushed();
        Poll::Ready(Ok(()))
    }

    /// Closes what was upgraded. What speaks HTTP to its end is closed by whoever takes the stream back, after a last answer.
    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if this.state.is_between_requests() {
            return Poll::Ready(Ok(()));
        }
        Pin::new(&mut this.stream).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests;
