//! HTTP/1.1: requests and responses in order.

use schemars::JsonSchema;
use serde::Serialize;

use crate::http::{Exchange, Request, Response};
use crate::stream::Stream;

mod message;

use message::{Body, Head};

/// The contents of an HTTP/1.1 connection.
#[derive(Clone, Debug, Default, PartialEq, Eq, JsonSchema, Serialize)]
pub struct Http1 {
    /// Requests with their responses, in order.
    pub exchanges: Vec<Exchange>,
    /// Responses without a request, such as a 408 on an idle connection.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub unasked: Vec<Response>,
    /// Why parsing the client's bytes stopped early, if it did.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub client_error: Option<String>,
    /// Why parsing the server's bytes stopped early, if it did.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub server_error: Option<String>,
}

/// Whether a client that sent `bytes` speaks HTTP/1: they start with a complete request line.
pub(crate) fn recognize(bytes: &[u8]) -> bool {
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

/// The first line of `bytes` if it is an HTTP/1 status line, with which a server may answer TLS.
pub(crate) fn status_line(bytes: &[u8]) -> Option<String> {
    let line = bytes.split(|&byte| byte == b'\n').next()?;
    line.starts_with(b"HTTP/1.").then(|| line.trim_ascii_end().escape_ascii().to_string())
}

/// Parses an HTTP/1 connection. The second value is what follows a switch of protocols (101, or a successful CONNECT).
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
        http1.exchanges.push(Exchange { request, interim, response, reset: None });
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
