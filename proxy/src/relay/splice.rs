//! Relaying one direction with `splice(2)`: the kernel moves bytes from socket to socket through a pipe.

use std::{
    cell::RefCell,
    io::{self, PipeReader, PipeWriter},
    os::fd::{AsFd as _, BorrowedFd},
    task::{Context, Poll, ready},
};

use nix::fcntl::{FcntlArg, SpliceFFlags, fcntl, splice};
use socket2::SockRef;
use tokio::{io::Interest, net::TcpStream};

use super::step::{By, Fault, Step};

/// Size of a pipe in bytes, if the system allows it (`fs.pipe-max-size`, `fs.pipe-user-pages-soft`): splicing is only cheaper
/// than copying with large pipes.
const PIPE_SIZE: i32 = 1 << 20;
/// Maximum number of empty pipes that a thread keeps.
const KEPT: usize = 16;

thread_local! {
    static FREE: RefCell<Vec<Pipe>> = const { RefCell::new(Vec::new()) };
}

/// A pipe, and the number of bytes in it.
struct Pipe {
    reader: PipeReader,
    writer: PipeWriter,
    held: usize,
}

/// State between polls.
#[derive(Default)]
pub(super) struct Splice {
    /// Bytes that have not been written yet.
    pipe: Option<Pipe>,
    /// Number of bytes that the last read returned.
    brought: usize,
    at_end: bool,
}

impl Splice {
    /// Whether everything that was read has been written.
    pub(super) fn is_empty(&self) -> bool {
        self.pipe.is_none()
    }

    /// Number of bytes that the last read returned.
    pub(super) fn brought(&self) -> usize {
        self.brought
    }

    /// Moves available bytes, once.
    pub(super) fn poll(
        &mut self,
        cx: &mut Context<'_>,
        reader: &TcpStream,
        writer: &TcpStream,
    ) -> Poll<Result<Step, Fault>> {
        if self.pipe.is_none() && !self.at_end {
            let pipe = ready!(fill(cx, reader)).map_err(Fault::Read)?;
            self.brought = pipe.held;
            self.at_end = pipe.held == 0;
            self.pipe = Some(pipe);
        }
        let moved = match &mut self.pipe {
            Some(pipe) if pipe.held > 0 => ready!(drain(cx, pipe, writer)).map_err(Fault::Write)?,
            _ => 0,
        };
        if let Some(pipe) = self.pipe.take_if(|pipe| pipe.held == 0) {
            pipe.return_to_pool();
        }
        if self.at_end {
            return Poll::Ready(shutdown(writer).map(|()| Step::Done { truncated: false }).map_err(Fault::Write));
        }
        Poll::Ready(Ok(Step::Moved { count: moved, by: By::Splice }))
    }
}

/// Number of empty pipes that this thread keeps.
#[cfg(test)]
pub(super) fn free() -> usize {
    FREE.with_borrow(Vec::len)
}

/// Waits for bytes, and only then takes a pipe for them. An empty pipe means the end.
fn fill(cx: &mut Context<'_>, socket: &TcpStream) -> Poll<io::Result<Pipe>> {
    loop {
        ready!(socket.poll_read_ready(cx))?;
        let mut pipe = Pipe::take()?;
        match socket.try_io(Interest::READABLE, || splice_once(socket.as_fd(), pipe.writer.as_fd(), PIPE_SIZE as usize))
        {
            Ok(count) => {
                pipe.held = count;
                return Poll::Ready(Ok(pipe));
            }
            Err(error) => {
                pipe.return_to_pool();
                if error.kind() != io::ErrorKind::WouldBlock {
                    return Poll::Ready(Err(error));
                }
            }
        }
    }
}

fn drain(cx: &mut Context<'_>, pipe: &mut Pipe, socket: &TcpStream) -> Poll<io::Result<usize>> {
    loop {
        ready!(socket.poll_write_ready(cx))?;
        match socket.try_io(Interest::WRITABLE, || splice_once(pipe.reader.as_fd(), socket.as_fd(), pipe.held)) {
            Ok(count) => {
                pipe.held -= count;
                return Poll::Ready(Ok(count));
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(error) => return Poll::Ready(Err(error)),
        }
    }
}

fn splice_once(from: BorrowedFd<'_>, to: BorrowedFd<'_>, most: usize) -> io::Result<usize> {
    let flags = SpliceFFlags::SPLICE_F_MOVE | SpliceFFlags::SPLICE_F_NONBLOCK;
    Ok(splice(from, None, to, None, most, flags)?)
}

/// Closes the sending side. Does nothing if the peer is gone.
fn shutdown(socket: &TcpStream) -> io::Result<()> {
    match SockRef::from(socket).shutdown(std::net::Shutdown::Write) {
        Err(error) if error.kind() == io::ErrorKind::NotConnected => Ok(()),
        result => result,
    }
}

impl Pipe {
    /// An empty pipe, from the thread's pool if possible.
    fn take() -> io::Result<Self> {
        if let Some(pipe) = FREE.with_borrow_mut(Vec::pop) {
            return Ok(pipe);
        }
        let (reader, writer) = io::pipe()?;
        // If the system does not allow it, the pipe is smaller and more calls are needed.
        let _ = fcntl(&writer, FcntlArg::F_SETPIPE_SZ(PIPE_SIZE));
        Ok(Self { reader, writer, held: 0 })
    }

    /// Returns an empty pipe to the pool. One with bytes in it, which belong to a closed connection, is dropped.
    fn return_to_pool(self) {
        FREE.with_borrow_mut(|free| {
            if self.held == 0 && free.len() < KEPT {
                free.push(self);
            }
        });
    }
}
