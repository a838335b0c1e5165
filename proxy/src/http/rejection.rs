//! Envoy's responses to malformed HTTP/1 requests.

use envoy_api::ServerHeaderTransformation;
use http::StatusCode;
use thiserror::Error;

use super::{config::Hcm, headers};

/// The response to a malformed request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("{details}")]
pub(super) struct Rejection {
    pub(super) status: StatusCode,
    pub(super) body: &'static str,
    /// Value of `RESPONSE_CODE_DETAILS`.
    pub(super) details: &'static str,
}

impl Rejection {
    /// An unsupported version.
    pub(super) const VERSION: Self =
        Self { status: StatusCode::UPGRADE_REQUIRED, body: "Upgrade Required", details: "low_version" };
    /// Not HTTP.
    pub(super) const CODEC: Self = Self::bad("http1.codec_error");
    /// A byte that is invalid anywhere in a head.
    pub(super) const INVALID_CHARACTERS: Self = Self::bad("http1.invalid_characters");
    /// A target that is not a URL.
    pub(super) const URL: Self = Self::bad("http1.invalid_url");
    /// A target with a scheme other than HTTP.
    pub(super) const SCHEME: Self = Self::bad("http1.invalid_scheme");
    /// An invalid host.
    pub(super) const AUTHORITY: Self = Self::bad("http.invalid_authority");
    /// Both `content-length` and `transfer-encoding`.
    pub(super) const LENGTH_AND_CHUNKED: Self = Self::bad("http1.content_length_and_chunked_not_allowed");
    /// A body that is not allowed.
    pub(super) const BODY_DISALLOWED: Self = Self::bad("http1.body_disallowed");
    /// A `connection` header that lists a protected header.
    pub(super) const CONNECTION_HEADER: Self = Self::bad("http1.connection_header_rejected");
    /// An unsupported transfer coding.
    pub(super) const TRANSFER_ENCODING: Self = Self {
        status: StatusCode::NOT_IMPLEMENTED,
        body: "Not Implemented",
        details: "http1.invalid_transfer_encoding",
    };
    /// A head or trailers that exceed the limit.
    pub(super) const HEAD_TOO_LARGE: Self = Self::large("http1.headers_too_large");
    /// More headers than the limit.
    pub(super) const TOO_MANY_HEADERS: Self = Self::large("http1.too_many_headers");

    const fn bad(details: &'static str) -> Self {
        Self { status: StatusCode::BAD_REQUEST, body: "Bad Request", details }
    }

    const fn large(details: &'static str) -> Self {
        Self { status: StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE, body: "Request Header Fields Too Large", details }
    }

    /// The encoded response.
    pub(super) fn answer(self, hcm: &Hcm) -> String {
        let Self { status, body, .. } = self;
        let date = headers::date();
        let date = String::from_utf8_lossy(date.as_bytes());
        let server = match hcm.server_header {
            ServerHeaderTransformation::PassThrough => String::new(),
            _ => format!("server: {}\r\n", String::from_utf8_lossy(hcm.server_name.as_bytes())),
        };
        let length = body.len();
        format!(
            "HTTP/1.1 {status}\r\ncontent-length: {length}\r\ncontent-type: text/plain\r\ndate: {date}\r\n{server}\
             connection: close\r\n\r\n{body}"
        )
    }
}
