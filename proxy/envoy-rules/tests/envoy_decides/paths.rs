//! What paths are normalized to.

use envoy_api::HttpConnectionManager;
use envoy_rules::path::{Normalization, Normalized};

use pretty_assertions::assert_eq;

use super::*;

#[test]
fn envoy_normalizes_paths_in_the_same_way() {
    if !has_envoy() {
        return;
    }
    let settings = [
        json!({"normalize_path": false}),
        json!({"normalize_path": true}),
        json!({"normalize_path": true, "merge_slashes": true}),
        json!({"normalize_path": true, "merge_slashes": true, "path_with_escaped_slashes_action": "UNESCAPE_AND_FORWARD"}),
        json!({"normalize_path": true, "path_with_escaped_slashes_action": "REJECT_REQUEST"}),
        json!({"normalize_path": true, "path_with_escaped_slashes_action": "UNESCAPE_AND_REDIRECT"}),
    ];
    let path_in_header = json!([{"header": {"key": "got", "value": "%REQ(:PATH)%"}}]);
    let listeners: Vec<Value> = settings
        .iter()
        .enumerate()
        .map(|(i, settings)| {
            let name = i.to_string();
            let mut routes = configuration(&name, &[named("all", &json!({"prefix": "/"}))]);
            routes["response_headers_to_add"] = path_in_header.clone();
            let mut listener = listener(&name, &routes, &[]);
            let manager = &mut listener["filter_chains"][0]["filters"][0]["typed_config"];
            // By default Envoy waits a second before it closes a connection that asks for that.
            manager["delayed_close_timeout"] = "0s".into();
            for (field, value) in settings.as_object().expect("fields") {
                manager[field] = value.clone();
            }
            listener
        })
        .collect();
    let envoy = Envoy::start(&listeners, &[]);
    for (i, settings) in settings.iter().enumerate() {
        let mut manager = settings.clone();
        manager["stat_prefix"] = "x".into();
        manager["http_filters"] = json!([{"name": "router", "typed_config": {"@type": ROUTER}}]);
        let manager: HttpConnectionManager = envoy_api::read_value(manager).expect("a connection manager");
        let normalization = Normalization::new(&manager);
        let address = format!("127.0.0.1:{}", envoy.port(&i.to_string()));
        for path in [
            "/",
            "//",
            "/a//b///c/",
            "/a/../b//",
            "/a//../b",
            "/a%2f%2Fb",
            "/a%2f..%2fb?c//%2f",
            "/a%5c..%5Cb",
            "/a\\b",
            "/%61%2525",
            "/a%20b",
            "/a%00",
            "/a#b",
            "/%2e%2e/..%2f..%2fa",
            "/a/..;x/b",
        ] {
            let (status, headers) = head(&address, path);
            let value = |name: &str| headers.get(name).and_then(|value| value.to_str().ok()).map(str::to_owned);
            let expected = match normalization.apply(path) {
                Normalized::Path(path) => (200, Some(path.into_owned()), None),
                Normalized::Redirected(path) => (307, None, Some(path)),
                Normalized::Rejected => (400, None, None),
            };
            assert_eq!((status, value("got"), value("location")), expected, "{path} with {settings}");
        }
    }
}

/// The status and headers that answer a request for a path.
fn head(address: &str, path: &str) -> (u16, HeaderMap) {
    let mut stream = TcpStream::connect(address).expect("it listens");
    stream.set_read_timeout(Some(PATIENCE)).expect("a timeout");
    let request = format!("GET {path} HTTP/1.1\r\nhost: h\r\nconnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).expect("the request is sent");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("an answer");
    let (head, _) = answer.split_once("\r\n\r\n").expect("a head");
    let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).expect("a status");
    let lines = head.lines().filter_map(|line| line.split_once(": "));
    let header = |(name, value): (&str, &str)| {
        (HeaderName::from_bytes(name.as_bytes()).expect("a name"), HeaderValue::from_str(value).expect("a value"))
    };
    (status, lines.map(header).collect())
}
