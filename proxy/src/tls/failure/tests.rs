use rustls::AlertDescription;

use super::*;

fn of(error: Error) -> Cow<'static, str> {
    reason(&io::Error::other(error))
}

#[test]
fn plaintext_instead_of_tls_is_a_wrong_version_number() {
    let text = of(Error::InvalidMessage(InvalidMessage::InvalidContentType));
    assert_eq!(text, "TLS_error:|268435703:SSL routines:OPENSSL_internal:WRONG_VERSION_NUMBER:TLS_error_end");
}

#[test]
fn the_number_of_an_alert_is_part_of_the_reason() {
    let text = of(Error::AlertReceived(AlertDescription::CertificateRequired));
    assert!(text.contains("|268436572:") && text.contains("TLSV1_ALERT_CERTIFICATE_REQUIRED"), "{text}");
}

#[test]
fn a_peer_that_closed_has_no_reason() {
    assert_eq!(reason(&io::ErrorKind::UnexpectedEof.into()), "");
}
