use super::*;

/// All of them are from logs of Envoy 1.40.
#[test]
fn texts_are_those_of_envoys_log() {
    for (error, text) in [
        (
            TlsError::WrongVersionNumber,
            "TLS_error:|268435703:SSL_routines:OPENSSL_internal:WRONG_VERSION_NUMBER:TLS_error_end",
        ),
        (
            TlsError::Alert(116),
            "TLS_error:|268436572:SSL_routines:OPENSSL_internal:TLSV1_ALERT_CERTIFICATE_REQUIRED:TLS_error_end",
        ),
        (
            TlsError::UnexpectedMessage,
            "TLS_error:|268435679:SSL_routines:OPENSSL_internal:UNEXPECTED_MESSAGE:TLS_error_end",
        ),
        (
            TlsError::ConnectionReset,
            "TLS_error:|33554536:system_library:OPENSSL_internal:Connection_reset_by_peer:TLS_error_end",
        ),
        (
            TlsError::CertificateVerifyFailed(VerifyError::SanMismatch(vec!["spiffe://a".into(), "b".into()])),
            "TLS_error:|268435581:SSL_routines:OPENSSL_internal:CERTIFICATE_VERIFY_FAILED:verify_cert_failed:\
             _SAN_matcher,_certificate_SANs_are_[spiffe://a,_b]:TLS_error_end",
        ),
        (
            TlsError::CertificateVerifyFailed(VerifyError::Expired),
            "TLS_error:|268435581:SSL_routines:OPENSSL_internal:CERTIFICATE_VERIFY_FAILED:verify_cert_failed:\
             _X509_verify_cert:_certificate_verification_error_at_depth_0:_certificate_has_expired:TLS_error_end",
        ),
    ] {
        assert_eq!(error.to_string().replace(' ', "_"), text);
    }
}

#[test]
fn an_alert_without_a_name_has_its_number() {
    assert!(TlsError::Alert(99).to_string().contains("|268436555:SSL routines:OPENSSL_internal:UNKNOWN_ALERT_TYPE"));
}
