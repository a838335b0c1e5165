//! Why a handshake failed, in the words that Envoy's access log has for the same cause.
//!
//! Envoy prints BoringSSL's error queue. Its numbers are `0x1000_0000` (library `SSL`) plus a reason of
//! `include/openssl/ssl.h`; the reason of an alert that the peer sent is 1000 plus the alert's number.

use std::{borrow::Cow, io};

use rustls::{AlertDescription, CertificateError, Error, InvalidMessage, PeerIncompatible};

use super::verify::SanMismatch;
use thiserror::Error as ThisError;

#[cfg(test)]
mod tests;

/// The number of BoringSSL's library `SSL`.
const SSL: u32 = 0x1000_0000;
/// Where the peer reset the connection, the operating system (library `system`, error 104) is to blame.
const RESET: &str = "TLS_error:|33554536:system library:OPENSSL_internal:Connection reset by peer:TLS_error_end";

/// Plaintext came where a ClientHello was expected.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ThisError)]
pub(super) enum Plaintext {
    /// An HTTP request. BoringSSL knows it, and answers it with no alert.
    #[error("TLS_error:|{}:SSL routines:OPENSSL_internal:HTTP_REQUEST:TLS_error_end", SSL + 156)]
    Http,
    /// Anything else.
    #[error("TLS_error:|{}:SSL routines:OPENSSL_internal:WRONG_VERSION_NUMBER:TLS_error_end", SSL + 247)]
    Other,
}

/// A secret of the context has not come yet.
#[derive(Clone, Copy, Debug, ThisError)]
#[error("TLS error: Secret is not supplied by SDS")]
pub(super) struct NotSupplied;

/// The reason in Envoy's words; empty where the peer just went away, as Envoy has no words for that.
pub fn reason(error: &io::Error) -> Cow<'static, str> {
    if error.kind() == io::ErrorKind::ConnectionReset {
        return RESET.into();
    }
    let Some(inner) = error.get_ref() else { return "".into() };
    if inner.is::<Plaintext>() || inner.is::<NotSupplied>() {
        return inner.to_string().into();
    }
    let Some(error) = inner.downcast_ref::<Error>() else { return "".into() };
    let (number, name) = boringssl(error);
    let detail = match error {
        Error::InvalidCertificate(invalid) => format!(":{}", verify_detail(invalid)),
        Error::NoCertificatesPresented => ":peer did not provide required client certificate".into(),
        _ => String::new(),
    };
    format!("TLS_error:|{}:SSL routines:OPENSSL_internal:{name}{detail}:TLS_error_end", SSL + number).into()
}

/// Whether TLS itself broke, and not the connection underneath.
pub fn broke(error: &io::Error) -> bool {
    error.get_ref().and_then(|inner| inner.downcast_ref::<Error>()).is_some()
}

/// BoringSSL's reason for what rustls calls so.
fn boringssl(error: &Error) -> (u32, &'static str) {
    match error {
        Error::InvalidCertificate(_) => (125, "CERTIFICATE_VERIFY_FAILED"),
        Error::NoCertificatesPresented => (192, "PEER_DID_NOT_RETURN_A_CERTIFICATE"),
        Error::AlertReceived(alert) => (1000 + u32::from(u8::from(*alert)), alert_name(*alert)),
        Error::DecryptError => (130, "DECRYPTION_FAILED_OR_BAD_RECORD_MAC"),
        Error::InvalidMessage(InvalidMessage::InvalidContentType | InvalidMessage::UnknownProtocolVersion) => {
            (247, "WRONG_VERSION_NUMBER")
        }
        Error::PeerIncompatible(
            PeerIncompatible::Tls12NotOfferedOrEnabled
            | PeerIncompatible::Tls13RequiredForQuic
            | PeerIncompatible::ServerDoesNotSupportTls12Or13
            | PeerIncompatible::ServerTlsVersionIsDisabledByOurConfig
            | PeerIncompatible::SupportedVersionsExtensionRequired,
        ) => (240, "UNSUPPORTED_PROTOCOL"),
        Error::PeerIncompatible(PeerIncompatible::NoCipherSuitesInCommon | PeerIncompatible::NoKxGroupsInCommon) => {
            (184, "NO_SHARED_CIPHER")
        }
        Error::PeerIncompatible(PeerIncompatible::NoSignatureSchemesInCommon) => {
            (253, "NO_COMMON_SIGNATURE_ALGORITHMS")
        }
        Error::InappropriateMessage { .. } | Error::InappropriateHandshakeMessage { .. } => (223, "UNEXPECTED_MESSAGE"),
        Error::InvalidMessage(_) => (137, "DECODE_ERROR"),
        _ => (153, "HANDSHAKE_FAILURE"),
    }
}

