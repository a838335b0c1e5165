//! What a status of HTTP is in gRPC (`source/common/grpc/status.cc`, after gRPC's `doc/http-grpc-status-mapping.md`).

/// A status of gRPC; its code is its number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GrpcStatus {
    /// The caller gave up.
    Cancelled = 1,
    /// Nothing better is known.
    Unknown = 2,
    /// It took too long.
    DeadlineExceeded = 4,
    /// Not allowed.
    PermissionDenied = 7,
    /// Too much was asked for.
    ResourceExhausted = 8,
    /// There is no such method.
    Unimplemented = 12,
    /// Something is broken.
    Internal = 13,
    /// Nobody is there to answer.
    Unavailable = 14,
    /// It is not known who calls.
    Unauthenticated = 16,
}

impl GrpcStatus {
    /// What a proxy answers a gRPC request with in place of this status of HTTP.
    pub fn of_http(status: u16) -> Self {
        match status {
            400 => Self::Internal,
            401 => Self::Unauthenticated,
            403 => Self::PermissionDenied,
            404 => Self::Unimplemented,
            429 | 502 | 503 | 504 => Self::Unavailable,
            _ => Self::Unknown,
        }
    }

    /// Its number, as `grpc-status` has it.
    pub fn code(self) -> u8 {
        self as u8
    }

    /// Its name, such as `UNAVAILABLE`.
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
