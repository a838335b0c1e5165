//! Errors of TLS handshakes, as BoringSSL describes them and Envoy prints them.
//!
//! Envoy prints BoringSSL's error queue. Error codes of library `SSL` are `0x1000_0000` plus a reason from
//! `include/openssl/ssl.h`; for an alert from the peer the reason is 1000 plus the alert's number.

use std::fmt;

/// Base of the error codes of BoringSSL's library `SSL`.
const SSL: u32 = 0x1000_0000;

/// An error of a handshake. Its `Display` is the text of `UPSTREAM_TRANSPORT_FAILURE_REASON` and
/// `DOWNSTREAM_TRANSPORT_FAILURE_REASON`, in which access logs replace spaces by underscores.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TlsError {
    /// The peer's certificate was refused.
    CertificateVerifyFailed(VerifyError),
    /// A client certificate is required, but the client sent none.
    PeerDidNotReturnACertificate,
    /// The peer's first record is not TLS.
    WrongVersionNumber,
    /// The peer sent an HTTP request instead of a ClientHello.
    HttpRequest,
    /// No common protocol version.
    UnsupportedProtocol,
    /// No common cipher suite or group.
    NoSharedCipher,
    /// No common signature algorithm.
    NoCommonSignatureAlgorithms,
    /// A message was out of order.
    UnexpectedMessage,
    /// A record could not be decrypted.
    DecryptionFailed,
    /// A message could not be parsed.
    DecodeError,
    /// Any other error.
    HandshakeFailure,
    /// The peer sent the alert with this number (RFC 8446, section 6).
    Alert(u8),
    /// The peer reset the connection, which is an error of the operating system (library `system`, error 104).
    ConnectionReset,
    /// A secret of the context has not been received.
    SecretNotSupplied,
}

/// The reason why a certificate was refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum VerifyError {
    /// None of its SANs matches; contains the SANs.
    SanMismatch(Vec<String>),
    /// It has expired.
    Expired,
    /// It is not valid yet.
    NotYetValid,
    /// It was not issued by a trusted CA.
    UnknownIssuer,
    /// Its signature is invalid.
    BadSignature,
    /// It is not valid for this purpose.
    Purpose,
    /// It has an unknown critical extension.
    CriticalExtension,
    /// Any other reason.
    Other,
}

impl TlsError {
    /// Number and name of the reason.
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

/// The text in details and in transport failure reasons.
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

/// The text that Envoy appends if a certificate was refused (`source/common/tls/cert_validator/default_validator.cc`).
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

/// BoringSSL's name of an alert from the peer, by number.
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
