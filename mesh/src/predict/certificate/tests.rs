use envoy_api::{CertificateValidationContext, CombinedCertificateValidationContext, SdsSecretConfig, StringMatcher};
use pretty_assertions::assert_eq;

use super::*;
use crate::ca::{Authority as Ca, KeyType, SVID_LIFETIME, Validity};

const ID: &str = "spiffe://cluster.local/ns/default/sa/server";

fn roots(roots: &[Authority]) -> Check {
    Check { roots: Some(roots.to_vec()), ..Check::default() }
}

fn named(name: &str) -> Authority {
    Authority::Named(name.into())
}

fn of(issuer: Authority) -> Certificate {
    Certificate::of_app(issuer)
}

#[test]
fn a_certificate_needs_a_root_that_vouches_for_it() {
    use Authority::{Apps, Mesh, Public, Rogue};
    for (root, issuer, admitted) in [
        (Mesh, Mesh, true),
        (Mesh, Apps, false),
        (Mesh, Rogue, false),
        (Apps, Mesh, false),
        (Apps, named("team"), true),
        (named("team"), named("team"), true),
        (named("team"), named("other"), false),
        (named("team"), Mesh, false),
        (Public, Public, true),
        (Public, Apps, false),
        (Rogue, Rogue, false),
    ] {
        let expected = if admitted { Ok(()) } else { Err(Why::UnknownIssuer) };
        assert_eq!(roots(std::slice::from_ref(&root)).admits(&of(issuer.clone())), expected, "{root:?} {issuer:?}");
    }
}

#[test]
fn without_roots_anybody_is_taken_at_any_time() {
    let expired = Certificate { valid: ValidAt::Past, ..of(Authority::Rogue) };
    assert_eq!(Check::default().admits(&expired), Ok(()));
}

#[test]
fn time_counts() {
    for (valid, why) in [(ValidAt::Past, Why::Expired), (ValidAt::Future, Why::NotYetValid)] {
        let certificate = Certificate { valid, ..Certificate::of_mesh(ID) };
        assert_eq!(roots(&[Authority::Mesh]).admits(&certificate), Err(why));
    }
}

#[test]
fn a_name_that_is_asked_for_must_be_there() {
    let san = |san_type, name: &str| SubjectAltNameMatcher { san_type, matcher: StringMatcher::exact(name) };
    let check = |sans: Vec<SubjectAltNameMatcher>| Check { sans, ..roots(&[Authority::Mesh]) };
    let wrong = Err(Why::WrongSan(vec![ID.into()]));
    let svid = Certificate::of_mesh(ID);
    assert_eq!(check(vec![san(SanType::Uri, "x"), san(SanType::Uri, ID)]).admits(&svid), Ok(()));
    assert_eq!(check(vec![san(SanType::Uri, "x")]).admits(&svid), wrong);
    assert_eq!(check(vec![san(SanType::Dns, ID)]).admits(&svid), wrong);
    let unknown = check(vec![san(SanType::Dns, "server")]);
    assert_eq!(
        Check { roots: None, ..unknown }.admits(&of(Authority::Apps)),
        Ok(()),
        "what is not known is taken to fit"
    );
}

#[test]
fn of_a_strange_certificate_for_another_name_a_caller_in_go_reports_the_name() {
    let check = Check { host: Some("webhook.default.svc".into()), ..roots(&[named("team")]) };
    let svid = Certificate::of_mesh(ID);
    assert_eq!(check.admits(&svid), Err(Why::UnknownIssuer));
    let go = Check { names_first: true, ..check };
    assert_eq!(go.admits(&svid), Err(Why::WrongSan(vec![ID.into()])));
    let expired = Certificate { valid: ValidAt::Past, ..svid };
    assert_eq!(go.admits(&expired), Err(Why::Expired));
}

#[test]
fn a_host_that_is_asked_for_must_be_the_certificates() {
    let certificate = |hosts: &[&str]| Certificate {
        hosts: Some(hosts.iter().map(ToString::to_string).collect()),
        ..of(Authority::Apps)
    };
    let check = Check { host: Some("api.example.com".into()), ..Check::default() };
    for (hosts, admitted) in [
        (&["api.example.com"][..], true),
        (&["*.example.com"], true),
        (&["example.com", "API.EXAMPLE.COM"], true),
        (&["*.com"], false),
        (&[], false),
    ] {
        assert_eq!(check.admits(&certificate(hosts)).is_ok(), admitted, "{hosts:?}");
    }
}