/// BoringSSL's name of an alert that the peer sent.
fn alert_name(alert: AlertDescription) -> &'static str {
    match alert {
        AlertDescription::CloseNotify => "SSLV3_ALERT_CLOSE_NOTIFY",
        AlertDescription::UnexpectedMessage => "SSLV3_ALERT_UNEXPECTED_MESSAGE",
        AlertDescription::BadRecordMac => "SSLV3_ALERT_BAD_RECORD_MAC",
        AlertDescription::HandshakeFailure => "SSLV3_ALERT_HANDSHAKE_FAILURE",
        AlertDescription::BadCertificate => "SSLV3_ALERT_BAD_CERTIFICATE",
        AlertDescription::UnsupportedCertificate => "SSLV3_ALERT_UNSUPPORTED_CERTIFICATE",
        AlertDescription::CertificateRevoked => "SSLV3_ALERT_CERTIFICATE_REVOKED",
        AlertDescription::CertificateExpired => "SSLV3_ALERT_CERTIFICATE_EXPIRED",
        AlertDescription::CertificateUnknown => "SSLV3_ALERT_CERTIFICATE_UNKNOWN",
        AlertDescription::IllegalParameter => "SSLV3_ALERT_ILLEGAL_PARAMETER",
        AlertDescription::UnknownCA => "TLSV1_ALERT_UNKNOWN_CA",
        AlertDescription::AccessDenied => "TLSV1_ALERT_ACCESS_DENIED",
        AlertDescription::DecodeError => "TLSV1_ALERT_DECODE_ERROR",
        AlertDescription::DecryptError => "TLSV1_ALERT_DECRYPT_ERROR",
        AlertDescription::ProtocolVersion => "TLSV1_ALERT_PROTOCOL_VERSION",
        AlertDescription::InsufficientSecurity => "TLSV1_ALERT_INSUFFICIENT_SECURITY",
        AlertDescription::InternalError => "TLSV1_ALERT_INTERNAL_ERROR",
        AlertDescription::UserCanceled => "TLSV1_ALERT_USER_CANCELLED",
        AlertDescription::UnsupportedExtension => "TLSV1_ALERT_UNSUPPORTED_EXTENSION",
        AlertDescription::UnrecognisedName => "TLSV1_ALERT_UNRECOGNIZED_NAME",
        AlertDescription::CertificateRequired => "TLSV1_ALERT_CERTIFICATE_REQUIRED",
        AlertDescription::NoApplicationProtocol => "TLSV1_ALERT_NO_APPLICATION_PROTOCOL",
        _ => "UNKNOWN_ALERT_TYPE",
    }
}

/// What Envoy appends when a certificate was refused.
fn verify_detail(error: &CertificateError) -> String {
    let openssl = match error {
        CertificateError::Other(other) if let Some(mismatch) = other.0.downcast_ref::<SanMismatch>() => {
            return format!("verify cert failed: {mismatch}");
        }
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => "certificate has expired",
        CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => "certificate is not yet valid",
        CertificateError::UnknownIssuer => "unable to get local issuer certificate",
        CertificateError::BadSignature => "certificate signature failure",
        CertificateError::InvalidPurpose | CertificateError::InvalidPurposeContext { .. } => {
            "unsupported certificate purpose"
        }
        CertificateError::UnhandledCriticalExtension => "unhandled critical extension",
        _ => "certificate rejected",
    };
    format!("verify cert failed: X509_verify_cert: certificate verification error at depth 0: {openssl}")
}
