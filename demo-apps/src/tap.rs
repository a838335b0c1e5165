//! A stream that keeps account of what goes through it.

use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, ready};
use std::time::Instant;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::failure::{Cause, FailureKind, Stage};
use crate::report::Ended;

/// Anything bytes can go through both ways.
pub(crate) trait Io: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Io for T {}

/// What went through a [`Tap`].
#[derive(Clone, Debug, Default)]
pub(crate) struct Flow {
    pub(crate) sent: u64,
    pub(crate) received: u64,
    /// When the first byte came since [`Account::expect_answer`], or since the beginning.
    pub(crate) first_byte: Option<Instant>,
    /// The first bytes that came.
    pub(crate) head: Vec<u8>,
    /// How the peer ended the stream.
    pub(crate) ended: Option<Ended>,
    /// The first error of the stream, and whether it came while sending or receiving.
    pub(crate) failed: Option<(Stage, Cause)>,
}

/// So many of the first bytes are kept: enough to recognise who speaks.
const HEAD: usize = 64;

/// The account of a [`Tap`], shared with whoever wants to know.
#[derive(Clone, Debug, Default)]
pub(crate) struct Account(Arc<Mutex<Flow>>);

impl Account {
    pub(crate) fn read(&self) -> Flow {
        self.with(|flow| flow.clone())
    }

    /// Forgets when the first byte came: the next one that comes is the first of the next answer.
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
        // A panic while the lock is held leaves counters, nothing half-done.
        change(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// A stream that keeps account of what goes through it.
pub(crate) struct Tap<S> {
    inner: S,
    account: Account,
    /// What an orderly end of the stream means: FIN of TCP, `close_notify` of TLS.
    orderly_end: Ended,
    /// Whether the peer may yet refuse our certificate. In TLS 1.3 the client is done with the handshake before the
    /// server has seen that certificate, and learns the verdict with what it reads first.
    verdict_is_open: bool,
}

impl<S: Io> Tap<S> {
    /// A tap on a TCP connection.
    pub(crate) fn on_tcp(inner: S) -> (Self, Account) {
        Self::new(inner, Ended::Fin)
    }

    /// A tap on the plaintext side of a TLS session.
    pub(crate) fn on_tls(inner: S, verdict_is_open: bool) -> (Self, Account) {
        let (tap, account) = Self::new(inner, Ended::CloseNotify);
        (Self { verdict_is_open, ..tap }, account)
    }

    fn new(inner: S, orderly_end: Ended) -> (Self, Account) {
        let account = Account::default();
        (Self { inner, account: account.clone(), orderly_end, verdict_is_open: false }, account)
    }

    /// Notes an error. Whoever refuses a connection has often said why just before, in an alert that is still unread
    /// when our writing fails: that alert is the better account.
    fn fail_to_send(&mut self, cx: &mut Context<'_>, error: io::Error) -> io::Error {
        let mut scratch = [0; 256];
        let told = match Pin::new(&mut self.inner).poll_read(cx, &mut ReadBuf::new(&mut scratch)) {
            Poll::Ready(Err(told)) if is_alert(&told) => told,
            _ => error,
        };
        self.note(Stage::Send, &told);
        told
    }

    fn note(&self, stage: Stage, error: &io::Error) {
        self.account.with(|flow| {
            match error.kind() {
                io::ErrorKind::ConnectionReset => flow.ended = Some(Ended::Reset),
                io::ErrorKind::UnexpectedEof => flow.ended = Some(Ended::Fin),
                _ => {}
            }
            let refused = self.verdict_is_open && flow.received == 0 && is_alert(error);
            let stage = if refused { Stage::Tls } else { stage };
            flow.failed.get_or_insert_with(|| (stage, Cause::of_io(error)));
        });
    }
}

fn is_alert(error: &io::Error) -> bool {
    matches!(Cause::of_io(error).kind, FailureKind::TlsAlert { .. })
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
            Err(error) => self.note(Stage::Receive, error),
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
        // Not noted: a peer that is gone before we say goodbye has failed nothing.
        Pin::new(&mut self.inner).poll_shutdown(cx)
    }
}
