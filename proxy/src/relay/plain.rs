//! Relaying one direction between plaintext sockets: small messages through a buffer, large ones with `splice(2)`, which is
//! more efficient above a certain size.

use std::task::{Context, Poll, ready};

use tokio::net::TcpStream;

use super::{
    copy::Copy,
    splice::Splice,
    step::{Fault, Step},
};

/// If at least this many bytes were available, the next ones are spliced. For small messages, two system calls on a pipe cost
/// more than copying; from about this size on they cost less.
const BULK: usize = 32 * 1024;

/// State between polls.
#[derive(Default)]
pub(super) struct Plain {
    copy: Copy,
    splice: Splice,
    is_bulk: bool,
}

impl Plain {
    /// Moves available bytes, once.
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

    /// Whether it holds no buffer and no pipe.
    pub(super) fn is_empty(&self) -> bool {
        self.copy.is_empty() && self.splice.is_empty()
    }
}
