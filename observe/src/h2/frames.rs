//! The frames of one direction (RFC 9113, sections 4 and 6).

use loona_hpack::Decoder;

use crate::http::Fields;
use crate::stream::Stream;

/// Length of a frame header, in bytes.
const HEADER: usize = 9;

const DATA: u8 = 0;
const HEADERS: u8 = 1;
const RST_STREAM: u8 = 3;
const PUSH_PROMISE: u8 = 5;
const GOAWAY: u8 = 7;
const CONTINUATION: u8 = 9;

const END_STREAM: u8 = 0x01;
const END_HEADERS: u8 = 0x04;
const PADDED: u8 = 0x08;
const PRIORITY: u8 = 0x20;

/// A parsed frame (or a HEADERS frame with its CONTINUATIONs).
pub(super) enum Event<'a> {
    Headers { fields: Fields, end: bool },
    Data { bytes: &'a [u8], end: bool },
    Reset { error: String },
    GoAway { error: String },
}

/// Iterates over the frames that a report needs, each with its stream id and time.
pub(super) struct Frames<'a> {
    stream: &'a Stream,
    at: usize,
    decoder: Decoder<'static>,
    /// The field block that CONTINUATION frames complete: its stream, whether it is a PUSH_PROMISE (decoded only for the HPACK
    /// state), whether it has END_STREAM, and its bytes.
    block: Option<Block>,
    /// Why parsing stopped before the end of the stream.
    pub(super) error: Option<String>,
}

struct Block {
    stream: u32,
    promise: bool,
    end: bool,
    bytes: Vec<u8>,
}

/// A frame on the wire.
struct Frame<'a> {
    kind: u8,
    flags: u8,
    stream: u32,
    payload: &'a [u8],
}

impl<'a> Frames<'a> {
    /// Parses frames starting at byte `at` of `stream`.
    pub(super) fn new(stream: &'a Stream, at: usize) -> Self {
        Self { stream, at, decoder: Decoder::new(), block: None, error: None }
    }

    fn frame(&mut self) -> Option<Frame<'a>> {
        let rest = self.stream.bytes.get(self.at..)?;
        let whole = rest.split_first_chunk::<HEADER>().and_then(|(header, rest)| {
            let &[a, b, c, kind, flags, d, e, f, g] = header;
            let len = usize::from(a) << 16 | usize::from(b) << 8 | usize::from(c);
            // The highest bit of the stream id is reserved.
            let stream = u32::from_be_bytes([d & 0x7f, e, f, g]);
            Some(Frame { kind, flags, stream, payload: rest.get(..len)? })
        });
        if let Some(frame) = &whole {
            self.at += HEADER + frame.payload.len();
        } else if !rest.is_empty() {
            let why = self.stream.cut.as_deref().unwrap_or("the connection ended");
            self.error = Some(format!("{} bytes of an incomplete frame, then {why}", rest.len()));
        }
        whole
    }

    /// Parses a frame; `None` if a report does not need it, or a CONTINUATION completes it.
    fn read(&mut self, frame: &Frame<'a>) -> Result<Option<Event<'a>>, String> {
        let end = frame.flags & END_STREAM != 0;
        match frame.kind {
            DATA => Ok(Some(Event::Data { bytes: unpadded(frame)?, end })),
            HEADERS | PUSH_PROMISE => {
                let promise = frame.kind == PUSH_PROMISE;
                // A dependency and weight, or a promised stream id, precede the fields.
                let skip = match promise {
                    true => 4,
                    false if frame.flags & PRIORITY != 0 => 5,
                    false => 0,
                };
                let fields = unpadded(frame)?.get(skip..).ok_or("a frame too short for what its flags say")?;
                self.block = Some(Block { stream: frame.stream, promise, end, bytes: fields.to_vec() });
                self.end_block(frame)
            }
            CONTINUATION => match &mut self.block {
                Some(block) if block.stream == frame.stream => {
                    block.bytes.extend_from_slice(frame.payload);
                    self.end_block(frame)
                }
                _ => Err("a CONTINUATION without a preceding HEADERS".to_owned()),
            },
            RST_STREAM => Ok(Some(Event::Reset { error: error_name(frame.payload) })),
            GOAWAY => Ok(Some(Event::GoAway { error: error_name(frame.payload.get(4..).unwrap_or_default()) })),
            _ => Ok(None),
        }
    }

    /// Decodes the field block if `frame` is the last of it.
    fn end_block(&mut self, frame: &Frame<'_>) -> Result<Option<Event<'a>>, String> {
        let Some(block) = self.block.take_if(|_| frame.flags & END_HEADERS != 0) else {
            return Ok(None);
        };
        let mut fields = Fields::new();
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        self.decoder
            .decode_with_cb(&block.bytes, |name, value| fields.push((text(&name), text(&value))))
            .map_err(|error| format!("invalid HPACK: {error}"))?;
        Ok((!block.promise).then_some(Event::Headers { fields, end: block.end }))
    }
}

impl<'a> Iterator for Frames<'a> {
    type Item = (u32, u64, Event<'a>);

    fn next(&mut self) -> Option<Self::Item> {
        while self.error.is_none() {
            let begin = self.at;
            let frame = self.frame()?;
            match self.read(&frame) {
                Ok(Some(event)) => return Some((frame.stream, self.stream.complete_at(self.at), event)),
                Ok(None) => {}
                // Later field blocks depend on the one that could not be decoded.
                Err(error) => self.error = Some(format!("at byte {begin}: {error}")),
            }
        }
        None
    }
}

/// A frame's payload without its padding.
fn unpadded<'a>(frame: &Frame<'a>) -> Result<&'a [u8], String> {
    if frame.flags & PADDED == 0 {
        return Ok(frame.payload);
    }
    frame
        .payload
        .split_first()
        .and_then(|(&padding, rest)| rest.get(..rest.len().checked_sub(usize::from(padding))?))
        .ok_or_else(|| "a frame with more padding than payload".to_owned())
}

/// Name of the error code at the start of `bytes` (RFC 9113, section 7).
fn error_name(bytes: &[u8]) -> String {
    const NAMES: [&str; 14] = [
        "NO_ERROR",
        "PROTOCOL_ERROR",
        "INTERNAL_ERROR",
        "FLOW_CONTROL_ERROR",
        "SETTINGS_TIMEOUT",
        "STREAM_CLOSED",
        "FRAME_SIZE_ERROR",
        "REFUSED_STREAM",
        "CANCEL",
        "COMPRESSION_ERROR",
        "CONNECT_ERROR",
        "ENHANCE_YOUR_CALM",
        "INADEQUATE_SECURITY",
        "HTTP_1_1_REQUIRED",
    ];
    let Some(code) = bytes.first_chunk::<4>().map(|code| u32::from_be_bytes(*code)) else {
        return "no code".to_owned();
    };
    usize::try_from(code)
        .ok()
        .and_then(|code| NAMES.get(code))
        .map_or_else(|| format!("{code:#x}"), |&name| name.to_owned())
}
