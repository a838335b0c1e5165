use super::*;

fn with_content_type(value: &'static str) -> HeaderMap {
    HeaderMap::from_iter([(header::CONTENT_TYPE, HeaderValue::from_static(value))])
}

#[test]
fn grpc_is_recognized_by_its_content_type() {
    assert!(is_grpc(&with_content_type("application/grpc")));
    assert!(is_grpc(&with_content_type("application/grpc+proto")));
    assert!(!is_grpc(&with_content_type("application/grpc-web")));
    assert!(!is_grpc(&with_content_type("text/plain")));
    assert!(!is_grpc(&HeaderMap::new()));
}

#[test]
fn a_failure_becomes_a_grpc_status() {
    let headers = reply_headers(StatusCode::SERVICE_UNAVAILABLE, "no healthy upstream", None);
    assert_eq!(headers[GRPC_STATUS], "14");
    assert_eq!(headers[GRPC_MESSAGE], "no healthy upstream");
    let headers = reply_headers(StatusCode::NOT_FOUND, "", None);
    assert_eq!(headers[GRPC_STATUS], "12");
    assert!(!headers.contains_key(GRPC_MESSAGE));
}

#[test]
fn messages_are_percent_encoded() {
    assert_eq!(percent_encoded("100% \u{e4}\n"), "100%25 %C3%A4%0A");
}
