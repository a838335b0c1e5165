//! Requests and responses, in any version of HTTP.

use schemars::JsonSchema;
use serde::Serialize;

use crate::opaque::{contains, escaped};
use crate::tls::Side;

/// How much of the start of a body is kept, in bytes.
const KEPT: usize = 1024;

/// Header or trailer fields in the order in which they were sent, with names in lower case.
pub(crate) type Fields = Vec<(String, String)>;

/// A request and its response.
#[derive(Clone, Debug, PartialEq, Eq, JsonSchema, Serialize)]
pub struct Exchange {
    /// The request.
    pub request: Request,
    /// Statuses of interim responses (1xx except 101).
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub interim: Vec<u16>,
    /// The final response; `None` if there was none.
    pub response: Option<Response>,
    /// Set if either side reset the stream (HTTP/2 only).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reset: Option<Reset>,
}

/// An HTTP/2 stream's RST_STREAM.
#[derive(Clone, Debug, PartialEq, Eq, JsonSchema, Serialize)]
pub struct Reset {
    /// The side that sent it first.
    pub by: Side,
    /// Name of its error code in RFC 9113, such as `CANCEL`.
    pub error: String,
}

/// A request's method, target and message.
#[derive(Clone, Debug, PartialEq, Eq, JsonSchema, Serialize)]
pub struct Request {
    /// Method, such as `GET`.
    pub method: String,
    /// Request target as sent: `/path?query`, `host:port` or an absolute URL; in HTTP/2 the `:path`.
    pub target: String,
    /// `HTTP/1.1`, `HTTP/1.0` or `HTTP/2`.
    pub version: String,
    /// Headers and body.
    #[serde(flatten)]
    pub message: Message,
}

/// A response's status and message.
#[derive(Clone, Debug, PartialEq, Eq, JsonSchema, Serialize)]
pub struct Response {
    /// Status code, such as 200.
    pub status: u16,
    /// Reason phrase, such as `OK`; may be empty, and always is in HTTP/2.
    pub reason: String,
    /// `HTTP/1.1`, `HTTP/1.0` or `HTTP/2`.
    pub version: String,
    /// Headers and body.
    #[serde(flatten)]
    pub message: Message,
}

/// Headers and body of a request or a response.
#[derive(Clone, Debug, PartialEq, Eq, JsonSchema, Serialize)]
pub struct Message {
    /// Header fields in the order in which they were sent, with names in lower case. In HTTP/2 includes `:authority` and `:scheme`.
    pub headers: Fields,
    /// Length of the body in bytes, without chunk framing.
    pub body_bytes: u64,
    /// Start of the body, at most 1 KiB. In JSON it is text, in which anything but printable ASCII is escaped as `\x00`.
    #[schemars(with = "String")]
    #[serde(serialize_with = "escaped", skip_serializing_if = "Vec::is_empty")]
    pub body_start: Vec<u8>,
    /// Trailer fields, likewise.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub trailers: Fields,
    /// Whether the whole message was captured.
    pub complete: bool,
    /// Time at which the whole head had been captured, in nanoseconds since the Unix epoch.
    pub at_ns: u64,
}

impl Message {
    /// Value of the first header field named `name` (case-insensitive).
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }

    /// A message whose head was complete at `at_ns`.
    pub(crate) fn new(headers: Fields, at_ns: u64) -> Self {
        Self { headers, body_bytes: 0, body_start: Vec::new(), trailers: Vec::new(), complete: false, at_ns }
    }

    /// Appends to the body.
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
    /// Whether the target, a header value or the kept start of a body contains `marker`.
    pub fn contains(&self, marker: &str) -> bool {
        self.request.target.contains(marker)
            || self.request.message.contains(marker)
            || self.response.as_ref().is_some_and(|response| response.message.contains(marker))
    }
}
