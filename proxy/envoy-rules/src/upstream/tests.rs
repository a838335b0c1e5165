use pretty_assertions::assert_eq;
use serde_json::{Value, json};

use super::*;

fn cluster(fields: &Value) -> Cluster {
    let mut cluster = json!({"name": "under-test"});
    cluster.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
    envoy_api::read_value(cluster).expect("a cluster")
}

fn raw() -> Value {
    let url = "type.googleapis.com/envoy.extensions.transport_sockets.raw_buffer.v3.RawBuffer";
    json!({"name": "envoy.transport_sockets.raw_buffer", "typed_config": {"@type": url}})
}

#[test]
fn the_first_match_with_the_endpoints_metadata_selects_the_transport_socket() {
    let matches = cluster(&json!({"transport_socket_matches": [
        {"name": "tlsMode-istio", "match": {"tlsMode": "istio"}, "transport_socket": raw()},
        {"name": "two", "match": {"a": "1", "b": "2"}, "transport_socket": raw()},
        {"name": "tlsMode-disabled", "match": {}, "transport_socket": raw()},
    ]}))
    .transport_socket_matches;
    for (metadata, expected) in [
        (json!({"tlsMode": "istio"}), 0),
        (json!({"tlsMode": "istio", "more": 1}), 0),
        (json!({"a": "1", "b": "2"}), 1),
        (json!({"a": "1"}), 2),
        (json!({"tlsMode": "disabled"}), 2),
        (json!({}), 2),
    ] {
        let metadata: Metadata =
            envoy_api::read_value(json!({"filter_metadata": {"envoy.transport_socket_match": metadata}})).unwrap();
        assert_eq!(transport_socket_match(&matches, Some(&metadata)), Some(expected), "{metadata:?}");
    }
    assert_eq!(transport_socket_match(&matches, None), Some(2));
    assert_eq!(transport_socket_match(&matches[..2], None), None);
}

#[test]
fn a_cluster_selects_the_http_version() {
    use HttpVersion::{Http1, Http2};
    let options = |fields: &Value| {
        let url = "type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions";
        let mut options = json!({"@type": url});
        options.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
        cluster(&json!({"typed_extension_protocol_options": {HTTP_PROTOCOL_OPTIONS: options}}))
    };
    for (cluster, of_http1, of_http2) in [
        (cluster(&json!({})), Http1, Http1),
        (options(&json!({"explicit_http_config": {"http_protocol_options": {}}})), Http1, Http1),
        (options(&json!({"explicit_http_config": {"http2_protocol_options": {}}})), Http2, Http2),
        (options(&json!({"use_downstream_protocol_config": {}})), Http1, Http2),
    ] {
        assert_eq!((http_version(&cluster, Http1), http_version(&cluster, Http2)), (of_http1, of_http2));
    }
}

#[test]
fn connections_are_bound_to_the_address_of_their_ip_version() {
    let config = |address: &str| -> BindConfig {
        envoy_api::read_value(json!({
            "source_address": {"address": address, "port_value": 0},
            "extra_source_addresses": [{"address": {"address": "::6", "port_value": 0}}],
        }))
        .unwrap()
    };
    let both = config("127.0.0.6");
    let sources = source_addresses(&both).unwrap();
    let to = |destination: &str| source_for(&sources, destination.parse().unwrap()).map(|source| source.to_string());
    assert_eq!(to("10.0.0.1:80").as_deref(), Some("127.0.0.6:0"));
    assert_eq!(to("[fd00::1]:80").as_deref(), Some("[::6]:0"));
    assert_eq!(source_for(&sources[..1], "[fd00::1]:80".parse().unwrap()), None);
    assert_eq!(source_addresses(&config("lo")), Err("lo"));
}

#[test]
fn a_connection_is_made_to_any_endpoint_or_the_original_destination() {
    let address = "10.0.0.1:80".parse().unwrap();
    let of_type = |fields: Value| cluster(&fields);
    let fixed = of_type(json!({}));
    assert_eq!(candidates(&fixed, Some(address), &[1, 2]), Candidates::OneOf(&[1, 2]));
    assert_eq!(candidates::<u8>(&fixed, Some(address), &[]), Candidates::None);
    let original = of_type(json!({"type": "ORIGINAL_DST"}));
    assert_eq!(candidates(&original, Some(address), &[1]), Candidates::Original(address));
    assert_eq!(candidates(&original, None, &[1]), Candidates::None);
    let other_port = of_type(json!({"type": "ORIGINAL_DST", "original_dst_lb_config": {"upstream_port_override": 81}}));
    let moved = "10.0.0.1:81".parse().unwrap();
    assert_eq!(candidates::<u8>(&other_port, Some(address), &[]), Candidates::Original(moved));
}

