//! One direction through a buffer of this process.

use std::{
    io,
    pin::Pin,
    task::{Context, Poll, ready},
};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::{By, Fault, Step};
use crate::buffer::Buffer;

/// The state between two polls.
#[derive(Default)]
pub(super) struct Copy {
    /// Bytes that the writer has not taken yet.
    buffer: Option<Buffer>,
    /// Whether the writer has sent all that it has taken. At first it may still have the end of its handshake.
    flushed: bool,
    /// How many the last look at the reader brought.
    brought: usize,
    at_end: bool,
    truncated: bool,
}

impl Copy {
    /// Whether all that was taken from the reader is with the writer.
    pub(super) fn is_empty(&self) -> bool {
        self.buffer.is_none()
    }

    /// How many bytes the last look at the reader brought.
    pub(super) fn brought(&self) -> usize {
        self.brought
    }

    /// Moves what can be moved, once.
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
                // The peer ended its TLS without `close_notify`. Envoy takes it for an end too; here it is counted.
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