#[test]
fn a_certificate_is_read_from_pem() {
    let authority = Ca::new("cluster.local", KeyType::default()).expect("an authority");
    let svid = authority.issue_svid(ID, Validity::from_now(SVID_LIFETIME)).expect("a certificate");
    let certificate = Certificate::of_pem(svid.chain_pem.as_bytes()).expect("a certificate");
    assert_eq!((certificate.uris.as_slice(), certificate.valid), (&[ID.to_owned()][..], ValidAt::Now));
    let root = of_roots(&DataSource::InlineString(authority.root_pem()));
    assert_eq!(root, [certificate.issuer], "its issuer is the root's subject");
    assert_eq!(Certificate::of_pem(b"no PEM"), None);
}

#[test]
fn every_kind_of_svid_but_the_proper_one_is_refused_somewhere() {
    let strict = Check {
        sans: vec![SubjectAltNameMatcher { san_type: SanType::Uri, matcher: StringMatcher::exact(ID) }],
        ..roots(&[Authority::Mesh])
    };
    for kind in SvidKind::ALL {
        let capture = crate::model::Capture::default();
        let sidecar = Injected {
            role: crate::model::ProxyRole::Sidecar,
            capture,
            spiffe_id: ID.into(),
            svid: kind,
            mounts: vec![],
            tls_to_app: BTreeMap::new(),
            metadata: crate::model::NodeMetadata::default(),
        };
        let admitted = strict.admits(&Certificate::of_sidecar(&sidecar));
        // A second URI does no harm to who looks for the first.
        let expected = matches!(kind, SvidKind::Proper | SvidKind::TwoUris);
        assert_eq!(admitted.is_ok(), expected, "{kind:?}: {admitted:?}");
    }
}

fn context(secret: &str) -> CommonTlsContext {
    let config = SdsSecretConfig { name: secret.into(), sds_config: None };
    CommonTlsContext {
        tls_certificate_sds_secret_configs: vec![config.clone()],
        combined_validation_context: Some(CombinedCertificateValidationContext {
            default_validation_context: CertificateValidationContext::default(),
            validation_context_sds_secret_config: config,
        }),
        ..CommonTlsContext::default()
    }
}

#[test]
fn a_missing_secret_is_reported() {
    let material = Material::new(None, BTreeMap::from([("file-root:/ca".to_owned(), None)]));
    assert_eq!(material.check(&context("file-root:/ca")).unwrap_err(), NotThere);
    assert_eq!(material.certificate(&context("file-root:/ca")).unwrap_err(), NotThere);
    assert_eq!(material.certificate(&context(SVID)).unwrap_err(), NotThere);
}

#[test]
fn roots_are_the_meshs_the_hosts_or_whats_in_the_secret() {
    let material = Material::default();
    assert_eq!(material.check(&context(MESH_ROOT)).unwrap().roots, Some(vec![Authority::Mesh]));
    assert_eq!(material.check(&CommonTlsContext::default()).unwrap().roots, None);
    let trusted_ca = Some(DataSource::Filename(system_roots::FILE.into()));
    let validation_context = Some(CertificateValidationContext { trusted_ca, ..Default::default() });
    let system = CommonTlsContext { validation_context, ..CommonTlsContext::default() };
    assert_eq!(material.check(&system).unwrap().roots, Some(vec![Authority::Public]));
}

/// RFC 6125, section 6.4: names compare without case, and a wildcard stands for one label.
#[test]
fn a_name_is_compared_without_case_with_a_wildcard_too() {
    assert!(is_for("a.example.com", "A.Example.COM"));
    assert!(is_for("*.example.com", "A.EXAMPLE.com") && is_for("*.Example.com", "a.example.com"));
    assert!(!is_for("*.example.com", "a.b.example.com") && !is_for("*.example.com", "example.com"));
}
