//! Translating errors of rustls to those of BoringSSL, which Envoy logs.

use std::{borrow::Cow, io};

use envoy_rules::tls_error::{TlsError, VerifyError};
use rustls::{CertificateError, Error, InvalidMessage, PeerIncompatible};
use thiserror::Error as ThisError;

use super::verify::SanMismatch;

#[cfg(test)]
mod tests;

/// An error that rustls does not have.
#[derive(Clone, Debug, PartialEq, Eq, ThisError)]
#[error("{0}")]
pub(super) struct Failure(pub(super) TlsError);

/// The error in Envoy's wording; empty if the peer just closed the connection, for which Envoy has none.
pub fn reason(error: &io::Error) -> Cow<'static, str> {
    if error.kind() == io::ErrorKind::ConnectionReset {
        return TlsError::ConnectionReset.to_string().into();
    }
    let Some(inner) = error.get_ref() else { return "".into() };
    let known = inner.downcast_ref::<Failure>().map(|Failure(error)| error.clone());
    let known = known.or_else(|| inner.downcast_ref::<Error>().map(boringssl));
    known.map_or_else(|| "".into(), |error| error.to_string().into())
}

/// Whether TLS failed, as opposed to the underlying connection.
pub fn broke(error: &io::Error) -> bool {
    error.get_ref().and_then(|inner| inner.downcast_ref::<Error>()).is_some()
}

/// The BoringSSL error for an error of rustls.
fn boringssl(error: &Error) -> TlsError {
    match error {
        Error::InvalidCertificate(error) => TlsError::CertificateVerifyFailed(verify_error(error)),
        Error::NoCertificatesPresented => TlsError::PeerDidNotReturnACertificate,
        Error::AlertReceived(alert) => TlsError::Alert(u8::from(*alert)),
        Error::DecryptError => TlsError::DecryptionFailed,
        Error::InvalidMessage(InvalidMessage::InvalidContentType | InvalidMessage::UnknownProtocolVersion) => {
            TlsError::WrongVersionNumber
        }
        Error::PeerIncompatible(
            PeerIncompatible::Tls12NotOfferedOrEnabled
            | PeerIncompatible::Tls13RequiredForQuic
            | PeerIncompatible::ServerDoesNotSupportTls12Or13
            | PeerIncompatible::ServerTlsVersionIsDisabledByOurConfig
            | PeerIncompatible::SupportedVersionsExtensionRequired,
        ) => TlsError::UnsupportedProtocol,
        Error::PeerIncompatible(PeerIncompatible::NoCipherSuitesInCommon | PeerIncompatible::NoKxGroupsInCommon) => {
            TlsError::NoSharedCipher
        }
        Error::PeerIncompatible(PeerIncompatible::NoSignatureSchemesInCommon) => TlsError::NoCommonSignatureAlgorithms,
        Error::InappropriateMessage { .. } | Error::InappropriateHandshakeMessage { .. } => TlsError::UnexpectedMessage,
        Error::InvalidMessage(_) => TlsError::DecodeError,
        _ => TlsError::HandshakeFailure,
    }
}

fn verify_error(error: &CertificateError) -> VerifyError {
    match error {
        CertificateError::Other(other) if let Some(SanMismatch(sans)) = other.0.downcast_ref() => {
            VerifyError::SanMismatch(sans.clone())
        }
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => VerifyError::Expired,
        CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => VerifyError::NotYetValid,
        CertificateError::UnknownIssuer => VerifyError::UnknownIssuer,
        CertificateError::BadSignature => VerifyError::BadSignature,
        CertificateError::InvalidPurpose | CertificateError::InvalidPurposeContext { .. } => VerifyError::Purpose,
        CertificateError::UnhandledCriticalExtension => VerifyError::CriticalExtension,
        _ => VerifyError::Other,
    }
}
