//! One direction between two sockets without TLS: small messages through a buffer of this process, large ones by
//! `splice(2)`, which is cheaper from some size on.

use std::task::{Context, Poll, ready};

use tokio::net::TcpStream;

use super::{Fault, Step, copy::Copy, splice::Splice};

/// Where as many bytes or more were waiting, the next are spliced. Two calls on a pipe cost more than copying a message that
/// is small; from about here on they cost less.
const BULK: usize = 32 * 1024;

/// The state between two polls.
#[derive(Default)]
pub(super) struct Plain {
    copy: Copy,
    splice: Splice,
    is_bulk: bool,
}

impl Plain {
    /// Moves what can be moved, once.
    pub(super) fn poll(
        &mut self,
        cx: &mut Context<'_>,
        reader: &mut TcpStream,
        writer: &mut TcpStream,
    ) -> Poll<Result<Step, Fault>> {
        let step = if self.is_bulk {
            ready!(self.splice.poll(cx, reader, writer))
        } else {
            ready!(self.copy.poll(cx, reader, writer))
        };
        if self.is_empty() {
            let brought = if self.is_bulk { self.splice.brought() } else { self.copy.brought() };
            self.is_bulk = brought >= BULK;
        }
        Poll::Ready(step)
    }

    /// Whether it holds no memory and no pipe.
    pub(super) fn is_empty(&self) -> bool {
        self.copy.is_empty() && self.splice.is_empty()
    }
}
