//! Request bodies on their way upstream.

use std::{
    pin::Pin,
    sync::{
        Arc, Mutex, MutexGuard, OnceLock, PoisonError,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    task::{Context, Poll, ready},
    time::{Duration, Instant},
};

use bytes::Bytes;
use envoy_rules::codec::HttpVersion;
use hyper::body::{Body, Frame, SizeHint};
use tokio_util::sync::CancellationToken;

use super::{BodyError, Broken, Incoming};
use crate::http::{activity::Activity, http1::Fault, rejection::Rejection};

/// How much of a request body is buffered for retries, in bytes; a longer one is sent once. Envoy's default buffer limit.
const REPLAY_LIMIT: usize = 1024 * 1024;

/// How much of a request body has been received from downstream.
#[derive(Debug, Default)]
pub(in crate::http) struct Progress {
    bytes: AtomicU64,
    finished: OnceLock<Instant>,
    failed: OnceLock<BodyError>,
    /// Cancelled at the end of the body.
    pub(in crate::http) whole: CancellationToken,
    /// Time of the last transfer in either direction.
    pub(in crate::http) activity: Activity,
}

/// A request body, from which each attempt takes a [`RequestBody`].
#[derive(Clone, Debug, Default)]
pub(in crate::http) struct RequestSource(Option<Arc<Mutex<Source>>>);

#[derive(Debug)]
struct Source {
    incoming: Incoming,
    progress: Arc<Progress>,
    /// Data of earlier attempts; `None` if it is not buffered, or no longer.
    kept: Option<Vec<Bytes>>,
    kept_bytes: usize,
    /// The length announced by the downstream.
    size: SizeHint,
    /// Number of attempts. Only the last one receives the body.
    tries: u32,
    /// Whether any of it has been sent upstream.
    begun: bool,
    whole: bool,
}

/// A request body on its way upstream, for one attempt.
#[derive(Debug)]
pub(in crate::http) struct RequestBody {
    source: RequestSource,
    /// Number of the attempt.
    number: u32,
    /// Number of buffered pieces that this attempt has sent.
    replayed: usize,
    size: SizeHint,
    trailers: bool,
}

impl Progress {
    pub(in crate::http) fn bytes(&self) -> u64 {
        self.bytes.load(Relaxed)
    }

    pub(in crate::http) fn add(&self, bytes: u64) {
        self.bytes.fetch_add(bytes, Relaxed);
        self.activity.touch();
    }

    pub(in crate::http) fn failed(&self) -> Option<BodyError> {
        self.failed.get().copied()
    }

    pub(in crate::http) fn finished_after(&self, begin: Instant) -> Option<Duration> {
        self.finished.get().map(|end| end.duration_since(begin))
    }

    /// Time since the end of the body, if it was received completely.
    pub(in crate::http) fn elapsed_since_whole(&self) -> Option<Duration> {
        self.finished.get().map(Instant::elapsed)
    }

    pub(in crate::http) fn finish(&self) {
        let _ = self.finished.set(Instant::now()); // already set if hyper polls again after the end
        self.whole.cancel();
    }
}

impl RequestSource {
    /// Wraps the received body, `kept` for several attempts.
    pub(in crate::http) fn new(incoming: Incoming, progress: &Arc<Progress>, kept: bool) -> Self {
        if incoming.is_end_stream() {
            progress.finish();
            return Self(None);
        }
        Self(Some(Arc::new(Mutex::new(Source {
            progress: progress.clone(),
            kept: kept.then(Vec::new),
            kept_bytes: 0,
            size: incoming.size_hint(),
            incoming,
            tries: 0,
            begun: false,
            whole: false,
        }))))
    }

    /// A body of the proxy's own.
    pub(in crate::http) fn of_bytes(bytes: Bytes) -> Self {
        Self::new(Incoming::Own(Some(bytes)), &Arc::default(), false)
    }

    /// The body for one attempt, in this version. Like Envoy's HTTP/1 codec, HTTP/1 omits trailers.
    pub(in crate::http) fn body(&self, version: HttpVersion) -> RequestBody {
        let (number, size) = self.lock().map_or((0, SizeHint::with_exact(0)), |mut source| {
            source.tries += 1;
            (source.tries, source.size)
        });
        RequestBody { source: self.clone(), number, replayed: 0, size, trailers: version == HttpVersion::Http2 }
    }

    /// Whether another attempt would send the whole body.
    pub(in crate::http) fn can_replay(&self) -> bool {
        self.lock().is_none_or(|source| source.kept.is_some() || !source.begun)
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
                } else {
                    self.kept = None; // trailers are not kept
                }
                if self.incoming.is_end_stream() {
                    self.whole = true;
                    self.progress.finish();
                }
                Some(Ok(frame))
            }
            Some(Err(error)) => {
                let error = BodyError::from(&error);
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

impl From<&Broken> for BodyError {
    fn from(broken: &Broken) -> Self {
        match broken {
            Broken::Http1(Fault::Cut) => Self::DownstreamClosed,
            Broken::Http1(Fault::Malformed(rejection)) => Self::DownstreamProtocol(*rejection),
            Broken::Http2(error) if is_disconnect(error) => Self::DownstreamClosed,
            Broken::Http2(_) => Self::DownstreamProtocol(Rejection::CODEC),
        }
    }
}

/// Whether a body was cut off, as opposed to malformed.
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
            Some(source) if source.tries != this.number => Poll::Ready(Some(Err(BodyError::Superseded))),
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
