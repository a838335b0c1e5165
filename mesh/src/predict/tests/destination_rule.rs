//! What DestinationRules make clients do, against what PeerAuthentications make servers do: claims C21 to C30, and the
//! signatures F2 to F5 and F16 to F17.

use super::*;
use crate::account::NoteKind;
use crate::ca::{Authority as Ca, KeyType, Names, SVID_LIFETIME, Validity};

/// A DestinationRule for `server` with these TLS settings.
fn rule(tls: &str) -> String {
    format!(
        "---
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {{name: server}}
spec:
  host: server.default.svc.cluster.local
  trafficPolicy: {{tls: {tls}}}
"
    )
}

const DISABLE: &str = "{mode: DISABLE}";
const SIMPLE: &str = "{mode: SIMPLE, insecureSkipVerify: true}";
const ISTIO_MUTUAL: &str = "{mode: ISTIO_MUTUAL}";

/// What becomes of a call from `client` under a rule and a mode.
fn ends(flavor: Flavor, tls: &str, mode: &str, port: u16, app: AppProtocol, speaks: Speaks) -> String {
    let mesh = mesh_of(flavor, &format!("{}{}", policy(mode), rule(tls)));
    brief(&call(&mesh, "client", "server", port, app).to(speaks).outcome())
}

fn http(tls: &str, mode: &str) -> String {
    ends(Flavor::Istio, tls, mode, 80, AppProtocol::Http, Speaks::Http)
}

fn tcp(tls: &str, mode: &str) -> String {
    ends(Flavor::Istio, tls, mode, 70, AppProtocol::Tcp, Speaks::Tcp)
}

#[test]
fn c25_c26_istio_mutual_works_where_the_server_takes_mtls() {
    for mode in ["STRICT", "PERMISSIVE"] {
        assert_eq!((http(ISTIO_MUTUAL, mode).as_str(), tcp(ISTIO_MUTUAL, mode).as_str()), ("200", "echo"), "{mode}");
    }
}

#[test]
fn c27_f2_f3_plaintext_to_strict_finds_no_chain() {
    let refused = "server sidecar no_filter_chain_match NR filter_chain_not_found";
    assert_eq!(http(DISABLE, "STRICT"), format!("{refused} -> 503"));
    assert_eq!(tcp(DISABLE, "STRICT"), format!("{refused} -> connection_reset"));
}

#[test]
fn c28_plaintext_works_where_the_server_takes_it() {
    for mode in ["PERMISSIVE", "DISABLE"] {
        assert_eq!((http(DISABLE, mode).as_str(), tcp(DISABLE, mode).as_str()), ("200", "echo"), "{mode}");
    }
}

#[test]
fn c29_f4_mtls_to_a_port_without_it_hits_the_http_codec() {
    let refused = "server sidecar protocol_error DPE http1.codec_error -> 503";
    assert_eq!(http(ISTIO_MUTUAL, "DISABLE"), refused);
}

#[test]
fn c29_f5_mtls_to_a_port_without_it_hits_the_app() {
    let refused = "client sidecar tls_handshake_failed UF,URX - -> connection_reset";
    assert_eq!(tcp(ISTIO_MUTUAL, "DISABLE"), refused);
    let detected = ends(Flavor::Istio, ISTIO_MUTUAL, "DISABLE", 81, AppProtocol::Http, Speaks::Http);
    assert!(detected.starts_with("client sidecar tls_handshake_failed URX,UF "), "{detected}");
    assert!(detected.ends_with("WRONG_VERSION_NUMBER:TLS_error_end} -> 503"), "{detected}");
}

#[test]
fn c29_the_textbooks_server_refuses_mtls_that_it_does_not_want() {
    let refused = "server sidecar no_filter_chain_match NR filter_chain_not_found -> 503";
    assert_eq!(ends(Flavor::Textbook, ISTIO_MUTUAL, "DISABLE", 80, AppProtocol::Http, Speaks::Http), refused);
}

