//! gRPC statuses of HTTP statuses (`source/common/grpc/status.cc`, after gRPC's `doc/http-grpc-status-mapping.md`).

/// A gRPC status, with its code as discriminant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GrpcStatus {
    /// The caller cancelled the call.
    Cancelled = 1,
    /// An error without a more specific code.
    Unknown = 2,
    /// The deadline expired.
    DeadlineExceeded = 4,
    /// The caller is not permitted to make this call.
    PermissionDenied = 7,
    /// A quota or another resource is exhausted.
    ResourceExhausted = 8,
    /// The method is unknown.
    Unimplemented = 12,
    /// An internal error.
    Internal = 13,
    /// The service is currently unavailable.
    Unavailable = 14,
    /// The caller has no valid credentials.
    Unauthenticated = 16,
}

/// All names of codes, in their order.
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

/// The code of a name.
pub fn code_of(name: &str) -> Option<u8> {
    NAMES.iter().position(|known| *known == name).and_then(|code| u8::try_from(code).ok())
}

/// The name of a code; `UNKNOWN` of one that there is not.
pub fn name_of(code: u32) -> &'static str {
    usize::try_from(code).ok().and_then(|code| NAMES.get(code)).copied().unwrap_or("UNKNOWN")
}

/// The HTTP status of a code (`Grpc::Utility::grpcToHttpStatus` in `source/common/grpc/status.cc`).
pub fn http_status(code: u32) -> u16 {
    match code {
        0 => 200,
        1 => 499,
        3 | 9 | 11 => 400,
        4 => 504,
        5 => 404,
        6 | 10 => 409,
        7 => 403,
        8 => 429,
        12 => 501,
        14 => 503,
        16 => 401,
        _ => 500,
    }
}

impl GrpcStatus {
    /// The status that a proxy sends to a gRPC client instead of an HTTP status.
    pub fn from_http(status: u16) -> Self {
        match status {
            400 => Self::Internal,
            401 => Self::Unauthenticated,
            403 => Self::PermissionDenied,
            404 => Self::Unimplemented,
            429 | 502 | 503 | 504 => Self::Unavailable,
            _ => Self::Unknown,
        }
    }

    /// Value of `grpc-status`.
    pub fn code(self) -> u8 {
        self as u8
    }

    /// Name of the code, such as `UNAVAILABLE`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Cancelled => "CANCELLED",
            Self::Unknown => "UNKNOWN",
            Self::DeadlineExceeded => "DEADLINE_EXCEEDED",
            Self::PermissionDenied => "PERMISSION_DENIED",
            Self::ResourceExhausted => "RESOURCE_EXHAUSTED",
            Self::Unimplemented => "UNIMPLEMENTED",
            Self::Internal => "INTERNAL",
            Self::Unavailable => "UNAVAILABLE",
            Self::Unauthenticated => "UNAUTHENTICATED",
        }
    }
}

#[cfg(test)]
mod tests;
