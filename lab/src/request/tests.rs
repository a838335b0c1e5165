use pretty_assertions::assert_eq;

use super::*;

fn asked(method: Option<Method>, headers: &[(&str, &str)], app: AppProtocol) -> Result<Asked, String> {
    let headers = headers.iter().map(|(name, value)| header(name, value).unwrap());
    Asked::new(method, None, None, headers, app, None)
}

#[test]
fn a_host_header_is_the_authority() {
    let asked = asked(None, &[("Host", "shop:80"), ("end-user", "jason")], AppProtocol::Http).unwrap();
    assert_eq!(asked.authority.as_deref(), Some("shop:80"));
    assert_eq!(asked.headers.len(), 1);
}

#[test]
fn raw_bytes_have_no_request() {
    let refusal = asked(None, &[("end-user", "jason")], AppProtocol::Tcp).unwrap_err();
    assert_eq!(refusal, "header: raw bytes have none; it needs HTTP (app http, h2 or https)");
    assert!(asked(Some(Method::PUT), &[], AppProtocol::Tcp).is_err());
}

#[test]
fn a_grpc_call_is_a_post() {
    let refusal = Asked::new(Some(Method::GET), None, None, [], AppProtocol::H2, Some(AppSpeaks::Grpc)).unwrap_err();
    assert_eq!(refusal, "method: gRPC calls are POST, not GET");
}

#[test]
fn a_path_begins_with_a_slash_and_keeps_its_query() {
    assert_eq!(path_and_query("/a/b?q=1&r").unwrap(), "/a/b?q=1&r");
    assert!(path_and_query("a").is_err());
    assert!(path_and_query("/a b").is_err());
}