#[test]
fn a_name_has_the_addresses_of_the_configured_ip_versions() {
    let parse = |all: &[&str]| all.iter().map(|address| address.parse().unwrap()).collect::<Vec<SocketAddr>>();
    let (v4, v6) = (["10.0.0.1:1", "10.0.0.2:1"], ["[fd00::1]:1"]);
    let both = || parse(&["[fd00::1]:1", "10.0.0.2:1", "10.0.0.1:1", "10.0.0.2:1"]);
    for (family, all, of_v4, of_v6) in [
        (None, &v6[..], &v4[..], &v6[..]),
        (Some(DnsLookupFamily::Auto), &v6, &v4, &v6),
        (Some(DnsLookupFamily::V4Only), &v4, &v4, &[]),
        (Some(DnsLookupFamily::V6Only), &v6, &[], &v6),
        (Some(DnsLookupFamily::V4Preferred), &v4, &v4, &v6),
    ] {
        assert_eq!(of_lookup_family(both(), family), parse(all), "{family:?}");
        assert_eq!(of_lookup_family(parse(&v4), family), parse(of_v4), "{family:?}");
        assert_eq!(of_lookup_family(parse(&v6), family), parse(of_v6), "{family:?}");
    }
    assert_eq!(
        of_lookup_family(both(), Some(DnsLookupFamily::All)),
        parse(&["10.0.0.1:1", "10.0.0.2:1", "[fd00::1]:1"])
    );
}

fn context(sni: &str, alpn: &[&str]) -> UpstreamTlsContext {
    envoy_api::read_value(json!({"sni": sni, "common_tls_context": {"alpn_protocols": alpn}})).unwrap()
}

/// Expected values are Envoy 1.40's, as checked by `proxy/envoy-rules/tests/envoy_decides.rs`.
#[test]
fn the_sni_is_from_filter_state_or_the_request_or_the_context() {
    let auto = UpstreamHttpProtocolOptions { auto_sni: true, auto_san_validation: false };
    let plain = UpstreamHttpProtocolOptions::default();
    for (options, state, host, expected) in [
        (&plain, None, "a.b", Some("static")),
        (&auto, None, "a.b:80", Some("a.b")),
        (&auto, None, "127.0.0.1:80", Some("static")),
        (&auto, None, "[::1]", Some("static")),
        (&auto, Some("state"), "a.b", Some("state")),
        (&plain, Some("state"), "a.b", Some("state")),
    ] {
        let facts =
            HelloFacts { state_server_name: state, request: Some((host, HttpVersion::Http1)), ..HelloFacts::default() };
        let context = context("static", &[]);
        assert_eq!(Hello::new(&context, Some(options), facts).server_name, expected, "{host} {state:?}");
    }
    let context = context("", &[]);
    let facts = HelloFacts { request: Some(("10.0.0.1", HttpVersion::Http1)), ..HelloFacts::default() };
    assert_eq!(Hello::new(&context, Some(&auto), facts).server_name, None);
    assert_eq!(Hello::new(&context, None, HelloFacts::default()).server_name, None);
}

#[test]
fn alpn_is_from_filter_state_or_the_context_or_the_version() {
    let state = ["q".to_owned()];
    let request = Some(("a", HttpVersion::Http2));
    for (state_alpn, of_context, request, expected) in [
        (Some(&state[..]), &["x", "y"][..], request, &["q"][..]),
        (None, &["x", "y"], request, &["x", "y"]),
        (None, &[], request, &["h2"]),
        (None, &[], None, &[]),
    ] {
        let context = context("", of_context);
        let facts = HelloFacts { state_alpn, request, ..HelloFacts::default() };
        assert_eq!(Hello::new(&context, None, facts).alpn.protocols(), expected);
    }
}

#[test]
fn the_certificate_must_be_for_the_requests_host_if_configured() {
    let auto = UpstreamHttpProtocolOptions { auto_sni: false, auto_san_validation: true };
    let context = context("", &[]);
    let host = |host| {
        let facts = HelloFacts { request: Some((host, HttpVersion::Http1)), ..HelloFacts::default() };
        Hello::new(&context, Some(&auto), facts).verify_host
    };
    assert_eq!((host("a.b:80"), host("[::1]:80")), (Some("a.b"), Some("::1")));
    assert_eq!(Hello::new(&context, Some(&auto), HelloFacts::default()).verify_host, None);
}
