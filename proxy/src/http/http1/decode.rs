//! Decoding bodies.

use bytes::{Buf as _, Bytes, BytesMut};

use super::{Fault, head::HeadEnd, trailers};
use crate::http::rejection::Rejection;

#[cfg(test)]
mod tests;

/// Extracts a body from the bytes of a connection.
#[derive(Clone, Debug)]
pub(super) struct Decoder(State);

#[derive(Clone, Debug)]
enum State {
    /// The body is complete, or there is none.
    Done,
    /// The number of bytes that are still to come.
    Length(u64),
    Chunked(Chunk),
    /// All bytes until the end of the connection.
    UntilClose,
    /// All bytes, in another protocol, until the end of the connection.
    Raw,
}

/// The position in a chunked body.
#[derive(Clone, Debug)]
enum Chunk {
    /// In the digits of a size; `None` before the first.
    Size(Option<u64>),
    /// After the digits, before the end of the line.
    Extension(u64),
    Data(u64),
    /// After the data, before the end of the line. Like Envoy, accepts any bytes there.
    DataEnd,
    Trailers,
}

/// The result of decoding.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Decoded {
    /// A part of the body.
    Data(Bytes),
    /// The end of the body.
    End,
    /// More bytes are needed.
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

    /// Whether the body is complete.
    pub(super) fn is_done(&self) -> bool {
        matches!(self.0, State::Done)
    }

    /// Whether the body may end with the connection.
    pub(super) fn cut(&self) -> Result<(), Fault> {
        match self.0 {
            State::Done | State::UntilClose => Ok(()),
            State::Raw => Err(Fault::Cut),
            State::Length(_) | State::Chunked(_) => Err(Fault::Malformed(Rejection::CODEC)),
        }
    }

    /// The number of bytes that are still to come, if it was announced.
    pub(super) fn exact_length(&self) -> Option<u64> {
        match self.0 {
            State::Done => Some(0),
            State::Length(length) => Some(length),
            State::Chunked(_) | State::UntilClose | State::Raw => None,
        }
    }

    /// Whether the bytes are in another protocol.
    pub(super) fn is_raw(&self) -> bool {
        matches!(self.0, State::Raw)
    }

    /// Decodes the next part of the body, and removes it from `bytes`.
    ///
    /// # Errors
    /// If the body is malformed.
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
    /// Parses anything but data.
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
            // An extension may have any length and contain any bytes except CR and LF, which must follow it together.
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
            // Trailers are short, so they are scanned from the start each time.
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
