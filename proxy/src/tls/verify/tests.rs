use super::*;

#[test]
fn a_wildcard_covers_one_label() {
    assert!(covers("*.example.com", "a.example.com"));
    assert!(!covers("*.example.com", "a.b.example.com"));
    assert!(!covers("*.example.com", "example.com"));
    assert!(covers("A.example.com", "a.example.com"));
}

#[test]
fn names_without_roots_are_refused() {
    let context = CertificateValidationContext {
        match_typed_subject_alt_names: vec![SubjectAltNameMatcher {
            san_type: SanType::Uri,
            matcher: envoy_api::StringMatcher::prefix("spiffe://"),
        }],
        ..CertificateValidationContext::default()
    };
    assert!(roots(&context).unwrap_err().to_string().contains("trusted_ca"));
}

#[test]
fn a_uri_matcher_does_not_match_dns_names() {
    let peer = PeerCertificate { dns_sans: vec!["spiffe://td/x".into()], ..PeerCertificate::default() };
    let matcher =
        SubjectAltNameMatcher { san_type: SanType::Uri, matcher: envoy_api::StringMatcher::prefix("spiffe://td/") };
    assert!(!has_name(&peer, &matcher));
}

#[test]
fn without_a_name_to_check_every_certificate_matches() {
    let certificate = rcgen::generate_simple_self_signed(["shop.example.com".to_owned()]).unwrap().cert;
    let names = Names { matchers: vec![], auto: true };
    let check =
        |name: &str| names.check(certificate.der(), Some(&ServerName::try_from(name.to_owned()).unwrap())).is_ok();
    assert!(check("shop.example.com"));
    assert!(!check("pay.example.com"));
    assert!(!check("203.0.113.1"));
    assert!(names.check(certificate.der(), Some(&NO_NAME.into())).is_ok(), "a TCP proxy has no host");
}
