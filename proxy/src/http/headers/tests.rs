use std::{
    sync::Arc,
    time::{Instant, SystemTime},
};

use pretty_assertions::assert_eq;
use serde_json::{Value, json};

use super::*;
use crate::{
    access_log::LogFiles,
    address::{DownstreamLocal, DownstreamRemote},
    stats::Stats,
    stream_info::{FilterState, Transport},
    tls::PeerCertificate,
};

fn hcm(options: &Value) -> Hcm {
    let mut config = json!({
        "stat_prefix": "t", "route_config": {"name": "r"},
        "http_filters": [{"name": "router", "typed_config": {"@type": "type.googleapis.com/envoy.extensions.filters.http.router.v3.Router"}}],
    });
    config.as_object_mut().unwrap().extend(options.as_object().unwrap().clone());
    let stats = Stats::default();
    Hcm::new(&envoy_api::read_value(config).unwrap(), None, &stats, &LogFiles::start(&stats).unwrap()).unwrap()
}

fn connection(tls: Option<TlsInfo>) -> ConnectionInfo {
    ConnectionInfo {
        id: 0,
        started: Instant::now(),
        start_time: SystemTime::now(),
        remote: DownstreamRemote("10.0.0.9:1234".parse().unwrap()),
        local: DownstreamLocal("10.0.0.1:80".parse().unwrap()),
        original_dst: None,
        transport: Transport::RawBuffer,
        server_name: String::new(),
        application_protocols: Vec::new(),
        filter_chain: "".into(),
        tls,
        transport_failure: "".into(),
        filter_state: FilterState::default(),
    }
}

fn mutual_tls() -> TlsInfo {
    TlsInfo {
        version: "TLSv1.3",
        cipher: "TLS_AES_128_GCM_SHA256",
        group: None,
        alpn: None,
        peer: Some(Arc::new(PeerCertificate {
            uri_sans: vec!["spiffe://td/ns/n/sa/client".into()],
            dns_sans: vec!["client.example.com".into()],
            subject: "CN=client,O=Acme".into(),
            sha256: "ab12".into(),
            ..PeerCertificate::default()
        })),
        local_uri_sans: ["spiffe://td/ns/n/sa/server".to_owned()].into(),
        resumed: false,
    }
}

/// Prepares a request with these headers. Returns the resulting headers, sorted, and the client's address.
fn prepared(
    options: &Value,
    tls: Option<TlsInfo>,
    headers: &[(&'static str, &str)],
) -> (Vec<String>, Option<SocketAddr>) {
    let mut map = HeaderMap::new();
    for (name, value) in headers {
        map.append(HeaderName::from_static(name), value.parse().unwrap());
    }
    let client = prepare_request(&mut map, &hcm(options), &connection(tls), false);
    let mut lines: Vec<_> = map.iter().map(|(name, value)| format!("{name}: {}", value.to_str().unwrap())).collect();
    lines.sort();
    (lines, client)
}

#[test]
fn a_sidecar_keeps_forwarded_headers() {
    let (headers, client) = prepared(
        &json!({"generate_request_id": false}),
        None,
        &[
            ("x-forwarded-for", "9.9.9.9, 1.2.3.4"),
            ("x-forwarded-proto", "https"),
            ("x-envoy-original-path", "/orig"),
            ("x-envoy-max-retries", "3"),
            ("x-envoy-internal", "true"),
            ("connection", "keep-alive"),
            ("keep-alive", "1"),
            ("te", "gzip"),
        ],
    );
    assert_eq!(
        headers,
        ["x-envoy-original-path: /orig", "x-forwarded-for: 9.9.9.9, 1.2.3.4", "x-forwarded-proto: https"]
    );
    assert_eq!(client, Some("1.2.3.4:0".parse().unwrap()));
}

#[test]
fn an_edge_replaces_forwarded_headers() {
    let (headers, client) = prepared(
        &json!({"use_remote_address": true, "generate_request_id": false}),
        None,
        &[
            ("x-forwarded-for", "1.2.3.4"),
            ("x-forwarded-proto", "https"),
            ("x-envoy-external-address", "8.8.8.8"),
            ("te", "trailers"),
        ],
    );
    assert_eq!(
        headers,
        [
            "te: trailers",
            "x-envoy-external-address: 10.0.0.9",
            "x-forwarded-for: 1.2.3.4,10.0.0.9",
            "x-forwarded-proto: http"
        ]
    );
    assert_eq!(client, None);
}

#[test]
fn a_request_id_is_generated_or_kept() {
    let (headers, _) = prepared(&json!({}), None, &[]);
    assert!(headers.iter().any(|line| line.starts_with("x-request-id: ")));
    let (headers, _) = prepared(&json!({}), None, &[("x-request-id", "mine")]);
    assert!(headers.contains(&"x-request-id: mine".to_owned()));
}

#[test]
fn client_certificates_are_described_like_by_envoy() {
    let details = json!({"subject": true, "uri": true, "dns": true});
    let element = "By=spiffe://td/ns/n/sa/server;Hash=ab12;Subject=\"CN=client,O=Acme\";\
        URI=spiffe://td/ns/n/sa/client;DNS=client.example.com";
    let sent = [("x-forwarded-client-cert", "Hash=forged")];
    for (mode, tls, expected) in [
        ("SANITIZE", true, None),
        ("FORWARD_ONLY", true, Some("Hash=forged".to_owned())),
        ("FORWARD_ONLY", false, None),
        ("APPEND_FORWARD", true, Some(format!("Hash=forged,{element}"))),
        ("APPEND_FORWARD", false, None),
        ("SANITIZE_SET", true, Some(element.to_owned())),
        ("SANITIZE_SET", false, None),
        ("ALWAYS_FORWARD_ONLY", false, Some("Hash=forged".to_owned())),
    ] {
        let options = json!({"forward_client_cert_details": mode, "set_current_client_cert_details": details});
        let (headers, _) = prepared(&options, tls.then(mutual_tls), &sent);
        let found = headers.iter().find_map(|line| line.strip_prefix("x-forwarded-client-cert: "));
        assert_eq!(found, expected.as_deref(), "{mode}, mutual TLS {tls}");
    }
}

#[test]
fn the_server_header_is_transformed_as_configured() {
    for (how, sent, expected) in [
        ("OVERWRITE", Some("app"), Some("envoy")),
        ("APPEND_IF_ABSENT", Some("app"), Some("app")),
        ("APPEND_IF_ABSENT", None, Some("envoy")),
        ("PASS_THROUGH", None, None),
    ] {
        let mut headers = HeaderMap::new();
        if let Some(sent) = sent {
            headers.insert(SERVER, sent.parse().unwrap());
        }
        finish_response(&mut headers, &hcm(&json!({"server_header_transformation": how})));
        assert_eq!(headers.get(SERVER).map(|value| value.to_str().unwrap()), expected, "{how}");
    }
}
