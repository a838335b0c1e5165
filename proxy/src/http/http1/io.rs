//! The buffers of a connection: bytes that were read but not parsed, and bytes to write.

use std::{
    collections::VecDeque,
    future::{pending, poll_fn},
    io::{self, IoSlice},
    pin::{Pin, pin},
    task::{Context, Poll, Waker, ready},
    time::Duration,
};

use bytes::{Buf as _, Bytes, BytesMut};
use tokio::{
    io::{AsyncRead, AsyncReadExt as _, AsyncWrite},
    time::timeout,
};

#[cfg(test)]
mod tests;

/// Initial size of reads, and the size for a body in progress, in bytes.
const READ: usize = 8 * 1024;
const READ_MORE: usize = 64 * 1024;
/// Bodies are not read further while this many bytes wait to be written.
const WRITE_AHEAD: usize = 64 * 1024;
/// Smaller pieces are copied to the previous one, so that one write, and one TLS record, contains both.
const COPIED: usize = 16 * 1024;
/// Maximum number of pieces in a write.
const PIECES: usize = 8;
/// How long closing a connection waits for the peer. Envoy's `delayed_close_timeout`.
const DELAYED_CLOSE: Duration = Duration::from_secs(1);
/// Maximum number of bytes that are discarded while closing; then the peer sees a reset.
const WASTE: usize = 1024 * 1024;

/// A connection with its buffers, which hold no memory while they are empty.
#[derive(Debug)]
pub(in crate::http) struct Io<S> {
    stream: S,
    /// Bytes that were read but not parsed.
    pub(super) read: BytesMut,
    next_read: usize,
    pieces: VecDeque<Bytes>,
    last: BytesMut,
    queued: usize,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Io<S> {
    pub(in crate::http) fn new(stream: S) -> Self {
        Self {
            stream,
            read: BytesMut::new(),
            next_read: READ,
            pieces: VecDeque::new(),
            last: BytesMut::new(),
            queued: 0,
        }
    }

    /// Reads more; 0 at the end of the connection.
    pub(super) fn poll_read(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        self.read.reserve(self.next_read);
        let room = self.read.capacity() - self.read.len();
        let result = pin!(self.stream.read_buf(&mut self.read)).poll(cx);
        match result {
            // A read that fills its buffer is likely to be followed by another.
            Poll::Ready(Ok(count)) if count == room => self.next_read = READ_MORE,
            Poll::Ready(Ok(count)) if count < READ => self.next_read = READ,
            _ => {}
        }
        if self.read.is_empty() {
            self.read = BytesMut::new();
        }
        result
    }

    /// Queues bytes for writing.
    pub(in crate::http) fn push(&mut self, bytes: Bytes) {
        self.queued += bytes.len();
        if bytes.len() < COPIED || !self.stream.is_write_vectored() {
            self.last.extend_from_slice(&bytes);
        } else {
            if !self.last.is_empty() {
                self.pieces.push_back(self.last.split().freeze());
            }
            self.pieces.push_back(bytes);
        }
    }

    /// Queues bytes that `write` appends.
    pub(super) fn append(&mut self, write: impl FnOnce(&mut BytesMut)) {
        let before = self.last.len();
        write(&mut self.last);
        self.queued += self.last.len() - before;
    }

    /// Whether there is space to queue more.
    pub(super) fn has_room(&self) -> bool {
        self.queued < WRITE_AHEAD
    }

    /// Whether everything has been written.
    pub(super) fn is_flushed(&self) -> bool {
        self.queued == 0
    }

    /// Writes queued bytes.
    pub(super) fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while self.queued > 0 {
            let count = ready!(self.poll_write(cx))?;
            if count == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            self.advance(count);
        }
        self.last = BytesMut::new();
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    /// Discards queued bytes.
    pub(super) fn discard(&mut self) {
        self.pieces.clear();
        self.last = BytesMut::new();
        self.queued = 0;
    }

    fn poll_write(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        let stream = Pin::new(&mut self.stream);
        if self.pieces.is_empty() {
            return stream.poll_write(cx, &self.last);
        }
        let mut slices = [IoSlice::new(&[]); PIECES];
        let all = self.pieces.iter().map(|piece| &piece[..]).chain([&self.last[..]]);
        let count = slices.iter_mut().zip(all).map(|(slice, piece)| *slice = IoSlice::new(piece)).count();
        stream.poll_write_vectored(cx, &slices[..count])
    }

    fn advance(&mut self, mut count: usize) {
        self.queued -= count;
        while let Some(first) = self.pieces.front_mut().filter(|_| count > 0) {
            let part = count.min(first.len());
            first.advance(part);
            count -= part;
            if first.is_empty() {
                self.pieces.pop_front();
            }
        }
        self.last.advance(count);
    }

    /// Writes queued bytes, and closes. With `at_once`, the peer expects it. Otherwise it has some time to read the last response
    /// and to close first, because what it still sends would cause a reset that overtakes the response.
    pub(in crate::http) async fn close(mut self, at_once: bool) {
        let mut wasted = 0;
        let close = async {
            poll_fn(|cx| self.poll_flush(cx)).await?;
            while !at_once && wasted < WASTE {
                self.read.clear();
                match poll_fn(|cx| self.poll_read(cx)).await? {
                    0 => break,
                    count => wasted += count,
                }
            }
            if wasted >= WASTE {
                return pending().await;
            }
            poll_fn(|cx| Pin::new(&mut self.stream).poll_shutdown(cx)).await
        };
        let closed = timeout(DELAYED_CLOSE, close).await;
        if !matches!(closed, Ok(Ok::<(), io::Error>(()))) && wasted < WASTE {
            // As far as possible without waiting: close_notify, and the end of the connection.
            let mut cx = Context::from_waker(Waker::noop());
            let _ = Pin::new(&mut self.stream).poll_shutdown(&mut cx);
        }
    }
}
