use pretty_assertions::assert_eq;
use x509_parser::{
    certificate::X509Certificate, extensions::GeneralName, parse_x509_certificate, pem::parse_x509_pem,
    public_key::PublicKey,
};

use super::*;

const ID: &str = "spiffe://cluster.local/ns/default/sa/server";

fn svid(authority: &Authority) -> Vec<u8> {
    der(&authority.issue_svid(ID, Validity::from_now(SVID_LIFETIME)).unwrap().chain_pem)
}

fn der(pem: &str) -> Vec<u8> {
    parse_x509_pem(pem.as_bytes()).unwrap().1.contents
}

fn parse(der: &[u8]) -> X509Certificate<'_> {
    parse_x509_certificate(der).unwrap().1
}

fn p256() -> Authority {
    Authority::new("cluster.local", KeyType::P256).unwrap()
}

#[test]
fn an_svid_has_the_fields_of_istios() {
    let der = svid(&p256());
    let certificate = parse(&der);
    assert_eq!(certificate.subject().to_string(), "");
    let names = certificate.subject_alternative_name().unwrap().unwrap();
    assert!(names.critical, "an empty subject makes it critical");
    assert_eq!(names.value.general_names, [GeneralName::URI(ID)]);
    let usage = certificate.key_usage().unwrap().unwrap().value;
    assert!(usage.digital_signature() && usage.key_encipherment() && !usage.key_cert_sign());
    let extended = certificate.extended_key_usage().unwrap().unwrap().value;
    assert!(extended.server_auth && extended.client_auth && !extended.any);
    let constraints = certificate.basic_constraints().unwrap().unwrap();
    assert!(constraints.critical && !constraints.value.ca);
    assert!((8..=16).contains(&certificate.raw_serial().len()), "128 random bits");
}

#[test]
fn an_svid_is_valid_from_two_minutes_ago_for_a_day() {
    let der = svid(&p256());
    let validity = parse(&der).validity().clone();
    let now = Timestamp::now().as_second();
    assert!((now - 125..=now - 119).contains(&validity.not_before.timestamp()));
    assert!((now + 86_395..=now + 86_401).contains(&validity.not_after.timestamp()));
}

#[test]
fn the_root_signs_it_and_a_rogue_root_did_not() {
    let (authority, rogue) = (p256(), p256());
    let der_of_leaf = svid(&authority);
    let leaf = parse(&der_of_leaf);
    for (root_pem, signed) in [(authority.root_pem(), true), (rogue.root_pem(), false)] {
        let der_of_root = der(&root_pem);
        let root = parse(&der_of_root);
        assert_eq!(root.subject().to_string(), "O=cluster.local");
        assert!(root.is_ca());
        assert_eq!(leaf.verify_signature(Some(root.public_key())).is_ok(), signed);
    }
}

#[test]
fn serials_differ() {
    let authority = p256();
    let (one, other) = (svid(&authority), svid(&authority));
    assert_ne!(parse(&one).raw_serial(), parse(&other).raw_serial());
}

#[test]
fn keys_are_of_the_requested_type_and_fit_their_certificate() {
    for (key_type, bits) in [(KeyType::P256, 256), (KeyType::P384, 384), (KeyType::Rsa2048, 2048)] {
        let svid = Authority::new("cluster.local", key_type)
            .unwrap()
            .issue_svid(ID, Validity::from_now(SVID_LIFETIME))
            .unwrap();
        let der = der(&svid.chain_pem);
        let certificate = parse(&der);
        let key_bits = match certificate.public_key().parsed().unwrap() {
            PublicKey::RSA(key) => key.key_size(),
            PublicKey::EC(point) => point.key_size(),
            other => panic!("{other:?}"),
        };
        assert_eq!(key_bits, bits, "{key_type:?}");
        let key = KeyPair::from_pem(&svid.key_pem).unwrap();
        assert_eq!(rcgen::PublicKeyData::der_bytes(&key), &*certificate.public_key().subject_public_key.data);
    }
}

#[test]
fn certificates_that_a_mesh_should_reject_can_be_issued() {
    let authority = p256();
    let at = |text: &str| text.parse().unwrap();
    let past = Validity { not_before: at("2020-01-01T00:00:00Z"), not_after: at("2020-01-02T00:00:00Z") };
    let names = Names {
        uris: vec![ID.into(), "spiffe://other/ns/a/sa/b".into()],
        hosts: vec!["server".into()],
        common_name: Some("server".into()),
    };
    let svid = authority.issue(&names, past).unwrap();
    let der_of_odd = der(&svid.chain_pem);
    let certificate = parse(&der_of_odd);
    assert_eq!(certificate.subject().to_string(), "CN=server");
    assert_eq!(certificate.subject_alternative_name().unwrap().unwrap().value.general_names.len(), 3);
    assert_eq!(certificate.validity().not_after.timestamp(), past.not_after.as_second());
    let without = authority.issue(&Names::default(), past).unwrap();
    let der_without = der(&without.chain_pem);
    assert!(parse(&der_without).subject_alternative_name().unwrap().is_none());
}

#[test]
fn a_name_that_is_not_ascii_is_rejected() {
    let error = p256().issue_svid("spiffe://mañana", Validity::from_now(SVID_LIFETIME)).err().unwrap();
    assert_eq!(error.to_string(), "\"spiffe://mañana\" cannot be in a certificate: it must be ASCII");
}

#[test]
fn each_wrong_kind_of_certificate_is_wrong_in_one_way() {
    let (mesh, other) = (p256(), p256());
    let root_der = der(&mesh.root_pem());
    let root = parse(&root_der);
    let now = Timestamp::now().as_second();
    for kind in SvidKind::ALL {
        let der = der(&issue_of(kind, ID, &mesh, &other).unwrap().chain_pem);
        let certificate = parse(&der);
        let signed_by_mesh = certificate.verify_signature(Some(root.public_key())).is_ok();
        assert_eq!(signed_by_mesh, kind.signed_by_mesh(), "{kind:?}");
        let validity = certificate.validity();
        let valid = match (validity.not_before.timestamp() <= now, validity.not_after.timestamp() > now) {
            (true, true) => ValidAt::Now,
            (true, false) => ValidAt::Past,
            (false, _) => ValidAt::Future,
        };
        assert_eq!(valid, kind.valid(), "{kind:?}");
        let names = certificate.subject_alternative_name().unwrap();
        let uris = names.iter().flat_map(|names| &names.value.general_names).filter_map(|name| match name {
            GeneralName::URI(uri) => Some((*uri).to_owned()),
            _ => None,
        });
        let uris: Vec<String> = uris.collect();
        assert_eq!(uris, kind.uris(ID), "{kind:?}");
        let ways = [!signed_by_mesh, valid != ValidAt::Now, uris != [ID]];
        let expected = match kind {
            SvidKind::Proper => 0,
            SvidKind::PlainClientCert => 2,
            _ => 1,
        };
        assert_eq!(ways.iter().filter(|wrong| **wrong).count(), expected, "{kind:?}");
    }
}
