//! HTTP/2 (RFC 9113): requests and responses of each stream.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Serialize;

use crate::http::{Exchange, Fields, Message, Request, Reset, Response};
use crate::http1;
use crate::stream::Stream;
use crate::tls::Side;

mod frames;

use frames::{Event, Frames};

/// The connection preface of a client (RFC 9113, section 3.4).
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// The contents of an HTTP/2 connection.
#[derive(Clone, Debug, Default, PartialEq, Eq, JsonSchema, Serialize)]
pub struct H2 {
    /// Requests with their responses, in the order of stream ids.
    pub exchanges: Vec<Exchange>,
    /// Responses without a captured request: after an upgrade from HTTP/1.1, the response to the request that upgraded.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub unasked: Vec<Response>,
    /// GOAWAY frames of either side.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub goaways: Vec<GoAway>,
    /// Why parsing the client's bytes stopped early, if it did.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub client_error: Option<String>,
    /// Why parsing the server's bytes stopped early, if it did.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub server_error: Option<String>,
}

/// A GOAWAY frame.
#[derive(Clone, Debug, PartialEq, Eq, JsonSchema, Serialize)]
pub struct GoAway {
    /// The sender.
    pub by: Side,
    /// Name of its error code in RFC 9113, such as `NO_ERROR`.
    pub error: String,
}

/// A stream, while its frames are collected.
#[derive(Default)]
struct Talk {
    request: Option<Request>,
    interim: Vec<u16>,
    response: Option<Response>,
    reset: Option<(u64, Reset)>,
}

/// Whether `bytes` of a client start with the HTTP/2 preface.
pub(crate) fn recognize(bytes: &[u8]) -> bool {
    bytes.starts_with(PREFACE)
}

/// Parses an HTTP/2 connection.
pub(crate) fn open(client: &Stream, server: &Stream) -> H2 {
    let mut h2 = H2::default();
    let mut talks: BTreeMap<u32, Talk> = BTreeMap::new();
    let mut asked = Frames::new(client, PREFACE.len());
    let mut answered = Frames::new(server, 0);
    for (side, frames) in [(Side::Client, &mut asked), (Side::Server, &mut answered)] {
        for (stream, at_ns, event) in frames {
            match event {
                Event::GoAway { error } => h2.goaways.push(GoAway { by: side, error }),
                Event::Reset { error } => talks.entry(stream).or_default().reset(at_ns, Reset { by: side, error }),
                Event::Headers { fields, end } => talks.entry(stream).or_default().head(side, fields, end, at_ns),
                Event::Data { bytes, end } => talks.entry(stream).or_default().body(side, bytes, end),
            }
        }
    }
    h2.client_error = asked.error;
    h2.server_error = match http1::status_line(&server.bytes) {
        Some(line) => Some(format!("answered in HTTP/1: {line}")),
        None => answered.error,
    };
    for talk in talks.into_values() {
        let Talk { request, interim, response, reset } = talk;
        match request {
            Some(request) => {
                h2.exchanges.push(Exchange { request, interim, response, reset: reset.map(|(_, reset)| reset) });
            }
            None => h2.unasked.extend(response),
        }
    }
    h2
}

impl Talk {
    fn message(&mut self, side: Side) -> Option<&mut Message> {
        match side {
            Side::Client => self.request.as_mut().map(|request| &mut request.message),
            Side::Server => self.response.as_mut().map(|response| &mut response.message),
        }
    }

    /// Adds a field block: headers, or trailers if there are headers already.
    fn head(&mut self, side: Side, mut fields: Fields, end: bool, at_ns: u64) {
        if let Some(message) = self.message(side) {
            message.trailers = fields;
            message.complete = end;
            return;
        }
        let mut pseudo = |name| {
            let at = fields.iter().position(|(key, _)| key == name)?;
            Some(fields.remove(at).1)
        };
        let version = "HTTP/2".to_owned();
        match side {
            Side::Client => {
                let method = pseudo(":method").unwrap_or_default();
                let target = pseudo(":path").unwrap_or_default();
                let message = Message { complete: end, ..Message::new(fields, at_ns) };
                self.request = Some(Request { method, target, version, message });
            }
            Side::Server => {
                let status = pseudo(":status").and_then(|status| status.parse().ok()).unwrap_or_default();
                if (100..200).contains(&status) {
                    self.interim.push(status);
                    return;
                }
                let message = Message { complete: end, ..Message::new(fields, at_ns) };
                self.response = Some(Response { status, reason: String::new(), version, message });
            }
        }
    }

    fn body(&mut self, side: Side, bytes: &[u8], end: bool) {
        if let Some(message) = self.message(side) {
            message.push_body(bytes);
            message.complete = end;
        }
    }

    fn reset(&mut self, at_ns: u64, reset: Reset) {
        if self.reset.as_ref().is_none_or(|&(before, _)| at_ns < before) {
            self.reset = Some((at_ns, reset));
        }
    }
}

#[cfg(test)]
mod tests;
