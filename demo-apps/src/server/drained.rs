//! A connection that is read to its end before it is closed.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Sleep, sleep};

/// Maximum number of bytes to discard, so that a client cannot keep sending forever.
const LIMIT: usize = 1024 * 1024;

/// How long a peer may take to close after our FIN. The same as in Go's servers (`net/http`, rstAvoidanceDelay).
const LINGER: Duration = Duration::from_millis(500);

/// Discards unread input before closing, until the peer is done, too. The kernel answers data that is unread at the close, or
/// arrives later, with RST, which can make the peer lose a response that was sent before.
pub(super) struct Drained<T> {
    io: T,
    left: usize,
    /// Started after sending FIN.
    linger: Option<Pin<Box<Sleep>>>,
}

/// The state of draining.
#[derive(PartialEq)]
enum Drain {
    /// No more input, or too much.
    Done,
    /// There may be more input.
    Waiting,
}

impl<T> Drained<T> {
    pub(super) fn new(io: T) -> Self {
        Self { io, left: LIMIT, linger: None }
    }
}

impl<T: AsyncRead + Unpin> Drained<T> {
    /// Discards available input.
    fn drain(&mut self, cx: &mut Context<'_>) -> Drain {
        let mut space = [0; 4096];
        while self.left > 0 {
            let mut buf = ReadBuf::new(&mut space);
            match Pin::new(&mut self.io).poll_read(cx, &mut buf) {
                Poll::Ready(Ok(())) if !buf.filled().is_empty() => {
                    self.left = self.left.saturating_sub(buf.filled().len());
                }
                Poll::Ready(_) => return Drain::Done,
                Poll::Pending => return Drain::Waiting,
            }
        }
        Drain::Done
    }
}

impl<T: AsyncRead + Unpin> AsyncRead for Drained<T> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_read(cx, buf)
    }
}

impl<T: AsyncRead + AsyncWrite + Unpin> AsyncWrite for Drained<T> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.io).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.linger.is_none() {
            ready!(Pin::new(&mut self.io).poll_flush(cx))?;
            self.drain(cx);
            ready!(Pin::new(&mut self.io).poll_shutdown(cx))?;
            self.linger = Some(Box::pin(sleep(LINGER)));
        }
        if self.drain(cx) == Drain::Waiting
            && let Some(linger) = &mut self.linger
        {
            ready!(linger.as_mut().poll(cx));
        }
        Poll::Ready(Ok(()))
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.io).poll_write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }
}
