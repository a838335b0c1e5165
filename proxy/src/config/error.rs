//! Errors loading a configuration.

use std::{io, net::SocketAddr, path::PathBuf};

use envoy_api::ReadError;
use thiserror::Error;

use super::Invalid;

/// Why a configuration can't be loaded.
#[derive(Debug, Error)]
pub enum ConfigError {
    /// A file can't be read.
    #[error("{}: {error}", file.display())]
    Read {
        /// Path of the file.
        file: PathBuf,
        /// Error of the operating system.
        error: io::Error,
    },
    /// A file is not JSON, or has an unsupported field.
    #[error("{}: {error}", file.display())]
    NotRead {
        /// Path of the file.
        file: PathBuf,
        /// Path of the field, and the error.
        error: ReadError,
    },
    /// A file does not contain exactly one resource.
    #[error("{}: resources: expected one, found {found}", file.display())]
    Count {
        /// Path of the file.
        file: PathBuf,
        /// Number of resources.
        found: usize,
    },
    /// A resource in a file can't be used.
    #[error("{}: {invalid}", file.display())]
    Invalid {
        /// Path of the file.
        file: PathBuf,
        /// Path of the field, and the error.
        invalid: Invalid,
    },
    /// A listener's address can't be bound.
    #[error("listener {listener:?}: {address} can't be listened on: {error}; is another process there?")]
    Bind {
        /// Name of the listener.
        listener: String,
        /// Address to bind.
        address: SocketAddr,
        /// Error of the operating system.
        error: io::Error,
    },
    /// A folder can't be watched.
    #[error("{}: the folder can't be watched: {error}", folder.display())]
    Watch {
        /// Path of the folder.
        folder: PathBuf,
        /// Error of the operating system.
        error: io::Error,
    },
}

impl ConfigError {
    pub(super) fn invalid(file: impl Into<PathBuf>, invalid: impl Into<Invalid>) -> Self {
        Self::Invalid { file: file.into(), invalid: invalid.into() }
    }
}
