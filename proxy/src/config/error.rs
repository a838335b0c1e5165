//! Errors of a configuration: why it can't be loaded, and what is invalid in it, with the path of the field.

use std::{
    fmt, io,
    net::{IpAddr, SocketAddr},
    path::PathBuf,
};

use envoy_api::{Address, ReadError};
use envoy_rules::{BuildError, rbac::RulesError, route::RouteError};
use rustls::pki_types::pem;
use thiserror::Error;

/// Why a configuration can't be loaded.
#[derive(Debug, Error)]
pub enum ConfigError {
    /// A file can't be read.
    #[error("{}: {error}", file.display())]
    Read {
        file: PathBuf,
        /// Error of the operating system.
        error: io::Error,
    },
    /// A file is not JSON, or has an unsupported field.
    #[error("{}: {error}", file.display())]
    NotRead {
        file: PathBuf,
        /// Path of the field, and the error.
        error: ReadError,
    },
    /// A file does not contain exactly one resource.
    #[error("{}: resources: expected one, found {found}", file.display())]
    Count { file: PathBuf, found: usize },
    /// A resource in a file can't be used.
    #[error("{}: {invalid}", file.display())]
    Invalid {
        file: PathBuf,
        /// Path of the field, and the error.
        invalid: Invalid,
    },
    /// A listener's address can't be bound.
    #[error("listener {listener:?}: {address} can't be listened on: {error}; is another process there?")]
    Bind {
        /// Name of the listener.
        listener: String,
        address: SocketAddr,
        /// Error of the operating system.
        error: io::Error,
    },
    /// A folder can't be watched.
    #[error("{}: the folder can't be watched: {error}", folder.display())]
    Watch {
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

/// Why a configuration is invalid. The message starts with the path of the field.
#[derive(Debug, Error)]
pub struct Invalid {
    /// Path such as `filter_chains[0].filters[1].typed_config`; empty for the whole message.
    path: String,
    #[source]
    fault: Box<Fault>,
}

/// What is wrong with a field.
#[derive(Debug, Error)]
pub enum Fault {
    /// A violated requirement.
    #[error("{0}")]
    Stated(&'static str),
    /// A value of the wrong kind.
    #[error("{value:?} is {not}")]
    Value {
        value: String,
        /// The violated requirement, such as `not an IP address`.
        not: &'static str,
    },
    #[error("{kind} {name:?} is not supported; supported: {supported}")]
    Unsupported {
        /// What it names, such as `cipher suite`.
        kind: &'static str,
        name: String,
        supported: String,
    },
    /// A secret is missing, or has another type.
    #[error("secret {name:?} {problem}")]
    Secret {
        /// Name of the secret.
        name: String,
        /// What is wrong with it.
        problem: &'static str,
    },
    /// A resource has another name.
    #[error("expected {expected:?}, found {found:?}")]
    Name { expected: String, found: String },
    /// A resource of an unexpected type.
    #[error("a {0} was not expected here")]
    Kind(&'static str),
    /// An invalid command in an access log's format.
    #[error("%{command}: {problem}")]
    Command {
        /// The command, without its first `%`.
        command: String,
        /// What is wrong with it.
        problem: String,
    },
    /// A file can't be opened or read.
    #[error("{}: {error}", file.display())]
    File {
        file: PathBuf,
        /// Error of the operating system.
        #[source]
        error: io::Error,
    },
    /// Another resource's file is invalid.
    #[error(transparent)]
    Other(Box<ConfigError>),
    /// The filter chains conflict.
    #[error(transparent)]
    Chains(#[from] BuildError),
    /// The routes are invalid.
    #[error(transparent)]
    Routes(#[from] RouteError),
    /// The rules of authorization are invalid.
    #[error(transparent)]
    Rules(#[from] RulesError),
    #[error("not PEM: {0}")]
    Pem(#[from] pem::Error),
    #[error("not Base64: {0}")]
    Base64(#[from] base64::DecodeError),
    #[error("not a certificate: {0}")]
    Certificate(#[from] x509_parser::nom::Err<x509_parser::error::X509Error>),
    /// Keys, certificates or parameters that rustls refuses.
    #[error(transparent)]
    Tls(#[from] rustls::Error),
    /// Roots that can't be used to verify clients.
    #[error(transparent)]
    ClientRoots(#[from] rustls::server::VerifierBuilderError),
}

impl fmt::Display for Invalid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { path, fault } = self;
        let separator = match **fault {
            _ if path.is_empty() => "",
            // Their messages start with the rest of the path.
            Fault::Chains(_) | Fault::Routes(_) => ".",
            _ => ": ",
        };
        write!(f, "{path}{separator}{fault}")
    }
}

impl<F: Into<Fault>> From<F> for Invalid {
    fn from(fault: F) -> Self {
        Self { path: String::new(), fault: Box::new(fault.into()) }
    }
}

impl From<&'static str> for Fault {
    fn from(statement: &'static str) -> Self {
        Self::Stated(statement)
    }
}

impl From<ConfigError> for Fault {
    fn from(error: ConfigError) -> Self {
        Self::Other(error.into())
    }
}

impl Invalid {
    /// Prepends a field to the path.
    pub(crate) fn inside(self, field: impl fmt::Display) -> Self {
        let Self { path, fault } = self;
        let separator = if path.is_empty() { "" } else { "." };
        Self { path: format!("{field}{separator}{path}"), fault }
    }
}

/// Parses an IP address; host names are refused.
pub(crate) fn require_ip(address: &Address) -> Result<IpAddr, Fault> {
    let value = || address.socket_address.address.clone();
    address.ip().ok_or_else(|| Fault::Value { value: value(), not: "not an IP address" })
}

/// Adds a path to an error.
pub(crate) trait At<T> {
    /// Prepends a field to the path of the error.
    fn at(self, field: impl fmt::Display) -> Result<T, Invalid>;
}

impl<T, E: Into<Invalid>> At<T> for Result<T, E> {
    fn at(self, field: impl fmt::Display) -> Result<T, Invalid> {
        self.map_err(|error| error.into().inside(field))
    }
}

#[cfg(test)]
mod tests;
