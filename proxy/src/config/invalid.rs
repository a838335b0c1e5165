//! A configuration that can't be used: where the fault is, and what it is.

use std::{fmt, io, net::IpAddr, path::PathBuf};

use envoy_api::Address;
use envoy_rules::{BuildError, route::RouteError};
use rustls::pki_types::pem;
use thiserror::Error;

use super::ConfigError;

/// Why a configuration can't be used. Its text begins with the path of the field.
#[derive(Debug, Error)]
pub struct Invalid {
    /// Such as `filter_chains[0].filters[1].typed_config`; empty for the message as a whole.
    path: String,
    #[source]
    fault: Box<Fault>,
}

/// What is wrong with a field.
#[derive(Debug, Error)]
pub enum Fault {
    /// What does not hold, of any value.
    #[error("{0}")]
    Stated(&'static str),
    /// A value that is not of the field's kind.
    #[error("{value:?} is {not}")]
    Value {
        /// The value.
        value: String,
        /// What it is not, such as `not an IP address`.
        not: &'static str,
    },
    /// A name that is not among those that are supported.
    #[error("{kind} {name:?} is not supported; supported: {supported}")]
    Unsupported {
        /// What it names.
        kind: &'static str,
        /// The name.
        name: String,
        /// The names that are.
        supported: String,
    },
    /// A secret that is not there, or is of another kind.
    #[error("secret {name:?} {problem}")]
    Secret {
        /// The secret.
        name: String,
        /// What is wrong with it.
        problem: &'static str,
    },
    /// A resource of another name.
    #[error("expected {expected:?}, found {found:?}")]
    Name {
        /// The name that was asked for.
        expected: String,
        /// The name that it has.
        found: String,
    },
    /// A resource of a kind that has no place there.
    #[error("a {0} was not expected here")]
    Kind(&'static str),
    /// A command of an access log's format.
    #[error("%{command}: {problem}")]
    Command {
        /// The command, without its first `%`.
        command: String,
        /// What is wrong with it.
        problem: String,
    },
    /// A file that can't be opened or read.
    #[error("{}: {error}", file.display())]
    File {
        /// The file.
        file: PathBuf,
        /// What the operating system says.
        #[source]
        error: io::Error,
    },
    /// A file of another resource, or what is in it.
    #[error(transparent)]
    Other(Box<ConfigError>),
    /// Filter chains.
    #[error(transparent)]
    Chains(#[from] BuildError),
    /// Routes.
    #[error(transparent)]
    Routes(#[from] RouteError),
    /// PEM.
    #[error("not PEM: {0}")]
    Pem(#[from] pem::Error),
    /// Base64.
    #[error("not Base64: {0}")]
    Base64(#[from] base64::DecodeError),
    /// DER.
    #[error("not a certificate: {0}")]
    Certificate(#[from] x509_parser::nom::Err<x509_parser::error::X509Error>),
    /// Keys, certificates or parameters that go together with nothing.
    #[error(transparent)]
    Tls(#[from] rustls::Error),
    /// Roots that clients can't be verified with.
    #[error(transparent)]
    ClientRoots(#[from] rustls::server::VerifierBuilderError),
}

impl fmt::Display for Invalid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { path, fault } = self;
        let separator = match **fault {
            _ if path.is_empty() => "",
            // Their texts begin with the rest of the path.
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
    /// The same, inside of that field.
    pub(crate) fn inside(self, field: impl fmt::Display) -> Self {
        let Self { path, fault } = self;
        let separator = if path.is_empty() { "" } else { "." };
        Self { path: format!("{field}{separator}{path}"), fault }
    }
}

/// An address that is an IP, and not a name that has to be resolved.
pub(crate) fn require_ip(address: &Address) -> Result<IpAddr, Fault> {
    let value = || address.socket_address.address.clone();
    address.ip().ok_or_else(|| Fault::Value { value: value(), not: "not an IP address" })
}

/// Says where a fault is.
pub(crate) trait At<T> {
    /// The same, with the fault inside of that field.
    fn at(self, field: impl fmt::Display) -> Result<T, Invalid>;
}

impl<T, E: Into<Invalid>> At<T> for Result<T, E> {
    fn at(self, field: impl fmt::Display) -> Result<T, Invalid> {
        self.map_err(|error| error.into().inside(field))
    }
}

#[cfg(test)]
mod tests;
