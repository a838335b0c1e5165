//! Failures of a call: their stage and kind.

mod classify;
mod kind;
#[cfg(test)]
mod tests;

pub(crate) use classify::{Cause, InStage, escaped};
pub use kind::{CertificateProblem, Failure, FailureKind, Stage};
