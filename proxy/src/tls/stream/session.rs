//! rustls' state machine for both sides, one step at a time.

use std::fmt;

use rustls::{
    CommonState, Error,
    client::UnbufferedClientConnection,
    server::UnbufferedServerConnection,
    unbuffered::{ConnectionState, EncodeError, EncryptError, UnbufferedStatus, WriteTraffic},
};
use tokio::io::ReadBuf;

use crate::buffer::Buffer;

/// A client or server session.
pub(super) enum Session {
    Client(UnbufferedClientConnection),
    Server(UnbufferedServerConnection),
}

/// Inputs and outputs of a step.
pub(super) struct Turn<'a, 'b> {
    /// The reader's buffer for plaintext, if there is a reader.
    pub(super) room: Option<&'a mut ReadBuf<'b>>,
    /// The buffer for plaintext otherwise.
    pub(super) plaintext: &'a mut Option<Buffer>,
    /// Buffer for records to send.
    pub(super) outgoing: &'a mut Option<Buffer>,
    /// Data to encrypt.
    pub(super) send: Outbound<'a>,
}

/// Data to encrypt as soon as possible.
#[derive(Clone, Copy)]
pub(super) enum Outbound<'a> {
    Nothing,
    /// As much as possible of this data.
    Bytes(&'a [u8]),
    CloseNotify,
}

/// What to do after a step.
pub(super) enum Next {
    /// Take another step.
    Again,
    /// Take another step; the peer has sent its `close_notify`.
    PeerClosed,
    /// Wait for more bytes.
    Input {
        /// How much plaintext was encrypted, in bytes.
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

    /// Processes received bytes. Returns how many of them can be discarded.
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
            // The caller sends them before anything else.
            ConnectionState::TransmitTlsData(data) => {
                data.done();
                Ok(Next::Again)
            }
            ConnectionState::WriteTraffic(traffic) => self.write(traffic).map(|sealed| Next::Input { sealed }),
            ConnectionState::PeerClosed => Ok(Next::PeerClosed),
            // Early data is never enabled.
            _ => Ok(Next::Input { sealed: 0 }),
        });
        (discard, next)
    }

    /// Copies plaintext to the reader's buffer, and the rest to the other one.
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

    /// Encrypts as much as there is space for. Returns how much plaintext that was, in bytes.
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
