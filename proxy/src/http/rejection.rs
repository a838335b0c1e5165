//! Envoy's answer to what can't be read as HTTP/1.

use std::error::Error as _;

use envoy_api::ServerHeaderTransformation;
use http::StatusCode;
use jiff::Timestamp;
use thiserror::Error;

use super::config::Hcm;

/// How a request is answered whose head can't be read. As an error of the service it makes hyper let go of the connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("{details}")]
pub(super) struct Rejection {
    pub(super) status: StatusCode,
    pub(super) body: &'static str,
    /// `RESPONSE_CODE_DETAILS`.
    pub(super) details: &'static str,
}

impl Rejection {
    /// A version that is not spoken here.
    pub(super) const VERSION: Self =
        Self { status: StatusCode::UPGRADE_REQUIRED, body: "Upgrade Required", details: "low_version" };
    /// No HTTP.
    pub(super) const CODEC: Self =
        Self { status: StatusCode::BAD_REQUEST, body: "Bad Request", details: "http1.codec_error" };
    /// A head that is too long.
    const HEAD: Self = Self {
        status: StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
        body: "Request Header Fields Too Large",
        details: "http1.headers_too_large",
    };

    /// What is wrong with the request, if that is what the error says.
    pub(super) fn of(error: &hyper::Error) -> Option<Self> {
        if let Some(rejection) = error.source().and_then(|source| source.downcast_ref::<Self>()) {
            Some(*rejection)
        } else if error.is_parse_too_large() {
            Some(Self::HEAD)
        } else if error.to_string() == "invalid HTTP version parsed" {
            Some(Self::VERSION) // hyper tells this kind by its words alone
        } else {
            error.is_parse().then_some(Self::CODEC)
        }
    }

    /// The answer as it goes over the wire.
    pub(super) fn answer(self, hcm: &Hcm) -> String {
        let Self { status, body, .. } = self;
        let date = Timestamp::now().strftime("%a, %d %b %Y %H:%M:%S GMT");
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
