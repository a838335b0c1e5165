//! Bodies on their way through: counted, timed, and the requests' kept for another try.

use std::{
    future::Future,
    pin::Pin,
    sync::{
        Arc, Mutex, MutexGuard, OnceLock, PoisonError,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    task::{Context, Poll, ready},
    time::{Duration, Instant},
};

use bytes::Bytes;

use hyper::body::{Body, Frame, Incoming, SizeHint};
use thiserror::Error;
use tokio_util::sync::CancellationToken;

use super::{
    activity::Activity,
    exchange::Exchange,
    pool::Lease,
    sniff::Version,
    upstream::{http2_reset, reset_after_response},
};
use crate::outcome::{Outcome, UpstreamReset};

/// What is kept of a request's body for another try; with more, it is tried once. Envoy's default buffer limit.
const REPLAY_LIMIT: usize = 1024 * 1024;

/// Why a body ends before its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub(super) enum BodyError {
    #[error("the downstream's body is not well-formed")]
    DownstreamProtocol,
    #[error("the downstream went away")]
    DownstreamClosed,
    #[error("the upstream went away")]
    Upstream,
    #[error("the response took too long")]
    Timeout,
}

/// How far a request's body came from downstream.
#[derive(Debug, Default)]
pub(super) struct Progress {
    bytes: AtomicU64,
    finished: OnceLock<Instant>,
    failed: OnceLock<BodyError>,
    /// Cancelled when the body is at its end.
    pub(super) whole: CancellationToken,
    /// When bytes last went either way.
    pub(super) activity: Activity,
}

/// A request's body, from which each try takes a [`RequestBody`].
#[derive(Clone, Debug, Default)]
pub(super) struct RequestSource(Option<Arc<Mutex<Source>>>);

#[derive(Debug)]
struct Source {
    incoming: Incoming,
    progress: Arc<Progress>,
    /// What went to earlier tries; `None` when it is not kept, or no longer.
    kept: Option<Vec<Bytes>>,
    kept_bytes: usize,
    /// Whether any of it went upstream.
    begun: bool,
    whole: bool,
}

/// A request's body on its way upstream.
#[derive(Debug)]
pub(super) struct RequestBody {
    source: RequestSource,
    /// How many kept pieces this try has sent.
    replayed: usize,
    size: SizeHint,
    trailers: bool,
}

/// Resolves when the time for a response is over, to why.
pub(super) type Deadline = Pin<Box<dyn Future<Output = Outcome> + Send>>;

/// A response's body on its way downstream.
#[derive(Debug)]
pub(super) struct ResponseBody(Kind);

#[derive(Debug)]
enum Kind {
    /// The proxy's own.
    Local {
        data: Option<Bytes>,
        _exchange: Option<Box<Exchange>>,
    },
    Upstream(Box<UpstreamBody>),
}

struct UpstreamBody {
    incoming: Incoming,
    exchange: Box<Exchange>,
    begun: Instant,
    deadline: Deadline,
    /// The upstream connection, for whoever comes next.
    lease: Option<Lease>,
}

impl Progress {
    pub(super) fn bytes(&self) -> u64 {
        self.bytes.load(Relaxed)
    }

    pub(super) fn add(&self, bytes: u64) {
        self.bytes.fetch_add(bytes, Relaxed);
        self.activity.touch();
    }

    pub(super) fn failed(&self) -> Option<BodyError> {
        self.failed.get().copied()
    }

    pub(super) fn finished_after(&self, begin: Instant) -> Option<Duration> {
        self.finished.get().map(|end| end.duration_since(begin))
    }

    /// How long ago the body was there as a whole, if it is.
    pub(super) fn elapsed_since_whole(&self) -> Option<Duration> {
        self.finished.get().map(Instant::elapsed)
    }

    pub(super) fn finish(&self) {
        let _ = self.finished.set(Instant::now()); // already set when hyper asks again after the end
        self.whole.cancel();
    }
}

