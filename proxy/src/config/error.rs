//! What can be wrong with a configuration.

use std::{io, net::SocketAddr, path::PathBuf};

use thiserror::Error;

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
    /// A file holds something that is not supported, or can't be.
    #[error("{}: {reason}", file.display())]
    Invalid {
        /// The file.
        file: PathBuf,
        /// The path of the field, and what is wrong with it.
        reason: String,
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
    pub(super) fn invalid(file: impl Into<PathBuf>, reason: impl Into<String>) -> Self {
        Self::Invalid { file: file.into(), reason: reason.into() }
    }
}
