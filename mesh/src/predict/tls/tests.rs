use envoy_api::{CommonTlsContext, SanType, StringMatcher, SubjectAltNameMatcher, TlsParameters};
use pretty_assertions::assert_eq;

use super::*;
use crate::predict::certificate::Authority;

const CLIENT: &str = "spiffe://cluster.local/ns/default/sa/client";
const SERVER: &str = "spiffe://cluster.local/ns/default/sa/server";

fn of_mesh(sans: Vec<SubjectAltNameMatcher>) -> Check {
    Check { roots: Some(vec![Authority::Mesh]), sans, ..Check::default() }
}

fn client(alpn: &[&str]) -> Hello {
    Hello {
        server_name: Some("server".into()),
        alpn: alpn.iter().map(ToString::to_string).collect(),
        certificate: Some(Certificate::of_mesh(CLIENT)),
        check: of_mesh(vec![]),
        latest: TlsProtocol::V1_3,
    }
}

fn server(alpn: &[&str]) -> Acceptor {
    Acceptor {
        accepts_none: false,
        certificate: Certificate::of_mesh(SERVER),
        alpn: alpn.iter().map(ToString::to_string).collect(),
        insists_on_alpn: false,
        client: Some(of_mesh(vec![])),
        latest: TlsProtocol::V1_3,
    }
}

fn san(matcher: StringMatcher) -> SubjectAltNameMatcher {
    SubjectAltNameMatcher { san_type: SanType::Uri, matcher }
}

#[track_caller]
fn breaks(server: &Acceptor, client: &Hello, by: Side, why: Why) {
    assert_eq!(server.handshake(client).1, Some(Broken { by, why }));
}

#[test]
fn two_certificates_of_the_mesh_make_a_mutual_session() {
    let (session, broken) = server(&[]).handshake(&client(&[]));
    assert_eq!(broken, None);
    assert!(session.mutual);
    assert_eq!(session.facts.client_identity.as_deref(), Some(CLIENT));
    assert_eq!(session.facts.server_identity.as_deref(), Some(SERVER));
}

#[test]
fn the_servers_preference_chooses_the_protocol() {
    let chosen = |offered: &[&str]| server(&["h2", "http/1.1"]).handshake(&client(offered)).0.facts.alpn;
    assert_eq!(chosen(&["http/1.1", "h2"]).as_deref(), Some("h2"));
    assert_eq!(chosen(&["istio-http/1.1", "istio", "http/1.1"]).as_deref(), Some("http/1.1"));
    assert_eq!(chosen(&["other"]), None);
    assert_eq!(chosen(&[]), None);
}

#[test]
fn only_a_server_that_insists_refuses_for_want_of_a_common_protocol() {
    assert_eq!(server(&["h2"]).handshake(&client(&["other"])).1, None);
    let insists = Acceptor { insists_on_alpn: true, ..server(&["h2"]) };
    breaks(&insists, &client(&["other"]), Side::Server, Why::NoCommonProtocol);
    assert_eq!(insists.handshake(&client(&[])).1, None);
}

#[test]
fn the_client_checks_first() {
    let stranger = Hello { check: Check::of_apps(), certificate: None, ..client(&[]) };
    breaks(&server(&[]), &stranger, Side::Client, Why::UnknownIssuer);
}

#[test]
fn a_client_without_a_certificate_is_refused_where_one_is_required() {
    let bare = Hello { certificate: None, ..client(&[]) };
    breaks(&server(&[]), &bare, Side::Server, Why::NoCertificate);
    let (session, broken) = Acceptor { client: None, ..server(&[]) }.handshake(&bare);
    assert_eq!((broken, session.mutual), (None, false));
}

#[test]
fn the_client_accepts_only_the_configured_identities() {
    let check = |identity: &str| of_mesh(vec![san(StringMatcher::exact(identity))]);
    assert_eq!(server(&[]).handshake(&Hello { check: check(SERVER), ..client(&[]) }).1, None);
    let other = Hello { check: check(CLIENT), ..client(&[]) };
    breaks(&server(&[]), &other, Side::Client, Why::WrongSan(vec![SERVER.into()]));
}

#[test]
fn the_server_takes_only_its_trust_domain() {
    let sans = vec![san(StringMatcher::prefix("spiffe://elsewhere/"))];
    let foreign = Acceptor { client: Some(of_mesh(sans)), ..server(&[]) };
    breaks(&foreign, &client(&[]), Side::Server, Why::WrongSan(vec![CLIENT.into()]));
}

#[test]
fn in_tls_1_3_the_client_hears_of_its_certificate_when_it_has_gone_on() {
    let bare = Hello { certificate: None, ..client(&[]) };
    let (session, broken) = server(&[]).handshake(&bare);
    assert!(broken.expect("refused").is_late(&session));
    let (session, broken) = server(&[]).handshake(&Hello { latest: TlsProtocol::V1_2, ..bare });
    assert!(!broken.expect("refused").is_late(&session));
}

#[test]
fn envoys_clients_use_at_most_tls_1_2_unless_configured() {
    let context = UpstreamTlsContext::default();
    let (session, _) = server(&[]).handshake(&Hello::of(&context, &Material::default()).expect("no secret is named"));
    assert_eq!(session.facts.version.as_deref(), Some("TLSv1.2"));

    let tls_params =
        Some(TlsParameters { tls_maximum_protocol_version: Some(TlsProtocol::V1_3), ..TlsParameters::default() });
    let common_tls_context = CommonTlsContext { tls_params, ..CommonTlsContext::default() };
    let context = UpstreamTlsContext { common_tls_context, ..UpstreamTlsContext::default() };
    let (session, _) = server(&[]).handshake(&Hello::of(&context, &Material::default()).expect("no secret is named"));
    assert_eq!(session.facts.version.as_deref(), Some("TLSv1.3"));
}