impl RequestSource {
    /// The body as it comes in, `kept` for more than one try.
    pub(super) fn new(incoming: Incoming, progress: &Arc<Progress>, kept: bool) -> Self {
        if incoming.is_end_stream() {
            progress.finish();
            return Self(None);
        }
        Self(Some(Arc::new(Mutex::new(Source {
            incoming,
            progress: progress.clone(),
            kept: kept.then(Vec::new),
            kept_bytes: 0,
            begun: false,
            whole: false,
        }))))
    }

    /// The body for one try, in that version. Envoy's HTTP/1 codec does not pass trailers on.
    pub(super) fn body(&self, version: Version) -> RequestBody {
        let size = self.lock().map_or(SizeHint::with_exact(0), |source| source.incoming.size_hint());
        RequestBody { source: self.clone(), replayed: 0, size, trailers: version == Version::Http2 }
    }

    /// Whether another try would send what this one did.
    pub(super) fn can_replay(&self) -> bool {
        self.lock().is_none_or(|source| source.kept.is_some() || !source.begun)
    }

    /// Whether all of it was read.
    pub(super) fn is_whole(&self) -> bool {
        self.lock().is_none_or(|source| source.whole)
    }

    fn lock(&self) -> Option<MutexGuard<'_, Source>> {
        Some(self.0.as_ref()?.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Source {
    fn poll(&mut self, cx: &mut Context<'_>, replayed: &mut usize) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        self.begun = true;
        if let Some(piece) = self.kept.as_ref().and_then(|kept| kept.get(*replayed)) {
            *replayed += 1;
            return Poll::Ready(Some(Ok(Frame::data(piece.clone()))));
        }
        if self.whole {
            return Poll::Ready(None);
        }
        let frame = ready!(Pin::new(&mut self.incoming).poll_frame(cx));
        Poll::Ready(match frame {
            None => {
                self.whole = true;
                self.progress.finish();
                None
            }
            Some(Ok(frame)) => {
                if let Some(data) = frame.data_ref() {
                    self.progress.add(data.len() as u64);
                    self.keep(data, replayed);
                }
                if self.incoming.is_end_stream() {
                    self.whole = true;
                    self.progress.finish();
                }
                Some(Ok(frame))
            }
            Some(Err(error)) => {
                let error =
                    if is_disconnect(&error) { BodyError::DownstreamClosed } else { BodyError::DownstreamProtocol };
                let _ = self.progress.failed.set(error); // the first failure is the one that counts
                Some(Err(error))
            }
        })
    }

    fn keep(&mut self, data: &Bytes, replayed: &mut usize) {
        self.kept_bytes += data.len();
        if self.kept_bytes > REPLAY_LIMIT {
            self.kept = None;
        } else if let Some(kept) = &mut self.kept {
            kept.push(data.clone());
            *replayed += 1;
        }
    }
}

/// Whether a body was cut off, and not wrong.
fn is_disconnect(error: &hyper::Error) -> bool {
    let io = std::error::Error::source(error).and_then(|source| source.downcast_ref::<std::io::Error>());
    error.is_incomplete_message()
        || error.is_canceled()
        || io.is_some_and(|e| {
            e.kind() != std::io::ErrorKind::InvalidInput && e.kind() != std::io::ErrorKind::InvalidData
        })
}

impl Body for RequestBody {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let this = self.get_mut();
        match this.source.lock() {
            None => Poll::Ready(None),
            Some(mut source) => {
                let frame = ready!(source.poll(cx, &mut this.replayed));
                Poll::Ready(frame.filter(|frame| this.trailers || !matches!(frame, Ok(frame) if frame.is_trailers())))
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.source
            .lock()
            .is_none_or(|source| source.whole && source.kept.as_ref().is_none_or(|kept| self.replayed >= kept.len()))
    }

    fn size_hint(&self) -> SizeHint {
        self.size
    }
}

impl ResponseBody {
    /// A body of the proxy's own.
    pub(super) fn local(data: Bytes, exchange: Box<Exchange>) -> Self {
        Self(Kind::Local { data: Some(data).filter(|data| !data.is_empty()), _exchange: Some(exchange) })
    }

    /// No body, of a response whose exchange goes on without it.
    pub(super) fn none() -> Self {
        Self(Kind::Local { data: None, _exchange: None })
    }

    /// The upstream's body.
    pub(super) fn upstream(incoming: Incoming, mut exchange: Box<Exchange>, deadline: Deadline, lease: Lease) -> Self {
        let ended = incoming.is_end_stream();
        if ended {
            exchange.settle_as_it_is();
        }
        let mut body = UpstreamBody { incoming, exchange, begun: Instant::now(), deadline, lease: Some(lease) };
        if ended {
            body.give_back();
        }
        Self(Kind::Upstream(Box::new(body)))
    }
}

impl UpstreamBody {
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        if let Poll::Ready(over) = self.deadline.as_mut().poll(cx) {
            let details = if over == Outcome::IdleTimeout { "stream_idle_timeout" } else { "response_timeout" };
            self.exchange.settle(over, details);
            self.deadline = Box::pin(std::future::pending());
            return Poll::Ready(Some(Err(BodyError::Timeout)));
        }
        let frame = ready!(Pin::new(&mut self.incoming).poll_frame(cx));
        if let Some(Ok(frame)) = &frame {
            self.exchange.progress.activity.touch();
            if let Some(data) = frame.data_ref() {
                self.exchange.stream.bytes_sent += data.len() as u64;
            } else if let Some(trailers) = frame.trailers_ref() {
                self.exchange.http.trailers = trailers.clone();
            }
        }
        Poll::Ready(match frame {
            Some(Ok(frame)) => {
                if self.incoming.is_end_stream() {
                    self.end();
                }
                if frame.is_trailers() && self.exchange.http.protocol != Some("HTTP/2") {
                    self.end(); // Envoy's HTTP/1 codec does not pass trailers on
                    return Poll::Ready(None);
                }
                Some(Ok(frame))
            }
            Some(Err(error)) => {
                self.broke_off(&error);
                Some(Err(BodyError::Upstream))
            }
            None => {
                self.end();
                None
            }
        })
    }

    /// Notes why the body broke off. Where the request's did, that is why. Else, in HTTP/1 a body that is shorter than
    /// announced is a fault of the codec.
    fn broke_off(&mut self, error: &hyper::Error) {
        let reset = match (self.exchange.progress.failed(), self.exchange.http.upstream_protocol) {
            (Some(BodyError::DownstreamProtocol), _) => {
                let details = "http1.codec_error";
                return self.exchange.settle(Outcome::DownstreamProtocolError(details.into()), details);
            }
            (Some(_), _) => return, // the downstream is gone: what is dropped unsettled is logged so
            (None, Some("HTTP/2")) => http2_reset(error),
            (None, _) => UpstreamReset::ProtocolError,
        };
        self.exchange.settle(Outcome::UpstreamReset(reset), reset_after_response(reset));
    }

    fn end(&mut self) {
        self.exchange.settle_as_it_is();
        self.exchange.http.response_tx_duration = Some(self.begun.elapsed());
        self.give_back();
    }

    fn give_back(&mut self) {
        if let Some(lease) = self.lease.take() {
            lease.give_back();
        }
    }
}

impl std::fmt::Debug for UpstreamBody {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("UpstreamBody").field("exchange", &self.exchange).finish_non_exhaustive()
    }
}

impl Body for ResponseBody {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        match &mut self.get_mut().0 {
            Kind::Local { data, .. } => Poll::Ready(data.take().map(|data| Ok(Frame::data(data)))),
            Kind::Upstream(body) => body.poll(cx),
        }
    }

    fn is_end_stream(&self) -> bool {
        match &self.0 {
            Kind::Local { data, .. } => data.is_none(),
            Kind::Upstream(body) => body.incoming.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.0 {
            Kind::Local { data, .. } => SizeHint::with_exact(data.as_ref().map_or(0, |data| data.len() as u64)),
            Kind::Upstream(body) => body.incoming.size_hint(),
        }
    }
}
