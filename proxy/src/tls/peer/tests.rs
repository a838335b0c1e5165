use rcgen::{CertificateParams, DnType, KeyPair, SanType};

use super::*;

fn certificate(change: impl FnOnce(&mut CertificateParams)) -> PeerCertificate {
    let mut params = CertificateParams::default();
    params.distinguished_name = rcgen::DistinguishedName::new();
    change(&mut params);
    let der = params.self_signed(&KeyPair::generate().unwrap()).unwrap();
    PeerCertificate::parse(der.der()).unwrap()
}

#[test]
fn an_svid_has_a_uri_and_no_subject() {
    let id = "spiffe://cluster.local/ns/default/sa/client";
    let facts = certificate(|p| p.subject_alt_names = vec![SanType::URI(id.try_into().unwrap())]);
    assert_eq!(facts.uri_sans, [id]);
    assert_eq!(facts.subject, "");
    assert_eq!(facts.sha256.len(), 64);
}

#[test]
fn a_certificate_is_parsed_once() {
    let der = CertificateParams::default().self_signed(&KeyPair::generate().unwrap()).unwrap();
    let first = PeerCertificate::cached(der.der()).unwrap();
    assert!(Arc::ptr_eq(&first, &PeerCertificate::cached(der.der()).unwrap()));
    assert!(PeerCertificate::cached(b"no certificate").is_err());
}

#[test]
fn a_subject_is_formatted_in_reverse_order_and_escaped() {
    let facts = certificate(|p| {
        p.distinguished_name.push(DnType::OrganizationName, "Acme, Inc.");
        p.distinguished_name.push(DnType::CommonName, "web");
    });
    assert_eq!(facts.subject, r"CN=web,O=Acme\, Inc.");
}

#[test]
fn sans_are_grouped_by_type() {
    let facts = certificate(|p| {
        p.subject_alt_names = vec![
            SanType::DnsName("a.example".try_into().unwrap()),
            SanType::IpAddress("::1".parse().unwrap()),
            SanType::Rfc822Name("a@b.example".try_into().unwrap()),
        ];
    });
    assert_eq!((facts.dns_sans, facts.ip_sans), (vec!["a.example".into()], vec!["::1".into()]));
    assert_eq!(facts.email_sans, ["a@b.example"]);
}
