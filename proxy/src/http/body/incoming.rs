//! Bodies that are being received, and their errors.

use std::{
    pin::Pin,
    task::{Context, Poll},
};

use bytes::Bytes;
use hyper::body::{Body, Frame, SizeHint};
use thiserror::Error;

use crate::http::{
    http1::{Body as Http1Body, Fault},
    rejection::Rejection,
};

/// A body that is being received, in either version.
#[derive(Debug)]
pub(in crate::http) enum Incoming {
    /// No body.
    Empty,
    /// One of the proxy's own, until it is sent.
    Own(Option<Bytes>),
    Http1(Http1Body),
    Http2(hyper::body::Incoming),
}

/// Why receiving a body failed.
#[derive(Debug, Error)]
pub(in crate::http) enum Broken {
    #[error(transparent)]
    Http1(Fault),
    #[error(transparent)]
    Http2(hyper::Error),
}

/// Why a forwarded body ended early.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub(in crate::http) enum BodyError {
    #[error("the downstream's body is malformed: {0}")]
    DownstreamProtocol(Rejection),
    #[error("the downstream closed the connection")]
    DownstreamClosed,
    #[error("the upstream closed the connection")]
    Upstream,
    #[error("the response timed out")]
    Timeout,
    #[error("a retry sends the body now")]
    Superseded,
}

impl From<Option<Http1Body>> for Incoming {
    fn from(body: Option<Http1Body>) -> Self {
        body.map_or(Self::Empty, Self::Http1)
    }
}

impl Body for Incoming {
    type Data = Bytes;
    type Error = Broken;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Broken>>> {
        match self.get_mut() {
            Self::Empty => Poll::Ready(None),
            Self::Own(bytes) => Poll::Ready(bytes.take().map(|bytes| Ok(Frame::data(bytes)))),
            Self::Http1(body) => body.poll_frame(cx).map(|frame| frame.map(|frame| frame.map_err(Broken::Http1))),
            Self::Http2(body) => {
                Pin::new(body).poll_frame(cx).map(|frame| frame.map(|frame| frame.map_err(Broken::Http2)))
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Empty => true,
            Self::Own(bytes) => bytes.is_none(),
            Self::Http1(body) => body.is_end_stream(),
            Self::Http2(body) => body.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Empty => SizeHint::with_exact(0),
            Self::Own(bytes) => SizeHint::with_exact(bytes.as_ref().map_or(0, |bytes| bytes.len() as u64)),
            Self::Http1(body) => body.size_hint(),
            Self::Http2(body) => body.size_hint(),
        }
    }
}
