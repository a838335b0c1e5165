//! TLS over a socket.
//!
//! Uses rustls' unbuffered connections, so that an idle connection has no buffers, and one read returns several records:
//! tokio-rustls initially reads 4 KiB and at most one record, into memory that it keeps.

mod session;

use std::{
    io,
    pin::Pin,
    task::{Context, Poll, ready},
};

use rustls::{CommonState, client::UnbufferedClientConnection, server::UnbufferedServerConnection};
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::TcpStream,
};

use crate::buffer::Buffer;
use session::{Next, Outbound, Session, Turn};

#[cfg(test)]
mod tests;

/// A TLS connection, as client or server.
#[derive(Debug)]
pub struct TlsStream<S = TcpStream> {
    socket: S,
    session: Session,
    /// Received and not decrypted: an incomplete record, or complete ones for which there was no space.
    incoming: Option<Buffer>,
    /// Decrypted and not read.
    plaintext: Option<Buffer>,
    /// Records to send.
    outgoing: Option<Buffer>,
    /// An error that follows the unread plaintext.
    failed: Option<io::Error>,
    /// Whether the peer has sent close_notify.
    peer_closed: bool,
    /// Whether close_notify has been sent.
    closed: bool,
}

impl<S: AsyncRead + AsyncWrite + Unpin> TlsStream<S> {
    /// Performs a client handshake. If `bytes_follow` immediately, the last flight waits for them, which saves a packet, and a
    /// wake-up of the peer.
    ///
    /// # Errors
    /// If the handshake fails, after sending an alert to the peer.
    pub(super) async fn connect(
        socket: S,
        session: UnbufferedClientConnection,
        bytes_follow: bool,
    ) -> io::Result<Self> {
        Self::handshake(socket, Session::Client(session), bytes_follow).await
    }

    /// Performs a server handshake.
    ///
    /// # Errors
    /// If the handshake fails, after sending an alert to the peer.
    pub(crate) async fn accept(socket: S, session: UnbufferedServerConnection) -> io::Result<Self> {
        Self::handshake(socket, Session::Server(session), false).await
    }

    async fn handshake(socket: S, session: Session, bytes_follow: bool) -> io::Result<Self> {
        let mut stream = Self {
            socket,
            session,
            incoming: None,
            plaintext: None,
            outgoing: None,
            failed: None,
            peer_closed: false,
            closed: false,
        };
        std::future::poll_fn(|cx| stream.poll_handshake(cx, bytes_follow)).await?;
        Ok(stream)
    }

    pub fn socket(&self) -> &S {
        &self.socket
    }

    pub(super) fn negotiated(&self) -> &CommonState {
        self.session.common()
    }

    fn poll_handshake(&mut self, cx: &mut Context<'_>, bytes_follow: bool) -> Poll<io::Result<()>> {
        loop {
            self.turn(cx, None, Outbound::Nothing)?;
            let is_done = !self.negotiated().is_handshaking();
            if is_done && bytes_follow {
                return Poll::Ready(Ok(()));
            }
            let sent = self.poll_send(cx)?;
            if is_done {
                return Poll::Ready(Ok(())); // unsent records are sent later
            }
            ready!(sent);
            if self.peer_closed || ready!(self.poll_receive(cx))? == 0 {
                return Poll::Ready(Err(io::ErrorKind::UnexpectedEof.into()));
            }
        }
    }

    /// Processes received bytes until more are needed, or the plaintext fills the available space; then encrypts outgoing data.
    /// Returns how much plaintext was encrypted.
    fn turn(
        &mut self,
        cx: &mut Context<'_>,
        mut room: Option<&mut ReadBuf<'_>>,
        send: Outbound<'_>,
    ) -> io::Result<usize> {
        loop {
            if room.as_ref().is_some_and(|room| room.remaining() == 0) {
                return Ok(0);
            }
            let incoming = self.incoming.as_mut().map_or(&mut [][..], Buffer::rest_mut);
            let mut turn =
                Turn { room: room.as_deref_mut(), plaintext: &mut self.plaintext, outgoing: &mut self.outgoing, send };
            let (used, next) = self.session.turn(incoming, &mut turn);
            if let Some(incoming) = &mut self.incoming {
                incoming.advance(used);
            }
            self.incoming.take_if(|incoming| incoming.rest().is_empty());
            match next {
                Ok(Next::Again) => {}
                Ok(Next::PeerClosed) => self.peer_closed = true,
                Ok(Next::Input { sealed }) => return Ok(sealed),
                Err(error) => return Err(self.give_up(cx, error)),
            }
        }
    }

