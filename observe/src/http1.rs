//! HTTP/1.1: requests and responses in the order in which they were sent.

use serde::Serialize;

use crate::opaque::{contains, escaped};
use crate::stream::Stream;

mod message;

use message::{Body, Head};

/// What an HTTP/1.1 connection carried.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Http1 {
    /// Requests with their responses, in order.
    pub exchanges: Vec<Exchange>,
    /// Responses that no request asked for, such as a 408 on an idle connection.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub unasked: Vec<Response>,
    /// Why the client's bytes could not be read to their end, when they could not.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub client_error: Option<String>,
    /// Why the server's bytes could not be read to their end, when they could not.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub server_error: Option<String>,
}

/// A request, and what answered it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Exchange {
    /// What was asked.
    pub request: Request,
    /// The statuses of interim responses (1xx other than 101).
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub interim: Vec<u16>,
    /// What was answered; `None` when nothing was.
    pub response: Option<Response>,
}

/// A request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Request {
    /// `GET`.
    pub method: String,
    /// The request target as written: `/path?query`, `host:port` or a whole URL.
    pub target: String,
    /// `HTTP/1.1` or `HTTP/1.0`.
    pub version: String,
    /// What all messages have.
    #[serde(flatten)]
    pub message: Message,
}

/// A response.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Response {
    /// `200`.
    pub status: u16,
    /// `OK`; may be empty.
    pub reason: String,
    /// `HTTP/1.1` or `HTTP/1.0`.
    pub version: String,
    /// What all messages have.
    #[serde(flatten)]
    pub message: Message,
}

/// What requests and responses have in common.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Message {
    /// The header fields in the order they were sent, names in lower case.
    pub headers: Vec<(String, String)>,
    /// Bytes of the body, without the framing of chunks.
    pub body_bytes: u64,
    /// The first of them, 1 KiB at most. In JSON as text, with what is not printable ASCII escaped as `\x00`.
    #[serde(serialize_with = "escaped", skip_serializing_if = "Vec::is_empty")]
    pub body_start: Vec<u8>,
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

    fn contains(&self, marker: &str) -> bool {
        self.headers.iter().any(|(_, value)| value.contains(marker)) || contains(&self.body_start, marker.as_bytes())
    }
}

impl Http1 {
    /// Whether `marker` stands in a target, a header's value or the kept start of a body.
    pub fn contains(&self, marker: &str) -> bool {
        self.exchanges.iter().any(|exchange| exchange.contains(marker))
    }

    /// The first exchange in which `marker` stands: see [`Exchange::contains`].
    pub fn find(&self, marker: &str) -> Option<&Exchange> {
        self.exchanges.iter().find(|exchange| exchange.contains(marker))
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

/// Whether a client that sent `bytes` speaks HTTP/1: they begin with a whole request line.
pub(crate) fn recognise(bytes: &[u8]) -> bool {
    let line = bytes.split(|&byte| byte == b'\n').next().unwrap_or_default();
    let Some(line) = line.strip_suffix(b"\r").or(Some(line)).filter(|_| line.len() < bytes.len()) else {
        return false;
    };
    let mut words = line.split(|&byte| byte == b' ');
    let method = words.next().unwrap_or_default();
    !method.is_empty()
        && method.iter().all(u8::is_ascii_uppercase)
        && words.next().is_some_and(|target| !target.is_empty())
        && matches!(words.next(), Some(b"HTTP/1.1" | b"HTTP/1.0"))
        && words.next().is_none()
}

/// The first line of `bytes` if it is an HTTP/1 status line: what a server that was sent TLS may answer.
pub(crate) fn status_line(bytes: &[u8]) -> Option<String> {
    let line = bytes.split(|&byte| byte == b'\n').next()?;
    line.starts_with(b"HTTP/1.").then(|| line.trim_ascii_end().escape_ascii().to_string())
}

/// Reads an HTTP/1 connection. The second value is what follows a switch of protocols (101, or an answered CONNECT).
pub(crate) fn open(client: &Stream, server: &Stream) -> (Http1, Option<(Stream, Stream)>) {
    let mut http1 = Http1::default();
    let mut requests = message::Reader::new(client);
    let mut responses = message::Reader::new(server);
    while let Some((Head::Request { method, target, version }, message)) =
        requests.next(Head::parse_request, Body::of_request)
    {
        let mut interim = Vec::new();
        let response = loop {
            match read_response(&mut responses, &method) {
                Some(response) if (100..200).contains(&response.status) && response.status != 101 => {
                    interim.push(response.status);
                }
                other => break other,
            }
        };
        let switched = response.as_ref().is_some_and(|response| {
            response.status == 101 || (method == "CONNECT" && (200..300).contains(&response.status))
        });
        let request = Request { method, target, version, message };
        http1.exchanges.push(Exchange { request, interim, response });
        if switched {
            return (http1, Some((requests.rest(), responses.rest())));
        }
    }
    while let Some(response) = read_response(&mut responses, "GET") {
        http1.unasked.push(response);
    }
    http1.client_error = requests.error;
    http1.server_error = responses.error;
    (http1, None)
}

fn read_response(responses: &mut message::Reader<'_>, method: &str) -> Option<Response> {
    let (head, message) =
        responses.next(Head::parse_response, |head, headers| Body::of_response(head, method, headers))?;
    match head {
        Head::Response { status, reason, version } => Some(Response { status, reason, version, message }),
        Head::Request { .. } => None,
    }
}

#[cfg(test)]
mod tests;
