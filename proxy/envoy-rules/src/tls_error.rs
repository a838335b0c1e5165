//! Why a handshake failed, in BoringSSL's words as Envoy prints them.
//!
//! Envoy prints BoringSSL's error queue. The numbers of library `SSL` are `0x1000_0000` plus a reason of
//! `include/openssl/ssl.h`; the reason of an alert that the peer sent is 1000 plus the alert's number.

use std::fmt;

/// The number of BoringSSL's library `SSL`.
const SSL: u32 = 0x1000_0000;

/// An error of a handshake. Its `Display` is the text of `UPSTREAM_TRANSPORT_FAILURE_REASON` and
/// `DOWNSTREAM_TRANSPORT_FAILURE_REASON`; access logs print its blanks as underscores.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TlsError {
    /// The peer's certificate was refused.
    CertificateVerifyFailed(VerifyError),
    /// The client has no certificate, and one is required.
    PeerDidNotReturnACertificate,
    /// A ClientHello was answered, or begun, with what is no TLS.
    WrongVersionNumber,
    /// An HTTP request came where a ClientHello was expected.
    HttpRequest,
    /// The two have no version in common.
    UnsupportedProtocol,
    /// The two have no cipher suite or group in common.
    NoSharedCipher,
    /// The two have no signature algorithm in common.
    NoCommonSignatureAlgorithms,
    /// A message came out of turn.
    UnexpectedMessage,
    /// A record could not be decrypted.
    DecryptionFailed,
    /// A message could not be read.
    DecodeError,
    /// Anything else.
    HandshakeFailure,
    /// The peer sent the alert of that number (RFC 8446, section 6).
    Alert(u8),
    /// The peer reset the connection, for which the operating system is to blame (library `system`, error 104).
    ConnectionReset,
    /// A secret of the context is not there.
    SecretNotSupplied,
}

/// Why a certificate was refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum VerifyError {
    /// None of its SANs is one that is asked for; the SANs that it has.
    SanMismatch(Vec<String>),
    /// It is valid no longer.
    Expired,
    /// It is not valid yet.
    NotYetValid,
    /// No authority that is trusted issued it.
    UnknownIssuer,
    /// Its signature is wrong.
    BadSignature,
    /// It is not for this use.
    Purpose,
    /// It has a critical extension that is not known.
    CriticalExtension,
    /// Anything else.
    Other,
}

impl TlsError {
    /// The number of the reason, and its name.
    fn reason(&self) -> (u32, &'static str) {
        match self {
            Self::CertificateVerifyFailed(_) => (125, "CERTIFICATE_VERIFY_FAILED"),
            Self::DecryptionFailed => (130, "DECRYPTION_FAILED_OR_BAD_RECORD_MAC"),
            Self::DecodeError => (137, "DECODE_ERROR"),
            Self::HandshakeFailure | Self::ConnectionReset | Self::SecretNotSupplied => (153, "HANDSHAKE_FAILURE"),
            Self::HttpRequest => (156, "HTTP_REQUEST"),
            Self::NoSharedCipher => (184, "NO_SHARED_CIPHER"),
            Self::PeerDidNotReturnACertificate => (192, "PEER_DID_NOT_RETURN_A_CERTIFICATE"),
            Self::UnexpectedMessage => (223, "UNEXPECTED_MESSAGE"),
            Self::UnsupportedProtocol => (240, "UNSUPPORTED_PROTOCOL"),
            Self::WrongVersionNumber => (247, "WRONG_VERSION_NUMBER"),
            Self::NoCommonSignatureAlgorithms => (253, "NO_COMMON_SIGNATURE_ALGORITHMS"),
            Self::Alert(number) => (1000 + u32::from(*number), alert(*number)),
        }
    }
}

/// As Envoy has it in details and as the reason of a transport failure.
impl fmt::Display for TlsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::ConnectionReset => {
                return f.write_str(
                    "TLS_error:|33554536:system library:OPENSSL_internal:Connection reset by peer:TLS_error_end",
                );
            }
            Self::SecretNotSupplied => return f.write_str("TLS error: Secret is not supplied by SDS"),
            _ => {}
        }
        let (number, name) = self.reason();
        write!(f, "TLS_error:|{}:SSL routines:OPENSSL_internal:{name}", SSL + number)?;
        match self {
            Self::CertificateVerifyFailed(why) => write!(f, ":verify cert failed: {why}")?,
            Self::PeerDidNotReturnACertificate => f.write_str(":peer did not provide required client certificate")?,
            _ => {}
        }
        f.write_str(":TLS_error_end")
    }
}

/// What Envoy appends when a certificate was refused (`source/common/tls/cert_validator/default_validator.cc`).
impl fmt::Display for VerifyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let openssl = match self {
            Self::SanMismatch(sans) => {
                return write!(f, "SAN matcher, certificate SANs are [{}]", sans.join(", "));
            }
            Self::Expired => "certificate has expired",
            Self::NotYetValid => "certificate is not yet valid",
            Self::UnknownIssuer => "unable to get local issuer certificate",
            Self::BadSignature => "certificate signature failure",
            Self::Purpose => "unsupported certificate purpose",
            Self::CriticalExtension => "unhandled critical extension",
            Self::Other => "certificate rejected",
        };
        write!(f, "X509_verify_cert: certificate verification error at depth 0: {openssl}")
    }
}

/// BoringSSL's name of an alert that the peer sent, by the alert's number.
fn alert(number: u8) -> &'static str {
    match number {
        0 => "SSLV3_ALERT_CLOSE_NOTIFY",
        10 => "SSLV3_ALERT_UNEXPECTED_MESSAGE",
        20 => "SSLV3_ALERT_BAD_RECORD_MAC",
        40 => "SSLV3_ALERT_HANDSHAKE_FAILURE",
        42 => "SSLV3_ALERT_BAD_CERTIFICATE",
        43 => "SSLV3_ALERT_UNSUPPORTED_CERTIFICATE",
        44 => "SSLV3_ALERT_CERTIFICATE_REVOKED",
        45 => "SSLV3_ALERT_CERTIFICATE_EXPIRED",
        46 => "SSLV3_ALERT_CERTIFICATE_UNKNOWN",
        47 => "SSLV3_ALERT_ILLEGAL_PARAMETER",
        48 => "TLSV1_ALERT_UNKNOWN_CA",
        49 => "TLSV1_ALERT_ACCESS_DENIED",
        50 => "TLSV1_ALERT_DECODE_ERROR",
        51 => "TLSV1_ALERT_DECRYPT_ERROR",
        70 => "TLSV1_ALERT_PROTOCOL_VERSION",
        71 => "TLSV1_ALERT_INSUFFICIENT_SECURITY",
        80 => "TLSV1_ALERT_INTERNAL_ERROR",
        90 => "TLSV1_ALERT_USER_CANCELLED",
        110 => "TLSV1_ALERT_UNSUPPORTED_EXTENSION",
        112 => "TLSV1_ALERT_UNRECOGNIZED_NAME",
        116 => "TLSV1_ALERT_CERTIFICATE_REQUIRED",
        120 => "TLSV1_ALERT_NO_APPLICATION_PROTOCOL",
        _ => "UNKNOWN_ALERT_TYPE",
    }
}

#[cfg(test)]
mod tests;
