//! Response bodies on their way downstream.

use std::{
    fmt,
    pin::Pin,
    task::{Context, Poll, ready},
    time::Instant,
};

use bytes::Bytes;
use hyper::body::{Body, Frame, SizeHint};

use super::{BodyError, Broken, Incoming};
use crate::http::{exchange::Exchange, http1::Fault, pool::Lease, upstream::http2_reset};
use envoy_rules::outcome::{Outcome, UpstreamReset};

/// Completes when the time for a response is over, with the outcome.
pub(in crate::http) type Deadline = Pin<Box<dyn Future<Output = Outcome> + Send>>;

/// A response body on its way downstream.
#[derive(Debug)]
pub(in crate::http) struct ResponseBody(Kind);

#[derive(Debug)]
enum Kind {
    /// The body of a local reply.
    Local {
        data: Option<Bytes>,
        _exchange: Box<Exchange>,
    },
    Upstream(Box<UpstreamBody>),
}

struct UpstreamBody {
    incoming: Incoming,
    exchange: Box<Exchange>,
    begun: Instant,
    deadline: Deadline,
    /// The upstream connection, returned to the pool at the end.
    lease: Option<Lease>,
}

impl ResponseBody {
    /// The body of a local reply.
    pub(in crate::http) fn local(data: Bytes, exchange: Box<Exchange>) -> Self {
        Self(Kind::Local { data: Some(data).filter(|data| !data.is_empty()), _exchange: exchange })
    }

    /// The body of an upstream's response.
    pub(in crate::http) fn upstream(
        incoming: Incoming,
        mut exchange: Box<Exchange>,
        deadline: Deadline,
        lease: Lease,
    ) -> Self {
        let ended = incoming.is_end_stream();
        if ended {
            exchange.settle_as_recorded();
        }
        let mut body = UpstreamBody { incoming, exchange, begun: Instant::now(), deadline, lease: Some(lease) };
        if ended {
            body.return_connection();
        }
        Self(Kind::Upstream(Box::new(body)))
    }
}

impl UpstreamBody {
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        if let Poll::Ready(over) = self.deadline.as_mut().poll(cx) {
            self.exchange.settle(over);
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
                    self.end(); // Envoy's HTTP/1 codec drops trailers, too
                    return Poll::Ready(None);
                }
                Some(Ok(frame))
            }
            Some(Err(error)) => {
                self.record_error(&error);
                Some(Err(BodyError::Upstream))
            }
            None => {
                self.end();
                None
            }
        })
    }

    /// Records why the body ended early: because the request's body did, or else, in HTTP/1, because it is shorter than
    /// announced, which is a codec error.
    fn record_error(&mut self, error: &Broken) {
        let reset = match (self.exchange.progress.failed(), error) {
            (Some(BodyError::DownstreamProtocol(rejection)), _) => {
                return self.exchange.settle(Outcome::DownstreamProtocolError(rejection.details.into()));
            }
            (Some(_), _) => return, // the downstream is gone, which is the default outcome
            (None, Broken::Http2(error)) => http2_reset(error),
            (None, Broken::Http1(Fault::Cut)) => UpstreamReset::ConnectionTermination,
            (None, Broken::Http1(Fault::Malformed(_))) => UpstreamReset::ProtocolError,
        };
        self.exchange.settle(Outcome::ResponseBrokeOff(reset));
    }

    fn end(&mut self) {
        self.exchange.settle_as_recorded();
        self.exchange.http.response_tx_duration = Some(self.begun.elapsed());
        self.return_connection();
    }

    fn return_connection(&mut self) {
        if let Some(lease) = self.lease.take() {
            lease.give_back();
        }
    }
}

impl fmt::Debug for UpstreamBody {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
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
