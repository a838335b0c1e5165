//! Who is authorized, and what is counted.

use std::net::SocketAddr;

use envoy_rules::rbac::{Facts, Rules};

use pretty_assertions::assert_eq;

use super::*;

const RBAC: &str = "type.googleapis.com/envoy.extensions.filters.http.rbac.v3.RBAC";
const NETWORK_RBAC: &str = "type.googleapis.com/envoy.extensions.filters.network.rbac.v3.RBAC";
const TCP_PROXY: &str = "type.googleapis.com/envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy";

fn one(permission: &Value, principal: &Value) -> Value {
    json!({"policies": {"ns[a]-policy[b]-rule[0]": {"permissions": [permission], "principals": [principal]}}})
}

/// A listener that answers every request that the rules allow.
fn guarded(name: &str, rbac: &Value) -> Value {
    let mut listener = listener(name, &configuration(name, &[named("all", &json!({"prefix": "/"}))]), &[]);
    let mut config = rbac.clone();
    config["@type"] = RBAC.into();
    let manager = &mut listener["filter_chains"][0]["filters"][0]["typed_config"];
    // By default Envoy waits a second before it closes a connection that asks for that.
    manager["delayed_close_timeout"] = "0s".into();
    manager["http_filters"]
        .as_array_mut()
        .expect("filters")
        .insert(0, json!({"name": "envoy.filters.http.rbac", "typed_config": config}));
    listener
}

fn headers(raw: &str) -> HeaderMap {
    let lines = raw.split("\r\n").filter_map(|line| line.split_once(": "));
    let header = |(name, value): (&str, &str)| {
        (HeaderName::from_bytes(name.as_bytes()).expect("a name"), HeaderValue::from_str(value).expect("a value"))
    };
    let mut map = HeaderMap::new();
    for (name, value) in lines.map(header) {
        map.append(name, value);
    }
    map
}

#[test]
fn envoy_authorizes_the_same_requests() {
    if !has_envoy() {
        return;
    }
    let template = |text: &str| {
        json!({"uri_template": {"name": "t", "typed_config": {
            "@type": "type.googleapis.com/envoy.extensions.path.match.uri_template.v3.UriTemplateMatchConfig",
            "path_template": text}}})
    };
    let x = |matcher: Value| json!({"header": {"name": "X-Token", "string_match": matcher}});
    let permissions = [
        template("/a/*"),
        template("/a/**"),
        template("/*/b/**"),
        template("/**/z"),
        json!({"url_path": {"path": {"exact": "/a/b"}}}),
        json!({"url_path": {"path": {"safe_regex": {"regex": ".+"}}}}),
        x(json!({"exact": "1"})),
        x(json!({"prefix": "1"})),
        x(json!({"exact": "1,2"})),
        json!({"not_rule": x(json!({"exact": "1"}))}),
        json!({"header": {"name": "x-token", "present_match": true}}),
        json!({"header": {"name": ":authority", "string_match": {"exact": "HOST", "ignore_case": true}}}),
        json!({"metadata": {"filter": "f", "path": [{"key": "k"}], "value": {"string_match": {"prefix": "a"}}}}),
        json!({"requested_server_name": {"exact": "host"}}),
        json!({"requested_server_name": {"safe_regex": {"regex": ".+"}}}),
    ];
    let principals = [
        json!({"authenticated": {}}),
        json!({"not_id": {"authenticated": {"principal_name": {"safe_regex": {"regex": ".*"}}}}}),
        json!({"direct_remote_ip": {"address_prefix": "127.0.0.0", "prefix_len": 8}}),
        json!({"remote_ip": {"address_prefix": "192.0.2.0", "prefix_len": 24}}),
    ];
    let any = json!({"any": true});
    let rules: Vec<Value> = permissions
        .iter()
        .map(|permission| one(permission, &any))
        .chain(principals.iter().map(|principal| one(&any, principal)))
        .collect();
    let name = |i: usize| format!("rules-{i}");
    let listeners: Vec<Value> =
        rules.iter().enumerate().map(|(i, rules)| guarded(&name(i), &json!({"rules": rules}))).collect();
    let mut envoy = Envoy::start(&listeners, &[]);
    let requests = [
        ("/a/b", ""),
        ("/a/b?c=/z", ""),
        ("/a/", ""),
        ("/a", ""),
        ("/a/b/c/z", ""),
        ("/a//z", ""),
        ("/z", ""),
        ("/a/b", "x-token: 1\r\n"),
        ("/a/b", "x-token: 1\r\nx-token: 2\r\n"),
        ("/a/b", "x-token: 2\r\nx-token: 1\r\n"),
        ("/a/b", "x-token: \r\n"),
        ("/a/b", "x-forwarded-for: 192.0.2.7\r\n"),
    ];
    for (i, configured) in rules.iter().enumerate() {
        let rules = Rules::new(&envoy_api::read_value(configured.clone()).expect("rules")).expect("rules");
        let port = envoy.port(&name(i));
        for (path, raw) in requests {
            let headers = headers(raw);
            let forwarded = headers.get("x-forwarded-for").and_then(|value| value.to_str().ok()?.parse().ok());
            let facts = Facts {
                destination: SocketAddr::from(([127, 0, 0, 1], port)),
                peer_address: Ipv4Addr::LOCALHOST.into(),
                client_address: forwarded.unwrap_or_else(|| Ipv4Addr::LOCALHOST.into()),
                peer: None,
                server_name: "",
                request: Some(RequestHead {
                    authority: "host",
                    path,
                    method: "GET",
                    scheme: "http",
                    headers: &headers,
                }),
            };
            let verdict = rules.evaluate(&facts);
            let (status, body) = get(&format!("127.0.0.1:{port}"), "host", path, raw);
            let logged = envoy.logged();
            let context = format!("{configured} for {path} with {raw:?}: {logged}");
            assert_eq!(status == 200, verdict.allowed, "{context}");
            if !verdict.allowed {
                assert_eq!((status, body.as_str()), (403, envoy_rules::rbac::BODY), "{context}");
                assert!(logged.contains(&format!(" {} ", verdict.details())), "{context}");
            }
        }
    }
}

