//! A stream that records facts about the bytes that pass through it.

use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, ready};
use std::time::Instant;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::failure::{Cause, FailureKind, Stage};
use crate::report::Ended;

/// A bidirectional byte stream.
pub(crate) trait Io: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Io for T {}

/// The facts that a [`Tap`] records.
#[derive(Clone, Debug, Default)]
pub(crate) struct Flow {
    pub(crate) sent: u64,
    pub(crate) received: u64,
    /// When the first byte was received since [`Account::expect_answer`], or since the start.
    pub(crate) first_byte: Option<Instant>,
    /// The first bytes that were received.
    pub(crate) head: Vec<u8>,
    /// How the peer ended the stream.
    pub(crate) ended: Option<Ended>,
    /// The first error of the stream, and whether it occurred while sending or receiving.
    pub(crate) failed: Option<(Stage, Cause)>,
}

/// Number of received bytes that are kept: enough to recognize the protocol.
const HEAD: usize = 64;

/// A shared handle of a [`Tap`]'s facts.
#[derive(Clone, Debug, Default)]
pub(crate) struct Account(Arc<Mutex<Flow>>);

impl Account {
    pub(crate) fn read(&self) -> Flow {
        self.with(|flow| flow.clone())
    }

    /// Resets the time of the first byte, for the next response.
    pub(crate) fn expect_answer(&self) {
        self.with(|flow| flow.first_byte = None);
    }

    pub(crate) fn first_byte(&self) -> Option<Instant> {
        self.with(|flow| flow.first_byte)
    }

    pub(crate) fn failed(&self) -> Option<(Stage, Cause)> {
        self.with(|flow| flow.failed.clone())
    }

    pub(crate) fn with<T>(&self, change: impl FnOnce(&mut Flow) -> T) -> T {
        // A panic while the lock is held leaves only counters behind.
        change(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// A stream that records facts about the bytes that pass through it.
pub(crate) struct Tap<S> {
    inner: S,
    account: Account,
    /// What an orderly end of the stream is: FIN in TCP, `close_notify` in TLS.
    orderly_end: Ended,
    /// Whether the peer may still refuse our certificate. In TLS 1.3 the client's handshake is complete before the server
    /// has verified that certificate; the client learns the result with its first read.
    verdict_is_open: bool,
}

impl<S: Io> Tap<S> {
    /// Taps a TCP connection.
    pub(crate) fn on_tcp(inner: S) -> (Self, Account) {
        Self::new(inner, Ended::Fin)
    }

    /// Taps the plaintext side of a TLS session.
    pub(crate) fn on_tls(inner: S, verdict_is_open: bool) -> (Self, Account) {
        let (tap, account) = Self::new(inner, Ended::CloseNotify);
        (Self { verdict_is_open, ..tap }, account)
    }

    fn new(inner: S, orderly_end: Ended) -> (Self, Account) {
        let account = Account::default();
        (Self { inner, account: account.clone(), orderly_end, verdict_is_open: false }, account)
    }

    /// Records an error while sending. A peer that refuses a connection has often sent an alert just before, which is still
    /// unread when our write fails: then the alert is recorded instead.
    fn fail_to_send(&mut self, cx: &mut Context<'_>, error: io::Error) -> io::Error {
        let mut scratch = [0; 256];
        let alert = match Pin::new(&mut self.inner).poll_read(cx, &mut ReadBuf::new(&mut scratch)) {
            Poll::Ready(Err(alert)) if is_alert(&alert) => alert,
            _ => error,
        };
        self.record(Stage::Send, &alert);
        alert
    }

    fn record(&self, stage: Stage, error: &io::Error) {
        self.account.with(|flow| {
            match error.kind() {
                io::ErrorKind::ConnectionReset => flow.ended = Some(Ended::Reset),
                io::ErrorKind::UnexpectedEof => flow.ended = Some(Ended::Fin),
                _ => {}
            }
            let refused = self.verdict_is_open && flow.received == 0 && is_alert(error);
            let stage = if refused { Stage::Tls } else { stage };
            flow.failed.get_or_insert_with(|| (stage, Cause::from_io(error)));
        });
    }
}

fn is_alert(error: &io::Error) -> bool {
    matches!(Cause::from_io(error).kind, FailureKind::TlsAlert { .. })
}

impl<S: Io> AsyncRead for Tap<S> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        let room = buf.remaining() > 0;
        let result = ready!(Pin::new(&mut self.inner).poll_read(cx, buf));
        match &result {
            Ok(()) => {
                let new = &buf.filled()[before..];
                let orderly_end = self.orderly_end;
                self.account.with(|flow| {
                    if new.is_empty() {
                        if room {
                            flow.ended.get_or_insert(orderly_end);
                        }
                        return;
                    }
                    flow.first_byte.get_or_insert_with(Instant::now);
                    flow.received += new.len() as u64;
                    let wanted = HEAD.saturating_sub(flow.head.len()).min(new.len());
                    flow.head.extend_from_slice(&new[..wanted]);
                });
            }
            Err(error) => self.record(Stage::Receive, error),
        }
        Poll::Ready(result)
    }
}

impl<S: Io> AsyncWrite for Tap<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        match ready!(Pin::new(&mut self.inner).poll_write(cx, buf)) {
            Ok(n) => {
                self.account.with(|flow| flow.sent += n as u64);
                Poll::Ready(Ok(n))
            }
            Err(error) => Poll::Ready(Err(self.fail_to_send(cx, error))),
        }
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        match ready!(Pin::new(&mut self.inner).poll_write_vectored(cx, bufs)) {
            Ok(n) => {
                self.account.with(|flow| flow.sent += n as u64);
                Poll::Ready(Ok(n))
            }
            Err(error) => Poll::Ready(Err(self.fail_to_send(cx, error))),
        }
    }

    fn is_write_vectored(&self) -> bool {
        self.inner.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match ready!(Pin::new(&mut self.inner).poll_flush(cx)) {
            Ok(()) => Poll::Ready(Ok(())),
            Err(error) => Poll::Ready(Err(self.fail_to_send(cx, error))),
        }
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        // Errors are not recorded: the peer may close before we do.
        Pin::new(&mut self.inner).poll_shutdown(cx)
    }
}
