//! What the proxy answers itself, in the form that gRPC clients read: `200` with a status of gRPC in its headers.

use std::fmt::Write as _;

use envoy_rules::grpc::GrpcStatus;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};

use super::headers;

const GRPC_STATUS: HeaderName = HeaderName::from_static("grpc-status");
const GRPC_MESSAGE: HeaderName = HeaderName::from_static("grpc-message");

/// Whether a request is one of gRPC, by its `content-type`.
pub(super) fn is_grpc(headers: &HeaderMap) -> bool {
    let content_type = headers.get(header::CONTENT_TYPE).map(HeaderValue::as_bytes);
    let rest = content_type.and_then(|content_type| content_type.strip_prefix(b"application/grpc"));
    rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(b"+"))
}

/// The headers that say in gRPC what a status and a body say in HTTP.
pub(super) fn reply_headers(status: StatusCode, body: &str) -> HeaderMap {
    let mut headers = HeaderMap::new();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/grpc"));
    headers.insert(GRPC_STATUS, u16::from(GrpcStatus::of_http(status.as_u16()).code()).into());
    if !body.is_empty() {
        headers.insert(GRPC_MESSAGE, headers::text(&percent_encoded(body)));
    }
    headers
}

/// A message as `grpc-message` carries it: percent signs and what is no printable ASCII by their bytes' numbers.
fn percent_encoded(message: &str) -> String {
    message.bytes().fold(String::with_capacity(message.len()), |mut text, byte| {
        if (b' '..=b'~').contains(&byte) && byte != b'%' {
            text.push(char::from(byte));
        } else {
            let _ = write!(text, "%{byte:02X}");
        }
        text
    })
}

#[cfg(test)]
mod tests;
