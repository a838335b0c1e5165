//! What the versions of HTTP have in common: requests, and what answers them.

use schemars::JsonSchema;
use serde::Serialize;

use crate::opaque::{contains, escaped};
use crate::tls::Side;

/// How much of the start of a body is kept, in bytes.
const KEPT: usize = 1024;

/// The fields of a header or a trailer in the order they were sent, names in lower case.
pub(crate) type Fields = Vec<(String, String)>;

/// A request, and what answered it.
#[derive(Clone, Debug, PartialEq, Eq, JsonSchema, Serialize)]
pub struct Exchange {
    /// What was asked.
    pub request: Request,
    /// The statuses of interim responses (1xx other than 101).
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub interim: Vec<u16>,
    /// What was answered; `None` when nothing was.
    pub response: Option<Response>,
    /// Set when one side reset the stream (HTTP/2 only).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reset: Option<Reset>,
}

/// The end of an HTTP/2 stream by RST_STREAM.
#[derive(Clone, Debug, PartialEq, Eq, JsonSchema, Serialize)]
pub struct Reset {
    /// Who sent it first.
    pub by: Side,
    /// Its error code by the name of RFC 9113: `CANCEL`.
    pub error: String,
}

/// A request.
#[derive(Clone, Debug, PartialEq, Eq, JsonSchema, Serialize)]
pub struct Request {
    /// `GET`.
    pub method: String,
    /// The request target as written: `/path?query`, `host:port` or a whole URL. In HTTP/2 the `:path`.
    pub target: String,
    /// `HTTP/1.1`, `HTTP/1.0` or `HTTP/2`.
    pub version: String,
    /// What all messages have.
    #[serde(flatten)]
    pub message: Message,
}

/// A response.
#[derive(Clone, Debug, PartialEq, Eq, JsonSchema, Serialize)]
pub struct Response {
    /// `200`.
    pub status: u16,
    /// `OK`; may be empty, and is in HTTP/2.
    pub reason: String,
    /// `HTTP/1.1`, `HTTP/1.0` or `HTTP/2`.
    pub version: String,
    /// What all messages have.
    #[serde(flatten)]
    pub message: Message,
}

/// What requests and responses have in common.
#[derive(Clone, Debug, PartialEq, Eq, JsonSchema, Serialize)]
pub struct Message {
    /// The header fields in the order they were sent, names in lower case. In HTTP/2 with `:authority` and `:scheme`.
    pub headers: Fields,
    /// Bytes of the body, without the framing of chunks.
    pub body_bytes: u64,
    /// The first of them, 1 KiB at most. In JSON as text, with what is not printable ASCII escaped as `\x00`.
    #[schemars(with = "String")]
    #[serde(serialize_with = "escaped", skip_serializing_if = "Vec::is_empty")]
    pub body_start: Vec<u8>,
    /// The trailer fields, likewise.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub trailers: Fields,
    /// Whether all of the message was captured.
    pub complete: bool,
    /// When the head of the message had been captured, in nanoseconds since the Unix epoch.
    pub at_ns: u64,
}

impl Message {
    /// The value of the first header field called `name`, in any case.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }

    /// A message of which the head was complete at `at_ns`.
    pub(crate) fn new(headers: Fields, at_ns: u64) -> Self {
        Self { headers, body_bytes: 0, body_start: Vec::new(), trailers: Vec::new(), complete: false, at_ns }
    }

    /// Adds bytes of the body.
    pub(crate) fn push_body(&mut self, bytes: &[u8]) {
        let kept = (KEPT - self.body_start.len()).min(bytes.len());
        self.body_start.extend_from_slice(&bytes[..kept]);
        self.body_bytes += bytes.len() as u64;
    }

    fn contains(&self, marker: &str) -> bool {
        self.headers.iter().any(|(_, value)| value.contains(marker)) || contains(&self.body_start, marker.as_bytes())
    }
}

impl Exchange {
    /// Whether `marker` stands in the target, a header's value or the kept start of a body.
    pub fn contains(&self, marker: &str) -> bool {
        self.request.target.contains(marker)
            || self.request.message.contains(marker)
            || self.response.as_ref().is_some_and(|response| response.message.contains(marker))
    }
}
