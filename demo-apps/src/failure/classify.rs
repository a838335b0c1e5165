//! Classifying the libraries' errors.

use std::io;

use rustls::{CertificateError, Error as TlsError};

use super::{CertificateProblem, Failure, FailureKind, Stage};

/// A failure whose stage is not known yet.
#[derive(Clone, Debug)]
pub(crate) struct Cause {
    pub(crate) kind: FailureKind,
    pub(crate) message: String,
}

impl Cause {
    pub(crate) fn new(kind: FailureKind, message: impl Into<String>) -> Self {
        Self { kind, message: message.into() }
    }

    pub(crate) fn at(self, stage: Stage) -> Failure {
        Failure { stage, kind: self.kind, message: self.message }
    }

    /// Classifies an error of a socket or a TLS stream (`tokio-rustls` wraps rustls' errors in `io::Error`).
    pub(crate) fn from_io(error: &io::Error) -> Self {
        if let Some(tls) = error.get_ref().and_then(|inner| inner.downcast_ref::<TlsError>()) {
            return Self::from_tls(tls);
        }
        let kind = match error.kind() {
            io::ErrorKind::AddrNotAvailable => FailureKind::AddressNotAvailable,
            io::ErrorKind::BrokenPipe | io::ErrorKind::NotConnected => FailureKind::BrokenPipe,
            io::ErrorKind::ConnectionRefused => FailureKind::ConnectionRefused,
            io::ErrorKind::ConnectionReset | io::ErrorKind::ConnectionAborted => FailureKind::ConnectionReset,
            io::ErrorKind::HostUnreachable => FailureKind::HostUnreachable,
            io::ErrorKind::NetworkUnreachable => FailureKind::NetworkUnreachable,
            io::ErrorKind::TimedOut => FailureKind::Timeout,
            io::ErrorKind::UnexpectedEof => FailureKind::Eof,
            _ => FailureKind::Io { errno: error.raw_os_error() },
        };
        Self::new(kind, error.to_string())
    }

    pub(crate) fn from_tls(error: &TlsError) -> Self {
        let kind = match error {
            TlsError::AlertReceived(alert) => FailureKind::TlsAlert { alert: snake_case(&format!("{alert:?}")) },
            TlsError::InvalidCertificate(error) => FailureKind::Certificate { problem: problem_of(error) },
            TlsError::NoCertificatesPresented => FailureKind::Certificate { problem: CertificateProblem::Missing },
            other => FailureKind::TlsProtocol { reason: other.to_string() },
        };
        Self::new(kind, error.to_string())
    }

    /// If the peer's first bytes in a failed TLS handshake are not TLS at all, the kind becomes `NotTls`.
    pub(crate) fn or_not_tls(self, head: &[u8]) -> Self {
        const TLS_CONTENT_TYPES: std::ops::RangeInclusive<u8> = 20..=23;
        match head.first() {
            Some(first) if !TLS_CONTENT_TYPES.contains(first) => Self::new(
                FailureKind::NotTls { first_bytes: escaped(head) },
                format!("wrong version number: the answer to the handshake is not TLS ({})", self.message),
            ),
            _ => self,
        }
    }

    pub(crate) fn eof(message: &str) -> Self {
        Self::new(FailureKind::Eof, message)
    }
}

/// Adds the stage to an I/O error.
pub(crate) trait InStage<T> {
    fn at(self, stage: Stage) -> Result<T, Failure>;
}

impl<T> InStage<T> for io::Result<T> {
    fn at(self, stage: Stage) -> Result<T, Failure> {
        self.map_err(|error| Cause::from_io(&error).at(stage))
    }
}

/// Bytes as readable text, with escapes.
pub(crate) fn escaped(bytes: &[u8]) -> String {
    bytes.escape_ascii().to_string()
}

fn problem_of(error: &CertificateError) -> CertificateProblem {
    match error {
        CertificateError::BadEncoding => CertificateProblem::BadEncoding,
        CertificateError::BadSignature => CertificateProblem::BadSignature,
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => CertificateProblem::Expired,
        CertificateError::InvalidPurpose | CertificateError::InvalidPurposeContext { .. } => {
            CertificateProblem::InvalidPurpose
        }
        CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
            CertificateProblem::NotValidForName
        }
        CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => CertificateProblem::NotYetValid,
        CertificateError::Revoked => CertificateProblem::Revoked,
        CertificateError::UnknownIssuer => CertificateProblem::UnknownIssuer,
        _ => CertificateProblem::Other,
    }
}

/// The name of an alert in the RFCs (`unknown_ca`), from rustls' variant (`UnknownCA`).
fn snake_case(variant: &str) -> String {
    // rustls spells this one differently.
    if variant == "UnrecognisedName" {
        return "unrecognized_name".to_owned();
    }
    let chars: Vec<char> = variant.chars().collect();
    let mut snake = String::with_capacity(variant.len() + 4);
    for (i, &c) in chars.iter().enumerate() {
        let starts_word = c.is_ascii_uppercase()
            && i > 0
            && (chars[i - 1].is_ascii_lowercase() || chars.get(i + 1).is_some_and(char::is_ascii_lowercase));
        if starts_word {
            snake.push('_');
        }
        snake.push(c.to_ascii_lowercase());
    }
    snake
}
