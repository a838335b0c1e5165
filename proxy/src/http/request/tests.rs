use super::*;

#[test]
fn the_parts_of_a_cookie_are_joined() {
    let cookies = ["a=1", "b=2", "c=3"].map(|part| (header::COOKIE, HeaderValue::from_static(part)));
    let mut headers = HeaderMap::from_iter(cookies);
    join_cookies(&mut headers);
    assert_eq!(headers.get_all(header::COOKIE).iter().collect::<Vec<_>>(), ["a=1; b=2; c=3"]);
}
