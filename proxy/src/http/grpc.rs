//! Local replies for gRPC clients: status `200`, with a gRPC status in the headers.

use std::{fmt::Write as _, time::Duration};

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

/// How long a call may take, in the form of `grpc-timeout`: up to eight digits and a unit.
pub(super) fn timeout(text: &str) -> Option<Duration> {
    let (digits, unit) = text.split_at_checked(text.len().checked_sub(1)?)?;
    let count: u64 = digits.parse().ok().filter(|_| digits.len() <= 8)?;
    Some(match unit {
        "H" => Duration::from_secs(count * 3600),
        "M" => Duration::from_secs(count * 60),
        "S" => Duration::from_secs(count),
        "m" => Duration::from_millis(count),
        "u" => Duration::from_micros(count),
        "n" => Duration::from_nanos(count),
        _ => return None,
    })
}

/// The gRPC headers for a status of gRPC, else for an HTTP status, and body.
pub(super) fn reply_headers(status: StatusCode, body: &str, grpc_status: Option<u32>) -> HeaderMap {
    let mut headers = HeaderMap::new();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/grpc"));
    let code = grpc_status.unwrap_or_else(|| GrpcStatus::from_http(status.as_u16()).code().into());
    headers.insert(GRPC_STATUS, code.into());
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
