//! Bodies, as they come in.

use bytes::{Buf as _, Bytes, BytesMut};

use super::{Fault, head::HeadEnd, trailers};
use crate::http::rejection::Rejection;

#[cfg(test)]
mod tests;

/// Takes a body out of the bytes of a connection.
#[derive(Clone, Debug)]
pub(super) struct Decoder(State);

#[derive(Clone, Debug)]
enum State {
    /// It is over, or there was none.
    Done,
    /// So many bytes more.
    Length(u64),
    Chunked(Chunk),
    /// All bytes to the end of the connection.
    UntilClose,
    /// All bytes, in another protocol: only the connection ends it.
    Raw,
}

/// Where in a chunked body it stands.
#[derive(Clone, Debug)]
enum Chunk {
    /// In the digits of a size; `None` before the first.
    Size(Option<u64>),
    /// Behind the digits, before the end of their line.
    Extension(u64),
    Data(u64),
    /// Behind the data, before the end of its line. Envoy takes anything for that.
    DataEnd,
    Trailers,
}

/// What came of some bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Decoded {
    /// A part of the body.
    Data(Bytes),
    /// Its end.
    End,
    /// More bytes have to come first.
    More,
}

impl Decoder {
    pub(super) fn none() -> Self {
        Self(State::Done)
    }

    pub(super) fn length(length: u64) -> Self {
        Self(if length == 0 { State::Done } else { State::Length(length) })
    }

    pub(super) fn chunked() -> Self {
        Self(State::Chunked(Chunk::Size(None)))
    }

    pub(super) fn until_close() -> Self {
        Self(State::UntilClose)
    }

    pub(super) fn raw() -> Self {
        Self(State::Raw)
    }

    /// Whether the body is over.
    pub(super) fn is_done(&self) -> bool {
        matches!(self.0, State::Done)
    }

    /// What the end of the connection means for a body that is not over.
    pub(super) fn cut(&self) -> Result<(), Fault> {
        match self.0 {
            State::Done | State::UntilClose => Ok(()),
            State::Raw => Err(Fault::Cut),
            State::Length(_) | State::Chunked(_) => Err(Fault::Malformed(Rejection::CODEC)),
        }
    }

    /// How many bytes are still to come, where that was announced.
    pub(super) fn exact_length(&self) -> Option<u64> {
        match self.0 {
            State::Done => Some(0),
            State::Length(length) => Some(length),
            State::Chunked(_) | State::UntilClose | State::Raw => None,
        }
    }

    /// Whether it is not HTTP's any more.
    pub(super) fn is_raw(&self) -> bool {
        matches!(self.0, State::Raw)
    }

    /// Takes the next part of the body out of `bytes`.
    ///
    /// # Errors
    /// When it is not well-formed.
    pub(super) fn decode(&mut self, bytes: &mut BytesMut) -> Result<Decoded, Rejection> {
        loop {
            match &mut self.0 {
                State::Done => return Ok(Decoded::End),
                _ if bytes.is_empty() => return Ok(Decoded::More),
                State::UntilClose | State::Raw => return Ok(Decoded::Data(bytes.split().freeze())),
                State::Length(rest) => {
                    let data = take(bytes, rest);
                    if *rest == 0 {
                        self.0 = State::Done;
                    }
                    return Ok(Decoded::Data(data));
                }
                State::Chunked(Chunk::Data(rest)) => {
                    let data = take(bytes, rest);
                    if *rest == 0 {
                        self.0 = State::Chunked(Chunk::DataEnd);
                    }
                    return Ok(Decoded::Data(data));
                }
                State::Chunked(chunk) => match chunk.step(bytes)? {
                    Step::Again => {}
                    Step::More => return Ok(Decoded::More),
                    Step::End => self.0 = State::Done,
                },
            }
        }
    }
}

enum Step {
    Again,
    More,
    End,
}

impl Chunk {
    /// Goes on with what is no data.
    fn step(&mut self, bytes: &mut BytesMut) -> Result<Step, Rejection> {
        match self {
            Self::Size(size) => {
                let byte = bytes[0];
                match (char::from(byte).to_digit(16), *size) {
                    (Some(digit), before) => {
                        let before = before.unwrap_or(0);
                        let wider = before.checked_mul(16).and_then(|size| size.checked_add(digit.into()));
                        *size = Some(wider.ok_or(Rejection::CODEC)?);
                        bytes.advance(1);
                    }
                    (None, Some(size)) if b"\t\n\r ;".contains(&byte) => *self = Self::Extension(size),
                    _ => return Err(Rejection::CODEC),
                }
            }
            // It may be of any length and any bytes, but CR and LF stand nowhere in it, and only together behind it.
            Self::Extension(size) => match bytes.iter().position(|byte| matches!(byte, b'\r' | b'\n')) {
                None => {
                    bytes.clear();
                    return Ok(Step::More);
                }
                Some(at) => match bytes[at..] {
                    [b'\r'] => {
                        bytes.advance(at);
                        return Ok(Step::More);
                    }
                    [b'\r', b'\n', ..] => {
                        bytes.advance(at + 2);
                        *self = if *size == 0 { Self::Trailers } else { Self::Data(*size) };
                    }
                    _ => return Err(Rejection::CODEC),
                },
            },
            Self::DataEnd => match bytes.iter().position(|byte| *byte == b'\n') {
                None => {
                    bytes.clear();
                    return Ok(Step::More);
                }
                Some(at) => {
                    bytes.advance(at + 1);
                    *self = Self::Size(None);
                }
            },
            // Not many, and so looked at from their begin each time.
            Self::Trailers => match trailers::skip(bytes, &mut HeadEnd::default())? {
                None => return Ok(Step::More),
                Some(length) => {
                    bytes.advance(length);
                    return Ok(Step::End);
                }
            },
            Self::Data(_) => {}
        }
        Ok(Step::Again)
    }
}

fn take(bytes: &mut BytesMut, rest: &mut u64) -> Bytes {
    let count = usize::try_from(*rest).unwrap_or(usize::MAX).min(bytes.len());
    *rest -= count as u64;
    bytes.split_to(count).freeze()
}
