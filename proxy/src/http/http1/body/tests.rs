use std::task::Waker;

use super::*;

fn context() -> Context<'static> {
    Context::from_waker(Waker::noop())
}

fn take(body: &mut Body) -> Poll<Option<Result<Vec<u8>, Fault>>> {
    let frame = body.poll_frame(&mut context());
    frame.map(|frame| frame.map(|frame| frame.map(|frame| frame.into_data().unwrap().to_vec())))
}

#[test]
fn a_piece_is_read_when_the_receiver_waits_for_it() {
    let (feed, mut body) = body(Some(6), false);
    assert_eq!(feed.poll_wish(&mut context()), Poll::Pending);
    assert_eq!(take(&mut body), Poll::Pending);
    assert_eq!(feed.poll_wish(&mut context()), Poll::Ready(Wish::Piece));
    feed.give(Bytes::from_static(b"abc"), false);
    assert_eq!(feed.poll_wish(&mut context()), Poll::Pending, "one at a time");
    assert_eq!(take(&mut body), Poll::Ready(Some(Ok(b"abc".to_vec()))));
    assert_eq!(take(&mut body), Poll::Pending);
    feed.give(Bytes::from_static(b"def"), true);
    assert!(!body.is_end_stream());
    assert_eq!(take(&mut body), Poll::Ready(Some(Ok(b"def".to_vec()))));
    assert!(body.is_end_stream());
    assert_eq!(take(&mut body), Poll::Ready(None));
}

#[test]
fn a_body_whose_connection_ends_is_truncated() {
    let (feed, mut body) = body(None, true);
    assert_eq!(feed.poll_wish(&mut context()), Poll::Ready(Wish::Piece), "the first is read ahead");
    feed.give(Bytes::from_static(b"abc"), false);
    drop(feed);
    assert_eq!(take(&mut body), Poll::Ready(Some(Ok(b"abc".to_vec()))));
    assert_eq!(take(&mut body), Poll::Ready(Some(Err(Fault::Cut))));
}

#[test]
fn the_sender_learns_that_the_receiver_is_gone() {
    let (feed, body) = body(None, false);
    drop(body);
    assert_eq!(feed.poll_wish(&mut context()), Poll::Ready(Wish::Nothing));
}
