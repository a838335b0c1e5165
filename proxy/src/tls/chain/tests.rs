use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, ExtendedKeyUsagePurpose, IsCa, KeyPair, KeyUsagePurpose,
    SigningKey as _,
};
use rustls::crypto::aws_lc_rs;

use super::*;

fn authority(name: &str) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name.push(rcgen::DnType::CommonName, name);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params
}

fn leads_to(roots: &[&CertificateDer<'static>], leaf: &CertificateDer<'_>, chain: &[CertificateDer<'_>]) -> bool {
    let anchors: Vec<_> = roots.iter().map(|root| (*root).clone()).collect();
    let algorithms = aws_lc_rs::default_provider().signature_verification_algorithms;
    let trust = Trust { anchors: &anchors, algorithms: &algorithms, peer: Peer::Client, now: UnixTime::now() };
    trust.leads_to_root(leaf, chain)
}

fn root() -> CertifiedIssuer<'static, KeyPair> {
    CertifiedIssuer::self_signed(authority("root"), KeyPair::generate().unwrap()).unwrap()
}

#[test]
fn a_leaf_that_may_sign_certificates_is_accepted() {
    let root = root();
    let leaf = authority("leaf").signed_by(&KeyPair::generate().unwrap(), &root).unwrap();
    assert!(leads_to(&[root.der()], leaf.der(), &[]));
    assert!(leads_to(&[leaf.der()], leaf.der(), &[]), "it is itself trusted");
    let other = CertifiedIssuer::self_signed(authority("root"), KeyPair::generate().unwrap()).unwrap();
    assert!(!leads_to(&[other.der()], leaf.der(), &[]), "a root of the same name with another key");
}

#[test]
fn long_chains_are_accepted() {
    let root = root();
    let mut chain = Vec::new();
    let mut issuer = CertifiedIssuer::signed_by(authority("0"), KeyPair::generate().unwrap(), &root).unwrap();
    chain.push(issuer.der().clone());
    for i in 1..12 {
        let key = KeyPair::generate().unwrap();
        issuer = CertifiedIssuer::signed_by(authority(&i.to_string()), key, &issuer).unwrap();
        chain.push(issuer.der().clone());
    }
    let leaf = CertificateParams::default().signed_by(&KeyPair::generate().unwrap(), &issuer).unwrap();
    chain.reverse();
    assert!(leads_to(&[root.der()], leaf.der(), &chain));
    chain.remove(5);
    assert!(!leads_to(&[root.der()], leaf.der(), &chain), "one is missing");
}

#[test]
fn only_a_ca_can_sign_certificates() {
    let root = root();
    let leaf_params = || {
        let mut params = CertificateParams::default();
        params.distinguished_name.push(rcgen::DnType::CommonName, "leaf");
        params
    };
    let middle = CertifiedIssuer::signed_by(leaf_params(), KeyPair::generate().unwrap(), &root).unwrap();
    let leaf = CertificateParams::default().signed_by(&KeyPair::generate().unwrap(), &middle).unwrap();
    assert!(!leads_to(&[root.der()], leaf.der(), &[middle.der().clone()]));

    let mut short = authority("short");
    short.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    let short = CertifiedIssuer::signed_by(short, KeyPair::generate().unwrap(), &root).unwrap();
    let below = CertifiedIssuer::signed_by(authority("below"), KeyPair::generate().unwrap(), &short).unwrap();
    let leaf = CertificateParams::default().signed_by(&KeyPair::generate().unwrap(), &below).unwrap();
    let chain = [below.der().clone(), short.der().clone()];
    assert!(!leads_to(&[root.der()], leaf.der(), &chain), "longer than its CA allows");
}

#[test]
fn a_leaf_with_another_purpose_is_refused() {
    let root = root();
    let signed = |change: fn(&mut CertificateParams)| {
        let mut params = CertificateParams::default();
        change(&mut params);
        params.signed_by(&KeyPair::generate().unwrap(), &root).unwrap()
    };
    let for_servers = signed(|params| params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth]);
    let for_signing = signed(|params| params.key_usages = vec![KeyUsagePurpose::KeyCertSign]);
    let old = signed(|params| params.not_after = rcgen::date_time_ymd(2020, 1, 1));
    for leaf in [for_servers, for_signing, old] {
        assert!(!leads_to(&[root.der()], leaf.der(), &[]));
    }
}

#[test]
fn a_certificate_of_version_1_is_accepted() {
    let (root, key) = (root(), KeyPair::generate().unwrap());
    let leaf = CertificateParams::default().signed_by(&key, &root).unwrap();
    let version_1 = as_version_1(leaf.der(), root.key());
    assert!(webpki_refuses(&version_1));
    assert!(leads_to(&[root.der()], &version_1, &[]));
    assert!(!leads_to(&[root.der()], &as_version_1(leaf.der(), &key), &[]), "signed by another");
}

fn webpki_refuses(leaf: &CertificateDer<'_>) -> bool {
    rustls::server::ParsedCertificate::try_from(leaf).is_err()
}

/// The certificate without the fields of version 3, signed again.
fn as_version_1(der: &CertificateDer<'_>, key: &KeyPair) -> CertificateDer<'static> {
    let certificate = parse(der).unwrap();
    let tbs = certificate.tbs_certificate.as_ref();
    let end = certificate.public_key().raw.as_ptr_range().end as usize - tbs.as_ptr() as usize;
    let body = &tbs[tbs.windows(5).position(|window| window == [0xa0, 3, 2, 1, 2]).unwrap() + 5..end];
    let tbs = long(0x30, body);
    let signature = [&[0][..], &key.sign(&tbs).unwrap()].concat();
    let algorithm = element(0x30, &identifier(&certificate.signature_algorithm));
    long(0x30, &[tbs, algorithm, long(3, &signature)].concat()).into()
}

fn long(tag: u8, content: &[u8]) -> Vec<u8> {
    let length = (content.len() as u16).to_be_bytes();
    [&[tag, 0x82, length[0], length[1]], content].concat()
}
