//! The status of a call.

use http::{HeaderMap, HeaderValue, StatusCode};
use percent_encoding::{AsciiSet, CONTROLS, percent_decode, percent_encode};

use crate::report::GrpcStatus;

const STATUS: &str = "grpc-status";
const MESSAGE: &str = "grpc-message";

/// The characters that are percent-encoded in `grpc-message`: all but printable ASCII, and `%`.
const ENCODED: &AsciiSet = &CONTROLS.add(b'%');

/// Names of the codes 0 to 16.
const NAMES: [&str; 17] = [
    "OK",
    "CANCELLED",
    "UNKNOWN",
    "INVALID_ARGUMENT",
    "DEADLINE_EXCEEDED",
    "NOT_FOUND",
    "ALREADY_EXISTS",
    "PERMISSION_DENIED",
    "RESOURCE_EXHAUSTED",
    "FAILED_PRECONDITION",
    "ABORTED",
    "OUT_OF_RANGE",
    "UNIMPLEMENTED",
    "INTERNAL",
    "UNAVAILABLE",
    "DATA_LOSS",
    "UNAUTHENTICATED",
];

/// The codes that are used here.
#[derive(Clone, Copy)]
#[repr(u32)]
pub(crate) enum Code {
    Ok = 0,
    Cancelled = 1,
    Unknown = 2,
    InvalidArgument = 3,
    PermissionDenied = 7,
    ResourceExhausted = 8,
    Unimplemented = 12,
    Internal = 13,
    Unavailable = 14,
    Unauthenticated = 16,
}

impl GrpcStatus {
    /// A status with any code. Codes that gRPC does not define are named `UNKNOWN`, as by its clients.
    pub(crate) fn new(code: u32, message: impl Into<String>) -> Self {
        let name = usize::try_from(code).ok().and_then(|code| NAMES.get(code)).unwrap_or(&NAMES[2]);
        Self { code, name: (*name).to_owned(), message: message.into() }
    }

    pub(crate) fn from_code(code: Code, message: impl Into<String>) -> Self {
        Self::new(code as u32, message)
    }

    pub(crate) fn is_ok(&self) -> bool {
        self.code == Code::Ok as u32
    }

    /// The status in trailers, or in headers without trailers ("Trailers-Only"); `None` if there is none.
    pub(crate) fn from_trailers(trailers: &HeaderMap) -> Option<Self> {
        let status = trailers.get(STATUS)?;
        let message = trailers.get(MESSAGE).map_or(&b""[..], HeaderValue::as_bytes);
        let message = percent_decode(message).decode_utf8_lossy();
        Some(match status.to_str().ok().and_then(|status| status.parse().ok()) {
            Some(code) => Self::new(code, message),
            None => Self::from_code(Code::Unknown, format!("grpc-status is not a number: {status:?}")),
        })
    }

    /// The status that a client derives from a response without `grpc-status`, which is not from a gRPC server:
    /// `doc/http-grpc-status-mapping.md` in gRPC's repository.
    pub(crate) fn from_http(status: StatusCode) -> Self {
        let code = match status.as_u16() {
            400 => Code::Internal,
            401 => Code::Unauthenticated,
            403 => Code::PermissionDenied,
            404 => Code::Unimplemented,
            429 | 502..=504 => Code::Unavailable,
            _ => Code::Unknown,
        };
        Self::from_code(code, format!("the response has no grpc-status; its HTTP status is {status}"))
    }

    pub(crate) fn trailers(&self) -> HeaderMap {
        let mut trailers = HeaderMap::new();
        trailers.insert(STATUS, self.code.into());
        if !self.message.is_empty() {
            let message = percent_encode(self.message.as_bytes(), ENCODED).to_string();
            // Percent-encoded text is always a valid header value.
            if let Ok(message) = message.parse() {
                trailers.insert(MESSAGE, message);
            }
        }
        trailers
    }
}
