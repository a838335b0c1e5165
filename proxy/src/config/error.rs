//! What can be wrong with a configuration.

use std::{io, net::SocketAddr, path::PathBuf};

use envoy_api::ReadError;
use thiserror::Error;

use super::Invalid;

/// Why a configuration can't be used.
#[derive(Debug, Error)]
pub enum ConfigError {
    /// A file can't be read.
    #[error("{}: {error}", file.display())]
    Read {
        /// The file.
        file: PathBuf,
        /// What the operating system says.
        error: io::Error,
    },
    /// A file is not JSON, or has a field that is not supported.
    #[error("{}: {error}", file.display())]
    NotRead {
        /// The file.
        file: PathBuf,
        /// Where, and what is wrong there.
        error: ReadError,
    },
    /// A file that has to hold one resource holds none, or more.
    #[error("{}: resources: expected one, found {found}", file.display())]
    Count {
        /// The file.
        file: PathBuf,
        /// How many it holds.
        found: usize,
    },
    /// A file holds something that can't be used.
    #[error("{}: {invalid}", file.display())]
    Invalid {
        /// The file.
        file: PathBuf,
        /// Where, and what is wrong there.
        invalid: Invalid,
    },
    /// A listener's address can't be bound.
    #[error("listener {listener:?}: {address} can't be listened on: {error}; is another process there?")]
    Bind {
        /// The listener.
        listener: String,
        /// The address.
        address: SocketAddr,
        /// What the operating system says.
        error: io::Error,
    },
    /// Files can't be watched.
    #[error("{}: the folder can't be watched: {error}", folder.display())]
    Watch {
        /// The folder.
        folder: PathBuf,
        /// What the operating system says.
        error: io::Error,
    },
}

impl ConfigError {
    pub(super) fn invalid(file: impl Into<PathBuf>, invalid: impl Into<Invalid>) -> Self {
        Self::Invalid { file: file.into(), invalid: invalid.into() }
    }
}
