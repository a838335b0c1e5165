//! Parsing heads and bodies of HTTP/1 messages.

use httparse::Status;

use crate::http::{Fields, Message};
use crate::stream::{End, Stream};
use crate::tls;

/// Maximum number of header fields. A message with more is an error.
const MAX_HEADERS: usize = 128;

/// The start line of a message.
pub(super) enum Head {
    Request { method: String, target: String, version: String },
    Response { status: u16, reason: String, version: String },
}

/// A parsed head and its length in bytes; `None` if it is incomplete.
type Parsed = Result<Option<(Head, Fields, usize)>, httparse::Error>;

impl Head {
    pub(super) fn parse_request(bytes: &[u8]) -> Parsed {
        let mut fields = [httparse::EMPTY_HEADER; MAX_HEADERS];
        let mut request = httparse::Request::new(&mut fields);
        let Status::Complete(len) = request.parse(bytes)? else {
            return Ok(None);
        };
        let head = Self::Request {
            method: request.method.unwrap_or_default().to_owned(),
            target: request.path.unwrap_or_default().to_owned(),
            version: version(request.version),
        };
        Ok(Some((head, headers(request.headers), len)))
    }

    pub(super) fn parse_response(bytes: &[u8]) -> Parsed {
        let mut fields = [httparse::EMPTY_HEADER; MAX_HEADERS];
        let mut response = httparse::Response::new(&mut fields);
        let Status::Complete(len) = response.parse(bytes)? else {
            return Ok(None);
        };
        let head = Self::Response {
            status: response.code.unwrap_or_default(),
            reason: response.reason.unwrap_or_default().to_owned(),
            version: version(response.version),
        };
        Ok(Some((head, headers(response.headers), len)))
    }
}

fn version(minor: Option<u8>) -> String {
    format!("HTTP/1.{}", minor.unwrap_or_default())
}

fn headers(fields: &[httparse::Header<'_>]) -> Fields {
    fields
        .iter()
        .map(|field| (field.name.to_ascii_lowercase(), String::from_utf8_lossy(field.value).into_owned()))
        .collect()
}

/// How the length of a body is determined (RFC 9112, section 6.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Body {
    None,
    Length(u64),
    Chunked,
    UntilClose,
}

impl Body {
    pub(super) fn of_request(_head: &Head, headers: &Fields) -> Self {
        Self::framed(headers).unwrap_or(Self::None)
    }

    pub(super) fn of_response(head: &Head, method: &str, headers: &Fields) -> Self {
        let Head::Response { status, .. } = head else {
            return Self::None;
        };
        let never = matches!(status, 100..200 | 204 | 304) || method == "HEAD";
        if never || (method == "CONNECT" && (200..300).contains(status)) {
            return Self::None;
        }
        Self::framed(headers).unwrap_or(Self::UntilClose)
    }

    fn framed(headers: &Fields) -> Option<Self> {
        let value = |name| headers.iter().rfind(|(key, _)| key == name).map(|(_, value)| value);
        if value("transfer-encoding").is_some_and(|value| value.to_ascii_lowercase().trim().ends_with("chunked")) {
            return Some(Self::Chunked);
        }
        value("content-length")?.trim().parse().ok().map(Self::Length)
    }
}

/// Parses successive messages of a stream.
pub(super) struct Reader<'a> {
    stream: &'a Stream,
    at: usize,
    /// Why parsing stopped before the end of the stream.
    pub(super) error: Option<String>,
}

impl<'a> Reader<'a> {
    pub(super) fn new(stream: &'a Stream) -> Self {
        Self { stream, at: 0, error: None }
    }

    /// The unparsed rest of the stream.
    pub(super) fn rest(&self) -> Stream {
        self.stream.tail(self.at)
    }

    /// The next message, or `None` if there is no complete head; if bytes are left, `error` says why.
    pub(super) fn next(
        &mut self,
        parse: impl Fn(&[u8]) -> Parsed,
        framing: impl Fn(&Head, &Fields) -> Body,
    ) -> Option<(Head, Message)> {
        let rest = &self.stream.bytes[self.at..];
        if self.error.is_some() || rest.is_empty() {
            return None;
        }
        let (head, headers, len) = match parse(rest) {
            Ok(Some(parsed)) => parsed,
            Ok(None) => {
                let why = self.stream.cut.as_deref().unwrap_or("the connection ended");
                self.error = Some(format!("{} bytes of an incomplete head, then {why}", rest.len()));
                return None;
            }
            Err(error) => {
                let start =
                    tls::describe(rest).unwrap_or_else(|| format!("\"{}\"", rest[..rest.len().min(16)].escape_ascii()));
                self.error = Some(format!("not HTTP/1 at byte {}: {error}; it starts with {start}", self.at));
                return None;
            }
        };
        let body = framing(&head, &headers);
        self.at += len;
        let at_ns = self.stream.complete_at(self.at);
        let mut message = Message::new(headers, at_ns);
        self.read_body(body, &mut message);
        if !message.complete {
            // The rest of the stream cannot be parsed as messages.
            self.at = self.stream.bytes.len();
        }
        Some((head, message))
    }

    fn read_body(&mut self, body: Body, message: &mut Message) {
        match body {
            Body::None => message.complete = true,
            Body::Length(len) => message.complete = self.take(len, message),
            Body::UntilClose => {
                self.take(u64::MAX, message);
                message.complete = self.stream.end == End::Fin && self.stream.cut.is_none();
            }
            Body::Chunked => message.complete = self.read_chunks(message),
        }
    }

    /// Appends up to `len` bytes to the body. Returns whether all were there.
    fn take(&mut self, len: u64, message: &mut Message) -> bool {
        let rest = &self.stream.bytes[self.at..];
        let taken = usize::try_from(len).unwrap_or(usize::MAX).min(rest.len());
        message.push_body(&rest[..taken]);
        self.at += taken;
        taken as u64 == len
    }

    /// Parses chunks and trailers. Returns whether they were complete.
    fn read_chunks(&mut self, message: &mut Message) -> bool {
        loop {
            match httparse::parse_chunk_size(&self.stream.bytes[self.at..]) {
                Ok(Status::Complete((line, len))) => {
                    self.at += line;
                    if len == 0 {
                        return self.read_trailers(message);
                    }
                    if !self.take(len, message) || !self.skip_line_end() {
                        return false;
                    }
                }
                Ok(Status::Partial) => {
                    self.at = self.stream.bytes.len();
                    return false;
                }
                Err(_) => {
                    self.error = Some(format!("no valid chunk size at byte {}", self.at));
                    return false;
                }
            }
        }
    }

    fn skip_line_end(&mut self) -> bool {
        let rest = &self.stream.bytes[self.at..];
        let there = rest.starts_with(b"\r\n");
        if there {
            self.at += 2;
        } else if !b"\r\n".starts_with(rest) {
            self.error = Some(format!("the chunk that ends at byte {} is longer than its size", self.at));
        }
        there
    }

    /// Parses the fields after the last chunk. Returns whether they were complete.
    fn read_trailers(&mut self, message: &mut Message) -> bool {
        let mut fields = [httparse::EMPTY_HEADER; MAX_HEADERS];
        match httparse::parse_headers(&self.stream.bytes[self.at..], &mut fields) {
            Ok(Status::Complete((len, fields))) => {
                message.trailers = headers(fields);
                self.at += len;
                true
            }
            Ok(Status::Partial) => false,
            Err(error) => {
                self.error = Some(format!("the trailer at byte {} does not parse: {error}", self.at));
                false
            }
        }
    }
}
