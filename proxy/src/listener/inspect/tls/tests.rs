use std::sync::Arc;

use rustls::{ClientConfig, ClientConnection, RootCertStore, crypto::aws_lc_rs};

use super::*;

/// A ClientHello of rustls, with a post-quantum key share.
fn hello(name: &str, alpn: &[&str]) -> Vec<u8> {
    let mut config = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(RootCertStore::empty())
        .with_no_client_auth();
    config.alpn_protocols = alpn.iter().map(|protocol| protocol.as_bytes().to_vec()).collect();
    let mut connection = ClientConnection::new(Arc::new(config), name.to_owned().try_into().unwrap()).unwrap();
    let mut bytes = Vec::new();
    connection.write_tls(&mut bytes).unwrap();
    bytes
}

#[test]
fn sni_is_in_lower_case_and_alpn_in_the_clients_order() {
    let hello = look(&hello("A.Example", &["istio", "h2"]));
    let expected = Hello { server_name: "a.example".into(), alpn: vec!["istio".into(), "h2".into()] };
    assert_eq!(hello, Some(Opening::Hello(expected)));
}

#[test]
fn bytes_may_arrive_one_by_one_and_in_records_of_one_byte() {
    let bytes = hello("a.example", &[]);
    for end in 1..bytes.len() {
        assert_eq!(look(&bytes[..end]), None, "after {end} bytes");
    }
    let small: Vec<u8> = bytes[5..].iter().flat_map(|byte| [22, 3, 1, 0, 1, *byte]).collect();
    assert_eq!(look(&small), look(&bytes));
    assert_eq!(client_hello(&bytes).unwrap().server_name, "a.example");
}

#[test]
fn plaintext_is_recognized_after_five_bytes() {
    assert_eq!(look(b"abcd"), None);
    assert_eq!(look(b"abcde"), Some(Opening::Plaintext));
    assert_eq!(look(b"\x16\x03\x01\x00\x05hello"), Some(Opening::Plaintext), "a handshake record without a hello");
}

#[test]
fn an_empty_record_before_the_hello_is_skipped_but_not_many() {
    let (bytes, empty) = (hello("a.example", &[]), [22, 3, 1, 0, 0]);
    assert_eq!(look(&[&empty[..], &bytes].concat()), look(&bytes));
    assert_eq!(look(&[&empty.repeat(33)[..], &bytes].concat()), Some(Opening::Plaintext));
}

#[test]
fn an_invalid_host_name_does_not_invalidate_the_hello() {
    let mut bytes = hello("a.example", &["istio"]);
    let at = bytes.windows(9).position(|window| window == b"a.example").unwrap();
    for (name, read) in [
        (b"a b|\"\n/?#", "a b|\"\n/?#"),
        (b"10.0.0.12", "10.0.0.12"),
        (b"\xff\xfe.ABCD!\x01", "\u{ff}\u{fe}.abcd!\u{1}"),
    ] {
        bytes[at..at + 9].copy_from_slice(name);
        let expected = Hello { server_name: read.into(), alpn: vec!["istio".into()] };
        assert_eq!(client_hello(&bytes), Some(expected));
    }
    bytes[at] = 0;
    assert_eq!(look(&bytes), Some(Opening::Plaintext), "a NUL");
}

#[test]
fn a_close_notify_and_an_undefined_version_are_invalid() {
    assert_eq!(look(&[21, 3, 1, 0, 2, 1, 0]), Some(Opening::Invalid(Hello::default())));
    let mut bytes = hello("a.example", &[]);
    bytes[9..11].copy_from_slice(&[3, 0]); // the version in the hello: SSL 3
    assert!(matches!(look(&bytes), Some(Opening::Invalid(Hello { server_name, .. })) if server_name == "a.example"));
}

#[test]
fn the_largest_hello_of_our_own_provider_fits_the_first_peek() {
    let protocols = ["istio-peer-exchange", "istio-http/1.1", "istio", "h2", "http/1.1"];
    let name = "outbound_.8080_._.server.a-rather-long-namespace-name.svc.cluster.local";
    assert!(hello(name, &protocols).len() <= 2048);
}
