use pretty_assertions::assert_eq;
use rustls::{AlertDescription, CertificateError, Error};

use super::*;

#[test]
fn alerts_have_their_names_in_the_rfcs() {
    let alert = |alert| match Cause::from_tls(&Error::AlertReceived(alert)).kind {
        FailureKind::TlsAlert { alert } => alert,
        other => panic!("{other:?}"),
    };
    assert_eq!(alert(AlertDescription::CertificateRequired), "certificate_required");
    assert_eq!(alert(AlertDescription::UnknownCA), "unknown_ca");
    assert_eq!(alert(AlertDescription::UnknownPSKIdentity), "unknown_psk_identity");
    assert_eq!(alert(AlertDescription::BadRecordMac), "bad_record_mac");
    assert_eq!(alert(AlertDescription::UnrecognisedName), "unrecognized_name");
}

#[test]
fn a_failure_is_one_flat_object_and_can_be_read_back() {
    let failure = Cause::from_tls(&Error::InvalidCertificate(CertificateError::UnknownIssuer)).at(Stage::Tls);
    let json = serde_json::to_value(&failure).unwrap();
    assert_eq!(json["stage"], "tls");
    assert_eq!(json["kind"], "certificate");
    assert_eq!(json["problem"], "unknown_issuer");
    assert_eq!(serde_json::from_value::<Failure>(json).unwrap(), failure);
}

#[test]
fn the_name_of_a_kind_is_the_one_in_json() {
    let text = String::new;
    for kind in [
        FailureKind::AddressNotAvailable,
        FailureKind::BrokenPipe,
        FailureKind::Certificate { problem: CertificateProblem::Expired },
        FailureKind::ConnectionRefused,
        FailureKind::ConnectionReset,
        FailureKind::EchoMismatch,
        FailureKind::Eof,
        FailureKind::GrpcStatus { code: 0, name: text() },
        FailureKind::HostUnreachable,
        FailureKind::HttpParse { first_bytes: text() },
        FailureKind::HttpProtocol { reason: text() },
        FailureKind::HttpStatus { status: 404 },
        FailureKind::Io { errno: None },
        FailureKind::NetworkUnreachable,
        FailureKind::NotTls { first_bytes: text() },
        FailureKind::Resolution,
        FailureKind::Timeout,
        FailureKind::TlsAlert { alert: text() },
        FailureKind::TlsProtocol { reason: text() },
        FailureKind::UpgradeRefused { status: 404 },
    ] {
        assert_eq!(serde_json::to_value(&kind).unwrap()["kind"], kind.name());
    }
    assert_eq!(CertificateProblem::NotValidForName.to_string(), "not_valid_for_name");
}

#[test]
fn only_bytes_outside_the_tls_content_types_are_not_tls() {
    let cause = || Cause::eof("closed");
    assert_eq!(
        cause().or_not_tls(b"HTTP/1.1 400 Bad Request\r\n").kind,
        FailureKind::NotTls { first_bytes: "HTTP/1.1 400 Bad Request\\r\\n".to_owned() }
    );
    assert_eq!(cause().or_not_tls(&[0x15, 3, 3, 0, 2, 2, 40]).kind, FailureKind::Eof);
    assert_eq!(cause().or_not_tls(b"").kind, FailureKind::Eof);
}
