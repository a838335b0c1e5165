//! rustls' state machine, of either side, one turn at a time.

use std::fmt;

use rustls::{
    CommonState, Error,
    client::UnbufferedClientConnection,
    server::UnbufferedServerConnection,
    unbuffered::{ConnectionState, EncodeError, EncryptError, UnbufferedStatus, WriteTraffic},
};
use tokio::io::ReadBuf;

use crate::buffer::Buffer;

/// Which side a connection is.
pub(super) enum Session {
    Client(UnbufferedClientConnection),
    Server(UnbufferedServerConnection),
}

/// Where a turn puts what comes of it, and what it is to send.
pub(super) struct Turn<'a, 'b> {
    /// Where plaintext is wanted, if it is.
    pub(super) room: Option<&'a mut ReadBuf<'b>>,
    /// Where it goes otherwise.
    pub(super) plaintext: &'a mut Option<Buffer>,
    /// Records to be written.
    pub(super) outgoing: &'a mut Option<Buffer>,
    /// What is to be sealed.
    pub(super) send: Outbound<'a>,
}

/// What is to be sealed as soon as that can be.
#[derive(Clone, Copy)]
pub(super) enum Outbound<'a> {
    Nothing,
    /// Some of these.
    Bytes(&'a [u8]),
    CloseNotify,
}

/// What comes after a turn.
pub(super) enum Next {
    /// Another one.
    Again,
    /// Another one; the peer has sent its `close_notify`.
    PeerClosed,
    /// More bytes have to come first.
    Input {
        /// How many bytes of plaintext were sealed.
        sealed: usize,
    },
}

impl fmt::Debug for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Client(_) => "Client",
            Self::Server(_) => "Server",
        })
    }
}

impl Session {
    pub(super) fn common(&self) -> &CommonState {
        match self {
            Self::Client(client) => client,
            Self::Server(server) => server,
        }
    }

    /// Takes some of the bytes that came; returns how many of them are done with.
    pub(super) fn turn(&mut self, incoming: &mut [u8], turn: &mut Turn<'_, '_>) -> (usize, Result<Next, Error>) {
        match self {
            Self::Client(client) => turn.take(client.process_tls_records(incoming)),
            Self::Server(server) => turn.take(server.process_tls_records(incoming)),
        }
    }
}

impl Turn<'_, '_> {
    fn take<Data>(&mut self, status: UnbufferedStatus<'_, '_, Data>) -> (usize, Result<Next, Error>) {
        let mut discard = status.discard;
        let next = status.state.and_then(|state| match state {
            ConnectionState::ReadTraffic(mut traffic) => {
                while let Some(record) = traffic.next_record() {
                    let record = record?;
                    discard += record.discard;
                    self.read(record.payload);
                }
                Ok(Next::Again)
            }
            ConnectionState::EncodeTlsData(mut data) => {
                let outgoing = self.outgoing.get_or_insert_with(Buffer::take);
                let mut encoded = data.encode(outgoing.space());
                if let Err(EncodeError::InsufficientSize(needed)) = encoded {
                    outgoing.grow(needed.required_size);
                    encoded = data.encode(outgoing.space());
                }
                outgoing.fill(encoded.map_err(|error| Error::General(error.to_string()))?);
                Ok(Next::Again)
            }
            // They are as good as sent: nothing goes out before them.
            ConnectionState::TransmitTlsData(data) => {
                data.done();
                Ok(Next::Again)
            }
            ConnectionState::WriteTraffic(traffic) => self.write(traffic).map(|sealed| Next::Input { sealed }),
            ConnectionState::PeerClosed => Ok(Next::PeerClosed),
            // No early data is ever allowed.
            _ => Ok(Next::Input { sealed: 0 }),
        });
        (discard, next)
    }

    /// Gives plaintext to whoever wants it, and keeps the rest.
    fn read(&mut self, payload: &[u8]) {
        let fits = self.room.as_ref().map_or(0, |room| room.remaining().min(payload.len()));
        let (now, later) = payload.split_at(fits);
        if let Some(room) = &mut self.room {
            room.put_slice(now);
        }
        if !later.is_empty() {
            self.plaintext.get_or_insert_with(Buffer::take).extend(later);
        }
    }

    /// Seals as much as there is room for; returns how many bytes of plaintext that was.
    fn write<Data>(&mut self, mut traffic: WriteTraffic<'_, Data>) -> Result<usize, Error> {
        let room = self.outgoing.as_ref().map_or(Buffer::PLAINTEXT, Buffer::room_for_plaintext);
        let bytes = match self.send {
            Outbound::Bytes(bytes) if room > 0 => &bytes[..bytes.len().min(room)],
            Outbound::Bytes(_) | Outbound::Nothing => return Ok(0),
            Outbound::CloseNotify => &[],
        };
        let outgoing = self.outgoing.get_or_insert_with(Buffer::take);
        let sealed = if bytes.is_empty() {
            outgoing.grow(Buffer::ALERT);
            traffic.queue_close_notify(outgoing.space())
        } else {
            traffic.encrypt(bytes, outgoing.space())
        };
        outgoing.fill(sealed.map_err(|error| match error {
            EncryptError::EncryptExhausted => Error::EncryptError,
            EncryptError::InsufficientSize(_) => Error::General("a record is larger than its buffer".into()),
        })?);
        Ok(bytes.len())
    }
}
