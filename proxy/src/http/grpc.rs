//! Local replies for gRPC clients: status `200`, with a gRPC status in the headers.

use std::fmt::Write as _;

use envoy_rules::grpc::GrpcStatus;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};

use super::headers;

const GRPC_STATUS: HeaderName = HeaderName::from_static("grpc-status");
const GRPC_MESSAGE: HeaderName = HeaderName::from_static("grpc-message");

/// Whether a request is gRPC, by its `content-type`.
pub(super) fn is_grpc(headers: &HeaderMap) -> bool {
    let content_type = headers.get(header::CONTENT_TYPE).map(HeaderValue::as_bytes);
    let rest = content_type.and_then(|content_type| content_type.strip_prefix(b"application/grpc"));
    rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(b"+"))
}

/// The gRPC headers for an HTTP status and body.
pub(super) fn reply_headers(status: StatusCode, body: &str) -> HeaderMap {
    let mut headers = HeaderMap::new();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/grpc"));
    headers.insert(GRPC_STATUS, u16::from(GrpcStatus::from_http(status.as_u16()).code()).into());
    if !body.is_empty() {
        headers.insert(GRPC_MESSAGE, headers::text(&percent_encoded(body)));
    }
    headers
}

/// Encodes a message for `grpc-message`: everything but printable ASCII, and `%`, is percent-encoded.
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
