use super::*;

#[test]
fn the_parts_of_a_cookie_are_joined() {
    let cookies = ["a=1", "b=2", "c=3"].map(|part| (header::COOKIE, HeaderValue::from_static(part)));
    let mut headers = HeaderMap::from_iter(cookies);
    join_cookies(&mut headers);
    assert_eq!(headers.get_all(header::COOKIE).iter().collect::<Vec<_>>(), ["a=1; b=2; c=3"]);
}

#[test]
fn http2_fields_that_envoy_refuses_are_refused() {
    let is_accepted = |uri: &str, fields: &[(&str, &str)]| {
        let mut request = http::Request::builder().uri(uri);
        for (name, value) in fields {
            request = request.header(*name, *value);
        }
        is_acceptable(&request.body(()).unwrap().into_parts().0)
    };
    let server = "http://server/x";
    assert!(is_accepted(server, &[("host", "other"), ("content-length", "3"), ("x", "1"), ("x", "2")]));
    assert!(!is_accepted(server, &[("host", "one"), ("host", "two")]));
    assert!(!is_accepted(server, &[("content-length", "3"), ("content-length", "3")]));
    assert!(!is_accepted("http://me@server/x", &[]));
    assert!(is_accepted(server, &[("x", "a"); 96]));
    assert!(!is_accepted(server, &[("x", "a"); 97]));
}
