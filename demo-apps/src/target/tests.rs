use pretty_assertions::assert_eq;

use super::*;

#[test]
fn a_url_has_scheme_host_port_and_path() {
    for (url, scheme, host, port, path) in [
        ("http://server", Scheme::Http, "server", 80, "/"),
        ("http://server:8080/a/b?c=d", Scheme::Http, "server", 8080, "/a/b?c=d"),
        ("https://server.default.svc/x", Scheme::Https, "server.default.svc", 443, "/x"),
        ("http://[fd00:244::2]:8080/", Scheme::Http, "fd00:244::2", 8080, "/"),
        ("grpc://server:8080", Scheme::Grpc, "server", 8080, "/"),
        ("grpcs://server:8443/a.B/C", Scheme::Grpcs, "server", 8443, "/a.B/C"),
        ("ws://server/ws", Scheme::Ws, "server", 80, "/ws"),
        ("wss://server/ws", Scheme::Wss, "server", 443, "/ws"),
        ("tcp://10.244.0.2:9000", Scheme::Tcp, "10.244.0.2", 9000, "/"),
        ("tls://[::1]:9443", Scheme::Tls, "::1", 9443, "/"),
    ] {
        let target: Target = url.parse().unwrap();
        assert_eq!((target.scheme, target.host.as_str(), target.port), (scheme, host, port), "{url}");
        assert_eq!(target.path, path, "{url}");
        assert_eq!(target.to_string().parse::<Target>().unwrap(), target, "{url}");
    }
}

#[test]
fn an_invalid_url_is_refused_with_the_reason() {
    for (url, expected) in [
        ("server:8080", "expected http(s)://"),
        ("/path", "no scheme"),
        ("ftp://server", "unknown scheme ftp"),
        ("tcp://server", "no port"),
        ("grpc://server/a.B/C", "no port"),
        ("tcp://server:9000/path", "no path"),
        ("http://user@server/", "user names"),
        ("http://server:65536/", "65535"),
        ("http://server:/", "65535"),
        ("http://[::1/", "expected http(s)://"),
    ] {
        let error = url.parse::<Target>().unwrap_err().to_string();
        assert!(error.contains(expected), "{url}: {error}");
    }
}
