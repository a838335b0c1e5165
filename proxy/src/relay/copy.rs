//! Relaying one direction through a buffer.

use std::{
    io,
    pin::Pin,
    task::{Context, Poll, ready},
};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::step::{By, Fault, Step};
use crate::buffer::Buffer;

/// State between polls.
#[derive(Default)]
pub(super) struct Copy {
    /// Bytes that have not been written yet.
    buffer: Option<Buffer>,
    /// Whether the writer is flushed. Initially it may still hold the end of its handshake.
    flushed: bool,
    /// Number of bytes that the last read returned.
    brought: usize,
    at_end: bool,
    truncated: bool,
}

impl Copy {
    /// Whether everything that was read has been written.
    pub(super) fn is_empty(&self) -> bool {
        self.buffer.is_none()
    }

    /// Number of bytes that the last read returned.
    pub(super) fn brought(&self) -> usize {
        self.brought
    }

    /// Moves available bytes, once.
    pub(super) fn poll<R, W>(
        &mut self,
        cx: &mut Context<'_>,
        reader: &mut R,
        writer: &mut W,
    ) -> Poll<Result<Step, Fault>>
    where
        R: AsyncRead + Unpin,
        W: AsyncWrite + Unpin,
    {
        let (mut reader, mut writer) = (Pin::new(reader), Pin::new(writer));
        if self.at_end {
            return writer.poll_shutdown(cx).map(|result| match result {
                Err(error) if error.kind() != io::ErrorKind::NotConnected => Err(Fault::Write(error)),
                _ => Ok(Step::Done { truncated: self.truncated }),
            });
        }
        if self.buffer.is_none() {
            let mut buffer = Buffer::take();
            let mut space = ReadBuf::new(&mut buffer.space()[..Buffer::PLAINTEXT]);
            match reader.as_mut().poll_read(cx, &mut space) {
                Poll::Ready(Ok(())) => {}
                // The peer ended TLS without `close_notify`. Envoy treats it as a normal end, too; here it is counted.
                Poll::Ready(Err(error)) if error.kind() == io::ErrorKind::UnexpectedEof => {
                    space.clear();
                    self.truncated = true;
                }
                Poll::Ready(Err(error)) => return Poll::Ready(Err(Fault::Read(error))),
                Poll::Pending => {
                    if !self.flushed {
                        ready!(writer.poll_flush(cx)).map_err(Fault::Write)?;
                        self.flushed = true;
                    }
                    return Poll::Pending;
                }
            }
            self.brought = space.filled().len();
            if self.brought == 0 {
                self.at_end = true;
                return self.poll(cx, reader.get_mut(), writer.get_mut());
            }
            buffer.fill(self.brought);
            self.buffer = Some(buffer);
        }
        let Some(buffer) = &mut self.buffer else { return Poll::Pending };
        let written = ready!(writer.as_mut().poll_write(cx, buffer.rest())).map_err(Fault::Write)?;
        if written == 0 {
            return Poll::Ready(Err(Fault::Write(io::ErrorKind::WriteZero.into())));
        }
        self.flushed = false;
        buffer.advance(written);
        if buffer.rest().is_empty() {
            self.buffer = None;
        }
        Poll::Ready(Ok(Step::Moved { count: written, by: By::Copy }))
    }
}