#[test]
fn c30_automatic_mtls_always_picks_what_works() {
    for mode in ["STRICT", "PERMISSIVE", "DISABLE"] {
        let mesh = istio(mode);
        for (port, app, sees) in [(80, AppProtocol::Http, "200"), (70, AppProtocol::Tcp, "echo")] {
            assert_eq!(brief(&call(&mesh, "client", "server", port, app).outcome()), sees, "{mode}");
        }
    }
}

#[test]
fn c30_one_way_tls_to_strict_is_refused_for_want_of_a_certificate() {
    let account = call(
        &mesh_of(Flavor::Istio, &format!("{}{}", policy("STRICT"), rule(SIMPLE))),
        "client",
        "server",
        80,
        AppProtocol::Http,
    )
    .account();
    let refused = "server sidecar tls_handshake_failed UC \
                   upstream_reset_before_response_started{connection_termination} -> 503";
    assert_eq!(brief(&account.outcome), refused);
    assert_eq!(layers(&account, 2), "tls,http/1.1", "in TLS 1.3 the request is sent before the refusal comes");
    let tls = &leg(&account, 2).tls[0];
    assert_eq!((tls.alpn_offered.join(","), tls.sni.as_deref()), ("http/1.1".into(), Some("server")));
}

#[test]
fn c22_the_name_of_the_request_is_asked_for_and_checked() {
    let mesh = mesh_of(Flavor::Istio, &format!("{}{}", policy("PERMISSIVE"), rule("{mode: SIMPLE}")));
    let outcome = call(&mesh, "client", "server", 82, AppProtocol::Http).to(Speaks::Https { mutual: false }).outcome();
    // The host's own roots know nothing of an app's certificate.
    assert_eq!((outcome.at, outcome.reason), (Some(Party::ClientSidecar), Some(Reason::TlsHandshakeFailed)));
}

/// The team's own authority, a certificate of it, and a pod's mount of both.
fn team() -> (Ca, String) {
    let authority = Ca::new("team", KeyType::default()).expect("an authority");
    let names = Names { hosts: vec!["server.default.svc.cluster.local".into()], ..Names::default() };
    let svid = authority.issue(&names, Validity::from_now(SVID_LIFETIME)).expect("a certificate");
    let indent = |pem: &str| pem.lines().map(|line| format!("    {line}\n")).collect::<String>();
    let secret = format!(
        "---
apiVersion: v1
kind: Secret
metadata: {{name: team}}
stringData:
  ca.crt: |
{}  tls.crt: |
{}  tls.key: |
{}",
        indent(&authority.root_pem()),
        indent(&svid.chain_pem),
        indent(&svid.key_pem),
    );
    (authority, secret)
}

/// `PODS`, in which the client's sidecar mounts the team's secret at `/etc/team`.
fn mounted(more: &str) -> Mesh {
    let annotations = r#"metadata:
  name: client
  annotations:
    sidecar.istio.io/userVolume: '{"team": {"secret": {"secretName": "team"}}}'
    sidecar.istio.io/userVolumeMount: '{"team": {"mountPath": "/etc/team"}}'"#;
    let pods = PODS.replace("metadata: {name: client}", annotations);
    mesh_with_warnings(&format!("{pods}{}{more}", team().1), Flavor::Istio).0
}

#[test]
fn c23_a_certificate_of_ones_own_is_shown_and_refused_by_the_mesh() {
    let mutual =
        "{mode: MUTUAL, clientCertificate: /etc/team/tls.crt, privateKey: /etc/team/tls.key, insecureSkipVerify: true}";
    let mesh = mounted(&format!("{}{}", policy("STRICT"), rule(mutual)));
    let account = call(&mesh, "client", "server", 80, AppProtocol::Http).account();
    let tls = &leg(&account, 2).tls[0];
    assert_eq!(tls.client_identity.as_deref(), Some("server.default.svc.cluster.local"));
    let Outcome { at, reason, app_sees, .. } = account.outcome;
    let refused = (Some(Party::ServerSidecar), Some(Reason::TlsHandshakeFailed), AppSees::Status(503));
    assert_eq!((at, reason, app_sees), refused);
}

