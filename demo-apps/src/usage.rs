//! Incorrect use of a program.

/// The program was used incorrectly. Exit code 2.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct UsageError(pub String);
