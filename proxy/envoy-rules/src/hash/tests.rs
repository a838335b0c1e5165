use envoy_api::{HashConnectionProperties, HashCookieAttribute, HashHeader, HashQueryParameter, ProtoDuration};
use http::{HeaderMap, HeaderName, HeaderValue};

use super::*;

const CLIENT: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(10, 0, 0, 1));

fn hash(policies: &[HashPolicy], path: &str, headers: &[(&'static str, &'static str)]) -> Option<u64> {
    let mut map = HeaderMap::new();
    for (name, value) in headers {
        map.append(HeaderName::from_static(name), HeaderValue::from_static(value));
    }
    let request = RequestHead { authority: "h", path, method: "GET", scheme: "http", headers: &map };
    of_request(policies, &request, CLIENT, |_| Some("new".into()))
}

fn by_header(name: &str) -> HashPolicy {
    HashPolicy::Header(HashHeader { header_name: name.into() })
}

fn by_cookie(ttl: Option<u64>) -> HashCookie {
    let ttl = ttl.map(|seconds| ProtoDuration(std::time::Duration::from_secs(seconds)));
    HashCookie { name: "c".into(), ttl, path: "/p".into(), attributes: vec![] }
}

#[test]
fn the_order_of_a_headers_values_does_not_count() {
    let policies = [by_header("X-User")];
    let ab = hash(&policies, "/", &[("x-user", "a"), ("x-user", "b")]);
    assert_eq!(ab, hash(&policies, "/", &[("x-user", "b"), ("x-user", "a")]));
    assert_eq!(ab, Some(XxHash64::oneshot(hash_of(b"a"), b"b")));
    assert_eq!(hash(&policies, "/", &[]), None);
}

#[test]
fn a_cookie_is_set_only_if_it_has_a_lifetime() {
    let with = |ttl| [HashPolicy::Cookie(by_cookie(ttl))];
    assert_eq!(hash(&with(None), "/", &[]), None);
    assert_eq!(hash(&with(Some(0)), "/", &[]), Some(hash_of(b"new")));
    assert_eq!(hash(&with(Some(0)), "/", &[("cookie", "b=1; c=\"x\"")]), Some(hash_of(b"x")));
}

#[test]
fn parameters_and_addresses_are_hashed_as_written() {
    let parameter = [HashPolicy::QueryParameter(HashQueryParameter { name: "k".into() })];
    assert_eq!(hash(&parameter, "/?a=1&k=%41&k=2", &[]), Some(hash_of(b"%41")));
    assert_eq!(hash(&parameter, "/?kk=1", &[]), None);
    let source = [HashPolicy::ConnectionProperties(HashConnectionProperties { source_ip: true })];
    assert_eq!(hash(&source, "/", &[]), Some(hash_of(b"10.0.0.1")));
}

#[test]
fn equal_policies_do_not_cancel_each_other_out() {
    let a = hash_of(b"a");
    let twice = hash(&[by_header("x"), by_header("x")], "/", &[("x", "a")]);
    assert_eq!(twice, Some(a.rotate_left(1) ^ a));
}

#[test]
fn a_cookie_is_set_with_its_attributes() {
    let attribute = |name: &str, value: &str| HashCookieAttribute { name: name.into(), value: value.into() };
    let cookie = HashCookie {
        attributes: vec![attribute("SameSite", "Strict"), attribute("Secure", "")],
        ..by_cookie(Some(60))
    };
    let expected = "c=\"v\"; Max-Age=60; Path=/p; SameSite=Strict; Secure; HttpOnly";
    assert_eq!(set_cookie(&cookie, "v"), expected);
}