#[test]
fn f16_a_server_of_another_authority_is_refused_by_the_client() {
    let simple = "{mode: SIMPLE, caCertificates: /etc/team/ca.crt}";
    let mesh = mounted(&format!("{}{}", policy("STRICT"), rule(simple)));
    let outcome = call(&mesh, "client", "server", 80, AppProtocol::Http).outcome();
    assert_eq!((outcome.at, outcome.reason), (Some(Party::ClientSidecar), Some(Reason::TlsHandshakeFailed)));
    assert!(outcome.details.as_str().contains("unable_to_get_local_issuer_certificate"), "{}", outcome.details);
}

#[test]
fn a_file_that_is_not_mounted_leaves_the_sidecar_without_its_secret() {
    let simple = "{mode: SIMPLE, caCertificates: /etc/team/none.crt}";
    let mesh = mounted(&format!("{}{}", policy("PERMISSIVE"), rule(simple)));
    let outcome = call(&mesh, "client", "server", 80, AppProtocol::Http).outcome();
    assert!(outcome.details.as_str().contains("Secret_is_not_supplied_by_SDS"), "{}", outcome.details);
}

#[test]
fn f17_a_server_with_another_identity_is_refused_by_the_client() {
    let names = "{mode: ISTIO_MUTUAL, subjectAltNames: [spiffe://cluster.local/ns/default/sa/other]}";
    let mesh = mesh_of(Flavor::Istio, &format!("{}{}", policy("STRICT"), rule(names)));
    let outcome = call(&mesh, "client", "server", 80, AppProtocol::Http).outcome();
    assert_eq!((outcome.at, outcome.reason), (Some(Party::ClientSidecar), Some(Reason::TlsHandshakeFailed)));
    let san = "SAN_matcher,_certificate_SANs_are_[spiffe://cluster.local/ns/default/sa/server]";
    assert!(outcome.details.as_str().contains(san), "{}", outcome.details);
}

#[test]
fn the_rule_that_decides_is_named() {
    let account = call(&mesh_of(Flavor::Istio, &rule(DISABLE)), "client", "server", 80, AppProtocol::Http).account();
    let step = step(&account, Party::ClientSidecar, Decision::TransportSocket);
    assert_eq!(step.choice, "raw_buffer");
    assert!(step.because.contains("DestinationRule default/server says DISABLE"), "{}", step.because);
    assert_eq!(step.source.as_ref().map(ToString::to_string).as_deref(), Some("m.yaml#6 spec.trafficPolicy.tls"));
}

#[test]
fn a_subset_that_is_asked_for_is_taken() {
    let rule = "---
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {name: server}
spec:
  host: server.default.svc.cluster.local
  subsets: [{name: one, labels: {app: server}}]
";
    let mesh = mesh_of(Flavor::Istio, rule);
    let with_subset = |subset: &str| {
        let mut calling = call(&mesh, "client", "server", 80, AppProtocol::Http);
        calling.call.subset = Some(subset.into());
        predict(&mesh, &calling.call)
    };
    let account = with_subset("one").expect("a prediction");
    let cluster = "outbound|80|one|server.default.svc.cluster.local";
    assert_eq!(step(&account, Party::ClientSidecar, Decision::Cluster).choice, cluster);
    let sni = "outbound_.80_.one_.server.default.svc.cluster.local";
    assert_eq!(leg(&account, 2).tls[0].sni.as_deref(), Some(sni));

    let error = with_subset("two").unwrap_err().to_string();
    assert_eq!(error, "no DestinationRule for server.default.svc.cluster.local has a subset \"two\"");
}

