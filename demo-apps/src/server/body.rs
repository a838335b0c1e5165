//! Response bodies.

use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full, combinators::BoxBody};
use hyper::body::{Body, Frame, SizeHint};

/// 64 KiB of the alphabet, repeated.
pub(super) static FILLING: [u8; 64 * 1024] = {
    let mut filling = [0; 64 * 1024];
    let mut i = 0;
    while i < filling.len() {
        filling[i] = b'a' + (i % 26) as u8;
        i += 1;
    }
    filling
};

/// Any body of a response.
pub(super) type AnyBody = BoxBody<Bytes, hyper::Error>;

/// A body from bytes in memory.
pub(super) fn whole(bytes: impl Into<Bytes>) -> AnyBody {
    Full::new(bytes.into()).map_err(never).boxed()
}

/// A body of `length` bytes that is generated while it is sent.
pub(super) fn filling(length: u64) -> AnyBody {
    Filling { left: length }.map_err(never).boxed()
}

pub(super) fn never(impossible: Infallible) -> hyper::Error {
    match impossible {}
}

struct Filling {
    left: u64,
}

impl Body for Filling {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        if self.left == 0 {
            return Poll::Ready(None);
        }
        let n = usize::try_from(self.left).unwrap_or(usize::MAX).min(FILLING.len());
        self.left -= n as u64;
        Poll::Ready(Some(Ok(Frame::data(Bytes::from_static(&FILLING[..n])))))
    }

    fn is_end_stream(&self) -> bool {
        self.left == 0
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.left)
    }
}