    /// Sends an alert with the reason, as far as possible without waiting.
    fn give_up(&mut self, cx: &mut Context<'_>, error: rustls::Error) -> io::Error {
        let (incoming, outgoing) = (&mut self.incoming, &mut self.outgoing);
        // Only while alerts are queued: rustls must not read further records after a fatal one.
        while self.session.common().wants_write() {
            let incoming = incoming.as_mut().map_or(&mut [][..], Buffer::rest_mut);
            let mut turn = Turn { room: None, plaintext: &mut self.plaintext, outgoing, send: Outbound::Nothing };
            if !matches!(self.session.turn(incoming, &mut turn), (0, Ok(Next::Again))) {
                break;
            }
        }
        let _ = self.poll_send(cx); // fails if the peer is gone
        io::Error::new(io::ErrorKind::InvalidData, error)
    }

    /// Reads from the socket. Returns the number of bytes, 0 at its end.
    fn poll_receive(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        let incoming = self.incoming.get_or_insert_with(Buffer::take);
        incoming.make_room_for_a_record();
        let mut space = ReadBuf::new(incoming.space());
        let read = Pin::new(&mut self.socket).poll_read(cx, &mut space);
        let count = space.filled().len();
        incoming.fill(count);
        self.incoming.take_if(|incoming| incoming.rest().is_empty());
        read.map_ok(|()| count)
    }

    fn poll_send(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while let Some(outgoing) = &mut self.outgoing {
            let count = ready!(Pin::new(&mut self.socket).poll_write(cx, outgoing.rest()))?;
            if count == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            outgoing.advance(count);
            self.outgoing.take_if(|outgoing| outgoing.rest().is_empty());
        }
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncRead for TlsStream<S> {
    /// A connection that ends without `close_notify` returns [`io::ErrorKind::UnexpectedEof`].
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let before = buf.filled().len();
        loop {
            if let Some(plaintext) = &mut this.plaintext {
                let count = plaintext.rest().len().min(buf.remaining());
                buf.put_slice(&plaintext.rest()[..count]);
                plaintext.advance(count);
                this.plaintext.take_if(|plaintext| plaintext.rest().is_empty());
            }
            // Data before an invalid record is valid.
            if this.failed.is_none()
                && let Err(error) = this.turn(cx, Some(buf), Outbound::Nothing)
            {
                this.failed = Some(error);
            }
            let has_read = buf.filled().len() > before;
            if let Some(error) = this.failed.take_if(|_| !has_read && this.plaintext.is_none()) {
                return Poll::Ready(Err(error));
            }
            if has_read || buf.remaining() == 0 || this.peer_closed {
                break;
            }
            match this.poll_receive(cx)? {
                Poll::Ready(0) => return Poll::Ready(Err(io::ErrorKind::UnexpectedEof.into())),
                Poll::Ready(_) => {}
                Poll::Pending => {
                    // The answer to the peer's key update must not wait for a write.
                    let _ = this.poll_send(cx)?;
                    return Poll::Pending;
                }
            }
        }
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncWrite for TlsStream<S> {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        if buf.is_empty() {
            return Poll::Ready(Ok(0));
        }
        loop {
            let sealed = this.turn(cx, None, Outbound::Bytes(buf))?;
            let sent = this.poll_send(cx)?;
            if sealed > 0 {
                return Poll::Ready(Ok(sealed));
            }
            if this.closed {
                return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()));
            }
            ready!(sent); // there was no space
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.get_mut().poll_send(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if !this.closed {
            this.turn(cx, None, Outbound::CloseNotify)?;
            this.closed = true;
        }
        ready!(this.poll_send(cx))?;
        Pin::new(&mut this.socket).poll_shutdown(cx)
    }
}
