//! The write side of an HTTP/1 connection, where hyper's answer to bytes that are no HTTP becomes Envoy's.
//!
//! hyper answers what it can't parse by itself: the service never sees it. Its answer can be told from a response by its
//! time: it is written when no request is under way.

use std::{
    io,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicU8, Ordering::Relaxed},
    },
    task::{Context, Poll, ready},
    time::Duration,
};

use bytes::{Buf, Bytes};
use envoy_api::ServerHeaderTransformation;
use http::StatusCode;
use jiff::Timestamp;
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    time::Sleep,
};

use super::{config::Hcm, connection::Connection};

/// How long a closing connection waits for the peer to close too, so that what the peer still sends does not become a
/// reset that overtakes the answer. Envoy's `delayed_close_timeout`.
const DELAYED_CLOSE: Duration = Duration::from_secs(1);

/// Between requests.
const IDLE: u8 = 0;
/// A request was read and not yet answered.
const BUSY: u8 = 1;
/// A response is with hyper as a whole, but perhaps not written.
const ENDING: u8 = 2;

/// Where a connection stands between its requests.
#[derive(Debug, Default)]
pub(super) struct GateState {
    exchange: AtomicU8,
}

/// How a request was answered whose head could not be read.
#[derive(Clone, Copy, Debug)]
pub(super) struct Rejection {
    pub(super) status: StatusCode,
    pub(super) body: &'static str,
    pub(super) details: &'static str,
}

/// A stream that knows when hyper answers by itself.
pub(super) struct Gate<S> {
    stream: S,
    connection: Arc<Connection>,
    /// The proxy's own answer, to be written in place of hyper's.
    answer: Bytes,
    closing: Option<Pin<Box<Sleep>>>,
}

impl GateState {
    pub(super) fn request_begun(&self) {
        self.exchange.store(BUSY, Relaxed);
    }

    pub(super) fn response_ended(&self) {
        self.exchange.store(ENDING, Relaxed);
    }

    pub(super) fn is_between_requests(&self) -> bool {
        self.exchange.load(Relaxed) != BUSY
    }

    fn flushed(&self) {
        let _ = self.exchange.compare_exchange(ENDING, IDLE, Relaxed, Relaxed); // else there is nothing to note
    }

    fn is_idle(&self) -> bool {
        self.exchange.load(Relaxed) == IDLE
    }
}

impl Rejection {
    /// Envoy's answer where hyper gives this one.
    fn instead_of(answer: &[u8]) -> Self {
        match answer.get(9..12) {
            // Head or path too long.
            Some(b"431" | b"414") => Self {
                status: StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
                body: "Request Header Fields Too Large",
                details: "http1.headers_too_large",
            },
            _ => Self { status: StatusCode::BAD_REQUEST, body: "Bad Request", details: "http1.codec_error" },
        }
    }

    fn text(self, hcm: &Hcm) -> String {
        let Self { status, body, .. } = self;
        let date = Timestamp::now().strftime("%a, %d %b %Y %H:%M:%S GMT");
        let server = match hcm.server_header {
            ServerHeaderTransformation::PassThrough => String::new(),
            _ => format!("server: {}\r\n", String::from_utf8_lossy(hcm.server_name.as_bytes())),
        };
        format!(
            "HTTP/1.1 {status}\r\ncontent-length: {}\r\ncontent-type: text/plain\r\ndate: {date}\r\n{server}connection: close\r\n\r\n{body}",
            body.len()
        )
    }
}

impl<S> Gate<S> {
    pub(super) fn new(stream: S, connection: Arc<Connection>) -> Self {
        Self { stream, connection, answer: Bytes::new(), closing: None }
    }

    fn reject(&mut self, answer: &[u8]) {
        let rejection = Rejection::instead_of(answer);
        self.answer = rejection.text(&self.connection.hcm).into();
        self.connection.log_rejection(rejection);
    }
}

impl<S: AsyncWrite + Unpin> Gate<S> {
    fn poll_answer(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while !self.answer.is_empty() {
            let written = ready!(Pin::new(&mut self.stream).poll_write(cx, &self.answer))?;
            self.answer.advance(written);
        }
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Gate<S> {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_read(cx, buf)
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncWrite for Gate<S> {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        if this.connection.gate.is_idle() {
            this.reject(buf);
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
        if this.connection.gate.is_idle() {
            let answer: Vec<u8> = bufs.iter().flat_map(|buf| buf.iter().copied()).collect();
            this.reject(&answer);
            return Poll::Ready(Ok(answer.len()));
        }
        Pin::new(&mut this.stream).poll_write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        ready!(this.poll_answer(cx))?;
        ready!(Pin::new(&mut this.stream).poll_flush(cx))?;
        this.connection.gate.flushed();
        Poll::Ready(Ok(()))
    }

    /// Closes for writing, and then waits a little for the peer to close.
    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if this.closing.is_none() {
            ready!(this.poll_answer(cx))?;
            ready!(Pin::new(&mut this.stream).poll_shutdown(cx))?;
            this.closing = Some(Box::pin(tokio::time::sleep(DELAYED_CLOSE)));
        }
        let mut waste = [0; 4096];
        loop {
            if this.closing.as_mut().is_some_and(|closing| closing.as_mut().poll(cx).is_ready()) {
                return Poll::Ready(Ok(()));
            }
            let mut buf = ReadBuf::new(&mut waste);
            match ready!(Pin::new(&mut this.stream).poll_read(cx, &mut buf)) {
                Ok(()) if !buf.filled().is_empty() => {}
                Ok(()) | Err(_) => return Poll::Ready(Ok(())), // the peer closed too, or reset: either way it is over
            }
        }
    }
}
