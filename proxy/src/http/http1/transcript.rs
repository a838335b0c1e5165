//! What the codec reads from bytes, without a connection: for crate `fuzz`.

use bytes::{Buf as _, BytesMut};

use super::{
    decode::{Decoded, Decoder},
    head::HeadEnd,
    request,
    response::{self, Asked},
};
use crate::http::rejection::Rejection;

/// A part of a connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// The head of a message, as parsed.
    Head(String),
    /// Consecutive parts of a body.
    Body(Vec<u8>),
    /// The end of a message.
    End,
    /// The rest was rejected, with these details.
    Rejected(&'static str),
}

/// The requests on a connection whose bytes arrive in these pieces.
pub fn requests(pieces: &[&[u8]]) -> Vec<Event> {
    read(pieces, |bytes, end| {
        let found = request::read(bytes, end)?;
        Ok(found.map(|(request, length)| (format!("{request:?}"), request.body, length)))
    })
}

/// The responses to GET on a connection whose bytes arrive in these pieces.
pub fn responses(pieces: &[&[u8]]) -> Vec<Event> {
    read(pieces, |bytes, end| {
        let found = response::read(bytes, end, Asked { head: false, upgrade: false })?;
        Ok(found.map(|(response, length)| (format!("{response:?}"), response.body, length)))
    })
}

/// Reads the head of a message: its text, the decoder of its body, and its length in bytes.
type ReadHead = fn(&[u8], &mut HeadEnd) -> Result<Option<(String, Decoder, usize)>, Rejection>;

fn read(pieces: &[&[u8]], head: ReadHead) -> Vec<Event> {
    let mut events = Vec::new();
    let mut bytes = BytesMut::new();
    let (mut end, mut body) = (HeadEnd::default(), None);
    for piece in pieces {
        bytes.extend_from_slice(piece);
        loop {
            match step(&mut bytes, &mut end, &mut body, head) {
                Ok(None) => break,
                Ok(Some(event)) => push(&mut events, event),
                Err(rejection) => {
                    events.push(Event::Rejected(rejection.details));
                    return events;
                }
            }
        }
    }
    events
}

/// The next event; `None` if more bytes are needed.
fn step(
    bytes: &mut BytesMut,
    end: &mut HeadEnd,
    body: &mut Option<Decoder>,
    head: ReadHead,
) -> Result<Option<Event>, Rejection> {
    let Some(decoder) = body else {
        let Some((text, decoder, length)) = head(bytes, end)? else { return Ok(None) };
        bytes.advance(length);
        *end = HeadEnd::default();
        *body = Some(decoder);
        return Ok(Some(Event::Head(text)));
    };
    Ok(match decoder.decode(bytes)? {
        Decoded::More => None,
        Decoded::Data(data) => Some(Event::Body(data.to_vec())),
        Decoded::End => {
            *body = None;
            Some(Event::End)
        }
    })
}

fn push(events: &mut Vec<Event>, event: Event) {
    match (events.last_mut(), event) {
        (Some(Event::Body(before)), Event::Body(more)) => before.extend(more),
        (_, event) => events.push(event),
    }
}
