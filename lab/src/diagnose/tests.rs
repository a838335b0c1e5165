//! Texts as public reports and the scenarios' sidecars have them, each with the cause that must come first: a wrong guess fails.

use std::{collections::BTreeSet, fs, path::PathBuf};

use pretty_assertions::assert_eq;

use super::*;
use reports::REPORTS;

mod reports;

/// The text, and the cause's signature or, without one, its short name.
const TEXTS: &[(&str, &str)] = &[
    // F1
    (
        r#"[2024-05-01T10:00:00.000Z] "- - -" 0 NR filter_chain_not_found - "-" 0 0 0 - "-" "-" "-" "-" "-" - - 10.244.0.4:8080 10.244.0.3:40112 - -"#,
        "F1",
    ),
    ("curl: (56) Recv failure: Connection reset by peer", "F1"),
    ("curl: (52) Empty reply from server", "F1"),
    ("NR filter_chain_not_found", "F1"),
    ("read tcp 10.1.2.3:41234->10.1.2.4:8080: read: connection reset by peer", "F1"),
    // F2
    (
        r#"[2024-05-01T10:00:00.000Z] "GET / HTTP/1.1" 503 UC upstream_reset_before_response_started{connection_termination} - "-" 0 95 1 - "-" "curl/7.88.1" "1a" "server:8080" "10.244.0.4:8080" outbound|8080||server.default.svc.cluster.local 10.244.0.3:40000 10.96.0.10:8080 10.244.0.3:51234 - default"#,
        "F2",
    ),
    ("upstream connect error or disconnect/reset before headers. reset reason: connection termination", "F2"),
    // F3
    (
        r#"[2024-05-01T10:00:00.000Z] "- - -" 0 UR - - "-" 5 0 2 - "-" "-" "-" "-" "10.244.0.4:9000" outbound|9000||server.default.svc.cluster.local 10.244.0.3:40000 10.96.0.10:9000 10.244.0.3:51234 - -"#,
        "F3",
    ),
    // F4
    (
        r#"[2020-09-23T13:22:39.201Z] "GET / HTTP/1.1" 503 UF,URX upstream_reset_before_response_started{connection_failure,TLS_error:|268435703:SSL_routines:OPENSSL_internal:WRONG_VERSION_NUMBER} - "TLS_error:|268435703:SSL_routines:OPENSSL_internal:WRONG_VERSION_NUMBER:TLS_error_end" 0 91 58 - "-" "curl/7.64.0" "a" "httpbin:8000" "10.44.0.5:80" outbound|8000||httpbin.foo.svc.cluster.local - 10.0.0.1:8000 10.44.0.6:1234 - default"#,
        "F4",
    ),
    ("503 UF,URX ... WRONG_VERSION_NUMBER", "F4"),
    (
        "upstream connect error or disconnect/reset before headers. retried and the latest reset reason: connection failure, transport failure reason: TLS error: 268435703:SSL routines:OPENSSL_internal:WRONG_VERSION_NUMBER",
        "F4",
    ),
    (
        r#"[2024-05-01T10:00:00.000Z] "- - HTTP/1.1" 400 DPE http1.codec_error - "-" 0 11 0 - "-" "-" "-" "-" "-" - - 10.244.0.4:8080 10.244.0.3:40112 - -"#,
        "F4",
    ),
    // F7
    (
        r#"Error from server (InternalError): Internal error occurred: failed calling webhook "validate.example.com": Post "https://webhook.default.svc:443/validate?timeout=10s": x509: certificate is not valid for any names, but wanted to match webhook.default.svc"#,
        "F7",
    ),
    ("OpenSSL SSL_read: error:0A00045C:SSL routines::tlsv13 alert certificate required, errno 0", "F7"),
    ("remote error: tls: certificate required", "F7"),
    ("curl: (60) SSL: no alternative certificate subject name matches target host name 'server.default.svc'", "F7"),
    ("TLS_error:|268435648:SSL routines:OPENSSL_internal:PEER_DID_NOT_RETURN_A_CERTIFICATE:TLS_error_end", "F7"),
    (
        r#"failed calling webhook "x": Post "https://webhook.default.svc:443/": x509: certificate signed by unknown authority"#,
        "wrong-ca-bundle",
    ),
    // F8
    (
        r#"[2024-05-01T10:00:00.000Z] "- - -" 0 - - - "-" 1934 2480 12 - "-" "-" "-" "-" "10.244.0.4:9443" inbound|9443|| 127.0.0.6:40000 10.244.0.4:9443 10.244.0.1:41000 - -"#,
        "F8",
    ),
    // F9
    (r#"failed calling webhook "x": Post "https://webhook.default.svc:443/": EOF"#, "F9"),
    ("curl: (35) OpenSSL SSL_connect: SSL_ERROR_SYSCALL in connection to server:8443", "F9"),
    ("curl: (35) Recv failure: Connection reset by peer", "F9"),
    // F10
    (r#"Get "https://server:8080/": tls: first record does not look like a TLS handshake"#, "F10"),
    // F11
    (
        r#"[2024-05-01T10:00:00.000Z] "- - -" 0 - - - "-" 517 0 3 - "-" "-" "-" "-" "10.96.0.10:8080" PassthroughCluster 10.244.0.3:40000 10.96.0.10:8080 10.244.0.3:51234 server -"#,
        "F11",
    ),
    // F12
    (
        r#"[2024-05-01T10:00:00.000Z] "- - -" 0 UH - - "-" 0 0 0 - "-" "-" "-" "-" "-" BlackHoleCluster - 93.184.216.34:443 10.244.0.3:51234 example.com -"#,
        "F12",
    ),
    (
        r#"[2024-05-01T10:00:00.000Z] "GET / HTTP/1.1" 502 - direct_response - "-" 0 0 0 - "-" "curl/7.88.1" "1" "example.com" "-" - - 93.184.216.34:80 10.244.0.3:51234 - block_all"#,
        "F12",
    ),
    // F13
    ("Client sent an HTTP request to an HTTPS server.", "F13"),
    ("<center>The plain HTTP request was sent to HTTPS port</center>", "F13"),
    ("Bad Request: This combination of host and port requires TLS.", "F13"),
    (
        r#"[2024-05-01T10:00:00.000Z] "GET / HTTP/1.1" 502 UPE upstream_reset_before_response_started{protocol_error} - "-" 0 87 1 - "-" "curl" "1" "server:8080" "10.244.0.4:8080" inbound|8080|| 127.0.0.6:1 10.244.0.4:8080 10.244.0.3:1 - default"#,
        "F13",
    ),
    // F14
    ("curl: (1) Received HTTP/0.9 when not allowed", "F14"),
    (r#"net/http: HTTP/1.x transport connection broken: malformed HTTP response "\x15\x03\x01\x00\x02\x02F""#, "F14"),
    // F15
    ("curl: (35) error:1408F10B:SSL routines:ssl3_get_record:wrong version number: https://www.google.com/", "F15"),
    (r#"Get "https://api.example.com/": http: server gave HTTP response to HTTPS client"#, "F15"),
    // F16
    (
        r#"[2024-05-01T10:00:00.000Z] "GET / HTTP/1.1" 503 UF,URX upstream_reset_before_response_started{connection_failure} - "TLS_error:|268435581:SSL_routines:OPENSSL_internal:CERTIFICATE_VERIFY_FAILED:TLS_error_end" 0 190 12 - "-" "curl" "1" "shop.example.com" "203.0.113.7:443" outbound|80||shop.example.com - 203.0.113.7:80 10.244.0.3:1 - default"#,
        "F16",
    ),
    // F17
    (
        "TLS_error:|268435581:SSL routines:OPENSSL_internal:CERTIFICATE_VERIFY_FAILED:verify cert failed: SAN matcher, certificate SANs are [spiffe://cluster.local/ns/default/sa/other]:TLS_error_end",
        "F17",
    ),
    ("TLS error: 268435581:SSL routines:OPENSSL_internal:CERTIFICATE_VERIFY_FAILED: verify SAN list", "F17"),
    // F18
    ("TLS_error:|268436502:SSL routines:OPENSSL_internal:SSLV3_ALERT_CERTIFICATE_UNKNOWN:TLS_error_end", "F18"),
    ("listener.0.0.0.0_15006.ssl.fail_verify_san: 3", "F18"),
    // F19
    (
        r#"[2024-05-01T10:00:00.000Z] "GET / HTTP/1.1" 503 UF upstream_reset_before_response_started{connection_failure,delayed_connect_error:_111} - "delayed_connect_error:_111" 0 152 0 - "-" "curl" "1" "server:8080" "10.244.0.4:8080" inbound|8080|| - 10.244.0.4:8080 10.244.0.3:1 - default"#,
        "F19",
    ),
    (
        "upstream connect error or disconnect/reset before headers. retried and the latest reset reason: remote connection failure, transport failure reason: delayed connect error: Connection refused",
        "F19",
    ),
    // F20
    ("RBAC: access denied", "F20"),
    (
        r#"[2024-05-01T10:00:00.000Z] "GET / HTTP/1.1" 403 - rbac_access_denied_matched_policy[none] - "-" 0 19 0 - "-" "curl" "1" "server:8080" "-" inbound|8080|| - 10.244.0.4:8080 10.244.0.3:1 outbound_.8080_._.server.default.svc.cluster.local default"#,
        "F20",
    ),
    ("rpc error: code = PermissionDenied desc = RBAC: access denied", "F20"),
    // F21
    (
        r#"[2024-05-01T10:00:00.000Z] "- - -" 0 - - rbac_access_denied_matched_policy[none] "-" 0 0 0 - "-" "-" "-" "-" "-" inbound|9000|| - 10.244.0.4:9000 10.244.0.3:1 - -"#,
        "F21",
    ),
    // F22
    (
        "ERROR 2013 (HY000): Lost connection to MySQL server at 'reading initial communication packet', system error: 0",
        "F22",
    ),
    ("paramiko.ssh_exception.SSHException: Error reading SSH protocol banner", "F22"),
    ("smtplib: SMTP connection timed out", "F22"),
    // F23
    (
        r#"[2024-05-01T10:00:00.000Z] "- - -" 0 UH - - "-" 0 0 0 - "-" "-" "-" "-" "-" BlackHoleCluster - 10.244.0.4:15006 10.244.0.3:51234 - virtualInbound-blackhole"#,
        "F23",
    ),
    // F24
    (
        "rpc error: code = Unavailable desc = upstream connect error or disconnect/reset before headers. reset reason: connection termination",
        "F24",
    ),
    ("rpc error: code = Unavailable desc = connection closed before server preface received", "F24"),
    ("upstream connect error or disconnect/reset before headers. reset reason: protocol error", "F13"),
    // F25
    ("dial tcp 127.0.0.1:15001: connect: connection refused", "F25"),
    // F26
    ("curl: (35) error:0A00010B:SSL routines::wrong version number", "F26"),
    ("Error: write EPROTO 140:error:1408F10B:SSL routines:ssl3_get_record:wrong version number", "F26"),
    ("javax.net.ssl.SSLException: Unrecognized SSL message, plaintext connection?", "F26"),
    // Causes without a signature.
    (
        "x509: certificate has expired or is not yet valid: current time 2024-05-01T10:00:00Z is after 2024-04-30T00:00:00Z",
        "expired",
    ),
    ("no healthy upstream", "no-endpoint"),
    (
        r#"[2024-05-01T10:00:00.000Z] "GET / HTTP/1.1" 503 UH no_healthy_upstream - "-" 0 19 0 - "-" "curl" "1" "server" "-" outbound|80||server.default.svc.cluster.local - 10.96.0.10:80 10.244.0.3:1 - default"#,
        "no-endpoint",
    ),
    (r#""GET / HTTP/1.1" 503 NC cluster_not_found - "-" 0 0 0"#, "no-cluster"),
    (r#""GET /x HTTP/1.1" 404 NR route_not_found - "-" 0 0 0"#, "no-route"),
    ("upstream request timeout", "timeout"),
    (r#"{"response_code":504,"response_flags":"UT","response_code_details":"response_timeout"}"#, "timeout"),
    ("UO", "overflow"),
    ("response flag UAEX", "external-authorization"),
    (
        "Readiness probe failed: Get http://10.1.2.3:8080/healthz: read tcp 10.1.2.1:1->10.1.2.3:8080: read: connection reset by peer",
        "probe-under-strict",
    ),
    ("TLS error: Secret is not supplied by SDS", "no-secret"),
    ("curl: (6) Could not resolve host: shop.example.com", "name-not-resolved"),
    ("Jwt verification fails", "jwt"),
    (r#""GET / HTTP/1.0" 426 - - - "-" 0 16 0"#, "http10"),
    ("upstream connect error or disconnect/reset before headers. reset reason: connection timeout", "connect-timeout"),
    ("fault filter abort", "fault-injected"),
    (
        r#"[2024-05-01T10:00:00.000Z] "POST /x HTTP/1.1" 503 UC upstream_reset_before_response_started{connection_termination} - "-" 0 95 1 - "-" "okhttp" "1" "server:8080" "10.244.0.4:8080" inbound|8080|| 127.0.0.6:1 10.244.0.4:8080 10.244.0.3:1 - default"#,
        "app-closes",
    ),
];

fn name(cause: &Cause) -> &'static str {
    cause.signature.unwrap_or(cause.id)
}

#[test]
fn the_first_cause_of_each_text_is_the_one_that_was_found_out() {
    let wrong: Vec<String> = TEXTS
        .iter()
        .filter_map(|(text, expected)| {
            let found: Vec<&str> = diagnose(text).iter().map(|finding| name(finding.cause)).collect();
            (found.first() != Some(expected)).then(|| format!("{expected} expected, {found:?} found: {text}"))
        })
        .collect();
    assert_eq!(wrong, [""; 0]);
}

#[test]
fn the_other_causes_of_an_ambiguous_text_are_named_too() {
    let found = |text| diagnose(text).iter().map(|finding| name(finding.cause)).collect::<Vec<_>>();
    assert_eq!(found("503 UF,URX WRONG_VERSION_NUMBER")[..3], ["F4", "F6", "F5"]);
    assert_eq!(found("NR filter_chain_not_found")[..2], ["F1", "F9"]);
    assert!(found("x509: certificate signed by unknown authority").contains(&"F7"));
    assert!(found("curl: (35) wrong version number").contains(&"F10"));
}

#[test]
fn every_signature_is_a_cause_and_comes_first_for_some_text() {
    let all: BTreeSet<String> = (1..=26).map(|number| format!("F{number}")).collect();
    let causes: BTreeSet<String> = causes::all().filter_map(|cause| Some(cause.signature?.to_owned())).collect();
    assert_eq!(causes, all);
    let first: BTreeSet<String> = TEXTS.iter().map(|(_, expected)| (*expected).to_owned()).collect();
    // One client's log line fits F4, F5 and F6.
    let missing: Vec<_> = all.difference(&first).collect();
    assert_eq!(missing, ["F5", "F6"]);
}

#[test]
fn a_scenario_that_is_named_exists_and_shows_the_signature() {
    for Cause { id, signature, scenario, .. } in causes::all() {
        let Some(scenario) = scenario else { continue };
        let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../scenarios").join(scenario).join("scenario.yaml");
        let text = fs::read_to_string(&path).unwrap_or_else(|error| panic!("{id}: {}: {error}", path.display()));
        let shows = text.lines().find_map(|line| line.strip_prefix("signatures:")).unwrap_or_default();
        let shown: Vec<&str> = shows.split(|c: char| !c.is_ascii_alphanumeric()).collect();
        if let Some(signature) = signature {
            assert!(shown.contains(signature), "{id}: scenario {scenario} has no signature {signature}: {shows}");
        }
    }
}

#[test]
fn a_text_without_a_clue_has_no_cause() {
    for text in
        ["", "hello", "everything works", "200", "UF is a state of Germany that does not exist, and DC is a city"]
    {
        assert!(diagnose(text).is_empty(), "{text}: {:?}", diagnose(text)[0].cause.id);
    }
}

#[test]
fn the_first_cause_of_a_public_reports_text_is_the_one_that_it_found() {
    let first = |text: &str| diagnose(text).first().map(|finding| name(finding.cause));
    let wrong = REPORTS.iter().filter(|(text, expected, _)| first(text) != Some(expected));
    let wrong: Vec<String> = wrong
        .map(|(text, expected, source)| format!("{source}: {expected} expected, {:?} found: {text}", first(text)))
        .collect();
    assert_eq!(wrong, [""; 0]);
}

fn ids(findings: &[Finding]) -> Vec<&'static str> {
    findings.iter().map(|finding| finding.cause.id).collect()
}

#[test]
fn what_is_found_puts_its_causes_before_those_that_the_text_alone_suggests() {
    let mut findings = diagnose("503 UF,URX WRONG_VERSION_NUMBER");
    assert_eq!(ids(&findings)[..2], ["mutual-to-disable", "mutual-to-no-sidecar"]);
    let found = Found {
        source: FoundIn::Prediction,
        pod: None,
        what: String::new(),
        causes: vec!["mutual-to-no-sidecar", "denied"],
    };
    confirm(&mut findings, &[found]);
    assert_eq!(ids(&findings)[..3], ["mutual-to-no-sidecar", "denied", "mutual-to-disable"]);
    assert_eq!(findings[0].confirmed_by, [FoundIn::Prediction]);
    assert!(findings[1].clues.is_empty() && findings[2].confirmed_by.is_empty());
}

#[test]
fn the_cause_of_a_log_line_is_a_guess_beside_a_fault_that_is_in_force() {
    let mut findings = diagnose("503 UC");
    let guess = ids(&findings)[0];
    let found = |source, cause| Found { source, pod: None, what: String::new(), causes: vec![cause] };
    confirm(&mut findings, &[found(FoundIn::AccessLog, guess), found(FoundIn::Fault, "fault-in-force")]);
    assert_eq!(ids(&findings)[..2], ["fault-in-force", guess]);
}
