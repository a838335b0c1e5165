//! A body in transit between the task that reads its connection and the task that forwards it, one piece at a time.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll, Waker},
};

use bytes::Bytes;
use hyper::body::{Frame, SizeHint};

use super::Fault;

#[cfg(test)]
mod tests;

/// The receiving end.
#[derive(Debug)]
pub(in crate::http) struct Body {
    state: Arc<Mutex<State>>,
    /// The announced length.
    length: Option<u64>,
}

/// The sending end. If dropped before the end of the body, the body is truncated.
#[derive(Debug)]
pub(super) struct Feed(Arc<Mutex<State>>);

#[derive(Debug, Default)]
struct State {
    piece: Option<Bytes>,
    end: Option<Result<(), Fault>>,
    /// Whether the receiver waits for a piece.
    wanted: bool,
    /// Whether the receiver is gone.
    abandoned: bool,
    taker: Option<Waker>,
    feeder: Option<Waker>,
}

/// What the receiver wants.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wish {
    /// Another piece.
    Piece,
    /// Nothing more: the receiver is gone.
    Nothing,
}

/// The two ends of a body. With `ahead`, its first piece is read before the receiver asks for it.
pub(super) fn body(length: Option<u64>, ahead: bool) -> (Feed, Body) {
    let state = Arc::new(Mutex::new(State { wanted: ahead, ..State::default() }));
    (Feed(state.clone()), Body { state, length })
}

impl Feed {
    /// Completes when the receiver waits for a piece, or is gone.
    pub(super) fn poll_wish(&self, cx: &mut Context<'_>) -> Poll<Wish> {
        let mut state = lock(&self.0);
        if state.abandoned {
            return Poll::Ready(Wish::Nothing);
        }
        if state.wanted && state.piece.is_none() {
            return Poll::Ready(Wish::Piece);
        }
        set(&mut state.feeder, cx);
        Poll::Pending
    }

    /// Sends a piece; `whole` says that it is the last.
    pub(super) fn give(&self, piece: Bytes, whole: bool) {
        let mut state = lock(&self.0);
        state.piece = Some(piece);
        state.wanted = false;
        if whole {
            state.end = Some(Ok(()));
        }
        wake(state);
    }

    /// Ends the body, possibly early.
    pub(super) fn end(&self, how: Result<(), Fault>) {
        let mut state = lock(&self.0);
        state.end.get_or_insert(how);
        wake(state);
    }
}

impl Drop for Feed {
    fn drop(&mut self) {
        self.end(Err(Fault::Cut));
    }
}

impl Body {
    /// The next piece, or the end.
    pub(in crate::http) fn poll_frame(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Fault>>> {
        let mut state = lock(&self.state);
        if let Some(piece) = state.piece.take() {
            return Poll::Ready(Some(Ok(Frame::data(piece))));
        }
        match state.end {
            Some(Ok(())) => Poll::Ready(None),
            Some(Err(fault)) => Poll::Ready(Some(Err(fault))),
            None => {
                set(&mut state.taker, cx);
                let is_news = !std::mem::replace(&mut state.wanted, true);
                let feeder = if is_news { state.feeder.take() } else { None };
                drop(state);
                if let Some(feeder) = feeder {
                    feeder.wake();
                }
                Poll::Pending
            }
        }
    }

    /// Whether everything has been received.
    pub(in crate::http) fn is_end_stream(&self) -> bool {
        let state = lock(&self.state);
        state.piece.is_none() && state.end == Some(Ok(()))
    }

    pub(in crate::http) fn size_hint(&self) -> SizeHint {
        self.length.map_or_else(SizeHint::default, SizeHint::with_exact)
    }
}

impl Drop for Body {
    fn drop(&mut self) {
        let mut state = lock(&self.state);
        state.abandoned = true;
        let feeder = state.feeder.take();
        drop(state);
        if let Some(feeder) = feeder {
            feeder.wake();
        }
    }
}

fn wake(mut state: MutexGuard<'_, State>) {
    let taker = state.taker.take();
    drop(state);
    if let Some(taker) = taker {
        taker.wake();
    }
}

fn set(place: &mut Option<Waker>, cx: &Context<'_>) {
    match place {
        Some(waker) => waker.clone_from(cx.waker()),
        None => *place = Some(cx.waker().clone()),
    }
}

fn lock(state: &Mutex<State>) -> MutexGuard<'_, State> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}