/// Which endpoint of three a request goes to, with these headers, by a rule's `consistentHash`; and why.
fn hashed(hash: &str, headers: &[(&str, &str)]) -> (String, String) {
    let pod = |name: &str| {
        format!(
            "---
{{apiVersion: v1, kind: Pod, metadata: {{name: {name}, labels: {{app: server}}}}, spec: {{containers: [{{name: app, image: any}}]}}}}
"
        )
    };
    let rule = format!(
        "---
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {{name: server}}
spec: {{host: server, trafficPolicy: {{loadBalancer: {{consistentHash: {hash}}}}}}}
"
    );
    let mesh = mesh_of(Flavor::Istio, &(pod("second") + &pod("third") + &rule));
    let mut calling = call(&mesh, "client", "server", 80, AppProtocol::Http);
    for (name, value) in headers {
        let name: http::HeaderName = name.parse().unwrap();
        calling.call.headers.insert(name, http::HeaderValue::from_str(value).unwrap());
    }
    let account = calling.account();
    let step = step(&account, Party::ClientSidecar, Decision::Endpoint);
    (step.choice.clone(), step.because.clone())
}

#[test]
fn a_hash_leads_to_one_endpoint_and_without_it_to_any() {
    let by_header = "{httpHeaderName: x-user}";
    let of_user = |user: &str| hashed(by_header, &[("x-user", user)]);
    let (chosen, because) = of_user("a");
    assert!(because.starts_with("the one of 3 endpoints that the hash leads to"), "{because}");
    assert_eq!(of_user("a").0, chosen);
    let all: std::collections::BTreeSet<_> = (0..30).map(|i| of_user(&i.to_string()).0).collect();
    assert_eq!(all.len(), 3);
    assert!(hashed(by_header, &[]).1.starts_with("one of 3 endpoints"));
    assert!(hashed("{useSourceIp: true}", &[]).1.starts_with("the one of 3"));
    let cookie = "{httpCookie: {name: c, ttl: 1m}}";
    assert!(
        hashed(cookie, &[]).1.starts_with("one of 3"),
        "a cookie that is yet to be set depends on the caller's port"
    );
    assert!(hashed(cookie, &[("cookie", "c=1")]).1.starts_with("the one of 3"));
}

/// What is to be applied, if the fix of a call from `client` to `server` has it, and its text.
fn fix_of(manifests: &str) -> (Option<String>, String) {
    let account = call(&mesh_of(Flavor::Istio, manifests), "client", "server", 80, AppProtocol::Http).account();
    let fix = account.notes.into_iter().find(|note| note.kind == NoteKind::Fix).expect("a fix");
    (fix.yaml, fix.text)
}

#[test]
fn a_fix_delivers_the_call_and_does_not_take_the_place_of_what_says_more() {
    let plain = format!("{}{}", policy("STRICT"), rule(DISABLE));
    let (yaml, _) = fix_of(&plain);
    let fixed = plain.replace(&rule(DISABLE), &format!("---\n{}", yaml.expect("a rule")));
    let account = call(&mesh_of(Flavor::Istio, &fixed), "client", "server", 80, AppProtocol::Http).account();
    assert_eq!(brief(&account.outcome), "200");

    let with_subsets =
        plain.replace("  trafficPolicy:", "  subsets: [{name: v1, labels: {app: server}}]\n  trafficPolicy:");
    let for_all = plain.replace("host: server.default.svc.cluster.local", "host: '*.local'");
    for manifests in [with_subsets, for_all] {
        let (yaml, text) = fix_of(&manifests);
        assert!(yaml.is_none() && text.contains("DestinationRule default/server sets tls.mode DISABLE"), "{text}");
    }
}

#[test]
fn a_policy_that_counts_already_is_to_be_changed_and_none_added() {
    let of_server = "---
apiVersion: security.istio.io/v1
kind: PeerAuthentication
metadata: {name: own}
spec: {selector: {matchLabels: {app: server}}, mtls: {mode: STRICT}}
";
    let namespace = "---
apiVersion: security.istio.io/v1
kind: PeerAuthentication
metadata: {name: default}
spec: {mtls: {mode: DISABLE}}
";
    let (yaml, text) = fix_of(&format!("{of_server}{namespace}"));
    assert_eq!(yaml, None);
    assert!(text.contains("sends no mTLS there") && text.contains("in PeerAuthentication default/own"), "{text}");
}
