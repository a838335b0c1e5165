//! Message framing.

use bytes::{Buf as _, BufMut as _, Bytes, BytesMut};
use http::HeaderMap;
use http_body_util::BodyExt as _;
use hyper::body::Body;

/// Maximum length of a message, in bytes; the default of gRPC's libraries.
const LONGEST: usize = 4 * 1024 * 1024;

/// Length of a frame's header: one byte of flags, four of length.
const HEAD: usize = 5;

pub(crate) fn frame(message: &[u8]) -> Bytes {
    let mut frame = BytesMut::with_capacity(HEAD + message.len());
    frame.put_u8(0);
    // Messages of more than 4 GiB do not occur.
    frame.put_u32(u32::try_from(message.len()).unwrap_or(u32::MAX));
    frame.put_slice(message);
    frame.freeze()
}

/// The messages of a body.
pub(crate) struct Messages<B> {
    body: B,
    buffer: BytesMut,
    bytes: u64,
    trailers: Option<HeaderMap>,
}

/// Why no further message can be read.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Broken<E> {
    #[error("a message is compressed, but no compression was negotiated")]
    Compressed,
    #[error("the body ends within a message")]
    CutShort,
    #[error("a message of {0} bytes is longer than {LONGEST}")]
    TooLong(usize),
    #[error("the stream broke")]
    Stream(E),
}

impl<B: Body<Data = Bytes> + Unpin> Messages<B> {
    pub(crate) fn new(body: B) -> Self {
        Self { body, buffer: BytesMut::new(), bytes: 0, trailers: None }
    }

    /// The next message; `None` at the end of the body.
    pub(crate) async fn next(&mut self) -> Result<Option<Bytes>, Broken<B::Error>> {
        loop {
            if let Some(message) = self.buffered()? {
                return Ok(Some(message));
            }
            match self.body.frame().await {
                Some(Ok(frame)) => match frame.into_data() {
                    Ok(data) => {
                        self.bytes += data.len() as u64;
                        self.buffer.extend_from_slice(&data);
                    }
                    Err(frame) => self.trailers = frame.into_trailers().ok(),
                },
                Some(Err(error)) => return Err(Broken::Stream(error)),
                None if self.buffer.is_empty() => return Ok(None),
                None => return Err(Broken::CutShort),
            }
        }
    }

    /// Length of the body so far, including framing, in bytes.
    pub(crate) fn bytes(&self) -> u64 {
        self.bytes
    }

    /// The trailers, once the end of the body was reached.
    pub(crate) fn trailers(&self) -> Option<&HeaderMap> {
        self.trailers.as_ref()
    }

    fn buffered(&mut self) -> Result<Option<Bytes>, Broken<B::Error>> {
        let Some((head, rest)) = self.buffer.split_first_chunk::<HEAD>() else { return Ok(None) };
        let [flags, length @ ..] = *head;
        let length = u32::from_be_bytes(length) as usize;
        if flags != 0 {
            return Err(Broken::Compressed);
        }
        if length > LONGEST {
            return Err(Broken::TooLong(length));
        }
        if rest.len() < length {
            return Ok(None);
        }
        self.buffer.advance(HEAD);
        Ok(Some(self.buffer.split_to(length).freeze()))
    }
}
