use std::convert::Infallible;

use hyper::body::Frame;
use tokio::io::{DuplexStream, ReadBuf, duplex};

use super::*;

const PIECE: usize = 64 * 1024;

/// A body of large pieces that are there at once.
struct Pieces(usize);

impl hyper::body::Body for Pieces {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let Some(left) = self.0.checked_sub(1) else { return Poll::Ready(None) };
        self.0 = left;
        Poll::Ready(Some(Ok(Frame::data(Bytes::from(vec![b'x'; PIECE])))))
    }
}

/// Reads everything that is there, and returns how much it was.
fn drain(peer: &mut DuplexStream, cx: &mut Context<'_>) -> usize {
    let mut buffer = vec![0; 1 << 20];
    let mut read = ReadBuf::new(&mut buffer);
    let _ = Pin::new(peer).poll_read(cx, &mut read);
    read.filled().len()
}

#[test]
fn a_response_goes_on_after_a_write_that_empties_a_full_queue() {
    let mut cx = Context::from_waker(std::task::Waker::noop());
    let (near, mut peer) = duplex(200_000);
    let mut io = Io::new(near);
    let (mut upload, _) = Upload::new(Decoder::none());
    let mut download = Download { body: Pieces(32), encoder: Encoder::Plain, done: false };
    let mut received = 0;
    while poll_exchange(&mut io, &mut upload, &mut download, &mut cx).is_pending() {
        let more = drain(&mut peer, &mut cx);
        assert!(more > 0, "after {received} bytes there is space, and nothing is sent");
        received += more;
    }
    assert_eq!(received + drain(&mut peer, &mut cx), 32 * PIECE);
}
