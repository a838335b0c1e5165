//! Errors of bodies.

use thiserror::Error;

use crate::http::rejection::Rejection;

/// Why a body ended early.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub(in crate::http) enum Fault {
    /// The connection ended.
    #[error("the connection ended in the body")]
    Cut,
    /// The body is malformed.
    #[error("{0}")]
    Malformed(Rejection),
}