#[test]
fn envoy_counts_under_the_same_names() {
    if !has_envoy() {
        return;
    }
    let any = json!({"any": true});
    let all = one(&any, &any);
    let mut deny = all.clone();
    deny["action"] = "DENY".into();
    let http = guarded(
        "http",
        &json!({"rules": all, "shadow_rules": deny, "shadow_rules_stat_prefix": "istio_dry_run_deny_"}),
    );
    let mut tcp = listener("tcp", &configuration("unused", &[]), &[]);
    let rbac = json!({"@type": NETWORK_RBAC, "stat_prefix": "tcp.", "rules": deny, "shadow_rules": all,
                      "shadow_rules_stat_prefix": "istio_dry_run_allow_"});
    let format =
        json!({"text_format_source": {"inline_string": "%RESPONSE_FLAGS% %CONNECTION_TERMINATION_DETAILS%\n"}});
    let log = json!({"@type": FILE_LOG, "path": "/dev/stdout", "log_format": format});
    tcp["filter_chains"][0]["filters"] = json!([
        {"name": "envoy.filters.network.rbac", "typed_config": rbac},
        {"name": "tcp", "typed_config": {"@type": TCP_PROXY, "stat_prefix": "t", "cluster": "nowhere",
                                         "access_log": [{"name": "log", "typed_config": log}]}},
    ]);
    let app = TcpListener::bind(LOCALHOST).expect("a port");
    let port = app.local_addr().expect("an address").port();
    let endpoint = json!({"endpoint": {"address": {"socket_address": {"address": "127.0.0.1", "port_value": port}}}});
    let cluster = json!({"name": "nowhere", "type": "STATIC", "load_assignment": {
        "cluster_name": "nowhere", "endpoints": [{"lb_endpoints": [endpoint]}]}});
    let mut envoy = Envoy::start(&[http, tcp], &[cluster]);
    get(&format!("127.0.0.1:{}", envoy.port("http")), "host", "/", "");
    envoy.logged();
    let mut caller = TcpStream::connect(("127.0.0.1", envoy.port("tcp"))).expect("it listens");
    caller.set_read_timeout(Some(PATIENCE)).expect("a timeout");
    let (mut reached, _) = app.accept().expect("it connects to the app before the first bytes");
    caller.write_all(b"hello").expect("it is sent");
    let mut nothing = Vec::new();
    assert_eq!(caller.read_to_end(&mut nothing).expect("an end"), 0);
    assert_eq!(reached.read_to_end(&mut nothing).expect("an end"), 0, "nothing of it reaches the app");
    assert_eq!(envoy.logged(), "- rbac_access_denied_matched_policy[ns[a]-policy[b]-rule[0]]");
    let (_, stats) = get(&envoy.admin, "admin", "/stats?filter=rbac", "");
    for counted in [
        "http.http.rbac.allowed: 1",
        "http.http.rbac.denied: 0",
        "http.http.rbac.istio_dry_run_deny_.shadow_allowed: 0",
        "http.http.rbac.istio_dry_run_deny_.shadow_denied: 1",
        "tcp.rbac.allowed: 0",
        "tcp.rbac.denied: 1",
        "tcp.rbac.istio_dry_run_allow_.shadow_allowed: 1",
        "tcp.rbac.istio_dry_run_allow_.shadow_denied: 0",
    ] {
        assert!(stats.lines().any(|line| line == counted), "{counted} in {stats}");
    }
}
