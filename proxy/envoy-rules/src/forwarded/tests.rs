use http::HeaderValue;

use super::*;

fn client(use_remote_address: bool, hops: u32, forwarded_for: &str) -> Option<String> {
    Trust { use_remote_address, hops }.client(forwarded_for).map(|ip| ip.to_string())
}

#[test]
fn a_proxy_that_does_not_use_the_peers_address_takes_the_last_one_of_the_header() {
    assert_eq!(client(false, 0, "1.2.3.4, 9.9.9.9"), Some("9.9.9.9".into()));
    assert_eq!(client(false, 0, "2001:db8::1"), Some("2001:db8::1".into()));
    assert_eq!(client(false, 1, "1.2.3.4,9.9.9.9"), Some("1.2.3.4".into()));
    assert_eq!(client(false, 0, ""), None);
    assert_eq!(client(false, 0, "1.2.3.4,"), None);
    assert_eq!(client(false, 0, "1.2.3.4:80"), None);
}

#[test]
fn an_edge_proxy_believes_as_many_hops_as_it_trusts() {
    assert_eq!(client(true, 0, "1.2.3.4"), None);
    assert_eq!(client(true, 1, "1.2.3.4"), Some("1.2.3.4".into()));
    assert_eq!(client(true, 2, "1.2.3.4,9.9.9.9"), Some("1.2.3.4".into()));
    assert_eq!(client(true, 2, "1.2.3.4"), None, "fewer proxies than trusted ones");
}

#[test]
fn an_edge_proxy_without_trusted_hops_says_itself_how_the_client_called() {
    let keeps = |use_remote_address, hops| Trust { use_remote_address, hops }.keeps_proto();
    assert_eq!([keeps(true, 0), keeps(true, 1), keeps(false, 0)], [false, true, true]);
}

#[test]
fn the_scheme_is_what_the_header_says_if_it_is_one() {
    let scheme = |proto: Option<&'static str>, has_tls| {
        let headers = proto.map(|proto| (FORWARDED_PROTO, HeaderValue::from_static(proto)));
        scheme(&headers.into_iter().collect(), has_tls)
    };
    assert_eq!([scheme(None, true), scheme(None, false)], ["https", "http"]);
    assert_eq!([scheme(Some("http"), true), scheme(Some("HTTPS"), false)], ["http", "https"]);
    assert_eq!(scheme(Some("wss"), true), "https");
}
